/*
 * scene.h - a folder with a click log and a checkpoint, and the real program to run in it.
 *
 * What the end-to-end tests share. The log is drawn from a seed: users with preferences, and
 * some unusable events of every kind. The program is $BRAID, started with fork and exec.
 *
 *     scene_open -> scene_run("run", ...) -> scene_run("verify", ...) -> scene_close
 */
#ifndef TESTS_CRASH_SCENE_H
#define TESTS_CRASH_SCENE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    SCENE_PATH_MAX = 512,
    SCENE_OUTPUT_MAX = 1 << 16,
    SCENE_ARGUMENTS_MAX = 32,
};

struct scene {
    char dir[SCENE_PATH_MAX];
    char output[SCENE_OUTPUT_MAX]; /* of the last run: standard output and error, cut */
    uint32_t bad;                  /* events of the log that cannot be used */
    uint32_t blank;                /* lines of it that are none */
    uint32_t dropped;              /* events of actions that are not listed */
    uint32_t events;
};

/* How one run of the program differs from a plain one. Zeroes for none. */
struct scene_run {
    const char *fault;   /* value of BRAID_FAULT */
    const char *input;   /* file that is its standard input */
    int64_t signal_us;   /* > 0: `signal` is sent so long after the start, or (but SIGKILL) after */
    int signal;          /* the program has a handler for it, and at the same moment */
    int second_signal;   /* this one, if it is not 0 */
    const char *setting; /* one more argument */
};

/*
 * Makes the folder with log.jsonl (`events` events), braid.yaml and generation-1.safetensors. Any
 * failure in this file ends the test program with what failed.
 */
void scene_open(struct scene *scene, uint32_t events, uint64_t seed);
void scene_close(struct scene *scene);

/*
 * `braid COMMAND --config DIR/braid.yaml --state.dir=DIR/NAME/state --output.dir=DIR/NAME/output`.
 * Returns its exit code, or minus the signal that ended it; what it printed is in scene->output.
 */
int scene_run(struct scene *scene, const char *command, const char *name,
              const struct scene_run *how);

/* `braid ARGUMENT...` (ending with NULL), in the scene's folder. */
int scene_program(struct scene *scene, const char *const *arguments, const struct scene_run *how);

/* DIR/name into a buffer that the next four calls leave alone. */
const char *scene_path(const struct scene *scene, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Removes a file or folder of the scene, whatever is in it. */
void scene_remove(const struct scene *scene, const char *name);

/* A whole file; the caller frees it. A zero byte follows the `*sizep` bytes. */
char *scene_read(const char *path, size_t *sizep);
void scene_write(const char *path, const void *bytes, size_t size);

/*
 * A hash over the newest record of every user that the job `name` has published, without what may
 * differ from run to run: two jobs over the same log have the same.
 */
uint64_t scene_result(struct scene *scene, const char *name, uint32_t *usersp);

/* The generation of every user's newest record; 0: they differ. */
uint64_t scene_generation(struct scene *scene, const char *name, uint32_t *usersp);

#endif
