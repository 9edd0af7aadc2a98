"""The meta-learned networks of a reproduction: dense, pruned in rounds, and narrow ones."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from inrcodec.reproduce.presets import Preset
from inrcodec.training.data import Photos, Sampler
from inrcodec.training.loop import TrainConfig, Trainer
from inrcodec.training.maml import MamlTask, Options, load_meta_siren
from inrcodec.training.recipes import Recipe
from inrcodec.training.siren import Siren
from inrcodec.training.worker import Worker


@dataclass(frozen=True, eq=False)
class Networks:
    """Trains networks below ``folder``, one run of `inrcodec.training.loop.Trainer` each; resumable.

    Attributes:
        dataset: key of `inrcodec.reproduce.presets.TITLES`.
        preset: sizes and schedule.
        training: photos to learn from.
        testing: photos for the validation log.
        folder: where the runs go.
        worker: this process.
        resume: go on from what ``folder`` holds.
        seed: of initialisations and batches.
    """

    dataset: str
    preset: Preset
    training: Photos
    testing: Photos
    folder: Path
    worker: Worker
    resume: bool
    seed: int

    @cached_property
    def dense(self) -> Siren:
        """The unpruned network after MAML."""
        options = self.preset.options(self.dataset)
        config = self.preset.dense(self.preset.dense_steps, self.seed)
        return load_meta_siren(self._train("dense", options, options.siren(self.seed), config)).siren

    def pruned(self, name: str, *, random: bool) -> Iterator[Siren]:
        """The dense network and what every round of pruning and retraining leaves of it.

        Args:
            name: folder of the run.
            random: remove weights at random instead of by magnitude.
        """
        options = self.preset.options(self.dataset)
        config = self.preset.pruned(random=random, seed=self.seed)
        run = self._train(name, options, self.dense, config).parent
        for index in range(self.preset.rounds + 1):
            yield load_meta_siren(run / f"round-{index:02d}.safetensors").siren

    def narrow(self) -> Iterator[Siren]:
        """Dense networks of the preset's narrow widths after MAML."""
        for width in self.preset.narrow_widths:
            options = self.preset.options(self.dataset, width)
            config = self.preset.dense(self.preset.narrow_steps, self.seed)
            path = self._train(f"narrow-{width}", options, options.siren(self.seed), config)
            yield load_meta_siren(path).siren

    def _train(self, name: str, options: Options, siren: Siren, config: TrainConfig) -> Path:
        run = self.folder / name
        recipe = Recipe(name, "maml", f"{name} on {self.dataset}", config, options).to_dict()
        sampler = Sampler(self.training, options.crop, options.batch, config.seed, self.worker, centre=True)
        task = MamlTask(options, siren, sampler, self.testing, self.worker.device)
        return Trainer(task, config, run, self.worker, recipe).run(resume=self.resume)
