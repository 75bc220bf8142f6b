/* log.c - a line is built on the stack and written with one call. */
#include "base/log.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/status.h"

static enum log_level least_level = LOG_INFO;
static bool json_form;

static const char *const level_names[] = {"debug", "info", "warn", "error"};

struct line {
    char at[LOG_LINE_MAX];
    size_t used; /* the last byte is kept free for the line end */
};

void log_setup(enum log_level least, bool json)
{
    least_level = least;
    json_form = json;
}

static void PRINTF_LIKE(2, 3) line_print(struct line *line, const char *format, ...)
{
    size_t room = sizeof line->at - line->used;
    va_list arguments;
    va_start(arguments, format);
    int size = vsnprintf(line->at + line->used, room, format, arguments);
    va_end(arguments);
    if (size > 0) line->used += (size_t)size < room ? (size_t)size : room - 1;
}

/* Control bytes and quotes are escaped as JSON does, so that a value can never end its line. */
static void line_quote(struct line *line, struct bytes text)
{
    const unsigned char *at = text.at;
    line_print(line, "\"");
    for (size_t i = 0; i < text.size; i++) {
        if (at[i] == '"' || at[i] == '\\') {
            line_print(line, "\\%c", at[i]);
        } else if (at[i] < 0x20 || at[i] == 0x7F) {
            line_print(line, "\\u%04x", at[i]);
        } else {
            line_print(line, "%c", at[i]);
        }
    }
    line_print(line, "\"");
}

/* A text that needs no quotes in the text form. */
static bool needs_no_quotes(struct bytes text)
{
    const unsigned char *at = text.at;
    for (size_t i = 0; i < text.size; i++) {
        if (at[i] <= ' ' || at[i] == '"' || at[i] == '\\' || at[i] == '=' || at[i] == 0x7F) {
            return false;
        }
    }
    return text.size > 0;
}

static void line_field(struct line *line, const struct log_field *field)
{
    line_print(line, json_form ? ",\"%s\":" : " %s=", field->key);
    if (field->kind == LOG_INT) {
        line_print(line, "%lld", (long long)field->integer);
    } else if (field->kind == LOG_REAL && json_form && !isfinite(field->real)) {
        line_print(line, "null");
    } else if (field->kind == LOG_REAL) {
        line_print(line, "%.6g", field->real);
    } else if (!json_form && needs_no_quotes(field->text)) {
        line_print(line, "%.*s", (int)field->text.size, (const char *)field->text.at);
    } else {
        line_quote(line, field->text);
    }
}

static void line_begin(struct line *line, enum log_level level, const char *message)
{
    int64_t now_ms = clock_wall_ms();
    time_t now_s = (time_t)(now_ms / 1000);
    struct tm utc;
    char moment[32];
    strftime(moment, sizeof moment, "%Y-%m-%dT%H:%M:%S", gmtime_r(&now_s, &utc));
    line_print(line,
               json_form ? "{\"time\":\"%s.%03dZ\",\"level\":\"%s\",\"message\":" : "%s.%03dZ %s ",
               moment, (int)(now_ms % 1000), level_names[level]);
    if (json_form) {
        line_quote(line, bytes_of(message));
    } else {
        line_print(line, "%s", message);
    }
}

void log_write(enum log_level level, const char *message, const struct log_field *fields)
{
    if (level < least_level) return;
    struct line line;
    line.used = 0;
    line_begin(&line, level, message);
    for (; fields->kind != LOG_END; fields++) {
        line_field(&line, fields);
    }
    if (json_form) line_print(&line, "}");
    line.at[line.used++] = '\n';
    /* One write of at most a pipe's atomic size or so; a log that cannot be written is lost. */
    if (write(STDERR_FILENO, line.at, line.used) < 0) return;
}
