/* exchange_state.h - what the files of this folder share of an exchange. */
#ifndef STREAM_EXCHANGE_EXCHANGE_STATE_H
#define STREAM_EXCHANGE_EXCHANGE_STATE_H

#include "stream/broker/generation_log.h"
#include "stream/exchange/exchange.h"
#include "stream/exchange/incoming.h"
#include "stream/exchange/shared_generation.h"

struct exchange {
    const struct config *config;
    const struct generation_log_ops *ops; /* NULL: model.dir is all there is */
    struct generation_log *log;
    int64_t position; /* up to where the log of models has been read, 0: from its beginning */
    bool again;       /* a file was removed: begin anew */
    bool installed;   /* a file came into model.dir since it was pruned */
    struct shared_table *table;
    struct incoming incoming;
};

/*
 * Whether item vectors are this group's to write. A job that publishes no records is built up beside
 * one that does, and shares the topic of item vectors with it: the numbers there are that one's.
 */
static inline bool exchange_has_readers(const struct exchange *exchange)
{
    return exchange->config->output.publish != CONFIG_PUBLISH_NONE;
}

/* Opens one over given logs; NULL: files. */
MUST_CHECK enum status exchange_open_on(struct exchange **exchangep, const struct config *config,
                                        const struct generation_log_ops *ops, bool creates,
                                        struct error *error);

/* sending.c: sends one record of the models' log; a value of size 0: a tombstone. */
MUST_CHECK enum status exchange_send_part(struct exchange *exchange, uint64_t generation,
                                          uint32_t part, struct bytes value, struct error *error);

/* The end of a generation's item vectors, into their log. */
MUST_CHECK enum status exchange_send_end(struct exchange *exchange, const struct items_end *end,
                                         struct error *error);

/* Commits if `status` says that all was sent, else aborts and returns it. */
MUST_CHECK enum status exchange_end_transaction(struct exchange *exchange, enum status status,
                                                struct error *error);

#endif
