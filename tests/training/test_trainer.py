"""The outer loop: exact resume, pruning rounds, several processes against one."""

from __future__ import annotations

import csv
import io
import os
import socket
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from inrcodec.errors import EncodeError, InputError, InrCodecError
from inrcodec.training.checkpoint import load_arrays
from inrcodec.training.flat import Slot
from inrcodec.training.log import CsvLog, progress_bar
from inrcodec.training.loop import TrainConfig, Trainer
from inrcodec.training.task import Export, Start
from inrcodec.training.worker import Worker, open_worker, single_worker

CONFIG = TrainConfig(
    steps=12,
    lr=1e-2,
    rounds=2,
    round_steps=8,
    schedule="cosine",
    grad_clip=1.0,
    log_every=4,
    validate_every=6,
)

MATRIX = Slot("matrix", 10, (2, 4))


class Regression:
    """Least squares on random batches of 8: the smallest task there is."""

    size = 20

    def __init__(self, worker: Worker, stop_at: int | None = None, matrices: tuple[Slot, ...] = ()) -> None:
        self.worker = worker
        self.matrices = matrices
        self.stop_at = stop_at
        self.target = torch.linspace(-1, 1, self.size, device=worker.device)

    def start(self) -> Start:
        params = np.random.default_rng(3).normal(size=self.size).astype(np.float32)
        every = np.ones(self.size, np.bool_)
        return Start(params, every, np.arange(self.size) < 15, np.ones(self.size, np.float32), self.matrices)

    def batch(self, index):
        if index == self.stop_at:
            raise KeyboardInterrupt
        rng = np.random.default_rng([7, index])
        inputs = rng.normal(size=(8, self.size)).astype(np.float32)[self.worker.share(8)]
        return (torch.tensor(inputs, device=self.worker.device),)

    def loss(self, params, mask, batch):
        (inputs,) = batch
        error = inputs @ (params - self.target)
        loss = error.square().mean()
        return loss, {"peak": error.abs().max()}

    def score(self, params, mask):
        return (params - self.target).abs()

    def validate(self, params, mask):
        return {"distance": float((params - self.target).norm())}

    def export(self, params, mask):
        return Export({"params": params, "mask": mask}, {"kind": "regression"})


def _rows(path: Path) -> list[dict[str, str]]:
    with open(path, newline="") as file:
        return [
            {key: value for key, value in row.items() if key != "seconds"} for row in csv.DictReader(file)
        ]


@pytest.mark.parametrize("matrices", [(), (MATRIX,)], ids=["adam", "muon"])
@pytest.mark.parametrize("stop_at", [3, 5, 11, 13, 19, 27])
def test_interrupted_and_resumed_equals_uninterrupted(
    tmp_path: Path, stop_at: int, matrices: tuple[Slot, ...]
) -> None:
    worker = single_worker("cpu")
    config = replace(CONFIG, checkpoint_seconds=0)
    whole = Trainer(Regression(worker, None, matrices), config, tmp_path / "whole", worker).run()
    parts = tmp_path / "parts"
    with pytest.raises(KeyboardInterrupt):
        Trainer(Regression(worker, stop_at, matrices), config, parts, worker).run()
    resumed = Trainer(Regression(worker, None, matrices), config, parts, worker).run(resume=True)

    for name in ("result", "round-00", "round-01", "round-02"):
        first, second = (
            (folder / f"{name}.safetensors").read_bytes() for folder in (whole.parent, resumed.parent)
        )
        assert first == second
    for name in ("log.csv", "validation.csv"):
        assert _rows(whole.parent / name) == _rows(parts / name)


def test_resuming_a_finished_run_changes_nothing(tmp_path: Path) -> None:
    worker = single_worker("cpu")
    path = Trainer(Regression(worker), CONFIG, tmp_path, worker).run()
    before, rows = path.read_bytes(), _rows(tmp_path / "validation.csv")
    Trainer(Regression(worker), CONFIG, tmp_path, worker).run(resume=True)
    assert path.read_bytes() == before
    assert _rows(tmp_path / "validation.csv") == rows


def test_a_run_is_not_overwritten_nor_resumed_under_another_recipe(tmp_path: Path) -> None:
    worker = single_worker("cpu")
    Trainer(Regression(worker), CONFIG, tmp_path, worker).run()
    with pytest.raises(InputError, match="holds a training run"):
        Trainer(Regression(worker), CONFIG, tmp_path, worker).run()
    with pytest.raises(InputError, match="another recipe"):
        Trainer(Regression(worker), replace(CONFIG, lr=1.0), tmp_path, worker).run(resume=True)


