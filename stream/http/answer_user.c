/* answer_user.c - one user: its interests, its history, and what is recommended to it. */
#include <stdlib.h>

#include "base/iso8601.h"
#include "model/eval/ranking.h"
#include "model/interest_explain.h"
#include "model/item_table.h"
#include "stream/http/visit.h"
#include "stream/query/moment.h"

enum {
    SCORE_DIGITS = 6,
    NEAREST_MAX = 100,         /* items of an interest */
    LAST_MAX = 10000,          /* behaviors of an answer */
    EXPLAINED_HERE_MAX = 5000, /* behaviors of a user whose shares are told: more take too long */
    POOL = 100,                /* of a diverse list; */
    LAST = 100,                /* behaviors, where nothing else is asked for */
};

/* The rows of what the user has had since `from`, ascending; NULL: out of memory. */
static uint32_t *rows_had(const struct visit *visit, uint32_t *countp)
{
    const struct history *newest = &visit->history.newest;
    uint32_t count = 0;
    uint32_t *rows = calloc(history_events(newest) - newest->from + 1, sizeof *rows);
    if (!rows) return NULL;
    for (uint64_t ordinal = newest->from; ordinal < history_events(newest); ordinal++) {
        struct history_behavior behavior;
        if (!user_history_at(&visit->history, ordinal, &behavior)) continue;
        const uint32_t row = item_table_find(visit->items, behavior.item);
        if (row) rows[count++] = row;
    }
    *countp = ranking_distinct(rows, count);
    return rows;
}

static void put_list(const struct visit *visit, struct json_writer *json,
                     const struct topn_list *list, bool interests)
{
    json_key(json, "items");
    json_begin(json, '[');
    for (uint32_t i = 0; i < list->count; i++) {
        json_begin(json, '{');
        visit_item(visit, json, list->at[i].row);
        json_key(json, "score");
        json_real(json, (double)list->at[i].score, SCORE_DIGITS);
        if (interests) json_key(json, "interest"), json_unsigned(json, list->at[i].interest + 1);
        json_end(json, '}');
    }
    json_end(json, ']');
}

static void put_vector(struct json_writer *json, const real *vector, uint32_t width)
{
    json_key(json, "vector");
    json_begin(json, '[');
    for (uint32_t i = 0; i < width; i++) {
        json_float(json, vector[i]);
    }
    json_end(json, ']');
}

/* Who it is, and of what moment: a published record of the same generation and events is the same. */
static void put_head(const struct visit *visit, struct json_writer *json, struct bytes user)
{
    char time[ISO8601_SIZE];
    const struct history *newest = &visit->history.newest;
    json_begin(json, '{');
    json_key(json, "user");
    json_text(json, user);
    json_key(json, "partition");
    json_unsigned(json, visit->history.partition);
    json_key(json, "generation");
    json_unsigned(json, visit->desk->generation->number);
    json_key(json, "events");
    json_unsigned(json, history_events(newest));
    json_key(json, "from");
    json_unsigned(json, newest->from);
    if (newest->event_ms == HISTORY_NO_TIME) return;
    json_key(json, "last_time");
    json_text(json, bytes_of(iso8601_print(history_last_ms(newest), time)));
}

static void end_answer(struct reply *reply, struct json_writer *json)
{
    json_end(json, '}');
    reply_json(reply, json);
}

/* Folds the user that was visited; false: the reply says why not. */
static bool view_user(struct visit *visit, struct user_view *view, struct reply *reply)
{
    struct error error;
    if (user_reader_view(visit->desk->users, &visit->history, view, &error) == STATUS_OK)
        return true;
    reply_error(reply, CODE_FAILED, "%s", error.text);
    visit_end(visit);
    return false;
}

/* ---- interests ---- */

static void put_interest(const struct visit *visit, const struct user_view *view,
                         struct json_writer *json, uint32_t k, uint32_t nearest, bool vectors)
{
    const uint32_t width = interest_model_width(view->model);
    const real *vector = view->vectors + (size_t)k * width;
    json_begin(json, '{');
    json_key(json, "weight");
    json_float(json, view->weights[k]);
    if (vectors) put_vector(json, vector, width);
    if (nearest > 0) {
        const struct list_wanted wanted = {.vectors = vector, .count = 1, .top = nearest};
        const struct topn_list list =
            item_ranks_list(visit->desk->ranks, visit->desk->items, &wanted);
        put_list(visit, json, &list, false);
    }
    json_end(json, '}');
}

