"""One measured point of a rate-distortion curve, and the results.csv that holds them."""

import csv
import io
import re
import zlib
from collections.abc import Iterable
from dataclasses import astuple, dataclass, fields
from pathlib import Path

from inrcodec.errors import InputError
from inrcodec.runtime.atomic_files import atomic_write

# image name, codec name, setting as text: what makes two points the same point.
Key = tuple[str, str, str]


@dataclass(frozen=True)
class Point:
    """One image through one codec at one setting; the fields are the columns of results.csv.

    Attributes:
        image: name of the image, unique within a run.
        codec: the codec as the user wrote it.
        tune: what the codec was tuned for: "psnr", or "default" where its makers decided.
        setting: what the codec was asked for (quality, or target bits per pixel).
        width: in pixels.
        height: in pixels.
        bytes: size of the file on disk.
        bpp: bits per pixel of that file.
        psnr: dB over all RGB samples, inf when lossless.
        ssim: mean over R, G, B; None when the picture is too small.
        ms_ssim: likewise.
        ssimulacra2: likewise.
        encode_s: wall seconds to encode, one thread, after a warm-up call.
        decode_s: wall seconds to decode, likewise.
    """

    image: str
    codec: str
    tune: str
    setting: str
    width: int
    height: int
    bytes: int
    bpp: float
    psnr: float
    ssim: float | None
    ms_ssim: float | None
    ssimulacra2: float | None
    encode_s: float
    decode_s: float

    @property
    def key(self) -> Key:
        """What identifies the point."""
        return self.image, self.codec, self.setting


COLUMNS = tuple(field.name for field in fields(Point))


def setting_text(setting: float) -> str:
    """A setting as it appears in results.csv and in file names."""
    return f"{setting:g}"


def point_file(out: Path, key: Key, extension: str) -> Path:
    """Where the encoded file of a point lies below the report directory."""
    image, codec, setting = key
    return out / "files" / _safe(codec) / _safe(image) / f"{setting}{extension}"


def header() -> str:
    """The first line of results.csv."""
    return ",".join(COLUMNS) + "\n"


def format_point(point: Point) -> str:
    """One line of results.csv."""
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerow(_cell(value) for value in astuple(point))
    return out.getvalue()


def read_points(path: Path) -> list[Point]:
    """The points of a results.csv. A last line cut short by an interrupted run is left out.

    Raises:
        InputError: the file is not a results.csv.
    """
    with path.open(encoding="utf-8", newline="") as source:
        lines = list(csv.reader(source))
    if not lines or tuple(lines[0]) != COLUMNS:
        raise InputError(
            f"{path} is not a results.csv of this version (its first line should be {header().strip()})"
        )
    points: list[Point] = []
    for number, line in enumerate(lines[1:], start=2):
        try:
            points.append(_parse(line))
        except ValueError:
            if number < len(lines):
                raise InputError(f"{path}, line {number}: not a point: {','.join(line)}") from None
    return points


def write_points(path: Path, points: Iterable[Point]) -> None:
    """Write results.csv in one step, so that an interruption leaves the old or the new file."""
    text = header() + "".join(map(format_point, points))
    atomic_write(path, text.encode("utf-8"), overwrite=True)


def _cell(value: object) -> str:
    if value is None:
        return ""
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _parse(line: list[str]) -> Point:
    if len(line) != len(COLUMNS):
        raise ValueError("wrong number of columns")
    image, codec, tune, setting, *numbers = line
    width, height, size, bpp, psnr, ssim, ms_ssim, ssimulacra2, encode_s, decode_s = numbers
    return Point(
        image,
        codec,
        tune,
        setting,
        int(width),
        int(height),
        int(size),
        float(bpp),
        float(psnr),
        float(ssim) if ssim else None,
        float(ms_ssim) if ms_ssim else None,
        float(ssimulacra2) if ssimulacra2 else None,
        float(encode_s),
        float(decode_s),
    )


def _safe(name: str) -> str:
    """A name as one path component; the checksum keeps apart what the replacement would merge."""
    plain = re.sub(r"[^\w.=-]+", "_", name)
    return plain if plain == name else f"{plain}-{zlib.crc32(name.encode()):08x}"
