#include "rendering.h"

#include "instructions.h"
#include "matrix.h"
#include "memory.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define FRACTION 4
#define INVERSE_BITS 14
#define MID 128

/* sqrt(1/3), sqrt(1/2), sqrt(1/6) and sqrt(2/3) with INVERSE_BITS. */
#define LUMA 9459
#define FIRST 11585
#define SECOND 6689
#define GREEN 13377

#define CHUNK 512 /* pixels that are converted at a time */
#define LINES 16  /* rows of samples, or columns of the grid, that are resampled at a time */
#define SHARE 16  /* rows of the grid that are a piece of work */

SINR_INLINE uint8_t to_byte(int32_t mixed) {
    int32_t value = mixed >> (FRACTION + INVERSE_BITS);
    value = value < 0 ? 0 : value;
    return (uint8_t)(value > 255 ? 255 : value);
}

SINR_INLINE void interleave(uint8_t (*colours)[CHUNK], int count, uint8_t *pixels) {
    for (int i = 0; i < count; i++)
        for (int c = 0; c < 3; c++) pixels[3 * i + c] = colours[c][i];
}

/* Sums stay below 2**30. */
SINR_INLINE void pixels_of_samples_loop(const int16_t *const samples[3], int channels, int count, uint8_t *pixels) {
    const int32_t offset = (1 << (FRACTION + INVERSE_BITS - 1)) + (MID << (FRACTION + INVERSE_BITS));
    if (channels == 1) {
        const int16_t *luma = samples[0];
        SINR_APART
        for (int i = 0; i < count; i++) pixels[i] = to_byte(LUMA * luma[i] + offset);
        return;
    }
    uint8_t colours[3][CHUNK];
    for (int begin = 0; begin < count; begin += CHUNK) {
        const int some = count - begin < CHUNK ? count - begin : CHUNK;
        const int16_t *luma = samples[0] + begin, *first = samples[1] + begin, *second = samples[2] + begin;
        SINR_APART
        for (int i = 0; i < some; i++) {
            int32_t grey = LUMA * luma[i] + offset;
            colours[0][i] = to_byte(grey + FIRST * first[i] - SECOND * second[i]);
            colours[1][i] = to_byte(grey + GREEN * second[i]);
            colours[2][i] = to_byte(grey - FIRST * first[i] - SECOND * second[i]);
        }
        interleave(colours, some, pixels + 3 * begin);
    }
}

SINR_CHOOSE(
    static, void, pixels_of_samples, (const int16_t *const samples[3], int channels, int count, uint8_t *pixels),
    (samples, channels, count, pixels))

/* Weighted sums of rows: (count) values each. */
SINR_INLINE void blend_rows(const float *const *rows, const float *weight, int taps, int count, float *result) {
    for (int i = 0; i < count; i++) result[i] = 0;
    /* Four taps at a time, so that sums are loaded and stored less often. */
    int t = 0;
    for (; t + 4 <= taps; t += 4) {
        const float *a = rows[t], *b = rows[t + 1], *c = rows[t + 2], *d = rows[t + 3];
        const float wa = weight[t], wb = weight[t + 1], wc = weight[t + 2], wd = weight[t + 3];
        SINR_APART
        for (int i = 0; i < count; i++) result[i] += wa * a[i] + wb * b[i] + wc * c[i] + wd * d[i];
    }
    for (; t < taps; t++) {
        const float *a = rows[t], w = weight[t];
        SINR_APART
        for (int i = 0; i < count; i++) result[i] += w * a[i];
    }
}

/* Rows of samples, at most LINES, on the columns of a grid: (count of rows, cols->count).
 * lines: (width, LINES) scratch memory: one sample of every row side by side. */
SINR_INLINE void resample_lines(
    const int16_t *samples, size_t row, int count, int width, const sinr_axis *cols, float *lines, float *result) {
    for (int y = 0; y < count; y++)
        for (int x = 0; x < width; x++) lines[x * LINES + y] = samples[(size_t)y * row + (size_t)x];
    for (int begin = 0; begin < cols->count; begin += LINES) {
        float values[LINES][LINES];
        int some = cols->count - begin < LINES ? cols->count - begin : LINES;
        for (int n = 0; n < some; n++) {
            const int32_t *index = cols->index + (size_t)(begin + n) * (size_t)cols->taps;
            const float *weight = cols->weight + (size_t)(begin + n) * (size_t)cols->taps;
            float sums[LINES] = {0};
            for (int t = 0; t < cols->taps; t++) {
                const float *line = lines + (size_t)index[t] * LINES, w = weight[t];
                SINR_APART
                for (int y = 0; y < LINES; y++) sums[y] += w * line[y];
            }
            for (int y = 0; y < LINES; y++) values[y][n] = sums[y];
        }
        for (int y = 0; y < count; y++)
            for (int n = 0; n < some; n++)
                result[(size_t)y * (size_t)cols->count + (size_t)(begin + n)] = values[y][n];
    }
}

