"""The page of `inrcodec view` in a real browser: what it shows is what Python decodes."""

import hashlib
import io
import re
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image, ImageCms
from selenium.webdriver import ActionChains
from selenium.webdriver.common.actions.wheel_input import ScrollOrigin
from selenium.webdriver.common.keys import Keys

import inrcodec
from inrcodec.container import pack, unpack
from inrcodec.pictures.color_space import ADOBE_RGB, ColourSpace
from inrcodec.viewer.page import page_of


@pytest.fixture(scope="module")
def address(file, tmp_path_factory):
    """Address of the page of the file."""
    path = tmp_path_factory.mktemp("page") / "page.html"
    path.write_bytes(page_of(file, "photo.sinr").html)
    return path.as_uri()


@pytest.fixture
def page(window, address):
    """The window with the page of the file, as it is at first."""
    if window.driver.current_url != address:
        window.driver.get(address)
    press(window, "0")
    return window


def press(window, *keys):
    ActionChains(window.driver).send_keys(*keys).perform()
    window.settle()


def within_a_level(found, expected):
    return np.abs(found.astype(int) - expected).max() <= 1


def digest(pixels):
    return hashlib.sha256(pixels.tobytes()).hexdigest()


def placed(window, expected):
    """What of a picture (rows, columns, channels) a window shows in whose middle it lies."""
    width, height = window.size
    rows, columns = expected.shape[:2]
    left, top = (width - columns + 1) // 2, (height - rows + 1) // 2
    return window.pixels(box=(left, top, columns, rows))


def test_it_shows_the_pixels_of_python_and_loads_nothing(page, file):
    press(page, "1")
    pixels = placed(page, inrcodec.decode(file))
    assert pixels[:, :, 3].min() == 255
    assert digest(pixels[:, :, :3]) == digest(inrcodec.decode(file))
    assert page.script("return performance.getEntriesByType('resource').length") == 0
    # Around it there is nothing.
    assert page.pixels(box=(0, 0, 72, 300)).max() == 0


@pytest.mark.parametrize("ratio", [1, 1.5, 2], ids=str)
def test_it_fits_the_window_with_the_pixels_of_the_screen(page, shown, ratio):
    page.resize(360, 200, ratio)
    page.settle()
    columns, rows = round(256 * 200 * ratio / 192), round(200 * ratio)
    assert page.pixels().shape[:2] == (rows, 360 * ratio)
    assert within_a_level(placed(page, shown(columns, rows)), shown(columns, rows))
    assert page.zoom == pytest.approx(rows / 192, rel=0.01)


def test_resizing_keeps_what_somebody_zoomed_to(page):
    press(page, "1", "+", "+")
    page.resize(500, 260)
    page.settle()
    assert page.zoom == 2
    press(page, "0")
    assert page.zoom == pytest.approx(260 / 192, rel=0.01)


@pytest.mark.parametrize(
    ("keys", "zoom"),
    [("1", 1), ("1+", 2**0.5), ("1==", 2), ("1-", 1), ("1++-", 2**0.5), ("++0", 300 / 192), ("+" * 30, 64)],
)
def test_keys_zoom(page, keys, zoom):
    press(page, *keys)
    assert page.zoom == pytest.approx(zoom, rel=0.01)


def test_buttons_zoom(page):
    for name, zoom in (("actual", 1), ("in", 2**0.5), ("in", 2), ("out", 2**0.5), ("fit", 300 / 192)):
        page.element(name).click()
        page.settle()
        assert page.zoom == pytest.approx(zoom, rel=0.01)


def test_zooming_stays_at_the_point(page, shown):
    press(page, "1")
    # In the middle of the window is that of the picture, (128, 96).
    origin = ScrollOrigin.from_viewport(200 + 40, 150 - 30)
    for turned in (-400, -300):
        ActionChains(page.driver).scroll_from_origin(origin, 0, turned).perform()
        page.settle()
    assert page.zoom == pytest.approx(np.exp(0.0015 * 700), rel=0.01)
    columns, rows = (round(length * np.exp(0.0015 * 700)) for length in (256, 192))
    x, y = round(168 * columns / 256), round(66 * rows / 192)
    assert seen_at(page.pixels(box=(190, 70, 100, 100)), shown(columns, rows), x - 50, y - 50)


