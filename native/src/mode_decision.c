#include "mode_decision.h"

#include "costs.h"
#include "entropy.h"
#include "transform_types.h"

#include <float.h>
#include <math.h>
#include <string.h>

/* Bits more for every axis that is cut: what is known of the rate is of a pass in which it may not have been. */
#define CUT_BITS 3.0f

/* The class of bandwidths that is expected of what is not quantised yet. */
#define MIDDLE 1

/* What is known of a plane and the present mode, besides the transform types. */
#define PREDICTED ((uint64_t)1 << SINR_TRANSFORMS)

sinr_decision *sinr_decision_layout(const sinr_kind *kinds, int channels, sinr_arena *arena) {
    size_t predicted = 0, count = SINR_HARMONICS_MAX;
    for (int index = 0; index < SINR_SIZES; index++)
        if ((size_t)kinds[index].predicted > predicted) predicted = (size_t)kinds[index].predicted;
    sinr_decision *taken = sinr_take(arena, 1, sizeof *taken), d;
    memset(&d, 0, sizeof d);
    sinr_trial *trials = sinr_take(arena, 2, sizeof *trials);
    d.predicted = sinr_take(arena, (size_t)channels * predicted, sizeof *d.predicted);
    d.finer_grid = sinr_take(arena, count, sizeof *d.finer_grid);
    d.rest = sinr_take(arena, count, sizeof *d.rest);
    d.scratch = sinr_take(arena, count, sizeof *d.scratch);
    for (int c = 0; c < channels; c++) {
        d.grid[c] = sinr_take(arena, count, sizeof *d.grid[c]);
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
    for (int i = 0; i < h->count; i++) d->finer[c][i] = finer[h->diagonal[i]];
    if (!c)
        for (int k = 0; k < h->size; k++)
            memcpy(d->finer_grid + k * h->size, finer + k, (size_t)h->size * sizeof *finer);
    if (known->rows) {
        const uint8_t *rows = known->rows + c * h->count;
        for (int i = 0; i < h->count; i++) d->rows[c][i] = rows[h->scan[i]];
    } else
        memset(d->rows[c], 0, (size_t)h->count);
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

static void begin_mode(sinr_decision *d, const sinr_known *known, int mode) {
    d->mode = mode;
    for (int c = 0; c < known->channels; c++) d->known[c] = 0;
}

/* What a decoder predicts of a plane, as `sinr_predict` does, by the present mode. */
static const int32_t *predicted(sinr_decision *d, const sinr_known *known, int c) {
    const sinr_kind *kind = known->kind;
    int32_t *weights = d->predicted + c * kind->predicted;
    if (d->known[c] & PREDICTED) return weights;
    d->known[c] |= PREDICTED;
    const int32_t *sums = sinr_batch_sums(known->batch, kind, d->mode) + known->row + c;
    int64_t gain = sinr_known_around(known)[c].scale << kind->index;
    for (int i = 0; i < kind->predicted; i++, sums += known->batch->lanes) {
        int64_t weight = (*sums * gain + (1 << 19)) >> 20;
        weights[i] = (int32_t)(weight < -SINR_WEIGHT_MAX  ? -SINR_WEIGHT_MAX
                               : weight > SINR_WEIGHT_MAX ? SINR_WEIGHT_MAX
                                                          : weight);
    }
    return weights;
}

/* The residual that the present mode leaves in a plane, by a transform type, grid order. */
static const float *turned(sinr_decision *d, const sinr_known *known, int c, int transform) {
    const sinr_kind *kind = known->kind;
    const sinr_harmonics *h = &kind->harmonics;
    const int vertical = transform / SINR_AXIS_TRANSFORMS, horizontal = transform % SINR_AXIS_TRANSFORMS;
    float *result = d->turned[c] + (size_t)transform * (size_t)h->count;
    if (d->known[c] & (uint64_t)1 << transform) return result;
    d->known[c] |= (uint64_t)1 << transform;
    if (horizontal)
        sinr_turn_horizontally(h, horizontal, turned(d, known, c, transform - horizontal), result);
    else if (vertical)
        sinr_turn_vertically(h, vertical, turned(d, known, c, 0), result);
    else {
        const int32_t *told = predicted(d, known, c);
        float steps = 1.0f / (float)known->tables->step;
        memcpy(result, d->grid[c], (size_t)h->count * sizeof *result);
        for (int i = 0; i < kind->predicted; i++) result[kind->low[i]] -= (float)told[i] * steps;
    }
    return result;
}

/* The same by the transform type that is tried, in the steps of the weights, scan order. */
static void tried_weights(sinr_decision *d, const sinr_known *known, int c) {
    const sinr_harmonics *h = &known->kind->harmonics;
    const float *grid = turned(d, known, c, d->other->transform);
    float *weights = d->other->weights[c];
    for (int i = 0; i < h->count; i++) weights[i] = grid[h->scan[i]] * d->finer[c][i];
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

/* Of a transform type and the present mode, in a cell of some class of bandwidths. */
static float transform_bits(const sinr_decision *d, const sinr_known *known, int transform, int class) {
    float more = CUT_BITS * (float)sinr_cut_axes(transform);
    if (!known->transforms) return more + (transform ? SINR_OTHER_BITS : SINR_FIRST_BITS);
    int row = d->mode * SINR_BANDWIDTHS + class;
    return more + known->transforms[row * SINR_TRANSFORMS + transform];
}

/* Quantises the residual of the other trial, luma first, and keeps it if it is cheaper than the best. */
static void try(sinr_decision *d, const sinr_known *known, int transform) {
    const sinr_harmonics *h = &known->kind->harmonics;
    sinr_trial *trial = d->other;
    trial->mode = d->mode;
    trial->transform = transform;
    trial->cost = known->modes ? known->modes[d->mode] : 0;
    for (int c = 0; c < known->channels; c++) {
        const float *weights = trial->weights[c];
        tried_weights(d, known, c);
        if (c) weights = after_luma(d, known, trial, c);
        trial->cost +=
            sinr_quantise(h, known->bits, d->rows[c], weights, trial->values[c], d->scratch, &trial->kept[c]);
        /* Without luma there is no transform type. */
        if (!c && trial->kept[0]) {
            int last = h->diagonal[trial->kept[0] - 1] + 1;
            trial->cost += transform_bits(d, known, transform, sinr_bandwidth_class(last, known->kind->index));
        }
        /* No plane costs less than nothing. */
        if (trial->cost >= d->best->cost || (transform && !trial->kept[0])) return;
    }
    d->other = d->best;
    d->best = trial;
}

/* Transform types but the first, by what they leave of luma: the most promising. */
static int rank_transforms(sinr_decision *d, const sinr_known *known, int trials, int *ranked) {
    const int count = known->kind->harmonics.count;
    float costs[SINR_TRANSFORMS];
    for (int t = 1; t < SINR_TRANSFORMS; t++)
        costs[t] =
            sinr_weights_cost(turned(d, known, 0, t), d->finer_grid, count) + transform_bits(d, known, t, MIDDLE);
    return rank(costs, SINR_TRANSFORMS, 1, trials, ranked);
}

void sinr_decide(sinr_decision *d, const sinr_known *known, int trials) {
    int ranked[256];
    for (int c = 0; c < known->channels; c++) prepare(d, known, c);
    d->best->cost = FLT_MAX;
    int count = rank(known->costs, known->kind->predictor->modes, 0, trials, ranked);
    int transforms[SINR_TRANSFORMS], types = 0;
    for (int i = 0; i < count; i++) {
        begin_mode(d, known, ranked[i]);
        try(d, known, 0);
        /* What suits the most promising mode suits the others. */
        if (!i) types = rank_transforms(d, known, trials, transforms);
        for (int t = 0; t < types; t++) try(d, known, transforms[t]);
    }
    if (d->best->mode != d->mode) begin_mode(d, known, d->best->mode);
    for (int c = 0; c < known->channels; c++) predicted(d, known, c);
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
