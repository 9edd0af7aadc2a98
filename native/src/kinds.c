#include "kinds.h"

#include <stdlib.h>
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
        kind.stride = (int)sinr_weight_stride(p);
        kind.low = sinr_take(arena, (size_t)p->harmonics, sizeof *kind.low);
        kind.place = sinr_take(arena, (size_t)p->harmonics, sizeof *kind.place);
        kind.bias = sinr_take(arena, (size_t)p->modes * (size_t)kind.stride, sizeof *kind.bias);
        if (kinds) kinds[index] = kind;
    }
    return kinds;
}

void sinr_kinds_fill(sinr_kind *kinds, sinr_predictor *const *predictors) {
    for (int index = 0; index < SINR_SIZES; index++) {
        sinr_kind *kind = kinds + index;
        const sinr_predictor *p = predictors[index];
        int16_t places[SINR_HARMONICS_MAX];
        sinr_harmonics_fill(&kind->harmonics, SINR_UNIT << index);
        sinr_predicted_harmonics(SINR_UNIT << index, kind->low);
        for (int i = 0; i < kind->predicted; i++) places[kind->low[i]] = (int16_t)i;
        for (int i = 0; i < kind->predicted; i++) kind->place[i] = places[kind->harmonics.scan[i]];
        memset(kind->bias, 0, (size_t)p->modes * (size_t)kind->stride * sizeof *kind->bias);
        for (int mode = 0; mode < p->modes; mode++)
            memcpy(
                kind->bias + (size_t)mode * (size_t)kind->stride, p->bias3 + (size_t)mode * (size_t)p->harmonics,
                (size_t)p->harmonics * sizeof *kind->bias);
    }
}

static size_t larger(size_t a, size_t b) { return a > b ? a : b; }

void sinr_batch_layout(
    sinr_batch *batch, sinr_predictor *const *predictors, int cells, int channels, int predictions,
    sinr_arena *arena) {
    size_t boundary = 0, features = 0, sums = 0, weights = 0, rows = (size_t)cells * (size_t)channels;
    for (int index = 0; index < SINR_SIZES; index++) {
        const sinr_predictor *p = predictors[index];
        boundary = larger(boundary, sinr_boundary_stride(p));
        features = larger(features, sinr_feature_stride(p));
        sums = larger(sums, sinr_sums_stride(p));
        weights = larger(weights, sinr_weight_stride(p));
    }
    batch->boundary = sinr_take(arena, rows * boundary, sizeof *batch->boundary);
    batch->features = sinr_take(arena, rows * features, sizeof *batch->features);
    batch->scratch = sinr_take(arena, rows * sums, sizeof *batch->scratch);
    batch->around = sinr_take(arena, rows, sizeof *batch->around);
    batch->sums = sinr_take(arena, (size_t)predictions * rows * weights, sizeof *batch->sums);
}

void sinr_batch_look(
    sinr_batch *batch, const sinr_kind *kind, const sinr_canvas *canvas, const sinr_cell *const *cells, int count,
    int step) {
    size_t stride = sinr_boundary_stride(kind->predictor);
    for (int i = 0; i < count; i++)
        sinr_gather(canvas, cells[i], batch->boundary + (size_t)(i * canvas->channels) * stride, stride);
    sinr_look_around(
        kind->predictor, batch->boundary, count, canvas->channels, step, batch->around, batch->features,
        batch->scratch);
}

void sinr_finer(const sinr_kind *kind, const sinr_step_tables *tables, int channel, int32_t deviation, float *finer) {
    int32_t steps[SINR_DIAGONALS];
    sinr_steps(tables, kind->index, channel, deviation, steps);
    for (int d = 0; d < 2 * kind->harmonics.size - 1; d++) finer[d] = (float)tables->step / (float)steps[d];
}

void *sinr_allocate(sinr_arena *arena, sinr_status *status) {
    *status = SINR_TOO_LARGE;
    if (arena->used == SIZE_MAX) return NULL;
    unsigned char *memory = malloc(arena->used + SINR_ALIGNMENT);
    *status = memory ? SINR_OK : SINR_NO_MEMORY;
    if (!memory) return NULL;
    arena->memory = memory + (SINR_ALIGNMENT - (uintptr_t)memory % SINR_ALIGNMENT);
    arena->used = 0;
    return memory;
}
