/*
 * plot.h - curves as an SVG picture: some series over one x, each against the left or the right axis.
 *
 * Threads: all functions are pure but for the file.
 */
#ifndef BASE_PLOT_H
#define BASE_PLOT_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

enum { PLOT_SERIES_MAX = 8 };

struct plot_series {
    const char *name; /* shown as it is: letters, digits, and what XML does not mind */
    const double *y;  /* [count]; a value that is not finite is a gap */
    bool left; /* against the left axis, which begins at the least value; the right one at 0 */
};

struct plot {
    const char *x_name;
    const double *x; /* [count], rising */
    uint32_t count;  /* > 0 */
    struct plot_series series[PLOT_SERIES_MAX];
    uint32_t series_count;
};

/* Whether it could be written is the file's to say. */
void plot_draw(const struct plot *plot, FILE *out);

#endif
