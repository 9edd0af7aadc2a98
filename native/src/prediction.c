#include "prediction.h"

#include "bounds.h"
#include "instructions.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define TURN 1024    /* phase units of a full turn of the sine table */
#define SINE_ONE 256 /* the table's value of sin(pi / 2), and the scale of the features */
#define INPUT_ONE 64 /* scale of the normalised boundary samples */
#define INPUT_MAX 1023
#define PHASE_BITS_1 8
#define PHASE_BITS_2 12
#define WEIGHT_BITS 20 /* fractional bits of the network's output */
#define SLOPE_MAX 48
#define FEATURE_MAX 4096 /* bound of the features */

static const double PI = 3.14159265358979323846;

static int64_t floor_divide(int64_t value, int64_t divisor) {
    int64_t quotient = value / divisor;
    return quotient * divisor > value ? quotient - 1 : quotient;
}

/* The network */

int sinr_predicted_count(int size) {
    int count = 0;
    for (int k = 0; k < size; k++) count += sinr_predicted_columns(size, k);
    return count;
}

void sinr_predicted_harmonics(int size, int16_t *harmonics) {
    for (int k = 0; k < size; k++)
        for (int m = 0; m < sinr_predicted_columns(size, k); m++) *harmonics++ = (int16_t)(k * size + m);
}

static void take_matrix(sinr_matrix *m, int outputs, int inputs, sinr_arena *arena) {
    m->inputs = inputs;
    m->outputs = outputs;
    m->pairs = (inputs + 1) / 2;
    m->blocks = (outputs + SINR_OUTPUTS - 1) / SINR_OUTPUTS;
    m->weights = sinr_take(arena, sinr_matrix_size(outputs, inputs), sizeof *m->weights);
}

sinr_predictor *sinr_predictor_layout(int size, int hidden, int modes, sinr_arena *arena) {
    sinr_predictor *taken = sinr_take(arena, 1, sizeof *taken), counted;
    sinr_predictor *p = taken ? taken : &counted;
    int boundary = 6 * size + 4;
    p->size = size;
    p->hidden = hidden;
    p->modes = modes;
    p->harmonics = sinr_predicted_count(size);
    take_matrix(&p->first, hidden, boundary, arena);
    take_matrix(&p->second, hidden, hidden, arena);
    p->third = sinr_take(arena, (size_t)modes, sizeof *p->third);
    for (int mode = 0; mode < modes; mode++) {
        sinr_matrix third;
        take_matrix(&third, p->harmonics, hidden + boundary, arena);
        if (taken) p->third[mode] = third;
    }
    p->bias1 = sinr_take(arena, sinr_output_stride(&p->first), sizeof *p->bias1);
    p->bias2 = sinr_take(arena, sinr_output_stride(&p->second), sizeof *p->bias2);
    p->bias3 = sinr_take(arena, (size_t)modes * (size_t)p->harmonics, sizeof *p->bias3);
    return taken;
}

static void fill_matrix(sinr_matrix *m, const int16_t *weights) {
    sinr_matrix_init(m, m->outputs, m->inputs, weights, (int16_t *)m->weights);
}

static void fill_bias(int32_t *to, const int32_t *from, int count, size_t filled_up) {
    memset(to, 0, filled_up * sizeof *to);
    memcpy(to, from, (size_t)count * sizeof *to);
}

sinr_status sinr_predictor_fill(
    sinr_predictor *p, const int16_t *weight1, const int32_t *bias1, const int16_t *weight2, const int32_t *bias2,
    const int16_t *weight3, const int32_t *bias3) {
    int inputs = p->third[0].inputs;
    for (int o = 0; o < p->modes * p->harmonics; o++) {
        const int16_t *row = weight3 + (size_t)o * (size_t)inputs;
        int64_t largest = llabs((int64_t)bias3[o]);
        for (int i = 0; i < inputs; i++) largest += FEATURE_MAX * llabs((int64_t)row[i]);
        if (largest > INT32_MAX) return SINR_CODEBOOK;
    }
    fill_matrix(&p->first, weight1);
    fill_matrix(&p->second, weight2);
    for (int mode = 0; mode < p->modes; mode++)
        fill_matrix(&p->third[mode], weight3 + (size_t)mode * (size_t)p->harmonics * (size_t)inputs);
    fill_bias(p->bias1, bias1, p->hidden, sinr_output_stride(&p->first));
    fill_bias(p->bias2, bias2, p->hidden, sinr_output_stride(&p->second));
    memcpy(p->bias3, bias3, (size_t)p->modes * (size_t)p->harmonics * sizeof *bias3);
    /* No entry is closer than 7e-4 to a rounding tie, so every libm gives the same table. */
    for (int i = 0; i < TURN; i++) p->sines[i] = (int16_t)lround(SINE_ONE * sin(2 * PI * i / TURN));
    return SINR_OK;
}

/* What the boundary says */

