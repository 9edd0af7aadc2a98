/* From a file to pixels. A view is rendered strip by strip: the tiles that a strip touches are decoded, unless they
 * are from the strip before; what lies around it is joined from them, restored, and becomes pixels. Where a row of the
 * result needs more than a strip, it is gathered from several. */
#include "bounds.h"
#include "codebook.h"
#include "container.h"
#include "memory.h"
#include "rendering.h"
#include "resampling.h"
#include "tile.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

#define STRIP_PIXELS (1 << 20)     /* of the result */
#define STRIP_SAMPLES (1 << 22)    /* of the picture, unless a row takes more */
#define STRIP_ROWS (SINR_TILE / 2) /* of the picture: so few that they touch no more than two rows of tiles */
#define TILE_UNITS ((SINR_TILE / SINR_UNIT) * (SINR_TILE / SINR_UNIT))

/* A decoded tile. */
typedef struct {
    int number;      /* in the picture, in raster order; -1 while there is none */
    int16_t *planes; /* (channels, rows, columns), padded to whole blocks */
    int32_t *owner;  /* (rows / 8, columns / 8) numbers of cells in the picture */
    uint8_t *sizes;  /* likewise, of them in samples */
} tile;

/* What a thread decodes a tile with. */
typedef struct {
    sinr_integers integers;
    sinr_partition partition;
} worker;

/* What a tile to be decoded is. */
typedef struct {
    tile *to;
    int number;
    sinr_status status;
} job;

typedef struct {
    const uint8_t *file;
    const sinr_codebook *codebook;
    sinr_info info;
    sinr_view view;
    unsigned char *pixels;
    sinr_pool *pool;
    bool native;       /* each pixel of the result is one of the picture */
    int height, width; /* of the picture, padded to whole blocks */
    int strip;         /* rows of the result that are rendered at a time */
    int piece;         /* rows of the picture that a row of the result is gathered from at a time; 0 if it is not */
    int left, right;   /* columns that are restored */
    int around_left, around_right, around_rows; /* what is joined for it; how many rows at most */
    int first_tile, across;                     /* columns of tiles that it takes */
    int kept; /* rows of tiles that are kept: one lies at its number modulo this */
    int workers;
    sinr_section *coded;
    tile *tiles; /* (kept, across) */
    job *jobs;   /* (kept * across) */
    worker *worker;
    int16_t *planes, *restored;
    int32_t *owner;
    uint8_t *sizes;
    float *sums;       /* (channels, right - left) of a row that is gathered */
    int16_t *gathered; /* likewise, rounded */
    sinr_grid rows, cols;
} decoding;

/* Whole multiples that are no longer, or no shorter; of a power of two. */
static int round_down(int value, int unit) { return value & -unit; }
static int round_up(int value, int unit) { return (value + unit - 1) & -unit; }

/* Samples to either side that restoration has to know, cells included: one position more tells borders. */
static int margin_of(const decoding *d) { return (sinr_restorer_radius(d->codebook->restorer) + 1) * SINR_FOLD; }

/* Tiles */

static int tile_length(int length, int number) { return sinr_at_most(SINR_TILE, length - number * SINR_TILE); }

static sinr_status decode_tile(const decoding *d, const worker *w, tile *to, int number, sinr_pool *pool) {
    const int columns = sinr_tiles_along(d->width), channels = d->info.channels;
    const int rows = tile_length(d->height, number / columns) / SINR_BLOCK;
    const int cols = tile_length(d->width, number % columns) / SINR_BLOCK;
    const sinr_section coded = d->coded[number];
    const sinr_quantiser quantiser = {d->info.step, d->info.luma, d->info.chroma, d->info.activity, d->info.ratio};
    sinr_status status = sinr_read_tile(
        d->codebook->entropy, d->file + coded.offset, coded.length, rows, cols, channels, d->info.step,
        &w->integers, pool);
    if (!status)
        status = sinr_draw_tile(
            &w->integers, rows, cols, channels, &quantiser, d->codebook->predictors, to->planes, pool);
    if (status) return status;
    sinr_partition partition = w->partition;
    partition.block_rows = rows;
    partition.block_cols = cols;
    partition.rows = 4 * rows;
    partition.cols = 4 * cols;
    sinr_partition_fill(&partition, w->integers.splits);
    for (int unit = 0; unit < partition.rows * partition.cols; unit++) {
        int cell = partition.owner[unit];
        to->sizes[unit] = (uint8_t)sinr_size(partition.cell + cell);
        to->owner[unit] = number * TILE_UNITS + cell;
    }
    to->number = number;
    return SINR_OK;
}

