"""The benchmark from the command line to its files: real files, resume, bad input, honest failures."""

import csv
import importlib
import json
import math
import os
import shutil
import subprocess
import sys
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image, features

import inrcodec
from inrcodec.bench.anchors import load_anchors
from inrcodec.bench.codecs import InrCodec, parse_codec
from inrcodec.bench.command import bench
from inrcodec.bench.crops import choose_images, make_crops
from inrcodec.bench.environment import check_versions
from inrcodec.bench.images import find_images, load_rgb
from inrcodec.bench.measure import Task, measure
from inrcodec.bench.memory import measure_memory
from inrcodec.bench.points import (
    Point,
    format_point,
    header,
    point_file,
    read_points,
    write_points,
)
from inrcodec.bench.run import plan, run_tasks
from inrcodec.bench.summary import summarise
from inrcodec.bench.workflow import parse_settings
from inrcodec.errors import EncodeError, InputError
from inrcodec.metrics import psnr, ssimulacra2
from inrcodec.runtime.processes import parallel


def photo(height: int = 48, width: int = 64, seed: int = 0) -> np.ndarray:
    """A smooth picture with some texture, so that every codec has something to lose."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:height, 0:width]
    waves = [120 + 70 * np.sin(x / (4 + seed) + c) + 40 * np.cos(y / (3 + c)) for c in range(3)]
    return np.clip(np.stack(waves, axis=-1) + rng.normal(0, 6, (height, width, 3)), 0, 255).astype(np.uint8)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    images = tmp_path / "images"
    images.mkdir()
    for seed, name in enumerate(["a.png", "b.png"]):
        Image.fromarray(photo(seed=seed)).save(images / name)
    return images


def run(*arguments: object):
    return CliRunner().invoke(bench, [str(a) for a in arguments], catch_exceptions=False)


def rows(out: Path) -> list[dict[str, str]]:
    with (out / "results.csv").open(newline="") as source:
        return list(csv.DictReader(source))


def made_up(image: str, codec: str, setting: str, bpp: float, quality: float, seconds: float = 0.1) -> Point:
    size, unknown = int(bpp * 1000), (None, None, None)
    return Point(image, codec, "psnr", setting, 100, 80, size, bpp, quality, *unknown, seconds, seconds / 2)


# The whole command


def test_a_run_writes_everything_and_every_point_is_a_file(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "report"
    result = run(folder, "--out", out, "--codecs", "jpeg,webp", "--qualities", "20,40,60,80", "--jobs", 2)
    assert result.exit_code == 0, result.output
    lines = rows(out)
    columns = (
        "image,codec,tune,setting,width,height,bytes,bpp,psnr,ssim,ms_ssim,ssimulacra2,encode_s,decode_s"
    )
    assert (out / "results.csv").read_text().startswith(columns + "\n")
    assert len(lines) == 2 * 2 * 4
    for line in lines:
        codec = parse_codec(line["codec"])
        path = point_file(out, (line["image"], line["codec"], line["setting"]), codec.extension)
        data = path.read_bytes()
        assert len(data) == int(line["bytes"])
        assert float(line["bpp"]) == pytest.approx(8 * len(data) / (48 * 64), rel=1e-4)
        original = load_rgb(folder / line["image"])
        assert float(line["psnr"]) == pytest.approx(psnr(original, codec.decode(data)), rel=1e-4)
        assert 0 < float(line["ssim"]) < 1
        assert line["ms_ssim"] == ""  # too small for five scales
        assert line["tune"] == "default"
        found = ssimulacra2(original, codec.decode(data))
        assert float(line["ssimulacra2"]) == pytest.approx(found, rel=1e-4)
        assert float(line["encode_s"]) > 0
        assert float(line["decode_s"]) > 0
    assert [line["image"] for line in lines] == ["a.png"] * 8 + ["b.png"] * 8

    summary = json.loads((out / "summary.json").read_text())
    assert summary["images"] == ["a.png", "b.png"]
    jpeg = summary["codecs"]["jpeg"]
    assert len(jpeg["mean_curve"]) == 4
    assert jpeg["version"].startswith("libjpeg")
    assert set(jpeg["bd_rate_against"]) == {"psnr", "ssimulacra2"}
    for against in jpeg["bd_rate_against"].values():
        assert set(against) == {"webp"}
        assert set(against["webp"]["per_image"]) == {"a.png", "b.png"}
    assert jpeg["tune"] == "default"
    assert jpeg["peak_memory_mib"]["encode"]["working"] >= jpeg["peak_memory_mib"]["encode"]["idle"] > 1
    own = [line for line in lines if line["codec"] == "jpeg"]
    slowest = max(own, key=lambda line: float(line["encode_s"]) + float(line["decode_s"]))
    assert (jpeg["slowest"]["image"], jpeg["slowest"]["setting"]) == (slowest["image"], slowest["setting"])
    lowest = min(float(line["psnr"]) for line in own)
    assert jpeg["lowest_psnr"]["psnr"] == pytest.approx(lowest)
    assert summary["machine"]["python"]
    means = {p["setting"]: f"{p['bpp']:.4f}" for p in jpeg["mean_curve"]}
    assert list(means) == ["20", "40", "60", "80"]
    page, text = (out / "report.html").read_text(), (out / "report.md").read_text()
    for setting, bpp in means.items():
        assert f"<td>{setting}</td><td>{bpp}</td>" in page
        assert f"| jpeg | default | {setting} | {bpp} |" in text
    for image in ("a.png", "b.png"):
        assert f'aria-label="{image}: PSNR against bits per pixel"' in page
    assert page.count("data:image/png;base64,") == 3 * len(
        choose_images(summarise(read_points(out / "results.csv")))
    )
    for name, axis in (("rd-psnr", "PSNR (dB)"), ("rd-ssimulacra2", "SSIMULACRA 2")):
        with Image.open(out / f"{name}.png") as plot:
            assert plot.size == (1280, 800)
        drawing = (out / f"{name}.svg").read_text()
        assert "<!-- webp (tune default) -->" in drawing
        assert f"<!-- {axis} -->" in drawing
    assert not (out / "rd-ms_ssim.png").exists()


def test_resume_measures_points_again_whose_files_are_gone(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    common = ("--out", out, "--codecs", "jpeg", "--qualities", "20,40,60,80")
    assert run(folder, *common).exit_code == 0
    before = read_points(out / "results.csv")
    shutil.rmtree(out / "files")
    assert run(folder, *common, "--resume").exit_code == 0
    after = read_points(out / "results.csv")
    assert [(p.key, p.bytes, p.psnr) for p in after] == [(p.key, p.bytes, p.psnr) for p in before]
    assert sum(path.is_file() for path in (out / "files").rglob("*")) == len(after)


def test_resume_keeps_points_and_completes_the_rest(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "report"
    common = ["--out", out, "--codecs", "jpeg", "--jobs", 1]
    assert run(folder, *common, "--qualities", "20,40,60,80").exit_code == 0
    start = "a.png,jpeg,default,40,64,48,"
    marked = [line.replace(start, start + "9") for line in results(out)]
    cut = [*marked[:-1], marked[-1][:25]]  # what a kill in the middle of a write leaves
    (out / "results.csv").write_text("".join(cut))
    again = run(folder, *common, "--qualities", "20,40,60,80,90", "--resume")
    assert again.exit_code == 0, again.output
    lines = rows(out)
    assert len(lines) == 10
    kept = next(line for line in lines if (line["image"], line["setting"]) == ("a.png", "40"))
    assert kept["bytes"].startswith("9")  # taken from the file, not measured again


def results(out: Path) -> list[str]:
    return (out / "results.csv").read_text().splitlines(keepends=True)


def test_existing_results_are_never_mixed_or_overwritten_silently(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "report"
    out.mkdir()
    (out / "results.csv").write_text(header())
    with pytest.raises(InputError, match="--resume"):
        run(folder, "--out", out, "--codecs", "jpeg")
    (out / "versions.json").write_text('{"jpeg": "libjpeg of another age"}')
    with pytest.raises(InputError, match="another age"):
        run(folder, "--out", out, "--codecs", "jpeg", "--resume")


def test_unreadable_images_are_listed_and_make_the_exit_status_1(folder: Path, tmp_path: Path) -> None:
    (folder / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n not really")
    Image.fromarray(np.zeros((4, 4), np.uint16)).save(folder / "deep.png")
    out = tmp_path / "report"
    result = run(folder, "--out", out, "--codecs", "jpeg", "--qualities", "10,30,50,70", "--jobs", 1)
    assert result.exit_code == 1
    assert "skipped broken.png: " in result.output
    assert "skipped deep.png: " in result.output
    assert {line["image"] for line in rows(out)} == {"a.png", "b.png"}
    summary = json.loads((out / "summary.json").read_text())
    assert set(summary["images_unreadable"]) == {"broken.png", "deep.png"}
    assert "broken.png" in (out / "report.html").read_text()


def test_nothing_readable_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "x.png").write_bytes(b"nothing")
    with pytest.raises(InputError, match="none of the images"):
        run(tmp_path / "x.png", "--out", tmp_path / "report", "--codecs", "jpeg")
    with pytest.raises(InputError, match="does not exist"):
        run(tmp_path / "missing", "--out", tmp_path / "report", "--codecs", "jpeg")


def test_the_program_names_an_unknown_codec_and_what_to_install(folder: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "inrcodec", "bench"]
    command += [str(folder), "--out", str(tmp_path / "r"), "--codecs", "jpeg,bpg"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 2
    assert "unknown codec 'bpg'" in done.stderr
    assert "jpeg2000" in done.stderr
    assert not (tmp_path / "r").exists()


# Codecs


@pytest.mark.parametrize("name", ["jpeg", "webp", "avif", "jpeg2000"])
def test_pillow_codecs_round_trip_and_have_versions(name: str) -> None:
    codec = parse_codec(name)
    picture = photo(96, 80)
    low, high = codec.encode(picture, codec.settings[0]), codec.encode(picture, codec.settings[-1])
    assert len(low) < len(high)
    assert psnr(picture, codec.decode(low)) < psnr(picture, codec.decode(high))
    assert codec.decode(low).shape == picture.shape
    assert any(character.isdigit() for character in codec.version())
    assert list(codec.settings) == sorted(codec.settings)


def test_jpeg2000_meets_the_rate_it_is_asked_for() -> None:
    picture = photo(256, 256)
    assert 8 * len(parse_codec("jpeg2000").encode(picture, 0.5)) / 256**2 == pytest.approx(0.5, rel=0.1)


@pytest.mark.parametrize(("name", "package"), [("jxl", "pillow-jxl-plugin"), ("heic", "pillow-heif")])
def test_a_codec_that_is_not_installed_says_what_to_install(
    name: str, package: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def absent(module: str) -> None:
        raise ImportError(module)

    monkeypatch.setattr(importlib, "import_module", absent)
    with pytest.raises(InputError, match=f"pip install {package}"):
        parse_codec(name)


def test_a_pillow_without_avif_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(features, "check", lambda feature: feature != "avif")
    with pytest.raises(InputError, match="'avif' is missing from this build of Pillow"):
        parse_codec("avif")


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("tiff", "unknown codec"),
        ("jpeg:quality=3", "only inrcodec takes options"),
        ("inrcodec:colour=red", "unknown option 'colour'"),
        ("inrcodec:effort=many", "'many' is no value for effort"),
        ("inrcodec:effort=10", "'10' is no value for effort"),
        ("inrcodec:tune=piano", "'piano' is no value for tune"),
        ("inrcodec:tune=1-2-3", "'1-2-3' is no value for tune"),
        ("inrcodec:tune=1-2-16-64", "'1-2-16-64' is no value for tune"),
    ],
)
def test_wrong_codecs_are_refused(spec: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        parse_codec(spec)


def test_options_of_inrcodec() -> None:
    codec = parse_codec("inrcodec:effort=1:entropy=zstd:codebook=C:/books/x.safetensors")
    assert codec.name == "inrcodec:effort=1:entropy=zstd:codebook=C:/books/x.safetensors"
    assert isinstance(codec, InrCodec)
    assert codec.options == {"effort": 1, "entropy": "zstd", "codebook": "C:/books/x.safetensors"}


@pytest.mark.parametrize(
    ("spec", "tune"),
    [
        ("inrcodec", "psnr"),
        ("inrcodec:tune=visual", "visual"),
        ("inrcodec:tune=32-0-2-64", "32-0-2-64"),
        ("jpeg", "default"),
        ("avif", "default"),
        ("avif-psnr", "psnr"),
        ("jpeg2000", "psnr"),
    ],
)
def test_codecs_say_what_they_are_tuned_for(spec: str, tune: str) -> None:
    assert parse_codec(spec).tune == tune


def test_avif_tuned_for_psnr_is_better_by_psnr() -> None:
    """At no more bytes, and with all its chroma."""
    picture = photo(96, 128)
    usual, tuned = (parse_codec(name) for name in ("avif", "avif-psnr"))
    data = tuned.encode(picture, 60)
    larger = next(d for q in range(10, 100, 3) if len(d := usual.encode(picture, q)) >= len(data))
    assert psnr(picture, tuned.decode(data)) > psnr(picture, usual.decode(larger))


def test_inrcodec_is_called_with_its_options(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []

    def called(_: object, **options: object) -> bytes:
        calls.append(options)
        return b"x"

    monkeypatch.setattr(inrcodec, "encode", called, raising=False)
    monkeypatch.setattr(inrcodec, "decode", called, raising=False)
    plain = parse_codec("inrcodec")
    plain.encode(photo(), 30)
    plain.decode(b"x")
    special = parse_codec("inrcodec:effort=2:codebook=mine:device=cuda")
    special.encode(photo(), 30)
    special.decode(b"x")
    assert calls == [
        {"quality": 30, "device": "cpu"},
        {"codebook": None, "device": "cpu"},
        {"quality": 30, "effort": 2, "codebook": "mine", "device": "cuda"},
        {"codebook": "mine", "device": "cuda"},
    ]


# Settings, images, points


def test_settings_for_all_or_for_one() -> None:
    codecs = [parse_codec(name) for name in ("jpeg", "webp", "jpeg2000", "inrcodec:effort=1")]
    settings = parse_settings(["10,30", "jpeg2000=0.2,0.4", "inrcodec:effort=1=5,6", "webp=7"], codecs)
    assert settings == {"jpeg": (10, 30), "webp": (7,), "jpeg2000": (0.2, 0.4), "inrcodec:effort=1": (5, 6)}
    for wrong in ("ten", "101", "-1", "12.5", "jpeg=", "avif=3", "jpeg2000=-1"):
        with pytest.raises(InputError, match="--qualities"):
            parse_settings([wrong], codecs)


def test_images_are_found_once_and_named_apart(tmp_path: Path) -> None:
    for place in ("x", "y"):
        (tmp_path / place / "deep").mkdir(parents=True)
        Image.fromarray(photo()).save(tmp_path / place / "deep" / "same.png")
        (tmp_path / place / "notes.txt").write_text("no image")
    found = find_images([tmp_path / "x", tmp_path / "x" / "deep" / "same.png"])
    assert [source.name for source in found] == ["same.png"]
    both = find_images([tmp_path / "x", tmp_path / "y"])
    assert [source.name for source in both] == ["x/deep/same.png", "y/deep/same.png"]
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="no images in"):
        find_images([tmp_path / "empty"])


def test_grey_is_repeated_and_transparency_lies_on_white(tmp_path: Path) -> None:
    grey = photo()[..., 0]
    Image.fromarray(grey).save(tmp_path / "grey.png")
    assert np.array_equal(load_rgb(tmp_path / "grey.png"), np.stack([grey] * 3, axis=-1))
    pixels = np.zeros((2, 2, 4), np.uint8)
    pixels[..., 0] = 100
    pixels[..., 3] = [[255, 0], [128, 255]]
    Image.fromarray(pixels).save(tmp_path / "alpha.png")
    flat = load_rgb(tmp_path / "alpha.png")
    assert flat[0, 0].tolist() == [100, 0, 0]
    assert flat[0, 1].tolist() == [255, 255, 255]
    assert flat[1, 0].tolist() == [177, 127, 127]


def test_points_survive_the_file(tmp_path: Path) -> None:
    points = [
        Point(
            'odd, "name".png',
            "inrcodec:codebook=a,b",
            "psnr",
            "10",
            3,
            2,
            5,
            6.66667,
            math.inf,
            None,
            None,
            None,
            0.1,
            0.2,
        ),
        Point("b.png", "jpeg", "default", "0.25", 3, 2, 5, 6.66667, 31.25, 0.5, 0.75, -3.5, 0.1, 0.2),
    ]
    write_points(tmp_path / "results.csv", points)
    assert read_points(tmp_path / "results.csv") == points
    assert (tmp_path / "results.csv").read_text().startswith(header())
    assert [path.name for path in tmp_path.iterdir()] == ["results.csv"]


def test_foreign_and_damaged_results_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "results.csv"
    path.write_text("name,size\nx,1\n")
    with pytest.raises(InputError, match=r"not a results\.csv"):
        read_points(path)
    good = format_point(made_up("a", "jpeg", "1", 0.5, 30.0))
    path.write_text(header() + good + "a,jpeg,2,xx\n" + good)
    with pytest.raises(InputError, match="line 3"):
        read_points(path)


def test_file_names_are_safe_and_distinct(tmp_path: Path) -> None:
    a = point_file(tmp_path, ("x/../y.png", "inrcodec:codebook=/etc/x", "10"), ".sinr")
    b = point_file(tmp_path, ("x_.._y.png", "inrcodec:codebook=_etc_x", "10"), ".sinr")
    assert a != b
    assert a.resolve().is_relative_to(tmp_path.resolve())
    assert len(a.relative_to(tmp_path).parts) == 4


# Measuring


def test_measuring_without_structure(folder: Path, tmp_path: Path) -> None:
    point = measure(Task("a.png", folder / "a.png", "jpeg", 50, tmp_path, structure=False))
    assert (point.width, point.height) == (64, 48)
    assert point.ssim is None
    assert point.ms_ssim is None
    large = tmp_path / "large.png"
    Image.fromarray(photo(176, 176)).save(large)
    structured = measure(Task("large.png", large, "jpeg", 50, tmp_path))
    assert 0 < (structured.ssim or 0) < 1
    assert 0 < (structured.ms_ssim or 0) < 1


def test_one_bad_point_does_not_end_the_run(folder: Path, tmp_path: Path) -> None:
    sources = find_images([folder])
    codec = parse_codec("webp")
    tasks = plan(sources, [codec], {"webp": (50,)}, tmp_path / "out")
    (folder / "b.png").unlink()
    outcome = run_tasks(tasks, tmp_path / "out", partial(parallel, jobs=1))
    assert [point.image for point in outcome.points] == ["a.png"]
    assert [(f.image, f.codec, f.setting) for f in outcome.failures] == [("b.png", "webp", "50")]
    assert "No such file" in outcome.failures[0].message


def die(_: object) -> None:
    os._exit(9)


def test_who_lost_a_worker_is_told_how_to_go_on(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("inrcodec.bench.run._measure_safely", die)
    tasks = plan(find_images([folder]), [parse_codec("webp")], {"webp": (50,)}, tmp_path / "out")
    with pytest.raises(EncodeError, match=r"worker process died.*--resume"):
        run_tasks(tasks, tmp_path / "out", partial(parallel, jobs=1))


def test_memory_is_that_of_a_fresh_process(folder: Path, tmp_path: Path) -> None:
    codec = parse_codec("webp")
    big = photo(1024, 1024)
    Image.fromarray(big).save(tmp_path / "big.png")
    (tmp_path / "big.webp").write_bytes(codec.encode(big, 50))
    memory = measure_memory("webp", "big.png", tmp_path / "big.png", "50", tmp_path / "big.webp")
    assert memory.encode.working > memory.encode.idle + 1
    assert memory.decode.working > memory.decode.idle + 3  # 3 MiB of pixels at least
    assert memory.decode.working < 150  # the parent's own size is not in it
    with pytest.raises(EncodeError, match=r"memory of webp failed.*absent"):
        measure_memory("webp", "big.png", tmp_path / "big.png", "50", tmp_path / "absent.webp")


# Summary


CURVES = {
    "ours": [(0.1, 26.0), (0.2, 28.5), (0.4, 31.0), (0.8, 34.0)],
    "theirs": [(0.125, 26.0), (0.25, 28.5), (0.5, 31.0), (1.0, 34.0)],
}


def points_of(images: list[str]) -> list[Point]:
    return [
        made_up(image, codec, str(i), bpp * (1 + k), quality - k, seconds=0.1 + k + i)
        for k, image in enumerate(images)
        for codec, curve in CURVES.items()
        for i, (bpp, quality) in enumerate(curve)
    ]


def test_summary_of_known_curves() -> None:
    summary = summarise(points_of(["a", "b"]))
    ours = summary.comparison("ours", "theirs")
    assert ours.bd_rate == pytest.approx(-20.0)
    assert summary.comparison("theirs", "ours").bd_rate == pytest.approx(25.0)
    assert ours.mean_curve.value == pytest.approx(-20.0)
    assert (ours.wins, ours.images, ours.of) == (2, 2, 2)
    assert ours.bd_quality is not None
    assert ours.bd_quality > 0
    first = summary.codecs[0]
    assert first.name == "ours"
    assert [p.bpp for p in first.curve] == pytest.approx([0.15, 0.3, 0.6, 1.2])
    assert [p.psnr for p in first.curve] == pytest.approx([25.5, 28.0, 30.5, 33.5])
    assert (first.slowest.image, first.slowest.setting) == ("b", "3")
    assert (first.lowest_psnr.image, first.lowest_psnr.psnr) == ("b", 25.0)


def test_means_are_taken_over_images_that_every_codec_has() -> None:
    points = [p for p in points_of(["a", "b"]) if (p.image, p.codec, p.setting) != ("b", "theirs", "3")]
    summary = summarise(points)
    assert summary.images == ("a",)
    assert summary.left_out == ("b",)
    assert [p.bpp for p in summary.codecs[0].curve] == pytest.approx([0.1, 0.2, 0.4, 0.8])


def test_a_mean_over_few_images_is_refused() -> None:
    def shift(p: Point) -> Point:
        moved = p.psnr + 20 if p.codec == "ours" and p.image != "a" else p.psnr
        return made_up(p.image, p.codec, p.setting, p.bpp, moved)

    comparison = summarise([shift(p) for p in points_of(["a", "b", "c"])]).comparison("ours", "theirs")
    assert (comparison.images, comparison.of) == (1, 3)
    assert comparison.bd_rate is None
    assert comparison.per_image["a"] == pytest.approx(-20.0)
    assert comparison.per_image["b"] is None


def test_published_curves(tmp_path: Path) -> None:
    shipped = {anchor.label: anchor for anchor in load_anchors("kodak")}
    assert {"COIN", "RECOMBINER", "VTM"} <= set(shipped)
    assert all(anchor.source and len(anchor.bpp) >= 4 for anchor in shipped.values())
    path = tmp_path / "curves.json"
    curve = CURVES["theirs"]
    content = {
        "x": {"bpp": [b for b, _ in curve], "psnr": [p for _, p in curve], "source": "a paper"},
        "y": {"bpp": [1], "psnr": [30], "drawn": False},
    }
    path.write_text(json.dumps(content))
    anchors = load_anchors(str(path))
    assert [anchor.name for anchor in anchors] == ["x"]
    summary = summarise(points_of(["a"]), anchors)
    assert summary.published["ours"]["x"].value == pytest.approx(-20.0)
    for text in (
        "[]",
        "{",
        '{"x": {"bpp": [1]}}',
        '{"x": {"bpp": [1], "psnr": []}}',
        '{"x": {"bpp": [0], "psnr": [1]}}',
    ):
        path.write_text(text)
        with pytest.raises(InputError, match="published curves in"):
            load_anchors(str(path))


# Crops


def test_crops_have_equal_size_and_show_the_worst_window(tmp_path: Path) -> None:
    images = tmp_path / "images"
    images.mkdir()
    picture = photo(256, 320)
    picture[:, :120] = 90  # nothing to see, nothing to lose
    Image.fromarray(picture).save(images / "p.png")
    out = tmp_path / "out"
    sources = find_images([images])
    codecs = [parse_codec(name) for name in ("webp", "jpeg", "jpeg2000")]
    outcome = run_tasks(plan(sources, codecs, {}, out, structure=False), out, partial(parallel, jobs=2))
    assert not outcome.failures
    (row,) = make_crops(summarise(outcome.points), outcome.points, {"p.png": sources[0]}, out, jobs=2)
    assert [crop.codec for crop in row.crops] == ["", "webp", "jpeg", "jpeg2000"]
    assert row.crops[1].bytes == row.target_bytes
    smallest_jpeg = min(p.bytes for p in outcome.points if p.codec == "jpeg")
    for crop in row.crops[2:]:
        assert crop.bytes <= max(row.target_bytes, smallest_jpeg)
        assert crop.bytes > 0.8 * row.target_bytes
        assert crop.data_uri.startswith("data:image/png;base64,")
    assert row.left >= 100


def test_the_worst_the_median_and_the_best_image_are_shown() -> None:
    def gain(image: str, factor: float) -> list[Point]:
        return [
            made_up(image, codec, str(i), bpp * (factor if codec == "ours" else 1.0), quality)
            for codec in CURVES
            for i, (bpp, quality) in enumerate(CURVES["theirs"])
        ]

    four = [("a", 0.9), ("b", 1.2), ("c", 0.7), ("d", 0.8)]
    summary = summarise([point for image, factor in four for point in gain(image, factor)])
    assert [image for image, _ in choose_images(summary)] == ["b", "d", "c"]
    assert [why.split()[0] for _, why in choose_images(summary)] == ["worst", "median", "best"]
    two = summarise(gain("a", 0.9) + gain("b", 1.2))
    assert choose_images(two) == [("b", "worst image for ours"), ("a", "best image for ours")]
    assert choose_images(summarise(gain("a", 0.9))) == [("a", "worst image for ours")]


def test_versions_are_kept_and_checked(tmp_path: Path) -> None:
    codecs = [parse_codec("jpeg")]
    first = check_versions(codecs, tmp_path / "out")
    assert check_versions([*codecs, parse_codec("webp")], tmp_path / "out")["jpeg"] == first["jpeg"]
    assert set(json.loads((tmp_path / "out" / "versions.json").read_text())) == {"jpeg", "webp"}
