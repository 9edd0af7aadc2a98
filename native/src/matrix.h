/* Products with matrices of 16-bit integers: what all the networks are made of.
 *
 * Sums are taken modulo 2**32: exact wherever the true sum fits 32 bits, and where only its low bits matter.
 */
#ifndef SINR_MATRIX_H
#define SINR_MATRIX_H

#include <stddef.h>
#include <stdint.h>

/* Outputs are computed this many at a time. */
#define SINR_OUTPUTS 16

typedef struct {
    int inputs;             /* as declared */
    int outputs;            /* as declared */
    int pairs;              /* of inputs, the last one filled up with a zero */
    int blocks;             /* of SINR_OUTPUTS outputs, the last one filled up with zeros */
    const int16_t *weights; /* [blocks][pairs][SINR_OUTPUTS][2] */
} sinr_matrix;

/* Elements of a row of inputs, or of outputs, filled up. */
static inline size_t sinr_input_stride(const sinr_matrix *m) { return 2 * (size_t)m->pairs; }
static inline size_t sinr_output_stride(const sinr_matrix *m) { return SINR_OUTPUTS * (size_t)m->blocks; }

/* How many int16 the weights of a matrix take, and its making: `weights` is (outputs, inputs), row-major;
 * `memory` holds that many int16 and is kept. Weights are within +-32767. */
size_t sinr_matrix_size(int outputs, int inputs);
void sinr_matrix_init(sinr_matrix *m, int outputs, int inputs, const int16_t *weights, int16_t *memory);

/* y = x . weights, for `count` rows.
 * x: (count, stride_x), of each row the first 2 * pairs are read; those beyond `inputs` may be anything finite,
 *    their weights are zero.
 * y: (count, stride_y), of each row the first SINR_OUTPUTS * blocks are written.
 */
void sinr_multiply(const sinr_matrix *m, const int16_t *x, size_t stride_x, int32_t *y, size_t stride_y, int count);

#endif
