/* event_decoder.c - judges what the formats found: the only place where bytes become an event. */
#include "stream/source/event_decoder.h"

#include <stdlib.h>

#include "base/checksum.h"
#include "base/iso8601.h"
#include "state/history.h"
#include "stream/source/event_json.h"
#include "stream/source/event_table.h"
#include "stream/source/event_time.h"

struct event_decoder {
    const struct config *config;
    const char *names[EVENT_FIELDS]; /* as configured; "" = the events have no such field */
    struct event_json json;
    struct event_table table; /* csv, tsv */
};

static enum status open_format(struct event_decoder *decoder, struct error *error)
{
    const struct config *config = decoder->config;
    if (config->source.format == CONFIG_JSON) {
        return event_json_open(&decoder->json, decoder->names, config->source.event_size_max,
                               error);
    }
    decoder->table.separator = config->source.format == CONFIG_CSV ? ',' : '\t';
    decoder->table.names = decoder->names;
    return config->source.header ? STATUS_OK : event_table_numbers(&decoder->table, error);
}

enum status event_decoder_open(struct event_decoder **decoderp, const struct config *config,
                               struct error *error)
{
    *decoderp = NULL;
    struct event_decoder *decoder = calloc(1, sizeof *decoder);
    if (!decoder) return error_set(error, STATUS_IO, "out of memory: an event decoder");
    decoder->config = config;
    decoder->names[FIELD_USER] = config->source.field_user;
    decoder->names[FIELD_ITEM] = config->source.field_item;
    decoder->names[FIELD_TIME] = config->source.field_time;
    decoder->names[FIELD_ACTION] = config->source.field_action;
    decoder->names[FIELD_CATEGORY] = config->source.field_category;
    enum status status = open_format(decoder, error);
    if (status != STATUS_OK) {
        event_decoder_close(decoder);
        return status;
    }
    *decoderp = decoder;
    return STATUS_OK;
}

void event_decoder_close(struct event_decoder *decoder)
{
    if (!decoder) return;
    event_json_close(&decoder->json);
    free(decoder);
}

enum status event_decoder_header(struct event_decoder *decoder, struct bytes line,
                                 struct error *error)
{
    return event_table_header(&decoder->table, line, error);
}

/* An id must be a text of 1 .. id_size_max bytes. */
static enum event_verdict judge_id(const struct event_decoder *decoder, enum event_field field,
                                   const struct event_cell *cell, struct event *event)
{
    const char *name = decoder->names[field];
    if (cell->kind == CELL_ABSENT) {
        return event_refuse(event, EVENT_MISSING_FIELD, "%.64s is missing", name);
    }
    if (cell->kind != CELL_TEXT) {
        return event_refuse(event, EVENT_BAD_FIELD, "%.64s is neither text nor an integer", name);
    }
    if (cell->text.size == 0) {
        return event_refuse(event, EVENT_MISSING_FIELD, "%.64s is empty", name);
    }
    if (cell->text.size > decoder->config->source.id_size_max) {
        return event_refuse(event, EVENT_OVERSIZE, "%.64s has %zu bytes", name, cell->text.size);
    }
    return EVENT_ACCEPTED;
}

/* Without a list of actions all events count alike, as action 0. */
static enum event_verdict judge_action(const struct event_decoder *decoder,
                                       const struct event_cell *cell, struct event *event)
{
    const struct config *config = decoder->config;
    event->action = 0;
    if (config->actions_count == 0) return EVENT_ACCEPTED;
    enum event_verdict verdict = judge_id(decoder, FIELD_ACTION, cell, event);
    if (verdict != EVENT_ACCEPTED) return verdict;
    for (uint32_t i = 0; i < config->actions_count; i++) {
        if (!bytes_equal(bytes_of(config->actions[i].name), cell->text)) continue;
        event->action = (uint8_t)(i + 1);
        return EVENT_ACCEPTED;
    }
    return EVENT_DROPPED;
}

