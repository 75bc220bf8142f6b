#!/usr/bin/env python3
"""test_kills.py - the program is killed at each of its steps and at random moments.

    test_kills.py [TestName ...]    TEST_BRAID is the program; `./run test kafka` sets all of it up

However often that happens, each event counts once.
"""

import random
import signal
import time

from case import SEED, KafkaCase, main, setUpModule, tearDownModule, totals
from harness import Pulse, drain

assert setUpModule and tearDownModule
KILLS_PER_STEP = 5
RANDOM_KILLS = 20
EARLY_STOPS = 12
STEPS = ["transaction_begun", "outputs_sent", "seals_sent", "changeset_closed", "absorbed_ahead",
         "offsets_sent", "committed", "store_committed", "commit_finished", "snapshots_written",
         "store_flushed"]


class Kills(KafkaCase):
    def test_killed_at_every_step(self):
        world = self.world()
        feed = self.feed(world)
        # Each pulse is more than a commit takes, so that events are absorbed ahead while one is
        # under way, however long it is.
        pulse = Pulse(feed, count=200, pause=0.1)
        often = {"state.flush_interval": "100ms", "job.commit_events_max": "20",
                 "job.poll_events_max": "5"}
        for step in STEPS:
            for number in range(KILLS_PER_STEP):
                job = self.job(world, "a", f"{step}:{1 + number}", **often)
                job.ended(-signal.SIGKILL)
                totals["kills"] += 1
        pulse.stop()
        job = self.job(world)
        drain(world, feed, job)
        job.stop()
        self.prove(world)

    def test_a_job_may_be_asked_to_stop_while_it_starts(self):
        world = self.world()
        feed = self.feed(world)
        moments = random.Random(SEED)
        for _ in range(EARLY_STOPS):
            feed.send(100)
            job = self.job(world)
            time.sleep(moments.uniform(0, 0.8))
            job.stop()
        job = self.job(world)
        drain(world, feed, job)
        job.stop()
        self.prove(world)

    def test_killed_at_random_moments(self):
        world = self.world()
        feed = self.feed(world)
        pulse = Pulse(feed)
        moments = random.Random(SEED)
        for _ in range(RANDOM_KILLS):
            job = self.job(world)
            time.sleep(moments.uniform(0.3, 2.5))
            self.kill(job)
        pulse.stop()
        job = self.job(world)
        drain(world, feed, job)
        job.stop()
        self.prove(world)


if __name__ == "__main__":
    main()
