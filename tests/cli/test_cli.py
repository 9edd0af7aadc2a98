"""The command line: what it prints, writes and returns."""

import io
import json
import signal
import struct
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image, ImageCms
from synthetic import tile_symbols, write_payload

import inrcodec
import inrcodec.cli.encode as encode_module
from inrcodec import codec
from inrcodec.cli.main import cli
from inrcodec.codebook import load_codebook
from inrcodec.container import VERSION, Container, pack, tile_grid
from inrcodec.kernels import VARIABLE
from inrcodec.metrics import psnr
from inrcodec.pictures.files import read_picture, write_picture
from inrcodec.pictures.picture import Picture
from inrcodec.signal.quantiser import DEFAULT_QUALITY, DEFAULT_TUNE, TUNES
from inrcodec.training import run as training_run

SRGB_PROFILE = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
# A profile that is not dropped as being sRGB: red and green exchanged.
RGB_PROFILE = SRGB_PROFILE.replace(b"rXYZ", b"....").replace(b"gXYZ", b"rXYZ").replace(b"....", b"gXYZ")


def picture(height=24, width=40, channels=3):
    """Smooth uint8 pixels; a codec for photos does not have to cope with noise here."""
    y, x = np.mgrid[:height, :width]
    planes = [128 + 100 * np.sin(x / (5 + c) + c) * np.cos(y / (7 - c)) for c in range(channels)]
    return np.stack(planes, axis=-1).astype(np.uint8)


def run(*arguments, stdin=None):
    """Invoke the command in this process."""
    return CliRunner().invoke(cli, [str(argument) for argument in arguments], input=stdin)


@pytest.fixture
def photo(tmp_path):
    """An RGB PNG of 40 x 24 pixels."""
    path = tmp_path / "photo.png"
    write_picture(Picture(picture()), path)
    return path


@pytest.fixture
def sinr(photo):
    """The same, encoded."""
    path = photo.with_suffix(".sinr")
    assert run("encode", photo, "--quiet").exit_code == 0
    return path


def assert_fails(result, code, *words):
    """One line on stderr with these words, nothing on stdout."""
    assert result.exit_code == code, result.output
    assert result.stdout == ""
    assert len(result.stderr.strip().splitlines()) == 1
    for word in words:
        assert word in result.stderr


def test_help_names_commands_and_exit_codes():
    result = run("--help")
    assert result.exit_code == 0
    for word in ("encode", "decode", "info", "codebooks", "train", "3 corrupt or unsupported input"):
        assert word in result.stdout
    for command in ("encode", "decode", "info", "codebooks", "train"):
        assert run(command, "--help").exit_code == 0


def test_version_names_both_versions_and_the_kernels(kernels):
    expected = f"inrcodec {inrcodec.__version__} (bitstream version {VERSION}, {kernels.name} kernels)\n"
    assert run("--version").stdout == expected
    assert run("codebooks").stdout.endswith(f"kernels: {kernels.name}\n")


@pytest.mark.parametrize("command", ["--version", "codebooks"])
def test_kernels_that_are_not_there_are_named(monkeypatch, command):
    monkeypatch.setenv(VARIABLE, "abacus")
    result = run(command)
    assert result.exit_code == 1
    assert "no kernels named 'abacus'" in result.stderr


def modules_after(*arguments):
    """Names of all modules loaded once a command has run in a fresh interpreter."""
    code = (
        "import sys\n"
        "from inrcodec.cli.main import cli\n"
        "try:\n    cli(sys.argv[1:])\n"
        "except SystemExit as stop:\n    assert not stop.code\n"
        "print(*sys.modules, file=sys.stderr)"
    )
    command = [sys.executable, "-c", code, *map(str, arguments)]
    return set(subprocess.run(command, check=True, capture_output=True, text=True).stderr.split())


def test_help_tells_the_defaults_that_it_does_not_import():
    """Of what numpy would have to be loaded for."""
    text = " ".join(run("encode", "--help").output.split())
    assert f"may be given. [default: {DEFAULT_QUALITY}]" in text
    assert f"or the eye. [default: {DEFAULT_TUNE}]" in text
    assert f"[{'|'.join(TUNES)}]" in text


def test_help_loads_no_numpy():
    assert not {"numpy", "torch", "PIL"} & modules_after("--help")
    assert not {"numpy", "torch", "PIL"} & modules_after("encode", "--help")


