"""The outer loop: Adam or Muon on one flat vector, pruning and retraining, checkpoints, exact resume."""

from __future__ import annotations

import json
import math
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from inrcodec.errors import InputError, InrCodecError
from inrcodec.training.adam import Moments, adam_step
from inrcodec.training.checkpoint import load_arrays, save_arrays
from inrcodec.training.graph import CapturedStep, Step
from inrcodec.training.log import CsvLog, progress_bar
from inrcodec.training.muon import muon_step
from inrcodec.training.prune import prune
from inrcodec.training.task import Metrics, Task, Tensors
from inrcodec.training.worker import Worker

_STATE = "state.safetensors"


@dataclass(frozen=True)
class TrainConfig:
    """How long, how fast and how sparse.

    Attributes:
        steps: outer steps before the first pruning.
        lr: outer learning rate.
        schedule: ``"constant"``, or ``"cosine"``: from its peak to 0 within every round.
        grad_clip: largest norm of the whole gradient; 0 for no bound.
        rounds: rounds of pruning.
        round_steps: outer steps after each pruning.
        round_lr: learning rate of these rounds; 0 for `lr`.
        fraction: share of the prunable survivors that a round removes.
        score: what is ranked: ``"magnitude"`` |theta0|, ``"adapted"`` the task's own score, or ``"random"``.
        seed: seed of the initialisation, the batches and random pruning.
        log_every: outer steps per row of the log; checkpoints fall on these too.
        validate_every: outer steps between validations within a round; 0 for one at its end only.
        checkpoint_seconds: at most about this long between two checkpoints.
    """

    steps: int
    lr: float
    schedule: Literal["constant", "cosine"] = "constant"
    grad_clip: float = 0.0
    rounds: int = 0
    round_steps: int = 0
    round_lr: float = 0.0
    fraction: float = 0.2
    score: Literal["magnitude", "adapted", "random"] = "magnitude"
    seed: int = 0
    log_every: int = 50
    validate_every: int = 0
    checkpoint_seconds: float = 300.0

    def __post_init__(self) -> None:
        """Raise InputError for values out of range."""
        if self.steps < 0 or self.rounds < 0 or self.round_steps < 0 or self.log_every < 1:
            raise InputError("steps, rounds and round_steps cannot be negative, log_every must be at least 1")
        if not self.lr > 0 or not 0 <= self.fraction <= 1:
            raise InputError("lr must be positive and fraction between 0 and 1")

    def round_start(self, index: int) -> int:
        """Outer steps done when round ``index`` begins (round 0 is the unpruned one)."""
        return 0 if index == 0 else self.steps + (index - 1) * self.round_steps

    def rate(self, outer_step: int, index: int) -> float:
        """Learning rate of ``outer_step`` (0-based over the whole run) of round ``index``."""
        peak = self.round_lr if index and self.round_lr else self.lr
        if self.schedule == "constant":
            return peak
        start, end = self.round_start(index), self.round_start(index + 1)
        return peak * 0.5 * (1 + math.cos(math.pi * (outer_step - start) / (end - start)))


def earlier_state(
    out_dir: Path, recipe: dict[str, Any], *, resume: bool
) -> tuple[dict[str, NDArray[Any]], dict[str, Any]] | None:
    """Tensors and figures of the last checkpoint in a folder, if there is one.

    Raises:
        InputError: there is one and `resume` is False, or it was made by another recipe.
    """
    if not (out_dir / _STATE).exists():
        return None
    if not resume:
        raise InputError(f"{out_dir} holds a training run: resume it or choose another folder")
    tensors, state = load_arrays(out_dir / _STATE)
    # as JSON gives it back
    if state["recipe"] != json.loads(json.dumps(recipe)):
        raise InputError(f"{out_dir} was trained with another recipe")
    return tensors, state


