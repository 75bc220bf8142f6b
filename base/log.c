/* log.c - a line is built on the stack and written with one call. */
#include "base/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/escape.h"
#include "base/iso8601.h"
#include "base/json_writer.h"
#include "base/status.h"

enum {
    TEXT_MAX = 2048, /* bytes of a field's text; the rest is left out */
    TAIL_MAX = 32,   /* bytes kept free for the end of a line */
};

static enum log_level least_level = LOG_INFO;
static bool json_form;

static const char *const level_names[] = {"debug", "info", "warn", "error"};

void log_setup(enum log_level least, bool json)
{
    least_level = least;
    json_form = json;
}

bool log_is_json(void)
{
    return json_form;
}

/* Text beside the values of a line in text form. */
static void PRINTF_LIKE(2, 3) print_raw(struct json_writer *line, const char *format, ...)
{
    const size_t room = line->room - line->used;
    va_list arguments;
    va_start(arguments, format);
    const int size = vsnprintf(line->at + line->used, room, format, arguments);
    va_end(arguments);
    if (size < 0 || (size_t)size >= room) line->failed = true;
    if (!line->failed) line->used += (size_t)size;
    line->comma = false;
}

/* A text that needs no quotes in the text form. */
static bool needs_no_quotes(struct bytes text)
{
    const unsigned char *at = text.at;
    for (size_t i = 0, size; i < text.size; i += size) {
        size = printable_size((struct bytes){at + i, text.size - i});
        if (size == 0 || at[i] == ' ' || at[i] == '"' || at[i] == '\\' || at[i] == '=') {
            return false;
        }
    }
    return text.size > 0;
}

static void write_value_text(struct json_writer *line, struct bytes text)
{
    if (text.size > TEXT_MAX) text.size = TEXT_MAX;
    if (!json_form && needs_no_quotes(text)) {
        print_raw(line, "%.*s", (int)text.size, (const char *)text.at);
    } else {
        json_text(line, text);
    }
}

static void write_log_field(struct json_writer *line, const struct log_field *field)
{
    if (json_form) {
        json_key(line, field->key);
    } else {
        print_raw(line, " %s=", field->key);
    }
    switch (field->kind) {
    case LOG_TEXT: write_value_text(line, field->text); break;
    case LOG_INT: json_signed(line, field->integer); break;
    default: json_real(line, field->real, 6); break;
    }
}

static void write_log_head(struct json_writer *line, enum log_level level, const char *message)
{
    char time[ISO8601_SIZE];
    iso8601_print(clock_wall_ms(), time);
    if (json_form) {
        json_begin(line, '{');
        json_key(line, "time");
        json_text(line, bytes_of(time));
        json_key(line, "level");
        json_text(line, bytes_of(level_names[level]));
        json_key(line, "message");
        json_text(line, bytes_of(message));
    } else {
        print_raw(line, "%s %s %s", time, level_names[level], message);
    }
}

void log_write(enum log_level level, const char *message, const struct log_field *fields)
{
    static const struct log_field cut = {.key = "cut", .kind = LOG_INT, .integer = 1};
    char at[LOG_LINE_MAX];
    bool complete = true;
    if (level < least_level) return;
    struct json_writer line = json_writer_at(at, sizeof at - TAIL_MAX);
    write_log_head(&line, level, message);
    for (; fields->kind != LOG_END; fields++) {
        const struct json_writer before = line;
        write_log_field(&line, fields);
        if (!line.failed) continue;
        line = before;
        complete = false;
    }
    line.room = sizeof at;
    if (!complete) write_log_field(&line, &cut);
    if (json_form) json_end(&line, '}');
    at[line.used++] = '\n';
    /* One write; a line that cannot be written is lost. */
    if (write(STDERR_FILENO, at, line.used) < 0) return;
}
