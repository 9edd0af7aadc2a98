"""Fitting a tile: cut into cells, then a pass over them per fine-tuning step."""

import numpy as np
import numpy.typing as npt

from inrcodec.codebook import Codebook
from inrcodec.decisions.fitting import Fit
from inrcodec.decisions.partitioning import cheapest_splits, spectra
from inrcodec.decisions.rdoq import Rate
from inrcodec.kernels import Kernels
from inrcodec.signal.quantiser import Quantiser
from inrcodec.tile.partition import SIZES, Partition

DEFAULT_PASSES = 1
"""Fine-tuning steps after the closed-form one."""
TRIALS = 4
"""Prediction modes, and transform types, that are tried with the real rate."""


def fit_tile(
    planes: npt.NDArray[np.float32],
    quantiser: Quantiser,
    codebook: Codebook,
    kernels: Kernels,
    passes: int = DEFAULT_PASSES,
) -> Fit:
    """Fits a tile.

    How to cut is decided on an open-loop reconstruction. Then every pass over the cells, in closed loop, is a
    fine-tuning step: the first rounds their least-squares weights, the others know from the one before what
    symbols cost.

    Args:
        planes: (C, H, W) float32 fixed-point samples, H and W multiples of `BLOCK`.
        quantiser: the picture's.
        codebook: what decoder and encoder share.
        kernels: what computes.
        passes: rate-distortion fine-tuning steps after the closed-form one.
    """
    predictors, model = codebook.predictors, codebook.entropy
    partition = Partition.from_splits(cheapest_splits(kernels.split_costs(planes, quantiser, predictors)))
    spectrum = {s: spectra(planes, partition, partition.of_size(s), s) for s in SIZES}
    rate = Rate.plain(partition, len(planes), model.mode_count)
    fit = kernels.fit_pass(spectrum, partition, quantiser, predictors, rate, 1, hide=not passes)
    for left in reversed(range(passes)):
        rows = kernels.magnitude_rows(fit.symbols, quantiser.step, model)
        rate = Rate.of(fit.symbols, rows, quantiser.step, model)
        fit = kernels.fit_pass(spectrum, partition, quantiser, predictors, rate, TRIALS, hide=not left)
    return fit
