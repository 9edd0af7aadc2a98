"""CSV log and progress line of a training run."""

from __future__ import annotations

import csv
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TextIO


class CsvLog:
    """Rows of named figures appended to a CSV file; the first row fixes the columns."""

    def __init__(self, path: Path, size: int = 0) -> None:
        """Open ``path`` and drop what lies beyond its first ``size`` bytes (steps to be done again)."""
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


class Progress:
    """One line on stderr, rewritten in place; silent unless stderr is a terminal."""

    def __init__(self, total: int, stream: TextIO | None = None) -> None:
        self._total = total
        self._stream = sys.stderr if stream is None else stream
        self._active = self._stream.isatty()

    def update(self, step: int, text: str) -> None:
        """Show the share of ``total`` steps done and a short text."""
        if self._active:
            done = 30 * step // max(self._total, 1)
            bar = "#" * done + "-" * (30 - done)
            self._stream.write(f"\r\x1b[K[{bar}] {step}/{self._total} {text}")
            self._stream.flush()

    def close(self) -> None:
        """End the line."""
        if self._active:
            self._stream.write("\n")
            self._stream.flush()


def _text(value: int | float) -> str:
    return str(value) if isinstance(value, int) else f"{value:.6g}"
