/* file_partition.h - the partition in which a job on files keeps a user. */
#ifndef STREAM_SOURCE_FILE_PARTITION_H
#define STREAM_SOURCE_FILE_PARTITION_H

#include <stdint.h>

#include "base/bytes.h"
#include "base/checksum.h"

static inline uint32_t file_partition(struct bytes user, uint32_t partitions)
{
    return (uint32_t)(identity_of(user.at, user.size) % partitions);
}

#endif
