"""CSV log and progress bar of a training run."""

from __future__ import annotations

import csv
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import click


class CsvLog:
    """Rows of named figures appended to a CSV file; the first row fixes the columns."""

    def __init__(self, path: Path, size: int = 0) -> None:
        """Open ``path`` and drop what lies beyond its first ``size`` bytes (outer steps to be done again)."""
        self._path = path
        path.touch()
        with open(path, "r+b") as file:
            file.truncate(size)
        self._columns: list[str] | None = None
        if size:
            with open(path, newline="") as text:
                self._columns = next(csv.reader(text))

    def write(self, row: Mapping[str, int | float]) -> None:
        """Append one row; ValueError if its columns are not those of the first."""
        with open(self._path, "a", newline="") as file:
            writer = csv.DictWriter(file, self._columns or list(row), lineterminator="\n")
            if self._columns is None:
                self._columns = list(row)
                writer.writeheader()
            writer.writerow({name: _text(value) for name, value in row.items()})

    def size(self) -> int:
        """Bytes written so far."""
        return self._path.stat().st_size


@contextmanager
def progress_bar(outer_steps: int, *, hidden: bool) -> Iterator[Callable[[int, str], None]]:
    """A bar on stderr where that is a terminal.

    Yields:
        The function that sets it to a number of outer steps and shows a short text beside it.
    """
    with click.progressbar(
        length=outer_steps,
        show_eta=False,
        show_pos=True,
        item_show_func=lambda text: text,
        info_sep=" ",
        file=sys.stderr,
        hidden=hidden or not sys.stderr.isatty(),
    ) as bar:

        def show(done: int, text: str) -> None:
            bar.update(done - bar.pos, text)

        yield show


def _text(value: int | float) -> str:
    return str(value) if isinstance(value, int) else f"{value:.6g}"
