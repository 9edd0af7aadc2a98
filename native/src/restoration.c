/* Convolutions by Winograd's minimal filtering (Lavin and Gray 2016): a tile of results is a linear map of products
 * of linear maps of inputs and of weights, with up to four times fewer products than the sum it stands for. Here it
 * is exact. Per axis, with results y of taps g and inputs d at the points 0, 1, -1, 2, -2 and infinity,
 *
 *     y = A ((G g) (B d)) / s     with integer matrices A, G, B and an integer s: 24 for four results at a time
 *
 * and products are summed over channels in between. All of it holds modulo 2**32, where the odd part of s has an
 * inverse; the even part, 2**6 in two dimensions, leaves room for sums below 2**24 and goes by a shift.
 *
 * Rows of a part are computed four at a time, by every layer in turn: layer n is a band of rows behind layer n - 1,
 * so that two bands of every layer's results, and nothing twice, have to be kept.
 */
#include "restoration.h"

#include "bounds.h"
#include "instructions.h"
#include "matrix.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define LANES 16     /* channels that are transformed at a time */
#define BAND 4       /* rows computed at a time */
#define POINTS 36    /* products of a tile, at most */
#define TILE_GROUP 6 /* `sinr_multiply` is fastest with multiples of this many rows */
#define TILES 24     /* per product: their inputs and a block of their results stay in the second-level cache */
#define CHUNK 8      /* tiles whose inputs are transformed at a time */
#define WIDEST 512   /* columns of a part, at most */
#define LOWEST 32    /* rows of a part, at least, if it has fewer than there are: each computes some rows anew */

#define ONE 16
#define INPUT_MAX 1023
#define HIDDEN_MAX 255
#define TYPICAL_LOG_STEP 40
#define SUM_BITS 24

/* How a layer is computed: the results of a tile, and what undoes the scale of its products. */
typedef struct {
    int high, wide;
    int bits;         /* the scale is 2**bits times something odd ... */
    uint32_t inverse; /* ... of which this is the inverse modulo 2**32 */
    int reach;        /* inputs of magnitude 1 become as large as this, */
    int positive;     /* and inputs 0 ... 1 this */
} tiling;

/* Fastest first; the last one is the plain sum of nine products, which never overflows. */
static const tiling TILINGS[] = {
    {4, 4, 6, 0x38e38e39, 100, 68},
    {4, 2, 4, 0xaaaaaaab, 20, 16},
    {1, 1, 0, 1, 1, 1},
};
enum { TILING_COUNT = sizeof TILINGS / sizeof *TILINGS };

typedef struct {
    int inputs, outputs, shift;
    int blocks; /* of LANES outputs */
    const tiling *tiling;
    sinr_matrix *matrices; /* (blocks, points): (LANES, inputs) each */
    int16_t *weights;      /* theirs */
    uint32_t *bias;        /* (blocks * LANES), as scaled as the sums */
} layer;

struct sinr_restorer {
    int layers;
    layer *layer;
    int16_t *transformed; /* (POINTS, LANES, inputs) while filling in */
};

static int lanes(int channels) { return (channels + LANES - 1) / LANES * LANES; }

static int points(const tiling *t) { return (t->high + 2) * (t->wide + 2); }

sinr_restorer *sinr_restorer_layout(int layers, const int *channels, sinr_arena *arena) {
    sinr_restorer *r = sinr_take(arena, 1, sizeof *r);
    layer *list = sinr_take(arena, (size_t)layers, sizeof *list);
    int largest = 0;
    for (int n = 0; n < layers; n++) {
        int inputs = channels[n], outputs = channels[n + 1], blocks = (outputs - 1) / LANES + 1;
        size_t count = (size_t)blocks * POINTS;
        layer made = {.inputs = inputs, .outputs = outputs, .blocks = blocks};
        made.matrices = sinr_take(arena, count, sizeof *made.matrices);
        made.weights = sinr_take(arena, count, sinr_matrix_size(LANES, inputs) * sizeof *made.weights);
        made.bias = sinr_take(arena, (size_t)blocks * LANES, sizeof *made.bias);
        if (list) list[n] = made;
        if (inputs > largest) largest = inputs;
    }
    int16_t *transformed = sinr_take(arena, (size_t)POINTS * LANES * (size_t)largest, sizeof *transformed);
    if (!r || !list) return NULL;
    r->layers = layers;
    r->layer = list;
    r->transformed = transformed;
    return r;
}

