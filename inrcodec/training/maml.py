"""Second-order MAML of a masked SIREN on images (Lee et al. 2021, Meta-SparseINR; Finn et al. 2017).

Every task is one image or crop: N coordinates and colours in [0, 1]. The inner loop takes a few inner
steps on the tunable survivors, the outer loop differentiates through them. Tasks of a batch run side by side
as a batch of parameter vectors.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from inrcodec.errors import FormatError, InputError
from inrcodec.training.adapt import coordinates, psnr, squared_errors
from inrcodec.training.checkpoint import load_arrays
from inrcodec.training.data import Photos, Sampler, load_photos
from inrcodec.training.siren import Layout, Siren
from inrcodec.training.task import Export, Metrics, Setting, Start, Tensors

# Logarithms of learning rates are of order 1, sine weights of order 1e-3: a larger outer step suits them.
_RATE_FACTOR = 10.0
_SCORE_STREAM = 1
_SCORE_BATCHES = 16


@dataclass(frozen=True)
class Options:
    """The recipe's table ``[maml]``.

    Attributes:
        init: ``"sine"``: SIREN initialisation of `widths` and `omega`, everything tunable; ``"harmonic"``:
            the cosine basis of `order`, output weights tunable.
        widths: hidden widths of the sine network.
        omega: w0 of every sine layer.
        order: order of the harmonic network.
        crop: side of the square images in pixels.
        position: ``"random"`` crops, or the ``"centre"`` of each photo.
        resize: shorter side of the photos before cropping, 0 to keep it.
        batch: images per outer step, over all processes.
        inner_steps: inner steps, of gradient descent.
        inner_lr: their learning rate.
        learned_rates: one inner learning rate per parameter (Meta-SGD, Li et al. 2017), from `inner_lr` on.
        validation_images: held-out images per validation, at most.
    """

    crop: int
    init: Literal["sine", "harmonic"] = "sine"
    widths: tuple[int, ...] = (256, 256, 256, 256)
    omega: float = 200.0
    order: int = 16
    position: Literal["random", "centre"] = "centre"
    resize: int = 0
    batch: int = 3
    inner_steps: int = 2
    inner_lr: float = 1e-2
    learned_rates: bool = False
    validation_images: int = 32

    def __post_init__(self) -> None:
        """Raise InputError for values out of range."""
        if min(self.crop, self.order, self.batch, *self.widths) < 1 or self.inner_steps < 0:
            raise InputError("crop, order, batch and widths must be at least 1, inner_steps not negative")

    def siren(self, seed: int) -> Siren:
        """The network before training."""
        if self.init == "harmonic":
            return Siren.harmonic(self.order)
        return Siren.sine_init(Layout.sines(2, self.widths, 3, self.omega), seed)


class MamlTask:
    """Meta-learning a SIREN on square crops; the flat vector is theta, then log learning rates if learned."""

    def __init__(
        self, options: Options, siren: Siren, sampler: Sampler, validation: Photos, device: torch.device
    ) -> None:
        """Take the network before training, batches of crops and held-out photos."""
        self._options = options
        self._siren = siren
        self._sampler = sampler
        self._validation = validation
        self._device = device
        self._tunable = torch.tensor(siren.tunable, device=device)
        self._coords = coordinates(options.crop, options.crop, span=_span(options), device=device)

    def start(self) -> Start:
        """Theta0 and, if learned, the logarithms of learning rate / inner_lr: zeros."""
        siren = self._siren
        start = Start(
            siren.params,
            siren.mask,
            siren.layout.select("weight"),
            np.ones(siren.layout.size, np.float32),
        )
        if not self._options.learned_rates:
            return start
        zeros = np.zeros(siren.layout.size, np.float32)
        return Start(
            np.concatenate([start.params, zeros]),
            np.concatenate([start.mask, siren.tunable]),
            np.concatenate([start.prunable, zeros.astype(np.bool_)]),
            np.concatenate([start.rates, zeros + np.float32(_RATE_FACTOR)]),
        )

    def batch(self, index: int) -> Tensors:
        """Images, uint8 (B, crop, crop, 3)."""
        return (self._sampler(index),)

    def loss(self, params: Tensor, mask: Tensor, batch: Tensors) -> tuple[Tensor, Metrics]:
        """Mean squared error after the inner steps, mean over the images of the batch."""
        targets = _targets(*batch)
        adapted = self._inner(params, mask, targets, second_order=True)
        errors = self._errors(adapted, targets)
        return errors.mean(), {"psnr": psnr(errors.detach()).mean()}

    def score(self, params: Tensor, mask: Tensor) -> Tensor:
        """Mean of |adapted theta| over 16 batches; 0 for learning rates."""
        total = torch.zeros_like(params)
        size = self._siren.layout.size
        for index in range(_SCORE_BATCHES):
            targets = _targets(self._sampler(index, _SCORE_STREAM))
            total[:size] += self._inner(params, mask, targets, second_order=False).detach().abs().mean(dim=0)
        return total / _SCORE_BATCHES

    def validate(self, params: Tensor, mask: Tensor) -> dict[str, float]:
        """Mean PSNR (dB, unclipped) of held-out centre crops before and after the inner steps."""
        count = min(len(self._validation), self._options.validation_images)
        before, after = [], []
        for first in range(0, count, self._options.batch):
            photo = np.arange(first, min(first + self._options.batch, count))
            targets = _targets(self._validation.centre_crops(photo, self._options.crop))
            theta = params[: self._siren.layout.size].expand(len(photo), -1)
            with torch.no_grad():
                before.append(psnr(self._errors(theta, targets)))
            adapted = self._inner(params, mask, targets, second_order=False)
            after.append(psnr(self._errors(adapted, targets).detach()))
        if not before:
            return {}
        return {"psnr_start": float(torch.cat(before).mean()), "psnr": float(torch.cat(after).mean())}

    def export(self, params: NDArray[np.float32], mask: NDArray[np.bool_]) -> Export:
        """Arrays ``params``, ``mask``, ``tunable``, ``rates`` (inner learning rates), each (P,)."""
        siren, size = self._siren, self._siren.layout.size
        rates = np.full(size, self._options.inner_lr, np.float32)
        if self._options.learned_rates:
            rates *= np.exp(params[size:])
        tensors = {
            "params": params[:size],
            "mask": mask[:size],
            "tunable": siren.tunable & mask[:size],
            "rates": rates,
        }
        return Export(tensors, {"layout": siren.layout.to_dict(), "span": _span(self._options)})

    def _inner(self, params: Tensor, mask: Tensor, targets: Tensor, *, second_order: bool) -> Tensor:
        size = self._siren.layout.size
        rates = (mask[:size] & self._tunable) * self._options.inner_lr
        if self._options.learned_rates:
            rates = rates * params[size:].exp()
        theta = params[:size].expand(len(targets), -1)
        if not theta.requires_grad:
            theta = theta.clone().requires_grad_(True)
        for _ in range(self._options.inner_steps):
            # the sum keeps the images independent: each gets the gradient of its own mean squared error
            loss = self._errors(theta, targets).sum()
            (gradient,) = torch.autograd.grad(loss, theta, create_graph=second_order)
            theta = theta - rates * gradient
            if not second_order:
                theta = theta.detach().requires_grad_(True)
        return theta

    def _errors(self, theta: Tensor, targets: Tensor) -> Tensor:
        return squared_errors(self._siren.layout, theta, self._coords, targets)


def build(options: Options, setting: Setting) -> MamlTask:
    """The task of a recipe on the photos of a folder or npz file."""
    worker = setting.worker
    training, validation = (
        load_photos(Path(setting.data), split, worker.device, resize=options.resize, smallest=options.crop)
        for split in ("train", "validation")
    )
    sampler = Sampler(
        training, options.crop, options.batch, setting.seed, worker, centre=options.position == "centre"
    )
    return MamlTask(options, options.siren(setting.seed), sampler, validation, worker.device)


@dataclass(frozen=True, eq=False)
class MetaSiren:
    """A meta-learned network as its result file describes it.

    Attributes:
        siren: initialisation with its masks.
        rates: float32 (P,), inner learning rates.
        span: coordinates it was trained on, see `inrcodec.training.adapt.coordinates`.
        recipe: the recipe of the run.
    """

    siren: Siren
    rates: NDArray[np.float32]
    span: Literal["signed", "unit"]
    recipe: dict[str, Any]


def load_meta_siren(path: Path) -> MetaSiren:
    """Read a result or round file of a MAML run.

    Raises:
        FormatError: the file is damaged or holds something else.
    """
    tensors, metadata = load_arrays(path)
    try:
        layout = Layout.from_dict(metadata["layout"])
        siren = Siren(layout, tensors["params"], tensors["mask"], tensors["tunable"])
        return MetaSiren(siren, tensors["rates"], metadata["span"], metadata["recipe"])
    except (KeyError, TypeError, ValueError) as error:
        raise FormatError(f"{path} does not hold a meta-learned network") from error


def _span(options: Options) -> Literal["signed", "unit"]:
    return "unit" if options.init == "harmonic" else "signed"


def _targets(pixels: Tensor) -> Tensor:
    return pixels.flatten(1, 2) / 255
