/*
 * vectors_file.h - interests of many users as a file, in one of three forms.
 *
 * jsonl: a line each, the JSON form of a published record (interest_record.h).
 *
 * npy: a folder of NumPy arrays, row u of each for user u, and the users' ids:
 *     vectors.npy [users][K][d] f4, zero beyond the live ones     weights.npy [users][K] f4
 *     count.npy [users] u4, how many are live     from.npy, events.npy [users] u8
 *     event_time_ms.npy [users] i8                intent.npy [users][d] f4, of sine only
 *     users.jsonl, a JSON text a line
 *
 * safetensors: the same arrays in one file under the same names; the ids end to end as `user_bytes`
 * [bytes] u8 with `user_end` [users] u64, where each ends; generation and model as metadata.
 *
 * The file or folder gets its name when it is whole. Until then there is PATH.tmp or the folder
 * PATH.parts, which an interrupted run leaves behind and the next one writes over. Memory: one
 * record, whatever the number of users. Thread: one owner.
 */
#ifndef STREAM_QUERY_VECTORS_FILE_H
#define STREAM_QUERY_VECTORS_FILE_H

#include "base/status.h"
#include "config/config.h"
#include "model/interest_model.h"
#include "stream/interests/interest_record.h"

enum vectors_form { VECTORS_JSONL, VECTORS_NPY, VECTORS_SAFETENSORS, VECTORS_FORMS };

/* "jsonl", "npy", "safetensors". */
extern const char *const vectors_form_names[VECTORS_FORMS + 1];

struct vectors_file;

/*
 * Begins a file at `path` of what `model` reads. `vectors` is how the lines of jsonl hold them.
 * STATUS_INVALID: too long a path, or (npy) there is something of that name.
 */
MUST_CHECK enum status vectors_file_open(struct vectors_file **filep, const char *path,
                                         enum vectors_form form, const struct interest_model *model,
                                         enum config_vectors vectors, uint32_t id_size_max,
                                         struct error *error);

/* Adds a user. */
MUST_CHECK enum status vectors_file_add(struct vectors_file *file,
                                        const struct interest_record *record, struct error *error);

/* Completes the file, syncs it and gives it its name. */
MUST_CHECK enum status vectors_file_finish(struct vectors_file *file, struct error *error);

/* Legal on NULL. What was not finished is removed. */
void vectors_file_close(struct vectors_file *file);

#endif
