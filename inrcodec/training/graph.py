"""A training step as one CUDA graph: its many small kernels cost one launch."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from inrcodec.training.task import Metrics, Tensors

Step = Callable[[Tensors], Metrics]

_WARM_UP = 3


class CapturedStep:
    """Captures a step at its first call, then replays it.

    The step must always launch the same kernels, without synchronisation, and change tensors in place only.
    """

    def __init__(self, step: Step, state: tuple[Tensor, ...]) -> None:
        """Capture nothing yet.

        Args:
            step: what is captured.
            state: all that it changes, on a CUDA device. These tensors, and whatever else the step reads,
                have to stay where they are.
        """
        self._step = step
        self._state = state
        self._graph: torch.cuda.CUDAGraph | None = None

    def __call__(self, batch: Tensors) -> Metrics:
        """Take the step; the returned tensors are overwritten by the next one."""
        if self._graph is None:
            with torch.cuda.device(self._state[0].device):
                self._graph = self._capture(batch)
        for place, tensor in zip(self._batch, batch, strict=True):
            place.copy_(tensor)
        self._graph.replay()
        return self._metrics

    def _capture(self, batch: Tensors) -> torch.cuda.CUDAGraph:
        self._batch = tuple(tensor.clone() for tensor in batch)
        before = [tensor.detach().clone() for tensor in self._state]
        # libraries allocate and choose their kernels in the first calls, which a capture cannot hold
        stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            for _ in range(_WARM_UP):
                self._step(self._batch)
        torch.cuda.current_stream().wait_stream(stream)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            self._metrics = self._step(self._batch)
        with torch.no_grad():
            for tensor, value in zip(self._state, before, strict=True):
                tensor.copy_(value)
        return graph
