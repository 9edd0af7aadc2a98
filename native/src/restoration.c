/* Convolutions by Winograd's minimal filtering (Lavin and Gray 2016): a tile of results is a linear map of products
 * of linear maps of inputs and of weights, with up to four times fewer products than the sum it stands for. Here it
 * is exact. Per axis, with results y of taps g and inputs d at the points 0, 1, -1, 2, -2 and infinity,
 *
 *     y = A ((G g) (B d)) / s     with integer matrices A, G, B and an integer s: 24 for four results at a time
 *
 * and products are summed over channels in between. All of it holds modulo 2**32, where the odd part of s has an
 * inverse; the even part, 2**6 in two dimensions, leaves room for sums below 2**24 and goes by a shift.
 *
 * Rows of a part are computed a few at a time, by every layer in turn, each a little behind the one before: of a
 * layer's results only those rows are kept that are still needed, and no row is computed twice.
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
#define BAND 4       /* rows of tiles */
#define STEP 8       /* rows computed at a time: as many as BAND rows of squares have */
#define POINTS 36    /* products of a tile, at most */
#define TILE_GROUP 6 /* `sinr_multiply` is fastest with multiples of this many rows */
#define TILES 24     /* per product: their inputs and a block of their results stay in the second-level cache */
#define CHUNK 8      /* tiles whose inputs are transformed at a time */
#define WIDEST 512   /* columns of a part, at most */
#define LOWEST 48    /* rows of a part, at least, if it has fewer than there are: each computes some rows anew */

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
    int reads;             /* inputs as they lie: of squares, whole LANES of each position */
    int blocks;            /* of LANES outputs as they lie, likewise */
    const tiling *tiling;  /* NULL: it looks at single positions */
    sinr_matrix *matrices; /* (blocks, points): (LANES, inputs) each */
    int16_t *weights;      /* theirs */
    uint32_t *bias;        /* (blocks * LANES), as scaled as the sums */
} layer;

struct sinr_restorer {
    int head, branch, tail;
    layer *layer;         /* in the order of sinr_restorer_shape */
    int16_t *transformed; /* (POINTS, LANES, inputs) while filling in */
};

static int lanes(int channels) { return (channels + LANES - 1) / LANES * LANES; }

static int points(const tiling *t) { return t ? (t->high + 2) * (t->wide + 2) : 1; }

static int layers_of(const sinr_restorer *r) { return r->head + r->branch + r->tail + 2; }

/* Numbers of the layers down to the branch, and up from it. */
static int down_of(const sinr_restorer *r) { return r->head; }
static int up_of(const sinr_restorer *r) { return r->head + r->branch + 1; }

static bool single(const sinr_restorer *r, int number) { return number == down_of(r) || number == up_of(r); }

/* Squares to either side that a result depends on, before the branch. */
static int branch_radius(const sinr_restorer *r) { return (r->tail + 1) / 2 + r->branch; }

int sinr_restorer_radius(const sinr_restorer *r) { return r->head + 2 * branch_radius(r); }

sinr_restorer *sinr_restorer_layout(const sinr_restorer_shape *shape, sinr_arena *arena) {
    sinr_restorer *r = sinr_take(arena, 1, sizeof *r);
    const sinr_restorer counted = {.head = shape->head, .branch = shape->branch, .tail = shape->tail};
    const int count = layers_of(&counted), width = shape->channels[shape->head - 1];
    layer *list = sinr_take(arena, (size_t)count, sizeof *list);
    int largest = 0;
    for (int n = 0; n < count; n++) {
        int inputs = n ? shape->channels[n - 1] : SINR_RESTORER_IN, outputs = shape->channels[n];
        if (n == down_of(&counted)) inputs = 4 * width;
        if (n == up_of(&counted) + 1) inputs = width;
        int reads = n == down_of(&counted) ? 4 * lanes(width) : inputs;
        int blocks = (n == up_of(&counted) ? 4 * lanes(width) : lanes(outputs)) / LANES;
        size_t matrices = (size_t)blocks * (single(&counted, n) ? 1 : POINTS);
        layer made = {.inputs = inputs, .outputs = outputs, .reads = reads, .blocks = blocks};
        made.matrices = sinr_take(arena, matrices, sizeof *made.matrices);
        made.weights = sinr_take(arena, matrices, sinr_matrix_size(LANES, reads) * sizeof *made.weights);
        made.bias = sinr_take(arena, (size_t)blocks * LANES, sizeof *made.bias);
        if (list) list[n] = made;
        if (reads > largest) largest = reads;
    }
    int16_t *transformed = sinr_take(arena, (size_t)POINTS * LANES * (size_t)largest, sizeof *transformed);
    if (!r || !list) return NULL;
    *r = counted;
    r->layer = list;
    r->transformed = transformed;
    return r;
}

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

