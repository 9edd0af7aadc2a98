#include "entropy.h"

#include "bounds.h"
#include "instructions.h"
#include "transform_types.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Shifts of negative numbers to the right round down, as they do with every compiler this is made for. */

enum { MARGIN = 3, BINS = 8, ROW_OF_BINS = BINS + 1, TRUE_ = 32, CERTAIN = 48, HIDDEN_MAX = 255 };
enum { DIAGONALS = 2 * SINR_BLOCK, LOGS = 1024 };

/* Inputs of the networks of last diagonals, before those that tell transform types and modes apart. */
enum {
    D_LEFT_MEAN,
    D_LEFT_MAX,
    D_LEFT_UNKNOWN,
    D_ABOVE_MEAN,
    D_ABOVE_MAX,
    D_ABOVE_UNKNOWN,
    D_ABOVE_LEFT,
    D_ABOVE_RIGHT,
    D_ABOVE_LEFT_UNKNOWN,
    D_ABOVE_RIGHT_UNKNOWN,
    D_LUMA,
    D_LUMA_EMPTY,
    D_FIRST_CHROMA,
    D_FIRST_CHROMA_EMPTY,
    D_IS_FIRST_CHROMA,
    D_IS_SECOND_CHROMA,
    D_STEP,
    D_LEAST_MEAN,
    D_ALL_EMPTY,
    D_TOLD
};

/* Inputs of the networks of magnitudes, likewise. */
enum {
    M_BELOW,
    M_RIGHT,
    M_BELOW_RIGHT,
    M_BELOW_2,
    M_RIGHT_2,
    M_KNIGHTS,
    M_HIGHER_SUM,
    M_SIDE_BIN,
    M_SIDE_NEXT_BINS = 11,
    M_SIDE_BANDWIDTH = 15,
    M_LEFT_TO_CODE = 19,
    M_IS_LAST,
    M_BANDWIDTH,
    M_LUMA,
    M_LUMA_AROUND,
    M_LUMA_BANDWIDTH,
    M_FIRST_CHROMA,
    M_IS_SECOND_CHROMA,
    M_VERTICAL,
    M_HORIZONTAL,
    M_SLANT,
    M_DIAGONAL,
    M_IS_ROW_0,
    M_IS_COLUMN_0,
    M_IS_MEAN,
    M_STEP,
    M_BESIDE_BELOW,
    M_BESIDE_RIGHT,
    M_BESIDE_FAR,
    M_FAR,
    M_PIECE,
    M_OTHER_PIECES,
    M_TOLD
};
enum { TOLD_TRANSFORMS = 2 * SINR_AXIS_TRANSFORMS };

/* Rows of features that go through a network at a time. */
enum { CHUNK = 96 };

/* ---- model ---- */

static void tables_layout(sinr_tables *tables, int rows, int symbols, sinr_arena *arena) {
    uint16_t *memory = sinr_take(arena, (size_t)rows * ((size_t)symbols + 1), sizeof *memory);
    if (tables) *tables = (sinr_tables){rows, symbols, memory};
}

static size_t filled_up(int outputs) { return ((size_t)outputs + SINR_OUTPUTS - 1) / SINR_OUTPUTS * SINR_OUTPUTS; }

static void context_layout(sinr_context *c, const int hidden[2], int inputs, int symbols, sinr_arena *arena) {
    int16_t *first = sinr_take(arena, sinr_matrix_size(hidden[0], inputs), sizeof *first);
    int16_t *second = sinr_take(arena, sinr_matrix_size(hidden[1], hidden[0]), sizeof *second);
    int32_t *bias1 = sinr_take(arena, filled_up(hidden[0]), sizeof *bias1);
    int32_t *bias2 = sinr_take(arena, filled_up(hidden[1]), sizeof *bias2);
    int16_t *weight3 = sinr_take(arena, filled_up(hidden[1]), sizeof *weight3);
    if (c) {
        c->first = (sinr_matrix){.inputs = inputs, .outputs = hidden[0], .weights = first};
        c->second = (sinr_matrix){.inputs = hidden[0], .outputs = hidden[1], .weights = second};
        c->bias1 = bias1;
        c->bias2 = bias2;
        c->weight3 = weight3;
    }
    tables_layout(c ? &c->tables : NULL, 2 * SINR_ROWS, symbols, arena);
}

int sinr_context_features(bool magnitudes, int modes) {
    return (magnitudes ? M_TOLD : D_TOLD) + TOLD_TRANSFORMS + modes;
}

sinr_entropy *sinr_entropy_layout(
    int modes, const int last_diagonals[SINR_SIZES][2], const int magnitudes[SINR_SIZES][2], sinr_arena *arena) {
    sinr_entropy *e = sinr_take(arena, 1, sizeof *e);
    if (e) e->modes = modes;
    tables_layout(e ? &e->splits : NULL, 75, SINR_SPLITS, arena);
    tables_layout(e ? &e->mode : NULL, 9 * (modes + 1) * (modes + 1), modes, arena);
    tables_layout(e ? &e->transforms : NULL, 9 * modes * SINR_BANDWIDTHS, SINR_TRANSFORMS, arena);
    int of_diagonals = sinr_context_features(false, modes), of_magnitudes = sinr_context_features(true, modes);
    for (int i = 0; i < SINR_SIZES; i++) {
        context_layout(e ? e->last_diagonals + i : NULL, last_diagonals[i], of_diagonals, 16 << i, arena);
        context_layout(e ? e->magnitudes + i : NULL, magnitudes[i], of_magnitudes, SINR_MAGNITUDES, arena);
    }
    return e;
}

sinr_status sinr_tables_fill(sinr_tables *tables, const uint16_t *frequencies) {
    uint16_t *cumulative = tables->cumulative;
    for (int r = 0; r < tables->rows; r++) {
        uint32_t sum = 0;
        for (int s = 0; s < tables->symbols; s++) {
            *cumulative++ = (uint16_t)sum;
            if (!*frequencies) return SINR_CODEBOOK;
            sum += *frequencies++;
            if (sum > 1 << SINR_PRECISION) return SINR_CODEBOOK;
        }
        *cumulative++ = (uint16_t)sum;
        if (sum != 1 << SINR_PRECISION) return SINR_CODEBOOK;
    }
    return SINR_OK;
}

static bool narrow(const int32_t *weights, size_t count, int16_t *narrowed) {
    for (size_t i = 0; i < count; i++) {
        if (weights[i] < -32767 || weights[i] > 32767) return false;
        narrowed[i] = (int16_t)weights[i];
    }
    return true;
}

static sinr_status matrix_fill(sinr_matrix *m, const int32_t *weights) {
    size_t count = (size_t)m->inputs * (size_t)m->outputs;
    int16_t *narrowed = malloc(count * sizeof *narrowed);
    if (!narrowed) return SINR_NO_MEMORY;
    sinr_status status = narrow(weights, count, narrowed) ? SINR_OK : SINR_CODEBOOK;
    /* The memory is this module's own: weights are const for those who only multiply. */
    if (!status) sinr_matrix_init(m, m->outputs, m->inputs, narrowed, (int16_t *)(uintptr_t)m->weights);
    free(narrowed);
    return status;
}

