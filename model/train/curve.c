/* curve.c - lines in, a picture out. */
#include "model/train/curve.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/number_text.h"
#include "base/plot.h"

static const char columns[] = "epoch,steps,loss,hit_rate,ndcg,seconds\n";

enum { LINE_MAX_SIZE = 256 };

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

/* ---- and back ---- */

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

/* The picture: the loss to the left, what validation found to the right. */
static enum status draw_curve(const struct curve *curve, FILE *out, struct error *error)
{
    double *at = malloc(4 * curve->count * sizeof *at);
    if (!at) return error_set(error, STATUS_IO, "out of memory: a curve");
    double *epoch = at, *loss = at + curve->count;
    double *hit_rate = loss + curve->count, *ndcg = hit_rate + curve->count;
    for (uint32_t i = 0; i < curve->count; i++) {
        epoch[i] = curve->at[i].epoch;
        loss[i] = curve->at[i].loss;
        hit_rate[i] = curve->at[i].hit_rate;
        ndcg[i] = curve->at[i].ndcg;
    }
    const struct plot plot = {
        .x_name = "epoch",
        .x = epoch,
        .count = curve->count,
        .series = {{"loss", loss, true}, {"HitRate@10", hit_rate, false}, {"NDCG@10", ndcg, false}},
        .series_count = 3,
    };
    plot_draw(&plot, out);
    free(at);
    return STATUS_OK;
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
        if (!out) {
            status = curve_failed(svg_path, "writing", error);
        } else {
            status = draw_curve(curve, out, error);
            const enum status closed = close_written(out, svg_path, error);
            if (status == STATUS_OK) status = closed;
        }
    }
    free(curve);
    return status;
}
