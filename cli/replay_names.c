/* replay_names.c - see replay_names.h. */
#include "cli/replay_names.h"

#include <stdio.h>
#include <string.h>

enum {
    NAME_MAX_SIZE = 200, /* bytes, so that a topic's name with an ending has at most 249 */
    TOPIC_NAMES = 6,
};

/* The options that get a name, and how it ends. */
static const struct {
    const char *ending;
    size_t at; /* in struct config */
} names[TOPIC_NAMES] = {
    {"", offsetof(struct config, output.topic)},
    {"-history", offsetof(struct config, output.history_topic)},
    {"-dead-letters", offsetof(struct config, output.dead_letter_topic)},
    {"-items", offsetof(struct config, output.items_topic)},
    {"-models", offsetof(struct config, output.models_topic)},
    {"-item-vectors", offsetof(struct config, output.item_vectors_topic)},
};

static const char **option_at(struct config *config, int i)
{
    return (const char **)((char *)config + names[i].at);
}

static enum status check_name(const char *name, struct error *error)
{
    static const char allowed[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
    const size_t size = name ? strlen(name) : 0;
    if (size == 0) return error_set(error, STATUS_INVALID, "under which name? --as NAME");
    if (size <= NAME_MAX_SIZE && strspn(name, allowed) == size && *name != '.') return STATUS_OK;
    return error_set(error, STATUS_INVALID,
                     "--as %s: a name has 1 to %d letters, digits, dots, dashes and underscores, "
                     "and no dot at first",
                     name, NAME_MAX_SIZE);
}

/* None of the new names may be one of those that the configuration says. */
static enum status check_foreign(struct config *config, const char *group,
                                 char texts[TOPIC_NAMES][NAME_MAX_SIZE + 32], struct error *error)
{
    const char *taken[TOPIC_NAMES + 2] = {config->kafka.group, config->source.topic};
    for (int i = 0; i < TOPIC_NAMES; i++) {
        taken[i + 2] = *option_at(config, i);
    }
    for (int i = 0; i < TOPIC_NAMES; i++) {
        for (int t = 0; t < TOPIC_NAMES + 2; t++) {
            if (t > 0 && strcmp(texts[i], taken[t]) != 0) continue;
            if (t == 0 && strcmp(group, taken[0]) != 0) continue;
            return error_set(error, STATUS_INVALID,
                             "--as %s: '%s' is a name of the job that is configured: a replay has "
                             "names of its own",
                             group, taken[t]);
        }
    }
    return STATUS_OK;
}

enum status replay_names_set(struct config *config, const char *name, struct error *error)
{
    static char texts[TOPIC_NAMES][NAME_MAX_SIZE + 32];
    static char group[NAME_MAX_SIZE + 1], state[CONFIG_VALUE_MAX + NAME_MAX_SIZE + 2],
        models[CONFIG_VALUE_MAX + NAME_MAX_SIZE + 2];
    TRY(check_name(name, error));
    snprintf(group, sizeof group, "%s", name);
    for (int i = 0; i < TOPIC_NAMES; i++) {
        snprintf(texts[i], sizeof texts[i], "%s%s", name, names[i].ending);
    }
    TRY(check_foreign(config, group, texts, error));
    for (int i = 0; i < TOPIC_NAMES; i++) {
        *option_at(config, i) = texts[i];
    }
    snprintf(state, sizeof state, "%s/%s", config->state.dir, name);
    snprintf(models, sizeof models, "%s/%s", config->model.dir, name);
    if (*config->model.dir) config->model.dir = models;
    config->state.dir = state;
    config->kafka.group = group;
    return STATUS_OK;
}

void replay_names_print(const struct config *config)
{
    printf("--kafka.group=%s --state.dir=%s --output.topic=%s --output.history_topic=%s "
           "--output.dead_letter_topic=%s --output.items_topic=%s",
           config->kafka.group, config->state.dir, config->output.topic,
           config->output.history_topic, config->output.dead_letter_topic,
           config->output.items_topic);
    if (*config->model.dir) {
        printf(" --model.dir=%s --output.models_topic=%s --output.item_vectors_topic=%s",
               config->model.dir, config->output.models_topic, config->output.item_vectors_topic);
    }
    putchar('\n');
}
