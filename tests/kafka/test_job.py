#!/usr/bin/env python3
"""test_job.py - the whole program on a real Kafka: what becomes of events, and of its history log.

    test_job.py [TestName ...]    TEST_BRAID is the program; `./run test kafka` sets all of it up

Each test feeds events of some kind, and then proves what was committed.
"""

import collections
import json
import shutil
import subprocess
import time

from case import KafkaCase, common, main, parse_json, parse_protobuf, setUpModule, tearDownModule
from harness import (BRAID, answering, check, drain, ends_known_since, metric, numbers, read_all,
                     verify, wait_until)

from kafka import TopicPartition
from kafka.admin import KafkaAdminClient, NewPartitions

assert setUpModule and tearDownModule


class Events(KafkaCase):
    def test_every_event_counts_once(self):
        world = self.world()
        feed = self.feed(world)
        feed.send(3000)
        job = self.job(world)
        drain(world, feed, job)
        feed.send(3000)
        drain(world, feed, job)
        job.stop()
        counts = self.prove(world)
        self.assertGreater(counts["records"], counts["users"])
        headers = dict(read_all(world, f"{world.name}-interests")[0].headers)
        self.assertEqual(headers["generation"], b"1")
        self.assertEqual(set(headers), {"generation", "event_time_ms", "source"})

    def test_records_may_be_json(self):
        world = self.world(settings={"output.record": "json"})
        feed = self.feed(world)
        feed.send(500)
        job = self.job(world)
        drain(world, feed, job)
        job.stop()
        self.prove(world, parse_json)

    def test_what_events_say_of_users_survives_the_loss_of_a_store(self):
        directory = common["directory"]
        checkpoint = directory / "known.safetensors"
        subprocess.run([BRAID, "init", f"--source.path={directory}/init.jsonl", "--model=mind",
                        "--profile-buckets=64", f"--model.checkpoint={checkpoint}", "--d=16"],
                       check=True, capture_output=True)
        world = self.world(settings={"model.checkpoint": checkpoint,
                                     "profile.fields": "action,plan"})
        feed = self.feed(world)
        for instance in "a", "b":  # which begins with nothing but the history topic
            events = [feed.event() for _ in range(1000)]
            for number, event in enumerate(events):
                if number % 3 == 0:
                    event["plan"] = f"plan-{number % 5}"
            feed.wait([feed.send_raw(json.dumps(event).encode(), event["user"])
                       for event in events])
            job = self.job(world, instance)
            drain(world, feed, job)
            job.stop()
        self.prove(world)

    def test_librdkafka_gets_its_properties(self):
        world = self.world(settings={"kafka.client.compression.type": "lz4",
                                     "kafka.client.message.max.bytes": "16777216"})
        feed = self.feed(world)
        feed.send(500)
        job = self.job(world)
        drain(world, feed, job)
        job.stop()
        segments = self.cluster.directory.glob(f"node1/data/{world.name}-interests-*/0*.log")
        batch = next(path for path in segments if path.stat().st_size).read_bytes()
        self.assertEqual(batch[22] & 7, 3)  # its attributes name the codec: lz4

    def test_a_source_that_grows_is_refused(self):
        world = self.world(settings={"kafka.client.topic.metadata.refresh.interval.ms": "500"})
        feed = self.feed(world)
        feed.send(100)
        job = self.job(world)
        drain(world, feed, job)
        admin = KafkaAdminClient(bootstrap_servers=self.cluster.address)
        admin.create_partitions({world.name: NewPartitions(world.partitions + 2)})
        admin.close()
        job.ended(3)
        self.assertTrue(job.said("has more than its 4 partitions now"))

    def test_a_transactional_source_has_gaps(self):
        world = self.world()
        feed = self.feed(world, transactional_id="upstream")
        feed.producer.init_transactions()
        job = self.job(world, **answering(), **{"job.rate_max": "60"})
        for number in range(10):
            ends = dict(feed.ends)
            feed.producer.begin_transaction()
            feed.send(50)
            if number % 3 == 1:
                feed.producer.abort_transaction()
                feed.ends.clear()
                feed.ends.update(ends)
            else:
                feed.producer.commit_transaction()
        drain(world, feed, job)
        feed.producer.begin_transaction()
        feed.send(600)
        ends_known_since(job, time.time())
        self.assertLess(metric(job, "braid_source_lag_records"), 100)  # nobody can read them yet
        feed.producer.commit_transaction()
        wait_until(lambda: metric(job, "braid_source_lag_records") > 100, "what can be read", job)
        drain(world, feed, job)
        job.stop()
        self.prove(world)

    def test_a_source_whose_beginning_is_gone_is_read_from_what_is_left(self):
        world = self.world()
        feed = self.feed(world)
        feed.send(500)
        gone = {TopicPartition(world.name, p): end // 2 for p, end in feed.ends.items()}
        admin = KafkaAdminClient(bootstrap_servers=self.cluster.address)
        admin.delete_records(gone)
        admin.close()
        job = self.job(world)
        drain(world, feed, job)
        job.stop()
        check(world, parse_protobuf)

    def test_poison_becomes_dead_letters(self):
        world = self.world()
        world.create(f"{world.name}-dead-letters", world.partitions,
                     **{"max.message.bytes": "4096"})
        feed = self.feed(world)
        blank = [None, b"", b" \n"]
        poison = [b"{", b"\xff\xfe", b"[]", b"null", b'{"user":"x"}',
                  b'{"user":[],"item":"i1","time":1700000000000,"action":"view"}',
                  b'{"user":"x","item":"i1","time":9000000000000,"action":"view"}',
                  b'{"user":"x","item":"' + b"y" * 20000 + b'"', b"z" * 200000]
        job = self.job(world)
        for round_number in range(3):
            feed.send(100)
            feed.wait([feed.send_raw(value, f"poisoner-{i}") for i, value in enumerate(blank + poison)])
        drain(world, feed, job)
        job.stop()
        counts = self.prove(world)
        self.assertEqual(counts["dead_letters"], 3 * len(poison))

    def test_a_timestamp_that_can_be_no_time_judges_no_event(self):
        world = self.world(partitions=1)
        now = int(time.time() * 1000)
        self.alter(world.name, message_timestamp_after_max_ms=str(2**63 - 1),
                   message_timestamp_before_max_ms=str(2**63 - 1))
        feed = self.feed(world)
        futures = []
        for user, stamp in (("now", now), ("zero", 0), ("seconds", now // 1000),
                            ("microseconds", now * 1000), ("greatest", 2**63 - 1)):
            event = dict(feed.event(), user=user, action="view")
            futures.append(feed.producer.send(world.name, json.dumps(event).encode(),
                                              user.encode(), timestamp_ms=stamp))
        feed.wait(futures)
        job = self.job(world)
        drain(world, feed, job)
        job.stop()
        self.assertEqual(self.prove(world)["users"], 5)


class HistoryLog(KafkaCase):
    def test_a_lost_store_is_restored_to_the_same_bytes(self):
        world = self.world()
        feed = self.feed(world)
        feed.send(6000)
        job = self.job(world)
        drain(world, feed, job)
        self.kill(job)
        shutil.rmtree(world.directory / "state-a")
        feed.send(1000)
        job = self.job(world)
        drain(world, feed, job)
        self.assertTrue(job.said("partition restored"))
        job.stop()
        self.prove(world)

    def test_a_compacted_log_restores_the_same(self):
        world = self.world()
        history = f"{world.name}-history"
        feed = self.feed(world)
        job = self.job(world)
        for _ in range(10):
            feed.send(1000)
            drain(world, feed, job)
        self.kill(job)
        shutil.rmtree(world.directory / "state-a")
        before = len(read_all(world, history))
        self.alter(history, cleanup_policy="compact", segment_ms="100",
                   min_cleanable_dirty_ratio="0.01", delete_retention_ms="604800000")
        job = self.job(world)  # whose seals roll the segments
        for _ in range(3):
            feed.send(50)
            drain(world, feed, job)
        self.kill(job)
        shutil.rmtree(world.directory / "state-a")
        wait_until(lambda: len(read_all(world, history)) < before / 2, "compaction")
        feed.send(500)
        job = self.job(world)
        drain(world, feed, job)
        job.stop()
        self.prove(world)

    def test_a_store_older_than_the_tombstones_is_restored_from_zero(self):
        world = self.world()
        feed = self.feed(world)
        feed.send(3000)
        job = self.job(world)
        drain(world, feed, job)
        job.stop()
        shutil.copytree(world.directory / "state-a", world.directory / "old")
        job = self.job(world)
        feed.send(3000)
        drain(world, feed, job)
        job.stop()
        self.alter(f"{world.name}-history", cleanup_policy="compact", delete_retention_ms="1000")
        time.sleep(1)
        shutil.rmtree(world.directory / "state-a")
        (world.directory / "old").rename(world.directory / "state-a")
        feed.send(500)
        job = self.job(world)
        drain(world, feed, job)
        self.assertTrue(job.said("store rebuilt from the history log"))
        job.stop()
        self.prove(world)

    def test_who_left_is_told_of_once_and_forgotten_whatever_is_killed(self):
        world = self.world(settings={"state.ttl": "1h", "state.ttl_rate": "0"})
        feed = self.feed(world)
        start_ms, hour_ms = 1700000000000, 3600000
        leavers = [f"leaver-{number}" for number in range(30)]

        def send(user, time_ms):
            event = dict(feed.event(), user=user, time=time_ms, action="view")
            return feed.send_raw(json.dumps(event).encode(), user)

        feed.wait([send(user, start_ms + 1000 * number + place)
                   for number in range(70) for place, user in enumerate(leavers)])
        feed.wait([send(f"stayer-{number % 60}", start_ms + number * hour_ms // 150)
                   for number in range(600)])
        often = {"job.commit_events_max": "100", "job.poll_events_max": "50"}
        for number, fault in enumerate(["outputs_sent:3", "expiry_marked:1", "expiry_marked:2",
                                        "offsets_sent:2", "expiry_committed:1", "committed:2",
                                        "store_committed:2", "commit_finished:2"]):
            job = self.job(world, "a", fault, **often)
            wait_until(lambda: job.process.poll() is not None or
                       len(self.told(world)) == len(leavers), fault, job)
            self.kill(job)
            if number % 3 == 2:
                shutil.rmtree(world.directory / "state-a")
        job = self.job(world, **often)
        drain(world, feed, job)
        wait_until(lambda: len(self.told(world)) == len(leavers), "all tombstones", job)
        self.assertEqual(self.told(world), {user: 1 for user in leavers})
        job.stop()
        kept = {record.key: record.value for record in read_all(world, f"{world.name}-history")}
        for user in leavers:
            values = [value for key, value in kept.items() if user.encode() + bytes(7) in key]
            self.assertEqual(len([value for value in values if value]), 1, user)
            self.assertLess(len(max(values, key=lambda value: len(value or b""))), 40)
        feed.wait([send(leavers[0], start_ms)])  # long after, and yet it begins a life
        job = self.job(world, state="state-new")
        drain(world, feed, job)
        job.stop()
        self.assertEqual(self.told(world), {user: 1 for user in leavers})
        newest = [record for record in read_all(world, f"{world.name}-interests")
                  if record.key == leavers[0].encode()][-1]
        self.assertEqual(parse_protobuf(newest)[2], 71)
        self.assertEqual(numbers(verify(world))["records"],
                         str(len(read_all(world, f"{world.name}-interests"))))
        place = newest.partition
        gone = next(user for user in leavers[1:] if place in
                    {record.partition for record in read_all(world, f"{world.name}-interests")
                     if record.key == user.encode()})
        # A job that took another's place tells again, under a generation of its own, and once.
        for expected in 0, 4:
            feed.producer.send(f"{world.name}-interests", None, gone.encode(), partition=place,
                               headers=[("generation", b"2")]).get(60)
            verify(world, expected)

    def told(self, world):
        """By user, how many tombstones it has."""
        return collections.Counter(record.key.decode()
                                   for record in read_all(world, f"{world.name}-interests")
                                   if record.value is None)


if __name__ == "__main__":
    main()
