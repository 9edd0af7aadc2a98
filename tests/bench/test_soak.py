"""The soak test notices what it is there for."""

import sys
from dataclasses import replace

import numpy as np
import pytest

from inrcodec.bench.soak import State, growth, random_task

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")


def test_what_a_process_holds(monkeypatch, tmp_path):
    before = State.now()
    assert before.mib > 10
    assert before.beyond(before) == ""
    with (tmp_path / "file").open("w"):
        monkeypatch.setenv("ANOTHER_VARIABLE", "1")
        changes = State.now().beyond(before)
    assert f"{before.descriptors + 1} descriptors instead of {before.descriptors}" in changes
    assert "another ANOTHER_VARIABLE" in changes
    assert replace(before, threads=before.threads - 1).beyond(before) == ""


def test_growth_is_that_from_the_second_quarter_to_the_last():
    state = State.now()
    states = [replace(state, mib=mib) for mib in (10, 50, 100, 102, 500, 0, 103, 105)]
    assert growth(states) == 3.0


def test_a_task_gives_the_same_with_any_number_of_jobs(photo):
    task = random_task(np.random.default_rng(1), np.tile(photo, (6, 6, 1)))
    assert task.run(1) == task.run(2)
