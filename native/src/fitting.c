/* One pass over the cells of a tile, each seeing its neighbours exactly as the decoder will. */
#include "costs.h"
#include "decisions.h"
#include "kinds.h"
#include "mode_decision.h"

#include <stdlib.h>
#include <string.h>

/* Cells whose boundaries go through the networks together, at most; and how many are worth sharing. */
#define BATCH 8
#define WORTH_SHARING 4

/* EXCHANGE * (1 - 2 * the dead zone's offset): integers are rounded up from 0.64. */
#define PLAIN_BITS (SINR_EXCHANGE * (1.0f - 2.0f * 0.36f))

typedef struct {
    sinr_batch batch;
    sinr_decision *decision;
    int32_t *residual;
    double *drawing;
} scratch;

typedef struct {
    const float *const *spectrum;
    sinr_predictor *const *predictors;
    const sinr_rate *rate;
    int trials;
    bool hide;
    sinr_symbols *symbols;
    sinr_step_tables *tables;
    sinr_kind *kinds;
    sinr_canvas canvas;
    int32_t *pieces; /* (cells + 1) where those of a level begin in the partition's order */
    scratch *workers;
} fitting;

static void layout(fitting *f, int workers, sinr_arena *arena) {
    int channels = f->symbols->channels, modes = f->predictors[0]->modes;
    f->tables = sinr_take(arena, 1, sizeof *f->tables);
    f->kinds = sinr_kinds_layout(f->predictors, arena);
    sinr_canvas_layout(&f->canvas, arena);
    f->pieces = sinr_take(arena, (size_t)f->symbols->partition->cells + 1, sizeof *f->pieces);
    f->workers = sinr_take(arena, (size_t)workers, sizeof *f->workers);
    for (int i = 0; i < workers; i++) {
        scratch w;
        sinr_batch_layout(&w.batch, f->predictors, BATCH, channels, modes, arena);
        w.decision = sinr_decision_layout(f->predictors, channels, arena);
        w.residual = sinr_take(arena, (size_t)channels * SINR_HARMONICS_MAX, sizeof *w.residual);
        w.drawing = sinr_take(arena, SINR_DRAW_SCRATCH, sizeof *w.drawing);
        if (f->workers) f->workers[i] = w;
    }
}

static void fit_cell(const fitting *f, scratch *w, int id, const sinr_known *known) {
    const sinr_symbols *symbols = f->symbols;
    const sinr_cell *cell = symbols->partition->cell + id;
    size_t place = (size_t)cell->place * (size_t)(known->channels * known->kind->harmonics.count);
    int32_t *residuals = symbols->residuals[cell->index] + place;
    sinr_decision *d = w->decision;
    sinr_decide(d, known, f->trials);
    if (f->hide) sinr_decision_hide(d, known);
    sinr_decision_values(d, known, residuals);
    symbols->modes[id] = (uint8_t)d->best->mode;
    symbols->transforms[id] = (uint8_t)d->best->transform;
    sinr_dequantise(
        f->tables, cell->index, known->channels, known->around->deviation, residuals, w->residual);
    sinr_draw(
        &f->canvas, cell, known->around, d->predicted, (size_t)known->kind->stride, w->residual, d->best->transform,
        w->drawing);
}

