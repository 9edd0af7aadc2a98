"""Seconds and memory of the codec on this machine: `python -m inrcodec.bench.speed [MEGAPIXELS]`.

One 768 x 512 photo (two that scikit-image ships, side by side) is encoded and decoded at default settings,
each five times, and the command line is started; medians are printed. With MEGAPIXELS, the photo is repeated
to about that size, and the command line encodes and decodes it once: its cores share the tiles, and the peak
memory of the largest process is printed.
"""

import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from PIL import Image
from skimage import data

import inrcodec
from inrcodec.runtime.threads import cores


def median_seconds(run: Callable[[], object], repeats: int = 5) -> float:
    """Median wall time of a call after one warm-up."""
    times = []
    for _ in range(repeats + 1):
        begin = time.perf_counter()
        run()
        times.append(time.perf_counter() - begin)
    return statistics.median(times[1:])


def _help() -> None:
    subprocess.run([sys.executable, "-m", "inrcodec", "--help"], stdout=subprocess.DEVNULL, check=True)


def main() -> None:
    """Measures and prints."""
    half = data.astronaut()  # type: ignore[no-untyped-call]
    photo = np.concatenate([half, half[:, ::-1][:, :256]], axis=1)
    file = inrcodec.encode(photo)
    print(f"encode 768 x 512  {median_seconds(lambda: inrcodec.encode(photo)):.2f} s")
    print(f"decode 768 x 512  {median_seconds(lambda: inrcodec.decode(file)):.2f} s")
    print(f"decode at scale 2 {median_seconds(lambda: inrcodec.decode(file, scale=2)):.2f} s")
    print(f"inrcodec --help   {median_seconds(_help):.2f} s")
    if len(sys.argv) > 1:
        times = round((float(sys.argv[1]) * 1e6 / photo[:, :, 0].size) ** 0.5)
        large = np.tile(photo, (times, times, 1))
        size = f"{large.size / 3e6:.1f} megapixels"
        with TemporaryDirectory() as folder:
            Image.fromarray(large).save(Path(folder) / "large.bmp")
            for command in ("encode --quiet large.bmp", "decode large.sinr -o decoded.bmp"):
                begin = time.perf_counter()
                arguments = [sys.executable, "-m", "inrcodec", *command.split()]
                subprocess.run(arguments, cwd=folder, check=True)  # noqa: S603
                seconds = time.perf_counter() - begin
                print(f"{command.split()[0]} {size}  {seconds:.1f} s, {cores()} processes")
        peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
        print(f"peak memory of the largest of these  {peak:.0f} MiB")


if __name__ == "__main__":
    main()
