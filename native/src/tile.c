#include "tile.h"

#include "decisions.h"
#include "reconstruction.h"

#include <math.h>
#include <string.h>

/* The integers of a tile, by cell size. */
static sinr_symbols symbols_of(const sinr_integers *integers, const sinr_partition *partition, int channels) {
    sinr_symbols symbols = {partition, channels, integers->modes, integers->transforms, {0}};
    for (int i = 0; i < SINR_SIZES; i++)
        symbols.residuals[i] = integers->residuals + sinr_residuals_begin(partition, i, channels);
    return symbols;
}

sinr_status sinr_draw_tile(
    const sinr_integers *integers, int block_rows, int block_cols, int channels, const sinr_quantiser *quantiser,
    sinr_predictor *const *predictors, int16_t *planes, sinr_pool *pool) {
    sinr_partition partition = {0};
    sinr_arena arena = {NULL, 0};
    sinr_partition_layout(&partition, block_rows, block_cols, &arena);
    void *memory = sinr_reserve(&arena);
    if (!memory) return SINR_NO_MEMORY;
    sinr_partition_layout(&partition, block_rows, block_cols, &arena);
    sinr_partition_fill(&partition, integers->splits);
    sinr_symbols symbols = symbols_of(integers, &partition, channels);
    sinr_status status = sinr_reconstruct(&symbols, quantiser, predictors, planes, pool);
    free(memory);
    return status;
}

/* ---- fitting ---- */

/* Bits of a cell's last significant diagonals, and what else its fit does not count. */
static const float FITTED_CELL_BITS[SINR_SIZES] = {9.0f, 11.0f, 12.0f};

/* Bits of a one where the pass before coded nothing. */
#define UNLIKELY_BITS 8.0f

typedef struct {
    sinr_kind *kinds;
    sinr_partition partition;
    float *costs[SINR_SIZES];
    float *fitted;                 /* (cells) costs; NULL but to decide how to cut */
    float *spectrum;               /* as residuals */
    int16_t *rows;                 /* of magnitudes, as residuals; -1 where nothing is coded */
    uint8_t *known_rows;           /* the same with a row everywhere */
    float *bits[SINR_SIZES];       /* (2 * SINR_ROWS, SINR_MAGNITUDES) */
    float *modes[SINR_SIZES];      /* (cells, modes) */
    float *transforms[SINR_SIZES]; /* (modes, SINR_BANDWIDTHS, SINR_TRANSFORMS) */
    sinr_plain_rate plain;
} fit;

static void fit_layout(
    fit *f, sinr_predictor *const *predictors, const sinr_entropy *model, int block_rows, int block_cols,
    int channels, int trials, int cut_trials, sinr_arena *arena) {
    size_t blocks = (size_t)block_rows * (size_t)block_cols, samples = blocks * 1024 * (size_t)channels;
    size_t rated = trials || cut_trials ? samples : 0;
    f->kinds = sinr_kinds_layout(predictors, arena);
    sinr_partition_layout(&f->partition, block_rows, block_cols, arena);
    f->fitted = cut_trials ? sinr_take(arena, blocks * 16, sizeof *f->fitted) : NULL;
    f->spectrum = sinr_take(arena, samples, sizeof *f->spectrum);
    f->rows = sinr_take(arena, rated, sizeof *f->rows);
    f->known_rows = sinr_take(arena, rated, sizeof *f->known_rows);
    for (int i = 0; i < SINR_SIZES; i++) {
        size_t cells = blocks * 16 >> (2 * i);
        f->costs[i] = sinr_take(arena, cells, sizeof *f->costs[i]);
        f->bits[i] = sinr_take(arena, 2 * SINR_ROWS * SINR_MAGNITUDES, sizeof *f->bits[i]);
        f->modes[i] = sinr_take(arena, cells * (size_t)model->modes, sizeof *f->modes[i]);
        size_t types = (size_t)model->modes * SINR_BANDWIDTHS * SINR_TRANSFORMS;
        f->transforms[i] = sinr_take(arena, types, sizeof *f->transforms[i]);
    }
}

/* Code length in bits of a symbol. */
static float bits_of(const sinr_tables *tables, int row, int symbol) {
    const uint16_t *cumulative = tables->cumulative + (size_t)row * ((size_t)tables->symbols + 1) + symbol;
    return SINR_PRECISION - log2f((float)(cumulative[1] - cumulative[0]));
}

static int mode_at(const sinr_partition *p, const uint8_t *modes, int outside, int row, int col) {
    return row < 0 || col < 0 ? outside : modes[p->owner[row * p->cols + col]];
}

