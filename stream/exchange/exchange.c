/* exchange.c - reads the topic of models into a table and into files of model.dir. */
#include "stream/exchange/exchange.h"

#include <inttypes.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/log.h"
#include "model/model_dir.h"
#include "stream/broker/broker.h"
#include "stream/exchange/exchange_state.h"

static enum status open_shared(struct exchange *exchange, bool creates, struct error *error)
{
    exchange->table = calloc(1, sizeof *exchange->table);
    if (!exchange->table) return error_set(error, STATUS_IO, "out of memory: shared generations");
    TRY(model_dir_make(exchange->config->model.dir, error));
    return exchange->ops->open(&exchange->log, exchange->config, creates, error);
}

enum status exchange_open_on(struct exchange **exchangep, const struct config *config,
                             const struct generation_log_ops *ops, bool creates,
                             struct error *error)
{
    struct exchange *exchange = calloc(1, sizeof *exchange);
    *exchangep = NULL;
    if (!exchange) return error_set(error, STATUS_IO, "out of memory: shared generations");
    exchange->config = config;
    exchange->ops = ops;
    incoming_begin(&exchange->incoming, config->model.dir);
    const enum status status = ops ? open_shared(exchange, creates, error) : STATUS_OK;
    if (status != STATUS_OK) {
        exchange_close(exchange);
        return status;
    }
    *exchangep = exchange;
    return STATUS_OK;
}

static enum status open_for(struct exchange **exchangep, const struct config *config, bool creates,
                            struct error *error)
{
    *exchangep = NULL;
    if (!config_shares(config)) return exchange_open_on(exchangep, config, NULL, false, error);
    TRY(config_check_kafka(config, error));
    return exchange_open_on(exchangep, config, broker_ops_of(config)->generations, creates, error);
}

enum status exchange_open(struct exchange **exchangep, const struct config *config,
                          struct error *error)
{
    return open_for(exchangep, config, true, error);
}

enum status exchange_open_to_look(struct exchange **exchangep, const struct config *config,
                                  struct error *error)
{
    return open_for(exchangep, config, false, error);
}

void exchange_close(struct exchange *exchange)
{
    if (!exchange) return;
    incoming_drop(&exchange->incoming);
    if (exchange->log) exchange->ops->close(exchange->log);
    free(exchange->table);
    free(exchange);
}

/* ---- records of the topic ---- */

static enum status take_manifest(struct exchange *exchange, struct shared_generation *one,
                                 struct bytes value, struct error *error)
{
    enum incoming_end end;
    one->listed = true;
    one->whole = one->told = false;
    if (!manifest_decode(value, &one->manifest)) {
        one->damage = "its manifest can't be read";
        return STATUS_OK;
    }
    TRY(incoming_end(&exchange->incoming, one->number, &one->manifest, &end, &one->damage, error));
    one->whole = end == INCOMING_WHOLE || end == INCOMING_INSTALLED;
    exchange->again = end == INCOMING_ANOTHER;
    if (end != INCOMING_INSTALLED) return STATUS_OK;
    exchange->installed = true;
    log_info("generation received", log_int("generation", (int64_t)one->number),
             log_int("bytes", (int64_t)one->manifest.size),
             log_text("dir", exchange->config->model.dir));
    return STATUS_OK;
}

/* What a record says of its generation, other than its chunks; of size 0: no longer. */
static enum status take_part(struct exchange *exchange, uint64_t generation, uint32_t part,
                             struct bytes value, struct error *error)
{
    struct shared_generation *one = shared_table_at(exchange->table, generation);
    if (!one) {
        return error_set(error, STATUS_REFUSED, "more than %d generations are shared in %s",
                         SHARED_GENERATIONS_MAX, exchange->config->output.models_topic);
    }
    switch (part) {
    case SHARED_ANNOUNCED:
        one->announced = value.size && announcement_decode(value, generation, &one->items);
        break;
    case SHARED_COMPLETE:
        if (!completion_decode(value, &one->complete_ms)) one->complete_ms = 0;
        break;
    default:
        if (value.size) return take_manifest(exchange, one, value, error);
        one->listed = one->whole = false;
    }
    return STATUS_OK;
}