int sinr_restorer_radius(const sinr_restorer *r) { return r->layers; }

/* G g: taps at the points. */
static void taps_at_points(int size, const int32_t g[3], int32_t *u) {
    if (size == 1) {
        u[0] = g[0], u[1] = g[1], u[2] = g[2];
        return;
    }
    u[0] = g[0];
    u[1] = g[0] + g[1] + g[2];
    u[2] = g[0] - g[1] + g[2];
    if (size == 4) {
        u[3] = g[0] + 2 * g[1] + 4 * g[2];
        u[4] = g[0] - 2 * g[1] + 4 * g[2];
    }
    u[size + 1] = g[2];
}

/* Weights (3, 3) of one channel at the points of two axes: (high + 2, wide + 2). Whether they fit 16 bits. */
static bool transform_weights(const tiling *t, const int16_t *weights, int32_t *u) {
    int32_t rows[6][3], largest = 0;
    for (int x = 0; x < 3; x++) {
        int32_t g[3] = {weights[x], weights[3 + x], weights[6 + x]}, column[6];
        taps_at_points(t->high, g, column);
        for (int p = 0; p < t->high + 2; p++) rows[p][x] = column[p];
    }
    for (int p = 0; p < t->high + 2; p++) taps_at_points(t->wide, rows[p], u + p * (t->wide + 2));
    for (int p = 0; p < points(t); p++)
        if (abs(u[p]) > largest) largest = abs(u[p]);
    return largest <= INT16_MAX;
}

static bool fits(const tiling *t, const layer *l, bool first, const int16_t *weights) {
    if ((first ? t->reach * INPUT_MAX : t->positive * HIDDEN_MAX) > INT16_MAX) return false;
    int32_t u[POINTS];
    for (size_t i = 0; i < (size_t)l->outputs * (size_t)l->inputs; i++)
        if (!transform_weights(t, weights + 9 * i, u)) return false;
    return true;
}

/* Whether sums stay below 2**SUM_BITS, whatever the inputs are. */
static bool bounded(const layer *l, bool first, const int16_t *weights, const int32_t *bias) {
    for (int o = 0; o < l->outputs; o++) {
        int64_t sum = llabs((long long)bias[o]);
        for (int c = 0; c < l->inputs; c++) {
            int64_t bound = !first              ? HIDDEN_MAX
                            : c < SINR_RESTORED ? INPUT_MAX
                            : c < l->inputs - 1 ? ONE
                                                : TYPICAL_LOG_STEP;
            for (int i = 0; i < 9; i++) sum += bound * abs(*weights++);
        }
        if (sum >= (int64_t)1 << SUM_BITS) return false;
    }
    return true;
}

static void fill_layer(layer *l, const int16_t *weights, const int32_t *bias, int16_t *transformed) {
    size_t inputs = (size_t)l->inputs, size = sinr_matrix_size(LANES, l->inputs);
    int count = points(l->tiling);
    for (int b = 0; b < l->blocks; b++) {
        memset(transformed, 0, POINTS * LANES * inputs * sizeof *transformed);
        for (int o = 0; o < LANES && b * LANES + o < l->outputs; o++) {
            l->bias[b * LANES + o] = (uint32_t)bias[b * LANES + o] << l->tiling->bits;
            for (size_t c = 0; c < inputs; c++) {
                int32_t u[POINTS];
                transform_weights(l->tiling, weights + ((size_t)(b * LANES + o) * inputs + c) * 9, u);
                for (int p = 0; p < count; p++)
                    transformed[((size_t)p * LANES + (size_t)o) * inputs + c] = (int16_t)u[p];
            }
        }
        for (int p = 0; p < count; p++) {
            size_t number = (size_t)b * (size_t)count + (size_t)p;
            sinr_matrix_init(
                l->matrices + number, LANES, l->inputs, transformed + (size_t)p * LANES * inputs,
                l->weights + number * size);
        }
    }
}

