"""Peak memory of a codec, measured where nothing else runs: one fresh interpreter for each direction.

A process that has measured other points already holds freed memory which the next point reuses, so the only
honest figure is that of a new one. Each child loads what it needs (the pixels or the file, and the codec,
through a tiny warm-up picture), notes its resident peak, works once, and notes it again. Pixels are handed
over raw, because unpacking a PNG would raise the peak before the work begins.
"""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from inrcodec.bench.codecs import warm_codec
from inrcodec.bench.images import load_rgb
from inrcodec.errors import EncodeError
from inrcodec.runtime.threads import ONE_THREAD


@dataclass(frozen=True)
class Peak:
    """Peak resident memory of one process, in MiB.

    Attributes:
        idle: before the work: interpreter, libraries, input.
        working: after it.
    """

    idle: float
    working: float


@dataclass(frozen=True)
class Memory:
    """Peak memory of one codec on one image at one setting."""

    image: str
    setting: str
    encode: Peak
    decode: Peak


def measure_memory(codec: str, image: str, source: Path, setting: str, encoded: Path) -> Memory:
    """Encode `source` and decode `encoded` in fresh processes of one thread.

    Args:
        codec: codec specification.
        image: name of the image in the results.
        source: the image file.
        setting: what the codec is asked for.
        encoded: the file of that point.

    Raises:
        EncodeError: a child process failed.
        InputError: the image cannot be read.
    """
    with TemporaryDirectory() as folder:
        raw = Path(folder) / "pixels.npy"
        np.save(raw, load_rgb(source))
        encode = _run_child("encode", codec, setting, raw)
    return Memory(image, setting, encode, decode=_run_child("decode", codec, setting, encoded))


def _run_child(direction: str, codec: str, setting: str, path: Path) -> Peak:
    command = [sys.executable, "-m", "inrcodec.bench.memory", direction, codec, setting, str(path)]
    environment = os.environ | ONE_THREAD
    child = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)  # noqa: S603
    if child.returncode:
        last = child.stderr.strip().rpartition("\n")[2]
        raise EncodeError(f"measuring the memory of {codec} failed: {last}")
    return Peak(**json.loads(child.stdout))


def peak_mib() -> float:
    """Highest resident size of this process so far."""
    status = Path("/proc/self/status")
    if status.exists():
        # getrusage would count the parent's size before exec as well.
        for line in status.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 1024.0
    import resource  # not on Windows

    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**20


def _child(direction: str, codec_name: str, setting: str, path: str) -> None:
    codec = warm_codec(codec_name)
    if direction == "encode":
        pixels = np.load(path)
        idle = peak_mib()
        codec.encode(pixels, float(setting))
    else:
        data = Path(path).read_bytes()
        idle = peak_mib()
        codec.decode(data)
    print(json.dumps({"idle": round(idle, 1), "working": round(peak_mib(), 1)}))


if __name__ == "__main__":
    _child(*sys.argv[1:])
