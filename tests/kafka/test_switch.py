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
from harness import BRAID, SOON, Group, Pulse, drain, expected_history, read_all, wait_until

assert setUpModule and tearDownModule
STEPS = ["sweep_folded:1", "sweep_committed:1", "changeset_closed:2", "committed:1"]
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
        publishing, shadow = self.switch(one, other, publishing, shadow)
        publishing, shadow = self.switch(other, one, publishing, shadow)
        pulse.stop()
        drain(one, feed, publishing)
        publishing.stop()
        shadow.stop()
        self.check(one)


if __name__ == "__main__":
    main()
