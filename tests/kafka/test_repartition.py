#!/usr/bin/env python3
"""test_repartition.py - a topic that is not keyed by user becomes one that is.

    test_repartition.py [TestName ...]    TEST_BRAID is the program; `./run test kafka` sets it up

The copy is judged by an independent reader: each record of the source is in it exactly once, where
a producer of another make would have put its user, with its value, headers and timestamp, however
often the program is killed; and a job takes it.
"""

import collections
import json
import os
import signal
import subprocess
import time

from case import SEED, KafkaCase, main, setUpModule, tearDownModule, totals
from cluster import die_with_parent
from harness import BRAID, PATIENCE, Feed, drain, read_all, wait_until

from kafka import KafkaProducer
from kafka.admin import ConfigResource, ConfigResourceType, KafkaAdminClient
from kafka.partitioner.default import murmur2

assert setUpModule and tearDownModule
STEPS = ["copy_claimed", "lone_begun", "lone_sent", "lone_offsets_sent", "lone_committed"]
KILLS_PER_STEP = 3
EVENTS = 3000
DAY_MS = 86400000


class Repartition(KafkaCase):
    def scattered(self, partitions=3, count=EVENTS):
        """A world whose source is keyed by nothing, with records of all kinds, and their number."""
        world = self.world(partitions=partitions)
        feed = Feed(world, seed=SEED)
        now = int(time.time() * 1000)
        futures = []
        for number in range(count):
            event = feed.event()
            value = b"no JSON" if number % 500 == 7 else json.dumps(event).encode()
            stamp = now - 30 * DAY_MS + number * 1000 - (number % 3) * 5000
            futures.append(feed.producer.send(
                world.name, value, b"session" if number % 2 else None,
                [("trace", str(number).encode())], number * 7 % partitions, stamp))
        feed.producer.flush()
        for future in futures:
            future.get(PATIENCE)
        feed.close()
        return world

    def start(self, world, *arguments, fault=None, target=None, **settings):
        environment = dict(os.environ, **({"BRAID_FAULT": fault} if fault else {}))
        target = target or f"{world.name}-by-user"
        options = {"job.commit_interval": "50ms", "job.commit_events_max": "200", **settings}
        return subprocess.Popen(
            [BRAID, "repartition", "--config", world.config, "--to", target, *arguments,
             *(f"--{key}={value}" for key, value in options.items())],
            env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            stdin=subprocess.DEVNULL, preexec_fn=die_with_parent)

    def finish(self, process, expected=0):
        said, _ = process.communicate(timeout=PATIENCE)
        self.assertEqual(process.returncode, expected, said)
        return said

    def expect_copied(self, world, target=None, partitions=3):
        """Each once, at its place, as it was; inside a source partition in order, and merged."""
        source = read_all(world, world.name)
        copy = read_all(world, target or f"{world.name}-by-user")
        places = {record.headers[0][1]: record for record in source}
        self.assertEqual(len(copy), len(source))
        self.assertEqual({record.headers[0][1] for record in copy}, set(places))
        fronts = collections.defaultdict(lambda: -1)
        for record in copy:
            was = places[record.headers[0][1]]
            self.assertEqual((record.value, record.timestamp, record.headers),
                             (was.value, was.timestamp, was.headers))
            try:
                key = json.loads(was.value)["user"].encode()
            except ValueError:
                key = was.key
            self.assertEqual(record.key, key)
            if key:
                self.assertEqual(record.partition, (murmur2(key) & 0x7FFFFFFF) % partitions)
            else:
                self.assertEqual(record.partition, was.partition % partitions)
            front = (record.partition, was.partition)
            self.assertGreater(was.offset, fronts[front])
            fronts[front] = was.offset
        return source, copy

    def expect_merged(self, source, copy):
        """The order of all records is that of a merge of the source's partitions by timestamp."""
        left = collections.defaultdict(collections.deque)
        for record in source:
            left[record.partition].append(record)
        order = {}
        while any(left.values()):
            first = min((queue[0] for queue in left.values() if queue),
                        key=lambda record: (record.timestamp, record.partition))
            order[first.headers[0][1]] = len(order)
            left[first.partition].popleft()
        last = {}
        for record in copy:
            number = order[record.headers[0][1]]
            self.assertGreater(number, last.get(record.partition, -1))
            last[record.partition] = number

    def test_killed_at_every_step_each_record_is_copied_once(self):
        world = self.scattered()
        often = {"job.commit_events_max": "20"}
        for step in STEPS:
            for number in range(KILLS_PER_STEP):
                # Each claim is a start; of the other steps a later pass, so that something is done.
                passes = 1 if step == "copy_claimed" else 2 + number
                process = self.start(world, fault=f"{step}:{passes}", **often)
                self.finish(process, -signal.SIGKILL)
                totals["kills"] += 1
        said = self.finish(self.start(world))
        self.assertIn("stopped=false", said)
        self.expect_merged(*self.expect_copied(world))
        self.assertIn(" records=0 ", self.finish(self.start(world)).splitlines()[-1])

    def test_killed_at_any_moment_each_record_is_copied_once(self):
        world = self.scattered()
        self.kill_at_moments(lambda: self.start(world, **{"job.commit_events_max": "50"}), 1.5)
        self.finish(self.start(world))
        self.expect_merged(*self.expect_copied(world))

    def test_a_copy_that_follows_goes_on_until_it_is_stopped_and_a_job_takes_it(self):
        world = self.scattered()
        process = self.start(world, "--follow", "--partitions=4")
        wait_until(lambda: self.count(world) >= EVENTS, "the copy of what was there")
        feed = Feed(world, seed=SEED + 1)
        feed.send(500)
        feed.close()
        wait_until(lambda: self.count(world) >= EVENTS + 500, "the copy of what has come")
        process.terminate()
        self.assertIn("stopped=true", self.finish(process))
        copy = read_all(world, f"{world.name}-by-user")
        self.assertEqual(len(copy), EVENTS + 500)
        users = collections.defaultdict(set)
        for record in copy:
            users[record.key].add(record.partition)
        self.assertTrue(all(len(at) == 1 for key, at in users.items() if key != b"session"))
        world.name, world.partitions = f"{world.name}-by-user", 4
        job = self.job(world, **{"source.topic": world.name, "kafka.group": world.name})
        ends = collections.Counter()
        for record in copy:
            ends[record.partition] = record.offset + 1
        drain(world, feed_of(ends), job)
        job.stop()

    @staticmethod
    def count(world):
        return len(read_all(world, f"{world.name}-by-user"))

    def test_the_copy_keeps_records_as_long_as_the_source_does(self):
        world = self.scattered(count=50)
        self.alter(world.name, retention_ms=str(400 * DAY_MS))
        self.finish(self.start(world))
        admin = KafkaAdminClient(bootstrap_servers=self.cluster.address)
        told = admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC,
                                                      f"{world.name}-by-user")])
        admin.close()
        settings = told["topic"][f"{world.name}-by-user"]
        values = {name: setting["value"] if isinstance(setting, dict) else setting
                  for name, setting in settings.items()}
        self.assertEqual(values["retention.ms"], str(400 * DAY_MS))
        self.assertEqual(values["cleanup.policy"], "delete")
        self.assertEqual(values["message.timestamp.type"], "CreateTime")

    def test_targets_that_hold_or_would_do_what_they_should_not_are_refused(self):
        world = self.scattered(count=50)
        forever = {"retention.ms": "-1"}
        for suffix, settings, why in [
                ("compacted", {"cleanup.policy": "compact"}, "is compacted"),
                ("stamps", {"message.timestamp.type": "LogAppendTime", **forever}, "LogAppendTime"),
                ("short", {"retention.ms": "3600000"}, "retention.ms=3600000")]:
            world.create(f"{world.name}-{suffix}", 3, **settings)
            said = self.finish(self.start(world, target=f"{world.name}-{suffix}"), 3)
            self.assertIn(why, said)
        full = f"{world.name}-full"
        world.create(full, 3, **forever)
        producer = KafkaProducer(bootstrap_servers=self.cluster.address)
        producer.send(full, b"{}", b"u").get(PATIENCE)
        producer.close()
        said = self.finish(self.start(world, target=full), 3)
        self.assertIn("holds records that no copy of group", said)
        said = self.finish(self.start(world, "--partitions=5", target=full), 3)
        self.assertIn("exists with 3 partitions, not 5", said)
        self.assertEqual(len(read_all(world, full)), 1)

    def test_a_target_that_was_made_anew_is_refused(self):
        world = self.scattered(count=50)
        target = f"{world.name}-by-user"
        self.finish(self.start(world))
        admin = KafkaAdminClient(bootstrap_servers=self.cluster.address)
        admin.delete_topics([target])
        wait_until(lambda: target not in admin.list_topics(), "the topic is gone")
        admin.close()
        self.assertIn("made anew", self.finish(self.start(world), 3))

    def test_a_second_copy_shuts_out_the_first(self):
        world = self.scattered()
        first = self.start(world, "--follow")
        wait_until(lambda: self.count(world) >= EVENTS, "the copy of what was there")
        self.finish(self.start(world))
        feed = Feed(world, seed=SEED + 1)
        feed.send(10)
        feed.close()
        self.assertIn("another process has taken over a copy", self.finish(first, 1))
        self.finish(self.start(world))
        self.assertEqual(len(read_all(world, f"{world.name}-by-user")), EVENTS + 10)


def feed_of(ends):
    """What `drain` asks of a feed: where each partition ends."""
    return type("Ends", (), {"ends": ends})


if __name__ == "__main__":
    main()
