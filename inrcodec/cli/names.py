"""Names of inputs and outputs: paths, URLs, and `-`."""

import os
import posixpath
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path, PurePath, PurePosixPath

from inrcodec.cli.jobs import Item, new_names
from inrcodec.runtime import urls
from inrcodec.runtime.atomic_files import STDIO
from inrcodec.runtime.urls import is_url

TAR_SUFFIX = ".tar"


@dataclass(frozen=True)
class Input:
    """A file to read.

    Attributes:
        name: path, URL, or `-`.
        place: where it lies in the folder that was walked; the mere name of a file that was named itself.
    """

    name: str
    place: Path

    @property
    def is_tar(self) -> bool:
        """Whether it is a shard, whose members are the files."""
        return self.place.suffix.lower() == TAR_SUFFIX


def is_folder(output: str | None, names: Sequence[str], recursive: bool) -> bool:
    """Whether outputs go into `output`, rather than to it: it is a folder, or there will be several."""
    if output is None or output == STDIO:
        return False
    return output.endswith(("/", os.sep)) or is_dir(output) or walks(names, recursive)


def is_dir(name: str) -> bool:
    """Whether there is a folder of this name."""
    return urls.is_folder(name) if is_url(name) else os.path.isdir(name)


def walks(names: Sequence[str], recursive: bool) -> bool:
    """Whether there is a folder to look into."""
    return recursive and any(map(is_dir, names))


def absolute(name: str) -> str:
    """The same from any working directory; still a folder if its end says so."""
    if not name or name == STDIO or is_url(name):
        return name
    return os.path.join(os.path.abspath(name), "") if name.endswith(("/", os.sep)) else os.path.abspath(name)


def is_same(name: str, other: str) -> bool:
    """Whether two names are of one file."""
    if absolute(name) == absolute(other):
        return True
    return os.path.exists(name) and os.path.exists(other) and os.path.samefile(name, other)


def base(name: str) -> str:
    """The name without its folder."""
    return posixpath.basename(name) if is_url(name) else Path(name).name


def make_parent(name: str) -> None:
    """Make the folder of an output, and theirs."""
    if is_url(name):
        urls.make_parent(name)
    else:
        Path(name).parent.mkdir(parents=True, exist_ok=True)


def targets(inputs: Sequence[Input], output: str | None, suffix: str) -> list[str]:
    """The output of each input, in the tree of inputs, or in one like it in the folder `output`.

    What is made of a tar keeps its name.
    """
    same = [_inside(output, file.place) if output else file.name for file in inputs]
    schemes, paths = zip(*map(_split, same), strict=True) if same else ((), ())
    renamed = new_names(paths, suffix)
    return [
        name if file.is_tar else scheme + str(path)
        for file, name, scheme, path in zip(inputs, same, schemes, renamed, strict=True)
    ]


def groups(items: Sequence[Item], size: int) -> Iterator[tuple[Item, ...]]:
    """Items of shards of at least `size` each, but for the last one.

    Those whose names differ behind the first dot only are one sample to WebDataset, and stay together.
    """
    group: list[Item] = []
    for _, sample in groupby(items, lambda item: _sample(item.target)):
        if len(group) >= size:
            yield tuple(group)
            group = []
        group += sample
    if group:
        yield tuple(group)


def is_up_to_date(sources: Sequence[str], target: str) -> bool:
    """Whether the target is there and not older than any source."""
    if STDIO in (*sources, target):
        return False
    made = _modified(target)
    return made is not None and all(made >= (_modified(source) or 0) for source in sources)


def _modified(name: str) -> float | None:
    """When a file was changed, in nanoseconds since 1970; None if it does not exist."""
    if is_url(name):
        seconds = urls.modified(name)
        return None if seconds is None else 1e9 * seconds
    return os.stat(name).st_mtime_ns if os.path.isfile(name) else None


def _split(name: str) -> tuple[str, PurePath]:
    """Scheme of a URL, with what follows it, and the path."""
    head, mark, tail = name.rpartition("://")
    return (head + mark, PurePosixPath(tail)) if mark else ("", PurePath(name))


def _inside(folder: str, place: Path) -> str:
    return f"{folder.rstrip('/')}/{place.as_posix()}" if is_url(folder) else str(Path(folder) / place)


def _sample(member: str) -> str:
    folder, slash, name = member.rpartition("/")
    return folder + slash + name.partition(".")[0]
