"""<sinr-image> on a page of its own, from a server."""

import shutil
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
from selenium.webdriver.common.by import By

import inrcodec
from inrcodec.codec import alpha_differences
from inrcodec.container import unpack
from inrcodec.pictures.color_space import ADOBE_RGB

ROOT = Path(__file__).parents[2]


@pytest.fixture
def site(tmp_path, file):
    """A folder that is served with the module in it."""
    shutil.copytree(ROOT / "web", tmp_path / "web")
    shutil.copy(ROOT / "pretrained" / "default.safetensors", tmp_path / "web")
    (tmp_path / "photo.sinr").write_bytes(file)
    (tmp_path / "damaged.sinr").write_bytes(file[:-1])
    asked = []

    class Handler(SimpleHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            super().do_GET()

        def log_message(self, format, *args):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=tmp_path)) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield Site(tmp_path, asked, f"http://127.0.0.1:{server.server_port}")
        server.shutdown()
        thread.join()


class Site:
    """A folder, which of its files were asked for, and its address."""

    def __init__(self, folder, asked, address):
        self.folder, self.asked, self.address = folder, asked, address

    def open(self, window, body, head=""):
        """Opens a page, and returns its first picture."""
        note = "for (const name of ['load', 'error']) document.addEventListener(name, (event) => {"
        note += " if (event.target.localName === 'sinr-image') events.push([name, event.detail]); }, true);"
        head += f"<link rel=icon href=data:,><script>globalThis.events = []; {note}</script>"
        head += "<script type=module src=/web/sinr-image.js></script>"
        text = f"<!doctype html>{head}<style>body {{ margin: 0 }}</style>{body}"
        (self.folder / "page.html").write_text(text)
        window.driver.get(f"{self.address}/page.html")
        return window.driver.find_element(By.CSS_SELECTOR, "sinr-image")


def events(window):
    return window.script("return events")


def canvas_of(picture):
    return picture.shadow_root.find_element(By.CSS_SELECTOR, "canvas")


def boxes(window, element):
    """How many an element has on the screen: Selenium does not know slots."""
    return window.script("return arguments[0].getClientRects().length", element)


def fails(window, picture):
    """The reason why there is no picture; its fallback is shown instead."""
    window.until(lambda: events(window))
    ((name, reason),) = events(window)
    assert name == "error"
    assert boxes(window, window.element("fallback")) == 1
    assert boxes(window, canvas_of(picture)) == 0
    return reason


def test_it_renders_at_its_size_on_the_screen(window, site, shown):
    window.resize(400, 300, 2)
    body = (
        "<style>sinr-image { width: 150px }</style><sinr-image src=photo.sinr alt='A face'>none</sinr-image>"
    )
    picture = site.open(window, body)
    window.until(lambda: events(window) == [["load", None]])
    pixels = window.pixels(canvas_of(picture))
    assert pixels.shape == (225, 300, 4)
    assert np.abs(pixels.astype(int) - shown(300, 225)).max() <= 1
    assert (picture.aria_role, picture.accessible_name) == ("image", "A face")
    # Another size is rendered anew.
    window.script("arguments[0].style.width = '100px'", picture)
    window.until(lambda: len(events(window)) == 2)
    pixels = window.pixels(canvas_of(picture))
    assert np.abs(pixels.astype(int) - shown(200, 150)).max() <= 1


def test_it_has_the_size_of_the_picture_by_default(window, site, file):
    picture = site.open(window, "<sinr-image src=photo.sinr></sinr-image>")
    window.until(lambda: events(window) == [["load", None]])
    assert np.array_equal(window.pixels(canvas_of(picture))[:, :, :3], inrcodec.decode(file))


@pytest.mark.parametrize("source", ["damaged.sinr", "web/sinr-image.js"])
def test_the_fallback_is_shown_where_there_is_no_picture(window, site, source):
    picture = site.open(window, f"<sinr-image src={source}><p id=fallback>none</p></sinr-image>")
    assert "file" in fails(window, picture)
    # It can still become another one.
    window.script("arguments[0].setAttribute('src', 'photo.sinr')", picture)
    window.until(lambda: len(events(window)) == 2)
    assert events(window)[1] == ["load", None]
    assert boxes(window, window.element("fallback")) == 0
    assert boxes(window, canvas_of(picture)) == 1


