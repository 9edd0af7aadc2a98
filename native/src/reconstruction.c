#include "reconstruction.h"

#include "transform_types.h"

#include "bounds.h"
#include "instructions.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define FEATURE_BITS 12

static const double PI = 3.14159265358979323846;

/* Transforms */

/* No entry is closer than 7e-4 to a rounding tie, so every libm gives the same table. */
static int32_t feature(const sinr_wave *wave, int i) {
    double one = 1 << FEATURE_BITS;
    int n = wave->length, k = wave->number;
    if (wave->sine)
        return (int32_t)lround(one * sqrt(4.0 / (2 * n + 1)) * sin(PI * (2 * k + 1) * (i + 1) / (2 * n + 1)));
    return (int32_t)lround(one * sqrt((k ? 2.0 : 1.0) / n) * cos(PI * k * (2 * i + 1) / (2 * n)));
}

void sinr_axis_features(int size, int32_t *features) {
    memset(features, 0, (size_t)(SINR_AXIS_TRANSFORMS * size * size) * sizeof *features);
    for (int transform = 0; transform < SINR_AXIS_TRANSFORMS; transform++) {
        sinr_wave waves[SINR_BLOCK];
        sinr_axis_waves(size, transform, waves);
        for (int k = 0; k < size; k++, features += size)
            for (int i = 0; i < waves[k].length; i++) features[waves[k].begin + i] = feature(waves + k, i);
    }
}

void sinr_canvas_layout(sinr_canvas *canvas, sinr_arena *arena) {
    for (int index = 0; index < SINR_SIZES; index++) {
        size_t size = (size_t)SINR_UNIT << index;
        canvas->axes[index] = sinr_take(arena, SINR_AXIS_TRANSFORMS * size * size, sizeof **canvas->axes);
    }
}

void sinr_canvas_fill(sinr_canvas *canvas, const sinr_partition *partition, int channels, int16_t *samples) {
    canvas->channels = channels;
    canvas->width = partition->cols * SINR_UNIT;
    canvas->plane = (size_t)canvas->width * (size_t)partition->rows * SINR_UNIT;
    canvas->samples = samples;
    for (int index = 0; index < SINR_SIZES; index++) {
        int32_t features[SINR_AXIS_TRANSFORMS * SINR_BLOCK * SINR_BLOCK];
        int size = SINR_UNIT << index;
        sinr_axis_features(size, features);
        for (int i = 0; i < SINR_AXIS_TRANSFORMS * size * size; i++) canvas->axes[index][i] = features[i];
    }
}

void sinr_gather(const sinr_canvas *canvas, const sinr_cell *cell, int16_t *boundary, size_t stride) {
    int32_t index[6 * SINR_BLOCK + 4];
    int count = sinr_boundary_size(sinr_size(cell));
    bool any = sinr_boundary(cell, canvas->width, index);
    for (int c = 0; c < canvas->channels; c++) {
        const int16_t *plane = canvas->samples + (size_t)c * canvas->plane;
        int16_t *out = boundary + (size_t)c * stride;
        if (any)
            for (int i = 0; i < count; i++) out[i] = plane[index[i]];
        else
            memset(out, 0, (size_t)count * sizeof *out);
    }
}

/* Several doubles, wherever they lie. Left to find them in loops, compilers unroll the short ones first. */
#ifdef __GNUC__
typedef double lanes __attribute__((vector_size(32), aligned(8), may_alias));
#else
typedef double lanes;
#endif
#define LANES ((int)(sizeof(lanes) / sizeof(double)))

SINR_INLINE void fill(double *out, double value, int size) {
    for (int x = 0; x < size; x += LANES) *(lanes *)(out + x) = value + (lanes){0};
}

/* Adds four rows, each times a factor. */
SINR_INLINE void add_four(double *restrict out, const double *factors, const double *const *rows, int size) {
    for (int x = 0; x < size; x += LANES)
        *(lanes *)(out + x) +=
            factors[0] * *(const lanes *)(rows[0] + x) + factors[1] * *(const lanes *)(rows[1] + x) +
            factors[2] * *(const lanes *)(rows[2] + x) + factors[3] * *(const lanes *)(rows[3] + x);
}

/* Adds harmonics of an axis, less those whose weights are zero; whether any is not. */
SINR_INLINE bool add_harmonics(
    double *restrict out, const int32_t *weights, int count, const double *axis, int size) {
    int32_t any = 0;
    for (int m = 0; m < count; m += 4) {
        const double *rows[4];
        double factors[4];
        int32_t some = 0;
        for (int i = 0; i < 4; i++) {
            int32_t weight = m + i < count ? weights[m + i] : 0;
            rows[i] = axis + (m + i) * size;
            factors[i] = weight;
            some |= weight;
        }
        if (some) add_four(out, factors, rows, size);
        any |= some;
    }
    return any != 0;
}

