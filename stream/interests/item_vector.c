/* item_vector.c - rows of item.embedding with the names of the dictionary, encoded. */
#include "stream/interests/item_vector.h"

#include <string.h>

#include "base/base64.h"
#include "base/checksum.h"
#include "base/escape.h"
#include "base/json_writer.h"
#include "base/number_text.h"
#include "item_vector.pb-c.h"
#include "model/kernel/kernel.h"
#include "model/tensor/params.h"

enum { FIXED_SIZE_MAX = 384 }; /* all names, punctuation and integers of a record */

static const struct param *embedding_of(const struct checkpoint *checkpoint)
{
    return param_set_get(checkpoint->params, "item.embedding");
}

uint32_t item_vectors_count(const struct checkpoint *checkpoint)
{
    return item_table_items(checkpoint->items);
}

uint32_t item_vectors_width(const struct checkpoint *checkpoint)
{
    return embedding_of(checkpoint)->spec.shape[1];
}

struct item_vector item_vector_at(const struct checkpoint *checkpoint, uint32_t index, float *room)
{
    const struct item_table *items = checkpoint->items;
    const uint32_t width = item_vectors_width(checkpoint);
    const uint32_t row = 1 + item_table_oov(items) + index;
    REQUIRE(index < item_table_items(items));
    memcpy(room, embedding_of(checkpoint)->data + (size_t)row * width, width * sizeof *room);
    if (checkpoint->dims.cosine) kernel_unit(room, 1, width);
    const struct category_list list = item_table_categories_of(items, row);
    struct item_vector vector = {
        .generation = checkpoint->generation,
        .item = item_table_id(items, row),
        .category = item_table_category_name(items, list.rows[0]),
        .width = width,
        .vector = room,
    };
    for (uint32_t i = 1; i < category_list_count(&list); i++) {
        vector.more[vector.more_count++] = item_table_category_name(items, list.rows[i]);
    }
    return vector;
}

/* Category `index`, from 0 on, and how many there are. */
static struct bytes category_at(const struct item_vector *vector, uint32_t index)
{
    return index == 0 ? vector->category : vector->more[index - 1];
}

static uint32_t categories_of(const struct item_vector *vector)
{
    return vector->more_count ? 1 + vector->more_count : 0;
}

/* The end of the checksum's layout: nothing, or several categories. Returns how many parts. */
static uint32_t list_categories(const struct item_vector *vector, uint8_t sizes[4 * (1 + TAGS_MAX)],
                                struct bytes parts[1 + 2 * TAGS_MAX])
{
    struct byte_writer writer = byte_writer_of(sizes, 4 * (1 + TAGS_MAX));
    const uint32_t categories = categories_of(vector);
    uint32_t count = 0;
    if (categories == 0) return 0;
    write_u32(&writer, categories);
    parts[count++] = (struct bytes){sizes, 4};
    for (uint32_t i = 0; i < categories; i++) {
        const struct bytes category = category_at(vector, i);
        write_u32(&writer, (uint32_t)category.size);
        parts[count++] = (struct bytes){sizes + writer.used - 4, 4};
        parts[count++] = category;
    }
    return count;
}

uint64_t item_vector_checksum(const struct item_vector *vector)
{
    uint8_t head[12], middle[4], tail[4], sizes[4 * (1 + TAGS_MAX)];
    struct byte_writer at_head = byte_writer_of(head, sizeof head);
    struct byte_writer at_middle = byte_writer_of(middle, sizeof middle);
    struct byte_writer at_tail = byte_writer_of(tail, sizeof tail);
    write_u64(&at_head, vector->generation);
    write_u32(&at_head, (uint32_t)vector->item.size);
    write_u32(&at_middle, (uint32_t)vector->category.size);
    write_u32(&at_tail, vector->width);
    struct bytes parts[7 + 2 * TAGS_MAX] = {
        written(&at_head),   vector->item,
        written(&at_middle), vector->category,
        written(&at_tail),   {vector->vector, vector->width * sizeof *vector->vector},
    };
    return checksum_of_parts(parts, 6 + list_categories(vector, sizes, parts + 6));
}

struct items_end items_end_begin(const struct checkpoint *checkpoint)
{
    return (struct items_end){.generation = checkpoint->generation,
                              .width = item_vectors_width(checkpoint)};
}

void items_end_add(struct items_end *end, const struct item_vector *vector)
{
    end->items++;
    end->checksum += item_vector_checksum(vector);
}

/* ---- keys ---- */

size_t item_key_encode(uint64_t generation, struct bytes item, void *to)
{
    uint8_t *at = to;
    for (unsigned i = 0; i < ITEM_KEY_GENERATION_SIZE; i++) {
        at[i] = (uint8_t)(generation >> (56 - 8 * i));
    }
    if (item.size) memcpy(at + ITEM_KEY_GENERATION_SIZE, item.at, item.size);
    return ITEM_KEY_GENERATION_SIZE + item.size;
}

