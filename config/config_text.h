/*
 * config_text.h - the strings that a config owns. Inside config/ only.
 */
#ifndef CONFIG_CONFIG_TEXT_H
#define CONFIG_CONFIG_TEXT_H

#include "config/config.h"

/* A copy of the `size` bytes of `text`, with an end, that the config owns. NULL: out of memory. */
const char *config_own(struct config *config, const char *text, size_t size);

/* Frees all of them. */
void config_free_texts(struct config *config);

#endif
