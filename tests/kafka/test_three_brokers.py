#!/usr/bin/env python3
"""test_three_brokers.py - one broker of three dies; what the others lead goes on.

    test_three_brokers.py [TestName ...]    TEST_BRAID is the program; `./run test kafka` sets all up
"""

import signal
import time

from case import KafkaCase, main, setUpModule, tearDownModule, totals
from harness import SOON, Group, Pulse, drain, wait_until

assert setUpModule and tearDownModule


class ThreeBrokers(KafkaCase):
    nodes = 3

    def test_one_of_three_brokers_may_die(self):
        world = self.world(settings=SOON)
        feed = self.feed(world)
        pulse = Pulse(feed)
        job = self.job(world)
        drain(world, feed, job)
        for node in (1, 2):
            self.cluster.kill(node)
            totals["kills"] += 1
            drain(world, feed, job)
            job.signal(signal.SIGSTOP)
            time.sleep(5)  # beyond a transaction's time: its producer must be replaced
            job.signal(signal.SIGCONT)
            drain(world, feed, job)
            self.cluster.start(node)
            self.cluster.wait()
            drain(world, feed, job)
        pulse.stop()
        drain(world, feed, job)
        job.stop()
        self.prove(world)

    def test_a_job_may_start_while_partitions_have_no_leader(self):
        world = self.world(replication=1)
        feed = self.feed(world)
        feed.send(300)
        job = self.job(world)
        drain(world, feed, job)
        job.stop()
        feed.send(300)
        self.cluster.kill(1)
        totals["kills"] += 1
        job = self.job(world)
        group = Group(world)
        self.addCleanup(group.close)
        wait_until(lambda: feed.ends.items() & group.offsets().items(), "a partition flows")
        self.cluster.start(1)
        self.cluster.wait()
        drain(world, feed, job)
        job.stop()
        self.prove(world)


if __name__ == "__main__":
    main()