def seen_at(found, picture, x, y):
    """Whether a part of a picture is found at (x, y), or a pixel beside it."""
    height, width = found.shape[:2]
    places = [(x + across, y + down) for across in (-1, 0, 1) for down in (-1, 0, 1)]
    return any(
        within_a_level(found, picture[top : top + height, left : left + width]) for left, top in places
    )


def test_a_double_click_zooms(page):
    press(page, "1")
    ActionChains(page.driver).double_click(page.element("picture")).perform()
    page.settle()
    assert page.zoom == 2


def test_two_fingers_zoom_and_move(page):
    press(page, "1")
    touch = lambda kind, *points: page.command(  # noqa: E731
        "Input.dispatchTouchEvent",
        {"type": kind, "touchPoints": [{"x": x, "y": y, "id": i} for i, (x, y) in enumerate(points)]},
    )
    touch("touchStart", (190, 150), (210, 150))
    for n in range(1, 11):
        touch("touchMove", (190 - 4 * n, 150), (210 + 4 * n, 150))
    touch("touchEnd")
    page.settle()
    assert page.zoom == pytest.approx(5, rel=0.15)


def test_dragging_and_arrow_keys_move(page, shown):
    press(page, "1", *"+" * 4)
    picture = shown(1024, 768)
    middle = (100, 100, 200, 100)
    assert seen_at(page.pixels(box=middle), picture, 512 - 100, 384 - 50)
    canvas = page.element("picture")
    ActionChains(page.driver).drag_and_drop_by_offset(canvas, 60, -50).perform()
    page.settle()
    assert seen_at(page.pixels(box=middle), picture, 412 - 60, 334 + 50)
    press(page, Keys.ARROW_RIGHT, Keys.ARROW_DOWN)
    assert seen_at(page.pixels(box=middle), picture, 352 + 40, 384 + 30)
    # No further than to the corner of the picture.
    press(page, *[Keys.ARROW_LEFT, Keys.ARROW_UP] * 20)
    assert seen_at(page.pixels(box=(0, 0, 400, 300)), np.pad(picture, ((1, 0), (1, 0), (0, 0))), 1, 1)


def test_it_speaks_to_screen_readers(page):
    picture = page.element("picture")
    assert (picture.aria_role, picture.accessible_name) == ("image", "photo.sinr, 256 by 192 pixels")
    names = {page.element(name).accessible_name for name in ("in", "out", "fit")}
    assert names == {"Zoom in", "Zoom out", "Fit"}
    press(page, "1")
    assert page.element("status").get_attribute("textContent") == "Zoom 100 %"
    page.driver.refresh()  # Nothing has been clicked then.
    page.settle()
    press(page, Keys.TAB)
    assert page.script("return document.activeElement.id") == "picture"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_is_as_dark_as_the_screen_and_fits_a_phone(page, scheme):
    feature = {"name": "prefers-color-scheme", "value": scheme}
    page.command("Emulation.setEmulatedMedia", {"features": [feature]})
    ground = page.script("return getComputedStyle(document.documentElement).backgroundColor")
    assert (sum(map(int, re.findall(r"\d+", ground))) > 3 * 128) == (scheme == "light")
    page.resize(320, 560, 2)
    page.settle()
    for name in ("in", "out", "fit", "actual", "facts"):
        box = page.element(name).rect
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= 320
    assert page.script("return document.documentElement.scrollWidth") == 320


def test_a_large_picture_is_shared_among_workers(window, photo, tmp_path):
    file = inrcodec.encode(np.tile(photo, (1, 5, 1)), quality=10)
    window.resize(1400, 300)
    window.open(page_of(file, "wide.sinr"), tmp_path / "page.html")
    window.settle()
    press(window, "1")
    assert np.array_equal(placed(window, inrcodec.decode(file))[:, :, :3], inrcodec.decode(file))


def test_what_is_coarse_comes_first_and_what_is_sharp_last(window, file, tmp_path):
    hook = window.command("Page.addScriptToEvaluateOnNewDocument", {"source": HOOK})
    window.open(page_of(file, "photo.sinr"), tmp_path / "page.html")
    window.command("Page.removeScriptToEvaluateOnNewDocument", hook)
    window.settle()
    drawn = window.script("return globalThis.drawn")
    scales = [scale for scale, _, _ in drawn]
    assert scales[0] == pytest.approx(2, rel=0.02)
    assert scales[-1] == 1
    assert scales == sorted(scales, reverse=True)
    # Sharp pixels cover the picture once.
    assert sum(width * height for scale, width, height in drawn if scale == 1) == 400 * 300


