#include "quantisation.h"

#include "costs.h"
#include "lanes.h"

#include <math.h>
#include <stdbool.h>

/* The sum of squares, and the last weight of more than half a step: others are dropped anyway. */
SINR_INLINE float measure_loop(const float *weights, int count, int *last) {
    float squares[SINR_LANES] = {0};
    int32_t begin[SINR_LANES];
    for (int l = 0; l < SINR_LANES; l++) begin[l] = -SINR_LANES;
    for (int i = 0; i < count; i += SINR_LANES)
        for (int l = 0; l < SINR_LANES; l++) {
            float w = weights[i + l];
            squares[l] += w * w;
            begin[l] = fabsf(w) > 0.5f ? i : begin[l];
        }
    float sum = 0;
    *last = -1;
    for (int l = 0; l < SINR_LANES; l++) {
        sum += squares[l];
        if (begin[l] + l > *last) *last = begin[l] + l;
    }
    return sum;
}

SINR_CHOOSE(static, float, measure, (const float *weights, int count, int *last), (weights, count, last))

/* The cheapest integer of every weight, and its bits relative to dropping the weight: what is saved is negative.
 * Works on whole lanes of weights. */
SINR_INLINE void choose_loop(
    const float *bits, const uint8_t *rows, const float *weights, int count, float *values, float *saved) {
    for (int i = 0; i < count; i += SINR_LANES) {
        float zero[SINR_LANES], low[SINR_LANES], high[SINR_LANES];
        int32_t floor[SINR_LANES], symbol[SINR_LANES];
        for (int l = 0; l < SINR_LANES; l++) {
            floor[l] = (int32_t)fabsf(weights[i + l]);
            symbol[l] = floor[l] < SINR_ESCAPE ? floor[l] : SINR_ESCAPE;
        }
        for (int l = 0; l < SINR_LANES; l++) {
            const float *row = bits + rows[i + l] * SINR_MAGNITUDES;
            zero[l] = row[0];
            low[l] = row[symbol[l]];
            high[l] = row[symbol[l] + (symbol[l] < SINR_ESCAPE)];
        }
        for (int l = 0; l < SINR_LANES; l++) {
            float absolute = fabsf(weights[i + l]), down = (float)floor[l], up = down + 1.0f;
            float drop = SINR_EXCHANGE * absolute * absolute, best = zero[l], value = 0;
            float below = low[l] + SINR_EXCHANGE * (absolute - down) * (absolute - down) - drop;
            float above = high[l] + SINR_EXCHANGE * (absolute - up) * (absolute - up) - drop;
            /* A floor of zero costs just what dropping does. */
            value = below < best ? down : value;
            best = below < best ? below : best;
            value = above < best ? up : value;
            best = above < best ? above : best;
            values[i + l] = copysignf(value, weights[i + l]);
            saved[i + l] = best;
        }
    }
}

SINR_CHOOSE(
    static, void, choose,
    (const float *bits, const uint8_t *rows, const float *weights, int count, float *values, float *saved),
    (bits, rows, weights, count, values, saved))

float sinr_quantise(
    const sinr_harmonics *h, const float *bits, const uint8_t *rows, const float *weights, float *values,
    float *scratch, int *kept) {
    int last;
    float dropped = SINR_EXCHANGE * measure(weights, h->count, &last);
    *kept = 0;
    if (last < 0) return dropped;
    int diagonals = h->diagonal[last] + 1;
    choose(bits, rows, weights, h->end[diagonals - 1], values, scratch);
    float total = 0, least = 0;
    for (int d = 0, i = 0; d < diagonals; d++) {
        float sum = 0;
        for (; i < h->end[d]; i++) sum += scratch[i];
        total += sum;
        if (total < least) {
            least = total;
            *kept = i;
        }
    }
    return dropped + least;
}

/* Hiding of signs */

typedef struct {
    const float *bits, *weights;
    const uint8_t *rows;
    float *values;
    int begin, first, sum, beyond; /* of the group, its first non-zero value, magnitudes; harmonics that may grow */
} group;

/* The sign that a value has, or would have if it were not zero. What comes before the first takes over its sign,
 * which must stay that of the first. */
static bool is_negative(const group *g, int i) {
    if (g->values[i] != 0.0f) return g->values[i] < 0.0f;
    return i < g->first ? g->values[g->first] < 0.0f : g->weights[i] < 0.0f;
}

static float cost_of(const group *g, int i, float absolute, int magnitude) {
    float error = absolute - (float)magnitude;
    int symbol = magnitude < SINR_ESCAPE ? magnitude : SINR_ESCAPE;
    return g->bits[g->rows[i] * SINR_MAGNITUDES + symbol] + SINR_EXCHANGE * error * error;
}

/* Whether the first value, a one, may go: the group must tell the truth of the next one, too. */
static bool may_go(const group *g) {
    if (g->sum == SINR_ENOUGH) return true;
    for (int i = g->first + 1; i < g->begin + SINR_GROUP; i++)
        if (g->values[i] != 0.0f) return (g->values[i] < 0.0f) == (g->values[g->first] < 0.0f);
    return false;
}

static void correct(const group *g) {
    float least = INFINITY, move = 0;
    int moved = g->begin;
    for (int i = g->begin; i < g->begin + SINR_GROUP; i++) {
        bool negative = is_negative(g, i);
        float absolute = negative ? -g->weights[i] : g->weights[i];
        int magnitude = (int)fabsf(g->values[i]);
        float now = cost_of(g, i, absolute, magnitude), up = INFINITY, down = INFINITY;
        if (i < g->beyond) up = cost_of(g, i, absolute, magnitude + 1) - now;
        if (magnitude > 0 && (magnitude > 1 || i != g->first || may_go(g))) {
            down = cost_of(g, i, absolute, magnitude - 1) - now;
            /* A group that falls below the bound writes its sign. */
            if (g->sum == SINR_ENOUGH) down += 1.0f;
        }
        float cost = up <= down ? up : down;
        if (cost < least) {
            least = cost;
            moved = i;
            move = (up <= down) == negative ? -1.0f : 1.0f;
        }
    }
    g->values[moved] += move;
}

void sinr_hide_signs(
    const sinr_harmonics *h, const float *bits, const uint8_t *rows, const float *weights, float *values,
    int kept) {
    int last = kept - 1;
    while (last >= 0 && values[last] == 0.0f) last--;
    if (last < 0) return;
    group g = {.bits = bits, .weights = weights, .rows = rows, .values = values};
    g.beyond = h->end[h->diagonal[last]];
    for (g.begin = 0; g.begin <= last; g.begin += SINR_GROUP) {
        g.sum = 0;
        g.first = -1;
        for (int i = g.begin; i < g.begin + SINR_GROUP; i++) {
            if (g.first < 0 && values[i] != 0.0f) g.first = i;
            g.sum += (int)fabsf(values[i]);
        }
        if (g.sum < SINR_ENOUGH) continue;
        if ((g.sum % 2 == 1) != (values[g.first] < 0.0f)) correct(&g);
    }
}