static void run_job(void *context, int piece, int number) {
    const decoding *d = context;
    job *j = d->jobs + piece;
    j->status = decode_tile(d, d->worker + number, j->to, j->number, NULL);
}

/* The tile of a row and column of tiles. */
static tile *tile_at(const decoding *d, int row, int col) {
    return d->tiles + row % d->kept * d->across + col - d->first_tile;
}

/* Decodes what is missing of some rows of tiles, `first` ... `last` - 1. */
static sinr_status decode_tiles(const decoding *d, int first, int last) {
    int count = 0;
    for (int row = first; row < last; row++)
        for (int col = d->first_tile; col < d->first_tile + d->across; col++) {
            int number = row * sinr_tiles_along(d->width) + col;
            tile *t = tile_at(d, row, col);
            if (t->number == number) continue;
            t->number = -1;
            d->jobs[count++] = (job){t, number, SINR_OK};
        }
    if (count == 1) return decode_tile(d, d->worker, d->jobs->to, d->jobs->number, d->pool);
    sinr_run(d->pool, run_job, (void *)(uintptr_t)d, count);
    for (int i = 0; i < count; i++)
        if (d->jobs[i].status) return d->jobs[i].status;
    return SINR_OK;
}

/* Strips */

/* Copies what lies in rows `top` ... `bottom` - 1 of the picture from its tiles. */
static void join(const decoding *d, int top, int bottom) {
    const int width = d->around_right - d->around_left, height = bottom - top;
    for (int row = top / SINR_TILE; row * SINR_TILE < bottom; row++)
        for (int col = d->first_tile; col < d->first_tile + d->across; col++) {
            const tile *t = tile_at(d, row, col);
            const int y0 = sinr_at_least(top, row * SINR_TILE), y1 = sinr_at_most(bottom, (row + 1) * SINR_TILE);
            const int x0 = sinr_at_least(d->around_left, col * SINR_TILE);
            const size_t count = (size_t)(sinr_at_most(d->around_right, (col + 1) * SINR_TILE) - x0);
            const int tall = tile_length(d->height, row), wide = tile_length(d->width, col);
            for (int channel = 0; channel < d->info.channels; channel++)
                for (int y = y0; y < y1; y++) {
                    size_t from = ((size_t)channel * (size_t)tall + (size_t)(y - row * SINR_TILE)) * (size_t)wide;
                    size_t to = ((size_t)channel * (size_t)height + (size_t)(y - top)) * (size_t)width;
                    memcpy(
                        d->planes + to + (x0 - d->around_left), t->planes + from + (x0 - col * SINR_TILE),
                        count * sizeof *d->planes);
                }
            for (int y = y0; y < y1; y += SINR_UNIT) {
                size_t from = (size_t)((y - row * SINR_TILE) / SINR_UNIT * (wide / SINR_UNIT));
                size_t to = (size_t)((y - top) / SINR_UNIT) * (size_t)(width / SINR_UNIT);
                from += (size_t)((x0 - col * SINR_TILE) / SINR_UNIT);
                to += (size_t)((x0 - d->around_left) / SINR_UNIT);
                memcpy(d->owner + to, t->owner + from, count / SINR_UNIT * sizeof *d->owner);
                memcpy(d->sizes + to, t->sizes + from, count / SINR_UNIT);
            }
        }
}

