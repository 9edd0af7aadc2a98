/* Rate-distortion-optimised quantisation, and the hiding of signs. Everything is in scan order. */
#ifndef SINR_QUANTISATION_H
#define SINR_QUANTISATION_H

#include "spectra.h"

#include <stdint.h>

#define SINR_MAGNITUDE_ROWS 128 /* of luma, then of chroma */

/* Of zero and the two nearest integers every weight takes the one with the least bits + SINR_EXCHANGE * squared
 * error, and the plane the last significant diagonal with the least total.
 *
 * bits: (SINR_MAGNITUDE_ROWS, SINR_MAGNITUDES) code lengths, the sign included
 * rows: (harmonics) which of these serves a weight
 * weights: (harmonics) in quantiser steps
 * values: (harmonics) becomes integers, as far as they are not zero
 * scratch: (harmonics)
 * kept: becomes how many there are up to the last significant diagonal; what is beyond is anything
 * Returns bits, distortion included.
 */
float sinr_quantise(
    const sinr_harmonics *h, const float *bits, const uint8_t *rows, const float *weights, float *values,
    float *scratch, int *kept);

/* Moves integers by one, where that costs least, until every hidden sign is right. `values` beyond `kept` are
 * zero up to a whole group of SINR_GROUP. */
void sinr_hide_signs(
    const sinr_harmonics *h, const float *bits, const uint8_t *rows, const float *weights, float *values, int kept);

#endif
