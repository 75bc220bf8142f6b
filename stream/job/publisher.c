/* publisher.c - states -> interests -> records, a few hundred users at a time. */
#include "stream/job/publisher.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/metrics.h"
#include "model/kernel/vector.h"
#include "stream/interests/interest_record.h"
#include "stream/interests/profile.h"

enum {
    COSINES_EVERY = 64,
    BATCH_USERS = 256, /* their vectors stay in the second-level cache */
    PUBLISHER_HEADERS = 3,
};

struct publisher {
    const struct config *config;
    const struct interest_model *model;
    const struct broker_ops *ops;
    struct session *session;
    struct interest_scratch *scratch;
    uint32_t interests; /* K */
    uint32_t width;     /* d */
    struct interest_sets sets;
    const struct change *changes[BATCH_USERS];
    const void *states[BATCH_USERS];
    uint64_t events[BATCH_USERS];
    struct user_profile profiles[BATCH_USERS];
    uint8_t *record; /* one encoded record */
    struct histogram *live, *cosines;
    uint64_t looked; /* users, of which each COSINES_EVERYth is looked at for likeness */
};

/* Live interests, and cosines in millionths. */
static const int64_t live_bounds[] = {0, 1, 2, 3, 4, 5, 6, 8, 12, 16, 32, 64};
static const int64_t cosine_bounds[] = {-500000, 0,      200000, 400000, 600000,
                                        800000,  900000, 950000, 990000, 999000};

static size_t interest_size_max(const struct config *config, const struct interest_model *model)
{
    return interest_record_size_max(config->source.id_size_max, interest_model_count(model),
                                    interest_model_width(model), config->output.vectors);
}

static size_t vectors_size(const struct interest_model *model)
{
    size_t floats = (size_t)interest_model_count(model) * interest_model_width(model);
    return BATCH_USERS * floats * sizeof(float);
}

static size_t weights_size(const struct interest_model *model)
{
    return BATCH_USERS * (size_t)interest_model_count(model) * sizeof(float);
}

static size_t intent_size(const struct interest_model *model)
{
    const size_t floats = interest_model_has_intent(model) ? interest_model_width(model) : 0;
    return BATCH_USERS * floats * sizeof(float);
}

size_t publisher_size(const struct config *config, const struct interest_model *model)
{
    return sizeof(struct publisher) + vectors_size(model) + weights_size(model) +
           intent_size(model) + interest_size_max(config, model);
}

enum status publisher_open(struct publisher **publisherp, const struct config *config,
                           const struct interest_model *model, const struct broker_ops *ops,
                           struct session *session, struct error *error)
{
    *publisherp = NULL;
    struct publisher *publisher = calloc(1, sizeof *publisher);
    if (!publisher) return error_set(error, STATUS_IO, "out of memory: a publisher");
    publisher->config = config;
    publisher->model = model;
    publisher->ops = ops;
    publisher->session = session;
    publisher->live = histograms_get("braid_record_interests", live_bounds,
                                     sizeof live_bounds / sizeof *live_bounds);
    publisher->cosines = histograms_get("braid_interest_cosine", cosine_bounds,
                                        sizeof cosine_bounds / sizeof *cosine_bounds);
    publisher->interests = interest_model_count(model);
    publisher->width = interest_model_width(model);
    publisher->sets.vectors = malloc(vectors_size(model));
    publisher->sets.weights = malloc(weights_size(model));
    publisher->sets.count = calloc(BATCH_USERS, sizeof(uint32_t));
    if (intent_size(model) > 0) publisher->sets.intent = malloc(intent_size(model));
    publisher->record = malloc(interest_size_max(config, model));
    enum status status = STATUS_OK;
    if (!publisher->sets.vectors || !publisher->sets.weights || !publisher->sets.count ||
        !publisher->record || (intent_size(model) > 0 && !publisher->sets.intent)) {
        status = error_set(error, STATUS_IO, "out of memory: a publisher");
    }
    if (status == STATUS_OK) status = interest_scratch_open(&publisher->scratch, model, error);
    if (status != STATUS_OK) {
        publisher_close(publisher);
        return status;
    }
    *publisherp = publisher;
    return STATUS_OK;
}

void publisher_close(struct publisher *publisher)
{
    if (!publisher) return;
    interest_scratch_close(publisher->scratch);
    free(publisher->sets.vectors);
    free(publisher->sets.weights);
    free(publisher->sets.count);
    free(publisher->sets.intent);
    free(publisher->record);
    free(publisher);
}

/*
 * Writes the record in the form that its broker and the configuration call for; returns its size.
 */
static size_t encode(struct publisher *publisher, const struct interest_record *interests)
{
    const struct config *config = publisher->config;
    if (config->source.broker == CONFIG_BROKER_KAFKA &&
        config->output.record == CONFIG_RECORD_PROTOBUF) {
        return interest_record_encode_protobuf(interests, publisher->record);
    }
    return interest_record_encode_json(interests, config->output.vectors, publisher->record);
}

/* What a reader may route by without decoding the record, as text. */
struct header_texts {
    char generation[24], event_time_ms[24], source[48];
};

static void fill_headers(const struct interest_record *interests, struct header_texts *texts,
                         struct record_header headers[PUBLISHER_HEADERS])
{
    snprintf(texts->generation, sizeof texts->generation, "%" PRIu64, interests->generation);
    snprintf(texts->event_time_ms, sizeof texts->event_time_ms, "%" PRId64, interests->event_ms);
    snprintf(texts->source, sizeof texts->source, "%" PRIu32 ":%" PRId64, interests->partition,
             interests->offset);
    headers[0] = (struct record_header){"generation", bytes_of(texts->generation)};
    headers[1] = (struct record_header){"event_time_ms", bytes_of(texts->event_time_ms)};
    headers[2] = (struct record_header){"source", bytes_of(texts->source)};
}

