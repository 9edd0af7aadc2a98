"""Seconds and memory of the codec on this machine: `python -m inrcodec.bench.speed [MEGAPIXELS]`.

One 768 x 512 photo (two that scikit-image ships, side by side) is encoded and decoded at default settings,
each five times, and the command line is started; medians are printed. With MEGAPIXELS, the photo is repeated
to about that size, encoded once and decoded once in a process of its own whose peak memory is printed.
"""

import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable

import numpy as np
from skimage import data

import inrcodec


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
        begin = time.perf_counter()
        file = inrcodec.encode(large)
        print(f"encode {large.size / 3e6:.1f} megapixels  {time.perf_counter() - begin:.1f} s")
        code = "import sys, inrcodec; inrcodec.decode(sys.stdin.buffer.read())"
        begin = time.perf_counter()
        subprocess.run([sys.executable, "-c", code], input=file, check=True)  # noqa: S603
        peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
        seconds = time.perf_counter() - begin
        print(f"decode {large.size / 3e6:.1f} megapixels  {seconds:.1f} s, peak {peak:.0f} MiB")


if __name__ == "__main__":
    main()
