#!/usr/bin/env python3
"""test_following.py - a job follows a log that grows and is rotated, and is killed on the way.

    test_following.py BRAID

A writer appends to a log, often only a part of a line, and renames it now and then, as programs do
that rotate their logs: it goes on with the old file for a moment. The job is killed again and again.
In the end every event was taken once, which `braid verify` proves against all the files.
"""

import json
import os
import pathlib
import random
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
import unittest

SEED = int(os.environ.get("TEST_SEED", "20240501"))
EVENTS, USERS, FILES, KILLS = 6000, 50, 6, 8
PATIENCE = 300


class Writer(threading.Thread):
    """Writes all events into the log of a path, rotating it, or into one file after the other."""

    def __init__(self, path, name_of):
        super().__init__(daemon=True)
        self.path, self.name_of = path, name_of
        self.random = random.Random(SEED)
        self.written = 0  # whole lines
        self.start()

    def lines(self, count):
        return "".join(json.dumps({"user": f"u{self.random.randrange(USERS)}",
                                   "item": f"i{self.random.randrange(30)}",
                                   "time": 1700000000000 + self.written * 1000 + i}) + "\n"
                       for i in range(count))

    def run(self):
        per_file = EVENTS // FILES
        for number in range(FILES):
            with open(self.path(number), "a", encoding="utf-8") as log:
                for part in range(20):
                    if part == 19 and number + 1 < FILES:
                        self.name_of(number)
                    text = self.lines(per_file // 20)
                    cut = self.random.randrange(len(text))
                    for piece in (text[:cut], text[cut:]):
                        log.write(piece)
                        log.flush()
                        time.sleep(0.01)
                    self.written += per_file // 20


class Following(unittest.TestCase):
    def setUp(self):
        directory = tempfile.TemporaryDirectory(prefix="braid-following-")
        self.addCleanup(directory.cleanup)
        self.home = pathlib.Path(directory.name)
        init = self.home / "init.jsonl"
        init.write_text("".join(json.dumps({"user": "u", "item": f"i{i}", "time": 1700000000000})
                                + "\n" for i in range(30)))
        self.braid("init", f"--source.path={init}", "--model.checkpoint=g1.safetensors", "--d=16",
                   "--ffn=16", "--heads=2", "--interests=2", "--oov=8")
        self.serves = ["--model.checkpoint=g1.safetensors"]
        self.profiles = 0  # lines of source.profile, which are read before those of events

    def tell_profiles(self):
        """Of every user, by files of their own, to a model that reads them."""
        self.braid("init", "--source.path=init.jsonl", "--model.checkpoint=g2.safetensors",
                   "--model=mind", "--d=16", "--profile-buckets=64", "--oov=8")
        (self.home / "users").mkdir()
        (self.home / "users" / "a.jsonl").write_text("".join(
            json.dumps({"user": f"u{user}", "plan": f"p{user % 3}"}) + "\n" for user in range(USERS)))
        self.serves = ["--model.checkpoint=g2.safetensors", "--source.profile=users",
                       "--profile.fields=plan"]
        self.profiles = USERS

    def braid(self, *arguments):
        done = subprocess.run([BRAID, *arguments], cwd=self.home, capture_output=True, text=True,
                              timeout=PATIENCE)
        self.assertEqual(done.returncode, 0, done.stderr + done.stdout)
        return done.stdout

    def settings(self, source):
        return [f"--source.path={source}", "--source.end=never", *self.serves,
                "--state.dir=state", "--output.dir=output", "--http.listen=off",
                "--job.commit_interval=20ms", "--job.memory=512MB"]

    def run_job(self, source, fault=None):
        environment = dict(os.environ, **({"BRAID_FAULT": fault} if fault else {}))
        return subprocess.Popen([BRAID, "run", *self.settings(source)], cwd=self.home,
                                env=environment, stdin=subprocess.DEVNULL,
                                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    def committed(self):
        """Lines of events that are committed."""
        try:
            text = (self.home / "state" / "commit").read_text(encoding="utf-8", errors="replace")
        except FileNotFoundError:
            return 0
        return int(re.search(r"^offset (\d+)$", text, re.MULTILINE)[1]) - self.profiles

    def wait_committed(self, job, lines):
        deadline = time.monotonic() + PATIENCE
        while self.committed() < lines:
            if job.poll() is not None:
                self.fail(f"the job ended with {job.returncode}: {job.communicate()[0]}")
            self.assertLess(time.monotonic(), deadline, f"{lines} lines committed")
            time.sleep(0.02)

    def wait_for_handler(self, job):
        """A new process has first to ask for SIGTERM; what it finds may have been committed long ago."""
        deadline = time.monotonic() + PATIENCE
        while True:
            status = pathlib.Path(f"/proc/{job.pid}/status").read_text(encoding="utf-8")
            caught = int(re.search(r"^SigCgt:\s*(\w+)", status, re.MULTILINE)[1], 16)
            if caught >> (signal.SIGTERM - 1) & 1:
                return
            self.assertIsNone(job.poll())
            self.assertLess(time.monotonic(), deadline, "a handler of SIGTERM")
            time.sleep(0.02)

    def follow(self, source, writer):
        kills = random.Random(SEED)
        for number in range(KILLS):
            job = self.run_job(source)
            self.wait_committed(job, min((number + 1) * EVENTS // (KILLS + 2), EVENTS))
            time.sleep(kills.uniform(0, 0.1))
            job.kill()
            job.communicate()
        writer.join()
        job = self.run_job(source)
        self.wait_committed(job, EVENTS)
        self.wait_for_handler(job)
        job.send_signal(signal.SIGTERM)
        said = job.communicate(timeout=PATIENCE)[0]
        self.assertEqual(job.returncode, 0, said)
        self.assertEqual(self.committed(), EVENTS)
        said = self.braid("verify", *self.settings(source))
        self.assertIn(f" events={EVENTS + self.profiles} accepted={EVENTS} ", said)
        self.assertIn(" violations=0 ", said)

    def test_a_log_that_is_renamed_and_begun_again(self):
        log = self.home / "app.log"
        writer = Writer(lambda number: log, lambda number: log.rename(f"{log}.{number}"))
        self.follow("app.log", writer)

    def test_a_directory_that_gets_one_file_after_the_other(self):
        (self.home / "logs").mkdir()
        writer = Writer(lambda number: self.home / "logs" / f"day-{number}.jsonl", lambda number: None)
        self.follow("logs", writer)

    def test_profiles_are_read_before_a_log_that_is_followed_and_new_ones_are_refused(self):
        self.tell_profiles()
        log = self.home / "app.log"
        writer = Writer(lambda number: log, lambda number: log.rename(f"{log}.{number}"))
        self.follow("app.log", writer)
        self.assertIn(f" profiles={USERS} ", self.braid("verify", *self.settings("app.log")))
        (self.home / "users" / "b.jsonl").write_text('{"user": "u1", "plan": "p9"}\n')
        job = self.run_job("app.log")
        said = job.communicate(timeout=PATIENCE)[0]
        self.assertEqual(job.returncode, 2, said)
        self.assertIn("b.jsonl has come since the source was begun", said)


if __name__ == "__main__":
    BRAID = str(pathlib.Path(sys.argv.pop(1)).resolve())
    unittest.main(verbosity=2, warnings="ignore")
