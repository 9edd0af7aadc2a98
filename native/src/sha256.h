/* SHA-256 (FIPS 180-4), by which codebooks are known. */
#ifndef SINR_SHA256_H
#define SINR_SHA256_H

#include <stddef.h>
#include <stdint.h>

#define SINR_SHA256_BYTES 32

typedef struct {
    uint32_t state[8];
    uint64_t length; /* bytes so far */
    uint8_t block[64];
} sinr_sha256;

void sinr_sha256_start(sinr_sha256 *hash);
void sinr_sha256_add(sinr_sha256 *hash, const void *bytes, size_t size);
void sinr_sha256_end(sinr_sha256 *hash, uint8_t digest[SINR_SHA256_BYTES]);

#endif
