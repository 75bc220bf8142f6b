/*
 * said.h - holds what the program of a scene said, and its exit code, to what they should be.
 */
#ifndef TESTS_UNIT_SAID_H
#define TESTS_UNIT_SAID_H

#include "tests/crash/scene.h"

/* Fails the test unless the last run ended with `wanted` (`code` is what it did) and said `text`. */
void expect_said(const struct scene *scene, int code, int wanted, const char *text);

/* As expect_said, of several texts, which end with NULL. */
void expect_all_said(const struct scene *scene, int code, int wanted, const char *const *texts);

#endif
