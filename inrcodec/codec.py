"""encode, decode, inspect: pictures to bytes and back.

photo -> planes -> cells -> fit -> integers -> entropy coder -> .sinr bytes
.sinr bytes -> integers -> survivors -> render (any scale, any region) -> photo
"""

import importlib.util
import math
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import zstandard

from inrcodec.bitstream import TILE, Container, pack, tile_grid, unpack
from inrcodec.cells import BLOCK
from inrcodec.codebook import Codebook, find_codebook, load_codebook
from inrcodec.color import FRACTION, to_pixels, to_planes
from inrcodec.errors import EncodeError, FormatError, InputError, LimitError
from inrcodec.fit import DEFAULT_STEPS, fit_tile
from inrcodec.limits import DEFAULT_LIMITS, Limits
from inrcodec.quantize import STEP_MAX, STEP_MIN, quality_of_step, step_of_quality
from inrcodec.reconstruct import reconstruct
from inrcodec.render import axis, resample
from inrcodec.tilestream import inflate, read_tile, write_tile

if TYPE_CHECKING:
    from PIL import Image

    from inrcodec.imageio import Picture

Pixels = npt.NDArray[np.uint8]
Planes = npt.NDArray[np.float64]

_ZSTD_LEVEL = 19
_SEARCH_FITS = 8


@dataclass(frozen=True)
class Info:
    """What a .sinr file says about itself.

    Attributes:
        width, height: pixels.
        channels: 1 grey, 2 grey + alpha, 3 RGB, 4 RGBA.
        version: format version.
        codebook: id of the codebook, hexadecimal.
        quality: quality that gives the file's quantiser step.
        quantiser_step: in 8-bit levels.
        entropy: "rans" or "zstd".
        tiles: number of independently coded tiles.
        has_alpha: whether there is an alpha section.
        icc_bytes, exif_bytes: size of these sections in the file, 0 without.
        file_bytes: size of the file.
        bpp: bits of the file per pixel.
    """

    width: int
    height: int
    channels: int
    version: int
    codebook: str
    quality: float
    quantiser_step: float
    entropy: str
    tiles: int
    has_alpha: bool
    icc_bytes: int
    exif_bytes: int
    file_bytes: int
    bpp: float


