#!/usr/bin/env bash
# demo.sh - a real click log through the main job, and the proof. Called by ./run demo, from the root.
#
#     demo.sh PROGRAM
set -euo pipefail
braid=$1
work=build/demo # as config/movielens.yaml has it
titles=$work/catalogue.tsv

bold='' plain=''
if [[ -t 1 ]]; then bold=$'\033[1m' plain=$'\033[0m'; fi
step() { printf '\n%s%s%s\n' "$bold" "$*" "$plain"; }

rm -rf "$work"

step "A real click log"
python3 -B demo/events.py "$work" .cache/demo
export BRAID_CONFIG=config/movielens.yaml

step "braid init: generation 1, its parameters drawn from a seed"
"$braid" init

step "braid run: every event absorbed, every changed user published"
"$braid" run --job.commit_interval=20ms

step "braid inspect: one user, what he did and what that came to"
"$braid" inspect user 196 --catalogue "$titles" --last 8

step "braid verify: every record computed again from the log"
"$braid" verify

printf '\nThe records are in %s. Look at another user:\n  %s inspect user 22 %s\n' "$work/output" \
    "$braid" "--config $BRAID_CONFIG --catalogue $titles"
