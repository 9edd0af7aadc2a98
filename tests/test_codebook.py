"""Codebook files: content ids, what is refused, and where they are found."""

import json

import numpy as np
import pytest
import synthetic
from safetensors.numpy import save

from inrcodec import codebook
from inrcodec.codebook import (
    available_codebooks,
    codebook_tensors,
    content_id,
    find_codebook,
    from_tensors,
    load_codebook,
    pack_matrix,
    serialise,
    without,
)
from inrcodec.errors import CodebookNotFoundError, FormatError


@pytest.fixture(scope="module")
def tensors():
    """Tensors of the synthetic codebook."""
    return synthetic.codebook_tensors()


@pytest.fixture
def folder(tmp_path, monkeypatch, tensors):
    """A folder of shipped codebooks: the synthetic one as the default, and another."""
    other = tensors | {"splits": tensors["splits"][::-1]}
    (tmp_path / "default.safetensors").write_bytes(serialise(tensors, synthetic.METADATA))
    (tmp_path / "other.safetensors").write_bytes(serialise(other, {"recipe": "a name"}))
    monkeypatch.setattr(codebook, "_folder", lambda: tmp_path)
    return tmp_path


def test_id_is_a_hash_of_the_content(tensors):
    identifier = content_id(tensors)
    assert len(identifier) == 4
    assert content_id(dict(reversed(tensors.items()))) == identifier
    assert from_tensors(tensors, {}).id == from_tensors(tensors, {"recipe": {}}).id == identifier
    for change in (
        {"splits": tensors["splits"].astype(np.int32)},
        {"splits": tensors["splits"].reshape(-1)},
        {"splits": tensors["splits"][::-1]},
        {"more": np.zeros(1, np.int32)},
    ):
        assert content_id(tensors | change) != identifier


def test_a_file_comes_back(synthetic_codebook, tensors):
    assert synthetic_codebook.id == content_id(tensors)
    assert synthetic_codebook.metadata == synthetic.METADATA
    again = codebook_tensors(
        synthetic_codebook.predictors,
        without(("starts.", "restoration."), tensors),
        synthetic_codebook.restoration,
    )
    assert content_id(again) == content_id(tensors)


