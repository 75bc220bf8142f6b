#!/usr/bin/env python3
"""test_models.py - generations shared on a real Kafka: what one directory has, another gets.

    test_models.py [TestName ...]    TEST_BRAID is the program; `./run test kafka` sets all of it up

An independent reader (kafka-python) follows both topics as a subscriber would: it never sees
parameters before all item vectors of their generation, and no generation in part, whoever is killed.
"""

import base64
import collections
import json
import os
import shutil
import struct
import subprocess
import threading

import case
from case import KafkaCase, common, main, parse_protobuf
from cluster import ROOT
from harness import BRAID, PATIENCE, drain, numbers, read_all, verify, wait_until

from kafka import KafkaProducer
from kafka.errors import KafkaError

MANIFEST, COMPLETE, ANNOUNCED = 2**32 - 1, 2**32 - 2, 2**32 - 3
SMALL = 6000  # bytes of a message, so that a small model has many chunks
ITEMS = 280
KILLS = {"item_vector_sent": (1, ITEMS // 2, ITEMS), "item_vectors_published": (1,),
         "chunk_sent": (1, 2, 5), "manifest_sent": (1,), "generation_published": (1,)}


def setUpModule():
    case.setUpModule()
    subprocess.run(["protoc", f"--proto_path={ROOT}/stream/interests",
                    f"--python_out={common['directory']}", "item_vector.proto"], check=True)


def tearDownModule():
    shutil.rmtree(common["directory"])


class Shared:
    """A read of both topics, the models first: what a subscriber can know at one moment."""

    def __init__(self, world):
        from item_vector_pb2 import ItemsEnd, ItemVector
        self.manifests, self.chunks, self.complete = {}, collections.defaultdict(dict), set()
        self.ends, self.vectors = {}, collections.defaultdict(dict)
        for record in read_all(world, f"{world.name}-models"):
            generation, part = struct.unpack(">QI", record.key)
            if part == MANIFEST and record.value:
                self.manifests[generation] = struct.unpack("<BQIQQQ", record.value)
            elif part == MANIFEST:
                self.manifests.pop(generation, None)
            elif part == COMPLETE and record.value:
                self.complete.add(generation)
            elif part < ANNOUNCED and record.value:
                self.chunks[generation][part] = record.value
            elif part < ANNOUNCED:
                self.chunks[generation].pop(part, None)
        for record in read_all(world, f"{world.name}-item-vectors"):
            generation, = struct.unpack(">Q", record.key[:8])
            item = record.key[8:]
            if not item and record.value:
                self.ends[generation] = ItemsEnd.FromString(record.value)
            elif not item:
                self.ends.pop(generation, None)
            elif record.value:
                self.vectors[generation][item] = ItemVector.FromString(record.value)
            else:
                self.vectors[generation].pop(item, None)

    def check_items(self, generation):
        end, vectors = self.ends[generation], self.vectors[generation]
        assert end.items == len(vectors), f"{generation}: {len(vectors)} of {end.items} vectors"
        assert end.checksum == sum(v.checksum for v in vectors.values()) % 2**64, generation
        for item, vector in vectors.items():
            assert vector.item == item and vector.generation == generation
            assert len(vector.vector) == end.width

    def check(self, gone=()):
        """Every generation that is listed is whole, and so are its items unless they are `gone`."""
        for generation, (version, size, chunks, *_) in self.manifests.items():
            assert version == 1
            assert sorted(self.chunks[generation]) == list(range(chunks)), f"{generation}: chunks"
            assert len(self.file(generation)) == size
            if generation not in gone:
                self.check_items(generation)

    def files_differ(self, files):
        """Generations whose file in a directory is not the topic's."""
        return [g for g in self.manifests if g in files and files[g] != self.file(g)]

    def file(self, generation):
        return b"".join(chunk for _, chunk in sorted(self.chunks[generation].items()))


class Watch(threading.Thread):
    """Checks what a subscriber sees all the time, until told to stop."""

    def __init__(self, world):
        super().__init__(daemon=True)
        self.world, self.over, self.failure, self.looks = world, threading.Event(), None, 0
        self.start()

    def run(self):
        while not self.over.is_set() and not self.failure:
            try:
                Shared(self.world).check()
                self.looks += 1
            except Exception as failure:  # any: the test is told below
                self.failure = failure

    def stop(self):
        self.over.set()
        self.join()
        if self.failure:
            raise self.failure
        assert self.looks > 0


class Models(KafkaCase):
    def shared_world(self):
        """A job's topics, and a directory "a" in which generation 1 was made."""
        world = self.world(partitions=2)
        name = world.name
        world.settings["model.checkpoint"] = ""
        world.share_models()
        compact = {"cleanup.policy": "compact"}
        small = dict(compact, **{"max.message.bytes": str(SMALL)})
        for kind, settings in (("interests", compact), ("history", compact), ("items", compact),
                               ("dead-letters", {"cleanup.policy": "delete"})):
            world.create(f"{name}-{kind}", 2, **settings)
        for kind in ("models", "item-vectors"):
            world.create(f"{name}-{kind}", 1, **small)
        (world.directory / "a").mkdir()
        shutil.copy(common["checkpoint"],
                    world.directory / "a" / "generation-0000000001.safetensors")
        return world

    def braid(self, world, *words, at="a", expected=0, fault=None, **settings):
        done = subprocess.run(
            [BRAID, *words, "--config", world.config, "--state.dir=/nowhere", *world.options(),
             f"--model.dir={world.directory / at}",
             *(f"--{key}={value}" for key, value in settings.items())],
            capture_output=True, text=True, timeout=PATIENCE,
            env=dict(os.environ, **({"BRAID_FAULT": fault} if fault else {})))
        said = done.stderr + done.stdout
        assert expected in (None, done.returncode), f"{words}: {done.returncode}\n{said}"
        return said

    def promote(self, world, generation=1, **arguments):
        said = self.braid(world, "promote", f"--generation={generation}", **arguments)
        return int(numbers(said)["generation"])

    def sync(self, world, at="b", **settings):
        """A command that looks brings a directory up to date; returns what it says."""
        return self.braid(world, "inspect", "user", "nobody", at=at, expected=None, **settings)

    @staticmethod
    def files(world, at):
        return {int(path.name[11:21]): path.read_bytes()
                for path in (world.directory / at).glob("generation-*.safetensors")}

    # --- what is right -----------------------------------------------------------------------

    def test_a_generation_reaches_every_directory(self):
        """The group begins with what the first directory has."""
        world = self.shared_world()
        self.assertEqual(self.promote(world), 2)
        self.sync(world)
        files = self.files(world, "b")
        self.assertEqual(files, self.files(world, "a"))
        shared = Shared(world)
        shared.check()
        self.assertEqual(set(shared.manifests), {1, 2})
        self.assertEqual(shared.file(2), files[2])
        self.assertEqual(shared.ends[2].items, ITEMS)
        self.assertGreater(len(shared.chunks[2]), 5)

        feed = self.feed(world)
        feed.send(500)
        job = self.job(world, "b", **{"model.dir": world.directory / "b"})
        drain(world, feed, job)
        job.stop()
        told = numbers(verify(world, **{"model.dir": world.directory / "c"}))
        self.assertEqual(told["verdict"], "ok")
        self.assertEqual(self.files(world, "c"), files)


    def test_an_older_generation_comes_back_and_the_group_has_it(self):
        world = self.shared_world()
        self.promote(world)
        self.promote(world, 1)
        said = self.braid(world, "rollback", at="b")  # a directory that had nothing
        self.assertEqual(numbers(said), {"generation": "4", "parent": "2"})
        self.sync(world, "a")
        self.assertEqual(self.files(world, "a")[4], self.files(world, "b")[4])
        Shared(world).check()

    def test_item_vectors_are_json_where_records_are(self):
        world = self.shared_world()
        self.promote(world, **{"output.record": "json"})
        lines = {record.key: json.loads(record.value)
                 for record in read_all(world, f"{world.name}-item-vectors")
                 if record.key.startswith(struct.pack(">Q", 2))}
        end = lines.pop(struct.pack(">Q", 2))
        self.assertEqual((end["items"], end["complete"]), (ITEMS, False))
        self.assertEqual(int(end["checksum"], 16),
                         sum(int(line["checksum"], 16) for line in lines.values()) % 2**64)
        for key, line in lines.items():
            self.assertEqual(key, struct.pack(">Q", 2) + line["item"].encode())
            self.assertEqual(len(base64.b64decode(line["vector"])), 4 * end["width"])

    def test_a_command_that_looks_does_without_the_group(self):
        world = self.shared_world()
        said = self.sync(world, "a", **{"output.models_topic": "nowhere"})
        self.assertIn("those that model.dir has are used", said)

    def test_a_topic_of_two_partitions_is_refused(self):
        world = self.shared_world()
        world.create(f"{world.name}-two", 2, **{"cleanup.policy": "compact"})
        said = self.braid(world, "promote", "--generation=1", expected=3,
                          **{"output.models_topic": f"{world.name}-two"})
        self.assertIn("has 2 partitions; it must have one", said)

    def test_running_jobs_adopt_what_is_promoted_until_it_is_complete_and_the_old_goes(self):
        world = self.shared_world()
        world.settings["output.items_grace"] = "0ms"
        feed = self.feed(world)
        feed.send(400)
        jobs = [self.job(world, name, **{"model.dir": world.directory / name}) for name in "ab"]
        wait_until(lambda: 1 in Shared(world).complete, "generation 1 complete", *jobs)
        drain(world, feed, *jobs)
        self.assertEqual(self.promote(world, 1, at="c"), 2)
        wait_until(lambda: not Shared(world).vectors[1], "the vectors of 1 gone", *jobs)
        shared = Shared(world)
        self.assertTrue(shared.ends[2].complete)
        self.assertNotIn(1, shared.ends)
        shared.check(gone=[1])
        for job in jobs:
            job.stop()
        newest = {record.key: parse_protobuf(record)[1]
                  for record in read_all(world, f"{world.name}-interests")}
        self.assertEqual(set(newest.values()), {2})
        told = numbers(verify(world, **{"model.dir": world.directory / "d"}))
        self.assertEqual(told["verdict"], "ok")

    # --- damage ------------------------------------------------------------------------------

    def planted(self, world, name, change):
        """Settings for a topic with the records of the models' that `change` leaves or alters."""
        topic = f"{world.name}-{name}"
        world.create(topic, 1, **{"cleanup.policy": "compact", "max.message.bytes": str(SMALL)})
        producer = KafkaProducer(bootstrap_servers=self.cluster.address, batch_size=0)
        for record in read_all(world, f"{world.name}-models"):
            generation, part = struct.unpack(">QI", record.key)
            value = change(generation, part, record.value)
            if value:
                producer.send(topic, value, record.key, partition=0)
        producer.close()
        return {"output.models_topic": topic}

    def test_damage_is_found_and_passed_over(self):
        world = self.shared_world()
        self.promote(world)
        self.promote(world)
        whole = self.files(world, "a")

        def flip(value):
            return value[:50] + bytes([value[50] ^ 1]) + value[51:]

        damages = {
            "missing": ("a chunk is missing", lambda g, p, v: None if (g, p) == (3, 2) else v),
            "flipped": ("its checksum is wrong", lambda g, p, v: flip(v) if (g, p) == (3, 1) else v),
            "alone": ("it has a manifest and no chunks",
                      lambda g, p, v: None if g == 3 and p < ANNOUNCED else v),
            "swapped": ("its checksum is wrong",
                        lambda g, p, v: whole[2][:len(v)] if (g, p) == (3, 0) else v)}
        for name, (why, change) in damages.items():
            with self.subTest(name):
                said = self.sync(world, name, **self.planted(world, name, change))
                self.assertRegex(said, f"damaged and passed over.*generation=3.*{why}")
                self.assertEqual(self.files(world, name), {1: whole[1], 2: whole[2]})

    # --- kills, and more than one trainer ----------------------------------------------------

    def test_a_trainer_that_was_shut_out_publishes_nothing(self):
        world = self.shared_world()
        self.promote(world)
        other = KafkaProducer(bootstrap_servers=self.cluster.address,
                              transactional_id=f"{world.name}-trainer")
        other.init_transactions()
        other.begin_transaction()
        for chunk in range(3):  # of a generation that never gets its manifest
            other.send(f"{world.name}-models", b"chunk", struct.pack(">QI", 3, chunk),
                       partition=0).get(PATIENCE)
        self.assertEqual(self.promote(world), 3)
        with self.assertRaises(KafkaError):
            other.send(f"{world.name}-models", b"m" * 37, struct.pack(">QI", 3, MANIFEST),
                       partition=0).get(PATIENCE)
            other.commit_transaction()
        try:
            other.close(timeout=1)
        except KafkaError:
            pass  # it was fenced
        self.sync(world)
        self.assertEqual(self.files(world, "b"), self.files(world, "a"))
        Shared(world).check()

    def test_kills_at_every_step_of_a_publication(self):
        """Another process publishes next, and the number of the killed one is not given out again
        if its item vectors were seen."""
        world = self.shared_world()
        self.promote(world)
        newest, kills = 2, 0
        watch = Watch(world)
        try:
            for step, passes in KILLS.items():
                for at in passes:
                    self.braid(world, "promote", "--generation=2", fault=f"{step}:{at}",
                               expected=-9)
                    kills += 1
                    number = self.promote(world, 2, at="b")
                    self.assertGreater(number, newest)
                    newest = number
        finally:
            watch.stop()
        self.sync(world, "c")
        self.assertEqual(self.files(world, "c")[newest], self.files(world, "b")[newest])
        shared = Shared(world)
        shared.check()
        self.assertEqual(shared.files_differ(self.files(world, "c")), [])
        print(f"case=models kills={kills} looks={watch.looks} generations={len(shared.manifests)}")


if __name__ == "__main__":
    main()
