/* What targets have in common: the codebook of seeds.py, and files whose last four bytes are their checksum. */
#ifndef COMMON_H
#define COMMON_H

#include "sinr.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

static inline void seal(uint8_t *file, size_t size) {
    uint32_t crc = 0xffffffff;
    for (size_t i = 0; i + 4 < size; i++) {
        crc ^= file[i];
        for (int bit = 0; bit < 8; bit++) crc = crc >> 1 ^ (crc & 1 ? 0xedb88320 : 0);
    }
    for (size_t i = 0; i < 4 && size >= 4; i++) file[size - 4 + i] = (uint8_t)(~crc >> (8 * i));
}

/* A copy, of which not a byte more may be read. */
static inline uint8_t *sealed(const uint8_t *data, size_t size) {
    uint8_t *file = malloc(size ? size : 1);
    for (size_t i = 0; i < size; i++) file[i] = data[i];
    seal(file, size);
    return file;
}

#ifndef NEEDS_NO_CODEBOOK

static const sinr_codebook *codebook;

static unsigned char *read_file(const char *path, size_t *size) {
    FILE *file = fopen(path, "rb");
    unsigned char *bytes = malloc(1 << 24);
    *size = file && bytes ? fread(bytes, 1, 1 << 24, file) : 0;
    if (file) fclose(file);
    return bytes;
}

int LLVMFuzzerInitialize(int *count, char ***arguments);
int LLVMFuzzerInitialize(int *count, char ***arguments) {
    (void)count;
    (void)arguments;
    const char *path = getenv("SINR_CODEBOOK");
    size_t size, needed;
    unsigned char *bytes = path ? read_file(path, &size) : NULL;
    if (!bytes || sinr_codebook_make(bytes, size, NULL, &needed, NULL)) {
        fprintf(stderr, "SINR_CODEBOOK must name a codebook\n");
        exit(2);
    }
    if (sinr_codebook_make(bytes, size, malloc(needed), &needed, &codebook)) exit(2);
    free(bytes);
    return 0;
}

#endif

#endif
