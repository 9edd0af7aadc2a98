"""Units and bounds of a tile's numbers: samples, weights and the quantiser step are fixed-point integers."""

import numpy as np
import numpy.typing as npt

FRACTION = 4
"""Fractional bits of a sample, of a weight and of the quantiser step."""

SAMPLE_MAX = 8191
"""Bound of a plane sample (real ones stay below 3600): keeps every later sum exact, whatever a file says."""

WEIGHT_MAX = 2**18
"""Bound of a predicted weight and of a residual."""

_STEP_LOG: npt.NDArray[np.float32] = np.rint(4 * np.log2(1 + np.arange(1 << 14))).astype(np.float32)


def log_step(step: int) -> float:
    """What networks are told of the quantiser step: round(4 log2(1 + step)), an integer.

    Args:
        step: in fixed-point units, below 2**14.
    """
    return float(_STEP_LOG[step])
