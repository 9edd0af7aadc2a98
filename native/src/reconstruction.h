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
    uint8_t *modes, *transforms;      /* (cells) */
    int32_t *residuals[SINR_SIZES];   /* (cells of that size, channels, size * size), vertical harmonic first */
} sinr_symbols;

/* Integer features of one axis, per transform type: (3, size, size) by harmonic, sample; 12 fractional bits. */
void sinr_axis_features(int size, int32_t *features);

/* Planes (channels, rows * 8, cols * 8) of a tile. Asks for its memory once.
 * predictors: one per cell size.
 */
sinr_status sinr_reconstruct(
    const sinr_symbols *symbols, const sinr_quantiser *quantiser, sinr_predictor *const *predictors, int16_t *planes,
    sinr_pool *pool);

#endif
