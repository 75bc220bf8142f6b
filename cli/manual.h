/*
 * manual.h - the commands and settings as a man page and as completion for bash.
 *
 * Both are made of the tables that the program itself uses, so they cannot say anything else.
 */
#ifndef CLI_MANUAL_H
#define CLI_MANUAL_H

#include <stdio.h>

#include "cli/command.h"

/* Writes braid.1, for man; `overview` is what `braid --help` prints. `commands` ends with NULL. */
void manual_print(FILE *out, const char *overview, const struct command *const *commands);

/* Writes a script for bash that completes commands, their options, settings and their values. */
void completion_print(FILE *out, const struct command *const *commands);

#endif
