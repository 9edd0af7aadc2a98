"""Encode a photo to bytes and decode it again, in memory."""

import sys
from pathlib import Path

import numpy as np

import inrcodec

path = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).with_name("chelsea.png")
picture = inrcodec.read_picture(path)  # 8-bit pixels, upright, with profile and EXIF

data = inrcodec.encode(picture, quality=50)
decoded = inrcodec.decode(data)

error = np.mean((decoded.astype(float) - picture.pixels.reshape(decoded.shape)) ** 2)
info = inrcodec.inspect(data)
print(f"{info.width} x {info.height} pixels, {info.channels} channels, codebook {info.codebook}")
print(f"{len(data)} bytes, {info.bpp:.3f} bits per pixel, {10 * np.log10(255**2 / error):.2f} dB PSNR")
