"""Seconds and memory on this machine: `python -m inrcodec.bench.speed [PHOTOS] [--large MEGAPIXELS]`.

Every photo of a folder (by default one of 768 x 512 that is made of one which scikit-image ships) is encoded
and decoded at default settings, in turn by every kernel set and by codecs that Pillow has, all with as many
threads as they take by themselves. Times are the best of several rounds, so that a busy machine matters less;
the medians over the photos are printed, and their ratio to AVIF's. Then where the time of the native kernels
goes, stage by stage.

With --large, the photo is repeated to about that size, and the command line encodes, decodes and crops it;
the peak memory of the largest of these processes is printed.
"""

import argparse
import io
import os
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image
from skimage import data

import inrcodec
from inrcodec.bench.images import load_rgb
from inrcodec.codebook import load_codebook
from inrcodec.container import FULL_STRENGTH
from inrcodec.decisions.effort import DEFAULT_EFFORT, EFFORTS
from inrcodec.kernels import VARIABLE, compiled, select
from inrcodec.runtime.threads import cores
from inrcodec.signal.color import to_planes
from inrcodec.signal.quantiser import DEFAULT_QUALITY, Quantiser, step_of_quality
from inrcodec.signal.restoration import FOLD, RestorationNetwork
from inrcodec.tile.partition import BLOCK

Pixels = npt.NDArray[np.uint8]
Run = Callable[[], Any]

_ROUNDS = {"numpy": 1}
_MOST_ROUNDS = 5
_PILLOW: Mapping[str, tuple[str, dict[str, Any]]] = {
    "AVIF speed 6": ("AVIF", {"speed": 6}),
    "WebP method 6": ("WEBP", {"method": 6}),
    "JPEG": ("JPEG", {}),
}


@contextmanager
def _kernels(name: str) -> Iterator[None]:
    before = os.environ.get(VARIABLE)
    os.environ[VARIABLE] = name
    try:
        yield
    finally:
        os.environ.pop(VARIABLE)
        if before is not None:
            os.environ[VARIABLE] = before


def _ours(name: str, photo: Pixels) -> tuple[Run, Callable[[bytes], Any]]:
    def encode() -> bytes:
        with _kernels(name):
            return inrcodec.encode(photo)

    def decode(file: bytes) -> Pixels:
        with _kernels(name):
            return inrcodec.decode(file)

    return encode, decode


def _theirs(kind: str, options: Mapping[str, Any], photo: Pixels) -> tuple[Run, Callable[[bytes], Any]]:
    picture = Image.fromarray(photo)

    def encode() -> bytes:
        out = io.BytesIO()
        picture.save(out, kind, **options)
        return out.getvalue()

    return encode, lambda file: np.asarray(Image.open(io.BytesIO(file)).convert("RGB"))


def _seconds(run: Run) -> float:
    begin = time.perf_counter()
    run()
    return time.perf_counter() - begin


def compare(photos: list[Pixels]) -> None:
    """Prints the table of codecs: seconds, and as a multiple of AVIF's."""
    sets = (["native"] if compiled() else []) + ["numpy"]
    medians: dict[str, tuple[float, float]] = {}
    best: dict[str, list[tuple[float, float]]] = {}
    for photo in photos:
        runs = {f"inrcodec, {name}": _ours(name, photo) for name in sets}
        runs |= {name: _theirs(kind, options, photo) for name, (kind, options) in _PILLOW.items()}
        files = {name: encode() for name, (encode, _) in runs.items()}
        found: dict[str, list[tuple[float, float]]] = {name: [] for name in runs}
        for turn in range(_MOST_ROUNDS):
            for name, (encode, decode) in runs.items():
                if turn < _ROUNDS.get(name.rpartition(" ")[2], _MOST_ROUNDS):
                    file = files[name]
                    times = _seconds(encode), _seconds(lambda d=decode, f=file: d(f))  # type: ignore[misc]
                    found[name].append(times)
        for name, rounds in found.items():
            encoding, decoding = (min(times) for times in zip(*rounds, strict=True))
            best.setdefault(name, []).append((encoding, decoding))
    for name, of_photos in best.items():
        encoding, decoding = (statistics.median(times) for times in zip(*of_photos, strict=True))
        medians[name] = encoding, decoding
    peer = medians["AVIF speed 6"]
    print("| | encode, s | x AVIF | decode, s | x AVIF |\n|---|---:|---:|---:|---:|")
    for name, (encoding, decoding) in medians.items():
        ratios = encoding / peer[0], decoding / peer[1]
        print(f"| {name} | {encoding:.4f} | {ratios[0]:.2f} | {decoding:.4f} | {ratios[1]:.1f} |")


