/* curve.c - lines in, polylines out. */
#include "model/train/curve.h"

#include <errno.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/number_text.h"

static const char columns[] = "epoch,steps,loss,hit_rate,ndcg,seconds\n";

enum {
    WIDTH = 720,
    HEIGHT = 360,
    LEFT = 60,
    RIGHT = 60,
    TOP = 40,
    BOTTOM = 40,
    LINE_MAX_SIZE = 256
};

static enum status curve_failed(const char *path, const char *what, struct error *error)
{
    return error_set(error, STATUS_IO, "%s %s: %s", what, path, strerror(errno));
}

static enum status close_written(FILE *file, const char *path, struct error *error)
{
    const int wrong = ferror(file);
    return fclose(file) == 0 && !wrong ? STATUS_OK : curve_failed(path, "writing", error);
}

enum status curve_append(const char *path, const struct curve_point *point, struct error *error)
{
    FILE *file = fopen(path, "a");
    if (!file) return curve_failed(path, "appending to", error);
    if (ftell(file) == 0) fputs(columns, file);
    fprintf(file, "%" PRIu32 ",%" PRIu64 ",%.6f,%.6f,%.6f,%.2f\n", point->epoch, point->steps,
            point->loss, point->hit_rate, point->ndcg, point->seconds);
    return close_written(file, path, error);
}

/* ---- the picture ---- */

struct curve {
    struct curve_point at[CURVE_EPOCHS_MAX];
    uint32_t count;
};

/* What stands before the next comma or the line's end, which goes with it. */
static struct bytes take_field(const char **linep)
{
    const struct bytes field = {*linep, strcspn(*linep, ",\n")};
    *linep += field.size;
    *linep += **linep != '\0';
    return field;
}

static bool read_point(const char *line, struct curve_point *point)
{
    uint64_t epoch;
    if (!parse_unsigned(take_field(&line), UINT32_MAX, &epoch)) return false;
    point->epoch = (uint32_t)epoch;
    return parse_unsigned(take_field(&line), UINT64_MAX, &point->steps) &&
           parse_real(take_field(&line), &point->loss) &&
           parse_real(take_field(&line), &point->hit_rate) &&
           parse_real(take_field(&line), &point->ndcg) &&
           parse_real(take_field(&line), &point->seconds) && *line == '\0';
}

static enum status read_points(struct curve *curve, FILE *file, const char *path,
                               struct error *error)
{
    char line[LINE_MAX_SIZE];
    for (uint32_t number = 1; fgets(line, sizeof line, file); number++) {
        struct curve_point point;
        if (strcmp(line, columns) == 0) continue;
        if (!read_point(line, &point)) {
            return error_set(error, STATUS_CORRUPT, "%s:%" PRIu32 ": no point of a curve", path,
                             number);
        }
        while (curve->count > 0 && curve->at[curve->count - 1].epoch >= point.epoch) {
            curve->count--;
        }
        if (curve->count < CURVE_EPOCHS_MAX) curve->at[curve->count++] = point;
    }
    return curve->count > 0 ? STATUS_OK
                            : error_set(error, STATUS_CORRUPT, "%s: no epoch in it", path);
}

/* One line of the picture: which number, and how it is shown. */
struct series {
    const char *name, *color;
    size_t field; /* of struct curve_point */
    double low, high;
};

static double point_value(const struct curve_point *point, const struct series *series)
{
    double value;
    memcpy(&value, (const char *)point + series->field, sizeof value);
    return value;
}

/* The range that all of `series` share. */
static void set_range(struct series *series, uint32_t count, const struct curve *curve, double low)
{
    double high = low;
    if (low < 0) low = high = point_value(&curve->at[0], series);
    for (uint32_t s = 0; s < count; s++) {
        for (uint32_t i = 0; i < curve->count; i++) {
            const double value = point_value(&curve->at[i], &series[s]);
            if (value < low) low = value;
            if (value > high) high = value;
        }
    }
    for (uint32_t s = 0; s < count; s++) {
        series[s].low = low;
        series[s].high = high > low ? high : low + 1;
    }
}

