/*
 * committer.h - a thread that carries out one thing at a time beside its owner: a commit.
 *
 * What the owner wrote before committer_start is seen by the thread, and what the thread wrote is
 * seen by the owner once committer_busy says no, or committer_wait has returned. In between, what
 * the function works on is the thread's alone.
 */
#ifndef STREAM_JOB_COMMITTER_H
#define STREAM_JOB_COMMITTER_H

#include <stdbool.h>

#include "base/status.h"

struct committer;

/* Starts the thread, which will call `function` with `context`. */
MUST_CHECK enum status committer_open(struct committer **committerp, void (*function)(void *),
                                      void *context, struct error *error);

/* Waits for what is under way and ends the thread. Legal on NULL. */
void committer_close(struct committer *committer);

/* Has the function called once. Nothing may be under way. */
void committer_start(struct committer *committer);

bool committer_busy(struct committer *committer);

/* Returns when nothing is under way. */
void committer_wait(struct committer *committer);

#endif
