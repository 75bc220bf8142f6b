#!/usr/bin/env python3
"""online.py BRAID DATA SET [ARM ...] [--seeds N] [--out FOLDER] - a job that learns as it reads a log.

DATA is a folder with the logs, SET one of those below, put into time order. Each arm is `braid run`
on the whole log, its generations trained inside the job at the same places of it, at the same rate;
how well the generation that served predicted each event before it absorbed it is read from
model.dir/curve.csv:

    self            goes on from what serves (the defaults)
    self-rehearsal  the same, and learns the whole histories of a fifth of the users again
    frozen          adopts the first generation, and never again
    retrain         draws each generation anew and learns from everything so far
    limarec, mimn   as self, with another model (only when named)

Prints a line for each, and for counting on the same events:

    case=SET-self hr20=0.0590 ndcg20=0.0220 mrr=... hr20_sd=0.0010 ... compute_share=0.091 seeds=3
    case=SET-transitions hr20=0.0751 ...

Figures are means over --seeds seeds (1), hr20_sd their standard deviation. compute_share is the
processor time that training took, as a share of what retrain took; it is 1 for retrain, and not said
if retrain did not run. With --out, FOLDER gets SET.csv (NDCG@20 of the first seed by position, a
column an arm) and SET.svg.
"""

import csv
import os
import shutil
import statistics
import subprocess
import sys
import tempfile

from ranking import Log, SETS
from training import SHARED, command_line

GDELTA = ["--train.dimensions=H=2,K=1"]  # `gdelta` of training.py
ARMS = {
    "retrain": [*GDELTA, "--train.fresh=true"],
    "self": GDELTA,
    "self-rehearsal": [*GDELTA, "--train.rehearsal=0.2"],
    # The candidates are made and thrown away; one pass costs least.
    "frozen": [*GDELTA, "--train.margin=1", "--train.epochs=1"],
}
OTHERS = {
    "limarec": ["--train.model=limarec", "--train.dimensions=K=1"],
    "mimn": ["--train.model=mimn"],
}
FIGURES = ("hr20", "ndcg20", "mrr")
KINDS = ("newcomers", "regulars", "returners")
COUNTING = ("transitions", "popularity")


class Online(Log):
    """The log in time order: that of a table of ratings is nearly so."""

    def __init__(self, *arguments):
        super().__init__(*arguments)
        path = os.path.join(self.folder, f"{self.name}.tsv")
        with open(path, encoding="utf-8") as file:
            events = sorted(file, key=lambda line: int(line.split("\t")[2]))
        with open(path, "w", encoding="utf-8") as file:
            file.writelines(events)

    def rounds(self, arm, seed):
        """The rows of the arm's curve."""
        job = os.path.join(self.folder, f"{arm}-{seed}")
        self.run("run", "--model.checkpoint=", "--train.enabled=true", f"--state.dir={job}/state",
                 f"--output.dir={job}/output", f"--model.dir={job}/models",
                 f"--train.dropout={SHARED[self.name][1]['dropout']}", f"--train.seed={seed}",
                 *{**ARMS, **OTHERS}[arm])
        with open(f"{job}/models/curve.csv", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        shutil.rmtree(job)
        return rows


def mean(runs, column, events="events"):
    """Of the events of all rows of all runs."""
    rows = [row for rows in runs for row in rows]
    count = sum(int(row[events]) for row in rows)
    return sum(int(row[events]) * float(row[column]) for row in rows) / max(count, 1)


def per_run(runs, matches):
    """Of the rows that match, for a run."""
    return sum(matches(row) for rows in runs for row in rows) / len(runs)


def seconds(runs):
    return per_run(runs, lambda row: float(row["train_cpu_s"]))


def describe(runs, retrain):
    hits = [mean([rows], "hr20") for rows in runs]
    parts = [f"{name}={mean(runs, name):.4f}" for name in FIGURES]
    parts += [f"hr20_sd={statistics.stdev(hits) if len(hits) > 1 else 0:.4f}"]
    parts += [f"{kind}_ndcg20={mean(runs, f'{kind}_ndcg20', f'{kind}_events'):.4f}"
              for kind in KINDS]
    parts += [f"events={per_run(runs, lambda row: int(row['events'])):.0f}",
              f"rounds={per_run(runs, lambda row: 1):.1f}",
              f"adopted={per_run(runs, lambda row: row['verdict'] == 'adopted'):.1f}",
              f"train_cpu_s={seconds(runs):.1f}"]
    if retrain:
        parts.append(f"compute_share={seconds(runs) / seconds(retrain):.3f}")
    return " ".join([*parts, f"seeds={len(runs)}"])


def write_curves(bench, curves, counted, folder):
    """SET.csv with a column for each arm and for counting, and its picture."""
    path, names = os.path.join(folder, f"{bench.name}.csv"), [*curves, *COUNTING]
    os.makedirs(folder, exist_ok=True)
    with open(path, "w", encoding="utf-8") as file:
        file.write(",".join(["position", *names]) + "\n")
        for at, row in enumerate(counted):
            if int(row["events"]) == 0:
                continue
            values = [rows[at]["ndcg20"] for rows in curves.values()]
            values += [row[f"{name}_ndcg20"] for name in COUNTING]
            file.write(",".join([row["position"], *values]) + "\n")
    subprocess.run([bench.braid, "inspect", "curve", path, "--columns", ",".join(["position", *names]),
                    "--plot", path[:-4] + ".svg"], check=True, stdout=subprocess.DEVNULL)


def main(arguments):
    curves, everything = {}, None
    with tempfile.TemporaryDirectory() as folder:
        bench = Online(arguments.braid, arguments.data, arguments.set, folder)
        # What the others are a share of comes first.
        for arm in sorted(arguments.runs or ARMS, key=lambda arm: arm != "retrain"):
            runs = [bench.rounds(arm, seed) for seed in range(1, arguments.seeds + 1)]
            everything = runs if arm == "retrain" else everything
            curves[arm] = runs[0]
            print(f"case={bench.name}-{arm} {describe(runs, everything)}", flush=True)
    counted = next(iter(curves.values()))
    for name in COUNTING:
        print(f"case={bench.name}-{name} hr20={mean([counted], f'{name}_hr20'):.4f} "
              f"ndcg20={mean([counted], f'{name}_ndcg20'):.4f}")
    if arguments.out:
        write_curves(bench, curves, counted, arguments.out)


if __name__ == "__main__":
    logs = [name for name in SETS if SETS[name][1] == "prequential"]
    line = command_line(__doc__, logs, [*ARMS, *OTHERS])
    line.add_argument("--seeds", type=int, default=1)
    line.add_argument("--out")
    parsed = line.parse_args()
    for unknown in set(parsed.runs) - {*ARMS, *OTHERS}:
        sys.exit(f"no arm '{unknown}': {' '.join([*ARMS, *OTHERS])}")
    main(parsed)
