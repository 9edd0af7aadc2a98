/* What an encoder decides: how to cut a tile into cells, and the integers of the cells.
 *
 * Decisions are made in float32. Whatever they are, a decoder reads them; planes are exactly those that it draws.
 */
#ifndef SINR_DECISIONS_H
#define SINR_DECISIONS_H

#include "kinds.h"
#include "parallel.h"
#include "partition.h"
#include "quantisation.h"
#include "reconstruction.h"
#include "status.h"

#include <stdbool.h>
#include <stdint.h>

/* Rough cost in bits, distortion included, of every cell there could be, predicted from an open-loop
 * reconstruction.
 * planes: (channels, block_rows * 32, block_cols * 32) fixed-point samples
 * costs:  per cell size, becomes (block_rows * 32 / size, block_cols * 32 / size)
 */
sinr_status sinr_split_costs(
    const float *planes, int channels, int block_rows, int block_cols, const sinr_quantiser *quantiser,
    const sinr_kind *kinds, float *const *costs, sinr_pool *pool);

/* How to cut every block: (block_rows, block_cols). */
void sinr_cheapest_splits(float *const *costs, int block_rows, int block_cols, uint8_t *splits);

/* Least-squares weights of the cells of a partition, fixed-point, vertical harmonic first.
 * spectrum: per cell size, becomes (cells of that size, channels, size * size)
 */
void sinr_spectra(
    const float *planes, int channels, const sinr_kind *kinds, const sinr_partition *partition,
    float *const *spectrum, sinr_pool *pool);

/* What symbols would cost, per cell size. */
typedef struct {
    const uint8_t *rows[SINR_SIZES];     /* (cells, channels, size * size) of `bits`; NULL: the first for all */
    const float *bits[SINR_SIZES];       /* (SINR_MAGNITUDE_ROWS, SINR_MAGNITUDES), the sign included */
    const float *modes[SINR_SIZES];      /* (cells, modes); NULL: 0 for all */
    const float *transforms[SINR_SIZES]; /* (modes, SINR_BANDWIDTHS, SINR_TRANSFORMS); NULL: plain ones */
} sinr_rate;

/* What a rate that knows nothing is made of: quantisation with it is rounding with a dead zone. */
typedef struct {
    float bits[SINR_MAGNITUDE_ROWS * SINR_MAGNITUDES];
} sinr_plain_rate;

void sinr_rate_plain(sinr_rate *rate, sinr_plain_rate *memory);

/* Decides the integers of all cells in closed loop.
 * spectrum: of `sinr_spectra`
 * trials:   modes per cell, and other transform types per mode, that are tried with the rate
 * hide:     whether integers are moved to hide signs
 * symbols:  partition, channels and memory are given; becomes the integers
 * costs:    (cells) becomes what they cost in bits, distortion included, before signs are hidden; may be NULL
 * planes:   (channels, rows * 8, cols * 8) becomes what a decoder draws of them
 */
sinr_status sinr_fit_pass(
    const float *const *spectrum, const sinr_quantiser *quantiser, const sinr_kind *kinds, const sinr_rate *rate,
    int trials, bool hide, sinr_symbols *symbols, float *costs, int16_t *planes, sinr_pool *pool);

#endif
