#!/usr/bin/env python3
"""test_verify.py - verify and inspect on real topics: what is right passes, what is planted is found.

    test_verify.py [TestName ...]    TEST_BRAID is the program; `./run test kafka` sets all of it up

One job runs once. A topic can't be edited, so each fault is planted while its records are copied to
a new topic, which verify is then told to read instead.
"""

import base64
import collections
import json
import re
import shutil
import subprocess
import threading

from case import SEED, KafkaCase, common, main, setUpModule
from harness import (BRAID, LETTER, PATIENCE, SOON, Feed, Job, Pulse, World, drain, expected_history,
                     numbers, read_all, verify, wait_until)

from kafka import KafkaProducer, TopicPartition
from kafka.admin import KafkaAdminClient
from kafka.errors import KafkaError

assert setUpModule
PARTITIONS = 4
POISON = [b"{", b"no json", b'{"user":"u","item":"i","time":1e99,"action":"view"}']

Copied = collections.namedtuple("Copied", "key value partition headers")


def tearDownModule():
    shutil.rmtree(common["directory"])


def changed(record, **fields):
    """The record with some fields replaced, and the checksum that it had."""
    from interest_record_pb2 import InterestRecord
    told = InterestRecord.FromString(record.value)
    for name, value in fields.items():
        setattr(told, name, value)
    return record._replace(value=told.SerializeToString())


def flipped(record):
    """The record with the sign of one number of a vector changed."""
    from interest_record_pb2 import InterestRecord
    told = InterestRecord.FromString(record.value)
    told.vectors[3] = -told.vectors[3]
    return record._replace(value=told.SerializeToString())


def headed(record, **fields):
    """The dead letter with some headers replaced."""
    told = dict(record.headers, **{LETTER + name: value.encode() for name, value in fields.items()})
    return record._replace(headers=list(told.items()))


def in_json(record):
    told = {name.removeprefix(LETTER): value.decode() for name, value in record.headers}
    letter = {"reason": told["reason"], "detail": told["message"], "source": told["topic"],
              "partition": int(told["partition"]), "offset": int(told["offset"]),
              "payload": base64.b64encode(record.value).decode()}
    return record._replace(key=None, value=json.dumps(letter).encode(), headers=[])


def inspect(world, *words, state="/nowhere", expected=0):
    done = subprocess.run([BRAID, "inspect", *words, "--config", world.config,
                           f"--state.dir={state}"], capture_output=True, text=True, timeout=PATIENCE)
    assert done.returncode == expected, f"{done.returncode}\n{done.stdout}{done.stderr}"
    return done.stdout + done.stderr