sinr_status sinr_context_fill(
    sinr_context *c, const int32_t *weight1, const int32_t *bias1, const int32_t *weight2, const int32_t *bias2,
    const int32_t *weight3, const int32_t *bias3) {
    sinr_status status = matrix_fill(&c->first, weight1);
    if (!status) status = matrix_fill(&c->second, weight2);
    if (status) return status;
    memset(c->bias1, 0, filled_up(c->first.outputs) * sizeof *c->bias1);
    memset(c->bias2, 0, filled_up(c->second.outputs) * sizeof *c->bias2);
    memset(c->weight3, 0, filled_up(c->second.outputs) * sizeof *c->weight3);
    memcpy(c->bias1, bias1, (size_t)c->first.outputs * sizeof *bias1);
    memcpy(c->bias2, bias2, (size_t)c->second.outputs * sizeof *bias2);
    c->bias3 = *bias3;
    return narrow(weight3, (size_t)c->second.outputs, c->weight3) ? SINR_OK : SINR_CODEBOOK;
}

/* ---- rANS ---- */

#define LOW 0x10000u

/* Binary logarithm of the number of lanes: the largest power of two that leaves each 64 blocks, or one lane. */
static int lanes_log(int block_rows, int block_cols) {
    int log = 0;
    while (block_rows * block_cols >> (log + 7)) log++;
    return log;
}

typedef struct {
    const uint8_t *words, *end; /* 16 bits each, little endian */
    uint32_t *states;
    uint32_t last_lane; /* lanes - 1; lanes are a power of two */
} rans_decoder;

static uint32_t little(const uint8_t *bytes, int count) {
    uint32_t value = 0;
    for (int i = 0; i < count; i++) value |= (uint32_t)bytes[i] << (8 * i);
    return value;
}

static sinr_status decoder_start(rans_decoder *d, const uint8_t *data, size_t size, uint32_t lanes) {
    if (size < 4 * (size_t)lanes || size % 2) return SINR_TRUNCATED;
    d->last_lane = lanes - 1;
    for (uint32_t i = 0; i < lanes; i++) {
        d->states[i] = little(data + 4 * i, 4);
        if (d->states[i] < LOW) return SINR_CORRUPT;
    }
    d->words = data + 4 * (size_t)lanes;
    d->end = data + size;
    return SINR_OK;
}

/* The symbol `index` of a batch; false if the stream ends too early. */
static inline bool decode(rans_decoder *d, const uint16_t *cumulative, int symbols, size_t index, int *symbol) {
    uint32_t *state = d->states + (index & d->last_lane), x = *state;
    uint32_t slot = x & ((1u << SINR_PRECISION) - 1);
    int found = 0;
    for (int s = 1; s < symbols; s++) found += cumulative[s] <= slot;
    uint32_t start = cumulative[found], frequency = cumulative[found + 1] - start;
    x = frequency * (x >> SINR_PRECISION) + slot - start;
    if (x < LOW) {
        if (d->words == d->end) return false;
        x = x << 16 | little(d->words, 2);
        d->words += 2;
    }
    *state = x;
    *symbol = found;
    return true;
}

static sinr_status decoder_finish(const rans_decoder *d) {
    for (uint32_t i = 0; i <= d->last_lane; i++)
        if (d->states[i] != LOW) return SINR_CORRUPT;
    return d->words == d->end ? SINR_OK : SINR_CORRUPT;
}

typedef struct {
    uint16_t start, frequency; /* bit 15 of `start`: first of its batch */
} rans_item;
#define FIRST_OF_BATCH 0x8000u

/* Writes the stream to the end of `end` backwards, and says where it begins. */
static uint8_t *encode_all(const rans_item *items, size_t count, uint32_t lanes, uint32_t *states, uint8_t *end) {
    for (uint32_t i = 0; i < lanes; i++) states[i] = LOW;
    uint8_t *at = end;
    for (size_t batch_end = count; batch_end;) {
        size_t begin = batch_end - 1;
        while (!(items[begin].start & FIRST_OF_BATCH)) begin--;
        for (size_t i = batch_end; i-- > begin;) {
            uint32_t *state = states + ((i - begin) & (lanes - 1)), x = *state;
            uint32_t frequency = items[i].frequency, start = items[i].start & (FIRST_OF_BATCH - 1);
            if (x >= (uint64_t)frequency << (32 - SINR_PRECISION)) {
                *--at = (uint8_t)(x >> 8);
                *--at = (uint8_t)x;
                x >>= 16;
            }
            *state = (x / frequency << SINR_PRECISION) + x % frequency + start;
        }
        batch_end = begin;
    }
    for (uint32_t i = lanes; i-- > 0;)
        for (int b = 3; b >= 0; b--) *--at = (uint8_t)(states[i] >> (8 * b));
    return at;
}

/* ---- walks ---- */

typedef enum { READ, WRITE, ROWS } walk_kind;

/* What a chunk of symbols is on its way to its table rows. */
typedef struct {
    int16_t *features; /* (CHUNK, inputs) */
    int32_t *sums;     /* (CHUNK, outputs of a layer) */
    int16_t *hidden;   /* (CHUNK, outputs of a layer) */
} scratch;

typedef struct {
    walk_kind kind;
    const sinr_entropy *model;
    sinr_partition partition;
    sinr_integers integers;
    int channels, step, step_class, log_step;
    uint8_t logs[LOGS]; /* round(8 log2(1 + m)) of m in sixteenths */
    rans_decoder decoder;
    rans_item *items; /* what is to be encoded */
    size_t count;
    int16_t *rows;     /* of magnitudes */
    uint8_t *last;     /* (cells, channels) last significant diagonals */
    uint8_t *mode_map; /* (units + 1) the last of which is outside, here and below */
    int8_t *known;     /* (channels, units + 1) bandwidths so far; -1 unknown */
    int8_t *bandwidth; /* (units + 1) of the channel in work */
    int16_t *spectrum; /* (units + 1, ROW_OF_BINS squared) mean magnitudes in sixteenths */
    sinr_wave_places places[SINR_SIZES];
    int32_t *sums[SINR_SIZES];   /* (cells, SINR_PIECES squared) of the magnitudes of this channel that are known */
    uint8_t *values[SINR_SIZES]; /* (channels, cells, side squared) magnitudes and a margin of zeros */
    int32_t *cells[SINR_SIZES];  /* cells of a size */
    int32_t *active;             /* cells of a batch, by place */
    uint8_t *batch;              /* its symbols */
    uint8_t *chosen;             /* their table rows */
    sinr_pool *pool;
    scratch *scratch; /* of each worker */
} walk;

