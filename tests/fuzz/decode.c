/* Any bytes as a file: inspected, then decoded at its own size or another, or looked at. */
#include "common.h"
#include "sinr.h"

/* Larger pictures take long and tell nothing new. */
#define PIXELS_MAX (1 << 12)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void decode(const uint8_t *file, size_t size, const sinr_info *info, int columns, int rows) {
    sinr_view view = {0, 0, info->width, info->height, columns, rows};
    unsigned char *pixels = malloc((size_t)columns * (size_t)rows * (size_t)info->channels);
    sinr_decode(file, size, codebook, &view, pixels, NULL);
    free(pixels);
}

static void look(const uint8_t *file, size_t size, const sinr_info *info) {
    sinr_part part = {2 * info->width,  2 * info->height, info->width / 2,
                      info->height / 2, info->width,      info->height};
    unsigned char *pixels = malloc((size_t)info->width * (size_t)info->height * (size_t)info->channels);
    sinr_picture *picture = NULL;
    int left = sinr_picture_open(file, size, codebook, 0, &picture) ? 0 : 1;
    while (left && !sinr_picture_render(picture, &part, 0, pixels, &left, NULL)) {
    }
    sinr_picture_close(picture);
    free(pixels);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    sinr_info info;
    if (size < 15) {
        sinr_inspect(data, size, &info);
        return 0;
    }
    /* Ids are hard to guess, too. Both are put right unless the last byte is 0. */
    uint8_t *file = malloc(size);
    for (size_t i = 0; i < size; i++) file[i] = data[i];
    if (file[size - 1]) {
        /* After flags of one byte, or two. */
        uint8_t *id = file + 6 + (file[5] >= 128);
        for (int i = 0; i < 4; i++) id[i] = sinr_codebook_id(codebook)[i];
        seal(file, size);
    }
    if (!sinr_inspect(file, size, &info) && (int64_t)info.width * info.height <= PIXELS_MAX) {
        /* One way at a time: inputs are of all lengths. */
        if (size % 3 == 0) decode(file, size, &info, info.width, info.height);
        if (size % 3 == 1) decode(file, size, &info, 1 + info.width * 2 / 3, 1 + info.height / 5);
        if (size % 3 == 2) look(file, size, &info);
    }
    free(file);
    return 0;
}
