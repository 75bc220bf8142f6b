/* event_decoder.c - judges what the formats found: the only place where bytes become an event. */
#include "stream/source/event_decoder.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/checksum.h"
#include "base/escape.h"
#include "base/iso8601.h"
#include "base/json.h"
#include "base/utf8.h"
#include "state/history.h"
#include "stream/source/decimal.h"
#include "stream/source/event_foreign.h"
#include "stream/source/event_json.h"
#include "stream/source/event_table.h"
#include "stream/source/event_time.h"

enum {
    NULLS_MAX = 16,      /* values of source.null_values */
    NULL_SIZE_MAX = 31,  /* bytes of one */
    LABEL_SIZE_MAX = 28, /* bytes of a field's name in a message, with its end */
    SHOWN_SIZE_MAX = 33, /* bytes of a field's value in a message, with its end */
};

struct event_decoder {
    const struct config *config;
    bool profiles; /* of source.profile */
    char *listed;  /* names of source.fields.category, each ended */
    char *profile; /* of profile.fields */
    unsigned categories;
    unsigned features;
    uint64_t feature[EVENT_FEATURES]; /* identity_of("name=") */
    unsigned fields;                 /* that there may be, FIELD_CATEGORY + categories + features */
    const char *names[EVENT_FIELDS]; /* as configured; "" = no such field */
    char labels[EVENT_FIELDS][LABEL_SIZE_MAX]; /* their names in messages */
    struct bytes nulls[NULLS_MAX];
    unsigned nulls_count;
    uint32_t nulls_sizes; /* bit n: one of them has n bytes */
    struct event_json json;
    struct event_table table; /* csv, tsv */
};

static enum status list_nulls(struct event_decoder *decoder, struct error *error)
{
    const char *at = decoder->config->source.null_values;
    for (size_t size; *at; at += size + (at[size] == ',')) {
        size = strcspn(at, ",");
        if (size > NULL_SIZE_MAX || decoder->nulls_count == NULLS_MAX) {
            return error_set(error, STATUS_INVALID,
                             "source.null_values: at most %d values of up to %d bytes each",
                             NULLS_MAX, NULL_SIZE_MAX);
        }
        decoder->nulls[decoder->nulls_count++] = (struct bytes){at, size};
        decoder->nulls_sizes |= UINT32_C(1) << size;
    }
    return STATUS_OK;
}

static bool is_null(const struct event_decoder *decoder, struct bytes text)
{
    if (text.size > NULL_SIZE_MAX || !(decoder->nulls_sizes >> text.size & 1)) return false;
    for (unsigned i = 0; i < decoder->nulls_count; i++) {
        if (bytes_equal(decoder->nulls[i], text)) return true;
    }
    return false;
}

/* Cuts a list of names at its commas; what is in `at` is its names from then on. */
static enum status list_names(const char *key, char *at, const char **names, unsigned max,
                              unsigned *countp, struct error *error)
{
    for (char *name; (name = strsep(&at, ","));) {
        if (*name == 0) continue;
        if (*countp == max) {
            return error_set(error, STATUS_INVALID, "%s: at most %u names", key, max);
        }
        names[(*countp)++] = name;
    }
    return STATUS_OK;
}

static enum status name_fields(struct event_decoder *decoder, struct error *error)
{
    const struct config *config = decoder->config;
    const bool events = !decoder->profiles;
    const bool told = decoder->profiles || !*config->source.profile; /* of users */
    decoder->names[FIELD_USER] = config->source.field_user;
    decoder->names[FIELD_ITEM] = events ? config->source.field_item : "";
    decoder->names[FIELD_TIME] = events ? config->source.field_time : "";
    decoder->names[FIELD_ACTION] = events ? config->source.field_action : "";
    decoder->listed = strdup(events ? config->source.field_category : "");
    decoder->profile = strdup(told ? config->profile.fields : "");
    if (!decoder->listed || !decoder->profile)
        return error_set(error, STATUS_IO, "out of memory: an event decoder");
    TRY(list_names("source.fields.category", decoder->listed, decoder->names + FIELD_CATEGORY,
                   CATEGORIES_MAX, &decoder->categories, error));
    const char **features = decoder->names + FIELD_CATEGORY + decoder->categories;
    TRY(list_names("profile.fields", decoder->profile, features, EVENT_FEATURES, &decoder->features,
                   error));
    for (unsigned i = 0; i < decoder->features; i++) {
        if (strchr(features[i], '=')) {
            return error_set(error, STATUS_INVALID, "profile.fields: '%s': no = in a name",
                             features[i]);
        }
        decoder->feature[i] = identity_more(identity_of(features[i], strlen(features[i])), "=", 1);
    }
    decoder->fields = FIELD_CATEGORY + decoder->categories + decoder->features;
    return STATUS_OK;
}

