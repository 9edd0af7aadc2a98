/* sinr.h: reads .sinr pictures, format version 6 (FORMAT.md). Link with libsinr.a and -lm, with threads -pthread.
 *
 * A picture needs the codebook that it was encoded with, a file of its own that serves many pictures:
 *
 *     size_t needed;
 *     const sinr_codebook *codebook;
 *     sinr_status status = sinr_codebook_make(book, book_size, NULL, &needed, NULL);
 *     void *memory = status ? NULL : malloc(needed);
 *     if (memory) status = sinr_codebook_make(book, book_size, memory, &needed, &codebook);
 *
 * From then on:
 *
 *     sinr_info info;
 *     status = sinr_inspect(file, size, &info);
 *     unsigned char *pixels = malloc((size_t)info.width * info.height * info.channels);
 *     if (!status) status = sinr_decode(file, size, codebook, NULL, pixels, NULL);
 *     if (status) puts(sinr_message(status));
 *
 * Files and codebooks may come from anywhere: whatever their bytes are, functions return a status and stay within
 * the memory they are given. There is no global state. Functions may run at the same time, also with one codebook;
 * not with one pool.
 */
#ifndef SINR_H
#define SINR_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum {
    SINR_OK = 0,
    SINR_TRUNCATED,    /* the bytes end too early */
    SINR_CORRUPT,      /* the bytes are not what an encoder writes */
    SINR_LEFT_OVER,    /* there are more bytes than belong there */
    SINR_OUT_OF_RANGE, /* a value is out of range */
    SINR_VERSION,      /* another format version */
    SINR_UNSUPPORTED,  /* something this library does not know */
    SINR_CODEBOOK,     /* the codebook is damaged, or not the one the file needs */
    SINR_ARGUMENT,     /* an argument makes no sense */
    SINR_TOO_LARGE,    /* memory or numbers would overflow, or limits are exceeded */
    SINR_NO_MEMORY     /* an allocation failed */
} sinr_status;

/* What a status means, in English. Never NULL. */
const char *sinr_message(sinr_status status);

/* Pictures with more pixels are SINR_TOO_LARGE, in a file or rendered; no side is longer than SINR_LENGTH_MAX. */
#define SINR_PIXELS_MAX (1 << 28)
#define SINR_LENGTH_MAX 65535

/* Where in the file something lies that this library leaves to others; offset 0 if it is not there. */
typedef struct {
    size_t offset, length;
} sinr_section;

/* Parts of its correction that restoration may add. */
#define SINR_FULL_STRENGTH 16

typedef struct {
    int width, height;
    int channels;                                /* bytes of a pixel: 1 grey, 3 red, green and blue */
    int step;                                    /* of the quantiser, in sixteenths of a level */
    unsigned char luma, chroma, activity, ratio; /* how steps are weighted; 0, 0, 0, 64: not at all */
    unsigned char codebook[4];                   /* id of the codebook that the file needs */
    unsigned char strength;                      /* of restoration, SINR_FULL_STRENGTH for all of it */
    int zstd;           /* whether tiles use the variant that `sinr_decode` does not support */
    sinr_section alpha; /* zstd frames: width * height differences to the left, ... */
    sinr_section icc;   /* ... an ICC profile, which tells what the colours mean, sRGB without one, ... */
    sinr_section exif;  /* ... an EXIF block */
    sinr_section xmp;   /* ... and an XMP packet */
} sinr_info;

/* What a file says about itself. Its checksum and all lengths are checked; its tiles are not looked into.
 * All is 0 after an error. */
sinr_status sinr_inspect(const void *file, size_t size, sinr_info *info);

typedef struct sinr_codebook sinr_codebook;

/* Makes a codebook of a codebook file's bytes, which are not needed any longer then, in memory of the caller's. If
 * `memory` is NULL, it only says in `needed` how many bytes that takes: about four times the file. Memory of any
 * alignment will do; there is nothing to be undone but to free it. */
sinr_status sinr_codebook_make(
    const void *bytes, size_t size, void *memory, size_t *needed, const sinr_codebook **codebook);

/* The four bytes of its id: a file's `sinr_info.codebook` is the same. */
const unsigned char *sinr_codebook_id(const sinr_codebook *codebook);

/* What is rendered, and how large. */
typedef struct {
    int x, y, width, height; /* a region inside the picture, in its pixels */
    int columns, rows;       /* of the result: each its own pixel if these are width and height */
} sinr_view;

/* Threads that share the work of one call at a time, the caller's included. NULL is one thread, and what `start`
 * returns where there are no more. */
typedef struct sinr_pool sinr_pool;
sinr_pool *sinr_pool_start(int threads);
void sinr_pool_stop(sinr_pool *pool);

/* Pixels (rows, columns, channels) of a view; of the whole picture at its own size if `view` is NULL, and then the
 * same on every machine. Other sizes are rendered from the picture's networks: a level may differ by one. Only
 * tiles (1024 x 1024 pixels) that the view touches are decoded and checked. `pool` may be NULL. After an error,
 * pixels may hold anything.
 *
 * Memory is asked for with malloc, and given back: 36 MiB per thread; 6 bytes per pixel (2 if it is grey) of two
 * rows of the tiles that the view touches, three if it is much reduced; and what strips take that are restored and
 * rendered at a time: with the default codebook up to 64 MiB at the picture's own size, and 270 MiB at others. */
sinr_status sinr_decode(
    const void *file, size_t size, const sinr_codebook *codebook, const sinr_view *view, unsigned char *pixels,
    sinr_pool *pool);

/* A picture that is looked at: samples that one view needed are kept for the next. File and codebook have to stay
 * as long as it is open. It serves one call at a time. */
typedef struct sinr_picture sinr_picture;

/* Samples take at most `memory` bytes, or what one part needs if that is more: 7 bytes per pixel for tiles that a
 * patch touches, 6 for the patches that the part touches (a third if it is grey). Besides, 13 MiB are held, 24 MiB asked
 * for and given back where a tile is decoded, and up to 20 bytes per pixel of the picture that a part shows, or of the
 * part if that is larger. */
sinr_status sinr_picture_open(
    const void *file, size_t size, const sinr_codebook *codebook, size_t memory, sinr_picture **picture);
void sinr_picture_close(sinr_picture *picture);

/* A part of a picture at any size, in pixels of that size. */
typedef struct {
    int columns, rows; /* of the whole picture; its own are the same pixels as those of `sinr_decode` */
    int x, y, width, height;
} sinr_part;

/* Does one piece of work: pixels (height, width, channels) are there when `left` becomes 0, which says how many pieces
 * there are, this one included. A piece is a tile decoded, or a patch of 256 x 256 pixels restored, so that a program
 * can do something else in between, another part for example. A draft is made of what is restored, or else decoded.
 * Parts that lie side by side fit. */
sinr_status sinr_picture_render(
    sinr_picture *picture, const sinr_part *part, int draft, unsigned char *pixels, int *left, sinr_pool *pool);

#ifdef __cplusplus
}
#endif

#endif
