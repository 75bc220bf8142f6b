/*
 * bench_decode.c - what it costs to make a valid event of a line of JSON.
 *
 * Beside it, of the same lines in the same run: what finding the five members costs of it
 * (json_decode, which checks the whole line and copies the texts), and the ceiling, bare simdjson.
 * Best of several rounds each, taken in turn, so that all meet the same machine.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/json.h"
#include "bench/bare_json.h"
#include "bench/log_generator.h"
#include "stream/source/event_decoder.h"

enum { EVENTS = 200000, ROUNDS = 9, FIELDS = 5 };

struct bench {
    struct config config;
    struct json_decoder *json;
    struct bare_json *bare;
    struct event_decoder *decoder;
    char *lines;      /* EVENTS of them, without line ends, padded at the end */
    uint32_t *starts; /* [EVENTS + 1] */
    char scratch[2 * LOG_LINE_SIZE_MAX + 320]; /* event_scratch_size */
};

static struct bytes line_at(const struct bench *bench, uint32_t i)
{
    return (struct bytes){bench->lines + bench->starts[i], bench->starts[i + 1] - bench->starts[i]};
}

/* Fills bench->lines from a generator: 100,000 users, 50,000 items, both by Zipf's law. */
static enum status generate(struct bench *bench, struct error *error)
{
    struct log_options options = {100000, 50000, 1, 1, 1};
    struct log_generator *generator;
    TRY(log_generator_open(&generator, &options, error));
    bench->lines = malloc((size_t)EVENTS * LOG_LINE_SIZE_MAX + EVENT_PADDING);
    bench->starts = malloc((EVENTS + 1) * sizeof *bench->starts);
    REQUIRE(bench->lines && bench->starts);
    bench->starts[0] = 0;
    for (uint32_t i = 0; i < EVENTS; i++) {
        size_t size = log_generator_next(generator, bench->lines + bench->starts[i]);
        bench->starts[i + 1] = bench->starts[i] + (uint32_t)size - 1;
    }
    log_generator_close(generator);
    return STATUS_OK;
}

static int64_t decode_all(struct bench *bench)
{
    struct event event;
    uint64_t hashes = 0;
    int64_t begin_ns = clock_monotonic_ns();
    for (uint32_t i = 0; i < EVENTS; i++) {
        event_decode(bench->decoder, line_at(bench, i), -1, bench->scratch, &event);
        REQUIRE(event.verdict == EVENT_ACCEPTED);
        hashes += event.item_hash;
    }
    REQUIRE(hashes != 0);
    return clock_monotonic_ns() - begin_ns;
}

static int64_t parse_all(struct bench *bench)
{
    const struct bytes names[FIELDS] = {bytes_of("user"), bytes_of("item"), bytes_of("time"),
                                        bytes_of("action"), bytes_of("category")};
    struct json_value values[FIELDS];
    const char *why;
    int64_t begin_ns = clock_monotonic_ns();
    for (uint32_t i = 0; i < EVENTS; i++) {
        REQUIRE(json_decode(bench->json, line_at(bench, i), names, FIELDS, bench->scratch, values,
                            &why) == JSON_OK);
    }
    return clock_monotonic_ns() - begin_ns;
}

static int64_t bare_all(struct bench *bench)
{
    uint64_t sum = 0;
    int64_t begin_ns = clock_monotonic_ns();
    for (uint32_t i = 0; i < EVENTS; i++) {
        struct bytes line = line_at(bench, i);
        REQUIRE(bare_json_read(bench->bare, line.at, line.size, &sum));
    }
    REQUIRE(sum != 0);
    return clock_monotonic_ns() - begin_ns;
}

static void keep_least(int64_t *least, int64_t value)
{
    if (value < *least) *least = value;
}

static enum status run(struct bench *bench, struct error *error)
{
    int64_t decode_ns = INT64_MAX, json_ns = INT64_MAX, bare_ns = INT64_MAX;
    config_defaults(&bench->config);
    TRY(config_set(&bench->config, "source.fields.action", "action", "bench", error));
    TRY(config_set(&bench->config, "source.fields.category", "category", "bench", error));
    TRY(config_set(&bench->config, "actions", "view:1,buy:3", "bench", error));
    TRY(event_decoder_open(&bench->decoder, &bench->config, error));
    TRY(json_decoder_open(&bench->json, LOG_LINE_SIZE_MAX, error));
    bench->bare = bare_json_open(LOG_LINE_SIZE_MAX);
    REQUIRE(bench->bare);
    TRY(generate(bench, error));
    for (int round = 0; round < ROUNDS; round++) {
        keep_least(&decode_ns, decode_all(bench));
        keep_least(&json_ns, parse_all(bench));
        keep_least(&bare_ns, bare_all(bench));
    }
    printf("case=decode events_per_s=%.0f ns_per_event=%.1f json_ns_per_event=%.1f "
           "bare_ns_per_event=%.1f ratio=%.2f\n",
           EVENTS * 1e9 / (double)decode_ns, (double)decode_ns / EVENTS, (double)json_ns / EVENTS,
           (double)bare_ns / EVENTS, (double)bare_ns / (double)decode_ns);
    return STATUS_OK;
}

int main(void)
{
    struct bench bench = {0};
    struct error error;
    enum status status = run(&bench, &error);
    if (status != STATUS_OK) fprintf(stderr, "bench_decode: %s\n", error.text);
    event_decoder_close(bench.decoder);
    json_decoder_close(bench.json);
    bare_json_close(bench.bare);
    config_close(&bench.config);
    free(bench.lines);
    free(bench.starts);
    return status_exit_code(status);
}
