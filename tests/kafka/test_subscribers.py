#!/usr/bin/env python3
"""test_subscribers.py - the documented subscribers, built as one would, beside a job on a real Kafka.

    test_subscribers.py install              fetch jars and modules that they are built with
    test_subscribers.py [TestName ...]       TEST_BRAID is the program; `./run test kafka` sets it up

What each of them printed last of a user is held against what an independent reader computes.
"""

import os
import shutil
import struct
import subprocess
import sys
import threading

from cluster import ROOT, skip

SOURCES = ROOT / "docs/subscribers"
JARS = ROOT / ".cache/subscribers"
PROTOS = ["interest_record.proto", "item_vector.proto"]
GO_PACKAGE = "braid/subscriber/braid"
GO = dict(os.environ, GOTOOLCHAIN="local", GOFLAGS="-mod=readonly -buildvcs=false")


def install():
    if not JARS.is_dir():
        partial = JARS.with_name("subscribers.partial")
        shutil.rmtree(partial, ignore_errors=True)
        subprocess.run(["mvn", "-q", "-B", "-f", SOURCES / "pom.xml",
                        "dependency:copy-dependencies", f"-DoutputDirectory={partial}",
                        "-DincludeScope=runtime"], check=True)
        partial.rename(JARS)
    subprocess.run(["go", "mod", "download"], cwd=SOURCES, env=GO, check=True)


if __name__ == "__main__" and sys.argv[1:] == ["install"]:
    sys.exit(install())

import case  # noqa: E402: needs what the tests need
from case import KafkaCase, common, main, parse_protobuf, tearDownModule  # noqa: E402
from harness import (BRAID, die_with_parent, drain, expected_history, numbers,  # noqa: E402
                     read_all, wait_until)

import numpy  # noqa: E402
from kafka import KafkaProducer  # noqa: E402

assert tearDownModule


def protoc(*options):
    subprocess.run(["protoc", f"--proto_path={ROOT}/stream/interests", *options, *PROTOS],
                   cwd=common["directory"], check=True)


def build_go():
    home = common["directory"]
    offline = dict(GO, GOPROXY="off", PATH=f"{home}:{os.environ['PATH']}")
    subprocess.run(["go", "build", "-o", home, "google.golang.org/protobuf/cmd/protoc-gen-go"],
                   cwd=home, env=offline, check=True)
    (home / "braid").mkdir()
    os.environ["PATH"] = offline["PATH"]
    protoc("--go_out=braid", "--go_opt=paths=source_relative",
           *(f"--go_opt=M{name}={GO_PACKAGE}" for name in PROTOS))
    subprocess.run(["go", "build", "-p", "2", "-o", "subscriber", "."], cwd=home, env=offline,
                   check=True)
    return [home / "subscriber"]


def build_java():
    home = common["directory"]
    protoc("--java_out=java")
    sources = [home / "Subscriber.java", *(home / "java").rglob("*.java")]
    subprocess.run(["javac", "-cp", f"{JARS}/*", "-d", home / "classes", *sources], check=True)
    return ["java", "-XX:TieredStopAtLevel=1", "-cp", f"{JARS}/*:{home / 'classes'}", "Subscriber"]


def setUpModule():
    case.setUpModule()
    if not JARS.is_dir() or not shutil.which("go") or not shutil.which("javac"):
        skip("no jars, Go or Java compiler for subscribers: ./run test kafka installs them")
    home = common["directory"]
    shutil.copytree(SOURCES, home, dirs_exist_ok=True)
    (home / "java").mkdir()
    protoc("--python_out=.")
    common["programs"] = {"Python": [sys.executable, "-B", home / "subscriber.py"],
                          "Java": build_java(), "Go": build_go()}


class Subscriber(threading.Thread):
    """One of the programs; `last` is what it printed last of each user."""

    def __init__(self, name, world):
        super().__init__(daemon=True)
        self.name, self.last, self.lines = name, {}, 0
        self.process = subprocess.Popen(
            [*common["programs"][name], world.cluster.address, f"{world.name}-interests",
             f"{world.name}-item-vectors"], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            text=True, cwd=common["directory"], preexec_fn=die_with_parent)
        self.start()

    def run(self):
        for line in self.process.stdout:
            user, said = line.rstrip("\n").split(" ", 1)
            self.last[user] = said
            self.lines += 1

    def stop(self):
        self.process.kill()
        self.process.wait()
        self.join()
        self.process.stdout.close()
        self.process.stderr.close()

    def tail(self):
        return f"{self.name}: {self.lines} lines, {dict(list(self.last.items())[:5])}"