sinr_status sinr_restorer_fill(
    sinr_restorer *r, const int16_t *const *weights, const int32_t *const *biases, const int *shifts) {
    if (r->layer[0].inputs != SINR_RESTORER_IN || r->layer[r->layers - 1].outputs != SINR_RESTORED)
        return SINR_CODEBOOK;
    for (int n = 0; n < r->layers; n++) {
        layer *l = r->layer + n;
        if (shifts[n] < 0 || shifts[n] > 24 || !bounded(l, !n, weights[n], biases[n])) return SINR_CODEBOOK;
        int number = 0;
        while (number < TILING_COUNT && !fits(TILINGS + number, l, !n, weights[n])) number++;
        if (number == TILING_COUNT) return SINR_CODEBOOK;
        l->shift = shifts[n];
        l->tiling = TILINGS + number;
        memset(l->bias, 0, (size_t)l->blocks * LANES * sizeof *l->bias);
        fill_layer(l, weights[n], biases[n], r->transformed);
    }
    return SINR_OK;
}

/* What a call has in common. */
typedef struct {
    const sinr_restorer *r;
    const sinr_unrestored *picture;
    int step, log_step;
    uint64_t reciprocal;              /* of 2 * step, see `scaled` */
    int top, left, height, width;     /* all the parts, in positions */
    int part_rows, part_cols, across; /* a part, and how many lie side by side */
    int16_t *result;
    unsigned char *memory;
    size_t memory_size; /* of a worker */
} call;

/* What a worker has. */
typedef struct {
    const call *call;
    int top, left, height, width; /* the part, in positions */
    size_t ring_cols;
    int16_t *inputs;      /* (2 bands, ring_cols, lanes): a row lies at its number modulo two bands */
    uint8_t **hidden;     /* (layers - 1): (2 bands, ring_cols, lanes) each, likewise */
    int16_t *transformed; /* (POINTS, TILES, lanes) */
    int32_t *products;    /* (POINTS, TILES, LANES) */
} worker;

static void worker_layout(worker *w, const sinr_restorer *r, int cols, sinr_arena *arena) {
    /* Rows and columns of the last tiles may lie beyond what is needed. */
    size_t positions = 2 * BAND * ((size_t)cols + 2 * (size_t)r->layers + 2 * BAND);
    int largest = lanes(SINR_RESTORER_IN);
    w->ring_cols = positions / (2 * BAND);
    w->inputs = sinr_take(arena, positions * (size_t)largest, sizeof *w->inputs);
    w->hidden = sinr_take(arena, (size_t)r->layers, sizeof *w->hidden);
    for (int n = 0; n + 1 < r->layers; n++) {
        int channels = lanes(r->layer[n].outputs);
        uint8_t *ring = sinr_take(arena, positions, (size_t)channels);
        if (w->hidden) w->hidden[n] = ring;
        if (channels > largest) largest = channels;
    }
    w->transformed = sinr_take(arena, (size_t)POINTS * TILES * (size_t)largest, sizeof *w->transformed);
    w->products = sinr_take(arena, (size_t)POINTS * TILES * LANES, sizeof *w->products);
}

/* sinr_clip((32 sample + step) // (2 step)), where a quotient moved by 1024 is not negative. With a dividend below
 * 2**20 + 2049 step, dividend times divisor is below 2**42: a reciprocal with so many bits is exact. */
