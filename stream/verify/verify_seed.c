/* verify_seed.c - a file after the other, an event after the other. */
#include "stream/verify/verify_seed.h"

#include "stream/source/source_list.h"

static enum status read_seed_events(struct cut_reader *source, verify_seed_take *take,
                                    void *context, struct error *error)
{
    struct event event;
    bool before;
    enum status status;
    while ((status = cut_reader_next(source, &event, &before, error)) == STATUS_OK) {
        if (before && !take(context, &event)) return STATUS_BUSY;
    }
    return status == STATUS_END ? STATUS_OK : status;
}

static enum status read_seed_file(const struct verify_seed *seed, const char *path,
                                  verify_seed_take *take, void *context, struct error *error)
{
    struct cut_reader *source;
    TRY(cut_reader_open(&source, seed->files, path, &seed->cut, error));
    const enum status status = read_seed_events(source, take, context, error);
    cut_reader_close(source);
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
