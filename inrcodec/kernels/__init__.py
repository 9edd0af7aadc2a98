"""The narrow waist: everything that computes on a tile, behind one protocol that is crossed once per tile.

A kernel set is chosen in one place, `select`, and handed down. `numpy` is the readable reference: it calls
what `entropy`, `signal` and `decisions` describe. Any other set gives the same bytes and the same pixels.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Protocol

from inrcodec.errors import EncodeError

if TYPE_CHECKING:  # A decoder starts without what an encoder decides with.
    import numpy as np
    import numpy.typing as npt

    from inrcodec.decisions.effort import Effort
    from inrcodec.decisions.fitting import Fit
    from inrcodec.entropy.syntax import EntropyModel
    from inrcodec.signal.prediction import PredictionNetwork
    from inrcodec.signal.quantiser import Quantiser
    from inrcodec.signal.resampling import Taps
    from inrcodec.signal.restoration import RestorationNetwork
    from inrcodec.tile.partition import Box, CellMap
    from inrcodec.tile.symbols import TileSymbols

    Planes = npt.NDArray[np.int16]
    Pixels = npt.NDArray[np.uint8]
    FloatArray = npt.NDArray[np.float32]

VARIABLE = "INRCODEC_KERNELS"
"""Environment variable that names the kernel set where no device is asked for."""


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

    @property
    def own_threads(self) -> bool:
        """Whether calls share their work among threads of their own, so that processes would gain nothing."""
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
        self,
        network: RestorationNetwork,
        planes: Planes,
        cells: CellMap,
        step: int,
        strength: int,
        box: Box,
    ) -> Planes:
        """Exact: `inrcodec.signal.restoration.restore`."""
        ...

    def to_pixels(self, planes: Planes) -> Pixels:
        """Exact: `inrcodec.signal.color.to_pixels`."""
        ...

    def render(self, planes: Planes, rows: Taps, cols: Taps) -> Pixels:
        """Within one level: pixels of `inrcodec.signal.resampling.resample`."""
        ...

    def fit_tile(
        self,
        planes: FloatArray,
        quantiser: Quantiser,
        predictors: Mapping[int, PredictionNetwork],
        model: EntropyModel,
        effort: Effort,
    ) -> Fit:
        """A decision, but for `Fit.planes`: `inrcodec.decisions.fitting.fit_tile`."""
        ...


_HOMES = {name: f"inrcodec.kernels.{name}" for name in ("native", "numpy", "torch")}
NAMES = tuple(_HOMES)
"""Kernel sets there are; whether the native one was compiled, `compiled` says."""


LIBRARY = "inrcodec.kernels._native"
"""Where the native kernels were compiled to, if there was a C compiler when the package was installed."""


def compiled() -> bool:
    """Whether there are native kernels."""
    return find_spec(LIBRARY) is not None


def select(device: str = "auto", name: str | None = None, jobs: int | None = None) -> Kernels:
    """The kernel set that computes on a device.

    Args:
        device: "cpu", "cuda" or "auto". A picture's cells wait for each other, a few at a time, which leaves
            a GPU idle: where it was measured, a picture took as long or longer on one, so "auto" is the CPU.
        name: one of `NAMES`; by default what INRCODEC_KERNELS says, else torch on a GPU and on the CPU native
            if that was compiled, numpy if not.
        jobs: threads that share the work of a call, where a set has threads of its own; by default as many as
            `inrcodec.runtime.threads.threads`.

    Raises:
        ValueError: no such device, or not even one job.
        EncodeError: no such kernel set, it cannot compute there, or what it needs is missing.
    """
    if device not in ("auto", "cpu", "cuda"):
        raise ValueError("device must be auto, cpu or cuda")
    if jobs is not None and jobs < 1:
        raise ValueError("jobs must be at least 1")
    on_cpu = "native" if compiled() else "numpy"
    name = name or os.environ.get(VARIABLE) or ("torch" if device == "cuda" else on_cpu)
    if name not in _HOMES:
        raise EncodeError(f"no kernels named {name!r}; there are {', '.join(NAMES)}")
    try:
        kernels: Kernels = import_module(_HOMES[name]).load("cpu" if device == "auto" else device, jobs)
    except ModuleNotFoundError as error:
        raise EncodeError(f"the {name} kernels need {error.name}, which is not installed") from error
    return kernels
