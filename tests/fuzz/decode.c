/* Any bytes as a file: inspected, and decoded at its own size and another. The
 * codebook is that of seeds.py. */
#include "sinr.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

/* Larger pictures take long and tell nothing new. */
#define PIXELS_MAX (1 << 16)

static const sinr_codebook *codebook;

static unsigned char *read_file(const char *path, size_t *size) {
    FILE *file = fopen(path, "rb");
    unsigned char *bytes = malloc(1 << 24);
    *size = file && bytes ? fread(bytes, 1, 1 << 24, file) : 0;
    if (file) fclose(file);
    return bytes;
}

int LLVMFuzzerInitialize(int *count, char ***arguments);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

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

static uint32_t checksum(const uint8_t *bytes, size_t size) {
    uint32_t crc = 0xffffffff;
    for (size_t i = 0; i < size; i++) {
        crc ^= bytes[i];
        for (int bit = 0; bit < 8; bit++) crc = crc >> 1 ^ (crc & 1 ? 0xedb88320 : 0);
    }
    return ~crc;
}

static void decode(const uint8_t *file, size_t size, const sinr_info *info, int columns, int rows) {
    sinr_view view = {0, 0, info->width, info->height, columns, rows};
    unsigned char *pixels = malloc((size_t)columns * (size_t)rows * (size_t)info->channels);
    sinr_decode(file, size, codebook, &view, pixels, NULL);
    free(pixels);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    sinr_info info;
    if (size < 14) {
        sinr_inspect(data, size, &info);
        return 0;
    }
    /* Checksums and ids are hard to guess: they are put right, unless the last
   * byte is 0. */
    uint8_t *file = malloc(size);
    for (size_t i = 0; i < size; i++) file[i] = data[i];
    if (file[size - 1]) {
        for (int i = 0; i < 4; i++) file[6 + i] = sinr_codebook_id(codebook)[i];
        uint32_t crc = checksum(file, size - 4);
        for (int i = 0; i < 4; i++) file[size - 4 + (size_t)i] = (uint8_t)(crc >> (8 * i));
    }
    if (!sinr_inspect(file, size, &info) && (int64_t)info.width * info.height <= PIXELS_MAX) {
        decode(file, size, &info, info.width, info.height);
        decode(file, size, &info, 1 + info.width * 2 / 3, 1 + info.height / 5);
    }
    free(file);
    return 0;
}
