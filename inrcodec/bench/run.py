"""Running a benchmark: missing points measured by single-threaded processes, saved as they come."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from inrcodec.bench.codecs import Codec
from inrcodec.bench.images import Source
from inrcodec.bench.measure import Task, measure
from inrcodec.bench.points import Point, format_point, read_points, write_points
from inrcodec.errors import EncodeError, InrCodecError

RESULTS = "results.csv"


class Share(Protocol):
    """What `processes.parallel` and `cluster.share` do."""

    def __call__(
        self, function: Callable[[Task], Point | str], items: Sequence[Task], /
    ) -> Iterator[tuple[Task, Point | str | EncodeError]]:
        """Pairs of task and result, as they are finished."""
        ...


@dataclass(frozen=True)
class Failure:
    """A point that could not be measured, and why."""

    image: str
    codec: str
    setting: str
    message: str


@dataclass(frozen=True)
class Outcome:
    """All points of a run (kept and new, in plan order) and what failed."""

    points: tuple[Point, ...]
    failures: tuple[Failure, ...]


def plan(
    sources: Sequence[Source],
    codecs: Sequence[Codec],
    settings: Mapping[str, Sequence[float]],
    out: Path,
    *,
    structure: bool = True,
) -> list[Task]:
    """Every point of the run. `settings` overrides a codec's own list by codec name."""
    return [
        Task(source.name, source.path, codec.name, setting, out, structure)
        for source in sources
        for codec in codecs
        for setting in settings.get(codec.name, codec.settings)
    ]


def run_tasks(
    tasks: Sequence[Task], out: Path, share: Share, *, on_done: Callable[[int], None] = lambda done: None
) -> Outcome:
    """Measure the tasks whose points or files are not yet in `out`, and append each to results.csv at once.

    Args:
        tasks: the plan.
        out: report directory, created if missing.
        share: has the work done, by processes of one thread each.
        on_done: called with the number of points that have just been completed (kept ones first).

    Raises:
        EncodeError: a worker process died, or the cluster was lost; what was measured is kept.
    """
    out.mkdir(parents=True, exist_ok=True)
    results = out / RESULTS
    kept = {point.key: point for point in read_points(results)} if results.exists() else {}
    wanted = {task.key: task for task in tasks}
    done = {key: kept[key] for key, task in wanted.items() if key in kept and task.file.exists()}
    # Also drops a last line that an interruption cut short, which appending would otherwise corrupt for good.
    write_points(results, kept.values())
    on_done(len(done))

    failures: dict[tuple[str, str, str], Failure] = {}
    missing = [task for key, task in wanted.items() if key not in done]
    try:
        with results.open("a", encoding="utf-8") as sink:
            for task, result in share(_measure_safely, missing):
                if isinstance(result, Point):
                    done[task.key] = kept[task.key] = result
                    sink.write(format_point(result))
                    sink.flush()
                else:
                    failures[task.key] = Failure(*task.key, str(result))
                on_done(1)
    except EncodeError as error:
        raise EncodeError(f"{error}; finished points are kept: run again with --resume") from None

    write_points(
        results, (kept[key] for key in [*wanted, *(k for k in kept if k not in wanted)] if key in kept)
    )
    # Read back, so that a report made now and one made after --resume show the same digits.
    final = {point.key: point for point in read_points(results)}
    return Outcome(
        tuple(final[key] for key in wanted if key in final),
        tuple(failures[key] for key in wanted if key in failures),
    )


def _measure_safely(task: Task) -> Point | str:
    """The point, or what went wrong: one bad image or codec must not end a run of hours."""
    try:
        return measure(task)
    except InrCodecError as error:
        return str(error)
    except Exception as error:  # codecs are other people's code and raise what they like
        return f"{type(error).__name__}: {error}"
