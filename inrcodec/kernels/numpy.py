"""The numpy kernels: what the rooms below describe, called as it stands."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from inrcodec.decisions import fitting
from inrcodec.decisions.effort import Effort
from inrcodec.decisions.fitting import Fit
from inrcodec.entropy import payload
from inrcodec.entropy.syntax import EntropyModel
from inrcodec.errors import EncodeError
from inrcodec.signal import color, reconstruction, resampling, restoration
from inrcodec.signal.prediction import PredictionNetwork
from inrcodec.signal.quantiser import Quantiser
from inrcodec.signal.resampling import Taps
from inrcodec.signal.restoration import RestorationNetwork
from inrcodec.tile.partition import Box, CellMap
from inrcodec.tile.symbols import TileSymbols

Planes = npt.NDArray[np.int16]
Pixels = npt.NDArray[np.uint8]
FloatArray = npt.NDArray[np.float32]


@dataclass(frozen=True)
class NumpyKernels:
    """See `inrcodec.kernels.Kernels`."""

    name = "numpy"
    device = "cpu"
    own_threads = False

    def read_tile(
        self, data: bytes, blocks: tuple[int, int], channels: int, step: int, model: EntropyModel
    ) -> TileSymbols:
        """See `Kernels`."""
        return payload.read_tile(data, blocks, channels, step, model)

    def write_tile(self, symbols: TileSymbols, step: int, model: EntropyModel) -> bytes:
        """See `Kernels`."""
        return payload.write_tile(symbols, step, model)

    def reconstruct(
        self, symbols: TileSymbols, quantiser: Quantiser, predictors: Mapping[int, PredictionNetwork]
    ) -> Planes:
        """See `Kernels`."""
        return reconstruction.reconstruct(symbols, quantiser, predictors)

    def restore(
        self,
        network: RestorationNetwork,
        planes: Planes,
        cells: CellMap,
        step: int,
        strength: int,
        box: Box,
    ) -> Planes:
        """See `Kernels`."""
        return restoration.restore(network, planes, cells, step, strength, box)

    def to_pixels(self, planes: Planes) -> Pixels:
        """See `Kernels`."""
        return color.to_pixels(planes)

    def render(self, planes: Planes, rows: Taps, cols: Taps) -> Pixels:
        """See `Kernels`."""
        return color.to_pixels(resampling.resample(planes.astype(np.float32), rows, cols))

    def fit_tile(
        self,
        planes: FloatArray,
        quantiser: Quantiser,
        predictors: Mapping[int, PredictionNetwork],
        model: EntropyModel,
        effort: Effort,
    ) -> Fit:
        """See `Kernels`."""
        # How a tile is cut is nobody's business but the encoder's: float32 will do.
        rough = {s: network.approximate for s, network in predictors.items()}
        return fitting.fit_tile(planes, quantiser, predictors, model, effort, rough)


def load(device: str, jobs: int | None = None) -> NumpyKernels:
    """The kernels.

    Args:
        device: "cpu".
        jobs: is ignored; there are no threads of its own.

    Raises:
        EncodeError: the device is not the CPU.
    """
    del jobs
    if device != "cpu":
        raise EncodeError(f"the numpy kernels do not compute on {device}")
    return NumpyKernels()
