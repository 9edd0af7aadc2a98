/* Sharing work among threads. Without a pool, or where there are no threads, everything runs in the caller's.
 * Pools are started and stopped as sinr.h says. */
#ifndef SINR_PARALLEL_H
#define SINR_PARALLEL_H

#include "../sinr.h"

/* Does one of `count` pieces of work. `worker` tells the threads apart, from 0, below sinr_workers(pool) and below
 * `count`: pieces with the same number never run at the same time, so each worker can have scratch memory of its
 * own. */
typedef void sinr_task(void *context, int piece, int worker);

/* Threads of a pool, at least 1 (which is what NULL has). */
int sinr_workers(const sinr_pool *pool);

/* Runs all pieces, in any order, and returns when all are done. One at a time per pool, so not from its pieces. */
void sinr_run(sinr_pool *pool, sinr_task *task, void *context, int count);

#endif
