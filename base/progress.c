/* progress.c - a bar of 24 cells, or a line every five seconds. */
#include "base/progress.h"

#include <math.h>
#include <stdio.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"

enum { BAR_CELLS = 24 };
static const int64_t redraw_ns = 100000000;
static const int64_t line_ns = 5000000000;

void progress_start(struct progress *progress, const char *what, const char *unit, bool quiet)
{
    int64_t now = clock_monotonic_ns();
    *progress = (struct progress){
        .what = what,
        .unit = unit,
        .quiet = quiet,
        .redraws = isatty(STDERR_FILENO) == 1 && !log_is_structured(),
        .started_ns = now,
        .begun = -1,
        .shown_ns = now,
        .count = UINT64_MAX,
    };
}

const char *progress_number(uint64_t number, char to[PROGRESS_NUMBER_MAX])
{
    char digits[PROGRESS_NUMBER_MAX];
    int count = snprintf(digits, sizeof digits, "%llu", (unsigned long long)number);
    char *at = to;
    for (int i = 0; i < count; i++) {
        if (i && (count - i) % 3 == 0) *at++ = ',';
        *at++ = digits[i];
    }
    *at = 0;
    return to;
}

static void draw_bar(double share)
{
    char bar[BAR_CELLS + 1];
    int full = (int)(share * BAR_CELLS);
    for (int i = 0; i < BAR_CELLS; i++) {
        bar[i] = i < full ? '#' : '.';
    }
    bar[BAR_CELLS] = 0;
    fprintf(stderr, "[%s] ", bar);
}

static void write_line(const struct progress *progress, double share, uint64_t count,
                       double seconds)
{
    char number[PROGRESS_NUMBER_MAX];
    char rate[PROGRESS_NUMBER_MAX];
    fprintf(stderr, "%s  ", progress->what);
    if (share >= 0) {
        if (progress->redraws) draw_bar(share);
        fprintf(stderr, "%3d %%  ", (int)(share * 100));
    }
    fprintf(stderr, "%s %s  %s/s", progress_number(count, number), progress->unit,
            progress_number((uint64_t)((double)count / seconds), rate));
    if (share > progress->begun && share < 1) {
        long left = (long)(seconds * (1 - share) / (share - progress->begun));
        fprintf(stderr, "  %ld:%02ld left", left / 60, left % 60);
    }
}

void progress_show(struct progress *progress, double share, uint64_t count)
{
    if (progress->quiet) return;
    if (progress->begun < 0) progress->begun = share;
    int64_t now = clock_monotonic_ns();
    if (now - progress->shown_ns < (progress->redraws ? redraw_ns : line_ns)) return;
    if (!progress->redraws && share == progress->share && count == progress->count) return;
    progress->shown_ns = now;
    progress->share = share;
    progress->count = count;
    if (share > 1) share = 1;
    const double seconds = (double)(now - progress->started_ns) / 1e9;
    if (log_is_structured()) {
        log_info("progress", log_text("of", progress->what),
                 log_int(progress->unit, (int64_t)count), log_real("seconds", seconds),
                 log_real("share", share < 0 ? NAN : share));
        return;
    }
    if (progress->redraws) fputs("\r\033[K", stderr);
    write_line(progress, share, count, seconds);
    if (!progress->redraws) fputc('\n', stderr);
    progress->drawn = progress->redraws;
    fflush(stderr);
}

void progress_end(struct progress *progress)
{
    if (progress->drawn) fputs("\r\033[K", stderr);
    progress->drawn = false;
}
