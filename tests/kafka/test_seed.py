#!/usr/bin/env python3
"""test_seed.py - a job begins with histories from files, and goes on with its topic.

    test_seed.py [TestName ...]    TEST_BRAID is the program; `./run test kafka` sets all of it up

The topic holds all events. Its older half is also in gzipped files, from which the companions are
seeded; the job then must come to what a job that read the whole topic comes to, user by user, its
vectors to the byte, however often the seed was killed.
"""

import gzip
import json
import os
import shutil
import signal
import subprocess

from case import SEED, KafkaCase, common, main, setUpModule, tearDownModule, totals
from cluster import die_with_parent
from harness import (BRAID, PATIENCE, USERS, Feed, drain, erased_key, numbers, read_all, verify,
                     wait_until)

from kafka import KafkaProducer, TopicPartition
from kafka.admin import KafkaAdminClient

assert setUpModule and tearDownModule
STEPS = ["seed_sorted", "seed_claimed", "lone_begun", "lone_sent", "lone_offsets_sent",
         "lone_committed", "seed_sealing"]
EVENTS = 6000
CUT = 4000  # events in the files
DAYS = 5


def hash_of(user):
    return int(user.removeprefix("user-")) * 7919


class Seed(KafkaCase):
    def split(self, partitions=3, late=False, **settings):
        """A world whose topic has all events, of every user some behind the cut, and the files.
        Users are up to a minute late each, so their records are in order, and a partition's are not.
        `late`: records are stamped after their events' times, as a field of the files says."""
        world = self.world(partitions=partitions, settings=settings)
        feed = Feed(world, seed=SEED)
        self.addCleanup(feed.close)
        events = [feed.event() for _ in range(EVENTS - USERS)]
        for user in range(USERS):
            events.append(dict(feed.event(), user=f"user-{user}", action="view"))
        for number, event in enumerate(events):
            event["stamp"] = event["time"]
            if late:
                event["time"] -= number * 7919 % 600 * 1000
        events.sort(key=lambda event: event["stamp"] + hash_of(event["user"]) % 60 * 1000)
        feed.wait([feed.producer.send(world.name, json.dumps(event).encode(),
                                      event["user"].encode(), timestamp_ms=event["stamp"])
                   for event in events])
        days = world.directory / "days"
        days.mkdir()
        # Files may reach beyond the cut: what is of it or later is the topic's.
        for day in range(DAYS):
            part = events[day * (CUT + 200) // DAYS:(day + 1) * (CUT + 200) // DAYS]
            with gzip.open(days / f"day-{day}.jsonl.gz", "wt") as file:
                file.write("".join(json.dumps(event) + "\n" for event in part))
        (days / "day-9.jsonl").write_text("no JSON\n")
        self.cut_ms = events[CUT]["stamp"]
        return world, feed, events

    def erase(self, world, feed, user, cut_ms):
        """What is left of a request when it was carried out and compacted away."""
        topic = world.settings["source.erase"] = f"{world.name}-erasures"
        world.create(topic, world.partitions, **{"cleanup.policy": "compact"})
        for partition in range(world.partitions):
            feed.producer.send(topic, json.dumps({"cut_ms": cut_ms}).encode(), erased_key(user, "live"),
                               partition=partition).get(60)

    def start(self, world, *arguments, fault=None, **settings):
        environment = dict(os.environ, **({"BRAID_FAULT": fault} if fault else {}))
        options = {"job.commit_interval": "50ms", "job.commit_events_max": "200",
                   "state.dir": world.directory / "state-a", **world.settings, **settings}
        return subprocess.Popen(
            [BRAID, "seed", "--config", world.config, "--files", world.directory / "days", "--cut",
             self.moment(), *arguments, *(f"--{key}={value}" for key, value in options.items())],
            env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            stdin=subprocess.DEVNULL, preexec_fn=die_with_parent)

    def seed(self, world, *arguments, expected=0, **how):
        process = self.start(world, *arguments, **how)
        said, _ = process.communicate(timeout=PATIENCE)
        self.assertEqual(process.returncode, expected, said)
        return said

    def moment(self):
        seconds, ms = divmod(self.cut_ms, 1000)
        clock = subprocess.run(["date", "-u", "-d", f"@{seconds}", "+%Y-%m-%dT%H:%M:%S"],
                               capture_output=True, text=True, check=True).stdout.strip()
        return f"{clock}.{ms:03d}Z"

    def newest(self, topic, world):
        """By user, what its newest record says but where its last event lies."""
        from interest_record_pb2 import InterestRecord
        found = {}
        for record in read_all(world, topic):
            told = InterestRecord.FromString(record.value)
            found[told.user] = (told.generation, getattr(told, "from"), told.events,
                                told.event_time_ms, told.partition, told.offset,
                                list(told.vectors), list(told.weights))
        return found

    def run_job(self, world, feed, **settings):
        job = self.job(world, **settings)
        drain(world, feed, job)
        job.stop()

    def expect_same_as_without_files(self, world, feed, prove=lambda world: None):
        """Beside it a job with companions of its own that reads the whole topic."""
        self.run_job(world, feed)
        prove(world)
        seeded = self.newest(f"{world.name}-interests", world)
        own, seeded_name = world.config.read_text(), world.name
        for companion in ["interests", "history", "dead-letters", "items"]:
            own = own.replace(f"{seeded_name}-{companion}", f"{seeded_name}-plain-{companion}")
        world.config.write_text(own.replace(f"group: {seeded_name}", f"group: {seeded_name}-plain"))
        world.name = f"{seeded_name}-plain"  # whose group `drain` asks for
        plain = self.job(world, state="state-plain", **{"source.topic": seeded_name})
        self.drain_plain(world, feed, plain, seeded_name)
        plain.stop()
        expected = self.newest(f"{world.name}-interests", world)
        self.assertEqual(len(expected), USERS)
        self.assertEqual(seeded.keys(), expected.keys())
        for user, record in expected.items():
            self.assertEqual(seeded[user], record, user)

    def drain_plain(self, world, feed, job, topic):
        admin = KafkaAdminClient(bootstrap_servers=self.cluster.address)

        def done():
            assert job.process.poll() is None, job.tail()
            told = admin.list_group_offsets({world.name: None})[world.name]
            return all(told.get(TopicPartition(topic, p)) and
                       told[TopicPartition(topic, p)].offset >= end
                       for p, end in feed.ends.items())

        try:
            wait_until(done, "the plain job has read all", job)
        finally:
            admin.close()

    def test_killed_at_every_step_a_seeded_job_comes_to_what_one_of_the_whole_topic_does(self):
        world, feed, events = self.split()
        self.erase(world, feed, "user-3", events[CUT // 2]["time"])
        for step in STEPS:
            for passes in (1, 3):
                if passes == 3 and step.startswith("seed_"):
                    continue
                self.seed(world, fault=f"{step}:{passes}", expected=-signal.SIGKILL)
                totals["kills"] += 1
                if step == "lone_committed":
                    job = self.job(world)
                    job.ended(3)
                    self.assertTrue(job.said("is being seeded"), job.tail())
        self.seed(world, fault="seed_sealed:1", expected=-signal.SIGKILL)
        totals["kills"] += 1
        said = self.seed(world)
        self.assertIn(" over=true ", said)
        self.assertIn(" later=", said)
        self.assertIn(" bad=1 ", said)
        self.expect_same_as_without_files(world, feed, self.prove_seeded)

    def prove_seeded(self, world):
        """Files and topic together prove all records; the topic alone does not."""
        said = verify(world, 0, "--files", world.directory / "days", "--cut", self.moment())
        self.assertGreater(int(numbers(said)["seeded"]), CUT // 2)
        verify(world, 4)

    def test_killed_at_any_moment_a_seeded_job_comes_to_the_same(self):
        world, feed, _ = self.split(late=True)
        cut = "--cut-field", "stamp"
        self.kill_at_moments(lambda: self.start(world, *cut, **{"job.commit_events_max": "50"}), 1.5)
        self.seed(world, *cut)
        self.expect_same_as_without_files(world, feed)

    def test_histories_longer_than_are_kept_and_a_sort_on_disk_come_to_the_same(self):
        world, feed, _ = self.split(partitions=2, **{"state.history_max": "128"})
        self.seed(world, **{"job.memory": "64MB"})
        self.expect_same_as_without_files(world, feed)

    def test_a_job_whose_generations_move_publishes_all_seeded_users(self):
        world, _, events = self.split()
        with gzip.open(world.directory / "days" / "day-5.jsonl.gz", "wt") as file:
            file.write("".join(json.dumps(event) + "\n" for event in events[CUT + 200:]))
        self.cut_ms = max(event["time"] for event in events) + 1  # nothing is left to the topic
        self.seed(world)
        models = world.directory / "models"
        models.mkdir()
        shutil.copy(common["checkpoint"], models / "generation-0000000001.safetensors")
        world.share_models()
        moving = {**world.settings, "model.checkpoint": "", "model.dir": models}
        subprocess.run([BRAID, "promote", "--generation=1", "--config", world.config,
                        *(f"--{key}={value}" for key, value in moving.items())],
                       check=True, capture_output=True)
        job = self.job(world, **moving)
        wait_until(lambda: len(self.published(world)) == USERS, "all seeded users", job)
        job.stop()

    def test_a_sweep_publishes_all_seeded_users_once_at_its_rate_also_when_it_is_killed(self):
        rate, step = 100, 20
        world, _, events = self.split()
        with gzip.open(world.directory / "days" / "day-5.jsonl.gz", "wt") as file:
            file.write("".join(json.dumps(event) + "\n" for event in events[CUT + 200:]))
        self.cut_ms = max(event["time"] for event in events) + 1
        self.seed(world)
        sweeps = {"output.sweep": rate, "job.poll_events_max": step}
        self.job(world, "a", "sweep_committed:3", **sweeps).ended(-signal.SIGKILL)
        totals["kills"] += 1
        before = len(self.published(world))
        self.assertTrue(0 < before < USERS, before)
        job = self.job(world, **sweeps)
        wait_until(lambda: len(self.published(world)) == USERS, "all seeded users", job)
        job.stop()
        records = read_all(world, f"{world.name}-interests")
        self.assertEqual(len(records), USERS)
        times = sorted(record.timestamp for record in records)[before:]
        self.assertGreater((times[-1] - times[0]) / 1000 * rate, USERS - before - 4 * step)

    def published(self, world):
        return {record.key.decode() for record in read_all(world, f"{world.name}-interests")}

    def test_a_job_that_has_begun_is_not_seeded(self):
        world, feed, _ = self.split()
        self.run_job(world, feed)
        (world.directory / "days" / "day-0.jsonl.gz").write_bytes(b"\x1f\x8bbroken")  # is not read
        self.assertIn("has begun", self.seed(world, expected=3))

    def test_other_files_than_before_are_refused(self):
        world, _, events = self.split()
        self.seed(world, fault="lone_committed:2", expected=-signal.SIGKILL)
        with gzip.open(world.directory / "days" / "day-8.jsonl.gz", "wt") as file:
            file.write(json.dumps(events[0]) + "\n")
        self.assertIn("other files or settings", self.seed(world, expected=3))

    def test_a_topic_of_another_partitioner_is_refused(self):
        world = self.world(partitions=3)
        self.cut_ms = 1700000000000
        producer = KafkaProducer(bootstrap_servers=self.cluster.address)
        for number in range(50):
            event = {"user": f"u{number}", "item": "i1", "time": 1700000000000, "action": "view"}
            producer.send(world.name, json.dumps(event).encode(), b"k", partition=number % 3)
        producer.close()
        (world.directory / "days").mkdir()
        (world.directory / "days" / "a.jsonl").write_text("")
        self.assertIn("murmur2", self.seed(world, expected=3))


if __name__ == "__main__":
    main()