/* The record of the batch's user `u`. */
static enum status send_user(struct publisher *publisher, const struct cached_user *user,
                             uint32_t u, struct error *error)
{
    const struct history *history = &user->history;
    const float *intent = publisher->sets.intent;
    const struct interest_record interests = {
        .user = user->user,
        .generation = interest_model_generation(publisher->model),
        .from = history->from,
        .events = history_events(history),
        .event_ms = history->event_ms,
        .partition = user->partition,
        .offset = history->source_offset,
        .count = publisher->sets.count[u],
        .width = publisher->width,
        .vectors = publisher->sets.vectors + (size_t)u * publisher->interests * publisher->width,
        .weights = publisher->sets.weights + (size_t)u * publisher->interests,
        .intent = intent ? intent + (size_t)u * publisher->width : NULL,
    };
    struct header_texts texts;
    struct record_header headers[PUBLISHER_HEADERS];
    bool with_headers = publisher->config->source.broker == CONFIG_BROKER_KAFKA;
    if (with_headers) fill_headers(&interests, &texts, headers);
    const struct record record = {
        .kind = RECORD_INTERESTS,
        .partition = user->partition,
        .key = user->user,
        .value = {publisher->record, encode(publisher, &interests)},
        .headers = headers,
        .headers_count = with_headers ? PUBLISHER_HEADERS : 0,
    };
    return publisher->ops->send(publisher->session, &record, error);
}

/* The user is gone. In a file, whose lines have no keys, the value says whose tombstone it is. */
static enum status send_tombstone(struct publisher *publisher, const struct cached_user *user,
                                  struct error *error)
{
    const bool file = publisher->config->source.broker == CONFIG_BROKER_FILE;
    char generation[24];
    snprintf(generation, sizeof generation, "%" PRIu64,
             interest_model_generation(publisher->model));
    const struct record_header header = {"generation", bytes_of(generation)};
    const struct record record = {
        .kind = RECORD_INTERESTS,
        .partition = user->partition,
        .key = user->user,
        .value.at = file ? publisher->record : NULL,
        .value.size = file ? interest_tombstone_encode_json(user->user, publisher->record) : 0,
        .headers = &header,
        .headers_count = file ? 0 : 1,
    };
    return publisher->ops->send(publisher->session, &record, error);
}

/* How alike the batch's user `u` has its interests, pair by pair. */
static void look_at_cosines(struct publisher *publisher, uint32_t u)
{
    const uint32_t d = publisher->width, count = publisher->sets.count[u];
    const float *vectors = publisher->sets.vectors + (size_t)u * publisher->interests * d;
    for (uint32_t i = 1; i < count; i++) {
        for (uint32_t j = 0; j < i; j++) {
            const float *a = vectors + (size_t)i * d, *b = vectors + (size_t)j * d;
            const double square = (double)vec_dot(a, a, d) * (double)vec_dot(b, b, d);
            if (square <= 0) continue;
            const double cosine = (double)vec_dot(a, b, d) / sqrt(square);
            histogram_add(publisher->cosines, (int64_t)(1e6 * cosine), 1);
        }
    }
}

static void look_at_interests(struct publisher *publisher, uint32_t users)
{
    for (uint32_t u = 0; u < users; u++) {
        histogram_add(publisher->live, publisher->sets.count[u], 1);
        if (publisher->looked++ % COSINES_EVERY == 0) look_at_cosines(publisher, u);
    }
}

/* The first `users` of `changes`. */
static enum status send_users(struct publisher *publisher, uint32_t users, struct error *error)
{
    for (uint32_t u = 0; u < users; u++) {
        const struct cached_user *user = publisher->changes[u]->user;
        publisher->states[u] = user->state;
        publisher->events[u] = user->state_absorbed;
        publisher->profiles[u] = profile_of(&user->history, history_events(&user->history));
    }
    if (users > 0) {
        interest_read(publisher->model, publisher->scratch, publisher->states, publisher->events,
                      publisher->profiles, users, &publisher->sets);
        look_at_interests(publisher, users);
    }
    for (uint32_t u = 0; u < users; u++) {
        TRY(send_user(publisher, publisher->changes[u]->user, u, error));
    }
    return STATUS_OK;
}

bool publisher_sends(const struct config *config, const struct interest_model *model)
{
    return config->output.publish != CONFIG_PUBLISH_NONE && interest_model_generation(model) > 0;
}

enum status publisher_send(struct publisher *publisher, const struct changeset *set,
                           struct error *error)
{
    if (!publisher_sends(publisher->config, publisher->model)) return STATUS_OK;
    uint32_t users = 0;
    for (uint32_t i = 0; i < set->count; i++) {
        const struct change *change = &set->changes[i];
        if (change->erased.published) TRY(send_tombstone(publisher, change->user, error));
        if (!change_has_record(change)) continue;
        if (change->user->history.tombstone) {
            TRY(send_tombstone(publisher, change->user, error));
            continue;
        }
        publisher->changes[users++] = change;
        if (users < BATCH_USERS) continue;
        TRY(send_users(publisher, users, error));
        users = 0;
    }
    return send_users(publisher, users, error);
}
