"""The site's page about the library names what the library offers."""

import re
from pathlib import Path

import inrcodec

ROOT = Path(__file__).parents[1]


def test_every_public_name_is_documented_where_it_lives():
    page = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
    named = re.findall(r"^::: inrcodec\.([\w.]+)\.(\w+)$", page, re.MULTILINE)
    homes = {name: module for module, name in named}
    assert len(named) == len(homes)
    assert homes.pop("register") == "pillow"
    assert homes == inrcodec._HOME_OF


def test_the_citation_is_of_this_version():
    citation = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    assert f"\nversion: {inrcodec.__version__}\n" in citation
