"""The report page: complete, self-contained, and rendered by a real browser where there is one."""

import re
import shutil
import subprocess
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from inrcodec.bench.anchors import Anchor
from inrcodec.bench.crops import Crop, CropRow
from inrcodec.bench.markdown import render_markdown
from inrcodec.bench.memory import Memory, Peak
from inrcodec.bench.plots import COLOURS, Frame, Series, apart, draw, plot_svg, write_plots
from inrcodec.bench.points import Point
from inrcodec.bench.quality import PSNR
from inrcodec.bench.report import Report, render
from inrcodec.bench.run import Failure
from inrcodec.bench.summary import summarise

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)

FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
]

PIXEL = "data:image/gif;base64,R0lGODlhAQABAAAAACwAAAAAAQABAAACAkQBADs="

# Bits per pixel and dB: the first codec gains on one and loses on the other.
CURVES = {
    "ours": [(0.1, 26.0), (0.2, 28.5), (0.4, 31.0), (0.8, 34.0)],
    "weaker": [(0.125, 26.0), (0.25, 28.5), (0.5, 31.0), (1.0, 34.0)],
    "stronger<&>": [(0.08, 26.0), (0.16, 28.5), (0.32, 31.0), (0.64, 34.0)],
    "elsewhere": [(0.1, 56.0), (0.2, 58.5), (0.4, 61.0), (0.8, 64.0)],
}


def points(images: int = 5) -> list[Point]:
    return [
        Point(
            f"picture{k}.png",
            codec,
            "default" if codec == "weaker" else "psnr",
            str(i),
            600,
            400,
            int(bpp * 30000),
            bpp * (1 + k / 5),
            psnr,
            0.9,
            0.95,
            2 * psnr,
            1.5,
            0.2,
        )
        for k in range(images)
        for codec, curve in CURVES.items()
        for i, (bpp, psnr) in enumerate(curve)
    ]


def report(**changes) -> Report:
    anchors = [Anchor("A paper (2021)", "Paper", "where it came from", (0.05, 0.5, 3.0), (24.0, 29.0, 41.0))]
    values = {
        "summary": summarise(points(), anchors),
        "points": points(),
        "anchors": anchors,
        "memory": {"ours": Memory("picture0.png", "10", Peak(60.0, 95.0), Peak(60.0, 80.0))},
        "versions": {"ours": "ours 1.0", "weaker": "libweak 2"},
        "machine": {"processor": "a <fast> one"},
        "failures": [],
        "unreadable": {},
        "command": "inrcodec bench 'my images' --out x",
    }
    return Report(**{**values, **changes})


CROPS = [
    CropRow(
        "picture1.png",
        "worst image for ours",
        9000,
        16,
        32,
        (
            Crop("", "", 400_000, float("inf"), PIXEL),
            Crop("ours", "10", 9000, 28.25, PIXEL),
            Crop("weaker", "1", 9500, 24.0, PIXEL),
        ),
    )
]


def page_text(**changes) -> str:
    return render(report(**changes), CROPS)


class Page(HTMLParser):
    """Checks that tags nest, and collects what the page would load."""

    void = frozenset({"meta", "img", "br", "line", "circle", "polyline", "polygon"})

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.loads: list[str] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.loads += [value or "" for name, value in attrs if name in ("src", "href", "srcset")]
        if tag not in self.void:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        pass

    def handle_endtag(self, tag: str) -> None:
        if tag not in self.void:
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            self.text += data


def test_the_page_is_well_formed_and_loads_nothing() -> None:
    text = page_text()
    page = Page(text)
    assert page.open == []
    assert page.loads
    assert all(load.startswith("data:") for load in page.loads)
    assert "@import" not in text
    assert "url(" not in text
    assert "<script" not in text
    assert "$" not in page.text


def test_gains_and_losses_are_shown_alike() -> None:
    text = page_text()
    assert text.count('<span class="good">20.0 %</span>') == 1
    assert text.count('<span class="bad">25.0 %</span>') == 1
    page = re.sub(r"\s+", " ", Page(text).text)
    assert "20.0 % fewer bits than weaker" in page
    assert "25.0 % more bits than stronger<&>" in page
    assert "no fair number against elsewhere" in page
    assert "better on 0 of 5 images" in page
    assert "\N{MINUS SIGN}20.0 %" in page
    assert "+25.0 %" in page
    assert "overlap by 0%" in text  # why there is no number


def test_names_numbers_and_sources_are_there() -> None:
    page = Page(page_text()).text
    for expected in (
        "picture0.png",
        "picture4.png",
        "worst image for ours; at most 9,000 bytes each",
        "larger: cannot go lower",
        "where it came from",
        "95 MiB",
        "a <fast> one",
        "inrcodec bench 'my images' --out x",
        "26.0 to 34.0 dB (100% overlap)",
    ):
        assert expected in page
    assert "Problems" not in page


