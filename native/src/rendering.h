/* Between planes and pixels, at native size or any other: FORMAT.md, section 10. */
#ifndef SINR_RENDERING_H
#define SINR_RENDERING_H

#include "parallel.h"
#include "status.h"

#include <stddef.h>
#include <stdint.h>

/* Pixels (height, width, channels) of samples within +-SINR_SAMPLE_MAX: sample x of row y of plane c is
 * planes[c * plane + y * row + x]. Exact. */
void sinr_to_pixels(
    const int16_t *planes, size_t plane, size_t row, int channels, int height, int width, uint8_t *pixels);

/* One axis of an output grid: what each of its samples is made of. */
typedef struct {
    int count, taps;
    const int32_t *index; /* (count, taps) source samples */
    const float *weight;  /* (count, taps) */
} sinr_axis;

/* Pixels (rows->count, cols->count, channels) of planes evaluated on a grid, within a level of exact ones. Planes
 * are as in `sinr_to_pixels`; SINR_ARGUMENT if the axes refer to samples outside their `height` and `width`.
 * Asks for its memory once. */
sinr_status sinr_resample(
    const int16_t *planes, size_t plane, size_t row, int channels, int height, int width, const sinr_axis *rows,
    const sinr_axis *cols, uint8_t *pixels, sinr_pool *pool);

#endif
