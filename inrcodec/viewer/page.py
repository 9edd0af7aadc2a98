"""One self-contained HTML page with a picture, its codebook and a decoder."""

import base64
import gzip
import hashlib
import math
import re
from dataclasses import dataclass
from html import escape
from pathlib import Path
from string import Template

import numpy as np

from inrcodec.codebook import codebook_file
from inrcodec.codec import alpha_differences, decode_picture, inspect, metadata
from inrcodec.container import unpack
from inrcodec.errors import InputError
from inrcodec.metrics import psnr
from inrcodec.pictures.files import picture_bytes
from inrcodec.pictures.picture import Picture

_IMPORT = re.compile(r'^import \{ (.+) \} from "\./(.+)";$', re.MULTILINE)
_EXPORT = re.compile(r"^export (?=(?:async function|function|class|const|var) (\w+))", re.MULTILINE)


@dataclass(frozen=True)
class Page:
    """A page, and what it may do.

    Attributes:
        html: the page, UTF-8.
        policy: its Content-Security-Policy, which is in the page, too: nothing is loaded from anywhere.
    """

    html: bytes
    policy: str


def page_of(data: bytes, name: str, original: Picture | None = None, codebook: str | None = None) -> Page:
    """Makes a page of a .sinr file.

    Args:
        data: the file.
        name: what people call it.
        original: the picture that it was made of, to be compared with it.
        codebook: name or path of the codebook, if it is not a shipped one.

    Raises:
        FormatError: the file is damaged (its tiles are looked into only if there is an original);
            CodebookNotFoundError: its codebook is not installed.
        InputError: the viewer does not decode this variant of files, or the original has another size.
        LimitError: a limit would be exceeded.
    """
    info = inspect(data)
    if info.entropy != "rans":
        raise InputError(f"the viewer does not decode files of the {info.entropy} variant")
    book = codebook_file(bytes.fromhex(info.codebook), codebook)
    facts = [f"{info.width} \u00d7 {info.height}", _size(len(data)), f"{info.bpp:.2f} bits per pixel"]
    embedded = [
        _element("file", data),
        _element("codebook", book, pack=True),
        _element("decoder", (_folder() / "sinr.wasm").read_bytes(), pack=True),
    ]
    # A browser does not inflate the zstd frames in which the file has these.
    if info.has_alpha:
        embedded.append(_element("alpha", alpha_differences(unpack(data)), pack=True))
    if info.icc_bytes:
        embedded.append(_element("icc", metadata(data)["icc"], pack=True))
    if original is not None:
        facts.append(_psnr(data, original, codebook))
        embedded.append(
            _element("compared", picture_bytes(Picture(original.pixels, icc=original.icc), "png"))
        )
    style, script = (_folder() / "viewer.css").read_text("utf-8"), _bundle("viewer.js")
    policy = (
        f"default-src 'none'; script-src {_source(script)} 'wasm-unsafe-eval'; style-src {_source(style)}; "
        "worker-src blob:; img-src data:; base-uri 'none'; form-action 'none'"
    )
    html = Template((_folder() / "viewer.html").read_text("utf-8")).substitute(
        policy=escape(policy),
        name=escape(name),
        label=escape(f"{name}, {info.width} by {info.height} pixels"),
        facts=escape(" · ".join(facts)),
        style=style,
        data="\n".join(embedded),
        worker=_bundle("worker.js"),
        script=script,
    )
    return Page(html.encode("utf-8", "replace"), policy)


def _folder() -> Path:
    """The parts of the page: inside an installed package, or beside it in a checkout."""
    package = Path(__file__).parents[1]
    installed = package / "_web"
    return installed if installed.is_dir() else package.parent / "web"


def _size(count: int) -> str:
    """A number of bytes as people write it."""
    unit, power = ("MB", 6) if count >= 999_500 else ("kB", 3)
    number = count / 10**power
    return f"{number:.3g} {unit}" if number < 1000 else f"{number:.0f} {unit}"


def _psnr(data: bytes, original: Picture, codebook: str | None) -> str:
    """How far the file is from the original."""
    decoded = decode_picture(data, codebook=codebook)
    if decoded.pixels.shape[:2] != original.pixels.shape[:2]:
        (height, width), (high, wide) = decoded.pixels.shape[:2], original.pixels.shape[:2]
        raise InputError(f"the original has {wide} x {high} pixels, the file {width} x {height}")
    shape = np.broadcast_shapes(decoded.colour.shape, original.colour.shape)
    colours = np.broadcast_to(original.colour, shape), np.broadcast_to(decoded.colour, shape)
    value = psnr(*colours, original.visible)
    return "no error" if math.isinf(value) else f"{value:.2f} dB PSNR"


def _element(name: str, content: bytes, *, pack: bool = False) -> str:
    """Bytes as an element of the page."""
    text = base64.b64encode(gzip.compress(content, mtime=0) if pack else content).decode()
    return f'<script type="text/plain" id="{name}"{" data-gzip" if pack else ""}>{text}</script>'


def _source(text: str) -> str:
    """What allows a script or style in a Content-Security-Policy."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _bundle(entry: str) -> str:
    """A module of JavaScript and those that it imports as one script: each becomes a function."""
    modules: dict[str, str] = {}

    def add(path: Path) -> None:
        text = path.read_text("utf-8")
        for _, imported in _IMPORT.findall(text):
            if Path(imported).stem not in modules:
                add(path.parent / imported)
        exported = ", ".join(_EXPORT.findall(text))
        body = _EXPORT.sub("", _IMPORT.sub(_import, text))
        modules[path.stem] = f"const {_constant(path)} = (() => {{\n{body}return {{ {exported} }};\n}})();\n"

    add(_folder() / entry)
    return '"use strict";\n' + "".join(modules.values())


def _constant(module: Path) -> str:
    """What a module's exports are called: no name that is one in a module."""
    return f"$${module.stem}"


def _import(match: re.Match[str]) -> str:
    """What an import becomes."""
    return f"const {{ {match[1]} }} = {_constant(Path(match[2]))};"