#define RECIPROCAL_BITS 42
SINR_INLINE int scaled(int sample, int moved, uint64_t reciprocal) {
    /* Where that would be negative, the result is clipped anyway. */
    int lowest = -(moved / (2 * ONE));
    uint64_t dividend = (uint64_t)(2 * ONE * (sample < lowest ? lowest : sample) + moved);
    int quotient = (int)(dividend * reciprocal >> RECIPROCAL_BITS) - INPUT_MAX - 1;
    return sinr_clip(quotient, -INPUT_MAX, INPUT_MAX);
}

/* A row of the network's input; `row` counts from the first that the part needs. */
static void fill_inputs(const worker *w, int row) {
    const call *c = w->call;
    const sinr_unrestored *p = c->picture;
    const int radius = c->r->layers, rows = p->height / SINR_FOLD, cols = p->width / SINR_FOLD;
    const int unit = SINR_UNIT / SINR_FOLD, units = p->width / SINR_UNIT, stride = lanes(SINR_RESTORER_IN);
    const int count = w->width + 2 * radius, y = w->top - radius + row, x = w->left - radius;
    const int moved = 2 * c->step * (INPUT_MAX + 1) + c->step;
    int16_t *out = w->inputs + (size_t)(row % (2 * BAND)) * w->ring_cols * (size_t)stride;
    for (int channel = 0; channel < p->channels; channel++)
        for (int i = 0; i < SINR_FOLD; i++) {
            const int16_t *samples = p->planes + ((size_t)channel * (size_t)p->height +
                                                  (size_t)sinr_clip(y * SINR_FOLD + i, 0, p->height - 1)) *
                                                     (size_t)p->width;
            int16_t *to = out + channel * SINR_FOLD * SINR_FOLD + i * SINR_FOLD;
            for (int n = 0; n < count; n++, to += stride)
                for (int j = 0; j < SINR_FOLD; j++) {
                    int sample = samples[sinr_clip((x + n) * SINR_FOLD + j, 0, p->width - 1)];
                    to[j] = (int16_t)scaled(sample, moved, c->reciprocal);
                }
        }
    const int32_t *above = p->owner + (size_t)(sinr_clip(y - 1, 0, rows - 1) / unit) * (size_t)units;
    const int32_t *here = p->owner + (size_t)(sinr_clip(y, 0, rows - 1) / unit) * (size_t)units;
    const int32_t *below = p->owner + (size_t)(sinr_clip(y + 1, 0, rows - 1) / unit) * (size_t)units;
    const uint8_t *sizes = p->sizes + (here - p->owner);
    for (int n = 0; n < count; n++) {
        int16_t *to = out + n * stride + SINR_RESTORED;
        int u = sinr_clip(x + n, 0, cols - 1) / unit;
        to[0] = here[sinr_clip(x + n - 1, 0, cols - 1) / unit] != here[u] ? ONE : 0;
        to[1] = here[sinr_clip(x + n + 1, 0, cols - 1) / unit] != here[u] ? ONE : 0;
        to[2] = above[u] != here[u] ? ONE : 0;
        to[3] = below[u] != here[u] ? ONE : 0;
        to[4] = sizes[u] == SINR_UNIT ? ONE : 0;
        to[5] = sizes[u] == SINR_BLOCK ? ONE : 0;
        to[6] = (int16_t)(c->log_step - TYPICAL_LOG_STEP);
    }
}

