"""Codebooks: everything trained that encoder and decoder share, in one safetensors file.

A codebook is identified by the hash of its tensors. Pruned matrices are stored as a bit mask and the
survivors in mask order.
"""

import hashlib
import json
import math
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from inrcodec.codebook_layout import MOST_BYTES, TYPES, Kind, Layout, layout_of
from inrcodec.entropy.context_network import ContextNetwork
from inrcodec.entropy.rans import Tables
from inrcodec.entropy.syntax import EntropyModel, feature_counts, table_shapes
from inrcodec.errors import CodebookNotFoundError, FormatError
from inrcodec.signal.prediction import PredictionNetwork
from inrcodec.signal.restoration import KERNELS, Layer, RestorationNetwork, exact
from inrcodec.tile.partition import SIZES

ID_BYTES = 4
DEFAULT = "default"
_LARGEST_SHIFT = 24
_MATRICES = ("weight1", "bias1", "weight2", "bias2", "weight3", "bias3")

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class CodebookInfo:
    """What is known of an installed codebook without using it.

    Attributes:
        name: file name without suffix.
        path: the file.
        id: hexadecimal content hash, `ID_BYTES` bytes.
        bytes: size of the file.
        recipe: name of the recipe it was trained with.
        trained_on: the training data and its licence.
        is_default: whether `encode` uses it unless told otherwise.
    """

    name: str
    path: str
    id: str
    bytes: int
    recipe: str
    trained_on: str
    is_default: bool


@dataclass(frozen=True, eq=False)
class Codebook:
    """A trained codebook.

    Attributes:
        id: content hash.
        predictors: prediction network of every cell size.
        entropy: tables and context networks.
        restoration: network that takes coding noise out of decoded planes.
        metadata: recipe, training data, licence.
    """

    id: bytes
    predictors: dict[int, PredictionNetwork]
    entropy: EntropyModel
    restoration: RestorationNetwork
    metadata: Mapping[str, Any]


def content_id(tensors: Mapping[str, Array]) -> bytes:
    """Hash of names, types, shapes and bytes of all tensors."""
    digest = hashlib.sha256()
    for name in sorted(tensors):
        array = np.ascontiguousarray(tensors[name])
        digest.update(f"{name}:{array.dtype.str}:{array.shape};".encode())
        digest.update(array.tobytes())
    return digest.digest()[:ID_BYTES]


def pack_matrix(name: str, matrix: Array) -> dict[str, Array]:
    """A pruned integer matrix as its mask (packed bits, row-major) and its survivors in mask order."""
    mask = matrix != 0
    return {
        f"{name}.mask": np.packbits(mask.ravel()),
        f"{name}.survivors": matrix[mask].astype(np.int16),
        f"{name}.shape": np.array(matrix.shape, np.int32),
    }


def _unpack_matrix(
    name: str, tensors: Mapping[str, Array], shape: tuple[int, int]
) -> npt.NDArray[np.float64]:
    count = math.prod(shape)
    bits = np.unpackbits(tensors[f"{name}.mask"])
    mask, padding = bits[:count].astype(bool), bits[count:]
    if tuple(tensors[f"{name}.shape"].tolist()) != shape or padding.any():
        raise ValueError(f"shape or mask of {name}")
    if len(tensors[f"{name}.survivors"]) != np.count_nonzero(mask):
        raise ValueError(f"survivors of {name}")
    matrix = np.zeros(count)
    matrix[mask] = tensors[f"{name}.survivors"]
    return matrix.reshape(shape)


def codebook_tensors(
    predictors: Mapping[int, PredictionNetwork],
    contexts: Mapping[str, Array],
    restoration: RestorationNetwork,
) -> dict[str, Array]:
    """Tensors of a codebook file.

    Args:
        predictors: prediction network of every cell size.
        contexts: the tensors of the entropy model, as `training.contexts` exports them.
        restoration: restoration network.
    """
    tensors = dict(contexts)
    tensors |= restoration_tensors(restoration)
    for size, network in predictors.items():
        for part in _MATRICES:
            matrix = getattr(network, part)
            if part.startswith("weight"):
                tensors |= pack_matrix(f"prediction.{size}.{part}", matrix)
            else:
                tensors[f"prediction.{size}.{part}"] = matrix.astype(np.int32)
    return tensors


