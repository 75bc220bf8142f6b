#!/usr/bin/env python3
"""test_nearest.py - demo/ann/nearest.py subscribes to a job that learns, on a real Kafka.

    test_nearest.py [TestName ...]    TEST_BRAID is the program; `./run test kafka` sets it all up

Whoever joins at any moment of a switch from one generation to the next scores no record against
item vectors of another: what it answered is held against an independent read of both topics.
"""

import collections
import json
import os
import random
import struct
import subprocess
import sys
import time

import case
from case import SEED, KafkaCase, common, main, tearDownModule
from cluster import ROOT, skip
from harness import PATIENCE, Pulse, read_all, wait_until

sys.path.insert(0, str(ROOT / "demo/ann"))
try:
    import numpy
    import nearest
except ImportError as missing:
    skip(f"{missing}: ./run test installs it")

assert tearDownModule

COMPLETE = 2**32 - 2
JOINS, MIXED = 10, 3  # as often somebody joins at least, and so often in the middle of a switch
TOP = 5
GRACE_MS = 2000


def setUpModule():
    case.setUpModule()
    subprocess.run(["protoc", f"--proto_path={ROOT}/stream/interests",
                    f"--python_out={common['directory']}", "item_vector.proto"], check=True)


def interests(record):
    """(user, generation, events, [K][width]) of a record in Protobuf."""
    from interest_record_pb2 import InterestRecord
    told = InterestRecord.FromString(record.value)
    vectors = numpy.float32(told.vectors).reshape(-1, told.width)
    return told.user.decode(), told.generation, told.events, vectors


class Nearest(KafkaCase):
    def subscriber(self, world):
        return nearest.Topics(world.cluster.address, f"{world.name}-interests",
                              f"{world.name}-item-vectors")

    @staticmethod
    def vectors(world):
        """By generation and item."""
        from item_vector_pb2 import ItemVector
        found = collections.defaultdict(dict)
        for record in read_all(world, f"{world.name}-item-vectors"):
            if len(record.key) > 8:
                vector = ItemVector.FromString(record.value)
                found[vector.generation][vector.item.decode()] = numpy.float32(vector.vector)
        return found

    @staticmethod
    def ask_all(subscriber):
        """[(user, generation, events, [(item, score)])], and the generations that were refused."""
        answers, refused = [], set()
        for user, record in subscriber.users.items():
            try:
                record, found = subscriber.nearest(user, TOP)
                answers.append((user, record["generation"], record["events"], found))
            except nearest.Mismatch:
                refused.add(record["generation"])
        return answers, refused

    def check(self, world, answers):
        vectors = self.vectors(world)
        records = {(user, generation, events): of for user, generation, events, of in
                   map(interests, read_all(world, f"{world.name}-interests"))}
        best = 0
        for user, generation, events, found in answers:
            items = vectors[generation]
            exact = (numpy.stack(list(items.values())) @
                     records[user, generation, events].T).max(axis=1)
            exact = dict(zip(items, exact.tolist()))
            for item, score in found:
                self.assertAlmostEqual(score, exact[item], delta=1e-4 * (1 + abs(score)))
            best += found[0][1] > max(exact.values()) - 1e-4
        self.assertGreater(best, 0.9 * len(answers))

    def test_whoever_joins_in_a_switch_scores_within_one_generation(self):
        world = self.learning(**{
            "train.republish_rate": "20",  # so slowly that there are two generations mostly
            "job.poll_events_max": "16", "output.items_grace": "1h"})
        job = self.learner(world)
        pulse = Pulse(self.feed(world), count=20, pause=0.2)
        wait_until(lambda: read_all(world, f"{world.name}-interests"), "a first record", job)
        draw, deadline = random.Random(SEED), time.monotonic() + PATIENCE
        early, answers, joins, mixed = self.subscriber(world), [], 0, 0
        while joins < JOINS or mixed < MIXED:
            self.assertLess(time.monotonic(), deadline, f"{joins} joins, {mixed} in a switch")
            pulse.over.wait(draw.uniform(0, 1))
            late = self.subscriber(world)
            for subscriber in (early, late):
                subscriber.poll()
                some, refused = self.ask_all(subscriber)
                known = sorted({generation for _, generation, *_ in some})
                self.assertTrue(all(old < known[0] for old in refused), (known, refused))
                answers += some
            late.close()
            joins, mixed = joins + 1, mixed + (len(known) > 1)
        early.close()
        pulse.stop()
        print(f"joins={joins} mixed={mixed} answers={len(answers)}", file=sys.stderr)
        self.check(world, answers)
        asked = subprocess.run(
            [sys.executable, "-B", ROOT / "demo/ann/nearest.py", "--kafka", world.cluster.address,
             f"{world.name}-interests", f"{world.name}-item-vectors", "user-0", "--top", "2"],
            env={**os.environ, "PYTHONPATH": str(common["directory"])}, check=True,
            capture_output=True, text=True)
        self.assertRegex(asked.stdout, r"^user=user-0 generation=\d+ events=\d+( i\d+:\S+){2}\n$")
        job.stop()

    def test_items_are_there_before_the_first_record_and_until_the_grace_is_over(self):
        world = self.learning(**{"output.items_grace": f"{GRACE_MS}ms", "output.record": "json",
                                 "train.republish_rate": "200"})
        job = self.learner(world)
        pulse = Pulse(self.feed(world), count=20, pause=0.2)
        wait_until(lambda: self.gone(world), "item vectors that are gone", job)
        pulse.stop()
        job.stop()
        ends, items = {}, collections.Counter()
        for record in read_all(world, f"{world.name}-item-vectors"):
            generation, = struct.unpack(">Q", record.key[:8])
            if len(record.key) > 8 and record.value:
                self.assertNotIn(generation, ends)
                items[generation] += 1
            elif record.value and generation not in ends:
                self.assertEqual(json.loads(record.value)["items"], items[generation])
                ends[generation] = record.timestamp
        first = {}
        for record in read_all(world, f"{world.name}-interests"):
            generation = json.loads(record.value)["generation"]
            first[generation] = min(record.timestamp, first.get(generation, record.timestamp))
        for generation, since in first.items():
            self.assertLessEqual(ends[generation], since)
        complete = self.complete(world)
        for generation, gone in self.gone(world).items():
            by = min(ms for other, ms in complete.items() if other > generation)
            self.assertGreaterEqual(gone, by + GRACE_MS)

    @staticmethod
    def gone(world):
        """When the vectors of each generation began to be removed."""
        gone = {}
        for record in read_all(world, f"{world.name}-item-vectors"):
            if not record.value:
                gone.setdefault(struct.unpack(">Q", record.key[:8])[0], record.timestamp)
        return gone

    @staticmethod
    def complete(world):
        """When each generation was found complete."""
        told = {}
        for record in read_all(world, f"{world.name}-models"):
            generation, part = struct.unpack(">QI", record.key)
            if part == COMPLETE and record.value:
                told[generation], = struct.unpack("<q", record.value[-8:])
        return told


if __name__ == "__main__":
    main()
