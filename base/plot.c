/* plot.c - polylines, their names in a row above, and the ends of the axes beside. */
#include "base/plot.h"

#include <math.h>

enum { WIDTH = 720, HEIGHT = 360, LEFT = 60, RIGHT = 60, TOP = 40, BOTTOM = 40, NAME_WIDTH = 150 };

static const char *const colors[PLOT_SERIES_MAX] = {
    "#b03a2e", "#1f618d", "#148f77", "#b9770e", "#6c3483", "#566573", "#1e8449", "#943126",
};

/* What an axis goes from and to, over all series drawn against it. */
struct range {
    double low, high;
    const char *color; /* of its first series; NULL: it has none */
};

static struct range range_of(const struct plot *plot, bool left)
{
    struct range range = {left ? INFINITY : 0, left ? -INFINITY : 0, NULL};
    for (uint32_t s = 0; s < plot->series_count; s++) {
        if (plot->series[s].left != left) continue;
        if (!range.color) range.color = colors[s];
        for (uint32_t i = 0; i < plot->count; i++) {
            const double y = plot->series[s].y[i];
            if (!isfinite(y)) continue;
            range.low = y < range.low ? y : range.low;
            range.high = y > range.high ? y : range.high;
        }
    }
    if (range.low > range.high) range.low = range.high = 0; /* gaps alone */
    if (range.low == range.high) range.high = range.low + 1;
    return range;
}

static double x_of(const struct plot *plot, uint32_t i)
{
    const double first = plot->x[0], last = plot->x[plot->count - 1];
    const double share = last > first ? (plot->x[i] - first) / (last - first) : 0.5;
    return LEFT + share * (WIDTH - LEFT - RIGHT);
}

static void draw_series(const struct plot *plot, uint32_t s, struct range range, FILE *out)
{
    const struct plot_series *series = &plot->series[s];
    fprintf(out, "<polyline fill=\"none\" stroke=\"%s\" stroke-width=\"2\" points=\"", colors[s]);
    for (uint32_t i = 0; i < plot->count; i++) {
        if (!isfinite(series->y[i])) continue;
        const double share = (series->y[i] - range.low) / (range.high - range.low);
        fprintf(out, "%.1f,%.1f ", x_of(plot, i),
                HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM));
    }
    const uint32_t columns = (WIDTH - LEFT) / NAME_WIDTH;
    fprintf(out, "\"/>\n<text x=\"%u\" y=\"%u\" fill=\"%s\">%s</text>\n",
            LEFT + NAME_WIDTH * (s % columns), 14 + 14 * (s / columns), colors[s], series->name);
}

static void draw_axis(struct range range, int x, const char *anchor, FILE *out)
{
    if (!range.color) return;
    fprintf(out,
            "<text x=\"%d\" y=\"%d\" text-anchor=\"%s\" fill=\"%s\">%.3g</text>\n"
            "<text x=\"%d\" y=\"%d\" text-anchor=\"%s\" fill=\"%s\">%.3g</text>\n",
            x, HEIGHT - BOTTOM, anchor, range.color, range.low, x, TOP + 10, anchor, range.color,
            range.high);
}

void plot_draw(const struct plot *plot, FILE *out)
{
    const struct range left = range_of(plot, true), right = range_of(plot, false);
    fprintf(out,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" "
            "font-family=\"sans-serif\" font-size=\"12\">\n"
            "<rect width=\"100%%\" height=\"100%%\" fill=\"white\"/>\n"
            "<path d=\"M%d %dV%dH%dV%d\" fill=\"none\" stroke=\"#888\"/>\n"
            "<text x=\"%d\" y=\"%d\">%s %.15g</text>\n"
            "<text x=\"%d\" y=\"%d\" text-anchor=\"end\">%.15g</text>\n",
            WIDTH, HEIGHT, LEFT, TOP, HEIGHT - BOTTOM, WIDTH - RIGHT, TOP, LEFT, HEIGHT - 18,
            plot->x_name, plot->x[0], WIDTH - RIGHT, HEIGHT - 18, plot->x[plot->count - 1]);
    draw_axis(left, LEFT - 6, "end", out);
    draw_axis(right, WIDTH - RIGHT + 6, "start", out);
    for (uint32_t s = 0; s < plot->series_count; s++) {
        draw_series(plot, s, plot->series[s].left ? left : right, out);
    }
    fputs("</svg>\n", out);
}
