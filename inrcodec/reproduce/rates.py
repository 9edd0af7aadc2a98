"""From representation to codec: Meta-SparseINR networks as files, beside the codec and JPEG."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable, Sequence
from dataclasses import astuple, dataclass, field, fields
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from inrcodec.bench.codecs import Codec, parse_codec
from inrcodec.codebook import available_codebooks
from inrcodec.errors import FormatError
from inrcodec.metrics import Pixels, psnr
from inrcodec.reproduce.coded import decode_survivors, encode_survivors
from inrcodec.reproduce.presets import Preset
from inrcodec.reproduce.tables import write_csv
from inrcodec.runtime.atomic_files import atomic_write
from inrcodec.training.adapt import adapt, coordinates
from inrcodec.training.siren import Siren, evaluate

RATES = "rates.csv"
RELATIVE_STEPS = (0.125, 0.25, 0.5, 1.0)
"""Quantiser steps of the survivors, over the root mean square of a tensor's change."""
BARE_JPEG = "jpeg without headers"


@dataclass(frozen=True)
class Rate:
    """One coder at one setting, means over the images of a data set.

    Attributes:
        dataset: key of `inrcodec.reproduce.presets.TITLES`.
        coder: name of the coder.
        setting: relative step of survivors, or quality.
        bpp: bits of the file on disk per pixel.
        psnr: of the decoded 8-bit pixels in dB.
    """

    dataset: str
    coder: str
    setting: float
    bpp: float
    psnr: float


@dataclass(frozen=True, eq=False)
class SurvivorCoder:
    """Adapts a meta-learned network to an image and writes what changed; see `inrcodec.reproduce.coded`."""

    siren: Siren
    preset: Preset
    device: torch.device
    # fits by the bytes of their image: one fit serves all quantiser steps
    _fits: dict[bytes, NDArray[np.float32]] = field(default_factory=dict, repr=False)

    @property
    def name(self) -> str:
        """Names the sparsity."""
        return f"meta-sparseinr {surviving_weights(self.siren)}"

    def encode(self, image: Pixels, setting: float) -> bytes:
        """Fit by the paper's protocol, then code with the relative quantiser step ``setting``."""
        key = image.tobytes()
        if key not in self._fits:
            side = self.preset.crop
            targets = torch.from_numpy(image.copy()).to(self.device).reshape(1, -1, 3) / 255
            coords = coordinates(side, side, span="signed", device=self.device)
            steps, lr = self.preset.adam_steps, self.preset.adam_lr
            fit = adapt(self.siren, coords, targets, optimiser="adam", steps=steps, lr=lr)
            self._fits[key] = fit.params[0].cpu().numpy()
        return encode_survivors(self.siren, self._fits[key], setting)

    def decode(self, data: bytes) -> Pixels:
        """The network's image in 8 bits."""
        side = self.preset.crop
        params = torch.from_numpy(decode_survivors(self.siren, data)).to(self.device)
        coords = coordinates(side, side, span="signed", device=self.device)
        outputs = evaluate(self.siren.layout, params, coords).cpu().numpy()
        pixels: Pixels = np.rint(outputs.clip(0, 1) * 255).astype(np.uint8).reshape(side, side, 3)
        return pixels


def surviving_weights(siren: Siren) -> int:
    """Weights (not biases) that are left."""
    return int((siren.mask & siren.layout.select("weight")).sum())


def measure_rates(
    dataset: str, preset: Preset, networks: Sequence[Siren], images: torch.Tensor, folder: Path
) -> list[Rate]:
    """Code every image by every coder into a file and back.

    Args:
        dataset: data set of the images.
        preset: how networks are adapted.
        networks: Meta-SparseINR at the sparsities to code.
        images: uint8 (B, side, side, 3).
        folder: where the files go.
    """
    pixels = images.cpu().numpy()
    rates: list[Rate] = []
    for siren in networks:
        coder = SurvivorCoder(siren, preset, images.device)
        rates += _curve(dataset, coder, coder.name, RELATIVE_STEPS, pixels, folder)
    # without a codebook there is nothing to compare with yet
    if available_codebooks():
        codec = parse_codec("inrcodec")
        rates += _curve(dataset, codec, codec.name, codec.settings, pixels, folder)
    jpeg = parse_codec("jpeg")
    rates += _curve(dataset, jpeg, jpeg.name, jpeg.settings, pixels, folder)
    rates += _curve(dataset, jpeg, BARE_JPEG, jpeg.settings, pixels, folder, size=jpeg_scan_bytes)
    return rates


def jpeg_scan_bytes(data: bytes) -> int:
    """Entropy-coded bytes of a baseline JPEG file: all that is left when tables and headers are known."""
    at = 2
    while data[at + 1] != 0xDA:
        at += 2 + int.from_bytes(data[at + 2 : at + 4], "big")
    return len(data) - at - 2 - int.from_bytes(data[at + 2 : at + 4], "big") - 2


def save_rates(rates: Iterable[Rate], path: Path) -> None:
    """Write a CSV file."""
    rows = (
        [f"{value:.4g}" if isinstance(value, float) else value for value in astuple(rate)] for rate in rates
    )
    write_csv(path, " ".join(item.name for item in fields(Rate)), rows)


def load_rates(path: Path) -> list[Rate]:
    """Read what `save_rates` wrote.

    Raises:
        FormatError: it is something else.
    """
    try:
        with path.open(newline="") as file:
            return [
                Rate(row["dataset"], row["coder"], *(float(row[k]) for k in ("setting", "bpp", "psnr")))
                for row in csv.DictReader(file)
            ]
    except (KeyError, ValueError) as error:
        raise FormatError(f"{path} is not a table of rates") from error


def _curve(
    dataset: str,
    coder: Codec | SurvivorCoder,
    name: str,
    settings: Sequence[float],
    images: Pixels,
    folder: Path,
    size: Callable[[bytes], int] = len,
) -> list[Rate]:
    rates = []
    for setting in settings:
        place = folder / f"{name} {setting:g}"
        place.mkdir(parents=True, exist_ok=True)
        bits, quality = [], []
        for index, image in enumerate(images):
            path = place / f"{index:03d}"
            atomic_write(path, coder.encode(image, setting), overwrite=True)
            data = path.read_bytes()
            bits.append(8 * size(data) / (image.shape[0] * image.shape[1]))
            quality.append(psnr(image, coder.decode(data)))
        rates.append(Rate(dataset, name, setting, float(np.mean(bits)), float(np.mean(quality))))
    return rates
