/* config.c - the life of a config, the keys whose names are the user's, and the checks. */
#include "config/config.h"

#include <string.h>

#include "base/bytes.h"
#include "base/number_text.h"
#include "config/config_text.h"
#include "config/bound.h"
#include "config/listen.h"
#include "config/option.h"

/* The table's defaults are constants, so they need no copies and cannot fail. */
void config_defaults(struct config *config)
{
    *config = (struct config){0};
    for (unsigned i = 0; i < option_count; i++) {
        const struct option *option = &option_table[i];
        if (option->type == OPTION_TEXT) {
            memcpy((char *)config + option->offset, &option->value, sizeof option->value);
        } else {
            REQUIRE(option_set(config, option, option->value, "default", NULL) == STATUS_OK);
        }
    }
}

void config_close(struct config *config)
{
    config_free_texts(config);
    *config = (struct config){0};
}

/* actions.NAME: a new action behind the others, or the weight of one that is there. */
static enum status set_action(struct config *config, struct bytes name, const char *value,
                              const char *origin, struct error *error)
{
    double weight;
    if (!parse_real(bytes_of(value), &weight) || weight < 0) {
        return error_set(error, STATUS_INVALID,
                         "%s: actions.%.*s: '%.64s' is not allowed; expected a weight: 0 or a "
                         "positive number",
                         origin, (int)name.size, (const char *)name.at, value);
    }
    uint32_t i = 0;
    while (i < config->actions_count && !bytes_equal(bytes_of(config->actions[i].name), name)) {
        i++;
    }
    if (i == CONFIG_ACTIONS_MAX || name.size == 0) {
        return error_set(error, STATUS_INVALID,
                         "%s: actions: there may be up to %d actions, each with a name", origin,
                         CONFIG_ACTIONS_MAX);
    }
    if (i == config->actions_count) {
        config->actions[i].name = config_own(config, name.at, name.size);
        if (!config->actions[i].name) return error_set(error, STATUS_IO, "out of memory: actions");
        config->actions_count++;
    }
    config->actions[i].weight = weight;
    return STATUS_OK;
}

/* actions as one text: "view:1, buy:3" in place of what was listed before. */
static enum status set_actions(struct config *config, const char *value, const char *origin,
                               struct error *error)
{
    config->actions_count = 0;
    while (*value) {
        char weight[64];
        size_t size = strcspn(value, ",");
        size_t name_size = strcspn(value, ":,");
        if (name_size == size || size - name_size > sizeof weight) {
            return error_set(error, STATUS_INVALID,
                             "%s: actions: '%.64s' is not allowed; expected NAME:WEIGHT, ...",
                             origin, value);
        }
        memcpy(weight, value + name_size + 1, size - name_size - 1);
        weight[size - name_size - 1] = '\0';
        TRY(set_action(config, (struct bytes){value, name_size}, weight, origin, error));
        value += size;
        value += strspn(value, ", ");
    }
    return STATUS_OK;
}

/* kafka.client.PROPERTY. Its value may be a secret, so no message ever shows it. */
static enum status set_client(struct config *config, const char *key, const char *value,
                              const char *origin, struct error *error)
{
    uint32_t i = 0;
    while (i < config->kafka.client_count && strcmp(config->kafka.client[i].key, key) != 0) {
        i++;
    }
    if (i == CONFIG_CLIENT_MAX || strlen(value) >= CONFIG_VALUE_MAX) {
        return error_set(error, STATUS_INVALID,
                         "%s: kafka.client.%s: there may be up to %d properties of less than %d "
                         "bytes each",
                         origin, key, CONFIG_CLIENT_MAX, CONFIG_VALUE_MAX);
    }
    const char *owned_key = config_own(config, key, strlen(key));
    const char *owned_value = config_own(config, value, strlen(value));
    if (!owned_key || !owned_value) return error_set(error, STATUS_IO, "out of memory: properties");
    config->kafka.client[i] = (struct config_pair){owned_key, owned_value};
    if (i == config->kafka.client_count) config->kafka.client_count++;
    return STATUS_OK;
}

enum status config_set(struct config *config, const char *key, const char *value,
                       const char *origin, struct error *error)
{
    static const char action[] = "actions.", client[] = "kafka.client.";
    const struct option *option = option_find(key);
    if (option) return option_set(config, option, value, origin, error);
    if (strcmp(key, "actions") == 0) return set_actions(config, value, origin, error);
    if (strncmp(key, action, sizeof action - 1) == 0) {
        return set_action(config, bytes_of(key + sizeof action - 1), value, origin, error);
    }
    if (strncmp(key, client, sizeof client - 1) == 0 && key[sizeof client - 1]) {
        return set_client(config, key + sizeof client - 1, value, origin, error);
    }
    return option_unknown(key, origin, error);
}

