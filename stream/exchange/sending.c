/* sending.c - single records into the two logs, and the end of the transaction that they are in. */
#include <stdlib.h>

#include "stream/exchange/exchange_state.h"

enum status exchange_send_part(struct exchange *exchange, uint64_t generation, uint32_t part,
                               struct bytes value, struct error *error)
{
    uint8_t key[SHARED_KEY_SIZE];
    shared_key_encode(generation, part, key);
    if (value.size == 0) value.at = NULL;
    const struct shared_record record = {{key, sizeof key}, value};
    return exchange->ops->send(exchange->log, SHARED_MODELS, &record, error);
}

enum status exchange_send_end(struct exchange *exchange, const struct items_end *end,
                              struct error *error)
{
    uint8_t key[ITEM_KEY_GENERATION_SIZE];
    const size_t key_size = item_key_encode(end->generation, (struct bytes){NULL, 0}, key);
    const size_t room = item_vector_size_max(0, 0);
    uint8_t *value = malloc(room);
    if (!value) return error_set(error, STATUS_IO, "out of memory: the end of item vectors");
    const size_t size = items_end_encode(end, exchange->config->output.record, value);
    const struct shared_record record = {{key, key_size}, {value, size}};
    const enum status status =
        exchange->ops->send(exchange->log, SHARED_ITEM_VECTORS, &record, error);
    free(value);
    return status;
}

enum status exchange_end_transaction(struct exchange *exchange, enum status status,
                                     struct error *error)
{
    if (status == STATUS_OK) return exchange->ops->commit(exchange->log, error);
    exchange->ops->abort(exchange->log);
    return status;
}