def test_reading_loads_no_torch(sinr, tmp_path):
    assert "torch" not in modules_after("info", sinr)
    assert "torch" not in modules_after("decode", sinr, "-o", tmp_path / "out.png")


def test_python_dash_m():
    command = [sys.executable, "-m", "inrcodec", "--version"]
    assert "bitstream" in subprocess.run(command, check=True, capture_output=True, text=True).stdout


def test_encode_prints_size_rate_and_psnr(photo):
    result = run("encode", photo)
    assert result.exit_code == 0, result.output
    assert result.stderr == ""  # no bar where there is no terminal
    data = photo.with_suffix(".sinr").read_bytes()
    quality = psnr(picture(), inrcodec.decode(data))
    line = f": 40x24, {len(data)} bytes, {8 * len(data) / 960:.3f} bpp, {quality:.2f} dB PSNR, "
    assert result.stdout.startswith(str(photo.with_suffix(".sinr")) + line)


def test_encode_json(photo, tmp_path):
    target = tmp_path / "other.sinr"
    result = run("encode", photo, "-o", target, "--json")
    row = json.loads(result.stdout)
    assert row.pop("seconds") >= 0
    assert row.pop("psnr") == pytest.approx(psnr(picture(), inrcodec.decode(target.read_bytes())))
    size = target.stat().st_size
    assert row == {
        "input": str(photo),
        "output": str(target),
        "width": 40,
        "height": 24,
        "bytes": size,
        "bpp": 8 * size / 960,
        "codebook": load_codebook().id.hex(),
        "alpha_dropped": False,
        "drawn": False,
        "warnings": [],
    }


def test_quiet_is_silent(photo):
    result = run("encode", photo, "--quiet")
    assert result.exit_code == 0
    assert result.output == ""


def test_quality_changes_the_file(photo, tmp_path):
    for quality in (10, 90):
        assert run("encode", photo, "-q", quality, "-o", tmp_path / f"{quality}.sinr").exit_code == 0
    assert (tmp_path / "10.sinr").stat().st_size < (tmp_path / "90.sinr").stat().st_size


def test_options_reach_the_codec(photo, monkeypatch):
    seen = {}

    def encode(image, **options):
        seen.update(options)
        raise inrcodec.EncodeError("that is all")

    monkeypatch.setattr(codec, "encode", encode)
    arguments = ["--max-bytes", 900, "--effort", 3, "--codebook", "x", "--entropy", "zstd", "--device", "cpu"]
    arguments += ["-j", 3, "--tune", "visual"]
    assert_fails(run("encode", photo, *arguments), 1, "that is all", str(photo))
    assert callable(seen.pop("progress"))
    expected = {"max_bytes": 900, "effort": 3, "codebook": "x", "entropy": "zstd", "device": "cpu", "jobs": 3}
    assert seen == expected | {"tune": "visual", "keep_hidden": False}


def test_several_images_go_into_a_directory(tmp_path):
    names = ["a.png", "b.bmp", "c.jpg"]
    for name in names:
        write_picture(Picture(picture()), tmp_path / name)
    inputs = [tmp_path / name for name in names]
    result = run("encode", *inputs, "-o", f"{tmp_path}/new/out/", "--json")
    assert result.exit_code == 0, result.output
    assert [json.loads(line)["input"] for line in result.stdout.splitlines()] == [str(i) for i in inputs]
    assert sorted(p.name for p in (tmp_path / "new/out").iterdir()) == ["a.sinr", "b.sinr", "c.sinr"]
    (tmp_path / "existing").mkdir()
    assert run("encode", inputs[0], "-o", tmp_path / "existing").exit_code == 0
    assert (tmp_path / "existing/a.sinr").exists()


def test_one_bad_image_does_not_stop_the_others(photo, tmp_path):
    (tmp_path / "bad.png").write_bytes(b"no image")
    result = run("encode", tmp_path / "missing.png", tmp_path / "bad.png", photo, "-o", f"{tmp_path}/out/")
    assert result.exit_code == 3  # the worst of 1, 3 and 0
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["photo.sinr"]
    missing, bad = result.stderr.splitlines()
    assert "missing.png" in missing
    assert "bad.png" in bad