static enum status require_set(const char *value, const char *key, const char *why,
                               struct error *error)
{
    if (*value) return STATUS_OK;
    return error_set(error, STATUS_INVALID, "%s must be set%s", key, why);
}

static enum status check_source(const struct config *config, struct error *error)
{
    TRY(require_set(config->source.field_user, "source.fields.user", "", error));
    TRY(require_set(config->source.field_item, "source.fields.item", "", error));
    TRY(require_set(config->source.field_time, "source.fields.time", "", error));
    if (config->actions_count) {
        TRY(require_set(config->source.field_action, "source.fields.action",
                        ", since actions are listed", error));
    }
    if (config->source.time_min_ms >= config->source.time_max_ms) {
        return error_set(error, STATUS_INVALID, "source.time_min must be before source.time_max");
    }
    struct bound start, end;
    TRY(bound_parse_start(&start, config->source.start, error));
    TRY(bound_parse_end(&end, config->source.end, error));
    if (end.kind == BOUND_NEVER && config->source.broker == CONFIG_BROKER_FILE &&
        config->source.path && strcmp(config->source.path, "-") == 0) {
        return error_set(error, STATUS_INVALID,
                         "source.end=never: standard input ends when nobody writes to it any more");
    }
    const bool files = config->source.broker == CONFIG_BROKER_FILE;
    const enum bound_kind foreign = files ? BOUND_PLACES : BOUND_OFFSET;
    if (start.kind == foreign || end.kind == foreign) {
        return error_set(error, STATUS_INVALID, "%s=%s: %s",
                         start.kind == foreign ? "source.start" : "source.end",
                         start.kind == foreign ? config->source.start : config->source.end,
                         files ? "files have no partitions; give the number of an event from 0"
                               : "a topic has numbers by partition; give offsets, as in "
                                 "0:1200,1:3400");
    }
    const bool ordered = start.kind == BOUND_TIME || start.kind == BOUND_OFFSET;
    if (end.kind == start.kind && ordered && end.value <= start.value) {
        return error_set(error, STATUS_INVALID, "source.end must be after source.start");
    }
    return STATUS_OK;
}

/* A topic for each, no two of the same name: a job that reads what it writes never ends. */
static enum status check_topics(const struct config *config, const char *why, struct error *error)
{
    const struct config_pair topics[] = {
        {"source.profile", config->source.profile},
        {"source.erase", config->source.erase},
        {"source.topic", config->source.topic},
        {"output.topic", config->output.topic},
        {"output.history_topic", config->output.history_topic},
        {"output.dead_letter_topic", config->output.dead_letter_topic},
        {"output.items_topic", config->output.items_topic},
        {"output.models_topic", config->output.models_topic},
        {"output.item_vectors_topic", config->output.item_vectors_topic},
    };
    const size_t optional = 2;                           /* the first ones, which may be empty */
    const size_t shared = config_shares(config) ? 0 : 2; /* the last ones, else not used */
    for (size_t i = 0; i < sizeof topics / sizeof *topics - shared; i++) {
        if (i >= optional) TRY(require_set(topics[i].value, topics[i].key, why, error));
        for (size_t j = 0; j < i; j++) {
            if (!*topics[i].value || strcmp(topics[i].value, topics[j].value) != 0) continue;
            return error_set(error, STATUS_INVALID,
                             "%s and %s are both '%s': each needs a topic of its own",
                             topics[j].key, topics[i].key, topics[i].value);
        }
    }
    return STATUS_OK;
}

enum status config_check_kafka(const struct config *config, struct error *error)
{
    const char *why = ", since source.broker is kafka";
    TRY(check_topics(config, why, error));
    TRY(require_set(config->kafka.brokers, "kafka.brokers", why, error));
    TRY(require_set(config->kafka.group, "kafka.group", why, error));
    TRY(require_set(config->kafka.instance, "kafka.instance", why, error));
    if (*config->kafka.advertise && !listen_is_address(config->kafka.advertise)) {
        return error_set(error, STATUS_INVALID,
                         "kafka.advertise: '%s' is not allowed; expected HOST:PORT, as others "
                         "reach http.listen",
                         config->kafka.advertise);
    }
    if (config->source.format != CONFIG_JSON && config->source.header) {
        return error_set(error, STATUS_INVALID,
                         "source.header must be false, since records of a topic have no header");
    }
    if (config->kafka.transaction_timeout_ms >= config->kafka.session_timeout_ms) {
        return error_set(error, STATUS_INVALID,
                         "kafka.transaction_timeout must be less than kafka.session_timeout");
    }
    if (config->job.commit_interval_ms >= config->kafka.transaction_timeout_ms) {
        return error_set(error, STATUS_INVALID,
                         "job.commit_interval must be less than kafka.transaction_timeout");
    }
    return STATUS_OK;
}

