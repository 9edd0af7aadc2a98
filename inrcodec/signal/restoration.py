"""Restoration: a small convolutional network that takes coding noise out of decoded planes, in integers.

Cells are quantised independently: what is left of the quantisation noise jumps from cell to cell and rings
beside edges. The network sees the decoded samples in units of the quantiser step, where the borders of cells
lie and how large cells are, and predicts the error of every sample. It is the last stage of decoding: no
cell is predicted from restored samples.

Samples are handled in squares of FOLD x FOLD, one position of the network each. Weights and activations are
bounded so that every float32 sum is an exact integer below 2**24; they may be added in any order.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from inrcodec.runtime.threads import one_blas_thread, threads
from inrcodec.tile.fixed_point import SAMPLE_MAX, log_step
from inrcodec.tile.partition import UNIT, Box, CellMap

FOLD = 2
"""Samples of a position, per axis."""
PLANES = 3
SAMPLES = PLANES * FOLD**2
"""Sample inputs and outputs of a position: plane by plane, rows first."""
INPUTS = SAMPLES + 7
"""Inputs: the samples, four borders, two cell sizes, and the quantiser step."""
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
    blocks = scaled.reshape(len(planes), len(rows), FOLD, len(cols), FOLD).transpose(0, 2, 4, 1, 3)
    result[: len(planes) * FOLD**2] = blocks.reshape(-1, len(rows), len(cols))

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
    result[-1] = log_step(step) - TYPICAL_LOG_STEP
    return result


@dataclass(frozen=True, eq=False)
class RestorationNetwork:
    """The network: convolutions of 3 x 3 positions, clipped ReLUs between them.

    Attributes:
        weights: per layer (out, in, 3, 3), integers in float32; from INPUTS channels to SAMPLES.
        biases: per layer (out,), integers in float32.
        shifts: per layer, the right shift after it, 0 to 24. A result of one is HIDDEN_MAX in hidden layers,
            and a quantiser step in the last.
    """

    weights: tuple[Float32Array, ...]
    biases: tuple[Float32Array, ...]
    shifts: tuple[int, ...]

    @classmethod
    def identity(cls) -> "RestorationNetwork":
        """A network that changes nothing."""
        return cls((np.zeros((SAMPLES, INPUTS, 3, 3), np.float32),), (np.zeros(SAMPLES, np.float32),), (0,))

    @property
    def radius(self) -> int:
        """Positions to either side whose samples a position's result depends on."""
        return len(self.weights)

    @property
    def margin(self) -> int:
        """Samples to either side that have to be known, cells included: one position more tells borders."""
        return (self.radius + 1) * FOLD


def restore(
    network: RestorationNetwork, planes: Planes, cells: CellMap, step: int, box: Box | None = None
) -> Planes:
    """Restores reconstructed planes, or a part of them.

    Args:
        network: the network.
        planes: (1 or 3, H, W) int16 samples of `reconstruct`; left as they are.
        cells: (H / 8, W / 8) units and the cells that cover them.
        step: quantiser step in fixed-point units.
        box: the part, in samples, multiples of FOLD; all of it by default.

    Returns:
        (1 or 3, bottom - top, right - left) int16 samples within SAMPLE_MAX.
    """
    from concurrent.futures import ThreadPoolExecutor  # The native kernels start without it.

    _, height, width = planes.shape
    top, left, bottom, right = box or (0, 0, height, width)
    result = np.empty((len(planes), bottom - top, right - left), np.int16)

    def restore_part(part: Box) -> None:
        y0, x0, y1, x1 = part
        samples = planes[:, y0:y1, x0:x1] + _correction(network, planes, cells, step, part)
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
    network: RestorationNetwork, planes: Planes, cells: CellMap, step: int, part: Box
) -> FloatArray:
    """What to add to the samples of a part: (1 or 3, bottom - top, right - left)."""
    rows, cols = surroundings(network, part)
    x = inputs(planes, cells, step, rows, cols).reshape(INPUTS, -1)
    used = len(planes) * FOLD**2
    *hidden, last = zip(network.weights, network.biases, network.shifts, strict=True)
    for weight, bias, shift in hidden:
        x = _convolve(x, weight, bias, len(cols))
        x *= np.float32(0.5**shift)
        np.clip(np.floor(x, out=x), 0, HIDDEN_MAX, out=x)
    weight, bias, shift = last
    x = _convolve(x, weight[:used], bias[:used], len(cols))
    height, width = len(rows) - 2 * network.radius, len(cols) - 2 * network.radius
    # Every layer has shortened the flat array by two rows and two positions.
    flat = np.zeros((used, height * len(cols)), np.float32)
    flat[:, : x.shape[1]] = x
    return correction(flat.reshape(used, height, len(cols))[:, :, :width], shift, step)


