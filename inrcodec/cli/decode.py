"""`inrcodec decode`."""

import io
from pathlib import Path
from typing import TYPE_CHECKING

import click

from inrcodec.cli.errors import EXPECTED_ERRORS, report_error
from inrcodec.cli.options import (
    codebook_option,
    device_option,
    force_option,
    jobs_option,
    parse_crop,
    parse_positive,
    parse_size,
)
from inrcodec.runtime.atomic_files import STDIO, check_target, read_input, write_output

if TYPE_CHECKING:
    from inrcodec.codec import Info
    from inrcodec.decoding.view import View


@click.command()
@click.argument("source", metavar="FILE")
@click.option("-o", "--output", metavar="PATH", help="Output image.  [default: beside the file, as .png]")
@click.option(
    "--scale",
    callback=parse_positive,
    metavar="S",
    help="Render S times as wide and as high.",
)
@click.option("--size", metavar="WxH", callback=parse_size, help="Render at this size.")
@click.option(
    "--crop", metavar="X,Y,W,H", callback=parse_crop, help="Render only this region, given in source pixels."
)
@click.option(
    "--format",
    "file_format",
    metavar="NAME",
    help="Image format: png, jpg, webp, tiff, bmp, ppm.  [default: by extension; png on standard output]",
)
@click.option(
    "--max-pixels",
    type=click.IntRange(min=1),
    metavar="N",
    help="Refuse more than N pixels, in the file or rendered.",
)
@codebook_option
@device_option
@jobs_option
@force_option
@click.pass_context
def decode(
    ctx: click.Context,
    source: str,
    output: str | None,
    scale: float | None,
    size: tuple[int, int] | None,
    crop: tuple[int, int, int, int] | None,
    file_format: str | None,
    max_pixels: int | None,
    codebook: str | None,
    device: str,
    jobs: int,
    force: bool,
) -> None:
    """Decode a .sinr file at any resolution."""
    if scale is not None and size is not None:
        raise click.UsageError("give only one of --scale and --size")
    from inrcodec.codec import decode_picture, inspect
    from inrcodec.decoding.view import View
    from inrcodec.limits import DEFAULT_LIMITS, Limits
    from inrcodec.pictures.files import OUTPUT_FORMATS, write_picture

    if output is None:
        output = STDIO if source == STDIO else str(Path(source).with_suffix(f".{file_format or 'png'}"))
    file_format = (file_format or ("png" if output == STDIO else Path(output).suffix.lstrip("."))).lower()
    if file_format not in OUTPUT_FORMATS:
        raise click.UsageError(
            f"unknown image format {file_format!r}; known to --format and as extensions: "
            + ", ".join(OUTPUT_FORMATS)
        )
    limits = Limits(max_pixels=max_pixels) if max_pixels else DEFAULT_LIMITS
    view = View(scale, size, crop)
    try:
        if output != STDIO:
            check_target(Path(output), force)
        data = read_input(source)
        if crop is not None:
            _check_crop(view, inspect(data, limits=limits))
        picture = decode_picture(data, view, codebook=codebook, device=device, jobs=jobs, limits=limits)
        image = io.BytesIO()
        write_picture(picture, image, file_format)
        write_output(output, image.getvalue(), overwrite=force)
    except EXPECTED_ERRORS as exc:
        ctx.exit(report_error(exc, source))


def _check_crop(view: "View", info: "Info") -> None:
    """A region outside of the picture is a usage error."""
    try:
        view.of_picture(info.width, info.height)
    except ValueError as error:
        raise click.UsageError(str(error)) from error