/* Fits some cells of one size that do not look at each other. */
static void fit_piece(void *context, int piece, int worker) {
    const fitting *f = context;
    const sinr_partition *partition = f->symbols->partition;
    scratch *w = f->workers + worker;
    const int32_t *ids = partition->order + f->pieces[piece];
    int count = f->pieces[piece + 1] - f->pieces[piece], channels = f->symbols->channels;
    int index = partition->cell[ids[0]].index, rows = count * channels;
    const sinr_kind *kind = f->kinds + index;
    const sinr_predictor *p = kind->predictor;
    const sinr_cell *cells[BATCH] = {NULL};
    for (int i = 0; i < count; i++) cells[i] = partition->cell + ids[i];
    sinr_batch_look(&w->batch, kind, &f->canvas, cells, count, f->tables->step);
    size_t stride = (size_t)kind->stride, mode_stride = (size_t)rows * stride;
    for (int mode = 0; mode < p->modes; mode++)
        sinr_multiply(
            &p->third[mode], w->batch.features, sinr_feature_stride(p), w->batch.sums + (size_t)mode * mode_stride,
            stride, rows);
    sinr_known known = {.kind = kind, .tables = f->tables, .channels = channels, .mode_stride = mode_stride};
    known.bits = f->rate->bits[index];
    known.transforms = f->rate->transforms[index];
    for (int i = 0; i < count; i++) {
        size_t place = (size_t)cells[i]->place, harmonics = place * (size_t)(channels * kind->harmonics.count);
        known.spectrum = f->spectrum[index] + harmonics;
        known.around = w->batch.around + i * channels;
        known.sums = w->batch.sums + (size_t)(i * channels) * stride;
        known.rows = f->rate->rows[index] ? f->rate->rows[index] + harmonics : NULL;
        known.modes = f->rate->modes[index] ? f->rate->modes[index] + place * (size_t)p->modes : NULL;
        fit_cell(f, w, ids[i], &known);
    }
}

static int smaller(int a, int b) { return a < b ? a : b; }

/* Fits the cells of one level, the groups `begin` ... `end` - 1. */
static void fit_level(fitting *f, int begin, int end, sinr_pool *pool) {
    const int32_t *group = f->symbols->partition->group;
    int workers = sinr_workers(pool), cells = group[end] - group[begin], pieces = 0;
    if (cells < WORTH_SHARING) workers = 1;
    int batch = smaller(BATCH, (cells + workers - 1) / workers);
    for (int g = begin; g < end; g++)
        for (int32_t first = group[g]; first < group[g + 1]; first += batch) f->pieces[pieces++] = first;
    f->pieces[pieces] = group[end];
    sinr_run(workers > 1 ? pool : NULL, fit_piece, f, pieces);
}

sinr_status sinr_fit_pass(
    const float *const *spectrum, const sinr_quantiser *quantiser, sinr_predictor *const *predictors,
    const sinr_rate *rate, int trials, bool hide, sinr_symbols *symbols, int16_t *planes, sinr_pool *pool) {
    const sinr_partition *partition = symbols->partition;
    if (trials < 1 || symbols->channels > SINR_CHANNELS_MAX) return SINR_ARGUMENT;
    fitting f = {
        .spectrum = spectrum, .predictors = predictors, .rate = rate, .trials = trials, .hide = hide,
        .symbols = symbols};
    int workers = sinr_workers(pool);
    sinr_arena arena = {NULL, 0};
    layout(&f, workers, &arena);
    sinr_status status;
    void *memory = sinr_allocate(&arena, &status);
    if (status) return status;
    layout(&f, workers, &arena);
    sinr_step_tables_fill(f.tables, quantiser);
    sinr_kinds_fill(f.kinds, predictors);
    sinr_canvas_fill(&f.canvas, partition, symbols->channels, planes);
    for (int begin = 0, end; begin < partition->groups; begin = end) {
        int level = partition->cell[partition->order[partition->group[begin]]].level;
        for (end = begin + 1; end < partition->groups; end++)
            if (partition->cell[partition->order[partition->group[end]]].level != level) break;
        fit_level(&f, begin, end, pool);
    }
    free(memory);
    return SINR_OK;
}

void sinr_rate_plain(sinr_rate *rate, sinr_plain_rate *memory) {
    memset(rate, 0, sizeof *rate);
    for (int i = 0; i < SINR_MAGNITUDE_ROWS * SINR_MAGNITUDES; i++)
        memory->bits[i] = PLAIN_BITS * (float)(i % SINR_MAGNITUDES);
    for (int t = 0; t < SINR_TRANSFORMS; t++) memory->transforms[t] = t ? 4.0f : 1.0f;
    for (int index = 0; index < SINR_SIZES; index++) {
        rate->bits[index] = memory->bits;
        rate->transforms[index] = memory->transforms;
    }
}