static enum status take_record(struct exchange *exchange, const struct shared_record *record,
                               struct error *error)
{
    uint64_t generation;
    uint32_t part;
    if (!shared_key_decode(record->key, &generation, &part) ||
        (part >= SHARED_CHUNKS_MAX && part < SHARED_ANNOUNCED)) {
        log_warn("a record that no version of Braid wrote is passed over",
                 log_text("topic", exchange->config->output.models_topic));
        return STATUS_OK;
    }
    if (generation > exchange->table->highest) exchange->table->highest = generation;
    if (part >= SHARED_ANNOUNCED)
        return take_part(exchange, generation, part, record->value, error);
    if (!record->value.at) return STATUS_OK;
    return incoming_chunk(&exchange->incoming, generation, part, record->value, error);
}

static enum status read_models(struct exchange *exchange, struct error *error)
{
    struct shared_record record;
    int64_t end;
    exchange->again = false;
    if (exchange->position == 0) shared_table_clear(exchange->table);
    TRY(exchange->ops->read(exchange->log, SHARED_MODELS, exchange->position, &end, error));
    enum status status;
    while ((status = exchange->ops->next(exchange->log, &record, error)) == STATUS_OK) {
        TRY(take_record(exchange, &record, error));
    }
    if (status != STATUS_END) return status;
    if (end < exchange->position) {
        log_warn("the group's generations are fewer than before: their topic was made anew",
                 log_text("topic", exchange->config->output.models_topic));
        exchange->again = true;
    }
    exchange->position = exchange->again ? 0 : end;
    return STATUS_OK;
}

/* ---- syncing ---- */

static void tell_damage(struct exchange *exchange)
{
    for (uint32_t i = 0; i < exchange->table->count; i++) {
        struct shared_generation *one = &exchange->table->at[i];
        if (!one->listed || one->whole || one->told) continue;
        one->told = true;
        log_warn("a shared generation is damaged and passed over",
                 log_int("generation", (int64_t)one->number), log_text("why", one->damage),
                 log_text("topic", exchange->config->output.models_topic));
    }
}

/* Files that the topic has stay, whatever their number. */
static enum status prune_dir(struct exchange *exchange, struct error *error)
{
    uint64_t active[SHARED_GENERATIONS_MAX];
    uint32_t count = 0;
    if (!exchange->installed) return STATUS_OK;
    for (uint32_t i = 0; i < exchange->table->count; i++) {
        if (exchange->table->at[i].listed) active[count++] = exchange->table->at[i].number;
    }
    exchange->installed = false;
    return model_dir_prune(exchange->config->model.dir, exchange->config->model.keep, active, count,
                           error);
}

static enum status sync_models(struct exchange *exchange, struct error *error)
{
    const char *dir = exchange->config->model.dir;
    const uint64_t highest = exchange->table->highest;
    int lock;
    TRY(incoming_lock(dir, &lock, error));
    enum status status;
    do {
        status =
            read_models(exchange, error); /* each time it begins anew a file or the topic is gone */
    } while (status == STATUS_OK && exchange->again);
    incoming_drop(&exchange->incoming);
    close(lock);
    if (status != STATUS_OK) {
        exchange->position = 0;
        return status;
    }
    shared_table_tidy(exchange->table);
    tell_damage(exchange);
    if (exchange->table->highest > highest) {
        TRY(model_dir_pass(dir, exchange->table->highest, error));
    }
    return prune_dir(exchange, error);
}

/* On files. */
static enum status newest_of_dir(const struct exchange *exchange, uint64_t *newestp,
                                 struct error *error)
{
    struct model_dir_list list;
    TRY(model_dir_list_open(&list, exchange->config->model.dir, error));
    *newestp = list.count ? list.numbers[list.count - 1] : 0;
    model_dir_list_close(&list);
    return STATUS_OK;
}

enum status exchange_sync(struct exchange *exchange, uint64_t *newestp, struct error *error)
{
    if (!exchange->ops) return newest_of_dir(exchange, newestp, error);
    TRY(sync_models(exchange, error));
    const struct shared_generation *newest = shared_table_newest(exchange->table, UINT64_MAX);
    *newestp = newest ? newest->number : 0;
    return STATUS_OK;
}

enum status exchange_check_vectors(const struct exchange *exchange, uint64_t number,
                                   struct error *error)
{
    if (!exchange->ops || !number || !exchange_has_readers(exchange)) return STATUS_OK;
    const struct shared_generation *one = shared_table_find(exchange->table, number);
    if (one && one->announced) return STATUS_OK;
    return error_set(
        error, STATUS_REFUSED,
        "generation %" PRIu64
        " was learned while output.publish was none, and its item vectors are not in "
        "'%s': braid takeover, or braid promote, gives it a number with which they are",
        number, exchange->config->output.item_vectors_topic);
}
