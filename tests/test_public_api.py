"""The public surface: names, signatures, laziness, packaging."""

import inspect
import subprocess
import sys
import tomllib
from importlib import metadata
from pathlib import Path

import pytest

import inrcodec

ROOT = Path(__file__).parents[1]


def test_exported_names():
    assert sorted(inrcodec.__all__) == [
        "CodebookInfo",
        "CodebookNotFoundError",
        "EncodeError",
        "FormatError",
        "Info",
        "InputError",
        "InrCodecError",
        "LimitError",
        "Limits",
        "Picture",
        "PictureWarning",
        "View",
        "Weighting",
        "__version__",
        "available_codebooks",
        "decode",
        "decode_picture",
        "encode",
        "inspect",
        "load_codebook",
        "read_picture",
        "write_picture",
    ]
    for name in inrcodec.__all__:
        assert getattr(inrcodec, name) is not None
    assert dir(inrcodec) == sorted(inrcodec.__all__)


def test_unknown_names_fail_as_usual():
    with pytest.raises(AttributeError, match="frobnicate"):
        inrcodec.frobnicate  # noqa: B018


@pytest.mark.parametrize(
    ("function", "positional", "keywords"),
    [
        (
            "encode",
            ["image"],
            [
                "quality",
                "bpp",
                "psnr",
                "max_bytes",
                "tune",
                "effort",
                "codebook",
                "entropy",
                "keep_hidden",
                "device",
                "jobs",
                "progress",
            ],
        ),
        ("decode", ["data"], ["scale", "size", "crop", "codebook", "device", "jobs", "limits"]),
        ("decode_picture", ["data", "view"], ["codebook", "device", "jobs", "limits", "progress"]),
        ("inspect", ["data"], ["limits"]),
        ("available_codebooks", [], []),
    ],
)
def test_signatures(function, positional, keywords):
    parameters = inspect.signature(getattr(inrcodec, function)).parameters.values()
    assert [p.name for p in parameters if p.kind is not p.KEYWORD_ONLY] == positional
    assert [p.name for p in parameters if p.kind is p.KEYWORD_ONLY] == keywords


def test_one_error_tree():
    for name in ("InputError", "FormatError", "CodebookNotFoundError", "LimitError", "EncodeError"):
        assert issubclass(getattr(inrcodec, name), inrcodec.InrCodecError)
    assert issubclass(inrcodec.CodebookNotFoundError, inrcodec.FormatError)


def loaded_by(code):
    """Names of the modules in a fresh interpreter after some code."""
    command = [sys.executable, "-c", f"{code}\nimport sys\nprint(*sys.modules)"]
    return set(subprocess.run(command, check=True, capture_output=True, text=True).stdout.split())


def test_import_is_lazy():
    assert not {"numpy", "PIL", "torch", "inrcodec.codec"} & loaded_by("import inrcodec")
    assert "torch" not in loaded_by("import inrcodec\nfor name in inrcodec.__all__: getattr(inrcodec, name)")


def test_typed_and_versioned():
    assert (Path(inrcodec.__file__).parent / "py.typed").exists()
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["dynamic"] == ["version"]
    assert metadata.version("inrcodec") == inrcodec.__version__