/* As of a moment: the history of then, folded from where it began then. */
static bool view_then(struct visit *visit, int64_t as_of_ms, struct user_view *view,
                      struct reply *reply)
{
    struct error error;
    enum status status = user_history_as_of(&visit->history, as_of_ms,
                                            visit->job->config->state.history_max, &error);
    if (status == STATUS_OK) {
        status =
            user_view_open(view, visit->desk->generation->model, &visit->history, false, &error);
    }
    if (status == STATUS_OK) return true;
    reply_error(reply, status == STATUS_NOT_FOUND ? CODE_NOT_FOUND : CODE_FAILED, "%s", error.text);
    visit_end(visit);
    return false;
}

static void put_interests(const struct visit *visit, const struct question *question,
                          const struct user_view *view, uint32_t nearest, bool vectors,
                          struct reply *reply)
{
    struct json_writer json = json_writer_growing();
    put_head(visit, &json, question->id);
    json_key(&json, "width");
    json_unsigned(&json, interest_model_width(view->model));
    json_key(&json, "interests");
    json_begin(&json, '[');
    for (uint32_t k = 0; k < view->count; k++) {
        put_interest(visit, view, &json, k, nearest, vectors);
    }
    json_end(&json, ']');
    if (view->intent && vectors) {
        json_key(&json, "intent");
        json_begin(&json, '{');
        put_vector(&json, view->intent, interest_model_width(view->model));
        json_end(&json, '}');
    }
    end_answer(reply, &json);
}

void answer_interests(const struct question *question, struct reply *reply)
{
    struct visit visit;
    struct user_view view;
    uint32_t nearest = 0;
    int64_t as_of_ms = MOMENT_NOW;
    bool vectors = true;
    if (!request_count(question->request, "items", 0, NEAREST_MAX, &nearest, reply) ||
        !request_bool(question->request, "vectors", &vectors, reply) ||
        !request_moment(question->request, "as_of", &as_of_ms, reply) ||
        !visit_begin(&visit, question, reply)) {
        return;
    }
    const bool now = as_of_ms == MOMENT_NOW;
    if (!visit_user(&visit, question, !now, reply) ||
        !(now ? view_user(&visit, &view, reply) : view_then(&visit, as_of_ms, &view, reply))) {
        return;
    }
    put_interests(&visit, question, &view, nearest, vectors, reply);
    if (!now) user_view_close(&view);
    visit_end(&visit);
}

/* ---- history ---- */

static void put_history(const struct visit *visit, const struct question *question,
                        const struct user_view *view, uint32_t last, struct reply *reply)
{
    struct json_writer json = json_writer_growing();
    user_view_json(&json, question->id, view, &visit->names, last);
    reply_json(reply, &json);
}

/* With the shares, for which the user is folded anew. */
static void explain_user(struct visit *visit, const struct question *question, uint32_t last,
                         struct reply *reply)
{
    struct error error;
    struct user_view view;
    if (user_view_open(&view, visit->desk->generation->model, &visit->history, true, &error) ==
        STATUS_OK) {
        put_history(visit, question, &view, last, reply);
        user_view_close(&view);
    } else {
        reply_error(reply, CODE_FAILED, "%s", error.text);
    }
    visit_end(visit);
}

void answer_history(const struct question *question, struct reply *reply)
{
    struct visit visit;
    struct user_view view;
    uint32_t last = LAST;
    bool explain = false;
    if (!request_count(question->request, "last", 1, LAST_MAX, &last, reply) ||
        !request_bool(question->request, "explain", &explain, reply) ||
        !visit_begin(&visit, question, reply) || !visit_user(&visit, question, true, reply)) {
        return;
    }
    const struct history *newest = &visit.history.newest;
    if (explain && history_events(newest) - newest->from <= EXPLAINED_HERE_MAX &&
        interest_explains(visit.desk->generation->model)) {
        explain_user(&visit, question, last, reply);
        return;
    }
    if (!view_user(&visit, &view, reply)) return;
    put_history(&visit, question, &view, last, reply);
    visit_end(&visit);
}

