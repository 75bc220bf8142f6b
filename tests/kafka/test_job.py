#!/usr/bin/env python3
"""test_job.py - the whole program on a real Kafka, under kills, rebalances and broker failures.

    test_job.py [TestName ...]       TEST_BRAID is the program; `./run test kafka` sets all of it up

Each test feeds events, disturbs the job or its brokers, and then holds every committed record against
the source: first with an independent reader, then with `braid verify`, which computes each one again.
"""

import json
import os
import pathlib
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest

import harness
from cluster import ROOT, Cluster, free_port
from harness import (Feed, Job, Offsets, Pulse, World, check, drain, numbers, read_all, verify,
                     wait_until)
from proxy import END_TXN, Proxy

from kafka import KafkaProducer, TopicPartition
from kafka.admin import ConfigResource, ConfigResourceType, KafkaAdminClient, NewPartitions

SEED = int(os.environ.get("TEST_SEED", "20240501"))
KILLS_PER_STEP = 5
RANDOM_KILLS = 20
EARLY_STOPS = 12
STEPS = ["transaction_begun", "outputs_sent", "seals_sent", "changeset_closed", "absorbed_ahead",
         "offsets_sent", "committed", "store_committed", "commit_finished", "snapshots_written",
         "store_flushed"]

common = {}
totals = {"kills": 0, "records": 0, "lost": 0, "repeated": 0}


def setUpModule():
    common["directory"] = pathlib.Path(tempfile.mkdtemp(prefix="braid-kafka-test-"))
    subprocess.run(["protoc", f"--proto_path={ROOT}/stream/interests", f"--python_out={common['directory']}",
                    "interest_record.proto"], check=True)
    sys.path.insert(0, str(common["directory"]))
    common["checkpoint"] = harness.make_checkpoint(common["directory"])
    print(f"seed {SEED}", file=sys.stderr)


def tearDownModule():
    print("case=kafka " + " ".join(f"{name}={total}" for name, total in totals.items()))
    shutil.rmtree(common["directory"])


def parse_protobuf(record):
    from interest_record_pb2 import InterestRecord
    told = InterestRecord.FromString(record.value)
    assert len(told.vectors) == len(told.weights) * told.width
    return (told.user.decode(), told.generation, told.events, told.partition, told.offset,
            told.event_time_ms)


def parse_json(record):
    told = json.loads(record.value)
    return (told["user"], told["generation"], told["events"], told["partition"], told["offset"],
            told["event_time_ms"])


class KafkaCase(unittest.TestCase):
    nodes = 1

    @classmethod
    def setUpClass(cls):
        cls.cluster = cls.enterClassContext(Cluster(cls.nodes))

    def setUp(self):
        self.jobs = []

    def tearDown(self):
        for job in self.jobs:
            if job.process.poll() is None:
                job.kill()

    def world(self, suffix="", **arguments):
        name = self.id().rsplit(".", 1)[1].removeprefix("test_").replace("_", "-") + suffix
        world = World(self.cluster, common["checkpoint"], name, **arguments)
        if not os.environ.get("TEST_KEEP"):
            self.addCleanup(shutil.rmtree, world.directory, ignore_errors=True)
        return world

    def feed(self, world, **arguments):
        feed = Feed(world, seed=SEED, **arguments)
        self.addCleanup(feed.close)
        return feed

    def job(self, world, *arguments, **settings):
        job = Job(world, *arguments, **settings)
        self.jobs.append(job)
        return job

    def kill(self, job):
        job.kill()
        totals["kills"] += 1

    def prove(self, world, parse=parse_protobuf):
        counts = check(world, parse)
        totals["records"] += counts["records"]
        said = verify(world, None)
        for name in ("lost", "repeated"):
            totals[name] += int(numbers(said)[name])
        self.assertEqual(numbers(said)["verdict"], "ok", said)
        return counts


