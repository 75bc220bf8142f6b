/* store_format.c - keys in big-endian order, and a mark that ends with its checksum. */
#include "state/store_format.h"

#include "base/checksum.h"

enum { FORMAT_VERSION = 1 };

const char store_mark_key[1] = {'p'};

size_t store_key_encode(enum store_space space, const struct store_key *key, uint8_t *to)
{
    static const char prefixes[] = {
        [STORE_USERS] = 'u', [STORE_CHUNKS] = 'c', [STORE_SNAPSHOTS] = 's'};
    to[0] = (uint8_t)prefixes[space];
    size_t size = 1 + history_key_encode(key->user, key->chunk, to + 1);
    return space == STORE_CHUNKS ? size : size - sizeof key->chunk;
}

bool store_key_decode(enum store_space space, struct bytes raw, struct store_key *key)
{
    struct byte_reader reader = byte_reader_of(raw);
    read_u8(&reader);
    size_t size = (size_t)read_u8(&reader) << 8;
    size |= read_u8(&reader);
    key->user = (struct bytes){read_raw(&reader, size), size};
    key->chunk = 0;
    for (unsigned i = 0; space == STORE_CHUNKS && i < sizeof key->chunk; i++) {
        key->chunk = key->chunk << 8 | read_u8(&reader);
    }
    return !reader.failed && reader.left == 0;
}

void store_mark_encode(const struct store_identity *identity, const struct store_position *position,
                       uint8_t to[STORE_MARK_SIZE])
{
    struct byte_writer writer = byte_writer_of(to, STORE_MARK_SIZE);
    write_u32(&writer, FORMAT_VERSION);
    write_u64(&writer, identity->source);
    write_u32(&writer, identity->partition);
    write_u32(&writer, identity->partitions);
    write_u64(&writer, position->log);
    write_i64(&writer, position->next);
    write_u64(&writer, position->seal);
    write_i64(&writer, position->written_ms);
    write_u64(&writer, checksum_of(to, writer.used));
    REQUIRE(!writer.failed && writer.used == STORE_MARK_SIZE);
}

enum status store_mark_check(struct bytes mark, const char *path,
                             const struct store_identity *identity, struct store_position *position,
                             struct error *error)
{
    struct byte_reader reader = byte_reader_of(mark);
    struct byte_reader tail = {(const uint8_t *)mark.at + mark.size - 8, 8, mark.size < 12};
    if (tail.failed || read_u64(&tail) != checksum_of(mark.at, mark.size - 8)) {
        return error_set(error, STATUS_CORRUPT,
                         "store %s: its mark is damaged: delete the directory to have it rebuilt "
                         "from the history log",
                         path);
    }
    uint32_t version = read_u32(&reader);
    if (version != FORMAT_VERSION || mark.size != STORE_MARK_SIZE) {
        return error_set(error, STATUS_REFUSED,
                         "store %s: its format %u is not the one of this build (%u): run the "
                         "version of Braid that wrote it, or delete the directory to have it "
                         "rebuilt from the history log",
                         path, version, FORMAT_VERSION);
    }
    struct store_identity found;
    found.source = read_u64(&reader);
    found.partition = read_u32(&reader);
    found.partitions = read_u32(&reader);
    position->log = read_u64(&reader);
    position->next = read_i64(&reader);
    position->seal = read_u64(&reader);
    position->written_ms = read_i64(&reader);
    if (found.source != identity->source || found.partition != identity->partition ||
        found.partitions != identity->partitions) {
        return error_set(error, STATUS_REFUSED,
                         "store %s: it belongs to partition %u of %u of source %016llx, not to "
                         "partition %u of %u of source %016llx: name another state directory, or "
                         "delete this one if that job is not needed any more",
                         path, found.partition, found.partitions, (unsigned long long)found.source,
                         identity->partition, identity->partitions,
                         (unsigned long long)identity->source);
    }
    return STATUS_OK;
}
