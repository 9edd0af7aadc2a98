/* Prediction of a cell's weights from the samples around it, in integers: FORMAT.md, section 8. */
#ifndef SINR_PREDICTION_H
#define SINR_PREDICTION_H

#include "matrix.h"
#include "memory.h"
#include "status.h"

#include <stdint.h>

#define SINR_PREDICTED_DIAGONALS 16

/* A prediction network; lies in memory of its own. */
typedef struct {
    int size, hidden, modes;
    int harmonics; /* that are predicted, per mode: k + m < 16, ascending k * size + m */
    sinr_matrix first, second;
    sinr_matrix *third;     /* (modes): (harmonics, hidden + boundary_size) each */
    int32_t *bias1, *bias2; /* (hidden, filled up to whole SINR_OUTPUTS) */
    int32_t *bias3;         /* (modes, harmonics) */
    int16_t sines[1024];
} sinr_predictor;

/* Takes memory for a network, the structure included: the first thing in it is the sinr_predictor. */
sinr_predictor *sinr_predictor_layout(int size, int hidden, int modes, sinr_arena *arena);

/* Fills it in. Weights are row-major: (hidden, boundary), (hidden, hidden), (modes * harmonics, hidden + boundary).
 * SINR_CODEBOOK if sums of the third layer could exceed 32 bits. */
sinr_status sinr_predictor_fill(
    sinr_predictor *p, const int16_t *weight1, const int32_t *bias1, const int16_t *weight2, const int32_t *bias2,
    const int16_t *weight3, const int32_t *bias3);

/* What the boundary of a cell says of one plane. */
typedef struct {
    int32_t mean, deviation; /* fixed-point */
    int32_t scale;           /* deviation + max(1, step / 16): what a network's input and output are relative to */
    int32_t slope[2];        /* regression on luma for low and high harmonics, in 64ths; 0 for luma */
} sinr_around;

/* Rows of everything below: plane by plane of one cell, cell after cell. */
static inline size_t sinr_boundary_stride(const sinr_predictor *p) { return sinr_input_stride(&p->first); }
static inline size_t sinr_feature_stride(const sinr_predictor *p) { return sinr_input_stride(&p->third[0]); }
static inline size_t sinr_sums_stride(const sinr_predictor *p) { return sinr_output_stride(&p->first); }
static inline size_t sinr_weight_stride(const sinr_predictor *p) { return sinr_output_stride(&p->third[0]); }

/* Looks at the samples around cells.
 * boundary: (cells, channels, boundary_stride) samples; becomes the networks' normalised input.
 * around:   (cells, channels)
 * features: (cells, channels, feature_stride) input of the output layer
 * scratch:  (cells * channels, sums_stride)
 */
void sinr_look_around(
    const sinr_predictor *p, int16_t *boundary, int cells, int channels, int step, sinr_around *around,
    int16_t *features, int32_t *scratch);

/* Predicted weights of one mode, less the mean, of `rows` rows: (rows, weight_stride), fixed-point, within
 * SINR_WEIGHT_MAX; harmonic i of a row is the i-th predicted one. */
void sinr_predict(
    const sinr_predictor *p, int mode, const int16_t *features, const sinr_around *around, int rows,
    int32_t *weights);

/* Harmonics of a size that are predicted. */
int sinr_predicted_count(int size);

/* Of row k, those with m below this. */
static inline int sinr_predicted_columns(int size, int k) {
    int count = SINR_PREDICTED_DIAGONALS - k;
    return count < 0 ? 0 : count < size ? count : size;
}

/* The i-th predicted harmonic as k * size + m. */
void sinr_predicted_harmonics(int size, int16_t *harmonics);

/* How the steps of weights differ from the picture's: FORMAT.md, section 8. */
typedef struct {
    int step;                              /* the picture's, fixed-point, above 0 and below 2**14 */
    uint8_t luma, chroma, activity, ratio; /* {0, 0, 0, 64} is flat */
} sinr_quantiser;

static inline int sinr_is_flat(const sinr_quantiser *q) {
    return !q->luma && !q->chroma && !q->activity && q->ratio == 64;
}

#define SINR_DIAGONALS 63 /* of the largest cell */

/* What all steps of a picture are made of. */
typedef struct {
    int step, flat;
    uint8_t activity[1024];                        /* by ratio; unless flat */
    int32_t matrix[SINR_SIZES][2][SINR_DIAGONALS]; /* of luma and chroma, by k + m; unless flat */
} sinr_step_tables;

void sinr_step_tables_fill(sinr_step_tables *tables, const sinr_quantiser *quantiser);

/* Steps of one plane's weights: that of harmonic (k, m) is steps[k + m], of (2 * size - 1); `index` is that of the
 * size, `deviation` that of luma's boundary. */
void sinr_steps(const sinr_step_tables *tables, int index, int channel, int32_t deviation, int32_t *steps);

#endif
