/* The smaller and the larger of two numbers. */
#ifndef SINR_BOUNDS_H
#define SINR_BOUNDS_H

#include <stddef.h>

static inline int sinr_at_most(int value, int bound) { return value > bound ? bound : value; }
static inline int sinr_at_least(int value, int bound) { return value < bound ? bound : value; }
static inline int sinr_clip(int value, int low, int high) { return sinr_at_least(sinr_at_most(value, high), low); }
static inline size_t sinr_larger(size_t a, size_t b) { return a > b ? a : b; }

#endif
