/* From a file to pixels. A view is rendered strip by strip: the tiles that a strip touches are decoded, unless they
 * are from the strip before; what lies around it is joined from them, restored, and becomes pixels. Where a row of the
 * result needs more than a strip, it is gathered from several. */
#include "bounds.h"
#include "rendering.h"
#include "resampling.h"
#include "source.h"

#include <math.h>
#include <stdbool.h>

#define STRIP_PIXELS (1 << 20)     /* of the result */
#define STRIP_SAMPLES (1 << 22)    /* of the picture, or of its rows at the width of the result */
#define STRIP_ROWS (SINR_TILE / 2) /* of the picture: so few that they touch no more than two rows of tiles */

typedef struct {
    int number; /* in the picture, in raster order; -1 while there is none */
    sinr_decoded samples;
} tile;

/* What a tile to be decoded is. */
typedef struct {
    tile *to;
    int number;
    sinr_status status;
} job;

typedef struct {
    sinr_source source;
    sinr_view view;
    unsigned char *pixels;
    sinr_pool *pool;
    bool native;     /* each pixel of the result is one of the picture */
    int strip;       /* rows of the result that are rendered at a time */
    int piece;       /* rows of the picture that a row of the result is gathered from; 0 if it is not */
    int left, right; /* columns that are restored */
    int around_width, around_rows; /* of what is joined for it; how many rows at most */
    int first_tile, across;        /* columns of tiles that it takes */
    int kept;                      /* rows of tiles that are kept: one lies at its number modulo this */
    int workers;
    tile *tiles; /* (kept, across) */
    job *jobs;   /* (kept * across) */
    sinr_workspace *workspace;
    sinr_joined around;
    int16_t *restored;
    float *sums;       /* (channels, right - left) of a row that is gathered */
    int16_t *gathered; /* likewise, rounded */
    sinr_grid rows, cols;
} decoding;

/* Tiles */

static void run_job(void *context, int piece, int number) {
    const decoding *d = context;
    job *j = d->jobs + piece;
    j->status = sinr_source_decode(&d->source, d->workspace + number, j->number, &j->to->samples, NULL);
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
            int number = row * d->source.cols + col;
            tile *t = tile_at(d, row, col);
            if (t->number == number) continue;
            t->number = -1;
            d->jobs[count++] = (job){t, number, SINR_OK};
        }
    if (count == 1)
        d->jobs->status =
            sinr_source_decode(&d->source, d->workspace, d->jobs->number, &d->jobs->to->samples, d->pool);
    else
        sinr_run(d->pool, run_job, (void *)(uintptr_t)d, count);
    for (int i = 0; i < count; i++) {
        if (d->jobs[i].status) return d->jobs[i].status;
        d->jobs[i].to->number = d->jobs[i].number;
    }
    return SINR_OK;
}

/* Strips */

/* Restores rows `top` ... `bottom` - 1, which are even. */
static sinr_status restore(decoding *d, int top, int bottom) {
    const sinr_box box = {top, d->left, bottom, d->right};
    const sinr_box around = sinr_source_around(&d->source, box);
    if (around.bottom - around.top > d->around_rows) return SINR_TOO_LARGE;
    const int first = around.top / SINR_TILE, last = (around.bottom - 1) / SINR_TILE + 1;
    sinr_status status = decode_tiles(d, first, last);
    if (status) return status;
    d->around.box = around;
    for (int row = first; row < last; row++)
        for (int col = d->first_tile; col < d->first_tile + d->across; col++)
            sinr_joined_add(&d->around, &d->source, row * d->source.cols + col, &tile_at(d, row, col)->samples);
    return sinr_joined_restore(&d->around, &d->source, box, d->restored, d->pool);
}

