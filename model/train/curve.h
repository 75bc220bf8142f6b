/*
 * curve.h - the course of a training: a CSV file with a line for each epoch, and a picture of it.
 *
 * The file is appended to, so that a run which is resumed goes on with its curve; the picture is
 * drawn from the file.
 */
#ifndef MODEL_TRAIN_CURVE_H
#define MODEL_TRAIN_CURVE_H

#include <stdint.h>

#include "base/status.h"

enum { CURVE_EPOCHS_MAX = 10000 };

struct curve_point {
    uint32_t epoch;
    uint64_t steps;
    double loss;
    double hit_rate; /* of the validation; 0 without one */
    double ndcg;
    double seconds; /* of this epoch */
};

/* Appends a line, and in front of the first one the columns' names. */
MUST_CHECK enum status curve_append(const char *path, const struct curve_point *point,
                                    struct error *error);

/*
 * Draws the loss and the validation of the CSV file as an SVG picture. Of an epoch that is there
 * twice the last line counts. STATUS_CORRUPT: a line is no point of a curve.
 */
MUST_CHECK enum status curve_plot(const char *csv_path, const char *svg_path, struct error *error);

#endif
