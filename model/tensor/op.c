/* op.c - ops on tensors: shapes checked, memory found, a kernel called. */
#include "model/tensor/op.h"

#include <string.h>

#include "model/kernel/kernel.h"

/* Weights as products want them, and the bias, or NULL, in whole panels. */
struct packed_linear {
    const struct linear *linear;
    real *panels, *bias;
    const struct packed_linear *before; /* of a tape */
};

static size_t panels_size(const struct linear *linear)
{
    return kernel_packed_size(linear->out, linear->in) * sizeof(real);
}

static size_t bias_size(const struct linear *linear)
{
    return kernel_packed_size(linear->out, 1) * sizeof(real);
}

/* Packs what the parameters are now. */
static struct packed_linear pack(const struct linear *linear, struct arena *arena)
{
    struct packed_linear packed = {linear, arena_take(arena, panels_size(linear)), NULL, NULL};
    uint32_t from = 0;
    memset(packed.panels, 0, panels_size(linear));
    for (uint32_t i = 0; i < LINEAR_PARTS_MAX && linear->parts[i]; i++) {
        const uint32_t rows = (uint32_t)(linear->parts[i]->count / linear->in);
        kernel_pack(packed.panels, linear->parts[i]->data, from, rows, linear->in);
        from += rows;
    }
    if (!linear->bias) return packed;
    packed.bias = arena_take(arena, bias_size(linear));
    memset(packed.bias, 0, bias_size(linear));
    memcpy(packed.bias, linear->bias->data, linear->out * sizeof(real));
    return packed;
}

enum status linear_open(struct linear *linear, const struct param *const parts[LINEAR_PARTS_MAX],
                        const struct param *bias, struct error *error)
{
    *linear = (struct linear){.bias = bias};
    for (uint32_t i = 0; i < LINEAR_PARTS_MAX && parts[i]; i++) {
        const struct param_spec *spec = &parts[i]->spec;
        linear->parts[i] = parts[i];
        linear->in = spec->shape[spec->rank - 1];
        linear->out += (uint32_t)(parts[i]->count / linear->in);
    }
    REQUIRE(!bias || bias->count == linear->out);
    TRY(arena_open(&linear->arena, panels_size(linear) + bias_size(linear), error));
    const struct packed_linear packed = pack(linear, &linear->arena);
    linear->panels = packed.panels;
    linear->packed_bias = packed.bias;
    return STATUS_OK;
}

void linear_close(struct linear *linear)
{
    arena_close(&linear->arena);
}

void linear_ready(struct tape *tape, const struct linear *linear)
{
    if (!tape_records(tape)) return;
    for (const struct packed_linear *at = tape->packed; at; at = at->before) {
        if (at->linear == linear) return;
    }
    struct packed_linear *packed = arena_take(tape->arena, sizeof *packed);
    *packed = pack(linear, tape->arena);
    packed->before = tape->packed;
    tape->packed = packed;
}

void linear_multiply(struct tape *tape, const struct linear *linear, real *y, const real *x,
                     uint32_t rows)
{
    if (!tape_records(tape)) {
        kernel_matmul_fetching(y, x, linear->panels, linear->packed_bias, rows, linear->out,
                               linear->in, &tape->prefetch);
        return;
    }
    const struct packed_linear *packed = tape->packed;
    while (packed->linear != linear) {
        packed = packed->before;
    }
    kernel_matmul_packed(y, x, packed->panels, packed->bias, rows, linear->out, linear->in);
}

/*
 * The outputs of a part and of those that follow it in memory, which are one product with it; moves
 * on to the part after them. Gradients lie as the parameters do.
 */
static uint32_t joined_outputs(const struct linear *linear, uint32_t *part)
{
    const struct param *first = linear->parts[*part], *last = first;
    size_t count = first->count;
    for (++*part; *part < LINEAR_PARTS_MAX && linear->parts[*part]; ++*part) {
        const struct param *next = linear->parts[*part];
        if (next->data != last->data + last->count) break;
        if (next->spec.constant != first->spec.constant) break;
        count += next->count;
        last = next;
    }
    return (uint32_t)(count / linear->in);
}

