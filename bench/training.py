#!/usr/bin/env python3
"""training.py BRAID DATA SET [RUN ...] [--seeds N] [--keep FOLDER] [--protocol NAME] [--genres]
 - train on a public log, then rank it.

DATA is a folder with the logs, SET one of those below, RUN a row of its table (all of them unless
given). Each run makes a generation 1, trains it without what the protocol asks for, and ranks the
whole catalogue. Prints one line a run as it is done, then the best and what counting reaches:

    case=gdelta hr10=0.2950 ndcg10=0.1640 minutes=8.4 set=ml1m seeds=1
    case=best run=gdelta hr10=... hr10_sd=... ndcg10=... minutes=... seeds=3
    case=transitions hr10=0.2604 ...
    case=popularity hr10=0.0364 ...

The best run is trained with --seeds seeds (3), the others with one. With --keep the generations stay
in FOLDER, and a run whose generation is there already is only ranked.

--protocol=user-split trains without a tenth of the users and ranks for them, as the ComiRec paper
does: recall20, ndcg20, hr20 and the same at 50. A generation is of one protocol. --genres gives the
items their genres as categories, of which models are told all (--tags=true), and adds how far
interests follow them (nmi_..., shuffled_...; of items' groups and of users' interests, by an item's
first genre, its second, ...) and how much of a user's genres a list of 10 has (categories10);
beauty has none.
"""

import argparse
import csv
import os
import statistics
import sys
import tempfile

from ranking import GENRES, SETS, Log, agreement_numbers, numbers, split_numbers

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


def shown(value, digits):
    """Some figures are of several interests, or of models alone."""
    return "-" if value is None else f"{value:.{digits}f}"


def minutes(path):
    """Of the epochs, which the curve beside the generation has kept; 0 without one."""
    if not os.path.exists(f"{path}.csv"):
        return 0.0
    with open(f"{path}.csv", encoding="utf-8") as file:
        return sum(float(row["seconds"]) for row in csv.DictReader(file)) / 60


class Bench(Log):
    runs = RUNS

    def stem(self, run):
        """Generations that learned from something else have other names."""
        other = "" if self.protocol == SETS[self.name][1] else f"-{self.protocol}"
        return os.path.join(self.folder,
                            f"{self.name}{other}{'-genres' if self.genres else ''}-{run}")

    def path(self, run, seed):
        return f"{self.stem(run)}-{seed}.safetensors"

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
        first = f"{self.stem(run)}-first.safetensors"
        if os.path.exists(f"{path}.csv"):
            os.remove(f"{path}.csv")  # of a run that was cut short: a curve is appended to
        init, train = (flags(shared, own) for shared, own in zip(SHARED[self.name], self.runs[run]))
        if not os.path.exists(first):
            tags = ["--tags=true"] if self.genres else []
            self.run("init", f"--model.checkpoint={first}", *init, *tags)
        self.run("train", f"--model.checkpoint={first}", f"--out={path}", "--fresh",
                 f"--seed={seed}", f"--hold-out={self.protocol}", f"--curve={path}.csv", *train)

    def rank(self, path):
        """The model's result, and those of both baselines by name."""
        results, _ = self.evaluate([path])
        return results[2], {result["name"]: result for result in results[:2]}

    def describe(self, result):
        figures = split_numbers if self.protocol == "user-split" else numbers
        lists = f" categories10={shown(result['cuts'][0]['categories'], 4)}" if self.genres else ""
        return f"{figures(result)}{lists}"


def show(bench, run, path):
    """A line of the run; of sine one by its intent, and one by its interests. The first, and baselines."""
    results, agreements = bench.evaluate([path])  # both baselines first
    more = f" {agreement_numbers(agreements)}" if agreements else ""
    for result in results[2:]:
        by = result["name"].partition(" by ")[2]
        print(f"case={run}{'-by-' + by if by else ''} {bench.describe(result)} "
              f"interests={shown(result['interests'], 2)} cosine={shown(result['cosine'], 3)} "
              f"idle={shown(result['idle'], 3)}{more} minutes={minutes(path):.1f} set={bench.name} "
              f"protocol={bench.protocol} seeds=1", flush=True)
    return results[2], {result["name"]: result for result in results[:2]}


def averages(results):
    """Means over seeds, and the deviation of the hit rates, at 10, 20 and 50."""
    said = []
    for cut, n in enumerate((10, 20, 50)):
        hits, gains, recalls = ([result["cuts"][cut][key] for result in results]
                                for key in ("hit_rate", "ndcg", "recall"))
        spread = statistics.stdev(hits) if len(hits) > 1 else 0.0
        said.append(f"hr{n}={statistics.mean(hits):.4f} hr{n}_sd={spread:.4f} "
                    f"ndcg{n}={statistics.mean(gains):.4f} recall{n}={statistics.mean(recalls):.4f}")
    return " ".join(said)


def main(arguments):
    if arguments.genres and arguments.set not in GENRES:
        sys.exit(f"--genres: {arguments.set} has none")
    bench = Bench(arguments.braid, arguments.data, arguments.set, arguments.keep,
                  arguments.protocol, arguments.genres)
    results, baselines = {}, {}
    for run in arguments.runs or ALL:
        path = bench.generation(run)
        result, baselines = show(bench, run, path)
        results[run] = [(result, minutes(path))]
    best = max(results, key=lambda run: results[run][0][0]["cuts"][0]["hit_rate"])
    for seed in range(2, arguments.seeds + 1):
        path = bench.generation(best, seed)
        results[best].append((bench.rank(path)[0], minutes(path)))
    print(f"case=best run={best} {averages([result for result, _ in results[best]])} "
          f"minutes={statistics.mean(m for _, m in results[best]):.1f} set={bench.name} "
          f"protocol={bench.protocol} seeds={len(results[best])}")
    for name, result in baselines.items():
        print(f"case={name} {bench.describe(result)} set={bench.name} protocol={bench.protocol}")


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
    line.add_argument("--protocol", choices=["leave-one-out", "user-split", "prequential"])
    line.add_argument("--genres", action="store_true")
    start(line, ALL, main)