def restoration_tensors(network: RestorationNetwork) -> dict[str, Array]:
    """The tensors of a codebook, all of which begin with `restoration.`, that hold a restoration network."""
    tensors: dict[str, Array] = {}
    for part, layers in network.parts.items():
        tensors[f"restoration.{part}.shifts"] = np.array([layer.shift for layer in layers], np.int32)
        for number, layer in enumerate(layers, 1):
            tensors[f"restoration.{part}.weight{number}"] = layer.weight.astype(np.int16)
            tensors[f"restoration.{part}.bias{number}"] = layer.bias.astype(np.int32)
    return tensors


def without(prefixes: tuple[str, ...], tensors: Mapping[str, Array]) -> dict[str, Array]:
    """The tensors whose names begin with none of the prefixes."""
    return {name: tensor for name, tensor in tensors.items() if not name.startswith(prefixes)}


def serialise(tensors: Mapping[str, Array], metadata: Mapping[str, Any]) -> bytes:
    """Bytes of a codebook file."""
    data: bytes = save(
        {n: np.ascontiguousarray(t) for n, t in tensors.items()}, {"inrcodec": json.dumps(dict(metadata))}
    )
    return data


def from_tensors(tensors: Mapping[str, Array], metadata: Mapping[str, Any]) -> Codebook:
    """Builds a codebook.

    Raises:
        FormatError: a tensor is missing or does not fit the others.
    """
    try:
        layout = layout_of({name: Kind(tensor.dtype.str, tensor.shape) for name, tensor in tensors.items()})
        last_diagonals, magnitudes = (
            {size: _context_network(f"{name}.{size}", tensors) for size in SIZES}
            for name in feature_counts(layout.modes)
        )
        model = EntropyModel(
            **{name: Tables(tensors[name]) for name in table_shapes(layout.modes)},
            last_diagonals=last_diagonals,
            magnitudes=magnitudes,
        )
        predictors = {size: _prediction_network(size, tensors, layout) for size in SIZES}
        restoration = _restoration_network(tensors)
    except ValueError as error:
        raise FormatError(f"the codebook is incomplete or inconsistent: {error}") from error
    return Codebook(content_id(tensors), predictors, model, restoration, metadata)


def _prediction_network(size: int, tensors: Mapping[str, Array], layout: Layout) -> PredictionNetwork:
    parts = {}
    for part in _MATRICES:
        name = f"prediction.{size}.{part}"
        packed = layout.packed.get(name)
        parts[part] = _unpack_matrix(name, tensors, packed) if packed else tensors[name].astype(np.float64)
    # Features stay within 4 * INPUT_MAX, so sums fit 32 bits; times a scale, they are exact in float64.
    if (4096 * np.abs(parts["weight3"]).sum(1) + np.abs(parts["bias3"])).max() >= 2**31:
        raise ValueError(f"sums of starts.{size} can exceed 32 bits")
    return PredictionNetwork(size, **parts)


def _context_network(name: str, tensors: Mapping[str, Array]) -> ContextNetwork:
    parts = {part: tensors[f"{name}.{part}"].astype(np.float64) for part in _MATRICES}
    for weight, bias in (("weight1", "bias1"), ("weight2", "bias2"), ("weight3", "bias3")):
        if np.abs(parts[weight]).max() >= 2**15:
            raise ValueError(f"a weight of {name} does not fit 16 bits")
        if (255 * np.abs(parts[weight]).sum(1) + np.abs(parts[bias])).max() >= 2**24:
            raise ValueError(f"{name} can exceed exact float32 integers")
    exact = {part: matrix.astype(np.float32) for part, matrix in parts.items()}
    return ContextNetwork(**exact, tables=Tables(tensors[f"{name}.tables"]))


def _restoration_network(tensors: Mapping[str, Array]) -> RestorationNetwork:
    parts: dict[str, list[Layer]] = {}
    for part in KERNELS:
        prefix = f"restoration.{part}."
        shifts = tensors[f"{prefix}shifts"]
        if shifts.min() < 0 or shifts.max() > _LARGEST_SHIFT:
            raise ValueError(f"{prefix}shifts")
        weights, biases = (
            [tensors[f"{prefix}{kind}{number}"].astype(np.float32) for number in range(1, len(shifts) + 1)]
            for kind in ("weight", "bias")
        )
        parts[part] = [Layer(*layer) for layer in zip(weights, biases, shifts.tolist(), strict=True)]
    network = RestorationNetwork.of(parts)
    if not all(exact(layer, number == 0) for number, layer in enumerate(network.layers)):
        raise ValueError("restoration can exceed exact float32 integers")
    return network


