/* Restoration: the network that takes coding noise out of decoded planes: FORMAT.md, section 9. */
#ifndef SINR_RESTORATION_H
#define SINR_RESTORATION_H

#include "memory.h"
#include "parallel.h"
#include "status.h"

#include <stdint.h>

#define SINR_FOLD 2           /* samples of a position, per axis */
#define SINR_SQUARE 4         /* samples of what the branch sees as one, likewise */
#define SINR_RESTORED 12      /* outputs of the network: the samples of a position */
#define SINR_RESTORER_IN 22   /* inputs: these samples, four borders, two cell sizes, three reaches, the step */
#define SINR_LAYERS_MAX 16    /* of the head, the branch and the tail of a network each */
#define SINR_CHANNELS_MAX 256 /* of its layers */

/* A restoration network; lies in memory of its own. */
typedef struct sinr_restorer sinr_restorer;

/* The shape of a network: FORMAT.md, section 9. Its layers lie in this order: head, the one down to the branch, branch,
 * the one up from it, tail. */
typedef struct {
    int head, branch, tail; /* layers, 1 ... SINR_LAYERS_MAX each */
    const int *channels;    /* outputs of every layer, at least 1 each */
} sinr_restorer_shape;

/* Takes memory for a network, the structure included: the first thing in it is the sinr_restorer. */
sinr_restorer *sinr_restorer_layout(const sinr_restorer_shape *shape, sinr_arena *arena);

/* Fills it in. SINR_CODEBOOK if channels, shifts or the size of sums are not those of a codebook.
 * tensors: per layer weights (out, in, 3, 3) int16, of those down and up (out, in), and biases (out) int32
 * shifts:  (layers) */
sinr_status sinr_restorer_fill(sinr_restorer *r, const void *const *tensors, const int *shifts);

/* Positions to either side whose samples a position's result depends on. */
int sinr_restorer_radius(const sinr_restorer *r);

/* The samples of a picture, or of a part of it, before restoration. */
typedef struct {
    int channels, height, width; /* 1 or 3; whole units */
    const int16_t *planes;       /* (channels, height, width) samples within +-SINR_SAMPLE_MAX */
    const int32_t *owner;        /* (height / 8, width / 8) numbers that tell cells apart */
    const uint8_t *sizes;        /* (height / 8, width / 8) of these cells in samples */
    const uint8_t *last;         /* (channels, height / 8, width / 8) their last significant diagonals */
} sinr_unrestored;

/* A part of planes in samples, of which top and left are inside. */
typedef struct {
    int top, left, bottom, right;
} sinr_box;

#define SINR_STRENGTH_BITS 4 /* SINR_FULL_STRENGTH is 1 << this */

/* Restores a box, sides multiples of SINR_SQUARE, with `strength` of SINR_FULL_STRENGTH parts of the correction; what
 * lies outside the planes is continued from the nearest inside.
 * result: (channels, bottom - top, right - left), apart from the planes.
 * Asks for its memory once. */
sinr_status sinr_restore(
    const sinr_restorer *r, const sinr_unrestored *picture, int step, int strength, const sinr_box *box,
    int16_t *result, sinr_pool *pool);

#endif
