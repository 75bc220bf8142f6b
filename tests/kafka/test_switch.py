#!/usr/bin/env python3
"""test_switch.py - a job that was built up beside another takes its place, and gives it back.

    test_switch.py [TestName ...]    TEST_BRAID is the program; `./run test kafka` sets all of it up

Both read the same topic under load, each with companions of its own; one publishes. They change
places twice, killed at steps of it, and a reader that knows nothing of Braid then holds the output
topic against the source: whoever published, each user's records go on.
"""

import copy
import signal
import subprocess

from case import KafkaCase, main, parse_protobuf, setUpModule, tearDownModule, totals
from cluster import die_with_parent
from harness import (BRAID, SOON, Group, Pulse, drain, expected_history, numbers, read_all,
                     wait_until)

assert setUpModule and tearDownModule
STEPS = ["sweep_folded:1", "sweep_committed:1", "changeset_closed:2", "seals_sent:2", "committed:1"]
PUBLISHES = {"output.publish": "all", "output.sweep": "200"}
BESIDE = {"output.publish": "none"}


class Switch(KafkaCase):
    def beside(self, world):
        """The same source and output topic, another group and other companions."""
        other, name = copy.copy(world), world.name
        other.name = f"{name}-b"
        text = world.config.read_text().replace(f"group: {name}", f"group: {other.name}")
        for companion in ["history", "dead-letters", "items"]:
            text = text.replace(f"{name}-{companion}", f"{other.name}-{companion}")
        if "output.models_topic" in world.settings:  # that of item vectors stays
            other.settings = {**world.settings, "output.models_topic": f"{other.name}-models"}
        other.config = world.directory / "beside.yaml"
        other.config.write_text(text)
        return other

    def run_job(self, world, fault=None, **settings):
        """Each job of the test is an instance named after its group."""
        return self.job(world, world.name, fault, **{**self.serves[world.name], **settings})

    def takeover(self, before, after, *arguments):
        """Returns the exit code, and what was said."""
        done = subprocess.run(
            [BRAID, "takeover", "--from", before.config, "--config", after.config, *arguments,
             *after.options()], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            stdin=subprocess.DEVNULL, preexec_fn=die_with_parent, timeout=300)
        return done.returncode, done.stdout

    def refuse_while_it_runs(self, old, new):
        """The old job is asked after for its session_timeout, of which that file says little."""
        asked = copy.copy(old)
        asked.config = old.directory / "asked.yaml"
        asked.config.write_text(old.config.read_text().replace("session_timeout: 60s",
                                                               "session_timeout: 1s"))
        code, said = self.takeover(asked, new, "--check")
        self.assertEqual(code, 3, said)
        self.assertRegex(said, f"group '{old.name}' has [12] members.*stop that job first")

    def compare(self, one, other):
        """Both serve the same generation, and may be apart by what one has read and not the other."""
        done = subprocess.run([BRAID, "compare", "--config", one.config, "--with", other.config,
                               "--behind=1000000"], capture_output=True, text=True)
        told = numbers(done.stdout)
        self.assertEqual((done.returncode, told["other"], told["overlap"], told["equal"]),
                         (0, "0", "1.0000", told["vectors"]), done.stderr + done.stdout)
        self.assertGreater(int(told["vectors"]), 100)

    def switch(self, old, new, publishing, shadow):
        """`new` takes the place of `old`, under load, killed on the way. Returns their jobs."""
        users = set(expected_history(self.source)[0])
        self.kill(shadow)
        wait_until(lambda: self.is_ahead(old, new), "more was published than is beside", publishing)
        publishing.stop()
        code, said = self.takeover(old, new, "--check")
        self.assertEqual(code, 3, said)
        self.assertIn("let it go on", said)
        shadow = self.run_job(new, **BESIDE)
        wait_until(lambda: self.takeover(old, new, "--check")[0] == 0, "nothing in the way", shadow)
        shadow.stop()
        refused = self.run_job(new, **PUBLISHES)  # under the number that it had beside
        refused.ended(3)
        self.assertTrue(refused.said("braid takeover"), refused.tail())
        checkpoint = new.directory / f"taken-{len(self.generations)}.safetensors"
        code, said = self.takeover(old, new, "--out", checkpoint)
        self.assertEqual(code, 0, said)
        generation = int(said.rsplit("generation=", 1)[1])
        self.generations.append(generation)
        self.serves[new.name] = {"model.checkpoint": checkpoint}
        for step in STEPS:
            self.run_job(new, step, **PUBLISHES).ended(-signal.SIGKILL)
            totals["kills"] += 1
        self.kill_at_moments(lambda: self.run_job(new, **PUBLISHES).process, 1.5, 4)
        taken = self.run_job(new, **PUBLISHES)
        shadow = self.run_job(old, **BESIDE)
        wait_until(lambda: users <= self.users_of(old, generation), "everybody", taken, shadow)
        return taken, shadow

    def is_ahead(self, one, other):
        """Whether one job has committed events that the other, which is dead, has not."""
        offsets = []
        for world in (one, other):
            group = Group(world)
            offsets.append(group.offsets())
            group.close()
        return any(at > offsets[1].get(partition, at) for partition, at in offsets[0].items())

    def users_of(self, world, generation):
        told = map(parse_protobuf, read_all(world, f"{world.base}-interests"))
        return {user for user, by, *_ in told if by == generation}

    def check(self, world):
        histories, _ = expected_history(self.source)
        newest = {}
        for record in read_all(world, f"{world.base}-interests"):
            user, generation, events, partition, offset, time_ms = parse_protobuf(record)
            at = f"record {record.partition}:{record.offset} of {user}"
            before = newest.get(user, (0, 0))
            self.assertIn(generation, self.generations, at)
            self.assertGreaterEqual(generation, before[0], at)
            self.assertGreaterEqual(events, before[1], at)
            self.assertNotEqual((generation, events), before, f"{at}: repeated")
            self.assertEqual((partition, offset, time_ms), histories[user][events - 1], at)
            newest[user] = generation, events
            totals["records"] += 1
        for user, history in histories.items():
            self.assertEqual(newest.get(user), (self.generations[-1], len(history)), user)

    def goes_on(self, world):
        """Of each user n and generation rise and nothing is repeated. Returns what was published
        last."""
        histories, _ = expected_history(self.source)
        newest = {}
        for record in read_all(world, f"{world.name}-interests"):
            user, generation, events, partition, offset, time_ms = parse_protobuf(record)
            before = newest.get(user, (0, 0))
            self.assertTrue(generation >= before[0] and events >= before[1], (user, before))
            self.assertNotEqual((generation, events), before, f"{user}: repeated")
            self.assertEqual((partition, offset, time_ms), histories[user][events - 1], user)
            newest[user] = generation, events
            self.generations.add(generation)
            totals["records"] += 1
        return newest

    def check_items(self, world):
        """What stands under a generation and an item is never another job's, and there is an end of
        each generation that a record names."""
        found, ended = {}, set()
        for record in read_all(world, f"{world.name}-item-vectors"):
            generation = int.from_bytes(record.key[:8], "big")
            if not record.key[8:]:
                ended.add(generation)
            elif record.value:
                self.assertEqual(found.setdefault(record.key, record.value), record.value,
                                 f"an item of generation {generation}")
        self.assertLessEqual(self.generations, ended)

    def test_a_job_that_learns_takes_the_place_of_another_that_learns(self):
        one = self.learning(**SOON, **{"train.republish_rate": "800", "train.gate_events": "20"})
        one.base, self.source, self.generations = one.name, one, set()
        feed = self.feed(one)
        pulse = Pulse(feed, count=100)
        other = self.beside(one)
        self.serves = {world.name: {"model.dir": one.directory / f"models-{world.name}"}
                       for world in (one, other)}
        publishing = self.run_job(one)
        shadow = self.run_job(other, **BESIDE, **{"train.seed": "2"})
        for job in (publishing, shadow):
            job.wait_said("everybody is of the generation that serves")
        self.refuse_while_it_runs(one, other)
        publishing.stop()
        models = f"--model.dir={self.serves[other.name]['model.dir']}"
        wait_until(lambda: self.takeover(one, other, "--check", models)[0] == 0, "nothing in the way",
                   shadow)
        shadow.stop()
        code, said = self.takeover(one, other, models, "--output.publish=none")
        self.assertEqual(code, 2, said)
        code, said = self.takeover(one, other, models)
        self.assertEqual(code, 0, said)
        generation = int(said.rsplit("generation=", 1)[1])
        self.run_job(other, "sweep_committed:1").ended(-signal.SIGKILL)
        totals["kills"] += 1
        taken = self.run_job(other)
        pulse.stop()
        drain(other, feed, taken)

        def everybody():
            newest = self.goes_on(one)
            histories, _ = expected_history(one)
            return {user: len(places) for user, places in histories.items()} == {
                user: events for user, (by, events) in newest.items() if by >= generation}

        wait_until(everybody, "everybody under the new numbers", taken)
        taken.stop()
        self.check_items(one)

    def test_each_takes_the_others_place_under_load_and_every_record_goes_on(self):
        self.generations = [1]
        one = self.world(settings=SOON)
        one.base, self.source = one.name, one
        feed = self.feed(one)
        pulse = Pulse(feed)
        other = self.beside(one)
        self.serves = {one.name: {}, other.name: {}}
        publishing, shadow = self.run_job(one), self.run_job(other, **BESIDE)
        drain(one, feed, publishing)
        drain(other, feed, shadow)
        self.compare(one, other)
        publishing, shadow = self.switch(one, other, publishing, shadow)
        publishing, shadow = self.switch(other, one, publishing, shadow)
        pulse.stop()
        drain(one, feed, publishing)
        publishing.stop()
        shadow.stop()
        self.check(one)


if __name__ == "__main__":
    main()
