"""Recipes: small TOML files that say everything about a training run except where its data lie.

task = "maml"
description = "one line"

[training]      fields of `inrcodec.training.loop.TrainConfig`
[maml]          fields of the task's own `Options`
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import MISSING, asdict, dataclass, fields
from importlib import import_module, resources
from pathlib import Path
from types import ModuleType
from typing import Any, Literal, TypeVar, get_args, get_origin, get_type_hints

from inrcodec.errors import InputError
from inrcodec.training.loop import TrainConfig

# Every module has a frozen dataclass `Options` and a function `build(options, setting) -> Task`.
TASKS = {
    "maml": "inrcodec.training.maml",
    "starts": "inrcodec.training.starts",
    "contexts": "inrcodec.training.contexts",
    "restoration": "inrcodec.training.restoration",
}

_T = TypeVar("_T")


@dataclass(frozen=True)
class Recipe:
    """One training run.

    Attributes:
        name: file name without its suffix.
        task: key of `TASKS`.
        description: one line for people.
        training: the outer loop.
        options: `Options` of the task's module.
    """

    name: str
    task: str
    description: str
    training: TrainConfig
    options: Any

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready content, as kept in checkpoints and result files."""
        return {
            "name": self.name,
            "task": self.task,
            "description": self.description,
            "training": asdict(self.training),
            self.task: asdict(self.options),
        }


def task_module(task: str) -> ModuleType:
    """The module of a registered task.

    Raises:
        InputError: there is no such task.
    """
    if task not in TASKS:
        raise InputError(f"unknown task {task!r}; known are {', '.join(sorted(TASKS))}")
    return import_module(TASKS[task])


def shipped_recipes() -> tuple[str, ...]:
    """Names of the recipes inside the package."""
    folder = resources.files("inrcodec.training") / "recipes"
    return tuple(sorted(item.name[:-5] for item in folder.iterdir() if item.name.endswith(".toml")))


def load_recipe(name: str | Path) -> Recipe:
    """Read a shipped recipe by name, or a file by path (anything that ends in ``.toml``).

    Raises:
        InputError: no such recipe, or it is not valid; the message says where.
    """
    if str(name).endswith(".toml"):
        try:
            return parse_recipe(Path(name).stem, Path(name).read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError) as error:
            raise InputError(f"recipe {name} cannot be read: {error}") from error
    if name not in shipped_recipes():
        known = ", ".join(shipped_recipes())
        raise InputError(f"no recipe {str(name)!r}; shipped are {known}, others need a path to a .toml file")
    text = (resources.files("inrcodec.training") / "recipes" / f"{name}.toml").read_text(encoding="utf-8")
    return parse_recipe(str(name), text)


def parse_recipe(name: str, text: str) -> Recipe:
    """Parse and check the text of a recipe.

    Raises:
        InputError: not TOML, a key too many or too few, or a value of the wrong type or out of range.
    """
    where = f"recipe {name}"
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"{where}: not a TOML file: {error}") from error
    task, description = table.pop("task", None), table.pop("description", "")
    if not isinstance(task, str) or not isinstance(description, str):
        raise InputError(f"{where}: 'task' (needed) and 'description' must be strings")
    module = task_module(task)
    training, options = table.pop("training", {}), table.pop(task, {})
    if table:
        raise InputError(f"{where}: unknown key {next(iter(table))!r}")
    return Recipe(
        name,
        task,
        description,
        from_table(TrainConfig, training, f"{where}, [training]"),
        from_table(module.Options, options, f"{where}, [{task}]"),
    )


def from_table(kind: type[_T], table: Any, where: str) -> _T:
    """Make a dataclass of bool, int, float, str, Literal and tuple fields from a TOML table, strictly.

    Raises:
        InputError: unknown or missing key, or a value of the wrong type; ``where`` begins the message.
    """
    if not isinstance(table, Mapping):
        raise InputError(f"{where}: must be a table")
    hints = get_type_hints(kind)
    known = {item.name: item for item in fields(kind)}  # type: ignore[arg-type]
    for key in table:
        if key not in known:
            raise InputError(f"{where}: unknown key {key!r}; known are {', '.join(known)}")
    for name, item in known.items():
        if name not in table and item.default is MISSING and item.default_factory is MISSING:
            raise InputError(f"{where}: {name!r} is missing")
    values = {key: _checked(value, hints[key], f"{where}: {key!r}") for key, value in table.items()}
    try:
        return kind(**values)
    except InputError as error:
        raise InputError(f"{where}: {error}") from error


def _checked(value: Any, hint: Any, where: str) -> Any:
    if get_origin(hint) is Literal:
        if value not in get_args(hint):
            raise InputError(f"{where} must be one of {', '.join(map(repr, get_args(hint)))}")
        return value
    if get_origin(hint) is tuple:
        if not isinstance(value, list):
            raise InputError(f"{where} must be a list")
        return tuple(_checked(item, get_args(hint)[0], where) for item in value)
    if hint is float and type(value) is int:
        return float(value)
    # type(), not isinstance(): true is no integer here
    if type(value) is not hint:
        raise InputError(f"{where} must be of type {hint.__name__}, not {type(value).__name__}")
    return value
