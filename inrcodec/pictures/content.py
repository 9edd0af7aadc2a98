"""What kind of picture it is, as far as that decides which codec suits it."""

import numpy as np
import numpy.typing as npt

_SAMPLE_ROWS = 256
_FLAT_SHARE = 0.7
_EDGE_LEVELS = 24
_LEAST_PIXELS = 32 * 32


def is_drawn(pixels: npt.NDArray[np.uint8]) -> bool:
    """Whether a picture looks like text, line art or a screenshot: flat areas and hard edges between them.

    In photos few neighbours are equal, or, where a background is flat, most that differ do so by little.

    Args:
        pixels: (H, W, 1 to 4) uint8; some rows, evenly spaced, are looked at.
    """
    height, width, channels = pixels.shape
    if height * width < _LEAST_PIXELS or width < 2:
        return False
    colour = pixels[:: -(-height // _SAMPLE_ROWS), :, : 1 if channels < 3 else 3].astype(np.int16)
    jump = np.abs(np.diff(colour, axis=1)).max(2)
    edges = jump[jump > 0]
    return bool(edges.size and edges.size <= (1 - _FLAT_SHARE) * jump.size and np.mean(edges) >= _EDGE_LEVELS)
