#include "codebook.h"

#include "memory.h"
#include "networks.h"
#include "sha256.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Bounds of FORMAT.md, section 12; and no codebook has more tensors, lengths in a shape or letters in a name. */
enum { MODES_MAX = 255, WIDTH_MAX = 512, LAYERS_MAX = SINR_LAYERS_MAX, CHANNELS_MAX = SINR_CHANNELS_MAX };
enum { TENSORS_MAX = 512, RANK_MAX = 4, NAME_MAX_ = 80 };
/* Tables; networks and tables of last diagonals and magnitudes; prediction networks, packed; shifts. */
enum { TENSORS_BUT_LAYERS = 3 + 2 * SINR_SIZES * (SINR_TENSORS + 1) + SINR_SIZES * (3 * 3 + 3) + 5 };
#define LENGTH_MAX ((uint64_t)1 << 28)

/* ---- safetensors ---- */

typedef struct {
    const char *code; /* in the file */
    const char *name; /* in the text that is hashed */
    int bytes;
} type;

static const type TYPES[] = {{"U8", "|u1", 1}, {"U16", "<u2", 2}, {"I16", "<i2", 2}, {"I32", "<i4", 4}};
enum { TYPE_COUNT = sizeof TYPES / sizeof *TYPES };

typedef struct {
    const char *begin;
    size_t length;
} string;

typedef struct {
    string name;
    const type *type;
    int rank;
    int shape[RANK_MAX];
    uint64_t begin, end; /* of the data */
} tensor;

typedef struct {
    const uint8_t *data;
    uint64_t size;
    int count;
    tensor tensors[TENSORS_MAX]; /* by name */
} safetensors;

/* JSON that is not yet read; what does not parse is left where it is. */
typedef struct {
    const char *at, *end;
} json;

static void skip_space(json *j) {
    while (j->at < j->end && (*j->at == ' ' || *j->at == '\t' || *j->at == '\n' || *j->at == '\r')) j->at++;
}

/* Whether the next character is this one, which is read then. */
static bool take(json *j, char c) {
    skip_space(j);
    if (j->at == j->end || *j->at != c) return false;
    j->at++;
    return true;
}

