#!/usr/bin/env python3
"""test_outages.py - the only broker dies, and requests or answers are lost on the way.

    test_outages.py [TestName ...]    TEST_BRAID is the program; `./run test kafka` sets all of it up

The job waits, finds out what became of its commit, and goes on.
"""

import time

from case import KafkaCase, main, setUpModule, tearDownModule, totals
from cluster import Cluster, free_port
from harness import PATIENCE, SOON, Pulse, answering, drain, ends_known_since, metric
from proxy import END_TXN, Proxy

from kafka import KafkaProducer

assert setUpModule and tearDownModule


class OneBroker(KafkaCase):
    # A broker of 4.4.0 that ends a transaction before its own group coordinator is up again leaves it
    # open in __consumer_offsets for ever: CompleteAbort in its log, and no marker among the offsets.
    abort_ms = 5000

    def test_a_broker_that_dies_is_waited_for(self):
        world = self.world(settings=SOON)
        feed = self.feed(world)
        feed.send(2000)
        job = self.job(world, **answering())
        drain(world, feed, job)
        for outage in (2, 8):  # seconds; the second is longer than a session
            pulse = Pulse(feed)
            drain(world, feed, job)
            ends_known_since(job, 0)
            self.cluster.kill(1)
            totals["kills"] += 1
            dead = time.time()
            time.sleep(outage)
            self.assertGreaterEqual(metric(job, "braid_source_lag_records"), 0)  # the last known
            self.assertLess(metric(job, "braid_source_ends_timestamp_seconds"), dead)
            self.cluster.start(1)
            self.cluster.wait()
            pulse.stop()
            ends_known_since(job, dead)
        drain(world, feed, job)
        self.assertTrue(job.said("kafka error"))
        self.assertTrue(job.said("kafka recovered"))
        job.stop()
        self.prove(world)


class BehindAProxy(KafkaCase):
    @classmethod
    def setUpClass(cls):
        port = free_port()
        cls.cluster = Cluster(advertised=port)
        cls.proxy = Proxy(port, cls.cluster.ports[1])
        cls.addClassCleanup(cls.proxy.close)
        cls.enterClassContext(cls.cluster)

    def interrupt(self, delivered):
        """Loses a commit or its answer, and ends the transaction before it can be asked for again."""
        world = self.world(settings={"job.workers": "1"})
        feed = self.feed(world)
        feed.send(500)
        job = self.job(world)
        drain(world, feed, job)
        self.proxy.lose(END_TXN, "braid-", delivered)
        feed.send(500)
        self.assertTrue(self.proxy.lost.wait(PATIENCE))
        other = KafkaProducer(bootstrap_servers=self.cluster.address,
                              transactional_id=f"{world.name}-a-0-{len(world.name)}")
        other.init_transactions()
        other.close()
        self.proxy.heal()
        drain(world, feed, job)
        job.stop()
        self.prove(world)
        return job

    def test_a_commit_whose_answer_was_lost_is_found_committed(self):
        job = self.interrupt(delivered=True)
        self.assertTrue(job.said("outcome of an interrupted commit is known.*=committed"))

    def test_a_commit_that_was_lost_is_found_aborted(self):
        job = self.interrupt(delivered=False)
        self.assertTrue(job.said("outcome of an interrupted commit is known.*=aborted"))

    def test_a_process_that_was_cut_off_leaves_its_name_to_the_second(self):
        world = self.world(settings=dict(SOON, **{"job.workers": "1"}))
        feed = self.feed(world)
        pulse = Pulse(feed)
        first = self.job(world)
        drain(world, feed, first)
        self.proxy.cut("braid-")
        # Which is fenced by nobody but the first, however slow it is.
        patient = {"kafka.session_timeout": "60s", "kafka.transaction_timeout": "30s"}
        second = self.job(world, state="elsewhere", **patient,
                          **{"kafka.client.client.id": "second"})
        second.wait_said("run +[1-9]")
        time.sleep(8)  # beyond the session of the first, which ends without a word of the broker
        self.proxy.heal()
        first.ended(1)
        self.assertTrue(first.said("another process runs with kafka.instance 'a'"))
        pulse.stop()
        drain(world, feed, second)
        self.assertFalse(second.said("producer is replaced|consumer is replaced"), second.tail())
        second.stop()
        self.prove(world)

    def test_a_fencing_by_nobody_is_survived(self):
        world = self.world(settings=dict(SOON, **{"job.workers": "1"}))
        feed = self.feed(world)
        feed.send(500)
        job = self.job(world)
        drain(world, feed, job)
        for _ in range(3):
            self.proxy.fence("braid-")
            self.assertTrue(self.proxy.refused.wait(PATIENCE))
            feed.send(500)
            drain(world, feed, job)
        self.assertTrue(job.said("it was fenced, and not by another process"))
        job.stop()
        self.prove(world)


if __name__ == "__main__":
    main()
