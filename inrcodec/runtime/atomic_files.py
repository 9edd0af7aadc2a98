"""Input and output of whole files: standard streams, URLs, and outputs that appear complete or not at all."""

import errno
import os
import secrets
import stat
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from inrcodec.runtime import urls

STDIO = "-"


def read_input(name: str, *, begins: bytes = b"", largest: int | None = None) -> bytes:
    """Content of a file, or of standard input for `-`, to its end.

    Args:
        name: path, URL, or `-`.
        begins: what the file must begin with, or no more of it is read.
        largest: how many bytes are read at most: one more than that, so that whoever reads them sees it.

    Raises:
        OSError: the file cannot be read.
    """
    if name == STDIO:
        with _naming("standard input"):
            return _read(sys.stdin.buffer, begins, largest)
    if urls.is_url(name):
        with urls.opened(name) as stream:
            return _read(stream, begins, largest)
    with open(name, "rb") as stream:  # Not a Path, to which an empty name is the current directory.
        return _read(stream, begins, largest)


def _read(stream: BinaryIO, begins: bytes, largest: int | None) -> bytes:
    head = stream.read(len(begins))
    if head != begins:
        return head
    return head + stream.read(-1 if largest is None else largest + 1 - len(head))


def check_target(path: Path, overwrite: bool) -> None:
    """Refuse a target before work is spent on what goes there.

    Raises:
        FileExistsError: it is there and `overwrite` is false. Devices and pipes are written into, so
            they never count as overwritten.
        IsADirectoryError: it is a directory.
        FileNotFoundError: its directory does not exist.
    """
    if path.is_dir():
        raise IsADirectoryError(errno.EISDIR, "is a directory", str(path))
    if path.is_file() and not overwrite:
        raise FileExistsError(errno.EEXIST, "already exists (-f overwrites it)", str(path))
    if not path.parent.is_dir():
        raise FileNotFoundError(errno.ENOENT, "no such directory", str(path.parent))


def atomic_write(path: Path, data: bytes | Callable[[BinaryIO], object], *, overwrite: bool = False) -> None:
    """Write a file that appears under its name complete or not at all.

    The data goes to a temporary file in the same directory, which then takes the name; whatever stops
    the write, Ctrl-C included, removes the temporary file and leaves an existing target as it was.

    Args:
        path: target; a symbolic link is followed, so that the link itself stays. What replaces a file has its
            permissions, and a new one those that the umask leaves.
        data: the content, or a function that writes it to the binary stream it is given.
        overwrite: whether an existing file may be replaced.

    Raises:
        FileExistsError, IsADirectoryError, FileNotFoundError: see `check_target`.
        OSError: the disk refuses; its file name is that of the target.
    """
    write = data if callable(data) else lambda stream: stream.write(data)
    given, path = str(path), Path(os.path.realpath(path))
    check_target(path, overwrite)
    with _naming(given):
        if path.exists() and not path.is_file():
            with path.open("wb") as stream:
                write(stream)
            return
        # Not named like the target, whose name may already be as long as the file system allows.
        temporary = path.with_name(f".inrcodec.{secrets.token_hex(8)}.tmp")
        try:
            # Not tempfile: its files are private (0600), and a new output should follow the umask.
            with open(temporary, "xb", opener=_opener(path)) as stream:
                write(stream)
            check_target(path, overwrite)
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)


def _opener(existing: Path) -> Callable[[str, int], int]:
    """Opens a file with the permissions of another one if that exists, from the start."""
    if not existing.exists():
        return lambda name, flags: os.open(name, flags, 0o666)
    mode = stat.S_IMODE(existing.stat().st_mode) & 0o777

    def open_like(name: str, flags: int) -> int:
        descriptor = os.open(name, flags, 0o600)
        os.chmod(name, mode)
        return descriptor

    return open_like


@contextmanager
def _naming(name: str) -> Iterator[None]:
    """Puts the name of the target into errors that have none, or that of a temporary file.

    Raises:
        OSError: one that happened inside, of the same kind.
    """
    try:
        yield
    except OSError as error:
        if error.errno is None:
            raise
        raise OSError(error.errno, error.strerror, name) from error


def check_output(name: str, overwrite: bool) -> None:
    """Refuse what `write_output` would (see `check_target`) before work is spent on it."""
    if urls.is_url(name):
        urls.check_target(name, overwrite)
    elif name != STDIO:
        check_target(Path(name), overwrite)


def write_file(name: str, content: Callable[[BinaryIO], object], *, overwrite: bool = False) -> None:
    """Write to a path (see `atomic_write`) or a URL (see `urls.write`).

    Raises:
        OSError: as these do.
    """
    if urls.is_url(name):
        urls.write(name, content, overwrite=overwrite)
    else:
        atomic_write(Path(name), content, overwrite=overwrite)


def write_output(name: str, data: bytes, *, overwrite: bool = False) -> None:
    """Write to a file (see `write_file`) or, for `-`, to standard output.

    Raises:
        OSError: as `write_file`, or standard output is a terminal or takes less than all.
    """
    if name != STDIO:
        write_file(name, lambda stream: stream.write(data), overwrite=overwrite)
        return
    stream = sys.stdout.buffer
    if stream.isatty():
        raise OSError(
            errno.EINVAL, "binary data is not written to a terminal; redirect it", "standard output"
        )
    with _naming("standard output"):
        left = memoryview(data)
        while left:
            # An unbuffered stream may take a part, or nothing because it would have to wait.
            taken = stream.write(left)
            if not taken:
                raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))
            left = left[taken:]
        stream.flush()
