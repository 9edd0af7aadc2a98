"""Input and output of whole files: standard streams, and outputs that appear complete or not at all."""

import errno
import os
import secrets
import sys
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

STDIO = "-"


def read_input(name: str) -> bytes:
    """Content of a file, or of standard input for `-`, to its end.

    Raises:
        OSError: the file cannot be read.
    """
    if name == STDIO:
        return sys.stdin.buffer.read()
    return Path(name).read_bytes()


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
        path: target; a symbolic link is followed, so that the link itself stays.
        data: the content, or a function that writes it to the binary stream it is given.
        overwrite: whether an existing file may be replaced.

    Raises:
        FileExistsError, IsADirectoryError, FileNotFoundError: see `check_target`.
        OSError: the disk refuses.
    """
    write = data if callable(data) else lambda stream: stream.write(data)
    path = Path(os.path.realpath(path))
    check_target(path, overwrite)
    if path.exists() and not path.is_file():
        with path.open("wb") as stream:
            write(stream)
        return
    temporary = path.with_name(f".{path.name[:64]}.{secrets.token_hex(8)}.tmp")
    try:
        # Not tempfile: its files are private (0600), and an output should follow the umask.
        with temporary.open("xb") as stream:
            write(stream)
        check_target(path, overwrite)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def write_output(name: str, data: bytes | Callable[[BinaryIO], object], *, overwrite: bool = False) -> None:
    """Write to a file (see `atomic_write`) or, for `-`, to standard output.

    Raises:
        OSError: as `atomic_write`, or standard output is a terminal.
    """
    if name != STDIO:
        atomic_write(Path(name), data, overwrite=overwrite)
        return
    stream = sys.stdout.buffer
    if stream.isatty():
        raise OSError(
            errno.EINVAL, "binary data is not written to a terminal; redirect it", "standard output"
        )
    if callable(data):
        data(stream)
    else:
        stream.write(data)
    stream.flush()
