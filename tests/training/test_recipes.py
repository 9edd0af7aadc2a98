"""Recipes: the shipped ones load, others are checked strictly."""

from __future__ import annotations

from pathlib import Path

import pytest

from inrcodec.errors import InputError
from inrcodec.training.recipes import load_recipe, parse_recipe, shipped_recipes
from inrcodec.training.run import train

GOOD = """
task = "maml"
description = "a test"
[training]
steps = 10
lr = 1
[maml]
crop = 8
widths = [4, 4]
"""


def test_shipped_recipes_are_valid() -> None:
    assert {"sparse-siren", "sparse-siren-small"} <= set(shipped_recipes())
    for name in shipped_recipes():
        recipe = load_recipe(name)
        assert recipe.name == name
        assert recipe.description


def test_the_paper_recipe_has_the_papers_numbers() -> None:
    recipe = load_recipe("sparse-siren")
    assert recipe.training.round_start(21) == 750_000
    assert (recipe.training.lr, recipe.training.fraction, recipe.training.score) == (1e-5, 0.2, "magnitude")
    siren = recipe.options.siren(0)
    assert siren.layout.select("weight").sum() == 197_888
    assert set(siren.layout.omegas) == {200.0}


def test_values_get_the_types_of_their_fields(tmp_path: Path) -> None:
    recipe = parse_recipe("test", GOOD)
    assert recipe.training.lr == 1.0
    assert isinstance(recipe.training.lr, float)
    assert recipe.options.widths == (4, 4)
    assert recipe.to_dict()["maml"]["crop"] == 8
    path = tmp_path / "mine.toml"
    path.write_text(GOOD)
    assert load_recipe(path) == load_recipe(str(path))
    assert load_recipe(path).name == "mine"


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("steps = 10", "stepz = 10", r"\[training\]: unknown key 'stepz'"),
        ("steps = 10", "", r"\[training\]: 'steps' is missing"),
        ("steps = 10", "steps = 10.5", "'steps' must be of type int, not float"),
        ("steps = 10", "steps = true", "'steps' must be of type int, not bool"),
        ("steps = 10", 'steps = 10\nscore = "best"', "'score' must be one of 'magnitude'"),
        ("steps = 10", "steps = -1", "cannot be negative"),
        ("lr = 1", "lr = 0", "lr must be positive"),
        ("widths = [4, 4]", "widths = 4", "'widths' must be a list"),
        ("widths = [4, 4]", 'widths = [4, "a"]', "'widths' must be of type int"),
        ("crop = 8", "crop = 0", "at least 1"),
        ('task = "maml"', 'task = "magic"', "unknown task 'magic'; known are"),
        ('task = "maml"', "", "'task'"),
        ("[training]", "[trainings]", "unknown key 'trainings'"),
        ("[maml]", "[[maml]]", "must be a table"),
        ("[maml]", "[maml", "not a TOML file"),
    ],
)
def test_errors_say_what_is_wrong(old: str, new: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        parse_recipe("test", GOOD.replace(old, new, 1))


def test_unknown_names_and_files(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no recipe 'nothing'; shipped are"):
        load_recipe("nothing")
    with pytest.raises(InputError, match="cannot be read"):
        load_recipe(tmp_path / "nothing.toml")
    with pytest.raises(InputError, match="does not exist"):
        train(tmp_path / "nowhere", "sparse-siren-small", tmp_path / "out", device="cpu")
