"""Distortion measures on uint8 RGB pictures."""

import io
import math

import numpy as np
import numpy.typing as npt

Pixels = npt.NDArray[np.uint8]
_Plane = npt.NDArray[np.float64]

# Wang, Simoncelli, Bovik: Multi-scale structural similarity for image quality assessment (2003), section 3.2.
MS_SSIM_WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
_WINDOW_RADIUS = 5
_WINDOW_SIGMA = 1.5
_C1 = (0.01 * 255.0) ** 2
_C2 = (0.03 * 255.0) ** 2

# The 11-sample window has to fit into the coarsest of the five scales.
MS_SSIM_MIN_SIDE = (2 * _WINDOW_RADIUS + 1) * 2 ** (len(MS_SSIM_WEIGHTS) - 1)
SSIMULACRA2_MIN_SIDE = 8


def psnr(reference: Pixels, test: Pixels, visible: npt.NDArray[np.bool_] | None = None) -> float:
    """Peak signal-to-noise ratio over the samples of two uint8 pictures, in dB (inf when they are equal).

    Args:
        reference: uint8 array of any shape.
        test: uint8 array of the same shape.
        visible: bool, shaped like their first axes: what counts; everything by default.
    """
    _check_pair(reference, test)
    if visible is not None:
        reference, test = reference[visible], test[visible]
    difference = reference.astype(np.int32) - test.astype(np.int32)
    squared_error = int(np.sum(difference * difference, dtype=np.int64))
    if squared_error == 0:
        return math.inf
    return 10.0 * math.log10(255.0**2 * reference.size / squared_error)


def ssim(reference: Pixels, test: Pixels) -> float | None:
    """Structural similarity (Wang et al. 2004): Gaussian window of 11 samples, sigma 1.5, mean over R, G, B.

    Args:
        reference: uint8 (H, W, 3).
        test: uint8 (H, W, 3).

    Returns:
        A value up to 1, or None when a side is shorter than the window.
    """
    _check_pair(reference, test)
    if min(reference.shape[:2]) < 2 * _WINDOW_RADIUS + 1:
        return None
    from skimage.metrics import structural_similarity  # an extra, and slow to import

    # Every argument is stated because scikit-image's defaults are not the paper's and may change.
    value = structural_similarity(  # type: ignore[no-untyped-call]
        reference,
        test,
        data_range=255,
        channel_axis=-1,
        gaussian_weights=True,
        sigma=_WINDOW_SIGMA,
        truncate=3.5,
        win_size=2 * _WINDOW_RADIUS + 1,
        use_sample_covariance=False,
        K1=0.01,
        K2=0.03,
    )
    return float(value)


def ms_ssim(reference: Pixels, test: Pixels) -> float | None:
    """Multi-scale SSIM with five scales and the published weights (Wang et al. 2003), mean over R, G, B.

    Each scale is half the previous one (mean of 2x2; an odd edge is repeated, as in the authors' code); the
    window is the Gaussian of `ssim`, and only windows that lie inside the picture count. Negative contrast
    terms are clipped to zero before the fractional power.

    Args:
        reference: uint8 (H, W, 3).
        test: uint8 (H, W, 3).

    Returns:
        A value in [0, 1], or None when a side is shorter than 176 pixels.
    """
    _check_pair(reference, test)
    if min(reference.shape[:2]) < MS_SSIM_MIN_SIDE:
        return None
    per_channel = [
        _ms_ssim_plane(reference[..., c].astype(np.float64), test[..., c].astype(np.float64))
        for c in range(reference.shape[2])
    ]
    return float(np.mean(per_channel))


def ssimulacra2(reference: Pixels, test: Pixels) -> float | None:
    """SSIMULACRA 2 (Sneyers 2022): 100 for equal pictures, 90 visually lossless, below 0 very poor.

    Args:
        reference: uint8 (H, W, 3), sRGB.
        test: uint8 (H, W, 3).

    Returns:
        A value up to 100, or None when a side is shorter than 8 pixels.
    """
    _check_pair(reference, test)
    if min(reference.shape[:2]) < SSIMULACRA2_MIN_SIDE:
        return None
    from ssimulacra2 import compute_ssimulacra2  # an extra

    return float(compute_ssimulacra2(_file_of(reference), _file_of(test)))


def _file_of(pixels: Pixels) -> io.BytesIO:
    """An image file of the pixels."""
    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PPM")
    return file


def _check_pair(reference: Pixels, test: Pixels) -> None:
    if reference.dtype != np.uint8 or test.dtype != np.uint8:
        raise TypeError(f"expected uint8 pictures, got {reference.dtype} and {test.dtype}")
    if reference.shape != test.shape:
        raise ValueError(f"shapes differ: {reference.shape} and {test.shape}")


def _ms_ssim_plane(a: _Plane, b: _Plane) -> float:
    result = 1.0
    last = len(MS_SSIM_WEIGHTS) - 1
    for scale, weight in enumerate(MS_SSIM_WEIGHTS):
        luminance, contrast = _ssim_terms(a, b)
        term = float(np.mean(luminance * contrast if scale == last else contrast))
        result *= max(term, 0.0) ** weight
        if scale < last:
            a, b = _halve(a), _halve(b)
    return result


def _ssim_terms(a: _Plane, b: _Plane) -> tuple[_Plane, _Plane]:
    """Luminance and contrast-structure maps of eq. (6) in Wang et al. 2004, on windows inside the picture."""
    mean_a, mean_b = _blur(a), _blur(b)
    var_a = _blur(a * a) - mean_a * mean_a
    var_b = _blur(b * b) - mean_b * mean_b
    covariance = _blur(a * b) - mean_a * mean_b
    luminance = (2 * mean_a * mean_b + _C1) / (mean_a * mean_a + mean_b * mean_b + _C1)
    contrast = (2 * covariance + _C2) / (var_a + var_b + _C2)
    return luminance, contrast


def _blur(plane: _Plane) -> _Plane:
    from scipy.ndimage import correlate1d  # an extra

    offsets = np.arange(-_WINDOW_RADIUS, _WINDOW_RADIUS + 1)
    kernel = np.exp(-0.5 * (offsets / _WINDOW_SIGMA) ** 2)
    kernel /= kernel.sum()
    inner = slice(_WINDOW_RADIUS, -_WINDOW_RADIUS)
    rows = correlate1d(plane, kernel, axis=0)[inner]
    blurred: _Plane = correlate1d(rows, kernel, axis=1)[:, inner]
    return blurred


def _halve(plane: _Plane) -> _Plane:
    height, width = plane.shape
    padded = np.pad(plane, ((0, height % 2), (0, width % 2)), mode="edge")
    halved: _Plane = padded.reshape(padded.shape[0] // 2, 2, padded.shape[1] // 2, 2).mean(axis=(1, 3))
    return halved
