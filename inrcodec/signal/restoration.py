"""Restoration: a small convolutional network that takes coding noise out of decoded planes, in integers.

Cells are quantised independently: what is left of the quantisation noise jumps from cell to cell and rings
beside edges. The network sees the decoded samples in units of the quantiser step, where the borders of cells
lie, how large cells are and how far their residuals reach, and predicts the error of every sample. It is the
last stage of decoding: no cell is predicted from restored samples.

Samples are handled in squares of FOLD x FOLD, one position of the network each. The network has the shape of
a U (Ronneberger, Fischer, Brox 2015): what its head makes of the positions is also looked at by a branch, in
squares of 2 x 2 positions, which sees twice as far for a quarter of the work and whose result is added back
before the tail. Weights and activations are bounded so that every float32 sum is an exact integer below
2**24; they may be added in any order.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from inrcodec.container import FULL_STRENGTH
from inrcodec.runtime.threads import one_blas_thread, threads
from inrcodec.tile.fixed_point import SAMPLE_MAX, log_step
from inrcodec.tile.partition import UNIT, Box, CellMap

FOLD = 2
"""Samples of a position, per axis."""
PLANES = 3
SAMPLES = PLANES * FOLD**2
"""Sample inputs and outputs of a position: plane by plane, rows first."""
INPUTS = SAMPLES + 10
"""Inputs: the samples, four borders, two cell sizes, three reaches, and the quantiser step."""
ONE = 16
"""An input of one: a quantiser step in a sample, or a condition that holds."""
INPUT_MAX = 1023
HIDDEN_MAX = 255
"""An activation of one."""
TYPICAL_LOG_STEP = 40.0
"""`log_step` of a middling quantiser step; the input is the difference from it."""
INPUT_BOUNDS = np.array([INPUT_MAX] * SAMPLES + [ONE] * (INPUTS - SAMPLES - 1) + [TYPICAL_LOG_STEP])
"""Largest magnitude of every input."""

_PART = (64, 512)
"""Rows and columns of positions that are restored at a time."""
_WINDOW = 512
"""Positions of one matrix product; its operands stay in the cache."""

FloatArray = npt.NDArray[np.float64]
Planes = npt.NDArray[np.int16]
Float32Array = npt.NDArray[np.float32]
IntArray = npt.NDArray[np.int64]
Array = TypeVar("Array", bound=Any)


def inputs(planes: Planes, cells: CellMap, step: int, rows: IntArray, cols: IntArray) -> Float32Array:
    """Inputs of the network at some positions; those outside are continued from the nearest inside.

    Args:
        planes: (1 or 3, H, W) int16 reconstructed samples; chroma of grey is zero.
        cells: (H / 8, W / 8) units and the cells that cover them.
        step: quantiser step in fixed-point units.
        rows: (R,) rows of positions, ascending; 0 ... H / 2 - 1 are inside.
        cols: (S,) columns, likewise; 0 ... W / 2 - 1 are inside.

    Returns:
        (INPUTS, R, S) integers in float32, within INPUT_BOUNDS.
    """
    result = np.zeros((INPUTS, len(rows), len(cols)), np.float32)
    y, x = (
        np.clip(np.repeat(index * FOLD, FOLD) + np.tile(np.arange(FOLD), len(index)), 0, length - 1)
        for index, length in zip((rows, cols), planes.shape[1:], strict=True)
    )
    samples = planes[:, y[:, None], x].astype(np.float64)
    # An array, not a number: see CONTRIBUTING.md on exact arithmetic.
    divisor = np.full((1, 1, 1), 2.0 * step)
    scaled = np.clip(np.floor((samples * (2 * ONE) + step) / divisor), -INPUT_MAX, INPUT_MAX)
    result[: len(planes) * FOLD**2] = squares_of(scaled)

    def of_cells(values: IntArray, down: int = 0, right: int = 0) -> IntArray:
        unit_rows, unit_cols = (
            np.clip(index + shift, 0, units * (UNIT // FOLD) - 1) // (UNIT // FOLD)
            for index, shift, units in zip((rows, cols), (down, right), values.shape, strict=True)
        )
        found: IntArray = values[unit_rows[:, None], unit_cols]
        return found

    here, sizes = of_cells(cells.owner), of_cells(cells.size)
    conditions = (
        *(of_cells(cells.owner, *shift) != here for shift in ((0, -1), (0, 1), (-1, 0), (1, 0))),
        sizes == 8,
        sizes == 32,
    )
    for number, condition in enumerate(conditions):
        result[SAMPLES + number] = ONE * condition
    for plane, last in enumerate(cells.last_diagonals):
        # Rounded up: of a cell that something is coded of, this is not zero.
        result[SAMPLES + len(conditions) + plane] = -(-of_cells(last) * ONE // (2 * sizes))
    result[-1] = log_step(step) - TYPICAL_LOG_STEP
    return result


@dataclass(frozen=True, eq=False)
class Layer:
    """A convolution.

    Attributes:
        weight: (out, in, k, k), integers in float32.
        bias: (out,), integers in float32.
        shift: the right shift after it, 0 to 24.
    """

    weight: Float32Array
    bias: Float32Array
    shift: int


KERNELS = {"head": 3, "down": 1, "branch": 3, "up": 1, "tail": 3}
"""The parts of the network in order, and the sides of their kernels."""


def radius_of(head: int, branch: int, tail: int) -> int:
    """`RestorationNetwork.radius` of one with so many layers in these parts."""
    # The tail needs whole squares of the branch.
    return head + FOLD * (branch + -(-tail // FOLD))


@dataclass(frozen=True, eq=False)
class RestorationNetwork:
    """The network: convolutions, and clipped ReLUs after all but the last and `up`.

    A result of one is HIDDEN_MAX, and a quantiser step in the last layer. The branch sees squares of 2 x 2
    positions, see `squares_of`.

    Attributes:
        head: layers from INPUTS to A channels.
        down: from squares of these, 4 A channels, to those of the branch.
        branch: layers of the branch.
        up: from the branch's channels to 4 A. Its results are added to those of the head, and clipped.
        tail: layers from A channels to SAMPLES.
    """

    head: tuple[Layer, ...]
    down: Layer
    branch: tuple[Layer, ...]
    up: Layer
    tail: tuple[Layer, ...]

    @classmethod
    def of(cls, parts: Mapping[str, Sequence[Layer]]) -> "RestorationNetwork":
        """A network of the layers of each of KERNELS."""
        (down,), (up,) = parts["down"], parts["up"]
        return cls(tuple(parts["head"]), down, tuple(parts["branch"]), up, tuple(parts["tail"]))

    @classmethod
    def identity(cls) -> "RestorationNetwork":
        """A network that changes nothing."""
        shapes = {"head": (1, INPUTS), "down": (1, 4), "branch": (1, 1), "up": (4, 1), "tail": (SAMPLES, 1)}
        return cls.of(
            {
                part: [Layer(np.zeros((out, ins, k, k), np.float32), np.zeros(out, np.float32), 0)]
                for (part, (out, ins)), k in zip(shapes.items(), KERNELS.values(), strict=True)
            }
        )

    @property
    def parts(self) -> dict[str, tuple[Layer, ...]]:
        """The layers of each of KERNELS."""
        return {
            "head": self.head,
            "down": (self.down,),
            "branch": self.branch,
            "up": (self.up,),
            "tail": self.tail,
        }

    @property
    def layers(self) -> tuple[Layer, ...]:
        """All layers in order."""
        return tuple(layer for part in self.parts.values() for layer in part)

    @property
    def radius(self) -> int:
        """Positions to either side whose samples a position's result depends on."""
        return radius_of(len(self.head), len(self.branch), len(self.tail))

    @property
    def margin(self) -> int:
        """Samples to either side that have to be known, cells included: one position more tells borders."""
        return (self.radius + 1) * FOLD


