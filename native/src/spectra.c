#include "spectra.h"

#include "entropy.h"
#include "lanes.h"
#include "reconstruction.h"

#include <math.h>
#include <string.h>

#define FEATURE_ONE 4096.0f
#define DEAD_ZONE_OFFSET 0.36f

/* Columns that are summed together, and how many vectors of them and rows at a time: left alone, compilers make
 * vectors of the wrong loops. */
#ifdef __GNUC__
typedef float columns __attribute__((vector_size(32)));
#define COLUMNS 8
#else
typedef float columns;
#define COLUMNS 1
#endif
#define ROWS 4

/* result = a . b, all (n, n), rows of b `stride` apart. */
SINR_INLINE void product(int n, const float *a, const float *b, size_t stride, float *result) {
    const int both = n >= 2 * COLUMNS, width = both ? 2 * COLUMNS : COLUMNS;
    for (int k = 0; k < n; k += ROWS)
        for (int m = 0; m < n; m += width) {
            columns first[ROWS], second[ROWS];
            memset(first, 0, sizeof first);
            memset(second, 0, sizeof second);
            for (int j = 0; j < n; j++) {
                columns x, y = {0};
                memcpy(&x, b + (size_t)j * stride + m, sizeof x);
                if (both) memcpy(&y, b + (size_t)j * stride + m + COLUMNS, sizeof y);
                for (int r = 0; r < ROWS; r++) {
                    first[r] += a[(k + r) * n + j] * x;
                    if (both) second[r] += a[(k + r) * n + j] * y;
                }
            }
            for (int r = 0; r < ROWS; r++) {
                memcpy(result + (k + r) * n + m, &first[r], sizeof *first);
                if (both) memcpy(result + (k + r) * n + m + COLUMNS, &second[r], sizeof *second);
            }
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

static void transpose(int n, const float *a, float *result) {
    for (int k = 0; k < n; k++)
        for (int m = 0; m < n; m++) result[m * n + k] = a[k * n + m];
}

void sinr_harmonics_fill(sinr_harmonics *h, int size) {
    h->size = size;
    h->count = size * size;
    sinr_scan(size, h->scan);
    for (int i = 0; i < h->count; i++) {
        int k = h->scan[i] / size, m = h->scan[i] % size;
        h->diagonal[i] = (uint8_t)(k + m);
        h->band[i] = 2 * k >= size || 2 * m >= size;
        h->end[k + m] = (int16_t)(i + 1);
    }
    int32_t features[SINR_AXIS_TRANSFORMS * SINR_HARMONICS_MAX];
    sinr_axis_features(size, features);
    for (int j = 0; j < h->count; j++) h->basis[j] = (float)features[j] / FEATURE_ONE;
    transpose(size, h->basis, h->basis_transposed);
    for (int axis = 1; axis < SINR_AXIS_TRANSFORMS; axis++) {
        float waves[SINR_HARMONICS_MAX];
        for (int j = 0; j < h->count; j++) waves[j] = (float)features[axis * h->count + j] / FEATURE_ONE;
        product_of_size(size, waves, h->basis_transposed, (size_t)size, h->turn[axis - 1]);
        transpose(size, h->turn[axis - 1], h->turn_transposed[axis - 1]);
    }
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

SINR_CHOOSE(static, void, round_with_dead_zone, (float *weights, int count, float step), (weights, count, step))

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

void sinr_turn_vertically(const sinr_harmonics *h, int axis, const float *weights, float *turned) {
    product_of_size(h->size, h->turn[axis - 1], weights, (size_t)h->size, turned);
}

void sinr_turn_horizontally(const sinr_harmonics *h, int axis, const float *weights, float *turned) {
    product_of_size(h->size, weights, h->turn_transposed[axis - 1], (size_t)h->size, turned);
}
