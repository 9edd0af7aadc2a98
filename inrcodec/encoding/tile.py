"""Fitting a tile with everything that a codebook holds."""

import numpy as np
import numpy.typing as npt

from inrcodec.codebook import Codebook
from inrcodec.decisions.effort import DEFAULT_EFFORT, EFFORTS, Effort
from inrcodec.decisions.fitting import Fit
from inrcodec.kernels import Kernels
from inrcodec.signal.quantiser import Quantiser


def fit_tile(
    planes: npt.NDArray[np.float32],
    quantiser: Quantiser,
    codebook: Codebook,
    kernels: Kernels,
    effort: Effort = EFFORTS[DEFAULT_EFFORT],
) -> Fit:
    """Fits a tile: see `inrcodec.decisions.fitting.fit_tile`.

    Args:
        planes: (C, H, W) float32 fixed-point samples, H and W multiples of `BLOCK`.
        quantiser: the picture's.
        codebook: what decoder and encoder share.
        kernels: what computes.
        effort: what is tried.
    """
    return kernels.fit_tile(planes, quantiser, codebook.predictors, codebook.entropy, effort)
