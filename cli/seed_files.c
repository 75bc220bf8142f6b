/* seed_files.c - four options, and a configuration of the job's that reads files. */
#include "cli/seed_files.h"

enum status seed_files_arguments(struct seed_files *files, struct arguments *arguments,
                                 struct error *error)
{
    files->cut.ms = -1;
    TRY(arguments_option(arguments, "--files", &files->path, error));
    TRY(arguments_option(arguments, "--files-config", &files->settings, error));
    TRY(arguments_option(arguments, "--cut-field", &files->cut.field, error));
    return arguments_moment(arguments, "--cut", &files->cut.ms, error);
}

static enum status check_seed(const struct config *job, const struct config *files, int64_t cut_ms,
                              struct error *error)
{
    if (!files->source.path || !*files->source.path) {
        return error_set(error, STATUS_INVALID, "from which files? --files PATH");
    }
    if (cut_ms < 0) return error_set(error, STATUS_INVALID, "up to when? --cut TIME");
    if (job->source.broker != CONFIG_BROKER_KAFKA) {
        return error_set(error, STATUS_INVALID,
                         "source.broker is file: a job on files reads them itself; set kafka");
    }
    if (*job->profile.fields && !*job->source.profile) {
        return error_set(error, STATUS_INVALID,
                         "profile.fields: what events of files say of their users is not kept; put "
                         "it into a topic (source.profile), which the job reads when it starts");
    }
    TRY(config_check_events(job, error));
    TRY(config_check_kafka(job, error));
    TRY(config_check_unbounded(files, "seed", error));
    return config_check_events(files, error);
}

enum status seed_files_open(struct seed_files *files, struct config *job, struct error *error)
{
    enum status status = STATUS_OK;
    files->config = *job;
    if (files->settings) status = config_file(&files->config, files->settings, error);
    job->owned = files->config.owned; /* both have the same texts, and one of them is closed */
    TRY(status);
    files->config.source.path = files->path;
    files->config.source.broker = CONFIG_BROKER_FILE;
    files->config.source.profile = files->config.profile.fields = ""; /* topics say it */
    files->config.source.erase = "";
    return check_seed(job, &files->config, files->cut.ms, error);
}
