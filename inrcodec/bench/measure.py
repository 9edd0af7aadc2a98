"""Measuring one point: encode, write, read back, decode, compare."""

import time
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from inrcodec.bench.codecs import parse_codec, warm_codec
from inrcodec.bench.images import load_rgb
from inrcodec.bench.points import Key, Point, point_file, setting_text
from inrcodec.metrics import Pixels, ms_ssim, psnr, ssim, ssimulacra2


@dataclass(frozen=True)
class Task:
    """One point to measure.

    Attributes:
        image: name of the image in the results.
        path: the image file.
        codec: codec specification, parsed again in the worker because codecs hold functions.
        setting: what the codec is asked for.
        out: report directory; the encoded file is kept below it.
        structure: whether SSIM, MS-SSIM and SSIMULACRA 2 are wanted; they take longer than most codecs do.
    """

    image: str
    path: Path
    codec: str
    setting: float
    out: Path
    structure: bool = True

    @property
    def key(self) -> Key:
        """The key of the point this task produces."""
        return self.image, self.codec, setting_text(self.setting)

    @property
    def file(self) -> Path:
        """Where its encoded file is kept."""
        return point_file(self.out, self.key, parse_codec(self.codec).extension)


def measure(task: Task) -> Point:
    """Measure one point. The size and the pixels are those of the file on disk, not of buffers in memory.

    Raises:
        InputError: the image cannot be read.
        Exception: whatever the codec raises.
    """
    codec = warm_codec(task.codec)
    original = _load(task.path)
    height, width, _ = original.shape

    start = time.perf_counter()
    data = codec.encode(original, task.setting)
    encode_s = time.perf_counter() - start

    path = task.file
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    size = path.stat().st_size
    stored = path.read_bytes()

    start = time.perf_counter()
    decoded = codec.decode(stored)
    decode_s = time.perf_counter() - start

    return Point(
        image=task.image,
        codec=task.codec,
        tune=codec.tune,
        setting=setting_text(task.setting),
        width=width,
        height=height,
        bytes=size,
        bpp=8.0 * size / (width * height),
        psnr=psnr(original, decoded),
        ssim=ssim(original, decoded) if task.structure else None,
        ms_ssim=ms_ssim(original, decoded) if task.structure else None,
        ssimulacra2=ssimulacra2(original, decoded) if task.structure else None,
        encode_s=encode_s,
        decode_s=decode_s,
    )


@lru_cache(maxsize=2)
def _load(path: Path) -> Pixels:
    return load_rgb(path)
