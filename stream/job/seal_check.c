/* seal_check.c - the settings first, then the generation. */
#include "stream/job/seal_check.h"

#include <inttypes.h>

#include "base/log.h"
#include "stream/source/decoding.h"

static enum status check_generation(const struct config *config, uint32_t partition,
                                    const struct history_seal *committed,
                                    const struct history_seal *own, struct error *error)
{
    const bool file = *config->model.checkpoint;
    const char *key = file ? "model.checkpoint" : "model.dir";
    const char *path = file ? config->model.checkpoint : config->model.dir;
    if (own->target < committed->target) {
        return error_set(error, STATUS_REFUSED,
                         "%s: %s is generation %" PRIu64 ", and generation %" PRIu64
                         " has published partition %" PRIu32 " already: generations never fall; "
                         "give that checkpoint or a later one, or begin anew",
                         key, path, own->target, committed->target, partition);
    }
    if (own->target == committed->target && committed->checkpoint &&
        own->checkpoint != committed->checkpoint) {
        return error_set(error, STATUS_REFUSED,
                         "%s: %s is not the generation %" PRIu64 " that has "
                         "published partition %" PRIu32 " (fingerprint %016" PRIx64
                         ", that one's is %016" PRIx64 "): put that file back, or train a next "
                         "generation from it",
                         key, path, own->target, partition, own->checkpoint, committed->checkpoint);
    }
    return STATUS_OK;
}

/* Everything else that differs was refused. */
static void warn_of_added_actions(uint32_t partition, const struct history_seal *committed,
                                  const struct history_seal *own)
{
    uint32_t before = committed->decoding[DECODING_ACTIONS];
    if (before == 0 || before == own->decoding[DECODING_ACTIONS]) return;
    log_warn("actions were added: events with them that were dropped before stay dropped, and "
             "braid verify will miss them",
             log_int("partition", partition));
}

/*
 * What users have published elsewhere, or nowhere, is missing in another output. A new generation
 * publishes everybody, its number above all that have been published, so no record is repeated.
 */
static enum status check_output(const struct config *config, uint32_t partition,
                                const struct history_seal *committed,
                                const struct history_seal *own, struct error *error)
{
    if (config->output.publish == CONFIG_PUBLISH_NONE || committed->target == 0) return STATUS_OK;
    if (decoding_same_output(config, committed->decoding)) return STATUS_OK;
    if (own->target <= committed->target) {
        return error_set(
            error, STATUS_REFUSED,
            "output.publish, output.topic: partition %" PRIu32
            " has been committed by a job that published elsewhere or nowhere, and its "
            "users are missing here: a generation above %" PRIu64
            " publishes all of them; make one with braid takeover or braid promote",
            partition, committed->target);
    }
    if (config_sweeps(config)) return STATUS_OK;
    return error_set(error, STATUS_REFUSED,
                     "output.sweep: partition %" PRIu32
                     " has been committed by a job that published elsewhere or nowhere: say at how "
                     "many users a second all of them are to be published",
                     partition);
}

enum status seal_check(const struct config *config, uint32_t partition,
                       const struct history_seal *committed, const struct history_seal *own,
                       struct error *error)
{
    if (committed->number == 0) return STATUS_OK;
    TRY(decoding_check(config, committed->decoding, error));
    warn_of_added_actions(partition, committed, own);
    TRY(check_generation(config, partition, committed, own, error));
    return check_output(config, partition, committed, own, error);
}
