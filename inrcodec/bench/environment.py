"""Where a benchmark ran: machine and versions, for the report and for refusing to mix results."""

import importlib.metadata
import json
import os
import platform
from collections.abc import Mapping, Sequence
from pathlib import Path

from inrcodec.bench.codecs import Codec
from inrcodec.errors import InputError

VERSIONS = "versions.json"

_LIBRARIES = ("inrcodec", "numpy", "pillow", "scipy", "scikit-image", "torch")


def machine() -> dict[str, str]:
    """Processor, system, and the versions of what does the arithmetic."""
    facts = {
        "processor": _processor(),
        "cores": str(os.cpu_count()),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "python": platform.python_version(),
    }
    for library in _LIBRARIES:
        try:
            facts[library] = importlib.metadata.version(library)
        except importlib.metadata.PackageNotFoundError:
            continue
    return facts


def check_versions(codecs: Sequence[Codec], out: Path) -> Mapping[str, str]:
    """The codecs' versions, also kept in `out` so that a resumed run never mixes two versions of a codec.

    Raises:
        InputError: `out` holds points of another version of one of the codecs.
    """
    path = out / VERSIONS
    known: dict[str, str] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    for codec in codecs:
        version = codec.version()
        if known.setdefault(codec.name, version) != version:
            raise InputError(
                f"{out} holds points of {codec.name} made with {known[codec.name]}, but this is {version}: "
                "choose another --out"
            )
    out.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(known, indent=2) + "\n", encoding="utf-8")
    return {codec.name: known[codec.name] for codec in codecs}


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
