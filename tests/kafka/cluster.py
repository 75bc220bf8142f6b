#!/usr/bin/env python3
"""cluster.py - a real Apache Kafka on loopback for tests, from the jars of Maven Central.

    cluster.py install                        fetch the jars into .cache/kafka/VERSION
    cluster.py run [--nodes N] -- COMMAND...  run COMMAND with TEST_KAFKA=host:port,... set

KAFKA_VERSION in the environment says which Kafka, else it is the newest that the tests know.
Tests use `Cluster` directly: it formats, starts, kills and restarts nodes in KRaft mode, each a JVM
of 512 MB at most. Nodes die with the process that started them. A cluster's directory, its logs
included, is removed at the end unless something failed. Only the standard library is needed here.
"""

import argparse
import ctypes
import os
import pathlib
import random
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
VERSION = os.environ.get("KAFKA_VERSION") or "4.4.0"
JARS = ROOT / ".cache" / "kafka" / VERSION
CLUSTER_ID = "AAAAAAAAQACAAAAAAAAAAA"
START_SECONDS = 180  # a starved machine takes a minute; a free one five seconds
SKIPPED = 77  # what a test returns that could not run

PROPERTIES = """\
process.roles=broker,controller
node.id={node}
controller.quorum.voters={voters}
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller_port}
advertised.listeners=PLAINTEXT://127.0.0.1:{advertised}
inter.broker.listener.name=PLAINTEXT
controller.listener.names=CONTROLLER
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
log.dirs={directory}/data
auto.create.topics.enable=false
offsets.topic.num.partitions=4
offsets.topic.replication.factor={replication}
transaction.state.log.num.partitions=4
transaction.state.log.replication.factor={replication}
transaction.state.log.min.isr={in_sync}
min.insync.replicas={in_sync}
transaction.abort.timed.out.transaction.cleanup.interval.ms={abort_ms}
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=1000
broker.session.timeout.ms=3000
broker.heartbeat.interval.ms=500
log.retention.ms=-1
log.cleaner.dedupe.buffer.size=33554432
log.cleaner.backoff.ms=500
log.initial.task.delay.ms=1000
num.network.threads=2
num.io.threads=4
"""

LOG4J = """\
log4j.rootLogger=WARN, stdout
log4j.logger.org.apache.kafka.coordinator=INFO
log4j.logger.kafka.coordinator=INFO
log4j.appender.stdout=org.apache.log4j.ConsoleAppender
log4j.appender.stdout.layout=org.apache.log4j.PatternLayout
log4j.appender.stdout.layout.ConversionPattern=[%d] %p %m (%c)%n
"""


def skip(reason):
    """Ends a test that cannot run: skipped at a desk, failed where nobody would read of it."""
    print(reason, file=sys.stderr)
    raise SystemExit(1 if os.environ.get("CI") == "true" else SKIPPED)


def die_with_parent():
    """Runs in a child before exec: the kernel kills it when its parent is gone."""
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)


def free_port():
    """A port below the ephemeral range, so that no client can take it while a node restarts."""
    while True:
        port = random.randrange(20000, 30000)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
                return port
            except OSError:
                continue


def broker_count(port):
    """Brokers that the node at `port` knows (a metadata request, version 1), 0 if it is not up."""
    request = struct.pack(">hhih", 3, 1, 1, -1) + struct.pack(">i", 0)
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=2) as link:
            link.sendall(struct.pack(">i", len(request)) + request)
            answer = b""
            while len(answer) < 12:
                part = link.recv(4096)
                if not part:
                    return 0
                answer += part
            return struct.unpack(">i", answer[8:12])[0]
    except OSError:
        return 0