/* Memory for a tile: `walk` is cleared but for what is set here. */
static void walk_layout(
    walk *w, const sinr_entropy *model, int block_rows, int block_cols, int channels, sinr_arena *arena) {
    sinr_partition_layout(&w->partition, block_rows, block_cols, arena);
    size_t blocks = (size_t)block_rows * (size_t)block_cols, units = 16 * blocks, planes = (size_t)channels;
    w->last = sinr_take(arena, units * planes, 1);
    w->mode_map = sinr_take(arena, units + 1, 1);
    w->known = sinr_take(arena, (units + 1) * planes, 1);
    w->bandwidth = sinr_take(arena, units + 1, 1);
    w->spectrum = sinr_take(arena, (units + 1) * ROW_OF_BINS * ROW_OF_BINS, sizeof *w->spectrum);
    for (int i = 0; i < SINR_SIZES; i++) {
        size_t cells = units >> (2 * i), side = (8u << i) + 2 * MARGIN;
        w->values[i] = sinr_take(arena, planes * cells * side * side, 1);
        w->cells[i] = sinr_take(arena, cells, sizeof *w->cells[i]);
        w->sums[i] = sinr_take(arena, cells * SINR_PIECES * SINR_PIECES, sizeof *w->sums[i]);
    }
    w->active = sinr_take(arena, units, sizeof *w->active);
    /* A diagonal has at most `size` harmonics. */
    w->batch = sinr_take(arena, units * 8, 1);
    w->chosen = sinr_take(arena, units * 8, 1);
    size_t inputs = 0, first = 0, second = 0;
    for (int i = 0; i < SINR_SIZES; i++)
        for (int which = 0; which < 2; which++) {
            const sinr_context *c = which ? &model->magnitudes[i] : &model->last_diagonals[i];
            inputs = sinr_larger(inputs, sinr_input_stride(&c->first));
            first = sinr_larger(first, sinr_output_stride(&c->first));
            second = sinr_larger(second, sinr_output_stride(&c->second));
        }
    int workers = sinr_workers(w->pool);
    w->scratch = sinr_take(arena, (size_t)workers, sizeof *w->scratch);
    for (int i = 0; i < workers; i++) {
        scratch taken = {
            sinr_take(arena, CHUNK * inputs, sizeof *taken.features),
            sinr_take(arena, CHUNK * sinr_larger(first, second), sizeof *taken.sums),
            sinr_take(arena, CHUNK * sinr_larger(first, second), sizeof *taken.hidden)};
        if (w->scratch) w->scratch[i] = taken;
    }
}

static void walk_start(
    walk *w, walk_kind kind, const sinr_entropy *model, const sinr_integers *integers, int channels, int step) {
    w->kind = kind;
    w->model = model;
    w->integers = *integers;
    w->channels = channels;
    w->step = step;
    w->step_class = sinr_step_class(step);
    w->log_step = (int)lrint(4 * log2(1.0 + step));
    for (int i = 0; i < SINR_SIZES; i++) sinr_wave_places_fill(&w->places[i], 8 << i);
    for (int i = 0; i < LOGS; i++) w->logs[i] = (uint8_t)lrint(8 * log2(1 + i / 16.0));
    w->count = 0;
}

static inline int log_of(const walk *w, int sixteenths) {
    return w->logs[sixteenths < LOGS ? sixteenths : LOGS - 1];
}

/* Codes symbol `index` of a batch. */
static inline bool code(walk *w, const sinr_tables *tables, int row, size_t index, int *symbol) {
    const uint16_t *cumulative = tables->cumulative + (size_t)row * ((size_t)tables->symbols + 1);
    if (w->kind == READ) return decode(&w->decoder, cumulative, tables->symbols, index, symbol);
    if (w->kind == WRITE) {
        uint16_t start = cumulative[*symbol];
        uint16_t frequency = (uint16_t)(cumulative[*symbol + 1] - start);
        w->items[w->count++] = (rans_item){(uint16_t)(start | (index ? 0 : FIRST_OF_BATCH)), frequency};
    }
    return true;
}

static bool walk_splits(walk *w) {
    /* Border blocks read as class 4; classes 0 to 3 say how finely a block is cut. */
    static const uint8_t fineness[SINR_SPLITS] = {0, 1, 2, 2, 2, 2, 2, 2, 3, 2, 2, 2, 3, 2, 3, 3, 3};
    int rows = w->partition.block_rows, cols = w->partition.block_cols;
    uint8_t *splits = w->integers.splits;
    for (int diagonal = 0; diagonal < rows + cols - 1; diagonal++) {
        int first = diagonal - cols + 1 > 0 ? diagonal - cols + 1 : 0;
        for (int y = first; y < rows && y <= diagonal; y++) {
            int x = diagonal - y;
            int above = y ? fineness[splits[(y - 1) * cols + x]] : 4;
            int left = x ? fineness[splits[y * cols + x - 1]] : 4;
            int symbol = splits[y * cols + x];
            if (!code(w, &w->model->splits, (w->step_class * 5 + above) * 5 + left, (size_t)(y - first), &symbol))
                return false;
            splits[y * cols + x] = (uint8_t)symbol;
        }
    }
    return true;
}

/* Activations (count, outputs) of sums and biases. */
SINR_INLINE void activate_loop(
    const int32_t *sums, const int32_t *bias, size_t outputs, int count, int shift, int16_t *hidden) {
    for (int n = 0; n < count; n++)
        for (size_t o = 0; o < outputs; o++) {
            int32_t value = (sums[(size_t)n * outputs + o] + bias[o]) >> shift;
            hidden[(size_t)n * outputs + o] = (int16_t)(value < 0 ? 0 : value > HIDDEN_MAX ? HIDDEN_MAX : value);
        }
}

SINR_CHOOSE(
    static, void, activate,
    (const int32_t *sums, const int32_t *bias, size_t outputs, int count, int shift, int16_t *hidden),
    (sums, bias, outputs, count, shift, hidden))

/* Rows of activations (count, inputs). */
SINR_INLINE void last_layer_loop(
    const int16_t *hidden, const int16_t *weight, int32_t bias, size_t inputs, int count, int first_row,
    uint8_t *rows) {
    for (int n = 0; n < count; n++) {
        int32_t sum = bias;
        for (size_t i = 0; i < inputs; i++) sum += hidden[(size_t)n * inputs + i] * weight[i];
        sum >>= 10;
        rows[n] = (uint8_t)(first_row + (sum < 0 ? 0 : sum > SINR_ROWS - 1 ? SINR_ROWS - 1 : sum));
    }
}

SINR_CHOOSE(
    static, void, last_layer,
    (const int16_t *hidden, const int16_t *weight, int32_t bias, size_t inputs, int count, int first_row,
     uint8_t *rows),
    (hidden, weight, bias, inputs, count, first_row, rows))

/* Table rows of `count` rows of features. */
static void choose_rows(const scratch *s, const sinr_context *c, int count, int table_class, uint8_t *chosen) {
    size_t first = sinr_output_stride(&c->first), second = sinr_output_stride(&c->second);
    sinr_multiply(&c->first, s->features, sinr_input_stride(&c->first), s->sums, first, count);
    activate(s->sums, c->bias1, first, count, 6, s->hidden);
    sinr_multiply(&c->second, s->hidden, first, s->sums, second, count);
    activate(s->sums, c->bias2, second, count, 7, s->hidden);
    last_layer(s->hidden, c->weight3, c->bias3, second, count, table_class * SINR_ROWS, chosen);
}