/* Restores rows `top` ... `bottom` - 1, which are even. */
static sinr_status restore(const decoding *d, int top, int bottom) {
    const int margin = margin_of(d);
    const int above = sinr_at_least(round_down(top - margin, SINR_UNIT), 0);
    const int below = sinr_at_most(round_up(bottom + margin, SINR_UNIT), d->height);
    if (below - above > d->around_rows) return SINR_TOO_LARGE;
    sinr_status status = decode_tiles(d, above / SINR_TILE, (below - 1) / SINR_TILE + 1);
    if (status) return status;
    join(d, above, below);
    const sinr_unrestored around = {d->info.channels, below - above, d->around_right - d->around_left,
                                    d->planes,        d->owner,      d->sizes};
    const sinr_box box = {top - above, d->left - d->around_left, bottom - above, d->right - d->around_left};
    return sinr_restore(d->codebook->restorer, &around, d->info.step, &box, d->restored, d->pool);
}

/* Adds what a row of the result takes of rows `top` ... `bottom` - 1, which are restored. */
static void add_rows(const decoding *d, int top, int bottom) {
    const size_t row = (size_t)(d->right - d->left);
    for (int t = 0; t < d->rows.taps; t++) {
        const int y = d->rows.index[t];
        if (y < top || y >= bottom) continue;
        for (int channel = 0; channel < d->info.channels; channel++) {
            const int16_t *from =
                d->restored + ((size_t)channel * (size_t)(bottom - top) + (size_t)(y - top)) * row;
            float *to = d->sums + (size_t)channel * row;
            for (size_t x = 0; x < row; x++) to[x] += d->rows.weight[t] * from[x];
        }
    }
}

/* Renders row `number` of the result, which takes more of the picture than may be restored at a time. */
static sinr_status gather(decoding *d, int number) {
    static const int32_t first_row = 0;
    static const float all = 1;
    const sinr_view *v = &d->view;
    const double pitch = (double)v->height / v->rows;
    const size_t row = (size_t)(d->right - d->left), count = (size_t)d->info.channels * row;
    int first, last;
    sinr_grid_fill(&d->rows, v->y + number * pitch, v->y + (number + 1) * pitch, 1, d->info.height);
    sinr_grid_range(&d->rows, &first, &last);
    for (size_t i = 0; i < count; i++) d->sums[i] = 0;
    last = round_up(last, SINR_FOLD);
    for (int top = round_down(first, SINR_FOLD); top < last; top += d->piece) {
        const int bottom = sinr_at_most(top + d->piece, last);
        sinr_status status = restore(d, top, bottom);
        if (status) return status;
        add_rows(d, top, bottom);
    }
    /* A sample is a sixteenth of a level: to round it moves no pixel by more than that. */
    for (size_t i = 0; i < count; i++) d->gathered[i] = (int16_t)lrintf(d->sums[i]);
    const sinr_axis rows = {1, 1, &first_row, &all};
    const sinr_axis cols = {d->cols.count, d->cols.taps, d->cols.index, d->cols.weight};
    unsigned char *pixels = d->pixels + (size_t)number * (size_t)v->columns * (size_t)d->info.channels;
    return sinr_resample(d->gathered, row, row, d->info.channels, 1, (int)row, &rows, &cols, pixels, d->pool);
}

/* Renders rows `begin` ... `end` - 1 of the result. */
static sinr_status render(decoding *d, int begin, int end) {
    const sinr_view *v = &d->view;
    const double pitch = (double)v->height / v->rows;
    int first = v->y + begin, last = v->y + end;
    if (!d->native) {
        sinr_grid_fill(&d->rows, v->y + begin * pitch, v->y + end * pitch, end - begin, d->info.height);
        sinr_grid_range(&d->rows, &first, &last);
    }
    const int top = round_down(first, SINR_FOLD), bottom = round_up(last, SINR_FOLD), channels = d->info.channels;
    sinr_status status = restore(d, top, bottom);
    if (status) return status;
    const size_t row = (size_t)(d->right - d->left), plane = row * (size_t)(bottom - top);
    unsigned char *pixels = d->pixels + (size_t)begin * (size_t)v->columns * (size_t)channels;
    if (d->native) {
        const int16_t *samples = d->restored + (size_t)(first - top) * row + (v->x - d->left);
        sinr_to_pixels(samples, plane, row, channels, end - begin, v->width, pixels);
        return SINR_OK;
    }
    const sinr_axis rows = sinr_grid_from(&d->rows, top);
    const sinr_axis cols = {d->cols.count, d->cols.taps, d->cols.index, d->cols.weight};
    return sinr_resample(
        d->restored, plane, row, channels, bottom - top, d->right - d->left, &rows, &cols, pixels, d->pool);
}

