/* Any bytes as a rANS tile of one block, the first byte saying whether in colour. */
#include "common.h"

#include "codebook.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (!size) return 0;
    const int channels = data[0] & 1 ? 3 : 1, step = 160;
    uint8_t *tile = malloc(size);
    for (size_t i = 1; i < size; i++) tile[i - 1] = data[i];
    sinr_integers integers = {malloc(1), malloc(16), malloc(16), malloc((size_t)channels * 1024 * sizeof(int32_t))};
    sinr_read_tile(codebook->entropy, tile, size - 1, 1, 1, channels, step, &integers, NULL);
    free(integers.splits);
    free(integers.modes);
    free(integers.transforms);
    free(integers.residuals);
    free(tile);
    return 0;
}