@pytest.mark.parametrize(
    "arguments",
    [
        ["encode"],
        ["encode", "a.png", "--psnr", "30", "--bpp", "1"],
        ["encode", "a.png", "-q", "50", "--max-bytes", "100"],
        ["encode", "a.png", "-q", "0"],
        ["encode", "a.png", "-q", "101"],
        ["encode", "a.png", "--bpp", "-1"],
        ["encode", "a.png", "--bpp", "nan"],
        ["encode", "a.png", "--psnr", "inf"],
        ["encode", "a.png", "--psnr", "good"],
        ["encode", "a.png", "--entropy", "magic"],
        ["encode", "a.png", "b.png", "-o", "c.sinr"],
        ["encode", "-", "a.png", "-o", "out/"],
        ["encode", "-", "-o", "out/"],
        ["encode", "a.png", "-o", "-", "--json"],
        ["encode", "-", "--json"],
        ["encode", "a.png", "-o", ""],
        ["decode", "a.sinr", "b.sinr", "-o", "c.png"],
        ["decode", "a.sinr", "b.sinr", "-o", "-"],
        ["decode", "-", "a.sinr"],
        ["decode", "-", "-o", "out/"],
        ["decode", "a.sinr", "-o", "noext"],
        ["decode", "a.sinr", "--format", "../evil"],
        ["decode", "a.sinr", "-o", "out/", "--format", ""],
        ["decode", "a.sinr", "--scale", "1e309"],
        ["info", "-", "a.sinr"],
        ["decode", "a.sinr", "--scale", "2", "--size", "10x10"],
        ["decode", "a.sinr", "--scale", "0"],
        ["decode", "a.sinr", "--size", "10"],
        ["decode", "a.sinr", "--size", "0x10"],
        ["decode", "a.sinr", "--crop", "1,2,3"],
        ["decode", "a.sinr", "--crop", "1,2,3,-4"],
        ["decode", "a.sinr", "--crop", "0,0,0,4"],
        ["decode", "a.sinr", "--max-pixels", "0"],
        ["decode", "a.sinr", "-o", "a.xyz"],
        ["decode", "a.sinr", "--format", "xyz"],
        ["train", "--data", "/nowhere", "--recipe", "x", "--out", "y"],
        ["frobnicate"],
    ],
    ids=" ".join,
)
def test_wrong_usage_is_exit_code_2(arguments, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = run(*arguments)
    assert result.exit_code == 2, result.output
    assert "Error:" in result.stderr
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_written_over_itself_even_with_force(photo):
    before = photo.read_bytes()
    result = run("encode", photo, "-o", photo, "-f")
    assert result.exit_code == 1
    assert "over itself" in result.stderr
    assert photo.read_bytes() == before


def test_the_name_of_another_format_is_said(photo, tmp_path):
    result = run("encode", photo, "-o", tmp_path / "a.JPG")
    assert result.exit_code == 0
    assert "name of another format" in result.stderr
    assert "another format" not in run("encode", photo, "-o", tmp_path / "a.sinr").stderr
    (tmp_path / "b.jpg").mkdir()
    assert "another format" not in run("encode", photo, "-o", tmp_path / "b.jpg").stderr


def test_nothing_is_overwritten_without_force(photo, sinr, tmp_path):
    before = sinr.read_bytes()
    assert_fails(run("encode", photo, "-q", "5"), 1, "already exists")
    assert sinr.read_bytes() == before
    assert run("encode", photo, "-q", "5", "-f").exit_code == 0
    assert sinr.read_bytes() != before
    assert_fails(run("decode", sinr), 1, "photo.png", "already exists")
    assert run("decode", sinr, "--force").exit_code == 0
    np.testing.assert_array_equal(read_picture(photo).pixels, inrcodec.decode(sinr.read_bytes()))


def test_refuses_a_target_before_working(photo, sinr, monkeypatch):
    monkeypatch.setattr(codec, "encode", None)
    assert_fails(run("encode", photo), 1, "already exists")
    assert_fails(run("encode", photo, "-o", photo.parent / "nowhere" / "x.sinr"), 1, "no such directory")


def test_pipes(photo):
    encoded = run("encode", "-", stdin=photo.read_bytes())
    assert encoded.exit_code == 0, encoded.output
    assert "standard output: 40x24" in encoded.stderr
    decoded = run("decode", "-", stdin=encoded.stdout_bytes)
    assert decoded.exit_code == 0, decoded.output
    np.testing.assert_array_equal(
        np.array(Image.open(io.BytesIO(decoded.stdout_bytes))), inrcodec.decode(encoded.stdout_bytes)
    )
    as_ppm = run("decode", "-", "--format", "ppm", stdin=encoded.stdout_bytes)
    assert as_ppm.stdout_bytes.startswith(b"P6")
    assert json.loads(run("info", "-", "--json", stdin=encoded.stdout_bytes).stdout)["width"] == 40


@pytest.mark.parametrize(
    ("arguments", "size"),
    [
        ([], (40, 24)),
        (["--scale", "2"], (80, 48)),
        (["--scale", "0.5"], (20, 12)),
        (["--size", "33x17"], (33, 17)),
        (["--crop", "3,5,10,8"], (10, 8)),
        (["--crop", "3,5,10,8", "--scale", "3"], (30, 24)),
        (["--crop", "3,5,10,8", "--size", "64X32"], (64, 32)),
    ],
    ids=["native", "up", "down", "size", "crop", "crop and scale", "crop and size"],
)
def test_decode_sizes(sinr, tmp_path, arguments, size):
    target = tmp_path / "out.png"
    result = run("decode", sinr, "-o", target, *arguments)
    assert result.exit_code == 0, result.output
    assert result.output == ""
    with Image.open(target) as im:
        assert im.size == size


@pytest.mark.parametrize(
    ("name", "file_format"),
    [
        ("o.jpg", "JPEG"),
        ("o.JPEG", "JPEG"),
        ("o.webp", "WEBP"),
        ("o.tif", "TIFF"),
        ("o.bmp", "BMP"),
        ("o.ppm", "PPM"),
    ],
)
def test_the_extension_decides_the_format(sinr, tmp_path, name, file_format):
    assert run("decode", sinr, "-o", tmp_path / name).exit_code == 0
    with Image.open(tmp_path / name) as im:
        assert im.format == file_format


def test_format_option(sinr, tmp_path):
    assert run("decode", sinr, "-o", tmp_path / "noext", "--format", "webp").exit_code == 0
    assert (tmp_path / "noext").read_bytes()[8:12] == b"WEBP"
    assert run("decode", sinr, "--format", "bmp").exit_code == 0
    assert sinr.with_suffix(".bmp").read_bytes()[:2] == b"BM"


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_channels_come_back(tmp_path, channels):
    write_picture(Picture(picture(channels=channels)), tmp_path / "a.png")
    assert run("encode", tmp_path / "a.png").exit_code == 0
    assert run("decode", tmp_path / "a.sinr", "-o", tmp_path / "b.png").exit_code == 0
    assert read_picture(tmp_path / "b.png").pixels.shape == (24, 40, channels)


def test_alpha_does_not_go_into_jpeg(tmp_path):
    write_picture(Picture(picture(channels=4)), tmp_path / "a.png")
    run("encode", tmp_path / "a.png")
    assert_fails(run("decode", tmp_path / "a.sinr", "-o", tmp_path / "b.jpg"), 1, "alpha")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.png", "a.sinr"]


def test_profile_and_exif_travel(tmp_path):
    exif = Image.Exif()
    exif[0x010F] = "Maker"
    exif[0x0112] = 6
    source = Image.fromarray(picture())
    source.save(tmp_path / "a.jpg", exif=exif, icc_profile=RGB_PROFILE)
    assert run("encode", tmp_path / "a.jpg").exit_code == 0
    assert run("decode", tmp_path / "a.sinr").exit_code == 0
    with Image.open(tmp_path / "a.png") as im:
        assert im.size == (24, 40)  # turned upright
        assert im.info["icc_profile"] == RGB_PROFILE
        assert im.getexif()[0x010F] == "Maker"
        assert im.getexif()[0x0112] == 1


def damaged(data, kind):
    """A .sinr file gone wrong."""
    return {
        "empty": b"",
        "magic only": data[:4],
        "cut": data[: len(data) // 2],
        "flipped": data[:-9] + bytes([data[-9] ^ 16]) + data[-8:],
        "longer": data + b"\0",
        "version": data[:4] + b"\xff" + data[5:],
        "png": b"\x89PNG\r\n\x1a\n" + bytes(30),
        "zeros": bytes(500),
    }[kind]


@pytest.mark.parametrize(
    "kind", ["empty", "magic only", "cut", "flipped", "longer", "version", "png", "zeros"]
)
def test_damaged_files_are_exit_code_3(sinr, tmp_path, kind):
    bad = tmp_path / "bad.sinr"
    bad.write_bytes(damaged(sinr.read_bytes(), kind))
    assert_fails(run("decode", bad), 3, "bad.sinr")
    assert_fails(run("info", bad), 3, "bad.sinr")
    assert not bad.with_suffix(".png").exists()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"plain text", "not an image"),
        (b"", "empty"),
        (b"\x89PNG\r\n\x1a\n" + bytes(40), "damaged PNG"),
        (b"P6 2 1 65535 " + bytes(12), "16-bit"),
        (b"II*\0" + struct.pack("<LH", 8, 0) + bytes(4), "damaged TIFF"),
    ],
    ids=["text", "empty", "png", "deep", "tiff"],
)
def test_unusable_images_are_exit_code_3(tmp_path, content, words):
    (tmp_path / "bad.img").write_bytes(content)
    assert_fails(run("encode", tmp_path / "bad.img"), 3, "bad.img", words)
    assert not (tmp_path / "bad.sinr").exists()


