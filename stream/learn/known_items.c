/* known_items.c - item records into two sets of names. */
#include "stream/learn/known_items.h"

#include <stdlib.h>
#include <string.h>

#include "base/checksum.h"
#include "stream/log_input/log_input.h"
#include "stream/source/item_record.h"

enum {
    DICTIONARY_BYTES = 64, /* of an item while a dictionary is made (dictionary.c) */
};

struct item_reading {
    struct known_items *known;
    struct json_decoder *json;
    size_t record_max; /* bytes of a record */
    char *copy;        /* of a record, padded, and the decoder's scratch behind it */
};

/* Whether there is room for a name that joins one of the sets, or it is there already. */
static bool name_fits(const struct known_items *known, const struct name_set *set,
                      struct bytes name, uint64_t hash)
{
    const struct name_set *other = set == &known->items ? &known->categories : &known->items;
    if (!known->size_max || name_set_find(set, hash)) return true;
    const uint64_t dictionary = (known->items.count + UINT64_C(1)) * DICTIONARY_BYTES;
    return name_set_size_with(set, name.size) + name_set_size_with(other, 0) + dictionary <=
           known->size_max;
}

static enum status add_item(struct item_reading *reading, struct bytes record, struct error *error)
{
    struct known_items *known = reading->known;
    struct item_record item;
    uint32_t number, category;
    if (record.size > reading->record_max) {
        return error_set(error, STATUS_CORRUPT, "an item record of %zu bytes, at most %zu",
                         record.size, reading->record_max);
    }
    memcpy(reading->copy, record.at, record.size);
    TRY(item_record_decode(reading->json, (struct bytes){reading->copy, record.size},
                           reading->copy + reading->record_max + JSON_PADDING, &item, error));
    const uint64_t category_hash = identity_of(item.category.at, item.category.size);
    if (!name_fits(known, &known->items, item.item, item.hash) ||
        (item.category.size &&
         !name_fits(known, &known->categories, item.category, category_hash))) {
        known->left_out++;
        return STATUS_OK;
    }
    TRY(name_set_add(&known->items, item.item, item.hash, &number, error));
    if (item.category.size == 0) return STATUS_OK;
    TRY(name_set_add(&known->categories, item.category, category_hash, &category, error));
    known->items.names[number].category = category + 1;
    return STATUS_OK;
}

static enum status know_parts(struct known_items *known, uint32_t parts, struct error *error)
{
    if (known->parts == parts) return STATUS_OK;
    free(known->next);
    known->parts = 0;
    known->next = calloc(parts, sizeof *known->next);
    if (!known->next) return error_set(error, STATUS_IO, "out of memory: item names");
    known->parts = parts;
    return STATUS_OK;
}

static enum status read_item_parts(struct item_reading *reading, const struct log_input_ops *ops,
                                   struct log_input *input, struct error *error)
{
    struct known_items *known = reading->known;
    TRY(know_parts(known, ops->parts(input, LOG_ITEMS), error));
    for (uint32_t part = 0; part < known->parts; part++) {
        struct bytes record;
        enum status status;
        TRY(ops->begin_items(input, part, known->next[part], error));
        while ((status = ops->item(input, &record, error)) == STATUS_OK) {
            TRY(add_item(reading, record, error));
            known->next[part] = ops->place(input).number + 1;
        }
        if (status != STATUS_END) return status;
    }
    return STATUS_OK;
}

void known_items_close(struct known_items *known)
{
    name_set_close(&known->items);
    name_set_close(&known->categories);
    free(known->next);
    *known = (struct known_items){.parts = 0};
}

enum status known_items_read(struct known_items *known, const struct config *config,
                             struct error *error)
{
    const struct log_input_ops *ops = log_input_of(config);
    const size_t record_max = item_record_size_max(config->source.id_size_max);
    struct item_reading reading = {
        .known = known, .record_max = record_max, .copy = malloc(4 * (record_max + JSON_PADDING))};
    struct log_input *input = NULL;
    known->left_out = 0;
    enum status status = reading.copy ? json_decoder_open(&reading.json, record_max, error)
                                      : error_set(error, STATUS_IO, "out of memory: item names");
    if (status == STATUS_OK) status = ops->open(&input, config, error);
    if (status == STATUS_OK) status = read_item_parts(&reading, ops, input, error);
    if (input) ops->close(input);
    json_decoder_close(reading.json);
    free(reading.copy);
    return status;
}