def test_lazy_pictures_wait(window, site):
    shutil.copy(site.folder / "photo.sinr", site.folder / "eager.sinr")
    lazy = "<p style='height: 3000px'></p><sinr-image id=lazy src=photo.sinr loading=lazy></sinr-image>"
    site.open(window, f"<sinr-image src=eager.sinr></sinr-image>{lazy}")
    window.until(lambda: events(window) == [["load", None]])
    assert "/photo.sinr" not in site.asked
    window.script("arguments[0].scrollIntoView()", window.element("lazy"))
    window.until(lambda: events(window) == [["load", None]] * 2)
    assert "/photo.sinr" in site.asked


def test_pictures_share_what_they_need(window, site):
    site.open(window, "<sinr-image src=photo.sinr></sinr-image>" * 3)
    window.until(lambda: events(window) == [["load", None]] * 3)
    assert site.asked.count("/web/default.safetensors") == 1
    assert site.asked.count("/web/sinr.wasm") == 1


DECOMPRESS = """
const frame = %s, content = %s;
export function decompress(given, into) {
  if (given.join() !== frame.join()) throw new Error("another frame");
  into.set(content);
  return into.subarray(0, content.length);
}
"""
"""A module in place of fzstd that knows one frame."""
IMPORT_MAP = '<script type=importmap>{"imports": {"fzstd": "/fzstd.js"}}</script>'


@pytest.fixture
def cutout(photo):
    """A .sinr file whose alpha grows from left to right."""
    alpha = np.tile(np.linspace(0, 255, 256).astype(np.uint8), (192, 1))
    return inrcodec.encode(np.dstack([photo, alpha]))


def test_alpha_is_decompressed_by_a_package_of_the_page(window, site, cutout):
    container = unpack(cutout)
    (site.folder / "cutout.sinr").write_bytes(cutout)
    sections = list(container.sections["alpha"]), list(alpha_differences(container))
    (site.folder / "fzstd.js").write_text(DECOMPRESS % sections)
    picture = site.open(window, "<sinr-image src=cutout.sinr></sinr-image>", IMPORT_MAP)
    window.until(lambda: events(window))
    assert events(window) == [["load", None]]
    pixels = window.pixels(canvas_of(picture))
    assert np.array_equal(pixels[:, :, 3], inrcodec.decode(cutout)[:, :, 3])
    assert "/fzstd.js" in site.asked


def test_truncated_alpha_is_told(window, site, cutout):
    container = unpack(cutout)
    (site.folder / "cutout.sinr").write_bytes(cutout)
    sections = list(container.sections["alpha"]), list(alpha_differences(container)[:-1])
    (site.folder / "fzstd.js").write_text(DECOMPRESS % sections)
    site.open(window, "<sinr-image src=cutout.sinr></sinr-image>", IMPORT_MAP)
    window.until(lambda: events(window))
    assert events(window) == [["error", "the alpha section is truncated"]]


@pytest.mark.parametrize("section", ["alpha", "icc"])
def test_without_that_package_the_fallback_is_shown(window, site, photo, cutout, section):
    profiled = inrcodec.Picture(photo, icc=ADOBE_RGB.profile(3))
    (site.folder / "x.sinr").write_bytes(cutout if section == "alpha" else inrcodec.encode(profiled))
    picture = site.open(window, "<sinr-image src=x.sinr><p id=fallback>none</p></sinr-image>")
    assert "need fzstd" in fails(window, picture)


def test_the_package_is_asked_for_only_where_it_is_needed(window, site):
    site.open(window, "<sinr-image src=photo.sinr></sinr-image>", IMPORT_MAP)
    window.until(lambda: events(window) == [["load", None]])
    assert "/fzstd.js" not in site.asked