/* Features that tell transform types and modes apart, and what fills up the row. */
static void tell(const walk *w, int cell, int transform, int16_t *told, const int16_t *end) {
    memset(told, 0, (size_t)(end - told) * sizeof *told);
    told[transform / SINR_AXIS_TRANSFORMS] = TRUE_;
    told[SINR_AXIS_TRANSFORMS + transform % SINR_AXIS_TRANSFORMS] = TRUE_;
    told[TOLD_TRANSFORMS + w->integers.modes[cell]] = TRUE_;
}

/* Index of a unit; that of "outside" if it is not there. */
static inline int unit_at(const sinr_partition *p, int row, int col) {
    bool inside = row >= 0 && row < p->rows && col >= 0 && col < p->cols;
    return inside ? row * p->cols + col : p->rows * p->cols;
}

static void set_own(const sinr_partition *p, const sinr_cell *cell, void *map, int value) {
    int k = 1 << cell->index;
    for (int y = 0; y < k; y++) memset((uint8_t *)map + (cell->row + y) * p->cols + cell->col, value, (size_t)k);
}

static void diagonal_features(const walk *w, int c, int channel, int16_t *f, size_t stride) {
    const sinr_partition *p = &w->partition;
    const sinr_cell *cell = p->cell + c;
    const int8_t *known = w->known + (size_t)channel * (size_t)(p->rows * p->cols + 1);
    int k = 1 << cell->index, row = cell->row, col = cell->col;
    memset(f, 0, D_TOLD * sizeof *f);
    for (int side = 0; side < 2; side++) {
        int sum = 0, most = -1, first = 0;
        for (int i = 0; i < k; i++) {
            int value = known[side ? unit_at(p, row - 1, col + i) : unit_at(p, row + i, col - 1)];
            if (!i) first = value;
            if (value > most) most = value;
            sum += value > 0 ? value : 0;
        }
        int16_t *of_side = f + (side ? D_ABOVE_MEAN : D_LEFT_MEAN);
        of_side[0] = (int16_t)(sum >> cell->index);
        of_side[1] = (int16_t)most;
        of_side[2] = first < 0 ? TRUE_ : 0;
    }
    for (int side = 0; side < 2; side++) {
        int value = known[unit_at(p, row - 1, side ? col + k : col - 1)];
        f[D_ABOVE_LEFT + side] = (int16_t)(value > 0 ? value : 0);
        f[D_ABOVE_LEFT_UNKNOWN + side] = value < 0 ? TRUE_ : 0;
    }
    for (int earlier = 0; earlier < channel; earlier++) {
        int bandwidth = w->last[c * w->channels + earlier] << (2 - cell->index);
        f[D_LUMA + 2 * earlier] = (int16_t)bandwidth;
        f[D_LUMA_EMPTY + 2 * earlier] = bandwidth ? 0 : TRUE_;
    }
    if (channel) f[channel == 1 ? D_IS_FIRST_CHROMA : D_IS_SECOND_CHROMA] = TRUE_;
    f[D_STEP] = (int16_t)w->log_step;
    f[D_LEAST_MEAN] = f[D_LEFT_MEAN] < f[D_ABOVE_MEAN] ? f[D_LEFT_MEAN] : f[D_ABOVE_MEAN];
    f[D_ALL_EMPTY] = !f[D_LEFT_MAX] && !f[D_ABOVE_MAX] ? TRUE_ : 0;
    tell(w, c, channel ? w->integers.transforms[c] : 0, f + D_TOLD, f + stride);
}

static bool code_last_diagonals(walk *w, int index, const int32_t *cells, int count, int channel) {
    const sinr_context *network = &w->model->last_diagonals[index];
    size_t stride = sinr_input_stride(&network->first);
    for (int begin = 0; begin < count; begin += CHUNK) {
        int n = count - begin < CHUNK ? count - begin : CHUNK;
        int16_t *features = w->scratch->features;
        for (int i = 0; i < n; i++)
            diagonal_features(w, cells[begin + i], channel, features + (size_t)i * stride, stride);
        choose_rows(w->scratch, network, n, channel > 0, w->chosen);
        for (int i = 0; i < n; i++) {
            uint8_t *last = w->last + cells[begin + i] * w->channels + channel;
            int symbol = *last;
            if (!code(w, &network->tables, w->chosen[i], (size_t)(begin + i), &symbol)) return false;
            *last = (uint8_t)symbol;
        }
    }
    for (int i = 0; i < count; i++) {
        const sinr_cell *cell = w->partition.cell + cells[i];
        size_t units = (size_t)(w->partition.rows * w->partition.cols) + 1;
        set_own(
            &w->partition, cell, w->known + (size_t)channel * units,
            w->last[cells[i] * w->channels + channel] << (2 - index));
    }
    return true;
}

static bool walk_cells(walk *w) {
    const sinr_partition *p = &w->partition;
    int modes = w->model->modes, units = p->rows * p->cols;
    uint8_t *mode = w->integers.modes, *transform = w->integers.transforms;
    memset(w->mode_map, modes, (size_t)units + 1);
    memset(w->known, 0xff, ((size_t)units + 1) * (size_t)w->channels);
    if (w->kind == READ) memset(transform, 0, (size_t)p->cells);
    for (int g = 0; g < p->groups; g++) {
        const int32_t *cells = p->order + p->group[g];
        int count = p->group[g + 1] - p->group[g], index = p->cell[*cells].index;
        int class = w->step_class * SINR_SIZES + index;
        for (int i = 0; i < count; i++) {
            const sinr_cell *cell = p->cell + cells[i];
            int above = w->mode_map[unit_at(p, cell->row - 1, cell->col)];
            int left = w->mode_map[unit_at(p, cell->row, cell->col - 1)];
            int symbol = mode[cells[i]];
            if (!code(w, &w->model->mode, (class * (modes + 1) + above) * (modes + 1) + left, (size_t)i, &symbol))
                return false;
            mode[cells[i]] = (uint8_t)symbol;
        }
        for (int i = 0; i < count; i++) set_own(p, p->cell + cells[i], w->mode_map, mode[cells[i]]);
        for (int channel = 0; channel < w->channels; channel++) {
            if (!code_last_diagonals(w, index, cells, count, channel)) return false;
            size_t drawn = 0;
            for (int i = 0; i < count && !channel; i++) {
                int last = w->last[cells[i] * w->channels], symbol = transform[cells[i]];
                if (!last) continue;
                int row = (class * modes + mode[cells[i]]) * SINR_BANDWIDTHS + sinr_bandwidth_class(last, index);
                if (!code(w, &w->model->transforms, row, drawn++, &symbol)) return false;
                transform[cells[i]] = (uint8_t)symbol;
            }
        }
    }
    return true;
}

static inline uint8_t *values_of(const walk *w, int index, int channel, int place) {
    size_t side = (8u << index) + 2 * MARGIN;
    return w->values[index] + ((size_t)channel * (size_t)w->partition.of_size[index] + (size_t)place) * side * side;
}

