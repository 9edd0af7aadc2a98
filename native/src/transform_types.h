/* Transform types: how they cut the axes of a cell into pieces, and list the waves of these. */
#ifndef SINR_TRANSFORM_TYPES_H
#define SINR_TRANSFORM_TYPES_H

#include "status.h"

#include <stdbool.h>
#include <stdint.h>

/* A wave of a transform: of a piece of the axis, its `number`-th lowest cosine or sine. */
typedef struct {
    int piece, begin, length; /* from the first border; in samples */
    bool sine;                /* sines rise from the piece's first sample */
    int number;
} sinr_wave;

/* The waves (size) of a transform of an axis: by frequency, of equal ones the first piece's first. */
void sinr_axis_waves(int size, int transform, sinr_wave *waves);

/* Axes that a transform type cuts into pieces. */
int sinr_cut_axes(int transform);

#define SINR_PIECES 3 /* pieces of an axis, at most */
#define SINR_REACH 3  /* waves of the same piece that are looked up or down */

/* What contexts ask of the waves of a cell size. */
typedef struct {
    /* Where waves of the same piece are listed, SINR_REACH lower ... SINR_REACH higher; `size` where there is none. */
    uint8_t along[SINR_AXIS_TRANSFORMS][SINR_BLOCK][2 * SINR_REACH + 1];
    uint8_t piece[SINR_AXIS_TRANSFORMS][SINR_BLOCK]; /* from the first border */
} sinr_wave_places;

void sinr_wave_places_fill(sinr_wave_places *places, int size);

#endif
