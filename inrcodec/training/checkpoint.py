"""Named arrays and a JSON description in one safetensors file, written atomically."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from inrcodec.errors import FormatError, InputError
from inrcodec.runtime.atomic_files import atomic_write

_KEY = "inrcodec"


def save_arrays(path: Path, tensors: dict[str, NDArray[Any]], metadata: dict[str, Any]) -> None:
    """Write ``tensors`` and ``metadata``; an interrupted write leaves the old file as it was."""
    # one metadata key only: the order of several would not be deterministic
    data = save(
        {name: np.ascontiguousarray(value) for name, value in tensors.items()},
        metadata={_KEY: json.dumps(metadata, sort_keys=True)},
    )
    atomic_write(path, data, overwrite=True)


def load_arrays(path: Path) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
    """Read what `save_arrays` wrote.

    Raises:
        FormatError: the file is not one of those, or is damaged.
        OSError: the file cannot be read.
    """
    try:
        with safe_open(path, framework="numpy") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a dict
            metadata = json.loads((file.metadata() or {})[_KEY])
    except (SafetensorError, KeyError, json.JSONDecodeError) as error:
        raise FormatError(f"{path} is not a checkpoint or network of this program") from error
    return tensors, metadata


def load_input(what: str, path: str | Path) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
    """`load_arrays` of a file that a recipe names.

    Raises:
        InputError: the file cannot be read; the message says what it is.
        FormatError: as for `load_arrays`.
    """
    try:
        return load_arrays(Path(path))
    except OSError as error:
        raise InputError(f"the {what} {path} cannot be read: {error}") from error