def test_encoding_a_sinr_file_says_so(sinr):
    assert_fails(run("encode", sinr, "-o", "-"), 3, "already a .sinr")


@pytest.mark.parametrize("command", ["encode", "decode", "info"])
def test_missing_input_is_exit_code_1(tmp_path, command):
    assert_fails(run(command, tmp_path / "missing.x"), 1, "missing.x: No such file")


@pytest.mark.parametrize(
    "arguments", [["--scale", "2"], ["--size", "31x31"], ["--max-pixels", "959"]], ids=" ".join
)
def test_max_pixels(sinr, tmp_path, arguments):
    target = tmp_path / "out.png"
    assert_fails(run("decode", sinr, "--max-pixels", "960", "-o", target, *arguments), 3, "pixels")
    assert not target.exists()
    assert run("decode", sinr, "--max-pixels", "960", "-o", target).exit_code == 0


def test_the_seconds_are_all_seconds(photo, monkeypatch):
    """Those of measuring, too."""
    seconds = [100.0]

    def measured(*_):
        seconds[0] += 42
        return 30.0

    monkeypatch.setattr(encode_module, "time", SimpleNamespace(perf_counter=lambda: seconds[0]))
    monkeypatch.setattr(encode_module, "_decoded_psnr", measured)
    assert json.loads(run("encode", photo, "--json").stdout)["seconds"] == 42


