/* decoding.c - the list of options, and a hash of each one's value as text. */
#include "stream/source/decoding.h"

#include <stdio.h>
#include <string.h>

#include "base/checksum.h"

enum applies { ALWAYS, TO_TABLES, TO_KAFKA, WITH_ACTIONS };

/* Add at the end only, and never take one away. */
static const struct {
    const char *key;
    enum applies applies;
} options[] = {
    {"source.format", ALWAYS},
    {"source.header", TO_TABLES},
    {"source.fields.user", ALWAYS},
    {"source.fields.item", ALWAYS},
    {"source.fields.time", ALWAYS},
    {"source.fields.action", ALWAYS},
    {"source.fields.category", ALWAYS},
    {"source.time", ALWAYS},
    {"source.time_min", ALWAYS},
    {"source.time_max", ALWAYS},
    {"source.time_ahead", TO_KAFKA},
    {"source.time_behind", TO_KAFKA},
    {"source.id_size_max", ALWAYS},
    {"source.event_size_max", ALWAYS},
    {"actions", WITH_ACTIONS},     /* DECODING_ACTIONS */
    {"state.history_max", ALWAYS}, /* no decoding, but it decides which of the events count */
    {"source.separator", TO_TABLES},
    {"source.quotes", TO_TABLES},
    {"source.null_values", ALWAYS},
    /* No decoding either: */
    {"source.user_events_max", ALWAYS},
    {"source.deduplicate", ALWAYS},
    {"profile.fields", ALWAYS}, /* a history holds the place in it */
    {"output.topic", ALWAYS},   /* DECODING_OUTPUT: may change, but not unnoticed (seal_check.c) */
    {"state.ttl", ALWAYS},
    {"source.profile", ALWAYS}, /* whether there is one; where it is may change */
    {"source.time_by", TO_KAFKA},
};

enum { OPTIONS = sizeof options / sizeof *options };
_Static_assert((int)OPTIONS <= (int)HISTORY_DECODING_MAX, "a seal has room for all");

static bool applies_to(enum applies applies, const struct config *config)
{
    switch (applies) {
    case TO_TABLES: return config->source.format != CONFIG_JSON;
    case TO_KAFKA: return config->source.broker == CONFIG_BROKER_KAFKA;
    case WITH_ACTIONS: return *config->source.field_action != 0;
    default: return true;
    }
}

/*
 * Of the first `count` actions' names in their order, since a stored behavior holds the place in it;
 * weights may change. The upper 8 bits are the count, so that a longer list can be compared.
 */
static uint32_t fingerprint_of_actions(const struct config *config, uint32_t count)
{
    uint64_t hash = 0;
    for (uint32_t i = 0; i < count; i++) {
        const char *name = config->actions[i].name;
        hash = splitmix64(hash ^ checksum_of(name, strlen(name)));
    }
    return (count + 1) << 24 | (uint32_t)(hash & 0xFFFFFF);
}

static uint32_t fingerprint_of_value(const char *value)
{
    uint32_t print = (uint32_t)checksum_of(value, strlen(value));
    return print ? print : 1;
}

static uint32_t fingerprint_of_output(const struct config *config)
{
    if (config->output.publish == CONFIG_PUBLISH_NONE) return fingerprint_of_value("nowhere");
    if (config->source.broker == CONFIG_BROKER_FILE) return fingerprint_of_value("files");
    return fingerprint_of_value(config->output.topic);
}

void decoding_fingerprints(const struct config *config, uint32_t prints[HISTORY_DECODING_MAX])
{
    memset(prints, 0, HISTORY_DECODING_MAX * sizeof *prints);
    for (int i = 0; i < OPTIONS; i++) {
        char text[CONFIG_TEXT_MAX];
        const char *key = options[i].key;
        if (!applies_to(options[i].applies, config)) continue;
        const char *value = config_value(config, key, text);
        if (strcmp(key, "source.profile") == 0) value = *value ? "true" : "false";
        prints[i] = value ? fingerprint_of_value(value)
                          : fingerprint_of_actions(config, config->actions_count);
    }
    prints[DECODING_OUTPUT] = fingerprint_of_output(config);
}

/* What was committed of option `i`; a seal that knows the format but not it is an older one. */
static uint32_t committed_print(const uint32_t committed[HISTORY_DECODING_MAX], int i)
{
    if (committed[i] || !committed[0]) return committed[i];
    if (strcmp(options[i].key, "source.user_events_max") == 0) return fingerprint_of_value("0");
    if (strcmp(options[i].key, "source.deduplicate") == 0) return fingerprint_of_value("false");
    if (strcmp(options[i].key, "source.time_by") == 0) return fingerprint_of_value("record");
    if (strcmp(options[i].key, "state.ttl") == 0) return fingerprint_of_value("0s");
    if (strcmp(options[i].key, "source.profile") == 0) return fingerprint_of_value("false");
    return 0;
}

enum status decoding_check(const struct config *config,
                           const uint32_t committed[HISTORY_DECODING_MAX], struct error *error)
{
    uint32_t present[HISTORY_DECODING_MAX];
    char changed[512] = "";
    size_t used = 0;
    decoding_fingerprints(config, present);
    for (int i = 0; i < OPTIONS; i++) {
        char text[CONFIG_TEXT_MAX];
        const uint32_t before = committed_print(committed, i);
        if (!present[i] || !before || present[i] == before || i == DECODING_OUTPUT) continue;
        if (i == DECODING_ACTIONS && decoding_same_actions(config, committed)) continue;
        const char *value = config_value(config, options[i].key, text);
        int size = snprintf(changed + used, sizeof changed - used, "%s%s%s%.64s%s",
                            used ? ", " : "", options[i].key, value ? " (now '" : "",
                            value ? value : "", value ? "')" : " (other names, or another order)");
        used += (size_t)size;
        if (used >= sizeof changed) break;
    }
    if (used == 0) return STATUS_OK;
    bool files = config->source.broker == CONFIG_BROKER_FILE;
    return error_set(error, STATUS_REFUSED,
                     "%s '%s' has committed events that were read with other settings: %s. What "
                     "was absorbed cannot be read again: set them back to what they were, or begin "
                     "anew with another %s",
                     files ? "the job in" : "group",
                     files ? config->state.dir : config->kafka.group, changed,
                     files ? "state.dir and output.dir" : "kafka.group and other output topics");
}

bool decoding_same_actions(const struct config *config,
                           const uint32_t committed[HISTORY_DECODING_MAX])
{
    uint32_t known = committed[DECODING_ACTIONS];
    if (known == 0) return true;
    uint32_t count = (known >> 24) - 1;
    if (count == 0 || count > config->actions_count) return config->actions_count == count;
    return fingerprint_of_actions(config, count) == known;
}

bool decoding_same_output(const struct config *config,
                          const uint32_t committed[HISTORY_DECODING_MAX])
{
    const uint32_t known = committed[DECODING_OUTPUT];
    return known == 0 || known == fingerprint_of_output(config);
}
