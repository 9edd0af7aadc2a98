/* The container: FORMAT.md, section 1. */
#ifndef SINR_CONTAINER_H
#define SINR_CONTAINER_H

#include "status.h"

#define SINR_TILE 1024 /* samples of a tile, per side */

/* Where the tiles of a file lie, in raster order, that `sinr_inspect` has found to be one. */
void sinr_find_tiles(const void *file, size_t size, const sinr_info *info, sinr_section *tiles);

/* Tiles that lie side by side in a length. */
static inline int sinr_tiles_along(int length) { return (length + SINR_TILE - 1) / SINR_TILE; }

#endif
