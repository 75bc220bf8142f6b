/* config_text.c - a list of strings, each behind its link. */
#include "config/config_text.h"

#include <stdlib.h>
#include <string.h>

struct owned {
    struct owned *next;
    char text[];
};

const char *config_own(struct config *config, const char *text, size_t size)
{
    struct owned *owned = malloc(sizeof *owned + size + 1);
    if (!owned) return NULL;
    memcpy(owned->text, text, size);
    owned->text[size] = '\0';
    owned->next = config->owned;
    config->owned = owned;
    return owned->text;
}

void config_free_texts(struct config *config)
{
    for (struct owned *owned = config->owned, *next; owned; owned = next) {
        next = owned->next;
        free(owned);
    }
    config->owned = NULL;
}