def restore(
    network: RestorationNetwork,
    planes: Planes,
    cells: CellMap,
    step: int,
    strength: int = FULL_STRENGTH,
    box: Box | None = None,
) -> Planes:
    """Restores reconstructed planes, or a part of them.

    Args:
        network: the network.
        planes: (1 or 3, H, W) int16 samples of `reconstruct`; left as they are.
        cells: (H / 8, W / 8) units and the cells that cover them.
        step: that of `Quantiser.restoration_step`.
        strength: how much of the correction is added, 0 to FULL_STRENGTH.
        box: the part, in samples, multiples of 2 * FOLD; all of it by default.

    Returns:
        (1 or 3, bottom - top, right - left) int16 samples within SAMPLE_MAX.
    """
    from concurrent.futures import ThreadPoolExecutor  # The native kernels start without it.

    _, height, width = planes.shape
    top, left, bottom, right = box or (0, 0, height, width)
    result = np.empty((len(planes), bottom - top, right - left), np.int16)

    def restore_part(part: Box) -> None:
        y0, x0, y1, x1 = part
        samples = planes[:, y0:y1, x0:x1] + _correction(network, planes, cells, step, strength, part)
        result[:, y0 - top : y1 - top, x0 - left : x1 - left] = np.clip(samples, -SAMPLE_MAX, SAMPLE_MAX)

    high, wide = (positions * FOLD for positions in _PART)
    parts = [
        (y, x, min(y + high, bottom), min(x + wide, right))
        for y in range(top, bottom, high)
        for x in range(left, right, wide)
    ]
    # Parts share the cores; BLAS threads on top of them would double the time.
    with one_blas_thread(), ThreadPoolExecutor(threads()) as pool:
        list(pool.map(restore_part, parts))
    return result