@pytest.mark.parametrize("shape", [(1, 1), (3, 5), (8, 16), (7, 1)])
@pytest.mark.parametrize("sparsity", [0, 2, 5])
def test_pruned_matrices_are_masks_and_survivors(shape, sparsity):
    matrix = synthetic.draw("matrix", shape, -32767, 32767)
    matrix[synthetic.draw("mask", shape, 0, 9) < 2 * sparsity] = 0
    packed = pack_matrix("m", matrix)
    assert packed["m.survivors"].tolist() == matrix[matrix != 0].tolist()
    assert len(packed["m.mask"]) == -(-matrix.size // 8)
    assert np.array_equal(codebook._unpack_matrix("m", packed), matrix)


def broken(tensors):
    """Tensors that do not make a codebook, by what is wrong."""
    yield "missing", {n: t for n, t in tensors.items() if n != "modes"}
    yield "missing network", {n: t for n, t in tensors.items() if not n.startswith("starts.16")}
    for name in (
        "splits",
        "modes",
        "restoration.shifts",
        "restoration.weight1",
        "restoration.weight3",
        "restoration.bias2",
        "extents.8.tables",
        "magnitudes.32.weight1",
        "starts.8.bias2",
        "starts.16.weight1.mask",
        "starts.16.weight1.survivors",
        "starts.16.weight1.shape",
    ):
        yield f"short {name}", tensors | {name: tensors[name][:-1]}
        yield f"no axes {name}", tensors | {name: np.array(1, tensors[name].dtype)}
        yield f"floats {name}", tensors | {name: tensors[name].astype(np.float32)}
    yield "distribution", tensors | {"splits": np.ones_like(tensors["splits"])}
    yield "exactness", tensors | {"magnitudes.8.weight2": tensors["magnitudes.8.weight2"] * 60000}
    wide = np.zeros_like(tensors["magnitudes.8.weight1"])
    wide[0, 0] = 1 << 15
    yield "more than 16 bits", tensors | {"magnitudes.8.weight1": wide}
    sums = np.full_like(tensors["starts.8.bias3"], 2**31 - 1)
    yield "more than 32 bits", tensors | {"starts.8.bias3": sums}
    large = np.full_like(tensors["restoration.weight2"], 2000)
    yield "exactness of restoration", tensors | {"restoration.weight2": large}
    for shift in (-1, 25):
        yield f"shift {shift}", tensors | {"restoration.shifts": np.array([8, shift, 16], np.int32)}
    for shape in ([1 << 20, 1 << 20], [-8, -8], [1 << 31, 1 << 31]):
        yield f"shape {shape}", tensors | {"starts.8.weight1.shape": np.array(shape, np.int64)}


def test_broken_codebooks_are_refused(tensors, tmp_path):
    for number, (what, wrong) in enumerate(broken(tensors)):
        path = tmp_path / f"{number}.safetensors"
        path.write_bytes(serialise(wrong, {}))
        with pytest.raises(FormatError) as caught:
            load_codebook(path)
        assert caught.value.__class__ is FormatError, what


@pytest.mark.parametrize("content", [b"", b"SINR" * 9, b"\xff" * 100, save({}, {"inrcodec": "no JSON"})])
def test_other_files_are_refused(tmp_path, content):
    path = tmp_path / "wrong.safetensors"
    path.write_bytes(content)
    with pytest.raises(FormatError, match="codebook"):
        load_codebook(path)


@pytest.mark.parametrize("metadata", ["[1]", '"text"', "3", "null"])
def test_metadata_must_be_a_table(tmp_path, tensors, metadata):
    path = tmp_path / "wrong.safetensors"
    path.write_bytes(save(tensors, {"inrcodec": metadata}))
    with pytest.raises(FormatError, match="not a codebook"):
        load_codebook(path)


def test_every_truncation_is_refused(synthetic_path, tmp_path):
    data = synthetic_path.read_bytes()
    path = tmp_path / "cut.safetensors"
    for end in range(0, len(data), len(data) // 40):
        path.write_bytes(data[:end])
        with pytest.raises(FormatError):
            load_codebook(path)


def test_codebooks_are_found_by_name_path_and_id(folder, tensors):
    assert load_codebook().id == load_codebook("default").id == content_id(tensors)
    other = load_codebook("other")
    assert load_codebook(folder / "other.safetensors").id == other.id
    assert find_codebook(other.id).id == other.id
    with pytest.raises(CodebookNotFoundError, match="01020304"):
        find_codebook(b"\1\2\3\4")
    with pytest.raises(CodebookNotFoundError, match="default, other"):
        load_codebook("third")


def test_list_of_codebooks(folder):
    default, other = available_codebooks()
    assert (default.name, default.recipe, default.is_default) == ("default", "synthetic", True)
    assert default.trained_on == "nothing"
    assert default.bytes == (folder / "default.safetensors").stat().st_size
    assert default.id == load_codebook().id.hex()
    assert (other.name, other.recipe, other.is_default) == ("other", "a name", False)


def test_a_replaced_file_is_read_again(tmp_path, tensors):
    path = tmp_path / "mine.safetensors"
    path.write_bytes(serialise(tensors, {}))
    first = load_codebook(path)
    assert load_codebook(path) is first
    path.write_bytes(serialise(tensors | {"splits": tensors["splits"][::-1]}, {}))
    assert load_codebook(path).id != first.id


def test_codebooks_lie_beside_a_checkout_or_in_the_package(monkeypatch, tmp_path):
    package = tmp_path / "inrcodec"
    package.mkdir()
    monkeypatch.setattr(codebook, "__file__", str(package / "codebook.py"))
    assert codebook._folder() == tmp_path / "pretrained"
    (package / "_pretrained").mkdir()
    assert codebook._folder() == package / "_pretrained"


def test_the_shipped_codebook_is_complete():
    shipped = next(info for info in available_codebooks() if info.is_default)
    assert shipped.bytes < 4 << 20
    assert shipped.trained_on
    assert json.dumps(dict(load_codebook().metadata))
