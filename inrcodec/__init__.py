"""inrcodec: a neural image codec of meta-learned sparse SIREN cells.

    data = inrcodec.encode(pixels, quality=50)
    pixels = inrcodec.decode(data, scale=2)

Names are imported on first use, so `import inrcodec` costs nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from inrcodec.codebook import CodebookInfo, available_codebooks, load_codebook
    from inrcodec.codec import (
        Info,
        decode,
        decode_picture,
        encode,
        inspect,
    )
    from inrcodec.container import Weighting
    from inrcodec.decoding.view import View
    from inrcodec.errors import (
        CodebookNotFoundError,
        EncodeError,
        FormatError,
        InputError,
        InrCodecError,
        LimitError,
        PictureWarning,
    )
    from inrcodec.limits import Limits
    from inrcodec.pictures.files import read_picture, write_picture
    from inrcodec.pictures.picture import Picture

__version__ = "0.1.0"

__all__ = [
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

_HOMES = {
    "codebook": ("CodebookInfo", "available_codebooks", "load_codebook"),
    "codec": ("Info", "decode", "decode_picture", "encode", "inspect"),
    "errors": (
        "CodebookNotFoundError",
        "EncodeError",
        "FormatError",
        "InputError",
        "InrCodecError",
        "LimitError",
        "PictureWarning",
    ),
    "pictures.files": ("read_picture", "write_picture"),
    "pictures.picture": ("Picture",),
    "decoding.view": ("View",),
    "container": ("Weighting",),
    "limits": ("Limits",),
}
_HOME_OF = {name: module for module, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> object:
    """Import a public name from its module (PEP 562)."""
    if name not in _HOME_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_HOME_OF[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """The public names."""
    return list(__all__)
