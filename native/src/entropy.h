/* A tile's integers as bytes, and back: FORMAT.md, sections 4 to 6. Knows nothing of samples. */
#ifndef SINR_ENTROPY_H
#define SINR_ENTROPY_H

#include "matrix.h"
#include "memory.h"
#include "parallel.h"
#include "partition.h"
#include "status.h"

#include <stddef.h>
#include <stdint.h>

#define SINR_PRECISION 14 /* frequencies of a table row sum to 1 << SINR_PRECISION */
#define SINR_ROWS 64      /* table rows a context network chooses from, per channel class */

/* Frequency tables: (rows, symbols + 1) cumulative frequencies. */
typedef struct {
    int rows, symbols;
    uint16_t *cumulative;
} sinr_tables;

/* A context network: features to a table row. */
typedef struct {
    sinr_matrix first, second;
    int32_t *bias1, *bias2; /* filled up to whole SINR_OUTPUTS */
    int16_t *weight3;
    int32_t bias3;
    sinr_tables tables;
} sinr_context;

/* Everything trained that decides code lengths; lies in memory of its own. */
typedef struct {
    int modes;
    sinr_tables splits, mode, transforms;
    sinr_context last_diagonals[SINR_SIZES], magnitudes[SINR_SIZES];
} sinr_entropy;

/* Inputs of a network of magnitudes, or of last diagonals. */
int sinr_context_features(bool magnitudes, int modes);

/* Takes memory for a model; hidden widths (h1, h2) per cell size. The structure is the first thing in it. */
sinr_entropy *sinr_entropy_layout(
    int modes, const int last_diagonals[SINR_SIZES][2], const int magnitudes[SINR_SIZES][2], sinr_arena *arena);

/* Fills tables: SINR_CODEBOOK if a row of `frequencies` (rows, symbols) is not a distribution. */
sinr_status sinr_tables_fill(sinr_tables *tables, const uint16_t *frequencies);

/* Fills a network; weights are row-major, (outputs, inputs). SINR_CODEBOOK if one does not fit 16 bits. */
sinr_status sinr_context_fill(
    sinr_context *context, const int32_t *weight1, const int32_t *bias1, const int32_t *weight2,
    const int32_t *bias2, const int32_t *weight3, const int32_t *bias3);

/* Classes of bandwidths of luma, each with transform tables of its own. */
#define SINR_BANDWIDTHS 3

/* That of a last significant diagonal and a cell size. */
static inline int sinr_bandwidth_class(int last, int index) {
    int bandwidth = last << (SINR_SIZES - 1 - index);
    return (bandwidth >= 4) + (bandwidth >= 12);
}

/* Which set of split, mode and transform tables serves a quantiser step: 0, 1 or 2. */
static inline int sinr_step_class(int step) { return (step >= 24 * 16) + (step >= 60 * 16); }

/* A tile's integers. All cells of one size lie together: of 8 samples, then of 16, then of 32. */
typedef struct {
    uint8_t *splits;     /* (block_rows, block_cols) */
    uint8_t *modes;      /* (cells); there is room for 16 per block */
    uint8_t *transforms; /* likewise */
    int32_t *residuals;  /* per size (cells of it, channels, size, size): 1024 per block and channel in all */
} sinr_integers;

/* Where residuals of a size begin. */
static inline size_t sinr_residuals_begin(const sinr_partition *p, int index, int channels) {
    size_t begin = 0;
    for (int i = 0; i < index; i++) begin += (size_t)p->of_size[i] << (2 * i + 6);
    return begin * (size_t)channels;
}

/* The last significant diagonal of a channel of the cell that covers each unit: 1 + the highest k + m of a residual
 * that is not zero, 0 if there is none. last: (rows, columns of units) */
void sinr_last_diagonals(
    const sinr_integers *integers, const sinr_partition *p, int channels, int channel, uint8_t *last);

/* Flat harmonics k * size + m of a size by k + m, then k: (size * size). */
void sinr_scan(int size, int16_t *order);

/* Reads a tile. */
sinr_status sinr_read_tile(
    const sinr_entropy *model, const uint8_t *data, size_t size, int block_rows, int block_cols, int channels,
    int step, const sinr_integers *integers, sinr_pool *pool);

/* Most bytes that `sinr_write_tile` may write. */
size_t sinr_tile_bound(int block_rows, int block_cols, int channels);

/* Writes a tile, and says in how many bytes. SINR_ARGUMENT if a sign is not what the magnitudes tell. */
sinr_status sinr_write_tile(
    const sinr_entropy *model, const sinr_integers *integers, int block_rows, int block_cols, int channels,
    int step, uint8_t *data, size_t *size, sinr_pool *pool);

/* The table row that would code each magnitude, in the order of residuals; -1 where nothing is coded. */
sinr_status sinr_magnitude_rows(
    const sinr_entropy *model, const sinr_integers *integers, int block_rows, int block_cols, int channels,
    int step, int16_t *rows, sinr_pool *pool);

#endif
