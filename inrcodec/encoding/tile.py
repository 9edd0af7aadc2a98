"""Fitting a tile with everything that a codebook holds."""

import numpy as np
import numpy.typing as npt

from inrcodec.codebook import Codebook
from inrcodec.decisions.fitting import DEFAULT_PASSES, Fit
from inrcodec.kernels import Kernels
from inrcodec.signal.quantiser import Quantiser


def fit_tile(
    planes: npt.NDArray[np.float32],
    quantiser: Quantiser,
    codebook: Codebook,
    kernels: Kernels,
    passes: int = DEFAULT_PASSES,
) -> Fit:
    """Fits a tile: see `inrcodec.decisions.fitting.fit_tile`.

    Args:
        planes: (C, H, W) float32 fixed-point samples, H and W multiples of `BLOCK`.
        quantiser: the picture's.
        codebook: what decoder and encoder share.
        kernels: what computes.
        passes: rate-distortion fine-tuning steps after the closed-form one.
    """
    return kernels.fit_tile(planes, quantiser, codebook.predictors, codebook.entropy, passes)
