#!/usr/bin/env python3
"""test_range.py - a run that begins and ends inside a topic (source.start, source.end).

    test_range.py [TestName ...]    TEST_BRAID is the program; `./run test kafka` sets all of it up

It is a job on that part alone, whatever is produced or killed meanwhile, and ends by itself. The
judges are an independent reader and `braid verify`.
"""

import json
import signal

from case import KafkaCase, main, parse_protobuf, setUpModule, tearDownModule, totals
from harness import (Group, drain, expected_history, numbers, read_all, verify, wait_marked,
                     wait_until)

from kafka import KafkaConsumer, TopicPartition

assert setUpModule and tearDownModule
PARTITIONS = range(4)
KILLS = ["changeset_closed:1", "seals_sent:1", "offsets_sent:2", "committed:1", "store_committed:3"]


class Range(KafkaCase):
    def offsets(self, world):
        group = Group(world)
        try:
            return group.offsets()
        finally:
            group.close()

    def check_part(self, world, first, end):
        """Committed is exactly what is in [first, end) of each partition; ends are gaps or events."""
        histories, _ = expected_history(world)
        part = {user: [place for place in places if first[place[0]] <= place[1] < end[place[0]]]
                for user, places in histories.items()}
        newest = {}
        wait_marked(world, f"{world.name}-interests")
        for record in read_all(world, f"{world.name}-interests"):
            user, _, events, partition, offset, time_ms = parse_protobuf(record)
            self.assertEqual((partition, offset, time_ms), part[user][events - 1])
            self.assertGreater(events, newest.get(user, 0))
            newest[user] = events
        self.assertEqual(newest, {user: len(places) for user, places in part.items() if places})
        self.assertEqual(self.offsets(world), end)
        said = verify(world)
        self.assertEqual(numbers(said)["verdict"], "ok", said)

    def transaction_of_nobody(self, world):
        """Records at the end of each partition that are aborted: what follows them is a marker."""
        feed = self.feed(world, transactional_id=f"{world.name}-producer")
        feed.producer.init_transactions()
        feed.producer.begin_transaction()
        for partition in PARTITIONS:
            event = json.dumps(feed.event()).encode()
            feed.producer.send(world.name, event, b"user-1", partition=partition)
        feed.producer.flush()
        feed.producer.abort_transaction()

    def ends(self, world):
        consumer = KafkaConsumer(bootstrap_servers=self.cluster.address)
        found = consumer.end_offsets([TopicPartition(world.name, p) for p in PARTITIONS])
        consumer.close()
        return {place.partition: end for place, end in found.items()}

    def test_a_run_to_latest_ends_where_its_first_start_has_put_the_end(self):
        """Killed at several points while more is produced, and behind aborted records at the end."""
        world = self.world()
        feed = self.feed(world)
        feed.send(2000)
        self.transaction_of_nobody(world)
        end = self.ends(world)
        small = {"source.end": "latest", "job.commit_events_max": "100", "job.poll_events_max": "20"}
        slow = self.job(world, **small, **{"job.rate_max": "20"})
        wait_until(lambda: len(self.offsets(world)) == 4, "a commit of each partition", slow)
        self.kill(slow)
        for kill in KILLS:
            feed.send(100)
            job = self.job(world, "a", kill, **small)
            job.ended(-signal.SIGKILL)
            totals["kills"] += 1
        job = self.job(world, **small)
        job.ended(0)
        self.assertTrue(job.said("stopped=false"), job.tail())
        self.check_part(world, dict.fromkeys(PARTITIONS, 0), end)
        again = self.job(world, **small)
        again.ended(0)
        self.check_part(world, dict.fromkeys(PARTITIONS, 0), end)

        open_end = self.job(world)  # and without an end it goes on from there
        drain(world, feed, open_end)
        open_end.stop()
        self.prove(world)

    def test_offsets_and_times_bound_a_run_of_several_members(self):
        world = self.world()
        feed = self.feed(world)
        feed.send(1500)
        first = {p: feed.ends[p] // 3 for p in PARTITIONS}
        feed.send(500)
        end = {p: feed.ends[p] - 10 for p in PARTITIONS}
        told = {"source.start": ",".join(f"{p}:{first[p]}" for p in PARTITIONS),
                "source.end": ",".join(f"{p}:{end[p]}" for p in PARTITIONS)}
        members = [self.job(world, name, **told) for name in "ab"]
        for member in members:
            member.ended(0)
        self.check_part(world, first, end)
        other = self.job(world, **{"source.start": "0:5,1:5,2:5,3:5"})  # it has begun elsewhere
        other.wait_said(f"a job begins once.*says=5 began={first[0]} ")
        other.stop()

    def test_a_time_is_the_first_record_that_is_not_before_it(self):
        """And events of years ago are no dead letters, since their records are as old."""
        world = self.world(settings={"source.time_behind": "365d"})
        feed = self.feed(world)

        def send(count, second):
            futures = []
            for _ in range(count):
                event = feed.event()
                futures.append(feed.producer.send(world.name, json.dumps(event).encode(),
                                                  event["user"].encode(),
                                                  timestamp_ms=(1700000000 + second) * 1000))
            feed.wait(futures)
            return dict(feed.ends)
        first = send(800, 0)
        end = send(800, 60)
        send(800, 120)
        job = self.job(world, **{"source.start": "2023-11-14T22:13:50Z",
                                 "source.end": "2023-11-14T22:14:50Z"})
        job.ended(0)
        self.check_part(world, first, end)

    def test_events_of_a_late_copy_are_judged_by_the_range_of_times(self):
        """The broker's timestamps are of now, the events of 2023."""
        world = self.world(settings={"source.time_behind": "365d", "source.end": "latest",
                                     "source.time_by": "range"})
        self.alter(world.name, message_timestamp_type="LogAppendTime")
        feed = self.feed(world)
        feed.send(300)
        job = self.job(world)
        job.ended(0)
        self.assertTrue(job.said(r"dead_letters=0 "), job.tail())
        self.check_part(world, dict.fromkeys(PARTITIONS, 0), self.ends(world))
        told = self.job(world, **{"source.time_by": "record", "source.end": "never"})
        told.ended(3)
        self.assertTrue(told.said("read with other settings: source.time_by"), told.tail())

    def test_offsets_that_a_topic_does_not_hold_are_refused(self):
        world = self.world()
        feed = self.feed(world)
        feed.send(100)
        for told, why in [("0:1,1:2", "says nothing of partition [23]"),
                          ("0:1,1:2,2:3,3:1000000", "holds offsets 0 to")]:
            job = self.job(world, **{"source.start": told})
            job.ended(3)
            self.assertTrue(job.said(why), job.tail())


if __name__ == "__main__":
    main()
