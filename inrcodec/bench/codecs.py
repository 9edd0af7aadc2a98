"""The codecs a benchmark can compare: names, settings, how they encode and decode, versions."""

import importlib
import importlib.metadata
import io
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Protocol

import numpy as np
from PIL import AvifImagePlugin, Image, features

from inrcodec.container import Weighting
from inrcodec.decisions.effort import EFFORTS
from inrcodec.errors import InputError
from inrcodec.metrics import Pixels
from inrcodec.signal.quantiser import DEFAULT_TUNE, TUNES


class Codec(Protocol):
    """One curve of the benchmark."""

    @property
    def name(self) -> str:
        """What the user wrote, such as `jpeg` or `inrcodec:effort=1`."""

    @property
    def tune(self) -> str:
        """What it is tuned for: "psnr", or "default" where its makers decided, mostly for the eye."""

    @property
    def extension(self) -> str:
        """File extension with its dot."""

    @property
    def settings(self) -> tuple[float, ...]:
        """Default settings, from about 0.1 to about 1.5 bits per pixel on photographs."""

    @property
    def setting_name(self) -> str:
        """What a setting means: `quality`, or `bpp` for a target rate."""

    def encode(self, image: Pixels, setting: float) -> bytes:
        """Encode uint8 (H, W, 3) RGB pixels into a complete file."""

    def decode(self, data: bytes) -> Pixels:
        """Decode a complete file into uint8 (H, W, 3) RGB pixels."""

    def version(self) -> str:
        """Versions of the libraries that do the work."""


@dataclass(frozen=True)
class PillowCodec:
    """A codec that Pillow, or a plug-in of it, offers."""

    name: str
    extension: str
    format: str
    settings: tuple[float, ...]
    library: Callable[[], str]
    options: Mapping[str, Any]
    setting_name: str = "quality"
    tune: str = "default"

    def encode(self, image: Pixels, setting: float) -> bytes:
        """See `Codec.encode`."""
        if self.setting_name == "bpp":
            chosen: dict[str, Any] = {"quality_layers": [24.0 / setting]}
        else:
            chosen = {"quality": int(setting)}
        out = io.BytesIO()
        Image.fromarray(image).save(out, format=self.format, **self.options, **chosen)
        return out.getvalue()

    def decode(self, data: bytes) -> Pixels:
        """See `Codec.decode`."""
        with Image.open(io.BytesIO(data), formats=[self.format]) as picture:
            return np.asarray(picture.convert("RGB"))

    def version(self) -> str:
        """See `Codec.version`."""
        return self.library()


@dataclass(frozen=True)
class InrCodec:
    """The codec of this package, with its encoder options.

    It runs on the processor unless `device` says otherwise: times are those of one thread.
    """

    name: str
    options: Mapping[str, Any]
    extension: str = ".sinr"
    settings: tuple[float, ...] = (12, 22, 32, 42, 52, 62)
    setting_name: str = "quality"

    @property
    def tune(self) -> str:
        """See `Codec.tune`."""
        tune = self.options.get("tune", DEFAULT_TUNE)
        return tune if isinstance(tune, str) else "-".join(map(str, tune))

    def encode(self, image: Pixels, setting: float) -> bytes:
        """See `Codec.encode`."""
        import inrcodec

        return inrcodec.encode(image, quality=setting, **{"device": "cpu", **self.options})

    def decode(self, data: bytes) -> Pixels:
        """See `Codec.decode`."""
        import inrcodec

        device = self.options.get("device", "cpu")
        return inrcodec.decode(data, codebook=self.options.get("codebook"), device=device)

    def version(self) -> str:
        """See `Codec.version`."""
        import inrcodec

        book = inrcodec.load_codebook(self.options.get("codebook"))
        # By content: a file name may stand for another codebook tomorrow.
        return f"inrcodec {inrcodec.__version__}, codebook {book.id.hex()}"


KNOWN = ("inrcodec", "jpeg", "webp", "avif", "avif-psnr", "jpeg2000", "jxl", "heic")


def _tune(value: str) -> str | Weighting:
    """The name of a tune, or a weighting such as 32-64-2-64."""
    if value in TUNES:
        return value
    weighting = Weighting(*map(int, value.split("-", 3)))
    if not weighting.in_range:
        raise ValueError
    return weighting


def _effort(value: str) -> int:
    if int(value) not in EFFORTS:
        raise ValueError(value)
    return int(value)


_INR_OPTIONS: dict[str, Callable[[str], Any]] = {
    "tune": _tune,
    "effort": _effort,
    "entropy": str,
    "codebook": str,
    "device": str,
}


def parse_codec(spec: str) -> Codec:
    """The codec that a name such as `webp` or `inrcodec:effort=1:entropy=zstd` stands for.

    Raises:
        InputError: the name or an option is unknown, or the codec is not installed; the message says
            what to do.
    """
    name, *options = re.split(r":(?=[a-z]+=)", spec)
    if name == "inrcodec":
        return InrCodec(name=spec, options=dict(_inr_option(spec, option) for option in options))
    if name not in KNOWN:
        raise InputError(f"unknown codec {spec!r}: known are {', '.join(KNOWN)}")
    if options:
        raise InputError(f"codec {spec!r}: only inrcodec takes options")
    return _PILLOW[name]()


