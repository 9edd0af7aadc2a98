/* Writes a .sinr picture as PPM, or PGM if it is grey:
 *
 *     sinr2ppm CODEBOOK FILE [SCALE [THREADS]] > picture.ppm
 *
 * Exit codes: 0, 1 if the picture could not be decoded, 2 if the arguments make no sense.
 */
#include "../sinr.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#ifdef _WIN32
#include <fcntl.h>
#include <io.h>
#endif

/* All of a file; NULL if it cannot be read. */
static unsigned char *read_file(const char *path, size_t *size) {
    FILE *file = fopen(path, "rb");
    unsigned char *bytes = NULL;
    size_t room = 0;
    *size = 0;
    while (file && !ferror(file) && !feof(file)) {
        if (*size == room) {
            unsigned char *more = realloc(bytes, room = 2 * room + 65536);
            if (!more) break;
            bytes = more;
        }
        *size += fread(bytes + *size, 1, room - *size, file);
    }
    if (file && feof(file)) {
        fclose(file);
        return bytes;
    }
    if (file) fclose(file);
    free(bytes);
    return NULL;
}

static sinr_status make_codebook(
    const unsigned char *bytes, size_t size, void **memory, const sinr_codebook **codebook) {
    size_t needed;
    sinr_status status = sinr_codebook_make(bytes, size, NULL, &needed, NULL);
    if (status) return status;
    *memory = malloc(needed);
    return *memory ? sinr_codebook_make(bytes, size, *memory, &needed, codebook) : SINR_NO_MEMORY;
}

static sinr_status convert(
    const unsigned char *file, size_t size, const sinr_codebook *codebook, double scale, int threads) {
    sinr_info info;
    sinr_status status = sinr_inspect(file, size, &info);
    if (status) return status;
    double columns = fmax(1, rint(info.width * scale)), rows = fmax(1, rint(info.height * scale));
    if (columns > SINR_LENGTH_MAX || rows > SINR_LENGTH_MAX || columns * rows > SINR_PIXELS_MAX)
        return SINR_TOO_LARGE;
    sinr_view view = {0, 0, info.width, info.height, (int)columns, (int)rows};
    size_t count = (size_t)view.columns * (size_t)view.rows * (size_t)info.channels;
    unsigned char *pixels = malloc(count);
    if (!pixels) return SINR_NO_MEMORY;
    sinr_pool *pool = sinr_pool_start(threads);
    status = sinr_decode(file, size, codebook, &view, pixels, pool);
    sinr_pool_stop(pool);
    if (!status) {
        printf("P%d\n%d %d\n255\n", info.channels == 1 ? 5 : 6, view.columns, view.rows);
        fwrite(pixels, 1, count, stdout);
    }
    free(pixels);
    return status;
}

int main(int count, char **arguments) {
    double scale = count > 3 ? atof(arguments[3]) : 1;
    if (count < 3 || count > 5 || !(scale > 0)) {
        fprintf(stderr, "usage: sinr2ppm CODEBOOK FILE [SCALE [THREADS]] > picture.ppm\n");
        return 2;
    }
#ifdef _WIN32
    _setmode(_fileno(stdout), _O_BINARY);
#endif
    size_t book_size, size;
    unsigned char *book = read_file(arguments[1], &book_size), *file = read_file(arguments[2], &size);
    if (!book || !file) {
        fprintf(stderr, "sinr2ppm: cannot read %s\n", arguments[book ? 2 : 1]);
        return 1;
    }
    void *memory = NULL;
    const sinr_codebook *codebook;
    sinr_status status = make_codebook(book, book_size, &memory, &codebook);
    if (!status) status = convert(file, size, codebook, scale, count > 4 ? atoi(arguments[4]) : 1);
    if (status) fprintf(stderr, "sinr2ppm: %s\n", sinr_message(status));
    free(memory);
    free(file);
    free(book);
    if (fflush(stdout) || ferror(stdout)) return 1;
    return status ? 1 : 0;
}
