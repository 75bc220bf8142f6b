#!/usr/bin/env python3
"""test_profiles.py - what a topic says of users (source.profile) is read beside their events.

    test_profiles.py [TestName ...]    TEST_BRAID is the program; `./run test kafka` sets all of it up

However often the job is killed, a user's newest record is read with what the topic said last before
the user's last event: the same as a job on files gives, which reads the same events and profiles.
"""

import base64
import json
import re
import shutil
import signal
import struct
import subprocess
from contextlib import closing

import xxhash
from kafka import TopicPartition
from kafka.admin import KafkaAdminClient

from case import KafkaCase, common, main, setUpModule, tearDownModule, totals
from harness import BRAID, USERS, drain, numbers, read_all, verify, wait_until

assert setUpModule and tearDownModule
STEPS = ["outputs_sent", "seals_sent", "offsets_sent", "committed", "store_committed",
         "commit_finished"]
SPOKEN_OF = [f"user-{number}" for number in range(USERS)] + ["user-of-no-event"]


class Profiles(KafkaCase):
    def known_world(self, suffix=""):
        directory = common["directory"]
        checkpoint = directory / "mind.safetensors"
        if not checkpoint.exists():
            subprocess.run([BRAID, "init", f"--source.path={directory}/init.jsonl", "--model=mind",
                            "--profile-buckets=64", f"--model.checkpoint={checkpoint}", "--d=16"],
                           check=True, capture_output=True)
        world = self.world(suffix, settings={"model.checkpoint": checkpoint,
                                             "profile.fields": "plan,age"})
        world.settings["source.profile"] = f"{world.name}-users"
        world.create(f"{world.name}-users", world.partitions, **{"cleanup.policy": "compact"})
        return world

    def say(self, feed, users, number):
        """A record of each user; returns where the topic's partitions end."""
        ends, futures = {}, []
        for user in users:
            told = {"plan": f"plan-{(number + len(user)) % 5}"}
            if (number + int(user[-1], 36)) % 3:
                told["age"] = number
            futures.append(feed.producer.send(f"{feed.world.name}-users",
                                              json.dumps(told).encode(), user.encode()))
            feed.said[user] = told
        feed.producer.flush()
        for future in futures:
            place = future.get(60)
            ends[place.partition] = place.offset + 1
        return ends

    def read_up_to(self, world, ends, job):
        """Waits until the job has committed all that the topic says."""
        def done():
            said = subprocess.run([BRAID, "inspect", "store", "--config", world.config,
                                   "--state.dir=/nowhere", *world.options()],
                                  capture_output=True, text=True).stdout
            read = [int(end) for end in re.findall(r"profiles +up to offset (\d+)", said)]
            return sorted(read) == sorted(ends.values())
        wait_until(done, f"profiles up to {ends} committed", job)

    def newest_of_files(self, world, feed):
        """Vectors of every user by a job on files: the events as they lie, the profiles said last."""
        events = [json.loads(record.value) for record in read_all(world, world.name)]
        folder = world.directory / "files"
        folder.mkdir()
        (folder / "log.jsonl").write_text("".join(json.dumps(event) + "\n" for event in events))
        (folder / "users.jsonl").write_text("".join(
            json.dumps({"user": user, **told}) + "\n" for user, told in feed.said.items()))
        subprocess.run([BRAID, "run", f"--source.path={folder}/log.jsonl",
                        f"--source.profile={folder}/users.jsonl", "--profile.fields=plan,age",
                        f"--model.checkpoint={world.settings['model.checkpoint']}",
                        "--source.fields.action=action", "--actions.view=1", "--actions.buy=3",
                        "--state.history_max=256", f"--state.dir={folder}/state",
                        f"--output.dir={folder}/output"], check=True, capture_output=True)
        newest = {}
        for path in sorted((folder / "output").glob("interests-*.jsonl")):
            for line in path.read_text().splitlines():
                told = json.loads(line)
                raw = base64.b64decode(told["vectors"])
                newest[told["user"]] = (told["events"], struct.unpack(f"<{len(raw) // 4}f", raw))
        return newest

    def newest_of_topic(self, world, topic=None):
        from interest_record_pb2 import InterestRecord
        newest = {}
        for record in read_all(world, topic or f"{world.name}-interests"):
            told = InterestRecord.FromString(record.value)
            newest[told.user.decode()] = (told.events, tuple(told.vectors))
        return newest

    def test_what_a_topic_says_counts_once_whatever_is_killed(self):
        world = self.known_world()
        feed = self.feed(world)
        feed.said = {}
        often = {"job.commit_events_max": "50", "job.poll_events_max": "20"}
        for number, step in enumerate(STEPS):
            self.say(feed, SPOKEN_OF[number::3], number)
            feed.send(200)
            job = self.job(world, "a", f"{step}:1", **often)
            job.ended(-signal.SIGKILL)
            totals["kills"] += 1
            if number == 3:
                shutil.rmtree(world.directory / "state-a")
        job = self.job(world)
        drain(world, feed, job)
        for number, users in ((10, SPOKEN_OF), (11, SPOKEN_OF[:len(SPOKEN_OF) // 4])):
            self.read_up_to(world, self.say(feed, users, number), job)
            feed.wait([feed.send_raw(json.dumps(dict(feed.event(), user=user,
                                                     action="view")).encode(), user)
                       for user in users if user != SPOKEN_OF[-1]])
            drain(world, feed, job)
        job.stop()
        self.prove(world)
        self.assertEqual(self.newest_of_topic(world), self.newest_of_files(world, feed))
        said = numbers(verify(world))
        self.assertEqual((said["profiles_gone"], said["profiles_unplaced"]), ("0", "0"))
        late = {"source.profile": self.forgetful_topic(world, feed)}
        said = numbers(verify(world, **late))
        self.assertGreater(int(said["profiles_gone"]), 0)
        self.assertEqual((said["violations"], said["unverifiable"]), ("0", "0"))
        said = numbers(verify(world, 4, **late, **{"output.topic": self.wrong_records(world, feed)}))
        self.assertGreater(int(said["violations"]), int(said["unverifiable"]))
        said = verify(world, 4, **{"source.profile": self.other_topic(world, feed)})
        self.assertGreater(int(numbers(said)["violations"]), 0)

    def wrong_records(self, world, feed):
        """A topic of the records, their first vector another one, with the checksums of that."""
        from interest_record_pb2 import InterestRecord
        topic = f"{world.name}-wrong"
        world.create(topic, world.partitions, **{"cleanup.policy": "compact"})
        for record in read_all(world, f"{world.name}-interests"):
            told = InterestRecord.FromString(record.value)
            told.vectors[0] += 1
            told.checksum = xxhash.xxh3_64_intdigest(
                struct.pack("<I", len(told.user)) + told.user
                + struct.pack("<QQQqIqII", told.generation, getattr(told, "from"), told.events,
                              told.event_time_ms, told.partition, told.offset, len(told.weights),
                              told.width)
                + struct.pack(f"<{len(told.vectors)}f", *told.vectors)
                + struct.pack(f"<{len(told.weights)}f", *told.weights))
            feed.producer.send(topic, told.SerializeToString(), record.key, record.headers,
                               partition=record.partition)
        feed.producer.flush()
        return topic

    def copy_of_topic(self, world, feed, name, value_of):
        """A topic with as many records of the same users. Returns its name, and its records."""
        topic = f"{world.name}-{name}"
        world.create(topic, world.partitions)
        records = read_all(world, f"{world.name}-users")
        for record in records:
            feed.producer.send(topic, value_of(record), record.key, partition=record.partition)
        feed.producer.flush()
        return topic, records

    def test_a_replay_and_a_seeded_job_read_what_the_topic_says_before_events(self):
        world = self.known_world()
        feed = self.feed(world)
        feed.said = {}
        for number in range(5):
            self.say(feed, SPOKEN_OF, number)
        events = [feed.event() for _ in range(1500)]
        feed.wait([feed.producer.send(world.name, json.dumps(event).encode(),
                                      event["user"].encode(), timestamp_ms=event["time"])
                   for event in events])
        expected = self.newest_of_files(world, feed)
        command = ("replay", "--as", "again", "--publish", "last")
        for fault in ("committed:1", "committed:3", None):
            job = self.job(world, "a", fault, "state-again", command,
                           **{"source.end": "latest", "job.commit_events_max": "100",
                              "job.poll_events_max": "20"})
            job.ended(-signal.SIGKILL if fault else 0)
        self.assertEqual(self.newest_of_topic(world, "again"), expected)

        days = world.directory / "days"
        days.mkdir()
        (days / "a.jsonl").write_text("".join(json.dumps(event) + "\n" for event in events[:800]))
        subprocess.run([BRAID, "seed", "--config", world.config, "--files", days, "--cut",
                        "2023-11-14T22:26:41Z", f"--state.dir={world.directory / 'state-a'}",
                        *world.options()], check=True, capture_output=True)
        job = self.job(world)
        drain(world, feed, job)
        job.stop()
        found = self.newest_of_topic(world)
        self.assertEqual({user: n for user, (n, _) in found.items()},
                         {user: n for user, (n, _) in expected.items()})
        for user in {event["user"] for event in events[800:] if event["action"] != "hover"}:
            self.assertEqual(found[user], expected[user], user)

    def other_topic(self, world, feed):
        """One that says something else of every user."""
        return self.copy_of_topic(world, feed, "none", lambda record: b'{"plan":"none"}')[0]

    def forgetful_topic(self, world, feed):
        """One that has lost what it said before the last record of any user, as compaction may."""
        topic, records = self.copy_of_topic(world, feed, "late", lambda record: record.value)
        last = {}
        for record in records:
            last[record.key] = record
        first = {}
        for record in last.values():
            first[record.partition] = min(record.offset, first.get(record.partition, record.offset))
        with closing(KafkaAdminClient(bootstrap_servers=self.cluster.address)) as admin:
            admin.delete_records({TopicPartition(topic, p): at for p, at in first.items()})
        return topic

    def test_a_bad_profile_is_a_dead_letter_and_other_partitions_are_refused(self):
        world = self.known_world()
        feed = self.feed(world)
        feed.said = {}
        feed.producer.send(f"{world.name}-users", b"{", b"user-1").get(60)
        ends = self.say(feed, SPOKEN_OF, 1)
        feed.send(100)
        job = self.job(world)
        drain(world, feed, job)
        self.read_up_to(world, ends, job)
        job.stop()
        letters = read_all(world, f"{world.name}-dead-letters")
        self.assertEqual([(letter.key, letter.value, dict(letter.headers)["__braid.errors.topic"])
                          for letter in letters],
                         [(b"user-1", b"{", f"{world.name}-users".encode())])
        verify(world)
        world.create(f"{world.name}-few", 2)
        job = self.job(world, **{"source.profile": f"{world.name}-few"})
        job.ended(3)
        self.assertTrue(job.said("has 2 partitions, the source"))


if __name__ == "__main__":
    main()
