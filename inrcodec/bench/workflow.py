"""What `inrcodec bench` does, step by step."""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from pathlib import Path

import click

from inrcodec.bench.anchors import load_anchors
from inrcodec.bench.codecs import Codec, parse_codec
from inrcodec.bench.crops import make_crops
from inrcodec.bench.environment import check_versions, machine
from inrcodec.bench.export import summary_dict
from inrcodec.bench.images import Source, find_images, load_rgb
from inrcodec.bench.markdown import render_markdown
from inrcodec.bench.memory import Memory, measure_memory
from inrcodec.bench.plots import write_plots
from inrcodec.bench.points import Point, point_file
from inrcodec.bench.report import Report, render
from inrcodec.bench.run import RESULTS, Outcome, Share, plan, run_tasks
from inrcodec.bench.summary import summarise
from inrcodec.cli.cluster import equipped_cluster
from inrcodec.errors import EncodeError, InputError, InrCodecError
from inrcodec.runtime.atomic_files import atomic_write
from inrcodec.runtime.cluster import share as share_on_cluster
from inrcodec.runtime.processes import parallel

_EXTRAS = ("matplotlib", "scipy", "skimage", "ssimulacra2")


@dataclass(frozen=True)
class Request:
    """The command line of a benchmark; see `inrcodec bench --help`."""

    images: tuple[Path, ...]
    out: Path
    codecs: tuple[str, ...]
    qualities: tuple[str, ...]
    jobs: int
    cluster: str | None
    resume: bool
    anchors: str | None
    command: str


def run_bench(request: Request) -> bool:
    """Measure, summarise and report; True when every image was readable and every point measured.

    Raises:
        click.UsageError: codecs or settings that there are not.
        InputError: something else in the request cannot be used.
        EncodeError: a worker died, or no point at all could be measured.
    """
    missing = [name for name in _EXTRAS if find_spec(name) is None]
    if missing:
        raise InputError(f"the benchmark needs {', '.join(missing)}: pip install 'inrcodec[bench]'")
    try:
        codecs = [parse_codec(name) for name in dict.fromkeys(request.codecs)]
        settings = parse_settings(request.qualities, codecs)
    except InputError as error:
        raise click.UsageError(str(error)) from error
    if not codecs:
        raise click.UsageError("no codec named")
    anchors = load_anchors(request.anchors) if request.anchors else []
    if (request.out / RESULTS).exists() and not request.resume:
        raise InputError(
            f"{request.out / RESULTS} exists: pass --resume to keep its points, or choose another --out"
        )
    sources, unreadable = _readable(find_images(request.images))
    for name, reason in unreadable.items():
        click.echo(f"skipped {name}: {reason}", err=True)
    if not sources:
        raise InputError("none of the images can be read")
    versions = check_versions(codecs, request.out)

    tasks = plan(sources, codecs, settings, request.out.absolute())
    with (
        _sharing(request) as share,
        click.progressbar(length=len(tasks), label="measuring", show_eta=True, show_pos=True) as bar,
    ):
        outcome = run_tasks(tasks, request.out, share, on_done=bar.update)
    for failure in outcome.failures:
        click.echo(
            f"failed {failure.image}, {failure.codec} at {failure.setting}: {failure.message}", err=True
        )
    if not outcome.points:
        raise EncodeError("not one point could be measured")

    by_name = {source.name: source for source in sources}
    summary = summarise(outcome.points, anchors)
    report = Report(
        summary=summary,
        points=outcome.points,
        anchors=anchors,
        memory=_memory(outcome, codecs, by_name, request.out),
        versions=versions,
        machine=machine(),
        failures=outcome.failures,
        unreadable=unreadable,
        command=request.command,
    )
    content = json.dumps(summary_dict(report), indent=1, ensure_ascii=False)
    _write_text(request.out / "summary.json", content + "\n")
    _write_text(request.out / "report.md", render_markdown(report))
    write_plots(summary, anchors, request.out)
    crops = make_crops(summary, outcome.points, by_name, request.out, request.jobs)
    _write_text(request.out / "report.html", render(report, crops))
    click.echo(f"{request.out / 'report.html'}")
    return not (unreadable or outcome.failures)


def parse_settings(texts: Sequence[str], codecs: Sequence[Codec]) -> dict[str, tuple[float, ...]]:
    """Settings by codec name from `10,30` (every codec with a quality) and `CODEC=10,30`; later ones win.

    Raises:
        InputError: no numbers, out of range, or a codec that is not part of the run.
    """
    settings: dict[str, tuple[float, ...]] = {}
    for text in texts:
        name, _, numbers = text.rpartition("=")
        chosen = [c for c in codecs if (c.name == name if name else c.setting_name == "quality")]
        if not chosen:
            raise InputError(
                f"--qualities {text}: {name or 'a codec with a quality'} is not among the codecs"
            )
        try:
            values = tuple(dict.fromkeys(float(number) for number in numbers.split(",")))
        except ValueError:
            raise InputError(f"--qualities {text}: expected numbers separated by commas") from None
        for codec in chosen:
            if codec.setting_name == "quality" and not all(0 <= v <= 100 and v == int(v) for v in values):
                raise InputError(f"--qualities {text}: a quality is a whole number from 0 to 100")
            if not all(0 <= v <= 100 for v in values):
                raise InputError(f"--qualities {text}: expected bits per pixel")
            settings[codec.name] = values
    return settings


def _readable(found: Sequence[Source]) -> tuple[list[Source], dict[str, str]]:
    good: list[Source] = []
    bad: dict[str, str] = {}
    for source in found:
        try:
            load_rgb(source.path)
        except InrCodecError as error:
            bad[source.name] = str(error)
        else:
            good.append(source)
    return good, bad


@contextmanager
def _sharing(request: Request) -> Iterator[Share]:
    """Who measures the points: processes here, or a cluster."""
    if request.cluster is None:
        yield partial(parallel, jobs=request.jobs)
    else:
        with equipped_cluster(request.cluster) as cluster:
            yield partial(share_on_cluster, cluster)


def _memory(
    outcome: Outcome, codecs: Sequence[Codec], sources: Mapping[str, Source], out: Path
) -> dict[str, Memory]:
    """Peak memory of each codec on the largest image at a setting from the middle of its list."""
    memory: dict[str, Memory] = {}
    for codec in codecs:
        own = [point for point in outcome.points if point.codec == codec.name]
        if not own:
            continue
        largest = max(own, key=lambda p: p.width * p.height).image
        choices: list[Point] = sorted((p for p in own if p.image == largest), key=lambda p: p.bpp)
        chosen = choices[len(choices) // 2]
        encoded = point_file(out, chosen.key, codec.extension)
        memory[codec.name] = measure_memory(
            codec.name, largest, sources[largest].path, chosen.setting, encoded
        )
    return memory


def _write_text(path: Path, text: str) -> None:
    atomic_write(path, text.encode("utf-8"), overwrite=True)
