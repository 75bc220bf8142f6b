/* command_erase.c - `braid erase`: users who asked to be forgotten. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <errno.h>

#include "cli/command.h"
#include "stream/broker/file/file_erase.h"
#include "stream/broker/kafka/erase_requests.h"

enum { USERS_FIRST = 64 };

static const char help[] =
    "usage: braid erase [--user ID ...] [--users FILE] [--config FILE] [--KEY=VALUE ...]\n\n"
    "Erases users: their histories, states and records are deleted, and what they did until now "
    "does\n"
    "not count any more, however often the log is read again. What they do later begins a new\n"
    "history, at n = 1. --users FILE has ids, one a line.\n\n"
    "On Kafka this writes a request of each user into the topic source.erase, in every partition, "
    "and\n"
    "the job carries it out, now or when it runs; its answers and receipts are in that topic, "
    "under\n"
    "the hash of the id. The cut is the time of the request, compared with the events' own.\n\n"
    "On files the job must be stopped, and the cut is the first event that it has not processed. "
    "The\n"
    "request is kept as a hash in state.dir/erased. Killed, run it again, with or without the\n"
    "same users: it ends what it began, and until then the job is refused. When the bytes are "
    "gone\n"
    "a receipt with the hash is appended to output.dir/erasures.jsonl.\n\n"
    "Not erased: the source itself, dead letters, and what a model has learned.\n\n"
    "  braid erase --config braid.yaml --user u1 --user u2\n"
    "  braid erase --config braid.yaml --users leavers.txt\n\n"
    "The last line is for scripts: erase users=N resumed=N partitions=N records=N lines=N cut=N, "
    "on\n"
    "Kafka erase users=N partitions=N requests=N\n\n"
    "Exit codes: 0 done; 1 the operating system failed, run it again; 2 usage or configuration;\n"
    "3 refused: the job runs, or damage.\n";

struct erase_list {
    struct bytes *at;
    uint32_t count, room;
};

static enum status list_user(struct erase_list *list, const char *id, size_t size,
                             struct error *error)
{
    if (list->count == list->room) {
        const uint32_t room = 2 * list->room + USERS_FIRST;
        struct bytes *more = realloc(list->at, room * sizeof *more);
        if (!more) return error_set(error, STATUS_IO, "out of memory: users");
        list->at = more;
        list->room = room;
    }
    char *copy = malloc(size + 1);
    if (!copy) return error_set(error, STATUS_IO, "out of memory: users");
    memcpy(copy, id, size);
    list->at[list->count++] = (struct bytes){copy, size};
    return STATUS_OK;
}

static enum status list_file(struct erase_list *list, const char *path, struct error *error)
{
    FILE *file = fopen(path, "re");
    char *line = NULL;
    size_t room = 0;
    ssize_t size;
    if (!file) return error_set(error, STATUS_INVALID, "--users=%s: %s", path, strerror(errno));
    enum status status = STATUS_OK;
    while (status == STATUS_OK && (size = getline(&line, &room, file)) > 0) {
        while (size > 0 && (line[size - 1] == '\n' || line[size - 1] == '\r')) {
            size--;
        }
        if (size > 0) status = list_user(list, line, (size_t)size, error);
    }
    if (status == STATUS_OK && ferror(file)) {
        status = error_set(error, STATUS_IO, "reading %s: %s", path, strerror(errno));
    }
    free(line);
    fclose(file);
    return status;
}

static enum status list_users(struct erase_list *list, struct arguments *arguments,
                              struct error *error)
{
    const char *path, *id = "";
    TRY(arguments_option(arguments, "--users", &path, error));
    while (id) {
        TRY(arguments_next_option(arguments, "--user", &id, error));
        if (id) TRY(list_user(list, id, strlen(id), error));
    }
    return path ? list_file(list, path, error) : STATUS_OK;
}

static enum status ask(const struct erase_list *list, const struct config *config,
                       struct error *error)
{
    struct erase_requests_report report;
    TRY(erase_requests_send(config, list->at, list->count, &report, error));
    printf("erase users=%" PRIu32 " partitions=%" PRIu32 " requests=%" PRIu64 "\n", report.users,
           report.partitions, report.requests);
    return STATUS_OK;
}

static enum status erase_listed(struct erase_list *list, struct arguments *arguments,
                                struct config *config, struct error *error)
{
    struct erase_report report;
    TRY(list_users(list, arguments, error));
    TRY(arguments_config(arguments, config, error));
    TRY(arguments_end(arguments, error));
    if (config->source.broker == CONFIG_BROKER_KAFKA) return ask(list, config, error);
    TRY(file_erase(config, list->at, list->count, &report, error));
    printf("erase users=%" PRIu32 " resumed=%" PRIu32 " partitions=%" PRIu32 " records=%" PRIu64
           " lines=%" PRIu64 " cut=%" PRId64 "\n",
           report.users, report.resumed, report.partitions, report.records, report.lines,
           report.cut);
    return STATUS_OK;
}

static enum status run_erase(struct arguments *arguments, struct config *config,
                             struct error *error)
{
    struct erase_list list = {0};
    const enum status status = erase_listed(&list, arguments, config, error);
    for (uint32_t i = 0; i < list.count; i++) {
        free((void *)list.at[i].at);
    }
    free(list.at);
    return status;
}

const struct command command_erase = {
    .name = "erase",
    .summary = "erase users from what a job keeps",
    .help = help,
    .settings = true,
    .run = run_erase,
};
