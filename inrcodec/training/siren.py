"""The one network of the package: a masked SIREN in one flat parameter vector.

Sine layers (Sitzmann et al. 2020, "Implicit Neural Representations with Periodic Activation Functions"), or
identity layers that only mix, then a linear output layer. A boolean mask over the flat layout says which
parameters exist (pruned ones are exactly zero), a second one which of them are tuned per cell.

`evaluate` and `features` take numpy arrays or torch tensors through the same code; torch is never imported
unless a tensor is passed in.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from inrcodec.training.flat import Array, FloatArray, Slot, consecutive

if TYPE_CHECKING:
    from torch import Tensor

Activation = Literal["sine", "identity"]
BoolArray = NDArray[np.bool_]


@dataclass(frozen=True)
class Layout:
    """Shape of a network and of its flat parameter vector.

    Attributes:
        in_features: inputs per sample.
        widths: outputs of each hidden layer.
        out_features: outputs of the linear output layer.
        activations: per hidden layer, ``"sine"``: sin(omega * (W x + b)), or ``"identity"``: W x + b.
        omegas: per hidden layer, the factor w0 in front of the affine map; 1 for identity layers.
    """

    in_features: int
    widths: tuple[int, ...]
    out_features: int
    activations: tuple[Activation, ...]
    omegas: tuple[float, ...]

    def __post_init__(self) -> None:
        """Raise ValueError for a shape that is none."""
        if not len(self.widths) == len(self.activations) == len(self.omegas):
            raise ValueError("widths, activations and omegas need one value per hidden layer")
        if min(self.in_features, self.out_features, *self.widths) < 1:
            raise ValueError("every layer needs at least one feature")
        for activation, omega in zip(self.activations, self.omegas, strict=True):
            if activation not in ("sine", "identity"):
                raise ValueError(f"unknown activation {activation!r}")
            if activation == "identity" and omega != 1:
                raise ValueError("an identity layer has omega 1")

    @classmethod
    def sines(cls, in_features: int, widths: tuple[int, ...], out_features: int, omega: float) -> Layout:
        """A plain SIREN: every hidden layer is a sine layer with the same omega."""
        activations: tuple[Activation, ...] = tuple("sine" for _ in widths)
        return cls(in_features, tuple(widths), out_features, activations, (float(omega),) * len(widths))

    @cached_property
    def slots(self) -> tuple[Slot, ...]:
        """``0.weight`` (out, in), ``0.bias`` (out,), ``1.weight``, ... in flat order."""
        sizes = (self.in_features, *self.widths, self.out_features)
        shapes: list[tuple[str, tuple[int, ...]]] = []
        for layer, (fan_in, fan_out) in enumerate(itertools.pairwise(sizes)):
            shapes += [(f"{layer}.weight", (fan_out, fan_in)), (f"{layer}.bias", (fan_out,))]
        return consecutive(shapes)

    @cached_property
    def size(self) -> int:
        """Length P of the flat vector."""
        return sum(slot.size for slot in self.slots)

    def slot(self, name: str) -> Slot:
        """The slot of that name; KeyError if there is none."""
        for slot in self.slots:
            if slot.name == name:
                return slot
        raise KeyError(name)

    def select(self, kind: Literal["weight", "bias"]) -> BoolArray:
        """Boolean (P,): the parameters of every layer's weight, or of every layer's bias."""
        chosen = np.zeros(self.size, np.bool_)
        for slot in self.slots:
            chosen[slot.slice] = slot.name.endswith(f".{kind}")
        return chosen

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready form; `from_dict` reads it back."""
        return {
            "in_features": self.in_features,
            "widths": list(self.widths),
            "out_features": self.out_features,
            "activations": list(self.activations),
            "omegas": list(self.omegas),
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Layout:
        """Inverse of `to_dict`; KeyError, TypeError or ValueError if the data do not describe a layout."""
        return cls(
            int(data["in_features"]),
            tuple(int(width) for width in data["widths"]),
            int(data["out_features"]),
            tuple(data["activations"]),
            tuple(float(omega) for omega in data["omegas"]),
        )


@dataclass(frozen=True, eq=False)
class Siren:
    """A network with its parameters and its two masks.

    Attributes:
        layout: shape of the network.
        params: float32 (P,), exactly zero where ``mask`` is False.
        mask: bool (P,), the parameters that exist (the survivors of pruning).
        tunable: bool (P,), the survivors that are adapted per cell or image; a subset of ``mask``.
    """

    layout: Layout
    params: NDArray[np.float32]
    mask: BoolArray
    tunable: BoolArray

    def __post_init__(self) -> None:
        """Raise ValueError if shapes, types or masks do not fit together."""
        shape = (self.layout.size,)
        if not self.params.shape == self.mask.shape == self.tunable.shape == shape:
            raise ValueError(f"params, mask and tunable must have shape {shape}")
        if self.params.dtype != np.float32 or self.mask.dtype != np.bool_ or self.tunable.dtype != np.bool_:
            raise ValueError("params must be float32, mask and tunable bool")
        if np.any(self.tunable & ~self.mask):
            raise ValueError("a tunable parameter must exist")
        if np.any(self.params[~self.mask]):
            raise ValueError("a pruned parameter must be exactly zero")

    @classmethod
    def sine_init(cls, layout: Layout, seed: int) -> Siren:
        """SIREN initialisation; every parameter exists and is tunable.

        First layer U(-1/in, 1/in), every other layer U(-sqrt(6/in)/omega, sqrt(6/in)/omega) with the omega of
        the layer itself (for the output layer, of the last hidden one); biases follow their layer's weights
        (Sitzmann et al. 2020, section 3.2; biases as in the code of Lee et al. 2021, Meta-SparseINR).
        """
        rng = np.random.default_rng(seed)
        omegas = (*layout.omegas, layout.omegas[-1] if layout.omegas else 1.0)
        params = np.empty(layout.size, np.float32)
        for index, slot in enumerate(layout.slots):
            layer = index // 2
            fan_in = layout.slots[2 * layer].shape[1]
            bound = 1 / fan_in if layer == 0 else math.sqrt(6 / fan_in) / omegas[layer]
            params[slot.slice] = rng.uniform(-bound, bound, slot.size)
        every = np.ones(layout.size, np.bool_)
        return cls(layout, params, every, every)

    @classmethod
    def harmonic(cls, order: int, out_features: int = 3) -> Siren:
        """A network whose output layer sees the cosine basis of the unit square.

        Layer 0 holds the sines sin(pi (k x + l y + 1/2)) = cos(pi (k x + l y)) with k in [0, order) and l in
        (-order, order), the mirror images among them left out: 2 order^2 - 2 order + 1 of them. Layer 1 is a
        sparse identity layer: output k * order + l is the half-sum of the sines (k, l) and (k, -l), that is
        s_k s_l cos(pi k x) cos(pi l y), scaled so that the order^2 outputs, sampled at the order x order
        pixel centres ((i + 1/2) / order), are orthonormal. The output weights are zero and are the tunables.
        Inputs are (x, y) in [0, 1]^2.
        """
        if order < 1:
            raise ValueError("order must be at least 1")
        waves = [(k, m) for k in range(order) for m in range(-order + 1 if k else 0, order)]
        number = {wave: index for index, wave in enumerate(waves)}
        layout = Layout(2, (len(waves), order * order), out_features, ("sine", "identity"), (math.pi, 1.0))
        params = np.zeros(layout.size, np.float32)
        mask = np.zeros(layout.size, np.bool_)
        tunable = np.zeros(layout.size, np.bool_)

        params[layout.slot("0.weight").slice] = np.ravel(waves)
        params[layout.slot("0.bias").slice] = 0.5
        for name in ("0.weight", "0.bias"):
            mask[layout.slot(name).slice] = True

        mixing = np.zeros(layout.slot("1.weight").shape)
        scale = [math.sqrt((2 if k else 1) / order) for k in range(order)]
        for k in range(order):
            for m in range(order):
                row, half = k * order + m, scale[k] * scale[m] / 2
                mixing[row, number[k, m]] += half
                # cos is even: for k = 0 the wave (0, -m) is the wave (0, m)
                mixing[row, number[k, -m if k else m]] += half
        params[layout.slot("1.weight").slice] = mixing.ravel()
        mask[layout.slot("1.weight").slice] = mixing.ravel() != 0

        for chosen in (mask, tunable):
            chosen[layout.slot("2.weight").slice] = True
        return cls(layout, params, mask, tunable)

    def evaluate(self, x: FloatArray) -> FloatArray:
        """`evaluate` with the network's own parameters."""
        return evaluate(self.layout, self.params, x)

    def survivors(self, params: Array) -> Array:
        """The tunable survivors of ``params`` (..., P), in flat order: (..., T)."""
        if isinstance(params, np.ndarray):
            return params[..., self.tunable]
        return params[..., _on_device(self.tunable, params)]

    def with_survivors(self, values: Array) -> Array:
        """Full parameter vectors (..., P): ``values`` (..., T) where tunable, the network's own elsewhere."""
        shape = (*values.shape[:-1], self.layout.size)
        if isinstance(values, np.ndarray):
            full = np.broadcast_to(self.params, shape).astype(values.dtype)
            full[..., self.tunable] = values
            return full
        tensor = _on_device(self.params, values).to(values.dtype).expand(shape).clone()
        tensor[..., _on_device(self.tunable, values)] = values
        return tensor

    def prune(self, keep: BoolArray) -> Siren:
        """The same network with only the parameters of ``keep`` (P,) that exist already."""
        mask = self.mask & keep
        params = np.where(mask, self.params, np.float32(0))
        return replace(self, params=params, mask=mask, tunable=self.tunable & mask)

    def survivor_counts(self) -> dict[str, int]:
        """Existing parameters per slot, e.g. ``{"0.weight": 512, "0.bias": 256, ...}``."""
        return {slot.name: int(self.mask[slot.slice].sum()) for slot in self.layout.slots}


def layer_inputs(layout: Layout, params: Array, x: Array) -> Iterator[Array]:
    """What enters every layer, from the samples to the features: arguments as for `features`."""
    yield x
    for layer, (activation, omega) in enumerate(zip(layout.activations, layout.omegas, strict=True)):
        # omega goes into the small operands: one pass less over the samples
        x = _affine(layout, params, layer, x, omega)
        if activation == "sine":
            x = _sine(x)
        yield x


def features(layout: Layout, params: Array, x: Array) -> Array:
    """Activations that enter the output layer.

    Args:
        layout: shape of the network.
        params: (P,) one network, or (B, P) one per cell; float32 (or float64 in numpy), pruned ones zero.
        x: (N, in) the same samples for every network, or (B, N, in).

    Returns:
        (N, F), or (B, N, F) if either argument is batched; F is the last width.
    """
    for last in layer_inputs(layout, params, x):  # noqa: B007 - a list of all would take more memory
        pass
    return last


def evaluate(layout: Layout, params: Array, x: Array) -> Array:
    """Outputs of the network: arguments as for `features`, result (N, out) or (B, N, out)."""
    return _affine(layout, params, len(layout.widths), features(layout, params, x), 1.0)


def _affine(layout: Layout, params: Array, layer: int, x: Array, scale: float) -> Array:
    weight, bias = layout.slots[2 * layer : 2 * layer + 2]
    matrix, offset = weight.of(params), bias.of(params)[..., None, :]
    if scale != 1:
        matrix, offset = matrix * scale, offset * scale
    out = x @ matrix.mT
    out += offset
    return out


def _on_device(array: NDArray[Any], like: Tensor) -> Tensor:
    import torch

    return torch.tensor(array, device=like.device)


def _sine(x: Array) -> Array:
    if isinstance(x, np.ndarray):
        return np.sin(x, out=x)
    return x.sin()
