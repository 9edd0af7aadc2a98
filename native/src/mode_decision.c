#include "mode_decision.h"

#include "costs.h"

#include <float.h>
#include <math.h>
#include <string.h>

#define RESIDUAL 8

sinr_decision *sinr_decision_layout(const sinr_kind *kinds, int channels, sinr_arena *arena) {
    size_t predicted = 0, count = SINR_HARMONICS_MAX;
    for (int index = 0; index < SINR_SIZES; index++)
        if ((size_t)kinds[index].predicted > predicted) predicted = (size_t)kinds[index].predicted;
    sinr_decision *taken = sinr_take(arena, 1, sizeof *taken), d;
    memset(&d, 0, sizeof d);
    sinr_trial *trials = sinr_take(arena, 2, sizeof *trials);
    d.predicted = sinr_take(arena, (size_t)channels * predicted, sizeof *d.predicted);
    d.attempt = sinr_take(arena, predicted, sizeof *d.attempt);
    d.finer_grid = sinr_take(arena, count, sizeof *d.finer_grid);
    d.rest = sinr_take(arena, count, sizeof *d.rest);
    d.scratch = sinr_take(arena, count, sizeof *d.scratch);
    for (int c = 0; c < channels; c++) {
        d.grid[c] = sinr_take(arena, count, sizeof *d.grid[c]);
        d.own[c] = sinr_take(arena, count, sizeof *d.own[c]);
        d.finer[c] = sinr_take(arena, count, sizeof *d.finer[c]);
        d.rows[c] = sinr_take(arena, count, sizeof *d.rows[c]);
        d.turned[c] = sinr_take(arena, SINR_TRANSFORMS * count, sizeof *d.turned[c]);
        for (int t = 0; t < 2; t++) {
            float *weights = sinr_take(arena, count, sizeof *weights);
            float *values = sinr_take(arena, count, sizeof *values);
            if (!trials) continue;
            trials[t].weights[c] = weights;
            trials[t].values[c] = values;
        }
    }
    if (!taken) return NULL;
    d.best = trials;
    d.other = trials + 1;
    *taken = d;
    return taken;
}

/* Weights of a plane in steps, and what else is looked up for it. */
static void prepare(sinr_decision *d, const sinr_known *known, int c) {
    const sinr_kind *kind = known->kind;
    const sinr_harmonics *h = &kind->harmonics;
    const sinr_around *around = sinr_known_around(known);
    const float *spectrum = known->spectrum + c * h->count;
    float finer[SINR_DIAGONALS], steps = 1.0f / (float)known->tables->step, *grid = d->grid[c];
    sinr_finer(kind, known->tables, c, around[0].deviation, finer);
    for (int i = 0; i < h->count; i++) grid[i] = spectrum[i] * steps;
    grid[0] = (spectrum[0] - (float)(around[c].mean * h->size)) * steps;
    for (int i = 0; i < h->count; i++) {
        float own = finer[h->diagonal[i]];
        d->finer[c][i] = own;
        d->own[c][i] = grid[h->scan[i]] * own;
    }
    if (!c)
        for (int k = 0; k < h->size; k++)
            memcpy(d->finer_grid + k * h->size, finer + k, (size_t)h->size * sizeof *finer);
    if (known->rows) {
        const uint8_t *rows = known->rows + c * h->count;
        for (int i = 0; i < h->count; i++) d->rows[c][i] = rows[h->scan[i]];
    } else
        memset(d->rows[c], 0, (size_t)h->count);
    d->known[c] = 0;
}

/* The most promising of some, `best` of them at most; the first of equal ones first. */
static int rank(const float *costs, int count, int first, int best, int *ranked) {
    uint8_t taken[256] = {0};
    int found = 0;
    for (; found < best; found++) {
        int least = -1;
        for (int i = first; i < count; i++)
            if (!taken[i] && (least < 0 || costs[i] < costs[least])) least = i;
        if (least < 0) break;
        taken[least] = 1;
        ranked[found] = least;
    }
    return found;
}

