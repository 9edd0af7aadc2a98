/* From integers to planes: FORMAT.md, section 8. */
#ifndef SINR_RECONSTRUCTION_H
#define SINR_RECONSTRUCTION_H

#include "parallel.h"
#include "partition.h"
#include "prediction.h"

#include <stdint.h>

/* The integers of a tile. */
typedef struct {
    const sinr_partition *partition;
    int channels;
    uint8_t *modes, *transforms;    /* (cells) */
    int32_t *residuals[SINR_SIZES]; /* (cells of that size, channels, size * size), vertical harmonic first */
} sinr_symbols;

/* Integer features of one axis, per transform: (SINR_AXIS_TRANSFORMS, size, size) by harmonic, sample; 12 fractional bits. */
void sinr_axis_features(int size, int32_t *features);

/* Planes that are drawn cell by cell. */
typedef struct {
    int channels, width;      /* samples per row of a plane */
    size_t plane;             /* samples of a plane */
    int16_t *samples;         /* (channels, rows, width) */
    double *axes[SINR_SIZES]; /* `sinr_axis_features` of each size */
} sinr_canvas;

/* Takes memory for what drawing needs; makes a canvas of given planes, (channels, rows * 8, cols * 8) of a
 * partition. */
void sinr_canvas_layout(sinr_canvas *canvas, sinr_arena *arena);
void sinr_canvas_fill(sinr_canvas *canvas, const sinr_partition *partition, int channels, int16_t *samples);

/* Boundary samples of a cell: (channels), each `stride` after the one before. */
void sinr_gather(const sinr_canvas *canvas, const sinr_cell *cell, int16_t *boundary, size_t stride);

/* What a residual of luma adds to the weight of a plane with such a slope. */
static inline int32_t sinr_carried(int32_t slope, int32_t luma) { return (slope * luma + 32) >> 6; }

/* Doubles of scratch that `sinr_draw` needs. */
#define SINR_DRAW_SCRATCH ((2 * SINR_BLOCK + 4) * SINR_BLOCK)

/* Evaluates a cell on its grid and stores its samples.
 * around:    (channels)
 * predicted: (channels) rows of `sinr_predict`, each `stride` after the one before
 * residual:  (channels, size * size) coded weights, fixed-point, within SINR_WEIGHT_MAX; what chroma takes over
 *            from luma is not part of it, but added here
 */
void sinr_draw(
    const sinr_canvas *canvas, const sinr_cell *cell, const sinr_around *around, const int32_t *predicted,
    size_t stride, const int32_t *residual, int transform, double *scratch);

/* Coded weights of a cell, (channels, size * size), from its integers; `deviation` is that of luma's boundary. */
void sinr_dequantise(
    const sinr_step_tables *tables, int index, int channels, int32_t deviation, const int32_t *residuals,
    int32_t *weights);

/* Some cells of one size that do not look at each other: indices, `count` of them. `worker` is as in sinr_task. */
typedef void sinr_visit(void *context, const int32_t *cells, int count, int worker);

/* Visits all cells, each after those that it looks at; cells of one level are shared among threads.
 * batch:         cells of a visit, at most
 * worth_sharing: cells of a level from which on other threads are asked
 * pieces:        (cells + 1) scratch memory
 */
void sinr_visit_cells(
    const sinr_partition *partition, int batch, int worth_sharing, sinr_visit *visit, void *context,
    int32_t *pieces, sinr_pool *pool);

/* Planes (channels, rows * 8, cols * 8) of a tile. Asks for its memory once.
 * predictors: one per cell size.
 */
sinr_status sinr_reconstruct(
    const sinr_symbols *symbols, const sinr_quantiser *quantiser, sinr_predictor *const *predictors,
    int16_t *planes, sinr_pool *pool);

#endif