/* Features of the harmonics of anti-diagonal d of one cell, from k on: `count` rows. */
static void magnitude_features(
    const walk *w, int c, int channel, int d, int k, int count, int16_t *f, size_t stride) {
    const sinr_partition *p = &w->partition;
    const sinr_cell *cell = p->cell + c;
    int index = cell->index, units = 1 << index, side = (8 << index) + 2 * MARGIN, scale = 2 - index;
    const int16_t *near[4][4];
    int16_t common[M_TOLD + 64];
    memset(common, 0, M_TOLD * sizeof *common);
    for (int s = 0; s < 4; s++) {
        int sum = 0;
        for (int i = 0; i < units; i++) {
            int row = s == 1 ? cell->row - 1 : s == 3 ? cell->row + units : cell->row + i;
            int col = s == 0 ? cell->col - 1 : s == 2 ? cell->col + units : cell->col + i;
            int unit = unit_at(p, row, col);
            near[s][i] = w->spectrum + (size_t)unit * ROW_OF_BINS * ROW_OF_BINS;
            sum += w->bandwidth[unit];
        }
        int wider = (sum >> index) - (d << scale);
        common[M_SIDE_BANDWIDTH + s] = (int16_t)(wider < -32 ? -32 : wider > 32 ? 32 : wider);
    }
    int last = w->last[c * w->channels + channel], left = last - d;
    common[M_LEFT_TO_CODE] = (int16_t)(2 * (left < 16 ? left : 16));
    common[M_IS_LAST] = left == 1 ? CERTAIN : 0;
    common[M_BANDWIDTH] = (int16_t)(last << scale);
    if (channel) common[M_LUMA_BANDWIDTH] = (int16_t)(w->last[c * w->channels] << scale);
    if (channel == 2) common[M_IS_SECOND_CHROMA] = CERTAIN;
    common[M_DIAGONAL] = (int16_t)log_of(w, 16 * d);
    common[M_IS_MEAN] = d ? 0 : CERTAIN;
    common[M_STEP] = (int16_t)w->log_step;
    int transform = w->integers.transforms[c];
    int vertical = transform / SINR_AXIS_TRANSFORMS, horizontal = transform % SINR_AXIS_TRANSFORMS;
    const sinr_wave_places *places = &w->places[index];
    const int32_t *sums = w->sums[index] + cell->place * SINR_PIECES * SINR_PIECES;
    int all = 0;
    for (int i = 0; i < SINR_PIECES * SINR_PIECES; i++) all += sums[i];
    const uint8_t *own = values_of(w, index, channel, cell->place);
    const uint8_t *luma = values_of(w, index, 0, cell->place);
    const uint8_t *first_chroma = channel == 2 ? values_of(w, index, 1, cell->place) : NULL;
    int16_t *row = f;
    for (int n = 0, last_bin = -1; n < count; n++, row += stride, k++) {
        int m = d - k;
        memcpy(row, common, M_TOLD * sizeof *row);
        /* Where harmonics of the same piece lie: as many further on as the index says. */
        ptrdiff_t down[2 * SINR_REACH + 1];
        int right[2 * SINR_REACH + 1];
        for (int i = 0; i < 2 * SINR_REACH + 1; i++) {
            down[i] = (ptrdiff_t)(places->along[vertical][k][i] + MARGIN) * side + MARGIN;
            right[i] = places->along[horizontal][m][i];
        }
#define AT(values, vertically, horizontally)                                                                       \
    (values)[down[SINR_REACH + (vertically)] + right[SINR_REACH + (horizontally)]]
        int below = AT(own, 1, 0), beside = AT(own, 0, 1), both = AT(own, 1, 1);
        int below_2 = AT(own, 2, 0), beside_2 = AT(own, 0, 2);
        int far = AT(own, 3, 0) + AT(own, 0, 3) + AT(own, 2, 2) + AT(own, 3, -2) + AT(own, -2, 3);
        int piece = sums[places->piece[vertical][k] * SINR_PIECES + places->piece[horizontal][m]];
        row[M_BELOW] = (int16_t)log_of(w, 16 * below);
        row[M_RIGHT] = (int16_t)log_of(w, 16 * beside);
        row[M_BELOW_RIGHT] = (int16_t)log_of(w, 16 * both);
        row[M_BELOW_2] = (int16_t)log_of(w, 16 * below_2);
        row[M_RIGHT_2] = (int16_t)log_of(w, 16 * beside_2);
        row[M_KNIGHTS] = (int16_t)log_of(w, 16 * (AT(own, 2, 1) + AT(own, 1, 2)));
        row[M_HIGHER_SUM] = (int16_t)log_of(w, 16 * (below + beside + both + below_2 + beside_2));
        row[M_BESIDE_BELOW] = (int16_t)log_of(w, 16 * AT(own, 2, -1));
        row[M_BESIDE_RIGHT] = (int16_t)log_of(w, 16 * AT(own, -1, 2));
        row[M_BESIDE_FAR] = (int16_t)log_of(w, 16 * (AT(own, 3, -1) + AT(own, -1, 3)));
        row[M_FAR] = (int16_t)log_of(w, 16 * far);
        row[M_PIECE] = (int16_t)log_of(w, 16 * piece);
        row[M_OTHER_PIECES] = (int16_t)log_of(w, 16 * (all - piece));
        int bin = (k >> index) * ROW_OF_BINS + (m >> index);
        if (bin == last_bin)
            memcpy(row + M_SIDE_BIN, row - stride + M_SIDE_BIN, 8 * sizeof *row);
        else
            for (int s = 0; s < 4; s++) {
                int here = 0, next = 0;
                for (int i = 0; i < units; i++) {
                    here += near[s][i][bin];
                    next += near[s][i][bin + ROW_OF_BINS] + near[s][i][bin + 1];
                }
                row[M_SIDE_BIN + s] = (int16_t)log_of(w, here >> index);
                row[M_SIDE_NEXT_BINS + s] = (int16_t)log_of(w, next >> (index + 1));
            }
        last_bin = bin;
        if (channel) {
            row[M_LUMA] = (int16_t)log_of(w, 16 * AT(luma, 0, 0));
            row[M_LUMA_AROUND] =
                (int16_t)log_of(w, 4 * (AT(luma, 1, 0) + AT(luma, 0, 1) + AT(luma, -1, 0) + AT(luma, 0, -1)));
        }
        if (first_chroma) row[M_FIRST_CHROMA] = (int16_t)log_of(w, 16 * AT(first_chroma, 0, 0));
#undef AT
        row[M_VERTICAL] = (int16_t)(k << scale);
        row[M_HORIZONTAL] = (int16_t)(m << scale);
        row[M_SLANT] = (int16_t)(abs(k - m) << scale);
        row[M_IS_ROW_0] = k ? 0 : CERTAIN;
        row[M_IS_COLUMN_0] = m ? 0 : CERTAIN;
        tell(w, c, transform, row + M_TOLD, row + stride);
    }
}

