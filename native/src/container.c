#include "container.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

enum { VERSION = 6, FLAGS_AT = 5, CRC_BYTES = 4, KIND_MAX = 65535, ACTIVITY_MAX = 15, FLAT_RATIO = 64 };
enum { ALPHA = 1, ICC = 2, EXIF = 4, ZSTD = 8, GREY = 16, WEIGHTED = 32, WEAKENED = 64 };
enum { XMP = 128, EXTENDED = 256, KNOWN_FLAGS = 511, FLAGS_MAX = (1 << 14) - 1 };

const char *sinr_message(sinr_status status) {
    switch (status) {
    case SINR_OK:
        return "all is well";
    case SINR_TRUNCATED:
        return "the file is truncated";
    case SINR_CORRUPT:
        return "the file is damaged, or not a .sinr file";
    case SINR_LEFT_OVER:
        return "the file has bytes left over";
    case SINR_OUT_OF_RANGE:
        return "a value in the file is out of range";
    case SINR_VERSION:
        return "the file has another format version";
    case SINR_UNSUPPORTED:
        return "the file uses features that this library does not know";
    case SINR_CODEBOOK:
        return "the codebook is damaged, or not the one that the file needs";
    case SINR_ARGUMENT:
        return "an argument makes no sense";
    case SINR_TOO_LARGE:
        return "the picture is too large";
    case SINR_NO_MEMORY:
        return "there is not enough memory";
    }
    return "unknown status";
}

/* CRC-32 as in zlib and PNG. */
static uint32_t checksum(const uint8_t *bytes, size_t size) {
    /* Of four bits. */
    static const uint32_t table[16] = {0x00000000, 0x1db71064, 0x3b6e20c8, 0x26d930ac, 0x76dc4190, 0x6b6b51f4,
                                       0x4db26158, 0x5005713c, 0xedb88320, 0xf00f9344, 0xd6d6a3e8, 0xcb61b38c,
                                       0x9b64c2b0, 0x86d3d2d4, 0xa00ae278, 0xbdbdf21c};
    uint32_t crc = 0xffffffff;
    for (size_t i = 0; i < size; i++) {
        crc ^= bytes[i];
        crc = crc >> 4 ^ table[crc & 15];
        crc = crc >> 4 ^ table[crc & 15];
    }
    return ~crc;
}

/* What is not yet read. */
typedef struct {
    const uint8_t *bytes;
    size_t at, size;
} reader;

static sinr_status read_varint(reader *r, uint64_t largest, uint64_t *value) {
    *value = 0;
    for (int shift = 0;; shift += 7) {
        if (r->at == r->size) return SINR_TRUNCATED;
        uint8_t byte = r->bytes[r->at++];
        if (shift > 56) return SINR_OUT_OF_RANGE;
        *value |= (uint64_t)(byte & 0x7f) << shift;
        if (*value > largest) return SINR_OUT_OF_RANGE;
        if (byte < 0x80) return byte || !shift ? SINR_OK : SINR_OUT_OF_RANGE;
    }
}

static sinr_status read_number(reader *r, int largest, int *number) {
    uint64_t value;
    sinr_status status = read_varint(r, (uint64_t)largest, &value);
    if (status) return status;
    *number = (int)value;
    return value ? SINR_OK : SINR_OUT_OF_RANGE;
}

static sinr_status read_weighting(reader *r, sinr_info *info) {
    if (r->size - r->at < 4) return SINR_TRUNCATED;
    info->luma = r->bytes[r->at++];
    info->chroma = r->bytes[r->at++];
    info->activity = r->bytes[r->at++];
    info->ratio = r->bytes[r->at++];
    bool flat = !info->luma && !info->chroma && !info->activity && info->ratio == FLAT_RATIO;
    return flat || info->activity > ACTIVITY_MAX || !info->ratio ? SINR_OUT_OF_RANGE : SINR_OK;
}

static sinr_status read_strength(reader *r, sinr_info *info) {
    if (r->at == r->size) return SINR_TRUNCATED;
    info->strength = r->bytes[r->at++];
    return info->strength < SINR_FULL_STRENGTH ? SINR_OK : SINR_OUT_OF_RANGE;
}

