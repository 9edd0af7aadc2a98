#include "matrix.h"

#include "instructions.h"

#include <string.h>

#ifdef SINR_AVX2
#include <immintrin.h>
#elif defined(__wasm_simd128__)
#include <wasm_simd128.h>
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

/* Vectors of sums, and what they are made of. Products are those of pairs of 16-bit integers, added. */
#if defined(SINR_AVX2)

#define SINR_VECTORS SINR_AVX2
#define has_vectors sinr_has_avx2
#define LANES 8
/* Rows of inputs that share a load of weights: as many as the registers hold sums of. */
#define ROWS 6
typedef __m256i vector;
SINR_AVX2 SINR_INLINE vector zero(void) { return _mm256_setzero_si256(); }
SINR_AVX2 SINR_INLINE vector load(const void *from) { return _mm256_loadu_si256(from); }
SINR_AVX2 SINR_INLINE void store(void *to, vector v) { _mm256_storeu_si256(to, v); }
SINR_AVX2 SINR_INLINE vector repeat(int32_t pair) { return _mm256_set1_epi32(pair); }
SINR_AVX2 SINR_INLINE vector add_products(vector sum, vector a, vector b) {
    return _mm256_add_epi32(sum, _mm256_madd_epi16(a, b));
}

#elif defined(__wasm_simd128__)

#define SINR_VECTORS
#define has_vectors() true
#define LANES 4
#define ROWS 3
typedef v128_t vector;
SINR_INLINE vector zero(void) { return wasm_i32x4_const_splat(0); }
SINR_INLINE vector load(const void *from) { return wasm_v128_load(from); }
SINR_INLINE void store(void *to, vector v) { wasm_v128_store(to, v); }
SINR_INLINE vector repeat(int32_t pair) { return wasm_i32x4_splat(pair); }
SINR_INLINE vector add_products(vector sum, vector a, vector b) {
    return wasm_i32x4_add(sum, wasm_i32x4_dot_i16x8(a, b));
}

#endif

#ifdef SINR_VECTORS

#define VECTORS (SINR_OUTPUTS / LANES) /* of a block of outputs */

SINR_VECTORS SINR_INLINE vector pair_of(const int16_t *row, int p) {
    int32_t pair;
    memcpy(&pair, row + 2 * p, sizeof pair);
    return repeat(pair);
}

/* Some rows by one block of outputs. */
SINR_VECTORS SINR_INLINE void rows_by_block(
    const int16_t *block, int pairs, const int16_t *x, size_t stride_x, int32_t *y, size_t stride_y, int rows) {
    vector sums[ROWS][VECTORS];
    SINR_UNROLL
    for (int r = 0; r < rows; r++)
        for (int v = 0; v < VECTORS; v++) sums[r][v] = zero();
    for (int p = 0; p < pairs; p++) {
        vector weights[VECTORS];
        SINR_UNROLL
        for (int v = 0; v < VECTORS; v++) weights[v] = load(block + (p * VECTORS + v) * LANES * 2);
        SINR_UNROLL
        for (int r = 0; r < rows; r++) {
            vector inputs = pair_of(x + (size_t)r * stride_x, p);
            SINR_UNROLL
            for (int v = 0; v < VECTORS; v++) sums[r][v] = add_products(sums[r][v], inputs, weights[v]);
        }
    }
    SINR_UNROLL
    for (int r = 0; r < rows; r++)
        for (int v = 0; v < VECTORS; v++) store(y + (size_t)r * stride_y + v * LANES, sums[r][v]);
}

SINR_VECTORS static void multiply_vectors(
    const sinr_matrix *m, const int16_t *x, size_t stride_x, int32_t *y, size_t stride_y, int count) {
    for (int b = 0; b < m->blocks; b++) {
        const int16_t *block = m->weights + (size_t)b * (size_t)m->pairs * SINR_OUTPUTS * 2;
        const int16_t *from = x;
        int32_t *to = y + (size_t)b * SINR_OUTPUTS;
        int left = count;
        for (; left >= ROWS; left -= ROWS, from += ROWS * stride_x, to += ROWS * stride_y)
            rows_by_block(block, m->pairs, from, stride_x, to, stride_y, ROWS);
        /* A cell has three planes. */
        for (; left >= 3; left -= 3, from += 3 * stride_x, to += 3 * stride_y)
            rows_by_block(block, m->pairs, from, stride_x, to, stride_y, 3);
        for (; left; left--, from += stride_x, to += stride_y)
            rows_by_block(block, m->pairs, from, stride_x, to, stride_y, 1);
    }
}

#endif

void sinr_multiply(
    const sinr_matrix *m, const int16_t *x, size_t stride_x, int32_t *y, size_t stride_y, int count) {
#ifdef SINR_VECTORS
    if (has_vectors()) {
        multiply_vectors(m, x, stride_x, y, stride_y, count);
        return;
    }
#endif
    multiply_c(m, x, stride_x, y, stride_y, count);
}

const char *sinr_instructions(void) { return sinr_has_avx2() ? "avx2" : "c"; }
