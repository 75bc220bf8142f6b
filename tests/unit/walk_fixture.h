/*
 * walk_fixture.h - a log that can be learned, and what trains on it: after item i comes i + 1, or for
 * every other user i + 3.
 */
#ifndef TESTS_UNIT_WALK_FIXTURE_H
#define TESTS_UNIT_WALK_FIXTURE_H

#include "model/train/trainer.h"

enum { WALK_ITEMS = 40, WALK_CATEGORIES = 3, WALK_OOV = 2, WALK_USERS_MAX = 512 };

struct walk {
    struct dataset *dataset;
    struct checkpoint *checkpoint;
    uint32_t known[WALK_USERS_MAX];
    struct train_options options;
};

/* What a model is by default, but small. */
struct model_dims walk_dims(const char *model);

/* A new model, and the first `length` items of each user, all of which may be learned from. */
void walk_open_of(struct walk *walk, const char *model, const struct model_dims *dims,
                  uint32_t users, uint32_t length);
void walk_open(struct walk *walk, const char *model, uint32_t users, uint32_t length);
void walk_close(struct walk *walk);

/* Whatever fails fails the test. run_all: what the last of the epochs gave that are left. */
struct trainer *open_trainer(struct walk *walk);
struct train_epoch run_epoch(struct trainer *trainer);
struct train_epoch run_all(struct trainer *trainer);

#endif
