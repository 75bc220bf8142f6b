/*
 * bench_replay.c - `braid replay` on a real Kafka, beside the live pipeline of the same hour.
 *
 *     bench_replay [EVENTS]   of 100,000 users by Zipf's law; 2,000,000 if it is not said
 *
 *     case=replay   the topic read by a job as it runs live (publishing at each commit), by a replay
 *                   that writes histories alone, and by one that then publishes each user once:
 *                   events per second of each, from the job's start to the end of the topic.
 *                   Ceilings in the same run: consume_ratio and decode_ratio are a replay's rate over
 *                   that of a bare librdkafka consumer of the topic, which does nothing with events, or
 *                   decodes them
 *     case=beside   a live job fed at half of the first rate: how late its records are alone, and
 *                   beside a replay whose job.rate_max is a quarter of it, so that a core is left;
 *                   in turns, ROUNDS of each: the medians, and the range of each one's p99
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench/kafka_world.h"
#include "stream/source/event_decoder.h"

enum { USERS = 100000, ARGUMENTS = 16, TEXT = 256, ROUNDS = 3 };

static const char source[] = "replay-source";

/* A process of the program, and where it writes. */
struct started {
    pid_t process;
    int out;
};

/* The program of the same build. */
static void find_program(char path[TEXT])
{
    const ssize_t size = readlink("/proc/self/exe", path, TEXT - 1);
    if (size <= 0) world_fail("/proc/self/exe", "cannot be read");
    path[size] = 0;
    for (int up = 0; up < 2; up++) {
        *strrchr(path, '/') = 0;
    }
    strncat(path, "/braid", TEXT - strlen(path) - 1);
}

/* Starts it with the runner's configuration and more arguments, up to a NULL. */
static struct started start(const struct runner *runner, const char *const *arguments)
{
    char program[TEXT], path[TEXT];
    const char *all[ARGUMENTS] = {program, arguments[0], "--config", path};
    int pipes[2], count = 4;
    find_program(program);
    snprintf(path, sizeof path, "%s/braid.yaml", runner->dir);
    for (int i = 1; arguments[i]; i++) {
        all[count++] = arguments[i];
    }
    if (pipe(pipes) != 0) world_fail("pipe", "cannot be opened");
    fflush(stdout);
    const pid_t process = fork();
    if (process < 0) world_fail("fork", "no process");
    if (process == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        dup2(pipes[1], STDOUT_FILENO);
        execv(program, (char *const *)(uintptr_t)all);
        _exit(127);
    }
    close(pipes[1]);
    return (struct started){process, pipes[0]};
}

/* Waits for its end; events per second by its last line. */
static double rate_of(const struct runner *runner, const char *const *arguments)
{
    const struct started started = start(runner, arguments);
    FILE *out = fdopen(started.out, "r");
    char line[4 * TEXT];
    double rate = 0;
    while (out && fgets(line, sizeof line, out)) {
        const char *at = strstr(line, " events_per_s=");
        if (at) rate = strtod(at + strlen(" events_per_s="), NULL);
    }
    if (out) fclose(out);
    int status;
    if (waitpid(started.process, &status, 0) != started.process || status != 0) {
        world_fail(arguments[0], "did not end well");
    }
    return rate;
}

static void write_configuration(const struct runner *runner)
{
    char path[TEXT];
    struct error error;
    snprintf(path, sizeof path, "%s/braid.yaml", runner->dir);
    FILE *file = fopen(path, "w");
    if (!file) world_fail(path, "cannot be written");
    runner_check(config_print(&runner->config, file, &error), &error);
    if (fclose(file) != 0) world_fail(path, "cannot be written");
}

/* What the bare consumer does with an event at most. */
struct decoding {
    struct event_decoder *decoder;
    uint8_t raw[LOG_LINE_SIZE_MAX + EVENT_PADDING];
    uint8_t scratch[2 * LOG_LINE_SIZE_MAX + 320];
};

static void decode_one(void *context, const rd_kafka_message_t *message)
{
    struct decoding *decoding = context;
    struct event event;
    REQUIRE(message->len <= LOG_LINE_SIZE_MAX &&
            event_scratch_size(message->len) <= sizeof decoding->scratch);
    memcpy(decoding->raw, message->payload, message->len);
    event_decode(decoding->decoder, (struct bytes){decoding->raw, message->len},
                 rd_kafka_message_timestamp(message, NULL), decoding->scratch, &event);
    if (event.verdict != EVENT_ACCEPTED) world_fail(source, "an event is not accepted");
}

struct ceilings {
    double consume, decode; /* events per second */
};

