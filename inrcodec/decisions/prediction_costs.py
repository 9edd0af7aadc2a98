"""The encoder's view of the start networks: starts of every mode, and what they leave to code."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from inrcodec.codebook import Codebook
from inrcodec.decisions.quantizer import weight_cost

FloatArray = npt.NDArray[np.float32]
IntArray = npt.NDArray[np.int64]


class Starter:
    """Evaluates start networks, by far the most work of an encode, with numpy or on a torch device."""

    def __init__(self, codebook: Codebook, xp: Any = np, device: str = "cpu") -> None:
        self._xp, self._device = xp, device
        self._networks = {s: n if xp is np else n.to(xp, device) for s, n in codebook.starts.items()}

    def exact(self, size: int, boundary: npt.NDArray[np.float64], step: int) -> "CellStarts":
        """Starts as the decoder will compute them, of (N, C, boundary_size) integer samples."""
        network, xp = self._networks[size], self._xp
        if xp is np:
            mean, scale, features = network.look(boundary, step)
            return CellStarts(size, step, network.harmonics, mean, network.starts(features, scale))
        mean, scale, features = network.look(xp.as_tensor(boundary, device=self._device), step, xp)
        starts = network.starts(features, scale, xp)
        return CellStarts(size, step, network.harmonics, mean.cpu().numpy(), starts.cpu().numpy())

    def rough(self, size: int, boundary: npt.NDArray[np.float64], step: int) -> "CellStarts":
        """Starts for decisions that nothing else depends on: float32 where that is faster."""
        if self._xp is not np:
            return self.exact(size, boundary, step)
        network = self._networks[size].approximate
        mean, scale, features = network.look(boundary.astype(np.float32), step)
        return CellStarts(size, step, network.harmonics, mean, network.starts(features, scale))


@dataclass(frozen=True, eq=False)
class CellStarts:
    """Starts of some cells of one size.

    Attributes:
        size, step: of the cells.
        harmonics: flat indices of the predicted harmonics.
        mean: (N, C, 1) mean of the boundary.
        starts: (N, C, modes, K) starts of every mode.
    """

    size: int
    step: int
    harmonics: IntArray
    mean: npt.NDArray[np.floating[Any]]
    starts: npt.NDArray[np.floating[Any]]

    def centred(self, spectrum: FloatArray) -> FloatArray:
        """Weights (N, C, size, size) less the boundary's mean: (N, C, size * size)."""
        result = spectrum.reshape(*spectrum.shape[:2], -1).copy()
        result[..., 0] -= self.mean[..., 0] * self.size
        return result

    def ranked(self, weights: FloatArray) -> tuple[IntArray, FloatArray]:
        """Modes by `weight_cost`.

        Args:
            weights: (N, C, size * size) of `centred`.

        Returns:
            (N, modes) modes, the cheapest first, and (N,) the cost of the cheapest.
        """
        low = weights[..., self.harmonics]
        costs = weight_cost((low[:, :, None] - self.starts.astype(np.float32)) / np.float32(self.step)).sum(
            (1, 3)
        )
        rest = np.ones(weights.shape[2], np.bool_)
        rest[self.harmonics] = False
        modes = costs.argsort(1, kind="stable")
        cost = costs.min(1) + weight_cost(weights[..., rest] / np.float32(self.step)).sum((1, 2))
        return modes, cost

    def differences(self, weights: FloatArray, cells: IntArray, modes: IntArray) -> FloatArray:
        """What starts of given modes leave of some cells: (M, C, size * size), in steps.

        Args:
            weights: (N, C, size * size) of `centred`.
            cells, modes: (M,).
        """
        difference = weights[cells]
        difference[..., self.harmonics] -= self.chosen(cells, modes)
        return difference / np.float32(self.step)

    def chosen(self, cells: IntArray, modes: IntArray) -> npt.NDArray[np.floating[Any]]:
        """Starts of some cells (M,) with given modes (M,): (M, C, K)."""
        starts: npt.NDArray[np.floating[Any]] = self.starts[cells, :, modes]
        return starts
