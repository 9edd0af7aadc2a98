"""The native kernels: a library in C that gives the same bytes and pixels as numpy's; see native/README.md.

It is loaded by ctypes: nothing in it depends on Python or numpy, calls release the interpreter lock, and
arrays are handed over as pointers to memory that this module has made or checked.
"""

import ctypes
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import numpy.typing as npt

from inrcodec.container import Weighting
from inrcodec.entropy.context_network import ContextNetwork
from inrcodec.entropy.rans import Tables
from inrcodec.entropy.syntax import EntropyModel
from inrcodec.errors import EncodeError, FormatError
from inrcodec.kernels import LIBRARY
from inrcodec.runtime.threads import threads
from inrcodec.signal.prediction import PredictionNetwork
from inrcodec.signal.quantiser import Quantiser
from inrcodec.signal.resampling import Taps
from inrcodec.signal.restoration import RestorationNetwork
from inrcodec.tile.partition import BLOCK, SIZES, UNIT, Box, CellMap, Partition
from inrcodec.tile.symbols import TileSymbols

_ALIGNMENT = 64
_CELLS_PER_BLOCK = (BLOCK // UNIT) ** 2

if TYPE_CHECKING:
    from inrcodec.decisions.effort import Effort
    from inrcodec.decisions.fitting import Fit

Planes = npt.NDArray[np.int16]
Pixels = npt.NDArray[np.uint8]
Array = npt.NDArray[Any]
_Pointer = ctypes.c_void_p
_PARTS = ("weight1", "bias1", "weight2", "bias2", "weight3", "bias3")

_ARGUMENT, _NO_MEMORY = 8, 10
_REFUSED = {
    1: "the tile is truncated",
    2: "the entropy-coded stream is corrupt",
    3: "the tile has bytes left over",
    4: "a coded value is out of range",
    7: "the codebook is out of the native kernels' range",
}
"""What a `sinr_status` of native/src/status.h means, where bytes or a codebook can be the reason."""


class _Integers(ctypes.Structure):
    """`sinr_integers` of native/src/entropy.h."""

    _fields_: ClassVar = [(n, _Pointer) for n in ("splits", "modes", "transforms", "residuals")]


class _Quantiser(ctypes.Structure):
    """`sinr_quantiser` of native/src/prediction.h."""

    _fields_: ClassVar = [("step", ctypes.c_int), *((n, ctypes.c_uint8) for n in Weighting._fields)]


class _Unrestored(ctypes.Structure):
    """`sinr_unrestored` of native/src/restoration.h."""

    _fields_: ClassVar = [
        *((n, ctypes.c_int) for n in ("channels", "height", "width")),
        *((n, _Pointer) for n in ("planes", "owner", "sizes", "last")),
    ]


class _RestorerShape(ctypes.Structure):
    """`sinr_restorer_shape` of native/src/restoration.h."""

    _fields_: ClassVar = [*((n, ctypes.c_int) for n in ("head", "branch", "tail")), ("channels", _Pointer)]


class _Box(ctypes.Structure):
    """`sinr_box` of native/src/restoration.h."""

    _fields_: ClassVar = [(n, ctypes.c_int) for n in ("top", "left", "bottom", "right")]


class _Axis(ctypes.Structure):
    """`sinr_axis` of native/src/rendering.h."""

    _fields_: ClassVar = [
        *((n, ctypes.c_int) for n in ("count", "taps")),
        *((n, _Pointer) for n in ("index", "weight")),
    ]


@cache
def _library() -> ctypes.CDLL:
    """The compiled library.

    Raises:
        EncodeError: it was not compiled when the package was installed.
    """
    spec = find_spec(LIBRARY)
    if spec is None or spec.origin is None:
        raise EncodeError("the native kernels were not compiled: there was no C compiler")
    library = ctypes.CDLL(spec.origin)
    library.sinr_tile_bound.restype = ctypes.c_size_t
    library.sinr_to_pixels.restype = None
    library.sinr_pool_start.restype = _Pointer
    library.sinr_pool_stop.restype = None
    library.sinr_pool_stop.argtypes = [_Pointer]
    return library


def _check(status: int) -> None:
    if status == _NO_MEMORY:
        raise MemoryError
    if status:
        raise FormatError(_REFUSED.get(status, f"the native kernels failed ({status})"))


def _pointer(array: Array) -> ctypes.c_void_p:
    return _Pointer(array.ctypes.data)


@dataclass(frozen=True, eq=False)
class _Network:
    """A network as the library wants it.

    Attributes:
        memory: where it lies.
        address: of its first byte, which is aligned.
    """

    memory: npt.NDArray[np.uint8]
    address: int

    @classmethod
    def made(cls, make: Callable[..., int], tensors: list[Array], *arguments: Any) -> "_Network":
        """What a function of native/src/networks.h makes: `arguments` is a list of tensors in its place."""
        pointers = (_Pointer * len(tensors))(*(tensor.ctypes.data for tensor in tensors))
        filled = [pointers if argument is tensors else argument for argument in arguments]
        size = ctypes.c_size_t()
        _check(make(*filled, None, ctypes.byref(size)))
        memory = np.empty(size.value + _ALIGNMENT, np.uint8)
        address = memory.ctypes.data + -memory.ctypes.data % _ALIGNMENT
        _check(make(*filled, _Pointer(address), ctypes.byref(size)))
        return cls(memory, address)

    @property
    def pointer(self) -> ctypes.c_void_p:
        """To its first byte. It keeps the network: a cache may drop it, or never have held it."""
        pointer = _Pointer(self.address)
        pointer.network = self  # type: ignore[attr-defined]
        return pointer


def _integers(array: Array, dtype: type[np.integer[Any]]) -> Array:
    """An array of whole numbers as one of integers.

    Raises:
        FormatError: one does not fit.
    """
    result = np.ascontiguousarray(array, dtype)
    if not np.array_equal(result, array):
        raise FormatError("the codebook is out of the native kernels' range")
    return result


@lru_cache(maxsize=4)
def _entropy(model: EntropyModel) -> _Network:
    networks = [part[s] for part in (model.last_diagonals, model.magnitudes) for s in SIZES]
    hidden = np.array([(len(n.bias1), len(n.bias2)) for n in networks], np.int32)
    tensors = [_frequencies(part) for part in (model.splits, model.modes, model.transforms)]
    for network in networks:
        tensors += _context_tensors(network)
    make = _library().sinr_entropy_make
    return _Network.made(make, tensors, model.mode_count, _pointer(hidden), tensors)


def _frequencies(tables: Tables) -> Array:
    return np.diff(tables.cumulative.astype(np.int64), axis=1).astype(np.uint16)


def _context_tensors(network: ContextNetwork) -> list[Array]:
    return [*(_integers(getattr(network, p), np.int32) for p in _PARTS), _frequencies(network.tables)]


@lru_cache(maxsize=12)
def _predictor(network: PredictionNetwork) -> _Network:
    tensors = [
        _integers(getattr(network, p), np.int16 if p.startswith("weight") else np.int32) for p in _PARTS
    ]
    hidden = len(network.bias1)
    make = _library().sinr_predictor_make
    return _Network.made(make, tensors, network.size, hidden, network.modes, tensors)


@lru_cache(maxsize=4)
def _restorer(network: RestorationNetwork) -> _Network:
    tensors = []
    for layer in network.layers:
        tensors += [_integers(layer.weight, np.int16), _integers(layer.bias, np.int32)]
    channels = np.array([len(layer.bias) for layer in network.layers], np.int32)
    shifts = np.array([layer.shift for layer in network.layers], np.int32)
    parts = (len(layers) for layers in (network.head, network.branch, network.tail))
    shape = ctypes.byref(_RestorerShape(*parts, channels.ctypes.data))
    make = _library().sinr_restorer_make
    return _Network.made(make, tensors, shape, tensors, _pointer(shifts))


def _predictors(networks: Mapping[int, PredictionNetwork]) -> Any:
    found = [_predictor(networks[size]) for size in SIZES]
    pointers = (_Pointer * len(SIZES))(*(network.address for network in found))
    pointers.networks = found  # type: ignore[attr-defined]
    return pointers


def _quantiser(quantiser: Quantiser) -> Any:
    return ctypes.byref(_Quantiser(quantiser.step, *quantiser.weighting))


@dataclass(frozen=True, eq=False)
class _Tile:
    """A tile's integers as the library wants them: see `sinr_integers`.

    Attributes:
        blocks: block rows and columns.
        channels: 1 or 3.
        splits: (block rows, block columns) uint8.
        modes, transforms: (cells) uint8; with room for all there could be, unless they are known.
        residuals: int32, size after size.
    """

    blocks: tuple[int, int]
    channels: int
    splits: npt.NDArray[np.uint8]
    modes: npt.NDArray[np.uint8]
    transforms: npt.NDArray[np.uint8]
    residuals: npt.NDArray[np.int32]

    @classmethod
    def empty(cls, blocks: tuple[int, int], channels: int) -> "_Tile":
        """Room for what is not known yet."""
        count = blocks[0] * blocks[1]
        modes, transforms = np.zeros((2, count * _CELLS_PER_BLOCK), np.uint8)
        residuals = np.empty(count * BLOCK * BLOCK * channels, np.int32)
        return cls(blocks, channels, np.zeros(blocks, np.uint8), modes, transforms, residuals)

    @classmethod
    def of(cls, symbols: TileSymbols) -> "_Tile":
        """Known integers."""
        splits = symbols.partition.splits
        rows, cols = splits.shape
        return cls(
            (rows, cols),
            symbols.channels,
            splits.astype(np.uint8),
            symbols.modes.astype(np.uint8),
            symbols.transforms.astype(np.uint8),
            np.concatenate([symbols.residuals[s].ravel() for s in SIZES], dtype=np.int32, casting="unsafe"),
        )

    @property
    def pointers(self) -> Any:
        """For the library."""
        parts = self.splits, self.modes, self.transforms, self.residuals
        return ctypes.byref(_Integers(*(part.ctypes.data for part in parts)))

    @property
    def shape(self) -> tuple[int, int, int]:
        """Block rows and columns, and channels."""
        return (*self.blocks, self.channels)

    def symbols(self) -> TileSymbols:
        """What the library has filled in."""
        partition = Partition.from_splits(self.splits.astype(np.int64))
        cells = len(partition.size)
        residuals, begin = {}, 0
        flat = self.residuals.astype(np.int64)
        for size in SIZES:
            count = len(partition.of_size(size))
            end = begin + count * self.channels * size * size
            residuals[size] = flat[begin:end].reshape(count, self.channels, size, size)
            begin = end
        modes, transforms = (part[:cells].astype(np.int64) for part in (self.modes, self.transforms))
        return TileSymbols(partition, modes, transforms, residuals)

    def planes(self) -> Planes:
        """Room for its samples."""
        rows, cols = self.blocks
        return np.empty((self.channels, rows * BLOCK, cols * BLOCK), np.int16)


@dataclass(frozen=True)
class NativeKernels:
    """See `inrcodec.kernels.Kernels`.

    Attributes:
        workers: threads that share the work of a call.
    """

    name = "native"
    device = "cpu"
    own_threads = True
    workers: int = 1

    def _status(self, function: Callable[..., int], *arguments: Any) -> int:
        """What a function of the library says, whose last argument is the threads that share its work."""
        pool = _Pointer(_library().sinr_pool_start(self.workers))
        try:
            return function(*arguments, pool)
        finally:
            _library().sinr_pool_stop(pool)

    def _run(self, function: Callable[..., int], *arguments: Any) -> None:
        _check(self._status(function, *arguments))

    def read_tile(
        self, data: bytes, blocks: tuple[int, int], channels: int, step: int, model: EntropyModel
    ) -> TileSymbols:
        """See `Kernels`."""
        tile = _Tile.empty(blocks, channels)
        network = _entropy(model).pointer
        size = ctypes.c_size_t(len(data))
        self._run(_library().sinr_read_tile, network, data, size, *tile.shape, step, tile.pointers)
        return tile.symbols()

    def write_tile(self, symbols: TileSymbols, step: int, model: EntropyModel) -> bytes:
        """See `Kernels`."""
        tile = _Tile.of(symbols)
        data = np.empty(_library().sinr_tile_bound(*tile.shape), np.uint8)
        size = ctypes.c_size_t()
        network = _entropy(model).pointer
        status = self._status(
            _library().sinr_write_tile,
            network,
            tile.pointers,
            *tile.shape,
            step,
            _pointer(data),
            ctypes.byref(size),
        )
        if status == _ARGUMENT:
            raise ValueError("a hidden sign is not what the magnitudes tell")
        _check(status)
        return data[: size.value].tobytes()

    def reconstruct(
        self, symbols: TileSymbols, quantiser: Quantiser, predictors: Mapping[int, PredictionNetwork]
    ) -> Planes:
        """See `Kernels`."""
        tile = _Tile.of(symbols)
        planes = tile.planes()
        networks = _predictors(predictors)
        self._run(
            _library().sinr_draw_tile,
            tile.pointers,
            *tile.shape,
            _quantiser(quantiser),
            networks,
            _pointer(planes),
        )
        return planes

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
        top, left, bottom, right = box
        result = np.empty((len(planes), bottom - top, right - left), np.int16)
        samples = np.ascontiguousarray(planes, np.int16)
        owner = np.ascontiguousarray(cells.owner, np.int32)
        sizes = np.ascontiguousarray(cells.size, np.uint8)
        last = np.ascontiguousarray(cells.last_diagonals, np.uint8)
        parts = (array.ctypes.data for array in (samples, owner, sizes, last))
        picture = _Unrestored(*samples.shape, *parts)
        restorer = _restorer(network).pointer
        self._run(
            _library().sinr_restore,
            restorer,
            ctypes.byref(picture),
            step,
            strength,
            ctypes.byref(_Box(*box)),
            _pointer(result),
        )
        return result

    def to_pixels(self, planes: Planes) -> Pixels:
        """See `Kernels`."""
        samples = np.ascontiguousarray(planes, np.int16)
        channels, height, width = samples.shape
        pixels = np.empty((height, width, channels), np.uint8)
        strides = ctypes.c_size_t(height * width), ctypes.c_size_t(width)
        _library().sinr_to_pixels(_pointer(samples), *strides, channels, height, width, _pointer(pixels))
        return pixels

    def render(self, planes: Planes, rows: Taps, cols: Taps) -> Pixels:
        """See `Kernels`."""
        samples = np.ascontiguousarray(planes, np.int16)
        channels, height, width = samples.shape
        pixels = np.empty((len(rows[0]), len(cols[0]), channels), np.uint8)
        strides = ctypes.c_size_t(height * width), ctypes.c_size_t(width)
        parts = [
            (np.ascontiguousarray(index, np.int32), np.ascontiguousarray(taps, np.float32))
            for index, taps in (rows, cols)
        ]
        axes = [_Axis(*index.shape, index.ctypes.data, taps.ctypes.data) for index, taps in parts]
        self._run(
            _library().sinr_resample,
            _pointer(samples),
            *strides,
            channels,
            height,
            width,
            *map(ctypes.byref, axes),
            _pointer(pixels),
        )
        return pixels

    def fit_tile(
        self,
        planes: npt.NDArray[np.float32],
        quantiser: Quantiser,
        predictors: Mapping[int, PredictionNetwork],
        model: EntropyModel,
        effort: "Effort",
    ) -> "Fit":
        """See `Kernels`."""
        from inrcodec.decisions.fitting import Fit  # A decoder starts without it.

        samples = np.ascontiguousarray(planes, np.float32)
        channels, height, width = samples.shape
        tile = _Tile.empty((height // BLOCK, width // BLOCK), channels)
        drawn = tile.planes()
        networks, entropy = _predictors(predictors), _entropy(model).pointer
        self._run(
            _library().sinr_fit_tile,
            _pointer(samples),
            *tile.shape,
            _quantiser(quantiser),
            networks,
            entropy,
            effort.trials,
            effort.cut_trials,
            tile.pointers,
            _pointer(drawn),
        )
        return Fit(tile.symbols(), drawn)


def load(device: str, jobs: int | None = None) -> NativeKernels:
    """The kernels.

    Args:
        device: "cpu".
        jobs: threads that share a call's work; by default as many as `inrcodec.runtime.threads.threads`.

    Raises:
        EncodeError: the device is not the CPU, or there is no library.
    """
    if device != "cpu":
        raise EncodeError(f"the native kernels do not compute on {device}")
    _library()
    return NativeKernels(jobs or threads())
