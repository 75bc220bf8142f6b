/* item_record.c - the record of an item, written and read. */
#include "stream/source/item_record.h"

#include "base/escape.h"
#include "base/hex.h"
#include "base/json_writer.h"
#include "stream/source/categories.h"

enum { FRAME_SIZE_MAX = 112 /* bytes of punctuation, names and the hash */ };

/* The first category stands twice where there are several. */
size_t item_record_size_max(size_t id_size_max)
{
    return FRAME_SIZE_MAX + (2 + CATEGORIES_MAX) * ESCAPE_MAX * id_size_max;
}

size_t item_record_encode(const struct event *event, void *to)
{
    const size_t size = FRAME_SIZE_MAX + ESCAPE_MAX * (event->item.size + 2 * event->category.size);
    struct bytes rest = event->category, category;
    struct json_writer json = json_writer_at(to, size);
    json_begin(&json, '{');
    json_key(&json, "hash");
    json_hex(&json, event->item_hash);
    json_key(&json, "item");
    json_text(&json, event->item);
    if (categories_next(&rest, &category)) {
        json_key(&json, "category");
        json_text(&json, category);
    }
    if (rest.size) {
        rest = event->category;
        json_key(&json, "categories");
        json_begin(&json, '[');
        while (categories_next(&rest, &category)) {
            json_text(&json, category);
        }
        json_end(&json, ']');
    }
    json_end(&json, '}');
    REQUIRE(!json.failed);
    return json.used;
}

/* Several, out of an array, joined behind its texts. */
static enum status decode_categories(struct json_decoder *json, struct bytes array, char *to,
                                     struct item_record *item, struct error *error)
{
    struct json_value values[CATEGORIES_MAX];
    unsigned count;
    char *joined = to + array.size;
    size_t size = 0;
    if (!json_decode_elements(json, array, to, values, CATEGORIES_MAX, &count)) {
        return error_set(error, STATUS_CORRUPT, "not an item's name: its categories");
    }
    for (unsigned i = 0; i < count; i++) {
        if (values[i].type == JSON_STRING) size = categories_add(joined, size, values[i].text);
    }
    item->category = (struct bytes){joined, size};
    return STATUS_OK;
}

enum status item_record_decode(struct json_decoder *json, struct bytes record, void *scratch,
                               struct item_record *item, struct error *error)
{
    const struct bytes names[] = {bytes_of("hash"), bytes_of("item"), bytes_of("category"),
                                  bytes_of("categories")};
    struct json_value values[4];
    const char *why = "no hash or item";
    if (json_decode(json, record, names, 4, scratch, values, &why) != JSON_OK ||
        values[0].type != JSON_STRING || values[0].text.size != 16 ||
        !parse_hex(values[0].text, &item->hash) || values[1].type != JSON_STRING ||
        (values[2].type != JSON_STRING && values[2].type != JSON_ABSENT)) {
        return error_set(error, STATUS_CORRUPT, "not an item's name: %s", why);
    }
    item->item = values[1].text;
    item->category = values[2].type == JSON_STRING ? values[2].text : (struct bytes){NULL, 0};
    if (values[3].type == JSON_ABSENT) return STATUS_OK;
    return decode_categories(json, values[3].text, (char *)scratch + record.size, item, error);
}
