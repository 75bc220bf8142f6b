#!/usr/bin/env python3
"""test_replay.py - `braid replay`: a range of the source into a job of its own, beside the live one.

    test_replay.py [TestName ...]    TEST_BRAID is the program; `./run test kafka` sets all of it up

Whatever is killed when, a replay's records are those of its range, each user once where it publishes
at the end, and nothing of the live job changes. An independent reader judges.
"""

import copy
import signal
import subprocess

from case import KafkaCase, main, parse_protobuf, setUpModule, tearDownModule, totals
from harness import (BRAID, SOON, Pulse, drain, expected_history, numbers, read_all, verify,
                     wait_marked, wait_until)

from kafka.admin import KafkaAdminClient

assert setUpModule and tearDownModule
HISTORY_KILLS = ["changeset_closed:2", "seals_sent:3", "committed:2"]
SWEEP_KILLS = ["replay_publishes:1", "sweep_folded:1", "outputs_sent:1", "sweep_committed:1"]
# What a killed process has left open hides what is committed until it times out.
SMALL = {"job.commit_events_max": "300", "job.poll_events_max": "20",
         "kafka.transaction_timeout": "5s"}


class Replay(KafkaCase):
    def replay(self, world, name, publish, fault=None, instance="a", **settings):
        command = ("replay", "--as", name, "--publish", publish)
        return self.job(world, instance, fault, f"state-{name}-{instance}", command, **settings)

    def killed(self, world, name, publish, faults, **settings):
        for fault in faults:
            self.replay(world, name, publish, fault, **settings).ended(-signal.SIGKILL)
            totals["kills"] += 1

    def records(self, world, name):
        return [parse_protobuf(record) for record in read_all(world, name)]

    def histories(self, world, end):
        """By user its events before the offsets `end`."""
        found, _ = expected_history(world)
        parts = {user: [place for place in places if place[1] < end[place[0]]]
                 for user, places in found.items()}
        return {user: places for user, places in parts.items() if places}

    def expect_once(self, world, name, histories):
        """One record of each user, of its last event."""
        found = {}
        wait_marked(world, name)
        for user, generation, events, *place in self.records(world, name):
            self.assertNotIn(user, found)
            self.assertEqual(generation, 1)
            self.assertEqual(tuple(place), histories[user][-1])
            found[user] = events
        self.assertEqual(found, {user: len(places) for user, places in histories.items()})

    def topics(self):
        admin = KafkaAdminClient(bootstrap_servers=self.cluster.address)
        found = set(admin.list_topics()), {group["group_id"] for group in admin.list_groups()}
        admin.close()
        return found

    def names(self, world, name):
        return {"kafka.group": name, "output.topic": name, "output.history_topic": f"{name}-history",
                "output.dead_letter_topic": f"{name}-dead-letters",
                "output.items_topic": f"{name}-items"}

    def test_each_user_is_published_once_at_the_end_beside_a_live_job(self):
        world = self.world()
        feed = self.feed(world)
        feed.send(2000)
        live = self.job(world)
        drain(world, feed, live)
        end = dict(feed.ends)
        ends = {**SMALL, "source.end": ",".join(f"{p}:{end[p]}" for p in end)}
        pulse = Pulse(feed)  # the live job goes on meanwhile

        before = self.topics()
        plan = subprocess.run([BRAID, "replay", "--as", "spring", "--publish", "last", "--dry-run",
                               "--config", world.config, *(f"--{k}={v}" for k, v in ends.items())],
                              capture_output=True, text=True)
        told = numbers(plan.stdout)
        self.assertEqual((plan.returncode, told["events"], told["begun"]),
                         (0, str(sum(end.values())), "false"), plan.stderr)
        histories = self.histories(world, end)
        self.assertTrue(0.7 * len(histories) < float(told["users"]) < 1.5 * len(histories), told)
        self.assertEqual(self.topics(), before)  # nothing was changed

        self.killed(world, "spring", "last", HISTORY_KILLS, **ends)
        self.assertEqual(self.records(world, "spring"), [])
        self.killed(world, "spring", "last", SWEEP_KILLS, **ends)
        for _ in range(2):  # the second finds nothing to do
            self.replay(world, "spring", "last", **ends).ended(0)
            self.expect_once(world, "spring", histories)
        said = verify(world, **self.names(world, "spring"))
        self.assertEqual(numbers(said)["verdict"], "ok", said)

        self.kill_at_moments(lambda: self.replay(world, "summer", "last", **ends).process, 2.5, 5)
        self.replay(world, "summer", "last", **ends).ended(0)
        self.expect_once(world, "summer", histories)

        taken = self.replay(world, world.name + "-interests", "last", **ends)
        taken.ended(2)
        other = self.replay(world, "spring", "none", **ends)
        other.ended(3)
        self.assertTrue(other.said("has published by generation 1 already"), other.tail())
        for option, told, why in [("start", "0:1,1:0,2:0,3:0", "replay began at 0"),
                                  ("end", "latest", f"has offset {end[0]} in partition 0")]:
            moved = self.replay(world, "spring", "last", **{**ends, f"source.{option}": told})
            moved.ended(3)
            self.assertTrue(moved.said(f"source.{option}={told}.*{why}"), moved.tail())
        pulse.stop()
        drain(world, feed, live)
        live.stop()
        self.prove(world)  # the live job has lost and repeated nothing

    def test_several_processes_publish_each_user_once_also_one_that_comes_to_it_late(self):
        world = self.world(settings=SOON)
        feed = self.feed(world)
        feed.send(1500)
        histories = self.histories(world, feed.ends)
        ends = {**SMALL, "source.end": "latest"}
        both = [self.replay(world, "both", "last", instance=name, **ends) for name in "ab"]
        for member in both:
            member.ended(0)
        self.expect_once(world, "both", histories)

        # One is held up before it joins the group, to write histories that another has long written.
        late = self.replay(world, "late", "last", instance="b", **ends)
        late.wait_said("memory planned")
        late.signal(signal.SIGSTOP)
        self.replay(world, "late", "last", **ends).ended(0)
        late.signal(signal.SIGCONT)
        late.ended(0)
        self.expect_once(world, "late", histories)

    def test_histories_alone_become_a_job_that_publishes(self):
        """None first, killed on the way; then a job of those names, which publishes everybody."""
        world = self.world()
        feed = self.feed(world)
        feed.send(1500)
        end = dict(feed.ends)
        ends = {**SMALL, "source.end": "latest"}
        self.killed(world, "alone", "none", HISTORY_KILLS[:1], **ends)
        self.replay(world, "alone", "none", **ends).ended(0)
        self.assertEqual(self.records(world, "alone"), [])
        feed.send(200)
        names = self.names(world, "alone")
        job = self.job(world, "a", None, "state-alone", **names, **{"output.sweep": "100000"})
        wait_until(lambda: {user for user, *_ in self.records(world, "alone")} ==
                   self.histories(world, feed.ends).keys(), "everybody is published", job)
        histories = self.histories(world, feed.ends)
        wait_until(lambda: {user: n for user, _, n, *_ in self.records(world, "alone")} ==
                   {user: len(places) for user, places in histories.items()}, "the newest", job)
        job.stop()
        said = verify(world, **names)
        self.assertEqual(numbers(said)["verdict"], "ok", said)

    def test_all_publishes_as_a_job_does_and_names_in_use_are_refused(self):
        world = self.world()
        feed = self.feed(world)
        feed.send(800)
        self.killed(world, "every", "all", ["offsets_sent:1", "offsets_sent:2", "store_committed:2"],
                    **SMALL, **{"source.end": "latest"})
        self.replay(world, "every", "all", **SMALL, **{"source.end": "latest"}).ended(0)
        histories = self.histories(world, feed.ends)
        newest = {}
        wait_marked(world, "every")
        for user, _, events, *place in self.records(world, "every"):
            self.assertGreater(events, newest.get(user, 0))
            self.assertEqual(tuple(place), histories[user][events - 1])
            newest[user] = events
        self.assertEqual(newest, {user: len(places) for user, places in histories.items()})

        every = self.replay(world, "live", "all")  # no end: it goes on as a job
        feed.send(200)
        live = copy.copy(world)
        live.name = "live"
        drain(live, feed, every)
        every.stop()
        self.assertTrue(every.said("stopped=true"), every.tail())
        newest = {user: events for user, _, events, *_ in self.records(world, "live")}
        histories = self.histories(world, feed.ends)
        self.assertEqual(newest, {user: len(places) for user, places in histories.items()})

        world.create("other-history", 4)
        feed.producer.send("other-history", b"x", b"k").get(60)
        refused = self.replay(world, "other", "all", **{"source.end": "latest"})
        refused.ended(3)
        self.assertTrue(refused.said("'other-history' holds records"), refused.tail())


if __name__ == "__main__":
    main()
