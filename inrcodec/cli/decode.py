"""`inrcodec decode`."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from inrcodec.cli.batch import FILE_ERRORS, Batch, Files, is_folder, shares
from inrcodec.cli.errors import picture_warnings, report_warnings
from inrcodec.cli.options import (
    SINR_SUFFIX,
    codebook_option,
    device_option,
    force_option,
    jobs_option,
    parse_colour,
    parse_crop,
    parse_positive,
    parse_size,
    recursive_option,
    skip_existing_option,
)
from inrcodec.cli.progress import progress_bar
from inrcodec.runtime.atomic_files import STDIO, check_target, read_input

if TYPE_CHECKING:
    from inrcodec.decoding.view import View
    from inrcodec.limits import Limits


_Said = tuple[str, list[str]]
"""A source, and the warnings about it."""


@click.command()
@click.argument("sources", nargs=-1, required=True, metavar="FILE...")
@click.option(
    "-o",
    "--output",
    metavar="PATH",
    help="Output image, or folder (existing, or ending in /) for several.  "
    "[default: beside the file, as .png]",
)
@recursive_option
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
@device_option
@jobs_option
@force_option
@skip_existing_option
@click.pass_context
def decode(
    ctx: click.Context,
    sources: tuple[str, ...],
    output: str | None,
    recursive: bool,
    scale: float | None,
    size: tuple[int, int] | None,
    crop: tuple[int, int, int, int] | None,
    file_format: str | None,
    background: tuple[int, int, int] | None,
    max_pixels: int | None,
    codebook: str | None,
    device: str,
    jobs: int,
    force: bool,
    skip_existing: bool,
) -> None:
    """Decode .sinr files at any resolution.

    With -r, the files in folders are taken, too, and -o keeps their tree.
    With several files a failure does not stop the rest; the exit code is the worst one.
    """
    if scale is not None and size is not None:
        raise click.UsageError("give only one of --scale and --size")
    from inrcodec.decoding.view import View
    from inrcodec.limits import DEFAULT_LIMITS, Limits
    from inrcodec.pictures.files import OUTPUT_FORMATS

    if file_format is None:
        named = output not in (None, STDIO) and not is_folder(output, sources, recursive)
        file_format = Path(str(output)).suffix.removeprefix(".") if named else "png"
    file_format = file_format.lower()
    if file_format not in OUTPUT_FORMATS:
        wrong = f"unknown image format {file_format!r}" if file_format else "the output has no extension"
        raise click.UsageError(f"{wrong}; known to --format and as extensions: {', '.join(OUTPUT_FORMATS)}")
    batch = Batch()
    files = batch.plan(
        sources,
        output,
        f".{file_format}",
        recursive=recursive,
        suffixes={SINR_SUFFIX},
        skip_existing=skip_existing,
    )
    if not files:
        ctx.exit(batch.exit_code)
    count, jobs = shares(files, device, jobs)
    task = _Task(
        View(scale, size, crop),
        file_format,
        background,
        codebook,
        device,
        jobs,
        Limits(max_pixels=max_pixels) if max_pixels else DEFAULT_LIMITS,
        overwrite=force,
        progress=count == 1,
    )
    for _, (source, said) in batch.write(task.run, files, count=count, overwrite=force):
        report_warnings(said, source)
    ctx.exit(batch.exit_code)


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
    overwrite: bool
    progress: bool

    def run(self, files: Files) -> tuple[bytes, _Said] | Exception:
        """Decode one file: an image file and what is said about it, or the expected error."""
        try:
            return self._run(*files)
        except FILE_ERRORS as error:
            return error

    def _run(self, source: str, target: str) -> tuple[bytes, _Said]:
        from inrcodec.codec import decode_picture, inspect
        from inrcodec.container import MAGIC
        from inrcodec.pictures.files import picture_bytes

        if target != STDIO:
            check_target(Path(target), self.overwrite)
        data = read_input(source, begins=MAGIC, largest=self.limits.max_file_bytes)
        info = inspect(data, limits=self.limits)
        try:
            self.view.of_picture(info.width, info.height)
        except ValueError as error:
            raise click.UsageError(str(error)) from error
        # What has one tile is there before a bar could be read.
        with progress_bar(source, hidden=not self.progress or info.tiles == 1) as progress:
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
        return image, (source, said)
