/* A picture that is looked at: samples of tiles are kept from view to view, and those unused longest go first. */
#include "bounds.h"
#include "rendering.h"
#include "resampling.h"
#include "source.h"

#include <stdbool.h>
#include <string.h>

/* What is kept of a tile, each NULL while it is not. */
typedef struct {
    void *memory; /* of what is decoded */
    sinr_decoded decoded;
    int16_t *restored;                    /* (channels, rows, columns) */
    uint64_t decoded_used, restored_used; /* the render in which it was needed last */
    uint64_t counted;                     /* the render that counted it as missing */
} tile;

struct sinr_picture {
    sinr_source source;
    size_t allowed, kept; /* bytes of samples */
    uint64_t now;         /* counts renders */
    size_t decoded_size, restored_size;
    tile *tiles; /* in raster order */
    sinr_workspace workspace;
    void *memory;
};

/* Tiles `top` ... `bottom` - 1 by `left` ... `right` - 1, in rows and columns of tiles. */
typedef sinr_box tiles;

static tiles tiles_of(sinr_box samples) {
    return (tiles){
        samples.top / SINR_TILE, samples.left / SINR_TILE, (samples.bottom - 1) / SINR_TILE + 1,
        (samples.right - 1) / SINR_TILE + 1};
}

/* Runs the next statement for the number of every tile. */
#define EACH(number, range, cols)                                                                                  \
    for (int number = first_of(range, cols); number >= 0; number = next_of(range, cols, number))

static int first_of(tiles range, int cols) { return range.top * cols + range.left; }

static int next_of(tiles range, int cols, int number) {
    if (number % cols + 1 < range.right) return number + 1;
    const int row = number / cols + 1;
    return row < range.bottom ? row * cols + range.left : -1;
}

static sinr_box box_of(const sinr_source *s, int number) {
    const int top = number / s->cols * SINR_TILE, left = number % s->cols * SINR_TILE;
    return (sinr_box){
        top, left, sinr_at_most(top + SINR_TILE, s->height), sinr_at_most(left + SINR_TILE, s->width)};
}

/* Memory */

static void drop_decoded(sinr_picture *p, tile *t) {
    if (t->memory) p->kept -= p->decoded_size;
    free(t->memory);
    t->memory = NULL;
}

static void drop_restored(sinr_picture *p, tile *t) {
    if (t->restored) p->kept -= p->restored_size;
    free(t->restored);
    t->restored = NULL;
}

/* Gives back what was not needed for longest, until there is room, or all that is left is needed now. */
static void make_room(sinr_picture *p, size_t size) {
    const int count = p->source.rows * p->source.cols;
    while (p->kept + size > p->allowed) {
        uint64_t oldest = p->now;
        tile *found = NULL;
        bool restored = false;
        for (tile *t = p->tiles; t < p->tiles + count; t++) {
            if (t->memory && t->decoded_used < oldest) oldest = t->decoded_used, found = t, restored = false;
            if (t->restored && t->restored_used < oldest) oldest = t->restored_used, found = t, restored = true;
        }
        if (!found) return;
        if (restored)
            drop_restored(p, found);
        else
            drop_decoded(p, found);
    }
}

/* Work */

static sinr_status decode_tile(sinr_picture *p, int number, sinr_pool *pool) {
    tile *t = p->tiles + number;
    make_room(p, p->decoded_size);
    sinr_arena arena = {NULL, 0};
    sinr_decoded_layout(&t->decoded, &p->source, &arena);
    t->memory = sinr_reserve(&arena);
    if (!t->memory) return SINR_NO_MEMORY;
    p->kept += p->decoded_size;
    sinr_decoded_layout(&t->decoded, &p->source, &arena);
    t->decoded_used = p->now;
    sinr_status status = sinr_source_decode(&p->source, &p->workspace, number, &t->decoded, pool);
    if (status) drop_decoded(p, t);
    return status;
}

