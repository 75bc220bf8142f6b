"""harness.py - topics, events, jobs and an independent reader for the tests of the Kafka job.

Everything that judges the job here is Python and kafka-python: no librdkafka, no line of Braid. A
`World` is one job's topics and directories; `Feed` produces its events, `Job` is a process of the
program under test, and `check` reads source, output and dead letters back as committed and compares
them event by event: none lost, none repeated, each at its place.
"""

import collections
import http.client
import json
import os
import pathlib
import queue
import random
import re
import signal
import socket
import subprocess
import tempfile
import threading
import time

from cluster import die_with_parent, skip

try:
    from kafka import KafkaConsumer, KafkaProducer, TopicPartition
    from kafka.admin import KafkaAdminClient, NewTopic
    from kafka.errors import KafkaError
except ImportError as missing:
    skip(f"{missing}: ./run test installs it")

BRAID = pathlib.Path(os.environ["TEST_BRAID"])
ITEMS = 300
USERS = 400
PATIENCE = 240  # seconds for what is to happen; a starved machine needs some of them
SILENCE = 20  # seconds after which a client is given up that gets no answer

CONFIG = """\
source:
  broker: kafka
  topic: {name}
  fields: {{user: user, item: item, time: time, action: action}}
  time_behind: 36500d
actions: {{view: 1, buy: 3}}
model: {{checkpoint: {checkpoint}}}
output:
  topic: {name}-interests
  history_topic: {name}-history
  dead_letter_topic: {name}-dead-letters
  items_topic: {name}-items
job: {{workers: 2, memory: 512MB, commit_interval: 100ms}}
state: {{history_max: 256, flush_interval: 1s}}
kafka:
  brokers: {brokers}
  group: {name}
  create_topics: true
  replication: {replication}
  session_timeout: 60s
  transaction_timeout: 30s
"""

# A line of progress that another one follows.
PROGRESS = re.compile(r"^run +[0-9].*\n(?=run +[0-9])", re.MULTILINE)

# Of a world in which members are given up. Elsewhere a starved machine shall give up none.
SOON = {"kafka.session_timeout": "6s", "kafka.transaction_timeout": "3s"}


def make_checkpoint(directory):
    """Generation 1 of a small model that knows most of the items the feeds use."""
    log = directory / "init.jsonl"
    checkpoint = directory / "generation-1.safetensors"
    log.write_text("".join(json.dumps({"user": f"u{i}", "item": f"i{i}", "time": 1700000000000,
                                       "action": "view"}) + "\n" for i in range(ITEMS - 20)))
    subprocess.run([BRAID, "init", f"--source.path={log}", f"--model.checkpoint={checkpoint}",
                    "--d=16", "--ffn=16", "--heads=2", "--interests=2", "--oov=8"],
                   check=True, capture_output=True)
    return checkpoint


class World:
    """One job's topics, named after `name`, and a directory for its states and logs.

    The source has as many replicas as there are brokers, or `replication`."""

    def __init__(self, cluster, checkpoint, name, partitions=4, settings=None, replication=None):
        self.cluster, self.name, self.partitions = cluster, name, partitions
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix=f"braid-{name}-"))
        self.config = self.directory / "braid.yaml"
        self.config.write_text(CONFIG.format(name=name, checkpoint=checkpoint,
                                             brokers=cluster.address,
                                             replication=len(cluster.ports)))
        self.settings = settings or {}
        self.create(name, partitions, replication)

    def create(self, topic, partitions, replication=None, **settings):
        admin = KafkaAdminClient(bootstrap_servers=self.cluster.address)
        admin.create_topics([NewTopic(topic, partitions, replication or len(self.cluster.ports),
                                      topic_configs=settings)])
        admin.close()

    def share_models(self):
        """Its processes have generations in common."""
        self.settings["output.models_topic"] = f"{self.name}-models"
        self.settings["output.item_vectors_topic"] = f"{self.name}-item-vectors"

    def options(self):
        return [f"--{key}={value}" for key, value in self.settings.items()]


