#include "transform_types.h"

#include <stddef.h>
#include <string.h>

/* From the first border: lengths in eighths of the axis, and whether waves are sines. */
static const struct {
    int eighths;
    bool sine;
} cuts[SINR_AXIS_TRANSFORMS][SINR_PIECES] = {
    {{8, false}},
    {{8, true}},
    {{4, true}, {4, false}},
    {{2, false}, {4, false}, {2, false}},
    {{3, false}, {5, false}},
    {{5, false}, {3, false}},
};

/* Twice its frequency is 2 * number + sine half turns in `length` samples. */
static bool lower(const sinr_wave *a, const sinr_wave *b) {
    return (2 * a->number + a->sine) * b->length < (2 * b->number + b->sine) * a->length;
}

void sinr_axis_waves(int size, int transform, sinr_wave *waves) {
    sinr_wave next[SINR_PIECES];
    for (int p = 0, begin = 0; p < SINR_PIECES; begin += next[p++].length)
        next[p] = (sinr_wave){p, begin, size * cuts[transform][p].eighths / 8, cuts[transform][p].sine, 0};
    for (int i = 0; i < size; i++) {
        sinr_wave *lowest = NULL;
        for (int p = 0; p < SINR_PIECES; p++)
            if (next[p].number < next[p].length && (!lowest || lower(next + p, lowest))) lowest = next + p;
        waves[i] = *lowest;
        lowest->number++;
    }
}

static int cut(int axis_transform) { return cuts[axis_transform][1].eighths > 0; }

int sinr_cut_axes(int transform) {
    return cut(transform / SINR_AXIS_TRANSFORMS) + cut(transform % SINR_AXIS_TRANSFORMS);
}

void sinr_wave_places_fill(sinr_wave_places *places, int size) {
    memset(places->along, size, sizeof places->along);
    for (int transform = 0; transform < SINR_AXIS_TRANSFORMS; transform++) {
        sinr_wave waves[SINR_BLOCK];
        sinr_axis_waves(size, transform, waves);
        for (int i = 0; i < size; i++) {
            const sinr_wave *wave = waves + i;
            for (int j = 0; j < size; j++) {
                int higher = waves[j].number - wave->number;
                if (waves[j].piece == wave->piece && higher >= -SINR_REACH && higher <= SINR_REACH)
                    places->along[transform][i][SINR_REACH + higher] = (uint8_t)j;
            }
            places->piece[transform][i] = (uint8_t)wave->piece;
        }
    }
}
