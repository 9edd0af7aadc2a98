/* Any bytes as a file that is inspected; its checksum is put right. */
#define NEEDS_NO_CODEBOOK
#include "common.h"
#include "sinr.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    sinr_info info;
    uint8_t *file = sealed(data, size);
    sinr_inspect(file, size, &info);
    free(file);
    return 0;
}
