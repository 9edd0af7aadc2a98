#include "source.h"

#include "bounds.h"

#include <string.h>

#define TILE_UNITS ((SINR_TILE / SINR_UNIT) * (SINR_TILE / SINR_UNIT))

sinr_status sinr_source_open(const void *file, size_t size, const sinr_codebook *codebook, sinr_source *source) {
    sinr_source s = {.file = file, .size = size, .codebook = codebook};
    sinr_status status = sinr_inspect(file, size, &s.info);
    if (status) return status;
    if (s.info.zstd) return SINR_UNSUPPORTED;
    if (memcmp(s.info.codebook, codebook->id, sizeof s.info.codebook)) return SINR_CODEBOOK;
    s.height = sinr_round_up(s.info.height, SINR_BLOCK);
    s.width = sinr_round_up(s.info.width, SINR_BLOCK);
    s.rows = sinr_tiles_along(s.height);
    s.cols = sinr_tiles_along(s.width);
    /* One position more tells borders. */
    s.margin = (sinr_restorer_radius(codebook->restorer) + 1) * SINR_FOLD;
    *source = s;
    return SINR_OK;
}

void sinr_source_layout(sinr_source *source, sinr_arena *arena) {
    source->coded = sinr_take(arena, (size_t)source->rows * (size_t)source->cols, sizeof *source->coded);
    if (source->coded) sinr_find_tiles(source->file, source->size, &source->info, source->coded);
}

int sinr_tile_length(int length, int number) { return sinr_at_most(SINR_TILE, length - number * SINR_TILE); }

/* Samples of the largest tile. */
static size_t largest(const sinr_source *s) {
    return (size_t)sinr_at_most(s->height, SINR_TILE) * (size_t)sinr_at_most(s->width, SINR_TILE);
}

void sinr_decoded_layout(sinr_decoded *tile, const sinr_source *source, sinr_arena *arena) {
    const size_t samples = largest(source), units = samples / (SINR_UNIT * SINR_UNIT);
    tile->planes = sinr_take(arena, samples * (size_t)source->info.channels, sizeof *tile->planes);
    tile->owner = sinr_take(arena, units, sizeof *tile->owner);
    tile->sizes = sinr_take(arena, units, sizeof *tile->sizes);
    tile->last = sinr_take(arena, units * (size_t)source->info.channels, sizeof *tile->last);
}

void sinr_workspace_layout(sinr_workspace *workspace, const sinr_source *source, sinr_arena *arena) {
    const size_t samples = largest(source), units = samples / (SINR_UNIT * SINR_UNIT);
    sinr_integers *i = &workspace->integers;
    i->splits = sinr_take(arena, units / 16, sizeof *i->splits);
    i->modes = sinr_take(arena, units, sizeof *i->modes);
    i->transforms = sinr_take(arena, units, sizeof *i->transforms);
    i->residuals = sinr_take(arena, samples * (size_t)source->info.channels, sizeof *i->residuals);
    sinr_partition_layout(
        &workspace->partition, sinr_at_most(source->height, SINR_TILE) / SINR_BLOCK,
        sinr_at_most(source->width, SINR_TILE) / SINR_BLOCK, arena);
}

sinr_status sinr_source_decode(
    const sinr_source *source, const sinr_workspace *workspace, int number, sinr_decoded *tile, sinr_pool *pool) {
    const sinr_info *info = &source->info;
    const int rows = sinr_tile_length(source->height, number / source->cols) / SINR_BLOCK;
    const int cols = sinr_tile_length(source->width, number % source->cols) / SINR_BLOCK;
    const sinr_section coded = source->coded[number];
    const sinr_quantiser quantiser = {info->step, info->luma, info->chroma, info->activity, info->ratio};
    sinr_status status = sinr_read_tile(
        source->codebook->entropy, source->file + coded.offset, coded.length, rows, cols, info->channels,
        info->step, &workspace->integers, pool);
    if (!status)
        status = sinr_draw_tile(
            &workspace->integers, rows, cols, info->channels, &quantiser, source->codebook->predictors,
            tile->planes, pool);
    if (status) return status;
    sinr_partition partition = workspace->partition;
    partition.block_rows = rows;
    partition.block_cols = cols;
    partition.rows = 4 * rows;
    partition.cols = 4 * cols;
    sinr_partition_fill(&partition, workspace->integers.splits);
    const int units = partition.rows * partition.cols;
    for (int unit = 0; unit < units; unit++) {
        int cell = partition.owner[unit];
        tile->sizes[unit] = (uint8_t)sinr_size(partition.cell + cell);
        tile->owner[unit] = number * TILE_UNITS + cell;
    }
    for (int channel = 0; channel < info->channels; channel++)
        sinr_last_diagonals(
            &workspace->integers, &partition, info->channels, channel,
            tile->last + (size_t)channel * (size_t)units);
    return SINR_OK;
}

