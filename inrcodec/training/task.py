"""What the training engine asks of a task, and where a task runs."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from inrcodec.training.flat import Slot
from inrcodec.training.worker import Worker

Tensors = tuple[Tensor, ...]
Metrics = dict[str, Tensor]


@dataclass(frozen=True)
class Start:
    """Where training begins: one flat vector holding everything that is learned.

    Attributes:
        params: float32 (P,), zero where ``mask`` is False.
        mask: bool (P,), parameters that exist.
        prunable: bool (P,), parameters that pruning may remove (weights; not biases or learning rates).
        rates: float32 (P,), factor on the outer learning rate per parameter.
        matrices: parameters that learn by Muon, `rates` aside; all others learn by Adam.
    """

    params: NDArray[np.float32]
    mask: NDArray[np.bool_]
    prunable: NDArray[np.bool_]
    rates: NDArray[np.float32]
    matrices: tuple[Slot, ...] = ()

    @classmethod
    def unprunable(cls, params: NDArray[np.float32], matrices: tuple[Slot, ...] = ()) -> Start:
        """All parameters exist and stay, and learn at one rate."""
        every = np.ones(len(params), np.bool_)
        return cls(params, every, ~every, np.ones(len(params), np.float32), matrices)


@dataclass(frozen=True)
class Export:
    """Content of a result file: named arrays and a JSON-ready description of them."""

    tensors: dict[str, NDArray[Any]]
    metadata: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Setting:
    """What a task is built from besides its own options.

    Attributes:
        data: folder of photos, or an npz file.
        seed: seed of the run.
        worker: device and place among the processes.
    """

    data: str
    seed: int
    worker: Worker


class Task(Protocol):
    """A stateless learning problem over one flat parameter vector.

    ``params`` is float32 (P,) on the worker's device with pruned entries exactly zero, ``mask`` the bool (P,)
    of entries that exist. Nothing may depend on earlier calls, or a resumed run would differ from an
    uninterrupted one.
    """

    def start(self) -> Start:
        """The initial parameters, equal in every process."""
        ...

    def batch(self, index: int) -> Tensors:
        """This worker's share of batch ``index``, and all else in `loss` that depends on the number.

        On the worker's device, of the same shapes and dtypes for every number.
        """
        ...

    def loss(self, params: Tensor, mask: Tensor, batch: Tensors) -> tuple[Tensor, Metrics]:
        """Mean loss over what `batch` returned, and figures to log (always the same).

        Gradients flow to ``params``; those of pruned entries are dropped by the engine. On a GPU this is
        captured as a graph, so that it must not synchronise, move anything to the device or keep a tensor.
        """
        ...

    def score(self, params: Tensor, mask: Tensor) -> Tensor:
        """Importance (P,) for pruning by adapted magnitude: mean over tasks of |adapted parameter|."""
        ...

    def validate(self, params: Tensor, mask: Tensor) -> dict[str, float]:
        """Figures on held-out data; called in the first process only."""
        ...

    def export(self, params: NDArray[np.float32], mask: NDArray[np.bool_]) -> Export:
        """What a result file of this task holds."""
        ...
