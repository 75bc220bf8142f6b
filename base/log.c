/* log.c - a line is built on the stack and written with one call. */
#include "base/log.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/escape.h"
#include "base/iso8601.h"
#include "base/json_writer.h"
#include "base/log_repeats.h"
#include "base/status.h"

enum {
    TEXT_MAX = 2048, /* bytes of a field's text; the rest is left out */
    TAIL_MAX = 32,   /* bytes kept free for the end of a line */
};

static enum log_level least_level = LOG_INFO;
static enum log_form log_form;
static pthread_mutex_t repeats_lock = PTHREAD_MUTEX_INITIALIZER;
static struct log_repeats repeats;

static const char *const level_names[] = {"debug", "info", "warn", "error"};

void log_setup(enum log_level least, enum log_form form)
{
    least_level = least;
    log_form = form;
}

bool log_is_structured(void)
{
    return log_form != LOG_PLAIN;
}

/* Text beside the values of a line that is not JSON. */
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

/* A text that needs no quotes where it is not JSON. */
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
    if (log_form != LOG_JSON && needs_no_quotes(text)) {
        print_raw(line, "%.*s", (int)text.size, (const char *)text.at);
    } else {
        json_text(line, text);
    }
}

static void write_log_field(struct json_writer *line, const struct log_field *field)
{
    if (log_form == LOG_JSON) {
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
    if (log_form == LOG_JSON) {
        json_begin(line, '{');
        json_key(line, "time");
        json_text(line, bytes_of(time));
        json_key(line, "level");
        json_text(line, bytes_of(level_names[level]));
        json_key(line, "message");
        json_text(line, bytes_of(message));
    } else if (log_form == LOG_LOGFMT) {
        print_raw(line, "time=%s level=%s message=\"%s\"", time, level_names[level], message);
    } else {
        print_raw(line, "%s %s %s", time, level_names[level], message);
    }
}

static void write_log_line(enum log_level level, const char *message,
                           const struct log_field *fields)
{
    static const struct log_field cut = {.key = "cut", .kind = LOG_INT, .integer = 1};
    char at[LOG_LINE_MAX];
    bool complete = true;
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
    if (log_form == LOG_JSON) json_end(&line, '}');
    at[line.used++] = '\n';
    /* One write; a line that cannot be written is lost. */
    if (write(STDERR_FILENO, at, line.used) < 0) return;
}

/* Whether a line may be written at `now_ms`; first tells what was left out of windows now over. */
static bool admit_line(const char *message, int64_t now_ms)
{
    uint64_t left_out;
    const char *of;
    pthread_mutex_lock(&repeats_lock);
    while ((of = log_repeats_over(&repeats, now_ms, &left_out))) {
        const struct log_field fields[] = {
            log_text("of", of), log_int("lines", (int64_t)left_out), {.key = 0}};
        write_log_line(LOG_WARN, "lines left out", fields);
    }
    bool admitted = !message || log_repeats_admit(&repeats, message, now_ms);
    pthread_mutex_unlock(&repeats_lock);
    return admitted;
}

void log_write(enum log_level level, const char *message, const struct log_field *fields)
{
    if (level < least_level) return;
    bool limited = level == LOG_INFO || level == LOG_WARN;
    if (limited && !admit_line(message, clock_monotonic_ns() / 1000000)) return;
    write_log_line(level, message, fields);
}

void log_note(const char *command, const char *format, ...)
{
    char text[TEXT_MAX];
    va_list arguments;
    va_start(arguments, format);
    const int size = vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    if (size < 0) return;
    if (log_is_structured()) {
        log_warn("note", log_text("command", command), log_text("text", text));
    } else {
        fprintf(stderr, "braid %s: %s\n", command, text);
    }
}

void log_finish(void)
{
    admit_line(NULL, INT64_MAX);
}