def test_max_pixels_lets_a_region_of_a_huge_picture_pass(synthetic_path, synthetic_codebook, tmp_path):
    """269 megapixels, of which one tile is read."""
    side = 2**14 + 16
    symbols = tile_symbols("corner", (32, 32), 1, sparsity=10**6)
    tile = write_payload(symbols, 500, synthetic_codebook.entropy, "rans")
    rows, cols = tile_grid(side, side)
    file = Container(side, side, True, 500, synthetic_codebook.id, "rans", (tile,) * (rows * cols))
    source, target = tmp_path / "huge.sinr", tmp_path / "corner.png"
    source.write_bytes(pack(file))
    arguments = ("decode", source, "--codebook", synthetic_path, "--crop", "0,0,16,8", "-o", target)
    assert_fails(run(*arguments), 3, "exceeds the limit")
    result = run(*arguments, "--max-pixels", str(2**29))
    assert result.exit_code == 0, result.output
    assert read_picture(target).pixels.shape == (8, 16, 1)


@pytest.mark.parametrize("crop", ["0,0,41,24", "39,23,2,1", "40,0,1,1", "999999999,0,1,1"])
def test_a_crop_beyond_the_picture_is_wrong_usage(sinr, tmp_path, crop):
    result = run("decode", sinr, "--crop", crop, "-o", tmp_path / "out.png")
    assert result.exit_code == 2, result.output
    assert "not inside the 40 x 24 picture" in result.stderr
    assert not (tmp_path / "out.png").exists()


