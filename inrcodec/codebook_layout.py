"""What tensors a codebook has, of which types and shapes: the table of FORMAT.md, section 12.

All of it is checked from names, types and shapes alone, before anything is read or built.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

from inrcodec.entropy.context_network import MAGNITUDES, ROWS
from inrcodec.entropy.syntax import feature_counts, table_shapes
from inrcodec.signal.prediction import predicted_harmonics
from inrcodec.signal.restoration import FOLD, INPUTS, KERNELS, SAMPLES
from inrcodec.tile.partition import SIZES, boundary_size

MOST_BYTES = 1 << 28
"""Of a codebook file."""
_MOST_MODES = 255
_MOST_WIDTH = 512
_MOST_LAYERS, _MOST_CHANNELS = 16, 256
"""Of a part of the restoration network."""
TYPES = {"U8": "|u1", "U16": "<u2", "I16": "<i2", "I32": "<i4"}
"""Types of tensors in the file, and what numpy calls them."""


class Kind(NamedTuple):
    """Type (as `numpy.dtype.str`) and shape of a tensor; a length of None is any."""

    type: str
    shape: tuple[int | None, ...]

    def __str__(self) -> str:
        lengths = ", ".join("any" if length is None else str(length) for length in self.shape)
        return f"{self.type} ({lengths})"


@dataclass(frozen=True)
class Layout:
    """The tensors of a codebook.

    Attributes:
        modes: prediction modes.
        kinds: of all tensors, by name.
        packed: rows and columns of packed matrices, by name; what `<name>.shape` must say.
    """

    modes: int
    kinds: dict[str, Kind]
    packed: dict[str, tuple[int, int]]


def layout_of(found: Mapping[str, Kind]) -> Layout:
    """The layout of a codebook that has these tensors and no others.

    Raises:
        ValueError: there is none.
    """
    layout = _implied(found)
    for name, kind in layout.kinds.items():
        if name not in found:
            raise ValueError(f"{name} is missing")
        if not _fits(found[name], kind):
            raise ValueError(f"{name} is of {found[name]}, not of {kind}")
    if unknown := found.keys() - layout.kinds.keys():
        raise ValueError(f"{min(unknown)} is not part of a codebook")
    return layout


def _fits(found: Kind, wanted: Kind) -> bool:
    return (
        found.type == wanted.type
        and len(found.shape) == len(wanted.shape)
        and all(length in (have, None) for have, length in zip(found.shape, wanted.shape, strict=True))
    )


def _implied(found: Mapping[str, Kind]) -> Layout:
    """The layout that the lengths of biases and shifts imply."""

    def length(name: str, most: int) -> int:
        """Length of a vector, 1 to `most`."""
        shape = found[name].shape if name in found else ()
        if len(shape) != 1 or shape[0] is None or not 1 <= shape[0] <= most:
            raise ValueError(f"{name} is missing, or not of 1 to {most} numbers")
        return shape[0]

    predicted = {size: len(predicted_harmonics(size)) for size in SIZES}
    first = SIZES[0]
    modes, rest = divmod(
        length(f"prediction.{first}.bias3", _MOST_MODES * predicted[first]),
        predicted[first],
    )
    if rest:
        raise ValueError(f"prediction.{first}.bias3 is not of whole modes")
    layout = Layout(modes, {}, {})
    kinds = layout.kinds
    for element, shape in table_shapes(modes).items():
        kinds[element] = Kind("<u2", shape)
    for element, features in feature_counts(modes).items():
        for size in SIZES:
            prefix = f"{element}.{size}."
            hidden = [length(f"{prefix}bias{number}", _MOST_WIDTH) for number in (1, 2)]
            for number, (inputs, outputs) in enumerate(_pairs(features, *hidden, 1), 1):
                kinds[f"{prefix}weight{number}"] = Kind("<i4", (outputs, inputs))
                kinds[f"{prefix}bias{number}"] = Kind("<i4", (outputs,))
            kinds[f"{prefix}tables"] = Kind(
                "<u2", (2 * ROWS, MAGNITUDES if element == "magnitudes" else 2 * size)
            )
    for size in SIZES:
        prefix = f"prediction.{size}."
        width, boundary = length(f"{prefix}bias1", _MOST_WIDTH), boundary_size(size)
        shapes = [(width, boundary), (width, width), (modes * predicted[size], width + boundary)]
        for number, matrix in enumerate(shapes, 1):
            name = f"{prefix}weight{number}"
            layout.packed[name] = matrix
            kinds[f"{name}.shape"] = Kind("<i4", (2,))
            kinds[f"{name}.mask"] = Kind("|u1", (-(-math.prod(matrix) // 8),))
            kinds[f"{name}.survivors"] = Kind("<i2", (None,))
            kinds[f"{prefix}bias{number}"] = Kind("<i4", matrix[:1])
    for part, channels in _restoration(length).items():
        prefix, side = f"restoration.{part}.", KERNELS[part]
        kinds[f"{prefix}shifts"] = Kind("<i4", (len(channels),))
        for number, (inputs, outputs) in enumerate(channels, 1):
            kinds[f"{prefix}weight{number}"] = Kind("<i2", (outputs, inputs, side, side))
            kinds[f"{prefix}bias{number}"] = Kind("<i4", (outputs,))
    return layout


def _restoration(length: Callable[[str, int], int]) -> dict[str, list[tuple[int, int]]]:
    """Inputs and outputs of the layers of every part of the restoration network."""

    def hidden(part: str, wanted: int | None = None) -> list[int]:
        """Outputs of the part's layers; `wanted` replaces those of the last."""
        layers = length(f"restoration.{part}.shifts", _MOST_LAYERS)
        known = layers if wanted is None else layers - 1
        found = [length(f"restoration.{part}.bias{number}", _MOST_CHANNELS) for number in range(1, known + 1)]
        return found if wanted is None else [*found, wanted]

    head, branch = hidden("head"), hidden("branch")
    inner = length("restoration.down.bias1", _MOST_CHANNELS)
    squares = FOLD**2 * head[-1]
    return {
        "head": _pairs(INPUTS, *head),
        "down": [(squares, inner)],
        "branch": _pairs(inner, *branch),
        "up": [(branch[-1], squares)],
        "tail": _pairs(head[-1], *hidden("tail", SAMPLES)),
    }


def _pairs(*widths: int) -> list[tuple[int, int]]:
    """Inputs and outputs of layers."""
    return list(pairwise(widths))