@cache
def warm_codec(spec: str) -> Codec:
    """The codec after one small round trip, so that nobody measures imports and the loading of a codebook."""
    codec = parse_codec(spec)
    codec.decode(codec.encode(np.zeros((64, 64, 3), dtype=np.uint8), codec.settings[0]))
    return codec


def _inr_option(spec: str, option: str) -> tuple[str, Any]:
    key, _, value = option.partition("=")
    if key not in _INR_OPTIONS:
        raise InputError(f"codec {spec!r}: unknown option {key!r}, known are {', '.join(_INR_OPTIONS)}")
    try:
        return key, _INR_OPTIONS[key](value)
    except (TypeError, ValueError):
        raise InputError(f"codec {spec!r}: {value!r} is no value for {key}") from None


def _pillow_version(label: str, feature: str) -> Callable[[], str]:
    def version() -> str:
        return f"{label} {features.version(feature)}, Pillow {features.version('pil')}"

    return version


def _jpeg_version() -> str:
    turbo = features.version("libjpeg_turbo")
    library = f"libjpeg-turbo {turbo}" if turbo else f"libjpeg {features.version('jpg')}"
    return f"{library}, Pillow {features.version('pil')}"


def _require(feature: str, name: str) -> None:
    if not features.check(feature):
        raise InputError(
            f"codec {name!r} is missing from this build of Pillow (its wheels have it): "
            "pip install --upgrade pillow"
        )


def _jpeg() -> Codec:
    _require("jpg", "jpeg")
    return PillowCodec(
        "jpeg", ".jpg", "JPEG", (5, 10, 20, 30, 45, 60, 75, 80), _jpeg_version, {"optimize": True}
    )


def _webp() -> Codec:
    _require("webp", "webp")
    library = _pillow_version("libwebp", "webp")
    return PillowCodec("webp", ".webp", "WEBP", (0, 5, 15, 30, 50, 70, 80, 86), library, {"method": 6})


def _avif() -> Codec:
    return _avif_tuned("avif", "default", {})


def _avif_psnr() -> Codec:
    # The fairest opponent by PSNR over R, G and B: no chroma is thrown away.
    return _avif_tuned("avif-psnr", "psnr", {"subsampling": "4:4:4", "advanced": {"tune": "psnr"}})


def _avif_tuned(name: str, tune: str, options: Mapping[str, Any]) -> Codec:
    _require("avif", name)
    AvifImagePlugin.DEFAULT_MAX_THREADS = 1  # the decoder has no other switch
    library = _pillow_version("libavif", "avif")
    common = {"codec": "aom", "speed": 6, "max_threads": 1}
    settings = (10, 20, 30, 40, 50, 60, 70, 78)
    return PillowCodec(name, ".avif", "AVIF", settings, library, {**common, **options}, tune=tune)


def _jpeg2000() -> Codec:
    _require("jpg_2000", "jpeg2000")
    # Pillow's defaults (reversible wavelet, no colour transform) are far from JPEG 2000's best.
    options = {"irreversible": True, "mct": 1, "quality_mode": "rates"}
    settings = (0.1, 0.15, 0.25, 0.4, 0.6, 0.9, 1.2, 1.5)
    library = _pillow_version("OpenJPEG", "jpg_2000")
    return PillowCodec("jpeg2000", ".jp2", "JPEG2000", settings, library, options, "bpp", "psnr")


def _plugin(name: str, module: str, package: str) -> Any:
    try:
        return importlib.import_module(module)
    except ImportError:
        raise InputError(f"codec {name!r} is not installed: pip install {package}") from None


def _jxl() -> Codec:
    module = _plugin("jxl", "pillow_jxl", "pillow-jxl-plugin")  # registers itself with Pillow
    module.JpegXLImagePlugin.DECODE_THREADS = 1

    def version() -> str:
        plugin = importlib.metadata.version("pillow-jxl-plugin")
        return f"pillow-jxl-plugin {plugin}, Pillow {features.version('pil')}"

    options = {"effort": 7, "num_threads": 1}
    return PillowCodec("jxl", ".jxl", "JXL", (1, 5, 20, 40, 55, 70, 80, 86), version, options)


def _heic() -> Codec:
    module = _plugin("heic", "pillow_heif", "pillow-heif")
    module.register_heif_opener()
    module.options.DECODE_THREADS = 1

    def version() -> str:
        return f"libheif {module.libheif_version()}, Pillow {features.version('pil')}"

    return PillowCodec("heic", ".heic", "HEIF", (10, 16, 22, 28, 35, 42, 48, 54), version, {})


_PILLOW: dict[str, Callable[[], Codec]] = {
    "jpeg": _jpeg,
    "webp": _webp,
    "avif": _avif,
    "avif-psnr": _avif_psnr,
    "jpeg2000": _jpeg2000,
    "jxl": _jxl,
    "heic": _heic,
}