def encode(
    image: "Pixels | Image.Image | Picture",
    *,
    quality: float | None = None,
    bpp: float | None = None,
    psnr: float | None = None,
    max_bytes: int | None = None,
    steps: int = DEFAULT_STEPS,
    codebook: str | os.PathLike[str] | None = None,
    entropy: str = "auto",
    device: str = "auto",
    icc: bytes | None = None,
    exif: bytes | None = None,
    progress: Callable[[float], None] | None = None,
) -> bytes:
    """Encodes a picture.

    Args:
        image: uint8 array, (H, W) or (H, W, 1) grey, (H, W, 2) grey and alpha, (H, W, 3) RGB,
            (H, W, 4) RGBA; or a Pillow image; or a `Picture`. Alpha is kept without loss.
        quality: 1 (small) to 100 (good); 50 unless a target is given.
        bpp: target in bits per pixel: the largest file that is not above it.
        psnr: target in dB over the colour channels (of all pixels, however transparent): the smallest file
            that is not below it.
        max_bytes: target in bytes: the largest file that is not above it.
        steps: fine-tuning steps after the closed-form one.
        codebook: name of a shipped codebook, or path of one.
        entropy: "auto" or "rans" for the context coder, "zstd" for the plain one.
        device: "auto", "cpu" or "cuda".
        icc, exif: metadata to keep; those of a Pillow image or `Picture` are kept anyway.
        progress: called with the fraction done, from 0 to 1.

    Returns:
        The .sinr file. At most one of quality, bpp, psnr and max_bytes may be given; a target takes
        several fits.

    Raises:
        ValueError: an argument is out of range, or more than one target is given.
        InputError: the picture is not one of these, or a metadata block is too large.
        LimitError: the picture is larger than a decoder accepts by default.
        EncodeError: the target is out of reach, or the device is missing.
    """
    targets = {"quality": quality, "bpp": bpp, "psnr": psnr, "max_bytes": max_bytes}
    given = [name for name, value in targets.items() if value is not None]
    if len(given) > 1:
        raise ValueError(f"give at most one of {', '.join(targets)}")
    if quality is not None and not 1 <= quality <= 100:
        raise ValueError("quality must be between 1 and 100")
    if not all(0 < value < math.inf for value in targets.values() if value is not None):
        raise ValueError("bpp, psnr and max_bytes must be positive numbers")
    if entropy not in ("auto", "rans", "zstd") or steps < 0:
        raise ValueError("entropy must be auto, rans or zstd; steps cannot be negative")
    pixels, icc, exif = _picture_parts(image, icc, exif)
    book = load_codebook(codebook)
    xp, where = _backend(device)
    height, width, channels = pixels.shape
    if max(height, width) > DEFAULT_LIMITS.max_side or height * width > DEFAULT_LIMITS.max_pixels:
        raise LimitError(f"a picture of {width} x {height} pixels exceeds the limit")
    colour = pixels[:, :, : 1 if channels < 3 else 3]
    sections = {}
    if channels in (2, 4):
        sections["alpha"] = _deflate_alpha(pixels[:, :, -1])
    for name, block in (("icc", icc), ("exif", exif)):
        if block:
            if len(block) > DEFAULT_LIMITS.max_metadata_bytes:
                raise InputError(f"the {name.upper()} block of {len(block)} bytes is too large to keep")
            sections[name] = zstandard.ZstdCompressor(level=_ZSTD_LEVEL).compress(block)
    job = _Job(colour, book, steps, "rans" if entropy == "auto" else entropy, sections, xp, where)
    if not given or quality is not None:
        return job.run(step_of_quality(quality or 50), progress)[0]
    if psnr is not None:
        return _search(job, lambda data, error: error >= psnr, f"{psnr} dB", progress, finest=False)
    limit = max_bytes if max_bytes is not None else int((bpp or 0) * height * width / 8)
    return _search(job, lambda data, error: len(data) <= limit, f"{limit} bytes", progress, finest=True)


@dataclass(frozen=True)
class _Job:
    """Everything about an encode but the quantiser step."""

    colour: Pixels
    codebook: Codebook
    steps: int
    entropy: str
    sections: dict[str, bytes]
    xp: Any
    device: str

    def run(self, step: int, progress: Callable[[float], None] | None) -> tuple[bytes, float]:
        """The file at a quantiser step, and its PSNR in dB."""
        height, width, channels = self.colour.shape
        rows, cols = tile_grid(width, height)
        tiles = []
        squares = 0.0
        for number, (y, x) in enumerate(np.ndindex(rows, cols)):
            part = self.colour[y * TILE : (y + 1) * TILE, x * TILE : (x + 1) * TILE]
            pad = [(0, -n % BLOCK) for n in part.shape[:2]]
            fit = fit_tile(
                to_planes(np.pad(part, [*pad, (0, 0)], mode="edge")),
                step, self.codebook, self.steps, self.xp, self.device,
            )  # fmt: skip
            tiles.append(write_tile(fit.symbols, step, self.codebook.entropy, self.entropy))
            planes = self.codebook.joins.smooth(fit.planes, fit.symbols.partition, step)
            decoded = to_pixels(planes[:, : part.shape[0], : part.shape[1]])
            squares += float(((decoded - part) ** 2).sum())
            if progress:
                progress((number + 1) / (rows * cols))
        container = Container(
            width, height, channels == 1, step, self.codebook.id, self.entropy, tuple(tiles), self.sections
        )
        mean = squares / self.colour.size
        return pack(container), 10 * math.log10(255**2 / mean) if mean else math.inf


