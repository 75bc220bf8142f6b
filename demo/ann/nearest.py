#!/usr/bin/env python3
"""nearest.py OUTPUT STATE USER ... [--top N] - the items nearest to what users are interested in.
nearest.py --kafka BROKERS INTERESTS-TOPIC ITEM-VECTORS-TOPIC USER ... [--top N]

A retrieval service in small: it subscribes to what a job publishes, on files (OUTPUT is output.dir,
STATE is state.dir) or on Kafka; the job may run meanwhile. It keeps an index of nearest neighbors for
each generation of the model, and answers for a user as of its newest record:

    user=u1 generation=3 events=42 i7:0.93 i12:0.88 ...

Interests and item vectors may be compared only within one generation. While a job moves its users to
a new one, records of both come; each is answered from the index of its own, and a record whose items
are not there, or not all of them, is refused.

Needs numpy, faiss-cpu and xxhash; on Kafka kafka-python, too, and for records in Protobuf what
`protoc --python_out=demo/ann --proto_path=stream/interests interest_record.proto item_vector.proto`
makes.
"""

import argparse
import base64
import json
import os
import re
import struct
import sys

import faiss
import numpy
import xxhash

GENERATIONS_MAX = 3  # kept: that which serves, the one being adopted, one to spare


class Mismatch(Exception):
    """A record and the items at hand do not belong together."""


def floats(value):
    """Vectors of JSON records: base64 of little-endian float32, or numbers."""
    if isinstance(value, str):
        return numpy.frombuffer(base64.b64decode(value), "<f4")
    return numpy.float32(value).ravel()


def text(value):
    """A text with its size before it."""
    return struct.pack("<I", len(value.encode())) + value.encode()


def checksum(generation, item, category, vector, categories=()):
    """As docs/records.md says, of one item vector."""
    return xxhash.xxh3_64_intdigest(
        struct.pack("<Q", generation) + text(item) + text(category) +
        struct.pack("<I", len(vector)) + vector.astype("<f4").tobytes() +
        (struct.pack("<I", len(categories)) if categories else b"") +
        b"".join(text(one) for one in categories))


class Vectors:
    """The item vectors of one generation, as they come, and what the end says of them."""

    def __init__(self, generation):
        self.generation, self.of, self.total, self.end = generation, {}, 0, None

    def add(self, record):
        """A record of an item, or of the end."""
        if record["generation"] != self.generation:
            raise Mismatch(f"items of generations {self.generation} and {record['generation']}")
        if "items" in record:
            self.end = record["items"], int(record["checksum"], 16)
            return
        vector = floats(record["vector"])
        self.of[record["item"]] = vector
        self.total += checksum(self.generation, record["item"], record["category"], vector,
                               record.get("categories", ()))

    def index(self):
        """Mismatch if these are not all, or not the right ones."""
        if self.end is None:
            raise Mismatch(f"{len(self.of)} vectors of generation {self.generation} and no end")
        if self.end != (len(self.of), self.total % (1 << 64)):
            raise Mismatch(f"{len(self.of)} vectors of generation {self.generation}, whose end "
                           f"tells of {self.end[0]}, or others")
        return Index(self.generation, list(self.of), numpy.stack(list(self.of.values())))


class Index:
    """The items of one generation; scores are inner products."""

    def __init__(self, generation, ids, vectors):
        self.generation, self.ids = generation, ids
        self.index = faiss.IndexHNSWFlat(vectors.shape[1], 32, faiss.METRIC_INNER_PRODUCT)
        self.index.hnsw.efConstruction = 200
        self.index.hnsw.efSearch = 128
        self.index.add(vectors)

    def nearest(self, interests, top):
        """[(id, score)] by an item's best score over the interests, as the model was trained."""
        best = {}
        scores, rows = self.index.search(interests, min(top, len(self.ids)))
        for score, row in zip(scores.ravel().tolist(), rows.ravel().tolist()):
            if row >= 0 and score > best.get(row, -numpy.inf):
                best[row] = score
        ranked = sorted(best.items(), key=lambda found: (-found[1], found[0]))
        return [(self.ids[row], score) for row, score in ranked[:top]]


def read_index(path):
    """The index of a file of item vectors; Mismatch if these are not all, or not the right ones."""
    vectors = None
    with open(path, encoding="utf-8") as file:
        for line in file:
            record = json.loads(line)
            vectors = vectors or Vectors(record["generation"])
            vectors.add(record)
    if vectors is None:
        raise Mismatch(f"{path} is empty")
    return vectors.index()


