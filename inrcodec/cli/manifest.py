"""What became of every file of a run: a line of JSON each, which a later run goes on from."""

import json
import os
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple, Self

from inrcodec import __version__
from inrcodec.cli.jobs import Done, Job
from inrcodec.errors import InputError
from inrcodec.runtime import urls


class _Entry(NamedTuple):
    """What was last said about an output."""

    source: str | None
    outcome: str
    size: int


class Manifest:
    """A file of lines that only grows. What it calls written is not made again.

    The first line says what was asked for. Then, by output, `outcome` is "started" before anything can be
    written, and "written" or "failed" after that; of a shard some of whose files failed, "incomplete".
    """

    def __init__(self, path: Path, settings: dict[str, Any]) -> None:
        """Open, or begin, a manifest.

        Args:
            path: where it is.
            settings: what decides the content of outputs, by name.

        Raises:
            InputError: it is no manifest, or was made with other settings.
            OSError: it cannot be read or written.
        """
        self._entries: dict[str, _Entry] = {}
        self._started: set[str] = set()
        self._closing = ExitStack()
        self._file = self._closing.enter_context(path.open("a+b"))
        self._file.seek(0)
        first = json.loads(json.dumps({"inrcodec": __version__} | settings))
        try:
            whole = self._read(first)
        except (ValueError, TypeError, KeyError, InputError) as error:
            self._closing.close()
            if isinstance(error, InputError):
                raise InputError(f"{path}: {error}") from None
            raise InputError(f"{path} is no manifest") from error
        self._file.truncate(whole)
        if not whole:
            self._write([first])

    def _read(self, first: dict[str, Any]) -> int:
        """Take in what is there; bytes of whole lines, without one that an interruption cut short."""
        whole = 0
        for line in self._file:
            if not line.endswith(b"\n"):
                break
            record = json.loads(line)
            if whole == 0 and record != first:
                changed = [name for name in {**record, **first} if record.get(name) != first.get(name)]
                raise InputError(f"made with other settings ({', '.join(changed)}); name another manifest")
            if whole:
                self._keep(record)
            whole += len(line)
        return whole

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._closing.close()

    def is_written(self, job: Job) -> bool:
        """Whether all of a job is written, of the same inputs, and is still there in its size."""
        entry = self._entries.get(job.target)
        if entry is None or entry.outcome != "written" or entry.size != _size(job.target):
            return False
        if job.shard is None or job.tar is not None:
            return job.sources == (entry.source,)
        members = (self._entries.get(f"{job.shard}/{item.target}") for item in job.items)
        return [member and member.source for member in members] == list(job.sources)

    def is_ours(self, target: str) -> bool:
        """Whether an output, if it is there, was written by a run that this manifest tells of."""
        return target in self._started

    def start(self, job: Job) -> None:
        """Note that a job may write from now on."""
        self._write([{"output": job.target, "outcome": "started"}])

    def add(self, job: Job, done: Sequence[Done]) -> None:
        """Note how a job went, or how much of it did."""
        failed = any(isinstance(one.result, Exception) for one in done[:-1])
        self._write([_record(one, failed=failed and one.target == job.target) for one in done])

    def _write(self, records: Sequence[dict[str, Any]]) -> None:
        self._file.write("".join(json.dumps(record) + "\n" for record in records).encode())
        self._file.flush()
        for record in records:
            if "output" in record:
                self._keep(record)

    def _keep(self, record: dict[str, Any]) -> None:
        output = record["output"]
        if record["outcome"] == "started":
            self._started.add(output)
            self._entries.pop(output, None)
        else:
            self._entries[output] = _Entry(record["input"], record["outcome"], record.get("bytes", 0))


def _record(done: Done, *, failed: bool) -> dict[str, Any]:
    record: dict[str, Any] = {"input": done.source, "output": done.target, "version": done.version}
    if isinstance(done.result, Exception):
        return record | {"outcome": "failed", "error": str(done.result)}
    record |= {"outcome": "incomplete" if failed else "written", "bytes": done.size, "sha256": done.sha256}
    if done.result is not None:
        record["codebook"] = done.result["codebook"]
    return record


def _size(name: str) -> int | None:
    """Bytes of a file; None if it does not exist."""
    if urls.is_url(name):
        return urls.size(name)
    return os.stat(name).st_size if os.path.isfile(name) else None
