/*
 * owners.h - where the process that has each partition answers over HTTP.
 *
 * A process advertises its address (kafka.advertise) to the group in the client.id of its consumers,
 * behind an @, which no instance's name has. The coordinator tells it with what each member has.
 */
#ifndef STREAM_BROKER_KAFKA_OWNERS_H
#define STREAM_BROKER_KAFKA_OWNERS_H

#include "stream/broker/kafka/client.h"

struct group_owners;

MUST_CHECK enum status group_owners_open(struct group_owners **ownersp, struct error *error);
void group_owners_close(struct group_owners *owners); /* legal on NULL */

/* Asks the group, and waits a second at most: without an answer what was known stays. Thread: one. */
void group_owners_ask(struct group_owners *owners, struct broker *broker);

/*
 * Writes the address of who has the partition; false: nobody, or nobody that says so, as far as is
 * known. Any thread.
 */
bool group_owner(struct group_owners *owners, uint32_t partition, char *to, size_t room);

#endif