static enum event_verdict judge_time(const struct event_decoder *decoder,
                                     const struct event_cell *cell, int64_t broker_ms,
                                     struct event *event)
{
    const struct config *config = decoder->config;
    const char *name = decoder->names[FIELD_TIME];
    if (cell->kind == CELL_ABSENT || (cell->kind == CELL_TEXT && cell->text.size == 0)) {
        return event_refuse(event, EVENT_MISSING_FIELD, "%.64s is missing", name);
    }
    if (cell->kind == CELL_OTHER) {
        return event_refuse(event, EVENT_BAD_FIELD, "%.64s is neither text nor a number", name);
    }
    if (!event_time_parse(cell->text, config->source.time, &event->time_ms)) {
        return event_refuse(event, EVENT_BAD_TIME, "%.32s is no time: %.*s", name,
                            (int)(cell->text.size < 32 ? cell->text.size : 32),
                            (const char *)cell->text.at);
    }
    bool file = broker_ms < 0;
    int64_t least = file ? config->source.time_min_ms : broker_ms - config->source.time_behind_ms;
    int64_t most = file ? config->source.time_max_ms : broker_ms + config->source.time_ahead_ms;
    if (least < 0) least = 0; /* what a stored behavior can hold */
    if (most > HISTORY_TIME_MAX_MS) most = HISTORY_TIME_MAX_MS;
    if (event->time_ms < least || event->time_ms > most) {
        char from[ISO8601_SIZE], to[ISO8601_SIZE];
        return event_refuse(event, EVENT_BAD_TIME, "%.16s is not within %.20s .. %.20s", name,
                            iso8601_print(least, from), iso8601_print(most, to));
    }
    return EVENT_ACCEPTED;
}

static enum event_verdict judge_category(const struct event_decoder *decoder,
                                         const struct event_cell *cell, struct event *event)
{
    bool none = cell->kind == CELL_ABSENT || (cell->kind == CELL_TEXT && cell->text.size == 0);
    if (none) return EVENT_ACCEPTED;
    enum event_verdict verdict = judge_id(decoder, FIELD_CATEGORY, cell, event);
    if (verdict == EVENT_ACCEPTED) event->category = cell->text;
    return verdict;
}

/*
 * The user is set first: of a bad event it is worth knowing. The action goes before what remains,
 * since an unlisted one is somebody else's event and may well have no item.
 */
static enum event_verdict judge(const struct event_decoder *decoder,
                                const struct event_cell cells[EVENT_FIELDS], int64_t broker_ms,
                                struct event *event)
{
    enum event_verdict user = judge_id(decoder, FIELD_USER, &cells[FIELD_USER], event);
    if (user == EVENT_ACCEPTED) event->user = cells[FIELD_USER].text;
    enum event_verdict verdict = judge_action(decoder, &cells[FIELD_ACTION], event);
    if (verdict != EVENT_ACCEPTED) return verdict;
    if (user != EVENT_ACCEPTED) return user;
    verdict = judge_id(decoder, FIELD_ITEM, &cells[FIELD_ITEM], event);
    if (verdict != EVENT_ACCEPTED) return verdict;
    event->item = cells[FIELD_ITEM].text;
    event->item_hash = identity_of(event->item.at, event->item.size);
    verdict = judge_time(decoder, &cells[FIELD_TIME], broker_ms, event);
    if (verdict != EVENT_ACCEPTED) return verdict;
    return judge_category(decoder, &cells[FIELD_CATEGORY], event);
}

static enum event_verdict decode(struct event_decoder *decoder, struct bytes raw, int64_t broker_ms,
                                 void *scratch, struct event *event)
{
    struct event_cell cells[EVENT_FIELDS] = {0};
    uint32_t size_max = decoder->config->source.event_size_max;
    if (raw.size > size_max) {
        return event_refuse(event, EVENT_OVERSIZE, "longer than %u bytes", size_max);
    }
    bool json = decoder->config->source.format == CONFIG_JSON;
    enum event_verdict verdict =
        json ? event_json_cells(&decoder->json, raw, scratch, cells, event)
             : event_table_cells(&decoder->table, raw, scratch, cells, event);
    return verdict == EVENT_ACCEPTED ? judge(decoder, cells, broker_ms, event) : verdict;
}

void event_decode(struct event_decoder *decoder, struct bytes raw, int64_t broker_ms, void *scratch,
                  struct event *event)
{
    static const struct bytes none = {NULL, 0};
    size_t size_max = decoder->config->source.event_size_max;
    event->action = 0;
    event->time_ms = 0;
    event->item_hash = 0;
    event->user = event->item = event->category = event->payload = none;
    event->why[0] = '\0';
    event->verdict = decode(decoder, raw, broker_ms, scratch, event);
    if (!event_is_bad(event->verdict)) {
        event->why[0] = '\0'; /* of a dropped event it may say what else is wrong */
        return;
    }
    event->payload = (struct bytes){raw.at, raw.size < size_max ? raw.size : size_max};
}