/* B d: `size` + 2 inputs at the points. */
SINR_INLINE void inputs_at_points(int size, const int d[6], int16_t *v, size_t step) {
    if (size == 1) {
        v[0] = (int16_t)d[0], v[step] = (int16_t)d[1], v[2 * step] = (int16_t)d[2];
    } else if (size == 2) {
        v[0] = (int16_t)(d[0] - d[2]);
        v[step] = (int16_t)(d[1] + d[2]);
        v[2 * step] = (int16_t)(d[2] - d[1]);
        v[3 * step] = (int16_t)(d[1] - d[3]);
    } else {
        int even = d[4] - 4 * d[2], odd = d[3] - 4 * d[1], even2 = d[4] - d[2], odd2 = 2 * (d[3] - d[1]);
        v[0] = (int16_t)(4 * (d[0] - d[2]) + even2);
        v[step] = (int16_t)(even + odd);
        v[2 * step] = (int16_t)(even - odd);
        v[3 * step] = (int16_t)(even2 + odd2);
        v[4 * step] = (int16_t)(even2 - odd2);
        v[5 * step] = (int16_t)(d[5] - d[3] - 2 * odd2);
    }
}

/* A m, times s: `size` results of `size` + 2 products. */
SINR_INLINE void results_of_points(int size, const uint32_t m[6], uint32_t *y, size_t step) {
    if (size == 1) {
        y[0] = m[0] + m[1] + m[2];
    } else if (size == 2) {
        y[0] = 2 * m[0] + m[1] + m[2];
        y[step] = m[1] - m[2] - 2 * m[3];
    } else {
        uint32_t even = 4 * (m[1] + m[2]), odd = 4 * (m[2] - m[1]), even2 = m[3] + m[4], odd2 = 2 * (m[3] - m[4]);
        y[0] = 6 * m[0] - even + even2;
        y[step] = odd + odd2;
        y[2 * step] = 4 * even2 - even;
        y[3 * step] = odd + 4 * odd2 + 24 * m[5];
    }
}

/* A row of tiles of one layer's results. */
typedef struct {
    const layer *layer;
    bool first;
    const void *inputs[6];  /* rows of positions of it: int16 of the first layer, else uint8 */
    uint8_t *outputs[BAND]; /* likewise, of hidden layers */
} tile_row;

/* Transformed inputs of `count` tiles from number `begin` on, at most CHUNK, LANES channels from `lane` on. */
SINR_INLINE void transform_lanes(
    const tile_row *t, bool first, int high, int wide, int begin, int count, size_t lane, int16_t *transformed) {
    const size_t stride = (size_t)lanes(t->layer->inputs), step = TILES * stride;
    int16_t columns[CHUNK * 4 + 2][6][LANES];
    for (int x = 0; x < count * wide + 2; x++) {
        size_t offset = (size_t)(begin * wide + x) * stride + lane;
        SINR_APART
        for (int c = 0; c < LANES; c++) {
            int d[6] = {0};
            for (int y = 0; y < high + 2; y++)
                d[y] = first ? ((const int16_t *)t->inputs[y])[offset + (size_t)c]
                             : ((const uint8_t *)t->inputs[y])[offset + (size_t)c];
            inputs_at_points(high, d, &columns[x][0][c], LANES);
        }
    }
    for (int n = 0; n < count; n++)
        for (int p = 0; p < high + 2; p++) {
            int16_t *to = transformed + (size_t)(p * (wide + 2)) * step + (size_t)n * stride + lane;
            SINR_APART
            for (int c = 0; c < LANES; c++) {
                int d[6] = {0};
                for (int x = 0; x < wide + 2; x++) d[x] = columns[n * wide + x][p][c];
                inputs_at_points(wide, d, to + c, step);
            }
        }
}

SINR_INLINE void transform_inputs(
    const tile_row *t, bool first, int high, int wide, int begin, int count, int16_t *transformed) {
    const size_t stride = (size_t)lanes(t->layer->inputs);
    for (int n = 0; n < count; n += CHUNK)
        for (size_t lane = 0; lane < stride; lane += LANES)
            transform_lanes(
                t, first, high, wide, begin + n, count - n < CHUNK ? count - n : CHUNK, lane,
                transformed + (size_t)n * stride);
}

