/* Loops over floats that the compiler makes vectors of, for the encoder's decisions.
 *
 * Sums are kept in lanes, so that their order, and with it every decision, is the same on every machine.
 */
#ifndef SINR_LANES_H
#define SINR_LANES_H

#include "instructions.h"

/* Sums of an array are kept in this many lanes; lengths of arrays are multiples of it. */
#define SINR_LANES 16

/* Defines a function by the loop `NAME_loop`, a SINR_INLINE function that is compiled for each set of
 * instructions. */
#ifdef SINR_AVX2
#define SINR_CHOOSE(linkage, result, name, parameters, arguments)                                                  \
    static result name##_plain parameters { return name##_loop arguments; }                                        \
    SINR_AVX2 static result name##_avx2 parameters { return name##_loop arguments; }                               \
    linkage result name parameters { return sinr_has_avx2() ? name##_avx2 arguments : name##_plain arguments; }
#else
#define SINR_CHOOSE(linkage, result, name, parameters, arguments)                                                  \
    linkage result name parameters { return name##_loop arguments; }
#endif

#endif
