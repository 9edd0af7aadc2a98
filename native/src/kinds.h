/* What decisions know of each cell size, and batches of cells that look around together. */
#ifndef SINR_KINDS_H
#define SINR_KINDS_H

#include "memory.h"
#include "prediction.h"
#include "pruned.h"
#include "reconstruction.h"
#include "spectra.h"

typedef struct {
    const sinr_predictor *predictor;
    int index;          /* of the cell size */
    int predicted;      /* harmonics */
    int16_t *low;       /* (predicted) grid index of each, as the predictor lists them */
    sinr_pruned *third; /* (modes) the predictor's output layer */
    sinr_harmonics harmonics;
} sinr_kind;

/* One per cell size, of predictors that are filled in. */
sinr_kind *sinr_kinds_layout(sinr_predictor *const *predictors, sinr_arena *arena);
void sinr_kinds_fill(sinr_kind *kinds);

/* What the samples around some cells say. Rows are plane by plane, cell after cell; where there are lanes, they lie
 * side by side. */
typedef struct {
    int rows, lanes;
    int16_t *boundary, *features;
    int32_t *scratch;
    sinr_around *around;    /* (rows) */
    int16_t *sides;         /* (pairs of features, lanes, 2) */
    int32_t *sums;          /* (predictions) of the output layer, (predicted, lanes) each */
    float *gain;            /* (lanes) what these times are weights, fixed-point */
    float *low, *low_finer; /* (predicted, lanes) weights in the picture's steps, and what times is in their own */
    float *costs;           /* (lanes) */
} sinr_batch;

void sinr_batch_layout(
    sinr_batch *batch, const sinr_kind *kinds, int cells, int channels, int predictions, sinr_arena *arena);

/* Looks at what lies around cells of one kind. */
void sinr_batch_look(
    sinr_batch *batch, const sinr_kind *kind, const sinr_canvas *canvas, const sinr_cell *const *cells, int count,
    int step);

/* Takes over a row's weights, (size * size) fixed-point, as far as they are predicted. */
void sinr_batch_weights(
    sinr_batch *batch, const sinr_kind *kind, int row, const float *weights, int step, const float *finer);

/* Costs of what a mode leaves of each row; its sums become those of a prediction. */
void sinr_batch_costs(sinr_batch *batch, const sinr_kind *kind, int mode, int step, int prediction);

static inline int32_t *sinr_batch_sums(const sinr_batch *batch, const sinr_kind *kind, int prediction) {
    return batch->sums + (size_t)prediction * (size_t)kind->predicted * (size_t)batch->lanes;
}

/* By diagonal, what a weight in the picture's steps times is one in its own: (2 * size - 1). */
void sinr_finer(
    const sinr_kind *kind, const sinr_step_tables *tables, int channel, int32_t deviation, float *finer);

#endif
