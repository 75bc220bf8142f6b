#!/usr/bin/env python3
"""adaptive.py BRAID DATA SET [RUN ...] [--keep FOLDER] - how many interests a user should have.

Fixed K against the three ways in which K adapts, each user ranked with equally many candidates:
selection at read time out of K = 16 (the same parameters as the fixed ones), MIND's log2 rule, and
the ledger on trained item vectors. Models are trained as training.py does its brief runs. Prints one
line a run:

    case=brief-gdelta-k16-select set=ml1m hr10=... ndcg10=... hr20=... interests=5.31 cosine=... idle=...
    q1=... q2=... q3=... q4=... k1=... k2=... k3=... k4=...

q1 .. q4 are the hit rates at 10 of the users (or events) with the shortest to the longest histories,
a quarter each; k1 .. k4 how many interests they have on average.
"""

from ranking import numbers
from training import BRIEF, GDELTA, LEDGERS, RUNS, SHARED, Bench, command_line, flags, start

FIXED = (1, 2, 4, 8, 16)
MIND, MIND_TRAINING = RUNS["mind"]
TRAINED = {
    # Some samples of each history: all of them would make K = 16 five times as expensive as K = 1.
    **{f"brief-gdelta-k{k}": ({**GDELTA, "interests": k}, {**BRIEF, "cuts": 64}) for k in FIXED},
    **{f"brief-mind-k{k}": ({**MIND, "interests": k, "fixed-interests": "true"},
                            {**MIND_TRAINING, **BRIEF}) for k in FIXED},
    "brief-mind-k16-log2": ({**MIND, "interests": 16}, {**MIND_TRAINING, **BRIEF}),
    "single": RUNS["single"],
}

# What only changes how a trained generation is read: its run, and options of `braid train`.
SELECTED = {
    "brief-gdelta-k16-select": ("brief-gdelta-k16", {"select": "true"}),
    "brief-gdelta-k16-select-more": ("brief-gdelta-k16", {"select": "true", "residual-min": 0.1}),
}


class Adaptive(Bench):
    runs = TRAINED

    def train(self, run, seed, path):
        if run in TRAINED:
            super().train(run, seed, path)
            return
        source, options = SELECTED[run]
        self.run("train", f"--model.checkpoint={self.generation(source)}", f"--out={path}",
                 "--epochs=0", f"--hold-out={self.protocol}", *flags(options))


def main(arguments):
    bench = Adaptive(arguments.braid, arguments.data, arguments.set, arguments.keep)
    for run in arguments.runs or ALL:
        result, _ = bench.rank(bench.generation(run))
        quarters = list(enumerate(result["quartiles"], 1))
        hits = " ".join(f"q{i}={quarter['hit_rate']:.4f}" for i, quarter in quarters)
        live = " ".join(f"k{i}={quarter['interests']:.2f}" for i, quarter in quarters)
        print(f"case={run} set={bench.name} {numbers(result)} interests={result['interests']:.2f} "
              f"cosine={result['cosine']:.3f} idle={result['idle']:.3f} {hits} {live}", flush=True)


ALL = [*TRAINED, *SELECTED, *LEDGERS]

if __name__ == "__main__":
    start(command_line(__doc__, SHARED, ALL), ALL, main)
