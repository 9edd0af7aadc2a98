"""The one error tree of the package.

InrCodecError
├── InputError               the input cannot be used (not an image, unsupported mode or depth)
├── FormatError              a .sinr file or a codebook is corrupt, truncated or of an unknown version
│   └── CodebookNotFoundError    the file needs a codebook that is not installed
├── LimitError               a limit of `inrcodec.limits.Limits` would be exceeded
└── EncodeError              the request cannot be met (rate target out of reach, missing device)

PictureWarning tells of a part of a picture that is left out.
"""


class InrCodecError(Exception):
    """Base of every error this package raises on purpose."""


class InputError(InrCodecError):
    """The input is not an image, or not one this codec can represent without loss of meaning."""


class FormatError(InrCodecError):
    """A .sinr file or a codebook is corrupt, truncated, or of an unsupported version."""


class CodebookNotFoundError(FormatError):
    """The file was written with a codebook that is not installed; the message names its id."""


class LimitError(InrCodecError):
    """Reading on would exceed a limit; nothing large has been allocated yet."""


class EncodeError(InrCodecError):
    """The request is valid but cannot be met: a rate target out of reach, a device that is missing."""


class PictureWarning(UserWarning):
    """Something that came with a picture is left out, or changed; the picture itself is taken."""
