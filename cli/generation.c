/* generation.c - paths out of model.dir, and a generation of it that is promoted. */
#include "cli/generation.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "model/checkpoint.h"
#include "model/model_dir.h"
#include "stream/exchange/exchange.h"

/* Without a word about generations a job learns its own, beside its state. */
void generation_choose_dir(struct config *config)
{
    static char dir[MODEL_DIR_PATH_MAX];
    if (*config->model.dir || !*config->state.dir) return;
    snprintf(dir, sizeof dir, "%s/models", config->state.dir);
    config->model.dir = dir;
    if (config->train.enabled == CONFIG_TRAIN_AUTO) config->train.enabled = CONFIG_TRAIN_ON;
}

/* What the group shares comes into model.dir; *newestp: the newest of it, 0: none. */
static enum status sync_dir(const struct config *config, bool serves, uint64_t *newestp,
                            struct error *error)
{
    struct exchange *exchange;
    TRY(serves ? exchange_open(&exchange, config, error)
               : exchange_open_to_look(&exchange, config, error));
    const enum status status = exchange_sync(exchange, newestp, error);
    exchange_close(exchange);
    return status;
}

static enum status update_dir(const struct config *config, bool serves, uint64_t *newestp,
                              struct error *error)
{
    struct error why = {.status = STATUS_OK};
    *newestp = 0;
    if (!config_shares(config)) return STATUS_OK;
    const enum status status = sync_dir(config, serves, newestp, serves ? error : &why);
    if (status == STATUS_OK || serves) return status;
    log_warn("the group's generations can't be had: those that model.dir has are used",
             log_text("why", why.text));
    return STATUS_OK;
}

/* A file that is not there is a wrong setting; what else is wrong with it, whoever opens it says. */
static enum status find_checkpoint(const char *path, struct error *error)
{
    if (access(path, F_OK) == 0 || errno != ENOENT) return STATUS_OK;
    return error_set(error, STATUS_INVALID,
                     "model.checkpoint: there is no %s: braid init makes a first generation; a job "
                     "for which neither model.checkpoint nor model.dir is set learns its own",
                     path);
}

enum status generation_choose(struct config *config, bool serves, struct error *error)
{
    static char path[MODEL_DIR_PATH_MAX];
    uint64_t newest;
    if (serves && *config->model.checkpoint && config->train.enabled == CONFIG_TRAIN_ON) {
        return error_set(error, STATUS_INVALID,
                         "train.enabled=true beside model.checkpoint=%s: a job that learns has its "
                         "generations in model.dir; leave one of the two away",
                         config->model.checkpoint);
    }
    if (*config->model.checkpoint) return find_checkpoint(config->model.checkpoint, error);
    generation_choose_dir(config);
    if (!*config->model.dir || (serves && config_moves(config))) return STATUS_OK;
    TRY(update_dir(config, serves, &newest, error));
    const enum status status = newest ? model_dir_path(config->model.dir, newest, path, error)
                                      : model_dir_newest(config->model.dir, path, error);
    if (status == STATUS_NOT_FOUND)
        return STATUS_INVALID; /* an empty directory is a wrong setting */
    TRY(status);
    config->model.checkpoint = path;
    return STATUS_OK;
}

/* A copy for the rest of the process, which holds on to it. */
static const char *keep_path(const char *path)
{
    static struct kept {
        struct kept *before;
        char path[];
    } * newest;
    const size_t size = strlen(path) + 1;
    struct kept *kept = malloc(sizeof *kept + size);
    if (!kept) return NULL;
    kept->before = newest;
    newest = kept;
    return memcpy(kept->path, path, size);
}

static enum status append_paths(const char *dir, const struct model_dir_list *list,
                                const char **paths, uint32_t most, uint32_t *countp,
                                struct error *error)
{
    for (uint32_t i = list->count; i-- > 0 && *countp < most;) {
        char path[MODEL_DIR_PATH_MAX];
        TRY(model_dir_path(dir, list->numbers[i], path, error));
        if (!model_dir_is_whole(path, list->numbers[i])) continue;
        const char *copy = keep_path(path);
        if (!copy) return error_set(error, STATUS_IO, "out of memory: paths of %s", dir);
        paths[(*countp)++] = copy;
    }
    return STATUS_OK;
}