/* Whether weights are below 2**15 in magnitude, and sums below 2**SUM_BITS, whatever the inputs are. */
static bool bounded(const layer *l, bool first, int taps, const int16_t *weights, const int32_t *bias) {
    for (int o = 0; o < l->outputs; o++) {
        int64_t sum = llabs((long long)bias[o]);
        for (int c = 0; c < l->inputs; c++) {
            int64_t bound = !first              ? HIDDEN_MAX
                            : c < SINR_RESTORED ? INPUT_MAX
                            : c < l->inputs - 1 ? ONE
                                                : TYPICAL_LOG_STEP;
            for (int i = 0; i < taps; i++, weights++) {
                if (*weights == INT16_MIN) return false;
                sum += bound * abs(*weights);
            }
        }
        if (sum >= (int64_t)1 << SUM_BITS) return false;
    }
    return true;
}

/* Which of `channels` by position, in squares, lies at a place where each position has whole LANES; -1: none. */
static int of_square(int place, int channels) {
    int position = place / lanes(channels), channel = place % lanes(channels);
    return channel < channels ? 4 * channel + position : -1;
}

static void fill_layer(const sinr_restorer *r, int number, const int16_t *weights, const int32_t *bias) {
    layer *l = r->layer + number;
    const int width = r->layer[r->head - 1].outputs, count = points(l->tiling);
    const size_t reads = (size_t)l->reads, size = sinr_matrix_size(LANES, l->reads);
    int16_t *transformed = r->transformed;
    memset(l->bias, 0, (size_t)l->blocks * LANES * sizeof *l->bias);
    for (int b = 0; b < l->blocks; b++) {
        memset(transformed, 0, (size_t)count * LANES * reads * sizeof *transformed);
        for (int o = 0; o < LANES; o++) {
            int output = number == up_of(r) ? of_square(b * LANES + o, width) : b * LANES + o;
            if (output < 0 || output >= l->outputs) continue;
            l->bias[b * LANES + o] = (uint32_t)bias[output] << (l->tiling ? l->tiling->bits : 0);
            for (size_t c = 0; c < reads; c++) {
                int input = number == down_of(r) ? of_square((int)c, width) : (int)c;
                if (input < 0) continue;
                size_t from = (size_t)output * (size_t)l->inputs + (size_t)input;
                int32_t u[POINTS] = {weights[from]};
                if (l->tiling) transform_weights(l->tiling, weights + from * 9, u);
                for (int p = 0; p < count; p++)
                    transformed[((size_t)p * LANES + (size_t)o) * reads + c] = (int16_t)u[p];
            }
        }
        for (int p = 0; p < count; p++) {
            size_t matrix = (size_t)b * (size_t)count + (size_t)p;
            sinr_matrix_init(
                l->matrices + matrix, LANES, l->reads, transformed + (size_t)p * LANES * reads,
                l->weights + matrix * size);
        }
    }
}

sinr_status sinr_restorer_fill(sinr_restorer *r, const void *const *tensors, const int *shifts) {
    const layer *up = r->layer + up_of(r), *last = r->layer + layers_of(r) - 1;
    if (up->outputs != r->layer[down_of(r)].inputs || last->outputs != SINR_RESTORED) return SINR_CODEBOOK;
    for (int n = 0; n < layers_of(r); n++) {
        layer *l = r->layer + n;
        const int16_t *weights = tensors[2 * n];
        const int32_t *bias = tensors[2 * n + 1];
        if (shifts[n] < 0 || shifts[n] > 24) return SINR_CODEBOOK;
        if (!bounded(l, !n, single(r, n) ? 1 : 9, weights, bias)) return SINR_CODEBOOK;
        l->shift = shifts[n];
        l->tiling = NULL;
        if (!single(r, n)) {
            int number = 0;
            while (number < TILING_COUNT && !fits(TILINGS + number, l, !n, weights)) number++;
            if (number == TILING_COUNT) return SINR_CODEBOOK;
            l->tiling = TILINGS + number;
        }
        fill_layer(r, n, weights, bias);
    }
    return SINR_OK;
}

