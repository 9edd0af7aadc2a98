"""From data and a recipe to a result file."""

from __future__ import annotations

from pathlib import Path

from inrcodec.errors import InputError
from inrcodec.training.loop import Trainer, earlier_state
from inrcodec.training.recipes import Recipe, load_recipe, task_module
from inrcodec.training.task import Setting
from inrcodec.training.worker import open_worker


def train(
    data_dir: str | Path,
    recipe: str | Path | Recipe,
    out_dir: str | Path,
    *,
    resume: bool = False,
    device: str = "auto",
) -> Path:
    """Train what a recipe describes; started by ``torchrun``, on all its processes together.

    Args:
        data_dir: folder of photos (with the folders in it), or an npz file of NHWC uint8 arrays.
        recipe: name of a shipped recipe, path of a TOML file, or a recipe.
        out_dir: folder of the run, see `inrcodec.training.loop.Trainer`.
        resume: go on from the last checkpoint in ``out_dir``, if there is one.
        device: ``"auto"``, ``"cpu"`` or ``"cuda"``.

    Returns:
        Path of the result file.

    Raises:
        InputError: recipe or data cannot be used, or ``out_dir`` holds a run and ``resume`` is False.
        EncodeError: the device is missing.
        InrCodecError: training diverged.
    """
    plan = recipe if isinstance(recipe, Recipe) else load_recipe(recipe)
    # Before a task spends minutes on its photos.
    earlier_state(Path(out_dir), plan.to_dict(), resume=resume)
    with open_worker(device) as worker:
        task = task_module(plan.task).build(plan.options, Setting(str(data_dir), plan.training.seed, worker))
        trainer = Trainer(task, plan.training, Path(out_dir), worker, plan.to_dict())
        try:
            return trainer.run(resume=resume)
        except OSError as error:
            raise InputError(f"{out_dir} cannot be written: {error}") from error
