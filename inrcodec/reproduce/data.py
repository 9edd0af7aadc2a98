"""Training and test images of a reproduction, by the loader of `inrcodec.training`."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from inrcodec.errors import InputError
from inrcodec.training.data import Photos, load_photos
from inrcodec.training.maml import Options

_TEST_FOLDERS = ("val", "test")


def load_split(source: Path, options: Options, device: torch.device) -> tuple[Photos, Photos]:
    """Training and test photos, resized as ``options`` say.

    A folder with the folders ``train`` and ``val`` (or ``test``) in it is split as they are; any other one,
    or an npz file, by the rules of `inrcodec.training.data.load_photos`.

    Raises:
        InputError: there is nothing to train or to test on.
    """
    test = next((source / name for name in _TEST_FOLDERS if (source / name).is_dir()), None)
    if test is not None and (source / "train").is_dir():
        training = load_photos(source / "train", "all", device, resize=options.resize, smallest=options.crop)
        testing = load_photos(test, "all", device, resize=options.resize, smallest=options.crop)
    else:
        training = load_photos(source, "train", device, resize=options.resize, smallest=options.crop)
        testing = load_photos(source, "validation", device, resize=options.resize, smallest=options.crop)
    if not len(testing):
        raise InputError(f"{source} holds no image to test on")
    return training, testing


def centre_images(testing: Photos, crop: int, count: int) -> Tensor:
    """The middle of at most ``count`` photos spread evenly over the test set: uint8 (B, crop, crop, 3).

    Evenly, because folders list their classes one after the other.
    """
    number = min(count, len(testing))
    chosen = np.arange(number) * len(testing) // number
    return testing.centre_crops(chosen, crop)
