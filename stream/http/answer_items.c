/* answer_items.c - items of the generation that serves, and that generation itself. */
#include <inttypes.h>

#include "base/checksum.h"
#include "base/iso8601.h"
#include "model/item_table.h"
#include "stream/http/visit.h"

enum { COSINE_DIGITS = 6, NDCG_DIGITS = 5 };

void answer_similar(const struct question *question, struct reply *reply)
{
    struct visit visit;
    uint32_t n = 10;
    if (!request_count(question->request, "n", 1, RANKS_TOP_MAX, &n, reply) ||
        !visit_begin(&visit, question, reply)) {
        return;
    }
    const uint32_t row =
        item_table_find(visit.items, identity_of(question->id.at, question->id.size));
    if (row == 0) {
        reply_error(reply, CODE_NOT_FOUND, "generation %" PRIu64 " knows no such item",
                    visit.desk->generation->number);
        visit_end(&visit);
        return;
    }
    const struct topn_list list = item_ranks_similar(visit.desk->ranks, visit.desk->items, row, n);
    struct json_writer json = json_writer_growing();
    json_begin(&json, '{');
    visit_item(&visit, &json, row);
    json_key(&json, "generation");
    json_unsigned(&json, visit.desk->generation->number);
    json_key(&json, "similar");
    json_begin(&json, '[');
    for (uint32_t i = 0; i < list.count; i++) {
        json_begin(&json, '{');
        visit_item(&visit, &json, list.at[i].row);
        json_key(&json, "cosine");
        json_real(&json, (double)list.at[i].score, COSINE_DIGITS);
        json_end(&json, '}');
    }
    json_end(&json, ']');
    json_end(&json, '}');
    reply_json(reply, &json);
    visit_end(&visit);
}

static void put_number(struct json_writer *json, const char *key, uint64_t value)
{
    json_key(json, key);
    json_unsigned(json, value);
}

/* How it was learned: from which one, until when, and what the gate found. */
static void put_training(struct json_writer *json, const struct checkpoint_training *training)
{
    char time[ISO8601_SIZE];
    const struct training_verdict *verdict = &training->verdict;
    put_number(json, "parent", training->parent);
    if (training->cut.event_time_ms > 0) {
        json_key(json, "learned_until");
        json_text(json, bytes_of(iso8601_print(training->cut.event_time_ms, time)));
    }
    if (!verdict->text[0]) return;
    json_key(json, "verdict");
    json_text(json, bytes_of(verdict->text));
    put_number(json, "judged_events", verdict->events);
    const struct {
        const char *key;
        double value;
    } found[] = {{"ndcg", verdict->ndcg_candidate},
                 {"ndcg_before", verdict->ndcg_current},
                 {"ndcg_transitions", verdict->ndcg_transitions}};
    for (size_t i = 0; i < sizeof found / sizeof *found; i++) {
        json_key(json, found[i].key);
        json_real(json, found[i].value, NDCG_DIGITS);
    }
}

void answer_generation(const struct question *question, struct reply *reply)
{
    struct visit visit;
    if (!visit_begin(&visit, question, reply)) return;
    const struct generation *generation = visit.desk->generation;
    const struct checkpoint *checkpoint = generation->checkpoint;
    struct json_writer json = json_writer_growing();
    json_begin(&json, '{');
    put_number(&json, "generation", generation->number);
    json_key(&json, "model");
    json_text(&json, bytes_of(checkpoint->model));
    json_key(&json, "fingerprint");
    json_hex(&json, checkpoint->fingerprint);
    put_number(&json, "width", interest_model_width(generation->model));
    put_number(&json, "interests_max", interest_model_count(generation->model));
    put_number(&json, "items", item_table_items(visit.items));
    put_number(&json, "categories", item_table_categories(visit.items));
    put_training(&json, &checkpoint->training);
    json_end(&json, '}');
    reply_json(reply, &json);
    visit_end(&visit);
}
