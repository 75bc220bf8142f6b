#!/usr/bin/env bash
# image.sh - builds the image of Dockerfile without a registry or a daemon, and tests it. Called by
# ./run image, from the root, as root.
#
#     image.sh              all of what follows, the last beside a Kafka of tests/kafka
#     image.sh build        a base by debootstrap, then buildah; both are kept in .cache/image
#                           (IMAGE_SUITE=bookworm: on Debian 12 instead of 13)
#     image.sh file_job     the demo's log through the image's program, file to file, and verify
#     image.sh kafka_job    compose.yaml's job: its environment and feeder, at the broker TEST_KAFKA
#
# Containers share the machine's network and processes (chroot isolation), so this runs where
# namespaces cannot be had.
set -euo pipefail
source docker/debian_root.sh
cache=.cache/image
work=build/image # the demo's log, what the job said
suite=${IMAGE_SUITE:-trixie} # or bookworm, which works as well
base=localhost/debian:$suite-slim
image=localhost/braid
size_max=100000000 # bytes of the image's file system
environment=() # of containers

say() { printf '==> %s\n' "$*"; }
fail() { printf 'image: %s\n' "$*" >&2; exit 1; }

buildah() {
    command buildah --root "$PWD/$cache/storage" --runroot "$PWD/$cache/run" "$@"
}

build_base() {
    buildah images -q "$base" >/dev/null 2>&1 && return
    say "a base by debootstrap"
    local root=$cache/$suite container
    debian_root "$suite" "$root" "$cache/debootstrap.log" ||
        fail "debootstrap failed: $cache/debootstrap.log"
    # What slim images leave out too, and what debootstrap copied from this machine.
    rm -rf "$root"/var/cache/apt/* "$root"/var/lib/apt/lists/* \
        "$root"/usr/share/{doc,info,locale,man} "$root"/etc/{hostname,resolv.conf}
    container=$(buildah from scratch)
    buildah add --quiet "$container" "$root" / >/dev/null
    buildah config --cmd bash "$container"
    buildah commit --quiet --rm "$container" "$base" >/dev/null
    rm -rf "$root"
}

build() {
    mkdir -p "$cache"
    build_base
    say "the image, from docker/Dockerfile"
    buildah build --isolation chroot --layers --force-rm --pull-never --format docker \
        --build-arg "BASE=$base" \
        --build-arg "REVISION=$(git rev-parse --short HEAD 2>/dev/null || echo unknown)" \
        --ignorefile docker/Dockerfile.dockerignore -f docker/Dockerfile -t "$image" .
    local container size
    container=$(buildah from --pull-never "$image")
    size=$(du --summarize --bytes "$(buildah mount "$container")" | cut -f1)
    buildah rm "$container" >/dev/null
    say "$image on $base has $size bytes"
    ((size < size_max)) || fail "more than $size_max bytes"
}

# A container with an empty volume, and the demo's log to read.
begin() {
    mkdir -p "$work"
    python3 -B demo/events.py "$work" .cache/demo
    container=$(buildah from --pull-never "$image")
    trap end EXIT
}

# Kills a job that still runs, and removes the container.
end() {
    in_image sh -c 'kill -KILL $(cat job.pid)' >/dev/null 2>&1 || true
    buildah rm "$container" >/dev/null
}

# Runs a command in the container, as its user, with `environment`.
in_image() {
    buildah run --isolation chroot "${environment[@]/#/--env=}" --volume "$PWD/config:/config:ro" \
        --volume "$PWD/$work:/events:ro" "$container" -- "$@"
}

file_job() {
    say "the demo's log in the image: run, which learns, and verify"
    begin
    environment=(BRAID_CONFIG=/config/movielens.yaml BRAID_SOURCE_PATH=/events/events.jsonl
        BRAID_MODEL_DIR=models BRAID_STATE_DIR=state BRAID_OUTPUT_DIR=output
        BRAID_HTTP_LISTEN=127.0.0.1:0)
    [[ $(in_image id -u) == 10001 ]] || fail "containers do not run as the user of the Dockerfile"
    in_image braid run
    in_image braid verify
}

# Kafka's command-line tools, by the names that they have in its image.
kafka_tools() {
    local tools=$work/tools name class
    mkdir -p "$tools"
    echo "log4j.rootLogger=OFF" >"$tools/log4j.properties"
    while read -r name class; do
        printf '#!/bin/sh\nexec java -Xmx256m -Dlog4j.configuration=file:%s -cp "%s/*" %s "$@"\n' \
            "$PWD/$tools/log4j.properties" "$TEST_KAFKA_JARS" "$class" >"$tools/$name.sh"
        chmod +x "$tools/$name.sh"
    done <<'TEXT'
kafka-topics org.apache.kafka.tools.TopicCommand
kafka-get-offsets org.apache.kafka.tools.GetOffsetShell
kafka-consumer-groups org.apache.kafka.tools.consumer.group.ConsumerGroupCommand
kafka-console-producer org.apache.kafka.tools.ConsoleProducer
kafka-console-consumer org.apache.kafka.tools.consumer.ConsoleConsumer
TEXT
    PATH=$PWD/$tools:$PATH
}

# Every partition of the source has a committed offset, and none lags behind its end.
caught_up() {
    kafka-consumer-groups.sh --bootstrap-server "$TEST_KAFKA" --describe --group braid 2>/dev/null |
        awk '$2 == "clicks" { seen++; behind += $6 != "0" } END { exit !(seen == 4 && !behind) }'
}

kafka_job() {
    local log=$work/braid.log events users published tries=0 job
    say "compose.yaml's job in the image, at a test Kafka"
    begin
    kafka_tools
    docker/feed.sh "$TEST_KAFKA" "$work/events.jsonl"
    mapfile -t environment < <(grep ^BRAID_ docker/braid.env)
    environment+=("BRAID_KAFKA_BROKERS=$TEST_KAFKA" BRAID_HTTP_LISTEN=127.0.0.1:0)
    in_image braid init --source.path=/events/events.jsonl
    in_image sh -c 'echo $$ >job.pid && exec braid run' >"$log" 2>&1 &
    job=$!
    until caught_up; do
        if ! kill -0 "$job" 2>/dev/null || ((++tries > 60)); then
            fail "the job does not get there: $log"
        fi
        sleep 1
    done
    in_image sh -c 'kill -TERM $(cat job.pid) && rm job.pid'
    wait "$job" || fail "the job ended with exit code $?: $log"
    cat "$log"
    events=$(wc -l <"$work/events.jsonl")
    grep -q "^run events=$events accepted=$events " "$log" || fail "not $events events: $log"
    users=$(grep -o '^{"user":"[^"]*"' "$work/events.jsonl" | sort -u | wc -l)
    published=$(kafka-console-consumer.sh --bootstrap-server "$TEST_KAFKA" --topic interests \
        --isolation-level read_committed --from-beginning --timeout-ms 5000 \
        --formatter-property print.key=true --formatter-property print.value=false 2>/dev/null | sort -u | wc -l)
    echo "users in the log: $users; with committed records in the topic interests: $published"
    [[ $published == "$users" ]] || fail "not every user was published"
}

all() {
    build
    file_job
    tests/kafka/cluster.py run -- "$0" kafka_job
}

"${1:-all}"
