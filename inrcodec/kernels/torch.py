"""The torch kernels: networks on a GPU, the rest as in numpy.

Everything exact is in float64, whose products and sums of the integers there are come out the same in any
order, in matrix products only (convolutions may go through transforms that round), and nothing is divided by
a number but a power of two, since CUDA multiplies by its reciprocal.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import cached_property

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn.functional import pixel_shuffle, pixel_unshuffle

from inrcodec.decisions import fitting
from inrcodec.decisions.effort import Effort
from inrcodec.decisions.fitting import Fit
from inrcodec.entropy.syntax import EntropyModel
from inrcodec.errors import EncodeError
from inrcodec.kernels.numpy import FloatArray, NumpyKernels, Planes
from inrcodec.signal import reconstruction
from inrcodec.signal.prediction import (
    INPUT_MAX,
    INPUT_ONE,
    PHASE_BITS,
    SINE_ONE,
    SINE_TABLE,
    TURN,
    PredictionNetwork,
)
from inrcodec.signal.quantiser import Quantiser
from inrcodec.signal.restoration import (
    FOLD,
    HIDDEN_MAX,
    Layer,
    RestorationNetwork,
    correction,
    inner,
    inputs,
    surroundings,
)
from inrcodec.tile.fixed_point import SAMPLE_MAX
from inrcodec.tile.partition import Box, CellMap
from inrcodec.tile.symbols import TileSymbols

DoubleArray = npt.NDArray[np.floating]


@dataclass(frozen=True)
class TorchKernels(NumpyKernels):
    """See `inrcodec.kernels.Kernels`.

    Attributes:
        name: "torch".
        device: "cpu" or "cuda".
    """

    name = "torch"
    device: str = "cpu"

    def reconstruct(
        self, symbols: TileSymbols, quantiser: Quantiser, predictors: Mapping[int, PredictionNetwork]
    ) -> Planes:
        """See `Kernels`."""
        return reconstruction.reconstruct(symbols, quantiser, self.predictors(predictors))

    def restore(
        self,
        network: RestorationNetwork,
        planes: Planes,
        cells: CellMap,
        step: int,
        strength: int,
        box: Box,
    ) -> Planes:
        """See `Kernels`."""
        x = _tensor(inputs(planes, cells, step, *surroundings(network, box)), self.device)
        for layer in network.head:
            x = _activations(_convolve(x, layer), layer)
        y = _activations(_convolve(pixel_unshuffle(x, 2), network.down), network.down)
        for layer in network.branch:
            y = _activations(_convolve(y, layer), layer)
        added = torch.floor(_convolve(y, network.up) * 0.5**network.up.shift)
        x = (inner(x, 2 * len(network.branch)) + pixel_shuffle(added, 2)).clamp_(0, HIDDEN_MAX)
        *hidden, last = network.tail
        for layer in hidden:
            x = _activations(_convolve(x, layer), layer)
        x = inner(_convolve(x, last), len(network.tail) % 2)
        outputs = x[: len(planes) * FOLD**2].cpu().numpy()
        top, left, bottom, right = box
        samples = planes[:, top:bottom, left:right] + correction(outputs, last.shift, step, strength)
        return np.clip(samples, -SAMPLE_MAX, SAMPLE_MAX).astype(np.int16)

    def fit_tile(
        self,
        planes: FloatArray,
        quantiser: Quantiser,
        predictors: Mapping[int, PredictionNetwork],
        model: EntropyModel,
        effort: Effort,
    ) -> Fit:
        """See `Kernels`."""
        return fitting.fit_tile(planes, quantiser, self.predictors(predictors), model, effort)

    def predictors(self, networks: Mapping[int, PredictionNetwork]) -> dict[int, "DeviceNetwork"]:
        """Prediction networks, per cell size, that compute on the device."""
        return {size: DeviceNetwork.of(network, self.device) for size, network in networks.items()}


@dataclass(frozen=True, eq=False)
class DeviceNetwork(PredictionNetwork):
    """A prediction network whose matrix products are done on a device; it takes and gives float64 of numpy.

    Attributes:
        device: "cpu" or "cuda".
    """

    device: str

    @classmethod
    def of(cls, network: PredictionNetwork, device: str) -> "DeviceNetwork":
        """The same network on a device."""
        return cls(**{f.name: getattr(network, f.name) for f in fields(network)}, device=device)

    @cached_property
    def _tensors(self) -> dict[str, Tensor]:
        names = [f.name for f in fields(PredictionNetwork) if f.name != "size"]
        return {name: _tensor(getattr(self, name), self.device) for name in names} | {
            "sines": _tensor(SINE_TABLE, self.device)
        }

    def features(self, centred: DoubleArray, scale: DoubleArray) -> DoubleArray:
        """See `PredictionNetwork`."""
        samples, scales = _tensor(centred, self.device), _tensor(scale, self.device)
        x = torch.floor((samples * (2 * INPUT_ONE) + scales) / (2 * scales)).clamp_(-INPUT_MAX, INPUT_MAX)
        h = x
        for layer, bits in enumerate(PHASE_BITS, 1):
            phase = h @ self._tensors[f"weight{layer}"].T + self._tensors[f"bias{layer}"]
            index = torch.floor(phase * 0.5**bits).long() & (TURN - 1)
            h = self._tensors["sines"][index]
        return torch.cat([h, x * (SINE_ONE // INPUT_ONE)], -1).cpu().numpy()

    def outputs(self, features: DoubleArray, rows: slice = slice(None)) -> DoubleArray:
        """See `PredictionNetwork`."""
        weight, bias = self._tensors["weight3"][rows], self._tensors["bias3"][rows]
        return (_tensor(features, self.device) @ weight.T + bias).cpu().numpy()


def _tensor(array: npt.NDArray[np.floating], device: str) -> Tensor:
    return torch.as_tensor(array, dtype=torch.float64, device=device)


def _activations(sums: Tensor, layer: Layer) -> Tensor:
    return torch.floor(sums * 0.5**layer.shift).clamp_(0, HIDDEN_MAX)


def _convolve(x: Tensor, layer: Layer) -> Tensor:
    """A k x k convolution of (in, H, W) without padding: (out, H - k + 1, W - k + 1)."""
    weight, bias = (_tensor(part, str(x.device)) for part in (layer.weight, layer.bias))
    side = weight.shape[-1]
    height, width = (length - side + 1 for length in x.shape[1:])
    result = bias[:, None].repeat(1, height * width)
    for dy in range(side):
        for dx in range(side):
            shifted = x[:, dy : dy + height, dx : dx + width].reshape(len(x), -1)
            result = torch.addmm(result, weight[:, :, dy, dx], shifted)
    return result.reshape(-1, height, width)


def load(device: str, jobs: int | None = None) -> TorchKernels:
    """The kernels.

    Args:
        device: "cpu" or "cuda".
        jobs: is ignored; there are no threads of its own.

    Raises:
        EncodeError: there is no such device.
    """
    del jobs
    if device == "cuda" and not torch.cuda.is_available():
        raise EncodeError("no CUDA device: install torch with CUDA support, or use the CPU")
    return TorchKernels(device)