@pytest.mark.parametrize("matrices", [(), (MATRIX,)], ids=["adam", "muon"])
@pytest.mark.parametrize("score", ["magnitude", "adapted", "random"])
def test_rounds_prune_a_fifth_of_what_is_left(tmp_path: Path, score, matrices) -> None:
    worker = single_worker("cpu")
    task = Regression(worker, None, matrices)
    path = Trainer(task, replace(CONFIG, score=score), tmp_path, worker).run()
    tensors, metadata = load_arrays(path)
    # 15 prunable: 15 -> 12 -> 10, and 5 that are always kept
    assert tensors["mask"].sum() == 15
    assert tensors["mask"][15:].all()
    assert not tensors["params"][~tensors["mask"]].any()
    assert metadata["progress"] == {"step": 28, "round": 2, "survivors": 10}
    assert metadata["kind"] == "regression"
    earlier = load_arrays(tmp_path / "round-01.safetensors")[0]["mask"]
    assert earlier[tensors["mask"]].all()


def test_training_lowers_the_loss_and_logs_it(tmp_path: Path) -> None:
    worker = single_worker("cpu")
    config = TrainConfig(steps=300, lr=3e-2, log_every=50)
    Trainer(Regression(worker), config, tmp_path, worker).run()
    rows = _rows(tmp_path / "log.csv")
    assert list(rows[0]) == ["step", "round", "survivors", "loss", "peak"]
    assert [int(row["step"]) for row in rows] == [50, 100, 150, 200, 250, 300]
    assert float(rows[-1]["loss"]) < 0.01 * float(rows[0]["loss"])


def test_matches_torch_adam(tmp_path: Path) -> None:
    worker = single_worker("cpu")
    task = Regression(worker)
    trainer = Trainer(task, TrainConfig(steps=20, lr=1e-2), tmp_path, worker)
    reference = trainer.params.detach().clone().requires_grad_(True)
    optimiser = torch.optim.Adam([reference], lr=1e-2)
    for step in range(20):
        optimiser.zero_grad()
        task.loss(reference, trainer.mask, task.batch(step))[0].backward()
        optimiser.step()
    trainer.run()
    torch.testing.assert_close(trainer.params, reference, rtol=1e-5, atol=1e-6)


def test_divergence_is_an_error(tmp_path: Path) -> None:
    worker = single_worker("cpu")
    with pytest.raises(InrCodecError, match="diverged"):
        Trainer(Regression(worker), TrainConfig(steps=50, lr=1e30, log_every=5), tmp_path, worker).run()


def test_cosine_ends_every_round_near_zero() -> None:
    assert CONFIG.rate(0, 0) == CONFIG.lr
    assert CONFIG.rate(11, 0) < 0.02 * CONFIG.lr
    assert CONFIG.rate(12, 1) == CONFIG.lr
    assert CONFIG.rate(27, 2) < 0.05 * CONFIG.lr


def test_two_processes_equal_one(tmp_path: Path) -> None:
    worker = single_worker("cpu")
    single = Trainer(Regression(worker), CONFIG, tmp_path / "one", worker).run()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = {
        **os.environ,
        "WORLD_SIZE": "2",
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
        "OMP_NUM_THREADS": "1",
    }
    processes = [
        subprocess.Popen(
            [sys.executable, __file__, str(tmp_path / "two")],
            env={**environment, "RANK": str(rank), "LOCAL_RANK": str(rank)},
        )
        for rank in range(2)
    ]
    assert [process.wait(timeout=60) for process in processes] == [0, 0]
    first, _ = load_arrays(single)
    second, _ = load_arrays(tmp_path / "two" / "result.safetensors")
    np.testing.assert_array_equal(first["mask"], second["mask"])
    np.testing.assert_allclose(first["params"], second["params"], atol=1e-6)
    one, two = ([float(row["loss"]) for row in _rows(tmp_path / run / "log.csv")] for run in ("one", "two"))
    np.testing.assert_allclose(one, two, rtol=1e-4)


def test_progress_is_shown_on_terminals_only(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    for stream, hidden, shown in (
        (Terminal(), False, True),
        (Terminal(), True, False),
        (io.StringIO(), False, False),
    ):
        monkeypatch.setattr(sys, "stderr", stream)
        with progress_bar(10, hidden=hidden) as show:
            show(5, "loss 0.1")
        assert ("5/10 loss 0.1" in stream.getvalue()) == shown
        assert bool(stream.getvalue()) == shown


def test_rows_of_a_log_share_their_columns(tmp_path: Path) -> None:
    log = CsvLog(tmp_path / "log.csv")
    log.write({"step": 1, "loss": 0.5})
    size = log.size()
    log.write({"step": 2, "loss": 0.25})
    with pytest.raises(ValueError, match="other"):
        log.write({"step": 3, "other": 1.0})
    CsvLog(tmp_path / "log.csv", size).write({"step": 2, "loss": 0.125})
    assert (tmp_path / "log.csv").read_text() == "step,loss\n1,0.5\n2,0.125\n"


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_a_missing_device_is_named() -> None:
    with pytest.raises(EncodeError, match="CUDA"):
        single_worker("cuda")


if __name__ == "__main__":
    with open_worker("cpu") as here:
        Trainer(Regression(here), CONFIG, Path(sys.argv[1]), here).run()