class Feed:
    """Produces seeded events, keyed by user, and remembers where each partition ends."""

    def __init__(self, world, seed=1, **producer):
        self.world, self.random = world, random.Random(seed)
        self.number = 0
        self.ends = collections.defaultdict(int)
        self.producer = KafkaProducer(bootstrap_servers=world.cluster.address, linger_ms=5,
                                      delivery_timeout_ms=PATIENCE * 1000,
                                      max_block_ms=PATIENCE * 1000, **producer)
        self.weights = [1 / (rank + 1) for rank in range(USERS)]

    def event(self):
        self.number += 1
        return {"user": f"user-{self.random.choices(range(USERS), self.weights)[0]}",
                "item": f"i{self.random.randrange(ITEMS)}",
                "time": 1700000000000 + self.number * 1000,
                "action": self.random.choice(["view", "view", "view", "buy", "hover"])}

    def send(self, count):
        self.wait([self.send_raw(json.dumps(event).encode(), event["user"])
                   for event in (self.event() for _ in range(count))])

    def send_raw(self, value, user, partition=None):
        return self.producer.send(self.world.name, value, user.encode(), partition=partition)

    def wait(self, futures):
        self.producer.flush()
        for future in futures:
            place = future.get(PATIENCE)
            self.ends[place.partition] = max(self.ends[place.partition], place.offset + 1)

    def close(self):
        self.producer.close()


class Pulse(threading.Thread):
    """Feeds a little at once and then all the time, until told to stop."""

    def __init__(self, feed, count=40, pause=0.05):
        super().__init__(daemon=True)
        self.feed, self.count, self.pause = feed, count, pause
        self.over = threading.Event()
        self.failure = None
        feed.send(count)
        self.start()

    def run(self):
        try:
            while not self.over.wait(self.pause):
                self.feed.send(self.count)
        except (KafkaError, OSError) as failure:
            self.failure = failure

    def stop(self):
        self.over.set()
        self.join()
        if self.failure:
            raise self.failure


class Job:
    """One process of the program. `fault` is where it shall kill itself: name:pass."""

    def __init__(self, world, instance="a", fault=None, state=None, command=("run",), **settings):
        self.world, self.instance, self.settings = world, instance, settings
        state = world.directory / (state or f"state-{instance}")
        self.log = state.with_suffix(".log")
        environment = dict(os.environ, **({"BRAID_FAULT": fault} if fault else {}))
        arguments = [f"--state.dir={state}", f"--kafka.instance={instance}", *world.options(),
                     *(f"--{key}={value}" for key, value in settings.items())]
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                [BRAID, *command, "--config", world.config, *arguments], env=environment,
                stdout=log, stderr=log, stdin=subprocess.DEVNULL, preexec_fn=die_with_parent)

    def kill(self):
        self.process.kill()
        self.process.wait()

    def signal(self, number):
        self.process.send_signal(number)

    def stop(self, expected=0):
        """SIGTERM: finishes its transaction and leaves. A new process has first to ask for it."""
        wait_until(lambda: self.process.poll() is not None or self.handles(signal.SIGTERM),
                   "a handler of SIGTERM")
        self.process.terminate()
        self.ended(expected)

    def handles(self, number):
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        caught = re.search(r"^SigCgt:\s*(\w+)", status, re.MULTILINE)
        return bool(int(caught[1], 16) >> (number - 1) & 1)

    def ended(self, expected):
        wait_until(lambda: self.process.poll() is not None, "its end", self)
        code = self.process.returncode
        assert code == expected, f"{self.tail()}\nexit code {code}, not {expected}"

    def tail(self, size=3000):
        """What it has said last, and of progress lines in a row only the last one."""
        said = PROGRESS.sub("", self.log.read_text(errors="replace"))
        return f"{self.log.name}:\n{said[-size:]}"

    def said(self, pattern):
        return re.search(pattern, self.log.read_text(errors="replace")) is not None

    def wait_said(self, pattern):
        wait_until(lambda: self.said(pattern), f"{pattern!r}", self)


def answering():
    """Settings of a process that answers and says where."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{taken.getsockname()[1]}"
    return {"http.listen": address, "kafka.advertise": address}


def answer(job, path):
    """The code, the headers and the text that a process answers."""
    connection = http.client.HTTPConnection(job.settings["http.listen"], timeout=PATIENCE)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.headers, answer.read().decode()
    finally:
        connection.close()


def ask(job, path):
    """The code and the text that a process answers."""
    code, _, text = answer(job, path)
    return code, text


def metric(job, name):
    """The value of a metric without labels."""
    return float(re.search(rf"^{name} (\S+)$", ask(job, "/metrics")[1], re.M)[1])


def ends_known_since(job, moment):
    """Waits until it counts its lag to ends that the brokers told after `moment` (time.time())."""
    def known():
        told = re.search(r"^braid_source_ends_timestamp_seconds (\S+)$", ask(job, "/metrics")[1],
                         re.M)
        return told and float(told[1]) > moment

    wait_until(known, f"ends of the source as of {moment}", job)


def wait_until(condition, what, *jobs):
    """Fails if it does not come true, and shows what the jobs have said last."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, "\n".join(
            [*(job.tail() for job in jobs), f"not within {PATIENCE} s: {what}"])
        time.sleep(0.05)


