#!/usr/bin/env bash
# demo.sh - a real click log through the main job, and the proof. Called by ./run demo, from the root.
#
#     demo.sh PROGRAM
set -euo pipefail
braid=$1
work=.cache/demo
log=$work/events.jsonl
job=(--config demo/demo.yaml --source.path="$log" --model.checkpoint="$work/generation-1.safetensors"
    --state.dir="$work/state" --output.dir="$work/output")

bold='' plain=''
if [[ -t 1 ]]; then bold=$'\033[1m' plain=$'\033[0m'; fi
step() { printf '\n%s%s%s\n' "$bold" "$*" "$plain"; }

mkdir -p "$work"
rm -rf "$work/state" "$work/output" "$work/generation-1.safetensors"

step "The log"
[[ -s $log && -s $work/catalogue.tsv ]] || python3 -B demo/events.py "$work"
wc -l "$log"

step "braid init: generation 1, its parameters drawn from a seed"
"$braid" init "${job[@]}"

step "braid run: every event absorbed, every changed user published"
"$braid" run "${job[@]}"

step "braid inspect: one user, what he did and what that came to"
"$braid" inspect user 196 "${job[@]}" --catalogue "$work/catalogue.tsv" --last 8

step "braid verify: every record computed again from the log"
"$braid" verify "${job[@]}"

printf '\nThe records are in %s. Look at another user:\n  %s inspect user 22 %s\n' \
    "$work/output" "$braid" "${job[*]} --catalogue $work/catalogue.tsv"
