#include "costs.h"

#include "lanes.h"
#include "pruned.h"

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

/* The two parts of a weight's cost; the second as the factor of which it is the logarithm. */
SINR_INLINE void add_cost(float weight, float *bits, float *product) {
    float square = weight * weight;
    *bits += SINR_EXCHANGE * square / (1.0f + 1.4f * square);
    *product *= 1.0f + 0.5f * square;
}

SINR_INLINE float sinr_weights_cost_loop(const float *weights, const float *finer, int count) {
    float bits[SINR_LANES] = {0};
    for (int i = 0; i < count;) {
        float product[SINR_LANES];
        for (int l = 0; l < SINR_LANES; l++) product[l] = 1.0f;
        int end = i + FACTORS * SINR_LANES;
        for (; i < end && i < count; i += SINR_LANES)
            for (int l = 0; l < SINR_LANES; l++) add_cost(weights[i + l] * finer[i + l], &bits[l], &product[l]);
        for (int l = 0; l < SINR_LANES; l++) bits[l] += rough_log2(product[l]);
    }
    float total = 0;
    for (int l = 0; l < SINR_LANES; l++) total += bits[l];
    return total;
}

SINR_CHOOSE(
    , float, sinr_weights_cost, (const float *weights, const float *finer, int count), (weights, finer, count))

SINR_INLINE void sinr_residual_costs_loop(
    const float *weights, const int32_t *sums, const float *gain, float scale, const float *finer, int count,
    int lanes, float *costs) {
    for (int begin = 0; begin < lanes; begin += SINR_ABREAST) {
        const float *w = weights + begin, *f = finer + begin;
        const int32_t *sum = sums + begin;
        float bits[SINR_ABREAST] = {0}, factor[SINR_ABREAST];
        for (int l = 0; l < SINR_ABREAST; l++) factor[l] = gain[begin + l];
        for (int i = 0; i < count;) {
            float product[SINR_ABREAST];
            for (int l = 0; l < SINR_ABREAST; l++) product[l] = 1.0f;
            int end = i + FACTORS;
            for (; i < end && i < count; i++, w += lanes, f += lanes, sum += lanes)
                for (int l = 0; l < SINR_ABREAST; l++)
                    add_cost((w[l] - scale * rounded(factor[l] * (float)sum[l])) * f[l], &bits[l], &product[l]);
            for (int l = 0; l < SINR_ABREAST; l++) bits[l] += rough_log2(product[l]);
        }
        for (int l = 0; l < SINR_ABREAST; l++) costs[begin + l] = bits[l];
    }
}

SINR_CHOOSE(
    , void, sinr_residual_costs,
    (const float *weights, const int32_t *sums, const float *gain, float scale, const float *finer, int count,
     int lanes, float *costs),
    (weights, sums, gain, scale, finer, count, lanes, costs))
