/* How to cut a tile into cells: decided on an open-loop reconstruction, for all cells at once. */
#include "costs.h"
#include "decisions.h"
#include "kinds.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Cells that go through the networks together. */
#define BATCH 32

/* Bits of a cell's mode and last significant diagonals that costs of weights do not see. */
static const float CELL_BITS[SINR_SIZES] = {15.0f, 15.0f, 12.0f};

/* How much of what other transform types seem to save is there in the end: sparser is harder to foretell. */
#define SAVED_SHARE 0.7f

typedef struct {
    sinr_batch batch;
    float *weights;  /* (size * size) of one plane */
    float *finer;    /* what these times are quantiser steps; 0 for what is predicted */
    float *vertical; /* (SINR_AXIS_TRANSFORMS - 1, size * size) */
    float *horizontal;
} scratch;

typedef struct {
    const float *planes;
    int channels, height, width;
    const sinr_kind *kinds;
    float *const *costs;
    sinr_step_tables *tables;
    sinr_canvas canvas;
    int16_t *view;
    sinr_partition uniform[SINR_SIZES];
    uint8_t *splits;
    scratch *workers;
} search;

static void layout(search *s, int workers, sinr_arena *arena) {
    size_t samples = (size_t)s->channels * (size_t)s->height * (size_t)s->width;
    int block_rows = s->height / SINR_BLOCK, block_cols = s->width / SINR_BLOCK;
    s->tables = sinr_take(arena, 1, sizeof *s->tables);
    sinr_canvas_layout(&s->canvas, arena);
    s->view = sinr_take(arena, samples, sizeof *s->view);
    s->splits = sinr_take(arena, (size_t)block_rows * (size_t)block_cols, sizeof *s->splits);
    for (int index = 0; index < SINR_SIZES; index++)
        sinr_partition_layout(&s->uniform[index], block_rows, block_cols, arena);
    s->workers = sinr_take(arena, (size_t)workers, sizeof *s->workers);
    for (int i = 0; i < workers; i++) {
        scratch w;
        sinr_batch_layout(&w.batch, s->kinds, BATCH, s->channels, s->kinds->predictor->modes, arena);
        w.weights = sinr_take(arena, SINR_HARMONICS_MAX, sizeof *w.weights);
        w.finer = sinr_take(arena, SINR_HARMONICS_MAX, sizeof *w.finer);
        size_t turned = (SINR_AXIS_TRANSFORMS - 1) * SINR_HARMONICS_MAX;
        w.vertical = sinr_take(arena, turned, sizeof *w.vertical);
        w.horizontal = sinr_take(arena, turned, sizeof *w.horizontal);
        if (s->workers) s->workers[i] = w;
    }
}

/* A strip of 16 rows of a plane. */
static void view_strip(void *context, int piece, int worker) {
    const search *s = context;
    (void)worker;
    size_t begin = (size_t)piece * 16 * (size_t)s->width;
    sinr_open_loop(&s->kinds[1].harmonics, s->planes + begin, 16, s->width, s->tables->step, s->view + begin);
}

static const float *samples_of(const search *s, const sinr_cell *cell, int channel) {
    size_t plane = (size_t)channel * (size_t)s->height * (size_t)s->width;
    return s->planes + plane + ((size_t)cell->row * (size_t)s->width + cell->col) * SINR_UNIT;
}

/* Weights of a plane of a cell: takes over what is predicted, and returns the cost of the others. */
static float others_cost(
    const search *s, scratch *w, const sinr_kind *kind, const sinr_cell *cell, int row, int channel,
    int32_t deviation) {
    const sinr_harmonics *h = &kind->harmonics;
    float finer[SINR_DIAGONALS], steps = 1.0f / (float)s->tables->step;
    sinr_spectrum(h, samples_of(s, cell, channel), (size_t)s->width, w->weights);
    sinr_finer(kind, s->tables, channel, deviation, finer);
    sinr_batch_weights(&w->batch, kind, row, w->weights, s->tables->step, finer);
    if (kind->predicted == h->count) return 0;
    for (int k = 0; k < h->size; k++) {
        int columns = sinr_predicted_columns(h->size, k);
        float *out = w->finer + k * h->size;
        for (int m = 0; m < columns; m++) out[m] = 0;
        for (int m = columns; m < h->size; m++) out[m] = finer[k + m] * steps;
    }
    return sinr_weights_cost(w->weights, w->finer, h->count);
}

