/* verify_seed.c - a file after the other, an event after the other. */
#include "stream/verify/verify_seed.h"

#include "stream/source/event_reader.h"
#include "stream/source/source_list.h"

static enum status read_seed_events(struct event_reader *source, int64_t cut_ms,
                                    verify_seed_take *take, void *context, struct error *error)
{
    struct event event;
    enum status status;
    while ((status = event_reader_next(source, &event, error)) == STATUS_OK) {
        if (event.verdict != EVENT_ACCEPTED || event.time_ms >= cut_ms) continue;
        if (!take(context, &event)) return STATUS_BUSY;
    }
    return status == STATUS_END ? STATUS_OK : status;
}

static enum status read_seed_file(const struct verify_seed *seed, const char *path,
                                  verify_seed_take *take, void *context, struct error *error)
{
    const struct source_files nothing = {0};
    struct config of_file = *seed->files;
    struct event_reader *source;
    of_file.source.path = path;
    of_file.source.unfinished_line = CONFIG_UNFINISHED_TAKE; /* nobody writes to it any more */
    TRY(event_reader_open(&source, &of_file, &nothing, READ_ON, error));
    const enum status status = read_seed_events(source, seed->cut_ms, take, context, error);
    event_reader_close(source);
    return status;
}

enum status verify_seed_read(const struct verify_seed *seed, verify_seed_take *take, void *context,
                             struct error *error)
{
    struct source_list list;
    if (!seed->files) return STATUS_OK;
    TRY(source_list_open(&list, seed->files->source.path, error));
    enum status status = STATUS_OK;
    for (uint32_t i = 0; i < list.count && status == STATUS_OK; i++) {
        status = read_seed_file(seed, list.at[i].path, take, context, error);
    }
    source_list_close(&list);
    return status;
}
