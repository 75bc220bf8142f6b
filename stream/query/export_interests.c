/* export_interests.c - share by share, a few hundred users at a time: fold, read, write. */
#include "stream/query/export_interests.h"

#include <inttypes.h>
#include <string.h>

#include "base/checksum.h"
#include "base/progress.h"
#include "model/interest_model.h"
#include "stream/learn/name_set.h"
#include "stream/log_input/log_input.h"
#include "stream/query/history_users.h"
#include "stream/query/user_batch.h"
#include "stream/source/line_reader.h"

enum { EXPORT_MODEL_SHARE = 4 }; /* so much of job.memory is left for model, batch and log */

/* A user of the batch: which of its behaviors are folded. */
struct exported {
    const struct history_user *user;
    struct moment moment;
};

struct export
{
    const struct config *config;
    const struct export_options *options;
    struct export_report *report;
    const struct log_input_ops *ops;
    struct log_input *input;
    struct name_set wanted; /* if options->users */
    struct interest_model *model;
    struct history_users users;
    struct vectors_file *file;
    struct user_batch batch;
    struct exported exported[USER_BATCH_MAX]; /* its users */
    uint32_t partition;
    uint64_t found; /* users of the log, written or not */
    double done;    /* partitions, the finished shares of the present one as fractions */
    struct progress progress;
};

/* ---- a batch ---- */

static enum status write_exported(struct export *export, uint32_t u, struct error *error)
{
    const struct exported *exported = &export->exported[u];
    const struct history *newest = &exported->user->newest->history;
    const size_t width = interest_model_width(export->model);
    const size_t most = interest_model_count(export->model);
    const float *intent = export->batch.sets.intent;
    const struct interest_record record = {
        .user = exported->user->id,
        .generation = interest_model_generation(export->model),
        .from = exported->moment.from,
        .events = exported->moment.events,
        .event_ms = history_time_ms(export->batch.users[u].last),
        .partition = export->partition,
        .offset = exported->moment.later ? -1 : newest->source_offset,
        .count = export->batch.sets.count[u],
        .width = (uint32_t)width,
        .vectors = export->batch.sets.vectors + u * most * width,
        .weights = export->batch.sets.weights + u * most,
        .intent = intent ? intent + u * width : NULL,
    };
    export->report->users++;
    export->report->behaviors += record.events - record.from;
    return vectors_file_add(export->file, &record, error);
}

static enum status export_batch(struct export *export, struct error *error)
{
    const uint32_t count = user_batch_run(&export->batch);
    for (uint32_t u = 0; u < count; u++) {
        TRY(write_exported(export, u, error));
    }
    return STATUS_OK;
}

/* ---- a share ---- */

/* The user joins the batch if there is something to write of it. */
static enum status take_history(struct export *export, const struct history_user *user,
                                struct error *error)
{
    struct export_report *report = export->report;
    struct exported *exported = &export->exported[export->batch.count];
    if (!user->newest) return STATUS_OK;
    export->found++;
    if (history_is_gone(&user->newest->history)) {
        report->gone++;
        return STATUS_OK;
    }
    *exported = (struct exported){.user = user};
    for (const struct user_chunk *chunk = user->oldest; chunk; chunk = chunk->next) {
        moment_add(&exported->moment, &chunk->history, export->options->as_of_ms);
    }
    const enum moment_kind kind =
        moment_decide(&exported->moment, &user->newest->history, export->config->state.history_max);
    if (kind == MOMENT_CUT && !exported->moment.later) {
        return error_set(error, STATUS_CORRUPT,
                         "the history log has lost behaviors %" PRIu64 " to %" PRIu64
                         " of user '%.*s'",
                         user->newest->history.from, exported->moment.oldest, (int)user->id.size,
                         (const char *)user->id.at);
    }
    report->later += kind == MOMENT_LATER;
    report->cut += kind == MOMENT_CUT;
    if (kind != MOMENT_THERE) return STATUS_OK;
    user_batch_add(&export->batch, user, exported->moment.from, exported->moment.events);
    return export->batch.count < USER_BATCH_MAX ? STATUS_OK : export_batch(export, error);
}

