"""Colour spaces told by numbers, as ICC profiles that say the same.

Code points are those of ITU-T H.273 (CICP): `cICP` in PNG, `nclx` in AVIF and HEIC. PNG also has `gAMA` and
`cHRM`.
"""

import re
import struct
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from inrcodec.errors import InputError
from inrcodec.pictures.png_chunks import SIGNATURE, chunks

_NCLX = re.compile(rb"colrnclx(....)..(.)", re.DOTALL)
_UNSPECIFIED = 2
_PNG_GAMMA_TOLERANCE = 0.05  # libpng's: what is nearer to 1 is no difference
_PNG_SRGB_GAMMA = 1 / 2.2

_D65, _D50, _C = (0.3127, 0.3290), (0.3457, 0.3585), (0.310, 0.316)
_SRGB_PRIMARIES = (_D65, (0.64, 0.33), (0.30, 0.60), (0.15, 0.06))
_Chromaticities = tuple[tuple[float, float], ...]
"""x and y of white, red, green and blue."""

_PRIMARIES: dict[int, _Chromaticities] = {
    1: _SRGB_PRIMARIES,
    4: (_C, (0.67, 0.33), (0.21, 0.71), (0.14, 0.08)),
    5: (_D65, (0.64, 0.33), (0.29, 0.60), (0.15, 0.06)),
    6: (_D65, (0.630, 0.340), (0.310, 0.595), (0.155, 0.070)),
    7: (_D65, (0.630, 0.340), (0.310, 0.595), (0.155, 0.070)),
    8: (_C, (0.681, 0.319), (0.243, 0.692), (0.145, 0.049)),
    9: (_D65, (0.708, 0.292), (0.170, 0.797), (0.131, 0.046)),
    10: ((1 / 3, 1 / 3), (1.0, 0.0), (0.0, 1.0), (0.0, 0.0)),
    11: ((0.314, 0.351), (0.680, 0.320), (0.265, 0.690), (0.150, 0.060)),
    12: (_D65, (0.680, 0.320), (0.265, 0.690), (0.150, 0.060)),
    22: (_D65, (0.630, 0.340), (0.295, 0.605), (0.155, 0.077)),
}
# Parameters of a `parametricCurveType` (ICC.1:2022, 10.18): a power, or a power above a straight line.
_SRGB_CURVE = (2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)
_BT709_CURVE = (1 / 0.45, 1 / 1.099, 0.099 / 1.099, 1 / 4.5, 0.081)
_TRANSFERS: dict[int, tuple[float, ...]] = {
    4: (2.2,),
    5: (2.8,),
    8: (1.0,),
    13: _SRGB_CURVE,
} | dict.fromkeys((1, 6, 14, 15), _BT709_CURVE)
_HDR = {16: "PQ", 18: "HLG"}

_BRADFORD = np.array([[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]])
_PCS_WHITE = (0.9642, 1.0, 0.8249)


@dataclass(frozen=True)
class ColourSpace:
    """What the numbers of a picture mean.

    Attributes:
        chromaticities: of white and the primaries.
        curve: parameters of the transfer function, see above.
    """

    chromaticities: _Chromaticities = _SRGB_PRIMARIES
    curve: tuple[float, ...] = _SRGB_CURVE

    def profile(self, channels: int) -> bytes | None:
        """An ICC profile for 1 to 4 channels; None for sRGB, which is understood without one."""
        if self.curve == _SRGB_CURVE and (channels < 3 or self.chromaticities == _SRGB_PRIMARIES):
            return None
        form = 0 if len(self.curve) == 1 else 3
        curve = b"para" + struct.pack(">LHH", 0, form, 0) + _fixed(self.curve)
        tags = {b"desc": _text("custom"), b"cprt": _text("CC0")}
        tags[b"wtpt"] = _xyz(_PCS_WHITE)
        if channels < 3:
            return _profile(b"GRAY", tags | {b"kTRC": curve})
        adaptation, primaries = _adapted(self.chromaticities)
        tags[b"chad"] = b"sf32" + bytes(4) + _fixed(adaptation.ravel())
        for name, column in zip("rgb", primaries.T, strict=True):
            tags[f"{name}XYZ".encode()] = _xyz(column)
            tags[f"{name}TRC".encode()] = curve
        return _profile(b"RGB ", tags)


ADOBE_RGB = ColourSpace((_D65, (0.64, 0.33), (0.21, 0.71), (0.15, 0.06)), (563 / 256,))


