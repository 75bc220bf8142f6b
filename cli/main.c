/*
 * main.c - the program: finds the command that its first argument names.
 *
 * What a command does lies in command_<name>.c; what the job does begins in job.c.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "cli/command.h"
#include "cli/manual.h"

static const struct command *const commands[] = {
    &command_init,
    &command_train,
    &command_run,
    &command_inspect,
    &command_verify,
    &command_evaluate,
    &command_recommend,
    &command_promote,
    &command_rollback,
    &command_export,
    &command_repartition,
    &command_seed,
    &command_compare,
    &command_replay,
    &command_takeover,
    &command_erase,
    &command_check_config,
    &command_version,
    NULL,
};
enum { COMMANDS = sizeof commands / sizeof *commands - 1 };

static void print_help(FILE *out)
{
    fputs("braid - clicks in, interest vectors out, exactly once\n\n"
          "usage: braid COMMAND [--config FILE] [--KEY=VALUE ...]\n\n",
          out);
    for (size_t i = 0; i < COMMANDS; i++) {
        fprintf(out, "  %-14s %s\n", commands[i]->name, commands[i]->summary);
    }
    fputs(
        "\n"
        "A first run, file to file:\n\n"
        "  braid run    --source.path=clicks.jsonl     learns while it reads; records in output/\n"
        "  braid verify --source.path=clicks.jsonl\n\n"
        "Settings come from --config FILE (or BRAID_CONFIG=FILE), then from the environment\n"
        "(BRAID_STATE_DIR=state), then from the command line (--state.dir=state); later ones\n"
        "win.\n\n"
        "Exit codes: 0 done; 1 the operating system or a broker failed; 2 usage or configuration;\n"
        "3 data that needs a decision (another input, a newer format, damage); 4 verify found\n"
        "violations, or compare a difference; 128 + N killed by signal N.\n\n"
        "braid COMMAND --help explains a command and shows examples; braid help man writes a man\n"
        "page, braid help completion a script for bash.\n",
        out);
}

/* `braid help man` and `braid help completion`; false if `what` is neither. */
static bool print_generated(const char *what)
{
    if (strcmp(what, "completion") == 0) {
        completion_print(stdout, commands);
        return true;
    }
    if (strcmp(what, "man") != 0) return false;
    char *overview;
    size_t size;
    FILE *text = open_memstream(&overview, &size);
    REQUIRE(text != NULL);
    print_help(text);
    REQUIRE(fclose(text) == 0);
    manual_print(stdout, overview, commands);
    free(overview);
    return true;
}

static int refuse_unknown(const char *word)
{
    const char *names[COMMANDS + 1] = {0};
    for (size_t i = 0; i < COMMANDS; i++) {
        names[i] = commands[i]->name;
    }
    const char *meant = nearest_word(word, names);
    fprintf(stderr, "braid: unknown command '%s'", word);
    if (meant) fprintf(stderr, "; did you mean '%s'?", meant);
    fputs("\nbraid --help lists the commands\n", stderr);
    return status_exit_code(STATUS_INVALID);
}

static bool asks_for_help(int count, char **arguments)
{
    for (int i = 0; i < count; i++) {
        if (strcmp(arguments[i], "--help") == 0 || strcmp(arguments[i], "-h") == 0) return true;
    }
    return false;
}

static void print_command_help(const struct command *command)
{
    fputs(command->help, stdout);
    if (!command->settings) return;
    putchar('\n');
    config_print_help(stdout);
}

/* Returns the exit code. */
static int run_command(const struct command *command, int count, char **words)
{
    struct arguments arguments = {count, words};
    static struct config config;
    struct error error = {.status = STATUS_OK};
    const enum status status = command->run(&arguments, &config, &error);
    config_close(&config);
    log_finish();
    const int code = status_exit_code(status);
    if (status == STATUS_OK) return code;
    if (log_is_structured()) {
        log_error("command failed", log_text("command", command->name),
                  log_text("error", error.text), log_int("exit_code", code));
    } else {
        fprintf(stderr, "braid %s: %s\n", command->name, error.text);
    }
    return code;
}

int main(int count, char **arguments)
{
    if (count < 2) {
        print_help(stderr);
        return status_exit_code(STATUS_INVALID);
    }
    const char *name = arguments[1];
    if (strcmp(name, "--version") == 0) name = command_version.name;
    for (size_t i = 0; i < COMMANDS; i++) {
        if (strcmp(name, commands[i]->name) != 0) continue;
        if (!asks_for_help(count - 2, arguments + 2)) {
            return run_command(commands[i], count - 2, arguments + 2);
        }
        print_command_help(commands[i]);
        return 0;
    }
    if (strcmp(name, "help") == 0 && count == 3 && print_generated(arguments[2])) return 0;
    if (asks_for_help(1, arguments + 1) || strcmp(name, "help") == 0) {
        print_help(stdout);
        return 0;
    }
    return refuse_unknown(name);
}
