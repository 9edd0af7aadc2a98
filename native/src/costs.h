/* Rough cost of weights, without a rate: bits, distortion included. */
#ifndef SINR_COSTS_H
#define SINR_COSTS_H

#include <stdint.h>

/* Bits that one squared quantiser step of error is worth. */
#define SINR_EXCHANGE 9.4f

/* Of weights[i] * finer[i], quantiser steps; `count` is a multiple of SINR_LANES. */
float sinr_weights_cost(const float *weights, const float *finer, int count);

/* Of (weights[i] - scale * predicted[i]) * finer[i], likewise, where what is predicted is gain * (sums[i] + bias[i]),
 * rounded: modes that predict the same cost the same, whatever the step. */
float sinr_residuals_cost(
    const float *weights, const int32_t *sums, const int32_t *bias, float gain, float scale, const float *finer,
    int count);

#endif