SINR_INLINE uint8_t to_byte_of_float(float mixed) {
    mixed = mixed > 0 ? mixed : 0;
    return (uint8_t)(int32_t)(mixed < 255 ? mixed : 255);
}

/* `pixels_of_samples` of any values; good to a level. */
SINR_INLINE void pixels_of_values(const float *const values[3], int channels, int count, uint8_t *pixels) {
    const float unit = 1.0f / (float)(1 << (FRACTION + INVERSE_BITS)), offset = MID + 0.5f;
    if (channels == 1) {
        const float *luma = values[0];
        SINR_APART
        for (int i = 0; i < count; i++) pixels[i] = to_byte_of_float(LUMA * unit * luma[i] + offset);
        return;
    }
    uint8_t colours[3][CHUNK];
    for (int begin = 0; begin < count; begin += CHUNK) {
        const int some = count - begin < CHUNK ? count - begin : CHUNK;
        const float *luma = values[0] + begin, *first = values[1] + begin, *second = values[2] + begin;
        SINR_APART
        for (int i = 0; i < some; i++) {
            float grey = LUMA * unit * luma[i] + offset;
            colours[0][i] = to_byte_of_float(grey + FIRST * unit * first[i] - SECOND * unit * second[i]);
            colours[1][i] = to_byte_of_float(grey + GREEN * unit * second[i]);
            colours[2][i] = to_byte_of_float(grey - FIRST * unit * first[i] - SECOND * unit * second[i]);
        }
        interleave(colours, some, pixels + 3 * begin);
    }
}

/* A row of the grid. sources: (channels, taps) rows; sums: (channels, count) scratch memory. */
SINR_INLINE void resample_row(
    const float *const *sources, const float *weight, int taps, int channels, int count, float *sums,
    uint8_t *pixels) {
    const float *values[3] = {sums, sums, sums};
    for (int c = 0; c < channels; c++) {
        float *to = sums + (size_t)c * (size_t)count;
        blend_rows(sources + c * taps, weight, taps, count, to);
        values[c] = to;
    }
    pixels_of_values(values, channels, count, pixels);
}

static void blend_c(
    const float *const *sources, const float *weight, int taps, int channels, int count, float *sums,
    uint8_t *pixels) {
    resample_row(sources, weight, taps, channels, count, sums, pixels);
}

static void lines_c(
    const int16_t *samples, size_t row, int count, int width, const sinr_axis *cols, float *lines, float *result) {
    resample_lines(samples, row, count, width, cols, lines, result);
}

#ifdef SINR_AVX2

__attribute__((target("avx2,fma"))) static void blend_avx2(
    const float *const *sources, const float *weight, int taps, int channels, int count, float *sums,
    uint8_t *pixels) {
    resample_row(sources, weight, taps, channels, count, sums, pixels);
}

__attribute__((target("avx2,fma"))) static void lines_avx2(
    const int16_t *samples, size_t row, int count, int width, const sinr_axis *cols, float *lines, float *result) {
    resample_lines(samples, row, count, width, cols, lines, result);
}

