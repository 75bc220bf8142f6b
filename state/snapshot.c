/* snapshot.c - the bytes of a stamped state: a fixed head, the state, XXH3 of both. */
#include "state/snapshot.h"

#include "base/checksum.h"
#include "base/status.h"

enum { SNAPSHOT_VERSION = 1 };

size_t snapshot_encode(const struct snapshot_stamp *stamp, const void *state, size_t state_size,
                       void *to)
{
    struct byte_writer writer = byte_writer_of(to, SNAPSHOT_OVERHEAD + state_size);
    write_u64(&writer, SNAPSHOT_VERSION);
    write_u64(&writer, stamp->generation);
    write_u64(&writer, stamp->fingerprint);
    write_u64(&writer, stamp->from);
    write_u64(&writer, stamp->events);
    write_u64(&writer, stamp->absorbed);
    write_i64(&writer, stamp->last_ms);
    write_raw(&writer, state, state_size);
    write_u64(&writer, checksum_of(writer.at, writer.used));
    REQUIRE(!writer.failed && writer.used == SNAPSHOT_OVERHEAD + state_size);
    return writer.used;
}

bool snapshot_decode(struct bytes value, struct snapshot_stamp *stamp, void *state,
                     size_t state_size)
{
    struct byte_reader reader = byte_reader_of(value);
    if (value.size != SNAPSHOT_OVERHEAD + state_size) return false;
    if (read_u64(&reader) != SNAPSHOT_VERSION) return false;
    stamp->generation = read_u64(&reader);
    stamp->fingerprint = read_u64(&reader);
    stamp->from = read_u64(&reader);
    stamp->events = read_u64(&reader);
    stamp->absorbed = read_u64(&reader);
    stamp->last_ms = read_i64(&reader);
    const void *at = read_raw(&reader, state_size);
    size_t checked = value.size - reader.left;
    if (read_u64(&reader) != checksum_of(value.at, checked)) return false;
    if (state_size) memcpy(state, at, state_size);
    return true;
}
