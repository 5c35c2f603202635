"""X-rays of typical samples as text files. After a wanted change: pytest tests/golden --regenerate, reason in the commit."""

from __future__ import annotations

from pathlib import Path

import pytest

from bothways.core.region import REGIONS
from bothways.core.sample import AS_BOTH, Image, Sample, Text
from bothways.core.spec import Discrete, VisualSpec
from bothways.generate.trace import at_step, begun
from bothways.layout import bpe
from bothways.layout.build import build, pieces
from bothways.layout.order import Drawing, Masking
from bothways.layout.wording import HouseWording
from bothways.layout.xray import xray
from layouts import CHARACTERS, FOUR, PICTURE, THREE

FOLDER = Path(__file__).parent / "xrays"
HOUSE = HouseWording(bpe.train(["What is the weather? It is sunny, the battery shows 57%. Draw a watch at 7:35."] * 5, 320))
GRID = VisualSpec("grid", Discrete(512, 8), (8, 8), 64, True)

GIVEN, LEARNED = Image(PICTURE), Image(PICTURE, learn=True)
EDIT = (GIVEN, Text("red"), LEARNED, Text("ok", learn=True))
BOTH = frozenset({"text", "image"})

NINE = VisualSpec("nine", Discrete(8, 4), (3, 3), 8, True)
RANDOM = {"drawing": Drawing(order="random"), "seed": 3}

SMALL = {
    "reading": ((GIVEN, Text("how?"), Text("so", learn=True)), {}),
    "captioning": ((GIVEN, Text("a cat", learn=True)), {}),
    "text_only": ((Text("hi"), Text("yo", learn=True)), {}),
    "several_turns": ((GIVEN, Text("a?"), Text("b", learn=True), Text("c?"), Text("d", learn=True)), {}),
    "interleaved": ((Text("a", learn=True), LEARNED, Text("b", learn=True), LEARNED), {}),
    "edit_raster": (EDIT, {}),
    "edit_random": (EDIT, {"drawing": Drawing(order="random"), "seed": 1}),
    "edit_masked": (EDIT, {"drawing": Drawing(masked=Masking(share=0.6))}),
    "edit_noised": (EDIT, {"drawing": Drawing(noised=True)}),
    "edit_causal_given": (EDIT, {"causal_given": True}),
    "edit_learned_marks": (EDIT, {"drawing": Drawing(learn_marks=True)}),
    "edit_as_both": ((Image(PICTURE, views=AS_BOTH), *EDIT[1:]), {}),
    "interleaved_learned_marks": (
        (GIVEN, Text("c?"), Text("a", learn=True), LEARNED, LEARNED, Text("e?"), LEARNED, Text("b", learn=True)),
        {"drawing": Drawing(learn_marks=True)},
    ),
    "edit_without_text": (EDIT, {"drop": frozenset({"text"})}),
    "edit_without_image": (EDIT, {"drop": frozenset({"image"})}),
    "edit_unconditional": (EDIT, {"drop": BOTH}),
    "prompt_reading": ((GIVEN, Text("how?"), Text(None, learn=True)), {}),
    "prompt_drawing": ((Text("cat"), Image(None, learn=True)), {}),
    "prompt_inpainting": ((Text("cat"), Image(PICTURE, learn=True, keep=REGIONS["left-half"])), {"learned": NINE, **RANDOM}),
    "edit_mixed": (EDIT, {"drawing": Drawing(order="mixed", raster_share=0.0), "seed": 1}),
}
REAL = {
    "house_reading": (GIVEN, Text("What is the weather? The battery shows 57%."), Text("sunny", learn=True)),
    "house_drawing": (Text("Draw a watch at 7:35."), LEARNED),
}


@pytest.mark.parametrize("name", SMALL)
def test_a_small_layout_looks_as_it_did(name, regenerate):
    segments, options = SMALL[name]
    sequence = build(Sample(name, segments), CHARACTERS, FOUR, **({"learned": THREE} | options))
    compare(name, xray(sequence, CHARACTERS), regenerate)


@pytest.mark.parametrize("step", [0, 1, 2])
def test_a_step_that_asks_for_several_places_looks_as_it_did(step, regenerate):
    sample = begun(Sample("drawing", (GIVEN, Text("cat"), LEARNED, Text("ok", learn=True))))
    sequence, known = at_step(sample, pieces(sample, CHARACTERS, FOUR, NINE, **RANDOM), 3, step)
    assert known == [0, 2, 5][step]
    compare(f"step_{step}_of_3", xray(sequence, CHARACTERS, legend=True), regenerate)


@pytest.mark.parametrize("name", REAL)
def test_a_layout_of_real_size_looks_as_it_did(name, regenerate):
    sequence = build(Sample(name, REAL[name]), HOUSE, GRID, GRID)
    compare(name, xray(sequence, HOUSE, width=100, legend=True), regenerate)


def test_every_golden_xray_belongs_to_a_test():
    assert {path.stem for path in FOLDER.glob("*.txt")} == set(SMALL) | set(REAL) | {f"step_{step}_of_3" for step in range(3)}


def compare(name: str, shown: str, regenerate: bool) -> None:
    path = FOLDER / f"{name}.txt"
    if regenerate:
        path.write_text(shown + "\n")
    assert shown + "\n" == path.read_text()
