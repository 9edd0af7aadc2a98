"""What .ci/run runs. Git, and what it would install, are replaced by programs that only note their calls."""

import os
import re
import shlex
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")

ROOT = Path(__file__).parents[1]
README, PYPROJECT = ((ROOT / name).read_text() for name in ("README.md", "pyproject.toml"))

PROGRAM = """#!/bin/sh
call=$(echo "${0#"$BIN"/}" "$@")
echo "$call" >> "$CALLS"
if [ "$1 $2" = "-m venv" ]; then
  mkdir -p "$3/bin"
  for name in clang-format inrcodec mkdocs mypy pip python ruff; do cp "$0" "$3/bin/$name"; done
fi
case "$call" in *" -c oldest.txt "*) cp oldest.txt "$OLDEST" ;; esac
[ "$call" != "$FAILS" ]
"""
GIT = """#!/bin/sh
[ "$3 $4" = "archive HEAD" ] && exec tar -c -C "$COMMIT" .
"""


def quick_start():
    """The commands of README.md's "Quick start"."""
    (section,) = re.findall(r"\n## Quick start\n(.*?)\n## ", README, re.DOTALL)
    return re.findall(r"```sh\n(.*?)\n```", section, re.DOTALL)


CHECKS = [
    "INRCODEC_KERNELS=native .venv/bin/inrcodec --version",
    ".venv/bin/pip install -q -c constraints.txt -e '.[dev]'",
    ".venv/bin/ruff check",
    ".venv/bin/ruff format --check",
    ".venv/bin/mypy",
    ".venv/bin/clang-format -n -Werror native/*.h native/*/*.[ch] tests/fuzz/*.[ch]",
    ".venv/bin/python tests/fuzz/run.py --seconds 6",
    ".venv/bin/mkdocs build -q --strict",
    "python3 -m venv oldest"
    " && CC=false oldest/bin/pip install -q -c constraints.txt -c oldest.txt -e '.[test]'",
    "oldest/bin/python -m pytest -q -n auto"
    " --ignore tests/bench --ignore tests/reproduce --ignore tests/training --ignore tests/viewer"
    " --ignore tests/kernels/test_library.py"
    " --ignore tests/cli/test_commands_on_a_cluster.py --ignore tests/cli/test_manifest.py"
    " --ignore tests/cli/test_shards.py --ignore tests/cli/test_urls.py",
]
COMMANDS = quick_start() + CHECKS
CALLS = [
    re.sub(r"^\w+=\w+ ", "", shlex.join(shlex.split(call)).replace("'", ""))
    for line in COMMANDS
    for call in line.split(" && ")
]


@pytest.fixture
def ci(tmp_path):
    """Runs the script on a commit of two files: how it ended, the calls, and the list of oldest versions."""
    folders = {name: tmp_path / name for name in ("bin", "commit", "temporary")}
    for folder in folders.values():
        folder.mkdir()
    present = {name: PROGRAM for name in ("python3", "cc", "chromedriver", "wasm-ld", "qemu-s390x")}
    for name, text in {**present, "git": GIT}.items():
        (folders["bin"] / name).write_text(text)
        (folders["bin"] / name).chmod(0o755)

    def run(readme=README, pyproject=PYPROJECT, fails=""):
        (folders["commit"] / "README.md").write_text(readme)
        (folders["commit"] / "pyproject.toml").write_text(pyproject)
        calls, oldest = tmp_path / "calls", tmp_path / "oldest"
        calls.write_text("")
        environment = os.environ | {
            "PATH": f"{folders['bin']}{os.pathsep}{os.environ['PATH']}",
            "TMPDIR": str(folders["temporary"]),
            "BIN": str(folders["bin"]),
            "COMMIT": str(folders["commit"]),
            "CALLS": str(calls),
            "OLDEST": str(oldest),
            "FAILS": fails,
        }
        command = ["bash", str(ROOT / ".ci" / "run")]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        assert list(folders["temporary"].iterdir()) == []
        lines = oldest.read_text().splitlines() if oldest.exists() else None
        return done, calls.read_text().splitlines(), lines

    return run


def test_it_runs_the_commands_of_the_readme_then_the_checks(ci):
    done, calls, oldest = ci()
    assert done.returncode == 0, done.stderr
    assert len(quick_start()) == 2
    assert calls == CALLS
    told = [line for line in done.stdout.splitlines() if line.startswith("+ ")]
    assert told == [f"+ {command}" for command in COMMANDS]
    dependencies = tomllib.loads(PYPROJECT)["project"]["dependencies"]
    assert oldest == [dependency.replace(">=", "==") for dependency in dependencies]


@pytest.mark.parametrize("call", CALLS)
def test_it_fails_with_the_first_command_that_does(ci, call):
    done, calls, _ = ci(fails=call)
    assert done.returncode != 0
    assert calls == CALLS[: CALLS.index(call) + 1]


@pytest.mark.parametrize("command", quick_start())
def test_it_misses_a_command_of_the_readme(ci, command):
    done, calls, _ = ci(readme=README.replace(f"```sh\n{command}\n```", ""))
    assert done.returncode != 0
    assert not {".venv/bin/ruff check", CALLS[-1]} & set(calls)
    if command == quick_start()[-1]:
        assert "README.md has lost one of its two commands" in done.stderr


@pytest.mark.parametrize(
    ("old", "new"),
    [('  "numpy>=2.0",\n', ""), ('"numpy>=2.0"', '"numpy~=2.0"'), ('"numpy>=2.0"', "'numpy>=2.0'")],
    ids=["fewer", "no lower bound", "written otherwise"],
)
def test_it_misses_a_dependency(ci, old, new):
    assert old in PYPROJECT
    done, _, oldest = ci(pyproject=PYPROJECT.replace(old, new))
    assert done.returncode == 1
    assert "not all dependencies were found in pyproject.toml" in done.stderr
    assert oldest is None
