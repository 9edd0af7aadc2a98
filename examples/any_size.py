"""Render one encoded photo at several sizes, and a region of it, without decoding the rest."""

import sys
from pathlib import Path

from PIL import Image

import inrcodec

path = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).with_name("chelsea.png")
with Image.open(path) as im:
    data = inrcodec.encode(im, quality=60)  # a Pillow image will do as well
info = inrcodec.inspect(data)

views = {
    "thumbnail.png": inrcodec.decode(data, scale=0.25),
    "double.png": inrcodec.decode(data, scale=2),
    "square.png": inrcodec.decode(data, size=(200, 200)),
    "detail.png": inrcodec.decode(
        data, crop=(info.width // 3, info.height // 3, -(-info.width // 4), -(-info.height // 4)), scale=4
    ),
}
for name, pixels in views.items():
    Image.fromarray(pixels).save(name)
    print(f"{name}: {pixels.shape[1]} x {pixels.shape[0]}")
