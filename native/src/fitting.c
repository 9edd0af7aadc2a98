/* One pass over the cells of a tile, each seeing its neighbours exactly as the decoder will. */
#include "costs.h"
#include "decisions.h"
#include "kinds.h"
#include "mode_decision.h"

#include <stdlib.h>
#include <string.h>

/* Cells whose boundaries go through the networks together, at most; and how many are worth sharing. */
#define BATCH 16
#define WORTH_SHARING 4

/* EXCHANGE * (1 - 2 * the dead zone's offset): integers are rounded up from 0.64. */
#define PLAIN_BITS (SINR_EXCHANGE * (1.0f - 2.0f * 0.36f))

typedef struct {
    sinr_batch batch;
    sinr_decision *decision;
    float *costs; /* (BATCH, modes) */
    int32_t *residual;
    double *drawing;
} scratch;

typedef struct {
    const float *const *spectrum;
    const sinr_kind *kinds;
    const sinr_rate *rate;
    int trials;
    bool hide;
    sinr_symbols *symbols;
    float *costs; /* (cells), or NULL */
    sinr_step_tables *tables;
    sinr_canvas canvas;
    int32_t *pieces; /* (cells + 1) */
    scratch *workers;
} fitting;

static void layout(fitting *f, int workers, sinr_arena *arena) {
    int channels = f->symbols->channels, modes = f->kinds[0].predictor->modes;
    f->tables = sinr_take(arena, 1, sizeof *f->tables);
    sinr_canvas_layout(&f->canvas, arena);
    f->pieces = sinr_take(arena, (size_t)f->symbols->partition->cells + 1, sizeof *f->pieces);
    f->workers = sinr_take(arena, (size_t)workers, sizeof *f->workers);
    for (int i = 0; i < workers; i++) {
        scratch w;
        sinr_batch_layout(&w.batch, f->kinds, BATCH, channels, modes, arena);
        w.decision = sinr_decision_layout(f->kinds, channels, arena);
        w.costs = sinr_take(arena, (size_t)(BATCH * modes), sizeof *w.costs);
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
    const sinr_around *around = sinr_known_around(known);
    sinr_decision *d = w->decision;
    sinr_decide(d, known, f->trials);
    if (f->costs) f->costs[id] = d->best->cost;
    if (f->hide) sinr_decision_hide(d, known);
    sinr_decision_values(d, known, residuals);
    symbols->modes[id] = (uint8_t)d->best->mode;
    symbols->transforms[id] = (uint8_t)d->best->transform;
    sinr_dequantise(f->tables, cell->index, known->channels, around->deviation, residuals, w->residual);
    sinr_draw(
        &f->canvas, cell, around, d->predicted, (size_t)known->kind->predicted, w->residual, d->best->transform,
        w->drawing);
}

/* Looks around some cells, and at what all modes leave of them. */
static void look(const fitting *f, scratch *w, const sinr_kind *kind, const sinr_cell *const *cells, int count) {
    int channels = f->symbols->channels, modes = kind->predictor->modes, step = f->tables->step;
    sinr_batch_look(&w->batch, kind, &f->canvas, cells, count, step);
    for (int row = 0; row < w->batch.rows; row++) {
        int cell = row / channels, c = row % channels;
        float finer[SINR_DIAGONALS];
        sinr_finer(kind, f->tables, c, w->batch.around[cell * channels].deviation, finer);
        size_t plane = (size_t)cells[cell]->place * (size_t)channels + (size_t)c;
        const float *spectrum = f->spectrum[kind->index] + plane * (size_t)kind->harmonics.count;
        sinr_batch_weights(&w->batch, kind, row, spectrum, step, finer);
    }
    for (int mode = 0; mode < modes; mode++) {
        sinr_batch_costs(&w->batch, kind, mode, step, mode);
        for (int i = 0; i < count; i++) {
            float *cost = w->costs + i * modes + mode;
            *cost = 0;
            for (int c = 0; c < channels; c++) *cost += w->batch.costs[i * channels + c];
        }
    }
}

/* Fits some cells of one size that do not look at each other. */
static void fit_cells(void *context, const int32_t *ids, int count, int worker) {
    const fitting *f = context;
    const sinr_partition *partition = f->symbols->partition;
    scratch *w = f->workers + worker;
    int channels = f->symbols->channels;
    int index = partition->cell[ids[0]].index;
    const sinr_kind *kind = f->kinds + index;
    const sinr_cell *cells[BATCH] = {NULL};
    for (int i = 0; i < count; i++) cells[i] = partition->cell + ids[i];
    look(f, w, kind, cells, count);
    sinr_known known = {.kind = kind, .tables = f->tables, .channels = channels, .batch = &w->batch};
    known.bits = f->rate->bits[index];
    known.transforms = f->rate->transforms[index];
    size_t modes = (size_t)kind->predictor->modes;
    for (int i = 0; i < count; i++) {
        size_t place = (size_t)cells[i]->place, harmonics = place * (size_t)(channels * kind->harmonics.count);
        known.spectrum = f->spectrum[index] + harmonics;
        known.row = i * channels;
        known.costs = w->costs + (size_t)i * modes;
        known.rows = f->rate->rows[index] ? f->rate->rows[index] + harmonics : NULL;
        known.modes = f->rate->modes[index] ? f->rate->modes[index] + place * modes : NULL;
        fit_cell(f, w, ids[i], &known);
    }
}

sinr_status sinr_fit_pass(
    const float *const *spectrum, const sinr_quantiser *quantiser, const sinr_kind *kinds, const sinr_rate *rate,
    int trials, bool hide, sinr_symbols *symbols, float *costs, int16_t *planes, sinr_pool *pool) {
    const sinr_partition *partition = symbols->partition;
    if (trials < 1 || symbols->channels > SINR_CHANNELS_MAX) return SINR_ARGUMENT;
    fitting f = {
        .spectrum = spectrum,
        .kinds = kinds,
        .rate = rate,
        .trials = trials,
        .hide = hide,
        .symbols = symbols,
        .costs = costs};
    int workers = sinr_workers(pool);
    sinr_arena arena = {NULL, 0};
    layout(&f, workers, &arena);
    void *memory = sinr_reserve(&arena);
    if (!memory) return SINR_NO_MEMORY;
    layout(&f, workers, &arena);
    sinr_step_tables_fill(f.tables, quantiser);
    sinr_canvas_fill(&f.canvas, partition, symbols->channels, planes);
    sinr_visit_cells(partition, BATCH, WORTH_SHARING, fit_cells, &f, f.pieces, pool);
    free(memory);
    return SINR_OK;
}

void sinr_rate_plain(sinr_rate *rate, sinr_plain_rate *memory) {
    memset(rate, 0, sizeof *rate);
    for (int i = 0; i < SINR_MAGNITUDE_ROWS * SINR_MAGNITUDES; i++)
        memory->bits[i] = PLAIN_BITS * (float)(i % SINR_MAGNITUDES);
    for (int index = 0; index < SINR_SIZES; index++) rate->bits[index] = memory->bits;
}