def test_problems_come_first() -> None:
    failures = [Failure("picture9.png", "weaker", "3", "OSError: encoder error -2")]
    page = Page(page_text(failures=failures, unreadable={"x.png": "not an image"})).text
    assert "x.png: not an image" in page
    assert "picture9.png, weaker at 3: OSError: encoder error -2" in page
    assert page.index("Problems") < page.index("Rate and distortion")


def test_one_codec_alone_and_lossless_points() -> None:
    alone = [
        Point("a.png", "ours", "psnr", str(i), 8, 8, 10 + i, 1.0 + i, psnr, None, None, None, 0.1, 0.1)
        for i, psnr in enumerate([30.0, 40.0, float("inf")])
    ]
    page = Page(render(report(summary=summarise(alone), points=alone, memory={}, anchors=[]), []))
    assert page.open == []
    assert "n/a" in page.text


def test_markdown_has_the_same_figures() -> None:
    text = render_markdown(report())
    assert "    inrcodec bench 'my images' --out x" in text
    assert text.count("| ours, tune psnr |  | -20.0 % | +25.0 % | n/a |") == 2
    assert "| weaker, tune default | +25.0 % |" in text
    assert "| weaker | -20.0 % |" in text
    costs = "6.25 s | 0.833 s | 95 MiB, 60 before | 80 MiB, 60 before | picture0.png at 0, 1.5 s + 0.2 s"
    assert f"| ours | {costs} | picture0.png at 0, 26.00 dB, 0.100 bpp |" in text
    assert "| Paper |" in text
    tables = [block for block in text.split("\n\n") if block.startswith("|")]
    assert len(tables) == 7
    for table in tables:
        assert len({line.count("|") for line in table.strip().splitlines()}) == 1


def test_page_and_markdown_show_the_same_tables() -> None:
    page = [
        [re.sub("<[^>]+>", " ", cell) for cell in re.findall(r"<t[hd].*?>(.*?)</t[hd]>", row)]
        for row in re.findall(r"<tr>(.*?)</tr>", page_text())
    ]
    lines = [line for line in render_markdown(report()).splitlines() if line.startswith("| ")]
    text = [line[2:-2].split(" | ") for line in lines if not line.startswith("| ---")]
    assert [len(row) for row in page] == [len(row) for row in text]

    def figures(row: list[str]) -> list[list[str]]:
        return [re.findall(r"[\d.]+", cell) for cell in row]

    assert list(map(figures, page)) == list(map(figures, text))


def test_plots_as_files(tmp_path: Path) -> None:
    made = report()
    png, svg, *others = write_plots(made.summary, made.anchors, tmp_path)
    assert (png, svg) == (tmp_path / "rd-psnr.png", tmp_path / "rd-psnr.svg")
    assert [path.name for path in others[::2]] == ["rd-ms_ssim.png", "rd-ssimulacra2.png"]
    assert "<!-- Paper -->" not in others[-1].read_text()
    with Image.open(png) as picture:
        assert picture.size == (1280, 800)
        pixels = np.asarray(picture.convert("RGB"))
    for colour in COLOURS[: len(CURVES)]:
        assert (pixels == list(bytes.fromhex(colour[1:]))).all(axis=2).sum() > 100
    text = svg.read_text()
    assert "<svg" in text
    # matplotlib names the words whose outlines it draws
    for words in ("ours (tune psnr)", "weaker", "elsewhere", "Paper", "bits per pixel, mean over 5 images"):
        assert f"<!-- {words} -->" in text
    lossless = [Point("a.png", "ours", "psnr", "1", 8, 8, 10, 1.0, float("inf"), None, None, None, 0.1, 0.1)]
    assert write_plots(summarise(lossless), [], tmp_path) == []


def test_curves_are_cut_at_the_frame() -> None:
    frame = Frame(width=300, height=200)
    measured = Series("m", [0.2, 0.8], [26.0, 34.0], 0, ["low", "high"])
    long = Series("published", [0.01, 0.5, 9.0], [10.0, 30.0, 60.0], None)
    figure = draw([long, measured], frame, PSNR)
    assert figure
    (axes,) = figure.axes
    (left, right), (bottom, top) = axes.get_xlim(), axes.get_ylim()
    assert left < 0.2 < 0.8 < right
    assert bottom < 26 < 34 < top
    places = np.asarray(axes.lines[0].get_xydata())
    drawn = places[np.isfinite(places[:, 1])]
    assert ((drawn >= [left, bottom]) & (drawn <= [right, top])).all()
    assert drawn[0, 1] == pytest.approx(bottom, abs=0.1)
    assert drawn[-1] == pytest.approx([right, np.interp(right, [0.5, 9.0], [30.0, 60.0])])
    assert np.abs(drawn - [0.5, 30.0]).max(axis=1).min() < 0.05
    # No clip path: nothing but the above keeps the curve inside.
    assert "clip" not in plot_svg([measured, long], frame, "title", PSNR)
    assert "No points" in plot_svg([long], frame, "title", PSNR)