def _search(
    job: _Job,
    meets: Callable[[bytes, float], bool],
    target: str,
    progress: Callable[[float], None] | None,
    finest: bool,
) -> bytes:
    """Bisects the quantiser step on a log scale.

    Args:
        meets: whether a file and its PSNR meet the target.
        finest: whether finer steps leave the target (a size) or reach it (a quality).
    """
    low, high = STEP_MIN, STEP_MAX
    best = None
    for number in range(_SEARCH_FITS + 2):
        # The two ends first: the easy one tells whether the target can be met at all.
        step = (high if finest else low) if number == 0 else round(math.sqrt(low * high))
        data, error = job.run(step, None)
        good = meets(data, error)
        if number == 0:
            if not good:
                raise EncodeError(f"the target of {target} is out of reach for this picture")
        elif good == finest:
            high = step
        else:
            low = step
        if good and (best is None or (len(data) > len(best) if finest else len(data) < len(best))):
            best = data
        if progress:
            progress((number + 1) / (_SEARCH_FITS + 2))
        if high - low <= 1:
            break
    if best is None:
        raise EncodeError(f"the target of {target} is out of reach for this picture")
    return best


def decode(
    data: bytes,
    *,
    scale: float | None = None,
    size: tuple[int, int] | None = None,
    crop: tuple[int, int, int, int] | None = None,
    codebook: str | os.PathLike[str] | None = None,
    device: str = "auto",
    limits: Limits = DEFAULT_LIMITS,
) -> Pixels:
    """Decodes a .sinr file at any resolution.

    Args:
        data: the file.
        scale: output pixels per source pixel; 1 unless `size` is given.
        size: output (width, height) instead.
        crop: (x, y, width, height) in source pixels; only this region is rendered, at `scale` or to `size`.
        codebook: name or path of the codebook, if it is not a shipped one.
        device: "auto", "cpu" or "cuda".
        limits: bounds on what is read and rendered.

    Returns:
        uint8, (H, W) for grey, else (H, W, channels). At scale 1 the same bytes on every machine.

    Raises:
        ValueError: scale, size or crop make no sense for this picture.
        FormatError: the file is damaged; CodebookNotFoundError: its codebook is not installed.
        LimitError: a limit would be exceeded.
        EncodeError: the device is missing.
    """
    pixels = _decode(unpack(data, limits), scale, size, crop, codebook, device, limits)
    return pixels[:, :, 0] if pixels.shape[2] == 1 else pixels


def _decode(
    container: Container,
    scale: float | None,
    size: tuple[int, int] | None,
    crop: tuple[int, int, int, int] | None,
    codebook: str | os.PathLike[str] | None,
    device: str,
    limits: Limits,
) -> Pixels:
    """Pixels (H, W, C) of an unpacked file; arguments as for `decode`."""
    region = crop or (0, 0, container.width, container.height)
    x, y, width, height = region
    if (
        min(x, y) < 0
        or min(width, height) < 1
        or x + width > container.width
        or y + height > container.height
    ):
        raise ValueError(
            f"the region {region} is not inside the {container.width} x {container.height} picture"
        )
    if scale is not None and size is not None:
        raise ValueError("give only one of scale and size")
    if size is None:
        scale = 1.0 if scale is None else scale
        if not (math.isfinite(scale) and scale > 0):
            raise ValueError("scale must be a positive number")
        size = max(1, round(width * scale)), max(1, round(height * scale))
    if min(size) < 1:
        raise ValueError("the size must be at least 1 x 1")
    if size[0] * size[1] > limits.max_pixels or max(size) > limits.max_side:
        raise LimitError(f"rendering {size[0]} x {size[1]} pixels exceeds the limit")
    book = find_codebook(container.codebook) if codebook is None else load_codebook(codebook)
    if book.id != container.codebook:
        raise FormatError(f"the file needs codebook {container.codebook.hex()}, not {book.id.hex()}")
    xp, where = _backend(device)
    channels = 1 if container.grey else 3
    result = np.empty((size[1], size[0], channels + ("alpha" in container.sections)), np.uint8)
    source = _Source(container, book, xp, where)
    _render(source, region, result[:, :, :channels])
    if "alpha" in container.sections:
        result[:, :, channels] = _scaled_alpha(_inflate_alpha(container), region, size)
    return result