/* What symbols would cost, given those of the pass before. */
static void rate_of(
    fit *f, const sinr_entropy *model, const sinr_integers *integers, int channels, int step, sinr_rate *rate) {
    const sinr_partition *p = &f->partition;
    int step_class = sinr_step_class(step), modes = model->modes;
    for (int i = 0; i < SINR_SIZES; i++) {
        float *bits = f->bits[i];
        for (int row = 0; row < 2 * SINR_ROWS; row++)
            for (int m = 0; m < SINR_MAGNITUDES; m++)
                bits[row * SINR_MAGNITUDES + m] = bits_of(&model->magnitudes[i].tables, row, m) + (m ? 1.0f : 0.0f);
        int unlikely = 0;
        while (unlikely < SINR_ROWS && bits[unlikely * SINR_MAGNITUDES + 1] > UNLIKELY_BITS) unlikely++;
        if (unlikely == SINR_ROWS) unlikely = 0;
        size_t harmonics = (size_t)64 << (2 * i), at = sinr_residuals_begin(p, i, channels);
        for (size_t square = 0; square < (size_t)p->of_size[i] * (size_t)channels; square++) {
            int16_t unknown = (int16_t)(unlikely + (square % (size_t)channels ? SINR_ROWS : 0));
            for (size_t h = 0; h < harmonics; h++, at++)
                f->known_rows[at] = (uint8_t)(f->rows[at] < 0 ? unknown : f->rows[at]);
        }
        int rows = modes * SINR_BANDWIDTHS, first = (step_class * SINR_SIZES + i) * rows;
        for (int row = 0; row < rows; row++)
            for (int t = 0; t < SINR_TRANSFORMS; t++)
                f->transforms[i][row * SINR_TRANSFORMS + t] = bits_of(&model->transforms, first + row, t);
        rate->rows[i] = f->known_rows + sinr_residuals_begin(p, i, channels);
        rate->bits[i] = bits;
        rate->modes[i] = f->modes[i];
        rate->transforms[i] = f->transforms[i];
    }
    for (int c = 0; c < p->cells; c++) {
        const sinr_cell *cell = p->cell + c;
        int above = mode_at(p, integers->modes, modes, cell->row - 1, cell->col);
        int left = mode_at(p, integers->modes, modes, cell->row, cell->col - 1);
        int row = ((step_class * SINR_SIZES + cell->index) * (modes + 1) + above) * (modes + 1) + left;
        float *of_cell = f->modes[cell->index] + (size_t)cell->place * (size_t)modes;
        for (int mode = 0; mode < modes; mode++) of_cell[mode] = bits_of(&model->mode, row, mode);
    }
}

/* A tile on its way through a fit. */
typedef struct {
    fit *f;
    const float *samples;
    int block_rows, block_cols, channels;
    const sinr_quantiser *quantiser;
    const sinr_entropy *model;
    const sinr_integers *integers;
    int16_t *planes;
    sinr_pool *pool;
} fitted_tile;

/* Two passes over the cells that the splits say: the first rounds, the second knows from it what symbols cost. */
static sinr_status fit_cells(const fitted_tile *t, int trials, bool hide, float *costs) {
    fit *f = t->f;
    const sinr_quantiser *quantiser = t->quantiser;
    sinr_partition_fill(&f->partition, t->integers->splits);
    float *spectrum[SINR_SIZES];
    for (int i = 0; i < SINR_SIZES; i++)
        spectrum[i] = f->spectrum + sinr_residuals_begin(&f->partition, i, t->channels);
    const float *const *known = (const float *const *)spectrum;
    sinr_spectra(t->samples, t->channels, f->kinds, &f->partition, spectrum, t->pool);
    sinr_symbols symbols = symbols_of(t->integers, &f->partition, t->channels);
    sinr_rate rate;
    sinr_rate_plain(&rate, &f->plain);
    sinr_status status =
        sinr_fit_pass(known, quantiser, f->kinds, &rate, 1, hide && !trials, &symbols, costs, t->planes, t->pool);
    if (status || !trials) return status;
    status = sinr_magnitude_rows(
        t->model, t->integers, t->block_rows, t->block_cols, t->channels, quantiser->step, f->rows, t->pool);
    if (status) return status;
    rate_of(f, t->model, t->integers, t->channels, quantiser->step, &rate);
    return sinr_fit_pass(known, quantiser, f->kinds, &rate, trials, hide, &symbols, costs, t->planes, t->pool);
}

/* The mean of rough costs and what cells of each size cost in a tile that has no others: either errs in its own
 * way. */
static sinr_status mean_costs(const fitted_tile *t, int trials) {
    fit *f = t->f;
    for (int i = 0; i < SINR_SIZES; i++) {
        memset(t->integers->splits, SINR_UNIFORM[i], (size_t)t->block_rows * (size_t)t->block_cols);
        sinr_status status = fit_cells(t, trials, false, f->fitted);
        if (status) return status;
        int cols = f->partition.cols >> i;
        for (int c = 0; c < f->partition.cells; c++) {
            const sinr_cell *cell = f->partition.cell + c;
            float *cost = f->costs[i] + (cell->row >> i) * cols + (cell->col >> i);
            *cost = (*cost + (f->fitted[c] + FITTED_CELL_BITS[i])) / 2;
        }
    }
    return SINR_OK;
}

static sinr_status fit_all(const fitted_tile *t, int trials, int cut_trials) {
    fit *f = t->f;
    sinr_kinds_fill(f->kinds);
    sinr_status status = sinr_split_costs(
        t->samples, t->channels, t->block_rows, t->block_cols, t->quantiser, f->kinds, f->costs, t->pool);
    if (!status && cut_trials) status = mean_costs(t, cut_trials);
    if (status) return status;
    sinr_cheapest_splits(f->costs, t->block_rows, t->block_cols, t->integers->splits);
    return fit_cells(t, trials, true, NULL);
}

sinr_status sinr_fit_tile(
    const float *samples, int block_rows, int block_cols, int channels, const sinr_quantiser *quantiser,
    sinr_predictor *const *predictors, const sinr_entropy *model, int trials, int cut_trials,
    const sinr_integers *integers, int16_t *planes, sinr_pool *pool) {
    fit f = {0};
    sinr_arena arena = {NULL, 0};
    fit_layout(&f, predictors, model, block_rows, block_cols, channels, trials, cut_trials, &arena);
    void *memory = sinr_reserve(&arena);
    if (!memory) return SINR_NO_MEMORY;
    fit_layout(&f, predictors, model, block_rows, block_cols, channels, trials, cut_trials, &arena);
    fitted_tile t = {&f, samples, block_rows, block_cols, channels, quantiser, model, integers, planes, pool};
    sinr_status status = fit_all(&t, trials, cut_trials);
    free(memory);
    return status;
}