/* Inputs: x, the bias (or, without one, x again), the parts. */
static void linear_backward(struct tape *tape, const struct node *node)
{
    const struct linear *linear = node->saved;
    struct tensor *x = node->inputs[0], *y = node->output;
    bool keep = true;
    real *dx = tape_gradient_over(tape, x, &keep);
    real *db = linear->bias ? tape_gradient(tape, node->inputs[1]) : NULL;
    if (db) kernel_sum_repeated(db, y->gradient, 1, y->rows, y->cols);
    uint32_t from = 0;
    for (uint32_t part = 0; part < LINEAR_PARTS_MAX && linear->parts[part];) {
        struct tensor *weight = node->inputs[2 + part];
        const uint32_t out = joined_outputs(linear, &part);
        const real *dy = y->gradient + from;
        real *dw = tape_gradient(tape, weight);
        if (dx) {
            kernel_product(dx, x->cols, factor_of(dy, y->cols), factor_of(weight->data, linear->in),
                           x->rows, linear->in, out, keep);
            keep = true;
        }
        if (dw) {
            kernel_product(dw, linear->in, factor_turned(dy, y->cols), factor_of(x->data, x->cols),
                           out, linear->in, x->rows, true);
        }
        from += out;
    }
}

struct tensor *op_linear(struct tape *tape, const struct linear *linear, struct tensor *x)
{
    REQUIRE(x->cols == linear->in);
    struct tensor *y = tape_tensor(tape, x->rows, linear->out);
    linear_ready(tape, linear);
    linear_multiply(tape, linear, y->data, x->data, x->rows);
    if (!tape_records(tape)) return y;
    struct tensor *bias = linear->bias ? tape_param(tape, linear->bias) : x;
    struct node node = {linear_backward, y, {x, bias}, linear};
    for (uint32_t i = 0; i < LINEAR_PARTS_MAX && linear->parts[i]; i++) {
        node.inputs[2 + i] = tape_param(tape, linear->parts[i]);
    }
    tape_record(tape, node);
    return y;
}

uint32_t gap_bucket(int64_t gap_s, uint32_t buckets)
{
    if (gap_s < 0) return 0;
    uint32_t bits = 64 - (uint32_t)__builtin_clzll((uint64_t)gap_s + 1);
    return bits < buckets ? bits : buckets - 1;
}

/* What an embedding read. The caller keeps tables and batch until the backward pass is done. */
struct embedding {
    const struct embedding_tables *tables;
    const struct behavior_batch *batch;
};

/* Adds dy to the gradient of a row; row 0 is zero for ever. */
static void add_to_row(struct tape *tape, const struct param *table, uint32_t row, const real *dy)
{
    if (row == 0) return;
    struct row_gradients *rows = gradients_rows(tape->gradients, table);
    kernel_add(row_gradient(rows, row), dy, rows->width);
}

/* The list that a category is, or NULL if it is a row. */
static const struct category_list *list_of(const struct embedding_tables *tables, uint32_t category)
{
    const uint32_t rows = tables->category->spec.shape[0];
    return category < rows ? NULL : &tables->lists[category - rows];
}

/* row += the category, or the mean of several. */
static void add_category(const struct embedding_tables *tables, uint32_t category, real *row)
{
    const real *table = tables->category->data;
    const struct category_list *list = list_of(tables, category);
    if (!list) {
        kernel_add(row, table + (size_t)category * tables->width, tables->width);
    } else {
        kernel_add_mean(row, table, list->rows, category_list_count(list), tables->width);
    }
}

static void add_to_category(struct tape *tape, const struct embedding_tables *tables,
                            uint32_t category, const real *dy)
{
    const struct category_list *list = list_of(tables, category);
    if (!list) {
        add_to_row(tape, tables->category, category, dy);
        return;
    }
    struct row_gradients *rows = gradients_rows(tape->gradients, tables->category);
    const uint32_t count = category_list_count(list);
    for (uint32_t i = 0; i < count; i++) {
        kernel_add_part(row_gradient(rows, list->rows[i]), dy, count, rows->width);
    }
}

static void embed_backward(struct tape *tape, const struct node *node)
{
    const struct embedding *embedding = node->saved;
    const struct embedding_tables *tables = embedding->tables;
    const struct tensor *y = node->output;
    for (uint32_t event = 0; event < y->rows; event++) {
        const struct behavior *behavior = &embedding->batch->at[event];
        const real *dy = y->gradient + (size_t)event * y->cols;
        add_to_row(tape, tables->item, behavior->item, dy);
        if (tables->category) add_to_category(tape, tables, behavior->category, dy);
        if (!tables->gap) continue;
        add_to_row(tape, tables->gap, gap_bucket(behavior->gap_s, tables->gap->spec.shape[0]), dy);
    }
}