/* ---- recommendations ---- */

struct recommending {
    uint32_t n, pool;
    uint32_t interest; /* from 1; 0: all of them, or the intent */
    double diversity;
    bool exclude_seen;
    bool by_intent, by_interests; /* neither: by the intent vector if the model has one */
};

/* Chooses what is ranked by. */
static bool read_by(const struct request *request, struct recommending *wanted, struct reply *reply)
{
    const struct bytes by = request_argument(request, "by");
    wanted->by_intent = bytes_equal(by, bytes_of("intent"));
    wanted->by_interests = bytes_equal(by, bytes_of("interests"));
    if (!by.at || wanted->by_intent || wanted->by_interests) return true;
    reply_error(reply, CODE_BAD_REQUEST, "by is intent or interests");
    return false;
}

static bool read_recommending(const struct question *question, struct recommending *wanted,
                              struct reply *reply)
{
    const struct request *request = question->request;
    *wanted = (struct recommending){.n = 10, .pool = POOL, .exclude_seen = true};
    return request_count(request, "n", 1, RANKS_TOP_MAX, &wanted->n, reply) &&
           request_count(request, "pool", 1, RANKS_TOP_MAX, &wanted->pool, reply) &&
           request_count(request, "interest", 1, TOPN_INTERESTS_MAX, &wanted->interest, reply) &&
           request_real(request, "diversity", 0, 1e6, &wanted->diversity, reply) &&
           request_bool(request, "exclude_seen", &wanted->exclude_seen, reply) &&
           read_by(request, wanted, reply);
}

/* The vectors that are asked about: one interest, the intent, or all interests. */
static struct list_wanted list_of(const struct user_view *view, const struct recommending *wanted)
{
    struct list_wanted list = {.vectors = view->vectors,
                               .count = view->count,
                               .top = wanted->n,
                               .diversity = wanted->diversity,
                               .pool = wanted->pool};
    if (wanted->interest > 0) {
        list.vectors += (size_t)(wanted->interest - 1) * interest_model_width(view->model);
        list.count = 1;
    } else if (view->intent && view->count > 0 && !wanted->by_interests) {
        list.vectors = view->intent;
        list.count = 1;
    }
    return list;
}

static void put_recommendations(const struct visit *visit, const struct question *question,
                                const struct user_view *view, const struct recommending *wanted,
                                struct reply *reply)
{
    struct list_wanted asked = list_of(view, wanted);
    uint32_t *had = NULL;
    if (wanted->exclude_seen) {
        had = rows_had(visit, &asked.excluded.count);
        asked.excluded.at = had;
        if (!had) {
            reply_error(reply, CODE_FAILED, "out of memory: what the user has had");
            return;
        }
    }
    struct topn_list list = item_ranks_list(visit->desk->ranks, visit->desk->items, &asked);
    for (uint32_t i = 0; wanted->interest > 0 && i < list.count; i++) {
        list.at[i].interest = wanted->interest - 1;
    }
    struct json_writer json = json_writer_growing();
    put_head(visit, &json, question->id);
    put_list(visit, &json, &list, asked.vectors != view->intent);
    end_answer(reply, &json);
    free(had);
}

void answer_recommendations(const struct question *question, struct reply *reply)
{
    struct visit visit;
    struct user_view view;
    struct recommending wanted;
    if (!read_recommending(question, &wanted, reply) || !visit_begin(&visit, question, reply) ||
        !visit_user(&visit, question, wanted.exclude_seen, reply) ||
        !view_user(&visit, &view, reply)) {
        return;
    }
    if (wanted.interest > view.count) {
        reply_error(reply, CODE_NOT_FOUND, "the user has %u interests", view.count);
    } else if (wanted.diversity > 0 && item_table_categories(visit.items) == 0) {
        reply_error(reply, CODE_BAD_REQUEST, "diversity: items have no categories to differ by");
    } else if (wanted.by_intent && !view.intent) {
        reply_error(reply, CODE_BAD_REQUEST, "by=intent: %s has no intent vector",
                    interest_model_name(view.model));
    } else {
        put_recommendations(&visit, question, &view, &wanted, reply);
    }
    visit_end(&visit);
}