static enum status open_format(struct event_decoder *decoder, struct error *error)
{
    const struct config *config = decoder->config;
    const bool numbered = config->source.format != CONFIG_JSON && !config->source.header;
    for (unsigned i = 0; i < decoder->fields; i++) {
        snprintf(decoder->labels[i], LABEL_SIZE_MAX, "%s%s", numbered ? "column " : "",
                 decoder->names[i]);
    }
    TRY(list_nulls(decoder, error));
    if (!decoder->profiles && config->actions_count > 0 && !*decoder->names[FIELD_ACTION]) {
        return error_set(error, STATUS_INVALID,
                         "actions are listed, and source.fields.action names no field that would "
                         "say which one an event is: set it, or leave the list out");
    }
    if (config->source.format == CONFIG_JSON) {
        return event_json_open(&decoder->json, decoder->names, decoder->fields,
                               config->source.event_size_max, error);
    }
    TRY(event_table_open(&decoder->table, table_form_of(config), decoder->names, decoder->fields,
                         config->source.event_size_max, error));
    return numbered ? event_table_numbers(&decoder->table, error) : STATUS_OK;
}

static enum status open_decoder(struct event_decoder **decoderp, const struct config *config,
                                bool profiles, struct error *error)
{
    *decoderp = NULL;
    struct event_decoder *decoder = calloc(1, sizeof *decoder);
    if (!decoder) return error_set(error, STATUS_IO, "out of memory: an event decoder");
    decoder->config = config;
    decoder->profiles = profiles;
    enum status status = name_fields(decoder, error);
    if (status == STATUS_OK) status = open_format(decoder, error);
    if (status != STATUS_OK) {
        event_decoder_close(decoder);
        return status;
    }
    *decoderp = decoder;
    return STATUS_OK;
}

enum status event_decoder_open(struct event_decoder **decoderp, const struct config *config,
                               struct error *error)
{
    return open_decoder(decoderp, config, false, error);
}

enum status event_decoder_open_profiles(struct event_decoder **decoderp,
                                        const struct config *config, struct error *error)
{
    return open_decoder(decoderp, config, true, error);
}

void event_decoder_close(struct event_decoder *decoder)
{
    if (!decoder) return;
    event_json_close(&decoder->json);
    event_table_close(&decoder->table);
    free(decoder->listed);
    free(decoder->profile);
    free(decoder);
}

enum status event_decoder_header(struct event_decoder *decoder, struct bytes line,
                                 struct error *error)
{
    return event_table_header(&decoder->table, line, error);
}

/* What a cell says, for a message. */
static const char *show(const struct event_cell *cell, char to[SHOWN_SIZE_MAX])
{
    return escape_message(cell->text, to, SHOWN_SIZE_MAX);
}

/* A field that must be there, and is text. */
static enum event_verdict judge_presence(const struct event_decoder *decoder, unsigned field,
                                         const struct event_cell *cell, struct event *event)
{
    const char *label = decoder->labels[field];
    if (cell->kind == CELL_ABSENT) {
        return event_refuse(event, EVENT_MISSING_FIELD, "%s is missing", label);
    }
    if (cell->kind == CELL_NO_TEXT) {
        return event_refuse(event, EVENT_BAD_UTF8, "%s is no UTF-8 text", label);
    }
    if (cell->kind == CELL_TEXT && cell->text.size == 0) {
        return event_refuse(event, EVENT_MISSING_FIELD, "%s is empty", label);
    }
    if (cell->kind == CELL_TEXT && is_null(decoder, cell->text)) {
        char shown[SHOWN_SIZE_MAX];
        return event_refuse(event, EVENT_MISSING_FIELD, "%s is %s, one of source.null_values",
                            label, show(cell, shown));
    }
    return EVENT_ACCEPTED;
}