def test_points_on_the_page_have_tips_and_the_colours_of_its_style_sheet() -> None:
    text = page_text()
    for tip in ("ours at 0: 0.100 bpp, 26.00 dB", "stronger&lt;&amp;&gt; at 3: 0.896 bpp, 34.00 dB"):
        assert f"<title>{tip}</title></use>" in text
    drawings = re.findall(r"<svg.*?</svg>", text, re.DOTALL)
    assert len(drawings) == 2 * 3 + 5 + 2 * len(CURVES)
    for drawing in drawings:
        used = set(re.findall(r"var\((--\w+)\)", drawing))
        assert "--c0" in used or 'class="key"' in drawing
        assert not re.search(r"(stroke|fill): #", drawing)
        for variable in used:
            assert len(re.findall(rf"{variable}: #[0-9a-f]{{6}};", text)) == 2  # light and dark


def test_dollar_signs_in_names_are_no_formulas() -> None:
    series = [Series("$a$b", [0.2, 0.8], [26.0, 34.0], 0, ["low", "high"])]
    svg = plot_svg(series, Frame(300, 200), "title", PSNR)
    assert ">$a$b</text>" in svg


def test_labels_keep_their_distance() -> None:
    assert apart([10.0, 11.0, 50.0], 15.0, 100.0) == [10.0, 25.0, 50.0]
    assert apart([95.0, 96.0, 97.0], 15.0, 100.0) == [70.0, 85.0, 100.0]
    assert apart([], 15.0, 100.0) == []


def screenshot(page: Path, out: Path, width: int, height: int, scheme: int) -> np.ndarray:
    """Pixels of the page; `scheme` is Chromium's preferred colour scheme, 0 dark or 1 light."""
    command = [
        str(BROWSER),
        *FLAGS,
        f"--user-data-dir={out.parent / 'profile'}",
        f"--window-size={width},{height}",
        f"--blink-settings=preferredColorScheme={scheme}",
        f"--screenshot={out}",
        page.as_uri(),
    ]
    subprocess.run(command, check=True, capture_output=True, timeout=120)
    with Image.open(out) as picture:
        return np.asarray(picture.convert("RGB")).astype(int)


@pytest.mark.skipif(BROWSER is None, reason="no Chromium or Chrome on this machine")
@pytest.mark.parametrize(("width", "height"), [(1280, 1400), (500, 1400)], ids=["desktop", "phone"])
@pytest.mark.parametrize("scheme", [0, 1], ids=["dark", "light"])
def test_a_browser_renders_the_report(tmp_path: Path, width: int, height: int, scheme: int) -> None:
    page = tmp_path / "report.html"
    page.write_text(page_text(), encoding="utf-8")
    pixels = screenshot(page, tmp_path / "shot.png", width, height, scheme)
    assert pixels.shape[1] == width
    background = np.median(pixels.reshape(-1, 3), axis=0)
    assert background.mean() > 230 if scheme else background.mean() < 50
    # The first codec's curve is drawn in its colour for this scheme.
    colour = np.array([0x0B, 0x62, 0xD6] if scheme else [0x62, 0xA8, 0xFF])
    assert (np.abs(pixels - colour).max(axis=2) < 12).sum() > 200


@pytest.mark.skipif(BROWSER is None, reason="no Chromium or Chrome on this machine")
def test_the_page_is_no_wider_than_a_phone(tmp_path: Path) -> None:
    page = tmp_path / "report.html"
    long = "inrcodec:codebook=/home/somebody/experiments/codebook-with-a-long-name.safetensors:entropy=zstd"
    renamed = [replace(p, codec=long if p.codec == "weaker" else p.codec) for p in points()]
    first = [p for p in renamed if p.codec == long] + [p for p in renamed if p.codec != long]
    page.write_text(page_text(summary=summarise(first), points=first), encoding="utf-8")
    # The frame stands for a phone: headless windows have a least width.
    outer = tmp_path / "outer.html"
    outer.write_text(
        f'<body style="margin:0"><iframe id="f" src="{page.as_uri()}" width="360" height="800"></iframe>'
        "<script>onload = () => { const d = f.contentDocument.documentElement;"
        "document.title = d.scrollWidth + ' of ' + d.clientWidth; }</script>"
    )
    command = [
        str(BROWSER),
        *FLAGS,
        f"--user-data-dir={tmp_path / 'profile'}",
        "--allow-file-access-from-files",
    ]
    done = subprocess.run(
        [*command, "--virtual-time-budget=3000", "--dump-dom", outer.as_uri()],
        check=True,
        capture_output=True,
        text=True,
        timeout=120,
    )
    width = re.search(r"<title>(\d+) of (\d+)</title>", done.stdout)
    assert width, done.stdout[:500]
    assert int(width[1]) <= int(width[2])
