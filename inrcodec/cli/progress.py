"""Bars that show how far a command is."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import click

_STEPS = 1000


@contextmanager
def progress_bar(source: str, *, hidden: bool) -> Iterator[Callable[[float], None]]:
    """A bar on stderr where that is a terminal; yields the function that sets it to a fraction."""
    with click.progressbar(
        length=_STEPS,
        label=Path(source).name,
        file=sys.stderr,
        hidden=hidden or not sys.stderr.isatty(),
    ) as bar:

        def advance(fraction: float) -> None:
            bar.update(max(0, round(fraction * _STEPS) - bar.pos))

        yield advance


@contextmanager
def count_bar(total: int, *, hidden: bool) -> Iterator[Callable[[], None]]:
    """A bar on stderr where that is a terminal; yields the function that counts one of a total."""
    with click.progressbar(
        length=total, show_pos=True, file=sys.stderr, hidden=hidden or not sys.stderr.isatty()
    ) as bar:
        yield lambda: bar.update(1)
