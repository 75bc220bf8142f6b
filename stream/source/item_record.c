/* item_record.c - the record of an item, written and read. */
#include "stream/source/item_record.h"

#include "base/escape.h"
#include "base/hex.h"
#include "base/json_writer.h"

enum { FRAME_SIZE_MAX = 64 /* bytes of braces, names and the hash */ };

size_t item_record_size_max(size_t id_size_max)
{
    return FRAME_SIZE_MAX + 2 * ESCAPE_MAX * id_size_max;
}

size_t item_record_encode(const struct event *event, void *to)
{
    const size_t size = FRAME_SIZE_MAX + ESCAPE_MAX * (event->item.size + event->category.size);
    struct json_writer json = json_writer_at(to, size);
    json_begin(&json, '{');
    json_key(&json, "hash");
    json_hex(&json, event->item_hash);
    json_key(&json, "item");
    json_text(&json, event->item);
    if (event->category.size) {
        json_key(&json, "category");
        json_text(&json, event->category);
    }
    json_end(&json, '}');
    REQUIRE(!json.failed);
    return json.used;
}

enum status item_record_decode(struct json_decoder *json, struct bytes record, void *scratch,
                               struct item_record *item, struct error *error)
{
    const struct bytes names[] = {bytes_of("hash"), bytes_of("item"), bytes_of("category")};
    struct json_value values[3];
    const char *why = "no hash or item";
    if (json_decode(json, record, names, 3, scratch, values, &why) != JSON_OK ||
        values[0].type != JSON_STRING || values[0].text.size != 16 ||
        !parse_hex(values[0].text, &item->hash) || values[1].type != JSON_STRING ||
        (values[2].type != JSON_STRING && values[2].type != JSON_ABSENT)) {
        return error_set(error, STATUS_CORRUPT, "not an item's name: %s", why);
    }
    item->item = values[1].text;
    item->category = values[2].type == JSON_STRING ? values[2].text : (struct bytes){NULL, 0};
    return STATUS_OK;
}
