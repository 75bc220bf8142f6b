#!/usr/bin/env python3
"""test_learning.py - jobs that learn beside the stream, on a real Kafka, alone and two of a group.

    test_learning.py [TestName ...]    TEST_BRAID is the program; `./run test kafka` sets it all up

Which generations there are depends on timing. What must hold is what `braid verify` proves over all
of them, taken from the topic, and that in the end every user is of the newest one.
"""

import json

from case import KafkaCase, main, numbers, parse_protobuf, setUpModule, tearDownModule, totals
from harness import SOON, Pulse, drain, read_all, shared_by, verify, wait_until

assert setUpModule and tearDownModule

# Each with how often it is passed before the kill, in turn.
POINTS = {"generation_trained": (1,), "generation_sealed": (1,), "item_vector_sent": (1, 50, 150),
          "item_vectors_published": (1,), "chunk_sent": (1,), "manifest_sent": (1,),
          "generation_published": (1,), "generation_completed": (1,), "generation_adopted": (1,),
          "sweep_folded": (1, 3), "sweep_committed": (1, 2)}
# Users a second; there are 400. All are moved before the next generation comes.
MOVE = {"train.republish_rate": "800"}
TURNS = 5  # kills at each point
MOMENTS = 20


class Learning(KafkaCase):
    @staticmethod
    def generations(world):
        """By user, the generation of its newest record; fails if one ever falls."""
        newest = {}
        for record in read_all(world, f"{world.name}-interests"):
            user, generation, *_ = parse_protobuf(record)
            assert generation >= newest.get(user, 1), f"{user}: {generation} after {newest[user]}"
            newest[user] = generation
        return newest

    def settle(self, world, *jobs):
        """Waits until every user that has published is of one generation."""
        wait_until(lambda: len(set(self.generations(world).values())) == 1,
                   "one generation for all", *jobs)

    def prove_all(self, world):
        said = verify(world, None, **{"model.dir": world.directory / "proof"})
        told = numbers(said)
        for name in ("lost", "repeated"):
            totals[name] += int(told[name])
        self.assertEqual((told["verdict"], told["unverifiable"]), ("ok", "0"), said)

    def test_a_job_that_starts_with_nothing_learns_and_publishes_everybody(self):
        world = self.learning(**MOVE)
        feed = self.feed(world)
        job = self.learner(world, "a")
        feed.send(500)
        drain(world, feed, job)
        self.assertEqual(read_all(world, f"{world.name}-interests"), [])
        for _ in range(3):
            feed.send(1500)
            drain(world, feed, job)
        job.wait_said("everybody is of the generation that serves")
        self.assertFalse(self.has_row(world, b"new-0"))
        self.send_item(feed, "new-0", 50)
        pulse = Pulse(feed, pause=0.2)
        wait_until(lambda: self.has_row(world, b"new-0"), "a row of a new item", job)
        pulse.stop()
        drain(world, feed, job)
        self.settle(world, job)
        job.stop()
        self.prove_all(world)
        job = self.learner(world, "b")  # another directory: all of it comes from the topics
        feed.send(100)
        drain(world, feed, job)
        job.stop()
        self.prove_all(world)

    def test_who_does_not_train_says_so_if_nobody_does(self):
        world = self.learning(**MOVE, **{"train.events": "100"})
        feed = self.feed(world)
        idle = self.learner(world, "a", **{"train.enabled": "false"})
        feed.send(100)
        drain(world, feed, idle)
        job = self.learner(world, "b")
        shared_by(world, "a", "b")
        pulse = Pulse(feed, count=200)
        job.wait_said("no generation has come for long: the process that owns partition 0")
        pulse.stop()
        self.assertFalse(idle.said("no generation has come for long"))
        for each in (idle, job):
            each.stop()

    @staticmethod
    def send_item(feed, item, count):
        events = [{**feed.event(), "item": item} for _ in range(count)]
        feed.wait([feed.send_raw(json.dumps(event).encode(), event["user"]) for event in events])

    @staticmethod
    def has_row(world, item):
        """Whether a generation that was published knows the item."""
        return any(record.key[8:] == item and record.value
                   for record in read_all(world, f"{world.name}-item-vectors"))

    def killed(self, job):
        job.ended(-9)
        totals["kills"] += 1

    def test_two_of_a_group_are_killed_at_every_step(self):
        world = self.learning(**MOVE, **SOON, **{"train.interval": "500ms",
                                                 "train.gate_events": "20"})
        feed = self.feed(world)
        pulse = Pulse(feed, pause=0.2)
        for point, passes in POINTS.items():
            for turn in range(TURNS):
                name, other = ("a", "b") if turn % 2 else ("b", "a")
                times = passes[turn % len(passes)]
                job = self.learner(world, name, f"{point}:{times}")
                beside = self.learner(world, other, f"{point}:{times + 1}")
                self.killed(self.first_dead(f"a kill at {point}:{times}", job, beside))
                for left in (job, beside):
                    if left.process.poll() is None:
                        left.kill()
        pulse.stop()
        jobs = [self.learner(world, "a"), self.learner(world, "b")]
        drain(world, feed, *jobs)
        self.settle(world, *jobs)
        for job in jobs:
            job.stop()
        self.prove_all(world)

    @staticmethod
    def first_dead(what, *jobs):
        wait_until(lambda: any(job.process.poll() is not None for job in jobs), what, *jobs)
        return next(job for job in jobs if job.process.poll() is not None)

    def test_two_of_a_group_are_killed_at_any_moment(self):
        world = self.learning(**MOVE, **SOON)
        feed = self.feed(world)
        pulse = Pulse(feed, pause=0.2)
        jobs = {name: self.learner(world, name) for name in "ab"}
        jobs["a"].wait_said("round of training|generation taken over")
        for turn in range(MOMENTS):
            name = "ab"[turn % 2]
            pulse.over.wait(feed.random.uniform(0, 4))
            self.kill(jobs[name])
            jobs[name] = self.learner(world, name)
        pulse.stop()
        drain(world, feed, *jobs.values())
        self.settle(world, *jobs.values())
        for job in jobs.values():
            job.stop()
        self.prove_all(world)


if __name__ == "__main__":
    main()
