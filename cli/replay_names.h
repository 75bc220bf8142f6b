/*
 * replay_names.h - the names of a replay's own group, topics and directories, from one name.
 *
 *     --as NAME    kafka.group                NAME
 *                  output.topic               NAME
 *                  output.history_topic       NAME-history
 *                  output.dead_letter_topic   NAME-dead-letters
 *                  output.items_topic         NAME-items
 *                  output.models_topic        NAME-models
 *                  output.item_vectors_topic  NAME-item-vectors
 *                  state.dir                  NAME inside state.dir
 *                  model.dir                  NAME inside model.dir, if that is set
 *
 * Thread: one; the names are kept for the rest of the process.
 */
#ifndef CLI_REPLAY_NAMES_H
#define CLI_REPLAY_NAMES_H

#include "base/status.h"
#include "config/config.h"

/*
 * Sets them. STATUS_INVALID: no name, one that no topic can have, or one of the live job's own
 * names among them, which `config` says before.
 */
MUST_CHECK enum status replay_names_set(struct config *config, const char *name,
                                        struct error *error);

/* Prints the settings that another command needs to address the replay. */
void replay_names_print(const struct config *config);

#endif
