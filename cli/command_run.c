/* command_run.c - `braid run`: runs the job, and stops it at a signal. */
#include "cli/command.h"
#include "cli/generation.h"
#include "cli/job_program.h"
#include "cli/stop_signal.h"
#include "stream/job/job.h"
#include "base/metrics.h"

static const char help[] =
    "usage: braid run [--config FILE] [--KEY=VALUE ...]\n\n"
    "Reads events, keeps each user's history and state, and publishes the interests of every user\n"
    "who changed, exactly once, whatever is killed when. Ends with its input; started again, it\n"
    "goes on where the last commit was. Serves model.checkpoint; without one the job learns\n"
    "its generations itself, from the histories it keeps, into model.dir.\n\n"
    "  braid run --source.path=clicks.jsonl\n"
    "      from a log to interest vectors: learns while it reads, publishes into output/\n"
    "  braid run --config braid.yaml\n"
    "  braid run --source.path=clicks.jsonl.gz --model.checkpoint=generation-1.safetensors \\\n"
    "            --state.dir=state --output.dir=output\n"
    "  tail -f clicks.jsonl | braid run --config braid.yaml --source.path=-\n"
    "      standard input cannot be read again: what a crash lost of it stays lost\n"
    "  BRAID_JOB_WORKERS=4 braid run --config braid.yaml --job.memory=8GB\n\n"
    "SIGTERM or SIGINT: finish the open transaction, flush, exit 0. A second one: exit at once.\n\n"
    "Exit codes: 0 the input ended, or a signal asked to stop; 1 the operating system or a broker\n"
    "failed; 2 configuration, or not one event could be used; 3 refused: another input than "
    "before, a newer format, damage;\n"
    "128 + N a second signal N.\n";

static enum status run_job(struct arguments *arguments, struct config *config, struct error *error)
{
    struct job_summary summary;
    metric_set(metrics_get("braid_build_info", "version", BRAID_VERSION), 1);
    stop_signal_take(job_stop);
    TRY(arguments_config(arguments, config, error));
    TRY(arguments_end(arguments, error));
    TRY(generation_choose(config, true, error));
    TRY(config_check(config, error));
    TRY(job_program_run(config, NULL, &summary, error));
    return job_program_report("run", &summary, error);
}

const struct command command_run = {
    .name = "run",
    .summary = "run the job: events in, interest vectors out",
    .help = help,
    .settings = true,
    .run = run_job,
};
