"""The choice of a cell's mode and phase: by bits and distortion of what is quantised with each."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from inrcodec.decisions.prediction_costs import CellStarts
from inrcodec.decisions.quantizer import weight_cost
from inrcodec.decisions.rdoq import CellRate
from inrcodec.signal.cross_component import SLOPE_BITS, per_harmonic
from inrcodec.signal.transforms import FEATURE_BITS, axis_features
from inrcodec.tile.fixed_point import WEIGHT_MAX
from inrcodec.tile.symbols import PHASES

FloatArray = npt.NDArray[np.float32]
IntArray = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Choice:
    """A mode, a phase and the quantised weights for each of some cells of one size.

    Attributes:
        modes, phases: (N,).
        indices: (N, C, size * size) quantiser indices.
        cost: (N,) bits, distortion included.
    """

    modes: IntArray
    phases: IntArray
    indices: FloatArray
    cost: FloatArray

    def and_then(self, other: "Choice") -> "Choice":
        """One after the other."""
        return Choice(
            np.concatenate([self.modes, other.modes]),
            np.concatenate([self.phases, other.phases]),
            np.concatenate([self.indices, other.indices]),
            np.concatenate([self.cost, other.cost]),
        )

    def cheapest(self, cells: int) -> "Choice":
        """Of trials of that many cells, one after the other, the cheapest of every cell."""
        best = self.cost.reshape(-1, cells).argmin(0) * cells + np.arange(cells)
        return Choice(self.modes[best], self.phases[best], self.indices[best], self.cost[best])


class Chooser:
    """Quantises cells of one size with different modes and phases."""

    def __init__(
        self,
        rate: CellRate,
        start: CellStarts,
        spectrum: FloatArray,
        slope: npt.NDArray[np.float64],
    ) -> None:
        """Takes what is known of the cells.

        Args:
            rate: how weights are quantised, and what they cost.
            start: starts of the N cells.
            spectrum: (N, C, size, size) their least-squares weights.
            slope: (N, C, 2) of `crossplane.slopes`.
        """
        self._rate, self._start = rate, start
        self._weights = start.centred(spectrum)
        self._slope = (per_harmonic(slope, start.size**2) / 2**SLOPE_BITS).astype(np.float32)

    def best(self, trials: int) -> Choice:
        """The cheapest choice found: modes with the first phase, then phases with the cheapest mode.

        Args:
            trials: modes, and phases, that are tried per cell: the most promising by `weight_cost`.
        """
        count = len(self._weights)
        ranked, _ = self._start.ranked(self._weights)
        modes = ranked[:, :trials].T.ravel()
        cells = np.arange(len(modes)) % count
        wanted = self._start.differences(self._weights, cells, modes)
        first = self._quantised(cells, wanted, modes, np.zeros_like(modes)).cheapest(count)
        wanted = self._start.differences(self._weights, np.arange(count), first.modes)
        phases = self._promising(wanted[:, 0])[:trials].ravel()
        cells = np.arange(len(phases)) % count
        other = self._quantised(cells, self._turned(wanted[cells], phases), first.modes[cells], phases)
        # Without luma there is no phase.
        other.cost[~other.indices[:, 0].any(1)] = np.inf
        return first.and_then(other).cheapest(count)

    def with_hidden_signs(self, choice: Choice) -> IntArray:
        """Quantiser indices (N, C, size * size) of a choice, moved so that they hide signs."""
        every = np.arange(len(self._weights))
        wanted = self._turned(self._start.differences(self._weights, every, choice.modes), choice.phases)
        # What a decoder accepts, less one to move by; no picture comes near it.
        largest = WEIGHT_MAX // self._start.step - 1
        luma = np.clip(choice.indices[:, :1], -largest, largest)
        indices = self._rate.hide_signs(slice(0, 1), wanted[:, :1], luma)
        if wanted.shape[1] > 1:
            chroma, rest = self._after_luma(every, wanted, indices)
            more, _ = self._rate.quantise(every, chroma, rest)
            more = self._rate.hide_signs(chroma, rest, np.clip(more, -largest, largest))
            indices = np.concatenate([indices, more], axis=1)
        return indices.astype(np.int64)

    def _promising(self, wanted: FloatArray) -> IntArray:
        """Phases but the first by `weight_cost` of luma (N, size * size): (PHASES - 1, N)."""
        size = self._start.size
        turns = phase_turns(size)[:, None]
        turned = (turns @ wanted.reshape(-1, size, size))[:, None] @ turns.swapaxes(2, 3)
        costs = weight_cost(turned.astype(np.float32, copy=False)).sum((3, 4)).reshape(PHASES, -1)
        costs += self._rate.phases[:, None]
        return 1 + np.argsort(costs[1:], axis=0, kind="stable")

    def _turned(self, wanted: FloatArray, phases: IntArray) -> FloatArray:
        """Differences (N, C, size * size) of cosines as those of given phases (N,)."""
        size = self._start.size
        turns = phase_turns(size)
        vertical, horizontal = turns[phases // 3][:, None], turns[phases % 3][:, None]
        grid = wanted.reshape(*wanted.shape[:2], size, size)
        turned: FloatArray = (vertical @ grid @ horizontal.swapaxes(2, 3)).astype(np.float32, copy=False)
        return turned.reshape(wanted.shape)

    def _after_luma(self, cells: IntArray, wanted: FloatArray, luma: FloatArray) -> tuple[slice, FloatArray]:
        """The chroma channels, and what indices of luma (M, 1, size * size) leave of their differences."""
        chroma = slice(1, wanted.shape[1])
        return chroma, wanted[:, chroma] - self._slope[cells][:, chroma] * luma

    def _quantised(self, cells: IntArray, wanted: FloatArray, modes: IntArray, phases: IntArray) -> Choice:
        """Quantises differences of given cells, in steps; luma first, of which chroma takes over.

        Args:
            cells, modes, phases: (M,).
            wanted: (M, C, size * size).
        """
        rate = self._rate
        indices, cost = rate.quantise(cells, slice(0, 1), wanted[:, :1])
        cost = cost + rate.modes[cells, modes] + rate.phases[phases]
        if wanted.shape[1] > 1:
            more, extra = rate.quantise(cells, *self._after_luma(cells, wanted, indices))
            indices, cost = np.concatenate([indices, more], axis=1), cost + extra
        return Choice(modes, phases, indices, cost)


@lru_cache(maxsize=8)
def phase_turns(size: int) -> FloatArray:
    """Weights of the harmonics of every phase from those of the cosines, one axis: (3, size, size)."""
    axes = axis_features(size) / 2**FEATURE_BITS
    turns: FloatArray = (axes @ axes[0].T).astype(np.float32)
    return turns