/* Something of a given length, which comes first. */
static sinr_status read_section(reader *r, sinr_section *section) {
    uint64_t length;
    sinr_status status = read_varint(r, r->size, &length);
    if (status) return status;
    if (length > r->size - r->at) return SINR_TRUNCATED;
    section->offset = r->at;
    section->length = (size_t)length;
    r->at += section->length;
    return SINR_OK;
}

/* Passes over what later writers may add; what a decoder may not ignore has an even kind. */
static sinr_status skip_extensions(reader *r) {
    sinr_section skipped;
    int kind;
    sinr_status status = read_number(r, KIND_MAX, &kind);
    while (!status && kind) {
        if (kind % 2 == 0) return SINR_UNSUPPORTED;
        uint64_t next;
        status = read_section(r, &skipped);
        if (!status) status = read_varint(r, KIND_MAX, &next);
        if (!status) kind = (int)next;
    }
    return status;
}

static sinr_status read_header(reader *r, int flags, sinr_info *info) {
    sinr_status status = read_number(r, SINR_LENGTH_MAX, &info->width);
    if (!status) status = read_number(r, SINR_LENGTH_MAX, &info->height);
    if (!status) status = read_number(r, SINR_STEP_MAX, &info->step);
    if (status) return status;
    if ((int64_t)info->width * info->height > SINR_PIXELS_MAX) return SINR_TOO_LARGE;
    info->channels = flags & GREY ? 1 : 3;
    info->zstd = (flags & ZSTD) != 0;
    info->ratio = FLAT_RATIO;
    info->strength = SINR_FULL_STRENGTH;
    if (flags & WEIGHTED) status = read_weighting(r, info);
    if (!status && flags & WEAKENED) status = read_strength(r, info);
    if (!status && flags & EXTENDED) status = skip_extensions(r);
    return status;
}

/* `tiles` may be NULL. */
static sinr_status read_tiles(reader *r, const sinr_info *info, sinr_section *tiles) {
    int count = sinr_tiles_along(info->width) * sinr_tiles_along(info->height);
    for (int i = 0; i < count; i++) {
        sinr_section tile = {r->at, r->size - r->at};
        sinr_status status = i + 1 < count ? read_section(r, &tile) : SINR_OK;
        if (status) return status;
        if (tiles) tiles[i] = tile;
    }
    return SINR_OK;
}

static sinr_status read_all(reader *r, sinr_info *info, sinr_section *tiles) {
    uint64_t flags;
    r->at = FLAGS_AT;
    sinr_status status = read_varint(r, FLAGS_MAX, &flags);
    if (status) return status;
    if (flags & ~(uint64_t)KNOWN_FLAGS) return SINR_UNSUPPORTED;
    if (r->size - r->at < sizeof info->codebook) return SINR_TRUNCATED;
    memcpy(info->codebook, r->bytes + r->at, sizeof info->codebook);
    r->at += sizeof info->codebook;
    status = read_header(r, (int)flags, info);
    if (!status && flags & ALPHA) status = read_section(r, &info->alpha);
    if (!status && flags & ICC) status = read_section(r, &info->icc);
    if (!status && flags & EXIF) status = read_section(r, &info->exif);
    if (!status && flags & XMP) status = read_section(r, &info->xmp);
    return status ? status : read_tiles(r, info, tiles);
}

sinr_status sinr_inspect(const void *file, size_t size, sinr_info *info) {
    if (!file || !info) return SINR_ARGUMENT;
    const uint8_t *bytes = file;
    memset(info, 0, sizeof *info);
    if (size < 4 || memcmp(bytes, "SINR", 4)) return SINR_CORRUPT;
    if (size < FLAGS_AT + CRC_BYTES) return SINR_TRUNCATED;
    if (bytes[4] != VERSION) return SINR_VERSION;
    reader r = {bytes, 0, size - CRC_BYTES};
    const uint8_t *crc = bytes + r.size;
    uint32_t expected = crc[0] | (uint32_t)crc[1] << 8 | (uint32_t)crc[2] << 16 | (uint32_t)crc[3] << 24;
    if (checksum(bytes, r.size) != expected) return SINR_CORRUPT;
    sinr_status status = read_all(&r, info, NULL);
    if (status) memset(info, 0, sizeof *info);
    return status;
}

void sinr_find_tiles(const void *file, size_t size, const sinr_info *info, sinr_section *tiles) {
    reader r = {file, 0, size - CRC_BYTES};
    sinr_info again = *info;
    read_all(&r, &again, tiles);
}