/* Takes the mean out of a boundary. */
static void centre(int16_t *boundary, int count, int step, sinr_around *around) {
    int32_t total = 0, spread = 0;
    for (int i = 0; i < count; i++) total += boundary[i];
    int32_t mean = (int32_t)floor_divide(total + count / 2, count);
    for (int i = 0; i < count; i++) {
        int32_t value = boundary[i] - mean;
        boundary[i] = (int16_t)value;
        spread += abs(value);
    }
    around->mean = mean;
    around->deviation = spread / count;
    around->scale = around->deviation + sinr_at_least(step / 16, 1);
}

/* Centred samples relative to their scale, rounded; `features` is the same in the scale of the output layer. */
SINR_INLINE void normalise(int16_t *boundary, int count, int32_t scale, int16_t *features) {
    /* Shifted above 0, a conversion to int is a floor. Half a unit more keeps every numerator at least
     * 1 / (4 scale) away from a whole quotient, which is far more than rounding errors of doubles below 2**12. */
    int32_t divisor = 2 * scale, bound = INPUT_MAX * divisor;
    double inverse = 1.0 / divisor;
    for (int i = 0; i < count; i++) {
        int32_t dividend = boundary[i] * (2 * INPUT_ONE) + scale;
        dividend = dividend < -bound ? -bound : dividend > bound ? bound : dividend;
        int32_t x = (int32_t)((dividend + bound + 0.5) * inverse) - INPUT_MAX;
        boundary[i] = (int16_t)x;
        features[i] = (int16_t)(x * (SINE_ONE / INPUT_ONE));
    }
}

/* The parts of a boundary that lie side by side: two rows and two columns. */
static int parts_of(int size, int *begin) {
    begin[0] = 0;
    begin[1] = 2 * size + 2;
    begin[2] = 4 * size + 4;
    begin[3] = 5 * size + 4;
    begin[4] = 6 * size + 4;
    return 4;
}

/* Sums of products of samples, and of differences of neighbours. Samples are within 2**14, so 64 bits do. */
SINR_INLINE void correlate(const int16_t *a, const int16_t *b, int size, int64_t *low, int64_t *high) {
    int begin[5], parts = parts_of(size, begin);
    int64_t samples = 0, differences = 0;
    for (int i = 0; i < begin[parts]; i++) samples += (int32_t)a[i] * b[i];
    for (int part = 0; part < parts; part++)
        for (int i = begin[part]; i + 1 < begin[part + 1]; i++)
            differences += (int32_t)(a[i + 1] - a[i]) * (b[i + 1] - b[i]);
    *low = samples;
    *high = differences;
}

static int32_t regression(int64_t products, int64_t squares, int count, int32_t noise) {
    int64_t spread = squares + (int64_t)count * sinr_at_least(noise * noise, 1);
    int64_t ratio = floor_divide(products * 128 + spread, 2 * spread);
    return (int32_t)(ratio < -SLOPE_MAX ? -SLOPE_MAX : ratio > SLOPE_MAX ? SLOPE_MAX : ratio);
}

SINR_INLINE void look(
    const sinr_predictor *p, int16_t *boundary, int channels, int step, sinr_around *around, int16_t *features) {
    int size = p->size, count = p->first.inputs;
    size_t stride = sinr_boundary_stride(p), feature_stride = sinr_feature_stride(p);
    int64_t squares[2] = {0, 0};
    for (int c = 0; c < channels; c++) {
        int16_t *row = boundary + (size_t)c * stride;
        centre(row, count, step, around + c);
        around[c].slope[0] = around[c].slope[1] = 0;
        if (channels == 1) break;
        if (!c) {
            correlate(row, row, size, &squares[0], &squares[1]);
            continue;
        }
        int64_t products[2];
        correlate(boundary, row, size, &products[0], &products[1]);
        int32_t low = regression(products[0], squares[0], count, step / 4);
        int32_t high = regression(products[1], squares[1], count - 4, step / 8);
        /* The smaller of two that agree in sign. */
        around[c].slope[0] = low;
        if (low > 0) around[c].slope[1] = sinr_at_least(sinr_at_most(high, low), 0);
        if (low < 0) around[c].slope[1] = sinr_at_most(sinr_at_least(high, low), 0);
    }
    for (int c = 0; c < channels; c++)
        normalise(
            boundary + (size_t)c * stride, count, around[c].scale,
            features + (size_t)c * feature_stride + (size_t)p->hidden);
}

static void look_plain(
    const sinr_predictor *p, int16_t *boundary, int channels, int step, sinr_around *around, int16_t *features) {
    look(p, boundary, channels, step, around, features);
}

#ifdef SINR_AVX2
SINR_AVX2 static void look_avx2(
    const sinr_predictor *p, int16_t *boundary, int channels, int step, sinr_around *around, int16_t *features) {
    look(p, boundary, channels, step, around, features);
}
#endif

