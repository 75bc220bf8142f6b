/*
 * config_yaml.c - a YAML file as a sequence of settings; the only includer of yaml.h.
 *
 * Of YAML a configuration needs nested mappings of scalars; lists, aliases and further documents
 * are refused. The parser's events are read by recursive descent, with the dotted key of where we
 * are and "path:line" of the event at hand for messages.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <yaml.h>

#include "base/checksum.h"
#include "config/option.h"

enum {
    DEPTH_MAX = 8,     /* mappings inside each other */
    KEY_MAX = 256,     /* bytes of a dotted key */
    ORIGIN_MAX = 512,  /* bytes of "path:line" */
    SETTINGS_MAX = 512 /* of one file */
};

struct reader {
    struct config *config;
    const char *path;
    struct error *error;
    yaml_parser_t parser;
    yaml_event_t event;          /* the last one read; deleted before the next */
    char origin[ORIGIN_MAX];     /* where it is */
    char key[KEY_MAX];           /* dotted, of the value at hand */
    uint64_t seen[SETTINGS_MAX]; /* identities of the keys that have been set */
    unsigned seen_count;
};

static enum status refuse_yaml(struct reader *reader, const char *why)
{
    return error_set(reader->error, STATUS_INVALID, "%s: %s%s%s", reader->origin, reader->key,
                     *reader->key ? ": " : "", why);
}

static enum status next_yaml_event(struct reader *reader)
{
    yaml_parser_t *parser = &reader->parser;
    yaml_event_delete(&reader->event);
    if (yaml_parser_parse(parser, &reader->event)) {
        /* A mapping is where its key is, not where its own first key is. */
        if (reader->event.type == YAML_MAPPING_START_EVENT) return STATUS_OK;
        snprintf(reader->origin, ORIGIN_MAX, "%s:%zu", reader->path,
                 reader->event.start_mark.line + 1);
        return STATUS_OK;
    }
    reader->event = (yaml_event_t){0};
    return error_set(reader->error, STATUS_INVALID, "%s:%zu: not YAML: %s%s%s", reader->path,
                     parser->problem_mark.line + 1,
                     parser->problem ? parser->problem : "unreadable", parser->context ? ", " : "",
                     parser->context ? parser->context : "");
}

/* A scalar as a C string; what has a NUL inside is none. */
static const char *scalar_text(const struct reader *reader)
{
    if (reader->event.type != YAML_SCALAR_EVENT) return NULL;
    const char *text = (const char *)reader->event.data.scalar.value;
    return strlen(text) == reader->event.data.scalar.length ? text : NULL;
}

static enum status refuse_duplicate(struct reader *reader)
{
    uint64_t identity = identity_of(reader->key, strlen(reader->key));
    for (unsigned i = 0; i < reader->seen_count; i++) {
        if (reader->seen[i] == identity) return refuse_yaml(reader, "is set twice");
    }
    if (reader->seen_count == SETTINGS_MAX) return refuse_yaml(reader, "too many settings");
    reader->seen[reader->seen_count++] = identity;
    return STATUS_OK;
}

static enum status read_value(struct reader *reader)
{
    const char *text = scalar_text(reader);
    bool empty = text && !*text && reader->event.data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
    if (empty && option_is_section(reader->key)) return STATUS_OK; /* all of it commented out */
    if (!text) return refuse_yaml(reader, "a single value is expected, not a list or an alias");
    bool known = option_find(reader->key) || option_is_open(reader->key);
    if (empty && known) return refuse_yaml(reader, "has no value; an empty text is written \"\"");
    if (option_is_section(reader->key)) return refuse_yaml(reader, "is a section, not a value");
    TRY(refuse_duplicate(reader));
    return config_set(reader->config, reader->key, text, reader->origin, reader->error);
}

/* A mapping at `key`, whose first event has been read; `depth` mappings are open around it. */
static enum status read_mapping(struct reader *reader, unsigned depth)
{
    size_t size = strlen(reader->key);
    if (size && !option_is_section(reader->key)) {
        if (option_find(reader->key)) return refuse_yaml(reader, "is a value, not a section");
        return option_unknown(reader->key, reader->origin, reader->error);
    }
    if (depth == DEPTH_MAX) return refuse_yaml(reader, "nested too deeply");
    for (;;) {
        TRY(next_yaml_event(reader));
        if (reader->event.type == YAML_MAPPING_END_EVENT) break;
        const char *name = scalar_text(reader);
        if (!name || size + strlen(name) + 2 > KEY_MAX)
            return refuse_yaml(reader, "this is no key");
        snprintf(reader->key + size, KEY_MAX - size, "%s%s", size ? "." : "", name);
        TRY(next_yaml_event(reader));
        if (reader->event.type == YAML_MAPPING_START_EVENT) {
            TRY(read_mapping(reader, depth + 1));
        } else {
            TRY(read_value(reader));
        }
        reader->key[size] = '\0';
    }
    return STATUS_OK;
}

/* STREAM-START [DOCUMENT-START mapping DOCUMENT-END] STREAM-END */
static enum status read_stream(struct reader *reader)
{
    TRY(next_yaml_event(reader));
    TRY(next_yaml_event(reader));
    if (reader->event.type == YAML_STREAM_END_EVENT) return STATUS_OK;
    TRY(next_yaml_event(reader));
    if (reader->event.type != YAML_MAPPING_START_EVENT) {
        return refuse_yaml(reader, "a configuration is a mapping of sections");
    }
    TRY(read_mapping(reader, 0));
    TRY(next_yaml_event(reader));
    TRY(next_yaml_event(reader));
    if (reader->event.type == YAML_STREAM_END_EVENT) return STATUS_OK;
    return refuse_yaml(reader, "a configuration is one document");
}

enum status config_file(struct config *config, const char *path, struct error *error)
{
    struct reader reader = {.config = config, .path = path, .error = error};
    FILE *file = fopen(path, "rb");
    if (!file) return error_set(error, STATUS_INVALID, "%s: %s", path, strerror(errno));
    if (!yaml_parser_initialize(&reader.parser)) {
        fclose(file);
        return error_set(error, STATUS_IO, "out of memory: reading %s", path);
    }
    yaml_parser_set_input_file(&reader.parser, file);
    enum status status = read_stream(&reader);
    yaml_event_delete(&reader.event);
    yaml_parser_delete(&reader.parser);
    fclose(file);
    return status;
}
