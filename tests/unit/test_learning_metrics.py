#!/usr/bin/env python3
"""test_learning_metrics.py - what a job that learns tells of its generations, also when a round fails:
TEST_BRAID is the program."""

import os
import sys
import time
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from http_job import BRAID, Job, USERS, subprocess  # noqa: E402

EVENTS, GATE = 400, 50
KINDS = ("all", "newcomers", "regulars", "returners")


def learning_job():
    return Job("--model.checkpoint=", "--train.enabled=true", "--train.pace=free",
               f"--train.events={EVENTS}", f"--train.gate_events={GATE}", "--train.margin=-1",
               "--train.first_epochs=1", "--train.epochs=1", "--train.memory=16MB",
               "--train.dimensions=d=16,H=2,K=3")


class LearningMetrics(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.begun = time.time()
        cls.job = learning_job()
        cls.addClassCleanup(cls.job.close)
        for generation in (1, 2):
            cls.job.send(USERS * 20)
            cls.job.wait(lambda: cls.job.metric("braid_generation") >= generation)

    def test_the_generation_that_serves_tells_its_number_and_its_times(self):
        metric = self.job.metric
        self.assertGreaterEqual(metric("braid_generation"), 2)
        learned = metric("braid_generation_learned_timestamp_seconds")
        self.assertTrue(1700000000 < learned <= 1700000000 + 60 * self.job.sent, learned)
        adopted = metric("braid_generation_adopted_timestamp_seconds")
        self.assertTrue(self.begun - 1 < adopted <= time.time() + 1, adopted)
        self.job.wait(lambda: metric("braid_training_lag_events") < self.job.sent)
        self.job.wait(lambda: metric("braid_unswept_partitions") == 0)

    def test_a_round_tells_its_verdict_and_how_well_what_served_predicted(self):
        metric = self.job.metric
        verdicts = sum(metric(f'braid_generation_verdicts_total{{verdict="{name}"}}') for name in
                       ("adopted", "held", "forced", "baseline-not-evaluable"))
        self.assertGreaterEqual(verdicts, 2)
        self.assertEqual(metric("braid_training_rounds_failed_total"), 0)
        self.assertGreaterEqual(metric("braid_training_rounds_total"), 2)
        self.assertGreater(metric("braid_training_cpu_seconds_total"), 0)
        for name in ("hit_rate", "ndcg", "mrr"):
            of = {kind: metric(f'braid_prequential_{name}{{users="{kind}"}}') for kind in KINDS}
            self.assertTrue(0 < of["all"] <= 1, of)
            self.assertLessEqual(max(of.values()), 1)
        # After item i comes i + 1: counting finds it.
        self.assertGreater(metric('braid_counting_ndcg{by="transitions"}'), 0.5)
        self.assertTrue(1 <= metric("braid_live_interests") <= 3)
        self.assertTrue(0 <= metric("braid_interests_due_ratio") <= 1)


class Settings(unittest.TestCase):
    def test_a_job_that_is_to_learn_beside_a_checkpoint_is_refused(self):
        done = subprocess.run([BRAID, "run", "--source.path=/dev/null", "--train.enabled=true",
                               "--model.checkpoint=one.safetensors", "--state.dir=/nowhere",
                               "--http.listen=off"], capture_output=True, text=True, check=False)
        self.assertEqual(done.returncode, 2, done.stderr)
        self.assertIn("train.enabled=true beside model.checkpoint=one.safetensors", done.stderr)


class FailedRound(unittest.TestCase):
    def test_the_stream_and_the_generation_that_serves_go_on_when_one_cannot_be_written(self):
        job = learning_job()
        self.addCleanup(job.close)
        # Where the second generation would be written lies something else.
        obstacle = f"{job.home}/state/models/generation-0000000002.safetensors.tmp"
        job.send(USERS * 20)
        job.wait(lambda: job.metric("braid_generation") == 1)
        os.mkdir(obstacle)
        job.send(USERS * 20)
        job.wait(lambda: job.metric("braid_training_rounds_failed_total") >= 1)
        self.assertEqual(job.metric("braid_generation"), 1)
        records = job.metric("braid_records_total")
        job.send(USERS)
        self.assertGreaterEqual(job.metric("braid_records_total"), records + USERS)
        os.rmdir(obstacle)
        job.send(USERS * 20)
        job.wait(lambda: job.metric("braid_generation") == 2)
        self.assertEqual(job.stop(), 0)


if __name__ == "__main__":
    unittest.main()
