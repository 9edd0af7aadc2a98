"""From points to what a reader wants to know: mean curves, Bjontegaard deltas, extremes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, median

from inrcodec.bench.anchors import Anchor
from inrcodec.bench.bdrate import Delta, bd_quality, bd_rate
from inrcodec.bench.points import Point
from inrcodec.bench.quality import PSNR, QUALITIES, Quality

Curve = tuple[Sequence[float], Sequence[float]]


@dataclass(frozen=True)
class MeanPoint:
    """Mean of one codec's points at one setting over the common images; sizes and times as in `Point`."""

    setting: str
    bpp: float
    psnr: float
    ssim: float | None
    ms_ssim: float | None
    ssimulacra2: float | None
    encode_s: float
    decode_s: float


@dataclass(frozen=True)
class Comparison:
    """One codec against another in one measure of quality, over the images both have.

    Attributes:
        test: the codec judged.
        anchor: the codec it is compared with.
        quality: name of the measure.
        bd_rate: mean over images of the rate difference in per cent, negative when `test` needs less; None
            when fewer than half of the images have one.
        bd_quality: mean over images of the difference in quality, in its unit; BD-PSNR for PSNR.
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
    quality: str
    bd_rate: float | None
    bd_quality: float | None
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
        tune: what it is tuned for.
        curve: mean points in order of rate.
        encode_s_per_megapixel: median over points.
        decode_s_per_megapixel: likewise.
        slowest: the point that took longest to encode and decode.
        lowest_psnr: the point with the lowest PSNR.
    """

    name: str
    tune: str
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
        comparisons: every ordered pair of codecs in every measure of quality that there is.
        published: rate difference at equal PSNR of each codec's mean curve against each published one, by
            codec and label.
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

    @property
    def qualities(self) -> tuple[Quality, ...]:
        """The measures of quality in which there are curves."""
        return tuple(q for q in QUALITIES if any(curve_of(c.curve, q)[0] for c in self.codecs))

    def comparison(self, test: str, anchor: str, quality: Quality = PSNR) -> Comparison:
        """The comparison of one ordered pair."""
        return next(c for c in self.against(test, quality) if c.anchor == anchor)

    def against(self, test: str, quality: Quality = PSNR) -> list[Comparison]:
        """One codec against every other."""
        return [c for c in self.comparisons if (c.test, c.quality) == (test, quality.name)]


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
    comparisons = tuple(
        _compare(test, anchor, by_codec, quality)
        for quality in QUALITIES
        for test in codecs
        for anchor in codecs
        if test != anchor
    )
    published = {
        codec.name: {a.label: bd_rate(a.bpp, a.psnr, *curve_of(codec.curve, PSNR)) for a in anchors}
        for codec in codecs
    }
    left_out = tuple(image for image in images if image not in common)
    return Summary(tuple(common), left_out, codecs, comparisons, published)


def curve_of(points: Sequence[Point | MeanPoint], quality: Quality) -> Curve:
    """Rates and quality of the points where it was measured."""
    known = [(p.bpp, value) for p in points if (value := quality.of(p)) is not None]
    return [rate for rate, _ in known], [value for _, value in known]


def _codec_summary(name: str, own: Mapping[str, list[Point]], common: Sequence[str]) -> CodecSummary:
    by_setting: dict[str, list[Point]] = {}
    for image in common:
        for point in own[image]:
            by_setting.setdefault(point.setting, []).append(point)
    curve = [_mean(setting, group) for setting, group in by_setting.items()]
    everything = [point for group in own.values() for point in group]
    return CodecSummary(
        name=name,
        tune=everything[0].tune,
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
        _mean_known([p.ssimulacra2 for p in group]),
        fmean(p.encode_s for p in group),
        fmean(p.decode_s for p in group),
    )


def _mean_known(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return fmean(known) if known else None


def _compare(
    test: CodecSummary,
    anchor: CodecSummary,
    by_codec: Mapping[str, Mapping[str, list[Point]]],
    quality: Quality,
) -> Comparison:
    shared = [image for image in by_codec[test.name] if image in by_codec[anchor.name]]
    rates: dict[str, float | None] = {}
    gains: list[float] = []
    for image in shared:
        ours, theirs = (curve_of(by_codec[codec.name][image], quality) for codec in (test, anchor))
        rates[image] = bd_rate(*theirs, *ours, axis=quality.title).value
        gain = bd_quality(*theirs, *ours).value
        if gain is not None:
            gains.append(gain)
    known = {image: rate for image, rate in rates.items() if rate is not None}
    enough = len(known) > 0 and 2 * len(known) >= len(shared)
    ours, theirs = (curve_of(codec.curve, quality) for codec in (test, anchor))
    return Comparison(
        test=test.name,
        anchor=anchor.name,
        quality=quality.name,
        bd_rate=fmean(known.values()) if enough else None,
        bd_quality=fmean(gains) if gains and 2 * len(gains) >= len(shared) else None,
        images=len(known),
        of=len(shared),
        wins=sum(rate < 0 for rate in known.values()),
        best=min(known.items(), key=lambda item: item[1]) if known else None,
        worst=max(known.items(), key=lambda item: item[1]) if known else None,
        mean_curve=bd_rate(*theirs, *ours, axis=quality.title),
        per_image=rates,
    )