/* Writes the users that were loaded; they are `weight` of the partition. */
static enum status write_share(struct export *export, double weight, struct error *error)
{
    const double partitions = export->ops->partitions(export->input);
    const double users = (double)export->users.count + 1;
    uint64_t taken = 0;
    for (const struct history_user *user = export->users.first_user; user; user = user->next) {
        TRY(take_history(export, user, error));
        progress_show(&export->progress,
                      (export->done + weight * (double)++taken / users) / partitions,
                      export->report->users);
    }
    TRY(export_batch(export, error));
    export->done += weight;
    export->report->shares++;
    return STATUS_OK;
}

/* A share that does not fit is taken as two halves. */
static enum status export_share(struct export *export, uint64_t suffix, unsigned bits,
                                struct error *error)
{
    const enum status status =
        history_users_load(&export->users, export->ops, export->input, export->partition, suffix,
                           bits, export->options->users ? &export->wanted : NULL, error);
    if (status == STATUS_OK) {
        return write_share(export, 1.0 / (double)((uint64_t)1 << bits), error);
    }
    if (status != STATUS_BUSY) return status;
    if (bits == HISTORY_USERS_BITS_MAX) {
        return error_set(error, STATUS_INVALID,
                         "the history of one user does not fit into %zu bytes: raise job.memory",
                         export->users.size);
    }
    TRY(export_share(export, suffix, bits + 1, error));
    return export_share(export, suffix | (uint64_t)1 << bits, bits + 1, error);
}

/* ---- all of it ---- */

static enum status read_wanted(struct export *export, struct error *error)
{
    struct line_reader *reader;
    struct line line;
    enum status status;
    const char *path = export->options->users;
    const struct line_options options = {.size_max = export->config->source.id_size_max + 1,
                                         .take_unfinished = true};
    TRY(line_reader_open(&reader, path, options, (struct line_position){0}, error));
    while ((status = line_reader_next(reader, &line, error)) == STATUS_OK) {
        uint32_t number;
        if (line.text.size == 0) continue;
        status = name_set_add(&export->wanted, line.text, identity_of(line.text.at, line.text.size),
                              &number, error);
        if (status != STATUS_OK) break;
    }
    line_reader_close(reader);
    return status == STATUS_END ? STATUS_OK : status;
}

static enum status export_all(struct export *export, const struct checkpoint *checkpoint,
                              struct error *error)
{
    const struct config *config = export->config;
    const struct export_options *options = export->options;
    const uint64_t memory = config->job.memory;
    if (options->users) TRY(read_wanted(export, error));
    TRY(interest_model_open(&export->model, checkpoint, error));
    TRY(user_batch_open(&export->batch, export->model, error));
    TRY(export->ops->open(&export->input, config, error));
    TRY(history_users_open(&export->users, memory - memory / EXPORT_MODEL_SHARE, error));
    TRY(vectors_file_open(&export->file, options->path, options->form, export->model,
                          config->output.vectors, config->source.id_size_max, error));
    for (uint32_t p = 0; p < export->ops->partitions(export->input); p++) {
        export->partition = p;
        TRY(export_share(export, 0, 0, error));
    }
    if (options->users) export->report->unknown = export->wanted.count - export->found;
    return vectors_file_finish(export->file, error);
}

enum status export_interests(const struct config *config, const struct checkpoint *checkpoint,
                             const struct export_options *options, struct export_report *report,
                             struct error *error)
{
    struct export export = {
        .config = config, .options = options, .report = report, .ops = log_input_of(config)};
    *report = (struct export_report){0};
    progress_start(&export.progress, "export", "users", config->log.quiet);
    const enum status status = export_all(&export, checkpoint, error);
    progress_end(&export.progress);
    vectors_file_close(export.file);
    history_users_close(&export.users);
    if (export.input) export.ops->close(export.input);
    user_batch_close(&export.batch);
    interest_model_close(export.model);
    name_set_close(&export.wanted);
    return status;
}