/* Sums of a tile, scaled: (high, wide, LANES). */
SINR_INLINE void transform_outputs(int high, int wide, const int32_t *products, uint32_t (*sums)[LANES]) {
    uint32_t rows[4][6][LANES];
    const size_t step = (size_t)TILES * LANES;
    for (int x = 0; x < wide + 2; x++) {
        const int32_t *from = products + (size_t)x * step;
        SINR_APART
        for (int c = 0; c < LANES; c++) {
            uint32_t m[6] = {0};
            for (int p = 0; p < high + 2; p++) m[p] = (uint32_t)from[(size_t)(p * (wide + 2)) * step + (size_t)c];
            results_of_points(high, m, &rows[0][x][c], 6 * LANES);
        }
    }
    for (int y = 0; y < high; y++) {
        SINR_APART
        for (int c = 0; c < LANES; c++) {
            uint32_t m[6] = {0};
            for (int p = 0; p < wide + 2; p++) m[p] = rows[y][p][c];
            results_of_points(wide, m, &sums[y * wide][c], LANES);
        }
    }
}

/* Adds what the last layer says of a tile to its samples; `row` and `col` count positions of the part. */
SINR_INLINE void correct(const worker *w, const layer *l, int row, int col, uint32_t (*sums)[LANES]) {
    const call *c = w->call;
    const sinr_unrestored *p = c->picture;
    const int high = l->tiling->high, wide = l->tiling->wide;
    const size_t width = (size_t)c->width * SINR_FOLD, size = (size_t)c->height * SINR_FOLD * width;
    for (int y = 0; y < high && row + y < w->height; y++)
        for (int x = 0; x < wide && col + x < w->width; x++) {
            size_t from =
                (size_t)(w->top + row + y) * SINR_FOLD * (size_t)p->width + (size_t)(w->left + col + x) * SINR_FOLD;
            size_t to = (size_t)(w->top + row + y - c->top) * SINR_FOLD * width +
                        (size_t)(w->left + col + x - c->left) * SINR_FOLD;
            const uint32_t *sum = sums[y * wide + x];
            for (int channel = 0; channel < p->channels; channel++)
                for (int i = 0; i < SINR_FOLD * SINR_FOLD; i++) {
                    size_t down = (size_t)(i / SINR_FOLD), right = (size_t)(i % SINR_FOLD);
                    int output = channel * SINR_FOLD * SINR_FOLD + i;
                    int64_t t = (int32_t)(sum[output] * l->tiling->inverse + l->bias[output]) >> l->tiling->bits;
                    int sample = p->planes
                                     [(size_t)channel * (size_t)p->height * (size_t)p->width + from +
                                      down * (size_t)p->width + right];
                    sample += (int)((2 * t * c->step + ((int64_t)1 << l->shift)) >> (l->shift + 1));
                    c->result[(size_t)channel * size + to + down * width + right] =
                        (int16_t)sinr_clip(sample, -SINR_SAMPLE_MAX, SINR_SAMPLE_MAX);
                }
        }
}

/* Clipped sums of hidden layers. The loops are apart, or GCC 12 makes branches of them. */
SINR_INLINE void store_activations(
    const uint32_t *sums, uint32_t inverse, const uint32_t *bias, int shift, uint8_t *activations) {
    int32_t values[LANES];
    SINR_APART
    for (int c = 0; c < LANES; c++) values[c] = (int32_t)(sums[c] * inverse + bias[c]) >> shift;
    SINR_APART
    for (int c = 0; c < LANES; c++) values[c] = values[c] < 0 ? 0 : values[c];
    SINR_APART
    for (int c = 0; c < LANES; c++) values[c] = values[c] > HIDDEN_MAX ? HIDDEN_MAX : values[c];
    SINR_APART
    for (int c = 0; c < LANES; c++) activations[c] = (uint8_t)values[c];
}