def _read(path: Path) -> tuple[dict[str, Array], dict[str, Any]]:
    try:
        if path.stat().st_size > MOST_BYTES:
            raise ValueError(f"it has more than {MOST_BYTES} bytes")
        with safe_open(path, framework="numpy") as file:
            metadata = json.loads((file.metadata() or {}).get("inrcodec", "{}"))
            if not isinstance(metadata, dict):
                raise ValueError("its metadata is not a table")
            slices = {name: file.get_slice(name) for name in file.keys()}  # noqa: SIM118
            # Before numpy sees them: it does not know all types that a file can name.
            layout_of(
                {
                    name: Kind(TYPES.get(found.get_dtype(), "unknown"), tuple(found.get_shape()))
                    for name, found in slices.items()
                }
            )
            return {name: file.get_tensor(name) for name in slices}, metadata
    except (SafetensorError, OSError, ValueError, RecursionError) as error:
        raise FormatError(f"{path} is not a codebook: {error}") from error


def _folder() -> Path:
    """Shipped codebooks: inside an installed package, or beside it in a checkout."""
    package = Path(__file__).parent
    installed = package / "_pretrained"
    return installed if installed.is_dir() else package.parent / "pretrained"


def _shipped() -> Iterable[Path]:
    return sorted(_folder().glob("*.safetensors"))


@lru_cache(maxsize=4)
def _load(path: str, modified: int) -> Codebook:
    del modified  # part of the cache key only
    return from_tensors(*_read(Path(path)))


def load_codebook(name_or_path: str | os.PathLike[str] | None = None) -> Codebook:
    """A codebook by the name of a shipped one or by path.

    Args:
        name_or_path: None for the default.

    Raises:
        CodebookNotFoundError: there is no such codebook.
        FormatError: the file is not a codebook.
    """
    return _load_path(_named(name_or_path))


def find_codebook(identifier: bytes) -> Codebook:
    """The shipped codebook with an id.

    Raises:
        CodebookNotFoundError: none has it.
    """
    return _load_path(_identified(identifier))


def codebook_file(identifier: bytes, name_or_path: str | os.PathLike[str] | None = None) -> bytes:
    """The content of the file of the codebook with an id.

    Args:
        identifier: the id.
        name_or_path: which one that is, if it is not a shipped one.

    Raises:
        CodebookNotFoundError: none has it, or there is none of that name.
        FormatError: the file is not a codebook, or has another id.
    """
    path = _identified(identifier) if name_or_path is None else _named(name_or_path)
    found = _load_path(path).id
    if found != identifier:
        raise FormatError(f"the file needs codebook {identifier.hex()}, not {found.hex()}")
    return path.read_bytes()


def _load_path(path: Path) -> Codebook:
    return _load(str(path), path.stat().st_mtime_ns)


def _named(name_or_path: str | os.PathLike[str] | None) -> Path:
    name = os.fspath(name_or_path) if name_or_path is not None else DEFAULT
    shipped = _folder() / f"{name}.safetensors"
    path = shipped if shipped.is_file() else Path(name)
    if not path.is_file():
        names = ", ".join(p.stem for p in _shipped()) or "none"
        raise CodebookNotFoundError(f"no codebook named {name!r} (shipped: {names}) and no such file")
    return path


def _identified(identifier: bytes) -> Path:
    for path in _shipped():
        if _load_path(path).id == identifier:
            return path
    raise CodebookNotFoundError(
        f"the file needs codebook {identifier.hex()}, which is not installed; pass its file as the codebook"
    )


def available_codebooks() -> list[CodebookInfo]:
    """The shipped codebooks."""
    result = []
    for path in _shipped():
        tensors, metadata = _read(path)
        recipe = metadata.get("recipe")
        result.append(
            CodebookInfo(
                name=path.stem,
                path=str(path),
                id=content_id(tensors).hex(),
                bytes=path.stat().st_size,
                recipe=str(recipe.get("name", "") if isinstance(recipe, Mapping) else recipe or ""),
                trained_on=str(metadata.get("trained_on", "")),
                is_default=path.stem == DEFAULT,
            )
        )
    return result