class Group:
    """What the job's group knows: committed offsets, and whose the partitions are."""

    def __init__(self, world):
        self.world, self.admin = world, None

    def ask(self, question, unknown):
        """Of a new client after a failure, and after a silence: an old one may know only of a broker
        that is dead, and one of kafka-python may wait for its answer for ever."""
        admin, self.admin = self.admin, None
        answers = queue.SimpleQueue()

        def put():
            client = admin
            try:
                client = client or KafkaAdminClient(bootstrap_servers=self.world.cluster.address)
                answers.put((client, question(client)[self.world.name]))
            except (KafkaError, OSError):  # no coordinator yet, or none at the moment
                answers.put((None, unknown))
                if client:
                    client.close()

        threading.Thread(target=put, daemon=True).start()
        try:
            self.admin, answer = answers.get(timeout=SILENCE)
        except queue.Empty:
            return unknown
        return answer

    def offsets(self):
        answer = self.ask(lambda admin: admin.list_group_offsets({self.world.name: None}), {})
        return {place.partition: told.offset for place, told in answer.items()
                if told.offset >= 0}

    def owners(self):
        """By instance, how many partitions its workers have in all."""
        answer = self.ask(lambda admin: admin.describe_groups([self.world.name]), {"members": []})
        owners = collections.Counter()
        for member in answer["members"]:
            assigned = (member["member_assignment"] or {}).get("assigned_partitions", [])
            instance = (member["group_instance_id"] or "").rsplit("-", 1)[0]
            owners[instance] += sum(len(topic["partitions"]) for topic in assigned)
        return {instance: count for instance, count in owners.items() if count}

    def close(self):
        if self.admin:
            self.admin.close()
        self.admin = None


def drain(world, feed, *jobs):
    """Waits until what was fed so far is committed; the jobs must live meanwhile."""
    group, ends = Group(world), dict(feed.ends)

    def done():
        for job in jobs:
            assert job.process.poll() is None, f"{job.tail()}\njob {job.instance} ended"
        committed = group.offsets()
        return all(committed.get(partition, 0) >= end for partition, end in ends.items())

    try:
        wait_until(done, f"{ends} committed", *jobs)
    finally:
        group.close()


def shared_by(world, *instances):
    """Waits until these instances, and no others, have the partitions of the source."""
    group = Group(world)

    def done():
        owners = group.owners()
        return owners.keys() == set(instances) and sum(owners.values()) == world.partitions

    try:
        wait_until(done, f"only {instances} have partitions")
    finally:
        group.close()


def read_all(world, topic, isolation="read_committed"):
    """Every record of a topic in the order of its partitions, as a read-committed reader sees it.
    [] if there is no such topic yet."""
    consumer = KafkaConsumer(bootstrap_servers=world.cluster.address, isolation_level=isolation,
                             enable_auto_commit=False, fetch_max_wait_ms=50,
                             max_partition_fetch_bytes=8 << 20)
    places = [TopicPartition(topic, p) for p in sorted(consumer.partitions_for_topic(topic) or ())]
    records = []
    for place in places:
        consumer.assign([place])
        end = consumer.end_offsets([place])[place]  # the last stable offset
        consumer.seek_to_beginning(place)
        while consumer.position(place) < end:
            for batch in consumer.poll(timeout_ms=200, max_records=10000).values():
                records += [record for record in batch if record.offset < end]
    consumer.close()
    return records


def erased_key(user, group):
    """The key under which a group says in source.erase that a user is erased: its id by FNV-1a."""
    value = 0xcbf29ce484222325
    for byte in user.encode():
        value = (value ^ byte) * 0x100000001b3 % 2**64
    return f"erased:{value:016x}:{group}".encode()


