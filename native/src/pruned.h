/* Products with pruned matrices, of many rows at once: what is zero is left out.
 *
 * Where most weights are zero this is several times faster than `sinr_multiply`, if rows are many.
 */
#ifndef SINR_PRUNED_H
#define SINR_PRUNED_H

#include "matrix.h"
#include "memory.h"

#include <stddef.h>
#include <stdint.h>

/* Rows are computed this many at a time. */
#define SINR_ABREAST 8

typedef struct {
    int outputs;
    int32_t *begin;   /* (outputs + 1) where the weights of each begin */
    uint16_t *pair;   /* of inputs, of which at least one has a weight */
    int16_t *weights; /* two for each of them */
    int32_t *bias;    /* (outputs) */
} sinr_pruned;

/* Takes memory for what is not zero of a matrix, and copies it. */
void sinr_pruned_layout(sinr_pruned *pruned, const sinr_matrix *m, sinr_arena *arena);
void sinr_pruned_fill(sinr_pruned *pruned, const sinr_matrix *m, const int32_t *bias);

/* Rows of inputs, `stride` apart, side by side: (pairs, lanes, 2), where lanes are the rows filled up with zeros to
 * whole SINR_ABREAST. */
void sinr_side_by_side(const sinr_matrix *m, const int16_t *x, size_t stride, int rows, int16_t *y);

static inline int sinr_lanes(int rows) { return (rows + SINR_ABREAST - 1) / SINR_ABREAST * SINR_ABREAST; }

/* y = x . weights + bias, modulo 2**32: y is (outputs, lanes). */
void sinr_pruned_multiply(const sinr_pruned *m, const int16_t *x, int lanes, int32_t *y);

#endif
