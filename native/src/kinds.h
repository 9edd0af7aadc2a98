/* What decisions know of each cell size, and batches of cells that look around together. */
#ifndef SINR_KINDS_H
#define SINR_KINDS_H

#include "memory.h"
#include "prediction.h"
#include "reconstruction.h"
#include "spectra.h"

typedef struct {
    const sinr_predictor *predictor;
    int index;           /* of the cell size */
    int predicted;       /* harmonics */
    int stride;          /* that many, filled up to whole SINR_OUTPUTS */
    int16_t *low;        /* (predicted) grid index of each, as the predictor lists them */
    int16_t *place;      /* (predicted) of the i-th in scan order, where the predictor lists it */
    int32_t *bias;       /* (modes, stride) of the predictor's output layer, filled up with zeros */
    sinr_harmonics harmonics;
} sinr_kind;

/* One per cell size. */
sinr_kind *sinr_kinds_layout(sinr_predictor *const *predictors, sinr_arena *arena);
void sinr_kinds_fill(sinr_kind *kinds, sinr_predictor *const *predictors);

/* What the output layer's sums times are weights, fixed-point. */
static inline float sinr_gain(const sinr_kind *kind, const sinr_around *around) {
    return (float)(around->scale << kind->index) / 1048576.0f;
}

/* What the samples around some cells say; rows are plane by plane, cell after cell. */
typedef struct {
    int16_t *boundary, *features;
    int32_t *scratch;
    sinr_around *around;
    int32_t *sums; /* (predictions, rows, stride) of the output layer */
} sinr_batch;

void sinr_batch_layout(
    sinr_batch *batch, sinr_predictor *const *predictors, int cells, int channels, int predictions,
    sinr_arena *arena);

/* Looks at what lies around cells of one kind. */
void sinr_batch_look(
    sinr_batch *batch, const sinr_kind *kind, const sinr_canvas *canvas, const sinr_cell *const *cells, int count,
    int step);

/* By diagonal, what a weight in the picture's steps times is one in its own: (2 * size - 1). */
void sinr_finer(const sinr_kind *kind, const sinr_step_tables *tables, int channel, int32_t deviation, float *finer);

/* Memory of which a layout takes its share: `arena` must have counted, and is ready for the layout itself.
 * NULL without a status other than SINR_OK. */
void *sinr_allocate(sinr_arena *arena, sinr_status *status);

#endif
