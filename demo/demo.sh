#!/usr/bin/env bash
# demo.sh - a real click log: train a model on it, serve it with that model, verify the output.
# Called by ./run demo, from the root.
#
#     demo.sh PROGRAM [EPOCHS]
set -euo pipefail
braid=$1 epochs=${2:-25}
work=build/demo # as config/movielens.yaml has it
first=$work/generation-1.safetensors
titles=$work/catalogue.tsv

bold='' plain=''
if [[ -t 1 ]]; then bold=$'\033[1m' plain=$'\033[0m'; fi
step() { printf '\n%s%s%s\n' "$bold" "$*" "$plain"; }

rm -rf "$work"

step "A real click log"
python3 -B demo/events.py "$work" .cache/demo
export BRAID_CONFIG=config/movielens.yaml

step "braid init: generation 1, its parameters drawn from a seed"
"$braid" init --model.checkpoint="$first" --model=gdelta --conditional=false --cosine=true

# Each film trains only the interest nearest to it (hard), and no interest is read in view of the
# latest film (conditional=false): so the four interests of a user differ.
step "braid train: generation 2, about a minute; each user's last film is held back"
"$braid" train --model.checkpoint="$first" --out "$work/model.safetensors" \
    --hold-out leave-one-out --readout=hard --sequences=32 --rate=0.004 --epochs="$epochs"

step "braid evaluate: each of those last films is ranked among all"
"$braid" evaluate | awk '$2 == 10 { rate[$1] = $4 }
    END { printf "HR@10 %s; counting reaches %s by popularity, %s by transitions\n",
        rate["gdelta"], rate["popularity"], rate["transitions"] }'

step "braid run: every event absorbed, every changed user published"
"$braid" run --job.commit_interval=20ms

step "braid inspect: one user, its behaviors and its interests"
"$braid" inspect user 617 --catalogue "$titles" --last 8

step "braid recommend: the films nearest to each interest of two users"
"$braid" recommend --user 617 --interests --top 5 --catalogue "$titles"
"$braid" recommend --user 426 --interests --top 5 --catalogue "$titles"

step "braid verify: every record computed again from the log"
"$braid" verify

printf '\nThe records are in %s. Look at another user:\n  %s recommend --user 22 --interests %s\n' \
    "$work/output" "$braid" "--config $BRAID_CONFIG --catalogue $titles"