/* Results of a row of tiles: `cols` columns of positions of it. */
SINR_INLINE void convolve(const worker *w, const tile_row *t, bool first, int high, int wide, int row, int cols) {
    const layer *l = t->layer;
    const int all = (cols + wide - 1) / wide, batches = (all + TILES - 1) / TILES;
    const int batch = ((all + batches - 1) / batches + TILE_GROUP - 1) / TILE_GROUP * TILE_GROUP;
    const int count = (high + 2) * (wide + 2), shift = l->tiling->bits + l->shift;
    const size_t stride = (size_t)lanes(l->inputs), to_stride = (size_t)l->blocks * LANES;
    const uint32_t inverse = l->tiling->inverse;
    for (int begin = 0; begin < all; begin += batch) {
        const int tiles = all - begin < batch ? all - begin : batch;
        transform_inputs(t, first, high, wide, begin, tiles, w->transformed);
        for (int b = 0; b < l->blocks; b++) {
            const uint32_t *bias = l->bias + b * LANES;
            for (int p = 0; p < count; p++)
                sinr_multiply(
                    l->matrices + b * count + p, w->transformed + (size_t)p * TILES * stride, stride,
                    w->products + (size_t)p * TILES * LANES, LANES,
                    (tiles + TILE_GROUP - 1) / TILE_GROUP * TILE_GROUP);
            for (int n = 0; n < tiles; n++) {
                uint32_t sums[16][LANES];
                transform_outputs(high, wide, w->products + n * LANES, sums);
                if (!t->outputs[0]) correct(w, l, row, (begin + n) * wide, sums);
                for (int i = 0; i < high * wide && t->outputs[0]; i++) {
                    size_t offset = (size_t)((begin + n) * wide + i % wide) * to_stride + (size_t)(b * LANES);
                    uint8_t *to = t->outputs[i / wide] + offset;
                    store_activations(sums[i], inverse, bias, shift, to);
                }
            }
        }
    }
}

SINR_INLINE void convolve_chosen_loop(const worker *w, const tile_row *t, int row, int cols) {
    const tiling *kind = t->layer->tiling;
    if (kind->wide == 4)
        convolve(w, t, false, 4, 4, row, cols);
    else if (kind->wide == 2 && t->first)
        convolve(w, t, true, 4, 2, row, cols);
    else if (kind->wide == 2)
        convolve(w, t, false, 4, 2, row, cols);
    else if (t->first)
        convolve(w, t, true, 1, 1, row, cols);
    else
        convolve(w, t, false, 1, 1, row, cols);
}

SINR_CHOOSE(
    static, void, convolve_chosen, (const worker *w, const tile_row *t, int row, int cols), (w, t, row, cols))

/* A band of a layer's results; `layer` counts from 1. */
static void fill_band(const worker *w, int number, int band) {
    const sinr_restorer *r = w->call->r;
    tile_row t = {.layer = r->layer + number - 1, .first = number == 1};
    const size_t in_size = t.first ? sizeof *w->inputs : 1;
    const size_t in_row = w->ring_cols * (size_t)lanes(t.layer->inputs) * in_size;
    const size_t out_row = w->ring_cols * (size_t)lanes(t.layer->outputs);
    const unsigned char *in = t.first ? (const unsigned char *)w->inputs : w->hidden[number - 2];
    const int high = t.layer->tiling->high;
    for (int row = band * BAND; row < (band + 1) * BAND; row += high) {
        for (int y = 0; y < high + 2; y++) t.inputs[y] = in + (size_t)((row + y) % (2 * BAND)) * in_row;
        for (int y = 0; y < high && number < r->layers; y++)
            t.outputs[y] = w->hidden[number - 1] + (size_t)((row + y) % (2 * BAND)) * out_row;
        const int cols = w->width + 2 * (r->layers - number);
        convolve_chosen(w, &t, row, cols);
    }
}