class OneBroker(KafkaCase):
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

    def test_the_documented_subscriber_reads_records(self):
        world = self.world()
        feed = self.feed(world)
        feed.send(300)
        job = self.job(world)
        drain(world, feed, job)
        job.stop()
        users = len({record.key for record in read_all(world, f"{world.name}-interests")})
        program = re.search(r"```python\n(.*?)```", (ROOT / "docs/records.md").read_text(), re.S)[1]
        program = program.replace('"interests"', f'"{world.name}-interests"')
        program = program.replace("localhost:9092", self.cluster.address)
        done = subprocess.Popen([sys.executable, "-u", "-c", program], stdout=subprocess.PIPE,
                                text=True, cwd=common["directory"])
        self.addCleanup(done.wait)
        self.addCleanup(done.kill)
        seen = set()
        while len(seen) < users:  # it reads for ever; the test's time is limited
            line = done.stdout.readline()
            self.assertRegex(line, r"^user-\d+ \d+ \[[0-9. ]+\] \(\d, 16\)$")
            seen.add(line.split()[0])

    def test_records_may_be_json(self):
        world = self.world(settings={"output.record": "json"})
        feed = self.feed(world)
        feed.send(500)
        job = self.job(world)
        drain(world, feed, job)
        job.stop()
        self.prove(world, parse_json)

    def test_librdkafka_gets_its_properties(self):
        world = self.world(settings={"kafka.client.compression.type": "lz4",
                                     "kafka.client.message.max.bytes": "16777216"})
        feed = self.feed(world)
        feed.send(500)
        job = self.job(world)
        drain(world, feed, job)
        job.stop()
        log = f"data/{world.name}-interests-0/00000000000000000000.log"
        dump = self.cluster.java(1, "kafka.tools.DumpLogSegments", "--files", log)
        self.assertIn("compresscodec: lz4", dump.stdout)

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
        job = self.job(world)
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

    def test_killed_at_every_step(self):
        world = self.world()
        feed = self.feed(world)
        # Dense: absorbed_ahead is passed only by events that arrive in a commit's few milliseconds.
        pulse = Pulse(feed, count=4, pause=0.002)
        for step in STEPS:
            for number in range(KILLS_PER_STEP):
                job = self.job(world, "a", f"{step}:{1 + number}", **{"state.flush_interval": "1s"})
                job.ended(-signal.SIGKILL)
                totals["kills"] += 1
        pulse.stop()
        job = self.job(world)
        drain(world, feed, job)
        job.stop()
        self.prove(world)

    def test_a_job_may_be_asked_to_stop_while_it_starts(self):
        world = self.world()
        feed = self.feed(world)
        moments = random.Random(SEED)
        for _ in range(EARLY_STOPS):
            feed.send(100)
            job = self.job(world)
            time.sleep(moments.uniform(0, 0.8))
            job.stop()
        job = self.job(world)
        drain(world, feed, job)
        job.stop()
        self.prove(world)

    def test_killed_at_random_moments(self):
        world = self.world()
        feed = self.feed(world)
        pulse = Pulse(feed)
        moments = random.Random(SEED)
        for _ in range(RANDOM_KILLS):
            job = self.job(world)
            time.sleep(moments.uniform(0.3, 2.5))
            self.kill(job)
        pulse.stop()
        job = self.job(world)
        drain(world, feed, job)
        job.stop()
        self.prove(world)

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

    def test_another_instance_takes_over_from_a_killed_one(self):
        world = self.world()
        feed = self.feed(world)
        pulse = Pulse(feed)
        first = self.job(world, "a")
        second = self.job(world, "b")
        first.wait_said("session|memory planned")
        time.sleep(4)
        self.kill(first)
        time.sleep(8)  # its session ends, its transaction too
        pulse.stop()
        drain(world, feed, second)
        second.stop()
        self.prove(world)

    def test_partitions_move_while_events_flow(self):
        world = self.world()
        feed = self.feed(world)
        pulse = Pulse(feed)
        first = self.job(world, "a")
        time.sleep(3)
        second = self.job(world, "b")
        time.sleep(4)
        first.stop()
        time.sleep(8)
        first = self.job(world, "a")
        time.sleep(4)
        pulse.stop()
        drain(world, feed, first, second)
        first.stop()
        second.stop()
        self.prove(world)

    def test_a_zombie_writes_nothing(self):
        world = self.world()
        feed = self.feed(world)
        pulse = Pulse(feed)
        zombie = self.job(world, "a")
        heir = self.job(world, "b")
        time.sleep(4)
        zombie.signal(signal.SIGSTOP)
        time.sleep(9)  # beyond its session: the heir has its partitions
        zombie.signal(signal.SIGCONT)
        time.sleep(5)
        pulse.stop()
        drain(world, feed, heir)
        heir.stop()
        if zombie.process.poll() is None:
            zombie.stop()
        self.prove(world)

    def test_a_second_process_of_the_same_name_drives_out_the_first(self):
        world = self.world()
        feed = self.feed(world)
        pulse = Pulse(feed)
        first = self.job(world)
        first.wait_said("run +[1-9]")
        second = self.job(world, "a", state="elsewhere")
        first.ended(1)
        self.assertTrue(first.said("another process runs with kafka.instance 'a'"))
        pulse.stop()
        drain(world, feed, second)
        second.stop()
        self.prove(world)

    def test_a_process_that_slept_leaves_its_name_to_the_second(self):
        world = self.world()
        feed = self.feed(world)
        pulse = Pulse(feed)
        first = self.job(world)
        first.wait_said("run +[1-9]")
        first.signal(signal.SIGSTOP)
        second = self.job(world, "a", state="elsewhere")
        second.wait_said("run +[1-9]")
        time.sleep(7)  # beyond the session of the first
        first.signal(signal.SIGCONT)
        first.ended(1)
        self.assertTrue(first.said("another process runs with kafka.instance 'a'"))
        pulse.stop()
        drain(world, feed, second)
        second.stop()
        self.prove(world)

    def test_names_that_read_alike_do_not_fence_each_other(self):
        worlds = [self.world(), self.world(suffix="-b")]
        feeds = [self.feed(world) for world in worlds]
        jobs = [self.job(worlds[0], "b-0"), self.job(worlds[1], "0")]  # x, b-0 and x-b, 0
        for _ in range(5):
            for world, feed, job in zip(worlds, feeds, jobs):
                feed.send(200)
                drain(world, feed, job)
        for world, job in zip(worlds, jobs):
            job.stop()
            self.assertFalse(job.said("producer is replaced"))
            self.prove(world)

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

    def test_a_transaction_that_took_too_long_is_done_again(self):
        world = self.world(settings={"kafka.session_timeout": "20s"})
        feed = self.feed(world)
        pulse = Pulse(feed)
        job = self.job(world)
        time.sleep(3)
        for _ in range(2):
            job.signal(signal.SIGSTOP)
            time.sleep(5)
            job.signal(signal.SIGCONT)
            time.sleep(2)
        pulse.stop()
        drain(world, feed, job)
        job.stop()
        self.prove(world)

    def test_a_broker_that_dies_is_waited_for(self):
        world = self.world()
        feed = self.feed(world)
        feed.send(2000)
        job = self.job(world)
        drain(world, feed, job)
        for outage in (2, 8):  # seconds; the second is longer than a session
            pulse = Pulse(feed)
            time.sleep(1)
            self.cluster.kill(1)
            totals["kills"] += 1
            time.sleep(outage)
            self.cluster.start(1)
            self.cluster.wait()
            pulse.stop()
        drain(world, feed, job)
        self.assertTrue(job.said("kafka error"))
        self.assertTrue(job.said("kafka recovered"))
        job.stop()
        self.prove(world)

    def alter(self, topic, **settings):
        admin = KafkaAdminClient(bootstrap_servers=self.cluster.address)
        admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, topic, configs={
            name.replace("_", "."): value for name, value in settings.items()})])
        admin.close()

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
        self.alter(history, cleanup_policy="compact", segment_bytes="16384", segment_ms="100",
                   min_cleanable_dirty_ratio="0.01", delete_retention_ms="604800000")
        job = self.job(world)  # whose seals roll the segments
        for _ in range(3):
            feed.send(50)
            drain(world, feed, job)
        self.kill(job)
        shutil.rmtree(world.directory / "state-a")
        wait_until(lambda: len(read_all(world, history)) < before / 2, 60, "compaction")
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

    def test_a_takeover_waits_for_a_dead_member_s_transaction(self):
        world = self.world()
        feed = self.feed(world)
        feed.send(3000)
        job = self.job(world, "a")
        drain(world, feed, job)
        third = KafkaProducer(bootstrap_servers=self.cluster.address, transactional_id="third",
                              transaction_timeout_ms=12000)
        third.init_transactions()
        third.begin_transaction()
        for partition in range(world.partitions):
            third.send(f"{world.name}-history", b"half", b"third", partition=partition)
        third.flush()
        feed.send(1000)
        drain(world, feed, job)
        self.kill(job)
        begun = time.monotonic()
        heir = self.job(world, "b")
        feed.send(100)
        drain(world, feed, heir)
        self.assertTrue(heir.said("another member's open transaction"))
        self.assertGreater(time.monotonic() - begun, 5)
        third.close(0)
        heir.stop()
        self.prove(world)