/* One batch of magnitudes: its symbols are those of `active` cells, of each `harmonics` from k = first on. */
typedef struct {
    walk *w;
    const sinr_context *network;
    int index, channel, d, first, harmonics, count;
} batch;

/* Chooses the table rows of a chunk of a batch. */
static void choose_chunk(void *context, int piece, int worker) {
    const batch *b = context;
    const walk *w = b->w;
    const scratch *s = w->scratch + worker;
    size_t stride = sinr_input_stride(&b->network->first);
    int begin = piece * CHUNK, count = b->count - begin < CHUNK ? b->count - begin : CHUNK;
    int cell = begin / b->harmonics, n = begin % b->harmonics;
    for (int done = 0; done < count; cell++, n = 0) {
        int take = b->harmonics - n < count - done ? b->harmonics - n : count - done;
        magnitude_features(
            w, w->cells[b->index][w->active[cell]], b->channel, b->d, b->first + n, take,
            s->features + (size_t)done * stride, stride);
        done += take;
    }
    choose_rows(s, b->network, count, b->channel > 0, w->chosen + begin);
}

/* One batch: anti-diagonal d of all cells of a size that have something there or beyond. */
static bool walk_diagonal(walk *w, int index, int channel, int d) {
    const sinr_partition *p = &w->partition;
    const sinr_context *network = &w->model->magnitudes[index];
    int size = 8 << index, side = size + 2 * MARGIN;
    int first = d - size + 1 > 0 ? d - size + 1 : 0, harmonics = (d < size ? d + 1 : 2 * size - 1 - d);
    int active = 0;
    for (int place = 0; place < p->of_size[index]; place++)
        if (w->last[w->cells[index][place] * w->channels + channel] > d) w->active[active++] = place;
    /* Of residuals, where this channel of the first cell begins. */
    size_t base = sinr_residuals_begin(p, index, w->channels) + (size_t)channel * (size_t)(size * size);
    size_t pitch = (size_t)w->channels * (size_t)(size * size);
    if (w->kind != READ)
        for (int a = 0; a < active; a++) {
            const int32_t *residuals = w->integers.residuals + base + (size_t)w->active[a] * pitch;
            for (int n = 0; n < harmonics; n++) {
                int magnitude = abs(residuals[(first + n) * size + d - first - n]);
                w->batch[a * harmonics + n] = (uint8_t)(magnitude < SINR_ESCAPE ? magnitude : SINR_ESCAPE);
            }
        }
    batch b = {w, network, index, channel, d, first, harmonics, active * harmonics};
    int chunks = (b.count + CHUNK - 1) / CHUNK;
    sinr_run(chunks > 1 ? w->pool : NULL, choose_chunk, &b, chunks);
    for (int i = 0; i < b.count; i++) {
        int symbol = w->batch[i];
        if (!code(w, &network->tables, w->chosen[i], (size_t)i, &symbol)) return false;
        w->batch[i] = (uint8_t)symbol;
    }
    if (w->kind == ROWS)
        for (int i = 0; i < b.count; i++) {
            int k = first + i % harmonics;
            w->rows[base + (size_t)w->active[i / harmonics] * pitch + (size_t)(k * size + d - k)] = w->chosen[i];
        }
    /* A bin gathers so many magnitudes of the cell that it ends at their mean in sixteenths. */
    int share = 16 >> (2 * index);
    for (int a = 0; a < active; a++) {
        const sinr_cell *cell = p->cell + w->cells[index][w->active[a]];
        const uint8_t *symbols = w->batch + a * harmonics;
        uint8_t *values = values_of(w, index, channel, w->active[a]);
        int32_t *sums = w->sums[index] + w->active[a] * SINR_PIECES * SINR_PIECES;
        int transform = w->integers.transforms[w->cells[index][w->active[a]]];
        int vertical = transform / SINR_AXIS_TRANSFORMS, horizontal = transform % SINR_AXIS_TRANSFORMS;
        const sinr_wave_places *places = &w->places[index];
        int32_t *residuals = w->integers.residuals + base + (size_t)w->active[a] * pitch;
        for (int n = 0; n < harmonics; n++) {
            if (!symbols[n]) continue;
            int k = first + n, m = d - k, bin = (k >> index) * ROW_OF_BINS + (m >> index);
            values[(k + MARGIN) * side + m + MARGIN] = symbols[n];
            sums[places->piece[vertical][k] * SINR_PIECES + places->piece[horizontal][m]] += symbols[n];
            if (w->kind == READ) residuals[k * size + m] = symbols[n];
            for (int y = 0; y < 1 << index; y++)
                for (int x = 0; x < 1 << index; x++) {
                    size_t unit = (size_t)((cell->row + y) * p->cols + cell->col + x);
                    w->spectrum[unit * ROW_OF_BINS * ROW_OF_BINS + (size_t)bin] += (int16_t)(symbols[n] * share);
                }
        }
    }
    return true;
}

static bool walk_magnitudes(walk *w) {
    const sinr_partition *p = &w->partition;
    size_t units = (size_t)(p->rows * p->cols);
    for (int c = 0; c < p->cells; c++) w->cells[p->cell[c].index][p->cell[c].place] = c;
    for (int i = 0; i < SINR_SIZES; i++) {
        size_t side = (8u << i) + 2 * MARGIN;
        memset(w->values[i], 0, (size_t)w->channels * (size_t)p->of_size[i] * side * side);
    }
    for (int channel = 0; channel < w->channels; channel++) {
        memset(w->spectrum, 0, (units + 1) * ROW_OF_BINS * ROW_OF_BINS * sizeof *w->spectrum);
        memset(w->bandwidth, 0, units + 1);
        for (int i = 0; i < SINR_SIZES; i++)
            memset(w->sums[i], 0, (size_t)(p->of_size[i] * SINR_PIECES * SINR_PIECES) * sizeof *w->sums[i]);
        for (int c = 0; c < p->cells; c++)
            set_own(p, p->cell + c, w->bandwidth, w->last[c * w->channels + channel] << (2 - p->cell[c].index));
        for (int clock = DIAGONALS - 2; clock >= 0; clock--)
            for (int index = 0; index < SINR_SIZES; index++) {
                int scale = 2 - index, d = clock >> scale;
                if (d << scale == clock && !walk_diagonal(w, index, channel, d)) return false;
            }
    }
    return true;
}

/* ---- signs and escapes ---- */

void sinr_scan(int size, int16_t *order) {
    for (int d = 0; d < 2 * size - 1; d++)
        for (int k = d - size + 1 > 0 ? d - size + 1 : 0; k < size && k <= d; k++)
            *order++ = (int16_t)(k * size + d - k);
}

/* The residuals of a cell and channel. */
typedef struct {
    int32_t *values; /* (size * size) */
    const int16_t *order;
    int harmonics;
} square;

typedef struct {
    int16_t order[SINR_SIZES][SINR_BLOCK * SINR_BLOCK];
} scans;

static void scans_fill(scans *s) {
    for (int i = 0; i < SINR_SIZES; i++) sinr_scan(8 << i, s->order[i]);
}