/* What a call has in common. */
typedef struct {
    const sinr_restorer *r;
    const sinr_unrestored *picture;
    int step, log_step;
    int64_t scale;                    /* of corrections, in sixteenths */
    uint64_t reciprocal;              /* of 2 * step, see `scaled` */
    int top, left, height, width;     /* all the parts, in positions */
    int part_rows, part_cols, across; /* a part, and how many lie side by side */
    int16_t *result;
    unsigned char *memory;
    size_t memory_size; /* of a worker */
} call;

/* Rows of what a layer reads or makes: of those, row `r` lies at r modulo `depth`. */
typedef struct {
    unsigned char *memory;
    int depth;
    size_t row;      /* bytes from one to the next */
    size_t channels; /* of a position, whole LANES */
} ring;

/* What a worker has. */
typedef struct {
    const call *call;
    int top, left, height, width; /* the part, in positions */
    ring inputs;                  /* int16 */
    ring *results;                /* (layers) uint8; what comes up from the branch is added to the head's already */
    int16_t *transformed;         /* (POINTS, TILES, lanes) */
    int32_t *products;            /* (POINTS or blocks, TILES, LANES) */
} worker;

static ring ring_layout(int depth, int cols, int channels, size_t size, sinr_arena *arena) {
    ring made = {.depth = depth, .channels = (size_t)lanes(channels)};
    made.row = (size_t)cols * made.channels * size;
    made.memory = sinr_take(arena, (size_t)depth, made.row);
    return made;
}

static unsigned char *row_of(const ring *rows, int number) {
    return rows->memory + (size_t)(number % rows->depth) * rows->row;
}

