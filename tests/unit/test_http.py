#!/usr/bin/env python3
"""test_http.py - what a running job answers: TEST_BRAID is the program."""

import os
import re
import socket
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from http_job import BRAID, Job, USERS, subprocess  # noqa: E402


def samples(text):
    """name{label} -> value of an exposition, each of a family that was declared before it."""
    found, families = {}, {}
    for line in text.splitlines():
        if line.startswith("# TYPE "):
            families[line.split()[2]] = line.split()[3]
        elif not line.startswith("#"):
            name, value = re.fullmatch(r'(\w+(?:\{\w+="(?:[^"\\\n]|\\.)*"\})?) (\S+)', line).groups()
            family = name.split("{")[0]
            stem = re.sub(r"_(bucket|count|sum|total)$", "", family)
            if family not in families and stem not in families:
                raise AssertionError(f"{line}: no family of that name")
            if name in found:
                raise AssertionError(f"{line}: twice")
            found[name] = float(value)
    return found


class Http(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.job = Job()
        cls.addClassCleanup(cls.job.close)
        cls.job.send(USERS * 10)

    def test_a_job_at_work_is_alive_and_ready(self):
        self.assertEqual(self.job.ask("/healthz"), {"alive": True})
        ready = self.job.ask("/readyz")
        self.assertEqual(ready, {"ready": True, "workers": 2, "workers_assigned": 2,
                                 "partitions_live": 4, "partitions_restoring": 0})

    def test_metrics_are_of_the_two_forms_that_there_are(self):
        status, headers, body = self.job.get("/metrics")
        self.assertEqual((status, headers["Content-Type"]),
                         (200, "text/plain; version=0.0.4; charset=utf-8"))
        found = samples(body.decode())
        self.assertEqual(found['braid_events_total{verdict="accepted"}'], self.job.sent)
        self.assertGreater(found["process_resident_memory_bytes"], 1 << 20)
        self.assertEqual(found['braid_http_request_seconds_bucket{le="+Inf"}'],
                         found["braid_http_request_seconds_count"])
        status, headers, body = self.job.get("/metrics", Accept="application/openmetrics-text")
        self.assertIn("application/openmetrics-text", headers["Content-Type"])
        self.assertTrue(body.endswith(b"# EOF\n"))
        self.assertIn(b"# TYPE braid_events counter\n", body)
        self.assertLessEqual(found.keys(), samples(body.decode()).keys())

    def test_docs_say_of_every_metric_what_to_do(self):
        with open("docs/operations.md", encoding="utf-8") as file:
            said = set(re.findall(r"`((?:braid|process)_\w+)", file.read()))
        with open("stream/http/metric_table.c", encoding="utf-8") as file:
            listed = set(re.findall(r'"((?:braid|process)_\w+)"', file.read()))
        self.assertEqual(said, listed)

    def test_it_only_reads(self):
        for method in ("POST", "PUT", "DELETE", "OPTIONS", "PATCH", "ODD"):
            status, headers, _ = self.job.get("/metrics", method=method)
            self.assertEqual((status, headers["Allow"]), (405, "GET, HEAD"), method)
        status, headers, body = self.job.get("/healthz", method="HEAD")
        self.assertEqual((status, body), (200, b""))
        self.assertEqual(headers["Content-Length"], str(len(b'{"alive":true}')))

    def test_what_is_not_there_is_said_to_be_missing(self):
        for path in ("/", "/none", "/metrics/x", "/a/b/c/d/e/f", "//", "/users"):
            self.assertEqual(self.job.ask(path, 404)["status"], 404)
        self.assertIn("no argument 'x'", self.job.ask("/readyz?x=1", 400)["error"])
        self.assertIn("malformed", self.job.ask("/%zz", 400)["error"])

    def test_a_taken_port_is_a_failure_if_it_was_asked_for(self):
        port = int(self.job.address.split(":")[1])
        run = [BRAID, "run", *self.job.settings, "--source.path=/dev/null",
               f"--state.dir={self.job.home}/other"]
        done = subprocess.run([*run, f"--http.listen={port}"], capture_output=True, text=True)
        self.assertEqual(done.returncode, 1)
        self.assertIn(f"http.listen: 127.0.0.1 port {port}", done.stderr)

    def test_where_nobody_is_to_listen_nobody_does(self):
        listener = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(listener.close)
        done = subprocess.run([BRAID, "check-config", *self.job.settings, "--source.path=x",
                               "--http.listen=localhost"], capture_output=True, text=True)
        self.assertEqual(done.returncode, 2)
        self.assertIn("http.listen: 'localhost' is not allowed", done.stderr)


class Ending(unittest.TestCase):
    def test_a_job_that_was_asked_ends_as_any_other(self):
        job = Job()
        self.addCleanup(job.close)
        job.send(USERS)
        self.assertEqual(job.stop(), 0)


if __name__ == "__main__":
    unittest.main()
