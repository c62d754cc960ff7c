"""The drawn mouths: what each shape shows, blends, SVG, and the same curves on a real canvas."""

from __future__ import annotations

import io
import json
import xml.etree.ElementTree as ElementTree
from itertools import combinations

import numpy as np
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from clips import BadParams
from visemes.classes import CLASSES
from visemes.drawing import SCRIPT, SOURCE, load_mouth, svg, table

MOUTH = load_mouth()
SHARES = st.dictionaries(
    st.sampled_from(CLASSES), st.floats(0.01, 1), min_size=1, max_size=len(CLASSES)
)


def curve(points: np.ndarray, name: str) -> np.ndarray:
    """The points of the layer `name`."""
    return next(points[layer.points] for layer in MOUTH.layers if layer.name == name)


def drawn(points: np.ndarray, steps: int = 9) -> np.ndarray:
    """A Bézier curve as points that lie on it, `steps` for each cubic piece."""
    t = np.linspace(0, 1, steps)[:, None]
    basis = [(1 - t) ** 3, 3 * t * (1 - t) ** 2, 3 * t**2 * (1 - t), t**3]
    return np.concatenate(
        [
            sum(b * p for b, p in zip(basis, points[at : at + 4]))
            for at in range(0, len(points) - 1, 3)
        ]
    )


def area(points: np.ndarray) -> float:
    """The area that a closed curve encloses."""
    x, y = drawn(points).T
    return abs(np.dot(x, np.roll(y, 1)) - np.dot(y, np.roll(x, 1))) / 2


def opening(name: str) -> tuple[float, float, float]:
    """Width, height and area of the opening between the lips of a shape."""
    points = curve(MOUTH.blend({name: 1}), "opening")
    width, height = np.ptp(drawn(points), axis=0)
    return width, height, area(points)


def test_the_lips_are_shut_where_they_should_be_and_nowhere_else():
    for name in CLASSES:
        assert (opening(name)[2] < 1e-9) == (name in ("M", "Neutral")), name
    assert opening("Ah")[2] == max(opening(name)[2] for name in CLASSES)
    assert opening("Ah")[1] > opening("Uh")[1] > opening("Ee")[1] > 0.1


def test_round_shapes_are_narrow_and_ee_is_the_widest():
    widths = {name: opening(name)[0] for name in CLASSES}
    narrow = sorted(widths, key=widths.get)
    assert narrow[0] == "Woo" and set(narrow[:3]) == {"Woo", "Oh", "R"} and narrow[-1] == "Ee"
    assert widths["Ee"] > 4 * widths["Woo"]


def test_the_lips_of_m_are_pressed_thinner_than_at_rest():
    for lip in ("upper_lip", "lower_lip"):
        pressed, rest = (area(curve(MOUTH.blend({name: 1}), lip)) for name in ("M", "Neutral"))
        assert pressed < 0.75 * rest


@given(SHARES, SHARES, st.floats(0, 1))
def test_a_blend_lies_on_the_line_between_its_shapes(one, other, share):
    mean = {
        name: (1 - share) * one.get(name, 0) / sum(one.values())
        + share * other.get(name, 0) / sum(other.values())
        for name in CLASSES
    }
    expected = (1 - share) * MOUTH.blend(one) + share * MOUTH.blend(other)
    assert np.allclose(MOUTH.blend(mean), expected, atol=1e-9)


@given(SHARES)
def test_every_blend_is_symmetric_stays_in_its_square_and_never_crosses_its_lips(weights):
    points = MOUTH.blend(weights)
    assert np.abs(points[:, 0]).max() <= 1
    lips = np.concatenate([curve(points, "upper_lip"), curve(points, "lower_lip")])
    assert np.abs(lips).max() <= 1
    upper, lower = drawn(curve(points, "upper_line")), drawn(curve(points, "lower_line"))
    for line in (upper, lower):
        assert np.allclose(line, line[::-1] * [-1, 1], atol=1e-9)
    grid = np.linspace(-0.95, 0.95, 39) * upper[-1, 0]
    assert (np.diff(upper[:, 0]) >= -1e-9).all()
    above, below = (np.interp(grid, line[:, 0], line[:, 1]) for line in (upper, lower))
    assert (below - above >= -0.004).all(), "lips may touch, not cross"


def test_svg_is_one_picture_of_the_size_asked_for():
    text = svg({"Ah": 0.5, "M": 0.5}, 120)
    root = ElementTree.fromstring(text)
    assert root.get("width") == root.get("height") == "120" and root.get("viewBox") == "-1 -1 2 2"
    shown = [element for element in root if element.tag.endswith("path")]
    assert len(shown) == len(MOUTH.layers)
    assert text == svg({"M": 1, "Ah": 1}, 120) and text != svg({"M": 1}, 120)


def test_pictures_on_one_page_do_not_share_a_clip_path():
    names = {ElementTree.fromstring(svg({name: 1}))[0].get("id") for name in CLASSES}
    assert len(names) == len(CLASSES)


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ({"Nose": 1}, "Nose: no such mouth"),
        ({}, "no shares"),
        ({"M": 0}, "no shares"),
        ({"M": -1, "Ah": 2}, "no shares"),
        ({"M": float("nan")}, "no shares"),
        ({"M": float("inf")}, "no shares"),
    ],
)
def test_weights_that_are_none_are_refused(weights, message):
    with pytest.raises(BadParams, match=message):
        svg(weights)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t["shapes"].pop("L"), r"shapes.L: is no mouth"),
        (lambda t: t["shapes"]["M"].pop("press"), r"shapes.M: is no mouth .*press"),
        (lambda t: t["shapes"]["M"].update(jow=1), r"shapes.M: .*jow"),
        (lambda t: t["shapes"]["Ah"].update(width="wide"), r"shapes.Ah: .*wide"),
        (lambda t: t["colours"].pop("tongue"), r"colours.tongue: None is no colour"),
        (lambda t: t.pop("colours"), r"colours.*: None is no colour"),
        (lambda t: t["colours"].update(line="dark red"), r"colours.line: .*dark red"),
    ],
)
def test_a_faulty_table_is_named(tmp_path, change, message):
    read = yaml.safe_load(SOURCE.read_text("utf-8"))
    change(read)
    path = tmp_path / "mine.yaml"
    path.write_text(yaml.safe_dump(read), encoding="utf-8")
    with pytest.raises(BadParams, match=message):
        load_mouth(path)