bool item_key_decode(struct bytes key, uint64_t *generation)
{
    const uint8_t *at = key.at;
    if (key.size < ITEM_KEY_GENERATION_SIZE) return false;
    *generation = 0;
    for (unsigned i = 0; i < ITEM_KEY_GENERATION_SIZE; i++) {
        *generation = *generation << 8 | at[i];
    }
    return true;
}

/* ---- values ---- */

size_t item_vector_size_max(size_t texts_size, uint32_t width)
{
    return FIXED_SIZE_MAX + texts_size * ESCAPE_MAX + width * (size_t)(FLOAT_TEXT_MAX + 1);
}

/* The first category stands twice where there are several. */
size_t item_vector_size(const struct item_vector *vector)
{
    size_t texts = vector->item.size + vector->category.size;
    for (uint32_t i = 0; i < categories_of(vector); i++) {
        texts += category_at(vector, i).size;
    }
    return item_vector_size_max(texts, vector->width);
}

static size_t encode_json(const struct item_vector *vector, enum config_vectors vectors, void *to)
{
    struct json_writer json = json_writer_at(to, item_vector_size(vector));
    json_begin(&json, '{');
    json_key(&json, "generation");
    json_unsigned(&json, vector->generation);
    json_key(&json, "item");
    json_text(&json, vector->item);
    json_key(&json, "category");
    json_text(&json, vector->category);
    if (categories_of(vector)) {
        json_key(&json, "categories");
        json_begin(&json, '[');
        for (uint32_t i = 0; i < categories_of(vector); i++) {
            json_text(&json, category_at(vector, i));
        }
        json_end(&json, ']');
    }
    json_key(&json, "width");
    json_unsigned(&json, vector->width);
    json_key(&json, "vector");
    if (vectors == CONFIG_VECTORS_BASE64) {
        json_base64(&json, (struct bytes){vector->vector, vector->width * sizeof(float)});
    } else {
        json_begin(&json, '[');
        for (uint32_t i = 0; i < vector->width; i++) {
            json_float(&json, vector->vector[i]);
        }
        json_end(&json, ']');
    }
    json_key(&json, "checksum");
    json_hex(&json, item_vector_checksum(vector));
    json_end(&json, '}');
    REQUIRE(!json.failed);
    return json.used;
}

size_t item_vector_encode(const struct item_vector *vector, enum config_record form,
                          enum config_vectors vectors, void *to)
{
    if (form == CONFIG_RECORD_JSON) return encode_json(vector, vectors, to);
    /* protobuf-c takes what it does not change through pointers that it could. */
    Braid__ItemVector message = BRAID__ITEM_VECTOR__INIT;
    message.generation = vector->generation;
    message.item.data = (uint8_t *)(uintptr_t)vector->item.at;
    message.item.len = vector->item.size;
    message.category.data = (uint8_t *)(uintptr_t)vector->category.at;
    message.category.len = vector->category.size;
    ProtobufCBinaryData categories[TAGS_MAX];
    message.n_categories = categories_of(vector);
    message.categories = categories;
    for (uint32_t i = 0; i < message.n_categories; i++) {
        const struct bytes category = category_at(vector, i);
        categories[i] = (ProtobufCBinaryData){category.size, (uint8_t *)(uintptr_t)category.at};
    }
    message.n_vector = vector->width;
    message.vector = (float *)(uintptr_t)vector->vector;
    message.checksum = item_vector_checksum(vector);
    return braid__item_vector__pack(&message, to);
}

static size_t encode_end_json(const struct items_end *end, void *to)
{
    struct json_writer json = json_writer_at(to, item_vector_size_max(0, 0));
    json_begin(&json, '{');
    json_key(&json, "generation");
    json_unsigned(&json, end->generation);
    json_key(&json, "items");
    json_unsigned(&json, end->items);
    json_key(&json, "width");
    json_unsigned(&json, end->width);
    json_key(&json, "checksum");
    json_hex(&json, end->checksum);
    json_key(&json, "complete");
    json_bool(&json, end->complete);
    json_end(&json, '}');
    REQUIRE(!json.failed);
    return json.used;
}

size_t items_end_encode(const struct items_end *end, enum config_record form, void *to)
{
    if (form == CONFIG_RECORD_JSON) return encode_end_json(end, to);
    Braid__ItemsEnd message = BRAID__ITEMS_END__INIT;
    message.generation = end->generation;
    message.items = end->items;
    message.width = end->width;
    message.checksum = end->checksum;
    message.complete = end->complete;
    return braid__items_end__pack(&message, to);
}
