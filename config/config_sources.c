/* config_sources.c - settings from the environment and from the command line. */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/edit_distance.h"
#include "base/log.h"
#include "config/option.h"

enum {
    NAME_MAX_SIZE = 256,
    MISTYPED = 2, /* edits that make an option's name a mistyped one */
};

/* source.fields.user -> BRAID_SOURCE_FIELDS_USER */
static void variable_of(const char *key, char to[NAME_MAX_SIZE])
{
    int size = snprintf(to, NAME_MAX_SIZE, "BRAID_%s", key);
    for (int i = 6; i < size && i < NAME_MAX_SIZE; i++) {
        to[i] = to[i] == '.' ? '_' : (char)toupper((unsigned char)to[i]);
    }
}

/* kafka.client.* of BRAID_KAFKA_CLIENT_SASL_PASSWORD: librdkafka's names have only dots. */
static void property_of(const char *variable, char to[NAME_MAX_SIZE])
{
    int size = snprintf(to, NAME_MAX_SIZE, "kafka.client.%s", variable);
    for (int i = 0; i < size && i < NAME_MAX_SIZE; i++) {
        to[i] = to[i] == '_' ? '.' : (char)tolower((unsigned char)to[i]);
    }
}

/* The option's variable that is most like `variable`, and how far it is from it. */
static size_t nearest_variable(const char *variable, char nearest[NAME_MAX_SIZE])
{
    char name[NAME_MAX_SIZE];
    size_t least = SIZE_MAX;
    for (unsigned i = 0; i < option_count; i++) {
        variable_of(option_table[i].key, name);
        const size_t far = edit_distance(variable, name);
        if (far >= least) continue;
        least = far;
        memcpy(nearest, name, sizeof name);
    }
    return least;
}

/* The key that `variable` sets, in `key`; false if it is that of no option. */
static bool key_of_variable(const char *variable, char key[NAME_MAX_SIZE])
{
    static const char client[] = "BRAID_KAFKA_CLIENT_";
    for (unsigned i = 0; i < option_count; i++) {
        variable_of(option_table[i].key, key);
        if (strcmp(key, variable) != 0) continue;
        snprintf(key, NAME_MAX_SIZE, "%s", option_table[i].key);
        return true;
    }
    snprintf(key, NAME_MAX_SIZE, "actions");
    if (strcmp(variable, "BRAID_ACTIONS") == 0) return true;
    if (strncmp(variable, client, sizeof client - 1) != 0) return false;
    property_of(variable + sizeof client - 1, key);
    return true;
}

/* Variables that begin with BRAID_ and are read elsewhere. */
static bool is_not_option(const char *variable)
{
    static const char *const names[] = {"BRAID_CONFIG", "BRAID_FAULT", "BRAID_FIXTURES", NULL};
    for (const char *const *name = names; *name; name++) {
        if (strcmp(*name, variable) == 0) return true;
    }
    return false;
}

/*
 * The name of the variable in `assignment` (NAME=VALUE), if it may be meant for this program; its
 * value or NULL.
 */
static const char *variable_value(const char *assignment, char variable[NAME_MAX_SIZE])
{
    const size_t size = strcspn(assignment, "=");
    if (strncmp(assignment, "BRAID_", 6) != 0 || assignment[size] != '=') return NULL;
    snprintf(variable, NAME_MAX_SIZE, "%.*s", (int)size, assignment);
    return is_not_option(variable) ? NULL : assignment + size + 1;
}

enum status config_environment(struct config *config, char *const *environment, struct error *error)
{
    for (; *environment; environment++) {
        char variable[NAME_MAX_SIZE], key[NAME_MAX_SIZE];
        const char *value = variable_value(*environment, variable);
        if (!value) continue;
        if (key_of_variable(variable, key)) {
            TRY(config_set(config, key, value, variable, error));
        } else if (nearest_variable(variable, key) <= MISTYPED) {
            return error_set(error, STATUS_INVALID,
                             "environment: %s: no such option; did you mean %s?", variable, key);
        }
    }
    return STATUS_OK;
}

void config_warn_variables(char *const *environment)
{
    for (; *environment; environment++) {
        char variable[NAME_MAX_SIZE], key[NAME_MAX_SIZE];
        if (!variable_value(*environment, variable) || key_of_variable(variable, key)) continue;
        log_warn("an environment variable that begins with BRAID_ is no option and is ignored",
                 log_text("variable", variable));
    }
}

enum status config_arguments(struct config *config, int count, char **arguments, int *restp,
                             struct error *error)
{
    int rest = 0;
    for (int i = 0; i < count; i++) {
        char key[NAME_MAX_SIZE];
        if (strncmp(arguments[i], "--", 2) != 0 || !arguments[i][2]) {
            arguments[rest++] = arguments[i];
            continue;
        }
        const char *value = strchr(arguments[i], '=');
        size_t size = value ? (size_t)(value - arguments[i]) : strlen(arguments[i]);
        snprintf(key, sizeof key, "%.*s", (int)size - 2, arguments[i] + 2);
        if (value) {
            value++;
        } else if (!option_find(key) && !option_is_open(key) && strcmp(key, "actions") != 0) {
            return option_unknown(key, "command line", error);
        } else if (i + 1 < count) {
            value = arguments[++i];
        } else {
            return error_set(error, STATUS_INVALID, "command line: --%s needs a value", key);
        }
        TRY(config_set(config, key, value, "command line", error));
    }
    *restp = rest;
    return STATUS_OK;
}
