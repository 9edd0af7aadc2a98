/* Rough cost of weights, without a rate: bits, distortion included. */
#ifndef SINR_COSTS_H
#define SINR_COSTS_H

#include <stdint.h>

/* Bits that one squared quantiser step of error is worth. */
#define SINR_EXCHANGE 9.4f

/* Bits of the first transform type and of any other, where nothing is known of the rate. */
#define SINR_FIRST_BITS 1.0f
#define SINR_OTHER_BITS 5.0f

/* Of weights[i] * finer[i], quantiser steps; `count` is a multiple of SINR_LANES. */
float sinr_weights_cost(const float *weights, const float *finer, int count);

/* Of (weights - scale * predicted) * finer, for many rows side by side, where what is predicted is gain * sums,
 * rounded: modes that predict the same cost the same, whatever the step.
 * weights, sums, finer: (count, lanes); lanes are a multiple of SINR_ABREAST
 * gain, costs: (lanes)
 */
void sinr_residual_costs(
    const float *weights, const int32_t *sums, const float *gain, float scale, const float *finer, int count,
    int lanes, float *costs);

#endif