def wait_marked(world, topic):
    """Waits until what was committed last can be read: brokers say that a transaction is committed
    before all of its partitions are marked, so a process may have ended by then. Nobody may write."""
    def ends(isolation):
        consumer = KafkaConsumer(bootstrap_servers=world.cluster.address, isolation_level=isolation)
        try:
            return consumer.end_offsets([TopicPartition(topic, p) for p in
                                         consumer.partitions_for_topic(topic)])
        finally:
            consumer.close()

    wait_until(lambda: ends("read_committed") == ends("read_uncommitted"), f"{topic} marked")


def expected_history(world):
    """By user, the source positions of its accepted events in order; and the bad ones by position."""
    histories, bad = collections.defaultdict(list), {}
    for record in read_all(world, world.name):
        place = (record.partition, record.offset)
        if not (record.value or b"").strip():
            continue  # a tombstone, or a blank line
        try:
            event = json.loads(record.value)
            user, item = event["user"], event["item"]
            if not isinstance(user, str) or not isinstance(item, str):
                raise ValueError("not an id")
            if abs(event["time"]) > 4e12 or len(record.value) > 65536:
                raise ValueError("too late, or too long")
        except (ValueError, KeyError, TypeError):
            bad[place] = record
            continue
        if event["action"] in ("view", "buy"):
            histories[user].append((*place, event["time"]))
    return histories, bad


LETTER = "__braid.errors."


def check_letter(world, record, bad):
    """Fails unless a dead letter is its event as it came, or as much of it as its headers say.
    Returns the event's place."""
    told = {name.removeprefix(LETTER): value.decode() for name, value in record.headers}
    place = int(told.pop("partition")), int(told.pop("offset"))
    at = f"letter {record.partition}:{record.offset} of {place}"
    assert place in bad, f"{at}: no bad event"
    assert told.pop("topic") == world.name and told.pop("reason") and told.pop("message"), at
    event = bad[place]
    for part, kept, had in (("key", record.key, event.key), ("value", record.value, event.value)):
        size = told.pop(f"{part}_size", None)
        if size is not None:  # it was cut
            assert int(size) == len(had) > len(kept), f"{at}: {part} had {size} bytes"
            had = had[:len(kept)]
        assert kept == had, f"{at}: {part} {kept!r:.99} is not {had!r:.99}"
    assert not told, f"{at}: {told}"
    return place


def check(world, parse):
    """Fails unless the committed output is exactly what the source calls for. Returns counts."""
    histories, bad = expected_history(world)
    newest = {}
    records = read_all(world, f"{world.name}-interests")
    for record in records:
        user, generation, events, partition, offset, time_ms = parse(record)
        at = f"record {record.partition}:{record.offset} of {user}"
        assert record.key.decode() == user, f"{at}: key {record.key}"
        assert generation == 1, f"{at}: generation {generation}"
        assert user in histories, f"{at}: no such user"
        assert 0 < events <= len(histories[user]), f"{at}: n = {events}"
        assert events > newest.get(user, 0), f"{at}: n = {events} after {newest.get(user)}"
        place = (partition, offset, time_ms)
        assert place == histories[user][events - 1], f"{at}: {place}"
        assert record.partition == partition, f"{at}: of source partition {partition}"
        newest[user] = events
    for user, history in histories.items():
        assert newest.get(user) == len(history), f"{user}: {newest.get(user)} of {len(history)}"
    letters = []
    for record in read_all(world, f"{world.name}-dead-letters"):
        place = check_letter(world, record, bad)
        assert place[0] == record.partition, f"letter of {place} in partition {record.partition}"
        letters.append(place)
    assert len(letters) == len(set(letters)), "repeated dead letters"
    assert set(letters) == bad.keys(), f"dead letters {set(letters) ^ bad.keys()}"
    return {"users": len(histories), "events": sum(map(len, histories.values())),
            "records": len(records), "dead_letters": len(letters)}


def verify(world, expected=0, *arguments, **settings):
    """The program's own proof, which computes every record again; returns its output. `expected`
    is its exit code, None: any."""
    done = subprocess.run([BRAID, "verify", "--config", world.config, "--state.dir=/nowhere",
                           *world.options(), *arguments,
                           *(f"--{key}={value}" for key, value in settings.items())],
                          capture_output=True, text=True)
    said = done.stderr + done.stdout
    assert expected in (None, done.returncode), f"verify: {done.returncode}\n{said}"
    return said


def numbers(said):
    """The fields of verify's last line."""
    return dict(word.split("=") for word in said.strip().splitlines()[-1].split()[1:])
