"""Native-grid reconstruction: survivors in, planes out, in exact integers.

Cells are visited level by level. Each takes its start from the samples around it (`starts`) and what luma
adds to it (`crossplane`), adds the coded difference of its output weights, and evaluates the harmonic SIREN
on its own sample grid. On that grid the network is a separable sum of cosines or sines, so small integer
matrix products do it.
"""

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from inrcodec.signal.cross_component import carried, slopes
from inrcodec.signal.transforms import FEATURE_BITS, axis_features
from inrcodec.tile.fixed_point import SAMPLE_MAX
from inrcodec.tile.partition import (
    SIZES,
    UNIT,
    Partition,
    boundary_indices,
    by_value,
    sample_indices,
)
from inrcodec.tile.symbols import TileSymbols

if TYPE_CHECKING:
    from inrcodec.codebook import Codebook

IntArray = npt.NDArray[np.int64]


class Canvas:
    """Planes under reconstruction, addressed by flat sample index.

    Attributes:
        planes: (C, H * W + 1) float64 integers; the last sample stays zero and stands for "no neighbour".
    """

    def __init__(self, partition: Partition, channels: int, xp: Any = np, device: str = "cpu") -> None:
        rows, cols = partition.owner.shape
        self.height, self.width = rows * UNIT, cols * UNIT
        self.xp = xp
        where = {} if xp is np else {"device": device}
        self.planes: Any = xp.zeros((channels, self.height * self.width + 1), dtype=xp.float64, **where)
        self.features = {s: xp.asarray(axis_features(s), **where) for s in SIZES}
        # Of all cells at once: there are many groups, and few cells in each.
        of_size = {s: partition.of_size(s) for s in SIZES}
        self._around = {s: boundary_indices(partition, c, s, self.width) for s, c in of_size.items()}
        self._inside = {s: sample_indices(partition, c, s, self.width) for s, c in of_size.items()}

    def boundary(self, place: IntArray, size: int) -> Any:
        """Boundary samples of cells, given their places among those of a size: (N, C, boundary_size)."""
        index = self._around[size][place]
        return self.xp.moveaxis(self.planes[:, index], 0, 1)

    def draw(
        self, place: IntArray, size: int, mean: Any, starts: Any, differences: Any, phases: IntArray
    ) -> None:
        """Evaluates cells on the native grid and stores their samples.

        Args:
            place: (N,) positions of the cells among those of their size.
            size: their size.
            mean: (N, C, 1) fixed-point mean of the boundary.
            starts, differences: (N, C, size * size) output weights of the cosines, and of the cell's own
                harmonics; fixed-point integers, vertical harmonic first.
            phases: (N,) which harmonics are a cell's own.
        """
        xp, axes = self.xp, self.features[size]
        shape = (*mean.shape[:2], size, size)
        # |weights| <= 2**20 and features below 2**11.5: with 32 terms twice, sums stay below 2**53.
        samples = xp.matmul(xp.matmul(axes[0].T, starts.reshape(shape)), axes[0])
        for phase, chosen in by_value(phases):
            part = differences.reshape(shape)[chosen]
            samples[chosen] += xp.matmul(xp.matmul(axes[phase // 3].T, part), axes[phase % 3])
        half = 2.0 ** (2 * FEATURE_BITS - 1)
        samples = xp.floor((samples + half) / (2 * half)).reshape(*mean.shape[:2], size * size) + mean
        samples = xp.clip(samples, -SAMPLE_MAX, SAMPLE_MAX)
        self.planes[:, self._inside[size][place]] = xp.moveaxis(samples, 0, 1)

    def image(self) -> Any:
        """The planes as (C, H, W)."""
        return self.planes[:, :-1].reshape(len(self.planes), self.height, self.width)


def reconstruct(
    symbols: TileSymbols, step: int, codebook: "Codebook", xp: Any = np, device: str = "cpu"
) -> Any:
    """Planes of a tile.

    Args:
        symbols: the tile's integers.
        step: quantiser step in fixed-point units.
        codebook: supplies the start networks.
        xp: numpy or torch.
        device: torch device.

    Returns:
        (C, H, W) float64 integers, H and W the padded tile's.
    """
    partition = symbols.partition
    channels = next(iter(symbols.values.values())).shape[1]
    canvas = Canvas(partition, channels, xp, device)
    networks = {s: n if xp is np else n.to(xp, device) for s, n in codebook.starts.items()}
    scaled: dict[int, Any] = {}
    for size, values in symbols.values.items():
        weights = (values * step).reshape(len(values), channels, size * size).astype(np.float64)
        scaled[size] = weights if xp is np else xp.as_tensor(weights, device=device)
    for size, cells, place in partition.fewer_groups():
        network = networks[size]
        boundary = canvas.boundary(place, size)
        mean, scale, features = network.look(boundary, step, xp)
        differences = scaled[size][place]
        differences += carried(slopes(boundary, mean, step, xp), differences[:, :1], xp)
        starts = xp.zeros_like(differences)
        starts[..., network.harmonics] = network.mode_starts(features, scale, symbols.modes[cells], xp)
        canvas.draw(place, size, mean, starts, differences, symbols.phases[cells])
    return canvas.image()