static void restore_part(void *context, int piece, int number) {
    const call *c = context;
    worker w = {.call = c};
    sinr_arena arena = {c->memory + c->memory_size * (size_t)number, 0};
    worker_layout(&w, c->r, c->part_cols, &arena);
    int row = piece / c->across * c->part_rows, col = piece % c->across * c->part_cols;
    w.top = c->top + row;
    w.left = c->left + col;
    w.height = c->height - row < c->part_rows ? c->height - row : c->part_rows;
    w.width = c->width - col < c->part_cols ? c->width - col : c->part_cols;
    const int radius = c->r->layers, steps = (w.height - 1) / BAND + 1 + radius;
    for (int step = 0; step < steps; step++) {
        for (int y = step * BAND; y < (step + 1) * BAND && y < w.height + 2 * radius; y++) fill_inputs(&w, y);
        for (int n = 1; n <= radius; n++) {
            int band = step - n;
            if (band >= 0 && band * BAND < w.height + 2 * (radius - n)) fill_band(&w, n, band);
        }
    }
}

static int ceil_div(int value, int by) { return (value - 1) / by + 1; }

/* Parts of whole tiles, enough for all workers. */
static int divide(call *c, int workers) {
    c->across = ceil_div(c->width, WIDEST);
    c->part_cols = ceil_div(ceil_div(c->width, c->across), BAND) * BAND;
    c->across = ceil_div(c->width, c->part_cols);
    int down = workers > 1 ? ceil_div(2 * workers, c->across) : 1;
    c->part_rows = ceil_div(ceil_div(c->height, down), BAND) * BAND;
    if (c->part_rows < LOWEST) c->part_rows = LOWEST;
    return ceil_div(c->height, c->part_rows) * c->across;
}

sinr_status sinr_restore(
    const sinr_restorer *r, const sinr_unrestored *picture, int step, const sinr_box *box, int16_t *result,
    sinr_pool *pool) {
    const sinr_unrestored *p = picture;
    if (step < 1 || step >= 1 << 14 || (p->channels != 1 && p->channels != 3)) return SINR_ARGUMENT;
    if (p->height < SINR_UNIT || p->width < SINR_UNIT || p->height % SINR_UNIT || p->width % SINR_UNIT)
        return SINR_ARGUMENT;
    if (box->top < 0 || box->left < 0 || box->bottom > p->height || box->right > p->width) return SINR_ARGUMENT;
    if ((box->top | box->left | box->bottom | box->right) % SINR_FOLD) return SINR_ARGUMENT;
    if (box->bottom <= box->top || box->right <= box->left)
        return box->bottom < box->top || box->right < box->left ? SINR_ARGUMENT : SINR_OK;

    call c = {.r = r, .picture = picture, .step = step, .result = result};
    c.log_step = (int)lround(4 * log2(1 + step));
    c.reciprocal = ((uint64_t)1 << RECIPROCAL_BITS) / (2 * (uint64_t)step) + 1;
    c.top = box->top / SINR_FOLD;
    c.left = box->left / SINR_FOLD;
    c.height = (box->bottom - box->top) / SINR_FOLD;
    c.width = (box->right - box->left) / SINR_FOLD;
    int workers = sinr_workers(pool), pieces = divide(&c, workers);

    worker w;
    sinr_arena arena = {NULL, 0};
    worker_layout(&w, r, c.part_cols, &arena);
    /* Workers share no line of the cache, and what they read beyond the last tiles is zero, not undefined. */
    c.memory_size = (arena.used / SINR_ALIGNMENT + 1) * SINR_ALIGNMENT;
    if (arena.used > SIZE_MAX / 4 || c.memory_size > SIZE_MAX / 4 / (size_t)workers) return SINR_TOO_LARGE;
    unsigned char *memory = calloc((size_t)workers * c.memory_size + SINR_ALIGNMENT, 1);
    if (!memory) return SINR_NO_MEMORY;
    c.memory = memory + (SINR_ALIGNMENT - (uintptr_t)memory % SINR_ALIGNMENT) % SINR_ALIGNMENT;
    sinr_run(pool, restore_part, &c, pieces);
    free(memory);
    return SINR_OK;
}
