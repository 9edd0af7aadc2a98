/* Partition of a tile into square cells, their coding order, and what each may look at: FORMAT.md, section 3. */
#ifndef SINR_PARTITION_H
#define SINR_PARTITION_H

#include "memory.h"
#include "status.h"

#include <stdbool.h>
#include <stdint.h>

#define SINR_SPLITS 17

/* Splits that cut a block into cells of one size. */
static const uint8_t SINR_UNIFORM[SINR_SIZES] = {SINR_SPLITS - 1, 1, 0};

typedef struct {
    uint16_t row, col; /* of the first sample, in units */
    uint8_t index;     /* size is 8 << index */
    uint8_t corner;    /* whether the samples above right are coded before */
    uint16_t level;    /* 0 for cells that look at none, else 1 + the highest level looked at */
    int32_t place;     /* among the cells of that size, in coding order */
} sinr_cell;

typedef struct {
    int block_rows, block_cols;
    int rows, cols; /* units */
    int cells;      /* how many */
    int of_size[SINR_SIZES];
    sinr_cell *cell; /* in coding order */
    int32_t *owner;  /* (rows, cols) index of the cell that covers a unit */
    int groups;      /* cells of one level and size */
    int32_t *group;  /* (groups + 1) where they begin in `order` */
    int32_t *order;  /* (cells) by level, then size, then coding order: one group after another */
} sinr_partition;

/* Takes memory for a tile of some blocks. */
void sinr_partition_layout(sinr_partition *p, int block_rows, int block_cols, sinr_arena *arena);

/* Lists the cells; `splits` (block_rows, block_cols) are below SINR_SPLITS. */
void sinr_partition_fill(sinr_partition *p, const uint8_t *splits);

static inline int sinr_size(const sinr_cell *cell) { return SINR_UNIT << cell->index; }

/* Number of boundary samples of a cell: two rows above (twice as wide), two columns left, the corner. */
static inline int sinr_boundary_size(int size) { return 6 * size + 4; }

/* Where the boundary samples of a cell lie in a plane of `width` samples per row, (boundary_size) flat indices;
 * false, and none, for a cell that has no neighbour: its boundary is all zero. */
bool sinr_boundary(const sinr_cell *cell, int width, int32_t *index);

#endif
