#include "partition.h"

#include "bounds.h"

#include <string.h>

/* Cells of quadrants and inside a quadrant are in Z-order. */
static const uint8_t Z[4][2] = {{0, 0}, {0, 1}, {1, 0}, {1, 1}};

void sinr_partition_layout(sinr_partition *p, int block_rows, int block_cols, sinr_arena *arena) {
    size_t units = (size_t)block_rows * (size_t)block_cols * 16;
    p->block_rows = block_rows;
    p->block_cols = block_cols;
    p->rows = 4 * block_rows;
    p->cols = 4 * block_cols;
    p->cell = sinr_take(arena, units, sizeof *p->cell);
    p->owner = sinr_take(arena, units, sizeof *p->owner);
    /* As many keys as `sort` may meet: no cell has a higher level than there are cells before it. */
    p->group = sinr_take(arena, SINR_SIZES * units + 1, sizeof *p->group);
    p->order = sinr_take(arena, units, sizeof *p->order);
}

static void add(sinr_partition *p, int index, int row, int col) {
    sinr_cell *cell = p->cell + p->cells;
    cell->row = (uint16_t)row;
    cell->col = (uint16_t)col;
    cell->index = (uint8_t)index;
    cell->place = p->of_size[index]++;
    int k = 1 << index, level = -1;
    cell->corner = row > 0 && col + k < p->cols && p->owner[(row - 1) * p->cols + col + k] >= 0;
    if (row > 0) {
        int begin = col > 0 ? col - 1 : 0, end = cell->corner ? col + 2 * k : col + k;
        for (int x = begin; x < end && x < p->cols; x++) {
            int other = p->owner[(row - 1) * p->cols + x];
            if (other >= 0 && p->cell[other].level > level) level = p->cell[other].level;
        }
    }
    if (col > 0)
        for (int y = row; y < row + k; y++) {
            int other = p->owner[y * p->cols + col - 1];
            if (other >= 0 && p->cell[other].level > level) level = p->cell[other].level;
        }
    cell->level = (uint16_t)(level + 1);
    for (int y = row; y < row + k; y++)
        for (int x = col; x < col + k; x++) p->owner[y * p->cols + x] = p->cells;
    p->cells++;
}

/* Counting sort by level, then size. */
static void sort(sinr_partition *p) {
    int keys = 0;
    for (int i = 0; i < p->cells; i++) {
        int key = p->cell[i].level * SINR_SIZES + p->cell[i].index;
        if (key >= keys) keys = key + 1;
    }
    memset(p->group, 0, ((size_t)keys + 1) * sizeof *p->group);
    for (int i = 0; i < p->cells; i++) p->group[p->cell[i].level * SINR_SIZES + p->cell[i].index + 1]++;
    for (int key = 0; key < keys; key++) p->group[key + 1] += p->group[key];
    for (int i = 0; i < p->cells; i++) p->order[p->group[p->cell[i].level * SINR_SIZES + p->cell[i].index]++] = i;
    /* Every entry is now the end of its key; those of keys without cells go. */
    p->groups = 0;
    int32_t begin = 0;
    for (int key = 0; key < keys; key++) {
        int32_t end = p->group[key];
        if (end > begin) {
            p->group[p->groups++] = begin;
            begin = end;
        }
    }
    p->group[p->groups] = begin;
}

bool sinr_boundary(const sinr_cell *cell, int width, int32_t *index) {
    int size = sinr_size(cell), y = cell->row * SINR_UNIT, x = cell->col * SINR_UNIT;
    if (!x && !y) return false;
    int last = x + size;
    if (cell->corner) last = x + 2 * size < width ? x + 2 * size : width;
    for (int r = -2; r < 0; r++)
        for (int i = 0; i < 2 * size + 2; i++)
            *index++ = y ? (y + r) * width + sinr_clip(x - 2 + i, 0, last - 1) : y * width + x - 1;
    for (int c = -2; c < 0; c++)
        for (int i = 0; i < size; i++) *index++ = x ? (y + i) * width + x + c : (y - 1) * width + x;
    return true;
}

void sinr_partition_fill(sinr_partition *p, const uint8_t *splits) {
    p->cells = 0;
    memset(p->of_size, 0, sizeof p->of_size);
    memset(p->owner, 0xff, (size_t)p->rows * (size_t)p->cols * sizeof *p->owner);
    for (int by = 0; by < p->block_rows; by++)
        for (int bx = 0; bx < p->block_cols; bx++) {
            int split = splits[by * p->block_cols + bx], row = 4 * by, col = 4 * bx;
            if (!split) {
                add(p, 2, row, col);
                continue;
            }
            for (int q = 0; q < 4; q++) {
                int y = row + 2 * Z[q][0], x = col + 2 * Z[q][1];
                if ((split - 1) >> q & 1)
                    for (int i = 0; i < 4; i++) add(p, 0, y + Z[i][0], x + Z[i][1]);
                else
                    add(p, 1, y, x);
            }
        }
    sort(p);
}