/*
 * An id is a text of 1 .. id_size_max bytes, or a whole number. One that is written with a point or
 * an exponent is its digits, which go to `to` (DECIMAL_INTEGER_MAX bytes).
 */
static enum event_verdict judge_id(const struct event_decoder *decoder, enum event_field field,
                                   const struct event_cell *cell, char *to, struct event *event,
                                   struct bytes *idp)
{
    const char *label = decoder->labels[field];
    struct decimal number;
    char shown[SHOWN_SIZE_MAX];
    enum event_verdict verdict = judge_presence(decoder, field, cell, event);
    if (verdict != EVENT_ACCEPTED) return verdict;
    struct bytes id = cell->text;
    if (cell->kind == CELL_REAL) {
        const bool read = decimal_parse(cell->text, &number);
        id = (struct bytes){to, read ? decimal_integer(&number, to) : 0};
    }
    if (cell->kind == CELL_ARRAY || cell->kind == CELL_OTHER || id.size == 0) {
        return event_refuse(event, EVENT_BAD_FIELD, "%s is neither text nor a whole number%s%s",
                            label, cell->text.size ? ": " : "", show(cell, shown));
    }
    if (id.size > decoder->config->source.id_size_max) {
        return event_refuse(event, EVENT_OVERSIZE, "%s has %zu bytes, more than source.id_size_max",
                            label, id.size);
    }
    *idp = id;
    return EVENT_ACCEPTED;
}

/* Without a list of actions all events count alike, as action 0. */
static enum event_verdict judge_action(const struct event_decoder *decoder,
                                       const struct event_cell *cell, char *to, struct event *event)
{
    const struct config *config = decoder->config;
    struct bytes name;
    event->action = 0;
    if (config->actions_count == 0) return EVENT_ACCEPTED;
    enum event_verdict verdict = judge_id(decoder, FIELD_ACTION, cell, to, event, &name);
    if (verdict != EVENT_ACCEPTED) return verdict;
    for (uint32_t i = 0; i < config->actions_count; i++) {
        if (!bytes_equal(bytes_of(config->actions[i].name), name)) continue;
        event->action = (uint8_t)(i + 1);
        return EVENT_ACCEPTED;
    }
    return EVENT_DROPPED;
}

/* Within what the configuration allows, and a stored behavior can hold. */
static enum event_verdict judge_range(const struct event_decoder *decoder,
                                      const struct event_cell *cell, int64_t broker_ms,
                                      struct event *event)
{
    static const char *const units[] = {"s", "ms", "us", "iso8601"};
    const struct config *config = decoder->config;
    const bool file = broker_ms < 0;
    const int64_t ms = event->time_ms;
    const char *why = NULL;
    int64_t least = config->source.time_min_ms, most = config->source.time_max_ms;
    if (!file && __builtin_sub_overflow(broker_ms, config->source.time_behind_ms, &least))
        least = 0;
    if (!file && __builtin_add_overflow(broker_ms, config->source.time_ahead_ms, &most)) {
        most = INT64_MAX;
    }
    if (ms < least) {
        why = file ? "before source.time_min" : "before source.time_behind";
    } else if (ms > most) {
        why = file ? "after source.time_max" : "after source.time_ahead";
    } else if (ms < 0 || ms > HISTORY_TIME_MAX_MS) {
        why = "which a history cannot hold";
    }
    if (!why) return EVENT_ACCEPTED;
    char shown[SHOWN_SIZE_MAX], date[ISO8601_SIZE] = "no date";
    if (ms >= ISO8601_MIN_MS && ms <= ISO8601_MAX_MS) iso8601_print(ms, date);
    return event_refuse(event, EVENT_BAD_TIME, "%s: %s as %s is %.10s, %s: is source.time right?",
                        decoder->labels[FIELD_TIME], show(cell, shown), units[config->source.time],
                        date, why);
}