class BehindAProxy(KafkaCase):
    @classmethod
    def setUpClass(cls):
        port = free_port()
        cls.cluster = Cluster(advertised=port)
        cls.proxy = Proxy(port, cls.cluster.ports[1])
        cls.addClassCleanup(cls.proxy.close)
        cls.enterClassContext(cls.cluster)

    def interrupt(self, delivered):
        """Loses a commit or its answer, and ends the transaction before it can be asked for again."""
        world = self.world(settings={"job.workers": "1"})
        feed = self.feed(world)
        feed.send(500)
        job = self.job(world)
        drain(world, feed, job)
        self.proxy.lose(END_TXN, "braid-", delivered)
        feed.send(500)
        self.assertTrue(self.proxy.lost.wait(20))
        other = KafkaProducer(bootstrap_servers=self.cluster.address,
                              transactional_id=f"{world.name}-a-0-{len(world.name)}")
        other.init_transactions()
        other.close()
        self.proxy.heal()
        drain(world, feed, job)
        job.stop()
        self.prove(world)
        return job

    def test_a_commit_whose_answer_was_lost_is_found_committed(self):
        job = self.interrupt(delivered=True)
        self.assertTrue(job.said("outcome of an interrupted commit is known.*=committed"))

    def test_a_commit_that_was_lost_is_found_aborted(self):
        job = self.interrupt(delivered=False)
        self.assertTrue(job.said("outcome of an interrupted commit is known.*=aborted"))


    def test_a_fencing_by_nobody_is_survived(self):
        world = self.world(settings={"job.workers": "1"})
        feed = self.feed(world)
        feed.send(500)
        job = self.job(world)
        drain(world, feed, job)
        for _ in range(3):
            self.proxy.fence("braid-")
            self.assertTrue(self.proxy.refused.wait(20))
            feed.send(500)
            drain(world, feed, job)
        self.assertTrue(job.said("it was fenced, and not by another process"))
        job.stop()
        self.prove(world)


