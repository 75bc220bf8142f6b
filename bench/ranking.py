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


def main(braid, data, name, checkpoints):
    events, protocol = SETS[name]
    with tempfile.TemporaryDirectory() as folder:
        log = os.path.join(folder, "log.tsv")
        with open(log, "w", encoding="utf-8") as file:
            for user, item, second in events(data):
                file.write(f"{user}\t{item}\t{second}\n")
        settings = [f"--source.path={log}", "--source.format=tsv", "--source.header=false",
                    "--source.fields.user=1", "--source.fields.item=2", "--source.fields.time=3",
                    "--source.time=s", "--source.time_min=1970-01-01", "--log.quiet=true"]
        if not checkpoints:
            checkpoints = [os.path.join(folder, "generation-1.safetensors")]
            subprocess.run([braid, "init", *settings, f"--model.checkpoint={checkpoints[0]}"],
                           check=True, stdout=subprocess.DEVNULL)
        for checkpoint in checkpoints:
            settings += ["--checkpoint", checkpoint]
        said = subprocess.run([braid, "evaluate", *settings, "--protocol", protocol, "--json"],
                              check=True, stdout=subprocess.PIPE).stdout
    for result in json.loads(said)["results"]:
        at10, at20 = result["cuts"][0], result["cuts"][1]
        print(f"case={result['name'].replace(' ', '-')} set={name} protocol={protocol} "
              f"hr10={at10['hit_rate']:.4f} ndcg10={at10['ndcg']:.4f} hr20={at20['hit_rate']:.4f} "
              f"interests={result['interests']:.2f} seconds={result['seconds']:.1f}")


if __name__ == "__main__":
    if len(sys.argv) < 4 or sys.argv[3] not in SETS:
        sys.exit(f"{__doc__}\nSET: {' '.join(SETS)}")
    main(sys.argv[1], sys.argv[2], sys.argv[3], sys.argv[4:])
