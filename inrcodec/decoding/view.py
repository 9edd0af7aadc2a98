"""What of a picture is rendered, and how large."""

from dataclasses import dataclass

Region = tuple[int, int, int, int]
"""x, y, width, height in source pixels."""

_SCALES = 2**32
"""No output can be that large, so that sizes stay numbers one can calculate with, and read."""


@dataclass(frozen=True)
class View:
    """What of a picture is rendered, and how large.

    Attributes:
        scale: output pixels per source pixel; 1 unless `size` is given.
        size: output (width, height) instead.
        crop: (x, y, width, height) in source pixels: only this region is rendered, at `scale` or to `size`.
    """

    scale: float | None = None
    size: tuple[int, int] | None = None
    crop: Region | None = None

    def of_picture(self, width: int, height: int) -> tuple[Region, tuple[int, int]]:
        """The region of a picture that is rendered, and the (width, height) of the output.

        Raises:
            ValueError: scale, size or crop make no sense for this picture.
        """
        region = x, y, w, h = self.crop or (0, 0, width, height)
        if min(x, y) < 0 or min(w, h) < 1 or x + w > width or y + h > height:
            where = ",".join(map(str, region))
            raise ValueError(f"the region {where} is not inside the {width} x {height} picture")
        if self.scale is not None and self.size is not None:
            raise ValueError("give only one of scale and size")
        if self.size is not None:
            if min(self.size) < 1:
                raise ValueError("the size must be at least 1 x 1")
            return region, self.size
        scale = 1.0 if self.scale is None else self.scale
        if not 0 < scale < _SCALES:
            raise ValueError(f"scale must be a positive number below {_SCALES}")
        return region, (max(1, round(w * scale)), max(1, round(h * scale)))


WHOLE = View()
"""All of a picture, at its own size."""
