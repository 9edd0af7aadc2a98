"""Distortion measures against scikit-image, against known values, and at their edges."""

import math

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image
from skimage.metrics import peak_signal_noise_ratio, structural_similarity
from ssimulacra2 import compute_ssimulacra2

from inrcodec.metrics import MS_SSIM_MIN_SIDE, SSIMULACRA2_MIN_SIDE, ms_ssim, psnr, ssim, ssimulacra2


def wavy(height: int, width: int) -> npt.NDArray[np.uint8]:
    """A deterministic colour picture with structure at several scales."""
    y, x = np.mgrid[0:height, 0:width]
    planes = [
        127 + 80 * np.sin(x / 7 + y / 11),
        127 + 90 * np.cos(x / 23 - y / 5),
        (x + y) * 0.55,
    ]
    result: npt.NDArray[np.uint8] = np.clip(np.stack(planes, axis=-1), 0, 255).astype(np.uint8)
    return result


def noisy(picture: npt.NDArray[np.uint8], amplitude: int, seed: int = 3) -> npt.NDArray[np.uint8]:
    noise = np.random.default_rng(seed).integers(-amplitude, amplitude + 1, picture.shape)
    result: npt.NDArray[np.uint8] = np.clip(picture.astype(int) + noise, 0, 255).astype(np.uint8)
    return result


@pytest.mark.parametrize("amplitude", [1, 8, 60])
def test_psnr_agrees_with_scikit_image(amplitude: int) -> None:
    a = wavy(40, 56)
    b = noisy(a, amplitude)
    assert psnr(a, b) == pytest.approx(peak_signal_noise_ratio(a, b, data_range=255), rel=1e-12)


def test_psnr_of_black_against_white_is_zero() -> None:
    black = np.zeros((3, 5, 3), np.uint8)
    assert psnr(black, black + np.uint8(255)) == pytest.approx(0.0)


def test_psnr_of_one_level_everywhere() -> None:
    a = np.full((4, 4, 3), 100, np.uint8)
    assert psnr(a, a + np.uint8(1)) == pytest.approx(20 * math.log10(255))


def test_psnr_of_equal_pictures_is_infinite() -> None:
    a = wavy(8, 8)
    assert psnr(a, a.copy()) == math.inf


def test_ssim_uses_the_published_parameters() -> None:
    a = wavy(48, 64)
    b = noisy(a, 20)
    expected = np.mean(
        [
            structural_similarity(
                a[..., c],
                b[..., c],
                data_range=255,
                gaussian_weights=True,
                sigma=1.5,
                use_sample_covariance=False,
            )
            for c in range(3)
        ]
    )
    assert ssim(a, b) == pytest.approx(expected, rel=1e-12)


def test_ssim_of_a_picture_with_itself_is_one() -> None:
    a = wavy(30, 30)
    assert ssim(a, a) == pytest.approx(1.0)
    assert ssim(a[:10], a[:10]) is None


def test_ms_ssim_agrees_with_pytorch_msssim() -> None:
    """Values of pytorch-msssim 1.0.0 (data_range=255), whose window is rounded to float32."""
    a = wavy(192, 240)
    assert ms_ssim(a, noisy(a, 25)) == pytest.approx(0.903636666575, abs=1e-5)
    assert ms_ssim(a, noisy(a, 90)) == pytest.approx(0.661597859818, abs=1e-5)
    assert ssim(a, noisy(a, 25)) == pytest.approx(0.522761444128, abs=1e-5)


def test_ms_ssim_of_equal_and_of_opposite_pictures() -> None:
    a = wavy(181, 200)  # odd sides are halved by repeating the last row
    assert ms_ssim(a, a) == pytest.approx(1.0)
    inverted = ms_ssim(a, 255 - a)
    assert inverted is not None
    assert 0.0 <= inverted < 0.5


def test_ms_ssim_needs_room_for_five_scales() -> None:
    a = wavy(MS_SSIM_MIN_SIDE, MS_SSIM_MIN_SIDE)
    assert ms_ssim(a, a) is not None
    assert ms_ssim(a[:-1], a[:-1]) is None


def test_ssimulacra2_falls_with_what_the_eye_sees() -> None:
    a = wavy(96, 120)
    assert ssimulacra2(a, a) == pytest.approx(100)
    found = [ssimulacra2(a, noisy(a, amplitude)) for amplitude in (2, 8, 30)]
    little, more, much = (value for value in found if value is not None)
    assert 100 > little > more > much
    assert little > 80
    assert much < 30


def test_ssimulacra2_agrees_with_the_tool_on_files(tmp_path) -> None:
    """Pixels reach it unchanged: by way of lossless files it says the same."""
    a = wavy(64, 80)
    b = noisy(a, 12)
    for name, pixels in (("a", a), ("b", b)):
        Image.fromarray(pixels).save(tmp_path / f"{name}.png")
    assert ssimulacra2(a, b) == compute_ssimulacra2(tmp_path / "a.png", tmp_path / "b.png")


def test_ssimulacra2_needs_eight_pixels() -> None:
    a = wavy(SSIMULACRA2_MIN_SIDE, SSIMULACRA2_MIN_SIDE)
    assert ssimulacra2(a, a) == pytest.approx(100)
    assert ssimulacra2(a[1:], a[1:]) is None


@pytest.mark.parametrize("metric", [psnr, ssim, ms_ssim, ssimulacra2])
def test_pictures_must_match(metric) -> None:
    a = wavy(200, 200)
    with pytest.raises(ValueError, match="shapes differ"):
        metric(a, a[:-1])
    with pytest.raises(TypeError, match="uint8"):
        metric(a, a.astype(np.float32))
