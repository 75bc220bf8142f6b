#!/usr/bin/env python3
"""online.py BRAID DATA SET [ARM ...] [--out FOLDER] - a job that learns while it reads a public log.

DATA is a folder with the logs, SET one of those below, put into time order. Each arm is `braid run`
on the whole log, its generations trained inside the job at the same places of it; how well the
generation that served predicted each event before it absorbed it is read from model.dir/curve.csv:

    self            goes on from what serves (the defaults)
    self-rehearsal  the same, and learns the whole histories of a fifth of the users again
    frozen          adopts the first generation, and never again
    retrain         draws each generation anew and learns from everything so far

Prints a line for each, and for counting on the same events:

    case=SET-self hr20=0.0590 ndcg20=0.0220 mrr=... events=... rounds=... adopted=... train_cpu_s=19.4 compute_share=0.091
    case=SET-transitions hr20=0.0751 ...

compute_share is the processor time that training took, as a share of what retrain took; it is 1 for
retrain, and not said if retrain did not run. With --out, FOLDER gets SET.csv (NDCG@20 by position, a
column an arm) and SET.svg.
"""

import csv
import os
import subprocess
import sys
import tempfile

from ranking import Log, SETS
from training import SHARED, command_line

MODEL = "--train.dimensions=H=2,K=1"  # `gdelta` of training.py
ARMS = {
    "self": [],
    "self-rehearsal": ["--train.rehearsal=0.2"],
    # The candidates are made and thrown away; one pass costs least.
    "frozen": ["--train.margin=1", "--train.epochs=1"],
    "retrain": ["--train.fresh=true"],
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

    def rounds(self, arm):
        """The rows of the arm's curve."""
        job = os.path.join(self.folder, arm)
        self.run("run", "--model.checkpoint=", "--train.enabled=true", f"--state.dir={job}/state",
                 f"--output.dir={job}/output", f"--model.dir={job}/models",
                 f"--train.dropout={SHARED[self.name][1]['dropout']}", MODEL, *ARMS[arm])
        with open(f"{job}/models/curve.csv", encoding="utf-8") as file:
            return list(csv.DictReader(file))


def mean(rows, column, events="events"):
    """Of the events of all rows."""
    count = sum(int(row[events]) for row in rows)
    return sum(int(row[events]) * float(row[column]) for row in rows) / max(count, 1)


def seconds(rows):
    return sum(float(row["train_cpu_s"]) for row in rows)


def describe(rows, retrain):
    parts = [f"{name}={mean(rows, name):.4f}" for name in FIGURES]
    parts += [f"{kind}_ndcg20={mean(rows, f'{kind}_ndcg20', f'{kind}_events'):.4f}" for kind in KINDS]
    parts += [f"events={sum(int(row['events']) for row in rows)}", f"rounds={len(rows)}",
              f"adopted={sum(row['verdict'] == 'adopted' for row in rows)}",
              f"train_cpu_s={seconds(rows):.1f}"]
    if retrain:
        parts.append(f"compute_share={seconds(rows) / seconds(retrain):.3f}")
    return " ".join(parts)


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
    curves = {}
    with tempfile.TemporaryDirectory() as folder:
        bench = Online(arguments.braid, arguments.data, arguments.set, folder)
        # What the others are a share of comes first.
        for arm in sorted(arguments.runs or ARMS, key=lambda arm: arm != "retrain"):
            curves[arm] = bench.rounds(arm)
            print(f"case={bench.name}-{arm} {describe(curves[arm], curves.get('retrain'))}",
                  flush=True)
    counted = next(iter(curves.values()))
    for name in COUNTING:
        print(f"case={bench.name}-{name} hr20={mean(counted, f'{name}_hr20'):.4f} "
              f"ndcg20={mean(counted, f'{name}_ndcg20'):.4f}")
    if arguments.out:
        write_curves(bench, curves, counted, arguments.out)


if __name__ == "__main__":
    line = command_line(__doc__, [name for name in SETS if SETS[name][1] == "prequential"], ARMS)
    line.add_argument("--out")
    parsed = line.parse_args()
    for unknown in set(parsed.runs) - set(ARMS):
        sys.exit(f"no arm '{unknown}': {' '.join(ARMS)}")
    main(parsed)
