/* event_foreign.c - a list of first bytes. */
#include "stream/source/event_foreign.h"

#include <stdint.h>

static const struct {
    struct bytes begins;
    const char *name;
} formats[] = {
    {{"PAR1", 4}, "a Parquet file"},
    {{"Obj\1", 4}, "an Avro file"},
    {{"ORC", 3}, "an ORC file"},
    {{"\x1F\x8B", 2}, "compressed by gzip"},
    {{"\x28\xB5\x2F\xFD", 4}, "compressed by zstd"},
    {{"\x04\x22\x4D\x18", 4}, "compressed by lz4"},
    {{"\xFD\x37zXZ", 5}, "compressed by xz"},
    {{"BZh", 3}, "compressed by bzip2"},
    {{"PK\3\4", 4}, "a zip file"},
    {{"\xFF\xFE", 2}, "text in UTF-16"},
    {{"\xFE\xFF", 2}, "text in UTF-16"},
};

/* Every other byte of ASCII in UTF-16 is 0, whichever comes first. */
static bool is_utf16(const uint8_t *at, size_t size)
{
    if (size < 4) return false;
    return (at[0] == 0 && at[1] && at[2] == 0 && at[3]) ||
           (at[0] && at[1] == 0 && at[2] && at[3] == 0);
}

const char *event_foreign(struct bytes raw)
{
    const uint8_t *at = raw.at;
    for (size_t i = 0; i < sizeof formats / sizeof *formats; i++) {
        const struct bytes *begins = &formats[i].begins;
        if (raw.size >= begins->size && memcmp(at, begins->at, begins->size) == 0) {
            return formats[i].name;
        }
    }
    if (is_utf16(at, raw.size)) return "text in UTF-16";
    /* a zero byte, the schema's number in four, and the value */
    if (raw.size > 5 && at[0] == 0) return "framed for a schema registry (Avro, Protobuf or JSON)";
    return NULL;
}
