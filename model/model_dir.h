/*
 * model_dir.h - a directory with the last generations of a model, each a file of its own.
 *
 *     DIR/generation-0000000012.safetensors    the checkpoint whose generation is 12
 *     DIR/next                                 the number that the next one gets
 *
 * Numbers rise for ever: also when newer generations were pruned or removed, and when an older one
 * is written again, as a new number, to roll back. A file is complete or not there (checkpoint.h
 * writes atomically), and stands for its number until `next` is on the disk: a write that was killed
 * uses up none. Files that are no
 * checkpoint, are damaged, or hold another generation than their name says, are passed over with a
 * warning that names them.
 *
 * Writers take turns by a lock on the directory; a reader needs none.
 *
 * Threads: any. Paths are borrowed for the call.
 */
#ifndef MODEL_MODEL_DIR_H
#define MODEL_MODEL_DIR_H

#include <stdbool.h>
#include <stdint.h>

#include "base/status.h"
#include "model/checkpoint.h"

enum { MODEL_DIR_GENERATIONS_MAX = 1 << 16, MODEL_DIR_PATH_MAX = 4096 };

/* Numbers of generations, ascending. */
struct model_dir_list {
    uint64_t *numbers;
    uint32_t count;
};

/*
 * The generations that have a file of the right name; none are opened. An empty list if there is no
 * directory. On success model_dir_list_close is due.
 */
MUST_CHECK enum status model_dir_list_open(struct model_dir_list *list, const char *dir,
                                           struct error *error);
void model_dir_list_close(struct model_dir_list *list);

/* The file of a generation. STATUS_INVALID: too long a path. */
MUST_CHECK enum status model_dir_path(const char *dir, uint64_t number,
                                      char path[MODEL_DIR_PATH_MAX], struct error *error);

/* Whether the file opens and is the generation `number`; else it is logged why not. */
bool model_dir_is_whole(const char *path, uint64_t number);

/*
 * The path of the newest generation that opens, which is opened to find out. STATUS_NOT_FOUND, with
 * the remedy: there is none.
 */
MUST_CHECK enum status model_dir_newest(const char *dir, char path[MODEL_DIR_PATH_MAX],
                                        struct error *error);

/*
 * Writes `checkpoint` as the next generation: sets its number, which is greater than any that this
 * directory ever had and not less than the one it has, and writes its file. Makes the directory if
 * there is none (its parent must exist).
 */
MUST_CHECK enum status model_dir_write(const char *dir, struct checkpoint *checkpoint,
                                       struct error *error);

/* Makes the directory and those on the way to it, where there are none. */
MUST_CHECK enum status model_dir_make(const char *dir, struct error *error);

/*
 * Puts `path`, a whole file of the directory that is synced, in the place of generation `number`.
 * Numbers that are given out later are greater.
 */
MUST_CHECK enum status model_dir_install(const char *dir, const char *path, uint64_t number,
                                         struct error *error);

/* Numbers that are given out later are greater than `number`. */
MUST_CHECK enum status model_dir_pass(const char *dir, uint64_t number, struct error *error);

/*
 * Removes all files but the `keep` >= 1 newest and those of the `active` [count] numbers.
 */
MUST_CHECK enum status model_dir_prune(const char *dir, uint32_t keep, const uint64_t *active,
                                       uint32_t active_count, struct error *error);

#endif
