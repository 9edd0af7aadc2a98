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

/* Of a loop over lanes: what it stores lies apart from all it reads. Unrolled, it would not become vectors. */
#if defined(__GNUC__) && !defined(__clang__)
#define SINR_APART _Pragma("GCC ivdep") _Pragma("GCC unroll 1")
#else
#define SINR_APART
#endif

/* Of a loop whose number of rounds is known once it is part of its caller: no loop. */
#if defined(__clang__)
#define SINR_UNROLL _Pragma("clang loop unroll(full)")
#elif defined(__GNUC__)
#define SINR_UNROLL _Pragma("GCC unroll 8")
#else
#define SINR_UNROLL
#endif

static inline bool sinr_has_avx2(void) {
#ifdef SINR_AVX2
    return __builtin_cpu_supports("avx2");
#else
    return false;
#endif
}

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
