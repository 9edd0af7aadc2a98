"""The example scripts and the README's library code run."""

import re
import subprocess
import sys
from pathlib import Path
from textwrap import dedent

import numpy as np
import pytest
from PIL import Image

ROOT = Path(__file__).parents[1]
SCRIPTS = sorted((ROOT / "examples").glob("*.py"))


@pytest.fixture
def photo(tmp_path):
    """A small piece of the example photo."""
    path = tmp_path / "photo.png"
    with Image.open(ROOT / "examples" / "chelsea.png") as im:
        im.crop((140, 60, 236, 124)).save(path)
    return path


def run(*arguments, folder):
    """Standard output of a Python program, which must succeed."""
    command = [sys.executable, "-W", "error", *map(str, arguments)]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_there_are_examples():
    assert len(SCRIPTS) == 3
    for script in SCRIPTS:
        assert len(script.read_text().splitlines()) <= 50
        assert script.name in (ROOT / "examples" / "README.md").read_text()


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_script_runs(script, photo):
    output = run(script, photo, folder=photo.parent)
    if script.stem == "any_size":
        sizes = {"thumbnail": (24, 16), "double": (192, 128), "square": (200, 200), "detail": (96, 64)}
        for name, size in sizes.items():
            with Image.open(photo.with_name(f"{name}.png")) as im:
                assert im.size == size
    if script.stem == "in_memory":
        assert "96 x 64 pixels, 3 channels" in output
    if script.stem == "rate_targets":
        assert len(output.splitlines()) == 3
        ((limit, length),) = re.findall(r"max_bytes=(\d+): (\d+) bytes", output)
        assert int(length) <= int(limit)


CHECKS = {
    "Library": "assert pixels.shape == (64, 96, 3) and detail.shape == (64, 64, 3) and info.width == 96",
    "Pillow": """
        import mimetypes, pathlib
        import imageio.v3, inrcodec, skimage.io
        assert (size, mode, im.size) == ((96, 64), "RGB", (64, 43))
        pixels = inrcodec.decode(pathlib.Path("photo.sinr").read_bytes())
        assert (imageio.v3.imread("photo.sinr") == pixels).all()
        assert (skimage.io.imread("photo.sinr") == pixels).all()
        mimetypes.add_type("image/x-sinr", ".sinr")
        assert mimetypes.guess_type("photo.sinr")[0] == inrcodec.pillow.MIME_TYPE
    """,
}


@pytest.mark.parametrize("section", CHECKS)
def test_readme_code_runs(photo, section):
    (text,) = re.findall(rf"\n## {section}\n(.*?)\n## ", (ROOT / "README.md").read_text(), re.DOTALL)
    (code,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    (photo.parent / "readme.py").write_text(f"path = {photo.name!r}\n{code}{dedent(CHECKS[section])}\n")
    run("readme.py", folder=photo.parent)


def test_readme_commands_about_pictures_run(photo):
    """On the files that they name: two pages, 16 bits, a truncated JPEG, a cut-out."""
    folder = photo.parent
    with Image.open(photo) as im:
        im.save(folder / "scan.tiff", save_all=True, append_images=[im.rotate(180)])
        im.save(folder / "broken.jpg")
        Image.fromarray(np.asarray(im.convert("L"), np.uint16) * 257).save(folder / "deep.png")
        im.putalpha(0)
        im.paste((255, 0, 0, 255), (10, 10, 50, 50))
        im.save(folder / "cutout.png")
    whole = (folder / "broken.jpg").read_bytes()
    (folder / "broken.jpg").write_bytes(whole[: len(whole) * 2 // 3])
    (text,) = re.findall(r"\n## Pictures\n(.*?)\n## ", (ROOT / "README.md").read_text(), re.DOTALL)
    (block,) = re.findall(r"```console\n(.*?)```", text, re.DOTALL)
    commands = [line.removeprefix("$ inrcodec ").partition("#")[0].split() for line in block.splitlines()]
    assert len(commands) == 5
    for command in commands:
        run("-m", "inrcodec", *command, folder=folder)
        assert (folder / command[-1]).is_file()
    with Image.open(folder / "flat.jpg") as flat:
        assert np.asarray(flat)[60, 90].min() > 240


def test_readme_has_exactly_two_quick_start_commands():
    text = (ROOT / "README.md").read_text()
    (section,) = re.findall(r"\n## Quick start\n(.*?)\n## ", text, re.DOTALL)
    commands = re.findall(r"```sh\n(.*?)\n```", section, re.DOTALL)
    assert len(commands) == 2
    assert all("\n" not in command for command in commands)
    (example,) = re.findall(r"examples/\S+", commands[0])
    with Image.open(ROOT / example) as im:
        assert np.asarray(im).shape == (300, 451, 3)
