/*
 * items_file.h - the item vectors of a generation as a file of JSON lines, the end last.
 *
 *     output.dir/items-0000000012.jsonl     of generation 12
 *
 * Threads: any; two must not write the same file.
 */
#ifndef STREAM_EXCHANGE_ITEMS_FILE_H
#define STREAM_EXCHANGE_ITEMS_FILE_H

#include "base/status.h"
#include "config/config.h"
#include "model/checkpoint.h"

/* Writes `path`, whole or not at all (temporary file, fsync, rename). */
MUST_CHECK enum status items_file_write(const char *path, const struct checkpoint *checkpoint,
                                        enum config_vectors vectors, struct error *error);

/*
 * Writes the file of `checkpoint` into output.dir, which is made if there is none, and removes
 * those whose generation model.dir no longer has.
 */
MUST_CHECK enum status items_file_publish(const struct config *config,
                                          const struct checkpoint *checkpoint, struct error *error);

#endif
