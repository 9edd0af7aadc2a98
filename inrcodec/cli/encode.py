"""`inrcodec encode`."""

import io
import json
import logging
import math
import time
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from inrcodec.cli.errors import EXPECTED_ERRORS, picture_warnings, report_warnings
from inrcodec.cli.jobs import Done, Facts, Item
from inrcodec.cli.names import is_folder
from inrcodec.cli.options import SINR_SUFFIX, codebook_option, json_option, parse_positive
from inrcodec.cli.progress import progress_bar
from inrcodec.cli.requests import Request, process, request_options
from inrcodec.decisions.effort import DEFAULT_EFFORT, EFFORTS
from inrcodec.runtime.atomic_files import STDIO, read_input
from inrcodec.runtime.urls import is_url

if TYPE_CHECKING:
    from inrcodec.pictures.picture import Picture

_ADVICE = "this looks like text or line art; lossless WebP or PNG keeps it exactly, often in fewer bytes"


@click.command()
@click.argument("names", nargs=-1, required=True, metavar="IMAGE...")
@click.option(
    "-o",
    "--output",
    metavar="PATH",
    help="Output file, or folder (existing, or ending in /) for several images. "
    "[default: beside the image, as .sinr]",
)
@click.option(
    "-q",
    "--quality",
    type=click.IntRange(1, 100),
    help="1 small to 100 good; instead of it one target, which goes beyond, may be given.  [default: 50]",
)
@click.option("--bpp", callback=parse_positive, help="Stay within X bits per pixel.", metavar="X")
@click.option("--psnr", callback=parse_positive, help="Reach a PSNR of DB decibels.", metavar="DB")
@click.option("--max-bytes", type=click.IntRange(min=1), help="Stay within N bytes.", metavar="N")
@click.option(
    "--tune",
    type=click.Choice(["psnr", "visual"]),
    help="What the file is tuned for: the least squared error, or the eye.  [default: psnr]",
)
@click.option(
    "--effort",
    type=click.IntRange(min(EFFORTS), max(EFFORTS)),
    default=DEFAULT_EFFORT,
    show_default=True,
    help="1 is fastest, 9 looks longest for a smaller file.",
)
@codebook_option
@click.option(
    "--entropy",
    type=click.Choice(["auto", "rans", "zstd"]),
    default="auto",
    show_default=True,
    help="Entropy coder; auto is rans, the context coder.",
)
@click.option(
    "--page",
    "--frame",
    "frame",
    type=click.IntRange(min=1),
    metavar="N",
    help="Which of several pages or frames, from 1.",
)
@click.option(
    "--depth", type=click.Choice(["8"]), help="Convert images of up to 16 bits per channel to this depth."
)
@click.option("--lenient", is_flag=True, help="Read a truncated JPEG as far as it goes.")
@click.option("--keep-hidden", is_flag=True, help="Keep colours of fully transparent pixels.")
@request_options
@json_option
@click.option("--quiet", is_flag=True, help="Print nothing but errors.")
@click.pass_context
def encode(
    ctx: click.Context,
    request: Request,
    quality: int | None,
    bpp: float | None,
    psnr: float | None,
    max_bytes: int | None,
    tune: str | None,
    effort: int,
    codebook: str | None,
    entropy: str,
    frame: int | None,
    depth: str | None,
    lenient: bool,
    keep_hidden: bool,
    as_json: bool,
    quiet: bool,
) -> None:
    """Encode images as .sinr files.

    Prints one line per image: size, bits per pixel, PSNR of the decoded file, seconds.
    With -r, the images in folders are taken, too, and -o keeps their tree. Of a tar, a tar is made, with
    what else lies in it. URLs are read and written, too.
    With several images a failure does not stop the rest; the exit code is the worst one.
    """
    goals = {"quality": quality, "bpp": bpp, "psnr": psnr, "max_bytes": max_bytes}
    options: dict[str, Any] = {name: value for name, value in goals.items() if value is not None}
    if len(options) > 1:
        raise click.UsageError("give only one of --quality, --bpp, --psnr and --max-bytes")
    if as_json and (request.output or request.names[0]) == STDIO:
        raise click.UsageError("--json and the encoded file cannot both go to standard output")
    options |= {"effort": effort, "entropy": entropy, "device": request.device, "keep_hidden": keep_hidden}
    if tune is not None:
        options["tune"] = tune
    if codebook is not None:
        options["codebook"] = codebook

    from inrcodec.pictures.opening import readable_suffixes

    output, into = request.output or "", is_folder(request.output, request.names, request.recursive)
    if not quiet and not into and Path(output).suffix.lower() in readable_suffixes():
        report_warnings(["the name of another format, for a .sinr file"], output)
    reading = {"frame": frame, "depth": int(depth) if depth else None, "lenient": lenient}
    advised = False

    def work(jobs: int, progress: bool) -> _Task:
        return _Task(options | {"jobs": jobs}, reading, progress and not quiet, as_json or not quiet)

    def tell(done: Done) -> None:
        nonlocal advised
        facts: Facts = {"input": done.source, "output": done.target} | done.facts
        if not quiet:
            advice = [_ADVICE] if facts["drawn"] and not advised else []
            advised |= facts["drawn"]
            report_warnings(facts["warnings"] + advice, facts["input"])
        if as_json:
            click.echo(json.dumps(facts))
        elif not quiet:
            click.echo(_summary(facts), err=done.target == STDIO)

    ctx.exit(
        process(
            request,
            SINR_SUFFIX,
            readable_suffixes(),
            work,
            tell,
            settings={"codebook": codebook} | options | reading,
            silent=quiet,
        )
    )


