"""`inrcodec bench`: measure, summarise, report."""

import shlex
import sys
from pathlib import Path

import click

from inrcodec.cli.options import cluster_option, jobs_option

DEFAULT_CODECS = "inrcodec,jpeg,webp,avif,avif-psnr,jpeg2000"


@click.command(short_help="Compare codecs by rate and distortion.")
@click.argument("images", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--out",
    required=True,
    type=click.Path(path_type=Path, file_okay=False),
    help="Directory for results and files.",
)
@click.option(
    "--codecs",
    default=DEFAULT_CODECS,
    show_default=True,
    metavar="LIST",
    help="Comma-separated; the first one is the subject. avif is tuned for the eye, avif-psnr for PSNR "
    "(4:4:4). Also jxl and heic, and inrcodec with options, as in inrcodec:tune=visual:effort=1 (tune, "
    "effort, entropy, codebook, device).",
)
@click.option(
    "--qualities",
    multiple=True,
    metavar="[CODEC=]LIST",
    help="Settings to measure, comma-separated: for every codec with a quality, or for the codec named. "
    "jpeg2000 takes bits per pixel and has to be named. Repeatable. BD-rates need four settings or more.",
)
@jobs_option
@cluster_option
@click.option("--resume", is_flag=True, help="Keep the points already in OUT and measure the missing ones.")
@click.option(
    "--anchors",
    metavar="FILE",
    help="Draw published curves behind: a JSON file, or 'kodak' for the ones that ship with inrcodec.",
)
def bench(
    images: tuple[Path, ...],
    out: Path,
    codecs: str,
    qualities: tuple[str, ...],
    jobs: int,
    cluster: str | None,
    resume: bool,
    anchors: str | None,
) -> None:
    """Compare codecs by quality against bits per pixel on IMAGES (files or directories).

    Quality is PSNR, MS-SSIM and SSIMULACRA 2. Writes results.csv, summary.json, report.html, report.md and
    plots (rd-psnr.png, .svg, ...) into OUT, and every encoded file below OUT/files. The exit status is 1 when
    images could not be read or points could not be measured. Workers of a cluster read IMAGES and write OUT,
    too; seconds are those of their machines.
    """
    from inrcodec.bench.workflow import Request, run_bench

    request = Request(
        images=images,
        out=out,
        codecs=tuple(name.strip() for name in codecs.split(",") if name.strip()),
        qualities=qualities,
        jobs=jobs,
        cluster=cluster,
        resume=resume,
        anchors=anchors,
        command=shlex.join(["inrcodec", *sys.argv[1:]]),
    )
    if not run_bench(request):
        click.get_current_context().exit(1)
