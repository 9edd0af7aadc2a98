#include "resampling.h"

#include <math.h>
#include <string.h>

#define WINDOW 16 /* samples of a network, per axis */
#define HOP 8     /* from one to the next */

static const double PI = 3.14159265358979323846;

/* Harmonic features, orthonormal on the sample grid. */
static void features(double u, double f[WINDOW]) {
    for (int k = 0; k < WINDOW; k++) f[k] = sqrt((k ? 2.0 : 1.0) / WINDOW) * cos(PI * k * u);
}

/* The first of the samples that the two networks at x see. */
static int first_at(double x) { return ((int)floor(x / HOP) - 1) * HOP; }

/* Evaluations that the mean of a pixel is of. */
static int evaluations(double length, int count) {
    int number = (int)ceil(length / count - 1e-9);
    return number > 1 ? number : 1;
}

int sinr_taps_max(double length, int count) { return (int)ceil(length / count) + WINDOW + 3 * HOP; }

void sinr_grid_layout(sinr_grid *grid, int count, int taps_max, sinr_arena *arena) {
    grid->index = sinr_take(arena, (size_t)count * (size_t)taps_max, sizeof *grid->index);
    grid->weight = sinr_take(arena, (size_t)count * (size_t)taps_max, sizeof *grid->weight);
    grid->sums = sinr_take(arena, (size_t)taps_max, sizeof *grid->sums);
}

static int mirrored(int index, int length) {
    int folded = index % (2 * length);
    if (folded < 0) folded += 2 * length;
    return folded < length ? folded : 2 * length - 1 - folded;
}

/* Adds what the two networks at x make of the samples from `first` on. */
static void evaluate(double x, int first, double samples[WINDOW][WINDOW], double *sums) {
    int at = first_at(x);
    for (int begin = at; begin <= at + HOP; begin += HOP) {
        double u = (x - begin) / WINDOW, blend = sin(PI * u), f[WINDOW];
        features(u, f);
        for (int i = 0; i < WINDOW; i++) {
            double sum = 0;
            for (int k = 0; k < WINDOW; k++) sum += f[k] * samples[i][k];
            sums[begin - first + i] += blend * blend * sum;
        }
    }
}

void sinr_grid_fill(sinr_grid *grid, double begin, double end, int count, int length) {
    const int fine = evaluations(end - begin, count);
    const double pitch = (end - begin) / ((double)count * fine);
    double samples[WINDOW][WINDOW];
    for (int i = 0; i < WINDOW; i++) features((i + 0.5) / WINDOW, samples[i]);
    grid->count = count;
    grid->taps = 0;
    for (int n = 0; n < count; n++) {
        double x = begin + ((double)n * fine + 0.5) * pitch;
        int taps = first_at(x + (fine - 1) * pitch) - first_at(x) + WINDOW + HOP;
        if (taps > grid->taps) grid->taps = taps;
    }
    for (int n = 0; n < count; n++) {
        int first = first_at(begin + ((double)n * fine + 0.5) * pitch);
        size_t at = (size_t)n * (size_t)grid->taps;
        /* One more than any needs: where rounding moves the last evaluation across a border. */
        memset(grid->sums, 0, (size_t)(grid->taps + HOP) * sizeof *grid->sums);
        for (int i = 0; i < fine; i++)
            evaluate(begin + ((double)n * fine + i + 0.5) * pitch, first, samples, grid->sums);
        for (int t = 0; t < grid->taps; t++) {
            grid->index[at + (size_t)t] = mirrored(first + t, length);
            grid->weight[at + (size_t)t] = (float)(grid->sums[t] / fine);
        }
    }
}

void sinr_grid_range(const sinr_grid *grid, int *first, int *last) {
    *first = INT32_MAX;
    *last = 0;
    for (size_t i = 0; i < (size_t)grid->count * (size_t)grid->taps; i++) {
        if (grid->index[i] < *first) *first = grid->index[i];
        if (grid->index[i] >= *last) *last = grid->index[i] + 1;
    }
}

sinr_axis sinr_grid_from(sinr_grid *grid, int first) {
    for (size_t i = 0; i < (size_t)grid->count * (size_t)grid->taps; i++) grid->index[i] -= first;
    return (sinr_axis){grid->count, grid->taps, grid->index, grid->weight};
}