SINR_INLINE bool any_of(const int32_t *values, int count) {
    int32_t all = 0;
    for (int i = 0; i < count; i++) all |= values[i];
    return all != 0;
}

/* A row of residual weights of a plane, with what it takes over from luma; false, and none, if it is all zero. */
SINR_INLINE bool residual_row(
    int32_t *out, const int32_t *own, const int32_t *luma, const int32_t *slope, int k, int size) {
    int half = size / 2;
    bool carries = luma && (slope[0] | slope[1]) && any_of(luma, size);
    if (!carries && !any_of(own, size)) return false;
    if (!carries) {
        for (int m = 0; m < size; m++) out[m] = own[m];
        return true;
    }
    int32_t low = k < half ? slope[0] : slope[1];
    for (int m = 0; m < half; m++) out[m] = own[m] + sinr_carried(low, luma[m]);
    for (int m = half; m < size; m++) out[m] = own[m] + sinr_carried(slope[1], luma[m]);
    return true;
}

/* An integer below 2**51 shifted by 2 * FEATURE_BITS. Added to 3 * 2**51 it is the mantissa's low bits, which costs
 * less than a conversion: those to 64 bits are one at a time. */
SINR_INLINE int32_t floor_shift(double value) {
    const double offset = 6755399441055744.0;
    uint64_t bits, zero;
    value += offset;
    memcpy(&bits, &value, sizeof bits);
    memcpy(&zero, &offset, sizeof zero);
    return (int32_t)((uint32_t)(bits >> (2 * FEATURE_BITS)) - (uint32_t)(zero >> (2 * FEATURE_BITS)));
}

/* Weights are below 2**20 and features below 2**11.5: with 32 terms twice, sums of doubles are exact. Bounds of
 * sizes and harmonics together even keep them below 2**51. */
SINR_INLINE void draw_plane(
    int16_t *samples, int width, int32_t mean, const int32_t *predicted, const int32_t *own, const int32_t *luma,
    const int32_t *slope, int transform, const double *axes, double *restrict scratch, int size) {
    const double *vertical = axes + transform / SINR_AXIS_TRANSFORMS * size * size,
                 *horizontal = axes + transform % SINR_AXIS_TRANSFORMS * size * size;
    const double *rows[2 * SINR_BLOCK + 4], *features[2 * SINR_BLOCK + 4];
    int count = 0;
    /* Along rows: one of samples per vertical harmonic and transform. */
    for (int k = 0; k < size; k++) {
        double *row = scratch + count * size;
        int columns = sinr_predicted_columns(size, k);
        fill(row, 0, size);
        bool any = add_harmonics(row, predicted, columns, axes, size);
        predicted += columns;
        int32_t residual[SINR_BLOCK];
        bool coded = residual_row(residual, own + k * size, luma ? luma + k * size : NULL, slope, k, size);
        if (coded && any && transform >= SINR_AXIS_TRANSFORMS) {
            rows[count] = row;
            features[count++] = axes + k * size;
            row += size;
            fill(row, 0, size);
            any = false;
        }
        if (coded) any |= add_harmonics(row, residual, size, horizontal, size);
        if (!any) continue;
        rows[count] = row;
        features[count++] = (coded ? vertical : axes) + k * size;
    }
    if (count % 4) {
        double *none = scratch + count * size;
        fill(none, 0, size);
        for (; count % 4; count++) {
            rows[count] = none;
            features[count] = axes;
        }
    }
    /* Along columns. */
    for (int y = 0; y < size; y++) {
        double sums[SINR_BLOCK];
        fill(sums, 1 << (2 * FEATURE_BITS - 1), size);
        for (int n = 0; n < count; n += 4) {
            const double factors[4] = {features[n][y], features[n + 1][y], features[n + 2][y], features[n + 3][y]};
            add_four(sums, factors, rows + n, size);
        }
        int16_t *out = samples + (size_t)y * (size_t)width;
#pragma GCC unroll 1
        for (int x = 0; x < size; x++) {
            int32_t sample = floor_shift(sums[x]) + mean;
            out[x] = (int16_t)(sample < -SINR_SAMPLE_MAX  ? -SINR_SAMPLE_MAX
                               : sample > SINR_SAMPLE_MAX ? SINR_SAMPLE_MAX
                                                          : sample);
        }
    }
}

SINR_INLINE void draw(
    const sinr_canvas *canvas, const sinr_cell *cell, const sinr_around *around, const int32_t *predicted,
    size_t stride, const int32_t *residual, int transform, double *scratch, int size) {
    const double *axes = canvas->axes[cell->index];
    size_t place = ((size_t)cell->row * (size_t)canvas->width + cell->col) * SINR_UNIT;
    for (int c = 0; c < canvas->channels; c++)
        draw_plane(
            canvas->samples + (size_t)c * canvas->plane + place, canvas->width, around[c].mean,
            predicted + (size_t)c * stride, residual + c * size * size, c ? residual : NULL, around[c].slope,
            transform, axes, scratch, size);
}

