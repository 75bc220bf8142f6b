"""http_job.py - the program at work with its server, for the tests of HTTP.

A job reads standard input, so that it goes on for as long as a test has something to ask.
"""

import http.client
import json
import os
import subprocess
import tempfile
import threading
import time
import urllib.parse

BRAID = os.environ.get("TEST_BRAID", "build/dev/braid")
USERS, ITEMS = 40, 50
WAIT_S = 300  # only to end a test that fails


def event(number):
    """After item i a user takes i + 1, and every tenth behavior is of a rarer kind."""
    user, turn = number % USERS, number // USERS
    return json.dumps({"user": f"u{user}", "item": f"caf\u00e9 {(user + turn) % ITEMS}",
                       "time": 1700000000000 + 60000 * number,
                       "category": f"c{(user + turn) % ITEMS % 5}"}) + "\n"


class Job:
    """`braid run` in a folder of its own; `options` are added to its settings, {home} being it."""

    def __init__(self, *options, events=USERS * 20, model=("gdelta", "--heads=2", "--interests=3")):
        self.folder = tempfile.TemporaryDirectory(prefix="braid-http-")
        self.home = self.folder.name
        self.sent = 0
        with open(f"{self.home}/log.jsonl", "w", encoding="utf-8") as log:
            log.writelines(event(number) for number in range(events))
        self.settings = [f"--source.path={self.home}/log.jsonl", f"--state.dir={self.home}/state", f"--output.dir={self.home}/output",
                         f"--model.checkpoint={self.home}/generation-1.safetensors",
                         "--source.fields.category=category", "--log.quiet=true"]
        self.braid("init", "--d=16", "--model=" + model[0], *model[1:])
        self.start(*options)

    def braid(self, *arguments):
        """What a command prints."""
        return subprocess.run([BRAID, *arguments, *self.settings], check=True, encoding="utf-8",
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE).stdout

    def start(self, *options):
        self.process = subprocess.Popen(
            [BRAID, "run", *self.settings, "--source.path=-", "--http.listen=127.0.0.1:0",
             "--log.format=json", "--job.commit_interval=50ms",
             *(option.format(home=self.home) for option in options)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            encoding="utf-8")
        self.log = []
        for line in self.process.stderr:
            self.log.append(json.loads(line))
            if self.log[-1]["message"] == "answering":
                break
        else:
            raise AssertionError(self.log)
        self.url = self.log[-1]["url"]
        self.address = urllib.parse.urlsplit(self.url).netloc
        self.reader = threading.Thread(target=self.read_log, daemon=True)
        self.reader.start()

    def read_log(self):
        for line in self.process.stderr:
            self.log.append(json.loads(line))

    def send_line(self, line):
        self.process.stdin.write(line + "\n")
        self.sent += 1

    def send(self, events):
        """The next so many events, and waits until they are committed."""
        for number in range(self.sent, self.sent + events):
            self.send_line(event(number)[:-1])
        self.process.stdin.flush()
        self.wait(lambda: self.metric('braid_events_total{verdict="accepted"}') == self.sent)

    def wait(self, come):
        until = time.monotonic() + WAIT_S
        while not self.has(come):
            if self.process.poll() is not None or time.monotonic() > until:
                raise AssertionError(f"waited in vain: {self.log}")
            time.sleep(0.02)

    @staticmethod
    def has(come):
        """A connection may be refused or cut off while there are too many."""
        try:
            return come()
        except (OSError, http.client.HTTPException):
            return False

    def get(self, path, method="GET", **headers):
        """Status, headers and body."""
        connection = http.client.HTTPConnection(self.address, timeout=WAIT_S)
        try:
            connection.request(method, path, headers=headers)
            response = connection.getresponse()
            return response.status, response.headers, response.read()
        finally:
            connection.close()

    def ask(self, path, status=200):
        """The JSON of an answer."""
        code, headers, body = self.get(path)
        answer = json.loads(body)
        if code != status or headers["Content-Type"] != "application/json":
            raise AssertionError(f"{path}: {code} {headers} {body}")
        return answer

    def metric(self, name):
        """0 if there is none of that name and label yet."""
        for line in self.get("/metrics")[2].decode().splitlines():
            if line.startswith(name + " "):
                return float(line.split()[1])
        return 0

    def stop(self):
        """Ends the input, and with it the job; its exit code."""
        self.process.stdin.close()
        return self.process.wait(WAIT_S)

    def close(self):
        self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()
        self.reader.join()
        self.process.stderr.close()
        self.folder.cleanup()
