/* A picture that is looked at: samples are kept from view to view, and those unused longest go first. Tiles are
 * decoded as a whole; they are restored, which takes longer, in patches. */
#include "bounds.h"
#include "rendering.h"
#include "resampling.h"
#include "source.h"

#include <stdbool.h>
#include <string.h>

#define PATCH 256 /* samples of a patch, per side: divides those of a tile */

/* Of a tile or a patch: the render in which it was needed last, and the one that counted it as missing. */
typedef struct {
    uint64_t used, counted;
} stamp;

/* A decoded tile. */
typedef struct {
    stamp stamp;
    void *memory; /* NULL while it is not kept */
    sinr_decoded samples;
} tile;

/* A restored patch. */
typedef struct {
    stamp stamp;
    int16_t *samples; /* (channels, rows, columns); NULL while it is not kept */
} patch;

struct sinr_picture {
    sinr_source source;
    int patch_rows, patch_cols;
    size_t allowed, kept; /* bytes of samples */
    uint64_t now;         /* counts renders */
    size_t tile_size, patch_size;
    tile *tiles;    /* in raster order */
    patch *patches; /* likewise */
    sinr_workspace workspace;
    void *memory;
};

/* Rows `top` ... `bottom` - 1 and columns `left` ... `right` - 1 of a grid of tiles or patches. */
typedef struct {
    sinr_box box;
    int cols; /* of the whole grid */
} range;

static range range_of(sinr_box samples, int side, int cols) {
    const sinr_box box = {
        samples.top / side, samples.left / side, (samples.bottom - 1) / side + 1, (samples.right - 1) / side + 1};
    return (range){box, cols};
}

static range tiles_of(const sinr_picture *p, sinr_box samples) {
    return range_of(samples, SINR_TILE, p->source.cols);
}
static range patches_of(const sinr_picture *p, sinr_box samples) { return range_of(samples, PATCH, p->patch_cols); }

static int first_of(const range *r) { return r->box.top * r->cols + r->box.left; }

/* The number after another in raster order, -1 if there is none. */
static int next_of(const range *r, int number) {
    if (number % r->cols + 1 < r->box.right) return number + 1;
    const int row = number / r->cols + 1;
    return row < r->box.bottom ? row * r->cols + r->box.left : -1;
}

#define EACH(number, range) for (int number = first_of(range); number >= 0; number = next_of(range, number))

/* The samples of a tile or patch. */
static sinr_box box_of(const sinr_source *s, int number, int side, int cols) {
    const int top = number / cols * side, left = number % cols * side;
    return (sinr_box){top, left, sinr_at_most(top + side, s->height), sinr_at_most(left + side, s->width)};
}

static sinr_box tile_box(const sinr_picture *p, int number) {
    return box_of(&p->source, number, SINR_TILE, p->source.cols);
}

static sinr_box patch_box(const sinr_picture *p, int number) {
    return box_of(&p->source, number, PATCH, p->patch_cols);
}

/* Memory */

static void drop_tile(sinr_picture *p, tile *t) {
    if (t->memory) p->kept -= p->tile_size;
    free(t->memory);
    t->memory = NULL;
}

static void drop_patch(sinr_picture *p, patch *t) {
    if (t->samples) p->kept -= p->patch_size;
    free(t->samples);
    t->samples = NULL;
}

/* Gives back what was not needed for longest, until there is room, or all that is left is needed now. */
static void make_room(sinr_picture *p, size_t size) {
    while (p->kept + size > p->allowed) {
        uint64_t oldest = p->now;
        tile *old_tile = NULL;
        patch *old_patch = NULL;
        for (int n = 0; n < p->source.rows * p->source.cols; n++)
            if (p->tiles[n].memory && p->tiles[n].stamp.used < oldest) {
                old_tile = p->tiles + n;
                oldest = old_tile->stamp.used;
            }
        for (int n = 0; n < p->patch_rows * p->patch_cols; n++)
            if (p->patches[n].samples && p->patches[n].stamp.used < oldest) {
                old_patch = p->patches + n;
                oldest = old_patch->stamp.used;
            }
        if (old_patch)
            drop_patch(p, old_patch);
        else if (old_tile)
            drop_tile(p, old_tile);
        else
            return;
    }
}

/* Work */

static sinr_status decode_tile(sinr_picture *p, int number, sinr_pool *pool) {
    tile *t = p->tiles + number;
    make_room(p, p->tile_size);
    sinr_arena arena = {NULL, 0};
    sinr_decoded_layout(&t->samples, &p->source, &arena);
    t->memory = sinr_reserve(&arena);
    if (!t->memory) return SINR_NO_MEMORY;
    p->kept += p->tile_size;
    sinr_decoded_layout(&t->samples, &p->source, &arena);
    sinr_status status = sinr_source_decode(&p->source, &p->workspace, number, &t->samples, pool);
    if (status) drop_tile(p, t);
    return status;
}

