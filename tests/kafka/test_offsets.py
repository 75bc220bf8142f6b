#!/usr/bin/env python3
"""test_offsets.py - what becomes of a job whose next event is not where its offsets say.

    test_offsets.py [TestName ...]    TEST_BRAID is the program; `./run test kafka` sets all of it up

Retention, tools and people remove events and change offsets. Nothing may be lost without a word,
nothing read twice, and no history thrown away because of what happened to the source.
"""

import json
import re
import subprocess

from case import KafkaCase, main, parse_protobuf, setUpModule, tearDownModule
from harness import BRAID, SOON, answering, drain, metric, read_all, verify, wait_until

from kafka import KafkaConsumer, TopicPartition
from kafka.admin import KafkaAdminClient
from kafka.errors import NoError
from kafka.structs import OffsetAndMetadata

assert setUpModule and tearDownModule


class SourceOffsets(KafkaCase):
    def setUp(self):
        super().setUp()
        self.admin = KafkaAdminClient(bootstrap_servers=self.cluster.address)
        self.addCleanup(self.admin.close)

    def run_until_read(self, world, feed, **settings):
        job = self.job(world, **settings)
        drain(world, feed, job)
        job.stop()
        return job

    def expect_refused(self, world, *patterns):
        job = self.job(world)
        job.ended(3)
        for pattern in patterns:
            self.assertTrue(job.said(pattern), f"{pattern}\n{job.tail()}")

    def delete_before(self, world, offsets):
        self.admin.delete_records({TopicPartition(world.name, p): offset
                                   for p, offset in offsets.items()})

    def ends(self, world):
        """Where the partitions end, markers and aborted records included."""
        consumer = KafkaConsumer(bootstrap_servers=self.cluster.address)
        places = [TopicPartition(world.name, p) for p in range(world.partitions)]
        ends = {place.partition: end for place, end in consumer.end_offsets(places).items()}
        consumer.close()
        return ends

    def newest(self, world):
        """Of each user how many events its newest record has absorbed."""
        return {user: events for user, _, events, *_ in
                map(parse_protobuf, read_all(world, f"{world.name}-interests"))}

    def set_group(self, world, offsets):
        """As a tool does it, which is not possible before the members' sessions have ended."""
        wanted = {TopicPartition(world.name, p): OffsetAndMetadata(offset, "", -1)
                  for p, offset in offsets.items()}
        wait_until(lambda: all(outcome is NoError for outcome in self.admin.alter_group_offsets(
            world.name, wanted).values()), "the group is empty")

    # --- nothing is lost ---------------------------------------------------------------------

    def test_markers_and_aborted_records_that_retention_took_are_no_loss(self):
        world = self.world(partitions=2)
        feed = self.feed(world, transactional_id="upstream")
        feed.producer.init_transactions()
        feed.producer.begin_transaction()
        feed.send(40)
        feed.producer.commit_transaction()
        feed.producer.begin_transaction()
        feed.send(20)
        feed.producer.abort_transaction()
        feed.ends.clear()
        feed.ends.update(self.ends(world))
        self.run_until_read(world, feed)
        self.prove(world)
        before = self.newest(world)
        self.delete_before(world, self.ends(world))  # all of it: the topic idled for long
        feed.producer.begin_transaction()
        feed.send(40)
        feed.producer.commit_transaction()
        self.run_until_read(world, feed)
        after = self.newest(world)
        self.assertTrue(all(after[user] >= events for user, events in before.items()))
        self.assertGreater(sum(after.values()), sum(before.values()))
        self.assertNotIn("lost", self.inspect(world))

    def test_an_idle_job_commits_the_end_of_aborted_records(self):
        world = self.world(partitions=2)
        feed = self.feed(world, transactional_id="upstream")
        feed.producer.init_transactions()
        feed.producer.begin_transaction()
        feed.send(40)
        feed.producer.commit_transaction()
        job = self.job(world)
        drain(world, feed, job)
        feed.producer.begin_transaction()
        feed.send(20)
        feed.producer.abort_transaction()
        feed.ends.clear()
        feed.ends.update(self.ends(world))
        drain(world, feed, job)
        self.kill(job)
        self.prove(world)

    # --- events are gone ---------------------------------------------------------------------

    def gap(self):
        """A world of two partitions of which each has lost events that were never read."""
        world = self.world(partitions=2)
        feed = self.feed(world)
        feed.send(200)
        self.run_until_read(world, feed)
        read = dict(feed.ends)
        feed.send(200)
        first = {p: end + 7 + p for p, end in read.items()}
        self.delete_before(world, first)
        return world, feed, read, first

    def inspect(self, world):
        done = subprocess.run([BRAID, "inspect", "store", "--config", world.config,
                               f"--state.dir={world.directory}/state-a"],
                              capture_output=True, text=True, check=True)
        return done.stdout

    def test_events_that_were_deleted_unread_stop_the_job_and_are_counted(self):
        world, _, read, first = self.gap()
        lost = sum(first[p] - read[p] for p in read)
        ranges = [rf"{world.name}\[{p}\] {read[p]} to {first[p] - 1}" for p in read]
        self.expect_refused(world, f"up to {lost} events in 2 of 2 partitions", *ranges,
                            "kafka.accept_gap: true")

    def test_an_accepted_gap_keeps_the_histories_and_is_recorded(self):
        world, feed, read, first = self.gap()
        before = self.newest(world)
        job = self.job(world, **answering(), **{"kafka.accept_gap": "true"})
        drain(world, feed, job)
        self.assertEqual(metric(job, "braid_lost_events_total"), sum(first[p] - read[p] for p in read))
        job.stop()
        for p in read:
            self.assertTrue(job.said(rf"gap accepted.*partition={p} first={read[p]} "
                                     rf"last={first[p] - 1} events_at_most={first[p] - read[p]}"))
        left = sum(json.loads(record.value)["action"] in ("view", "buy")
                   for record in read_all(world, world.name))
        after = self.newest(world)
        self.assertEqual(sum(after.values()), sum(before.values()) + left)
        self.assertTrue(all(after[user] >= events for user, events in before.items()))
        said = self.inspect(world)
        self.assertEqual([int(n) for n in re.findall(r"lost +(\d+) events", said)],
                         [first[p] - read[p] for p in sorted(read)])
        self.assertIn("violations=0", verify(world, 4))
        feed.send(100)  # and without the option from here on
        self.run_until_read(world, feed)
        self.assertEqual(self.inspect(world).count("lost"), 2)

    def test_a_source_that_was_made_anew_is_refused(self):
        world = self.world(partitions=1)
        feed = self.feed(world)
        feed.send(200)
        self.run_until_read(world, feed)
        self.admin.delete_topics([world.name])
        wait_until(lambda: world.name not in self.admin.list_topics(), "the topic is gone")
        world.create(world.name, 1)
        feed.send(10)
        self.expect_refused(world, "ends at offset 10 and was processed up to 200: the topic was "
                                   "made anew")

    # --- the group's offsets were changed ----------------------------------------------------

    def expect_that_the_log_decides(self, offset):
        world = self.world(partitions=1, settings=SOON)
        feed = self.feed(world)
        feed.send(40)
        self.run_until_read(world, feed)
        feed.send(40)
        self.set_group(world, {0: offset})
        self.expect_refused(world, f"the offset {offset} of group '{world.name}'",
                            "kafka.accept_gap: true goes on where the history log ends")
        self.run_until_read(world, feed, **{"kafka.accept_gap": "true"})
        self.prove(world)

    def test_after_offsets_were_set_back_no_event_is_read_twice(self):
        self.expect_that_the_log_decides(0)

    def test_after_offsets_were_set_forward_no_event_is_lost(self):
        self.expect_that_the_log_decides(60)


if __name__ == "__main__":
    main()
