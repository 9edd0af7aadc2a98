/* Loops that are compiled for more than one set of instructions; which of them runs is asked of the processor.
 *
 * Everywhere in this library: `>>` of a negative number is a floor division, as all compilers have it.
 */
#ifndef SINR_INSTRUCTIONS_H
#define SINR_INSTRUCTIONS_H

#include <stdbool.h>

/* SINR_PLAIN leaves them out. */
#if defined(__x86_64__) && defined(__GNUC__) && !defined(SINR_PLAIN)
#define SINR_AVX2 __attribute__((target("avx2")))
#endif

/* The body of such a loop: part of whatever calls it, and compiled as that is. */
#ifdef __GNUC__
#define SINR_INLINE static inline __attribute__((always_inline))
#else
#define SINR_INLINE static inline
#endif

static inline bool sinr_has_avx2(void) {
#ifdef SINR_AVX2
    return __builtin_cpu_supports("avx2");
#else
    return false;
#endif
}

#endif