HOOK = """
globalThis.drawn = [];
const { drawImage } = CanvasRenderingContext2D.prototype;
CanvasRenderingContext2D.prototype.drawImage = function (image, ...place) {
  if (image instanceof ImageBitmap && place.length === 4) {
    drawn.push([place[2] / image.width, place[2], place[3]]);
  }
  return drawImage.call(this, image, ...place);
};
"""


def test_a_damaged_tile_is_told(window, file, tmp_path):
    container = unpack(file)
    damaged = pack(replace(container, tiles=(container.tiles[0] + b"\0",)))
    window.open(page_of(damaged, "photo.sinr"), tmp_path / "page.html")
    window.settle()
    failure = window.element("failure")
    assert failure.is_displayed()
    assert failure.aria_role == "alert"
    assert "cannot be shown" in failure.text


def test_names_are_text(window, file, tmp_path):
    name = "<img src=x onerror=alert(1)>&amp;'\"$policy</script>.sinr"
    window.open(page_of(file, name), tmp_path / "page.html")
    window.settle()
    assert window.driver.title == name
    assert window.element("picture").get_attribute("aria-label") == f"{name}, 256 by 192 pixels"
    assert window.script("return document.querySelector('h1').textContent") == name
    assert window.script("return document.images.length") == 0


def test_the_original_is_beside_it(window, photo, file, tmp_path):
    window.open(page_of(file, "photo.sinr", inrcodec.Picture(photo)), tmp_path / "page.html")
    window.settle()
    press(window, "1")
    assert re.search(r"\d\d\.\d\d dB PSNR$", window.element("facts").text)
    original = window.pixels(window.element("original"), (72, 54, 256, 192))
    assert np.array_equal(original[:, :, :3], photo)
    clip = lambda: window.script("return getComputedStyle(arguments[0]).clipPath", window.element("original"))  # noqa: E731
    assert "50%" in clip()
    divider = window.element("divider")
    ActionChains(window.driver).drag_and_drop_by_offset(divider, 100, 0).perform()
    assert float(window.element("slider").get_attribute("value")) == pytest.approx(75, abs=1)
    assert window.zoom == 1
    window.script("arguments[0].focus()", window.element("slider"))
    ActionChains(window.driver).send_keys(Keys.HOME).perform()
    assert "100%" in clip()
    assert window.element("slider").accessible_name == "Share of the original"


def test_alpha_is_transparent(window, photo, tmp_path):
    alpha = np.tile(np.linspace(0, 255, 256).astype(np.uint8), (192, 1))
    file = inrcodec.encode(np.dstack([photo, alpha]))
    window.open(page_of(file, "cutout.sinr"), tmp_path / "page.html")
    window.settle()
    press(window, "1")
    found, expected = placed(window, photo), inrcodec.decode(file)
    assert np.array_equal(found[:, :, 3], alpha)
    # A canvas holds colours times alpha, of which little is left where that is small.
    solid = alpha > 200
    assert np.abs(found[solid].astype(int) - expected[solid]).max() <= 2


@pytest.mark.parametrize("channels", [1, 3])
def test_profiles_are_applied(window, photo, tmp_path, channels):
    icc = (ADOBE_RGB if channels == 3 else ColourSpace(curve=(1.0,))).profile(channels)
    assert icc
    file = inrcodec.encode(inrcodec.Picture(photo[:, :, :channels], icc=icc))
    window.open(page_of(file, "profile.sinr"), tmp_path / "page.html")
    window.settle()
    press(window, "1")
    decoded = Image.fromarray(inrcodec.decode(file))
    plain, wanted = np.asarray(decoded.convert("RGB")), ImageCms.createProfile("sRGB")
    converted = ImageCms.profileToProfile(decoded, io.BytesIO(icc), wanted, outputMode="RGB")
    found = placed(window, photo)[:, :, :3].astype(int)
    assert np.abs(found - plain).mean() > 2
    assert np.abs(found - np.asarray(converted)).mean() < 1
