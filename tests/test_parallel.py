"""Threads and processes of the caller's: what docs/parallel.md says works does."""

import os
import subprocess
import sys

import pytest

from inrcodec.kernels import NAMES, VARIABLE, compiled

SETS = [name for name in NAMES if name != "torch" and (name != "native" or compiled())]

POOL = """
import multiprocessing, sys
import inrcodec, numpy as np

def work(number):
    photo = (np.arange(33 * 40 * 3).reshape(33, 40, 3) * (7 + number) % 256).astype(np.uint8)
    file = inrcodec.encode(photo, jobs=2)
    return file, inrcodec.decode(file, jobs=2).tobytes()

if __name__ == "__main__":
    expected = [work(n) for n in range(3)]
    with multiprocessing.get_context(sys.argv[1]).Pool(2) as pool:
        assert pool.map(work, range(3)) == expected
"""
"""Daemonic workers give what the caller gives."""

FORK = """
import os, threading
import inrcodec, numpy as np

photo = (np.arange(64 * 64 * 3).reshape(64, 64, 3) % 251).astype(np.uint8)
expected = inrcodec.encode(photo)
done = threading.Event()

def busy():
    while not done.is_set():
        assert inrcodec.encode(photo) == expected

threads = [threading.Thread(target=busy) for _ in range(2)]
for thread in threads:
    thread.start()
for _ in range(4):
    child = os.fork()
    if not child:
        os._exit(inrcodec.encode(photo) != expected)
    assert os.waitpid(child, 0)[1] == 0
done.set()
for thread in threads:
    thread.join()
"""
"""Children that are forked while other threads encode."""


def run(program, name, *arguments):
    environment = os.environ | {VARIABLE: name}
    subprocess.run([sys.executable, program, *arguments], check=True, env=environment, timeout=300)


@pytest.mark.parametrize("name", SETS)
@pytest.mark.parametrize("start", ["spawn", "fork"])
def test_daemonic_pools(tmp_path, name, start):
    if start == "fork" and not hasattr(os, "fork"):
        pytest.skip("this system has no fork")
    program = tmp_path / "pool.py"
    program.write_text(POOL)
    run(program, name, start)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.skipif(not compiled(), reason="numpy's threads may hold a lock that the child then waits for")
def test_a_child_forked_amid_threads_works(tmp_path):
    program = tmp_path / "fork.py"
    program.write_text(FORK)
    run(program, "native")
