"""The page of `inrcodec view` in Firefox, spoken to by WebDriver BiDi, which needs no program of its own."""

import base64
import json
import shutil
import socket
import subprocess
import time
from contextlib import closing

import numpy as np
import pytest
import websocket

import inrcodec
from inrcodec.viewer.page import page_of

FIREFOX = shutil.which("firefox-esr") or shutil.which("firefox")
PATIENCE = 120
_READ = """
(() => {
  const canvas = document.getElementById("picture");
  const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
  return btoa(Array.from(data, (byte) => String.fromCharCode(byte)).join(""));
})()
"""


class Firefox:
    """A Firefox without a window."""

    def __init__(self, port):
        until = time.monotonic() + PATIENCE
        while True:
            try:
                address = f"ws://127.0.0.1:{port}/session"
                self._socket = websocket.create_connection(address, timeout=PATIENCE, suppress_origin=True)
                break
            except OSError:
                if time.monotonic() > until:
                    raise
                time.sleep(0.2)
        self._count = 0
        self.call("session.new", capabilities={})
        self._context = self.call("browsingContext.getTree")["contexts"][0]["context"]

    def close(self):
        self._socket.close()

    def call(self, method, **parameters):
        """The result of a command."""
        self._count += 1
        self._socket.send(json.dumps({"id": self._count, "method": method, "params": parameters}))
        while (answer := json.loads(self._socket.recv())).get("id") != self._count:
            pass
        assert answer["type"] == "success", answer
        return answer["result"]

    def open(self, path, width, height):
        viewport = {"width": width, "height": height}
        self.call("browsingContext.setViewport", context=self._context, viewport=viewport)
        self.call("browsingContext.navigate", context=self._context, url=path.as_uri(), wait="complete")

    def value(self, expression):
        result = self.call(
            "script.evaluate", expression=expression, target={"context": self._context}, awaitPromise=False
        )
        return result["result"].get("value")

    def until(self, expression, value):
        until = time.monotonic() + PATIENCE
        while self.value(expression) != value:
            assert time.monotonic() < until, expression
            time.sleep(0.05)


@pytest.fixture
def firefox(tmp_path):
    """Firefox with a profile of its own."""
    if not FIREFOX:
        pytest.skip("there is no Firefox")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    profile = tmp_path / "profile"
    profile.mkdir()
    command = [
        FIREFOX,
        "--headless",
        "--no-remote",
        "--profile",
        profile,
        "--remote-debugging-port",
        str(port),
    ]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            with closing(Firefox(port)) as browser:
                yield browser
        finally:
            process.kill()


def test_pixels_are_those_of_python(firefox, file, tmp_path):
    expected = inrcodec.decode(file)
    height, width, _ = expected.shape
    path = tmp_path / "page.html"
    path.write_bytes(page_of(file, "photo.sinr").html)
    firefox.open(path, width, height + 100)
    firefox.until('document.getElementById("picture").getAttribute("aria-busy")', "false")
    shown = np.frombuffer(base64.b64decode(firefox.value(_READ)), np.uint8)
    shown = shown.reshape(height + 100, width, 4)[50:-50, :, :3]
    assert np.array_equal(shown, expected)


def test_a_damaged_file_is_told(firefox, file, tmp_path):
    page = page_of(file, "photo.sinr").html
    whole, damaged = (base64.b64encode(data) for data in (file, file[:-9] + bytes(9)))
    assert page.count(whole) == 1
    path = tmp_path / "page.html"
    path.write_bytes(page.replace(whole, damaged))
    firefox.open(path, 300, 300)
    firefox.until('document.getElementById("failure").textContent.includes("damaged")', True)
