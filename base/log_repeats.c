/* log_repeats.c - a window for each message that came lately, in no order. */
#include "base/log_repeats.h"

#include <string.h>

static bool window_is_over(const struct log_window *window, int64_t now_ms)
{
    return now_ms - window->begun_ms >= LOG_WINDOW_MS;
}

/* The window of a message, a new one if there was none; NULL: there is no room. */
static struct log_window *log_window_of(struct log_repeats *repeats, const char *message,
                                        int64_t now_ms)
{
    struct log_window *free = NULL;
    for (uint32_t i = 0; i < repeats->count; i++) {
        struct log_window *window = &repeats->windows[i];
        if (strcmp(window->message, message) == 0) return window;
        if (window_is_over(window, now_ms) && window->left_out == 0) free = window;
    }
    if (!free && repeats->count < LOG_MESSAGES_MAX) free = &repeats->windows[repeats->count++];
    if (free) *free = (struct log_window){.message = message, .begun_ms = now_ms};
    return free;
}

bool log_repeats_admit(struct log_repeats *repeats, const char *message, int64_t now_ms)
{
    struct log_window *window = log_window_of(repeats, message, now_ms);
    if (!window) return true;
    if (window_is_over(window, now_ms) && window->left_out == 0) {
        *window = (struct log_window){.message = message, .begun_ms = now_ms};
    }
    if (window->written < LOG_REPEATS_MAX) {
        window->written++;
        return true;
    }
    window->left_out++;
    return false;
}

const char *log_repeats_over(struct log_repeats *repeats, int64_t now_ms, uint64_t *left_outp)
{
    for (uint32_t i = 0; i < repeats->count; i++) {
        struct log_window *window = &repeats->windows[i];
        if (window->left_out == 0 || !window_is_over(window, now_ms)) continue;
        *left_outp = window->left_out;
        window->left_out = 0;
        return window->message;
    }
    return NULL;
}
