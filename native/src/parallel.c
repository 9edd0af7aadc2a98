#include "parallel.h"

#include <stddef.h>

#if !defined(SINR_NO_THREADS) && (defined(_WIN32) || !defined(__GNUC__))
#define SINR_NO_THREADS 1
#endif

static void run_here(sinr_task *task, void *context, int count) {
    for (int piece = 0; piece < count; piece++) task(context, piece, 0);
}

#ifdef SINR_NO_THREADS

int sinr_workers(const sinr_pool *pool) {
    (void)pool;
    return 1;
}

void sinr_run(sinr_pool *pool, sinr_task *task, void *context, int count) {
    (void)pool;
    run_here(task, context, count);
}

sinr_pool *sinr_pool_start(int workers) {
    (void)workers;
    return NULL;
}

void sinr_pool_stop(sinr_pool *pool) { (void)pool; }

#else

#include <pthread.h>
#include <stdlib.h>

/* How often a thread looks for work before it sleeps: about as long as waking it takes. Work often comes in many
 * short runs, one after another. */
#define SPINS 1000

typedef struct {
    sinr_pool *pool;
    pthread_t thread;
    int number;
} helper;

/* All of it is changed by who holds the mutex; what `spin` looks at is read without. */
struct sinr_pool {
    pthread_mutex_t mutex;
    pthread_cond_t work, done;
    sinr_task *task;
    void *context;
    int count;
    int left;       /* pieces that nobody took */
    int unfinished; /* pieces that are not done */
    int asleep;     /* helpers */
    int stop;
    int helpers;
    helper helper[];
};

static int look(const int *value) { return __atomic_load_n(value, __ATOMIC_RELAXED); }
static void set(int *value, int to) { __atomic_store_n(value, to, __ATOMIC_RELAXED); }

/* Waits a little until a value is zero, or is not. */
static void spin(const int *value, int zero) {
    for (int i = 0; i < SPINS && (look(value) == 0) != zero; i++) {
#if defined(__x86_64__) || defined(__i386__)
        __builtin_ia32_pause();
#elif defined(__aarch64__)
        __asm__ volatile("yield");
#endif
    }
}

/* Takes and does a piece; the mutex is held before and after. */
static void work(sinr_pool *pool, int worker) {
    sinr_task *task = pool->task;
    void *context = pool->context;
    set(&pool->left, pool->left - 1);
    int piece = pool->count - 1 - pool->left;
    pthread_mutex_unlock(&pool->mutex);
    task(context, piece, worker);
    pthread_mutex_lock(&pool->mutex);
    set(&pool->unfinished, pool->unfinished - 1);
}

/* Whether there is something to do for a helper: as many threads as there are pieces take part. */
static int needed(const helper *self) { return self->pool->left && self->number < self->pool->count; }

static void *help(void *argument) {
    helper *self = argument;
    sinr_pool *pool = self->pool;
    pthread_mutex_lock(&pool->mutex);
    for (;;) {
        while (needed(self)) {
            work(pool, self->number);
            if (!pool->unfinished) pthread_cond_signal(&pool->done);
        }
        pthread_mutex_unlock(&pool->mutex);
        spin(&pool->left, 0);
        pthread_mutex_lock(&pool->mutex);
        pool->asleep++;
        while (!needed(self) && !pool->stop) pthread_cond_wait(&pool->work, &pool->mutex);
        pool->asleep--;
        if (pool->stop) break;
    }
    pthread_mutex_unlock(&pool->mutex);
    return NULL;
}

int sinr_workers(const sinr_pool *pool) { return pool ? pool->helpers + 1 : 1; }

void sinr_run(sinr_pool *pool, sinr_task *task, void *context, int count) {
    if (!pool || count < 2) {
        run_here(task, context, count);
        return;
    }
    pthread_mutex_lock(&pool->mutex);
    pool->task = task;
    pool->context = context;
    pool->count = count;
    set(&pool->unfinished, count);
    set(&pool->left, count);
    if (pool->asleep) pthread_cond_broadcast(&pool->work);
    while (pool->left) work(pool, 0);
    if (pool->unfinished) {
        pthread_mutex_unlock(&pool->mutex);
        spin(&pool->unfinished, 1);
        pthread_mutex_lock(&pool->mutex);
        while (pool->unfinished) pthread_cond_wait(&pool->done, &pool->mutex);
    }
    pthread_mutex_unlock(&pool->mutex);
}

sinr_pool *sinr_pool_start(int workers) {
    if (workers < 2) return NULL;
    sinr_pool *pool = calloc(1, sizeof *pool + (size_t)(workers - 1) * sizeof *pool->helper);
    if (!pool) return NULL;
    pthread_mutex_init(&pool->mutex, NULL);
    pthread_cond_init(&pool->work, NULL);
    pthread_cond_init(&pool->done, NULL);
    for (int i = 0; i < workers - 1; i++) {
        helper *h = pool->helper + i;
        h->pool = pool;
        h->number = i + 1;
        if (pthread_create(&h->thread, NULL, help, h)) break;
        pool->helpers++;
    }
    if (!pool->helpers) {
        sinr_pool_stop(pool);
        return NULL;
    }
    return pool;
}

void sinr_pool_stop(sinr_pool *pool) {
    if (!pool) return;
    pthread_mutex_lock(&pool->mutex);
    pool->stop = 1;
    pthread_cond_broadcast(&pool->work);
    pthread_mutex_unlock(&pool->mutex);
    for (int i = 0; i < pool->helpers; i++) pthread_join(pool->helper[i].thread, NULL);
    pthread_cond_destroy(&pool->done);
    pthread_cond_destroy(&pool->work);
    pthread_mutex_destroy(&pool->mutex);
    free(pool);
}

#endif