sinr_box sinr_source_around(const sinr_source *source, sinr_box box) {
    return (sinr_box){
        sinr_at_least(sinr_round_down(box.top - source->margin, SINR_UNIT), 0),
        sinr_at_least(sinr_round_down(box.left - source->margin, SINR_UNIT), 0),
        sinr_at_most(sinr_round_up(box.bottom + source->margin, SINR_UNIT), source->height),
        sinr_at_most(sinr_round_up(box.right + source->margin, SINR_UNIT), source->width)};
}

void sinr_joined_layout(sinr_joined *around, int channels, int height, int width, sinr_arena *arena) {
    const size_t samples = (size_t)height * (size_t)width, units = samples / (SINR_UNIT * SINR_UNIT);
    around->planes = sinr_take(arena, samples * (size_t)channels, sizeof *around->planes);
    around->owner = sinr_take(arena, units, sizeof *around->owner);
    around->sizes = sinr_take(arena, units, sizeof *around->sizes);
    around->last = sinr_take(arena, units * (size_t)channels, sizeof *around->last);
}

void sinr_joined_add(sinr_joined *around, const sinr_source *source, int number, const sinr_decoded *tile) {
    const sinr_box *b = &around->box;
    const int width = b->right - b->left, height = b->bottom - b->top;
    const int row = number / source->cols * SINR_TILE, col = number % source->cols * SINR_TILE;
    const int tall = sinr_at_most(SINR_TILE, source->height - row);
    const int wide = sinr_at_most(SINR_TILE, source->width - col);
    const int y0 = sinr_at_least(b->top, row), y1 = sinr_at_most(b->bottom, row + tall);
    const int x0 = sinr_at_least(b->left, col), x1 = sinr_at_most(b->right, col + wide);
    if (x0 >= x1) return;
    const size_t count = (size_t)(x1 - x0);
    for (int channel = 0; channel < source->info.channels; channel++)
        for (int y = y0; y < y1; y++) {
            size_t from = ((size_t)channel * (size_t)tall + (size_t)(y - row)) * (size_t)wide;
            size_t to = ((size_t)channel * (size_t)height + (size_t)(y - b->top)) * (size_t)width;
            memcpy(
                around->planes + to + (x0 - b->left), tile->planes + from + (x0 - col),
                count * sizeof *around->planes);
        }
    for (int y = y0; y < y1; y += SINR_UNIT) {
        size_t from = (size_t)((y - row) / SINR_UNIT * (wide / SINR_UNIT));
        size_t to = (size_t)((y - b->top) / SINR_UNIT) * (size_t)(width / SINR_UNIT);
        from += (size_t)((x0 - col) / SINR_UNIT);
        to += (size_t)((x0 - b->left) / SINR_UNIT);
        memcpy(around->owner + to, tile->owner + from, count / SINR_UNIT * sizeof *around->owner);
        memcpy(around->sizes + to, tile->sizes + from, count / SINR_UNIT);
        for (int channel = 0; channel < source->info.channels; channel++) {
            memcpy(around->last + to, tile->last + from, count / SINR_UNIT);
            to += (size_t)(height / SINR_UNIT) * (size_t)(width / SINR_UNIT);
            from += (size_t)(tall / SINR_UNIT) * (size_t)(wide / SINR_UNIT);
        }
    }
}

/* That of a weight an eighth up the diagonals. */
static int restoration_step(const sinr_info *info) {
    return sinr_at_most(info->step * (64 + info->luma) >> 6, SINR_STEP_MAX);
}

static void copy(const sinr_unrestored *from, const sinr_box *box, int16_t *to) {
    const size_t wide = (size_t)(box->right - box->left);
    for (int channel = 0; channel < from->channels; channel++)
        for (int y = box->top; y < box->bottom; y++, to += wide) {
            size_t row = (size_t)channel * (size_t)from->height + (size_t)y;
            memcpy(to, from->planes + row * (size_t)from->width + box->left, wide * sizeof *to);
        }
}

sinr_status sinr_joined_restore(
    const sinr_joined *around, const sinr_source *source, sinr_box box, int16_t *restored, sinr_pool *pool) {
    const sinr_box *b = &around->box;
    const sinr_unrestored unrestored = {source->info.channels, b->bottom - b->top, b->right - b->left,
                                        around->planes,        around->owner,      around->sizes,
                                        around->last};
    const sinr_box inside = {box.top - b->top, box.left - b->left, box.bottom - b->top, box.right - b->left};
    if (!source->info.strength) {
        copy(&unrestored, &inside, restored);
        return SINR_OK;
    }
    return sinr_restore(
        source->codebook->restorer, &unrestored, restoration_step(&source->info), source->info.strength, &inside,
        restored, pool);
}