struct tensor *op_embed(struct tape *tape, const struct embedding_tables *tables,
                        const struct behavior_batch *batch)
{
    const uint32_t d = tables->width;
    struct tensor *x = tape_tensor(tape, batch->offsets[batch->users], d);
    for (uint32_t event = 0; event < x->rows; event++) {
        const struct behavior *behavior = &batch->at[event];
        real *row = x->data + (size_t)event * d;
        memcpy(row, tables->item->data + (size_t)behavior->item * d, d * sizeof(real));
        if (tables->category) add_category(tables, behavior->category, row);
        if (tables->gap) {
            uint32_t bucket = gap_bucket(behavior->gap_s, tables->gap->spec.shape[0]);
            kernel_add(row, tables->gap->data + (size_t)bucket * d, d);
        }
    }
    if (tape_records(tape)) {
        struct embedding *saved = arena_take(tape->arena, sizeof(*saved));
        *saved = (struct embedding){tables, batch};
        x->wants_gradient = tape->gradients != NULL;
        tape_record(tape, (struct node){embed_backward, x, {NULL}, saved});
    }
    return x;
}

static void layer_norm_backward(struct tape *tape, const struct node *node)
{
    struct tensor *x = node->inputs[0], *gain = node->inputs[1], *shift = node->inputs[2];
    kernel_layer_norm_backward(tape_gradient(tape, x), tape_gradient(tape, gain),
                               tape_gradient(tape, shift), node->output->gradient, x->data,
                               gain->data, x->rows, x->cols);
}

struct tensor *op_layer_norm(struct tape *tape, struct tensor *x, const struct param *weight,
                             const struct param *bias)
{
    REQUIRE(weight->count == x->cols && bias->count == x->cols && x->cols <= NORM_COLS_MAX);
    struct tensor *y = tape_tensor(tape, x->rows, x->cols);
    kernel_layer_norm(y->data, x->data, weight->data, bias->data, x->rows, x->cols);
    if (tape_records(tape)) {
        struct tensor *gain = tape_param(tape, weight), *shift = tape_param(tape, bias);
        tape_record(tape, (struct node){layer_norm_backward, y, {x, gain, shift}, NULL});
    }
    return y;
}

static void elu1_backward(struct tape *tape, const struct node *node)
{
    struct tensor *x = node->inputs[0], *y = node->output;
    const uint32_t cols = *(const uint32_t *)node->saved;
    real *dx = tape_gradient(tape, x);
    kernel_elu1_backward(dx, y->gradient, y->data, x->rows, cols, x->cols);
    for (uint32_t row = 0; row < x->rows; row++) {
        size_t at = (size_t)row * x->cols + cols;
        kernel_add(dx + at, y->gradient + at, x->cols - cols);
    }
}

struct tensor *op_elu1(struct tape *tape, struct tensor *x, uint32_t cols)
{
    REQUIRE(cols <= x->cols);
    struct tensor *y = tape_consume(tape, x);
    kernel_elu1(y->data, y->rows, cols, y->cols);
    if (tape_records(tape)) {
        uint32_t *saved = arena_take(tape->arena, sizeof(*saved));
        *saved = cols;
        tape_record(tape, (struct node){elu1_backward, y, {x}, saved});
    }
    return y;
}

static void relu_backward(struct tape *tape, const struct node *node)
{
    struct tensor *x = node->inputs[0], *y = node->output;
    kernel_relu_backward(tape_gradient(tape, x), y->gradient, y->data, tensor_count(x));
}

struct tensor *op_relu(struct tape *tape, struct tensor *x)
{
    struct tensor *y = tape_consume(tape, x);
    kernel_relu(y->data, tensor_count(y));
    tape_record(tape, (struct node){relu_backward, y, {x}, NULL});
    return y;
}

/* Passes a gradient on to an input of the same size. */
static void pass_on(struct tape *tape, struct tensor *x, const real *dy)
{
    bool keep = true;
    real *dx = tape_gradient_over(tape, x, &keep);
    if (!dx) return;
    if (keep) {
        kernel_add(dx, dy, tensor_count(x));
    } else {
        memcpy(dx, dy, tensor_count(x) * sizeof(real));
    }
}

static void add_backward(struct tape *tape, const struct node *node)
{
    struct tensor *x = node->inputs[0], *y = node->inputs[1];
    const real *dz = node->output->gradient;
    pass_on(tape, x, dz);
    if (x->rows == y->rows) {
        pass_on(tape, y, dz);
    } else if (y->wants_gradient) {
        kernel_sum_repeated(tape_gradient(tape, y), dz, y->rows, x->rows / y->rows, y->cols);
    }
}

struct tensor *op_add(struct tape *tape, struct tensor *x, struct tensor *y)
{
    REQUIRE(x->rows == y->rows);
    return op_add_repeated(tape, x, y);
}