static sinr_status restore_patch(sinr_picture *p, int number, sinr_pool *pool) {
    patch *t = p->patches + number;
    const sinr_box box = patch_box(p, number);
    sinr_joined around = {.box = sinr_source_around(&p->source, box)};
    const int height = around.box.bottom - around.box.top, width = around.box.right - around.box.left;
    const range tiles = tiles_of(p, around.box);
    sinr_arena arena = {NULL, 0};
    sinr_joined_layout(&around, p->source.info.channels, height, width, &arena);
    make_room(p, p->patch_size);
    void *memory = sinr_reserve(&arena);
    if (!memory) return SINR_NO_MEMORY;
    sinr_joined_layout(&around, p->source.info.channels, height, width, &arena);
    EACH(n, &tiles) sinr_joined_add(&around, &p->source, n, &p->tiles[n].samples);
    sinr_status status = SINR_NO_MEMORY;
    t->samples = malloc(p->patch_size);
    if (t->samples) {
        p->kept += p->patch_size;
        status = sinr_joined_restore(&around, &p->source, box, t->samples, pool);
    }
    free(memory);
    if (status) drop_patch(p, t);
    return status;
}

/* Does one piece of what some samples lack, if there is any; `left` counts pieces before. */
static sinr_status work(sinr_picture *p, sinr_box shown, bool draft, int *left, sinr_pool *pool) {
    const range patches = patches_of(p, shown);
    int decode = -1, restore = -1;
    p->now++;
    *left = 0;
    EACH(number, &patches) {
        p->patches[number].stamp.used = p->now;
        if (p->patches[number].samples) continue;
        /* The first comes first. What the others need may go until it is their turn. */
        const bool first = draft || restore < 0;
        if (!draft) {
            if (first) restore = number;
            ++*left;
        }
        const sinr_box own = patch_box(p, number);
        const range tiles = tiles_of(p, draft ? own : sinr_source_around(&p->source, own));
        EACH(other, &tiles) {
            tile *t = p->tiles + other;
            if (first) t->stamp.used = p->now;
            if (t->memory) continue;
            if (first && decode < 0) decode = other;
            if (t->stamp.counted != p->now) ++*left;
            t->stamp.counted = p->now;
        }
    }
    if (decode >= 0) return decode_tile(p, decode, pool);
    return restore >= 0 ? restore_patch(p, restore, pool) : SINR_OK;
}

static sinr_box common(const sinr_box *a, const sinr_box *b) {
    return (sinr_box){
        sinr_at_least(a->top, b->top), sinr_at_least(a->left, b->left), sinr_at_most(a->bottom, b->bottom),
        sinr_at_most(a->right, b->right)};
}

/* Copies a part of planes of one box to planes of another. */
static void copy(
    int channels, const sinr_box *part, const int16_t *from, const sinr_box *a, int16_t *to, const sinr_box *b) {
    const size_t wide_a = (size_t)(a->right - a->left), wide_b = (size_t)(b->right - b->left);
    const size_t size_a = (size_t)(a->bottom - a->top) * wide_a, size_b = (size_t)(b->bottom - b->top) * wide_b;
    for (size_t channel = 0; channel < (size_t)channels; channel++)
        for (int y = part->top; y < part->bottom; y++)
            memcpy(
                to + channel * size_b + (size_t)(y - b->top) * wide_b + (size_t)(part->left - b->left),
                from + channel * size_a + (size_t)(y - a->top) * wide_a + (size_t)(part->left - a->left),
                (size_t)(part->right - part->left) * sizeof *to);
}

/* Copies samples that are kept: (channels, rows, columns) of a box. */
static void gather(const sinr_picture *p, sinr_box box, int16_t *samples) {
    const range patches = patches_of(p, box);
    EACH(number, &patches) {
        const sinr_box own = patch_box(p, number), part = common(&own, &box);
        const int around = own.top / SINR_TILE * p->source.cols + own.left / SINR_TILE;
        const sinr_box whole = tile_box(p, around);
        if (p->patches[number].samples)
            copy(p->source.info.channels, &part, p->patches[number].samples, &own, samples, &box);
        else
            copy(p->source.info.channels, &part, p->tiles[around].samples.planes, &whole, samples, &box);
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
    sinr_status status = work(p, box, draft, left, pool);
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
    p->patches = sinr_take(arena, (size_t)p->patch_rows * (size_t)p->patch_cols, sizeof *p->patches);
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
    p->patch_rows = (p->source.height + PATCH - 1) / PATCH;
    p->patch_cols = (p->source.width + PATCH - 1) / PATCH;
    sinr_decoded any;
    sinr_arena arena = {NULL, 0};
    sinr_decoded_layout(&any, &p->source, &arena);
    p->tile_size = arena.used;
    p->patch_size = (size_t)PATCH * PATCH * (size_t)p->source.info.channels * sizeof(int16_t);
    arena.used = 0;
    layout(p, &arena);
    const size_t needed = arena.used;
    p->memory = sinr_reserve(&arena);
    if (!p->memory) {
        free(p);
        return SINR_NO_MEMORY;
    }
    memset(arena.memory, 0, needed);
    layout(p, &arena);
    *picture = p;
    return SINR_OK;
}

void sinr_picture_close(sinr_picture *picture) {
    if (!picture) return;
    for (int n = 0; n < picture->source.rows * picture->source.cols; n++) drop_tile(picture, picture->tiles + n);
    for (int n = 0; n < picture->patch_rows * picture->patch_cols; n++) drop_patch(picture, picture->patches + n);
    free(picture->memory);
    free(picture);
}