def _correction(
    network: RestorationNetwork, planes: Planes, cells: CellMap, step: int, strength: int, part: Box
) -> FloatArray:
    """What to add to the samples of a part: (1 or 3, bottom - top, right - left)."""
    rows, cols = surroundings(network, part)
    x = inputs(planes, cells, step, rows, cols)
    for layer in network.head:
        x = _activations(_convolve(x, layer), layer)
    y = _activations(_convolve(squares_of(x), network.down), network.down)
    for layer in network.branch:
        y = _activations(_convolve(y, layer), layer)
    added = np.floor(_convolve(y, network.up) * np.float32(0.5**network.up.shift))
    x = np.clip(inner(x, 2 * len(network.branch)) + positions_of(added), 0, HIDDEN_MAX)
    *hidden, last = network.tail
    for layer in hidden:
        x = _activations(_convolve(x, layer), layer)
    # Whole squares of the branch may be a position more than the tail needs.
    x = inner(_convolve(x, last), len(network.tail) % 2)
    return correction(x[: len(planes) * FOLD**2], last.shift, step, strength)


def squares_of(x: Array) -> Array:
    """Squares of FOLD x FOLD samples, or positions, as channels.

    (C, H, W) to (C * FOLD**2, H / FOLD, W / FOLD): channel, row, column.
    """
    channels, height, width = x.shape
    squares = x.reshape(channels, height // FOLD, FOLD, width // FOLD, FOLD).transpose(0, 2, 4, 1, 3)
    result: Array = squares.reshape(-1, height // FOLD, width // FOLD)
    return result


def positions_of(squares: Array) -> Array:
    """The inverse of `squares_of`: (C * FOLD**2, H, W) to (C, H * FOLD, W * FOLD)."""
    _, height, width = squares.shape
    x = squares.reshape(-1, FOLD, FOLD, height, width).transpose(0, 3, 1, 4, 2)
    result: Array = x.reshape(-1, height * FOLD, width * FOLD)
    return result


def inner(x: Array, margin: int) -> Array:
    """(..., H, W) without some positions at every side."""
    result: Array = x[..., margin : x.shape[-2] - margin, margin : x.shape[-1] - margin]
    return result


def surroundings(network: RestorationNetwork, part: Box) -> tuple[IntArray, IntArray]:
    """Rows (R,) and columns (S,) of positions that the samples of a part depend on, int64.

    Those outside the planes are among them: see `inputs`.
    """
    top, left, bottom, right = (side // FOLD for side in part)
    return (
        np.arange(top - network.radius, bottom + network.radius),
        np.arange(left - network.radius, right + network.radius),
    )


def correction(outputs: npt.NDArray[np.floating[Any]], shift: int, step: int, strength: int) -> FloatArray:
    """What outputs of the last layer add to samples.

    Args:
        outputs: (C * FOLD**2, R, S) integers in any floating-point type.
        shift: of the last layer.
        step: that of `Quantiser.restoration_step`.
        strength: how much is added, 0 to FULL_STRENGTH.

    Returns:
        (C, R * FOLD, S * FOLD) integers in float64, fixed-point.
    """
    scale = step * strength / FULL_STRENGTH * 0.5**shift
    return positions_of(np.floor(outputs.astype(np.float64) * scale + 0.5))


def largest_sum(layer: Layer, first: bool) -> float:
    """A bound of the magnitude of a layer's sums; exact below 2**24.

    Args:
        layer: the layer.
        first: whether it reads inputs, not results of others.
    """
    bounds = INPUT_BOUNDS if first else np.full(layer.weight.shape[1], float(HIDDEN_MAX))
    products = np.abs(layer.weight).sum((2, 3), dtype=np.float64) @ bounds
    return float((products + np.abs(layer.bias)).max())


def exact(layer: Layer, first: bool) -> bool:
    """Whether a layer's weights are below 2**15 in magnitude, and its sums below 2**24; see `largest_sum`."""
    return bool(np.abs(layer.weight).max() < 2**15) and largest_sum(layer, first) < 2**24


def _activations(sums: Float32Array, layer: Layer) -> Float32Array:
    sums *= np.float32(0.5**layer.shift)
    result: Float32Array = np.clip(np.floor(sums, out=sums), 0, HIDDEN_MAX, out=sums)
    return result


def _convolve(x: Float32Array, layer: Layer) -> Float32Array:
    """A convolution without padding: (in, H, W) to (out, H - k + 1, W - k + 1)."""
    out, ins, side, _ = layer.weight.shape
    _, height, width = x.shape
    # One matrix per column of the kernel; rows that lie below each other share a product.
    matrices = np.ascontiguousarray(layer.weight.transpose(3, 0, 2, 1)).reshape(side, out, -1)
    # Rows lie one after another, so that the last results of a row mean nothing.
    flat = x.reshape(ins, -1)
    count = flat.shape[1] - (side - 1) * (width + 1)
    result = np.empty((out, (height - side + 1) * width), np.float32)
    rows = np.empty((side * ins, _WINDOW + side - 1), np.float32)
    total, product = np.empty((2, out, _WINDOW), np.float32)
    for begin in range(0, count, _WINDOW):
        n = min(_WINDOW, count - begin)
        beside = n + side - 1
        np.concatenate(
            [flat[:, begin + dy * width :][:, :beside] for dy in range(side)], out=rows[:, :beside]
        )
        np.matmul(matrices[0], rows[:, :n], out=total[:, :n])
        for dx in range(1, side):
            total[:, :n] += np.matmul(matrices[dx], rows[:, dx : dx + n], out=product[:, :n])
        np.add(total[:, :n], layer.bias[:, None], out=result[:, begin : begin + n])
    return result.reshape(out, height - side + 1, width)[:, :, : width - side + 1]
