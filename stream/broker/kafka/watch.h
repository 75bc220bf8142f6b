/*
 * watch.h - what answers over HTTP tell of the brokers, asked in the background: nobody who answers
 * waits for one.
 *
 * A thread asks while somebody wants to know, about once a second, and what it has found counts until
 * it is told anew. Nothing has been found before its first answer.
 *
 * Threads: any, but for open and close.
 */
#ifndef STREAM_BROKER_KAFKA_WATCH_H
#define STREAM_BROKER_KAFKA_WATCH_H

#include "stream/broker/kafka/client.h"

struct watch;

/* Begins, and asks for the ends of the source. Keeps `broker`, and uses its admin client. */
MUST_CHECK enum status watch_open(struct watch **watchp, struct broker *broker,
                                  struct error *error);
void watch_close(struct watch *watch); /* waits for an answer on its way; legal on NULL */

/* As struct broker_ops has them. */
bool watch_owner(struct broker *broker, uint32_t partition, char *to, size_t room);
int64_t watch_source_end(struct broker *broker, uint32_t partition, int64_t *as_of_msp);

#endif