struct tensor *op_add_repeated(struct tape *tape, struct tensor *x, struct tensor *y)
{
    REQUIRE(x->cols == y->cols && x->rows % y->rows == 0);
    struct tensor *z = tape_consume(tape, x);
    kernel_add_repeated(z->data, y->data, y->rows, x->rows / y->rows, x->cols);
    tape_record(tape, (struct node){add_backward, z, {x, y}, NULL});
    return z;
}

static void repeat_backward(struct tape *tape, const struct node *node)
{
    const struct tensor *y = node->output;
    real *dx = tape_gradient(tape, node->inputs[0]);
    kernel_sum_repeated(dx, y->gradient, 1, y->rows, y->cols);
}

struct tensor *op_repeat(struct tape *tape, const struct param *rows_of, uint32_t rows)
{
    struct tensor *y = tape_tensor(tape, rows, (uint32_t)rows_of->count);
    for (uint32_t row = 0; row < rows; row++) {
        memcpy(y->data + row * rows_of->count, rows_of->data, rows_of->count * sizeof(real));
    }
    if (tape_records(tape)) {
        tape_record(tape, (struct node){repeat_backward, y, {tape_param(tape, rows_of)}, NULL});
    }
    return y;
}

static void reshape_backward(struct tape *tape, const struct node *node)
{
    pass_on(tape, node->inputs[0], node->output->gradient);
}

struct tensor *op_reshape(struct tape *tape, struct tensor *x, uint32_t rows, uint32_t cols)
{
    REQUIRE((size_t)rows * cols == tensor_count(x));
    struct tensor *y = tape_consume(tape, x);
    y->rows = rows;
    y->cols = cols;
    tape_record(tape, (struct node){reshape_backward, y, {x}, NULL});
    return y;
}

static void rows_backward(struct tape *tape, const struct node *node)
{
    const struct tensor *y = node->output;
    const uint32_t *rows = node->saved;
    real *dx = tape_gradient(tape, node->inputs[0]);
    for (uint32_t i = 0; i < y->rows; i++) {
        kernel_add(dx + (size_t)rows[i] * y->cols, y->gradient + (size_t)i * y->cols, y->cols);
    }
}

struct tensor *op_rows(struct tape *tape, struct tensor *x, const uint32_t *rows, uint32_t count)
{
    struct tensor *y = tape_tensor(tape, count, x->cols);
    for (uint32_t i = 0; i < count; i++) {
        memcpy(y->data + (size_t)i * x->cols, x->data + (size_t)rows[i] * x->cols,
               x->cols * sizeof(real));
    }
    tape_record(tape, (struct node){rows_backward, y, {x}, rows});
    return y;
}

static void dropout_backward(struct tape *tape, const struct node *node)
{
    struct tensor *x = node->inputs[0];
    kernel_add_product(tape_gradient(tape, x), node->output->gradient, node->saved,
                       tensor_count(x));
}

/* Each element is kept or not by 16 random bits of its own. */
static void draw_mask(real *mask, size_t count, struct random *random, float dropout)
{
    const uint32_t limit = (uint32_t)(dropout * 65536);
    const real kept = 1 / (1 - (real)limit / 65536);
    uint64_t bits = 0;
    for (size_t i = 0; i < count; i++) {
        if (i % 4 == 0) bits = random_next(random);
        mask[i] = (bits & 0xffff) < limit ? 0 : kept;
        bits >>= 16;
    }
}

struct tensor *op_dropout(struct tape *tape, struct tensor *x)
{
    if (!tape_records(tape) || tape->dropout == 0) return x;
    struct tensor *y = tape_tensor(tape, x->rows, x->cols);
    real *mask = arena_take(tape->arena, tensor_count(x) * sizeof(real));
    draw_mask(mask, tensor_count(x), tape->random, tape->dropout);
    kernel_multiply(y->data, mask, x->data, tensor_count(x));
    tape_record(tape, (struct node){dropout_backward, y, {x}, mask});
    return y;
}

void op_keep_last(struct tape *tape, struct tensor *x, size_t at, real *const *states,
                  const struct behavior_batch *batch)
{
    REQUIRE(!tape_records(tape));
    for (uint32_t user = 0; user < batch->users; user++) {
        uint32_t end = batch->offsets[user + 1];
        if (end == batch->offsets[user]) continue;
        memcpy(states[user] + at, x->data + (size_t)(end - 1) * x->cols, x->cols * sizeof(real));
    }
}

struct tensor *op_state(struct tape *tape, size_t at, uint32_t cols, const real *const *states,
                        uint32_t users)
{
    struct tensor *y = tape_tensor(tape, users, cols);
    for (uint32_t user = 0; user < users; user++) {
        memcpy(y->data + (size_t)user * cols, states[user] + at, cols * sizeof(real));
    }
    return y;
}