class _Source:
    """Decoded tiles of a file, kept only while rows of the output still need them."""

    def __init__(self, container: Container, codebook: Codebook, xp: Any, device: str) -> None:
        self._container = container
        self._codebook = codebook
        self._xp, self._device = xp, device
        self._tiles: dict[tuple[int, int], npt.NDArray[np.float32]] = {}

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width of the picture."""
        return self._container.height, self._container.width

    def _tile(self, row: int, col: int) -> npt.NDArray[np.float32]:
        """Planes of one tile, exact integers (below 2**13, so float32 holds them)."""
        if (row, col) not in self._tiles:
            c = self._container
            shape = min(TILE, c.height - row * TILE), min(TILE, c.width - col * TILE)
            blocks = -(-shape[0] // BLOCK), -(-shape[1] // BLOCK)
            data = c.tiles[row * tile_grid(c.width, c.height)[1] + col]
            channels = 1 if c.grey else 3
            symbols = read_tile(data, blocks, channels, c.step, self._codebook.entropy, c.entropy)
            planes = reconstruct(symbols, c.step, self._codebook, self._xp, self._device)
            if self._xp is not np:
                planes = planes.cpu().numpy()
            planes = self._codebook.joins.smooth(planes, symbols.partition, c.step)
            self._tiles[row, col] = planes[:, : shape[0], : shape[1]].astype(np.float32)
        return self._tiles[row, col]

    def region(self, top: int, left: int, bottom: int, right: int) -> npt.NDArray[np.float32]:
        """Planes of a region inside the picture; tiles above it are dropped from memory."""
        self._tiles = {key: tile for key, tile in self._tiles.items() if (key[0] + 1) * TILE > top}
        channels = 1 if self._container.grey else 3
        out = np.empty((channels, bottom - top, right - left), np.float32)
        for row in range(top // TILE, (bottom - 1) // TILE + 1):
            for col in range(left // TILE, (right - 1) // TILE + 1):
                y0, x0 = max(top, row * TILE), max(left, col * TILE)
                y1, x1 = min(bottom, (row + 1) * TILE), min(right, (col + 1) * TILE)
                part = self._tile(row, col)[
                    :, y0 - row * TILE : y1 - row * TILE, x0 - col * TILE : x1 - col * TILE
                ]
                out[:, y0 - top : y1 - top, x0 - left : x1 - left] = part
        return out


_STRIP_PIXELS = 1 << 20


def _render(source: _Source, region: tuple[int, int, int, int], out: Pixels) -> None:
    """Fills `out` (H, W, C) with a region of the picture, strip by strip."""
    x, y, width, height = region
    rows, cols = out.shape[:2]
    native = (cols, rows) == (width, height)
    strip = max(1, _STRIP_PIXELS // cols)
    col_grid = axis(x, x + width, cols)
    for begin in range(0, rows, strip):
        end = min(rows, begin + strip)
        if native:
            planes = source.region(y + begin, x, y + end, x + width)
            out[begin:end] = to_pixels(planes.astype(np.float64))
            continue
        row_grid = axis(y + begin * height / rows, y + end * height / rows, end - begin)
        row_index, col_index = row_grid.sources(source.shape[0]), col_grid.sources(source.shape[1])
        top, left = int(row_index.min()), int(col_index.min())
        planes = source.region(top, left, int(row_index.max()) + 1, int(col_index.max()) + 1)
        planes = resample(planes, (row_index - top, row_grid.taps), (col_index - left, col_grid.taps))
        out[begin:end] = to_pixels(planes.astype(np.float64))


def decode_picture(
    data: bytes,
    *,
    scale: float | None = None,
    size: tuple[int, int] | None = None,
    crop: tuple[int, int, int, int] | None = None,
    codebook: str | os.PathLike[str] | None = None,
    device: str = "auto",
    limits: Limits = DEFAULT_LIMITS,
) -> "Picture":
    """Decodes a file with its metadata; arguments and errors as for `decode`."""
    from inrcodec.imageio import Picture

    container = unpack(data, limits)
    pixels = _decode(container, scale, size, crop, codebook, device, limits)
    blocks = {
        name: inflate(container.sections[name], limits.max_metadata_bytes)
        for name in ("icc", "exif")
        if name in container.sections
    }
    return Picture(pixels, blocks.get("icc"), blocks.get("exif"))


def inspect(data: bytes, *, limits: Limits = DEFAULT_LIMITS) -> Info:
    """Reads the header of a .sinr file (and checks its CRC).

    Raises:
        FormatError: the file is damaged; LimitError: a limit is exceeded.
    """
    c = unpack(data, limits)
    alpha = "alpha" in c.sections
    return Info(
        width=c.width,
        height=c.height,
        channels=(1 if c.grey else 3) + alpha,
        version=data[4],
        codebook=c.codebook.hex(),
        quality=round(quality_of_step(c.step), 2),
        quantiser_step=c.step / 2**FRACTION,
        entropy=c.entropy,
        tiles=len(c.tiles),
        has_alpha=alpha,
        icc_bytes=len(c.sections.get("icc", b"")),
        exif_bytes=len(c.sections.get("exif", b"")),
        file_bytes=len(data),
        bpp=8 * len(data) / (c.width * c.height),
    )


def _picture_parts(
    image: Any, icc: bytes | None, exif: bytes | None
) -> tuple[Pixels, bytes | None, bytes | None]:
    """(H, W, C) uint8 pixels and metadata of whatever `encode` accepts."""
    if not isinstance(image, np.ndarray):
        from PIL import Image

        from inrcodec.imageio import Picture, from_pil

        if not isinstance(image, Image.Image | Picture):
            raise InputError(f"expected an array, a Pillow image or a Picture, got {type(image).__name__}")
        picture = image if isinstance(image, Picture) else from_pil(image)
        return picture.pixels, icc or picture.icc, exif or picture.exif
    pixels = image[:, :, None] if image.ndim == 2 else image
    if pixels.dtype != np.uint8 or pixels.ndim != 3 or not 1 <= pixels.shape[2] <= 4 or not pixels.size:
        raise InputError(f"expected a uint8 picture with 1 to 4 channels, got {image.dtype} {image.shape}")
    return pixels, icc, exif.removeprefix(b"Exif\0\0") if exif else None


def _backend(device: str) -> tuple[Any, str]:
    """Array module and torch device: numpy unless a GPU is asked for or, with "auto", there."""
    if device not in ("auto", "cpu", "cuda"):
        raise ValueError("device must be auto, cpu or cuda")
    # Importing torch takes longer than decoding a photo: only where there may be a GPU to gain from.
    if device == "cpu" or (device == "auto" and shutil.which("nvidia-smi") is None):
        return np, "cpu"
    if importlib.util.find_spec("torch") is not None:
        import torch

        if torch.cuda.is_available():
            return torch, "cuda"
    if device == "cuda":
        raise EncodeError("no CUDA device: install torch with CUDA support, or use the CPU")
    return np, "cpu"


def _deflate_alpha(alpha: Pixels) -> bytes:
    """Differences to the left neighbour, modulo 256, in a zstd frame."""
    difference = np.diff(alpha, axis=1, prepend=np.uint8(0))
    return zstandard.ZstdCompressor(level=_ZSTD_LEVEL).compress(difference.tobytes())


def _inflate_alpha(container: Container) -> Pixels:
    count = container.width * container.height
    body = inflate(container.sections["alpha"], count)
    if len(body) != count:
        raise FormatError("the alpha section is truncated")
    difference = np.frombuffer(body, np.uint8).reshape(container.height, container.width)
    return np.cumsum(difference, axis=1, dtype=np.uint8)


def _scaled_alpha(alpha: Pixels, region: tuple[int, int, int, int], size: tuple[int, int]) -> Pixels:
    """A region (x, y, width, height) of the alpha channel, resampled to (width, height)."""
    x, y, width, height = region
    if size == (width, height):
        return alpha[y : y + height, x : x + width]
    from PIL import Image

    box = (x, y, x + width, y + height)
    return np.asarray(Image.fromarray(alpha).resize(size, Image.Resampling.BICUBIC, box))