/* What luma of a cell costs by the cheapest of an axis' transforms but the first; which one is told in `axis`. */
static float cheapest_axis(const sinr_harmonics *h, const float *turned, const float *finer, int *axis) {
    float least = FLT_MAX;
    for (int a = 1; a < SINR_AXIS_TRANSFORMS; a++, turned += h->count) {
        float cost = sinr_weights_cost(turned, finer, h->count);
        if (cost >= least) continue;
        least = cost;
        *axis = a;
    }
    return least;
}

/* What other transform types than the first save of luma: either axis is transformed alone, then both by what was best
 * alone. */
static float saving(const search *s, scratch *w, const sinr_kind *kind, const sinr_cell *cell, int row, int mode) {
    const sinr_harmonics *h = &kind->harmonics;
    const int32_t *sums = sinr_batch_sums(&w->batch, kind, mode) + row;
    const sinr_around *around = &w->batch.around[row];
    float finer[SINR_DIAGONALS], *weights = w->weights;
    int vertical = 1, horizontal = 1;
    sinr_finer(kind, s->tables, 0, around->deviation, finer);
    for (int k = 0; k < h->size; k++)
        for (int m = 0; m < h->size; m++) w->finer[k * h->size + m] = finer[k + m] / (float)s->tables->step;
    sinr_spectrum(h, samples_of(s, cell, 0), (size_t)s->width, weights);
    weights[0] -= (float)(around->mean * h->size);
    for (int i = 0; i < kind->predicted; i++)
        weights[kind->low[i]] -= w->batch.gain[row] * (float)sums[i * w->batch.lanes];
    for (int axis = 1; axis < SINR_AXIS_TRANSFORMS; axis++) {
        sinr_turn_vertically(h, axis, weights, w->vertical + (axis - 1) * h->count);
        sinr_turn_horizontally(h, axis, weights, w->horizontal + (axis - 1) * h->count);
    }
    float first = sinr_weights_cost(weights, w->finer, h->count) + SINR_FIRST_BITS;
    float by_rows = cheapest_axis(h, w->vertical, w->finer, &vertical);
    float by_columns = cheapest_axis(h, w->horizontal, w->finer, &horizontal);
    sinr_turn_horizontally(h, horizontal, w->vertical + (vertical - 1) * h->count, weights);
    float both = sinr_weights_cost(weights, w->finer, h->count);
    return SAVED_SHARE * fmaxf(0, first - SINR_OTHER_BITS - fminf(fminf(by_rows, by_columns), both));
}

static void cost_cells(const search *s, const sinr_kind *kind, int begin, int count, scratch *w) {
    const sinr_partition *uniform = &s->uniform[kind->index];
    int channels = s->channels, size = kind->harmonics.size, step = s->tables->step;
    const sinr_cell *cells[BATCH] = {NULL};
    float others[BATCH], least[BATCH];
    int best[BATCH];
    for (int i = 0; i < count; i++) cells[i] = uniform->cell + begin + i;
    sinr_batch_look(&w->batch, kind, &s->canvas, cells, count, step);
    for (int i = 0; i < count; i++) {
        int32_t deviation = w->batch.around[i * channels].deviation;
        others[i] = 0;
        least[i] = FLT_MAX;
        best[i] = 0;
        for (int c = 0; c < channels; c++)
            others[i] += others_cost(s, w, kind, cells[i], i * channels + c, c, deviation);
    }
    for (int mode = 0; mode < kind->predictor->modes; mode++) {
        sinr_batch_costs(&w->batch, kind, mode, step, mode);
        for (int i = 0; i < count; i++) {
            float cost = 0;
            for (int c = 0; c < channels; c++) cost += w->batch.costs[i * channels + c];
            if (cost >= least[i]) continue;
            least[i] = cost;
            best[i] = mode;
        }
    }
    for (int i = 0; i < count; i++) {
        int row = cells[i]->row * SINR_UNIT / size, col = cells[i]->col * SINR_UNIT / size;
        float saved = saving(s, w, kind, cells[i], i * channels, best[i]);
        s->costs[kind->index][row * (s->width / size) + col] =
            least[i] + others[i] - saved + CELL_BITS[kind->index];
    }
}

