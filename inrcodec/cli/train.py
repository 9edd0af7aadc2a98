"""`inrcodec train`."""

from pathlib import Path

import click

from inrcodec.cli.options import training_device_option


@click.command()
@click.option("--data", required=True, type=click.Path(exists=True, path_type=Path), help="Folder of photos.")
@click.option("--recipe", required=True, metavar="NAME|FILE", help="Recipe: a shipped name or a TOML file.")
@click.option(
    "--out",
    required=True,
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder for checkpoints, log and result.",
)
@click.option("--resume", is_flag=True, help="Go on from the last checkpoint in --out.")
@training_device_option
def train(data: Path, recipe: str, out: Path, resume: bool, device: str) -> None:
    """Meta-train a network on photos (needs torch)."""
    from inrcodec.training.run import train as run_training

    result = run_training(data, recipe, out, resume=resume, device=device)
    click.echo(result)