class Subscriber:
    """The newest record of each user, and the indexes of the newest generations."""

    def __init__(self):
        self.indexes = {}  # by generation
        self.users = {}  # the newest record of each

    def poll(self):
        """Takes in what is new: records, then whatever items there were before them."""
        raise NotImplementedError

    def find_index(self, generation):
        return self.indexes.get(generation)

    def add(self, index):
        self.indexes[index.generation] = index
        for old in sorted(self.indexes)[:-GENERATIONS_MAX]:
            del self.indexes[old]

    def nearest(self, user, top):
        """The user's newest record and its nearest items."""
        record = self.users.get(user)
        if record is None:
            raise KeyError(user)
        index = self.find_index(record["generation"])
        if index is None:
            raise Mismatch(f"user {user} is of generation {record['generation']}, whose items are "
                           f"not there; there are those of {sorted(self.indexes)}")
        interests = floats(record["vectors"]).reshape(record["count"], record["width"])
        return record, index.nearest(interests, top)


class Files(Subscriber):
    """What a job on files has published so far."""

    def __init__(self, output, state):
        super().__init__()
        self.output, self.state = output, state
        self.read = {}  # bytes of each file of records

    def committed(self):
        """Files of records and how long they are; what lies behind belongs to no commit."""
        try:
            with open(os.path.join(self.state, "commit"), encoding="utf-8") as file:
                text = file.read()
        except FileNotFoundError:
            return {}
        lengths = re.findall(r"^partition (\d+) .*\binterests (\d+)", text, re.MULTILINE)
        return {f"{self.output}/interests-{int(part):04}.jsonl": int(size)
                for part, size in lengths}

    def poll(self):
        for path, size in self.committed().items():
            with open(path, "rb") as file:
                file.seek(self.read.get(path, 0))
                for line in file.read(size - file.tell()).splitlines():
                    record = json.loads(line)
                    self.users[record["user"]] = record
            self.read[path] = size
        for generation in {record["generation"] for record in self.users.values()}:
            path = f"{self.output}/items-{generation:010}.jsonl"
            if generation not in self.indexes and os.path.exists(path):
                self.add(read_index(path))


class Topics(Subscriber):
    """What a job on Kafka has committed so far.

    Records are read before items: a generation's item vectors are committed with their end before
    the first record that names it, so whoever has read a record finds its items, whenever it joins.
    """

    def __init__(self, brokers, interests, items):
        import topics
        super().__init__()
        self.interests, self.items = topics.Topic(brokers, interests), topics.Topic(brokers, items)
        self.user_record, self.item_record = topics.user_record, topics.item_record
        self.vectors = {}  # by generation, until somebody needs an index of them

    def poll(self):
        for record in self.interests.records():
            if record.value is None:
                self.users.pop(record.key.decode(), None)
            else:
                self.users[record.key.decode()] = self.user_record(record.value)
        for record in self.items.records():
            self.take_item(record)

    def close(self):
        self.interests.close()
        self.items.close()

    def take_item(self, record):
        generation, = struct.unpack(">Q", record.key[:8])
        if record.value is None:  # nobody is of it any more
            self.vectors.pop(generation, None)
            self.indexes.pop(generation, None)
        elif generation not in self.indexes:  # else the end again: the generation is complete
            vectors = self.vectors.setdefault(generation, Vectors(generation))
            vectors.add(self.item_record(record.key, record.value))
            for old in sorted(self.vectors)[:-GENERATIONS_MAX]:
                del self.vectors[old]

    def find_index(self, generation):
        if generation in self.vectors:
            self.add(self.vectors[generation].index())
            del self.vectors[generation]
        return self.indexes.get(generation)


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("interests", metavar="OUTPUT|TOPIC")
    parser.add_argument("items", metavar="STATE|TOPIC")
    parser.add_argument("users", nargs="+", metavar="USER")
    parser.add_argument("--top", type=int, default=10)
    parser.add_argument("--kafka", metavar="BROKERS")
    arguments = parser.parse_args()
    if arguments.kafka:
        subscriber = Topics(arguments.kafka, arguments.interests, arguments.items)
    else:
        subscriber = Files(arguments.interests, arguments.items)
    for user in arguments.users:
        try:
            subscriber.poll()
            record, found = subscriber.nearest(user, arguments.top)
        except Mismatch as why:
            sys.exit(f"nearest.py: {why}")
        except KeyError:
            sys.exit(f"nearest.py: nothing was published of user {user}")
        print(f"user={user} generation={record['generation']} events={record['events']}",
              *(f"{item}:{score:.3f}" for item, score in found))


if __name__ == "__main__":
    main()
