#include "matrix.h"

#include "instructions.h"

#include <string.h>

#ifdef SINR_AVX2
#include <immintrin.h>
#endif

size_t sinr_matrix_size(int outputs, int inputs) {
    size_t blocks = ((size_t)outputs + SINR_OUTPUTS - 1) / SINR_OUTPUTS;
    size_t pairs = ((size_t)inputs + 1) / 2;
    return blocks * pairs * SINR_OUTPUTS * 2;
}

void sinr_matrix_init(sinr_matrix *m, int outputs, int inputs, const int16_t *weights, int16_t *memory) {
    m->inputs = inputs;
    m->outputs = outputs;
    m->pairs = (inputs + 1) / 2;
    m->blocks = (outputs + SINR_OUTPUTS - 1) / SINR_OUTPUTS;
    m->weights = memory;
    memset(memory, 0, sinr_matrix_size(outputs, inputs) * sizeof *memory);
    for (int o = 0; o < outputs; o++) {
        size_t block = (size_t)(o / SINR_OUTPUTS) * (size_t)m->pairs * SINR_OUTPUTS * 2;
        for (int i = 0; i < inputs; i++)
            memory[block + (size_t)(i / 2) * SINR_OUTPUTS * 2 + (size_t)(o % SINR_OUTPUTS) * 2 + (size_t)(i % 2)] =
                weights[(size_t)o * (size_t)inputs + (size_t)i];
    }
}

static void multiply_c(
    const sinr_matrix *m, const int16_t *x, size_t stride_x, int32_t *y, size_t stride_y, int count) {
    for (int b = 0; b < m->blocks; b++) {
        const int16_t *block = m->weights + (size_t)b * (size_t)m->pairs * SINR_OUTPUTS * 2;
        for (int n = 0; n < count; n++) {
            const int16_t *row = x + (size_t)n * stride_x;
            uint32_t sums[SINR_OUTPUTS] = {0};
            for (int p = 0; p < m->pairs; p++) {
                const int16_t *w = block + (size_t)p * SINR_OUTPUTS * 2;
                int32_t first = row[2 * p], second = row[2 * p + 1];
                for (int o = 0; o < SINR_OUTPUTS; o++)
                    sums[o] += (uint32_t)(first * w[2 * o]) + (uint32_t)(second * w[2 * o + 1]);
            }
            memcpy(y + (size_t)n * stride_y + (size_t)b * SINR_OUTPUTS, sums, sizeof sums);
        }
    }
}

#ifdef SINR_AVX2

/* Rows of inputs that share a load of weights; with two vectors of outputs each they fill the registers. */
#define ROWS 6

SINR_AVX2 static inline __m256i pair_of(const int16_t *row, int p) {
    int32_t pair;
    memcpy(&pair, row + 2 * p, sizeof pair);
    return _mm256_set1_epi32(pair);
}

/* Some rows by one block of outputs. */
SINR_AVX2 SINR_INLINE void rows_avx2(
    const __m256i *block, int pairs, const int16_t *x, size_t stride_x, int32_t *y, size_t stride_y, int rows) {
    __m256i low[ROWS], high[ROWS];
    for (int r = 0; r < rows; r++) low[r] = high[r] = _mm256_setzero_si256();
    for (int p = 0; p < pairs; p++) {
        __m256i w0 = _mm256_loadu_si256(block + 2 * p), w1 = _mm256_loadu_si256(block + 2 * p + 1);
#pragma GCC unroll 6
        for (int r = 0; r < rows; r++) {
            __m256i v = pair_of(x + (size_t)r * stride_x, p);
            low[r] = _mm256_add_epi32(low[r], _mm256_madd_epi16(v, w0));
            high[r] = _mm256_add_epi32(high[r], _mm256_madd_epi16(v, w1));
        }
    }
    for (int r = 0; r < rows; r++) {
        __m256i *out = (__m256i *)(void *)(y + (size_t)r * stride_y);
        _mm256_storeu_si256(out, low[r]);
        _mm256_storeu_si256(out + 1, high[r]);
    }
}

SINR_AVX2 static void multiply_avx2(
    const sinr_matrix *m, const int16_t *x, size_t stride_x, int32_t *y, size_t stride_y, int count) {
    for (int b = 0; b < m->blocks; b++) {
        const __m256i *block = (const __m256i *)(const void *)m->weights + (size_t)b * (size_t)m->pairs * 2;
        const int16_t *from = x;
        int32_t *to = y + (size_t)b * SINR_OUTPUTS;
        int left = count;
        for (; left >= ROWS; left -= ROWS, from += ROWS * stride_x, to += ROWS * stride_y)
            rows_avx2(block, m->pairs, from, stride_x, to, stride_y, ROWS);
        /* A cell has three planes. */
        for (; left >= 3; left -= 3, from += 3 * stride_x, to += 3 * stride_y)
            rows_avx2(block, m->pairs, from, stride_x, to, stride_y, 3);
        for (; left; left--, from += stride_x, to += stride_y)
            rows_avx2(block, m->pairs, from, stride_x, to, stride_y, 1);
    }
}

#endif

void sinr_multiply(
    const sinr_matrix *m, const int16_t *x, size_t stride_x, int32_t *y, size_t stride_y, int count) {
#ifdef SINR_AVX2
    if (sinr_has_avx2()) {
        multiply_avx2(m, x, stride_x, y, stride_y, count);
        return;
    }
#endif
    multiply_c(m, x, stride_x, y, stride_y, count);
}

const char *sinr_instructions(void) { return sinr_has_avx2() ? "avx2" : "c"; }
