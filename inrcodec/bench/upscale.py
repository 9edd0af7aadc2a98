"""Rendering at scale 2 against bicubic interpolation: `python -m inrcodec.bench.upscale DIR`.

Every image is halved (Lanczos), encoded at default settings and decoded twice: at scale 2, and at scale 1
followed by Pillow's bicubic interpolation. PSNR in dB of both against the original, per image and averaged.
"""

import sys
from pathlib import Path

import numpy as np
from PIL import Image

import inrcodec
from inrcodec.bench.images import find_images, load_rgb
from inrcodec.metrics import psnr


def main(folder: str) -> None:
    """Measures and prints."""
    gains = []
    for source in find_images([Path(folder)]):
        pixels = load_rgb(source.path)
        half = pixels.shape[1] // 2, pixels.shape[0] // 2
        original = pixels[: 2 * half[1], : 2 * half[0]]
        small = Image.fromarray(original).resize(half, Image.Resampling.LANCZOS)
        file = inrcodec.encode(small)
        rendered = psnr(original, inrcodec.decode(file, scale=2))
        enlarged = Image.fromarray(inrcodec.decode(file)).resize(
            (2 * half[0], 2 * half[1]), Image.Resampling.BICUBIC
        )
        bicubic = psnr(original, np.asarray(enlarged))
        gains.append((rendered, bicubic))
        print(f"{source.name:24} scale 2 {rendered:.2f} dB  bicubic {bicubic:.2f} dB")
    rendered, bicubic = np.mean(gains, axis=0)
    print(f"{'mean':24} scale 2 {rendered:.2f} dB  bicubic {bicubic:.2f} dB")


if __name__ == "__main__":
    main(sys.argv[1])
