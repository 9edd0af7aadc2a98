"""How large a reproduction is: the paper's sizes, in full and cut short, and a small one for two cores."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from inrcodec.training.loop import TrainConfig
from inrcodec.training.maml import Options
from inrcodec.training.siren import Layout

TITLES: Mapping[str, str] = {"celeba": "CelebA", "imagenette": "Imagenette", "sdf": "2-D SDF"}
"""Data sets in the order of every table."""


@dataclass(frozen=True)
class Preset:
    """Every number of the protocol.

    Attributes:
        name: what ``--preset`` takes.
        widths: hidden widths of the network that is pruned.
        omega: w0 of every layer.
        crop: side of the images in pixels: one network per whole image.
        resize: per data set, shorter side of a photo before its middle is cut out.
        batch: images per outer step.
        inner_steps: gradient steps of the inner loop.
        inner_lr: their step size, in training and in the evaluation by gradient descent.
        outer_lr: step size of the outer loop (Adam).
        dense_steps: outer steps of the unpruned network.
        rounds: rounds of pruning.
        round_steps: outer steps after each of them.
        fraction: share of the remaining weights that a round removes.
        narrow_widths: widths of the networks of Dense-Narrow and Scratch, widest first.
        narrow_steps: outer steps of each network of Dense-Narrow.
        adam_steps: steps of the evaluation by Adam.
        adam_lr: their step size.
        test_images: per data set, images of the test at most.
    """

    name: str
    widths: tuple[int, ...]
    omega: float
    crop: int
    resize: Mapping[str, int]
    batch: int
    inner_steps: int
    inner_lr: float
    outer_lr: float
    dense_steps: int
    rounds: int
    round_steps: int
    fraction: float
    narrow_widths: tuple[int, ...]
    narrow_steps: int
    adam_steps: int
    adam_lr: float
    test_images: Mapping[str, int]

    def options(self, dataset: str, width: int | None = None) -> Options:
        """The task of meta-learning on a data set, with all hidden layers of ``width`` if given."""
        return Options(
            crop=self.crop,
            widths=self.widths if width is None else (width,) * len(self.widths),
            omega=self.omega,
            resize=self.resize[dataset],
            batch=self.batch,
            inner_steps=self.inner_steps,
            inner_lr=self.inner_lr,
        )

    def dense(self, steps: int, seed: int) -> TrainConfig:
        """Outer loop without pruning."""
        return TrainConfig(steps=steps, lr=self.outer_lr, seed=seed)

    def pruned(self, *, random: bool, seed: int) -> TrainConfig:
        """Outer loop that begins at the dense network, with a fresh Adam as in the authors' code."""
        return TrainConfig(
            steps=0,
            lr=self.outer_lr,
            rounds=self.rounds,
            round_steps=self.round_steps,
            fraction=self.fraction,
            score="random" if random else "magnitude",
            seed=seed,
        )

    def layout(self, width: int | None = None) -> Layout:
        """Shape of the network, with all hidden layers of ``width`` if given."""
        widths = self.widths if width is None else (width,) * len(self.widths)
        return Layout.sines(2, widths, 3, self.omega)


PAPER = Preset(
    name="paper",
    widths=(256, 256, 256, 256),
    omega=200.0,
    crop=178,
    resize={"celeba": 178, "imagenette": 200, "sdf": 178},
    batch=3,
    inner_steps=2,
    inner_lr=1e-2,
    outer_lr=1e-5,
    dense_steps=150_000,
    rounds=20,
    round_steps=30_000,
    fraction=0.2,
    narrow_widths=(230, 206, 184, 164, 148, 132, 118, 106, 94, 84, 76, 68, 60, 54, 48, 44, 38, 34, 32, 28),
    narrow_steps=150_000,
    adam_steps=100,
    adam_lr=1e-4,
    # the loops of the authors' code stop after one image more than their round numbers
    test_images={"celeba": 101, "imagenette": 101, "sdf": 251},
)
"""Lee et al. 2021, as in the authors' code (github.com/jaeho-lee/MetaSparseINR)."""

PAPER_SHORT = replace(
    PAPER,
    name="paper-short",
    outer_lr=3e-5,
    dense_steps=6_000,
    rounds=12,
    round_steps=300,
    # the counterparts of rounds 10 and 12, and one of more than twice the weights
    narrow_widths=(132, 84, 68),
    narrow_steps=6_000,
    test_images=dict.fromkeys(TITLES, 24),
)
"""The paper's networks, images and fits, after 1/25 of its dense steps and 1/100 of those of its rounds.

Three times the published step size of the outer loop makes up for part of that; ten times diverged.
"""

SMALL = Preset(
    name="small",
    widths=(42, 42, 42, 42),
    omega=30.0,
    crop=32,
    resize={"celeba": 32, "imagenette": 36, "sdf": 32},
    batch=3,
    inner_steps=2,
    inner_lr=0.2,
    outer_lr=5e-4,
    dense_steps=2500,
    rounds=6,
    round_steps=700,
    fraction=0.37,
    narrow_widths=(27, 21, 17, 13, 10),
    narrow_steps=2500,
    adam_steps=100,
    adam_lr=1e-3,
    test_images={"celeba": 24, "imagenette": 24, "sdf": 24},
)
"""The same protocol on small images: about 15 minutes per data set on one core.

w0 follows the size of the images (30 / 32 px, 200 / 178 px), and step sizes follow w0: what a step does to
the phase of a sine grows with w0 * lr under Adam and with w0^2 * lr under gradient descent, so the published
1e-4 and 1e-2 correspond to about 7e-4 and 0.4 at w0 = 30.
"""

PRESETS: Mapping[str, Preset] = {preset.name: preset for preset in (PAPER, PAPER_SHORT, SMALL)}