/* The next square after `at`; false after the last. */
static bool next_square(const walk *w, const scans *s, size_t at, square *found) {
    size_t begin = 0;
    for (int i = 0; i < SINR_SIZES; i++) {
        size_t harmonics = (size_t)64 << (2 * i);
        begin += (size_t)w->partition.of_size[i] * (size_t)w->channels * harmonics;
        if (at < begin) {
            *found = (square){w->integers.residuals + at, s->order[i], (int)harmonics};
            return true;
        }
    }
    return false;
}

/* The harmonic whose sign a group of a square hides, and whether that is negative; -1 if it hides none. */
static int hidden_sign(const square *q, int group, bool *negative) {
    int64_t sum = 0;
    int first = -1;
    for (int i = group; i < group + SINR_GROUP; i++) {
        int32_t value = q->values[q->order[i]];
        if (value && first < 0) first = q->order[i];
        sum += value < 0 ? -(int64_t)value : value;
    }
    *negative = sum % 2;
    return sum < SINR_ENOUGH ? -1 : first;
}

/* Where in a square signs are hidden: bytes of 1 at flat harmonics. */
static void hidden_places(const square *q, uint8_t *hidden) {
    bool negative;
    memset(hidden, 0, (size_t)q->harmonics);
    for (int g = 0; g < q->harmonics; g += SINR_GROUP) {
        int place = hidden_sign(q, g, &negative);
        if (place >= 0) hidden[place] = 1;
    }
}

static bool empty(const square *q) {
    int32_t any = 0;
    for (int i = 0; i < q->harmonics; i++) any |= q->values[i];
    return !any;
}

typedef struct {
    const uint8_t *bytes;
    size_t at, count; /* bits */
} bit_reader;

static inline int read_bit(bit_reader *r) {
    int bit = r->bytes[r->at >> 3] >> (7 - (r->at & 7)) & 1;
    r->at++;
    return bit;
}

static sinr_status read_plain(walk *w, const scans *s, const uint8_t *data, size_t size) {
    bit_reader bits = {data, 0, 8 * size};
    uint8_t hidden[SINR_BLOCK * SINR_BLOCK];
    square q;
    for (size_t at = 0; next_square(w, s, at, &q); at += (size_t)q.harmonics) {
        if (empty(&q)) continue;
        hidden_places(&q, hidden);
        for (int i = 0; i < q.harmonics; i++) {
            if (!q.values[i] || hidden[i]) continue;
            if (bits.at == bits.count) return SINR_TRUNCATED;
            if (read_bit(&bits)) q.values[i] = -q.values[i];
        }
    }
    int32_t largest = 0;
    for (size_t at = 0; next_square(w, s, at, &q); at += (size_t)q.harmonics) {
        if (empty(&q)) continue;
        for (int i = 0; i < q.harmonics; i++) {
            int32_t magnitude = abs(q.values[i]);
            if (magnitude == SINR_ESCAPE) {
                int zeros = 0, one = 0;
                while (bits.at < bits.count && !(one = read_bit(&bits))) zeros++;
                if (!one || zeros > 20 || bits.count - bits.at < (size_t)zeros) return SINR_CORRUPT;
                int32_t excess = 1;
                for (int b = 0; b < zeros; b++) excess = excess << 1 | read_bit(&bits);
                magnitude += excess - 1;
                q.values[i] = q.values[i] < 0 ? -magnitude : magnitude;
            }
            if (magnitude > largest) largest = magnitude;
        }
        for (int g = 0; g < q.harmonics; g += SINR_GROUP) {
            bool negative;
            int place = hidden_sign(&q, g, &negative);
            if (place >= 0 && negative) q.values[place] = -abs(q.values[place]);
        }
    }
    if (bits.count - bits.at > 7) return SINR_LEFT_OVER;
    while (bits.at < bits.count)
        if (read_bit(&bits)) return SINR_LEFT_OVER;
    return (int64_t)largest * w->step > SINR_WEIGHT_MAX ? SINR_OUT_OF_RANGE : SINR_OK;
}

typedef struct {
    uint8_t *bytes;
    size_t at; /* bits */
} bit_writer;

static void write_bit(bit_writer *out, int bit) {
    if (!(out->at & 7)) out->bytes[out->at >> 3] = 0;
    out->bytes[out->at >> 3] |= (uint8_t)(bit << (7 - (out->at & 7)));
    out->at++;
}

static sinr_status write_plain(walk *w, const scans *s, uint8_t *bytes, size_t *size) {
    bit_writer out = {bytes, 0};
    uint8_t hidden[SINR_BLOCK * SINR_BLOCK];
    square q;
    for (size_t at = 0; next_square(w, s, at, &q); at += (size_t)q.harmonics) {
        if (empty(&q)) continue;
        hidden_places(&q, hidden);
        for (int g = 0; g < q.harmonics; g += SINR_GROUP) {
            bool negative;
            int place = hidden_sign(&q, g, &negative);
            if (place >= 0 && (q.values[place] < 0) != negative) return SINR_ARGUMENT;
        }
        for (int i = 0; i < q.harmonics; i++)
            if (q.values[i] && !hidden[i]) write_bit(&out, q.values[i] < 0);
    }
    for (size_t at = 0; next_square(w, s, at, &q); at += (size_t)q.harmonics)
        for (int i = 0; i < q.harmonics; i++) {
            int32_t excess = abs(q.values[i]) - SINR_ESCAPE + 1;
            if (excess < 1) continue;
            int digits = 0;
            while (excess >> (digits + 1)) digits++;
            for (int b = 0; b < digits; b++) write_bit(&out, 0);
            for (int b = digits; b >= 0; b--) write_bit(&out, excess >> b & 1);
        }
    *size = (out.at + 7) / 8;
    return SINR_OK;
}

/* ---- tiles ---- */

/* A block has a split, at most 16 cells with a mode, a transform type and last diagonals, and its residuals. */
static size_t most_symbols(size_t blocks, int channels) {
    size_t planes = (size_t)channels;
    return blocks * (1 + 16 * (2 + planes) + 1024 * planes);
}

static void tile_layout(
    walk *w, scans **s, const sinr_entropy *model, int block_rows, int block_cols, int channels, bool items,
    sinr_arena *arena) {
    walk_layout(w, model, block_rows, block_cols, channels, arena);
    *s = sinr_take(arena, 1, sizeof **s);
    w->decoder.states = sinr_take(arena, (size_t)1 << lanes_log(block_rows, block_cols), sizeof *w->decoder.states);
    size_t symbols = most_symbols((size_t)block_rows * (size_t)block_cols, channels);
    w->items = sinr_take(arena, items ? symbols : 0, sizeof *w->items);
}

/* One allocation for all that a tile needs; to be freed by the caller. */
static void *tile_memory(
    walk *w, scans **s, const sinr_entropy *model, int block_rows, int block_cols, int channels, bool items) {
    sinr_arena arena = {NULL, 0};
    tile_layout(w, s, model, block_rows, block_cols, channels, items, &arena);
    void *memory = sinr_reserve(&arena);
    if (!memory) return NULL;
    tile_layout(w, s, model, block_rows, block_cols, channels, items, &arena);
    scans_fill(*s);
    return memory;
}

