/* command.c - taking options out of arguments, and the nearest known word to an unknown one. */
#include "cli/command.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/edit_distance.h"
#include "base/iso8601.h"
#include "base/log.h"
#include "base/number_text.h"
#include "model/kernel/kernel_width.h"

/* Removes `taken` arguments at `index`. */
static void remove_at(struct arguments *arguments, int index, int taken)
{
    for (int i = index; i + taken < arguments->count; i++) {
        arguments->at[i] = arguments->at[i + taken];
    }
    arguments->count -= taken;
}

bool arguments_flag(struct arguments *arguments, const char *name)
{
    for (int i = 0; i < arguments->count; i++) {
        if (strcmp(arguments->at[i], name) != 0) continue;
        remove_at(arguments, i, 1);
        return true;
    }
    return false;
}

enum status arguments_next_option(struct arguments *arguments, const char *name,
                                  const char **valuep, struct error *error)
{
    size_t size = strlen(name);
    *valuep = NULL;
    for (int i = 0; i < arguments->count; i++) {
        const char *argument = arguments->at[i];
        if (strncmp(argument, name, size) != 0) continue;
        if (argument[size] == '=') {
            *valuep = argument + size + 1;
            remove_at(arguments, i, 1);
            return STATUS_OK;
        }
        if (argument[size]) continue;
        if (i + 1 == arguments->count) {
            return error_set(error, STATUS_INVALID, "%s needs a value", name);
        }
        *valuep = arguments->at[i + 1];
        remove_at(arguments, i, 2);
        return STATUS_OK;
    }
    return STATUS_OK;
}

enum status arguments_option(struct arguments *arguments, const char *name, const char **valuep,
                             struct error *error)
{
    const char *second = NULL;
    TRY(arguments_next_option(arguments, name, valuep, error));
    if (*valuep) TRY(arguments_next_option(arguments, name, &second, error));
    if (!second) return STATUS_OK;
    return error_set(error, STATUS_INVALID, "%s is given twice: %s and %s", name, *valuep, second);
}

enum status arguments_count(struct arguments *arguments, const char *name, uint64_t least,
                            uint64_t most, uint64_t *countp, struct error *error)
{
    const char *text;
    uint64_t count;
    TRY(arguments_option(arguments, name, &text, error));
    if (!text) return STATUS_OK;
    if (!parse_unsigned(bytes_of(text), most, &count) || count < least) {
        return error_set(error, STATUS_INVALID,
                         "%s=%s: a whole number from %" PRIu64 " to %" PRIu64 " is expected", name,
                         text, least, most);
    }
    *countp = count;
    return STATUS_OK;
}

enum status arguments_count32(struct arguments *arguments, const char *name, uint32_t least,
                              uint32_t most, uint32_t *countp, struct error *error)
{
    uint64_t count = *countp;
    TRY(arguments_count(arguments, name, least, most, &count, error));
    *countp = (uint32_t)count;
    return STATUS_OK;
}

enum status arguments_real(struct arguments *arguments, const char *name, double least, double most,
                           double *realp, struct error *error)
{
    const char *text;
    double real;
    TRY(arguments_option(arguments, name, &text, error));
    if (!text) return STATUS_OK;
    if (!parse_real(bytes_of(text), &real) || real < least || real > most) {
        return error_set(error, STATUS_INVALID, "%s=%s: a number from %g to %g is expected", name,
                         text, least, most);
    }
    *realp = real;
    return STATUS_OK;
}

enum status arguments_moment(struct arguments *arguments, const char *name, int64_t *msp,
                             struct error *error)
{
    const char *text;
    TRY(arguments_option(arguments, name, &text, error));
    if (!text || iso8601_parse(bytes_of(text), msp)) return STATUS_OK;
    return error_set(error, STATUS_INVALID,
                     "%s=%s: a date or a time as in 2024-05-01T12:00Z is expected", name, text);
}

/* Before any thread computes, as kernels ask for. */
static enum status choose_vectors(enum config_vector_bits choice, struct error *error)
{
    static const uint32_t bits[] = {
        [CONFIG_BITS_WIDEST] = 0, [CONFIG_BITS_256] = 256, [CONFIG_BITS_512] = 512};
    if (kernel_width_choose(bits[choice], error) == STATUS_OK) return STATUS_OK;
    return error_set(error, STATUS_INVALID,
                     "model.vector_bits=%u: this processor has no AVX-512; leave it at widest",
                     bits[choice]);
}

static enum status read_settings(struct arguments *arguments, struct config *config,
                                 struct error *error)
{
    const char *path;
    TRY(arguments_option(arguments, "--config", &path, error));
    if (!path) path = getenv("BRAID_CONFIG");
    if (path) TRY(config_file(config, path, error));
    TRY(config_environment(config, environ, error));
    return config_arguments(config, arguments->count, arguments->at, &arguments->count, error);
}

enum status arguments_config(struct arguments *arguments, struct config *config,
                             struct error *error)
{
    config_defaults(config);
    const enum status status = read_settings(arguments, config, error);
    /* Also of settings that are refused: what was read of them says in which form. */
    static const enum log_form forms[] = {[CONFIG_LOG_TEXT] = LOG_PLAIN,
                                          [CONFIG_LOG_JSON] = LOG_JSON,
                                          [CONFIG_LOG_LOGFMT] = LOG_LOGFMT};
    log_setup(config->log.level == CONFIG_LOG_DEBUG ? LOG_DEBUG : LOG_INFO,
              forms[config->log.format]);
    TRY(status);
    config_warn_variables(environ);
    return choose_vectors(config->model.vector_bits, error);
}

enum status arguments_end(const struct arguments *arguments, struct error *error)
{
    if (!arguments->count) return STATUS_OK;
    return error_set(error, STATUS_INVALID, "'%s' is not expected here: see --help",
                     arguments->at[0]);
}

const char *nearest_word(const char *word, const char *const *names)
{
    const char *nearest = NULL;
    size_t least = strlen(word) / 2 + 1; /* farther is not alike */
    for (; *names; names++) {
        size_t distance = edit_distance(word, *names);
        if (distance < least) {
            least = distance;
            nearest = *names;
        }
    }
    return nearest;
}