class Trainer:
    """Trains one task; everything it knows lies in a few flat tensors and four numbers.

    Files in ``out_dir``: ``log.csv``, ``validation.csv``, ``round-00.safetensors``... (the task's export at
    the end of every round), ``state.safetensors`` (for resuming) and finally ``result.safetensors``.
    """

    def __init__(
        self,
        task: Task,
        config: TrainConfig,
        out_dir: Path,
        worker: Worker,
        recipe: dict[str, Any] | None = None,
    ) -> None:
        """Prepare a run; nothing is written before `run`.

        Args:
            task: what is learned.
            config: how it is learned.
            out_dir: folder of the run.
            worker: this process.
            recipe: JSON-ready description of the whole run, kept in every file.
        """
        self.task = task
        self.config = config
        self.out_dir = out_dir
        self.worker = worker
        self.recipe = {"training": asdict(config)} if recipe is None else recipe
        start = task.start()
        self._prunable = start.prunable
        self.params = torch.tensor(start.params, device=worker.device, requires_grad=True)
        self.mask = torch.tensor(start.mask, device=worker.device)
        self._matrices = start.matrices
        self._rates = torch.tensor(start.rates, device=worker.device)
        for matrix in start.matrices:
            self._rates[matrix.slice] = 0
        self._moments = Moments.zeros(self.params)
        self._momentum = torch.zeros_like(self._rates)
        self._rate = torch.zeros((), dtype=torch.float64, device=worker.device)
        state = (self.params, *vars(self._moments).values(), self._momentum)
        captured = worker.device.type == "cuda" and worker.world == 1
        self._step: Step = CapturedStep(self._learn, state) if captured else self._learn
        self.outer_step = 0
        self.round = 0
        self._seconds = 0.0
        self._sums: dict[str, Tensor] = {}
        self._summed = 0

    def run(self, *, resume: bool = False) -> Path:
        """Train to the end.

        Args:
            resume: go on from the last checkpoint of ``out_dir``, if there is one.

        Returns:
            Path of the result file.

        Raises:
            InputError: ``out_dir`` holds a run and ``resume`` is False, or that run had another recipe.
            InrCodecError: the loss is no longer finite.
        """
        sizes = {"log": 0, "validation": 0}
        earlier = earlier_state(self.out_dir, self.recipe, resume=resume)
        if earlier:
            sizes = self._restore(*earlier)
        # no process may look for the state after another one has begun to write it
        self.worker.barrier()
        self.out_dir.mkdir(parents=True, exist_ok=True)
        main = self.worker.is_main
        self._log = CsvLog(self.out_dir / "log.csv", sizes["log"]) if main else None
        self._validation = CsvLog(self.out_dir / "validation.csv", sizes["validation"]) if main else None
        self._clock = time.monotonic() - self._seconds
        self._saved = time.monotonic()
        outer_steps = self.config.round_start(self.config.rounds + 1)
        with progress_bar(outer_steps, hidden=not main) as self._show:
            while True:
                self._train_round()
                self._save()
                self._validate()
                self._export(f"round-{self.round:02d}.safetensors")
                if self.round == self.config.rounds:
                    break
                self._prune()
                self._save()
        self._export("result.safetensors")
        return self.out_dir / "result.safetensors"

    def _train_round(self) -> None:
        config, end = self.config, self.config.round_start(self.round + 1)
        while self.outer_step < end:
            self._update()
            if self.outer_step % config.log_every == 0 or self.outer_step == end:
                self._log_row()
            # the end of a round is validated and saved by the caller
            if (
                self.outer_step < end
                and config.validate_every
                and self.outer_step % config.validate_every == 0
            ):
                self._validate()
            # only between rows of the log: the sums of an unfinished row are not part of the state
            if self._summed == 0 and time.monotonic() - self._saved > config.checkpoint_seconds:
                self._save()

    def _update(self) -> None:
        self._rate.fill_(self.config.rate(self.outer_step, self.round))
        self._accumulate(self._step(self.task.batch(self.outer_step)))
        self.outer_step += 1

    def _learn(self, batch: Tensors) -> Metrics:
        """The outer step as such, which may be captured: all that it reads and changes stays in place."""
        loss, metrics = self.task.loss(self.params, self.mask, batch)
        (gradient,) = torch.autograd.grad(loss, self.params)
        with torch.no_grad():
            gradient = self.worker.mean(gradient * self.mask)
            if self.config.grad_clip:
                gradient *= (self.config.grad_clip / (gradient.norm() + 1e-12)).clamp(max=1)
            adam_step(self.params, gradient, self._moments, self._rates * self._rate)
            for matrix in self._matrices:
                muon_step(self.params, gradient, self._momentum, matrix, self._rate)
                # an orthogonal update moves what is pruned, too
                self.params[matrix.slice] *= self.mask[matrix.slice]
        return {name: value.detach() for name, value in {"loss": loss, **metrics}.items()}

    def _accumulate(self, metrics: Metrics) -> None:
        # stays on the device: no synchronisation per outer step
        for name, value in metrics.items():
            self._sums[name] = self._sums[name] + value if name in self._sums else value.clone()
        self._summed += 1

    def _log_row(self) -> None:
        means = self.worker.mean(torch.stack(list(self._sums.values())) / self._summed).tolist()
        figures = dict(zip(self._sums, means, strict=True))
        self._sums, self._summed = {}, 0
        if not math.isfinite(figures["loss"]):
            raise InrCodecError(
                f"training diverged before outer step {self.outer_step}: the loss is not finite"
            )
        if self._log:
            self._write(self._log, figures)
            self._show(self.outer_step, f"round {self.round} loss {figures['loss']:.5g}")

    def _validate(self) -> None:
        if self._validation:
            self._write(self._validation, self.task.validate(self.params.detach(), self.mask))

    def _write(self, log: CsvLog, figures: dict[str, float]) -> None:
        log.write({**self._place(), **figures, "seconds": time.monotonic() - self._clock})

    def _prune(self) -> None:
        params = self.params.detach()
        if self.config.score == "magnitude":
            score = params.abs()
        elif self.config.score == "adapted":
            score = self.worker.mean(self.task.score(params, self.mask).detach())
        else:
            generator = torch.Generator().manual_seed(self.config.seed * 1_000_003 + self.round)
            score = torch.rand(params.shape, generator=generator)
        kept = prune(score.cpu().numpy(), self.mask.cpu().numpy(), self._prunable, self.config.fraction)
        self.mask.copy_(torch.from_numpy(kept))
        for tensor in (params, self._moments.first, self._moments.second, self._momentum):
            tensor.mul_(self.mask)
        self.round += 1

    def _place(self) -> dict[str, int]:
        alive = self.mask & torch.as_tensor(self._prunable, device=self.worker.device)
        return {"step": self.outer_step, "round": self.round, "survivors": int(alive.sum())}

    def _export(self, name: str) -> None:
        if self.worker.is_main:
            export = self.task.export(self.params.detach().cpu().numpy(), self.mask.cpu().numpy())
            metadata = {**export.metadata, "recipe": self.recipe, "progress": self._place()}
            save_arrays(self.out_dir / name, export.tensors, metadata)

    def _tensors(self) -> dict[str, Tensor]:
        return {
            "params": self.params.detach(),
            "mask": self.mask,
            "first_moment": self._moments.first,
            "second_moment": self._moments.second,
            "momentum": self._momentum,
        }

    def _save(self) -> None:
        self._saved = time.monotonic()
        if self._log and self._validation:
            state = {
                "recipe": self.recipe,
                "step": self.outer_step,
                "round": self.round,
                "seconds": self._saved - self._clock,
                "sizes": {"log": self._log.size(), "validation": self._validation.size()},
            }
            arrays = {key: value.cpu().numpy() for key, value in self._tensors().items()}
            save_arrays(self.out_dir / _STATE, arrays, state)

    def _restore(self, tensors: dict[str, NDArray[Any]], state: dict[str, Any]) -> dict[str, int]:
        ours = self._tensors()
        shapes = {name: tuple(tensor.shape) for name, tensor in ours.items()}
        if {name: np.shape(array) for name, array in tensors.items()} != shapes:
            raise InputError(f"{self.out_dir} holds a run of another network")
        for name, tensor in ours.items():
            tensor.copy_(torch.from_numpy(tensors[name]))
        self.outer_step, self.round, self._seconds = state["step"], state["round"], state["seconds"]
        self._moments.number.fill_(self.outer_step)
        sizes: dict[str, int] = state["sizes"]
        return sizes