/* Adds what a row of the result takes of rows `top` ... `bottom` - 1, which are restored. */
static void add_rows(const decoding *d, int top, int bottom) {
    const size_t row = (size_t)(d->right - d->left);
    for (int t = 0; t < d->rows.taps; t++) {
        const int y = d->rows.index[t];
        if (y < top || y >= bottom) continue;
        for (int channel = 0; channel < d->source.info.channels; channel++) {
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
    const size_t row = (size_t)(d->right - d->left), count = (size_t)d->source.info.channels * row;
    int first, last;
    sinr_grid_fill(&d->rows, v->y + number * pitch, v->y + (number + 1) * pitch, 1, d->source.info.height);
    sinr_grid_range(&d->rows, &first, &last);
    for (size_t i = 0; i < count; i++) d->sums[i] = 0;
    last = sinr_round_up(last, SINR_SQUARE);
    for (int top = sinr_round_down(first, SINR_SQUARE); top < last; top += d->piece) {
        const int bottom = sinr_at_most(top + d->piece, last);
        sinr_status status = restore(d, top, bottom);
        if (status) return status;
        add_rows(d, top, bottom);
    }
    /* A sample is a sixteenth of a level: to round it moves no pixel by more than that. */
    for (size_t i = 0; i < count; i++) d->gathered[i] = (int16_t)lrintf(d->sums[i]);
    const sinr_axis rows = {1, 1, &first_row, &all};
    const sinr_axis cols = {d->cols.count, d->cols.taps, d->cols.index, d->cols.weight};
    unsigned char *pixels = d->pixels + (size_t)number * (size_t)v->columns * (size_t)d->source.info.channels;
    return sinr_resample(
        d->gathered, row, row, d->source.info.channels, 1, (int)row, &rows, &cols, pixels, d->pool);
}

/* Renders rows `begin` ... `end` - 1 of the result. */
static sinr_status render(decoding *d, int begin, int end) {
    const sinr_view *v = &d->view;
    const double pitch = (double)v->height / v->rows;
    int first = v->y + begin, last = v->y + end;
    if (!d->native) {
        sinr_grid_fill(&d->rows, v->y + begin * pitch, v->y + end * pitch, end - begin, d->source.info.height);
        sinr_grid_range(&d->rows, &first, &last);
    }
    const int top = sinr_round_down(first, SINR_SQUARE), bottom = sinr_round_up(last, SINR_SQUARE);
    const int channels = d->source.info.channels;
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
    int samples = sinr_at_most(STRIP_ROWS, STRIP_SAMPLES / sinr_at_least(v->width, v->columns));
    int64_t strip = (int64_t)samples * v->rows / v->height;
    d->strip = sinr_at_least(sinr_at_most(strip < v->rows ? (int)strip : v->rows, STRIP_PIXELS / v->columns), 1);
    d->piece = strip ? 0 : sinr_round_up(samples, SINR_SQUARE);
    int rows = d->piece;
    if (!d->piece) {
        rows = (int)(((int64_t)d->strip * v->height + v->rows - 1) / v->rows) + 2 * SINR_SQUARE;
        if (!d->native) rows += 2 * sinr_taps_max(v->height, v->rows);
    }
    d->around_rows = sinr_at_most(rows + 2 * (d->source.margin + SINR_UNIT), d->source.height);
    d->kept = sinr_at_most(d->source.rows, (d->around_rows - 1) / SINR_TILE + 2);
}

/* Columns `first` ... `last` - 1 are needed. */
static void plan_columns(decoding *d, int first, int last) {
    d->left = sinr_round_down(first, SINR_SQUARE);
    d->right = sinr_round_up(last, SINR_SQUARE);
    const sinr_box around = sinr_source_around(&d->source, (sinr_box){0, d->left, 0, d->right});
    d->around_width = around.right - around.left;
    d->first_tile = around.left / SINR_TILE;
    d->across = (around.right - 1) / SINR_TILE + 1 - d->first_tile;
    d->workers = sinr_at_most(sinr_workers(d->pool), d->kept * d->across);
}

static void layout(decoding *d, sinr_arena *arena) {
    const size_t channels = (size_t)d->source.info.channels, tiles = (size_t)d->kept * (size_t)d->across;
    const size_t around = (size_t)d->around_rows * (size_t)d->around_width;
    sinr_source_layout(&d->source, arena);
    d->tiles = sinr_take(arena, tiles, sizeof *d->tiles);
    d->jobs = sinr_take(arena, tiles, sizeof *d->jobs);
    d->workspace = sinr_take(arena, (size_t)d->workers, sizeof *d->workspace);
    for (size_t i = 0; i < tiles; i++) {
        tile t = {.number = -1};
        sinr_decoded_layout(&t.samples, &d->source, arena);
        if (d->tiles) d->tiles[i] = t;
    }
    for (int i = 0; i < d->workers; i++) {
        sinr_workspace w;
        sinr_workspace_layout(&w, &d->source, arena);
        if (d->workspace) d->workspace[i] = w;
    }
    sinr_joined_layout(&d->around, d->source.info.channels, d->around_rows, d->around_width, arena);
    d->restored = sinr_take(arena, around * channels, sizeof *d->restored);
    const size_t gathered = d->piece ? (size_t)(d->right - d->left) * channels : 0;
    d->sums = sinr_take(arena, gathered, sizeof *d->sums);
    d->gathered = sinr_take(arena, gathered, sizeof *d->gathered);
    if (!d->native) sinr_grid_layout(&d->rows, d->strip, sinr_taps_max(d->view.height, d->view.rows), arena);
}

static sinr_status render_all(decoding *d) {
    sinr_arena arena = {NULL, 0};
    layout(d, &arena);
    if (arena.used > SIZE_MAX / 4) return SINR_TOO_LARGE;
    void *memory = sinr_reserve(&arena);
    if (!memory) return SINR_NO_MEMORY;
    layout(d, &arena);
    sinr_status status = SINR_OK;
    for (int begin = 0; begin < d->view.rows && !status; begin += d->strip)
        status = d->piece ? gather(d, begin) : render(d, begin, sinr_at_most(begin + d->strip, d->view.rows));
    free(memory);
    return status;
}

/* The columns of another size than the picture's own. */
static sinr_status resample_all(decoding *d) {
    const sinr_view *v = &d->view;
    const int taps = sinr_taps_max(v->width, v->columns);
    int first, last;
    sinr_arena arena = {NULL, 0};
    sinr_grid_layout(&d->cols, v->columns, taps, &arena);
    void *memory = sinr_reserve(&arena);
    if (!memory) return SINR_NO_MEMORY;
    sinr_grid_layout(&d->cols, v->columns, taps, &arena);
    sinr_grid_fill(&d->cols, v->x, v->x + v->width, v->columns, d->source.info.width);
    sinr_grid_range(&d->cols, &first, &last);
    plan_columns(d, first, last);
    sinr_grid_from(&d->cols, d->left);
    sinr_status status = render_all(d);
    free(memory);
    return status;
}

sinr_status sinr_decode(
    const void *file, size_t size, const sinr_codebook *codebook, const sinr_view *view, unsigned char *pixels,
    sinr_pool *pool) {
    if (!codebook || !pixels) return SINR_ARGUMENT;
    decoding d = {.pixels = pixels, .pool = pool};
    sinr_status status = sinr_source_open(file, size, codebook, &d.source);
    if (status) return status;
    const sinr_info *info = &d.source.info;
    const sinr_view whole = {0, 0, info->width, info->height, info->width, info->height};
    d.view = view ? *view : whole;
    if (!makes_sense(&d.view, info)) return SINR_ARGUMENT;
    if (d.view.columns > SINR_LENGTH_MAX || d.view.rows > SINR_LENGTH_MAX ||
        (int64_t)d.view.columns * d.view.rows > SINR_PIXELS_MAX)
        return SINR_TOO_LARGE;
    d.native = d.view.columns == d.view.width && d.view.rows == d.view.height;
    plan_rows(&d);
    if (!d.native) return resample_all(&d);
    plan_columns(&d, d.view.x, d.view.x + d.view.width);
    return render_all(&d);
}
