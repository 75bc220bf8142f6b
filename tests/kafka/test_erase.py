#!/usr/bin/env python3
"""test_erase.py - users who are erased on request (source.erase), from everything that a job keeps.

    test_erase.py [TestName ...]    TEST_BRAID is the program; `./run test kafka` sets all of it up

Whatever is killed when, no byte of their ids is left in a topic or a store once there is a receipt and
the topics are compacted; and neither an empty disk nor a replay brings anybody back. That goes for a
job beside as well, which stood still until the requests were compacted away.
"""

import json
import random
import shutil
import signal
import subprocess
import time
import types

from case import SEED, KafkaCase, main, setUpModule, tearDownModule, totals
from harness import BRAID, drain, erased_key, numbers, read_all, verify, wait_until

from kafka.consumer.fetcher import Fetcher

assert setUpModule and tearDownModule
STEPS = ["erasure_taken", "outputs_sent", "seals_sent", "offsets_sent", "committed",
         "store_committed", "erasure_committed", "erasure_purged"]
RANDOM_KILLS = 2
CLICKS = 40  # of each who is erased: more than a chunk holds
BESIDE = {"kafka.group": "beside", "output.topic": "beside", "output.items_topic": "beside-items",
          "output.history_topic": "beside-history", "output.dead_letter_topic": "beside-letters"}
SOON = {"cleanup.policy": "compact", "segment.ms": "500", "max.compaction.lag.ms": "1000",
        "min.cleanable.dirty.ratio": "0.01", "delete.retention.ms": "1000"}


def read_emptied_batches():
    """kafka-python fails at the end of a transaction from which compaction has taken the record."""
    contains = Fetcher.PartitionRecords._contains_abort_marker

    def contains_or_is_empty(self, batch):
        try:
            return contains(self, batch)
        except StopIteration:
            return False

    Fetcher.PartitionRecords._contains_abort_marker = contains_or_is_empty


