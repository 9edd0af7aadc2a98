"""Options that several subcommands share, and the parsers of structured ones."""

import math
import re
from collections.abc import Callable
from typing import Any

import click

from inrcodec.runtime.threads import cores

_Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]

SINR_SUFFIX = ".sinr"

recursive_option: _Decorator = click.option(
    "-r", "--recursive", is_flag=True, help="Look into folders, and into theirs."
)
skip_existing_option: _Decorator = click.option(
    "--skip-existing", is_flag=True, help="Skip inputs whose output exists and is not older."
)
force_option: _Decorator = click.option("-f", "--force", is_flag=True, help="Overwrite existing files.")


def _device_option(auto: str) -> _Decorator:
    return click.option(
        "--device",
        type=click.Choice(["auto", "cpu", "cuda"]),
        default="auto",
        show_default=True,
        help=f"Where to compute; auto is {auto}.",
    )


device_option = _device_option("the CPU, the faster one for a picture")
training_device_option = _device_option("a GPU where there is one")
codebook_option: _Decorator = click.option(
    "--codebook", metavar="NAME|PATH", help="Codebook, if not the default one (see codebooks)."
)
jobs_option: _Decorator = click.option(
    "-j",
    "--jobs",
    type=click.IntRange(min=1),
    default=cores,
    show_default="one per core",
    metavar="N",
    help="Processes that share several images, or threads that share one.",
)
cluster_option: _Decorator = click.option(
    "--cluster",
    metavar="ADDRESS",
    help="Share the work among the workers of the Dask scheduler there, instead of processes here.",
)
json_option: _Decorator = click.option("--json", "as_json", is_flag=True, help="Print JSON on stdout.")


def parse_positive(_ctx: click.Context, _param: click.Parameter, value: str | None) -> float | None:
    """A finite number above 0 (click's own FloatRange lets "nan" pass)."""
    if value is None:
        return None
    try:
        number = float(value)
    except ValueError:
        number = math.nan
    if not (math.isfinite(number) and number > 0):
        raise click.BadParameter(f"{value!r} is not a positive number")
    return number


def parse_size(_ctx: click.Context, _param: click.Parameter, value: str | None) -> tuple[int, ...] | None:
    """(width, height) from WxH, both at least 1."""
    return None if value is None else _integers(value, "WxH", "x", (1, 1))


def parse_colour(_ctx: click.Context, _param: click.Parameter, value: str | None) -> tuple[int, ...] | None:
    """(red, green, blue) from a name of CSS or #rrggbb."""
    if value is None:
        return None
    from PIL import ImageColor

    try:
        return ImageColor.getrgb(value)[:3]
    except ValueError as error:
        raise click.BadParameter(f"{value!r} is not a colour") from error


def parse_crop(_ctx: click.Context, _param: click.Parameter, value: str | None) -> tuple[int, ...] | None:
    """(x, y, width, height) from X,Y,W,H; width and height at least 1."""
    return None if value is None else _integers(value, "X,Y,W,H", ",", (0, 0, 1, 1))


def _integers(value: str, form: str, separator: str, minima: tuple[int, ...]) -> tuple[int, ...]:
    """Decimal integers joined by a separator; anything else is a usage error."""
    parts = value.lower().split(separator)
    if len(parts) != len(minima) or not all(re.fullmatch(r"[0-9]{1,9}", part) for part in parts):
        raise click.BadParameter(f"{value!r} is not of the form {form}")
    numbers = tuple(map(int, parts))
    if any(number < least for number, least in zip(numbers, minima, strict=True)):
        raise click.BadParameter(f"{value!r}: width and height must be at least 1")
    return numbers
