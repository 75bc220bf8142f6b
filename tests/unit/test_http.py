#!/usr/bin/env python3
"""test_http.py - what a running job answers: TEST_BRAID is the program."""

import base64
import concurrent.futures
import datetime
import json
import math
import os
import random
import re
import signal
import socket
import struct
import sys
import time
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from http_job import BRAID, ITEMS, Job, USERS, event, subprocess  # noqa: E402


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


def exchange(job, raw):
    """What comes back for these bytes until the server closes."""
    with socket.create_connection(job.address.split(":"), timeout=300) as client:
        back = b""
        try:
            client.sendall(raw)
            client.shutdown(socket.SHUT_WR)
            while piece := client.recv(65536):
                back += piece
        except TimeoutError:
            raise
        except OSError:  # the server has closed before it had all
            pass
        return back


def odd_request(draw):
    """One that is malformed, cut off, too long, or none at all."""
    paths = [b"/users/u3/interests", b"/users/u5/recommendations?n=3", b"/items/x/similar",
             b"/metrics", b"/users", b"/%00%ff", b"//../..", b"*", b"/users/%E2%82/history",
             b"http://localhost/metrics", b"/" + b"a/" * 300, b"/?" + b"&" * 500]
    raw = bytearray(draw.choice([b"GET", b"HEAD", b"POST", b"G\0T", b""]) + b" " +
                    draw.choice(paths) + b" HTTP/1.1\r\nHost: localhost\r\n")
    kind = draw.randrange(6)
    if kind == 1:
        raw += b"".join(b"X-%d: %s\r\n" % (i, b"v" * draw.randrange(99))
                        for i in range(draw.randrange(1000)))
    elif kind == 2:
        raw += b"Content-Length: %d\r\n" % draw.choice([0, 5, 1 << 40])
    elif kind == 3:
        raw += b"Transfer-Encoding: chunked\r\n"
    elif kind == 4:
        raw += b"Cookie: " + draw.randbytes(draw.randrange(60000)) + b"\r\n"
    raw += b"\r\n" + draw.randbytes(draw.randrange(40))
    for _ in range(draw.randrange(4)):
        raw[draw.randrange(len(raw))] = draw.randrange(256)
    return bytes(raw[:draw.choice([len(raw), draw.randrange(1, len(raw) + 1)])])


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

    def newest_record(self, user):
        """The last one published, out of the output files."""
        found = None
        for name in sorted(os.listdir(f"{self.job.home}/output")):
            if name.startswith("interests-"):
                with open(f"{self.job.home}/output/{name}", encoding="utf-8") as file:
                    for line in file:
                        record = json.loads(line)
                        found = record if record["user"] == user else found
        return found

    def test_interests_are_those_of_the_newest_record_to_the_bit(self):
        for user in ("u0", "u7", "u39"):
            answer, record = self.job.ask(f"/users/{user}/interests"), self.newest_record(user)
            for key in ("user", "generation", "events", "from", "width"):
                self.assertEqual(answer[key], record[key], key)
            self.assertEqual(len(answer["interests"]), record["count"])
            vectors = struct.pack(f"<{record['count'] * record['width']}f",
                                  *(value for interest in answer["interests"]
                                    for value in interest["vector"]))
            self.assertEqual(base64.b64encode(vectors).decode(), record["vectors"])

    def test_a_history_is_what_inspect_shows(self):
        for options, flags in (("last=7", ["--last=7"]),
                               ("last=500&explain=true", ["--last=500", "--explain"])):
            answer = self.job.ask(f"/users/u3/history?{options}")
            self.assertEqual(answer, json.loads(self.job.braid("inspect", "user", "u3", "--json",
                                                               *flags)))
            self.assertTrue(answer["history"][-1]["item"].startswith("caf\u00e9 "))
        self.assertEqual(len(answer["history"][-1]["shares"]), len(answer["weights"]))

    def test_an_item_newer_than_the_generation_has_its_name_or_is_null(self):
        known, long = "brand-new \u00e9", "x" * 117  # the last is too long to be kept
        for item in known, long:
            self.job.send_line(json.dumps({"user": "u38", "item": item, "time": 1800000000000}))
        self.job.process.stdin.flush()
        self.job.wait(lambda: self.job.metric('braid_events_total{verdict="accepted"}') ==
                      self.job.sent)
        history = self.job.ask("/users/u38/history?last=2")["history"]
        self.assertEqual([one["item"] for one in history], [known, None])
        for one, item in zip(history, (known, long)):
            digest = 0xcbf29ce484222325
            for byte in item.encode():
                digest = (digest ^ byte) * 0x100000001b3 % 2**64
            self.assertEqual(one["hash"], f"{digest:016x}")
        told = json.loads(self.job.braid("inspect", "user", "u38", "--json", "--last=2"))["history"]
        self.assertEqual([one["item"] for one in told], [known, long])

    def test_recommendations_are_those_of_the_command(self):
        for options, flags in (("", []), ("?n=25", ["--top=25"]),
                               ("?exclude_seen=false", ["--seen"]),
                               ("?n=5&diversity=0.5&pool=20",
                                ["--top=5", "--diversity=0.5", "--pool=20"])):
            items = self.job.ask(f"/users/u5/recommendations{options}")["items"]
            printed = re.findall(r"^ +\d+ +(\S+)  (?:interest (\d+)  )?(caf\u00e9 \d+)",
                                 self.job.braid("recommend", "--user=u5", *flags), re.M)
            self.assertEqual([item["item"] for item in items], [line[2] for line in printed])
            for item, (score, interest, _) in zip(items, printed):
                self.assertAlmostEqual(item["score"], float(score), delta=0.001)
                self.assertEqual(item["interest"], int(interest or 1))

    def test_an_interest_has_a_list_of_its_own(self):
        listed = self.job.ask("/users/u5/recommendations?interest=1&n=4&exclude_seen=false")["items"]
        nearest = self.job.ask("/users/u5/interests?items=4")["interests"][0]["items"]
        self.assertEqual([item["item"] for item in listed], [item["item"] for item in nearest])
        self.assertEqual({item["interest"] for item in listed}, {1})
        count = len(self.job.ask("/users/u5/interests?vectors=false")["interests"])
        self.job.ask(f"/users/u5/recommendations?interest={count + 1}", 404)

    def test_as_of_a_moment_interests_are_those_of_then(self):
        for events in (1, 4):
            then = self.job.ask(f"/users/u4/history?last=500")["history"][events - 1]["time"]
            ms = int(datetime.datetime.fromisoformat(then).timestamp() * 1000)
            answer = self.job.ask(f"/users/u4/interests?as_of={ms}")
            self.assertEqual(answer["events"], events)
            self.assertEqual(answer["last_time"], then)
            weights = json.loads(self.job.braid("inspect", "user", "u4", "--json",
                                                f"--as-of={then}"))["weights"]
            for interest, weight in zip(answer["interests"], weights, strict=True):
                self.assertAlmostEqual(interest["weight"], weight, places=4)
        self.assertIn("came after", self.job.ask("/users/u4/interests?as_of=0", 404)["error"])

    def test_similar_items_are_the_nearest_by_cosine(self):
        vectors = {}
        self.job.braid("export", "items", f"--out={self.job.home}/items.jsonl")
        with open(f"{self.job.home}/items.jsonl", encoding="utf-8") as file:
            for entry in map(json.loads, file):
                if "vector" in entry:
                    raw = base64.b64decode(entry["vector"])
                    vectors[entry["item"]] = struct.unpack(f"<{len(raw) // 4}f", raw)

        def cosine(a, b):
            return sum(x * y for x, y in zip(a, b)) / math.hypot(*a) / math.hypot(*b)

        answer = self.job.ask("/items/caf%C3%A9%207/similar?n=5")
        self.assertEqual(answer["item"], "caf\u00e9 7")
        expected = sorted((-cosine(vectors["caf\u00e9 7"], vector), item)
                          for item, vector in vectors.items() if item != "caf\u00e9 7")[:5]
        self.assertEqual([item["item"] for item in answer["similar"]],
                         [item for _, item in expected])
        for item, (score, _) in zip(answer["similar"], expected):
            self.assertAlmostEqual(item["cosine"], -score, places=4)
        self.job.ask("/items/none/similar", 404)

    def test_the_generation_tells_where_it_is_from(self):
        answer = self.job.ask("/generation")
        self.assertEqual((answer["generation"], answer["model"], answer["items"]), (1, "gdelta", ITEMS))
        self.assertEqual((answer["width"], answer["interests_max"]), (16, 3))

    def test_some_users_can_be_looked_at(self):
        users = self.job.ask("/users?n=1000")["users"]
        self.assertEqual({user["user"] for user in users}, {f"u{number}" for number in range(USERS)})
        self.assertEqual(sum(user["events"] for user in users), self.job.sent)
        self.assertEqual(len(self.job.ask("/users?n=5")["users"]), 5)

    def test_who_is_not_known_is_not_found(self):
        for user in ("nobody", "%00", "u3%00", "%ff%fe", "u3%2F", "x" * 4096, "%20" * 2000):
            self.assertEqual(self.job.ask(f"/users/{user}/interests", 404)["error"],
                             "no such user", user)

    def test_arguments_that_mean_nothing_are_refused(self):
        for path, said in (("recommendations?n=0", "n is a whole number from 1 to 1000"),
                           ("recommendations?n=1001", "n is a whole number"),
                           ("recommendations?n=", "n is a whole number"),
                           ("recommendations?n=%31", "n is a whole number"),
                           ("recommendations?diversity=nan", "diversity is a number"),
                           ("recommendations?exclude_seen=1", "exclude_seen is true or false"),
                           ("recommendations?by=N", "by is intent or interests"),
                           ("recommendations?by=intent", "gdelta has no intent vector"),
                           ("recommendations?N=1", "no argument 'N'"),
                           ("history?last=-1", "last is a whole number"),
                           ("interests?" + "&".join(f"a{i}=1" for i in range(9)), "arguments")):
            self.assertIn(said, self.job.ask(f"/users/u3/{path}", 400)["error"], path)

    def test_alerts_and_dashboard_ask_for_what_there_is(self):
        """Each name is one of the table, a histogram's by its samples, with the labels in the docs."""
        with open("stream/http/metric_table.c", encoding="utf-8") as file:
            text = file.read()
        histograms = set(re.findall(r'HISTOGRAM\(\s*"(\w+)"', text))
        plain = set(re.findall(r'"((?:braid|process)_\w+)"', text)) - histograms
        known = plain | {name + end for name in histograms for end in ("_bucket", "_sum", "_count")}
        with open("docs/operations.md", encoding="utf-8") as file:
            labels = dict(re.findall(r"`(braid_\w+)\{(\w+)\}`", file.read()))
        with open("docker/alerts.yaml", encoding="utf-8") as file:
            alerts = file.read()
        rules = re.findall(r"- alert: (\w+)\n +expr: (?:>-\n)?((?:.|\n)*?)\n +(?:for|labels):", alerts)
        with open("docker/grafana/braid.json", encoding="utf-8") as file:
            panels = json.load(file)["panels"]
        asked = [expression for _, expression in rules]
        asked += [target["expr"] for panel in panels for target in panel["targets"]]
        self.assertEqual(len(rules), alerts.count("- alert:"))
        self.assertEqual(len({panel["id"] for panel in panels}), len(panels))
        self.assertGreater(len(asked), 30)
        for expression in asked:
            for name, label in re.findall(r"((?:braid|process)_\w+)(?:\{(\w+))?", expression):
                self.assertIn(name, known, expression)
                if label and label != "job":
                    self.assertEqual(label, labels[name], expression)
            self.assertEqual(expression.count("("), expression.count(")"), expression)
        found = samples(self.job.get("/metrics")[2].decode())
        shown = {name.split("{")[0] for name in found}
        for name in ("braid_commit_seconds_bucket", "braid_transaction_age_seconds_count",
                     "braid_users_in_memory", "braid_record_interests_sum",
                     "braid_interest_cosine_bucket", "braid_store_bytes", "braid_memory_budget_bytes"):
            self.assertIn(name, shown)
        self.assertEqual(found["braid_users_in_memory"], USERS)
        states = re.findall(r'state="(\w+)"', " ".join(name for name in found if "transactions{" in name))
        self.assertEqual(len(states), 9)
        self.assertEqual(sum(found[f'braid_transactions{{state="{state}"}}'] for state in states),
                         found["braid_workers_assigned"])
        for how in "delayed", "stopped":
            self.assertEqual(found[f'braid_stores_stalled{{how="{how}"}}'], 0)
        self.assertEqual(found["braid_record_interests_count"], found["braid_records_total"])

    def test_it_only_reads(self):
        for method in ("POST", "PUT", "DELETE", "OPTIONS", "PATCH", "ODD"):
            status, headers, _ = self.job.get("/metrics", method=method)
            self.assertEqual((status, headers["Allow"]), (405, "GET, HEAD"), method)
        status, headers, body = self.job.get("/healthz", method="HEAD")
        self.assertEqual((status, body), (200, b""))
        self.assertEqual(headers["Content-Length"], str(len(b'{"alive":true}')))

    def test_what_is_not_there_is_said_to_be_missing(self):
        for path in ("/none", "/metrics/x", "/a/b/c/d/e/f", "//", "/users/u3"):
            self.assertEqual(self.job.ask(path, 404)["status"], 404)
        self.assertIn("no argument 'x'", self.job.ask("/readyz?x=1", 400)["error"])
        self.assertIn("malformed", self.job.ask("/%zz", 400)["error"])

    def test_a_taken_port_is_a_failure_if_it_was_asked_for(self):
        port = int(self.job.address.split(":")[1])
        done = subprocess.run([BRAID, "run", *self.job.settings, "--source.path=/dev/null",
                               f"--http.listen={port}"], capture_output=True, text=True)
        self.assertEqual(done.returncode, 1)
        self.assertIn(f"http.listen: 127.0.0.1 port {port}", done.stderr)

    def test_where_nobody_is_to_listen_nobody_does(self):
        listener = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(listener.close)
        done = subprocess.run([BRAID, "check-config", *self.job.settings, "--source.path=x",
                               "--http.listen=localhost"], capture_output=True, text=True)
        self.assertEqual(done.returncode, 2)
        self.assertIn("http.listen: 'localhost' is not allowed", done.stderr)


    def test_at_loopback_a_host_that_is_another_is_refused(self):
        for host in ("localhost", "LocalHost:9474", "127.0.0.1", self.job.address, "[::1]:9474"):
            self.assertEqual(self.job.get("/healthz", Host=host)[0], 200, host)
        for host in ("evil.example", "localhost.evil.example:9474", "127.0.0.1.evil.example", "10.0.0.1",
                     "", ":", "[::1", "localhost:1]"):
            self.assertEqual(self.job.get("/users/u3/history", Host=host)[0], 403, host)
        self.assertIn(b" 200 ", exchange(self.job, b"GET /healthz HTTP/1.0\r\n\r\n").split(b"\r\n")[0])

    def test_a_request_that_is_too_large_is_refused(self):
        for raw in (b"GET /" + b"x" * 100000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n",
                    b"GET / HTTP/1.1\r\nX: " + b"x" * 100000 + b"\r\n\r\n"):
            self.assertNotIn(b" 200 ", exchange(self.job, raw).split(b"\r\n")[0])
        status, _, body = self.job.get("/healthz", **{"Content-Length": "0"})
        self.assertEqual((status, body), (200, b'{"alive":true}'))