static enum event_verdict judge_time(const struct event_decoder *decoder,
                                     const struct event_cell *cell, int64_t broker_ms,
                                     struct event *event)
{
    static const char *const expected[] = {"no number of seconds", "no number of milliseconds",
                                           "no number of microseconds", "no ISO 8601 time"};
    const enum config_time unit = decoder->config->source.time;
    const char *label = decoder->labels[FIELD_TIME];
    char shown[SHOWN_SIZE_MAX];
    enum event_verdict verdict = judge_presence(decoder, FIELD_TIME, cell, event);
    if (verdict != EVENT_ACCEPTED) return verdict;
    if (cell->kind == CELL_ARRAY || cell->kind == CELL_OTHER) {
        return event_refuse(event, EVENT_BAD_FIELD, "%s is neither text nor a number%s%s", label,
                            cell->text.size ? ": " : "", show(cell, shown));
    }
    if (!event_time_parse(cell->text, unit, &event->time_ms)) {
        return event_refuse(event, EVENT_BAD_TIME, "%s is %s: %s: is source.time right?", label,
                            expected[unit], show(cell, shown));
    }
    return judge_range(decoder, cell, broker_ms, event);
}

/*
 * Of category `field`; false if there is none. One that cannot be used is left out, and why is said:
 * the event is worth more than it.
 */
static bool judge_category(const struct event_decoder *decoder, unsigned field,
                           const struct event_cell *cell, char *to, struct event *event,
                           struct bytes *categoryp)
{
    if (cell->kind == CELL_ABSENT) return false;
    const enum event_verdict verdict = judge_id(decoder, field, cell, to, event, categoryp);
    if (verdict == EVENT_ACCEPTED) return true;
    if (event_is_bad(verdict) && verdict != EVENT_MISSING_FIELD) event->odd_category = true;
    return false;
}

/* Where decoding puts what is not as it stands in the event: all of one scratch. */
struct room {
    char *texts;      /* of fields, from its begin on; the end is free */
    size_t size;      /* bytes of it, as many as the event has */
    char *numbers;    /* the digits of three ids */
    char *categories; /* several of them, at most as long as the event and their numbers */
    char *features;
};

static struct room room_of(char *scratch, size_t size)
{
    char *numbers = scratch + size;
    char *categories = numbers + (size_t)3 * DECIMAL_INTEGER_MAX;
    char *features = categories + size + (size_t)CATEGORIES_MAX * (DECIMAL_INTEGER_MAX + 1);
    return (struct room){scratch, size, numbers, categories, features};
}

/* What the cell of category `field` is: itself, or the elements of an array, put into `elements`. */
static const struct event_cell *spread(struct event_decoder *decoder, unsigned field,
                                       const struct event_cell *cell, const struct room *room,
                                       struct event_cell elements[EVENT_ELEMENTS_MAX],
                                       unsigned *countp, struct event *event)
{
    *countp = 1;
    if (cell->kind != CELL_ARRAY) return cell;
    char *end = room->texts + room->size;
    if (event_json_elements(&decoder->json, cell->text, end - cell->text.size, elements, countp)) {
        return elements;
    }
    *countp = 0;
    event->odd_category = true;
    event_refuse(event, EVENT_BAD_UTF8, "%s is no UTF-8 text", decoder->labels[field]);
    return elements;
}

/* Several fields, or an array: what can be used of them, each once. */
static void judge_categories(struct event_decoder *decoder, const struct event_cell *cells,
                             const struct room *room, char *number, struct event *event)
{
    struct event_cell elements[EVENT_ELEMENTS_MAX];
    struct bytes category;
    unsigned listed = 0, count;
    size_t size = 0;
    for (unsigned i = 0; i < decoder->categories; i++) {
        const unsigned field = FIELD_CATEGORY + i;
        const struct event_cell *cell =
            spread(decoder, field, cells++, room, elements, &count, event);
        for (unsigned k = 0; k < count && listed < CATEGORIES_MAX; k++) {
            if (!judge_category(decoder, field, &cell[k], number, event, &category)) continue;
            const size_t before = size;
            size = categories_add(room->categories, size, category);
            listed += size > before;
        }
    }
    event->category = (struct bytes){room->categories, size};
}