# In a real browser


_PAGE = """<!doctype html><meta charset="utf-8"><body style="margin:0;background:#808080">
<canvas id="canvas" width="200" height="200" style="display:block"></canvas>
<div id="svg" style="line-height:0"></div>"""


@pytest.fixture(scope="module")
def page(browser):
    """An empty page of Chromium with mouth.js and the table."""
    page = browser.new_page(viewport={"width": 200, "height": 400})
    page.set_content(_PAGE)
    page.add_script_tag(content=SCRIPT.read_text("utf-8"))
    page.evaluate(f"globalThis.mouth = VisemillMouth.create({json.dumps(table())})")
    return page


def shot(page, selector: str) -> np.ndarray:
    """The pixels of an element, (height, width, 3), int."""
    return np.asarray(
        Image.open(io.BytesIO(page.locator(selector).screenshot())).convert("RGB"), int
    )


def draw(page, weights: dict[str, float]) -> np.ndarray:
    """The pixels of the canvas after the page's mouth was drawn on it, 200 a side."""
    page.evaluate(
        """weights => {
            const context = document.getElementById("canvas").getContext("2d");
            context.clearRect(0, 0, 200, 200);
            mouth.draw(context, 100, 100, 200, weights);
        }""",
        weights,
    )
    return shot(page, "#canvas")


@pytest.fixture(scope="module")
def pictures(page):
    """The canvas picture of each shape."""
    return {name: draw(page, {name: 1}) for name in CLASSES}


BLENDS = [{name: 1.0} for name in CLASSES] + [
    {"M": 0.5, "Ah": 0.5},
    {"L": 0.2, "Woo": 0.3, "Ee": 0.9},
]


def test_the_canvas_has_the_points_that_python_has(page):
    for weights in BLENDS:
        points = np.array(page.evaluate("w => Array.from(mouth.points(w))", weights))
        assert np.abs(points.reshape(-1, 2) - MOUTH.blend(weights)).max() < 1e-5
    assert page.evaluate("mouth.shapes") == list(CLASSES)


def test_canvas_and_svg_are_the_same_picture(page):
    for weights in BLENDS:
        canvas = draw(page, weights)
        page.evaluate("text => document.getElementById('svg').innerHTML = text", svg(weights, 200))
        difference = np.abs(canvas - shot(page, "#svg svg")).max(-1)
        # clips are smoothed differently at edges; a layer that is missing would show
        assert (difference > 60).mean() < 0.003 and difference.mean() < 1, weights


def test_draw_keeps_to_its_square_and_leaves_the_context_as_it_was(page):
    state = """() => {
        const context = document.getElementById("canvas").getContext("2d");
        context.clearRect(0, 0, 200, 200);
        context.fillStyle = "#123456";
        context.globalAlpha = 0.5;
        mouth.draw(context, 150, 50, 100, {Ah: 1});
        const now = [context.fillStyle, context.globalAlpha, context.getTransform().isIdentity];
        context.globalAlpha = 1;
        return now;
    }"""
    assert page.evaluate(state) == ["#123456", 0.5, True]
    changed = (np.abs(shot(page, "#canvas") - 0x80) > 2).any(-1)
    assert changed[:100, 100:].mean() > 0.2
    changed[:100, 100:] = False
    assert not changed.any()


@pytest.mark.parametrize("weights", [{"Nose": 1}, {"constructor": 1}, {}, {"M": 0}, {"M": -1}])
def test_the_canvas_refuses_what_python_refuses(page, weights):
    code = """w => { try { mouth.points(w); return "drawn"; } catch (e) { return e.name; } }"""
    assert page.evaluate(code, weights) == "RangeError"
    with pytest.raises(BadParams):
        MOUTH.blend(weights)


def seen(picture: np.ndarray, layer: str) -> float:
    """The share of the picture's pixels that have the colour of a layer."""
    colour = next(entry.colour for entry in MOUTH.layers if entry.name == layer)
    wanted = [int(colour[at : at + 2], 16) for at in (1, 3, 5)]
    return float((np.abs(picture - wanted).max(-1) < 12).mean())


def test_all_pairs_of_shapes_differ_to_the_eye(pictures):
    for one, other in combinations(CLASSES, 2):
        differs = (np.abs(pictures[one] - pictures[other]).max(-1) > 48).mean()
        assert differs > 0.015, (one, other, differs)


def test_teeth_and_tongue_show_where_they_should(pictures):
    assert seen(pictures["F"], "upper_teeth") > 4 * seen(pictures["Oh"], "upper_teeth")
    assert seen(pictures["S"], "upper_teeth") > 0.015 and seen(pictures["S"], "opening") < 0.004
    assert seen(pictures["L"], "tongue") > 2 * max(
        seen(pictures[name], "tongue") for name in ("Uh", "D", "Oh")
    )
    for name in ("M", "Neutral"):
        assert seen(pictures[name], "upper_teeth") == seen(pictures[name], "opening") == 0
