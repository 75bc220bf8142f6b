#!/usr/bin/env python3
"""Runs demo/ann/nearest.py against a job that learns: TEST_BRAID is the program.

Exit code 77: a Python package is not installed, which is a failure where CI is true.
"""

import json
import os
import random
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, "demo/ann")
try:
    import numpy
    import nearest
except ImportError as error:
    print(error, file=sys.stderr)
    sys.exit(1 if os.environ.get("CI") == "true" else 77)

BRAID = os.environ.get("TEST_BRAID", "build/dev/braid")
EVENTS, HALF, USERS, ITEMS, TOP = 4000, 2500, 60, 80, 5


def walk():
    """After item i a user takes i + 1: users act by turns."""
    draw = random.Random(3)
    at = [draw.randrange(ITEMS) for _ in range(USERS)]
    for number in range(EVENTS):
        user = number % USERS
        yield f"u{user}\tcaf\u00e9-{at[user]}\t{1700000000 + 60 * number}\n"
        at[user] = (at[user] + 1) % ITEMS


class Nearest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.output, cls.state = f"{cls.folder.name}/output", f"{cls.folder.name}/state"
        cls.events = list(walk())
        cls.log = open(f"{cls.folder.name}/log.tsv", "w", encoding="utf-8")
        cls.run_on(cls.events[:HALF])
        cls.subscriber = nearest.Files(cls.output, cls.state)

    @classmethod
    def tearDownClass(cls):
        cls.log.close()
        cls.folder.cleanup()

    @classmethod
    def braid(cls, command, *options):
        settings = [f"--source.path={cls.folder.name}/log.tsv", "--source.format=tsv",
                    "--source.header=false", "--source.fields.user=1", "--source.fields.item=2",
                    "--source.fields.time=3", "--source.time=s", f"--state.dir={cls.state}",
                    f"--output.dir={cls.output}", "--log.quiet=true", "--train.events=1000",
                    "--train.gate_events=100", "--train.margin=-1", "--train.epochs=2",
                    "--train.dimensions=d=16,H=2,blocks=1,ffn=32,K=2,extract_heads=2"]
        subprocess.run([BRAID, *command.split(), *settings, *options], check=True,
                       stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    @classmethod
    def run_on(cls, events):
        """The job goes on with a log that grew; its generations' items are exported."""
        cls.log.writelines(events)
        cls.log.flush()
        cls.braid("run")
        for name in os.listdir(f"{cls.state}/models"):
            if name.startswith("generation-"):
                number = int(name[11:21])
                cls.braid("export items", "--generation", str(number), "--out",
                          cls.items_path(number))

    @classmethod
    def items_path(cls, generation):
        return f"{cls.output}/items-{generation:010}.jsonl"

    def exact(self, record):
        """The nearest items by every inner product there is."""
        with open(self.items_path(record["generation"]), encoding="utf-8") as file:
            items = [json.loads(line) for line in file][:-1]
        vectors = numpy.stack([nearest.floats(item["vector"]) for item in items])
        interests = nearest.floats(record["vectors"]).reshape(record["count"], record["width"])
        score = (vectors @ interests.T).max(axis=1)
        return [items[row]["item"] for row in numpy.argsort(-score, kind="stable")[:TOP]]

    def expect_nearest(self):
        found = 0
        for user in range(USERS):
            record, items = self.subscriber.nearest(f"u{user}", TOP)
            self.assertEqual(len(items), TOP)
            self.assertEqual([score for _, score in items],
                             sorted((score for _, score in items), reverse=True))
            found += len({item for item, _ in items} & set(self.exact(record)))
        self.assertGreater(found, 0.95 * USERS * TOP)

    def test_1_a_live_user_gets_the_nearest_items_of_its_newest_record(self):
        self.subscriber.poll()
        before = dict(self.subscriber.users)
        self.assertEqual(len(before), USERS)
        self.expect_nearest()
        self.run_on(self.events[HALF:])
        self.subscriber.poll()
        for user, record in self.subscriber.users.items():
            self.assertGreater(record["events"], before[user]["events"])
            self.assertGreater(record["generation"], before[user]["generation"])
        self.expect_nearest()

    def test_2_a_record_without_the_items_of_its_generation_is_refused(self):
        self.subscriber.poll()
        record = self.subscriber.users["u1"]
        self.subscriber.users["u1"] = {**record, "generation": 999}
        with self.assertRaisesRegex(nearest.Mismatch, "generation 999, whose items are not there"):
            self.subscriber.nearest("u1", TOP)
        self.subscriber.users["u1"] = record

    def test_3_items_that_are_not_all_there_or_not_the_right_ones_are_refused(self):
        with open(self.items_path(1), encoding="utf-8") as file:
            lines = file.readlines()
        item = json.loads(lines[3])
        for planted, why in ((lines[:-1], "no end"), (lines[1:], "whose end tells"),
                             ([*lines[:3], *lines[4:5], lines[4], *lines[5:]], "or others"),
                             ([*lines[:3], json.dumps({**item, "item": "another"}) + "\n",
                               *lines[4:]], "or others"),
                             ([json.dumps({**item, "generation": 2}) + "\n", *lines], "generations")):
            path = f"{self.folder.name}/planted.jsonl"
            with open(path, "w", encoding="utf-8") as file:
                file.writelines(planted)
            with self.assertRaisesRegex(nearest.Mismatch, why):
                nearest.read_index(path)

    def test_4_the_program_answers_and_says_what_it_cannot(self):
        def ask(*words):
            return subprocess.run([sys.executable, "-B", "demo/ann/nearest.py", self.output,
                                   self.state, *words], check=False, capture_output=True, text=True)
        self.assertRegex(ask("u3", "--top", "2").stdout,
                         r"^user=u3 generation=\d+ events=\d+ caf\u00e9-\d+:\S+ caf\u00e9-\d+:\S+\n$")
        self.assertIn("nothing was published of user nobody", ask("nobody").stderr)


if __name__ == "__main__":
    unittest.main()
