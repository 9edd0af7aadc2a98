/* Networks, made of the tensors of a codebook in memory that the caller gives.
 *
 * Each function is called twice: with `memory` NULL it only says in `bytes` how much it needs; with that much,
 * aligned to SINR_ALIGNMENT, it lies there. The first thing in the memory is the structure.
 */
#ifndef SINR_NETWORKS_H
#define SINR_NETWORKS_H

#include "entropy.h"
#include "prediction.h"
#include "restoration.h"
#include "status.h"

#include <stddef.h>

/* weight1, bias1, weight2, bias2, weight3, bias3 of a network. */
#define SINR_TENSORS 6

/* hidden: (2, SINR_SIZES, 2) widths of the hidden layers, of networks of last diagonals, then of magnitudes
 * tensors: splits, modes, transforms (uint16 frequencies); then, for last diagonals and magnitudes, per size, the
 *          SINR_TENSORS of a network (int32) and its tables (uint16) */
sinr_status sinr_entropy_make(
    int modes, const int *hidden, const void *const *tensors, void *memory, size_t *bytes);

/* tensors: the SINR_TENSORS of a network: weights int16, biases int32 */
sinr_status sinr_predictor_make(
    int size, int hidden, int modes, const void *const *tensors, void *memory, size_t *bytes);

/* tensors: per layer weights (int16) and biases (int32); shifts: (layers) */
sinr_status sinr_restorer_make(
    const sinr_restorer_shape *shape, const void *const *tensors, const int *shifts, void *memory, size_t *bytes);

#endif