class Cluster:
    """`nodes` brokers that are controllers as well; use as a context manager."""

    def __init__(self, nodes=1, keep=None, advertised=None, abort_ms=500):
        if not JARS.is_dir():
            skip(f"no jars of Kafka {VERSION}: run tests/kafka/cluster.py install")
        self.keep = keep
        self.directory = pathlib.Path(keep or tempfile.mkdtemp(prefix="braid-kafka-"))
        self.ports = {node: free_port() for node in range(1, nodes + 1)}
        self.advertised = advertised  # another port, in front of the only node's
        self.processes = {}
        controllers = {node: free_port() for node in self.ports}
        voters = ",".join(f"{n}@127.0.0.1:{p}" for n, p in controllers.items())
        for node in self.ports:
            home = self.directory / f"node{node}"
            home.mkdir(parents=True)
            (home / "log4j.properties").write_text(LOG4J)
            (home / "server.properties").write_text(
                PROPERTIES.format(
                    node=node, voters=voters, port=self.ports[node],
                    advertised=advertised or self.ports[node],
                    controller_port=controllers[node], directory=home,
                    replication=nodes, in_sync=min(nodes, 2), abort_ms=abort_ms))

    @property
    def address(self):
        ports = [self.advertised] if self.advertised else self.ports.values()
        return ",".join(f"127.0.0.1:{port}" for port in ports)

    def __enter__(self):
        for node in self.ports:
            self.java(node, "kafka.tools.StorageTool", "format", "-t", CLUSTER_ID,
                      "-c", "server.properties").check_returncode()
        for node in self.ports:
            self.start(node)
        self.wait()
        return self

    def __exit__(self, kind, value, trace):
        for node in list(self.processes):
            self.kill(node)
        if kind and kind is not KeyboardInterrupt:
            print(f"kafka: logs are kept in {self.directory}", file=sys.stderr)
        elif not self.keep:
            shutil.rmtree(self.directory, ignore_errors=True)

    def java(self, node, *arguments):
        """Runs a tool of Kafka to its end, in the directory of a node."""
        return subprocess.run(["java", "-Xmx256m", "-cp", f"{JARS}/*", *arguments],
                              cwd=self.directory / f"node{node}", capture_output=True, text=True)

    def start(self, node):
        home = self.directory / f"node{node}"
        with open(home / "server.log", "ab") as log:
            self.processes[node] = subprocess.Popen(
                ["java", "-Xmx512m", "-Xms512m", "-XX:+UseSerialGC",
                 "-Dlog4j.configuration=file:log4j.properties", "-cp", f"{JARS}/*",
                 "kafka.Kafka", "server.properties"],
                cwd=home, stdout=log, stderr=log, stdin=subprocess.DEVNULL,
                preexec_fn=die_with_parent)

    def wait(self):
        """Until every running node knows of every other."""
        deadline = time.monotonic() + START_SECONDS
        for node, process in self.processes.items():
            while broker_count(self.ports[node]) < len(self.processes):
                if process.poll() is not None or time.monotonic() > deadline:
                    log = (self.directory / f"node{node}" / "server.log").read_text()
                    raise RuntimeError(f"node {node} does not start:\n{log[-4000:]}")
                time.sleep(0.1)

    def kill(self, node):
        process = self.processes.pop(node)
        process.kill()
        process.wait()

    def cpu_seconds(self):
        """User and system time that the running nodes have taken."""
        ticks = 0
        for process in self.processes.values():
            fields = pathlib.Path(f"/proc/{process.pid}/stat").read_text().rsplit(")", 1)[1].split()
            ticks += int(fields[11]) + int(fields[12])
        return ticks / os.sysconf("SC_CLK_TCK")


def install():
    if not JARS.is_dir():
        partial = JARS.with_name(f"{VERSION}.partial")
        shutil.rmtree(partial, ignore_errors=True)
        subprocess.run(["mvn", "-q", "-B", "-f", ROOT / "tests/kafka/pom.xml",
                        "dependency:copy-dependencies", f"-Dkafka.version={VERSION}",
                        f"-DoutputDirectory={partial}",
                        "-DincludeScope=runtime"], check=True)
        partial.rename(JARS)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    verbs = parser.add_subparsers(dest="verb", required=True)
    verbs.add_parser("install", help="fetch the jars into .cache/kafka/VERSION")
    run = verbs.add_parser("run", help="run a command beside a fresh cluster")
    run.add_argument("--nodes", type=int, default=1)
    run.add_argument("--keep", help="directory for the cluster, kept afterwards")
    run.add_argument("command", nargs="+")
    arguments = parser.parse_args()
    if arguments.verb == "install":
        return install()
    with Cluster(arguments.nodes, arguments.keep) as cluster:
        pids = ",".join(str(process.pid) for process in cluster.processes.values())
        environment = dict(os.environ, TEST_KAFKA=cluster.address, TEST_KAFKA_PIDS=pids,
                           TEST_KAFKA_JARS=str(JARS))
        return subprocess.run(arguments.command, env=environment).returncode


if __name__ == "__main__":
    sys.exit(main())