/* What a decoder predicts, as `sinr_predict` does, of one plane. */
static void predict(const sinr_known *known, int mode, int c, int32_t *predicted) {
    const sinr_kind *kind = known->kind;
    const int32_t *sums = sinr_batch_sums(known->batch, kind, mode) + known->row + c;
    int64_t gain = sinr_known_around(known)[c].scale << kind->index;
    for (int i = 0; i < kind->predicted; i++, sums += known->batch->lanes) {
        int64_t weight = (*sums * gain + (1 << 19)) >> 20;
        predicted[i] = (int32_t)(weight < -SINR_WEIGHT_MAX  ? -SINR_WEIGHT_MAX
                                 : weight > SINR_WEIGHT_MAX ? SINR_WEIGHT_MAX
                                                            : weight);
    }
}

/* The residual that a trial's mode or transform leaves in a plane. */
static void mode_weights(sinr_decision *d, const sinr_known *known, int c) {
    const sinr_kind *kind = known->kind;
    float steps = 1.0f / (float)known->tables->step, *weights = d->other->weights[c];
    predict(known, d->other->mode, c, d->attempt);
    for (int i = 0; i < kind->predicted; i++)
        weights[i] = d->own[c][i] - (float)d->attempt[kind->place[i]] * steps * d->finer[c][i];
    memcpy(
        weights + kind->predicted, d->own[c] + kind->predicted,
        (size_t)(kind->harmonics.count - kind->predicted) * sizeof *weights);
}

/* The residual of the best mode by a vertical type and all horizontal ones. */
static void turn(sinr_decision *d, const sinr_known *known, int c, int vertical) {
    const sinr_kind *kind = known->kind;
    const sinr_harmonics *h = &kind->harmonics;
    float *turned = d->turned[c], *row = turned + 3 * vertical * h->count;
    if (!(d->known[c] & RESIDUAL)) {
        const int32_t *predicted = d->predicted + c * kind->predicted;
        float steps = 1.0f / (float)known->tables->step;
        memcpy(turned, d->grid[c], (size_t)h->count * sizeof *turned);
        for (int i = 0; i < kind->predicted; i++) turned[kind->low[i]] -= (float)predicted[i] * steps;
        sinr_turn_vertically(h, turned, turned + 3 * h->count, turned + 6 * h->count);
        d->known[c] |= RESIDUAL;
    }
    if (!(d->known[c] & 1 << vertical)) sinr_turn_horizontally(h, row, row + h->count, row + 2 * h->count);
    d->known[c] |= 1 << vertical;
}

static void transform_weights(sinr_decision *d, const sinr_known *known, int c) {
    const sinr_harmonics *h = &known->kind->harmonics;
    turn(d, known, c, d->other->transform / 3);
    const float *turned = d->turned[c] + d->other->transform * h->count;
    float *weights = d->other->weights[c];
    for (int i = 0; i < h->count; i++) weights[i] = turned[h->scan[i]] * d->finer[c][i];
}

/* What quantised luma leaves of the residual of chroma. Luma counts its own steps; what it adds to chroma counts
 * those of chroma. */
static const float *after_luma(sinr_decision *d, const sinr_known *known, const sinr_trial *trial, int c) {
    const sinr_harmonics *h = &known->kind->harmonics;
    const int32_t *slope = sinr_known_around(known)[c].slope;
    if (!trial->kept[0] || !(slope[0] | slope[1])) return trial->weights[c];
    memcpy(d->rest, trial->weights[c], (size_t)h->count * sizeof *d->rest);
    float slopes[2] = {(float)slope[0] / 64.0f, (float)slope[1] / 64.0f};
    for (int i = 0; i < trial->kept[0]; i++)
        if (trial->values[0][i] != 0.0f)
            d->rest[i] -= slopes[h->band[i]] * (d->finer[c][i] / d->finer[0][i]) * trial->values[0][i];
    return d->rest;
}

