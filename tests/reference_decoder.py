"""A decoder of .sinr files after FORMAT.md: slow, plain, and sharing no code with inrcodec.

Section numbers are those of FORMAT.md. Everything is Python integers and int64 arrays. It checks only what
it needs to; it is here to show that the specification is complete, not to be fed hostile files.
"""

import fractions
import functools
import hashlib
import itertools
import json
import math
import struct
import zlib

import numpy as np
import zstandard

SIZES = (8, 16, 32)
DTYPES = {"U8": "|u1", "U16": "<u2", "I16": "<i2", "I32": "<i4"}


# ---- Section 12: codebooks -------------------------------------------------------------------------------


class Codebook:
    """Tensors of a codebook file by name, pruned matrices unpacked; and its id."""

    def __init__(self, data):
        (length,) = struct.unpack_from("<Q", data)
        header = json.loads(data[8 : 8 + length])
        digest = hashlib.sha256()
        raw = {}
        for name in sorted(set(header) - {"__metadata__"}):
            entry = header[name]
            begin, end = (8 + length + offset for offset in entry["data_offsets"])
            dtype = DTYPES[entry["dtype"]]
            shape = ", ".join(map(str, entry["shape"])) + ("," if len(entry["shape"]) == 1 else "")
            digest.update(f"{name}:{dtype}:({shape});".encode() + data[begin:end])
            raw[name] = np.frombuffer(data[begin:end], dtype).reshape(entry["shape"]).astype(np.int64)
        self.id = digest.digest()[:4]
        self.tensors = raw
        for name in [n.removesuffix(".mask") for n in raw if n.endswith(".mask")]:
            rows, cols = raw[f"{name}.shape"]
            mask = np.unpackbits(raw[f"{name}.mask"].astype(np.uint8))[: rows * cols]
            matrix = np.zeros(rows * cols, np.int64)
            matrix[mask == 1] = raw[f"{name}.survivors"]
            raw[name] = matrix.reshape(rows, cols)
        self.modes = raw["modes"].shape[1]

    def __getitem__(self, name):
        return self.tensors[name]


# ---- Section 1: container --------------------------------------------------------------------------------


class Bytes:
    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, count):
        self.at += count
        assert self.at <= len(self.data), "truncated"
        return self.data[self.at - count : self.at]

    def rest(self):
        return self.take(len(self.data) - self.at)

    def varint(self):
        value = shift = 0
        while True:
            byte = self.take(1)[0]
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value


