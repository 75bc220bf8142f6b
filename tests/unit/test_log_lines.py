#!/usr/bin/env python3
"""test_log_lines.py - what a program that collects the log of a job gets: whole lines, few, no secrets.

    test_log_lines.py BRAID

The jobs read data that would spoil a log if it came through as it is.
"""

import json
import pathlib
import re
import subprocess
import sys
import tempfile
import unittest

EVENTS = 30000
COMMIT_EVENTS = 100  # so there are about 300 commits
STRANGE = "a\x1b[2J\n\u2028\u202e\"=\\"
SECRET = "hunter2"
FIELD = re.compile(r' ?([a-z_]+)=("(?:[^"\\]|\\.)*"|[^\s"=\\]+)')


def logfmt(line):
    """The fields of a line, every byte of which must belong to one."""
    fields, at = {}, 0
    while at < len(line):
        found = FIELD.match(line, at)
        assert found, f"no field at {line[at:]!r} of {line!r}"
        name, value = found.groups()
        fields[name] = json.loads(value) if value[0] == '"' else value
        at = found.end()
    return fields


READERS = {"json": json.loads, "logfmt": logfmt}


class Lines(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        directory = tempfile.TemporaryDirectory(prefix="braid-log-lines-")
        cls.addClassCleanup(directory.cleanup)
        cls.home = pathlib.Path(directory.name)
        with open(cls.home / "log.jsonl", "w", encoding="utf-8") as log:
            for i in range(EVENTS):
                event = {"user": f"u{i % 50}{STRANGE}", "item": f"i{i % 20}{STRANGE}",
                         "time": 1700000000000 + i - i % 2 * 5000, "category": STRANGE}
                if i % 10 == 0:
                    event["time"] = f"at {STRANGE}"
                print(json.dumps(event, ensure_ascii=False), file=log)

    def braid(self, form, *arguments, expected=0):
        """The fields of each line of the log, none of which holds a byte that can't be printed."""
        done = subprocess.run(
            [BRAID, *arguments, "--source.path=log.jsonl", f"--log.format={form}",
             "--log.level=debug", "--source.fields.category=category"],
            cwd=self.home, capture_output=True, timeout=600)
        said = done.stderr.decode()
        if expected is None:
            self.assertNotEqual(done.returncode, 0, said)
        else:
            self.assertEqual(done.returncode, expected, said)
        self.assertNotIn(SECRET, said)
        self.assertNotRegex(said, r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e]")
        lines = [READERS[form](line) for line in said.split("\n")[:-1]]
        for line in lines:
            self.assertTrue({"time", "level", "message"} <= line.keys(), line)
        return lines

    def test_every_line_of_every_command_is_whole_and_commits_add_none(self):
        for form in READERS:
            checkpoint = f"--model.checkpoint={form}.safetensors"
            said = self.braid(form, "init", checkpoint, "--d=16", "--heads=2")
            self.assertIn("note", [line["message"] for line in said])
            said = self.braid(
                form, "run", checkpoint, f"--state.dir={form}/state", f"--output.dir={form}/output",
                f"--job.commit_events_max={COMMIT_EVENTS}")
            seals = (self.home / form / "state" / "commit").read_text()
            commits = max(map(int, re.findall(r"seal (?:number )?(\d+)", seals)), default=0)
            self.assertGreater(commits, 30, seals)
            self.assertIn("first event that cannot be used", [line["message"] for line in said])
            others = [line for line in said if line["message"] != "progress"]
            self.assertLess(len(others), commits)

    def test_a_job_that_finds_no_broker_tells_no_secret(self):
        self.braid("json", "init", "--model.checkpoint=kafka.safetensors", "--d=16", "--heads=2")
        for form in READERS:
            said = self.braid(
                form, "run", "--model.checkpoint=kafka.safetensors", "--source.broker=kafka",
                "--source.topic=clicks", "--kafka.brokers=127.0.0.1:1", "--kafka.group=g",
                "--kafka.client.debug=all", "--kafka.client.security.protocol=sasl_plaintext",
                "--kafka.client.sasl.mechanism=PLAIN", "--kafka.client.sasl.username=u",
                f"--kafka.client.sasl.password={SECRET}", f"--kafka.client.ssl.key.password={SECRET}",
                expected=None)
            self.assertEqual(said[-1]["message"], "command failed")
            self.assertIn("sasl.password", str(said))  # librdkafka tells of its settings


if __name__ == "__main__":
    BRAID = pathlib.Path(sys.argv.pop(1)).resolve()
    unittest.main(verbosity=2)