static bool has_avx2(void) { return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"); }

#endif

void sinr_to_pixels(
    const int16_t *planes, size_t plane, size_t row, int channels, int height, int width, uint8_t *pixels) {
    for (int y = 0; y < height; y++) {
        const int16_t *samples[3];
        for (int c = 0; c < 3; c++) samples[c] = planes + (c < channels ? (size_t)c : 0) * plane + (size_t)y * row;
        pixels_of_samples(samples, channels, width, pixels + (size_t)y * (size_t)width * (size_t)channels);
    }
}

/* What a call of `sinr_resample` has in common. */
typedef struct {
    const int16_t *planes;
    size_t plane, row;
    int channels, height, width;
    const sinr_axis *rows, *cols;
    uint8_t *pixels;
    int bands;             /* of LINES rows of samples */
    float *across;         /* (channels, height, cols->count) */
    float *lines;          /* (workers, width, LINES) */
    float *sums;           /* (workers, channels, cols->count) */
    const float **sources; /* (workers, channels, rows->taps) */
} call;

static void resample_across(void *context, int piece, int worker) {
    const call *c = context;
    const int channel = piece / c->bands, y = piece % c->bands * LINES;
    const int count = c->height - y < LINES ? c->height - y : LINES;
    const int16_t *samples = c->planes + (size_t)channel * c->plane + (size_t)y * c->row;
    float *lines = c->lines + (size_t)worker * (size_t)c->width * LINES;
    float *result = c->across + ((size_t)channel * (size_t)c->height + (size_t)y) * (size_t)c->cols->count;
#ifdef SINR_AVX2
    if (has_avx2()) {
        lines_avx2(samples, c->row, count, c->width, c->cols, lines, result);
        return;
    }
#endif
    lines_c(samples, c->row, count, c->width, c->cols, lines, result);
}

static void resample_down(void *context, int piece, int worker) {
    const call *c = context;
    const int taps = c->rows->taps;
    const size_t width = (size_t)c->cols->count, channels = (size_t)c->channels;
    float *sums = c->sums + (size_t)worker * channels * width;
    const float **sources = c->sources + (size_t)worker * channels * (size_t)taps;
    for (int y = piece * SHARE; y < (piece + 1) * SHARE && y < c->rows->count; y++) {
        const int32_t *index = c->rows->index + (size_t)y * (size_t)taps;
        const float *weight = c->rows->weight + (size_t)y * (size_t)taps;
        uint8_t *pixels = c->pixels + (size_t)y * width * channels;
        for (int channel = 0; channel < c->channels; channel++)
            for (int t = 0; t < taps; t++)
                sources[channel * taps + t] =
                    c->across + ((size_t)channel * (size_t)c->height + (size_t)index[t]) * width;
#ifdef SINR_AVX2
        if (has_avx2()) {
            blend_avx2(sources, weight, taps, c->channels, c->cols->count, sums, pixels);
            continue;
        }
#endif
        blend_c(sources, weight, taps, c->channels, c->cols->count, sums, pixels);
    }
}

static bool inside(const sinr_axis *axis, int length) {
    for (size_t i = 0; i < (size_t)axis->count * (size_t)axis->taps; i++)
        if (axis->index[i] < 0 || axis->index[i] >= length) return false;
    return true;
}

static void layout(call *c, int workers, sinr_arena *arena) {
    const size_t count = (size_t)workers, width = (size_t)c->cols->count, channels = (size_t)c->channels;
    c->across = sinr_take(arena, channels * (size_t)c->height * width, sizeof *c->across);
    c->lines = sinr_take(arena, count * (size_t)c->width * LINES, sizeof *c->lines);
    c->sums = sinr_take(arena, count * channels * width, sizeof *c->sums);
    c->sources = sinr_take(arena, count * channels * (size_t)c->rows->taps, sizeof *c->sources);
}

sinr_status sinr_resample(
    const int16_t *planes, size_t plane, size_t row, int channels, int height, int width, const sinr_axis *rows,
    const sinr_axis *cols, uint8_t *pixels, sinr_pool *pool) {
    if ((channels != 1 && channels != 3) || !inside(rows, height) || !inside(cols, width)) return SINR_ARGUMENT;
    call c = {
        .planes = planes,
        .plane = plane,
        .row = row,
        .channels = channels,
        .height = height,
        .width = width,
        .rows = rows,
        .cols = cols,
        .pixels = pixels,
        .bands = (height + LINES - 1) / LINES};
    const int workers = sinr_workers(pool);
    sinr_arena arena = {NULL, 0};
    layout(&c, workers, &arena);
    if (arena.used > SIZE_MAX / 4) return SINR_TOO_LARGE;
    void *memory = sinr_reserve(&arena);
    if (!memory) return SINR_NO_MEMORY;
    layout(&c, workers, &arena);
    /* A last band of fewer rows computes with what lies in the lanes of the others. */
    memset(c.lines, 0, (size_t)workers * (size_t)c.width * LINES * sizeof *c.lines);
    sinr_run(pool, resample_across, &c, channels * c.bands);
    sinr_run(pool, resample_down, &c, (rows->count + SHARE - 1) / SHARE);
    free(memory);
    return SINR_OK;
}