@dataclass(frozen=True)
class _Task:
    """How images are encoded: see `encode`."""

    options: dict[str, Any]
    reading: dict[str, Any]
    progress: bool
    measure: bool

    def __call__(self, item: Item) -> tuple[bytes, Facts] | Exception:
        """Encode one image and, if asked, measure the file by decoding it.

        Returns:
            The file, and what `--json` prints but input and output: width, height, bytes, bpp, psnr (dB; None
            when it was not measured or the picture came back unchanged), codebook (its id), alpha_dropped (it
            was opaque everywhere), drawn (it looks like text or line art), warnings and seconds (reading,
            encoding and measuring). Or the expected error that happened.
        """
        try:
            return self._encoded(item)
        except EXPECTED_ERRORS as error:
            return error

    def _encoded(self, item: Item) -> tuple[bytes, Facts]:
        from inrcodec.codec import encode as encode_picture
        from inrcodec.codec import inspect
        from inrcodec.pictures.content import is_drawn

        start = time.perf_counter()
        with picture_warnings() as said:
            picture = _read(item, self.reading)
        with progress_bar(item.source, hidden=not self.progress) as progress:
            data = encode_picture(picture, **self.options, progress=progress)
        info = inspect(data)
        psnr = _decoded_psnr(picture, data, self.options) if self.measure else None
        height, width, _ = picture.pixels.shape
        facts = {
            "width": width,
            "height": height,
            "bytes": len(data),
            "bpp": 8 * len(data) / (width * height),
            "psnr": psnr,
            "codebook": info.codebook,
            "alpha_dropped": info.channels < picture.pixels.shape[2],
            "drawn": is_drawn(picture.pixels),
            "warnings": said,
            "seconds": round(time.perf_counter() - start, 3),
        }
        return data, facts


class _Content(io.BytesIO):
    """What was read of an input, with its name, which tells formats that have no signature."""

    def __init__(self, data: bytes, name: str) -> None:
        super().__init__(data)
        self.name = name


def _read(item: Item, reading: dict[str, Any]) -> "Picture":
    """Read an image under this program's own limits, without Pillow's remarks about sloppy files."""
    from PIL import Image

    from inrcodec.pictures.files import read_picture

    Image.MAX_IMAGE_PIXELS = None
    logging.getLogger("PIL").addHandler(logging.NullHandler())
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module=r"PIL\.")
        if item.data is not None or item.source == STDIO or is_url(item.source):
            data = read_input(item.source) if item.data is None else item.data
            return read_picture(_Content(data, item.source), **reading)
        return read_picture(Path(item.source), **reading)


def _decoded_psnr(picture: "Picture", data: bytes, options: dict[str, Any]) -> float | None:
    """PSNR in dB of the decoded file; None if it equals the picture.

    Measured over the colour samples of pixels that are not fully transparent: the rest cannot be seen.
    """
    from inrcodec.codec import decode
    from inrcodec.metrics import psnr

    decoding = {name: options[name] for name in ("device", "jobs", "codebook") if name in options}
    original = picture.colour
    decoded = decode(data, **decoding).reshape(*original.shape[:2], -1)
    value = psnr(original, decoded[:, :, : original.shape[2]], picture.visible)
    return value if math.isfinite(value) else None


def _summary(facts: dict[str, Any]) -> str:
    """One line for people."""
    psnr = "no error" if facts["psnr"] is None else f"{facts['psnr']:.2f} dB PSNR"
    alpha = ", opaque alpha dropped" if facts["alpha_dropped"] else ""
    name = "standard output" if facts["output"] == STDIO else facts["output"]
    return (
        f"{name}: {facts['width']}x{facts['height']}, {facts['bytes']} bytes, "
        f"{facts['bpp']:.3f} bpp, {psnr}{alpha}, {facts['seconds']:.1f} s"
    )