static sinr_status restore_tile(sinr_picture *p, int number, sinr_pool *pool) {
    tile *t = p->tiles + number;
    const sinr_box box = box_of(&p->source, number);
    sinr_joined around = {.box = sinr_source_around(&p->source, box)};
    const int height = around.box.bottom - around.box.top, width = around.box.right - around.box.left;
    const int channels = p->source.info.channels;
    sinr_arena arena = {NULL, 0};
    sinr_joined_layout(&around, channels, height, width, &arena);
    make_room(p, p->restored_size);
    void *memory = sinr_reserve(&arena);
    t->restored = malloc(p->restored_size);
    if (t->restored) p->kept += p->restored_size;
    t->restored_used = p->now;
    sinr_status status = SINR_NO_MEMORY;
    if (memory && t->restored) {
        sinr_joined_layout(&around, channels, height, width, &arena);
        EACH(n, tiles_of(around.box), p->source.cols)
        sinr_joined_add(&around, &p->source, n, &p->tiles[n].decoded);
        status = sinr_joined_restore(&around, &p->source, box, t->restored, pool);
    }
    free(memory);
    if (status) drop_restored(p, t);
    return status;
}

/* Does one piece of what some tiles lack, if there is any; `left` counts pieces before. */
static sinr_status work(sinr_picture *p, tiles shown, bool draft, int *left, sinr_pool *pool) {
    const sinr_source *s = &p->source;
    int decode = -1, restore = -1;
    p->now++;
    *left = 0;
    EACH(number, shown, s->cols) {
        p->tiles[number].restored_used = p->now;
        if (p->tiles[number].restored) continue;
        /* The first comes first. What the others need may go until it is their turn. */
        const bool first = draft || restore < 0;
        if (!draft) {
            if (first) restore = number;
            ++*left;
        }
        const sinr_box own = box_of(s, number);
        const tiles needed = tiles_of(draft ? own : sinr_source_around(s, own));
        EACH(other, needed, s->cols) {
            tile *t = p->tiles + other;
            if (first) t->decoded_used = p->now;
            if (t->memory) continue;
            if (first && decode < 0) decode = other;
            if (t->counted != p->now) ++*left;
            t->counted = p->now;
        }
    }
    if (decode >= 0) return decode_tile(p, decode, pool);
    return restore >= 0 ? restore_tile(p, restore, pool) : SINR_OK;
}

/* Copies samples of kept tiles: (channels, rows, columns) of a box. */
static void gather(const sinr_picture *p, sinr_box box, int16_t *samples) {
    const sinr_source *s = &p->source;
    const int width = box.right - box.left, height = box.bottom - box.top;
    EACH(number, tiles_of(box), s->cols) {
        const tile *t = p->tiles + number;
        const int16_t *planes = t->restored ? t->restored : t->decoded.planes;
        const sinr_box own = box_of(s, number);
        const int tall = own.bottom - own.top, wide = own.right - own.left;
        const int left = sinr_at_least(box.left, own.left), right = sinr_at_most(box.right, own.right);
        const int top = sinr_at_least(box.top, own.top), bottom = sinr_at_most(box.bottom, own.bottom);
        for (int channel = 0; channel < s->info.channels; channel++)
            for (int y = top; y < bottom; y++) {
                size_t from = ((size_t)channel * (size_t)tall + (size_t)(y - own.top)) * (size_t)wide;
                size_t to = ((size_t)channel * (size_t)height + (size_t)(y - box.top)) * (size_t)width;
                memcpy(
                    samples + to + (left - box.left), planes + from + (left - own.left),
                    (size_t)(right - left) * sizeof *samples);
            }
    }
}

/* What of the picture's samples one axis of a part takes. */
static void fill_axis(sinr_grid *grid, int begin, int count, int all, int length, int *first, int *last) {
    const double pitch = (double)length / all;
    sinr_grid_fill(grid, begin * pitch, (begin + count) * pitch, count, length);
    sinr_grid_range(grid, first, last);
}

