"""Standard streams that commands can rely on."""

import contextlib
import io
import os
import sys

# One that was closed is opened the wrong way round, so that using it fails. Messages vanish instead.
_FLAGS = (os.O_WRONLY, os.O_RDONLY, os.O_WRONLY)


def prepare_streams() -> None:
    """Make sure that the three standard streams are there, and that what is printed arrives or fails.

    A stream that was closed when the program started is None in Python, and its number would go to the next
    file that is opened, into which libraries written in C would then print.
    """
    for number, flags in enumerate(_FLAGS):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, flags)
    sys.stdin = sys.stdin or os.fdopen(0, closefd=False)
    sys.stderr = sys.stderr or os.fdopen(2, "w", closefd=False)
    sys.stdout = sys.stdout or os.fdopen(1, "w", closefd=False)
    if isinstance(sys.stdout.buffer, io.RawIOBase):
        # With PYTHONUNBUFFERED, Python does not notice when a part of a text is not taken.
        sys.stdout = io.TextIOWrapper(io.BufferedWriter(sys.stdout.buffer), sys.stdout.encoding)
    # A file's name need not be text in this encoding, or at all.
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")


def abandon_output() -> None:
    """Drop what standard output has not taken, or Python would try, and complain, once more at its end."""
    with contextlib.suppress(OSError):
        sys.stdout.flush()
        return
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)
