"""The six systems of the comparison: which network each starts from, and what it prunes while fitting."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from inrcodec.errors import InputError
from inrcodec.reproduce.presets import Preset
from inrcodec.reproduce.training import Networks
from inrcodec.training.siren import Siren


@dataclass(frozen=True)
class Method:
    """One system.

    Attributes:
        name: as on the command line and in the tables.
        title: as in the paper.
        sgd: whether the evaluation by a few steps of gradient descent applies to it: not to those that prune
            while they fit.
    """

    name: str
    title: str
    sgd: bool = True


META_SPARSE = "meta-sparseinr"
RANDOM = "random-pruning"
NARROW = "dense-narrow"
ONE_SHOT = "maml-oneshot"
IMP = "maml-imp"
SCRATCH = "scratch"

METHODS: Mapping[str, Method] = MappingProxyType(
    {
        method.name: method
        for method in (
            Method(META_SPARSE, "Meta-SparseINR"),
            Method(RANDOM, "Random Pruning"),
            Method(NARROW, "Dense-Narrow"),
            Method(ONE_SHOT, "MAML+OneShot", sgd=False),
            Method(IMP, "MAML+IMP", sgd=False),
            Method(SCRATCH, "Scratch"),
        )
    }
)


@dataclass(frozen=True, eq=False)
class Candidate:
    """A network to be fitted to the test images.

    Attributes:
        method: key of `METHODS`.
        index: its number among the candidates of its method.
        siren: where fitting starts.
        pruning: shares of the weights to remove after steps of fitting by Adam, see
            `inrcodec.training.adapt.adapt`.
        redraw: start at a new random initialisation for every image instead of at ``siren``.
    """

    method: str
    index: int
    siren: Siren
    pruning: Mapping[int, float] = field(default_factory=dict)
    redraw: bool = False


def parse_methods(text: str) -> tuple[str, ...]:
    """Names of methods from ``all`` or a comma-separated list, in the order of `METHODS`.

    Raises:
        InputError: an unknown name, or none.
    """
    names = {name.strip() for name in text.split(",") if name.strip()}
    if names == {"all"}:
        return tuple(METHODS)
    unknown = sorted(names - set(METHODS))
    if unknown or not names:
        what = f"unknown method {unknown[0]!r}" if unknown else "no method named"
        raise InputError(f"{what}; known are all, {', '.join(METHODS)}")
    return tuple(name for name in METHODS if name in names)


def candidates(method: str, networks: Networks) -> Iterator[Candidate]:
    """Everything one method is measured at, most weights first; trains what it needs."""
    preset = networks.preset
    if method in (META_SPARSE, RANDOM):
        for index, siren in enumerate(networks.pruned(method, random=method == RANDOM)):
            yield Candidate(method, index, siren)
    elif method == NARROW:
        for index, siren in enumerate(networks.narrow()):
            yield Candidate(method, index, siren)
    elif method == SCRATCH:
        for index, width in enumerate((None, *preset.narrow_widths)):
            yield Candidate(method, index, Siren.sine_init(preset.layout(width), networks.seed), redraw=True)
    else:
        schedule = one_shot if method == ONE_SHOT else iterative
        for index in range(1, preset.rounds + 1):
            yield Candidate(method, index, networks.dense, schedule(preset, index))


def one_shot(preset: Preset, rounds: int) -> dict[int, float]:
    """MAML+OneShot: halfway through, prune once as much as ``rounds`` rounds of Meta-SparseINR do."""
    return {preset.adam_steps // 2: 1 - (1 - preset.fraction) ** rounds}


def iterative(preset: Preset, rounds: int) -> dict[int, float]:
    """MAML+IMP: ``rounds`` prunings, evenly spaced inside the steps of the fit."""
    return {preset.adam_steps * k // (rounds + 1): preset.fraction for k in range(1, rounds + 1)}
