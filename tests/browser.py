"""A browser without a window, and what tests look at in it."""

import base64

import numpy as np
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

FLAGS = (
    *(
        "headless",
        "no-sandbox",
        "disable-gpu",
        "disable-quic",
        "no-first-run",
        "disable-background-networking",
    ),
    *("disable-component-update", "disable-sync", "force-color-profile=srgb"),
)
"""Options of Chromium that runs on its own."""

_READ = """
const [canvas, x, y, width, height] = arguments;
const { data } = canvas.getContext("2d").getImageData(x, y, width, height);
return btoa(Array.from(data, (byte) => String.fromCharCode(byte)).join(""));
"""
PATIENCE = 120


class Window:
    """A browser's window with a page of `inrcodec.viewer`."""

    def __init__(self, driver):
        self.driver = driver
        self.command = driver.execute_cdp_cmd
        self.script = driver.execute_script

    def resize(self, width, height, ratio=1.0):
        self.size = round(width * ratio), round(height * ratio)
        metrics = {"width": width, "height": height, "deviceScaleFactor": ratio, "mobile": False}
        self.command("Emulation.setDeviceMetricsOverride", metrics)
        found = lambda: self.script("return [innerWidth, innerHeight, devicePixelRatio]")  # noqa: E731
        self.until(lambda: found() == [width, height, ratio])

    def open(self, page, path):
        path.write_bytes(page.html)
        self.driver.get(path.as_uri())

    def element(self, name):
        return self.driver.find_element(By.ID, name)

    def until(self, condition):
        return WebDriverWait(self.driver, PATIENCE, 0.02).until(lambda _: condition())

    def settle(self):
        """Waits until all is sharp; what has changed is noticed with the next frame."""
        frames = "requestAnimationFrame(() => requestAnimationFrame(arguments[0]))"
        self.driver.execute_async_script(frames)
        self.until(lambda: self.element("picture").get_attribute("aria-busy") == "false")

    def pixels(self, canvas=None, box=None):
        """Pixels (height, width, 4) of a canvas, or of a box (x, y, width, height) of it."""
        canvas = canvas or self.element("picture")
        x, y, width, height = box or (
            0,
            0,
            *self.script("return [arguments[0].width, arguments[0].height]", canvas),
        )
        data = base64.b64decode(self.script(_READ, canvas, x, y, width, height))
        return np.frombuffer(data, np.uint8).reshape(height, width, 4)

    @property
    def zoom(self):
        """Pixels of the screen per pixel of the picture, as the page says it."""
        return float(self.element("zoom").text.removesuffix(" %")) / 100