def surroundings(network: RestorationNetwork, part: Box) -> tuple[IntArray, IntArray]:
    """Rows (R,) and columns (S,) of positions that the samples of a part depend on, int64.

    Those outside the planes are among them: see `inputs`.
    """
    top, left, bottom, right = (side // FOLD for side in part)
    return (
        np.arange(top - network.radius, bottom + network.radius),
        np.arange(left - network.radius, right + network.radius),
    )


def correction(outputs: npt.NDArray[np.floating[Any]], shift: int, step: int) -> FloatArray:
    """What outputs of the last layer add to samples.

    Args:
        outputs: (C * FOLD**2, R, S) integers in any floating-point type.
        shift: of the last layer.
        step: quantiser step in fixed-point units.

    Returns:
        (C, R * FOLD, S * FOLD) integers in float64, fixed-point.
    """
    _, height, width = outputs.shape
    scaled = np.floor(outputs.astype(np.float64) * (step * 0.5**shift) + 0.5)
    squares = scaled.reshape(-1, FOLD, FOLD, height, width)
    return squares.transpose(0, 3, 1, 4, 2).reshape(-1, height * FOLD, width * FOLD)


def largest_sums(network: RestorationNetwork) -> list[float]:
    """Per layer, a bound of the magnitude of its sums; exact below 2**24."""
    bounds, sums = INPUT_BOUNDS, []
    for weight, bias in zip(network.weights, network.biases, strict=True):
        products = np.abs(weight).sum((2, 3), dtype=np.float64) @ bounds
        sums.append(float((products + np.abs(bias)).max()))
        bounds = np.full(len(weight), float(HIDDEN_MAX))
    return sums


def _convolve(x: Float32Array, weight: Float32Array, bias: Float32Array, width: int) -> Float32Array:
    """A convolution without padding, of rows that lie one after another.

    Args:
        x: (in, n), rows of `width` positions.
        weight: (out, in, 3, 3).
        bias: (out,).
        width: positions of a row; stays the same, so the last two results of a row mean nothing.

    Returns:
        (out, n - 2 width - 2).
    """
    # One matrix per column of the kernel; three rows that lie below each other share a product.
    matrices = np.ascontiguousarray(weight.transpose(3, 0, 2, 1)).reshape(3, len(weight), -1)
    count = x.shape[1] - 2 * width - 2
    result = np.empty((len(weight), count), np.float32)
    rows = np.empty((3 * len(x), _WINDOW + 2), np.float32)
    total, product = np.empty((2, len(weight), _WINDOW), np.float32)
    for begin in range(0, count, _WINDOW):
        n = min(_WINDOW, count - begin)
        np.concatenate([x[:, begin + dy * width :][:, : n + 2] for dy in range(3)], out=rows[:, : n + 2])
        np.matmul(matrices[0], rows[:, :n], out=total[:, :n])
        for dx in (1, 2):
            total[:, :n] += np.matmul(matrices[dx], rows[:, dx : dx + n], out=product[:, :n])
        np.add(total[:, :n], bias[:, None], out=result[:, begin : begin + n])
    return result
