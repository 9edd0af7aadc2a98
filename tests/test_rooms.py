"""Which room may import which: the contract in pyproject.toml holds, and could be broken."""

from graphlib import TopologicalSorter
from pathlib import Path

import grimp
import pytest
from importlinter.cli import lint_imports

CONFIG = Path(__file__).parents[1] / "pyproject.toml"


def lint(config, capsys):
    code = lint_imports(config_filename=str(config), no_cache=True)
    return code, capsys.readouterr().out


def test_rooms_import_from_rooms_below(capsys):
    code, output = lint(CONFIG, capsys)
    assert code == 0, output


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        (
            '"kernels",\n  "decisions"',
            '"decisions",\n  "kernels"',
            "inrcodec.kernels.numpy -> inrcodec.decisions",
        ),
        ('  "cli",\n', "", "cli"),
    ],
    ids=["upward", "unlisted"],
)
def test_an_upward_import_or_an_unlisted_room_would_be_noticed(tmp_path, capsys, old, new, told):
    text = CONFIG.read_text()
    assert old in text
    changed = tmp_path / "pyproject.toml"
    changed.write_text(text.replace(old, new))
    code, output = lint(changed, capsys)
    assert code != 0
    assert told in output


def test_no_circle_of_imports():
    graph = grimp.build_graph("inrcodec", cache_dir=None)
    imports = {module: graph.find_modules_directly_imported_by(module) for module in graph.modules}
    # Every module imports its packages, whose __init__ are empty but for docstrings and lazy names.
    TopologicalSorter(imports).prepare()
