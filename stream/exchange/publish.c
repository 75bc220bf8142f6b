/*
 * publish.c - one generation, in two transactions: its item vectors, then its parameters.
 *
 * Two, since readers of two topics see one transaction at two moments: who sees the manifest has
 * long been able to see all vectors. The first one also announces the number in the topic of
 * models, so that it is never given to another generation, whatever becomes of the second. With
 * output.publish none there is the second alone.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fault.h"
#include "base/log.h"
#include "model/model_dir.h"
#include "stream/exchange/exchange_state.h"
#include "stream/exchange/items_file.h"

/* ---- item vectors ---- */

static enum status send_vector(struct exchange *exchange, const struct item_vector *vector,
                               uint8_t *room, struct error *error)
{
    const struct config *config = exchange->config;
    const size_t key = item_key_encode(vector->generation, vector->item, room);
    const size_t value =
        item_vector_encode(vector, config->output.record, config->output.vectors, room + key);
    const struct shared_record record = {{room, key}, {room + key, value}};
    if (key + value > exchange->ops->record_size_max(exchange->log)) {
        return error_set(error, STATUS_REFUSED,
                         "an item vector of %zu bytes is more than topic '%s' takes: raise its "
                         "max.message.bytes",
                         key + value, config->output.item_vectors_topic);
    }
    return exchange->ops->send(exchange->log, SHARED_ITEM_VECTORS, &record, error);
}

static enum status send_vectors(struct exchange *exchange, const struct checkpoint *checkpoint,
                                struct items_end *end, struct error *error)
{
    float *floats = calloc(item_vectors_width(checkpoint), sizeof *floats);
    uint8_t *room = NULL;
    size_t room_size = 0;
    enum status status =
        floats ? STATUS_OK : error_set(error, STATUS_IO, "out of memory: item vectors");
    for (uint32_t i = 0; status == STATUS_OK && i < item_vectors_count(checkpoint); i++) {
        const struct item_vector vector = item_vector_at(checkpoint, i, floats);
        const size_t size = ITEM_KEY_GENERATION_SIZE + vector.item.size + item_vector_size(&vector);
        if (size > room_size) {
            free(room);
            room = malloc(room_size = size);
        }
        status = room ? send_vector(exchange, &vector, room, error)
                      : error_set(error, STATUS_IO, "out of memory: an item vector");
        items_end_add(end, &vector);
        if (status == STATUS_OK) FAULT_POINT("item_vector_sent");
    }
    free(room);
    free(floats);
    return status;
}

static enum status announce(struct exchange *exchange, const struct checkpoint *checkpoint,
                            struct error *error)
{
    uint8_t value[SHARED_VALUE_MAX];
    struct items_end end = items_end_begin(checkpoint);
    TRY(send_vectors(exchange, checkpoint, &end, error));
    TRY(exchange_send_end(exchange, &end, error));
    const size_t size = announcement_encode(&end, value);
    return exchange_send_part(exchange, end.generation, SHARED_ANNOUNCED,
                              (struct bytes){value, size}, error);
}

/* ---- parameters ---- */

static enum status send_chunks(struct exchange *exchange, FILE *file, uint64_t generation,
                               struct manifest *manifest, struct error *error)
{
    const uint32_t most = exchange->ops->record_size_max(exchange->log) - SHARED_KEY_SIZE;
    const uint32_t chunk_size = most < SHARED_CHUNK_MAX ? most : SHARED_CHUNK_MAX;
    uint8_t *chunk = malloc(chunk_size);
    if (!chunk) return error_set(error, STATUS_IO, "out of memory: a chunk of a generation");
    enum status status = STATUS_OK;
    for (size_t size; status == STATUS_OK && (size = fread(chunk, 1, chunk_size, file)) > 0;) {
        const struct bytes value = {chunk, size};
        status = exchange_send_part(exchange, generation, manifest->chunks, value, error);
        manifest->chunks++;
        manifest->size += size;
        manifest->checksum = shared_checksum(manifest->checksum, value);
        if (status == STATUS_OK) FAULT_POINT("chunk_sent");
    }
    if (status == STATUS_OK && ferror(file)) {
        status = error_set(error, STATUS_IO, "reading generation %" PRIu64 ": %s", generation,
                           strerror(errno));
    }
    free(chunk);
    return status;
}

static enum status send_file(struct exchange *exchange, const char *path,
                             const struct checkpoint *checkpoint, struct error *error)
{
    uint8_t value[SHARED_VALUE_MAX];
    struct manifest manifest = {.fingerprint = checkpoint->fingerprint,
                                .parent = checkpoint->training.parent};
    FILE *file = fopen(path, "rbe");
    if (!file) return error_set(error, STATUS_IO, "reading %s: %s", path, strerror(errno));
    const enum status status =
        send_chunks(exchange, file, checkpoint->generation, &manifest, error);
    fclose(file);
    TRY(status);
    const size_t size = manifest_encode(&manifest, value);
    TRY(exchange_send_part(exchange, checkpoint->generation, SHARED_MANIFEST,
                           (struct bytes){value, size}, error));
    FAULT_POINT("manifest_sent");
    return STATUS_OK;
}

/* ---- both ---- */

static enum status publish_shared(struct exchange *exchange, const char *path,
                                  const struct checkpoint *checkpoint, struct error *error)
{
    const struct generation_log_ops *ops = exchange->ops;
    const uint64_t number = checkpoint->generation;
    if (number <= exchange->table->highest) {
        return error_set(error, STATUS_INVALID,
                         "generation %" PRIu64 " can't be published: the group has had %" PRIu64,
                         number, exchange->table->highest);
    }
    if (exchange_has_readers(exchange)) {
        TRY(ops->begin(exchange->log, error));
        TRY(exchange_end_transaction(exchange, announce(exchange, checkpoint, error), error));
        exchange->table->highest = number;
        FAULT_POINT("item_vectors_published");
    }
    TRY(ops->begin(exchange->log, error));
    TRY(exchange_end_transaction(exchange, send_file(exchange, path, checkpoint, error), error));
    FAULT_POINT("generation_published");
    log_info("generation published", log_int("generation", (int64_t)number),
             log_int("items", item_vectors_count(checkpoint)),
             log_text("topic", exchange->config->output.models_topic));
    return STATUS_OK;
}

enum status exchange_publish(struct exchange *exchange, uint64_t number, struct error *error)
{
    char path[MODEL_DIR_PATH_MAX];
    struct checkpoint *checkpoint;
    TRY(model_dir_path(exchange->config->model.dir, number, path, error));
    TRY(checkpoint_open(&checkpoint, path, error));
    enum status status;
    if (checkpoint->generation != number) {
        status = error_set(error, STATUS_CORRUPT, "%s: holds generation %" PRIu64, path,
                           checkpoint->generation);
    } else if (exchange->ops) {
        status = publish_shared(exchange, path, checkpoint, error);
    } else {
        status = items_file_publish(exchange->config, checkpoint, error);
    }
    checkpoint_close(checkpoint);
    return status;
}
