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
import os
import statistics
import sys
import tempfile

from ranking import Log, numbers

# What all runs of a set share: options of `braid init`, and of `braid train`. A run may have others.
# ml1m has no clock of its own.
SHARED = {
    "ml1m": ({"use-gap": "false"},
             {"epochs": 8, "rate": 0.004, "final-share": 0.05}),
    "beauty": ({},
               {"epochs": 16, "rate": 0.002, "final-share": 0.05, "dropout": 0.4}),
    "movietweetings": ({},
                       {"epochs": 8, "rate": 0.002, "final-share": 0.05, "dropout": 0.3}),
    "ml-latest-small": ({},
                        {"epochs": 16, "rate": 0.002, "final-share": 0.05, "dropout": 0.4,
                         "sequences": 8}),
}

# name: options of init, options of train. K is `interests`; `max` is the read-out unless said.
GDELTA = {"model": "gdelta", "heads": 2}
LIMAREC = {"model": "limarec", "interests": 4}
EXTRACT = {**LIMAREC, "conditional": "false"}
BRIEF = {"epochs": 4}  # enough to compare reads, read-outs and K
RUNS = {
    "gdelta": ({**GDELTA, "interests": 1}, {}),
    "gdelta-long": ({**GDELTA, "interests": 1}, {"epochs": 16}),
    "gdelta-k4": ({**GDELTA, "interests": 4}, {}),
    "limarec": ({**LIMAREC, "interests": 1}, {}),
    "mimn": ({"model": "mimn"}, {}),
    "mind": ({"model": "mind"}, {"readout": "label-aware", "power": 2, "cuts": 32}),
    "comirec-dr": ({"model": "comirec-dr"}, {"cuts": 32}),
    "comirec-sa": ({"model": "comirec-sa"}, {"cuts": 32}),
    "comirec-sa-life": ({"model": "comirec-sa", "positions": "false"}, {}),
    "hpmn": ({"model": "hpmn"}, {}),
    "lru": ({"model": "lru"}, {}),
    "sine": ({"model": "sine", "intent-cosine": "true"}, {"cuts": 32}),
    "octopus": ({"model": "octopus"}, {}),
    "octopus-hard": ({"model": "octopus"}, {"readout": "hard"}),
    "single": ({"model": "single"}, {}),
    "brief-limarec": ({**LIMAREC, "interests": 1}, BRIEF),
    "brief-limarec-k4": (LIMAREC, BRIEF),
    "brief-limarec-k4-hard": (LIMAREC, {**BRIEF, "readout": "hard"}),
    "brief-limarec-k4-label": (LIMAREC, {**BRIEF, "readout": "label-aware"}),
    "brief-limarec-k4-extract": (EXTRACT, BRIEF),
    "brief-limarec-k4-extract-hard": (EXTRACT, {**BRIEF, "readout": "hard"}),
}

# Ledgers are not trained: they run on the items of `single`, which learns cosines of means, with the
# options of models.md or with a short memory. The clock of ml1m is made up, a second an event, so its
# half-lives are events.
LEDGERS = {
    "ledger": lambda _: {},
    "ledger-recent": lambda name: {"half-life-days": 3e-5 if name == "ml1m" else 3,
                                   "publish-mass": 0.5},
}
ALL = [*RUNS, *LEDGERS]


def flags(*options):
    """--NAME=VALUE of each; a later one counts."""
    merged = {name: value for some in options for name, value in some.items()}
    return [f"--{name}={value}" for name, value in merged.items()]


def minutes(path):
    """Of the epochs, which the curve beside the generation has kept; 0 without one."""
    if not os.path.exists(f"{path}.csv"):
        return 0.0
    with open(f"{path}.csv", encoding="utf-8") as file:
        return sum(float(row["seconds"]) for row in csv.DictReader(file)) / 60


class Bench(Log):
    runs = RUNS

    def path(self, run, seed):
        return os.path.join(self.folder, f"{self.name}-{run}-{seed}.safetensors")

    def generation(self, run, seed=1):
        """Path of the run's generation, made now if it is not there."""
        path = self.path(run, seed)
        if os.path.exists(path):
            return path
        if run in LEDGERS:
            self.run("init", f"--model.checkpoint={path}", "--model=ledger", "--items-from",
                     self.generation("single"), *flags(LEDGERS[run](self.name)))
        else:
            self.train(run, seed, path)
        return path

    def train(self, run, seed, path):
        first = os.path.join(self.folder, f"{self.name}-{run}-first.safetensors")
        if os.path.exists(f"{path}.csv"):
            os.remove(f"{path}.csv")  # of a run that was cut short: a curve is appended to
        init, train = (flags(shared, own) for shared, own in zip(SHARED[self.name], self.runs[run]))
        if not os.path.exists(first):
            self.run("init", f"--model.checkpoint={first}", *init)
        self.run("train", f"--model.checkpoint={first}", f"--out={path}", "--fresh",
                 f"--seed={seed}", f"--hold-out={self.protocol}", f"--curve={path}.csv", *train)

    def rank(self, path):
        """The model's result, and those of both baselines by name."""
        results = self.evaluate([path])  # both baselines first; of sine by its intent, then the rest
        return results[2], {result["name"]: result for result in results[:2]}


def main(arguments):
    bench = Bench(arguments.braid, arguments.data, arguments.set, arguments.keep)
    results, baselines = {}, {}
    for run in arguments.runs or ALL:
        path = bench.generation(run)
        result, baselines = bench.rank(path)
        results[run] = [(result, minutes(path))]
        print(f"case={run} {numbers(result)} interests={result['interests']:.2f} "
              f"minutes={minutes(path):.1f} set={bench.name} seeds=1", flush=True)
    best = max(results, key=lambda run: results[run][0][0]["cuts"][0]["hit_rate"])
    for seed in range(2, arguments.seeds + 1):
        path = bench.generation(best, seed)
        results[best].append((bench.rank(path)[0], minutes(path)))
    hits = [result["cuts"][0]["hit_rate"] for result, _ in results[best]]
    gains = [result["cuts"][0]["ndcg"] for result, _ in results[best]]
    spread = statistics.stdev(hits) if len(hits) > 1 else 0.0
    print(f"case=best run={best} hr10={statistics.mean(hits):.4f} hr10_sd={spread:.4f} "
          f"ndcg10={statistics.mean(gains):.4f} "
          f"minutes={statistics.mean(m for _, m in results[best]):.1f} set={bench.name} "
          f"seeds={len(hits)}")
    for name, result in baselines.items():
        print(f"case={name} {numbers(result)} set={bench.name}")


def command_line(doc, sets, runs):
    parser = argparse.ArgumentParser(description=doc,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("braid")
    parser.add_argument("data")
    parser.add_argument("set", choices=sets)
    parser.add_argument("runs", nargs="*", metavar="RUN", help=" ".join(runs))
    parser.add_argument("--keep")
    return parser


def start(parser, runs, main):
    """Runs `main` with a folder, which it keeps or not."""
    parsed = parser.parse_args()
    for unknown in set(parsed.runs) - set(runs):
        sys.exit(f"no run '{unknown}': {' '.join(runs)}")
    if parsed.keep:
        os.makedirs(parsed.keep, exist_ok=True)
        main(parsed)
    else:
        with tempfile.TemporaryDirectory() as parsed.keep:
            main(parsed)


if __name__ == "__main__":
    line = command_line(__doc__, SHARED, ALL)
    line.add_argument("--seeds", type=int, default=3)
    start(line, ALL, main)