static int batches(const sinr_partition *p) { return (p->cells + BATCH - 1) / BATCH; }

static void cost_piece(void *context, int piece, int worker) {
    const search *s = context;
    int index = 0;
    while (piece >= batches(&s->uniform[index])) piece -= batches(&s->uniform[index++]);
    int begin = piece * BATCH, left = s->uniform[index].cells - begin;
    cost_cells(s, s->kinds + index, begin, left < BATCH ? left : BATCH, s->workers + worker);
}

sinr_status sinr_split_costs(
    const float *planes, int channels, int block_rows, int block_cols, const sinr_quantiser *quantiser,
    const sinr_kind *kinds, float *const *costs, sinr_pool *pool) {
    search s = {.planes = planes, .channels = channels, .kinds = kinds, .costs = costs};
    s.height = block_rows * SINR_BLOCK;
    s.width = block_cols * SINR_BLOCK;
    int workers = sinr_workers(pool);
    sinr_arena arena = {NULL, 0};
    layout(&s, workers, &arena);
    void *memory = sinr_reserve(&arena);
    if (!memory) return SINR_NO_MEMORY;
    layout(&s, workers, &arena);
    sinr_step_tables_fill(s.tables, quantiser);
    int pieces = 0;
    for (int index = 0; index < SINR_SIZES; index++) {
        memset(s.splits, SINR_UNIFORM[index], (size_t)block_rows * (size_t)block_cols);
        sinr_partition_fill(&s.uniform[index], s.splits);
        pieces += batches(&s.uniform[index]);
    }
    sinr_canvas_fill(&s.canvas, &s.uniform[0], channels, s.view);
    sinr_run(pool, view_strip, &s, channels * s.height / 16);
    sinr_run(pool, cost_piece, &s, pieces);
    free(memory);
    return SINR_OK;
}

void sinr_cheapest_splits(float *const *costs, int block_rows, int block_cols, uint8_t *splits) {
    for (int by = 0; by < block_rows; by++)
        for (int bx = 0; bx < block_cols; bx++) {
            float total = 0;
            int cut = 0;
            for (int q = 0; q < 4; q++) {
                int y = 2 * by + q / 2, x = 2 * bx + q % 2, width = 4 * block_cols;
                const float *small = costs[0] + 2 * y * width + 2 * x;
                float four = small[0] + small[1] + small[width] + small[width + 1];
                float whole = costs[1][y * 2 * block_cols + x];
                if (four < whole) cut |= 1 << q;
                total += four < whole ? four : whole;
            }
            int block = by * block_cols + bx;
            splits[block] = (uint8_t)(costs[2][block] <= total ? 0 : 1 + cut);
        }
}

/* Spectra */

typedef struct {
    const float *planes;
    int channels;
    const sinr_kind *kinds;
    const sinr_partition *partition;
    float *const *spectrum;
} spectra;

#define CELLS_AT_ONCE 64

static void spectra_piece(void *context, int piece, int worker) {
    const spectra *s = context;
    (void)worker;
    size_t width = (size_t)s->partition->cols * SINR_UNIT, plane = width * (size_t)s->partition->rows * SINR_UNIT;
    int begin = piece * CELLS_AT_ONCE, end = begin + CELLS_AT_ONCE;
    for (int i = begin; i < end && i < s->partition->cells; i++) {
        const sinr_cell *cell = s->partition->cell + i;
        const sinr_harmonics *h = &s->kinds[cell->index].harmonics;
        const float *samples = s->planes + (cell->row * width + cell->col) * SINR_UNIT;
        float *weights = s->spectrum[cell->index] + (size_t)cell->place * (size_t)(s->channels * h->count);
        for (int c = 0; c < s->channels; c++)
            sinr_spectrum(h, samples + (size_t)c * plane, width, weights + c * h->count);
    }
}

void sinr_spectra(
    const float *planes, int channels, const sinr_kind *kinds, const sinr_partition *partition,
    float *const *spectrum, sinr_pool *pool) {
    spectra s = {planes, channels, kinds, partition, spectrum};
    sinr_run(pool, spectra_piece, &s, (partition->cells + CELLS_AT_ONCE - 1) / CELLS_AT_ONCE);
}