class Erase(KafkaCase):
    def erasing_world(self):
        world = self.world()
        self.topic = f"{world.name}-erasures"
        world.settings.update({"source.erase": self.topic, "state.erase_interval": "0s",
                               "state.snapshot_every": "16"})
        for topic in (self.topic, f"{world.name}-history", f"{world.name}-interests", "beside",
                      "beside-history"):
            world.create(topic, world.partitions, **SOON)
        return world

    def click(self, feed, user, count, time_ms=None):
        feed.wait([feed.send_raw(json.dumps(
            {**feed.event(), "user": user, "action": "view",
             **({"time": time_ms + i} if time_ms else {})}).encode(), user) for i in range(count)])

    def ask(self, world, feed, user):
        feed.producer.send(self.topic, b"{}", user.encode()).get(60)

    def command(self, world, *users):
        done = subprocess.run([BRAID, "erase", "--config", world.config, *world.options(),
                               *(f"--user={user}" for user in users)],
                              capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        self.assertEqual(numbers(done.stdout)["requests"], str(len(users) * world.partitions))

    def beside(self, world, fault=None):
        """Another job on the same source, with companions of its own."""
        return self.job(world, "b", fault, "state-beside", **BESIDE)

    def other(self, world):
        return types.SimpleNamespace(name="beside", cluster=world.cluster)

    def owed(self, world, people, group=None):
        """Users of whom the job has no receipt, or owes one in some partition; and requests."""
        group = group or world.name
        newest = {(record.partition, record.key): record.value
                  for record in read_all(world, self.topic)}
        answered = {key for (_, key), value in newest.items() if value}
        return {erased_key(person, group) for person in people} - answered | {
            key for (_, key), value in newest.items()
            if value and "gone_ms" not in json.loads(value)
            and (not key.startswith(b"erased:") or key.endswith(f":{group}".encode()))}

    def newest(self, world, topic):
        """By user its newest record, None: it is gone."""
        from interest_record_pb2 import InterestRecord
        return {record.key.decode(): record.value and (
            lambda told: (told.events, tuple(told.vectors)))(InterestRecord.FromString(record.value))
            for record in read_all(world, topic)}

    def names_in(self, world, names, *topics):
        return {(topic, name) for topic in topics for record in read_all(world, topic)
                for name in names if name.encode() in (record.key or b"") + (record.value or b"")}

    def files_with(self, world, names):
        return {(path.name, name) for path in world.directory.glob("state-*/**/*") if path.is_file()
                for name in names if name.encode() in path.read_bytes()}

    def test_who_is_erased_is_gone_from_topics_and_stores_whatever_is_killed(self):
        world = self.erasing_world()
        feed = self.feed(world)
        moments = random.Random(SEED)
        people = [f"{moments.getrandbits(64):016x}" for _ in range(len(STEPS) + RANDOM_KILLS)]
        feed.send(1000)
        for person in people:
            self.click(feed, person, CLICKS)
        job, beside = self.job(world), self.beside(world)
        drain(world, feed, job)
        drain(self.other(world), feed, beside)
        job.stop()
        beside.stop()
        before = self.newest(world, f"{world.name}-interests")
        self.assertLess(set(people), set(before))
        self.assertTrue(self.files_with(world, people))
        for number, person in enumerate(people):
            if number == 0:
                self.command(world, person)
            else:
                self.ask(world, feed, person)
            if number < len(STEPS):
                self.job(world, "a", f"{STEPS[number]}:1").ended(-signal.SIGKILL)
                totals["kills"] += 1
            else:
                job = self.job(world)
                time.sleep(moments.uniform(0.5, 1.5))
                self.kill(job)
            if number == 4:
                shutil.rmtree(world.directory / "state-a")
        job = self.job(world)
        wait_until(lambda: not self.owed(world, people), "receipts", job)
        back = people.pop()
        self.click(feed, back, 5)  # of a time before the cut
        self.click(feed, back, 3, int(time.time() * 1000))
        feed.producer.send(self.topic, b"[", b"nobody").get(60)  # a dead letter
        drain(world, feed, job)
        topics = [f"{world.name}-{name}" for name in ("history", "interests", "items",
                                                      "dead-letters", "erasures")]
        self.compact(world, feed, people, topics, job)
        beside = self.late(world, [*people, back], feed, job)
        self.compact(world, feed, people, [*topics, "beside", "beside-history", "beside-items"],
                     job, beside)
        drain(world, feed, job)
        drain(self.other(world), feed, beside)
        job.stop()
        beside.stop()
        self.assertEqual(self.files_with(world, people), set())
        after = self.newest(world, f"{world.name}-interests")
        self.assertEqual(after[back][0], 3)
        self.assertTrue(all(after.get(person) is None for person in people))
        told = self.newest(world, "beside")
        self.assertEqual({user: one for user, one in told.items() if one},
                         {user: one for user, one in after.items() if one})
        self.assertEqual(numbers(verify(world))["verdict"], "ok")
        self.assertEqual(numbers(verify(world, **BESIDE))["verdict"], "ok")
        self.nobody_comes_back(world, people, after)

    def compact(self, world, feed, people, topics, *jobs):
        """Waits until none of the topics has any of the names."""
        def compacted():
            """A partition without new records is not compacted."""
            feed.send(40)
            for partition in range(world.partitions):
                feed.producer.send(self.topic, b"{}", b"nobody", partition=partition)
            feed.producer.flush()
            return not self.names_in(world, people, *topics)

        wait_until(compacted, f"no names in {topics}", *jobs)

    def late(self, world, people, feed, job):
        """The job beside, which has read nothing since before the requests, that are gone by now."""
        self.beside(world, "erasure_found:1").ended(-signal.SIGKILL)
        totals["kills"] += 1
        beside = self.beside(world)
        wait_until(lambda: not self.owed(world, people, "beside"), "its receipts", job, beside)
        wait_until(lambda: not self.owed(world, people), "still those of the other job", job, beside)
        return beside

    def nobody_comes_back(self, world, people, after):
        """Neither by an empty disk nor by a replay, which ends with the same."""
        shutil.rmtree(world.directory / "state-a")
        replay = self.job(world, "a", None, "state-replay",
                          ("replay", "--as", "again", "--publish", "last"),
                          **{"source.end": "latest"})
        replay.ended(0)
        again = self.newest(world, "again")
        self.assertEqual(again, {user: told for user, told in after.items() if told})
        self.assertEqual(self.names_in(world, people, "again", "again-history"), set())
        self.assertEqual(self.files_with(world, people), set())


read_emptied_batches()
if __name__ == "__main__":
    main()