SINR_INLINE void draw_sizes(
    const sinr_canvas *canvas, const sinr_cell *cell, const sinr_around *around, const int32_t *predicted,
    size_t stride, const int32_t *residual, int transform, double *scratch) {
    switch (cell->index) {
    case 0:
        draw(canvas, cell, around, predicted, stride, residual, transform, scratch, 8);
        break;
    case 1:
        draw(canvas, cell, around, predicted, stride, residual, transform, scratch, 16);
        break;
    default:
        draw(canvas, cell, around, predicted, stride, residual, transform, scratch, 32);
    }
}

#ifdef SINR_AVX2
SINR_AVX2 static void draw_avx2(
    const sinr_canvas *canvas, const sinr_cell *cell, const sinr_around *around, const int32_t *predicted,
    size_t stride, const int32_t *residual, int transform, double *scratch) {
    draw_sizes(canvas, cell, around, predicted, stride, residual, transform, scratch);
}
#endif

void sinr_draw(
    const sinr_canvas *canvas, const sinr_cell *cell, const sinr_around *around, const int32_t *predicted,
    size_t stride, const int32_t *residual, int transform, double *scratch) {
#ifdef SINR_AVX2
    if (sinr_has_avx2()) {
        draw_avx2(canvas, cell, around, predicted, stride, residual, transform, scratch);
        return;
    }
#endif
    draw_sizes(canvas, cell, around, predicted, stride, residual, transform, scratch);
}

void sinr_dequantise(
    const sinr_step_tables *tables, int index, int channels, int32_t deviation, const int32_t *residuals,
    int32_t *weights) {
    int size = SINR_UNIT << index;
    for (int c = 0; c < channels; c++) {
        int32_t steps[SINR_DIAGONALS];
        /* Most rows are all zero. */
        bool known = false;
        for (int k = 0; k < size; k++, residuals += size, weights += size) {
            memset(weights, 0, (size_t)size * sizeof *weights);
            if (!any_of(residuals, size)) continue;
            if (!known) sinr_steps(tables, index, c, deviation, steps);
            known = true;
            for (int m = 0; m < size; m++) {
                int64_t weight = (int64_t)residuals[m] * steps[k + m];
                weights[m] = (int32_t)(weight < -SINR_WEIGHT_MAX  ? -SINR_WEIGHT_MAX
                                       : weight > SINR_WEIGHT_MAX ? SINR_WEIGHT_MAX
                                                                  : weight);
            }
        }
    }
}

/* Tiles */

/* Cells whose boundaries go through the networks together, at most; and how many are worth sharing. */
#define BATCH 8
#define WORTH_SHARING 8

typedef struct {
    int16_t *boundary, *features;
    int32_t *sums, *predicted, *residual;
    sinr_around *around;
    double *drawing;
} scratch;

typedef struct {
    const sinr_symbols *symbols;
    sinr_predictor *const *predictors;
    sinr_step_tables *tables;
    sinr_canvas canvas;
    int32_t *pieces; /* (cells + 1) */
    scratch *workers;
} drawing;

static void layout(drawing *d, int workers, sinr_arena *arena) {
    const sinr_partition *partition = d->symbols->partition;
    size_t channels = (size_t)d->symbols->channels, rows = BATCH * channels;
    size_t boundary = 0, features = 0, sums = 0, weights = 0;
    for (int index = 0; index < SINR_SIZES; index++) {
        const sinr_predictor *p = d->predictors[index];
        boundary = sinr_larger(boundary, sinr_boundary_stride(p));
        features = sinr_larger(features, sinr_feature_stride(p));
        sums = sinr_larger(sums, sinr_sums_stride(p));
        weights = sinr_larger(weights, sinr_weight_stride(p));
    }
    d->tables = sinr_take(arena, 1, sizeof *d->tables);
    sinr_canvas_layout(&d->canvas, arena);
    d->pieces = sinr_take(arena, (size_t)partition->cells + 1, sizeof *d->pieces);
    d->workers = sinr_take(arena, (size_t)workers, sizeof *d->workers);
    for (int i = 0; i < workers; i++) {
        scratch s;
        s.boundary = sinr_take(arena, rows * boundary, sizeof *s.boundary);
        s.features = sinr_take(arena, rows * features, sizeof *s.features);
        s.sums = sinr_take(arena, rows * sums, sizeof *s.sums);
        s.predicted = sinr_take(arena, channels * weights, sizeof *s.predicted);
        s.residual = sinr_take(arena, channels * SINR_BLOCK * SINR_BLOCK, sizeof *s.residual);
        s.around = sinr_take(arena, rows, sizeof *s.around);
        s.drawing = sinr_take(arena, SINR_DRAW_SCRATCH, sizeof *s.drawing);
        if (d->workers) d->workers[i] = s;
    }
}

