#!/usr/bin/env bash
# demo.sh - a real click log alone: the job learns while it reads it, and its output is verified.
# Called by ./run demo, from the root.
#
#     demo.sh PROGRAM [EPOCHS]
set -euo pipefail
braid=$1 epochs=(${2:+--train.first_epochs="$2" --train.epochs="$2"})
work=build/demo # as config/movielens.yaml has it
titles=$work/catalogue.tsv

bold='' plain=''
if [[ -t 1 ]]; then bold=$'\033[1m' plain=$'\033[0m'; fi
step() { printf '\n%s%s%s\n' "$bold" "$*" "$plain"; }

rm -rf "$work"

step "A real click log"
python3 -B demo/events.py "$work" .cache/demo
export BRAID_CONFIG=config/movielens.yaml

step "braid run: from the log to interest vectors; it learns a generation, serves it, and learns the next"
"$braid" run --job.commit_interval=20ms "${epochs[@]}"

step "braid inspect curve: how well the generation that served predicted what came (NDCG@20), beside counting"
"$braid" inspect curve --plot "$work/curve.svg"

step "braid inspect: one user, its behaviors and its interests"
"$braid" inspect user 617 --catalogue "$titles" --last 8

step "braid recommend: the films nearest to each interest of two users"
"$braid" recommend --user 617 --interests --top 5 --catalogue "$titles"
"$braid" recommend --user 426 --interests --top 5 --catalogue "$titles"

step "braid verify: every record computed again from the log"
"$braid" verify

printf '\nThe records are in %s, the curve in %s. Look at users, their interests and what is recommended to\nthem in a browser:\n  ./run explore      then http://127.0.0.1:9474/\nor here:\n  %s recommend --user 22 --interests %s\n' \
    "$work/output" "$work/curve.svg" "$braid" "--config $BRAID_CONFIG --catalogue $titles"
