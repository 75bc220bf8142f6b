/* checkpoint_print.c - what is in a checkpoint, for people. */
#include <inttypes.h>

#include "base/iso8601.h"
#include "model/checkpoint.h"

static void print_training(const struct checkpoint_training *training, FILE *out)
{
    const struct training_verdict *verdict = &training->verdict;
    char time[ISO8601_SIZE];
    fprintf(out, "parent       %" PRIu64 " %016" PRIx64 "\n", training->parent,
            training->parent_fingerprint);
    if (training->cut.event_time_ms) {
        fprintf(out, "learned from events until %s\n",
                iso8601_print(training->cut.event_time_ms, time));
    }
    for (uint32_t i = 0; i < training->cut.partitions; i++) {
        fprintf(out, i ? ", %" PRId64 : "offsets      %" PRId64, training->cut.offsets[i]);
    }
    if (training->cut.partitions) fputc('\n', out);
    if (training->moments.step) {
        fprintf(out, "trained      %" PRIu64 " steps, %" PRIu64 " epochs\n", training->moments.step,
                training->moments.epochs);
    }
    if (!*verdict->text) return;
    fprintf(out,
            "verdict      %s: NDCG %.4f, its parent's %.4f, of transitions %.4f, on %" PRIu64
            " events; better by %.4f at least\n",
            verdict->text, verdict->ndcg_candidate, verdict->ndcg_current,
            verdict->ndcg_transitions, verdict->events, verdict->difference_bound);
}

void checkpoint_print(const struct checkpoint *checkpoint, FILE *out)
{
    size_t weights = 0;
    const uint32_t params = param_set_count(checkpoint->params);
    fprintf(out, "model        %s\n", checkpoint->model);
    fprintf(out, "generation   %" PRIu64 " (states: %" PRIu64 ")\n", checkpoint->generation,
            checkpoint->state_generation);
    fprintf(out, "fingerprint  %016" PRIx64 "\n", checkpoint->fingerprint);
    fprintf(out, "seed         %" PRIu64 "\n", checkpoint->seed);
    if (training_any(&checkpoint->training)) print_training(&checkpoint->training, out);
    fprintf(out, "dimensions  ");
    for (uint32_t i = 0; i < MODEL_DIMS; i++) {
        char text[DIM_TEXT_MAX];
        if (model_dim_bits(&checkpoint->dims, i) == 0) continue;
        model_dim_print(&checkpoint->dims, i, text);
        fprintf(out, " %s=%s", model_dim_key(i), text);
    }
    fprintf(out, "\ndictionary   %u items, %u rows for unknown ones, %u categories\n",
            item_table_items(checkpoint->items), item_table_oov(checkpoint->items),
            item_table_categories(checkpoint->items));
    for (uint32_t i = 0; i < params; i++) {
        weights += param_set_at(checkpoint->params, i)->count;
    }
    fprintf(out, "parameters   %u, %zu weights\n", params, weights);
    for (uint32_t i = 0; i < params; i++) {
        const struct param *param = param_set_at(checkpoint->params, i);
        fprintf(out, "  %-30s [", param->name);
        for (uint32_t k = 0; k < param->spec.rank; k++) {
            fprintf(out, k ? ", %u" : "%u", param->spec.shape[k]);
        }
        fprintf(out, "]\n");
    }
}