class Slow(unittest.TestCase):
    """Connections that take their time, at a server with room for four of half a second."""

    @classmethod
    def setUpClass(cls):
        cls.job = Job("--http.timeout=500ms", "--http.connections_max=4", "--http.threads=2")
        cls.addClassCleanup(cls.job.close)

    def test_a_client_that_never_ends_is_shut_out_however_busy(self):
        """It sends a byte now and then, so it is never idle; the others are answered meanwhile."""
        clients = [socket.create_connection(self.job.address.split(":")) for _ in range(4)]
        left = set(clients)
        while left:
            for client in list(left):
                try:
                    client.sendall(b"x")
                    client.settimeout(0.05)
                    if client.recv(4096) == b"":
                        left.discard(client)
                except TimeoutError:
                    pass
                except OSError:
                    left.discard(client)
        for client in clients:
            client.close()
        self.job.wait(lambda: self.job.ask("/healthz")["alive"])


class Odd(unittest.TestCase):
    def test_odd_requests_get_an_answer_or_the_door_and_harm_nobody(self):
        seed = int(os.environ.get("TEST_SEED", 20261127))
        print(f"seed {seed}", file=sys.stderr)
        draw = random.Random(seed)
        requests = [odd_request(draw) for _ in range(300)]
        job = Job("--http.timeout=500ms")
        self.addCleanup(job.close)
        job.send(USERS)
        with concurrent.futures.ThreadPoolExecutor(16) as pool:
            for raw, back in zip(requests, pool.map(lambda raw: exchange(job, raw), requests)):
                self.assertTrue(not back or back.startswith(b"HTTP/1."), (seed, raw, back[:100]))
        self.assertEqual(job.stop(), 0)


