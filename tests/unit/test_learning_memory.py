#!/usr/bin/env python3
"""test_learning_memory.py - a job stays within job.memory while it learns, passes from one generation to
the next and moves its users, of whom there are more than memory has room for, as there are of items:
TEST_BRAID is the program."""

import json
import os
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from http_job import Job  # noqa: E402

# Little more than the least that the plan takes for two workers and this model.
MEMORY_MB, TRAIN_MB = 384, 16
USERS, ITEMS, EVENTS = 7000, 60000, 12000


def event(number):
    """Each user goes its own way through the items, so that all of them are met."""
    user, turn = number * 7919 % USERS, number // USERS
    return json.dumps({"user": f"user-{user}", "item": f"item-{(user * 31 + turn * 17) % ITEMS}",
                       "time": 1700000000000 + 1000 * number})


class LearningMemory(unittest.TestCase):
    def peak_mb(self):
        with open(f"/proc/{self.job.process.pid}/status", encoding="ascii") as status:
            peak, = (line for line in status if line.startswith("VmHWM:"))
        return int(peak.split()[1]) / 1024

    def send(self, events):
        for number in range(self.job.sent, self.job.sent + events):
            self.job.send_line(event(number))
        self.job.process.stdin.flush()

    def test_what_is_resident_stays_within_the_budget_while_generations_change(self):
        self.job = Job("--model.checkpoint=", "--train.enabled=true", "--train.pace=free",
                       f"--train.events={EVENTS}", "--train.gate_events=500", "--train.margin=-1",
                       "--train.first_epochs=1", "--train.epochs=1", "--train.item_min=1",
                       "--train.minibatch=4096",
                       f"--train.memory={TRAIN_MB}MB", f"--job.memory={MEMORY_MB}MB",
                       "--job.workers=2", "--train.republish_rate=2000")
        self.addCleanup(self.job.close)
        for generation in (1, 2, 3):
            self.send(EVENTS)
            self.job.wait(lambda: self.job.metric("braid_generation") >= generation)
        self.job.wait(lambda: self.job.metric("braid_unswept_partitions") == 0)
        rounds = [line for line in self.job.log if line["message"] == "round of training"]
        self.assertGreater(sum(line["evicted"] for line in rounds), 0, rounds)
        planned, = (line for line in self.job.log if line["message"] == "memory planned")
        self.assertLess(planned["users_in_memory"], USERS)
        peak = self.peak_mb()
        print(f"peak_mb={peak:.0f} budget_mb={MEMORY_MB} items={rounds[-1]['items']}", flush=True)
        self.assertLessEqual(peak, MEMORY_MB)
        self.assertEqual(self.job.stop(), 0)


if __name__ == "__main__":
    unittest.main()
