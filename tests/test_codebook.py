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
from inrcodec.codebook_layout import MOST_BYTES
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
        without(("prediction.", "restoration."), tensors),
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
    assert np.array_equal(codebook._unpack_matrix("m", packed, shape), matrix)


def test_as_many_layers_as_there_may_be(tensors):
    assert len(from_tensors(tensors | synthetic.layers(16), {}).restoration.layers) == 3 * 16 + 2


def test_as_many_channels_as_there_may_be(tensors):
    restoration = from_tensors(tensors | synthetic.broad(256), {}).restoration
    assert [len(layer.bias) for layer in restoration.branch] == [256, 256]


def test_types_that_numpy_does_not_know_are_refused(tmp_path, tensors):
    path = tmp_path / "wrong.safetensors"
    content = serialise(tensors, {})
    for wrong in (b"BF16", b"F8_E5M2", b"F4", b"BOOL", b"C64", b"nonsense"):
        padded = b'"dtype":"' + wrong + b'"'
        path.write_bytes(with_header(content, lambda header, p=padded: header.replace(b'"dtype":"I16"', p)))
        with pytest.raises(FormatError, match="not a codebook"):
            load_codebook(path)


def with_header(content, change):
    """A codebook file with another header."""
    length = int.from_bytes(content[:8], "little")
    header = change(content[8 : 8 + length])
    return len(header).to_bytes(8, "little") + header + content[8 + length :]


@pytest.mark.parametrize("depth", [100, 100_000])
@pytest.mark.parametrize("inside", [False, True], ids=["header", "metadata"])
def test_nested_metadata_is_refused(tmp_path, tensors, depth, inside):
    path = tmp_path / "wrong.safetensors"
    nested = "[" * depth + "]" * depth
    content = serialise(tensors, {})
    if inside:
        content = save(tensors, {"inrcodec": nested})
    else:
        table = b'{"__metadata__":{"inrcodec":' + nested.encode() + b"},"
        content = with_header(content, lambda header: table + header[header.index(b"},") + 2 :])
    path.write_bytes(content)
    with pytest.raises(FormatError, match="not a codebook"):
        load_codebook(path)


def test_a_file_of_more_than_the_most_bytes_is_not_read(tmp_path):
    path = tmp_path / "sparse.safetensors"
    with path.open("wb") as stream:
        stream.truncate(MOST_BYTES + 1)
    with pytest.raises(FormatError, match="more than"):
        load_codebook(path)


BROKEN = dict(synthetic.broken_codebooks())


@pytest.mark.parametrize("fault", BROKEN)
def test_broken_codebooks_are_refused(tmp_path, fault):
    path = tmp_path / "broken.safetensors"
    path.write_bytes(serialise(BROKEN[fault], {}))
    with pytest.raises(FormatError):
        load_codebook(path)
    with pytest.raises(FormatError):
        from_tensors(BROKEN[fault], {})


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
