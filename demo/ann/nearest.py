#!/usr/bin/env python3
"""nearest.py OUTPUT STATE USER ... [--top N] - the items nearest to what users are interested in now.

A retrieval service in small: it subscribes to what a job on files publishes (OUTPUT is output.dir,
STATE is state.dir; the job may run meanwhile), keeps an index of nearest neighbors for each generation
of the model, and answers for a user as of its newest record:

    user=u1 generation=3 events=42 i7:0.93 i12:0.88 ...

Interests and item vectors may be compared only within one generation. While a job moves its users to a
new one, records of both come; each is answered from the index of its own, and a record whose items
are not there, or not all of them, is refused.

Needs numpy, faiss-cpu and xxhash.
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

GENERATIONS_MAX = 3  # indexes kept: that which serves, the one being adopted, one to spare


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
    ids, vectors, total, generation = [], [], 0, None
    with open(path, encoding="utf-8") as file:
        for line in file:
            record = json.loads(line)
            if "items" in record:
                if (record["generation"], record["items"]) != (generation, len(ids)) or \
                        int(record["checksum"], 16) != total:
                    raise Mismatch(f"{path}: {len(ids)} vectors of generation {generation}, whose end "
                                   f"tells of {record['items']} of {record['generation']}, or others")
                return Index(generation, ids, numpy.stack(vectors))
            if generation not in (None, record["generation"]):
                raise Mismatch(f"{path}: items of generations {generation} and {record['generation']}")
            generation, vector = record["generation"], floats(record["vector"])
            ids.append(record["item"])
            vectors.append(vector)
            total += checksum(generation, record["item"], record["category"], vector,
                              record.get("categories", ()))
            total %= 1 << 64
    raise Mismatch(f"{path}: {len(ids)} vectors and no end")


class Subscriber:
    """What a job on files has published so far."""

    def __init__(self, output, state):
        self.output, self.state = output, state
        self.indexes = {}  # by generation
        self.users = {}  # the newest record of each
        self.read = {}  # bytes of each file of records

    def committed(self):
        """Files of records and how long they are; what lies behind belongs to no commit."""
        try:
            with open(os.path.join(self.state, "commit"), encoding="utf-8") as file:
                text = file.read()
        except FileNotFoundError:
            return {}
        lengths = re.findall(r"^partition (\d+) .*\binterests (\d+)", text, re.MULTILINE)
        return {f"{self.output}/interests-{int(part):04}.jsonl": int(size) for part, size in lengths}

    def poll(self):
        """Takes in what is new: records up to their committed length, then their items."""
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

    def add(self, index):
        self.indexes[index.generation] = index
        for old in sorted(self.indexes)[:-GENERATIONS_MAX]:
            del self.indexes[old]

    def nearest(self, user, top):
        """The user's newest record and its nearest items."""
        record = self.users.get(user)
        if record is None:
            raise KeyError(user)
        index = self.indexes.get(record["generation"])
        if index is None:
            raise Mismatch(f"user {user} is of generation {record['generation']}, whose items are not "
                           f"there; there are those of {sorted(self.indexes)}")
        interests = floats(record["vectors"]).reshape(record["count"], record["width"])
        return record, index.nearest(interests, top)


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("output")
    parser.add_argument("state")
    parser.add_argument("users", nargs="+", metavar="USER")
    parser.add_argument("--top", type=int, default=10)
    arguments = parser.parse_args()
    subscriber = Subscriber(arguments.output, arguments.state)
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
