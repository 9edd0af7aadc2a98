"""Long and parallel use: `python -m inrcodec.bench.soak [--minutes M]`.

Round after round, pictures of random sizes, kinds, qualities, tunes and targets are encoded and decoded in
several threads at once, each with several jobs, by a kernel set that changes from round to round. Every
result must be the same bytes as one after another with one job, and files of the round before must decode to
the pixels they had then. After every round the process must have no more threads and open descriptors than
after the first round of these kernels, and the same environment. At the end, its memory must not have grown:
the mean of the last quarter of the rounds is compared with that of the second, when all caches are filled.

The first thing that does not hold ends the command with exit code 1. Linux only.
"""

import argparse
import hashlib
import os
import statistics
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from skimage import data

import inrcodec
from inrcodec.decisions.effort import EFFORTS
from inrcodec.kernels import VARIABLE, compiled
from inrcodec.signal.quantiser import TUNES

Pixels = npt.NDArray[np.uint8]

_SETTLING = 2.0
"""Seconds within which the system forgets threads that have ended."""
_CALLERS = 2
"""Threads that call at once."""
_ROUND = 12
"""Pictures of a round."""
_NATIVE_ROUNDS = 3
"""For each in numpy, which takes many times as long."""
_LARGEST_PIXELS = 20_000
_LARGEST_SIDE = 1100
"""More than a tile: numpy shares those among processes."""
_USUAL_SIDE = 300
_GROWTH_MIB = 16
"""What an allocator may make of the same work in another order."""


@dataclass(frozen=True)
class Task:
    """A picture, and how it is encoded and decoded.

    Attributes:
        pixels: (H, W, C) uint8.
        how: of `inrcodec.encode`.
        view: of `inrcodec.decode`.
        jobs: for both.
    """

    pixels: Pixels
    how: dict[str, Any]
    view: dict[str, Any]
    jobs: int

    def run(self, jobs: int) -> tuple[bytes, str]:
        """The file, and a hash of the pixels that are decoded of it."""
        file = inrcodec.encode(self.pixels, **self.how, jobs=jobs)
        return file, _hash(inrcodec.decode(file, **self.view, jobs=jobs))


def _hash(pixels: Pixels) -> str:
    return hashlib.sha256(str(pixels.shape).encode() + pixels.tobytes()).hexdigest()