/* All of it */

static bool makes_sense(const sinr_view *v, const sinr_info *info) {
    if (v->x < 0 || v->y < 0 || v->width < 1 || v->height < 1) return false;
    if (v->width > info->width - v->x || v->height > info->height - v->y) return false;
    return v->columns >= 1 && v->rows >= 1;
}

/* How the work is divided, but for the columns that are needed. */
static void plan_rows(decoding *d) {
    const sinr_view *v = &d->view;
    int samples = sinr_at_most(STRIP_ROWS, STRIP_SAMPLES / v->width);
    int64_t strip = (int64_t)samples * v->rows / v->height;
    d->strip = sinr_at_least(sinr_at_most(strip < v->rows ? (int)strip : v->rows, STRIP_PIXELS / v->columns), 1);
    d->piece = strip ? 0 : round_up(samples, SINR_FOLD);
    int rows = d->piece;
    if (!d->piece) {
        rows = (int)(((int64_t)d->strip * v->height + v->rows - 1) / v->rows) + 2 * SINR_FOLD;
        if (!d->native) rows += 2 * sinr_taps_max(v->height, v->rows);
    }
    d->around_rows = sinr_at_most(rows + 2 * (margin_of(d) + SINR_UNIT), d->height);
    d->kept = sinr_at_most(sinr_tiles_along(d->height), (d->around_rows - 1) / SINR_TILE + 2);
}

/* Columns `first` ... `last` - 1 are needed. */
static void plan_columns(decoding *d, int first, int last) {
    const int margin = margin_of(d);
    d->left = round_down(first, SINR_FOLD);
    d->right = round_up(last, SINR_FOLD);
    d->around_left = sinr_at_least(round_down(d->left - margin, SINR_UNIT), 0);
    d->around_right = sinr_at_most(round_up(d->right + margin, SINR_UNIT), d->width);
    d->first_tile = d->around_left / SINR_TILE;
    d->across = (d->around_right - 1) / SINR_TILE + 1 - d->first_tile;
    d->workers = sinr_at_most(sinr_workers(d->pool), d->kept * d->across);
}

static void layout(decoding *d, sinr_arena *arena) {
    const size_t channels = (size_t)d->info.channels, tiles = (size_t)d->kept * (size_t)d->across;
    const size_t around = (size_t)d->around_rows * (size_t)(d->around_right - d->around_left);
    const int tile_rows = sinr_at_most(d->height, SINR_TILE), tile_cols = sinr_at_most(d->width, SINR_TILE);
    const size_t samples = (size_t)tile_rows * (size_t)tile_cols, units = samples / (SINR_UNIT * SINR_UNIT);
    const size_t all_tiles = (size_t)sinr_tiles_along(d->height) * (size_t)sinr_tiles_along(d->width);
    d->coded = sinr_take(arena, all_tiles, sizeof *d->coded);
    d->tiles = sinr_take(arena, tiles, sizeof *d->tiles);
    d->jobs = sinr_take(arena, tiles, sizeof *d->jobs);
    d->worker = sinr_take(arena, (size_t)d->workers, sizeof *d->worker);
    for (size_t i = 0; i < tiles; i++) {
        tile t = {.number = -1};
        t.planes = sinr_take(arena, samples * channels, sizeof *t.planes);
        t.owner = sinr_take(arena, units, sizeof *t.owner);
        t.sizes = sinr_take(arena, units, sizeof *t.sizes);
        if (d->tiles) d->tiles[i] = t;
    }
    for (int i = 0; i < d->workers; i++) {
        worker w;
        w.integers.splits = sinr_take(arena, units / 16, sizeof *w.integers.splits);
        w.integers.modes = sinr_take(arena, units, sizeof *w.integers.modes);
        w.integers.transforms = sinr_take(arena, units, sizeof *w.integers.transforms);
        w.integers.residuals = sinr_take(arena, samples * channels, sizeof *w.integers.residuals);
        sinr_partition_layout(&w.partition, tile_rows / SINR_BLOCK, tile_cols / SINR_BLOCK, arena);
        if (d->worker) d->worker[i] = w;
    }
    d->planes = sinr_take(arena, around * channels, sizeof *d->planes);
    d->restored = sinr_take(arena, around * channels, sizeof *d->restored);
    d->owner = sinr_take(arena, around / (SINR_UNIT * SINR_UNIT), sizeof *d->owner);
    d->sizes = sinr_take(arena, around / (SINR_UNIT * SINR_UNIT), sizeof *d->sizes);
    const size_t gathered = d->piece ? (size_t)(d->right - d->left) * channels : 0;
    d->sums = sinr_take(arena, gathered, sizeof *d->sums);
    d->gathered = sinr_take(arena, gathered, sizeof *d->gathered);
    if (!d->native) sinr_grid_layout(&d->rows, d->strip, sinr_taps_max(d->view.height, d->view.rows), arena);
}