/* Quantises the residual of the other trial, luma first, and keeps it if it is cheaper than the best. */
static void try(sinr_decision *d, const sinr_known *known, int mode, int transform) {
    const sinr_harmonics *h = &known->kind->harmonics;
    sinr_trial *trial = d->other;
    trial->mode = mode;
    trial->transform = transform;
    trial->cost = known->transforms[transform] + (known->modes ? known->modes[mode] : 0);
    for (int c = 0; c < known->channels; c++) {
        const float *weights = trial->weights[c];
        if (transform)
            transform_weights(d, known, c);
        else
            mode_weights(d, known, c);
        if (c) weights = after_luma(d, known, trial, c);
        trial->cost +=
            sinr_quantise(h, known->bits, d->rows[c], weights, trial->values[c], d->scratch, &trial->kept[c]);
        /* No plane costs less than nothing; and without luma there is no transform type. */
        if (trial->cost >= d->best->cost || (transform && !trial->kept[0])) return;
    }
    d->other = d->best;
    d->best = trial;
}

static void try_transforms(sinr_decision *d, const sinr_known *known, int trials) {
    const sinr_harmonics *h = &known->kind->harmonics;
    float costs[SINR_TRANSFORMS];
    for (int vertical = 0; vertical < 3; vertical++) turn(d, known, 0, vertical);
    for (int t = 1; t < SINR_TRANSFORMS; t++)
        costs[t] = sinr_weights_cost(d->turned[0] + t * h->count, d->finer_grid, h->count) + known->transforms[t];
    int ranked[SINR_TRANSFORMS], mode = d->best->mode;
    int count = rank(costs, SINR_TRANSFORMS, 1, trials, ranked);
    for (int i = 0; i < count; i++) try(d, known, mode, ranked[i]);
}

void sinr_decide(sinr_decision *d, const sinr_known *known, int trials) {
    int ranked[256];
    for (int c = 0; c < known->channels; c++) prepare(d, known, c);
    d->best->cost = FLT_MAX;
    int count = rank(known->costs, known->kind->predictor->modes, 0, trials, ranked);
    for (int i = 0; i < count; i++) try(d, known, ranked[i], 0);
    for (int c = 0; c < known->channels; c++)
        predict(known, d->best->mode, c, d->predicted + c * known->kind->predicted);
    try_transforms(d, known, trials);
}

/* Zeros up to a whole group, and magnitudes that a decoder accepts, less one to move by; no picture comes near. */
static void tidy(const sinr_known *known, float *values, int kept) {
    float largest = (float)(SINR_WEIGHT_MAX / known->tables->step - 1);
    for (int i = 0; i < kept; i++) values[i] = fmaxf(fminf(values[i], largest), -largest);
    for (int i = kept; i % SINR_GROUP; i++) values[i] = 0;
}

void sinr_decision_hide(sinr_decision *d, const sinr_known *known) {
    const sinr_harmonics *h = &known->kind->harmonics;
    sinr_trial *best = d->best;
    for (int c = 0; c < known->channels; c++) {
        const float *weights = best->weights[c];
        if (c) {
            weights = after_luma(d, known, best, c);
            sinr_quantise(h, known->bits, d->rows[c], weights, best->values[c], d->scratch, &best->kept[c]);
        }
        tidy(known, best->values[c], best->kept[c]);
        sinr_hide_signs(h, known->bits, d->rows[c], weights, best->values[c], best->kept[c]);
    }
}

void sinr_decision_values(const sinr_decision *d, const sinr_known *known, int32_t *values) {
    const sinr_harmonics *h = &known->kind->harmonics;
    memset(values, 0, (size_t)(known->channels * h->count) * sizeof *values);
    for (int c = 0; c < known->channels; c++, values += h->count)
        for (int i = 0; i < d->best->kept[c]; i++) values[h->scan[i]] = (int32_t)d->best->values[c][i];
}
