#include "kinds.h"

#include "costs.h"

#include <string.h>

sinr_kind *sinr_kinds_layout(sinr_predictor *const *predictors, sinr_arena *arena) {
    sinr_kind *kinds = sinr_take(arena, SINR_SIZES, sizeof *kinds);
    for (int index = 0; index < SINR_SIZES; index++) {
        const sinr_predictor *p = predictors[index];
        sinr_kind kind;
        memset(&kind, 0, sizeof kind);
        kind.predictor = p;
        kind.index = index;
        kind.predicted = p->harmonics;
        kind.low = sinr_take(arena, (size_t)p->harmonics, sizeof *kind.low);
        kind.third = sinr_take(arena, (size_t)p->modes, sizeof *kind.third);
        for (int mode = 0; mode < p->modes; mode++) {
            sinr_pruned third;
            sinr_pruned_layout(&third, &p->third[mode], arena);
            if (kind.third) kind.third[mode] = third;
        }
        if (kinds) kinds[index] = kind;
    }
    return kinds;
}

void sinr_kinds_fill(sinr_kind *kinds) {
    for (int index = 0; index < SINR_SIZES; index++) {
        sinr_kind *kind = kinds + index;
        const sinr_predictor *p = kind->predictor;
        sinr_harmonics_fill(&kind->harmonics, SINR_UNIT << index);
        sinr_predicted_harmonics(SINR_UNIT << index, kind->low);
        for (int mode = 0; mode < p->modes; mode++)
            sinr_pruned_fill(&kind->third[mode], &p->third[mode], p->bias3 + (size_t)(mode * p->harmonics));
    }
}

static size_t larger(size_t a, size_t b) { return a > b ? a : b; }

void sinr_batch_layout(
    sinr_batch *batch, const sinr_kind *kinds, int cells, int channels, int predictions, sinr_arena *arena) {
    size_t boundary = 0, features = 0, sums = 0, predicted = 0, rows = (size_t)(cells * channels);
    size_t lanes = (size_t)sinr_lanes(cells * channels);
    for (int index = 0; index < SINR_SIZES; index++) {
        const sinr_predictor *p = kinds[index].predictor;
        boundary = larger(boundary, sinr_boundary_stride(p));
        features = larger(features, sinr_feature_stride(p));
        sums = larger(sums, sinr_sums_stride(p));
        predicted = larger(predicted, (size_t)p->harmonics);
    }
    batch->rows = batch->lanes = 0;
    batch->boundary = sinr_take(arena, rows * boundary, sizeof *batch->boundary);
    batch->features = sinr_take(arena, rows * features, sizeof *batch->features);
    batch->scratch = sinr_take(arena, rows * sums, sizeof *batch->scratch);
    batch->around = sinr_take(arena, rows, sizeof *batch->around);
    batch->sides = sinr_take(arena, lanes * features, sizeof *batch->sides);
    batch->sums = sinr_take(arena, (size_t)predictions * predicted * lanes, sizeof *batch->sums);
    batch->gain = sinr_take(arena, lanes, sizeof *batch->gain);
    batch->low = sinr_take(arena, predicted * lanes, sizeof *batch->low);
    batch->low_finer = sinr_take(arena, predicted * lanes, sizeof *batch->low_finer);
    batch->costs = sinr_take(arena, lanes, sizeof *batch->costs);
}

void sinr_batch_look(
    sinr_batch *batch, const sinr_kind *kind, const sinr_canvas *canvas, const sinr_cell *const *cells, int count,
    int step) {
    const sinr_predictor *p = kind->predictor;
    size_t stride = sinr_boundary_stride(p);
    batch->rows = count * canvas->channels;
    batch->lanes = sinr_lanes(batch->rows);
    for (int i = 0; i < count; i++)
        sinr_gather(canvas, cells[i], batch->boundary + (size_t)(i * canvas->channels) * stride, stride);
    sinr_look_around(
        p, batch->boundary, count, canvas->channels, step, batch->around, batch->features, batch->scratch);
    sinr_side_by_side(&p->third[0], batch->features, sinr_feature_stride(p), batch->rows, batch->sides);
    for (int row = 0; row < batch->lanes; row++)
        batch->gain[row] = row < batch->rows ? (float)(batch->around[row].scale << kind->index) / 1048576.0f : 0;
    /* Rows that only fill up cost nothing. */
    for (int i = 0; i < kind->predicted; i++)
        for (int row = batch->rows; row < batch->lanes; row++)
            batch->low[i * batch->lanes + row] = batch->low_finer[i * batch->lanes + row] = 0;
}

void sinr_batch_weights(
    sinr_batch *batch, const sinr_kind *kind, int row, const float *weights, int step, const float *finer) {
    int size = kind->harmonics.size;
    float steps = 1.0f / (float)step, *low = batch->low + row, *low_finer = batch->low_finer + row;
    float first = (weights[0] - (float)(batch->around[row].mean * size)) * steps;
    for (int k = 0; k < size; k++)
        for (int m = 0; m < sinr_predicted_columns(size, k); m++) {
            *low = weights[k * size + m] * steps;
            *low_finer = finer[k + m];
            low += batch->lanes;
            low_finer += batch->lanes;
        }
    batch->low[row] = first;
}

void sinr_batch_costs(sinr_batch *batch, const sinr_kind *kind, int mode, int step, int prediction) {
    int32_t *sums = sinr_batch_sums(batch, kind, prediction);
    sinr_pruned_multiply(&kind->third[mode], batch->sides, batch->lanes, sums);
    sinr_residual_costs(
        batch->low, sums, batch->gain, 1.0f / (float)step, batch->low_finer, kind->predicted, batch->lanes,
        batch->costs);
}

void sinr_finer(
    const sinr_kind *kind, const sinr_step_tables *tables, int channel, int32_t deviation, float *finer) {
    int32_t steps[SINR_DIAGONALS];
    sinr_steps(tables, kind->index, channel, deviation, steps);
    for (int d = 0; d < 2 * kind->harmonics.size - 1; d++) finer[d] = (float)tables->step / (float)steps[d];
}
