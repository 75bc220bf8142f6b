#!/usr/bin/env python3
"""Histories from gzipped files into the companions of a Kafka job, and that job's first commit.

    seed.py BRAID [EVENTS]    `./run bench seed`: 10 million events, 100,000 users by Zipf's law, 20 files

Prints case=seed with the events a second of `braid seed` (all of it, and its reading alone), and the
seconds from the start of `braid run` to its first commit behind the cut. The broker runs on the same
cores. ceiling_events_per_s is what gzip and a count of lines alone take of the same files, one core.
"""

import bisect
import gzip
import itertools
import json
import os
import pathlib
import random
import re
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests" / "kafka"))

USERS, ITEMS, FILES, BEHIND = 100_000, 50_000, 20, 20_000
BASE_MS = 1700000000000


def lines(count, seed):
    """Events as JSON lines, one a millisecond."""
    draw = random.Random(seed)
    weights = list(itertools.accumulate(1 / (rank + 1) for rank in range(USERS)))
    top = weights[-1]
    for number in range(count):
        user = bisect.bisect(weights, draw.random() * top)
        item = int(ITEMS * draw.random() ** 3)
        yield user, (f'{{"user":"user-{user}","item":"i{item}","time":{BASE_MS + number},'
                     f'"action":"view"}}\n')


def write_files(folder, events):
    source = lines(events, 7)
    for file in range(FILES):
        part = itertools.islice(source, events // FILES)
        with gzip.open(folder / f"day-{file:02d}.jsonl.gz", "wt", compresslevel=1) as out:
            out.writelines(line for _, line in part)


def ceiling(folder, events):
    begun = time.monotonic()
    subprocess.run(f"zcat {folder}/*.gz | wc -l", shell=True, check=True, stdout=subprocess.DEVNULL)
    return events / (time.monotonic() - begun)


def main():
    braid, events = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 10_000_000
    os.environ["TEST_BRAID"] = braid
    import harness
    from cluster import Cluster
    with Cluster() as cluster, tempfile.TemporaryDirectory(prefix="braid-bench-seed-") as name:
        folder = pathlib.Path(name)
        (folder / "days").mkdir()
        write_files(folder / "days", events)
        world = harness.World(cluster, harness.make_checkpoint(folder), "bench-seed")
        feed = harness.Feed(world)
        cut = BASE_MS + events
        behind = [dict(feed.event(), time=cut + n) for n in range(BEHIND)]
        feed.wait([feed.producer.send(world.name, json.dumps(event).encode(),
                                      event["user"].encode(), timestamp_ms=event["time"])
                   for event in behind])
        top = ceiling(folder / "days", events)
        moment = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(cut // 1000)) + f".{cut % 1000:03d}Z"
        cpu = cluster.cpu_seconds()
        done = subprocess.run([braid, "seed", "--config", world.config, "--files", folder / "days",
                               "--cut", moment, f"--state.dir={world.directory}/state-a",
                               "--job.commit_interval=1s"], capture_output=True, text=True)
        if done.returncode:
            sys.exit(done.stderr)
        said = dict(re.findall(r"(\w+)=(\S+)", done.stdout.splitlines()[-1]))
        group = harness.Group(world)
        cuts = group.offsets()
        begun = time.monotonic()
        job = harness.Job(world)
        while group.offsets() == cuts:
            assert job.process.poll() is None, job.tail()
            time.sleep(0.02)
        first = time.monotonic() - begun
        job.stop()
        group.close()
        print(f"case=seed events={said['events']} users={said['users']} "
              f"events_per_s={said['events_per_s']} read_events_per_s="
              f"{events / float(said['read_seconds']):.0f} ceiling_events_per_s={top:.0f} "
              f"broker_cpu_s={cluster.cpu_seconds() - cpu:.1f} first_commit_s={first:.2f}")
        feed.close()


if __name__ == "__main__":
    main()
