#!/usr/bin/env python3
"""training.py BRAID DATA SET [RUN ...] [--seeds N] [--keep FOLDER] - train on a public log, then rank it.

DATA is a folder with the logs, SET one of those below, RUN a row of its table (all of them unless
given). Each run makes a generation 1, trains it without what the protocol asks for, and ranks the
whole catalogue. Prints one line a run as it is done, then the best and what counting reaches:

    case=gdelta hr10=0.2950 ndcg10=0.1640 minutes=8.4 set=ml1m seeds=1
    case=best run=gdelta hr10=... hr10_sd=... ndcg10=... minutes=... seeds=3
    case=transitions hr10=0.2604 ...
    case=popularity hr10=0.0364 ...

The best run is trained with --seeds seeds (3), the others with one. With --keep the generations stay
in FOLDER, and a run whose generation is there already is only ranked.
"""

import argparse
import csv
import json
import os
import statistics
import subprocess
import sys
import tempfile

from ranking import SETS

# What all runs of a set share: options of `braid init`, and of `braid train`. A run may have others.
# ml1m has no clock of its own.
SHARED = {
    "ml1m": ({"use-gap": "false"},
             {"epochs": 8, "rate": 0.004, "final-share": 0.05}),
    "beauty": ({},
               {"epochs": 16, "rate": 0.002, "final-share": 0.05, "dropout": 0.4}),
    "movietweetings": ({},
                       {"epochs": 12, "rate": 0.002, "final-share": 0.05, "dropout": 0.3}),
    "ml-latest-small": ({},
                        {"epochs": 16, "rate": 0.002, "final-share": 0.05, "dropout": 0.4,
                         "sequences": 8}),
}

# name: options of init, options of train. K is `interests`; `max` is the read-out unless said.
GDELTA = {"model": "gdelta", "heads": 2}
LIMAREC = {"model": "limarec", "interests": 4}
EXTRACT = {**LIMAREC, "conditional": "false"}
BRIEF = {"epochs": 4} # enough to compare reads and read-outs
RUNS = {
    "gdelta": ({**GDELTA, "interests": 1}, {}),
    "gdelta-long": ({**GDELTA, "interests": 1}, {"epochs": 16}),
    "gdelta-k4": ({**GDELTA, "interests": 4}, {}),
    "limarec": ({**LIMAREC, "interests": 1}, {}),
    "mimn": ({"model": "mimn"}, {}),
    "mind": ({"model": "mind"}, {"readout": "label-aware", "power": 2}),
    "single": ({"model": "single"}, {}),
    "brief-limarec": ({**LIMAREC, "interests": 1}, BRIEF),
    "brief-limarec-k4": (LIMAREC, BRIEF),
    "brief-limarec-k4-hard": (LIMAREC, {**BRIEF, "readout": "hard"}),
    "brief-limarec-k4-label": (LIMAREC, {**BRIEF, "readout": "label-aware"}),
    "brief-limarec-k4-extract": (EXTRACT, BRIEF),
    "brief-limarec-k4-extract-hard": (EXTRACT, {**BRIEF, "readout": "hard"}),
}


def flags(*options):
    """--NAME=VALUE of each; a later one counts."""
    merged = {name: value for some in options for name, value in some.items()}
    return [f"--{name}={value}" for name, value in merged.items()]


def minutes(path):
    """Of the epochs, which the curve beside the generation has kept."""
    with open(f"{path}.csv", encoding="utf-8") as file:
        return sum(float(row["seconds"]) for row in csv.DictReader(file)) / 60


class Bench:
    def __init__(self, braid, data, name, folder):
        self.braid, self.name, self.folder = braid, name, folder
        events, self.protocol = SETS[name]
        log = os.path.join(folder, f"{name}.tsv")
        with open(log, "w", encoding="utf-8") as file:
            for user, item, second in events(data):
                file.write(f"{user}\t{item}\t{second}\n")
        self.settings = [f"--source.path={log}", "--source.format=tsv", "--source.header=false",
                         "--source.fields.user=1", "--source.fields.item=2",
                         "--source.fields.time=3", "--source.time=s",
                         "--source.time_min=1970-01-01", "--log.quiet=true"]

    def braid_run(self, command, *options):
        return subprocess.run([self.braid, command, *self.settings, *options], check=True,
                              stdout=subprocess.PIPE).stdout

    def train(self, run, seed):
        """Path of the trained generation, and the minutes that it took."""
        path = os.path.join(self.folder, f"{self.name}-{run}-{seed}.safetensors")
        if os.path.exists(path):
            return path, minutes(path)
        first = os.path.join(self.folder, f"{self.name}-{run}-first.safetensors")
        init, train = (flags(shared, own) for shared, own in zip(SHARED[self.name], RUNS[run]))
        if not os.path.exists(first):
            self.braid_run("init", f"--model.checkpoint={first}", *init)
        self.braid_run("train", f"--model.checkpoint={first}", f"--out={path}", "--fresh",
                       f"--seed={seed}", f"--hold-out={self.protocol}",
                       f"--curve={path}.csv", *train)
        return path, minutes(path)

    def rank(self, path):
        """Results by name: the model's, and both baselines'."""
        said = self.braid_run("evaluate", "--checkpoint", path, "--protocol", self.protocol, "--json")
        results = json.loads(said)["results"]
        baselines = {r["name"].split()[0]: r for r in results[:-1]}
        return results[-1], baselines


def numbers(result):
    at10, at20 = result["cuts"][0], result["cuts"][1]
    return (f"hr10={at10['hit_rate']:.4f} ndcg10={at10['ndcg']:.4f} "
            f"hr20={at20['hit_rate']:.4f}")


def main(arguments):
    bench = Bench(arguments.braid, arguments.data, arguments.set, arguments.keep)
    results, baselines = {}, {}
    for run in arguments.runs or RUNS:
        path, took = bench.train(run, 1)
        result, baselines = bench.rank(path)
        results[run] = [(result, took)]
        print(f"case={run} {numbers(result)} interests={result['interests']:.2f} "
              f"minutes={took:.1f} set={bench.name} seeds=1", flush=True)
    best = max(results, key=lambda run: results[run][0][0]["cuts"][0]["hit_rate"])
    for seed in range(2, arguments.seeds + 1):
        path, took = bench.train(best, seed)
        results[best].append((bench.rank(path)[0], took))
    hits = [result["cuts"][0]["hit_rate"] for result, _ in results[best]]
    gains = [result["cuts"][0]["ndcg"] for result, _ in results[best]]
    spread = statistics.stdev(hits) if len(hits) > 1 else 0.0
    print(f"case=best run={best} hr10={statistics.mean(hits):.4f} hr10_sd={spread:.4f} "
          f"ndcg10={statistics.mean(gains):.4f} "
          f"minutes={statistics.mean(m for _, m in results[best]):.1f} set={bench.name} "
          f"seeds={len(hits)}")
    for name, result in baselines.items():
        print(f"case={name} {numbers(result)} set={bench.name}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("braid")
    parser.add_argument("data")
    parser.add_argument("set", choices=SHARED)
    parser.add_argument("runs", nargs="*", metavar="RUN", help=" ".join(RUNS))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--keep")
    parsed = parser.parse_args()
    for unknown in set(parsed.runs) - set(RUNS):
        sys.exit(f"no run '{unknown}': {' '.join(RUNS)}")
    if parsed.keep:
        os.makedirs(parsed.keep, exist_ok=True)
        main(parsed)
    else:
        with tempfile.TemporaryDirectory() as parsed.keep:
            main(parsed)
