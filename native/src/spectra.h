/* From samples to weights, and among the weights of transform types, in float32. */
#ifndef SINR_SPECTRA_H
#define SINR_SPECTRA_H

#include "status.h"

#include <stddef.h>
#include <stdint.h>

#define SINR_SIDE_MAX 32
#define SINR_HARMONICS_MAX (SINR_SIDE_MAX * SINR_SIDE_MAX)

/* What is known of a cell size. Harmonics lie in one of two orders: "grid", k * size + m, or "scan", by diagonal
 * k + m, then k. The second makes a prefix of what is predicted, of a last significant diagonal, and groups of
 * what hides signs. */
typedef struct {
    int size, count;                      /* samples per side, harmonics */
    int16_t scan[SINR_HARMONICS_MAX];     /* grid index of the i-th in scan order */
    uint8_t diagonal[SINR_HARMONICS_MAX]; /* of the i-th in scan order */
    uint8_t band[SINR_HARMONICS_MAX];     /* which slope serves the i-th in scan order */
    int16_t end[2 * SINR_SIDE_MAX - 1];   /* harmonics on a diagonal or below */
    float basis[SINR_HARMONICS_MAX], basis_transposed[SINR_HARMONICS_MAX];
    /* Weights of an axis' transforms but the first, from those of the first. */
    float turn[SINR_AXIS_TRANSFORMS - 1][SINR_HARMONICS_MAX];
    float turn_transposed[SINR_AXIS_TRANSFORMS - 1][SINR_HARMONICS_MAX];
} sinr_harmonics;

void sinr_harmonics_fill(sinr_harmonics *h, int size);

/* Least-squares weights (size * size), grid order, of the samples of a cell, rows `stride` apart. */
void sinr_spectrum(const sinr_harmonics *h, const float *samples, size_t stride, float *weights);

/* What a quantised plane (height, width) looks like to its neighbours: weights of whole 16-sample cells, rounded
 * with a dead zone. `h` is that of 16 samples. */
void sinr_open_loop(const sinr_harmonics *h, const float *plane, int height, int width, int step, int16_t *view);

/* Weights (size * size), grid order, by a transform of the vertical axis or the horizontal one, 1 or more, from those by
 * the first. */
void sinr_turn_vertically(const sinr_harmonics *h, int axis, const float *weights, float *turned);
void sinr_turn_horizontally(const sinr_harmonics *h, int axis, const float *weights, float *turned);

#endif
