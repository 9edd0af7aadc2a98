"""Encode a photo to bytes and decode it again, in memory."""

import sys
from pathlib import Path

import inrcodec
from inrcodec.metrics import psnr

path = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).with_name("chelsea.png")
picture = inrcodec.read_picture(path)  # 8-bit pixels, upright, with profile and EXIF

data = inrcodec.encode(picture, quality=50)
decoded = inrcodec.decode(data)

# Of what can be seen: colours of fully transparent pixels are not kept.
colour = decoded.reshape(*picture.pixels.shape[:2], -1)[:, :, : picture.colour.shape[2]]
quality = psnr(picture.colour, colour, picture.visible)
info = inrcodec.inspect(data)
print(f"{info.width} x {info.height} pixels, {info.channels} channels, codebook {info.codebook}")
print(f"{len(data)} bytes, {info.bpp:.3f} bits per pixel, {quality:.2f} dB PSNR")