/* Whether a cell is a value: text, a number or a truth value as it is written, not too long. */
static bool is_value(const struct event_decoder *decoder, const struct event_cell *cell)
{
    const bool truth = cell->kind == CELL_OTHER && (bytes_equal(cell->text, bytes_of("true")) ||
                                                    bytes_equal(cell->text, bytes_of("false")));
    return (truth || cell->kind == CELL_TEXT || cell->kind == CELL_REAL) &&
           cell->text.size <= decoder->config->source.id_size_max;
}

/* What the event says of its user. A value that cannot be used is left out, and why is said. */
static void judge_profile(const struct event_decoder *decoder, const struct event_cell *cells,
                          char *to, struct event *event)
{
    event->profile = to;
    memset(to, 0, decoder->features * sizeof(uint64_t));
    for (unsigned i = 0; i < decoder->features; i++) {
        const struct event_cell *cell = &cells[i];
        if (cell->kind == CELL_ABSENT || (cell->kind == CELL_TEXT && cell->text.size == 0))
            continue;
        if (cell->kind != CELL_NO_TEXT && is_null(decoder, cell->text)) continue;
        if (is_value(decoder, cell)) {
            const uint64_t hash =
                identity_more(decoder->feature[i], cell->text.at, cell->text.size);
            memcpy(to + i * sizeof hash, &hash, sizeof hash);
            continue;
        }
        char shown[SHOWN_SIZE_MAX];
        event->odd_category = true;
        event_refuse(event, EVENT_BAD_FIELD, "%s is no value of source.id_size_max bytes: %s",
                     decoder->labels[FIELD_CATEGORY + decoder->categories + i], show(cell, shown));
    }
}

/*
 * The user is set first: of a bad event it is worth knowing. The action goes before what remains,
 * since an unlisted one is somebody else's event and may well have no item.
 */
static enum event_verdict judge(struct event_decoder *decoder,
                                const struct event_cell cells[EVENT_FIELDS], int64_t broker_ms,
                                const struct room *room, struct event *event)
{
    char *numbers = room->numbers;
    char *item_number = numbers + DECIMAL_INTEGER_MAX;
    char *other_number = item_number + DECIMAL_INTEGER_MAX; /* the action's, then the category's */
    const enum event_verdict user =
        judge_id(decoder, FIELD_USER, &cells[FIELD_USER], numbers, event, &event->user);
    if (decoder->profiles && user == EVENT_ACCEPTED) {
        judge_profile(decoder, &cells[FIELD_CATEGORY], room->features, event);
        return EVENT_PROFILE;
    }
    enum event_verdict verdict = judge_action(decoder, &cells[FIELD_ACTION], other_number, event);
    if (verdict != EVENT_ACCEPTED && !decoder->profiles) return verdict;
    if (user != EVENT_ACCEPTED) return user;
    verdict = judge_id(decoder, FIELD_ITEM, &cells[FIELD_ITEM], item_number, event, &event->item);
    if (verdict != EVENT_ACCEPTED) return verdict;
    event->item_hash = identity_of(event->item.at, event->item.size);
    verdict = judge_time(decoder, &cells[FIELD_TIME], broker_ms, event);
    if (verdict != EVENT_ACCEPTED) return verdict;
    const struct event_cell *category = &cells[FIELD_CATEGORY];
    if (decoder->categories > 1 || (decoder->categories && category->kind == CELL_ARRAY)) {
        judge_categories(decoder, category, room, other_number, event);
    } else if (decoder->categories) {
        judge_category(decoder, FIELD_CATEGORY, category, other_number, event, &event->category);
    }
    judge_profile(decoder, category + decoder->categories, room->features, event);
    return EVENT_ACCEPTED;
}

