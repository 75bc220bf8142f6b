/* seed_reader.c - a file after the other, an event after the other. */
#include "stream/replay/seed_reader.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/checksum.h"
#include "base/log.h"
#include "stream/source/cut_reader.h"
#include "stream/source/item_names.h"
#include "stream/source/item_record.h"

enum { TOLD_EVENTS = 4096 }; /* between two looks at the others */

struct reading {
    struct seed_reader *reader;
    struct collector *collector;
    struct item_names *names;
    FILE *items;
    uint8_t *record; /* an item's */
    uint32_t file;   /* of the list */
    bool warned;
};

void seed_items_path(const char *dir, uint32_t name, char path[RUN_PATH_MAX])
{
    snprintf(path, RUN_PATH_MAX, "%s/items-%04u", dir, name);
}

static enum status keep_item(struct reading *reading, const struct event *event, uint32_t partition,
                             struct error *error)
{
    if (!item_names_is_new(reading->names, event)) return STATUS_OK;
    const struct seed_item item = {
        .hash = event->item_hash,
        .partition = partition,
        .size = (uint32_t)item_record_encode(event, reading->record),
    };
    reading->reader->items++;
    reading->reader->digest += checksum_of(reading->record, item.size);
    if (fwrite(&item, sizeof item, 1, reading->items) == 1 &&
        fwrite(reading->record, 1, item.size, reading->items) == item.size) {
        return STATUS_OK;
    }
    return error_set(error, STATUS_IO, "writing names of items into %s: %s", reading->reader->dir,
                     strerror(errno));
}

static enum status keep_event(struct reading *reading, const struct event *event,
                              struct error *error)
{
    struct seed_reader *reader = reading->reader;
    const uint32_t partition = reader->ops->partition_of(reader->log, event->user);
    const struct history_behavior behavior =
        history_behavior_of(event->item_hash, event->time_ms, event->action);
    const uint64_t place = (uint64_t)reading->file << 44 ^ (uint64_t)event->offset;
    reader->digest += splitmix64(checksum_of(event->user.at, event->user.size) ^
                                 splitmix64(behavior.item) ^ behavior.stamp ^ splitmix64(place));
    TRY(keep_item(reading, event, partition, error));
    return collector_add(reading->collector, partition, event->user, behavior, error);
}

/* The first bad event of a reader is logged: all of them may be bad, and for one reason. */
static void warn_of_bad_event(struct reading *reading, const struct cut_reader *source,
                              const struct event *event)
{
    char place[SOURCE_PLACE_MAX];
    if (reading->warned) return;
    reading->warned = true;
    cut_reader_place(source, event, place);
    log_warn("an event cannot be used",
             log_text("file", reading->reader->list->at[reading->file].path),
             log_text("place", place), log_text("verdict", event_verdict_name(event->verdict)),
             log_text("why", event->why), log_text("see", event_verdict_option(event->verdict)));
}

static enum status read_events(struct reading *reading, struct cut_reader *source,
                               struct error *error)
{
    struct seed_reader *reader = reading->reader;
    struct event event;
    bool before;
    enum status status;
    while ((status = cut_reader_next(source, &event, &before, error)) == STATUS_OK) {
        reader->verdicts[event.verdict]++;
        if (++reader->events % TOLD_EVENTS == 0) {
            atomic_fetch_add(reader->progress, TOLD_EVENTS);
            if (atomic_load(reader->stopping)) return STATUS_END;
        }
        if (event_is_bad(event.verdict)) warn_of_bad_event(reading, source, &event);
        if (event.verdict != EVENT_ACCEPTED) continue;
        if (!before) {
            reader->later++;
            continue;
        }
        TRY(keep_event(reading, &event, error));
    }
    return status == STATUS_END ? STATUS_OK : status;
}

static enum status read_file(struct reading *reading, struct error *error)
{
    const struct seed_options *options = reading->reader->options;
    struct cut_reader *source;
    TRY(cut_reader_open(&source, options->files, reading->reader->list->at[reading->file].path,
                        &options->cut, error));
    const enum status status = read_events(reading, source, error);
    cut_reader_close(source);
    return status;
}

static enum status open_reading(struct reading *reading, struct error *error)
{
    const struct seed_reader *reader = reading->reader;
    char path[RUN_PATH_MAX];
    TRY(collector_open(&reading->collector, reader->dir, reader->name, reader->memory, error));
    TRY(item_names_open(&reading->names, error));
    reading->record = malloc(item_record_size_max(reader->options->files->source.id_size_max));
    if (!reading->record) return error_set(error, STATUS_IO, "out of memory");
    seed_items_path(reader->dir, reader->name, path);
    reading->items = fopen(path, "wb");
    if (reading->items) return STATUS_OK;
    return error_set(error, STATUS_IO, "making %s: %s", path, strerror(errno));
}

static enum status read_files(struct reading *reading, struct error *error)
{
    struct seed_reader *reader = reading->reader;
    TRY(open_reading(reading, error));
    for (reading->file = reader->first; reading->file < reader->end; reading->file++) {
        TRY(read_file(reading, error));
    }
    TRY(collector_spill(reading->collector, error));
    reader->runs = collector_runs(reading->collector);
    return STATUS_OK;
}

void *seed_reader_run(void *argument)
{
    struct seed_reader *reader = argument;
    struct reading reading = {.reader = reader};
    reader->status = read_files(&reading, &reader->error);
    if (reading.items && fclose(reading.items) != 0 && reader->status == STATUS_OK) {
        reader->status = error_set(&reader->error, STATUS_IO, "writing names of items into %s: %s",
                                   reader->dir, strerror(errno));
    }
    collector_close(reading.collector);
    item_names_close(reading.names);
    free(reading.record);
    atomic_fetch_add(reader->ended, 1);
    return NULL;
}
