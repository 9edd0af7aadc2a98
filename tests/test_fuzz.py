"""Fuzz targets take their seeds, and refuse what is made of them by chance."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent / "fuzz"))

from seeds import CORPORA
from synthetic import draw
from targets import TARGETS, accepts


@pytest.mark.parametrize("name", TARGETS)
def test_targets_read_their_seeds_and_refuse_the_rest(name):
    target = TARGETS[name]
    seeds = list(CORPORA[f"python/{name}"]())
    for file, seed in seeds:
        assert accepts(target, seed), file
    assert not accepts(target, b"\xff" * 50)
    for number, (place, value) in enumerate(draw(f"mutants of {name}", (12, 2), 0, 2**30).tolist()):
        mutant = bytearray(seeds[number % len(seeds)][1][: -1 - number % 3])
        if mutant:
            mutant[place % len(mutant)] = value % 256
        accepts(target, bytes(mutant))


def test_every_target_has_seeds():
    here = Path(__file__).parent / "fuzz"
    native = {f"native/{path.stem}" for path in here.glob("*.c")}
    assert set(CORPORA) == native | {f"python/{name}" for name in TARGETS}
