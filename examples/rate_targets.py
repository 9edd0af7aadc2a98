"""Encode a photo to a rate, a PSNR, or a number of bytes instead of a quality."""

import sys
from pathlib import Path

import inrcodec

path = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).with_name("chelsea.png")
picture = inrcodec.read_picture(path)
height, width, _ = picture.pixels.shape

targets = {"bpp": 0.5, "psnr": 30.0, "max_bytes": width * height // 10}
for name, value in targets.items():
    try:
        data = inrcodec.encode(picture, **{name: value})
    except inrcodec.EncodeError as error:  # out of reach for this photo
        print(f"{name}={value}: {error}")
        continue
    info = inrcodec.inspect(data)
    print(f"{name}={value}: {len(data)} bytes, {info.bpp:.3f} bits per pixel")