class ThreeBrokers(KafkaCase):
    nodes = 3

    def committed(self, world):
        offsets = Offsets(world)  # a new one: an old one may know only of the dead broker
        try:
            return offsets.get().items()
        finally:
            offsets.close()

    def test_one_of_three_brokers_may_die(self):
        world = self.world()
        feed = self.feed(world, acks="all", retries=100)
        pulse = Pulse(feed)
        job = self.job(world)
        job.wait_said("run +[1-9]")
        for node in (1, 2):
            self.cluster.kill(node)
            totals["kills"] += 1
            time.sleep(10)
            self.cluster.start(node)
            self.cluster.wait()
            time.sleep(5)
        pulse.stop()
        drain(world, feed, job, seconds=120)
        job.stop()
        self.prove(world)

    def test_a_job_may_start_while_partitions_have_no_leader(self):
        world = self.world(replication=1)
        feed = self.feed(world)
        feed.send(300)
        job = self.job(world)
        drain(world, feed, job)
        job.stop()
        feed.send(300)
        self.cluster.kill(1)
        totals["kills"] += 1
        job = self.job(world)
        wait_until(lambda: feed.ends.items() & self.committed(world), 90, "a partition flows")
        self.cluster.start(1)
        self.cluster.wait()
        drain(world, feed, job, seconds=120)
        job.stop()
        self.prove(world)


if __name__ == "__main__":
    unittest.main(verbosity=2, warnings="ignore")
