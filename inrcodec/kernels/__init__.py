"""The narrow waist: everything that computes on a tile, behind one protocol that is crossed once per tile.

A kernel set is chosen in one place, `select`, and handed down. `numpy` is the readable reference: it calls
what `entropy`, `signal` and `decisions` describe. Any other set gives the same bytes and the same pixels.
"""

import os
from collections.abc import Mapping
from importlib import import_module
from typing import Protocol

import numpy as np
import numpy.typing as npt

from inrcodec.decisions.fitting import Fit
from inrcodec.entropy.syntax import EntropyModel
from inrcodec.errors import EncodeError
from inrcodec.signal.prediction import PredictionNetwork
from inrcodec.signal.quantiser import Quantiser
from inrcodec.signal.restoration import RestorationNetwork
from inrcodec.tile.partition import Box, CellMap
from inrcodec.tile.symbols import TileSymbols

VARIABLE = "INRCODEC_KERNELS"
"""Environment variable that names the kernel set where no device is asked for."""

Planes = npt.NDArray[np.int16]
FloatArray = npt.NDArray[np.float32]


class Kernels(Protocol):
    """A kernel set; instances are small and can be sent to other processes.

    Every method takes, gives and raises what the function that it names does.

    What is marked exact gives the same integers in every set. Decisions of the encoder may differ: whatever
    they are, the file decodes.
    """

    @property
    def name(self) -> str:
        """What `select` calls it."""
        ...

    @property
    def device(self) -> str:
        """Where it computes: "cpu" or "cuda"."""
        ...

    def read_tile(
        self, data: bytes, blocks: tuple[int, int], channels: int, step: int, model: EntropyModel
    ) -> TileSymbols:
        """Exact: `inrcodec.entropy.payload.read_tile`."""
        ...

    def write_tile(self, symbols: TileSymbols, step: int, model: EntropyModel) -> bytes:
        """Exact: `inrcodec.entropy.payload.write_tile`."""
        ...

    def reconstruct(
        self, symbols: TileSymbols, quantiser: Quantiser, predictors: Mapping[int, PredictionNetwork]
    ) -> Planes:
        """Exact: `inrcodec.signal.reconstruction.reconstruct`."""
        ...

    def restore(
        self, network: RestorationNetwork, planes: Planes, cells: CellMap, step: int, box: Box
    ) -> Planes:
        """Exact: `inrcodec.signal.restoration.restore`."""
        ...

    def fit_tile(
        self,
        planes: FloatArray,
        quantiser: Quantiser,
        predictors: Mapping[int, PredictionNetwork],
        model: EntropyModel,
        passes: int,
    ) -> Fit:
        """A decision, but for `Fit.planes`: `inrcodec.decisions.fitting.fit_tile`."""
        ...


_HOMES = {"numpy": "inrcodec.kernels.numpy", "torch": "inrcodec.kernels.torch"}
NAMES = tuple(_HOMES)


def select(device: str = "auto", name: str | None = None) -> Kernels:
    """The kernel set that computes on a device.

    Args:
        device: "cpu", "cuda" or "auto". A picture's cells wait for each other, a few at a time, which leaves
            a GPU idle: where it was measured, a picture took as long or longer on one, so "auto" is the CPU.
        name: one of `NAMES`; by default what INRCODEC_KERNELS says, else numpy on the CPU and torch on a GPU.

    Raises:
        ValueError: no such device.
        EncodeError: no such kernel set, it cannot compute there, or what it needs is missing.
    """
    if device not in ("auto", "cpu", "cuda"):
        raise ValueError("device must be auto, cpu or cuda")
    name = name or os.environ.get(VARIABLE) or ("torch" if device == "cuda" else "numpy")
    if name not in _HOMES:
        raise EncodeError(f"no kernels named {name!r}; there are {', '.join(NAMES)}")
    try:
        kernels: Kernels = import_module(_HOMES[name]).load("cpu" if device == "auto" else device)
    except ModuleNotFoundError as error:
        raise EncodeError(f"the {name} kernels need {error.name}, which is not installed") from error
    return kernels