def expected(world):
    """By user, its newest generation and the items that may be the nearest: floats add up in
    another order elsewhere."""
    from interest_record_pb2 import InterestRecord
    from item_vector_pb2 import ItemVector
    vectors, answers = {}, {}
    for record in read_all(world, f"{world.name}-item-vectors"):
        generation, item = struct.unpack(">Q", record.key[:8])[0], record.key[8:].decode()
        if item and record.value:
            vectors.setdefault(generation, {})[item] = ItemVector.FromString(record.value).vector
    for record in read_all(world, f"{world.name}-interests"):
        if record.value is None:
            answers[record.key.decode()] = {"gone"}
            continue
        told = InterestRecord.FromString(record.value)
        items = vectors[told.generation]
        interests = numpy.float32(told.vectors).reshape(-1, told.width)
        scores = (numpy.float32(list(items.values())) @ interests.T).max(axis=1)
        near = scores >= scores.max() - 1e-4 * abs(scores).max()
        answers[told.user.decode()] = {f"{told.generation} {item}"
                                       for item, is_near in zip(items, near) if is_near}
    return answers


class Subscribers(KafkaCase):
    def start(self, world):
        programs = [Subscriber(name, world) for name in common["programs"]]
        for program in programs:
            self.addCleanup(program.stop)
        return programs

    def assert_follow(self, world, programs):
        """Waits until each has printed what is right of every user."""
        answers = expected(world)

        def right(program):
            if program.process.poll() is not None:
                self.fail(f"{program.tail()}\n{program.process.stderr.read()}")
            return program.last.keys() == answers.keys() and all(
                said in answers[user] for user, said in program.last.items())

        for program in programs:
            wait_until(lambda: right(program), f"{program.name} is right of {len(answers)} users",
                       program)
        return answers

    def promote(self, world):
        done = subprocess.run(
            [BRAID, "promote", "--generation=1", "--config", world.config, *world.options(),
             f"--model.dir={world.directory / 'models'}", "--state.dir=/nowhere"],
            capture_output=True, text=True, check=True)
        return int(numbers(done.stdout)["generation"])

    def learned(self):
        """A job whose group shares generation 1, and what it published."""
        world = self.world(partitions=2)
        world.settings.update({"model.checkpoint": "", "output.items_grace": "0ms"})
        world.share_models()
        models = world.directory / "models"
        models.mkdir()
        shutil.copy(common["checkpoint"], models / "generation-0000000001.safetensors")
        feed = self.feed(world)
        feed.send(300)
        job = self.job(world, **{"model.dir": models})
        self.publish(world, feed, job)
        return world, feed, job

    @staticmethod
    def publish(world, feed, job):
        """Waits until what was fed can be read: a commit is seen at two moments in two topics."""
        drain(world, feed, job)

        def seen():
            newest = {user: events for user, _, events, *_ in
                      map(parse_protobuf, read_all(world, f"{world.name}-interests"))}
            return newest == {user: len(history)
                              for user, history in expected_history(world)[0].items()}

        wait_until(seen, "every user's newest record", job)

    def test_each_follows_users_and_generations(self):
        world, feed, job = self.learned()
        programs = self.start(world)
        self.assert_follow(world, programs)
        self.assertEqual(self.promote(world), 2)
        feed.send(300)
        self.publish(world, feed, job)
        job.wait_said("item vectors of older generations are removed")
        job.stop()
        answers = self.assert_follow(world, programs)
        self.assertTrue(all(said.startswith("2 ") for near in answers.values() for said in near))
        self.assert_follow(world, self.start(world))  # the vectors of generation 1 are gone

    def test_each_sees_what_is_committed_and_that_a_user_is_gone(self):
        world, _, job = self.learned()
        job.stop()
        programs = self.start(world)
        gone, kept = sorted(self.assert_follow(world, programs))[:2]
        partition = {record.key.decode(): record.partition
                     for record in read_all(world, f"{world.name}-interests")}
        producer = KafkaProducer(bootstrap_servers=self.cluster.address, transactional_id="eraser")
        producer.init_transactions()
        for user, end in ((kept, producer.abort_transaction), (gone, producer.commit_transaction)):
            producer.begin_transaction()
            producer.send(f"{world.name}-interests", None, user.encode(),
                          partition=partition[user])
            producer.flush()
            end()
        producer.close()
        answers = self.assert_follow(world, programs)
        self.assertEqual(answers[gone], {"gone"})
        self.assertNotEqual(answers[kept], {"gone"})

    def test_each_refuses_a_record_that_is_not_what_it_was(self):
        from interest_record_pb2 import InterestRecord
        world, _, job = self.learned()
        job.stop()
        programs = self.start(world)
        self.assert_follow(world, programs)
        record = read_all(world, f"{world.name}-interests")[-1]
        told = InterestRecord.FromString(record.value)
        told.vectors[3] = -told.vectors[3]
        producer = KafkaProducer(bootstrap_servers=self.cluster.address)
        producer.send(f"{world.name}-interests", told.SerializeToString(), record.key,
                      partition=record.partition)
        producer.close()
        for program in programs:
            wait_until(lambda: program.process.poll() is not None, "it ends", program)
            self.assertNotEqual(program.process.returncode, 0)
            self.assertIn(record.key.decode(), program.process.stderr.read(), program.name)


if __name__ == "__main__":
    main()