def decode(data, codebook_data):
    """Pixels (H, W, channels), uint8, of a .sinr file at its native size; and its metadata sections."""
    codebook = Codebook(codebook_data)
    body, (crc,) = data[:-4], struct.unpack("<I", data[-4:])
    assert crc == zlib.crc32(body), "checksum"
    file = Bytes(body)
    assert file.take(5) == b"SINR\x06", "magic or version"
    flags = file.varint()
    assert flags < 512, "reserved flags"
    assert file.take(4) == codebook.id, "codebook"
    width, height, q = file.varint(), file.varint(), file.varint()
    weighting = tuple(file.take(4)) if flags >> 5 & 1 else None
    strength = file.take(1)[0] if flags >> 6 & 1 else 16
    while flags >> 8 & 1 and (kind := file.varint()):
        assert kind % 2, "an extension that must be understood"
        file.take(file.varint())
    sections = {}
    for bit, name in ((0, "alpha"), (1, "icc"), (2, "exif"), (7, "xmp")):
        if flags >> bit & 1:
            sections[name] = unzstd(file.take(file.varint()))
    planes = 1 if flags >> 4 & 1 else 3
    read_tile = read_zstd_tile if flags >> 3 & 1 else read_rans_tile

    # Section 2
    samples = np.zeros((planes, -(-height // 32) * 32, -(-width // 32) * 32), np.int64)
    cell_at: dict[tuple[int, int], Cell] = {}
    tile_rows, tile_cols = -(-height // 1024), -(-width // 1024)
    for number in range(tile_rows * tile_cols):
        top, left = number // tile_cols * 1024, number % tile_cols * 1024
        h, w = min(1024, height - top), min(1024, width - left)
        tile = file.rest() if number == tile_rows * tile_cols - 1 else file.take(file.varint())
        cells, residuals = read_tile(tile, -(-h // 32), -(-w // 32), planes, q, codebook)
        for cell, array in residuals:
            cell.reaches = [last_diagonal(plane) for plane in array]
        tile_samples = reconstruct(cells, residuals, planes, q, weighting, codebook)
        _, padded_h, padded_w = tile_samples.shape
        samples[:, top : top + padded_h, left : left + padded_w] = tile_samples
        cell_at |= {(top // 8 + y, left // 8 + x): cell for (y, x), cell in cells.at.items()}
    growth = weighting[0] if weighting else 0
    told = min((q * (64 + growth)) >> 6, 8192)
    pixels = to_pixels(restore(samples, cell_at, told, strength, codebook))[:height, :width].astype(np.uint8)
    alpha = sections.pop("alpha", None)
    if alpha is not None:
        difference = np.frombuffer(alpha, np.uint8).reshape(height, width)
        pixels = np.dstack([pixels, np.cumsum(difference, axis=1, dtype=np.uint8)])
    return pixels, sections


def unzstd(data):
    return zstandard.ZstdDecompressor().decompressobj().decompress(data)


# ---- Section 3: cells ------------------------------------------------------------------------------------


class Cell:
    """A cell.

    Size in samples, first unit (y, x), n units per side; once decoded prediction mode, transform type and all
    planes' last significant diagonals, as coded (`last_diagonals`) and as residuals have them (`reaches`).
    """

    def __init__(self, size, y, x):
        self.size, self.y, self.x, self.n = size, y, x, size // 8
        self.mode, self.transform, self.last_diagonals, self.reaches = 0, 0, [], []
        self.sees_above_right, self.level = False, 0

    def units(self):
        return [(self.y + i, self.x + j) for i in range(self.n) for j in range(self.n)]

    def sides(self):
        """Units left, above, right and below."""
        y, x, n = self.y, self.x, self.n
        left, above = [(y + i, x - 1) for i in range(n)], [(y - 1, x + i) for i in range(n)]
        return left, above, [(y + i, x + n) for i in range(n)], [(y + n, x + i) for i in range(n)]


class Cells:
    """All cells of a tile in coding order; `at` maps a unit to its cell, `groups` lists the groups."""

    def __init__(self, splits):
        self.rows, self.cols = 4 * len(splits), 4 * len(splits[0])
        self.list = [
            cell for by, line in enumerate(splits) for bx, split in enumerate(line)
            for cell in block_cells(split, 4 * by, 4 * bx)
        ]  # fmt: skip
        self.at: dict[tuple[int, int], Cell] = {}
        for cell in self.list:
            y, x, n = cell.y, cell.x, cell.n
            # `at` holds exactly the cells earlier in coding order.
            cell.sees_above_right = (y - 1, x + n) in self.at
            width = 2 * n if cell.sees_above_right else n
            seen = [(y - 1, x + i) for i in range(-1, width)] + [(y + i, x - 1) for i in range(n)]
            cell.level = 1 + max((self.at[unit].level for unit in seen if unit in self.at), default=-1)
            for unit in cell.units():
                self.at[unit] = cell
        keys = sorted({(cell.level, cell.size) for cell in self.list})
        self.groups = [[c for c in self.list if (c.level, c.size) == key] for key in keys]

    def of_size(self, size):
        return [cell for cell in self.list if cell.size == size]


def block_cells(split, y, x):
    if split == 0:
        return [Cell(32, y, x)]
    z_order = ((0, 0), (0, 1), (1, 0), (1, 1))
    cells = []
    for i, (qy, qx) in enumerate(z_order):
        y0, x0 = y + 2 * qy, x + 2 * qx
        if (split - 1) >> i & 1:
            cells += [Cell(8, y0 + dy, x0 + dx) for dy, dx in z_order]
        else:
            cells.append(Cell(16, y0, x0))
    return cells


# ---- Section 4: the integers of a tile -------------------------------------------------------------------


def last_diagonal(residuals):
    return max((k + m + 1 for k, m in np.argwhere(residuals).tolist()), default=0)


# ---- Section 5: rANS -------------------------------------------------------------------------------------


def lane_count(blocks):
    lanes = 1
    while 2 * lanes <= blocks / 64:
        lanes *= 2
    return lanes


class Rans:
    def __init__(self, stream, lanes):
        self.states = list(struct.unpack_from(f"<{lanes}I", stream))
        self.words = iter(np.frombuffer(stream[4 * lanes :], "<u2").tolist())

    def batch(self, frequencies):
        """Decodes one batch, given the frequencies of every symbol's table."""
        symbols = []
        for j, table in enumerate(frequencies):
            lane = j % len(self.states)
            x = self.states[lane]
            r = x % 2**14
            ends = np.cumsum(table)
            z = int(np.searchsorted(ends, r, side="right"))
            x = int(table[z]) * (x >> 14) + r - int(ends[z] - table[z])
            if x < 2**16:
                x = x * 2**16 + next(self.words)
            self.states[lane] = x
            symbols.append(z)
        return symbols

    def check_end(self):
        assert all(x == 2**16 for x in self.states), "corrupt stream"
        assert next(self.words, None) is None, "words left over"


# ---- Section 6: coding order and contexts ----------------------------------------------------------------


def lm(t):
    return round(8 * math.log2(1 + min(t, 1023) / 16))


def clip(x, low, high):
    return max(low, min(high, x))


def context_table(codebook, name, features, plane):
    """The frequencies that a context network chooses."""
    w1, b1, w2, b2, w3, b3 = (codebook[f"{name}.{kind}{i}"] for i in (1, 2, 3) for kind in ("weight", "bias"))
    h1 = np.clip((w1 @ np.array(features) + b1) >> 6, 0, 255)
    h2 = np.clip((w2 @ h1 + b2) >> 7, 0, 255)
    row = clip(int((w3 @ h2 + b3)[0]) >> 10, 0, 63) + 64 * (plane > 0)
    return codebook[f"{name}.tables"][row]


def read_rans_tile(data, block_rows, block_cols, planes, q, codebook):
    tile = Bytes(data)
    rans = Rans(tile.take(tile.varint()), lane_count(block_rows * block_cols))
    g = (q >= 384) + (q >= 960)
    cells = Cells(read_splits(rans, block_rows, block_cols, g, codebook))
    read_cells(rans, cells, planes, q, g, codebook)
    residuals = read_magnitudes(rans, cells, planes, q, codebook)
    rans.check_end()
    add_plain_bits(residuals, tile.rest())
    return cells, residuals


def read_splits(rans, rows, cols, g, codebook):
    def block_class(y, x):
        if y < 0 or x < 0:
            return 4
        split = splits[y][x]
        return 0 if split == 0 else 1 + ((split - 1).bit_count() + 1) // 2

    splits = [[0] * cols for _ in range(rows)]
    for diagonal in range(rows + cols - 1):
        places = [(y, diagonal - y) for y in range(rows) if 0 <= diagonal - y < cols]
        contexts = [(5 * g + block_class(y - 1, x)) * 5 + block_class(y, x - 1) for y, x in places]
        symbols = rans.batch([codebook["splits"][c] for c in contexts])
        for (y, x), symbol in zip(places, symbols, strict=True):
            splits[y][x] = symbol
    return splits


def read_cells(rans, cells, planes, q, g, codebook):
    """Section 6.4: prediction modes, transform types and last significant diagonals."""
    m1 = codebook.modes + 1

    def mode_at(y, x):
        return cells.at[y, x].mode if (y, x) in cells.at else codebook.modes

    for group in cells.groups:
        size = group[0].size
        base = (3 * g + SIZES.index(size)) * m1
        contexts = [(base + mode_at(c.y - 1, c.x)) * m1 + mode_at(c.y, c.x - 1) for c in group]
        for cell, symbol in zip(group, rans.batch([codebook["modes"][c] for c in contexts]), strict=True):
            cell.mode = symbol
        for plane in range(planes):
            features = [
                diagonal_features(cells, cell, plane, q) + cell_features(codebook, cell) for cell in group
            ]
            tables = [context_table(codebook, f"last_diagonals.{size}", f, plane) for f in features]
            for cell, symbol in zip(group, rans.batch(tables), strict=True):
                cell.last_diagonals.append(symbol)
            if plane == 0:
                coded = [cell for cell in group if cell.last_diagonals[0] > 0]
                rows = []
                for cell in coded:
                    bw = bandwidth(cell, 0)
                    row = (3 * g + SIZES.index(size)) * codebook.modes + cell.mode
                    rows.append(3 * row + (bw >= 4) + (bw >= 12))
                for cell, symbol in zip(
                    coded, rans.batch([codebook["transforms"][r] for r in rows]), strict=True
                ):
                    cell.transform = symbol


def bandwidth(cell, plane):
    return cell.last_diagonals[plane] * (32 // cell.size)


def cell_features(codebook, cell):
    vertical, horizontal = divmod(cell.transform, 6)
    told = [vertical == i for i in range(6)] + [horizontal == i for i in range(6)]
    return [32 * x for x in told + [cell.mode == mode for mode in range(codebook.modes)]]


def diagonal_features(cells, cell, plane, q):
    def bw(unit):
        other = cells.at.get(unit)
        return bandwidth(other, plane) if other and len(other.last_diagonals) > plane else -1

    x = [0] * 19
    left, above, _, _ = cell.sides()
    for i, side in ((0, left), (3, above)):
        around = [bw(unit) for unit in side]
        x[i] = sum(max(b, 0) for b in around) // cell.n
        x[i + 1] = max(around)
        x[i + 2] = 32 * (around[0] < 0)
    for i, unit in enumerate(((cell.y - 1, cell.x - 1), (cell.y - 1, cell.x + cell.n))):
        x[6 + i] = max(bw(unit), 0)
        x[8 + i] = 32 * (bw(unit) < 0)
    for other in range(plane):
        x[10 + 2 * other] = bandwidth(cell, other)
        x[11 + 2 * other] = 32 * (bandwidth(cell, other) == 0)
    x[14], x[15] = 32 * (plane == 1), 32 * (plane == 2)
    x[16] = round(4 * math.log2(1 + q))
    x[17] = min(x[0], x[3])
    x[18] = 32 * (x[1] == 0 and x[4] == 0)
    return x


TRANSFORM_PIECES = (
    [("C", 8)],
    [("S", 8)],
    [("S", 4), ("C", 4)],
    [("C", 2), ("C", 4), ("C", 2)],
    [("C", 3), ("C", 5)],
    [("C", 5), ("C", 3)],
)


@functools.cache
def transform_waves(size, number):
    """Waves of a transform of an axis, as section 8 lists them: (begin and length of the piece, sine?, j)."""
    waves, begin = [], 0
    for kind, eighths in TRANSFORM_PIECES[number]:
        count = size * eighths // 8
        waves += [(begin, count, kind == "S", j) for j in range(count)]
        begin += count
    return sorted(waves, key=lambda wave: (fractions.Fraction(2 * wave[3] + wave[2], wave[1]), wave[0]))


def in_same_piece(size, number, k, further):
    """Place of the wave so much higher in the piece of wave k; None where there is none."""
    waves = transform_waves(size, number)
    begin, count, sine, j = waves[k]
    wanted = (begin, count, sine, j + further)
    return waves.index(wanted) if wanted in waves else None


def read_magnitudes(rans, cells, planes, q, codebook):
    """Magnitude symbols: a list in the order of section 6.6 of (cell, array (planes, s, s))."""
    residuals = [
        (cell, np.zeros((planes, size, size), np.int64)) for size in SIZES for cell in cells.of_size(size)
    ]
    for plane in range(planes):
        spectrum = {unit: np.zeros((9, 9), np.int64) for unit in cells.at}
        for clock in range(62, -1, -1):
            for size in SIZES:
                if clock % (32 // size):
                    continue
                d = clock // (32 // size)
                places = [
                    (cell, array, k, d - k)
                    for cell, array in residuals
                    if cell.size == size and cell.last_diagonals[plane] > d
                    for k in range(size)
                    if 0 <= d - k < size
                ]
                tables = []
                for cell, array, k, m in places:
                    features = magnitude_features(cells, spectrum, plane, q, cell, array, k, m)
                    features += cell_features(codebook, cell)
                    tables.append(context_table(codebook, f"magnitudes.{size}", features, plane))
                p = size // 8
                for (cell, array, k, m), symbol in zip(places, rans.batch(tables), strict=True):
                    array[plane, k, m] = symbol
                    for unit in cell.units():
                        spectrum[unit][k // p, m // p] += 16 // p**2 * symbol
    return residuals


def magnitude_features(cells, spectrum, plane, q, cell, array, k, m):
    size, n, d = cell.size, cell.n, k + m
    c, p, last = 32 // size, size // 8, cell.last_diagonals[plane]

    axes = divmod(cell.transform, 6)

    def a(down, right, of_plane=plane):
        row, column = in_same_piece(size, axes[0], k, down), in_same_piece(size, axes[1], m, right)
        return 0 if row is None or column is None else int(array[of_plane, row, column])

    x = [0] * 41
    higher = [a(1, 0), a(0, 1), a(1, 1), a(2, 0), a(0, 2), a(2, 1) + a(1, 2)]
    x[:7] = [lm(16 * t) for t in [*higher, sum(higher[:5])]]
    i, j = k // p, m // p
    for number, side in enumerate(cell.sides()):
        inside = [unit for unit in side if unit in cells.at]
        here = sum(int(spectrum[u][i, j]) for u in inside)
        beyond = sum(int(spectrum[u][i + 1, j] + spectrum[u][i, j + 1]) for u in inside)
        bw = sum(bandwidth(cells.at[u], plane) for u in inside)
        x[7 + number] = lm(here // n)
        x[11 + number] = lm(beyond // (2 * n))
        x[15 + number] = clip(bw // n - d * c, -32, 32)
    x[19] = 2 * min(last - d, 16)
    x[20] = 48 * (last - d == 1)
    x[21] = last * c
    if plane > 0:
        x[22] = lm(16 * a(0, 0, 0))
        x[23] = lm(4 * (a(1, 0, 0) + a(0, 1, 0) + a(-1, 0, 0) + a(0, -1, 0)))
        x[24] = bandwidth(cell, 0)
    if plane == 2:
        x[25], x[26] = lm(16 * a(0, 0, 1)), 48
    x[27:30] = k * c, m * c, abs(k - m) * c
    x[30] = lm(16 * d)
    x[31:34] = 48 * (k == 0), 48 * (m == 0), 48 * (d == 0)
    x[34] = round(4 * math.log2(1 + q))
    x[35] = lm(16 * a(2, -1))
    x[36] = lm(16 * a(-1, 2))
    x[37] = lm(16 * (a(3, -1) + a(-1, 3)))
    x[38] = lm(16 * (a(3, 0) + a(0, 3) + a(2, 2) + a(3, -2) + a(-2, 3)))
    rows, columns = (
        [wave[0] == transform_waves(size, axis)[place][0] for wave in transform_waves(size, axis)]
        for axis, place in zip(axes, (k, m), strict=True)
    )
    piece = int(array[plane][np.ix_(rows, columns)].sum())
    x[39], x[40] = lm(16 * piece), lm(16 * (int(array[plane].sum()) - piece))
    return x


@functools.cache
def sign_groups(size):
    order = sorted(itertools.product(range(size), repeat=2), key=lambda place: (sum(place), place[0]))
    return [order[i : i + 16] for i in range(0, size * size, 16)]


def add_plain_bits(residuals, data):
    """Section 6.6: turns magnitude symbols into quantised residuals."""
    bits = iter(np.unpackbits(np.frombuffer(data, np.uint8)).tolist())
    signs, hiding, escaped = [], [], []
    for array in (array for _, planes in residuals for array in planes):
        groups = [g for g in sign_groups(len(array)) if sum(array[place] for place in g) >= 4]
        firsts = [next(place for place in group if array[place]) for group in groups]
        hiding += [(array, group, first) for group, first in zip(groups, firsts, strict=True)]
        places = [tuple(place) for place in np.argwhere(array).tolist()]
        signs += [(array, place, next(bits)) for place in places if place not in firsts]
        escaped += [(array, place) for place in places if array[place] == 15]
    for array, place in escaped:
        zeros = 0
        while not next(bits):
            zeros += 1
        number = 1
        for _ in range(zeros):
            number = 2 * number + next(bits)
        array[place] = number + 14
    signs += [(array, first, sum(int(array[place]) for place in group) % 2) for array, group, first in hiding]
    for array, place, sign in signs:
        array[place] *= 1 - 2 * sign
    left = list(bits)
    assert len(left) < 8, "bits left over"
    assert not any(left), "padding"


# ---- Section 7: zstd -------------------------------------------------------------------------------------


def read_zstd_tile(data, block_rows, block_cols, planes, q, codebook):
    width = data[0]
    body = Bytes(unzstd(data[1:]))
    cells = Cells([list(body.take(block_cols)) for _ in range(block_rows)])
    for cell in cells.list:
        cell.mode = body.take(1)[0]
    for cell in cells.list:
        cell.transform = body.take(1)[0]
    byte_planes = np.frombuffer(body.rest(), np.uint8).reshape(width, -1)
    flat = np.ascontiguousarray(byte_planes.T).view(f"<i{width}").ravel().astype(np.int64)
    residuals, begin = [], 0
    for size in SIZES:
        of_size = cells.of_size(size)
        end = begin + planes * size * size * len(of_size)
        arrays = flat[begin:end].reshape(planes, size, size, len(of_size))
        residuals += [(cell, arrays[..., i]) for i, cell in enumerate(of_size)]
        begin = end
    assert begin == len(flat), "length"
    return cells, residuals


# ---- Section 8: reconstruction ---------------------------------------------------------------------------


def slope(luma, chroma, noise):
    spread = int((luma * luma).sum()) + len(luma) * max(1, noise**2)
    return clip((128 * int((luma * chroma).sum()) + spread) // (2 * spread), -48, 48)


def slopes(luma, chroma, size, q):
    """Cross-component prediction: slopes of chroma on luma per harmonic.

    Args are the boundary samples of both planes less their means, the cell's size and the quantiser step.
    """
    ends = np.cumsum([0, 2 * size + 2, 2 * size + 2, size, size])
    fine_luma, fine_chroma = (
        np.concatenate([np.diff(plane[a:b]) for a, b in itertools.pairwise(ends)]) for plane in (luma, chroma)
    )
    low, high = slope(luma, chroma, q // 4), slope(fine_luma, fine_chroma, q // 8)
    high = 0 if low * high <= 0 else min(low, high, key=abs)
    return np.array(
        [[high if 2 * max(k, m) >= size else low for m in range(size)] for k in range(size)], np.int64
    )


SINE = np.array([round(256 * math.sin(2 * math.pi * i / 1024)) for i in range(1024)])


def cosines(size):
    return np.array(
        [
            [
                round(
                    4096
                    * math.sqrt((2 if k else 1) / size)
                    * math.cos(math.pi * k * (2 * i + 1) / (2 * size))
                )
                for i in range(size)
            ]
            for k in range(size)
        ]
    )


def sines(size):
    n = 2 * size + 1
    scale = 4096 * math.sqrt(4 / n)
    return np.array(
        [
            [round(scale * math.sin(math.pi * (2 * k + 1) * (i + 1) / n)) for i in range(size)]
            for k in range(size)
        ]
    )


def transform(size, number):
    """Rows of a transform of an axis: its waves, each zero outside its piece."""
    rows = np.zeros((size, size), np.int64)
    for row, (begin, count, sine, j) in zip(rows, transform_waves(size, number), strict=True):
        row[begin : begin + count] = (sines if sine else cosines)(count)[j]
    return rows


def reconstruct(cells, residuals, planes, q, weighting, codebook):
    """Samples of a tile: (planes, rows, columns)."""
    samples = np.zeros((planes, 8 * cells.rows, 8 * cells.cols), np.int64)
    residual_of = {id(cell): array for cell, array in residuals}
    tables = {size: [transform(size, number) for number in range(6)] for size in SIZES}
    for group in cells.groups:
        for cell in group:
            s, y, x = cell.size, 8 * cell.y, 8 * cell.x
            low = [(k, m) for k in range(s) for m in range(s) if k + m < 16]
            around = [boundary(samples[plane], cell) for plane in range(planes)]
            step = [steps(s, plane, around[0], q, weighting) for plane in range(planes)]
            luma = np.clip(step[0] * residual_of[id(cell)][0], -(2**18), 2**18)
            for plane in range(planes):
                mean, prediction = predict(codebook, cell, around[plane], q, len(low))
                residual = np.clip(step[plane] * residual_of[id(cell)][plane], -(2**18), 2**18)
                if plane == 0:
                    luma_centred = around[0] - mean
                else:
                    chroma_centred = around[plane] - mean
                    residual += (slopes(luma_centred, chroma_centred, s, q) * luma + 32) >> 6
                weight = np.zeros((s, s), np.int64)
                for (k, m), w in zip(low, prediction, strict=True):
                    weight[k, m] = w
                t0, tv, th = tables[s][0], tables[s][cell.transform // 6], tables[s][cell.transform % 6]
                z = t0.T @ weight @ t0 + tv.T @ residual @ th
                drawn = np.clip(((z + 2**23) >> 24) + mean, -8191, 8191)
                samples[plane, y : y + s, x : x + s] = drawn
    return samples


def boundary(plane, cell):
    s, y, x = cell.size, 8 * cell.y, 8 * cell.x
    if y == 0 and x == 0:
        return np.zeros(6 * s + 4, np.int64)
    last = x + (2 * s if cell.sees_above_right else s) - 1
    columns = [clip(column, 0, last) for column in range(x - 2, x + 2 * s)]
    above = [plane[y + r, column] if y else plane[0, x - 1] for r in (-2, -1) for column in columns]
    left = [plane[row, x + c] if x else plane[y - 1, 0] for c in (-2, -1) for row in range(y, y + s)]
    return np.array(above + left)


def steps(s, plane, b, q, weighting):
    """The step of every weight of a cell of s samples in a plane; b is its boundary in plane 0."""
    if weighting is None:
        return np.full((s, s), q, np.int64)
    growth, exponent, factor = weighting[min(plane, 1)], weighting[2], weighting[3] if plane else 64
    mean = (int(b.sum()) + len(b) // 2) // len(b)
    deviation = int(np.abs(b - mean).sum()) // len(b)
    ratio = min((32 * deviation + q // 2) // q, 1023)
    activity = clip(round(64 * (max(ratio, 1) / 16) ** (exponent / 16)), 38, 109)
    diagonal = np.add.outer(np.arange(s), np.arange(s))
    matrix = (64 + 4 * growth * diagonal // s) * factor
    return np.maximum(1, (activity * matrix * q + 2**17) >> 18)


def predict(codebook, cell, b, q, count):
    """Mean of the boundary, and predicted weights of the harmonics that have a prediction."""
    n = len(b)
    mean = (int(b.sum()) + n // 2) // n
    scale = int(np.abs(b - mean).sum()) // n + max(1, q // 16)
    x = np.clip((128 * (b - mean) + scale) // (2 * scale), -1023, 1023)
    name = f"prediction.{cell.size}"
    w1, b1, w2, b2, w3, b3 = (codebook[f"{name}.{kind}{i}"] for i in (1, 2, 3) for kind in ("weight", "bias"))
    h1 = SINE[((w1 @ x + b1) >> 8) % 1024]
    h2 = SINE[((w2 @ h1 + b2) >> 12) % 1024]
    mode = slice(cell.mode * count, (cell.mode + 1) * count)
    o = w3[mode] @ np.concatenate([h2, 4 * x]) + b3[mode]
    return mean, np.clip((o * scale * (cell.size // 8) + 2**19) >> 20, -(2**18), 2**18)


# ---- Section 9: restoration ------------------------------------------------------------------------------


def restore(samples, cell_at, q, strength, codebook):
    """Samples (planes, rows, columns) with the corrections of the restoration network.

    Arrays of positions are (rows, columns, channels); layers that look around leave one less at every side.
    """
    planes, height, width = samples.shape
    layers = {part: len(codebook[f"restoration.{part}.shifts"]) for part in ("head", "branch", "tail")}
    around = (layers["tail"] + 1) // 2 + layers["branch"]
    radius = layers["head"] + 2 * around
    rows, columns = (range(-radius, length // 2 + radius) for length in (height, width))
    x = np.array([[restoration_inputs(samples, cell_at, q, r, c) for c in columns] for r in rows])
    for number in range(1, layers["head"] + 1):
        x = activations(codebook, "head", number, x)
    squares = activations(codebook, "down", 1, to_squares(x))
    for number in range(1, layers["branch"] + 1):
        squares = activations(codebook, "branch", number, squares)
    added = from_squares(convolved(codebook, "up", 1, squares) >> shift(codebook, "up", 1))
    x = np.clip(inner(x, 2 * layers["branch"]) + added, 0, 255)
    for number in range(1, layers["tail"]):
        x = activations(codebook, "tail", number, x)
    last = shift(codebook, "tail", layers["tail"])
    t = from_squares(inner(convolved(codebook, "tail", layers["tail"], x), layers["tail"] % 2))
    corrections = (2 * t[..., :planes].transpose(2, 0, 1) * q * strength + 2 ** (last + 4)) >> (last + 5)
    return np.clip(samples + corrections, -8191, 8191)


def restoration_inputs(samples, cell_at, q, r, c):
    planes, height, width = samples.shape
    x = np.zeros(22, np.int64)
    for plane, i, j in np.ndindex(planes, 2, 2):
        sample = int(samples[plane, clip(2 * r + i, 0, height - 1), clip(2 * c + j, 0, width - 1)])
        x[4 * plane + 2 * i + j] = clip((32 * sample + q) // (2 * q), -1023, 1023)

    def cell(row, column):
        return cell_at[clip(row, 0, height // 2 - 1) // 4, clip(column, 0, width // 2 - 1) // 4]

    here = cell(r, c)
    neighbours = cell(r, c - 1), cell(r, c + 1), cell(r - 1, c), cell(r + 1, c)
    x[12:16] = [16 * (other is not here) for other in neighbours]
    x[16:18] = 16 * (here.size == 8), 16 * (here.size == 32)
    x[18 : 18 + planes] = [(8 * reach + here.size - 1) // here.size for reach in here.reaches]
    x[21] = round(4 * math.log2(1 + q)) - 40
    return x


def convolved(codebook, part, number, x):
    weight, bias = (codebook[f"restoration.{part}.{kind}{number}"] for kind in ("weight", "bias"))
    k = weight.shape[-1]
    height, width = (length - k + 1 for length in x.shape[:2])
    return bias + sum(
        np.einsum("rci,oi->rco", x[i : i + height, j : j + width], weight[:, :, i, j])
        for i in range(k)
        for j in range(k)
    )


def shift(codebook, part, number):
    return int(codebook[f"restoration.{part}.shifts"][number - 1])


def activations(codebook, part, number, x):
    return np.clip(convolved(codebook, part, number, x) >> shift(codebook, part, number), 0, 255)


def to_squares(x):
    """Channel 4a + 2i + j of square (r, c) is channel a of position (2r + i, 2c + j)."""
    height, width, channels = x.shape
    split = x.reshape(height // 2, 2, width // 2, 2, channels)
    return split.transpose(0, 2, 4, 1, 3).reshape(height // 2, width // 2, 4 * channels)


def from_squares(x):
    height, width, channels = x.shape
    split = x.reshape(height, width, channels // 4, 2, 2)
    return split.transpose(0, 3, 1, 4, 2).reshape(2 * height, 2 * width, channels // 4)


def inner(x, margin):
    return x[margin : len(x) - margin, margin : x.shape[1] - margin]


# ---- Section 10: pixels ----------------------------------------------------------------------------------


def to_pixels(samples):
    """Pixels (rows, columns, planes) of samples (planes, rows, columns)."""
    if len(samples) == 1:
        colours = [9459 * samples[0]]
    else:
        a, b, c = samples
        colours = [9459 * a + 11585 * b - 6689 * c, 9459 * a + 13377 * c, 9459 * a - 11585 * b - 6689 * c]
    return np.dstack([np.clip(((t + 2**17) >> 18) + 128, 0, 255) for t in colours])
