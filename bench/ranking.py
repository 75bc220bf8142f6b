#!/usr/bin/env python3
"""ranking.py BRAID DATA SET [CHECKPOINT ...] - how well models and baselines rank a public log.

DATA is a folder with the logs, SET one of those below. Each is put into time order as a table of
user, item, seconds; a generation 1 is made for its dictionary unless checkpoints are given, and
`braid evaluate` does the rest. Prints one line for each ranker:

    case=transitions set=ml1m protocol=leave-one-out hr10=0.2604 ndcg10=0.1504 hr20=... seconds=0.7

Popularity and transitions check the protocol: on ml1m they are 0.0364 and 0.2604 (HR@10), on beauty
0.0135 and 0.0833.
"""

import gzip
import json
import os
import subprocess
import sys
import tempfile


def lines(path):
    with gzip.open(path, "rt", encoding="utf-8") as file:
        return file.read().splitlines()


def ml1m(data):
    """`user item` a line, each user's in order; a made-up clock keeps the order."""
    for second, line in enumerate(lines(f"{data}/ml1m/ml-1m_sasrec.txt.gz")):
        user, item = line.split()
        yield user, item, second


def beauty(data):
    """Whole days, so many ties: the file's order is each user's order."""
    return table(f"{data}/beauty/events.tsv.gz")


def movietweetings(data):
    return table(f"{data}/movietweetings/events.tsv.gz")


def ml_latest_small(data):
    return table(f"{data}/ml-latest-small/events.tsv.gz")


def table(path):
    for line in lines(path)[1:]:
        second, user, item = line.split("\t")[:3]
        yield user, item, int(second)


SETS = {
    "ml1m": (ml1m, "leave-one-out"),
    "beauty": (beauty, "leave-one-out"),
    "movietweetings": (movietweetings, "prequential"),
    "ml-latest-small": (ml_latest_small, "prequential"),
}


class Log:
    """A public log as a table in `folder`, and the program run on it."""

    def __init__(self, braid, data, name, folder):
        self.braid, self.name, self.folder = braid, name, folder
        events, self.protocol = SETS[name]
        path = os.path.join(folder, f"{name}.tsv")
        with open(path, "w", encoding="utf-8") as file:
            for user, item, second in events(data):
                file.write(f"{user}\t{item}\t{second}\n")
        self.settings = [f"--source.path={path}", "--source.format=tsv", "--source.header=false",
                         "--source.fields.user=1", "--source.fields.item=2",
                         "--source.fields.time=3", "--source.time=s",
                         "--source.time_min=1970-01-01", "--log.quiet=true"]

    def run(self, command, *options):
        return subprocess.run([self.braid, command, *self.settings, *options], check=True,
                              stdout=subprocess.PIPE).stdout

    def evaluate(self, checkpoints):
        """The results of the baselines, then of the checkpoints."""
        named = [word for path in checkpoints for word in ("--checkpoint", path)]
        said = self.run("evaluate", *named, "--protocol", self.protocol, "--json")
        return json.loads(said)["results"]


def numbers(result):
    at10, at20 = result["cuts"][0], result["cuts"][1]
    return (f"hr10={at10['hit_rate']:.4f} ndcg10={at10['ndcg']:.4f} "
            f"hr20={at20['hit_rate']:.4f}")


def main(braid, data, name, checkpoints):
    with tempfile.TemporaryDirectory() as folder:
        log = Log(braid, data, name, folder)
        if not checkpoints:
            checkpoints = [os.path.join(folder, "generation-1.safetensors")]
            log.run("init", f"--model.checkpoint={checkpoints[0]}")
        results = log.evaluate(checkpoints)
    for result in results:
        print(f"case={result['name'].replace(' ', '-')} set={name} protocol={log.protocol} "
              f"{numbers(result)} interests={result['interests']:.2f} "
              f"seconds={result['seconds']:.1f}")


if __name__ == "__main__":
    if len(sys.argv) < 4 or sys.argv[3] not in SETS:
        sys.exit(f"{__doc__}\nSET: {' '.join(SETS)}")
    main(sys.argv[1], sys.argv[2], sys.argv[3], sys.argv[4:])