/* Does a piece of work, or renders if there is none left. */
static sinr_status look(
    sinr_picture *p, const sinr_part *part, bool draft, sinr_grid *rows, sinr_grid *cols, unsigned char *pixels,
    int *left, sinr_pool *pool) {
    const sinr_info *info = &p->source.info;
    const int channels = info->channels;
    sinr_box box = {part->y, part->x, part->y + part->height, part->x + part->width};
    if (rows) {
        fill_axis(rows, part->y, part->height, part->rows, info->height, &box.top, &box.bottom);
        fill_axis(cols, part->x, part->width, part->columns, info->width, &box.left, &box.right);
    }
    sinr_status status = work(p, tiles_of(box), draft, left, pool);
    if (status || *left) return status;
    const size_t row = (size_t)(box.right - box.left), plane = row * (size_t)(box.bottom - box.top);
    int16_t *samples = malloc(plane * (size_t)channels * sizeof *samples);
    if (!samples) return SINR_NO_MEMORY;
    gather(p, box, samples);
    if (rows) {
        const sinr_axis down = sinr_grid_from(rows, box.top), across = sinr_grid_from(cols, box.left);
        status = sinr_resample(
            samples, plane, row, channels, box.bottom - box.top, box.right - box.left, &down, &across, pixels,
            pool);
    } else
        sinr_to_pixels(samples, plane, row, channels, part->height, part->width, pixels);
    free(samples);
    return status;
}

/* What programs call */

static bool makes_sense(const sinr_part *p) {
    if (p->x < 0 || p->y < 0 || p->width < 1 || p->height < 1) return false;
    return p->width <= p->columns - p->x && p->height <= p->rows - p->y;
}

sinr_status sinr_picture_render(
    sinr_picture *picture, const sinr_part *part, int draft, unsigned char *pixels, int *left, sinr_pool *pool) {
    if (!picture || !part || !pixels || !left || !makes_sense(part)) return SINR_ARGUMENT;
    if ((int64_t)part->width * part->height > SINR_PIXELS_MAX) return SINR_TOO_LARGE;
    const sinr_info *info = &picture->source.info;
    if (part->columns == info->width && part->rows == info->height)
        return look(picture, part, draft, NULL, NULL, pixels, left, pool);
    sinr_grid rows, cols;
    const int rows_taps = sinr_taps_max(info->height, part->rows);
    const int cols_taps = sinr_taps_max(info->width, part->columns);
    sinr_arena arena = {NULL, 0};
    sinr_grid_layout(&rows, part->height, rows_taps, &arena);
    sinr_grid_layout(&cols, part->width, cols_taps, &arena);
    void *memory = sinr_reserve(&arena);
    if (!memory) return SINR_NO_MEMORY;
    sinr_grid_layout(&rows, part->height, rows_taps, &arena);
    sinr_grid_layout(&cols, part->width, cols_taps, &arena);
    sinr_status status = look(picture, part, draft, &rows, &cols, pixels, left, pool);
    free(memory);
    return status;
}

static void layout(sinr_picture *p, sinr_arena *arena) {
    p->tiles = sinr_take(arena, (size_t)p->source.rows * (size_t)p->source.cols, sizeof *p->tiles);
    sinr_source_layout(&p->source, arena);
    sinr_workspace_layout(&p->workspace, &p->source, arena);
}

sinr_status sinr_picture_open(
    const void *file, size_t size, const sinr_codebook *codebook, size_t memory, sinr_picture **picture) {
    if (!codebook || !picture) return SINR_ARGUMENT;
    sinr_picture opened = {.allowed = memory};
    sinr_status status = sinr_source_open(file, size, codebook, &opened.source);
    if (status) return status;
    sinr_picture *p = malloc(sizeof *p);
    if (!p) return SINR_NO_MEMORY;
    *p = opened;
    sinr_arena arena = {NULL, 0};
    sinr_decoded_layout(&(sinr_decoded){0}, &p->source, &arena);
    p->decoded_size = arena.used + SINR_ALIGNMENT;
    p->restored_size = (size_t)sinr_at_most(p->source.height, SINR_TILE) *
                       (size_t)sinr_at_most(p->source.width, SINR_TILE) * (size_t)p->source.info.channels *
                       sizeof(int16_t);
    arena.used = 0;
    layout(p, &arena);
    p->memory = sinr_reserve(&arena);
    if (!p->memory) {
        free(p);
        return SINR_NO_MEMORY;
    }
    layout(p, &arena);
    memset(p->tiles, 0, (size_t)p->source.rows * (size_t)p->source.cols * sizeof *p->tiles);
    *picture = p;
    return SINR_OK;
}

void sinr_picture_close(sinr_picture *picture) {
    if (!picture) return;
    for (int n = 0; n < picture->source.rows * picture->source.cols; n++) {
        drop_decoded(picture, picture->tiles + n);
        drop_restored(picture, picture->tiles + n);
    }
    free(picture->memory);
    free(picture);
}