class Topics(KafkaCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.done = World(cls.cluster, common["checkpoint"], "done", partitions=PARTITIONS)
        cls.addClassCleanup(shutil.rmtree, cls.done.directory, ignore_errors=True)
        feed, job = Feed(cls.done, seed=SEED), Job(cls.done)
        for _ in range(3):
            cls.feed_all_kinds(feed)
            drain(cls.done, feed, job)
        job.stop()
        feed.close()
        cls.histories, cls.bad = expected_history(cls.done)
        cls.records, cls.letters = (
            [Copied(r.key, r.value, r.partition, list(r.headers)) for r in read_all(cls.done, f"done-{kind}")]
            for kind in ("interests", "dead-letters"))
        cls.producer = KafkaProducer(bootstrap_servers=cls.cluster.address)
        cls.addClassCleanup(cls.producer.close)

    @staticmethod
    def feed_all_kinds(feed):
        """Good events, bad ones, and in each partition a user whose producer chose the partition."""
        feed.send(500)
        feed.wait([feed.send_raw(value, "poisoner") for value in POISON])
        feed.wait([feed.send_raw(json.dumps(dict(feed.event(), user=f"settler-{p}")).encode(),
                                 f"settler-{p}", partition=p) for p in range(PARTITIONS)])

    def planted(self, kind, records, partitions=PARTITIONS):
        """The setting that makes verify read these records instead of those of `kind`."""
        topic = f"{self.id().rsplit('.', 1)[1]}-{kind}"
        policy, option = {"interests": ("compact", "output.topic"),
                          "dead-letters": ("delete", "output.dead_letter_topic")}[kind]
        self.done.create(topic, partitions, **{"cleanup.policy": policy})
        for record in records:
            self.producer.send(topic, record.value, record.key, record.headers,
                               partition=record.partition % partitions)
        self.producer.flush()
        return {option: topic}

    def assert_found(self, settings, *violations):
        said = verify(self.done, 4, **settings)
        for violation in violations:
            self.assertIn(violation, said)

    def users_records(self):
        """The positions of each user's records, the user with most records first."""
        places = collections.defaultdict(list)
        for at, record in enumerate(self.records):
            places[record.key].append(at)
        return sorted(places.values(), key=len, reverse=True)

    # --- what is right -----------------------------------------------------------------------

    def test_a_clean_run_passes(self):
        told = numbers(verify(self.done))
        self.assertEqual(told["verdict"], "ok")
        self.assertEqual(int(told["records"]), len(self.records))
        self.assertEqual(int(told["users"]), len(self.histories))
        self.assertEqual(int(told["accepted"]), sum(map(len, self.histories.values())))
        self.assertEqual(int(told["dead_letters"]), len(self.bad))
        self.assertEqual(int(told["events"]), len(read_all(self.done, "done")))

    def test_newest_records_alone_pass(self):
        newest = {record.key: record for record in self.records}
        told = numbers(verify(self.done, **self.planted("interests", newest.values()),
                              **self.planted("dead-letters", self.letters)))
        self.assertEqual(int(told["records"]), len(self.histories))

    def test_a_job_may_run_meanwhile(self):
        world = self.world()
        feed = self.feed(world)
        job = self.job(world)
        feed.send(500)
        drain(world, feed, job)
        pulse = Pulse(feed)
        try:
            for _ in range(3):
                verify(world)
        finally:
            pulse.stop()
        drain(world, feed, job)
        job.stop()

    def test_an_open_transaction_is_waited_for(self):
        setting = self.planted("interests", self.records)
        other = KafkaProducer(bootstrap_servers=self.cluster.address, transactional_id="other",
                              transaction_timeout_ms=600000)
        other.init_transactions()
        other.begin_transaction()
        other.send(setting["output.topic"], b"garbage", b"user-0", partition=0).get(PATIENCE)
        said = []
        waiting = threading.Thread(target=lambda: said.append(verify(self.done, **setting)))
        waiting.start()
        waiting.join(5)
        self.assertTrue(waiting.is_alive())
        other.abort_transaction()
        other.close()
        waiting.join(PATIENCE)
        self.assertEqual(numbers(said[0])["records"], str(len(self.records)))

    def test_a_group_that_was_forgotten(self):
        world = self.world(settings=SOON)
        feed = self.feed(world)
        feed.send(300)
        job = self.job(world)
        drain(world, feed, job)
        job.stop()
        admin = KafkaAdminClient(bootstrap_servers=self.cluster.address)

        def deleted():
            try:
                admin.delete_groups([world.name])
            except KafkaError:
                return False
            return world.name not in {group["group_id"] for group in admin.list_groups()}

        wait_until(deleted, "the group is empty and gone")
        admin.close()
        self.assertEqual(numbers(verify(world))["accepted"], str(sum(
            map(len, expected_history(world)[0].values()))))

    # --- what is planted ---------------------------------------------------------------------

    def test_a_doubled_record(self):
        at = self.users_records()[0][1]
        records = [*self.records[:at], *self.records[at - 1:at], *self.records[at:]]
        self.assert_found(self.planted("interests", records), "repeated: 1.")

    def test_records_of_a_user_in_the_wrong_order(self):
        first, second, *_ = self.users_records()[0]
        records = list(self.records)
        records[first], records[second] = records[second], records[first]
        self.assert_found(self.planted("interests", records), "order: 1.")

    def test_a_missing_newest_record(self):
        at = self.users_records()[0][-1]
        user = self.records[at].key.decode()
        self.assert_found(self.planted("interests", [*self.records[:at], *self.records[at + 1:]]),
                          "lost: 1.", f"user '{user}' has {len(self.histories[user])} accepted")

    def test_records_that_are_not_what_they_were(self):
        victims = [places[0] for places in self.users_records()[:6]]
        other = self.records[victims[0]].key
        records = list(self.records)
        for at, damage in zip(victims[1:], [
                flipped,
                lambda record: changed(record, generation=2),
                lambda record: changed(record, user=other)._replace(key=other),
                lambda record: record._replace(key=other),
                lambda record: record._replace(value=None)]):
            records[at] = damage(records[at])
        self.assert_found(self.planted("interests", records), "damaged: 4.",
                          "its checksum does not match", "its key is not its user",
                          "a tombstone of a user who stays")

    def test_a_newest_record_of_an_event_that_never_was(self):
        last = self.records[self.users_records()[0][-1]]
        invented = changed(last, events=10 ** 6, offset=10 ** 9)
        self.assert_found(self.planted("interests", [*self.records, invented]), "damaged: 1.",
                          "it names source offset 1000000000, and only those before")

    def test_another_checkpoint_of_the_same_generation_is_refused(self):
        other = common["directory"] / "other.safetensors"
        subprocess.run([BRAID, "init", f"--source.path={common['directory']}/init.jsonl",
                        f"--model.checkpoint={other}", "--seed=2", "--d=16", "--ffn=16",
                        "--heads=2", "--interests=2", "--oov=8"], check=True, capture_output=True)
        said = verify(self.done, 3, **{"model.checkpoint": other})
        self.assertIn("generation 1 is not the one that published", said)

    def test_other_settings_of_the_source_are_refused(self):
        said = verify(self.done, 3, **{"source.time": "s"})
        self.assertIn("source.time (now 's')", said)

    def test_dead_letters_doubled_missing_and_strange(self):
        strange = headed(self.letters[2], offset="0")
        self.assert_found(
            self.planted("dead-letters", [self.letters[1], strange, *self.letters[3:],
                                          self.letters[1]]),
            "bad event lost: 2.", "bad event repeated: 1.", "dead letter: 1.")

    def test_dead_letters_of_which_event_is_not_said(self):
        self.assert_found(
            self.planted("dead-letters", [headed(self.letters[0], offset="first"),
                                          self.letters[1]._replace(headers=[]),
                                          *self.letters[2:]]),
            "bad event lost: 2.", "dead letter: 2.")

    def test_dead_letters_of_an_earlier_build_are_read(self):
        """Before they kept the event as it came they were JSON, without headers."""
        half = len(self.letters) // 2
        verify(self.done, **self.planted("dead-letters", [
            *map(in_json, self.letters[:half]), *self.letters[half:]]))

    def test_a_user_in_two_partitions(self):
        world = self.world()
        feed = self.feed(world)
        job = self.job(world)
        feed.send(200)
        drain(world, feed, job)
        for p in range(2):
            feed.wait([feed.send_raw(json.dumps(dict(feed.event(), user="wanderer",
                                                     action="view")).encode(),
                                     "wanderer", partition=p)])
        drain(world, feed, job)
        job.stop()
        self.assertIn("split user: user 'wanderer' has events in partition 0 and in partition 1",
                      verify(world, 4))

    # --- what cannot be verified -------------------------------------------------------------

    def test_events_that_the_source_has_forgotten(self):
        world = self.world()
        feed = self.feed(world)
        job = self.job(world)
        for _ in range(4):
            feed.send(400)
            drain(world, feed, job)
        job.stop()
        histories, _ = expected_history(world)
        first = {p: end // 3 for p, end in feed.ends.items()}
        admin = KafkaAdminClient(bootstrap_servers=self.cluster.address)
        admin.delete_records({TopicPartition(world.name, p): at for p, at in first.items()})
        admin.close()
        cut = {user for user, places in histories.items() if places[0][1] < first[places[0][0]]}
        gone = sum(record.key.decode() in cut
                   for record in read_all(world, f"{world.name}-interests"))
        told = numbers(verify(world, 4))
        self.assertEqual(int(told["unverifiable"]), gone)
        self.assertEqual(int(told["violations"]), 0)
        self.assertEqual(int(told["accepted"]), sum(
            offset >= first[p] for places in histories.values() for p, offset, _ in places))
        told = numbers(verify(world, 0, "--allow-unverifiable"))
        self.assertLess(int(told["unverifiable"]), int(told["records"]))

    def test_what_is_refused(self):
        self.assertIn("nothing was ever committed", verify(self.done, 2, **{
            "kafka.group": "nobody", "output.history_topic": self.empty_history()}))
        self.assertIn("has 2 partitions, its source 4", verify(
            self.done, 3, **self.planted("interests", self.records[:3], partitions=2)))
        self.assertIn("does not exist", verify(self.done, 3, **{"output.topic": "nowhere"}))
        self.assertIn("right and running?", verify(self.done, 1, **{
            "kafka.brokers": "127.0.0.1:1"}))

    def empty_history(self):
        self.done.create("empty-history", PARTITIONS, **{"cleanup.policy": "compact"})
        return "empty-history"

    # --- inspect -----------------------------------------------------------------------------

    def test_inspect_finds_a_user_in_the_partition_that_its_producer_chose(self):
        items = collections.defaultdict(list)
        for record in read_all(self.done, "done"):
            if (record.partition, record.offset) in self.bad:
                continue
            event = json.loads(record.value)
            if event["action"] in ("view", "buy"):
                items[event["user"]].append(event["item"])
        settlers = [f"settler-{p}" for p in range(PARTITIONS)]
        busiest = max(items, key=lambda user: len(items[user]))
        for user in filter(items.get, [busiest, *settlers]):
            said = inspect(self.done, "user", user, "--last=10000")
            partition = self.histories[user][0][0]
            self.assertRegex(said, rf"partition +{partition}\n +events +{len(items[user])},")
            self.assertEqual(re.findall(r"^ +\d+  \S+Z  \w+ +(i\d+)$", said, re.M), items[user])
        self.assertIn("no user 'nobody' in done-history",
                      inspect(self.done, "user", "nobody", expected=1))

    def test_inspect_shows_what_an_instance_keeps(self):
        said = inspect(self.done, "store", state=self.done.directory / "state-a")
        self.assertEqual(sum(map(int, re.findall(r"(\d+) users, ", said))), len(self.histories))
        self.assertNotIn("behind", said)
        elsewhere = inspect(self.done, "store")
        self.assertEqual(elsewhere.count("missing"), PARTITIONS)
        self.assertEqual(re.findall(r"committed .*", elsewhere), re.findall(r"committed .*", said))


if __name__ == "__main__":
    main()
