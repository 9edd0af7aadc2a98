"""Files that are dear to decode, or must be refused: they are what they claim to be."""

from typing import Any

import pytest

import inrcodec
from inrcodec.bench.hostile import cases, main
from inrcodec.errors import FormatError


def test_every_file_is_decoded_or_refused_as_its_name_says():
    outcomes: dict[str, Any] = {}
    for case in cases(64):
        try:
            pixels = inrcodec.decode(case.content, size=case.size)
            outcomes[case.name] = pixels.shape[1::-1]
        except FormatError as error:
            outcomes[case.name] = str(error)
    assert len(outcomes) == 13
    assert [size for size in outcomes.values() if size == (64, 64)] == [(64, 64)] * 6
    assert outcomes["the same at 256 x 1"] == (256, 1)
    for name in ("32 MiB of plain bits that no tile needs", "64 MiB of words that no tile needs"):
        assert "left over" in outcomes[name]
    assert "out of range" in outcomes["a width that does not end"]


def test_the_table_says_what_every_file_costs(monkeypatch, capsys):
    monkeypatch.setattr("inrcodec.bench.hostile.cases", lambda side: list(cases(side))[:1])
    monkeypatch.setattr("inrcodec.bench.hostile.compiled", lambda: False)
    monkeypatch.setattr("sys.argv", ["hostile", "--side", "40"])
    main()
    _, _, row = capsys.readouterr().out.splitlines()
    name, _, kernels, seconds, _, share, _, outcome = (cell.strip() for cell in row.strip("|").split(" | "))
    assert (name, kernels, outcome) == ("an ordinary photo at quality 90", "numpy", "decoded")
    assert float(share) == pytest.approx(float(seconds) / 0.001024, rel=0.2)