static bool is_blank(struct bytes raw)
{
    const char *at = raw.at;
    size_t i = 0;
    while (i < raw.size && (at[i] == ' ' || (at[i] >= '\t' && at[i] <= '\r'))) {
        i++;
    }
    return i == raw.size;
}

/* The fields of `raw`, or a verdict that says what it is instead of an event. */
static enum event_verdict find_cells(struct event_decoder *decoder, struct bytes raw, void *scratch,
                                     struct event_cell cells[EVENT_FIELDS], struct event *event)
{
    const uint32_t size_max = decoder->config->source.event_size_max;
    const bool json = decoder->config->source.format == CONFIG_JSON;
    enum event_verdict verdict;
    if (raw.size > size_max) {
        verdict = event_refuse(event, EVENT_OVERSIZE,
                               "longer than %u bytes (source.event_size_max)", size_max);
    } else if (json) {
        verdict = event_json_cells(&decoder->json, raw, scratch, cells, event);
    } else {
        verdict = event_table_cells(&decoder->table, raw, scratch, cells, event);
    }
    const char *foreign = event_is_bad(verdict) ? event_foreign(raw) : NULL;
    if (!foreign) return verdict;
    return event_refuse(event, verdict, "it is %s, not %s", foreign, json ? "JSON" : "a row");
}

static enum event_verdict decode(struct event_decoder *decoder, struct bytes key, struct bytes raw,
                                 int64_t broker_ms, char *scratch, struct event *event)
{
    struct event_cell cells[EVENT_FIELDS];
    const struct room room = room_of(scratch, raw.size);
    memset(cells, 0, decoder->fields * sizeof *cells);
    raw = utf8_without_mark(raw);
    const bool blank = is_blank(raw);
    if (blank && !key.at) return EVENT_BLANK;
    enum event_verdict verdict =
        blank ? EVENT_ACCEPTED : find_cells(decoder, raw, scratch, cells, event);
    if (verdict != EVENT_ACCEPTED) return verdict;
    if (key.at) {
        const bool text = json_utf8_valid(key);
        cells[FIELD_USER] = (struct event_cell){text ? CELL_TEXT : CELL_NO_TEXT, key};
    }
    verdict = judge(decoder, cells, broker_ms, &room, event);
    if (event_is_bad(verdict) && decoder->json.json && cells[FIELD_USER].kind == CELL_ABSENT &&
        event_json_is_envelope(&decoder->json, raw, scratch)) {
        return event_refuse(event, verdict,
                            "it is wrapped by Kafka Connect: its fields are in payload, as "
                            "source.fields.user=payload.%s",
                            decoder->labels[FIELD_USER]);
    }
    return verdict;
}

static const struct bytes none = {NULL, 0};

static void decode_keyed(struct event_decoder *decoder, struct bytes key, struct bytes raw,
                         int64_t broker_ms, void *scratch, struct event *event)
{
    size_t size_max = decoder->config->source.event_size_max;
    event->action = 0;
    event->time_ms = 0;
    event->item_hash = 0;
    event->user = event->item = event->category = event->payload = event->key = none;
    event->profile = NULL;
    event->features = (uint8_t)decoder->features;
    event->odd_category = event->erased = false;
    event->origin = EVENT_OF_SOURCE;
    event->why[0] = '\0';
    event->broker_ms = broker_ms;
    event->verdict = decode(decoder, key, raw, broker_ms, scratch, event);
    if (!event_is_bad(event->verdict)) {
        if (!event->odd_category) event->why[0] = '\0'; /* it may say what does not matter */
        return;
    }
    event->payload = (struct bytes){raw.at, raw.size < size_max ? raw.size : size_max};
}

void event_decode(struct event_decoder *decoder, struct bytes raw, int64_t broker_ms, void *scratch,
                  struct event *event)
{
    decode_keyed(decoder, none, raw, broker_ms, scratch, event);
}

void event_decode_profile(struct event_decoder *decoder, struct bytes key, struct bytes raw,
                          void *scratch, struct event *event)
{
    decode_keyed(decoder, key, raw, -1, scratch, event);
}