/* A sine layer's outputs. Phases are taken modulo whole turns, so modular sums are exact. */
static void sine_layer(
    const sinr_predictor *p, const sinr_matrix *m, const int32_t *bias, int bits, const int16_t *x, size_t stride_x,
    int16_t *y, size_t stride_y, int rows, int32_t *sums) {
    size_t stride = sinr_output_stride(m);
    sinr_multiply(m, x, stride_x, sums, stride, rows);
    for (int n = 0; n < rows; n++) {
        int32_t *sum = sums + (size_t)n * stride;
        int16_t *out = y + (size_t)n * stride_y;
        for (size_t i = 0; i < stride; i++)
            sum[i] = (int32_t)(((uint32_t)sum[i] + (uint32_t)bias[i]) >> bits & (TURN - 1));
        for (int i = 0; i < m->outputs; i++) out[i] = p->sines[sum[i]];
    }
}

void sinr_look_around(
    const sinr_predictor *p, int16_t *boundary, int cells, int channels, int step, sinr_around *around,
    int16_t *features, int32_t *scratch) {
    size_t stride = sinr_boundary_stride(p), feature_stride = sinr_feature_stride(p);
    int rows = cells * channels;
    for (int cell = 0; cell < cells; cell++) {
        size_t row = (size_t)cell * (size_t)channels;
        int16_t *b = boundary + row * stride, *f = features + row * feature_stride;
#ifdef SINR_AVX2
        if (sinr_has_avx2()) {
            look_avx2(p, b, channels, step, around + row, f);
            continue;
        }
#endif
        look_plain(p, b, channels, step, around + row, f);
    }
    /* The first layer's outputs lie where the second's will, behind them is the input: any number is good enough
     * where an odd row of inputs is filled up. */
    sine_layer(p, &p->first, p->bias1, PHASE_BITS_1, boundary, stride, features, feature_stride, rows, scratch);
    sine_layer(
        p, &p->second, p->bias2, PHASE_BITS_2, features, feature_stride, features, feature_stride, rows, scratch);
    int used = p->third[0].inputs;
    if ((size_t)used < feature_stride)
        for (int n = 0; n < rows; n++) features[(size_t)n * feature_stride + (size_t)used] = 0;
}

/* Prediction */

/* Outputs as weights: orthonormal ones of one shape grow with the side of the cell, and the scale is per sample. */
static void in_samples(int32_t *weights, const int32_t *bias, int count, int64_t gain) {
    for (int i = 0; i < count; i++) {
        int64_t output = (int64_t)weights[i] + bias[i];
        int64_t rounded = (output * gain + (1 << (WEIGHT_BITS - 1))) >> WEIGHT_BITS;
        weights[i] = (int32_t)(rounded < -SINR_WEIGHT_MAX  ? -SINR_WEIGHT_MAX
                               : rounded > SINR_WEIGHT_MAX ? SINR_WEIGHT_MAX
                                                           : rounded);
    }
}

void sinr_predict(
    const sinr_predictor *p, int mode, const int16_t *features, const sinr_around *around, int rows,
    int32_t *weights) {
    size_t stride = sinr_weight_stride(p);
    sinr_multiply(&p->third[mode], features, sinr_feature_stride(p), weights, stride, rows);
    for (int n = 0; n < rows; n++)
        in_samples(
            weights + (size_t)n * stride, p->bias3 + (size_t)mode * (size_t)p->harmonics, p->harmonics,
            (int64_t)around[n].scale * (p->size / SINR_UNIT));
}

/* Steps */

void sinr_step_tables_fill(sinr_step_tables *tables, const sinr_quantiser *quantiser) {
    const int one = 64, lowest = 38, highest = 109;
    tables->step = quantiser->step;
    tables->flat = sinr_is_flat(quantiser);
    if (tables->flat) return;
    /* No entry is closer than 4e-5 to a rounding tie, so every libm gives the same table. */
    for (int i = 0; i < 1024; i++) {
        double factor = rint(one * pow(sinr_at_least(i, 1) / 16.0, quantiser->activity / 16.0));
        tables->activity[i] = (uint8_t)(factor < lowest ? lowest : factor > highest ? highest : factor);
    }
    for (int index = 0; index < SINR_SIZES; index++) {
        int size = SINR_UNIT << index;
        for (int diagonal = 0; diagonal < 2 * size - 1; diagonal++) {
            tables->matrix[index][0][diagonal] = (one + quantiser->luma * 4 * diagonal / size) * one;
            tables->matrix[index][1][diagonal] = (one + quantiser->chroma * 4 * diagonal / size) * quantiser->ratio;
        }
    }
}

void sinr_steps(const sinr_step_tables *tables, int index, int channel, int32_t deviation, int32_t *steps) {
    const int bits = 18;
    int count = 2 * (SINR_UNIT << index) - 1;
    if (tables->flat) {
        for (int i = 0; i < count; i++) steps[i] = tables->step;
        return;
    }
    /* Twice the deviation in quantiser steps, in sixteenths. */
    int32_t ratio = sinr_at_most((32 * deviation + tables->step / 2) / tables->step, 1023);
    int64_t scale = (int64_t)tables->activity[ratio] * tables->step;
    const int32_t *matrix = tables->matrix[index][channel > 0];
    for (int i = 0; i < count; i++)
        steps[i] = sinr_at_least((int32_t)((matrix[i] * scale + (1 << (bits - 1))) >> bits), 1);
}