static void worker_layout(worker *w, const sinr_restorer *r, int cols, sinr_arena *arena) {
    /* Rows and columns of the last tiles may lie beyond what is needed. */
    const int fine = cols + 2 * sinr_restorer_radius(r) + 2 * BAND,
              coarse = cols / 2 + 2 * branch_radius(r) + 2 * BAND;
    const int count = layers_of(r);
    size_t largest = 0, sums = POINTS;
    w->inputs = ring_layout(2 * STEP, fine, SINR_RESTORER_IN, sizeof(int16_t), arena);
    w->results = sinr_take(arena, (size_t)count, sizeof *w->results);
    for (int n = 0; n < count; n++) {
        const layer *l = r->layer + n;
        const bool squares = n >= down_of(r) && n < up_of(r);
        /* The branch comes back while the head is that far ahead. */
        int depth = squares ? 2 * BAND : n == r->head - 1 ? STEP * (r->branch + 1) : 2 * STEP;
        int channels = n == up_of(r) ? r->layer[r->head - 1].outputs : l->outputs;
        size_t transformed = (size_t)(single(r, n) ? 1 : POINTS) * (size_t)lanes(l->reads);
        if (transformed > largest) largest = transformed;
        if (single(r, n) && (size_t)l->blocks > sums) sums = (size_t)l->blocks;
        ring made = ring_layout(n < count - 1 ? depth : 0, squares ? coarse : fine, channels, 1, arena);
        if (w->results) w->results[n] = made;
    }
    w->transformed = sinr_take(arena, TILES * largest, sizeof *w->transformed);
    w->products = sinr_take(arena, sums * TILES * LANES, sizeof *w->products);
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
    const int radius = sinr_restorer_radius(c->r), rows = p->height / SINR_FOLD, cols = p->width / SINR_FOLD;
    const int unit = SINR_UNIT / SINR_FOLD, units = p->width / SINR_UNIT, stride = lanes(SINR_RESTORER_IN);
    const size_t plane = (size_t)units * (size_t)(p->height / SINR_UNIT);
    const int count = w->width + 2 * radius, y = w->top - radius + row, x = w->left - radius;
    const int moved = 2 * c->step * (INPUT_MAX + 1) + c->step;
    int16_t *out = (int16_t *)row_of(&w->inputs, row);
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
    const uint8_t *sizes = p->sizes + (here - p->owner), *last = p->last + (here - p->owner);
    for (int n = 0; n < count; n++) {
        int16_t *to = out + n * stride + SINR_RESTORED;
        int u = sinr_clip(x + n, 0, cols - 1) / unit;
        to[0] = here[sinr_clip(x + n - 1, 0, cols - 1) / unit] != here[u] ? ONE : 0;
        to[1] = here[sinr_clip(x + n + 1, 0, cols - 1) / unit] != here[u] ? ONE : 0;
        to[2] = above[u] != here[u] ? ONE : 0;
        to[3] = below[u] != here[u] ? ONE : 0;
        to[4] = sizes[u] == SINR_UNIT ? ONE : 0;
        to[5] = sizes[u] == SINR_BLOCK ? ONE : 0;
        /* Rounded up: of a cell that something is coded of, this is not zero. */
        for (int channel = 0; channel < p->channels; channel++)
            to[6 + channel] = (int16_t)((last[channel * plane + u] * ONE + 2 * sizes[u] - 1) / (2 * sizes[u]));
        to[9] = (int16_t)(c->log_step - TYPICAL_LOG_STEP);
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

/* Adds what the last layer says of a tile to its samples; `row` and `col` count positions of the part and may lie
 * outside of it. */
SINR_INLINE void correct(const worker *w, const layer *l, int row, int col, uint32_t (*sums)[LANES]) {
    const call *c = w->call;
    const sinr_unrestored *p = c->picture;
    const int high = l->tiling->high, wide = l->tiling->wide;
    const size_t width = (size_t)c->width * SINR_FOLD, size = (size_t)c->height * SINR_FOLD * width;
    for (int y = row < 0 ? -row : 0; y < high && row + y < w->height; y++)
        for (int x = col < 0 ? -col : 0; x < wide && col + x < w->width; x++) {
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
                    /* Corrections may take more than 32 bits. */
                    int64_t sample = p->planes
                                         [(size_t)channel * (size_t)p->height * (size_t)p->width + from +
                                          down * (size_t)p->width + right];
                    sample += (2 * t * c->scale + ((int64_t)SINR_FULL_STRENGTH << l->shift)) >>
                              (l->shift + 1 + SINR_STRENGTH_BITS);
                    if (sample < -SINR_SAMPLE_MAX) sample = -SINR_SAMPLE_MAX;
                    if (sample > SINR_SAMPLE_MAX) sample = SINR_SAMPLE_MAX;
                    c->result[(size_t)channel * size + to + down * width + right] = (int16_t)sample;
                }
        }
}

/* What becomes of LANES values. The loops are apart, or GCC 12 makes branches of them. */
SINR_INLINE void store_clipped(int32_t *values, uint8_t *activations) {
    SINR_APART
    for (int c = 0; c < LANES; c++) values[c] = values[c] < 0 ? 0 : values[c];
    SINR_APART
    for (int c = 0; c < LANES; c++) values[c] = values[c] > HIDDEN_MAX ? HIDDEN_MAX : values[c];
    SINR_APART
    for (int c = 0; c < LANES; c++) activations[c] = (uint8_t)values[c];
}

/* Clipped sums of hidden layers. */
SINR_INLINE void store_activations(
    const uint32_t *sums, uint32_t inverse, const uint32_t *bias, int shift, uint8_t *activations) {
    int32_t values[LANES];
    SINR_APART
    for (int c = 0; c < LANES; c++) values[c] = (int32_t)(sums[c] * inverse + bias[c]) >> shift;
    store_clipped(values, activations);
}

/* Sums added to what is there, and clipped. */
SINR_INLINE void store_added(
    const uint32_t *sums, const uint32_t *bias, int shift, const uint8_t *base, uint8_t *activations) {
    int32_t values[LANES];
    SINR_APART
    for (int c = 0; c < LANES; c++) values[c] = ((int32_t)(sums[c] + bias[c]) >> shift) + base[c];
    store_clipped(values, activations);
}

/* Results of a row of tiles: `cols` columns of positions of it. */
SINR_INLINE void convolve(const worker *w, const tile_row *t, bool first, int high, int wide, int row, int cols) {
    const layer *l = t->layer;
    const int all = (cols + wide - 1) / wide, batches = (all + TILES - 1) / TILES;
    const int batch = ((all + batches - 1) / batches + TILE_GROUP - 1) / TILE_GROUP * TILE_GROUP;
    const int count = (high + 2) * (wide + 2), shift = l->tiling->bits + l->shift;
    const size_t stride = (size_t)lanes(l->inputs), to_stride = (size_t)l->blocks * LANES;
    const uint32_t inverse = l->tiling->inverse;
    /* Whole squares of the branch may be a position more than the tail needs. */
    const int beyond = w->call->r->tail % 2;
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
                if (!t->outputs[0]) correct(w, l, row - beyond, (begin + n) * wide - beyond, sums);
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

/* Rows `begin` ... of a layer's results: `rows` of them, `cols` columns. */
static void fill_rows(const worker *w, int number, int begin, int rows, int cols) {
    const sinr_restorer *r = w->call->r;
    tile_row t = {.layer = r->layer + number, .first = number == 0};
    const ring *in = number ? w->results + number - 1 : &w->inputs, *out = w->results + number;
    const int high = t.layer->tiling->high;
    for (int row = begin; row < begin + rows; row += high) {
        for (int y = 0; y < high + 2; y++) t.inputs[y] = row_of(in, row + y);
        for (int y = 0; y < high && number + 1 < layers_of(r); y++) t.outputs[y] = row_of(out, row + y);
        convolve_chosen(w, &t, row, cols);
    }
}

/* Sums of a layer of single positions for TILES of these at most: (count, blocks, LANES). */
static void multiply_positions(const worker *w, const layer *l, int count) {
    const int rows = (count + TILE_GROUP - 1) / TILE_GROUP * TILE_GROUP;
    for (int b = 0; b < l->blocks; b++)
        sinr_multiply(
            l->matrices + b, w->transformed, (size_t)lanes(l->reads), w->products + b * LANES,
            (size_t)l->blocks * LANES, rows);
}

SINR_INLINE void widen(const uint8_t *from, size_t channels, int16_t *to) {
    for (size_t lane = 0; lane < channels; lane += LANES) {
        SINR_APART
        for (int c = 0; c < LANES; c++) to[lane + (size_t)c] = from[lane + (size_t)c];
    }
}

/* A row of squares from the head down to the branch. */
SINR_INLINE void fill_down_loop(const worker *w, int row, int cols) {
    const sinr_restorer *r = w->call->r;
    const layer *l = r->layer + down_of(r);
    const ring *in = w->results + r->head - 1, *out = w->results + down_of(r);
    for (int begin = 0; begin < cols; begin += TILES) {
        const int count = cols - begin < TILES ? cols - begin : TILES;
        for (int n = 0; n < 4 * count; n++) {
            const size_t x = (size_t)(2 * (begin + n / 4) + n % 2);
            const uint8_t *from = row_of(in, 2 * row + n / 2 % 2) + x * in->channels;
            widen(from, in->channels, w->transformed + (size_t)n * in->channels);
        }
        multiply_positions(w, l, count);
        for (int n = 0; n < count; n++)
            for (int b = 0; b < l->blocks; b++)
                store_activations(
                    (const uint32_t *)w->products + (n * l->blocks + b) * LANES, 1, l->bias + b * LANES, l->shift,
                    row_of(out, row) + (size_t)(begin + n) * out->channels + (size_t)b * LANES);
    }
}

/* A row of squares from the branch up, added to what the head makes. */
SINR_INLINE void fill_up_loop(const worker *w, int row, int cols) {
    const sinr_restorer *r = w->call->r;
    const layer *l = r->layer + up_of(r);
    const ring *in = w->results + up_of(r) - 1, *out = w->results + up_of(r), *head = w->results + r->head - 1;
    const int inside = 2 * r->branch, blocks = l->blocks / 4;
    for (int begin = 0; begin < cols; begin += TILES) {
        const int count = cols - begin < TILES ? cols - begin : TILES;
        for (int n = 0; n < count; n++)
            widen(
                row_of(in, row) + (size_t)(begin + n) * in->channels, in->channels,
                w->transformed + (size_t)n * in->channels);
        multiply_positions(w, l, count);
        for (int n = 0; n < 4 * count; n++) {
            const int y = 2 * row + n / 2 % 2;
            const size_t x = (size_t)(2 * (begin + n / 4) + n % 2);
            const uint8_t *base = row_of(head, y + inside) + (x + (size_t)inside) * head->channels;
            uint8_t *to = row_of(out, y) + x * out->channels;
            for (int b = 0; b < blocks; b++) {
                const uint32_t *sums = (const uint32_t *)w->products + (n * blocks + b) * LANES;
                const uint32_t *bias = l->bias + (n % 4 * blocks + b) * LANES;
                store_added(sums, bias, l->shift, base + b * LANES, to + b * LANES);
            }
        }
    }
}

SINR_CHOOSE(static, void, fill_down, (const worker *w, int row, int cols), (w, row, cols))
SINR_CHOOSE(static, void, fill_up, (const worker *w, int row, int cols), (w, row, cols))

/* What a layer has to do in a step. */
static void run_layer(const worker *w, int number, int step) {
    const sinr_restorer *r = w->call->r;
    const bool squares = number >= down_of(r) && number <= up_of(r);
    /* Every layer of 3 x 3 positions is a step behind the one before it. */
    const int lag = number + 1 - (number >= down_of(r)) - (number >= up_of(r));
    const int band = squares ? BAND : STEP, first = (step - lag) * band;
    int margin = sinr_restorer_radius(r) - number - 1;
    if (squares) margin = branch_radius(r) - (number < up_of(r) ? number - down_of(r) : r->branch);
    if (number > up_of(r)) margin = 2 * ((r->tail + 1) / 2) - (number - up_of(r));
    const int height = (squares ? w->height / 2 : w->height) + 2 * margin;
    const int cols = (squares ? w->width / 2 : w->width) + 2 * margin;
    if (first < 0 || first >= height) return;
    if (!single(r, number)) {
        fill_rows(w, number, first, band, cols);
        return;
    }
    for (int row = first; row < first + band && row < height; row++) {
        if (number == down_of(r))
            fill_down(w, row, cols);
        else
            fill_up(w, row, cols);
    }
}

static void restore_part(void *context, int piece, int number) {
    const call *c = context;
    const sinr_restorer *r = c->r;
    worker w = {.call = c};
    sinr_arena arena = {c->memory + c->memory_size * (size_t)number, 0};
    worker_layout(&w, r, c->part_cols, &arena);
    int row = piece / c->across * c->part_rows, col = piece % c->across * c->part_cols;
    w.top = c->top + row;
    w.left = c->left + col;
    w.height = c->height - row < c->part_rows ? c->height - row : c->part_rows;
    w.width = c->width - col < c->part_cols ? c->width - col : c->part_cols;
    const int steps = (w.height + 1) / STEP + 1 + layers_of(r) - 2;
    for (int step = 0; step < steps; step++) {
        for (int y = step * STEP; y < (step + 1) * STEP && y < w.height + 2 * sinr_restorer_radius(r); y++)
            fill_inputs(&w, y);
        for (int n = 0; n < layers_of(r); n++) run_layer(&w, n, step);
    }
}

static int ceil_div(int value, int by) { return (value - 1) / by + 1; }

/* Parts of whole tiles, enough for all workers. */
static int divide(call *c, int workers) {
    c->across = ceil_div(c->width, WIDEST);
    c->part_cols = ceil_div(ceil_div(c->width, c->across), BAND) * BAND;
    c->across = ceil_div(c->width, c->part_cols);
    int down = ceil_div(workers, c->across);
    c->part_rows = ceil_div(ceil_div(c->height, down), STEP) * STEP;
    if (c->part_rows < LOWEST) c->part_rows = LOWEST;
    return ceil_div(c->height, c->part_rows) * c->across;
}

sinr_status sinr_restore(
    const sinr_restorer *r, const sinr_unrestored *picture, int step, int strength, const sinr_box *box,
    int16_t *result, sinr_pool *pool) {
    const sinr_unrestored *p = picture;
    if (strength < 0 || strength > SINR_FULL_STRENGTH) return SINR_ARGUMENT;
    if (step < 1 || step >= 1 << 14 || (p->channels != 1 && p->channels != 3)) return SINR_ARGUMENT;
    if (p->height < SINR_UNIT || p->width < SINR_UNIT || p->height % SINR_UNIT || p->width % SINR_UNIT)
        return SINR_ARGUMENT;
    if (box->top < 0 || box->left < 0 || box->bottom > p->height || box->right > p->width) return SINR_ARGUMENT;
    if ((box->top | box->left | box->bottom | box->right) % SINR_SQUARE) return SINR_ARGUMENT;
    if (box->bottom <= box->top || box->right <= box->left)
        return box->bottom < box->top || box->right < box->left ? SINR_ARGUMENT : SINR_OK;

    call c = {.r = r, .picture = picture, .step = step, .scale = (int64_t)step * strength, .result = result};
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
