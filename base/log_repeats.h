/*
 * log_repeats.h - how often a message was logged lately, so that one cannot flood the log.
 *
 * A message may come LOG_REPEATS_MAX times in a window of LOG_WINDOW_MS that begins with its first;
 * more are counted, and told when the window is over. It knows no clock and writes nothing.
 * Messages are compared as texts and live as long as the program. Thread: one at a time.
 */
#ifndef BASE_LOG_REPEATS_H
#define BASE_LOG_REPEATS_H

#include <stdbool.h>
#include <stdint.h>

enum {
    LOG_REPEATS_MAX = 100,
    LOG_WINDOW_MS = 60000,
    LOG_MESSAGES_MAX = 256, /* that are watched at once; further ones are not limited */
};

struct log_window {
    const char *message;
    int64_t begun_ms;
    uint32_t written;
    uint64_t left_out;
};

struct log_repeats {
    struct log_window windows[LOG_MESSAGES_MAX];
    uint32_t count;
};

/* Whether the message may be written now. */
bool log_repeats_admit(struct log_repeats *repeats, const char *message, int64_t now_ms);

/*
 * Takes a window that is over, and of which something was left out: the message, and how many in
 * *left_outp. NULL: there is none. With now_ms = INT64_MAX all windows are over.
 */
const char *log_repeats_over(struct log_repeats *repeats, int64_t now_ms, uint64_t *left_outp);

#endif
