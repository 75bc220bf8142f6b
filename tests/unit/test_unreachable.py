#!/usr/bin/env python3
"""test_unreachable.py - what the program says at last when it can't speak to a broker, and why.

    test_unreachable.py BRAID

No broker is needed: a port that is closed, a name that can't be one, and a listener that speaks
something else. All runs wait at once, for the ten seconds that a request may take.
"""

import os
import pathlib
import socket
import subprocess
import sys
import tempfile
import threading
import unittest

CONFIG = """\
source: {broker: kafka, topic: clicks, fields: {action: action}}
actions: {view: 1}
model: {checkpoint: generation-1.safetensors}
output: {topic: interests, history_topic: history, dead_letter_topic: dead, items_topic: items}
kafka: {group: g}
state: {dir: state}
"""
SASL = ["--kafka.client.security.protocol=sasl_plaintext", "--kafka.client.sasl.mechanism=PLAIN",
        "--kafka.client.sasl.username=u", "--kafka.client.sasl.password=p"]


def be_no_broker(listener):
    """Hangs up on whoever asks; to a greeting of TLS the answer is none."""
    while True:
        try:
            client, _ = listener.accept()
            with client:
                if client.recv(4096)[:1] == b"\x16":
                    client.sendall(b"what is that?")
        except ConnectionError:
            pass
        except OSError:
            return


class Unreachable(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        directory = tempfile.TemporaryDirectory(prefix="braid-unreachable-")
        cls.addClassCleanup(directory.cleanup)
        cls.home = pathlib.Path(directory.name)
        (cls.home / "braid.yaml").write_text(CONFIG)
        (cls.home / "log.jsonl").write_text(
            '{"user":"u","item":"i","time":1700000000000,"action":"view"}\n')
        subprocess.run([BRAID, "init", "--source.path=log.jsonl", "--d=16", "--heads=2",
                        "--model.checkpoint=generation-1.safetensors"], cwd=cls.home, check=True,
                       capture_output=True)
        listener = socket.create_server(("127.0.0.1", 0))
        threading.Thread(target=be_no_broker, args=(listener,), daemon=True).start()
        closed = socket.socket()  # bound, and nobody listens
        closed.bind(("127.0.0.1", 0))
        for held in (listener, closed):
            cls.addClassCleanup(held.close)
        cls.address = "127.0.0.1:%d" % listener.getsockname()[1]
        cls.closed = "127.0.0.1:%d" % closed.getsockname()[1]
        cls.runs = {
            "closed": cls.start(cls.closed),
            "unknown": cls.start("kafka..example:9092"),
            "other": cls.start(cls.address),
            "tls": cls.start(cls.address, "--kafka.client.security.protocol=ssl"),
            "sasl": cls.start(cls.address, *SASL),
            "histories": cls.start(cls.closed, "--model.checkpoint=", "--as=copy",
                                   "--publish=none", command="replay"),
        }

    @classmethod
    def start(cls, brokers, *settings, command="run"):
        return subprocess.Popen([BRAID, command, "--config", "braid.yaml",
                                 f"--kafka.brokers={brokers}", *settings], cwd=cls.home,
                                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                stderr=subprocess.PIPE, text=True)

    def assert_last_said(self, run, brokers, *parts):
        said = self.runs[run].communicate()[1]
        last = said.strip().splitlines()[-1]
        self.assertEqual(self.runs[run].returncode, 1, said)
        for part in (": kafka: asking for topic 'clicks': ", *parts,
                     f"is kafka.brokers ({brokers}) right and running?"):
            self.assertIn(part, last)
        self.assertNotIn("transport failure", last)

    def test_a_closed_port_is_said_to_refuse(self):
        self.assert_last_said("closed", self.closed, self.closed, "Connection refused")

    def test_histories_alone_are_replayed_without_a_checkpoint(self):
        self.assert_last_said("histories", self.closed, "braid replay", "Connection refused")

    def test_an_unknown_host_is_said_to_be_unknown(self):
        self.assert_last_said("unknown", "kafka..example:9092", "Failed to resolve")

    def test_tls_on_a_port_without_is_said_to_fail(self):
        self.assert_last_said("tls", self.address, "in state SSL_HANDSHAKE")

    def test_another_protocol_than_the_port_s_is_said_to_be_likely(self):
        for run in ("other", "sasl"):
            with self.subTest(run):
                self.assert_last_said(run, self.address, "incorrect security.protocol")


if __name__ == "__main__":
    BRAID = os.path.abspath(sys.argv.pop(1))
    unittest.main(verbosity=2)