class Intending(unittest.TestCase):
    def test_a_model_with_an_intent_vector_recommends_by_it_or_by_its_interests(self):
        job = Job(model=("sine", "--interests=2", "--prototypes=8"))
        self.addCleanup(job.close)
        job.send(USERS * 10)
        for options, flags in (("", []), ("&by=intent", ["--by=intent"]),
                               ("&by=interests", ["--by=interests"])):
            items = job.ask(f"/users/u5/recommendations?n=20{options}")["items"]
            printed = re.findall(r"^ +\d+ +(\S+)  (?:interest (\d+)  )?(caf\u00e9 \d+)",
                                 job.braid("recommend", "--user=u5", "--top=20", *flags), re.M)
            self.assertEqual([item["item"] for item in items], [line[2] for line in printed])
            self.assertEqual([str(item.get("interest", "")) for item in items],
                             [line[1] for line in printed])
        self.assertEqual({str(item["interest"]) for item in items}, {"1", "2"})


class Leaving(unittest.TestCase):
    def test_of_who_has_left_nothing_is_told_until_it_comes_back(self):
        def act(number):
            job.send_line(json.dumps(dict(json.loads(event(number)), user="leaver")))

        def accepted():
            return job.metric('braid_events_total{verdict="accepted"}') == job.sent

        def left():
            job.send(USERS)  # leavers are looked for beside events
            return job.metric("braid_expired_users_total") == 1

        job = Job("--state.ttl=1h", "--state.ttl_rate=0")
        self.addCleanup(job.close)
        act(0)
        job.wait(left)
        for path in ("interests", "interests?as_of=1700000000000", "history", "recommendations"):
            self.assertIn("the user has left", job.ask(f"/users/leaver/{path}", 404)["error"])
        self.assertNotIn("leaver", {user["user"] for user in job.ask("/users?n=1000")["users"]})
        act(job.sent)
        job.process.stdin.flush()
        job.wait(accepted)
        answer = job.ask("/users/leaver/interests")
        self.assertEqual((answer["from"], answer["events"]), (1, 2))
        self.assertEqual(len(job.ask("/users/leaver/history")["history"]), 1)