def test_a_scale_beyond_all_limits_is_wrong_usage(sinr, tmp_path):
    assert_fails(run("decode", sinr, "--scale", "1e308", "-o", tmp_path / "out.png"), 2, "scale must be")


def test_unknown_codebook_is_one_clear_line(photo):
    result = run("encode", photo, "--codebook", "no-such-codebook")
    assert_fails(result, 3, "no-such-codebook")


@pytest.mark.parametrize("when", ["work", "write"])
def test_ctrl_c_leaves_nothing_behind(photo, tmp_path, monkeypatch, when):
    def interrupted(*_arguments, **_options):
        raise KeyboardInterrupt

    if when == "work":
        monkeypatch.setattr(codec, "encode", interrupted)
    else:
        monkeypatch.setattr(Path, "replace", interrupted)
    result = run("encode", photo)
    assert_fails(result, 130, "interrupted")
    assert [path.name for path in tmp_path.iterdir()] == ["photo.png"]


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_signals(number, code, heeded):
    heeded(number)
    command = [sys.executable, "-m", "inrcodec", "info", "-"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdin
        assert process.stderr
        process.stdin.write(
            b"SINR" + bytes(400_000)
        )  # more than a pipe holds: returns once the command is reading
        process.stdin.flush()
        time.sleep(0.5)  # now it waits for more: a signal between two reads would be seen after the second
        process.send_signal(number)
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            process.stdin.close()  # on a busy machine it was between two reads all the same
        assert process.wait(120) == code
        assert b"Traceback" not in process.stderr.read()


def test_out_of_memory_is_one_line(photo, monkeypatch):
    def greedy(*_arguments, **_options):
        raise MemoryError

    monkeypatch.setattr(codec, "encode", greedy)
    assert_fails(run("encode", photo), 1, "not enough memory")


def test_info(sinr):
    lines = dict(line.split(maxsplit=1) for line in run("info", sinr).stdout.splitlines() if "_" not in line)
    assert lines["width"] == "40"
    fields = json.loads(run("info", sinr, "--json").stdout)
    assert (fields["width"], fields["height"], fields["channels"]) == (40, 24, 3)
    assert fields["bpp"] == pytest.approx(8 * sinr.stat().st_size / 960)


@pytest.mark.parametrize("tune", TUNES)
def test_info_tells_the_tune(photo, tune):
    sinr = photo.with_suffix(".sinr")
    assert run("encode", photo, "--tune", tune, "--quiet").exit_code == 0
    assert json.loads(run("info", sinr, "--json").stdout)["tune"] == tune


def test_codebooks_lists_what_is_installed():
    books = inrcodec.available_codebooks()
    assert books
    output = run("codebooks").stdout
    for book in books:
        assert book.id in output
        assert book.name in output
    assert output.count("(default)") == 1


def test_train_passes_its_options_on(tmp_path, monkeypatch):
    calls = []
    monkeypatch.setattr(training_run, "train", lambda *a, **k: calls.append((a, k)), raising=False)
    arguments = ["--data", tmp_path, "--recipe", "base", "--out", tmp_path / "out", "--resume"]
    assert run("train", *arguments).exit_code == 0
    assert calls == [((tmp_path, "base", tmp_path / "out"), {"resume": True, "device": "auto"})]


@pytest.mark.skipif(not Path("/dev/zero").exists(), reason="needs /dev/zero")
@pytest.mark.parametrize("command", [("info",), ("decode", "-o", "out.png")])
def test_what_is_no_file_of_ours_is_not_read_to_its_end(tmp_path, monkeypatch, command):
    monkeypatch.chdir(tmp_path)
    result = run(*command, "/dev/zero")
    assert result.exit_code == 3
    assert "not a .sinr file" in result.output


def test_what_is_left_out_is_said(tmp_path):
    exif = Image.Exif()
    exif[0x010F] = "Maker"
    Image.fromarray(picture()).save(tmp_path / "a.png", exif=exif)
    path = tmp_path / "a.png"
    data = path.read_bytes()
    path.write_bytes(data[:33] + struct.pack(">L", 4) + b"tEXta\0bcXXXX" + data[33:])
    result = run("encode", path)
    assert result.exit_code == 0
    assert result.stderr == f"inrcodec: {path}: warning: a damaged tEXt chunk is left out\n"
    assert json.loads(run("encode", path, "-f", "--json").stdout)["warnings"] == [
        "a damaged tEXt chunk is left out"
    ]
    assert run("encode", path, "-f", "--quiet").output == ""
    result = run("decode", tmp_path / "a.sinr", "-o", tmp_path / "a.bmp")
    assert result.exit_code == 0
    assert "warning: BMP cannot hold EXIF" in result.stderr


def drawing():
    """Text-like strokes on white."""
    pixels = np.full((64, 96), 255, np.uint8)
    pixels[8:56:8, 10:80] = 0
    pixels[8:56, 20:80:12] = 0
    return Image.fromarray(pixels)


def test_drawings_get_one_word_of_advice(tmp_path, photo):
    for name in ("a.png", "b.png"):
        drawing().save(tmp_path / name)
    result = run("encode", tmp_path / "a.png", tmp_path / "b.png", photo, "-o", f"{tmp_path}/")
    assert result.stderr.count("lossless WebP or PNG") == 1
    assert run("encode", photo, "-f").stderr == ""


def test_an_opaque_alpha_channel_is_dropped_aloud(tmp_path):
    pixels = np.dstack([picture(), np.full((24, 40), 255, np.uint8)])
    write_picture(Picture(pixels), tmp_path / "a.png")
    result = run("encode", tmp_path / "a.png")
    assert "opaque alpha dropped" in result.stdout
    assert inrcodec.inspect((tmp_path / "a.sinr").read_bytes()).channels == 3


def test_the_printed_psnr_is_the_one_asked_for(tmp_path):
    pixels = np.dstack([picture(), np.zeros((24, 40), np.uint8)])
    pixels[4:20, 4:30, 3] = 255
    pixels[:, 30:, :3] = np.random.default_rng(0).integers(0, 256, (24, 10, 3))
    write_picture(Picture(pixels), tmp_path / "a.png")
    for options in ([], ["--keep-hidden"]):
        row = json.loads(run("encode", tmp_path / "a.png", "-f", "--json", "--psnr", 40, *options).stdout)
        assert 40 <= row["psnr"] < 40.5


def test_background(tmp_path):
    pixels = np.dstack([picture(), np.zeros((24, 40), np.uint8)])
    pixels[:, 30:, 3] = 255
    write_picture(Picture(pixels), tmp_path / "a.png")
    run("encode", tmp_path / "a.png", "--quiet")
    source = tmp_path / "a.sinr"
    assert_fails(run("decode", source, "-o", tmp_path / "a.jpg"), 1, "--background")
    assert run("decode", source, "-o", tmp_path / "a.bmp", "--background", "#102030").exit_code == 0
    assert read_picture(tmp_path / "a.bmp").pixels[5, 5].tolist() == [16, 32, 48]
    result = run("decode", source, "-o", tmp_path / "b.bmp", "--background", "nothing")
    assert result.exit_code == 2
    assert "'nothing' is not a colour" in result.stderr


def test_frames_depth_and_truncated_files(tmp_path, monkeypatch):
    frames = [Image.fromarray(picture() // number) for number in (1, 2)]
    frames[0].save(tmp_path / "a.tiff", save_all=True, append_images=frames[1:])
    assert_fails(run("encode", tmp_path / "a.tiff"), 3, "2 frames or pages; choose one (--page N")
    for option, number in (("--page", 1), ("--frame", 2)):
        assert run("encode", tmp_path / "a.tiff", "-f", option, number).exit_code == 0
        found = inrcodec.decode((tmp_path / "a.sinr").read_bytes())
        assert abs(found.mean() - (picture() // number).mean()) < 2
    Image.fromarray(picture()[:, :, 0].astype(np.uint16) * 257).save(tmp_path / "d.png")
    assert_fails(run("encode", tmp_path / "d.png"), 3, "16-bit", "--depth 8")
    assert run("encode", tmp_path / "d.png", "--depth", 8).exit_code == 0
    frames[0].save(tmp_path / "t.jpg")
    (tmp_path / "t.jpg").write_bytes((tmp_path / "t.jpg").read_bytes()[:-60])
    assert_fails(run("encode", tmp_path / "t.jpg"), 3, "truncated")
    assert "JPEG is truncated" in run("encode", tmp_path / "t.jpg", "--lenient").stderr
