"""The x-ray shows sequences as the design draws them."""

from __future__ import annotations

import numpy as np

from bothways.core.sample import Image, Sample, Text
from bothways.core.spec import Discrete, VisualSpec
from bothways.layout.build import build
from bothways.layout.order import Drawing, Masking
from bothways.layout.xray import LEGEND, letters, xray
from layouts import CHARACTERS, FOUR, PICTURE, THREE

EDIT = """\
^<....>red<...>ok$   content
..........III.TTT.   duty
abccccdefghijklmno   block
..0123.....012....   place"""

RANDOM = """\
^cat<...>   content
....III..   duty
abcdefghi   block
.....201.   place
....201..   next"""

MASKED = """\
^cat<?.?>   content
.....I.I.   duty (in place)
abcdefffg   block (f: bidirectional)
.....012.   place"""

DRAW = Sample("draw", (Text("cat"), Image(PICTURE, learn=True)))


def test_the_designs_edit_in_raster_order():
    edit = Sample("edit", (Image(PICTURE), Text("red"), Image(PICTURE, learn=True), Text("ok", learn=True)))
    assert xray(build(edit, CHARACTERS, FOUR, THREE), CHARACTERS) == EDIT


def test_the_designs_text_to_image_in_random_order():
    shown = {xray(build(DRAW, CHARACTERS, FOUR, THREE, drawing=Drawing(order="random"), seed=s), CHARACTERS) for s in range(40)}
    assert RANDOM in shown and len(shown) == 6
    assert sum("next" in one for one in shown) == 5, "raster order is one of them and needs no such row"


def test_the_designs_text_to_image_masked():
    masked = Drawing(masked=Masking(share=2 / 3))
    shown = {xray(build(DRAW, CHARACTERS, FOUR, THREE, drawing=masked, seed=s), CHARACTERS) for s in range(40)}
    assert MASKED in shown and len(shown) == 3


def test_blocks_go_on_behind_z():
    assert [letters(n) for n in (0, 25, 26, 51, 52, 701, 702)] == ["a", "z", "aa", "az", "ba", "zz", "aaa"]


def test_lines_fit_the_terminal_and_hold_every_column():
    sequence = build(Sample("a", (Text("abcdefghij" * 5),)), CHARACTERS, None, None)
    lines = xray(sequence, CHARACTERS, width=40).split("\n")
    assert max(map(len, lines)) <= 40
    shown = "".join(line.removesuffix("content").replace(" ", "") for line in lines if line.endswith("content"))
    assert shown == "^" + "abcdefghij" * 5
    assert LEGEND in xray(sequence, CHARACTERS, legend=True)


def test_the_middle_of_a_long_image_is_left_out():
    long = VisualSpec("long", Discrete(8, 4), (8, 8), 64, True)
    places = xray(build(Sample("a", (Image(PICTURE),)), CHARACTERS, long, None), CHARACTERS).split("\n")[3]
    assert places.split() == [".", ".", "0", "1", "2", "3", "…", "61", "62", "63", ".", "place"]


def test_control_characters_do_not_reach_the_terminal():
    text = "a\x1b[31m\n\tb\u202e"
    shown = xray(build(Sample("a", (Text(text),)), CHARACTERS, None, None), CHARACTERS)
    assert all(c.isprintable() or c == "\n" for c in shown) and "\\x1b" in shown and "↵" in shown
    assert np.all([len(line) < 120 for line in shown.split("\n")])