enum status generation_list(const struct config *config, const char **paths, uint32_t most,
                            uint32_t *countp, struct error *error)
{
    struct model_dir_list list;
    if (!*config->model.dir) return STATUS_OK;
    TRY(model_dir_list_open(&list, config->model.dir, error));
    const enum status status = append_paths(config->model.dir, &list, paths, most, countp, error);
    model_dir_list_close(&list);
    return status;
}

/* ---- promoting ---- */

/* The one before `newest` that opens. */
static enum status find_before(const char *dir, uint64_t newest, uint64_t *numberp,
                               struct error *error)
{
    struct model_dir_list list;
    enum status status = STATUS_OK;
    *numberp = 0;
    TRY(model_dir_list_open(&list, dir, error));
    for (uint32_t i = list.count; i-- > 0 && *numberp == 0 && status == STATUS_OK;) {
        char path[MODEL_DIR_PATH_MAX];
        if (list.numbers[i] >= newest) continue;
        status = model_dir_path(dir, list.numbers[i], path, error);
        if (status == STATUS_OK && model_dir_is_whole(path, list.numbers[i])) {
            *numberp = list.numbers[i];
        }
    }
    model_dir_list_close(&list);
    TRY(status);
    if (*numberp) return STATUS_OK;
    return error_set(error, STATUS_INVALID, "%s: no generation before %" PRIu64, dir, newest);
}

/* Writes the parameters of `parent` as the next generation above `above`. */
static enum status write_again(const char *dir, uint64_t parent, uint64_t above, uint64_t *numberp,
                               struct error *error)
{
    char path[MODEL_DIR_PATH_MAX];
    struct checkpoint *checkpoint;
    TRY(model_dir_path(dir, parent, path, error));
    TRY(checkpoint_open_to_train(&checkpoint, path, error));
    struct checkpoint_training *training = &checkpoint->training;
    training->parent = parent;
    training->parent_fingerprint = checkpoint->fingerprint;
    training->verdict = (struct training_verdict){.events = 0};
    snprintf(training->verdict.text, sizeof training->verdict.text, "forced: as %" PRIu64, parent);
    enum status status = STATUS_OK;
    if (above > 0) status = model_dir_pass(dir, above, error);
    if (status == STATUS_OK) status = model_dir_write(dir, checkpoint, error);
    *numberp = checkpoint->generation;
    checkpoint_close(checkpoint);
    return status;
}

static enum status promote_with(struct exchange *exchange, const char *dir, uint64_t above,
                                uint64_t *parentp, uint64_t *numberp, struct error *error)
{
    uint64_t newest;
    TRY(exchange_take_seat(exchange, error));
    TRY(exchange_sync(exchange, &newest, error));
    const bool named = *parentp == GENERATION_NEWEST || *parentp == GENERATION_BEFORE;
    if (named && !newest) {
        return error_set(error, STATUS_INVALID, "%s: no generation serves yet", dir);
    }
    if (*parentp == GENERATION_BEFORE) TRY(find_before(dir, newest, parentp, error));
    if (*parentp == GENERATION_NEWEST) *parentp = newest;
    TRY(write_again(dir, *parentp, above, numberp, error));
    return exchange_publish(exchange, *numberp, error);
}

enum status generation_promote(struct config *config, uint64_t above, uint64_t *parentp,
                               uint64_t *numberp, struct error *error)
{
    struct exchange *exchange;
    generation_choose_dir(config);
    if (!*config->model.dir) {
        return error_set(error, STATUS_INVALID, "model.dir must be set: it has the generations");
    }
    TRY(exchange_open(&exchange, config, error));
    const enum status status =
        promote_with(exchange, config->model.dir, above, parentp, numberp, error);
    exchange_close(exchange);
    return status;
}
