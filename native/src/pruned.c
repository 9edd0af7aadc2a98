#include "pruned.h"

#include "instructions.h"

#include <string.h>

#ifdef SINR_AVX2
#include <immintrin.h>
#endif

/* Both weights of a pair of inputs. */
static const int16_t *weights_of(const sinr_matrix *m, int output, int pair) {
    size_t block = (size_t)(output / SINR_OUTPUTS) * (size_t)m->pairs + (size_t)pair;
    return m->weights + (block * SINR_OUTPUTS + (size_t)(output % SINR_OUTPUTS)) * 2;
}

void sinr_pruned_layout(sinr_pruned *pruned, const sinr_matrix *m, sinr_arena *arena) {
    size_t count = 0;
    for (int o = 0; o < m->outputs; o++)
        for (int p = 0; p < m->pairs; p++) {
            const int16_t *w = weights_of(m, o, p);
            count += (w[0] | w[1]) != 0;
        }
    pruned->outputs = m->outputs;
    pruned->begin = sinr_take(arena, (size_t)m->outputs + 1, sizeof *pruned->begin);
    pruned->pair = sinr_take(arena, count, sizeof *pruned->pair);
    pruned->weights = sinr_take(arena, 2 * count, sizeof *pruned->weights);
    pruned->bias = sinr_take(arena, (size_t)m->outputs, sizeof *pruned->bias);
}

void sinr_pruned_fill(sinr_pruned *pruned, const sinr_matrix *m, const int32_t *bias) {
    int32_t count = 0;
    for (int o = 0; o < m->outputs; o++) {
        pruned->begin[o] = count;
        for (int p = 0; p < m->pairs; p++) {
            const int16_t *w = weights_of(m, o, p);
            if (!(w[0] | w[1])) continue;
            pruned->pair[count] = (uint16_t)p;
            memcpy(pruned->weights + 2 * count++, w, 2 * sizeof *w);
        }
    }
    pruned->begin[m->outputs] = count;
    memcpy(pruned->bias, bias, (size_t)m->outputs * sizeof *bias);
}

void sinr_side_by_side(const sinr_matrix *m, const int16_t *x, size_t stride, int rows, int16_t *y) {
    size_t lanes = (size_t)sinr_lanes(rows), pair = 2 * sizeof *y;
    for (size_t p = 0; p < (size_t)m->pairs; p++) {
        int16_t *line = y + 2 * p * lanes;
        for (size_t n = 0; n < (size_t)rows; n++) memcpy(line + 2 * n, x + n * stride + 2 * p, pair);
        memset(line + 2 * rows, 0, (lanes - (size_t)rows) * pair);
    }
}

#ifdef SINR_AVX2

/* `vectors` times SINR_ABREAST rows. */
SINR_AVX2 SINR_INLINE void multiply_vectors(
    const sinr_pruned *m, const int16_t *x, size_t lanes, int32_t *y, int vectors) {
    for (int o = 0; o < m->outputs; o++) {
        __m256i sums[6], bias = _mm256_set1_epi32(m->bias[o]);
#pragma GCC unroll 6
        for (int v = 0; v < vectors; v++) sums[v] = bias;
        for (int32_t i = m->begin[o]; i < m->begin[o + 1]; i++) {
            int32_t both;
            memcpy(&both, m->weights + 2 * i, sizeof both);
            __m256i w = _mm256_set1_epi32(both);
            const __m256i *line = (const __m256i *)(const void *)(x + 2 * lanes * m->pair[i]);
#pragma GCC unroll 6
            for (int v = 0; v < vectors; v++)
                sums[v] = _mm256_add_epi32(sums[v], _mm256_madd_epi16(w, _mm256_loadu_si256(line + v)));
        }
        __m256i *out = (__m256i *)(void *)(y + (size_t)o * lanes);
#pragma GCC unroll 6
        for (int v = 0; v < vectors; v++) _mm256_storeu_si256(out + v, sums[v]);
    }
}

SINR_AVX2 static void multiply_avx2(const sinr_pruned *m, const int16_t *x, size_t lanes, int32_t *y) {
    size_t done = 0;
    while (done < lanes) {
        size_t left = (lanes - done) / SINR_ABREAST, vectors = left < 6 ? left : left < 12 ? (left + 1) / 2 : 6;
        switch (vectors) {
        case 1:
            multiply_vectors(m, x + 2 * done, lanes, y + done, 1);
            break;
        case 2:
            multiply_vectors(m, x + 2 * done, lanes, y + done, 2);
            break;
        case 3:
            multiply_vectors(m, x + 2 * done, lanes, y + done, 3);
            break;
        case 4:
            multiply_vectors(m, x + 2 * done, lanes, y + done, 4);
            break;
        case 5:
            multiply_vectors(m, x + 2 * done, lanes, y + done, 5);
            break;
        default:
            multiply_vectors(m, x + 2 * done, lanes, y + done, 6);
        }
        done += vectors * SINR_ABREAST;
    }
}

#endif

static void multiply_c(const sinr_pruned *m, const int16_t *x, size_t lanes, int32_t *y) {
    for (size_t done = 0; done < lanes; done += SINR_ABREAST)
        for (int o = 0; o < m->outputs; o++) {
            uint32_t sums[SINR_ABREAST];
            for (int n = 0; n < SINR_ABREAST; n++) sums[n] = (uint32_t)m->bias[o];
            for (int32_t i = m->begin[o]; i < m->begin[o + 1]; i++) {
                const int16_t *line = x + 2 * (lanes * m->pair[i] + done);
                int32_t first = m->weights[2 * i], second = m->weights[2 * i + 1];
                for (int n = 0; n < SINR_ABREAST; n++)
                    sums[n] += (uint32_t)(first * line[2 * n]) + (uint32_t)(second * line[2 * n + 1]);
            }
            memcpy(y + (size_t)o * lanes + done, sums, sizeof sums);
        }
}

void sinr_pruned_multiply(const sinr_pruned *m, const int16_t *x, int lanes, int32_t *y) {
#ifdef SINR_AVX2
    if (sinr_has_avx2()) {
        multiply_avx2(m, x, (size_t)lanes, y);
        return;
    }
#endif
    multiply_c(m, x, (size_t)lanes, y);
}
