"""Fuzzes for a while: `python tests/fuzz/run.py [--seconds N] [--corpora FOLDER] [TARGET...]`.

Targets are `native/...`, which clang compiles with its sanitizers, and `python/...`, which Atheris runs;
those for which that is missing are left out, and it is said. One after another runs for so many seconds in
one process, from the seeds of `seeds.py` and whatever an earlier run has left in the folder. What was
executed, reached and found is printed; if anything was found, it lies there, and the exit code is 1.
"""

import argparse
import importlib.util
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from seeds import CORPORA
from seeds import main as write_seeds

HERE = Path(__file__).parent
NATIVE = HERE.parents[1] / "native"
CLANG = shutil.which("clang") or ""
LONGEST = {"native/codebook": 200_000, "python/codebook": 200_000}
"""Bytes of an input, where it is not `_USUAL_LONGEST`."""
_USUAL_LONGEST = 6000
_PARSERS = {"codebook", "container"}
"""Sources whose comparisons a fuzzer follows; the others tell it nothing and take most of its time."""
_LIMITS = ["-timeout=60", "-rss_limit_mb=4096", "-print_final_stats=1"]


@dataclass(frozen=True)
class Outcome:
    """What a fuzzer said last.

    Attributes:
        executions: runs of the target.
        coverage: edges reached.
        finds: inputs that it left.
        output: all it said.
    """

    executions: int
    coverage: int
    finds: list[Path]
    output: str


def commands(names: list[str], folder: Path) -> Iterator[tuple[str, list[str | Path]]]:
    """What runs each target, but for options; targets that cannot run here are told."""
    objects: list[Path] | None = None
    for name in names:
        kind, _, target = name.partition("/")
        if kind == "python":
            if importlib.util.find_spec("atheris"):
                yield name, [sys.executable, HERE / "targets.py", target]
            else:
                print(f"{name}: left out, there is no Atheris (pip install atheris)")
        elif not CLANG:
            print(f"{name}: left out, there is no clang (apt-get install clang)")
        else:
            objects = objects or compiled([*sorted((NATIVE / "src").glob("*.c"))], folder, "fuzzer-no-link")
            program = folder / f"{target}.fuzzer"
            main = compiled([HERE / f"{target}.c"], folder, "fuzzer-no-link")
            link: list[str | Path] = [
                CLANG,
                "-fsanitize=fuzzer,address,undefined",
                "-pthread",
                *objects,
                *main,
            ]
            subprocess.run([*link, "-lm", "-o", program], check=True)
            yield name, [program]


def compiled(sources: list[Path], folder: Path, sanitizer: str) -> list[Path]:
    """Object files."""
    options = ["-std=gnu99", "-O2", "-g", f"-fsanitize={sanitizer},address,undefined"]
    options += [f"-I{NATIVE}", f"-I{NATIVE / 'src'}"]
    result = []
    for source in sources:
        untold = [] if source.stem in _PARSERS else ["-fno-sanitize-coverage=trace-cmp"]
        made = folder / f"{source.parent.name}-{source.stem}.o"
        subprocess.run([CLANG, *options, *untold, "-c", source, "-o", made], check=True)
        result.append(made)
    return result


def fuzz(name: str, command: list[str | Path], corpora: Path, seconds: int) -> Outcome:
    """Runs a target for a while."""
    finds = corpora / "finds" / name
    finds.mkdir(parents=True, exist_ok=True)
    options = [f"-max_total_time={seconds}", f"-max_len={LONGEST.get(name, _USUAL_LONGEST)}", *_LIMITS]
    dictionary = HERE / f"{name.rpartition('/')[2]}.dict"
    if dictionary.exists():
        options.append(f"-dict={dictionary}")
    environment = os.environ | {"SINR_CODEBOOK": str(corpora / "codebook.safetensors")}
    arguments = [*command, corpora / name, *options, f"-artifact_prefix={finds}/"]
    done = subprocess.run(
        arguments, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False, env=environment
    )
    output = done.stdout.decode(errors="replace")
    left = sorted(finds.iterdir())
    if done.returncode and not left:
        raise RuntimeError(f"{name} has not run:\n{output[-2000:]}")
    numbers = {
        what: [int(number) for number in re.findall(pattern, output)]
        for what, pattern in (("executions", r"^#(\d+)\b"), ("cov", r"cov: (\d+)"))
        for pattern in [f"(?m){pattern}"]
    }
    return Outcome(max(numbers["executions"], default=0), max(numbers["cov"], default=0), left, output)


def main() -> None:
    """Runs the targets, and prints a table."""
    parser = argparse.ArgumentParser(prog="python tests/fuzz/run.py")
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=", ".join(CORPORA))
    parser.add_argument("--seconds", type=int, default=60, help="for each target (default 60)")
    parser.add_argument("--corpora", type=Path, help="folder that keeps what is found interesting")
    arguments = parser.parse_args()
    found = False
    with TemporaryDirectory() as temporary:
        corpora = arguments.corpora or Path(temporary) / "corpora"
        write_seeds(corpora)
        print("| target | executions | edges | finds |\n|---|---:|---:|---:|")
        for name, command in commands(arguments.targets or list(CORPORA), Path(temporary)):
            outcome = fuzz(name, command, corpora, arguments.seconds)
            print(
                f"| {name} | {outcome.executions:,} | {outcome.coverage:,} | {len(outcome.finds)} |",
                flush=True,
            )
            for path in outcome.finds:
                print(f"{path}: {path.read_bytes()[:400]!r}\n{outcome.output[-3000:]}")
            found = found or bool(outcome.finds)
    sys.exit(found)


if __name__ == "__main__":
    main()
