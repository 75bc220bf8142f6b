#!/usr/bin/env python3
"""subscriber.py - follows what Braid publishes and prints each user's nearest item when it changes.

    subscriber.py BROKERS INTERESTS_TOPIC ITEM_VECTORS_TOPIC

Needs kafka-python, numpy, protobuf and xxhash, and what protoc makes of the two .proto files of
stream/interests. A line is "USER GENERATION ITEM", or "USER gone".
"""

import collections
import struct
import sys

import numpy
import xxhash
from interest_record_pb2 import InterestRecord
from item_vector_pb2 import ItemsEnd, ItemVector
from kafka import KafkaConsumer

users = {}  # the newest record of each user
vectors = collections.defaultdict(dict)  # by generation and item
usable = set()  # generations of which all vectors are here


def floats(values):
    return numpy.asarray(values, "<f4").tobytes()


def check_record(record):
    """Fails unless the record is what its checksum says."""
    layout = struct.pack("<I", len(record.user)) + record.user + struct.pack(
        "<QQQqIqII", record.generation, getattr(record, "from"), record.events,
        record.event_time_ms, record.partition, record.offset, len(record.weights), record.width)
    layout += floats(record.vectors) + floats(record.weights)
    if record.intent:
        layout += struct.pack("<I", 2) + floats(record.intent)
    assert xxhash.xxh3_64_intdigest(layout) == record.checksum, record.user


def check_vector(vector):
    layout = struct.pack("<QI", vector.generation, len(vector.item)) + vector.item + struct.pack(
        "<I", len(vector.category)) + vector.category + struct.pack("<I", len(vector.vector))
    assert xxhash.xxh3_64_intdigest(layout + floats(vector.vector)) == vector.checksum, vector.item


def show(record):
    """The item that is nearest to any interest, among the vectors of the record's own generation."""
    items = list(vectors[record.generation].values())
    interests = numpy.float32(record.vectors).reshape(-1, record.width)
    scores = numpy.float32([item.vector for item in items]) @ interests.T
    nearest = items[scores.max(axis=1).argmax()]
    print(record.user.decode(), record.generation, nearest.item.decode(), flush=True)


def take_record(user, value):
    if value is None:  # a tombstone: the user is gone
        users.pop(user, None)
        print(user.decode(), "gone", flush=True)
        return
    users[user] = record = InterestRecord.FromString(value)
    check_record(record)
    if record.generation in usable:  # else its vectors are still to come
        show(record)


def take_vector(key, value):
    generation, item = int.from_bytes(key[:8], "big"), key[8:]
    if value is None:  # a tombstone: the vectors of a generation that nobody is of are removed
        usable.discard(generation)
        vectors[generation].pop(item, None)
    elif item:
        vectors[generation][item] = vector = ItemVector.FromString(value)
        check_vector(vector)
    elif generation not in usable:  # the end: are all here?
        end, items = ItemsEnd.FromString(value), vectors[generation].values()
        if len(items) == end.items and sum(i.checksum for i in items) % 2**64 == end.checksum:
            usable.add(generation)
            for record in [user for user in users.values() if user.generation == generation]:
                show(record)


brokers, interests_topic, items_topic = sys.argv[1:]
for message in KafkaConsumer(interests_topic, items_topic, bootstrap_servers=brokers,
                             isolation_level="read_committed", auto_offset_reset="earliest"):
    take = take_record if message.topic == interests_topic else take_vector
    take(message.key, message.value)
