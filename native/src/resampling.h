/* Grids of any size over samples: FORMAT.md, section 11. */
#ifndef SINR_RESAMPLING_H
#define SINR_RESAMPLING_H

#include "memory.h"
#include "rendering.h"

#include <stdint.h>

/* One axis of a grid while it is made. */
typedef struct {
    int count, taps; /* pixels, and source samples that each is made of */
    int32_t *index;  /* (count, taps) */
    float *weight;   /* (count, taps) */
    double *sums;    /* (taps) */
} sinr_grid;

/* Source samples that a pixel is made of, at most, if `count` pixels cover `length` of them. */
int sinr_taps_max(double length, int count);

/* Takes memory for a grid. */
void sinr_grid_layout(sinr_grid *grid, int count, int taps_max, sinr_arena *arena);

/* `count` pixels over [begin, end) of `length` source samples, which are mirrored at their borders. */
void sinr_grid_fill(sinr_grid *grid, double begin, double end, int count, int length);

/* The source samples that a grid refers to: `first` ... `last` - 1. */
void sinr_grid_range(const sinr_grid *grid, int *first, int *last);

/* The grid, with source samples counted from `first`; only once. */
sinr_axis sinr_grid_from(sinr_grid *grid, int first);

#endif
