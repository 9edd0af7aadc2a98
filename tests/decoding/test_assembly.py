"""Pictures of several tiles: joined, restored as a whole, and made no more often than needed."""

import numpy as np
import pytest
from synthetic import cells_of, draw

from inrcodec.container import TILE
from inrcodec.decoding.assembly import Assembly, Restorer, Tile
from inrcodec.kernels import select
from inrcodec.signal.restoration import restore
from inrcodec.tile.partition import SPLITS, Box, CellMap, Partition

STEP = 160
HEIGHT, WIDTH = TILE + 40, TILE + 72
EDGES = ((0, TILE, TILE + 64), (0, TILE, TILE + 96))
"""Where tiles begin and end, vertically and horizontally: sides are padded to blocks of 32."""


@pytest.fixture(scope="module")
def tiles():
    """Four tiles of noise around flat grey levels, by their boxes."""
    result = {}
    for row in range(2):
        for col in range(2):
            box = EDGES[0][row], EDGES[1][col], EDGES[0][row + 1], EDGES[1][col + 1]
            rows, cols = box[2] - box[0], box[3] - box[1]
            partition = Partition.from_splits(draw(f"splits {box}", (rows // 32, cols // 32), 0, SPLITS - 1))
            noise = draw(f"samples {box}", (1, rows, cols), -150, 150) + 500 * row - 300 * col
            result[box] = Tile(noise.astype(np.int16), cells_of(partition, 1))
    return result


@pytest.fixture(scope="module")
def whole(tiles, synthetic_codebook):
    """The witness: everything restored at once."""
    rows = [[tile for box, tile in tiles.items() if box[0] == top] for top in EDGES[0][:2]]
    planes = np.block([[tile.planes for tile in row] for row in rows])
    owner = np.block(
        [[tile.cells.owner + 10**6 * (2 * i + j) for j, tile in enumerate(r)] for i, r in enumerate(rows)]
    )
    size, last = (
        np.block([[getattr(tile.cells, name) for tile in row] for row in rows])
        for name in ("size", "last_diagonals")
    )
    return restore(synthetic_codebook.restoration, planes, CellMap(owner, size, last), STEP)


def assembly(tiles, codebook, made):
    def make(boxes):
        for box in boxes:
            made.append(box)
            yield tiles[box]

    restorer = Restorer(codebook.restoration, STEP, select())
    return Assembly((HEIGHT, WIDTH), restorer, make, map)


ALL = [(0, 0), (0, TILE), (TILE, 0), (TILE, TILE)]


@pytest.mark.parametrize(
    ("boxes", "needed"),
    [
        ([(0, 0, HEIGHT, WIDTH)], ALL),
        ([(y, 0, min(y + 200, HEIGHT), WIDTH) for y in range(0, HEIGHT, 200)], ALL),
        ([(y, 1010, y + 40, 1031) for y in (900, 930, 700)], ALL[:2]),
        ([(3, 5, 10, 900)], ALL[:1]),
        ([(510, 999, 515, 1000)], ALL[:1]),
        ([(510, 1000, 515, 1001)], ALL[:2]),
        ([(1024, 1024, 1025, 1025)], ALL),
        ([(1048, 1061, 1064, 1096)], ALL[3:]),
    ],
    ids=["whole", "strips", "seam", "inside", "far", "near", "corner", "last"],
)
def test_regions_are_cut_from_the_restored_picture(tiles, whole, synthetic_codebook, boxes, needed):
    """From squares of four samples the network reaches ten positions of two; one more tells a border."""
    assert synthetic_codebook.restoration.margin == 22
    made: list[Box] = []
    found = list(assembly(tiles, synthetic_codebook, made).regions(boxes))
    for (top, left, bottom, right), planes in zip(boxes, found, strict=True):
        assert planes.dtype == np.int16
        assert np.array_equal(planes, whole[:, top:bottom, left:right])
    assert [box[:2] for box in made] == needed


def test_nothing_is_made_ahead(tiles, synthetic_codebook):
    made: list[Box] = []
    regions = assembly(tiles, synthetic_codebook, made).regions([(0, 0, 9, 9), (9, 0, HEIGHT, 9)])
    assert not made
    next(regions)
    assert len(made) == 1
    next(regions)
    assert len(made) == 2
    assert next(regions, None) is None


def test_restoration_crosses_the_borders_of_tiles(tiles, whole, synthetic_codebook):
    """It sees the samples beyond, and the border itself, as far as it reaches."""
    box, tile = next(iter(tiles.items()))
    alone = restore(synthetic_codebook.restoration, tile.planes, tile.cells, STEP)
    changed = np.argwhere((alone != whole[:, : box[2], : box[3]]).any(0))
    assert len(changed) > 1000
    assert (TILE - changed).min(1).max() == synthetic_codebook.restoration.margin
