#include "costs.h"

#include "lanes.h"

#include <string.h>

/* Logarithms are those of products of so many: each below 2**31, which float32 holds. */
#define FACTORS 4

/* log2 of a normal number of at least 1, within 2e-5. */
SINR_INLINE float rough_log2(float value) {
    int32_t bits;
    memcpy(&bits, &value, sizeof bits);
    int32_t fraction = (bits & 0x7fffff) | 0x3f800000;
    float t;
    memcpy(&t, &fraction, sizeof t);
    t -= 1.0f;
    float curve = 0.441917f + t * (-0.2671793f + t * (0.1484265f + t * -0.0451489f));
    return (float)((bits >> 23) - 127) + t + t * (1.0f - t) * curve;
}

/* The nearest integer of what is below 2**22: there, sums have no bits for a fraction. */
SINR_INLINE float rounded(float value) { return (value + 12582912.0f) - 12582912.0f; }

/* Without `sums`, nothing is predicted. */
SINR_INLINE float cost(
    const float *weights, const int32_t *sums, const int32_t *bias, float gain, float scale, const float *finer, int count) {
    float bits[SINR_LANES] = {0};
    for (int i = 0; i < count;) {
        float product[SINR_LANES];
        for (int l = 0; l < SINR_LANES; l++) product[l] = 1.0f;
        int end = i + FACTORS * SINR_LANES;
        for (; i < end && i < count; i += SINR_LANES)
            for (int l = 0; l < SINR_LANES; l++) {
                float w = weights[i + l];
                if (sums) w -= scale * rounded(gain * (float)(sums[i + l] + bias[i + l]));
                w *= finer[i + l];
                float square = w * w;
                bits[l] += SINR_EXCHANGE * square / (1.0f + 1.4f * square);
                product[l] *= 1.0f + 0.5f * square;
            }
        for (int l = 0; l < SINR_LANES; l++) bits[l] += rough_log2(product[l]);
    }
    float total = 0;
    for (int l = 0; l < SINR_LANES; l++) total += bits[l];
    return total;
}

SINR_INLINE float sinr_weights_cost_loop(const float *weights, const float *finer, int count) {
    return cost(weights, NULL, NULL, 0, 0, finer, count);
}

SINR_CHOOSE(, float, sinr_weights_cost, (const float *weights, const float *finer, int count), (weights, finer, count))

SINR_INLINE float sinr_residuals_cost_loop(
    const float *weights, const int32_t *sums, const int32_t *bias, float gain, float scale, const float *finer, int count) {
    return cost(weights, sums, bias, gain, scale, finer, count);
}

SINR_CHOOSE(
    , float, sinr_residuals_cost,
    (const float *weights, const int32_t *sums, const int32_t *bias, float gain, float scale, const float *finer, int count),
    (weights, sums, bias, gain, scale, finer, count))
