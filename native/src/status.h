/* What functions return, and numbers that everything shares. */
#ifndef SINR_STATUS_H
#define SINR_STATUS_H

typedef enum {
    SINR_OK = 0,
    SINR_TRUNCATED,     /* the bytes end too early */
    SINR_CORRUPT,       /* the bytes are not what an encoder writes */
    SINR_LEFT_OVER,     /* there are more bytes than belong there */
    SINR_OUT_OF_RANGE,  /* a value is out of range */
    SINR_VERSION,       /* another format version */
    SINR_UNSUPPORTED,   /* something this library does not know */
    SINR_CODEBOOK,      /* the codebook is damaged, or not the one the file needs */
    SINR_ARGUMENT,      /* an argument makes no sense */
    SINR_TOO_LARGE,     /* memory or numbers would overflow */
    SINR_NO_MEMORY      /* an allocation failed */
} sinr_status;

#define SINR_SAMPLE_MAX 8191         /* bound of a plane sample */
#define SINR_WEIGHT_MAX (1 << 18)    /* bound of a predicted weight and of a residual */
#define SINR_UNIT 8                  /* samples of a unit, per side */
#define SINR_BLOCK 32                /* samples of a block, per side */
#define SINR_SIZES 3                 /* cell sizes: 8 << index */
#define SINR_MAGNITUDES 16           /* symbols of a magnitude, the last one an escape */
#define SINR_TRANSFORMS 9            /* 3 * vertical + horizontal, each cosine, rising sine or its mirror image */

#endif
