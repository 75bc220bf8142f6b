/*
 * command.h - what a command of the program is, and what all of them need.
 *
 * A command is one file, command_<name>.c, with a help text and examples. It takes its own options
 * out of the arguments first; all that is left must be settings of the configuration
 * (--state.dir=...), or words that the command expects.
 */
#ifndef CLI_COMMAND_H
#define CLI_COMMAND_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "base/status.h"
#include "config/config.h"

/* The arguments of a command, from which it takes its own options before the configuration's. */
struct arguments {
    int count;
    char **at;
};

struct command {
    const char *name;
    const char *summary; /* one line of `braid --help` */
    const char *help;    /* usage, explanation, examples */
    bool settings;       /* --help goes on with the options of the configuration */

    /*
     * Runs with what follows the command's name. `config` is for it to fill (arguments_config); it
     * is closed afterwards. A failure is printed, and its status is the exit code.
     */
    enum status (*run)(struct arguments *arguments, struct config *config, struct error *error);
};

extern const struct command command_run;
extern const struct command command_train;
extern const struct command command_init;
extern const struct command command_inspect;
extern const struct command command_verify;
extern const struct command command_evaluate;
extern const struct command command_export;
extern const struct command command_recommend;
extern const struct command command_promote;
extern const struct command command_rollback;
extern const struct command command_repartition;
extern const struct command command_seed;
extern const struct command command_replay;
extern const struct command command_takeover;
extern const struct command command_erase;
extern const struct command command_compare;
extern const struct command command_check_config;
extern const struct command command_version;

/* Takes `name` ("--faults") out, wherever it stands. */
bool arguments_flag(struct arguments *arguments, const char *name);

/*
 * Takes "name=VALUE" or "name VALUE" out; *valuep is NULL if there is none. STATUS_INVALID if the
 * value is missing, or if the option is given twice.
 */
MUST_CHECK enum status arguments_option(struct arguments *arguments, const char *name,
                                        const char **valuep, struct error *error);

/* The same for an option that may be repeated: takes the first one, until *valuep is NULL. */
MUST_CHECK enum status arguments_next_option(struct arguments *arguments, const char *name,
                                             const char **valuep, struct error *error);

/*
 * Take an option whose value is a number, which stays as it is if there is no such option.
 * STATUS_INVALID, with the option, its value and the limits, if it is none from `least` to `most`.
 */
MUST_CHECK enum status arguments_count(struct arguments *arguments, const char *name,
                                       uint64_t least, uint64_t most, uint64_t *countp,
                                       struct error *error);
MUST_CHECK enum status arguments_count32(struct arguments *arguments, const char *name,
                                         uint32_t least, uint32_t most, uint32_t *countp,
                                         struct error *error);
MUST_CHECK enum status arguments_real(struct arguments *arguments, const char *name, double least,
                                      double most, double *realp, struct error *error);

/* The same for a moment: a date or a date and time as ISO 8601 writes them. */
MUST_CHECK enum status arguments_moment(struct arguments *arguments, const char *name, int64_t *msp,
                                        struct error *error);

/*
 * Fills `config` from defaults, --config FILE (or BRAID_CONFIG), the environment and the rest of
 * the arguments, of which the words remain; sets up the log, and has models compute with vectors
 * as wide as it says. `config` must be closed, also after a failure.
 */
MUST_CHECK enum status arguments_config(struct arguments *arguments, struct config *config,
                                        struct error *error);

/* STATUS_INVALID if a word remains that nobody expects. */
MUST_CHECK enum status arguments_end(const struct arguments *arguments, struct error *error);

/* Of `names` (ending with NULL) the one most like `word`, or NULL if none is like it. */
const char *nearest_word(const char *word, const char *const *names);

#endif
