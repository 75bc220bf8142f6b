#!/usr/bin/env python3
"""ranking.py BRAID DATA SET [CHECKPOINT ...] - how well models and baselines rank a public log.

DATA is a folder with the logs, SET one of those below. Each is put into time order as a table of
user, item, seconds; a generation 1 is made for its dictionary unless checkpoints are given, and
`braid evaluate` does the rest. Prints one line for each ranker:

    case=transitions set=ml1m protocol=leave-one-out hr10=0.2604 ndcg10=0.1504 hr20=... seconds=0.7

Popularity and transitions check the protocol: on ml1m they are 0.0364 and 0.2604 (HR@10), on beauty
0.0135 and 0.0833.
"""

import csv
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


GENRES_MAX = 8  # of an item, as many as it may have categories


def ml1m_genres(data):
    """The set has numbered its items anew."""
    with open(f"{data}/ml1m/sas_to_original_items.txt", encoding="utf-8") as file:
        renamed = {original: item for item, original in map(str.split, file)}
    with gzip.open(f"{data}/ml1m/movies.dat.gz", "rt", encoding="latin-1") as file:
        for line in file.read().splitlines():
            original, _, genres = line.split("::")
            if original in renamed:
                yield renamed[original], genres


def movietweetings_genres(data):
    for line in lines(f"{data}/movietweetings/items.tsv.gz")[1:]:
        item, _, genres = line.split("\t")
        yield item, genres


def ml_latest_small_genres(data):
    for row in list(csv.reader(lines(f"{data}/ml-latest-small/movies.csv.gz")))[1:]:
        yield row[0], "" if row[2].startswith("(no genres") else row[2]


GENRES = {
    "ml1m": ml1m_genres,
    "movietweetings": movietweetings_genres,
    "ml-latest-small": ml_latest_small_genres,
}

SETS = {
    "ml1m": (ml1m, "leave-one-out"),
    "beauty": (beauty, "leave-one-out"),
    "movietweetings": (movietweetings, "prequential"),
    "ml-latest-small": (ml_latest_small, "prequential"),
}


class Log:
    """A public log as a table in `folder`, with its items' genres or without, and the program run on it."""

    def __init__(self, braid, data, name, folder, protocol=None, genres=False):
        self.braid, self.name, self.folder = braid, name, folder
        events, usual = SETS[name]
        self.protocol, self.genres = protocol or usual, genres
        path = os.path.join(folder, f"{name}{'-genres' if genres else ''}.tsv")
        of_item = {item: some.split("|")[:GENRES_MAX] for item, some in GENRES[name](data)} if genres else {}
        with open(path, "w", encoding="utf-8") as file:
            for user, item, second in events(data):
                cells = [user, item, str(second)]
                if genres:
                    some = of_item.get(item, [])
                    cells += some + [""] * (GENRES_MAX - len(some))
                file.write("\t".join(cells) + "\n")
        self.settings = [f"--source.path={path}", "--source.format=tsv", "--source.header=false",
                         "--source.fields.user=1", "--source.fields.item=2",
                         "--source.fields.time=3", "--source.time=s",
                         "--source.time_min=1970-01-01", "--log.quiet=true"]
        if genres:
            columns = ",".join(str(4 + i) for i in range(GENRES_MAX))
            self.settings.append(f"--source.fields.category={columns}")

    def run(self, command, *options):
        return subprocess.run([self.braid, command, *self.settings, *options], check=True,
                              stdout=subprocess.PIPE).stdout

    def evaluate(self, checkpoints):
        """The results of the baselines, then of the checkpoints; how far they follow genres."""
        named = [word for path in checkpoints for word in ("--checkpoint", path)]
        more = ["--explain"] if self.genres else []
        said = json.loads(self.run("evaluate", *named, "--protocol", self.protocol, "--json", *more))
        return said["results"], said["agreements"]


def numbers(result):
    at10, at20 = result["cuts"][0], result["cuts"][1]
    return (f"hr10={at10['hit_rate']:.4f} ndcg10={at10['ndcg']:.4f} "
            f"hr20={at20['hit_rate']:.4f}")


def split_numbers(result):
    """What the ComiRec paper prints, at 20 and at 50, and the same at 10."""
    return " ".join(f"recall{cut['n']}={cut['recall']:.4f} ndcg{cut['n']}={cut['ndcg']:.4f} "
                    f"hr{cut['n']}={cut['hit_rate']:.4f}" for cut in result["cuts"])


def agreement_numbers(agreements):
    """NMI of the groups of items, and of users' interests, with genres, each beside shuffled labels'."""
    said = []
    for line in agreements:
        for part in ("items", "users"):
            at, place = line[part], f"{part}_{line['level'] + 1}"
            if at["count"]:
                said.append(f"nmi_{place}={at['nmi']:.4f} shuffled_{place}={at['shuffled']:.4f}")
        if line["groups"] and line["level"] == 0:
            said.append(f"groups={line['groups_used']}/{line['groups']}")
    return " ".join(said)


def main(braid, data, name, checkpoints):
    with tempfile.TemporaryDirectory() as folder:
        log = Log(braid, data, name, folder)
        if not checkpoints:
            checkpoints = [os.path.join(folder, "generation-1.safetensors")]
            log.run("init", f"--model.checkpoint={checkpoints[0]}")
        results, _ = log.evaluate(checkpoints)
    for result in results:
        print(f"case={result['name'].replace(' ', '-')} set={name} protocol={log.protocol} "
              f"{numbers(result)} interests={result['interests']:.2f} "
              f"seconds={result['seconds']:.1f}")


if __name__ == "__main__":
    if len(sys.argv) < 4 or sys.argv[3] not in SETS:
        sys.exit(f"{__doc__}\nSET: {' '.join(SETS)}")
    main(sys.argv[1], sys.argv[2], sys.argv[3], sys.argv[4:])
