/* fake_log.c - see fake_log.h. */
#include "tests/unit/fake_log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/checksum.h"
#include "base/json.h"
#include "tests/unit/fake_broker.h"

enum { ITEMS = 60 };

struct source_event *fake_source(uint64_t seed, uint32_t partition, uint32_t events)
{
    struct source_event *source = calloc(events, sizeof *source);
    REQUIRE(source);
    for (uint32_t e = 0; e < events; e++) {
        struct source_event *event = &source[e];
        uint64_t random = splitmix64(seed * 1000003 + partition * 500009 + e);
        event->user_number = (uint32_t)(random % FAKE_USERS * (random >> 32 & 1));
        event->bad = (random >> 33) % FAKE_BAD_EVERY == 0;
        snprintf(event->user, sizeof event->user, "p%uu%u", partition, event->user_number);
        snprintf(event->item, sizeof event->item, "i%u", (unsigned)((random >> 40) % ITEMS));
    }
    return source;
}

void fake_log_add(struct record_list *list, const struct record *record)
{
    if (list->count == list->capacity) {
        list->capacity = list->capacity ? 2 * list->capacity : 64;
        list->at = realloc(list->at, list->capacity * sizeof *list->at);
        REQUIRE(list->at);
    }
    char *bytes = calloc(1, record->key.size + record->value.size + JSON_PADDING);
    REQUIRE(bytes);
    if (record->key.size) memcpy(bytes, record->key.at, record->key.size);
    char *value = bytes + record->key.size;
    if (record->value.size) memcpy(value, record->value.at, record->value.size);
    list->at[list->count++] = (struct kept_record){
        .kind = record->kind,
        .partition = record->partition,
        .key = {bytes, record->key.size},
        .value = {record->value.at ? value : NULL, record->value.size},
    };
}

void fake_log_clear(struct record_list *list)
{
    for (size_t i = 0; i < list->count; i++) {
        free((void *)(uintptr_t)list->at[i].key.at);
    }
    list->count = 0;
}

uint64_t fake_log_events(const struct record_list *list, const char *user)
{
    uint64_t events = 0;
    for (size_t i = 0; i < list->count; i++) {
        const struct kept_record *kept = &list->at[i];
        struct store_key key;
        struct history history;
        if (kept->kind != RECORD_HISTORY || !kept->value.at) continue;
        REQUIRE(history_key_decode(kept->key, &key.user, &key.chunk, NULL) == STATUS_OK);
        if (!bytes_equal(key.user, bytes_of(user))) continue;
        REQUIRE(history_decode(&history, kept->value, NULL) == STATUS_OK);
        events = history_events(&history);
    }
    return events;
}

bool fake_log_names(const struct record_list *list, const char *item)
{
    uint64_t hash = __builtin_bswap64(identity_of(item, strlen(item)));
    for (size_t i = 0; i < list->count; i++) {
        const struct kept_record *kept = &list->at[i];
        if (kept->kind == RECORD_ITEM && bytes_equal(kept->key, (struct bytes){&hash, sizeof hash}))
            return true;
    }
    return false;
}
