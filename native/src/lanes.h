/* Loops over floats that the compiler makes vectors of, for the encoder's decisions.
 *
 * Sums are kept in lanes, so that their order, and with it every decision, is the same on every machine.
 */
#ifndef SINR_LANES_H
#define SINR_LANES_H

#include "instructions.h"

/* Sums of an array are kept in this many lanes; lengths of arrays are multiples of it. */
#define SINR_LANES 16

#endif
