#include "spectra.h"

#include "lanes.h"
#include "reconstruction.h"

#include <math.h>

#define FEATURE_ONE 4096.0f
#define DEAD_ZONE_OFFSET 0.36f

/* result = a . b, rows of b `stride` apart. */
SINR_INLINE void product(int n, const float *a, const float *b, size_t stride, float *result) {
    for (int k = 0; k < n; k++) {
        float sums[SINR_SIDE_MAX] = {0};
        for (int j = 0; j < n; j++) {
            float factor = a[k * n + j];
            const float *row = b + (size_t)j * stride;
            for (int m = 0; m < n; m++) sums[m] += factor * row[m];
        }
        for (int m = 0; m < n; m++) result[k * n + m] = sums[m];
    }
}

/* The same, and what it would be if every other column of a had its sign changed. */
SINR_INLINE void products(int n, const float *a, const float *b, float *sum, float *difference) {
    for (int k = 0; k < n; k++) {
        float even[SINR_SIDE_MAX] = {0}, odd[SINR_SIDE_MAX] = {0};
        for (int j = 0; j < n; j += 2) {
            float first = a[k * n + j], second = a[k * n + j + 1];
            const float *row = b + j * n;
            for (int m = 0; m < n; m++) even[m] += first * row[m];
            for (int m = 0; m < n; m++) odd[m] += second * row[n + m];
        }
        for (int m = 0; m < n; m++) sum[k * n + m] = even[m] + odd[m];
        for (int m = 0; m < n; m++) difference[k * n + m] = even[m] - odd[m];
    }
}

SINR_INLINE void product_of_size_loop(int n, const float *a, const float *b, size_t stride, float *result) {
    if (n == 8)
        product(8, a, b, stride, result);
    else if (n == 16)
        product(16, a, b, stride, result);
    else
        product(32, a, b, stride, result);
}

SINR_CHOOSE(
    static, void, product_of_size, (int n, const float *a, const float *b, size_t stride, float *result),
    (n, a, b, stride, result))

SINR_INLINE void products_of_size_loop(int n, const float *a, const float *b, float *sum, float *difference) {
    if (n == 8)
        products(8, a, b, sum, difference);
    else if (n == 16)
        products(16, a, b, sum, difference);
    else
        products(32, a, b, sum, difference);
}

SINR_CHOOSE(
    static, void, products_of_size, (int n, const float *a, const float *b, float *sum, float *difference),
    (n, a, b, sum, difference))

static void transpose(int n, const float *a, float *result) {
    for (int k = 0; k < n; k++)
        for (int m = 0; m < n; m++) result[m * n + k] = a[k * n + m];
}

void sinr_harmonics_fill(sinr_harmonics *h, int size) {
    h->size = size;
    h->count = size * size;
    int i = 0;
    for (int d = 0; d < 2 * size - 1; d++) {
        for (int k = d < size ? 0 : d - size + 1; k <= d && k < size; k++, i++) {
            h->scan[i] = (int16_t)(k * size + d - k);
            h->diagonal[i] = (uint8_t)d;
            h->band[i] = 2 * k >= size || 2 * (d - k) >= size;
        }
        h->end[d] = (int16_t)i;
    }
    int32_t features[SINR_AXES * SINR_HARMONICS_MAX];
    sinr_axis_features(size, features);
    float sines[SINR_HARMONICS_MAX];
    for (int j = 0; j < h->count; j++) {
        h->basis[j] = (float)features[j] / FEATURE_ONE;
        sines[j] = (float)features[h->count + j] / FEATURE_ONE;
    }
    transpose(size, h->basis, h->basis_transposed);
    product_of_size(size, sines, h->basis_transposed, (size_t)size, h->turn);
    transpose(size, h->turn, h->turn_transposed);
}

void sinr_spectrum(const sinr_harmonics *h, const float *samples, size_t stride, float *weights) {
    float rows[SINR_HARMONICS_MAX];
    product_of_size(h->size, h->basis, samples, stride, rows);
    product_of_size(h->size, rows, h->basis_transposed, (size_t)h->size, weights);
}

SINR_INLINE void round_with_dead_zone_loop(float *weights, int count, float step) {
    for (int i = 0; i < count; i++) {
        float steps = fabsf(weights[i]) / step + DEAD_ZONE_OFFSET;
        weights[i] = copysignf((float)(int32_t)steps * step, weights[i]);
    }
}

SINR_CHOOSE(
    static, void, round_with_dead_zone, (float *weights, int count, float step), (weights, count, step))

void sinr_open_loop(const sinr_harmonics *h, const float *plane, int height, int width, int step, int16_t *view) {
    float weights[SINR_HARMONICS_MAX], rows[SINR_HARMONICS_MAX];
    int n = h->size;
    for (int y = 0; y < height; y += n)
        for (int x = 0; x < width; x += n) {
            size_t origin = (size_t)y * (size_t)width + (size_t)x;
            sinr_spectrum(h, plane + origin, (size_t)width, weights);
            round_with_dead_zone(weights, h->count, (float)step);
            product_of_size(n, h->basis_transposed, weights, (size_t)n, rows);
            product_of_size(n, rows, h->basis, (size_t)n, weights);
            for (int i = 0; i < h->count; i++) {
                float sample = fminf(fmaxf(weights[i], -SINR_SAMPLE_MAX), SINR_SAMPLE_MAX);
                view[origin + (size_t)(i / n) * (size_t)width + (size_t)(i % n)] = (int16_t)lrintf(sample);
            }
        }
}

/* Mirrored, a cosine is itself or changes its sign: a falling sine's weights are a rising one's of that. */
void sinr_turn_vertically(const sinr_harmonics *h, const float *weights, float *rising, float *falling) {
    products_of_size(h->size, h->turn, weights, rising, falling);
}

void sinr_turn_horizontally(const sinr_harmonics *h, const float *weights, float *rising, float *falling) {
    products_of_size(h->size, weights, h->turn_transposed, rising, falling);
}
