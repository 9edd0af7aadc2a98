"""The measures of quality in which curves are drawn and compared."""

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Quality:
    """A measure of quality, more being better.

    Attributes:
        name: field of a point that holds it.
        title: what people call it.
        unit: of the axis, empty without.
        about: what it stands for.
    """

    name: str
    title: str
    unit: str
    about: str

    @property
    def axis(self) -> str:
        """Title of an axis."""
        return f"{self.title} ({self.unit})" if self.unit else self.title

    def of(self, point: object) -> float | None:
        """Where a point, or a mean of points, lies on the axis; None where it was not measured."""
        value: float | None = getattr(point, self.name)
        if self is not MS_SSIM or value is None:
            return value
        return -10 * math.log10(1 - value) if value < 1 else math.inf

    def text(self, value: float) -> str:
        """A value of the axis with its unit."""
        return f"{value:.2f} {self.unit}".rstrip()


PSNR = Quality("psnr", "PSNR", "dB", "over all RGB samples")
MS_SSIM = Quality("ms_ssim", "MS-SSIM", "dB", "as -10 log10(1 - MS-SSIM), mean over R, G, B")
SSIMULACRA2 = Quality(
    "ssimulacra2",
    "SSIMULACRA 2",
    "",
    "(how alike pictures look: 30 low, 50 medium, 70 high, 90 visually lossless)",
)
QUALITIES = (PSNR, MS_SSIM, SSIMULACRA2)