def profile(photo: Pixels) -> None:
    """Prints what each stage of the native kernels takes."""
    book, kernels = load_codebook(), select("cpu", "native")
    quantiser = Quantiser(step_of_quality(DEFAULT_QUALITY))
    height, width = (length // BLOCK * BLOCK for length in photo.shape[:2])
    planes = to_planes(photo[:height, :width])
    blocks, box = (height // BLOCK, width // BLOCK), (0, 0, height, width)
    predictors, model, step = book.predictors, book.entropy, quantiser.step
    fit = kernels.fit_tile(planes, quantiser, predictors, model, EFFORTS[DEFAULT_EFFORT])
    coded, cells = kernels.write_tile(fit.symbols, step, model), fit.symbols.cells
    stages: dict[str, Run] = {
        "fit": lambda: kernels.fit_tile(planes, quantiser, predictors, model, EFFORTS[DEFAULT_EFFORT]),
        "write": lambda: kernels.write_tile(fit.symbols, step, model),
        "read": lambda: kernels.read_tile(coded, blocks, len(planes), step, model),
        "reconstruct": lambda: kernels.reconstruct(fit.symbols, quantiser, predictors),
        "restore": lambda: kernels.restore(book.restoration, fit.planes, cells, step, FULL_STRENGTH, box),
        "pixels": lambda: kernels.to_pixels(fit.planes),
    }
    print("\n| stage | ms |\n|---|---:|")
    seconds = {name: min(_seconds(run) for _ in range(_MOST_ROUNDS)) for name, run in stages.items()}
    for name, taken in seconds.items():
        print(f"| {name} | {1000 * taken:.1f} |")
    products = _products(book.restoration) * height * width / FOLD**2
    rate = products / seconds["restore"] / 1e9
    print(f"\nrestoration: {products / 1e9:.1f} GMAC as FORMAT.md has it, {rate:.0f} GMAC/s")


def _products(network: RestorationNetwork) -> float:
    """Multiplications of a position, of which the branch has a quarter."""
    of_part = {part: sum(layer.weight.size for layer in layers) for part, layers in network.parts.items()}
    return of_part["head"] + of_part["tail"] + sum(of_part[part] for part in ("down", "branch", "up")) / 4


def large(photo: Pixels, megapixels: float) -> None:
    """Prints seconds and memory of the command line on the photo repeated to about that size."""
    times = round((megapixels * 1e6 / photo[:, :, 0].size) ** 0.5)
    picture = np.tile(photo, (times, times, 1))
    print(f"\n| {picture.size / 3e6:.1f} megapixels, {cores()} cores | s |\n|---|---:|")
    with TemporaryDirectory() as folder:
        Image.fromarray(picture).save(Path(folder) / "large.bmp")
        for command in (
            "encode --quiet large.bmp",
            "decode large.sinr -o decoded.bmp",
            "decode large.sinr --crop 1000,1000,64,64 -o crop.bmp",
        ):
            arguments = [sys.executable, "-m", "inrcodec", *command.split()]
            taken = _seconds(lambda a=arguments: subprocess.run(a, cwd=folder, check=True))  # type: ignore[misc]  # noqa: S603
            print(f"| `{command}` | {taken:.2f} |")
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    print(f"\npeak memory of the largest of these processes: {peak:.0f} MiB")


def command_line(photo: Pixels) -> None:
    """Prints what starting the command takes, and decoding a small file with it."""
    with TemporaryDirectory() as folder:
        (Path(folder) / "small.sinr").write_bytes(inrcodec.encode(photo[:64, :64]))
        print("\n| command | s |\n|---|---:|")
        for command in ("--help", "decode small.sinr -o small.png -f"):
            arguments = [sys.executable, "-m", "inrcodec", *command.split()]

            def run(arguments: list[str] = arguments) -> None:
                subprocess.run(arguments, cwd=folder, check=True, stdout=subprocess.DEVNULL)  # noqa: S603

            print(f"| `{command}` | {min(_seconds(run) for _ in range(_MOST_ROUNDS)):.2f} |")


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(prog="python -m inrcodec.bench.speed")
    parser.add_argument("photos", nargs="?", type=Path, help="folder of photos")
    parser.add_argument("--large", type=float, metavar="MEGAPIXELS")
    arguments = parser.parse_args()
    half = data.astronaut()  # type: ignore[no-untyped-call]
    made = np.concatenate([half, half[:, ::-1][:, :256]], axis=1)
    photos = [load_rgb(path) for path in sorted(arguments.photos.iterdir())] if arguments.photos else [made]
    compare(photos)
    if compiled():
        profile(photos[0])
    command_line(made)
    if arguments.large:
        large(made, arguments.large)


if __name__ == "__main__":
    main()
