"""Where to compute: numpy on the CPU, torch on a GPU."""

import importlib.util
import shutil
from typing import Any

import numpy as np

from inrcodec.errors import EncodeError


def find_device(device: str) -> str:
    """Device to compute on, "cpu" or "cuda": as asked, or for "auto" a GPU where there is one.

    Raises:
        ValueError: none of the three.
        EncodeError: a GPU is asked for, and there is none, or no torch that can use it.
    """
    if device not in ("auto", "cpu", "cuda"):
        raise ValueError("device must be auto, cpu or cuda")
    # Importing torch takes longer than decoding a photo: only where there may be a GPU to gain from.
    if device == "cpu" or (device == "auto" and shutil.which("nvidia-smi") is None):
        return "cpu"
    if importlib.util.find_spec("torch") is not None:
        import torch

        if torch.cuda.is_available():
            return "cuda"
    if device == "cuda":
        raise EncodeError("no CUDA device: install torch with CUDA support, or use the CPU")
    return "cpu"


def processes(device: str, jobs: int, items: int) -> int:
    """How many processes are worth starting for some items, given how many may be.

    Args:
        device: "cpu" or "cuda"; a GPU is not shared among processes.
        jobs: how many may be.
        items: tiles or images.

    Raises:
        ValueError: none may be.
    """
    if jobs < 1:
        raise ValueError("jobs must be at least 1")
    return min(jobs, items) if device == "cpu" else 1


def array_module(device: str) -> Any:
    """numpy for "cpu", torch for any other device."""
    if device == "cpu":
        return np
    import torch

    return torch
