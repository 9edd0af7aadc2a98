/* A tile from bytes to planes, and from planes to integers: what is done for a tile in one call. */
#ifndef SINR_TILE_H
#define SINR_TILE_H

#include "entropy.h"
#include "parallel.h"
#include "prediction.h"
#include "status.h"

#include <stdbool.h>
#include <stdint.h>

/* Planes (channels, block_rows * 32, block_cols * 32) of a tile's integers. */
sinr_status sinr_draw_tile(
    const sinr_integers *integers, int block_rows, int block_cols, int channels, const sinr_quantiser *quantiser,
    sinr_predictor *const *predictors, int16_t *planes, sinr_pool *pool);

/* Decides the integers of a tile: how to cut it, then passes over the cells.
 * samples:    (channels, block_rows * 32, block_cols * 32) fixed-point samples
 * trials:     modes per cell, and other transform types per mode, that are tried with the real rate;
 *             0 does without it
 * cut_trials: as many, where tiles are fitted with cells of one size;
 *             0 does without, and decides how to cut on rough costs alone
 * integers, planes: become what is decided, and what a decoder draws of it
 */
sinr_status sinr_fit_tile(
    const float *samples, int block_rows, int block_cols, int channels, const sinr_quantiser *quantiser,
    sinr_predictor *const *predictors, const sinr_entropy *model, int trials, int cut_trials,
    const sinr_integers *integers, int16_t *planes, sinr_pool *pool);

#endif
