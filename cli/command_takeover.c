/* command_takeover.c - `braid takeover`: a job that was built up beside another gets its place. */
#include <inttypes.h>
#include <stdio.h>

#include "cli/command.h"
#include "cli/generation.h"
#include "model/checkpoint.h"
#include "stream/query/takeover.h"

static const char help[] =
    "usage: braid takeover --from FILE [--check] [--out FILE] [--config FILE] [--KEY=VALUE ...]\n\n"
    "Lets a job on Kafka that was built up beside another, with output.publish none and a group "
    "and\n"
    "companions of its own, publish where that one published. --from FILE is the configuration of "
    "the\n"
    "one that published, --config that of the one that takes over. Checks that the first one is\n"
    "stopped; that both have read the same source with the same settings, the second at least as\n"
    "far; and that it has every behavior of every user. Then gives the generation that it serves "
    "a\n"
    "number above all that were published, under which it will publish everybody once.\n\n"
    "  1. stop the job that publishes; the other one goes on\n"
    "  2. braid takeover --from old.yaml --config new.yaml --check\n"
    "  3. stop the other one, too, and set output.publish: all\n"
    "  4. braid takeover --from old.yaml --config new.yaml\n"
    "  5. braid run --config new.yaml\n\n"
    "With --check nothing is changed. With model.dir the generation is promoted (braid promote\n"
    "--help). With a model.checkpoint it is written to --out FILE, which must not exist: serve "
    "that,\n"
    "with output.sweep. The way back is the same with the files exchanged.\n\n"
    "The last line is for scripts: takeover same=N ahead=N above=N generation=N\n\n"
    "Exit codes: 0 done; 1 the operating system or a broker failed; 2 usage or configuration;\n"
    "3 refused: the first job runs, the other is behind, or they have other histories.\n";

/* The checkpoint under a number of its own, as another file. */
static enum status write_numbered(const struct config *config, const char *out, uint64_t above,
                                  uint64_t *numberp, struct error *error)
{
    struct checkpoint *checkpoint;
    FILE *there = fopen(out, "r");
    if (there) {
        fclose(there);
        return error_set(error, STATUS_INVALID, "--out: %s exists already", out);
    }
    TRY(checkpoint_open_to_train(&checkpoint, config->model.checkpoint, error));
    *numberp = checkpoint->generation = above + 1;
    const enum status status = checkpoint_write(checkpoint, out, error);
    checkpoint_close(checkpoint);
    return status;
}

static enum status number_generation(struct config *config, const char *out, uint64_t above,
                                     uint64_t *numberp, struct error *error)
{
    uint64_t parent = GENERATION_NEWEST;
    if (!*config->model.checkpoint) {
        return generation_promote(config, above, &parent, numberp, error);
    }
    if (out) return write_numbered(config, out, above, numberp, error);
    return error_set(error, STATUS_INVALID,
                     "where shall the checkpoint go under its new number? --out FILE");
}

static enum status run_takeover(struct arguments *arguments, struct config *config,
                                struct error *error)
{
    const char *from, *out;
    struct takeover takeover;
    uint64_t number = 0;
    TRY(arguments_option(arguments, "--from", &from, error));
    TRY(arguments_option(arguments, "--out", &out, error));
    const bool checks = arguments_flag(arguments, "--check");
    TRY(arguments_config(arguments, config, error));
    TRY(arguments_end(arguments, error));
    if (!from) return error_set(error, STATUS_INVALID, "from which job? --from FILE");
    struct config before;
    config_defaults(&before);
    enum status status = config_file(&before, from, error);
    if (status == STATUS_OK)
        status = takeover_check(&before, config, checks, stdout, &takeover, error);
    config_close(&before);
    TRY(status);
    if (!checks) TRY(number_generation(config, out, takeover.generation, &number, error));
    const uint64_t *users = takeover.users.users;
    if (checks) {
        printf("nothing is in the way of a takeover\n");
    } else {
        printf("generation %" PRIu64 " publishes everybody: run the job with output.publish: all\n",
               number);
    }
    printf("takeover same=%" PRIu64 " ahead=%" PRIu64 " above=%" PRIu64 " generation=%" PRIu64 "\n",
           users[COMPARE_SAME], users[COMPARE_AHEAD], takeover.generation, number);
    return STATUS_OK;
}

const struct command command_takeover = {
    .name = "takeover",
    .summary = "let a job publish where another has published",
    .help = help,
    .settings = true,
    .run = run_takeover,
};
