"""From points to what a reader wants to know: mean curves, Bjontegaard deltas, extremes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, median

from inrcodec.bench.anchors import Anchor
from inrcodec.bench.bdrate import Delta, bd_psnr, bd_rate
from inrcodec.bench.points import Point

Curve = tuple[Sequence[float], Sequence[float]]


@dataclass(frozen=True)
class MeanPoint:
    """Mean of one codec's points at one setting over the common images; sizes and times as in `Point`."""

    setting: str
    bpp: float
    psnr: float
    ssim: float | None
    ms_ssim: float | None
    encode_s: float
    decode_s: float


@dataclass(frozen=True)
class Comparison:
    """One codec against another over the images both have.

    Attributes:
        test: the codec judged.
        anchor: the codec it is compared with.
        bd_rate: mean over images of the rate difference in per cent, negative when `test` needs less; None
            when fewer than half of the images have one.
        bd_psnr: mean over images of the PSNR difference in dB.
        images: how many images have a rate difference.
        of: how many images both codecs have.
        wins: on how many of those `test` needs less.
        best: the image with the lowest rate difference, and it.
        worst: the image with the highest, and it.
        mean_curve: rate difference of the two mean curves, with the interval they share.
        per_image: rate difference for each image, None where refused.
    """

    test: str
    anchor: str
    bd_rate: float | None
    bd_psnr: float | None
    images: int
    of: int
    wins: int
    best: tuple[str, float] | None
    worst: tuple[str, float] | None
    mean_curve: Delta
    per_image: Mapping[str, float | None]


@dataclass(frozen=True)
class CodecSummary:
    """One codec over all common images.

    Attributes:
        name: as the user wrote it.
        curve: mean points in order of rate.
        encode_s_per_megapixel: median over points.
        decode_s_per_megapixel: likewise.
        slowest: the point that took longest to encode and decode.
        lowest_psnr: the point with the lowest PSNR.
    """

    name: str
    curve: tuple[MeanPoint, ...]
    encode_s_per_megapixel: float
    decode_s_per_megapixel: float
    slowest: Point
    lowest_psnr: Point


@dataclass(frozen=True)
class Summary:
    """Everything the report shows that follows from the points alone.

    Attributes:
        images: the images that every codec has at every setting, over which means are taken.
        left_out: images with missing points.
        codecs: in the order given.
        comparisons: every ordered pair of codecs.
        published: rate difference of each codec's mean curve against each published one, by codec and label.
    """

    images: tuple[str, ...]
    left_out: tuple[str, ...]
    codecs: tuple[CodecSummary, ...]
    comparisons: tuple[Comparison, ...]
    published: Mapping[str, Mapping[str, Delta]]

    @property
    def extent(self) -> str:
        """Over what means are taken, such as `24 images`."""
        count = len(self.images)
        return f"{count} image{'s' if count != 1 else ''}"

    def comparison(self, test: str, anchor: str) -> Comparison:
        """The comparison of one ordered pair."""
        return next(c for c in self.comparisons if (c.test, c.anchor) == (test, anchor))


def summarise(points: Sequence[Point], anchors: Sequence[Anchor] = ()) -> Summary:
    """Summarise the points of a run (at least one).

    Means are taken over the images for which every codec has every setting, so that no codec is flattered by
    the images it failed on.
    """
    by_codec: dict[str, dict[str, list[Point]]] = {}
    for point in points:
        by_codec.setdefault(point.codec, {}).setdefault(point.image, []).append(point)
    images = list(dict.fromkeys(point.image for point in points))
    most = {codec: max(len(found) for found in own.values()) for codec, own in by_codec.items()}
    common = [i for i in images if all(len(own.get(i, ())) == most[codec] for codec, own in by_codec.items())]
    names = list(by_codec)
    codecs = tuple(_codec_summary(name, by_codec[name], common) for name in names)
    curves = {codec.name: curve_of(codec.curve) for codec in codecs}
    comparisons = tuple(
        _compare(test, anchor, by_codec, curves) for test in names for anchor in names if test != anchor
    )
    published = {
        name: {anchor.label: bd_rate(anchor.bpp, anchor.psnr, *curves[name]) for anchor in anchors}
        for name in names
    }
    left_out = tuple(image for image in images if image not in common)
    return Summary(tuple(common), left_out, codecs, comparisons, published)


def curve_of(points: Sequence[Point | MeanPoint]) -> Curve:
    """Rates and PSNR of points."""
    return [p.bpp for p in points], [p.psnr for p in points]


def _codec_summary(name: str, own: Mapping[str, list[Point]], common: Sequence[str]) -> CodecSummary:
    by_setting: dict[str, list[Point]] = {}
    for image in common:
        for point in own[image]:
            by_setting.setdefault(point.setting, []).append(point)
    curve = [_mean(setting, group) for setting, group in by_setting.items()]
    everything = [point for group in own.values() for point in group]
    return CodecSummary(
        name=name,
        curve=tuple(sorted(curve, key=lambda p: p.bpp)),
        encode_s_per_megapixel=median(p.encode_s / (p.width * p.height) * 1e6 for p in everything),
        decode_s_per_megapixel=median(p.decode_s / (p.width * p.height) * 1e6 for p in everything),
        slowest=max(everything, key=lambda p: p.encode_s + p.decode_s),
        lowest_psnr=min(everything, key=lambda p: p.psnr),
    )


def _mean(setting: str, group: Sequence[Point]) -> MeanPoint:
    return MeanPoint(
        setting,
        fmean(p.bpp for p in group),
        fmean(p.psnr for p in group),
        _mean_known([p.ssim for p in group]),
        _mean_known([p.ms_ssim for p in group]),
        fmean(p.encode_s for p in group),
        fmean(p.decode_s for p in group),
    )


def _mean_known(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return fmean(known) if known else None


def _compare(
    test: str, anchor: str, by_codec: Mapping[str, Mapping[str, list[Point]]], curves: Mapping[str, Curve]
) -> Comparison:
    shared = [image for image in by_codec[test] if image in by_codec[anchor]]
    rates: dict[str, float | None] = {}
    gains: list[float] = []
    for image in shared:
        ours, theirs = curve_of(by_codec[test][image]), curve_of(by_codec[anchor][image])
        rates[image] = bd_rate(*theirs, *ours).value
        gain = bd_psnr(*theirs, *ours).value
        if gain is not None:
            gains.append(gain)
    known = {image: rate for image, rate in rates.items() if rate is not None}
    enough = len(known) > 0 and 2 * len(known) >= len(shared)
    return Comparison(
        test=test,
        anchor=anchor,
        bd_rate=fmean(known.values()) if enough else None,
        bd_psnr=fmean(gains) if gains and 2 * len(gains) >= len(shared) else None,
        images=len(known),
        of=len(shared),
        wins=sum(rate < 0 for rate in known.values()),
        best=min(known.items(), key=lambda item: item[1]) if known else None,
        worst=max(known.items(), key=lambda item: item[1]) if known else None,
        mean_curve=bd_rate(*curves[anchor], *curves[test]),
        per_image=rates,
    )
