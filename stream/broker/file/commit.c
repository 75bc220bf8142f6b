/* commit.c - the commit of a new job, and what it says of one partition. */
#include "stream/broker/file/commit.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

enum status commit_init(struct commit *commit, uint32_t partitions, struct error *error)
{
    *commit = (struct commit){.partitions = partitions};
    if (getrandom(&commit->source, sizeof commit->source, 0) != sizeof commit->source) {
        return error_set(error, STATUS_IO, "drawing a number: %s", strerror(errno));
    }
    commit->entries = calloc(partitions, sizeof *commit->entries);
    if (!commit->entries) return error_set(error, STATUS_IO, "out of memory: a commit file");
    for (uint32_t p = 0; p < partitions; p++) {
        commit->entries[p].log = 1;
    }
    return STATUS_OK;
}

void commit_close(struct commit *commit)
{
    free(commit->entries);
    source_files_close(&commit->inputs);
    *commit = (struct commit){0};
}

void commit_enter_seal(struct commit_entry *entry, const struct history_seal *seal)
{
    entry->seal = seal->number;
    entry->generation = seal->generation;
    entry->target = seal->target;
    entry->checkpoint = seal->checkpoint;
    entry->clock = seal->watermark_ms == HISTORY_NO_TIME ? 0 : (uint64_t)seal->watermark_ms + 1;
}

struct history_seal commit_seal(const struct commit *commit, uint32_t partition)
{
    const struct commit_entry *entry = &commit->entries[partition];
    struct history_seal seal = {
        .number = entry->seal,
        .source_identity = commit->source,
        .partitions = commit->partitions,
        .next_offset = commit->offset,
        .generation = entry->generation,
        .target = entry->target,
        .watermark_ms = entry->clock ? (int64_t)entry->clock - 1 : HISTORY_NO_TIME,
        .checkpoint = entry->checkpoint,
    };
    memcpy(seal.decoding, commit->decoding, sizeof seal.decoding);
    return seal;
}