static bool is_hexadecimal(char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

/* What follows a backslash. */
static bool skip_escape(json *j) {
    if (j->at == j->end || !*j->at || !strchr("\"\\/bfnrtu", *j->at)) return false;
    if (*j->at++ != 'u') return true;
    for (int i = 0; i < 4; i++)
        if (j->at == j->end || !is_hexadecimal(*j->at++)) return false;
    return true;
}

static bool read_string(json *j, string *s) {
    if (!take(j, '"')) return false;
    s->begin = j->at;
    while (j->at < j->end) {
        unsigned char c = (unsigned char)*j->at++;
        if (c == '"') {
            s->length = (size_t)(j->at - s->begin) - 1;
            return true;
        }
        if (c < ' ' || (c == '\\' && !skip_escape(j))) return false;
    }
    return false;
}

/* A string without escapes, of printable ASCII. */
static bool read_name(json *j, string *s) {
    if (!read_string(j, s)) return false;
    for (size_t i = 0; i < s->length; i++)
        if (s->begin[i] < ' ' || s->begin[i] > '~' || s->begin[i] == '\\') return false;
    return true;
}

static bool read_number(json *j, uint64_t *number) {
    skip_space(j);
    const char *begin = j->at;
    *number = 0;
    while (j->at < j->end && *j->at >= '0' && *j->at <= '9') {
        *number = 10 * *number + (uint64_t)(*j->at++ - '0');
        if (*number > (uint64_t)1 << 48) return false;
    }
    return j->at > begin && (j->at == begin + 1 || *begin != '0');
}

static bool is(string s, const char *text) { return s.length == strlen(text) && !memcmp(s.begin, text, s.length); }

static bool read_numbers(json *j, uint64_t *numbers, int most, int *count) {
    *count = 0;
    if (!take(j, '[')) return false;
    if (take(j, ']')) return true;
    do {
        if (*count == most || !read_number(j, numbers + (*count)++)) return false;
    } while (take(j, ','));
    return take(j, ']');
}

static bool read_type(json *j, const type **found) {
    string code;
    if (*found || !read_name(j, &code)) return false;
    for (int i = 0; i < TYPE_COUNT && !*found; i++)
        if (is(code, TYPES[i].code)) *found = TYPES + i;
    return *found != NULL;
}

/* Whether shape and place of a tensor's data agree. */
static bool set_shape(tensor *t, const uint64_t *shape, uint64_t size) {
    uint64_t length = (uint64_t)t->type->bytes;
    for (int i = 0; i < t->rank; i++) {
        if (shape[i] > LENGTH_MAX) return false;
        t->shape[i] = (int)shape[i];
        length *= shape[i];
        if (length > LENGTH_MAX) return false;
    }
    return t->begin <= t->end && t->end <= size && t->end - t->begin == length;
}

static bool read_tensor(json *j, tensor *t, uint64_t size) {
    uint64_t shape[RANK_MAX], place[2];
    int places = 0;
    t->type = NULL;
    t->rank = -1;
    if (!take(j, '{')) return false;
    do {
        string key;
        if (!read_name(j, &key) || !take(j, ':')) return false;
        if (is(key, "dtype")) {
            if (!read_type(j, &t->type)) return false;
        } else if (is(key, "shape")) {
            if (t->rank >= 0 || !read_numbers(j, shape, RANK_MAX, &t->rank)) return false;
        } else if (!is(key, "data_offsets") || places || !read_numbers(j, place, 2, &places)) {
            return false;
        }
    } while (take(j, ','));
    if (!take(j, '}') || !t->type || t->rank < 0 || places != 2) return false;
    t->begin = place[0];
    t->end = place[1];
    return set_shape(t, shape, size);
}

static bool skip_metadata(json *j) {
    string text;
    if (!take(j, '{')) return false;
    if (take(j, '}')) return true;
    do {
        if (!read_string(j, &text) || !take(j, ':') || !read_string(j, &text)) return false;
    } while (take(j, ','));
    return take(j, '}');
}

static int compare_names(string a, string b) {
    int order = memcmp(a.begin, b.begin, a.length < b.length ? a.length : b.length);
    return order ? order : a.length < b.length ? -1 : a.length > b.length;
}

static int by_name(const void *a, const void *b) {
    return compare_names(((const tensor *)a)->name, ((const tensor *)b)->name);
}

static int by_place(const void *a, const void *b) {
    const tensor *first = a, *second = b;
    if (first->begin != second->begin) return first->begin < second->begin ? -1 : 1;
    return first->end < second->end ? -1 : first->end > second->end;
}

/* Whether tensors lie one after another and have names of their own; by name then. */
static bool arrange(safetensors *file) {
    tensor *t = file->tensors;
    uint64_t end = 0;
    qsort(t, (size_t)file->count, sizeof *t, by_place);
    for (int i = 0; i < file->count; i++) {
        if (t[i].begin != end) return false;
        end = t[i].end;
    }
    if (end != file->size) return false;
    qsort(t, (size_t)file->count, sizeof *t, by_name);
    for (int i = 1; i < file->count; i++)
        if (!compare_names(t[i - 1].name, t[i].name)) return false;
    return true;
}

static uint64_t little(const uint8_t *bytes, int count) {
    uint64_t value = 0;
    for (int i = 0; i < count; i++) value |= (uint64_t)bytes[i] << (8 * i);
    return value;
}

static bool read_file(safetensors *file, const uint8_t *bytes, size_t size) {
    if (size < 8 || size > LENGTH_MAX) return false;
    uint64_t length = little(bytes, 8);
    if (length > size - 8) return false;
    file->data = bytes + 8 + length;
    file->size = size - 8 - length;
    file->count = 0;
    json j = {(const char *)bytes + 8, (const char *)bytes + 8 + length};
    if (j.at == j.end || *j.at != '{' || !take(&j, '{')) return false;
    bool metadata = false;
    do {
        string name;
        if (!read_name(&j, &name) || !take(&j, ':')) return false;
        if (is(name, "__metadata__")) {
            if (metadata || !skip_metadata(&j)) return false;
            metadata = true;
            continue;
        }
        if (file->count == TENSORS_MAX || name.length > NAME_MAX_) return false;
        tensor *t = file->tensors + file->count++;
        t->name = name;
        if (!read_tensor(&j, t, file->size)) return false;
    } while (take(&j, ','));
    if (!take(&j, '}')) return false;
    skip_space(&j);
    return j.at == j.end && arrange(file);
}

static void identify(const safetensors *file, uint8_t id[4]) {
    sinr_sha256 hash;
    uint8_t digest[SINR_SHA256_BYTES];
    sinr_sha256_start(&hash);
    for (const tensor *t = file->tensors; t < file->tensors + file->count; t++) {
        char text[16 * RANK_MAX];
        int at = snprintf(text, sizeof text, ":%s:(", t->type->name);
        for (int i = 0; i < t->rank; i++)
            at += snprintf(text + at, sizeof text - (size_t)at, i ? ", %d" : "%d", t->shape[i]);
        at += snprintf(text + at, sizeof text - (size_t)at, t->rank == 1 ? ",);" : ");");
        sinr_sha256_add(&hash, t->name.begin, t->name.length);
        sinr_sha256_add(&hash, text, (size_t)at);
        sinr_sha256_add(&hash, file->data + t->begin, (size_t)(t->end - t->begin));
    }
    sinr_sha256_end(&hash, digest);
    memcpy(id, digest, 4);
}

/* ---- tensors ---- */

/* Where codebooks are made; both arenas count at first. */
typedef struct {
    safetensors file;
    sinr_arena kept, scratch;
    size_t largest; /* that scratch became */
} maker;

#define ANY -1 /* length */

/* The tensor of a name, type and shape; NULL if there is none. */
static const tensor *find(const maker *m, const char *code, int rank, const int *shape, const char *format, ...) {
    char name[NAME_MAX_ + 1];
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(name, sizeof name, format, arguments);
    va_end(arguments);
    const tensor wanted = {.name = {name, (size_t)length}};
    const tensor *t = bsearch(&wanted, m->file.tensors, (size_t)m->file.count, sizeof *t, by_name);
    if (!t || t->rank != rank || strcmp(t->type->code, code)) return NULL;
    for (int i = 0; i < rank; i++)
        if (shape[i] != ANY && shape[i] != t->shape[i]) return NULL;
    return t;
}

static size_t count_of(const tensor *t) { return (size_t)(t->end - t->begin) / (size_t)t->type->bytes; }

static int16_t int16_at(const uint8_t *bytes, size_t i) {
    int32_t value = (int32_t)little(bytes + 2 * i, 2);
    return (int16_t)(value < 0x8000 ? value : value - 0x10000);
}

static int32_t int32_at(const uint8_t *bytes, size_t i) {
    int64_t value = (int64_t)little(bytes + 4 * i, 4);
    return (int32_t)(value < 0x80000000 ? value : value - 0x100000000);
}

/* A tensor's numbers in scratch; NULL while counting. */
static const void *numbers(maker *m, const tensor *t) {
    size_t count = count_of(t);
    const uint8_t *from = m->file.data + t->begin;
    void *to = sinr_take(&m->scratch, count, (size_t)t->type->bytes);
    if (!to) return NULL;
    if (t->type->bytes == 2)
        for (size_t i = 0; i < count; i++) ((uint16_t *)to)[i] = (uint16_t)little(from + 2 * i, 2);
    else
        for (size_t i = 0; i < count; i++) ((int32_t *)to)[i] = int32_at(from, i);
    return to;
}

/* Those of a tensor of that name, type and shape, which is not empty. */
static bool load(maker *m, const void **to, const char *code, int rank, const int *shape, const char *name) {
    const tensor *t = find(m, code, rank, shape, "%s", name);
    if (!t || !count_of(t)) return false;
    *to = numbers(m, t);
    return true;
}

/* A pruned matrix. */
static bool load_packed(maker *m, const void **to, int rows, int columns, const char *name) {
    const int two[] = {2}, any[] = {ANY};
    const tensor *shape = find(m, "I32", 1, two, "%s.shape", name);
    const tensor *mask = find(m, "U8", 1, any, "%s.mask", name);
    const tensor *survivors = find(m, "I16", 1, any, "%s.survivors", name);
    if (!shape || !mask || !survivors) return false;
    const uint8_t *lengths = m->file.data + shape->begin, *bits = m->file.data + mask->begin;
    if (int32_at(lengths, 0) != rows || int32_at(lengths, 1) != columns) return false;
    size_t count = (size_t)rows * (size_t)columns, alive = 0, used = 0;
    if (count_of(mask) != (count + 7) / 8) return false;
    for (size_t i = 0; i < 8 * count_of(mask); i++) {
        bool one = bits[i / 8] >> (7 - i % 8) & 1;
        if (one && i >= count) return false;
        alive += one;
    }
    if (count_of(survivors) != alive) return false;
    int16_t *weights = sinr_take(&m->scratch, count, sizeof *weights);
    *to = weights;
    if (!weights) return true;
    for (size_t i = 0; i < count; i++) {
        bool one = bits[i / 8] >> (7 - i % 8) & 1;
        weights[i] = one ? int16_at(m->file.data + survivors->begin, used++) : 0;
    }
    return true;
}

/* Length of a vector of at most `most` numbers; 0 if there is none. */
static int length_of(const maker *m, const char *prefix, const char *part, int most) {
    const int any[] = {ANY};
    const tensor *t = find(m, "I32", 1, any, "%s.%s", prefix, part);
    return t && t->shape[0] <= most ? t->shape[0] : 0;
}

/* ---- networks ---- */

/* Memory for a network. */
static void *place(maker *m, size_t bytes) {
    if (m->scratch.used > m->largest) m->largest = m->scratch.used;
    return sinr_take(&m->kept, bytes, 1);
}

/* Whether no sum of a layer of a context network exceeds 24 bits. */
static bool bounded(const int32_t *weights, const int32_t *biases, int outputs, int inputs) {
    const int64_t inputs_max = 255, bound = 1 << 24;
    for (int o = 0; o < outputs; o++) {
        int64_t sum = llabs((int64_t)biases[o]);
        for (int i = 0; i < inputs && sum < bound; i++) sum += inputs_max * llabs((int64_t)*(weights + i));
        if (sum >= bound) return false;
        weights += inputs;
    }
    return true;
}

static bool load_context(maker *m, const char *prefix, int features, int symbols, int hidden[2], const void **to) {
    hidden[0] = length_of(m, prefix, "bias1", WIDTH_MAX);
    hidden[1] = length_of(m, prefix, "bias2", WIDTH_MAX);
    const int widths[] = {features, hidden[0], hidden[1], 1}, tables[] = {2 * SINR_ROWS, symbols};
    char name[NAME_MAX_];
    for (int i = 0; i < 3; i++) {
        const int shape[] = {widths[i + 1], widths[i]};
        snprintf(name, sizeof name, "%s.weight%d", prefix, i + 1);
        if (!load(m, to + 2 * i, "I32", 2, shape, name)) return false;
        snprintf(name, sizeof name, "%s.bias%d", prefix, i + 1);
        if (!load(m, to + 2 * i + 1, "I32", 1, shape, name)) return false;
        if (to[0] && !bounded(to[2 * i], to[2 * i + 1], shape[0], shape[1])) return false;
    }
    snprintf(name, sizeof name, "%s.tables", prefix);
    return load(m, to + SINR_TENSORS, "U16", 2, tables, name);
}

static sinr_status make_entropy(maker *m, int modes, sinr_entropy **entropy) {
    const void *tensors[3 + 2 * SINR_SIZES * (SINR_TENSORS + 1)];
    const int splits[] = {75, SINR_SPLITS}, mode[] = {9 * (modes + 1) * (modes + 1), modes};
    const int transforms[] = {9 * modes * SINR_BANDWIDTHS, SINR_TRANSFORMS};
    int hidden[2 * SINR_SIZES][2];
    m->scratch.used = 0;
    if (!load(m, tensors, "U16", 2, splits, "splits") || !load(m, tensors + 1, "U16", 2, mode, "modes") ||
        !load(m, tensors + 2, "U16", 2, transforms, "transforms"))
        return SINR_CODEBOOK;
    for (int i = 0; i < 2 * SINR_SIZES; i++) {
        bool magnitudes = i >= SINR_SIZES;
        int size = 8 << i % SINR_SIZES, symbols = magnitudes ? SINR_MAGNITUDES : 2 * size;
        char prefix[NAME_MAX_ / 2];
        snprintf(prefix, sizeof prefix, "%s.%d", magnitudes ? "magnitudes" : "last_diagonals", size);
        int features = sinr_context_features(magnitudes, modes);
        if (!load_context(m, prefix, features, symbols, hidden[i], tensors + 3 + i * (SINR_TENSORS + 1)))
            return SINR_CODEBOOK;
    }
    size_t bytes;
    sinr_status status = sinr_entropy_make(modes, hidden[0], tensors, NULL, &bytes);
    if (status) return status;
    *entropy = place(m, bytes);
    return *entropy ? sinr_entropy_make(modes, hidden[0], tensors, *entropy, &bytes) : SINR_OK;
}

static sinr_status make_predictor(maker *m, int size, int modes, sinr_predictor **predictor) {
    const void *tensors[SINR_TENSORS];
    char prefix[NAME_MAX_ / 2], name[NAME_MAX_];
    snprintf(prefix, sizeof prefix, "prediction.%d", size);
    int hidden = length_of(m, prefix, "bias1", WIDTH_MAX), boundary = sinr_boundary_size(size);
    if (!hidden) return SINR_CODEBOOK;
    int outputs[] = {hidden, hidden, modes * sinr_predicted_count(size)};
    int inputs[] = {boundary, hidden, hidden + boundary};
    m->scratch.used = 0;
    for (int i = 0; i < 3; i++) {
        snprintf(name, sizeof name, "%s.weight%d", prefix, i + 1);
        if (!load_packed(m, tensors + 2 * i, outputs[i], inputs[i], name)) return SINR_CODEBOOK;
        snprintf(name, sizeof name, "%s.bias%d", prefix, i + 1);
        if (!load(m, tensors + 2 * i + 1, "I32", 1, outputs + i, name)) return SINR_CODEBOOK;
    }
    size_t bytes;
    sinr_status status = sinr_predictor_make(size, hidden, modes, tensors, NULL, &bytes);
    if (status) return status;
    *predictor = place(m, bytes);
    return *predictor ? sinr_predictor_make(size, hidden, modes, tensors, *predictor, &bytes) : SINR_OK;
}

/* The parts of a restoration network, in order, and whether their layers look at positions around. */
static const struct {
    const char *prefix;
    bool around;
} PARTS[] = {
    {"restoration.head", true}, {"restoration.down", false}, {"restoration.branch", true},
    {"restoration.up", false},  {"restoration.tail", true},
};
enum { PART_COUNT = sizeof PARTS / sizeof *PARTS, HEAD = 0, DOWN, BRANCH, UP, TAIL };

static sinr_status make_restorer(maker *m, sinr_restorer **restorer) {
    enum { ALL_MAX = 3 * LAYERS_MAX + 2 };
    const void *tensors[2 * ALL_MAX];
    int channels[ALL_MAX], shifts[ALL_MAX], layers[PART_COUNT], all = 0, inputs = SINR_RESTORER_IN, width = 0;
    m->scratch.used = 0;
    for (int part = 0; part < PART_COUNT; part++) {
        char name[NAME_MAX_];
        const char *prefix = PARTS[part].prefix;
        layers[part] = length_of(m, prefix, "shifts", PARTS[part].around ? LAYERS_MAX : 1);
        snprintf(name, sizeof name, "%s.shifts", prefix);
        const tensor *listed = find(m, "I32", 1, layers + part, name);
        if (!listed) return SINR_CODEBOOK;
        if (part == DOWN) inputs = 4 * (width = inputs);
        if (part == TAIL) inputs = width;
        for (int n = 1; n <= layers[part]; n++, all++) {
            snprintf(name, sizeof name, "bias%d", n);
            channels[all] = length_of(m, prefix, name, part == UP ? 4 * CHANNELS_MAX : CHANNELS_MAX);
            const int shape[] = {channels[all], inputs, PARTS[part].around ? 3 : 1, PARTS[part].around ? 3 : 1};
            snprintf(name, sizeof name, "%s.weight%d", prefix, n);
            if (!load(m, tensors + 2 * all, "I16", 4, shape, name)) return SINR_CODEBOOK;
            snprintf(name, sizeof name, "%s.bias%d", prefix, n);
            if (!load(m, tensors + 2 * all + 1, "I32", 1, shape, name)) return SINR_CODEBOOK;
            shifts[all] = int32_at(m->file.data + listed->begin, (size_t)n - 1);
            inputs = channels[all];
        }
    }
    if (m->file.count != TENSORS_BUT_LAYERS + 2 * all) return SINR_CODEBOOK;
    const sinr_restorer_shape shape = {layers[HEAD], layers[BRANCH], layers[TAIL], channels};
    size_t bytes;
    sinr_status status = sinr_restorer_make(&shape, tensors, shifts, NULL, &bytes);
    if (status) return status;
    *restorer = place(m, bytes);
    return *restorer ? sinr_restorer_make(&shape, tensors, shifts, *restorer, &bytes) : SINR_OK;
}

/* Counts, or makes. */
static sinr_status make(maker *m, sinr_codebook **made) {
    sinr_codebook counted, *book = sinr_take(&m->kept, 1, sizeof *book);
    *made = book;
    if (!book) book = &counted;
    int predicted = sinr_predicted_count(8), outputs = length_of(m, "prediction.8", "bias3", MODES_MAX * predicted);
    int modes = outputs / predicted;
    if (!outputs || outputs % predicted) return SINR_CODEBOOK;
    sinr_status status = make_entropy(m, modes, &book->entropy);
    for (int i = 0; i < SINR_SIZES && !status; i++) status = make_predictor(m, 8 << i, modes, book->predictors + i);
    return status ? status : make_restorer(m, &book->restorer);
}

sinr_status sinr_codebook_make(
    const void *bytes, size_t size, void *memory, size_t *needed, const sinr_codebook **codebook) {
    if (!bytes || !needed || (memory && !codebook)) return SINR_ARGUMENT;
    maker m = {.largest = 0};
    sinr_codebook *made;
    if (!read_file(&m.file, bytes, size)) return SINR_CODEBOOK;
    sinr_status status = make(&m, &made);
    if (status) return status;
    /* Where scratch begins, so that it is aligned. */
    size_t kept = (m.kept.used + SINR_ALIGNMENT - 1) / SINR_ALIGNMENT * SINR_ALIGNMENT;
    if (m.kept.used > SIZE_MAX / 4 || m.largest > SIZE_MAX / 4) return SINR_TOO_LARGE;
    *needed = kept + m.largest + SINR_ALIGNMENT;
    if (!memory) return SINR_OK;
    uint8_t *aligned = (uint8_t *)memory + (SINR_ALIGNMENT - (uintptr_t)memory % SINR_ALIGNMENT) % SINR_ALIGNMENT;
    m.kept = (sinr_arena){aligned, 0};
    m.scratch = (sinr_arena){aligned + kept, 0};
    status = make(&m, &made);
    if (status) return status;
    identify(&m.file, made->id);
    *codebook = made;
    return SINR_OK;
}

const unsigned char *sinr_codebook_id(const sinr_codebook *codebook) { return codebook->id; }
