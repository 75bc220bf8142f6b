/*
 * inspect_curve.c - some columns of a table of figures, printed, and drawn over the first of them.
 *
 * The table is model.dir/curve.csv, or any CSV without quotes whose first line names its columns.
 */
#include "stream/query/inspect.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/number_text.h"
#include "base/plot.h"

enum { ROWS_MAX = 10000, COLUMNS_MAX = PLOT_SERIES_MAX + 1, LINE_SIZE_MAX = 4096, NO_COLUMN = -1 };

static const char default_columns[] = "position,ndcg20,transitions_ndcg20,popularity_ndcg20";

struct figures {
    char names[COLUMNS_MAX][64];
    uint32_t columns;
    int place[COLUMNS_MAX]; /* among the columns of the file */
    int events;             /* of the column that says how many events a row is of, or NO_COLUMN */
    double *at;             /* [columns][ROWS_MAX]; NAN where there is no number */
    uint32_t rows;
};

static enum status choose_columns(struct figures *figures, const char *columns, struct error *error)
{
    while (*columns) {
        const size_t size = strcspn(columns, ",");
        if (figures->columns == COLUMNS_MAX || size == 0 || size >= sizeof figures->names[0]) {
            return error_set(error, STATUS_INVALID, "--columns: 2 to %d names, separated by commas",
                             COLUMNS_MAX);
        }
        snprintf(figures->names[figures->columns++], sizeof figures->names[0], "%.*s", (int)size,
                 columns);
        columns += size + (columns[size] == ',');
    }
    if (figures->columns >= 2) return STATUS_OK;
    return error_set(error, STATUS_INVALID, "--columns: 2 to %d names, separated by commas",
                     COLUMNS_MAX);
}

/* Field number `place` of a line; empty if it has fewer. */
static struct bytes field_at(const char *line, int place)
{
    for (; place > 0; place--) {
        line += strcspn(line, ",\n");
        if (*line != ',') return (struct bytes){line, 0};
        line++;
    }
    return (struct bytes){line, strcspn(line, ",\r\n")};
}

static int find_column(const char *line, const char *name)
{
    for (int place = 0;; place++) {
        const struct bytes field = field_at(line, place);
        if (field.size == strlen(name) && memcmp(field.at, name, field.size) == 0) return place;
        const char next = *((const char *)field.at + field.size);
        if (next != ',') return NO_COLUMN;
    }
}

static double number_at(const char *line, int place)
{
    double number;
    return parse_real(field_at(line, place), &number) ? number : (double)NAN;
}

static enum status read_names(struct figures *figures, const char *line, const char *path,
                              struct error *error)
{
    figures->events = find_column(line, "events");
    for (uint32_t c = 0; c < figures->columns; c++) {
        figures->place[c] = find_column(line, figures->names[c]);
        if (figures->place[c] != NO_COLUMN) continue;
        return error_set(error, STATUS_INVALID, "%s has no column %s; its first line is %.200s",
                         path, figures->names[c], line);
    }
    return STATUS_OK;
}

/* A row of no events has figures of nothing. */
static enum status read_figures(struct figures *figures, FILE *file, const char *path,
                                struct error *error)
{
    char line[LINE_SIZE_MAX];
    if (!fgets(line, sizeof line, file)) {
        return error_set(error, STATUS_CORRUPT, "%s is empty", path);
    }
    TRY(read_names(figures, line, path, error));
    while (figures->rows < ROWS_MAX && fgets(line, sizeof line, file)) {
        if (figures->events != NO_COLUMN && number_at(line, figures->events) == 0) continue;
        for (uint32_t c = 0; c < figures->columns; c++) {
            figures->at[c * ROWS_MAX + figures->rows] = number_at(line, figures->place[c]);
        }
        if (isfinite(figures->at[figures->rows])) figures->rows++;
    }
    if (figures->rows > 0) return STATUS_OK;
    return error_set(error, STATUS_NOT_FOUND, "%s has no figures so far", path);
}

static void print_figures(const struct figures *figures, FILE *out)
{
    for (uint32_t c = 0; c < figures->columns; c++) {
        fprintf(out, "%s%20s", c ? " " : "", figures->names[c]);
    }
    fputc('\n', out);
    for (uint32_t row = 0; row < figures->rows; row++) {
        for (uint32_t c = 0; c < figures->columns; c++) {
            fprintf(out, "%s%20.10g", c ? " " : "", figures->at[c * ROWS_MAX + row]);
        }
        fputc('\n', out);
    }
}

static enum status plot_figures(const struct figures *figures, const char *svg, struct error *error)
{
    struct plot plot = {.x_name = figures->names[0], .x = figures->at, .count = figures->rows};
    for (uint32_t c = 1; c < figures->columns; c++) {
        plot.series[plot.series_count++] =
            (struct plot_series){figures->names[c], figures->at + (size_t)c * ROWS_MAX, false};
    }
    FILE *file = fopen(svg, "w");
    if (!file) return error_set(error, STATUS_IO, "writing %s: %s", svg, strerror(errno));
    plot_draw(&plot, file);
    const int wrong = ferror(file);
    if (fclose(file) == 0 && !wrong) return STATUS_OK;
    return error_set(error, STATUS_IO, "writing %s: %s", svg, strerror(errno));
}

enum status inspect_curve(const char *path, const char *columns, const char *svg, FILE *out,
                          struct error *error)
{
    struct figures figures = {.columns = 0};
    TRY(choose_columns(&figures, columns ? columns : default_columns, error));
    FILE *file = fopen(path, "r");
    if (!file) {
        return error_set(error, errno == ENOENT ? STATUS_NOT_FOUND : STATUS_IO, "reading %s: %s",
                         path, strerror(errno));
    }
    figures.at = malloc(figures.columns * (size_t)ROWS_MAX * sizeof *figures.at);
    enum status status = figures.at ? read_figures(&figures, file, path, error)
                                    : error_set(error, STATUS_IO, "out of memory: %s", path);
    if (status == STATUS_OK) print_figures(&figures, out);
    if (status == STATUS_OK && svg) status = plot_figures(&figures, svg, error);
    free(figures.at);
    fclose(file);
    return status;
}