class Counting(unittest.TestCase):
    def test_each_metric_counts_what_happened(self):
        job = Job()
        self.addCleanup(job.close)
        job.send(USERS * 2)
        one = json.loads(event(job.sent))
        for odd in (dict(one, item="never seen"), dict(one, time=1600000000000), dict(one, category=1.5)):
            job.send_line(json.dumps(odd))
        job.send_line("{")
        job.sent -= 1
        job.send(1)
        self.assertEqual(job.get("/none")[0], 404)
        for name, value in (('braid_events_total{verdict="malformed"}', 1),
                            ("braid_unknown_item_events_total", 1), ("braid_late_events_total", 1),
                            ("braid_odd_category_events_total", 1),
                            ("braid_aborts_total", 0), ('braid_partitions{state="live"}', 4),
                            ('braid_partitions{state="restoring"}', 0),
                            ('braid_http_requests_total{code="404"}', 1),
                            ('braid_rebalances_total{kind="assigned"}', 2)):
            job.wait(lambda name=name, value=value: job.metric(name) == value)
        found = samples(job.get("/metrics")[2].decode())
        looked_up = sum(found[f'braid_users_looked_up_total{{found="{place}"}}'] for place in ("memory", "store"))
        self.assertTrue(0 < looked_up <= job.sent)  # a user once a poll
        self.assertEqual([value for name, value in found.items() if "build_info" in name], [1])
        for name in ("braid_commits_total", "braid_produce_seconds_count", "braid_commit_seconds_count",
                     "braid_store_commit_seconds_count", "process_cpu_seconds_total"):
            job.wait(lambda name=name: job.metric(name) > 0)
        self.assertLess(abs(found["process_start_time_seconds"] - time.time()), 3600)
        self.assertGreater(found["process_virtual_memory_bytes"], found["process_resident_memory_bytes"])
        self.assertTrue(3 < found["process_open_fds"] < found["process_max_fds"])


class Ending(unittest.TestCase):
    def test_after_the_input_it_answers_until_it_is_told_to_stop(self):
        job = Job("--source.path={home}/log.jsonl", "--http.stay=true", events=USERS * 20)
        self.addCleanup(job.close)
        job.wait(lambda: job.metric('braid_events_total{verdict="accepted"}') == USERS * 20)
        for _ in range(3):
            self.assertEqual(job.ask("/users/u3/interests")["events"], 20)
            self.assertTrue(job.ask("/readyz")["ready"])
        job.process.send_signal(signal.SIGTERM)
        self.assertEqual(job.process.wait(300), 0)

    def test_a_job_that_was_asked_ends_as_any_other(self):
        job = Job()
        self.addCleanup(job.close)
        job.send(USERS)
        self.assertEqual(job.stop(), 0)


if __name__ == "__main__":
    unittest.main()
