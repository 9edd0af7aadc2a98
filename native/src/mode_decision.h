/* A cell's prediction mode, transform type and integers, by what its quantised residual costs. */
#ifndef SINR_MODE_DECISION_H
#define SINR_MODE_DECISION_H

#include "decisions.h"

#define SINR_CHANNELS_MAX 3

/* What is known of a cell. */
typedef struct {
    const sinr_kind *kind;
    const sinr_step_tables *tables;
    int channels;
    const float *spectrum;                  /* (channels, size * size) */
    const sinr_batch *batch;                /* in which it is, and predictions of all modes are */
    int row;                                /* of luma in there */
    const float *costs;                     /* (modes) of what they leave */
    const uint8_t *rows;                    /* (channels, size * size) in grid order, or NULL */
    const float *bits, *modes, *transforms; /* of `sinr_rate`; `modes` may be NULL */
} sinr_known;

static inline const sinr_around *sinr_known_around(const sinr_known *known) {
    return known->batch->around + known->row;
}

/* A mode and a transform type that were tried. Weights and integers are in scan order. */
typedef struct {
    int mode, transform;
    float cost;
    int kept[SINR_CHANNELS_MAX];       /* integers up to the last significant diagonal */
    float *weights[SINR_CHANNELS_MAX]; /* residual in steps, before chroma takes over from luma */
    float *values[SINR_CHANNELS_MAX];  /* integers */
} sinr_trial;

/* A decision, and memory for it. */
typedef struct {
    sinr_trial *best, *other;
    int mode;                          /* the present one; after `sinr_decide`, that of the best trial */
    int32_t *predicted;                /* (channels, predicted) by it, exact */
    float *grid[SINR_CHANNELS_MAX];    /* weights less the mean, in the picture's steps, grid order */
    float *finer[SINR_CHANNELS_MAX];   /* own steps per picture's step, scan order */
    float *finer_grid;                 /* that of luma, grid order */
    uint8_t *rows[SINR_CHANNELS_MAX];  /* scan order */
    float *turned[SINR_CHANNELS_MAX];  /* (SINR_TRANSFORMS, size * size) residual of that mode, grid order */
    uint64_t known[SINR_CHANNELS_MAX]; /* bits: transform types by which it is there, and whether it is predicted */
    float *rest, *scratch;
} sinr_decision;

sinr_decision *sinr_decision_layout(const sinr_kind *kinds, int channels, sinr_arena *arena);

/* The cheapest found, of some modes, each with the first transform type and with as many others, the same for all. */
void sinr_decide(sinr_decision *d, const sinr_known *known, int trials);

/* Moves what was found so that it hides signs. */
void sinr_decision_hide(sinr_decision *d, const sinr_known *known);

/* The integers found: (channels, size * size), grid order. */
void sinr_decision_values(const sinr_decision *d, const sinr_known *known, int32_t *values);

#endif
