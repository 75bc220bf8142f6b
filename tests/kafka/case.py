"""case.py - what every test of the whole program on Kafka begins with, and how it is proven.

A module of tests takes over setUpModule and tearDownModule, and its classes are KafkaCases: each has
a cluster of its own, and each test a world of its own. `prove` holds every committed record against
the source: first with an independent reader, then with `braid verify`, which computes each one again.
"""

import json
import os
import pathlib
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import unittest

import harness
from cluster import ROOT, Cluster
from harness import Feed, Job, World, check, numbers, verify

from kafka.admin import ConfigResource, ConfigResourceType, KafkaAdminClient

SEED = int(os.environ.get("TEST_SEED", "20240501"))

MOMENTS = 10  # at which a command is killed

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


def main():
    """Runs a module's tests. What failed is said once more at the end, of which more is kept where
    only a part of what a test printed is."""
    result = unittest.main("__main__", verbosity=2, warnings="ignore", exit=False).result
    for test, trace in result.failures + result.errors:
        print(f"FAILED {test.id()}: {trace.strip().splitlines()[-1]}", file=sys.stderr)
    sys.exit(not result.wasSuccessful())


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
    abort_ms = 500  # how often brokers look for transactions that took too long

    @classmethod
    def setUpClass(cls):
        cls.cluster = cls.enterClassContext(Cluster(cls.nodes, abort_ms=cls.abort_ms))

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

    def learning(self, **settings):
        """A world that has nothing to begin with, and whose jobs train often and little."""
        world = self.world(settings={
            "model.checkpoint": "", "train.enabled": "true", "train.events": "800",
            "train.gate_events": "100", "train.margin": "-1", "train.first_epochs": "1",
            "train.epochs": "1", "train.memory": "16MB", "model.keep": "1000",
            "train.dimensions": "d=16,H=2,blocks=1,ffn=32,K=2,extract_heads=2", **settings})
        world.share_models()
        return world

    def learner(self, world, instance="a", fault=None, **settings):
        return self.job(world, instance, fault,
                        **{"model.dir": world.directory / f"models-{instance}", **settings})

    def kill_at_moments(self, start, longest, count=MOMENTS):
        """Kills what `start` starts at `count` moments, if it has not come to its end by then:
        within `longest` seconds, of which a machine that is faster takes fewer."""
        moments = random.Random(SEED)
        for _ in range(count):
            process = start()
            try:
                process.communicate(timeout=moments.uniform(0, longest))
            except subprocess.TimeoutExpired:
                process.kill()
                process.communicate()
                totals["kills"] += 1
            self.assertIn(process.returncode, (0, -signal.SIGKILL))

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

    def alter(self, topic, **settings):
        admin = KafkaAdminClient(bootstrap_servers=self.cluster.address)
        told = admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, topic, configs={
            name.replace("_", "."): value for name, value in settings.items()})])
        admin.close()
        assert set(told["topic"].values()) == {"OK"}, told
