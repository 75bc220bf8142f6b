#!/usr/bin/env python3
"""test_members.py - several processes share a group, take over from each other, and drive each other out.

    test_members.py [TestName ...]    TEST_BRAID is the program; `./run test kafka` sets all of it up

Events flow all the while. A test goes on when the group says that it is so far.
"""

import json
import re
import signal
import time

from case import KafkaCase, main, setUpModule, tearDownModule
from harness import SOON, Pulse, answer, answering, ask, drain, metric, shared_by, wait_until

from kafka import KafkaProducer

assert setUpModule and tearDownModule


def asked_of_another(*jobs):
    """Waits until of each user one process knows it, and the other one says that this is so."""
    def done(user):
        answers = [ask(job, f"/users/{user}/interests") for job in jobs]
        if sorted(code for code, _ in answers) != [200, 421]:
            return False
        here = [code for code, _ in answers].index(200)
        return json.loads(answers[1 - here][1]).get("ask") == jobs[here].settings["kafka.advertise"]

    for number in range(8):  # the feed's most frequent ones
        wait_until(lambda: done(f"user-{number}"), f"an answer about user-{number}", *jobs)


def nothing_yet(job):
    """It is alive, and of what it does not have yet it says nothing but that."""
    for path in "/healthz", "/metrics", "/":
        assert ask(job, path)[0] == 200, path
    assert ask(job, "/readyz")[0] == 503
    for what in "interests", "history", "recommendations":
        for path in f"/users/user-0/{what}", f"/users/nobody/{what}":
            code, headers, text = answer(job, path)
            assert code == 503 and headers["Retry-After"] == "1", (path, code, text)
            assert re.search("not open|waits for its partitions|being restored", text), text
    assert ask(job, "/users")[0] == 503
    for path in "/generation", "/items/i1/similar":  # the model is there with the job
        assert ask(job, path)[0] in (200, 503), path


class Members(KafkaCase):
    def test_another_instance_takes_over_from_a_killed_one(self):
        world = self.world(settings=SOON)
        feed = self.feed(world)
        pulse = Pulse(feed)
        first = self.job(world, "a")
        second = self.job(world, "b")
        shared_by(world, "a", "b")
        drain(world, feed, first, second)
        self.kill(first)
        shared_by(world, "b")
        drain(world, feed, second)
        pulse.stop()
        drain(world, feed, second)
        second.stop()
        self.prove(world)

    def test_partitions_move_while_events_flow(self):
        world = self.world(settings=SOON)
        feed = self.feed(world)
        pulse = Pulse(feed)
        first = self.job(world, "a", **answering())
        drain(world, feed, first)
        second = self.job(world, "b", **answering())
        shared_by(world, "a", "b")
        drain(world, feed, first, second)
        asked_of_another(first, second)
        for job in first, second:
            wait_until(lambda job=job: metric(job, "braid_freshness_seconds_count") > 0,
                       "a commit", first, second)
        wait_until(lambda: metric(second, "braid_restored_records_total") > 0, "a restore", second)
        wait_until(lambda: metric(second, "braid_restore_left_offsets") == 0, "its end", second)
        self.assertGreater(metric(first, r'braid_rebalances_total\{kind="revoked"\}'), 0)
        self.assertGreater(metric(second, r'braid_rebalances_total\{kind="assigned"\}'), 0)
        first.stop()
        shared_by(world, "b")
        drain(world, feed, second)
        first = self.job(world, "a")
        shared_by(world, "a", "b")
        drain(world, feed, first, second)
        pulse.stop()
        drain(world, feed, first, second)
        first.stop()
        second.stop()
        self.prove(world)

    def test_a_zombie_writes_nothing(self):
        world = self.world(settings=SOON)
        feed = self.feed(world)
        pulse = Pulse(feed)
        zombie = self.job(world, "a")
        heir = self.job(world, "b")
        shared_by(world, "a", "b")
        drain(world, feed, zombie, heir)
        zombie.signal(signal.SIGSTOP)
        shared_by(world, "b")
        drain(world, feed, heir)
        zombie.signal(signal.SIGCONT)
        shared_by(world, "a", "b")
        drain(world, feed, zombie, heir)
        pulse.stop()
        drain(world, feed, zombie, heir)
        heir.stop()
        zombie.stop()
        self.prove(world)

    def test_a_second_process_of_the_same_name_drives_out_the_first(self):
        world = self.world(settings=SOON)
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
        world = self.world(settings=SOON)
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

    def test_a_transaction_that_took_too_long_is_done_again(self):
        world = self.world(settings=dict(SOON, **{"kafka.session_timeout": "20s"}))
        feed = self.feed(world)
        pulse = Pulse(feed)
        job = self.job(world)
        for _ in range(2):
            drain(world, feed, job)
            job.signal(signal.SIGSTOP)
            time.sleep(5)  # beyond a transaction's time
            job.signal(signal.SIGCONT)
        pulse.stop()
        drain(world, feed, job)
        job.stop()
        self.prove(world)

    def test_a_takeover_waits_for_a_dead_member_s_transaction(self):
        world = self.world(settings=SOON)
        feed = self.feed(world)
        feed.send(3000)
        job = self.job(world, "a")
        drain(world, feed, job)
        third = KafkaProducer(bootstrap_servers=self.cluster.address, transactional_id="third",
                              transaction_timeout_ms=600000)
        third.init_transactions()
        third.begin_transaction()
        for partition in range(world.partitions):
            third.send(f"{world.name}-history", b"half", b"third", partition=partition)
        third.flush()
        feed.send(1000)
        drain(world, feed, job)
        self.kill(job)
        heir = self.job(world, "b", **answering())
        heir.wait_said("info answering")
        while not heir.said("another member's open transaction"):  # also before it has partitions
            nothing_yet(heir)
            time.sleep(0.1)
        nothing_yet(heir)
        self.assertIn("being restored", ask(heir, "/users/user-0/interests")[1])
        feed.send(100)
        third.abort_transaction()
        drain(world, feed, heir)
        self.assertEqual([ask(heir, path)[0] for path in ("/readyz", "/users/user-0/interests",
                                                          "/users/nobody/history")],
                         [200, 200, 404])
        third.close()
        heir.stop()
        self.prove(world)


if __name__ == "__main__":
    main()
