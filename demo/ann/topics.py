"""topics.py - committed records of a topic, and both of their encodings in one form."""

import json

from kafka import KafkaConsumer, TopicPartition


def is_json(value):
    return value.startswith(b"{")


def user_record(value):
    """A record of a user in the form that JSON gives."""
    if is_json(value):
        return json.loads(value)
    from interest_record_pb2 import InterestRecord
    told = InterestRecord.FromString(value)
    return {"user": told.user.decode(), "generation": told.generation, "events": told.events,
            "count": len(told.weights), "width": told.width, "vectors": list(told.vectors)}


def item_record(key, value):
    """The same of an item, or of the end, whose key is the generation alone."""
    if is_json(value):
        return json.loads(value)
    from item_vector_pb2 import ItemsEnd, ItemVector
    if len(key) == 8:
        end = ItemsEnd.FromString(value)
        return {"generation": end.generation, "items": end.items, "checksum": f"{end.checksum:x}"}
    told = ItemVector.FromString(value)
    return {"generation": told.generation, "item": told.item.decode(),
            "category": told.category.decode(), "vector": list(told.vector),
            "categories": [one.decode() for one in told.categories]}


class Topic:
    """All partitions of one topic, read to where they are committed now, then on from there."""

    def __init__(self, brokers, name):
        self.consumer = KafkaConsumer(bootstrap_servers=brokers, enable_auto_commit=False,
                                      isolation_level="read_committed", fetch_max_wait_ms=50)
        self.places = [TopicPartition(name, part)
                       for part in sorted(self.consumer.partitions_for_topic(name) or [])]
        if not self.places:
            raise SystemExit(f"nearest.py: no topic {name} at {brokers}")
        self.consumer.assign(self.places)
        self.consumer.seek_to_beginning()

    def records(self):
        ends = self.consumer.end_offsets(self.places)  # of what is committed
        while any(self.consumer.position(place) < ends[place] for place in self.places):
            for batch in self.consumer.poll(timeout_ms=100, max_records=10000).values():
                yield from batch

    def close(self):
        self.consumer.close()