static struct ceilings measure_ceilings(const struct runner *runner, uint64_t events)
{
    struct error error;
    static struct decoding decoding;
    runner_check(event_decoder_open(&decoding.decoder, &runner->config, &error), &error);
    const struct ceilings ceilings = {
        world_consume_rate(source, events, NULL, NULL),
        world_consume_rate(source, events, decode_one, &decoding),
    };
    event_decoder_close(decoding.decoder);
    return ceilings;
}

static void print_replay(const char *publish, double rate, double live,
                         const struct ceilings *ceilings)
{
    printf("case=replay publish=%s events_per_s=%.0f live_events_per_s=%.0f ratio=%.2f "
           "consume_ratio=%.3f decode_ratio=%.3f\n",
           publish, rate, live, rate / live, rate / ceilings->consume, rate / ceilings->decode);
}

/* Returns the live rate. */
static double bench_range(const struct runner *runner, uint64_t events)
{
    static const char *const live[] = {"run", "--source.end=latest", "--log.quiet=true", NULL};
    static const char *const none[] = {"replay",           "--as", "replay-none",
                                       "--publish",        "none", "--source.end=latest",
                                       "--log.quiet=true", NULL};
    static const char *const last[] = {"replay",           "--as", "replay-last",
                                       "--publish",        "last", "--source.end=latest",
                                       "--log.quiet=true", NULL};
    const struct ceilings ceilings = measure_ceilings(runner, events);
    const double of_live = rate_of(runner, live);
    print_replay("none", rate_of(runner, none), of_live, &ceilings);
    print_replay("last", rate_of(runner, last), of_live, &ceilings);
    return of_live;
}

struct limited {
    const struct runner *runner;
    char name[TEXT], limit[TEXT];
};

static pid_t start_limited(void *context)
{
    const struct limited *limited = context;
    const char *const arguments[] = {"replay",          "--as",         limited->name,
                                     "--publish",       "none",         "--source.end=latest",
                                     "--job.workers=1", limited->limit, NULL};
    return start(limited->runner, arguments).process;
}

/* What the rounds of one kind came to. */
struct rounds {
    double p50_ms[ROUNDS], p99_ms[ROUNDS];
};

static void note_round(struct rounds *rounds, int round, struct world_freshness found)
{
    rounds->p50_ms[round] = found.p50_ms;
    rounds->p99_ms[round] = found.p99_ms;
}

static int by_size(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void sort_rounds(struct rounds *rounds)
{
    qsort(rounds->p50_ms, ROUNDS, sizeof *rounds->p50_ms, by_size);
    qsort(rounds->p99_ms, ROUNDS, sizeof *rounds->p99_ms, by_size);
}

static void bench_beside(const struct runner *runner, double live)
{
    struct limited limited = {.runner = runner};
    struct rounds alone, beside;
    char topic[TEXT];
    snprintf(limited.limit, sizeof limited.limit, "--job.rate_max=%.0f", live / 4);
    for (int i = 0; i < ROUNDS; i++) {
        snprintf(topic, sizeof topic, "beside-none-%d", i);
        note_round(&alone, i, world_freshness(topic, live / 2, NULL, NULL));
        snprintf(topic, sizeof topic, "beside-replay-%d", i);
        snprintf(limited.name, sizeof limited.name, "replay-beside-%d", i);
        note_round(&beside, i, world_freshness(topic, live / 2, start_limited, &limited));
    }
    sort_rounds(&alone);
    sort_rounds(&beside);
    const double before = alone.p99_ms[ROUNDS / 2], then = beside.p99_ms[ROUNDS / 2];
    printf(
        "case=beside events_per_s=%.0f replay_rate_max=%.0f rounds=%d alone_p50_ms=%.0f "
        "alone_p99_ms=%.0f alone_p99_range=%.0f-%.0f p50_ms=%.0f p99_ms=%.0f p99_range=%.0f-%.0f "
        "growth=%.2f\n",
        live / 2, live / 4, ROUNDS, alone.p50_ms[ROUNDS / 2], before, alone.p99_ms[0],
        alone.p99_ms[ROUNDS - 1], beside.p50_ms[ROUNDS / 2], then, beside.p99_ms[0],
        beside.p99_ms[ROUNDS - 1], then / before - 1);
}

int main(int count, char **arguments)
{
    const uint64_t events = count > 1 ? strtoull(arguments[1], NULL, 10) : 2000000;
    const struct log_options options = {USERS, WORLD_ITEMS, 1, 1, 1};
    struct runner runner;
    char names[4][64];
    runner_open(&runner);
    runner.config.job.memory = (uint64_t)2 << 30;
    runner_log(&runner, &options, events);
    world_create(source, WORLD_PARTITIONS);
    world_produce_log(&runner, source);
    world_use(&runner, source, names);
    write_configuration(&runner);
    const double live = bench_range(&runner, events);
    bench_beside(&runner, live);
    runner_close(&runner);
    return 0;
}
