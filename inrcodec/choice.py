"""The choice of a cell's mode and phase: by bits and distortion of what is quantised with each."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from inrcodec.crossplane import SLOPE_BITS, per_harmonic
from inrcodec.quantize import weight_cost
from inrcodec.ratefit import CellRate
from inrcodec.reconstruct import FEATURE_BITS, axis_features
from inrcodec.starter import CellStarts
from inrcodec.starts import WEIGHT_MAX
from inrcodec.tilecoder import PHASES

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

    def or_better(self, other: "Choice") -> "Choice":
        """The cheaper choice of either, cell by cell."""
        better = other.cost < self.cost
        return Choice(
            np.where(better, other.modes, self.modes),
            np.where(better, other.phases, self.phases),
            np.where(better[:, None, None], other.indices, self.indices),
            np.where(better, other.cost, self.cost),
        )


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
        ranked, _ = self._start.ranked(self._weights)
        choice = self._with_mode(ranked[:, 0])
        for modes in ranked.T[1:trials]:
            choice = choice.or_better(self._with_mode(modes))
        size = self._start.size
        wanted = self._start.differences(self._weights, choice.modes)
        wanted = wanted.reshape(*wanted.shape[:2], size, size)
        for phases in self._promising(wanted[:, 0])[:trials]:
            choice = choice.or_better(self._with_phase(wanted, choice.modes, phases))
        return choice

    def with_hidden_signs(self, choice: Choice) -> IntArray:
        """Quantiser indices (N, C, size * size) of a choice, moved so that they hide signs."""
        size = self._start.size
        wanted = self._start.differences(self._weights, choice.modes)
        wanted = self._turned(wanted.reshape(*wanted.shape[:2], size, size), choice.phases)
        # What a decoder accepts, less one to move by; no picture comes near it.
        largest = WEIGHT_MAX // self._start.step - 1
        luma = np.clip(choice.indices[:, :1], -largest, largest)
        indices = self._rate.hide_signs(slice(0, 1), wanted[:, :1], luma)
        if wanted.shape[1] > 1:
            chroma = slice(1, wanted.shape[1])
            rest = wanted[:, chroma] - self._slope[:, chroma] * indices
            more, _ = self._rate.quantise(chroma, rest)
            more = self._rate.hide_signs(chroma, rest, np.clip(more, -largest, largest))
            indices = np.concatenate([indices, more], axis=1)
        return indices.astype(np.int64)

    def _with_mode(self, modes: IntArray) -> Choice:
        wanted = self._start.differences(self._weights, modes)
        return self._quantised(wanted, modes, np.zeros_like(modes))

    def _promising(self, wanted: FloatArray) -> IntArray:
        """Phases but the first by `weight_cost` of luma (N, size, size): (PHASES - 1, N)."""
        turns, bits = phase_turns(self._start.size), self._rate.phases
        estimates = [
            weight_cost(turns[phase // 3] @ wanted @ turns[phase % 3].T).sum((1, 2)) + bits[phase]
            for phase in range(1, PHASES)
        ]
        return 1 + np.argsort(estimates, axis=0, kind="stable")

    def _with_phase(self, wanted: FloatArray, modes: IntArray, phases: IntArray) -> Choice:
        choice = self._quantised(self._turned(wanted, phases), modes, phases)
        # Without luma there is no phase.
        drawn = choice.indices[:, 0].any(1)
        return Choice(modes, phases, choice.indices, np.where(drawn, choice.cost, np.float32(np.inf)))

    def _turned(self, wanted: FloatArray, phases: IntArray) -> FloatArray:
        """Differences (N, C, size, size) of cosines as those of given phases: (N, C, size * size)."""
        turns = phase_turns(self._start.size)
        vertical, horizontal = turns[phases // 3][:, None], turns[phases % 3][:, None]
        turned: FloatArray = (vertical @ wanted @ horizontal.swapaxes(2, 3)).astype(np.float32, copy=False)
        return turned.reshape(*wanted.shape[:2], -1)

    def _quantised(self, wanted: FloatArray, modes: IntArray, phases: IntArray) -> Choice:
        """Quantises differences (N, C, size * size), in steps; luma first, of which chroma takes over."""
        rate = self._rate
        indices, cost = rate.quantise(slice(0, 1), wanted[:, :1])
        cost = cost + rate.modes[np.arange(len(modes)), modes] + rate.phases[phases]
        if wanted.shape[1] > 1:
            chroma = slice(1, wanted.shape[1])
            carry = self._slope[:, chroma] * indices
            more, extra = rate.quantise(chroma, wanted[:, chroma] - carry)
            indices, cost = np.concatenate([indices, more], axis=1), cost + extra
        return Choice(modes, phases, indices, cost)


@lru_cache(maxsize=8)
def phase_turns(size: int) -> FloatArray:
    """Weights of the harmonics of every phase from those of the cosines, one axis: (3, size, size)."""
    axes = axis_features(size) / 2**FEATURE_BITS
    turns: FloatArray = (axes @ axes[0].T).astype(np.float32)
    return turns