static sinr_status read_all(walk *w, const scans *s, const uint8_t *data, size_t size) {
    size_t at = 0;
    uint64_t declared = 0;
    for (int shift = 0;; shift += 7) {
        if (at == size) return SINR_TRUNCATED;
        uint64_t byte = data[at++];
        declared |= (byte & 0x7f) << shift;
        if (shift > 28 || declared > size) return SINR_OUT_OF_RANGE;
        if (byte < 0x80) {
            if (!byte && shift) return SINR_OUT_OF_RANGE;
            break;
        }
    }
    if (declared > size - at) return SINR_OUT_OF_RANGE;
    size_t length = (size_t)declared;
    /* A symbol reads a word at most; plain bits are a sign, and an excess of 20 zeros and 21 digits. */
    size_t blocks = (size_t)w->partition.block_rows * (size_t)w->partition.block_cols;
    size_t samples = blocks * 1024 * (size_t)w->channels, symbols = most_symbols(blocks, w->channels);
    uint32_t lanes = 1u << lanes_log(w->partition.block_rows, w->partition.block_cols);
    if (length > 4 * (size_t)lanes + 2 * symbols) return SINR_LEFT_OVER;
    if (8 * (size - at - length) > samples * 42 + 7) return SINR_LEFT_OVER;
    sinr_status status = decoder_start(&w->decoder, data + at, length, lanes);
    if (status) return status;
    if (!walk_splits(w)) return SINR_TRUNCATED;
    sinr_partition_fill(&w->partition, w->integers.splits);
    if (!walk_cells(w) || !walk_magnitudes(w)) return SINR_TRUNCATED;
    status = decoder_finish(&w->decoder);
    return status ? status : read_plain(w, s, data + at + length, size - at - length);
}

sinr_status sinr_read_tile(
    const sinr_entropy *model, const uint8_t *data, size_t size, int block_rows, int block_cols, int channels,
    int step, const sinr_integers *integers, sinr_pool *pool) {
    walk w = {.pool = pool};
    scans *s;
    void *memory = tile_memory(&w, &s, model, block_rows, block_cols, channels, false);
    if (!memory) return SINR_NO_MEMORY;
    walk_start(&w, READ, model, integers, channels, step);
    memset(integers->splits, 0, (size_t)block_rows * (size_t)block_cols);
    memset(integers->modes, 0, (size_t)block_rows * (size_t)block_cols * 16);
    size_t samples = (size_t)block_rows * (size_t)block_cols * 1024 * (size_t)channels;
    memset(integers->residuals, 0, samples * sizeof *integers->residuals);
    sinr_status status = read_all(&w, s, data, size);
    free(memory);
    return status;
}

/* Partition and last significant diagonals of known integers. */
static void prepare(walk *w) {
    sinr_partition *p = &w->partition;
    sinr_partition_fill(p, w->integers.splits);
    for (int c = 0; c < p->cells; c++) {
        int index = p->cell[c].index, size = 8 << index;
        for (int channel = 0; channel < w->channels; channel++) {
            const int32_t *values =
                w->integers.residuals + sinr_residuals_begin(p, index, w->channels) +
                ((size_t)p->cell[c].place * (size_t)w->channels + (size_t)channel) * (size_t)(size * size);
            int last = 0;
            for (int k = 0; k < size; k++)
                for (int m = size - 1; m >= 0 && k + m >= last; m--)
                    if (values[k * size + m]) last = k + m + 1;
            w->last[c * w->channels + channel] = (uint8_t)last;
        }
    }
}

size_t sinr_tile_bound(int block_rows, int block_cols, int channels) {
    size_t blocks = (size_t)block_rows * (size_t)block_cols, planes = (size_t)channels;
    size_t symbols = most_symbols(blocks, channels);
    /* A symbol is at most 14 bits; a residual takes a sign and 41 bits of excess. */
    return 16 + ((size_t)4 << lanes_log(block_rows, block_cols)) + 2 * symbols + blocks * planes * 1024 * 6;
}

sinr_status sinr_write_tile(
    const sinr_entropy *model, const sinr_integers *integers, int block_rows, int block_cols, int channels,
    int step, uint8_t *data, size_t *size, sinr_pool *pool) {
    walk w = {.pool = pool};
    scans *s;
    void *memory = tile_memory(&w, &s, model, block_rows, block_cols, channels, true);
    if (!memory) return SINR_NO_MEMORY;
    walk_start(&w, WRITE, model, integers, channels, step);
    prepare(&w);
    walk_splits(&w);
    walk_cells(&w);
    walk_magnitudes(&w);
    /* The stream is written backwards to the end of where it may lie, then moved. */
    uint32_t lanes = 1u << lanes_log(block_rows, block_cols);
    uint8_t *end = data + 16 + 4 * (size_t)lanes + 2 * w.count;
    uint8_t *begin = encode_all(w.items, w.count, lanes, w.decoder.states, end);
    size_t length = (size_t)(end - begin), at = 0;
    uint8_t head[12];
    size_t left = length;
    for (; left > 0x7f; left >>= 7) head[at++] = (uint8_t)(left & 0x7f) | 0x80;
    head[at++] = (uint8_t)left;
    memcpy(data, head, at);
    memmove(data + at, begin, length);
    size_t plain = 0;
    sinr_status status = write_plain(&w, s, data + at + length, &plain);
    *size = at + length + plain;
    free(memory);
    return status;
}

void sinr_last_diagonals(
    const sinr_integers *integers, const sinr_partition *p, int channels, int channel, uint8_t *last) {
    for (int unit = 0; unit < p->rows * p->cols; unit++) {
        const sinr_cell *cell = p->cell + p->owner[unit];
        const int row = unit / p->cols, col = unit % p->cols, size = sinr_size(cell);
        if (row > cell->row || col > cell->col) {
            last[unit] = last[cell->row * p->cols + cell->col];
            continue;
        }
        const int32_t *residuals = integers->residuals + sinr_residuals_begin(p, cell->index, channels) +
                                   (size_t)(cell->place * channels + channel) * (size_t)(size * size);
        int found = 0;
        for (int k = 0; k < size; k++)
            for (int m = size; m && k + m > found; m--)
                if (residuals[k * size + m - 1]) found = k + m;
        last[unit] = (uint8_t)found;
    }
}

sinr_status sinr_magnitude_rows(
    const sinr_entropy *model, const sinr_integers *integers, int block_rows, int block_cols, int channels,
    int step, int16_t *rows, sinr_pool *pool) {
    walk w = {.pool = pool};
    scans *s;
    void *memory = tile_memory(&w, &s, model, block_rows, block_cols, channels, false);
    if (!memory) return SINR_NO_MEMORY;
    walk_start(&w, ROWS, model, integers, channels, step);
    w.rows = rows;
    size_t samples = (size_t)block_rows * (size_t)block_cols * 1024 * (size_t)channels;
    memset(rows, 0xff, samples * sizeof *rows);
    prepare(&w);
    walk_magnitudes(&w);
    free(memory);
    return SINR_OK;
}
