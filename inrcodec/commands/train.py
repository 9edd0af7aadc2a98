"""`inrcodec train`."""

from pathlib import Path

import click

from inrcodec.commands.params import device_option
from inrcodec.errors import EncodeError


@click.command()
@click.option(
    "--data",
    required=True,
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Folder of training photos.",
)
@click.option("--recipe", required=True, metavar="NAME|FILE", help="Recipe: a shipped name or a TOML file.")
@click.option(
    "--out",
    required=True,
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder for checkpoints and result.",
)
@click.option("--resume", is_flag=True, help="Go on from the last checkpoint in --out.")
@device_option
def train(data: Path, recipe: str, out: Path, resume: bool, device: str) -> None:
    """Meta-train a codebook on photos (needs the torch extra)."""
    try:
        from inrcodec.metatrain import train as run_training
    except ModuleNotFoundError as exc:
        if exc.name != "torch":
            raise
        raise EncodeError("training needs torch: pip install 'inrcodec[torch]'") from exc
    run_training(data, recipe, out, resume=resume, device=device)
