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

from inrcodec.entropy.context_network import MAGNITUDES, ROWS, ContextNetwork
from inrcodec.entropy.rans import Tables
from inrcodec.entropy.syntax import Element, EntropyModel, feature_counts, table_shapes
from inrcodec.errors import CodebookNotFoundError, FormatError
from inrcodec.signal.prediction import PredictionNetwork, predicted_harmonics
from inrcodec.signal.restoration import INPUT_BOUNDS, SAMPLES, RestorationNetwork, largest_sums
from inrcodec.tile.partition import SIZES, boundary_size

ID_BYTES = 4
DEFAULT = "default"
TENSORS: dict[Element, str] = {
    "splits": "splits",
    "modes": "modes",
    "transforms": "phases",
    "last_diagonals": "extents",
    "magnitudes": "magnitudes",
}
"""What tensors of a codebook call the elements of a tile; names are part of its id."""
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


def _unpack_matrix(name: str, tensors: Mapping[str, Array]) -> npt.NDArray[np.float64]:
    shape = tuple(int(n) for n in tensors[f"{name}.shape"])
    count = math.prod(shape)
    if len(tensors[f"{name}.mask"]) != -(-count // 8):
        raise ValueError(f"mask of {name}")
    mask = np.unpackbits(tensors[f"{name}.mask"], count=count).astype(bool)
    if tensors[f"{name}.survivors"].shape != (np.count_nonzero(mask),):
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
                tensors |= pack_matrix(f"starts.{size}.{part}", matrix)
            else:
                tensors[f"starts.{size}.{part}"] = matrix.astype(np.int32)
    return tensors


def restoration_tensors(network: RestorationNetwork) -> dict[str, Array]:
    """The tensors of a codebook, all of which begin with `restoration.`, that hold a restoration network."""
    tensors: dict[str, Array] = {"restoration.shifts": np.array(network.shifts, np.int32)}
    for layer, (weight, bias) in enumerate(zip(network.weights, network.biases, strict=True), 1):
        tensors[f"restoration.weight{layer}"] = weight.astype(np.int16)
        tensors[f"restoration.bias{layer}"] = bias.astype(np.int32)
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
        if any(tensor.dtype.kind not in "iu" for tensor in tensors.values()):
            raise ValueError("a tensor is not of integers")
        predictors = {size: _prediction_network(size, tensors) for size in SIZES}
        if len({network.modes for network in predictors.values()}) != 1:
            raise ValueError("prediction networks of different numbers of modes")
        modes = predictors[SIZES[0]].modes
        inputs = feature_counts(modes)
        model = EntropyModel(
            **{name: _tables(tensors[TENSORS[name]], *shape) for name, shape in table_shapes(modes).items()},
            last_diagonals={
                s: _context_network(
                    f"{TENSORS['last_diagonals']}.{s}", tensors, inputs["last_diagonals"], 2 * s
                )
                for s in SIZES
            },
            magnitudes={
                s: _context_network(f"{TENSORS['magnitudes']}.{s}", tensors, inputs["magnitudes"], MAGNITUDES)
                for s in SIZES
            },
        )
        restoration = _restoration_network(tensors)
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise FormatError(f"the codebook is incomplete or inconsistent: {error}") from error
    return Codebook(content_id(tensors), predictors, model, restoration, metadata)


def _prediction_network(size: int, tensors: Mapping[str, Array]) -> PredictionNetwork:
    parts = {
        part: _unpack_matrix(f"starts.{size}.{part}", tensors)
        if part.startswith("weight")
        else tensors[f"starts.{size}.{part}"].astype(np.float64)
        for part in _MATRICES
    }
    network = PredictionNetwork(size, **parts)
    hidden, inputs = network.weight1.shape
    outputs = network.modes * len(predicted_harmonics(size))
    shapes = [
        (hidden, inputs),
        (hidden,),
        (hidden, hidden),
        (hidden,),
        (outputs, hidden + inputs),
        (outputs,),
    ]
    if inputs != boundary_size(size) or [parts[part].shape for part in _MATRICES] != shapes:
        raise ValueError(f"shapes of starts.{size}")
    # Features stay within 4 * INPUT_MAX, so sums fit 32 bits; times a scale, they are exact in float64.
    if (4096 * np.abs(parts["weight3"]).sum(1) + np.abs(parts["bias3"])).max() >= 2**31:
        raise ValueError(f"sums of starts.{size} can exceed 32 bits")
    return network


def _tables(frequencies: Array, rows: int, symbols: int) -> Tables:
    if frequencies.shape != (rows, symbols):
        raise ValueError("shape of a frequency table")
    return Tables(frequencies)


def _context_network(name: str, tensors: Mapping[str, Array], inputs: int, symbols: int) -> ContextNetwork:
    parts = {part: tensors[f"{name}.{part}"].astype(np.float32) for part in _MATRICES}
    h1, h2 = len(parts["bias1"]), len(parts["bias2"])
    shapes = [(h1, inputs), (h1,), (h2, h1), (h2,), (1, h2), (1,)]
    if [parts[part].shape for part in _MATRICES] != shapes:
        raise ValueError(f"shapes of {name}")
    for weight, bias in (("weight1", "bias1"), ("weight2", "bias2"), ("weight3", "bias3")):
        if np.abs(parts[weight]).max() >= 2**15:
            raise ValueError(f"a weight of {name} does not fit 16 bits")
        if (255 * np.abs(parts[weight]).sum(1) + np.abs(parts[bias])).max() >= 2**24:
            raise ValueError(f"{name} can exceed exact float32 integers")
    return ContextNetwork(**parts, tables=_tables(tensors[f"{name}.tables"], 2 * ROWS, symbols))


def _restoration_network(tensors: Mapping[str, Array]) -> RestorationNetwork:
    shifts = tensors["restoration.shifts"]
    layers = range(1, len(shifts) + 1)
    weights, biases = (
        tuple(tensors[f"restoration.{part}{layer}"].astype(np.float32) for layer in layers)
        for part in ("weight", "bias")
    )
    if not len(shifts) or shifts.min() < 0 or shifts.max() > 24:
        raise ValueError("restoration.shifts")
    inputs = len(INPUT_BOUNDS)
    for weight, bias in zip(weights, biases, strict=True):
        if weight.shape != (len(bias), inputs, 3, 3):
            raise ValueError("shapes of restoration")
        inputs = len(bias)
    if inputs != SAMPLES:
        raise ValueError("outputs of restoration")
    network = RestorationNetwork(weights, biases, tuple(shifts.tolist()))
    if max(largest_sums(network)) >= 2**24:
        raise ValueError("restoration can exceed exact float32 integers")
    return network


def _read(path: Path) -> tuple[dict[str, Array], dict[str, Any]]:
    try:
        with safe_open(path, framework="numpy") as file:
            metadata = dict(json.loads((file.metadata() or {}).get("inrcodec", "{}")))
            return {name: file.get_tensor(name) for name in file.keys()}, metadata  # noqa: SIM118
    except (SafetensorError, OSError, TypeError, ValueError) as error:
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
    name = os.fspath(name_or_path) if name_or_path is not None else DEFAULT
    shipped = _folder() / f"{name}.safetensors"
    path = shipped if shipped.is_file() else Path(name)
    if not path.is_file():
        names = ", ".join(p.stem for p in _shipped()) or "none"
        raise CodebookNotFoundError(f"no codebook named {name!r} (shipped: {names}) and no such file")
    return _load(str(path), path.stat().st_mtime_ns)


def find_codebook(identifier: bytes) -> Codebook:
    """The shipped codebook with an id.

    Raises:
        CodebookNotFoundError: none has it.
    """
    for path in _shipped():
        codebook = _load(str(path), path.stat().st_mtime_ns)
        if codebook.id == identifier:
            return codebook
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