def coded_colour_space(data: bytes) -> ColourSpace | None:
    """The colour space that a PNG, AVIF or HEIC file tells by code points; None if it tells none.

    Args:
        data: the file.

    Raises:
        InputError: colours that an 8-bit picture for ordinary screens does not hold, or unknown ones.
    """
    if data.startswith(SIGNATURE):
        for kind, start, end in chunks(data):
            if kind == b"cICP" and end - start == 16:
                primaries, transfer, _, full = data[start + 8 : start + 12]
                if not full:
                    raise InputError("pictures of narrow range (cICP) are not supported")
                return _of_code_points(primaries, transfer)
            if kind == b"IDAT":
                break
        return None
    found = _NCLX.search(data)
    return _of_code_points(*struct.unpack(">HH", found[1])) if found else None


def png_colour_space(info: dict[Any, Any]) -> ColourSpace | None:
    """The colour space of `gAMA` and `cHRM`, as Pillow tells them; None without, or if it is nearly sRGB."""
    if "srgb" in info:
        return None
    curve: tuple[float, ...] = _SRGB_CURVE
    gamma = info.get("gamma") or _PNG_SRGB_GAMMA
    if abs(gamma / _PNG_SRGB_GAMMA - 1) > _PNG_GAMMA_TOLERANCE:
        curve = (1 / gamma,)
    numbers = info.get("chromaticity")
    chromaticities: _Chromaticities = _SRGB_PRIMARIES
    if numbers:
        given = tuple((numbers[i], numbers[i + 1]) for i in range(0, 8, 2))
        if not np.allclose(given, _SRGB_PRIMARIES, atol=1.5e-3):
            chromaticities = given
    if (curve, chromaticities) == (_SRGB_CURVE, _SRGB_PRIMARIES):
        return None
    try:
        _adapted(chromaticities)
    except (ZeroDivisionError, np.linalg.LinAlgError) as error:
        raise InputError("its cHRM chunk describes no colours") from error
    return ColourSpace(chromaticities, curve)


def _of_code_points(primaries: int, transfer: int) -> ColourSpace | None:
    if transfer in _HDR:
        raise InputError(f"its colours are coded for HDR ({_HDR[transfer]}); convert it to SDR first")
    if primaries in (0, _UNSPECIFIED) and transfer in (0, _UNSPECIFIED):
        return None
    chromaticities = _SRGB_PRIMARIES if primaries == _UNSPECIFIED else _PRIMARIES.get(primaries)
    curve = _SRGB_CURVE if transfer == _UNSPECIFIED else _TRANSFERS.get(transfer)
    if chromaticities is None or curve is None:
        raise InputError(f"colours of CICP primaries {primaries}, transfer {transfer} are not supported")
    return ColourSpace(chromaticities, curve)


def _adapted(
    chromaticities: _Chromaticities,
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Adaptation to the white of profiles (ICC.1:2022, annex E), and adapted primaries as columns of XYZ."""
    white, *primaries = (np.array([x / y, 1, (1 - x - y) / y]) for x, y in _nonzero(chromaticities))
    matrix = np.array(primaries).T
    matrix = matrix * np.linalg.solve(matrix, white)
    cones = _BRADFORD @ np.array(_PCS_WHITE) / (_BRADFORD @ white)
    adaptation = np.linalg.inv(_BRADFORD) @ (cones[:, None] * _BRADFORD)
    return adaptation, adaptation @ matrix


def _nonzero(chromaticities: _Chromaticities) -> _Chromaticities:
    """The same, no y being 0: such a primary only has a direction."""
    return tuple((x, y or 1e-9) for x, y in chromaticities)


def _fixed(values: Any) -> bytes:
    return b"".join(struct.pack(">l", round(float(value) * 65536)) for value in values)


def _xyz(values: Any) -> bytes:
    return b"XYZ " + bytes(4) + _fixed(values)


def _text(text: str) -> bytes:
    coded = text.encode("utf-16-be")
    return b"mluc" + struct.pack(">LLL4sLL", 0, 1, 12, b"enUS", len(coded), 28) + coded


def _profile(space: bytes, tags: dict[bytes, bytes]) -> bytes:
    """A display profile of version 4.3 (ICC.1:2022, section 7); equal elements are stored once."""
    start = 128 + 4 + 12 * len(tags)
    body, places = b"", {}
    for data in tags.values():
        if data not in places:
            places[data] = start + len(body)
            body += data + bytes(-len(data) % 4)
    table = b"".join(struct.pack(">4sLL", tag, places[data], len(data)) for tag, data in tags.items())
    head = struct.pack(
        ">LLL4s4s4s6H4s",
        start + len(body),
        0,
        0x04300000,
        b"mntr",
        space,
        b"XYZ ",
        2026,
        1,
        1,
        0,
        0,
        0,
        b"acsp",
    )
    head = head.ljust(68, b"\0") + _fixed(_PCS_WHITE)
    return head.ljust(128, b"\0") + struct.pack(">L", len(tags)) + table + body