def random_task(rng: np.random.Generator, photo: Pixels) -> Task:
    """A part of a photo, which is larger than any."""
    largest = _LARGEST_SIDE if rng.random() < 0.05 else _USUAL_SIDE
    width = int(rng.integers(1, largest))
    height = int(rng.integers(1, 1 + min(largest, _LARGEST_PIXELS // width)))
    if rng.random() < 0.5:
        width, height = height, width
    y, x = (
        int(rng.integers(0, 1 + length - side))
        for length, side in zip(photo.shape, (height, width), strict=False)
    )
    pixels = photo[y : y + height, x : x + width, : rng.choice([1, 3])]
    if rng.random() < 0.3:
        alpha = rng.integers(0, 2, (height, width, 1), np.uint8) * np.uint8(255)
        pixels = np.concatenate([pixels, alpha], axis=2)
    how: dict[str, Any] = {"tune": str(rng.choice(list(TUNES))), "effort": int(rng.choice(list(EFFORTS)))}
    targets: list[dict[str, Any]] = [
        {"quality": float(rng.uniform(1, 100))},
        {"quality": float(rng.uniform(1, 100)), "entropy": "zstd"},
        {"max_bytes": 1000 + 2 * width * height},
    ]
    how |= targets[rng.choice(3, p=[0.7, 0.2, 0.1])]
    views: list[dict[str, Any]] = [{}, {"scale": 0.5}, {"size": (1, 1)}, {"crop": (0, 0, 1 + width // 2, 1)}]
    view = views[rng.integers(len(views))]
    return Task(np.ascontiguousarray(pixels), how, view, int(rng.integers(1, 3)))


@dataclass(frozen=True)
class State:
    """What the process holds.

    Attributes:
        mib: resident memory.
        descriptors, threads: how many are open, and run.
        environment: all variables but the one that names the kernels.
    """

    mib: float
    descriptors: int
    threads: int
    environment: dict[str, str]

    @classmethod
    def now(cls) -> "State":
        """That of this process."""
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        descriptors, threads = (len(os.listdir(f"/proc/self/{kind}")) for kind in ("fd", "task"))
        environment = {name: value for name, value in os.environ.items() if name != VARIABLE}
        return cls(pages * os.sysconf("SC_PAGE_SIZE") / 2**20, descriptors, threads, environment)

    def beyond(self, other: "State") -> str:
        """What has grown but for memory, or changed; empty if nothing has."""
        changes = [
            f"{getattr(self, name)} {name} instead of {getattr(other, name)}"
            for name in ("descriptors", "threads")
            if getattr(self, name) > getattr(other, name)
        ]
        variables = dict(self.environment.items() ^ other.environment.items())
        return ", ".join(changes + [f"another {name}" for name in sorted(variables)])


def soak(seconds: float, seed: int = 0) -> list[State]:
    """Works for a while, and says what the process held after each round, of which there are at least four.

    Raises:
        AssertionError: something is not as it should be.
    """
    rng = np.random.default_rng(seed)
    photo = np.tile(data.astronaut(), (3, 3, 1))  # type: ignore[no-untyped-call]
    sets = (["native"] * _NATIVE_ROUNDS if compiled() else []) + ["numpy"]
    first: dict[str, State] = {}
    states: list[State] = []
    known: list[tuple[Task, bytes, str]] = []
    begin = time.monotonic()
    with ThreadPoolExecutor(_CALLERS) as callers:
        while len(states) < 4 or time.monotonic() - begin < seconds:
            os.environ[VARIABLE] = kernels = sets[len(states) % len(sets)]
            tasks = [random_task(rng, photo) for _ in range(_ROUND)]
            expected = [task.run(1) for task in tasks]
            found = list(callers.map(lambda task: task.run(task.jobs), tasks))
            for task, one, other in zip(tasks, expected, found, strict=True):
                _require(one == other, f"{task.how} {task.view} with {task.jobs} jobs gave other bytes")
            for task, file, pixels in known:
                if "crop" in task.view or not task.view:  # Other sizes may differ by a level.
                    again = _hash(inrcodec.decode(file, **task.view))
                    _require(again == pixels, f"{task.how} {task.view} decoded to other pixels")
            known = [(task, *result) for task, result in zip(tasks, expected, strict=True)]
            states.append(_settled(first.get(kernels)))
            difference = states[-1].beyond(first.setdefault(kernels, states[-1]))
            _require(not difference, f"{difference} after round {len(states)}")
    return states


def _settled(before: State | None) -> State:
    """What the process holds when no thread that has ended is listed any more."""
    if before is None:
        time.sleep(_SETTLING)
        return State.now()
    end = time.monotonic() + _SETTLING
    while (state := State.now()).beyond(before) and time.monotonic() < end:
        time.sleep(0.01)
    return state


def _require(holds: bool, otherwise: str) -> None:
    if not holds:
        raise AssertionError(otherwise)


def growth(states: list[State]) -> float:
    """MiB by which the last quarter of the rounds exceeds the second."""
    quarter = max(1, len(states) // 4)
    last, second = states[-quarter:], states[quarter : 2 * quarter]
    return statistics.fmean(s.mib for s in last) - statistics.fmean(s.mib for s in second)


def main() -> None:
    """Works, and prints what was held."""
    parser = argparse.ArgumentParser(prog="python -m inrcodec.bench.soak")
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    begin = State.now()
    try:
        states = soak(60 * arguments.minutes, arguments.seed)
        grown = growth(states)
        _require(grown < _GROWTH_MIB, f"memory grew by {grown:.1f} MiB")
        changed = states[-1].environment.items() ^ begin.environment.items()
        _require(not changed, f"the environment has changed: {dict(changed)}")
    except AssertionError as error:
        sys.exit(f"soak: {error}")
    print(f"{len(states)} rounds of {_ROUND} pictures, encoded and decoded twice each: the same bytes")
    print(f"descriptors {states[-1].descriptors}, threads {states[-1].threads}: no more than at first")
    print(f"resident memory: {begin.mib:.0f} MiB at first, {max(s.mib for s in states):.0f} at most")
    print(f"the last quarter of the rounds had {grown:+.1f} MiB on the second")


if __name__ == "__main__":
    main()
