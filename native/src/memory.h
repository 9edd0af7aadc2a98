/* Memory that is asked for once, before the work begins.
 *
 * A layout function takes what it needs from an arena and is called twice: with an empty arena, which only counts,
 * and with one that has memory.
 */
#ifndef SINR_MEMORY_H
#define SINR_MEMORY_H

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

typedef struct {
    unsigned char *memory; /* NULL: count only */
    size_t used;           /* SIZE_MAX after an overflow */
} sinr_arena;

#define SINR_ALIGNMENT 64

/* `count` elements of `size` bytes, aligned; NULL while counting. Not cleared. */
static inline void *sinr_take(sinr_arena *arena, size_t count, size_t size) {
    size_t begin = (arena->used + SINR_ALIGNMENT - 1) / SINR_ALIGNMENT * SINR_ALIGNMENT;
    if (arena->used > SIZE_MAX / 4 || (size && count > SIZE_MAX / 4 / size)) {
        arena->used = SIZE_MAX;
        return NULL;
    }
    arena->used = begin + count * size;
    return arena->memory ? arena->memory + begin : NULL;
}

/* Gives an arena that has counted its memory, and empties it. Returns what is to be freed; NULL: there is none. */
static inline void *sinr_reserve(sinr_arena *arena) {
    if (arena->used > SIZE_MAX / 4) return NULL;
    unsigned char *memory = malloc(arena->used + SINR_ALIGNMENT);
    if (!memory) return NULL;
    arena->memory = memory + (SINR_ALIGNMENT - (uintptr_t)memory % SINR_ALIGNMENT) % SINR_ALIGNMENT;
    arena->used = 0;
    return memory;
}

#endif