static double x_of(const struct curve *curve, uint32_t epoch)
{
    const uint32_t first = curve->at[0].epoch, last = curve->at[curve->count - 1].epoch;
    const double share = last > first ? (double)(epoch - first) / (last - first) : 0.5;
    return LEFT + share * (WIDTH - LEFT - RIGHT);
}

static void draw_series(FILE *out, const struct curve *curve, const struct series *series,
                        int place)
{
    fprintf(out, "<polyline fill=\"none\" stroke=\"%s\" stroke-width=\"2\" points=\"",
            series->color);
    for (uint32_t i = 0; i < curve->count; i++) {
        const double share =
            (point_value(&curve->at[i], series) - series->low) / (series->high - series->low);
        fprintf(out, "%.1f,%.1f ", x_of(curve, curve->at[i].epoch),
                HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM));
    }
    fprintf(out, "\"/>\n<text x=\"%d\" y=\"24\" fill=\"%s\">%s</text>\n", LEFT + 150 * place,
            series->color, series->name);
}

static void draw_axis(FILE *out, const struct series *series, int x, const char *anchor)
{
    fprintf(out,
            "<text x=\"%d\" y=\"%d\" text-anchor=\"%s\" fill=\"%s\">%.3g</text>\n"
            "<text x=\"%d\" y=\"%d\" text-anchor=\"%s\" fill=\"%s\">%.3g</text>\n",
            x, HEIGHT - BOTTOM, anchor, series->color, series->low, x, TOP + 10, anchor,
            series->color, series->high);
}

static void draw_picture(FILE *out, const struct curve *curve)
{
    struct series loss = {"loss", "#b03a2e", offsetof(struct curve_point, loss), 0, 0};
    struct series found[] = {
        {"HitRate@10", "#1f618d", offsetof(struct curve_point, hit_rate), 0, 0},
        {"NDCG@10", "#148f77", offsetof(struct curve_point, ndcg), 0, 0},
    };
    set_range(&loss, 1, curve, -1);
    set_range(found, 2, curve, 0);
    fprintf(out,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" "
            "font-family=\"sans-serif\" font-size=\"12\">\n"
            "<rect width=\"100%%\" height=\"100%%\" fill=\"white\"/>\n"
            "<path d=\"M%d %dV%dH%dV%d\" fill=\"none\" stroke=\"#888\"/>\n"
            "<text x=\"%d\" y=\"%d\">epoch %" PRIu32 "</text>\n"
            "<text x=\"%d\" y=\"%d\" text-anchor=\"end\">%" PRIu32 "</text>\n",
            WIDTH, HEIGHT, LEFT, TOP, HEIGHT - BOTTOM, WIDTH - RIGHT, TOP, LEFT, HEIGHT - 18,
            curve->at[0].epoch, WIDTH - RIGHT, HEIGHT - 18, curve->at[curve->count - 1].epoch);
    draw_axis(out, &loss, LEFT - 6, "end");
    draw_axis(out, &found[0], WIDTH - RIGHT + 6, "start");
    draw_series(out, curve, &loss, 0);
    draw_series(out, curve, &found[0], 1);
    draw_series(out, curve, &found[1], 2);
    fputs("</svg>\n", out);
}

enum status curve_plot(const char *csv_path, const char *svg_path, struct error *error)
{
    struct curve *curve = calloc(1, sizeof *curve);
    if (!curve) return error_set(error, STATUS_IO, "out of memory: a curve");
    FILE *csv = fopen(csv_path, "r");
    enum status status =
        csv ? read_points(curve, csv, csv_path, error) : curve_failed(csv_path, "reading", error);
    if (csv) fclose(csv);
    if (status == STATUS_OK) {
        FILE *out = fopen(svg_path, "w");
        if (out) draw_picture(out, curve);
        status =
            out ? close_written(out, svg_path, error) : curve_failed(svg_path, "writing", error);
    }
    free(curve);
    return status;
}
