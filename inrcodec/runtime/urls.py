"""Files that a URL names, as `s3://bucket/photo.png` does, through fsspec."""

import errno
import os
import posixpath
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, cast


def is_url(name: str) -> bool:
    """Whether a name is a URL rather than a path."""
    return "://" in name


@contextmanager
def opened(url: str) -> Iterator[BinaryIO]:
    """The content of a file, as a stream that may not be able to seek.

    Raises:
        OSError: it cannot be read.
    """
    with _file_system(url) as (files, path), files.open(path, "rb") as stream:
        yield cast(BinaryIO, stream)


def fetch(url: str, stream: BinaryIO) -> None:
    """Copy the content of a file into a stream, from beginning to end.

    Raises:
        OSError: it cannot be read.
    """
    with opened(url) as source:
        shutil.copyfileobj(source, stream)


def is_folder(url: str) -> bool:
    """Whether there is a folder of this name."""
    with _file_system(url) as (files, path):
        return bool(files.isdir(path))


def find(url: str) -> list[tuple[str, Path]]:
    """URLs of the files in a folder and its folders, in the order of names, and where they lie in it.

    Raises:
        OSError: the folder cannot be read.
    """
    with _file_system(url) as (files, folder):
        paths = files.find(folder)
        return [(files.unstrip_protocol(path), Path(posixpath.relpath(path, folder))) for path in paths]


def size(url: str) -> int | None:
    """Bytes of a file; None if it does not exist."""
    with _file_system(url) as (files, path):
        return int(files.info(path)["size"]) if files.exists(path) else None


def modified(url: str) -> float | None:
    """When a file was changed, in seconds since 1970; None if it does not exist.

    Raises:
        OSError: what keeps the file does not tell.
    """
    with _file_system(url) as (files, path):
        return float(files.modified(path).timestamp()) if files.exists(path) else None


def make_parent(url: str) -> None:
    """Make the folder of a file, and theirs, where there are folders."""
    with _file_system(url) as (files, path):
        files.makedirs(posixpath.dirname(path), exist_ok=True)


def check_target(url: str, overwrite: bool) -> None:
    """Refuse a target before work is spent on what goes there.

    Raises:
        FileExistsError: it is there and `overwrite` is false.
    """
    if not overwrite and size(url) is not None:
        raise FileExistsError(errno.EEXIST, "already exists (-f overwrites it)", url)


def write(url: str, content: Callable[[BinaryIO], object], *, overwrite: bool) -> None:
    """Write a file that appears complete or not at all, as far as its file system can promise that.

    Args:
        url: target.
        content: writes to the binary stream that it is given.
        overwrite: whether an existing file may be replaced.

    Raises:
        FileExistsError: see `check_target`.
        OSError: it cannot be written.
    """
    check_target(url, overwrite)
    with _file_system(url) as (files, path), files.transaction, files.open(path, "wb") as stream:
        content(stream)


@contextmanager
def _file_system(url: str) -> Iterator[tuple[Any, str]]:
    """What keeps a file, and its path there; whatever goes wrong inside becomes an error that names the URL.

    Raises:
        OSError: that error.
    """
    from fsspec.core import url_to_fs

    try:
        yield url_to_fs(url)
    except OSError as error:
        numbers = {FileNotFoundError: errno.ENOENT, PermissionError: errno.EACCES}
        number = error.errno or numbers.get(type(error), errno.EIO)
        # Of what is missing, some say no more than the path.
        words = os.strerror(number) if type(error) in numbers else str(error)
        raise OSError(number, error.strerror or words, url) from error
    except Exception as error:  # File systems are other people's code and raise what they like.
        raise OSError(errno.EIO, f"{type(error).__name__}: {error}", url) from error
