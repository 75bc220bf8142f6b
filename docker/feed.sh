#!/bin/sh
# feed.sh - puts a log of JSON lines into the topic `clicks`, keyed by user, unless it holds events.
#
#     feed.sh BROKER LOG
#
# Needs Kafka's own command-line tools, which wait for the broker to come up.
set -eu
broker=$1 log=$2 topic=clicks
PATH=$PATH:/opt/kafka/bin

kafka-topics.sh --bootstrap-server "$broker" --create --if-not-exists --topic $topic \
    --partitions 4 --replication-factor 1
held=$(kafka-get-offsets.sh --bootstrap-server "$broker" --topic $topic |
    awk -F: '{ sum += $3 } END { print sum }')
if [ "$held" -gt 0 ]; then
    echo "$topic holds $held events already"
    exit
fi
sed -E 's/^\{"user":"([^"]*)"/\1\t&/' "$log" |
    kafka-console-producer.sh --bootstrap-server "$broker" --topic $topic \
        --reader-property parse.key=true
echo "$topic: $(wc -l <"$log") events"
