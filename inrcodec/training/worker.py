"""One training process: its device and its place among the processes that ``torchrun`` started."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

import torch
import torch.distributed as dist

from inrcodec.errors import EncodeError, InputError

_Item = TypeVar("_Item")


@dataclass(frozen=True)
class Worker:
    """A process and its device; ``world`` processes share every batch."""

    rank: int
    world: int
    device: torch.device

    @property
    def is_main(self) -> bool:
        """Whether this process writes files and reports progress."""
        return self.rank == 0

    def mean(self, tensor: torch.Tensor) -> torch.Tensor:
        """Replace ``tensor`` by its mean over all processes, in place."""
        if self.world > 1:
            dist.all_reduce(tensor)
            tensor /= self.world
        return tensor

    def interleaved(self, items: Sequence[_Item]) -> list[_Item]:
        """Picklable items of all processes: the first of every process, then the second of every one, ..."""
        if self.world == 1:
            return list(items)
        lists: list[Sequence[_Item]] = [()] * self.world
        dist.all_gather_object(lists, items)
        counts = range(max(len(theirs) for theirs in lists))
        return [theirs[i] for i in counts for theirs in lists if i < len(theirs)]

    def barrier(self) -> None:
        """Wait until every process has come here."""
        if self.world > 1:
            dist.barrier()

    def share(self, batch: int) -> slice:
        """This worker's part of a global batch; InputError if it does not divide evenly."""
        if batch % self.world:
            raise InputError(f"a batch of {batch} cannot be split evenly over {self.world} processes")
        size = batch // self.world
        return slice(self.rank * size, (self.rank + 1) * size)


def single_worker(device: str = "auto") -> Worker:
    """The only process of a run.

    Args:
        device: ``"cpu"``, ``"cuda"``, ``"cuda:1"``..., or ``"auto"``: CUDA if there is one.

    Raises:
        EncodeError: CUDA was asked for and is not available.
    """
    return Worker(0, 1, _device(device, 0))


@contextmanager
def open_worker(device: str = "auto") -> Iterator[Worker]:
    """The worker described by torchrun's environment variables, or a single one without them.

    Joins the process group (NCCL on CUDA, Gloo on the CPU) and leaves it at the end.
    """
    world = int(os.environ.get("WORLD_SIZE", "1"))
    if world == 1:
        yield single_worker(device)
        return
    place = _device(device, int(os.environ.get("LOCAL_RANK", "0")))
    if place.type == "cuda":
        torch.cuda.set_device(place)
    dist.init_process_group("nccl" if place.type == "cuda" else "gloo")
    try:
        yield Worker(dist.get_rank(), dist.get_world_size(), place)
    finally:
        dist.destroy_process_group()


def _device(name: str, local_rank: int) -> torch.device:
    available = torch.cuda.is_available()
    if name == "auto":
        name = "cuda" if available else "cpu"
    if name.startswith("cuda") and not available:
        raise EncodeError("no CUDA device is available")
    return torch.device("cuda", local_rank) if name == "cuda" else torch.device(name)
