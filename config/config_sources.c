/* config_sources.c - settings from the environment and from the command line. */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/edit_distance.h"
#include "config/option.h"

enum { NAME_MAX_SIZE = 256 };

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

static enum status unknown_variable(const char *variable, struct error *error)
{
    char name[NAME_MAX_SIZE], nearest[NAME_MAX_SIZE] = "";
    size_t least = strlen(variable) / 2;
    for (unsigned i = 0; i < option_count; i++) {
        variable_of(option_table[i].key, name);
        size_t far = edit_distance(variable, name);
        if (far >= least) continue;
        least = far;
        memcpy(nearest, name, sizeof nearest);
    }
    return error_set(error, STATUS_INVALID, "environment: %s: unknown option%s%s%s", variable,
                     *nearest ? "; did you mean " : "", nearest, *nearest ? "?" : "");
}

static enum status set_variable(struct config *config, const char *variable, const char *value,
                                struct error *error)
{
    static const char client[] = "BRAID_KAFKA_CLIENT_";
    char name[NAME_MAX_SIZE];
    for (unsigned i = 0; i < option_count; i++) {
        variable_of(option_table[i].key, name);
        if (strcmp(name, variable) == 0) {
            return config_set(config, option_table[i].key, value, variable, error);
        }
    }
    if (strcmp(variable, "BRAID_ACTIONS") == 0) {
        return config_set(config, "actions", value, variable, error);
    }
    if (strncmp(variable, client, sizeof client - 1) == 0) {
        property_of(variable + sizeof client - 1, name);
        return config_set(config, name, value, variable, error);
    }
    return unknown_variable(variable, error);
}

/* Variables that begin with BRAID_ and are not settings of the job. */
static bool is_not_option(const char *variable)
{
    static const char *const names[] = {"BRAID_CONFIG", "BRAID_FAULT", "BRAID_FIXTURES", NULL};
    for (const char *const *name = names; *name; name++) {
        if (strcmp(*name, variable) == 0) return true;
    }
    return false;
}

enum status config_environment(struct config *config, char *const *environment, struct error *error)
{
    for (; *environment; environment++) {
        char variable[NAME_MAX_SIZE];
        size_t size = strcspn(*environment, "=");
        if (strncmp(*environment, "BRAID_", 6) != 0 || (*environment)[size] != '=') continue;
        snprintf(variable, sizeof variable, "%.*s", (int)size, *environment);
        if (is_not_option(variable)) continue;
        TRY(set_variable(config, variable, *environment + size + 1, error));
    }
    return STATUS_OK;
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