static sinr_status render_all(decoding *d, size_t size) {
    sinr_arena arena = {NULL, 0};
    layout(d, &arena);
    if (arena.used > SIZE_MAX / 4) return SINR_TOO_LARGE;
    void *memory = sinr_reserve(&arena);
    if (!memory) return SINR_NO_MEMORY;
    layout(d, &arena);
    sinr_find_tiles(d->file, size, &d->info, d->coded);
    sinr_status status = SINR_OK;
    for (int begin = 0; begin < d->view.rows && !status; begin += d->strip)
        status = d->piece ? gather(d, begin) : render(d, begin, sinr_at_most(begin + d->strip, d->view.rows));
    free(memory);
    return status;
}

/* The columns of another size than the picture's own. */
static sinr_status resample_all(decoding *d, size_t size) {
    const sinr_view *v = &d->view;
    const int taps = sinr_taps_max(v->width, v->columns);
    int first, last;
    sinr_arena arena = {NULL, 0};
    sinr_grid_layout(&d->cols, v->columns, taps, &arena);
    void *memory = sinr_reserve(&arena);
    if (!memory) return SINR_NO_MEMORY;
    sinr_grid_layout(&d->cols, v->columns, taps, &arena);
    sinr_grid_fill(&d->cols, v->x, v->x + v->width, v->columns, d->info.width);
    sinr_grid_range(&d->cols, &first, &last);
    plan_columns(d, first, last);
    sinr_grid_from(&d->cols, d->left);
    sinr_status status = render_all(d, size);
    free(memory);
    return status;
}

sinr_status sinr_decode(
    const void *file, size_t size, const sinr_codebook *codebook, const sinr_view *view, unsigned char *pixels,
    sinr_pool *pool) {
    if (!codebook || !pixels) return SINR_ARGUMENT;
    decoding d = {.file = file, .codebook = codebook, .pixels = pixels, .pool = pool};
    sinr_status status = sinr_inspect(file, size, &d.info);
    if (status) return status;
    if (d.info.zstd) return SINR_UNSUPPORTED;
    if (memcmp(d.info.codebook, codebook->id, sizeof d.info.codebook)) return SINR_CODEBOOK;
    const sinr_view whole = {0, 0, d.info.width, d.info.height, d.info.width, d.info.height};
    d.view = view ? *view : whole;
    if (!makes_sense(&d.view, &d.info)) return SINR_ARGUMENT;
    if (d.view.columns > SINR_LENGTH_MAX || d.view.rows > SINR_LENGTH_MAX ||
        (int64_t)d.view.columns * d.view.rows > SINR_PIXELS_MAX)
        return SINR_TOO_LARGE;
    d.native = d.view.columns == d.view.width && d.view.rows == d.view.height;
    d.height = round_up(d.info.height, SINR_BLOCK);
    d.width = round_up(d.info.width, SINR_BLOCK);
    plan_rows(&d);
    if (!d.native) return resample_all(&d, size);
    plan_columns(&d, d.view.x, d.view.x + d.view.width);
    return render_all(&d, size);
}
