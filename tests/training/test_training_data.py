"""Photos for training: loading, the held-out rule, deterministic batches."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from inrcodec.errors import InputError
from inrcodec.training.data import Sampler, held_out, load_photos
from inrcodec.training.worker import Worker, single_worker

CPU = torch.device("cpu")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    for index in range(24):
        height, width = rng.integers(20, 40, 2)
        place = tmp_path / "sub" if index % 2 else tmp_path
        place.mkdir(exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (height, width, 3), np.uint8)).save(place / f"{index}.png")
    (tmp_path / "notes.txt").write_text("not a photo")
    return tmp_path


def test_split_follows_the_hash_of_the_name(folder: Path) -> None:
    train, validation = load_photos(folder, "train", CPU), load_photos(folder, "validation", CPU)
    assert len(train) + len(validation) == len(load_photos(folder, "all", CPU)) == 24
    assert len(validation) > 0
    for name in validation.names:
        assert held_out(name)
        assert hashlib.sha1(name.encode(), usedforsecurity=False).hexdigest()[0] in "01"
    assert not any(held_out(name) for name in train.names)


def test_crops_are_cut_from_the_named_photo(folder: Path) -> None:
    photos = load_photos(folder, "all", CPU)
    rng = np.random.default_rng(1)
    photo = rng.integers(0, len(photos), 9)
    top, left = rng.integers(0, photos.sizes[photo] - 11).T
    crops = photos.crops(photo, top, left, 12)
    assert crops.dtype == torch.uint8
    for crop, name, y, x in zip(crops, [photos.names[index] for index in photo], top, left, strict=True):
        pixels = np.asarray(Image.open(next(folder.rglob(name))))
        np.testing.assert_array_equal(crop.numpy(), pixels[y : y + 12, x : x + 12])


def test_batches_depend_on_their_number_only(folder: Path) -> None:
    photos = load_photos(folder, "train", CPU)
    first, second = (Sampler(photos, 16, 6, 5, single_worker("cpu")) for _ in range(2))
    second(3)
    assert torch.equal(first(7), second(7))
    assert not torch.equal(first(7), first(8))
    assert not torch.equal(first(7), first(7, stream=1))
    assert not torch.equal(first(7), Sampler(photos, 16, 6, 6, single_worker("cpu"))(7))


@pytest.mark.parametrize("centre", [False, True])
def test_processes_share_one_global_batch(folder: Path, centre: bool) -> None:
    photos = load_photos(folder, "train", CPU)
    whole = Sampler(photos, 16, 6, 5, single_worker("cpu"), centre)(2)
    parts = [Sampler(photos, 16, 6, 5, Worker(rank, 3, CPU), centre)(2) for rank in range(3)]
    assert torch.equal(torch.cat(parts), whole)
    with pytest.raises(InputError, match="evenly"):
        Sampler(photos, 16, 6, 5, Worker(0, 4, CPU))(0)


def test_resizing_sets_the_shorter_side(folder: Path) -> None:
    photos = load_photos(folder, "all", CPU, resize=25)
    assert (photos.sizes.min(axis=1) == 25).all()
    assert len(load_photos(folder, "all", CPU, smallest=30)) < 24


def test_npz_arrays(tmp_path: Path) -> None:
    rng = np.random.default_rng(2)
    train, test = (rng.integers(0, 256, (count, 10, 12, 3), np.uint8) for count in (5, 2))
    path = tmp_path / "images.npz"
    np.savez(path, train_data=train, test_data=test, labels=np.arange(5))
    loaded = load_photos(path, "train", CPU)
    assert len(loaded) == 5
    np.testing.assert_array_equal(loaded.pixels.numpy().reshape(train.shape), train)
    assert len(load_photos(tmp_path, "validation", CPU)) == 2


def test_grey_and_alpha_become_rgb(tmp_path: Path) -> None:
    Image.new("L", (8, 8), 100).save(tmp_path / "grey.png")
    Image.new("RGBA", (8, 8), (1, 2, 3, 255)).save(tmp_path / "alpha.png")
    photos = load_photos(tmp_path, "all", CPU)
    colours = {
        name: tuple(photos.pixels[start].tolist())
        for name, start in zip(photos.names, photos.starts, strict=True)
    }
    assert colours == {"alpha.png": (1, 2, 3), "grey.png": (100, 100, 100)}


def test_unusable_data_are_an_input_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="does not exist"):
        load_photos(tmp_path / "nowhere", "train", CPU)
    with pytest.raises(InputError, match="no photo"):
        load_photos(tmp_path, "train", CPU)
    for name in ("broken.png", "broken.npz"):
        (tmp_path / name).write_bytes(b"not an image")
        with pytest.raises(InputError, match=name):
            load_photos(tmp_path, "train", CPU)
        (tmp_path / name).unlink()
