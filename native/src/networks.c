#include "networks.h"

#include <string.h>

static sinr_status context_make(sinr_context *c, const void *const *t) {
    sinr_status status = sinr_context_fill(c, t[0], t[1], t[2], t[3], t[4], t[5]);
    return status ? status : sinr_tables_fill(&c->tables, t[SINR_TENSORS]);
}

sinr_status sinr_entropy_make(
    int modes, const int *hidden, const void *const *tensors, void *memory, size_t *bytes) {
    sinr_arena arena = {memory, 0};
    int widths[2][SINR_SIZES][2];
    memcpy(widths, hidden, sizeof widths);
    sinr_entropy *e = sinr_entropy_layout(modes, widths[0], widths[1], &arena);
    *bytes = arena.used;
    if (!memory) return arena.used == SIZE_MAX ? SINR_TOO_LARGE : SINR_OK;
    sinr_status status = sinr_tables_fill(&e->splits, tensors[0]);
    if (!status) status = sinr_tables_fill(&e->mode, tensors[1]);
    if (!status) status = sinr_tables_fill(&e->transforms, tensors[2]);
    const void *const *of_network = tensors + 3;
    for (int i = 0; i < 2 * SINR_SIZES && !status; i++, of_network += SINR_TENSORS + 1)
        status =
            context_make(i < SINR_SIZES ? e->last_diagonals + i : e->magnitudes + (i - SINR_SIZES), of_network);
    return status;
}

sinr_status sinr_predictor_make(
    int size, int hidden, int modes, const void *const *tensors, void *memory, size_t *bytes) {
    sinr_arena arena = {memory, 0};
    sinr_predictor *p = sinr_predictor_layout(size, hidden, modes, &arena);
    *bytes = arena.used;
    if (!memory) return arena.used == SIZE_MAX ? SINR_TOO_LARGE : SINR_OK;
    return sinr_predictor_fill(p, tensors[0], tensors[1], tensors[2], tensors[3], tensors[4], tensors[5]);
}

sinr_status sinr_restorer_make(
    const sinr_restorer_shape *shape, const void *const *tensors, const int *shifts, void *memory, size_t *bytes) {
    const int layers[] = {shape->head, shape->branch, shape->tail};
    for (int i = 0; i < 3; i++)
        if (layers[i] < 1 || layers[i] > SINR_LAYERS_MAX) return SINR_CODEBOOK;
    sinr_arena arena = {memory, 0};
    sinr_restorer *r = sinr_restorer_layout(shape, &arena);
    *bytes = arena.used;
    if (!memory) return arena.used == SIZE_MAX ? SINR_TOO_LARGE : SINR_OK;
    return sinr_restorer_fill(r, tensors, shifts);
}
