/*
 * tend.c - when a generation is complete, and when what is older than it goes.
 *
 * Complete: the last seals of all partitions have reached it, so no user is left of an older one,
 * and none comes back to one. What is older than a complete generation serves nobody; its item
 * vectors stay a while, for subscribers that are slow, and its parameters as long as model.keep
 * says, for whoever wants to prove old records, or to go back.
 */
#include <inttypes.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/fault.h"
#include "base/log.h"
#include "stream/exchange/exchange_state.h"

static const struct bytes nothing = {NULL, 0};

static enum status send_completion(struct exchange *exchange, const struct shared_generation *one,
                                   int64_t now_ms, struct error *error)
{
    uint8_t value[SHARED_VALUE_MAX];
    struct items_end end = one->items;
    end.complete = true;
    if (one->announced && exchange_has_readers(exchange))
        TRY(exchange_send_end(exchange, &end, error));
    const size_t size = completion_encode(now_ms, value);
    return exchange_send_part(exchange, one->number, SHARED_COMPLETE, (struct bytes){value, size},
                              error);
}

/*
 * Tombstones for the item vectors of all older generations, also of a job whose place this one has
 * taken: its numbers are below.
 */
static enum status send_vector_ends(struct exchange *exchange, uint64_t before, struct error *error)
{
    struct shared_record record;
    int64_t end;
    enum status status;
    TRY(exchange->ops->read(exchange->log, SHARED_ITEM_VECTORS, 0, &end, error));
    while ((status = exchange->ops->next(exchange->log, &record, error)) == STATUS_OK) {
        uint64_t generation;
        if (!record.value.at || !item_key_decode(record.key, &generation)) continue;
        if (generation >= before) continue;
        record.value = nothing;
        TRY(exchange->ops->send(exchange->log, SHARED_ITEM_VECTORS, &record, error));
    }
    return status == STATUS_END ? STATUS_OK : status;
}

static enum status send_announcement_ends(struct exchange *exchange, uint64_t before,
                                          struct error *error)
{
    for (uint32_t i = 0; i < exchange->table->count; i++) {
        const struct shared_generation *one = &exchange->table->at[i];
        if (!one->announced || one->number >= before) continue;
        TRY(exchange_send_part(exchange, one->number, SHARED_ANNOUNCED, nothing, error));
    }
    return STATUS_OK;
}

/* The manifest first: who still meets it meets all chunks as well. */
static enum status send_model_end(struct exchange *exchange, const struct shared_generation *one,
                                  struct error *error)
{
    TRY(exchange_send_part(exchange, one->number, SHARED_MANIFEST, nothing, error));
    TRY(exchange_send_part(exchange, one->number, SHARED_COMPLETE, nothing, error));
    for (uint32_t chunk = 0; chunk < one->manifest.chunks; chunk++) {
        TRY(exchange_send_part(exchange, one->number, chunk, nothing, error));
    }
    return STATUS_OK;
}

/* ---- what is due ---- */

/* The newest one that is: another may have come since, and its sweep may still be under way. */
static enum status complete_reached(struct exchange *exchange, struct error *error)
{
    uint64_t oldest;
    TRY(exchange->ops->oldest(exchange->log, &oldest, error));
    const struct shared_generation *reached = shared_table_newest(exchange->table, oldest);
    if (!reached || reached->complete_ms) return STATUS_OK;
    TRY(exchange->ops->begin(exchange->log, error));
    const enum status status = send_completion(exchange, reached, clock_wall_ms(), error);
    TRY(exchange_end_transaction(exchange, status, error));
    FAULT_POINT("generation_completed");
    log_info("generation complete: no user is left of an older one",
             log_int("generation", (int64_t)reached->number));
    return STATUS_OK;
}

static enum status remove_vectors(struct exchange *exchange, uint64_t before, struct error *error)
{
    bool any = false;
    for (uint32_t i = 0; i < exchange->table->count; i++) {
        any |= exchange->table->at[i].announced && exchange->table->at[i].number < before;
    }
    if (!any || !exchange_has_readers(exchange)) return STATUS_OK;
    TRY(exchange->ops->begin(exchange->log, error));
    enum status status = send_vector_ends(exchange, before, error);
    if (status == STATUS_OK) status = send_announcement_ends(exchange, before, error);
    TRY(exchange_end_transaction(exchange, status, error));
    log_info("item vectors of older generations are removed", log_int("before", (int64_t)before));
    return STATUS_OK;
}

static enum status remove_models(struct exchange *exchange, uint64_t before, struct error *error)
{
    uint32_t kept = 0;
    for (uint32_t i = exchange->table->count; i-- > 0;) {
        const struct shared_generation *one = &exchange->table->at[i];
        if (!one->listed) continue;
        kept += one->whole;
        if (one->number >= before || kept <= exchange->config->model.keep) continue;
        TRY(exchange->ops->begin(exchange->log, error));
        TRY(exchange_end_transaction(exchange, send_model_end(exchange, one, error), error));
        log_info("an old generation is removed from the group's",
                 log_int("generation", (int64_t)one->number));
    }
    return STATUS_OK;
}

enum status exchange_tend(struct exchange *exchange, struct error *error)
{
    uint64_t newest;
    if (!exchange->ops) return STATUS_OK;
    TRY(exchange_sync(exchange, &newest, error));
    TRY(complete_reached(exchange, error));
    const int64_t settled_ms = clock_wall_ms() - exchange->config->output.items_grace_ms;
    const struct shared_generation *settled = shared_table_complete(exchange->table, settled_ms);
    if (settled) TRY(remove_vectors(exchange, settled->number, error));
    const struct shared_generation *complete = shared_table_complete(exchange->table, INT64_MAX);
    return complete ? remove_models(exchange, complete->number, error) : STATUS_OK;
}