enum status config_check_unbounded(const struct config *config, const char *command,
                                   struct error *error)
{
    if (strcmp(config->source.start, "earliest") == 0 && !*config->source.end) return STATUS_OK;
    return error_set(error, STATUS_INVALID,
                     "source.start and source.end say what a job reads, and braid %s reads all: "
                     "leave them out",
                     command);
}

bool config_trains(const struct config *config)
{
    return config->train.enabled == CONFIG_TRAIN_ON;
}

bool config_moves(const struct config *config)
{
    return config_trains(config) || (config_shares(config) && !*config->model.checkpoint);
}

bool config_moves_beside(const struct config *config)
{
    const enum config_pace usual =
        config->source.broker == CONFIG_BROKER_FILE ? CONFIG_PACE_STEP : CONFIG_PACE_FREE;
    const enum config_pace pace =
        config->train.pace == CONFIG_PACE_AUTO ? usual : config->train.pace;
    return config_moves(config) && pace == CONFIG_PACE_FREE;
}

bool config_sweeps(const struct config *config)
{
    return config_moves(config) || config->output.sweep > 0;
}

bool config_sweeps_beside(const struct config *config)
{
    return config_moves(config) ? config_moves_beside(config) : config->output.sweep > 0;
}

uint64_t config_sweep_rate(const struct config *config)
{
    return config_moves(config) ? config->train.republish_rate : config->output.sweep;
}

bool config_shares(const struct config *config)
{
    return config->source.broker == CONFIG_BROKER_KAFKA && *config->model.dir;
}

/* Both must be there to be read again, and in full: what a user is known by comes before its events. */
static enum status check_profiles(const struct config *config, struct error *error)
{
    if (!*config->source.profile) return STATUS_OK;
    TRY(require_set(config->profile.fields, "profile.fields", ", since source.profile is", error));
    if (config->source.broker == CONFIG_BROKER_KAFKA) return STATUS_OK;
    if (strcmp(config->source.path, "-") == 0 || strcmp(config->source.profile, "-") == 0) {
        return error_set(
            error, STATUS_INVALID,
            "source.profile: standard input cannot be read beside it: give source.path "
            "and source.profile files");
    }
    if (strcmp(config->source.start, "earliest") == 0) return STATUS_OK;
    return error_set(error, STATUS_INVALID,
                     "source.start: with source.profile a job begins with the first line, since "
                     "what is known of users comes before their events");
}

enum status config_check_events(const struct config *config, struct error *error)
{
    TRY(check_source(config, error));
    TRY(check_profiles(config, error));
    if (config->source.broker == CONFIG_BROKER_FILE && *config->source.erase) {
        return error_set(error, STATUS_INVALID,
                         "source.erase is a topic: of a job on files use braid erase");
    }
    if (config->state.history_max % 128 == 0) return STATUS_OK;
    return error_set(error, STATUS_INVALID, "state.history_max must be a multiple of 128");
}

static enum status check_what_serves(const struct config *config, struct error *error)
{
    if (!config_moves(config)) {
        return require_set(config->model.checkpoint, "model.checkpoint", "", error);
    }
    const bool beside = config_moves_beside(config);
    if (config->source.broker != CONFIG_BROKER_FILE && !beside) {
        return error_set(error, STATUS_INVALID,
                         "train.pace: a topic does not wait for training; step is for "
                         "source.broker=file, on Kafka it is free");
    }
    if (!beside && strcmp(config->source.path, "-") == 0) {
        return error_set(
            error, STATUS_INVALID,
            "train.enabled: standard input cannot be read again, and what a job learns in pace "
            "step must be: give a file, or train.pace=free, or a model.checkpoint");
    }
    return require_set(config->model.dir, "model.dir", ", for the job learns", error);
}

enum status config_check(const struct config *config, struct error *error)
{
    struct listen_place place;
    TRY(config_check_events(config, error));
    TRY(listen_parse(&place, config->http.listen, error));
    if (place.off && config->http.stay) {
        return error_set(error, STATUS_INVALID,
                         "http.stay: nobody can be answered with http.listen=off");
    }
    TRY(check_what_serves(config, error));
    if (config->output.publish == CONFIG_PUBLISH_LAST) {
        return error_set(error, STATUS_INVALID,
                         "output.publish: last is for braid replay --publish; a job publishes all "
                         "or none");
    }
    if (config->output.sweep > 0 && config->source.broker == CONFIG_BROKER_FILE &&
        strcmp(config->source.end, "never") != 0) {
        return error_set(error, STATUS_INVALID,
                         "output.sweep: a job on files ends with them, unless source.end is never; "
                         "braid export interests "
                         "gives the interests of everybody");
    }
    TRY(require_set(config->state.dir, "state.dir", "", error));
    if (config->source.broker == CONFIG_BROKER_KAFKA) return config_check_kafka(config, error);
    TRY(require_set(config->source.path, "source.path", ", since source.broker is file", error));
    return require_set(config->output.dir, "output.dir", ", since source.broker is file", error);
}
