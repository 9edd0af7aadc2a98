/* Any bytes as a codebook, of which a picture is decoded if they are one. */
#define NEEDS_NO_CODEBOOK
#include "common.h"
#include "sinr.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A file of one grey block with noise for a tile, which fits any codebook as
 * well as another. */
static void decode(const sinr_codebook *codebook, const uint8_t *noise, size_t size) {
    uint8_t file[14 + 3 + 256] = {'S', 'I', 'N', 'R', 6, 16}, pixels[40 * 33];
    sinr_view view = {0, 0, 32, 32, 40, 33};
    memcpy(file + 6, sinr_codebook_id(codebook), 4);
    size_t at = 10, count = size < 200 ? size : 200;
    file[at++] = 32;
    file[at++] = 32;
    file[at++] = 100;
    const uint8_t tile[] = {160, 1};
    memcpy(file + at, tile, sizeof tile);
    at += sizeof tile;
    memcpy(file + at, noise + size - count, count);
    at += count;
    at += 4;
    seal(file, at);
    sinr_decode(file, at, codebook, &view, pixels, NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    size_t needed;
    const sinr_codebook *codebook;
    if (sinr_codebook_make(data, size, NULL, &needed, NULL)) return 0;
    /* The last byte of the memory is the last of the allocation. */
    unsigned char *memory = malloc(needed);
    if (!sinr_codebook_make(data, size, memory, &needed, &codebook)) decode(codebook, data, size);
    free(memory);
    return 0;
}
