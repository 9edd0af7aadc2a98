"""`inrcodec reproduce`."""

from pathlib import Path

import click

from inrcodec.cli.options import training_device_option
from inrcodec.errors import EncodeError


@click.command()
@click.option(
    "--data",
    required=True,
    type=click.Path(exists=True, path_type=Path),
    help="Folder of images (with or without folders train and val in it) or an npz file.",
)
@click.option(
    "--dataset",
    required=True,
    type=click.Choice(["celeba", "imagenette", "sdf"]),
    help="What the data are: names the results and sets how images are resized.",
)
@click.option(
    "--preset",
    default="small",
    show_default=True,
    type=click.Choice(["paper", "paper-short", "small"]),
    help="paper: the published sizes and schedule, for a GPU. paper-short: the published sizes in a "
    "quarter of an hour of a GPU. small: 32-pixel images, for two cores.",
)
@click.option(
    "--methods",
    default="all",
    show_default=True,
    metavar="LIST",
    help="Comma-separated: meta-sparseinr, random-pruning, dense-narrow, maml-oneshot, maml-imp, scratch.",
)
@click.option(
    "--out",
    required=True,
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder for networks, tables and figures; data sets may share one.",
)
@click.option("--resume", is_flag=True, help="Go on with what OUT holds of this data set.")
@training_device_option
def reproduce(
    data: Path, dataset: str, preset: str, methods: str, out: Path, resume: bool, device: str
) -> None:
    """Repeat the experiments of the Meta-SparseINR paper (needs the torch and bench extras).

    Writes results.csv, curves.csv, layers.csv, summary.md and figures into OUT, for all data sets in it.
    """
    try:
        from inrcodec.reproduce.methods import parse_methods
        from inrcodec.reproduce.presets import PRESETS
        from inrcodec.reproduce.run import Request, run_reproduction
    except ModuleNotFoundError as exc:
        if exc.name != "torch":
            raise
        raise EncodeError("reproduction needs torch: pip install 'inrcodec[torch,bench]'") from exc
    run_reproduction(Request(data, dataset, PRESETS[preset], parse_methods(methods), out, resume, device))
    click.echo(str(out / "summary.md"))
