"""The survivors of one image as a file: what an adapted Meta-SparseINR costs on disk.

Not a .sinr file: those hold the cells of the codec, and a whole-image network is none. Like a .sinr file it
counts every byte, and leaves out what encoder and decoder share: architecture, mask and initialisation.

    magic "MSIR" | per tensor: step exponent (int8), decay (uint8) | rANS stream | CRC-32

Integers are little endian. The symbols are round((adapted - initial) / step) of the survivors, biases
included, clipped to -31..31, tensor by tensor; their probabilities are a two-sided geometric distribution
with the tensor's decay.
"""

from __future__ import annotations

import struct
import zlib

import numpy as np
from numpy.typing import NDArray

from inrcodec.entropy.rans import Decoder, Encoder, Tables, normalised
from inrcodec.errors import FormatError
from inrcodec.training.siren import Siren

_MAGIC = b"MSIR"
_CRC = struct.Struct("<I")
_LARGEST = 31
_STEPS_PER_OCTAVE = 4
_LANES = 1


def encode_survivors(siren: Siren, params: NDArray[np.float32], relative_step: float) -> bytes:
    """Code the difference of adapted parameters from the initialisation.

    Args:
        siren: the initialisation with its mask.
        params: (P,) adapted parameters, zero where the mask is False.
        relative_step: quantiser step of a tensor over the root mean square of its difference.
    """
    encoder = Encoder()
    header = b""
    for where in _tensors(siren):
        difference = params[where].astype(np.float64) - siren.params[where]
        size = np.sqrt(np.mean(difference**2)) if len(where) else 0.0
        exponent = round(_STEPS_PER_OCTAVE * np.log2(relative_step * size)) if size else 0
        exponent = max(-128, min(127, exponent))
        symbols = np.rint(difference / _step(exponent)).clip(-_LARGEST, _LARGEST).astype(np.int64)
        decay = _best_decay(symbols)
        header += struct.pack("<bB", exponent, decay)
        encoder.encode(_TABLES, np.full(len(where), decay), symbols + _LARGEST)
    data = _MAGIC + header + encoder.finish(_LANES)
    return data + _CRC.pack(zlib.crc32(data))


def decode_survivors(siren: Siren, data: bytes) -> NDArray[np.float32]:
    """The parameters (P,) that `encode_survivors` coded, as quantised.

    Raises:
        FormatError: the file is damaged, or was written for another network.
    """
    tensors = _tensors(siren)
    body = len(_MAGIC) + 2 * len(tensors)
    if len(data) < body + _CRC.size or not data.startswith(_MAGIC):
        raise FormatError("not the survivors of a network")
    if _CRC.unpack(data[-_CRC.size :])[0] != zlib.crc32(data[: -_CRC.size]):
        raise FormatError("the survivors of a network are corrupt")
    decoder = Decoder(data[body : -_CRC.size], _LANES)
    params = siren.params.copy()
    for index, where in enumerate(tensors):
        exponent, decay = struct.unpack_from("<bB", data, len(_MAGIC) + 2 * index)
        symbols = decoder.decode(_TABLES, np.full(len(where), decay)) - _LARGEST
        params[where] += (symbols * _step(exponent)).astype(np.float32)
    decoder.finish()
    return params


def _tensors(siren: Siren) -> list[NDArray[np.int64]]:
    """Positions of the tunable survivors in the flat vector, tensor by tensor."""
    return [slot.slice.start + np.flatnonzero(siren.tunable[slot.slice]) for slot in siren.layout.slots]


def _step(exponent: int) -> float:
    return float(2.0 ** (exponent / _STEPS_PER_OCTAVE))


def _two_sided_geometric() -> Tables:
    """Row i: probabilities proportional to (i / 256)^|symbol|, in integers so that every machine agrees."""
    counts = np.empty((256, 2 * _LARGEST + 1), np.int64)
    count = np.full(256, 1 << 40)
    for magnitude in range(_LARGEST + 1):
        counts[:, _LARGEST + magnitude] = counts[:, _LARGEST - magnitude] = count
        count = (count >> 8) * np.arange(256)
    return Tables(normalised(counts.astype(np.float64)))


def _best_decay(symbols: NDArray[np.int64]) -> int:
    """The row that codes the symbols in the fewest bits."""
    counts = np.bincount(symbols + _LARGEST, minlength=2 * _LARGEST + 1)
    return int((_TABLES.bits @ counts).argmin())


_TABLES = _two_sided_geometric()