/* Draws some cells of one size that do not look at each other. */
static void draw_cells(void *context, const int32_t *cells, int count, int worker) {
    const drawing *d = context;
    const sinr_symbols *symbols = d->symbols;
    const sinr_partition *partition = symbols->partition;
    const scratch *s = d->workers + worker;
    int channels = symbols->channels;
    int index = partition->cell[cells[0]].index, size = SINR_UNIT << index;
    const sinr_predictor *p = d->predictors[index];
    size_t stride = sinr_boundary_stride(p), rows = (size_t)channels;
    for (int i = 0; i < count; i++)
        sinr_gather(&d->canvas, partition->cell + cells[i], s->boundary + (size_t)i * rows * stride, stride);
    sinr_look_around(p, s->boundary, count, channels, d->tables->step, s->around, s->features, s->sums);
    for (int i = 0; i < count; i++) {
        const sinr_cell *cell = partition->cell + cells[i];
        const sinr_around *around = s->around + (size_t)i * rows;
        const int16_t *features = s->features + (size_t)i * rows * sinr_feature_stride(p);
        const int32_t *residuals = symbols->residuals[index] + (size_t)cell->place * rows * (size_t)(size * size);
        sinr_predict(p, symbols->modes[cells[i]], features, around, channels, s->predicted);
        sinr_dequantise(d->tables, index, channels, around->deviation, residuals, s->residual);
        sinr_draw(
            &d->canvas, cell, around, s->predicted, sinr_weight_stride(p), s->residual,
            symbols->transforms[cells[i]], s->drawing);
    }
}

/* The cells of a level in pieces, which begin at places of the partition's order. */
typedef struct {
    sinr_visit *visit;
    void *context;
    const int32_t *order, *pieces;
} visiting;

static void visit_piece(void *context, int piece, int worker) {
    const visiting *v = context;
    const int32_t *begin = v->pieces + piece;
    v->visit(v->context, v->order + begin[0], begin[1] - begin[0], worker);
}

void sinr_visit_cells(
    const sinr_partition *partition, int batch, int worth_sharing, sinr_visit *visit, void *context,
    int32_t *pieces, sinr_pool *pool) {
    const int32_t *group = partition->group;
    visiting v = {visit, context, partition->order, pieces};
    for (int begin = 0, end; begin < partition->groups; begin = end) {
        int level = partition->cell[partition->order[group[begin]]].level;
        for (end = begin + 1; end < partition->groups; end++)
            if (partition->cell[partition->order[group[end]]].level != level) break;
        int cells = group[end] - group[begin], count = 0;
        int workers = cells < worth_sharing ? 1 : sinr_workers(pool);
        int fair = (cells + workers - 1) / workers, most = fair < batch ? fair : batch;
        for (int g = begin; g < end; g++)
            for (int32_t first = group[g]; first < group[g + 1]; first += most) pieces[count++] = first;
        pieces[count] = group[end];
        sinr_run(workers > 1 ? pool : NULL, visit_piece, &v, count);
    }
}

static sinr_status check(const sinr_symbols *symbols, sinr_predictor *const *predictors) {
    const sinr_partition *partition = symbols->partition;
    for (int i = 0; i < partition->cells; i++)
        if (symbols->modes[i] >= predictors[partition->cell[i].index]->modes ||
            symbols->transforms[i] >= SINR_TRANSFORMS)
            return SINR_OUT_OF_RANGE;
    return SINR_OK;
}

sinr_status sinr_reconstruct(
    const sinr_symbols *symbols, const sinr_quantiser *quantiser, sinr_predictor *const *predictors,
    int16_t *planes, sinr_pool *pool) {
    const sinr_partition *partition = symbols->partition;
    sinr_status status = check(symbols, predictors);
    if (status) return status;
    drawing d = {.symbols = symbols, .predictors = predictors};
    int workers = sinr_workers(pool);
    sinr_arena arena = {NULL, 0};
    layout(&d, workers, &arena);
    void *memory = sinr_reserve(&arena);
    if (!memory) return SINR_NO_MEMORY;
    layout(&d, workers, &arena);
    sinr_step_tables_fill(d.tables, quantiser);
    sinr_canvas_fill(&d.canvas, partition, symbols->channels, planes);
    sinr_visit_cells(partition, BATCH, WORTH_SHARING, draw_cells, &d, d.pieces, pool);
    free(memory);
    return SINR_OK;
}
