/* A file's tiles: decoded one at a time, and joined to what restoration looks at. */
#ifndef SINR_SOURCE_H
#define SINR_SOURCE_H

#include "codebook.h"
#include "container.h"
#include "memory.h"
#include "restoration.h"
#include "tile.h"

#include <stdint.h>

/* A file whose tiles can be decoded. */
typedef struct {
    const uint8_t *file;
    size_t size;
    const sinr_codebook *codebook;
    sinr_info info;
    int height, width;   /* of the picture, padded to whole blocks */
    int rows, cols;      /* of tiles */
    int margin;          /* samples to either side that restoration has to know, cells included */
    sinr_section *coded; /* (rows, cols): where they lie; NULL until `sinr_source_find` */
} sinr_source;

/* Looks at a file: whether it can be decoded, with this codebook. */
sinr_status sinr_source_open(const void *file, size_t size, const sinr_codebook *codebook, sinr_source *source);

/* Takes memory for `coded`, and fills it once it is there. */
void sinr_source_layout(sinr_source *source, sinr_arena *arena);

/* A decoded tile, not restored. Planes are padded to whole blocks. */
typedef struct {
    int16_t *planes; /* (channels, rows, columns) */
    int32_t *owner;  /* (rows / 8, columns / 8) numbers of cells in the picture */
    uint8_t *sizes;  /* likewise, of them in samples */
    uint8_t *last;   /* (channels, rows / 8, columns / 8) their last significant diagonals */
} sinr_decoded;

/* Takes memory for any tile of a picture. */
void sinr_decoded_layout(sinr_decoded *tile, const sinr_source *source, sinr_arena *arena);

/* What a tile is decoded with. */
typedef struct {
    sinr_integers integers;
    sinr_partition partition;
} sinr_workspace;

void sinr_workspace_layout(sinr_workspace *workspace, const sinr_source *source, sinr_arena *arena);

/* Samples of a row, or column, of tiles. */
int sinr_tile_length(int length, int number);

/* Decodes tile `number` in raster order. */
sinr_status sinr_source_decode(
    const sinr_source *source, const sinr_workspace *workspace, int number, sinr_decoded *tile, sinr_pool *pool);

/* What lies in a part of the picture, which begins and ends with whole units. */
typedef struct {
    sinr_box box;
    int16_t *planes; /* (channels, rows, columns) */
    int32_t *owner;  /* (rows / 8, columns / 8) */
    uint8_t *sizes;  /* likewise */
    uint8_t *last;   /* (channels, rows / 8, columns / 8) */
} sinr_joined;

/* What has to be known of a picture to restore a part of it. */
sinr_box sinr_source_around(const sinr_source *source, sinr_box box);

/* Takes memory for a part of some size in samples. */
void sinr_joined_layout(sinr_joined *around, int channels, int height, int width, sinr_arena *arena);

/* Copies what of a tile lies in the part. */
void sinr_joined_add(sinr_joined *around, const sinr_source *source, int number, const sinr_decoded *tile);

/* Restores a box inside a part that has been joined. */
sinr_status sinr_joined_restore(
    const sinr_joined *around, const sinr_source *source, sinr_box box, int16_t *restored, sinr_pool *pool);

/* Whole multiples that are no longer, or no shorter; of a power of two. */
static inline int sinr_round_down(int value, int unit) { return value & -unit; }
static inline int sinr_round_up(int value, int unit) { return (value + unit - 1) & -unit; }

#endif
