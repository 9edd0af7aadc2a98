"""`inrcodec decode`."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from inrcodec.cli.errors import picture_warnings, report_warnings
from inrcodec.cli.jobs import FILE_ERRORS, Facts, Item
from inrcodec.cli.names import TAR_SUFFIX, is_folder
from inrcodec.cli.options import (
    SINR_SUFFIX,
    codebook_option,
    parse_colour,
    parse_crop,
    parse_positive,
    parse_size,
)
from inrcodec.cli.progress import progress_bar
from inrcodec.cli.requests import Request, process, request_options
from inrcodec.runtime.atomic_files import STDIO, read_input

if TYPE_CHECKING:
    from inrcodec.decoding.view import View
    from inrcodec.limits import Limits


@click.command()
@click.argument("names", nargs=-1, required=True, metavar="FILE...")
@click.option(
    "-o",
    "--output",
    metavar="PATH",
    help="Output image, or folder (existing, or ending in /) for several.  "
    "[default: beside the file, as .png]",
)
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
    help="Image format: png, jpg, webp, tiff, bmp, ppm.  [default: by the extension of -o; otherwise png]",
)
@click.option(
    "--background",
    callback=parse_colour,
    metavar="COLOUR",
    help="Lay transparent pixels over this colour, a name or #rrggbb.",
)
@click.option(
    "--max-pixels",
    type=click.IntRange(min=1),
    metavar="N",
    help="Refuse more than N pixels, in the file or rendered.",
)
@codebook_option
@request_options
@click.pass_context
def decode(
    ctx: click.Context,
    request: Request,
    scale: float | None,
    size: tuple[int, int] | None,
    crop: tuple[int, int, int, int] | None,
    file_format: str | None,
    background: tuple[int, int, int] | None,
    max_pixels: int | None,
    codebook: str | None,
) -> None:
    """Decode .sinr files at any resolution.

    With -r, the files in folders are taken, too, and -o keeps their tree. Of a tar, a tar is made, with
    what else lies in it. URLs are read and written, too.
    With several files a failure does not stop the rest; the exit code is the worst one.
    """
    if scale is not None and size is not None:
        raise click.UsageError("give only one of --scale and --size")
    from inrcodec.decoding.view import View
    from inrcodec.limits import DEFAULT_LIMITS, Limits
    from inrcodec.pictures.files import OUTPUT_FORMATS

    if file_format is None:
        output = request.output
        named = output not in (None, STDIO) and not is_folder(output, request.names, request.recursive)
        suffix = Path(str(output)).suffix if named else ".png"
        file_format = "png" if suffix == TAR_SUFFIX else suffix.removeprefix(".")
    file_format = file_format.lower()
    if file_format not in OUTPUT_FORMATS:
        wrong = f"unknown image format {file_format!r}" if file_format else "the output has no extension"
        raise click.UsageError(f"{wrong}; known to --format and as extensions: {', '.join(OUTPUT_FORMATS)}")
    view = View(scale, size, crop)
    limits = Limits(max_pixels=max_pixels) if max_pixels else DEFAULT_LIMITS

    def work(jobs: int, progress: bool) -> _Task:
        return _Task(view, file_format, background, codebook, request.device, jobs, limits, progress)

    ctx.exit(
        process(
            request,
            f".{file_format}",
            {SINR_SUFFIX},
            work,
            lambda done: report_warnings(done.facts["warnings"], str(done.source)),
            settings={
                "codebook": codebook,
                "device": request.device,
                "view": asdict(view),
                "format": file_format,
                "background": background,
            },
            silent=True,
        )
    )


@dataclass(frozen=True)
class _Task:
    """How files are decoded: see `decode`."""

    view: "View"
    file_format: str
    background: tuple[int, int, int] | None
    codebook: str | None
    device: str
    jobs: int
    limits: "Limits"
    progress: bool

    def __call__(self, item: Item) -> tuple[bytes, Facts] | Exception:
        """Decode one file: an image file, its codebook and the warnings about it, or the expected error."""
        try:
            return self._decoded(item)
        except FILE_ERRORS as error:
            return error

    def _decoded(self, item: Item) -> tuple[bytes, Facts]:
        from inrcodec.codec import decode_picture, inspect
        from inrcodec.container import MAGIC
        from inrcodec.pictures.files import picture_bytes

        data = item.data
        if data is None:
            data = read_input(item.source, begins=MAGIC, largest=self.limits.max_file_bytes)
        info = inspect(data, limits=self.limits)
        try:
            self.view.of_picture(info.width, info.height)
        except ValueError as error:
            raise click.UsageError(str(error)) from error
        # What has one tile is there before a bar could be read.
        with progress_bar(item.source, hidden=not self.progress or info.tiles == 1) as progress:
            picture = decode_picture(
                data,
                self.view,
                codebook=self.codebook,
                device=self.device,
                jobs=self.jobs,
                limits=self.limits,
                progress=progress,
            )
        with picture_warnings() as said:
            image = picture_bytes(picture, self.file_format, background=self.background)
        return image, {"codebook": info.codebook, "warnings": said}
