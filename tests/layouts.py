"""What the layout tests share: a wording of one id a character, small specs, and random samples of every shape."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
from hypothesis import strategies as st

from bothways.core.sample import AS_BOTH, ArrayPicture, Image, Sample, Text
from bothways.core.spec import Discrete, VisualSpec
from bothways.layout.order import Drawing, Masking
from bothways.layout.wording import NO_IDS, Frame, Wording, ends_turn


class CharacterWording(Wording):
    """One id a character and nothing between turns: the wording of the design's x-ray tables."""

    start, end, open, close, pad = map(ord, "^$<>_")
    vocab_size = 128
    digest = "characters"

    def _encode(self, text: str) -> Iterable[int]:
        return map(ord, text)

    def decode(self, ids: Iterable[int]) -> str:
        return "".join(map(chr, ids))

    def spell(self, id: int) -> str:
        return chr(id)

    def save(self, folder: Path) -> None:
        raise NotImplementedError

    def frames(self, segments, whole_turns=False):
        end = np.array([self.end])
        return [Frame(NO_IDS, NO_IDS, end if ends else NO_IDS, NO_IDS) for ends in ends_turn(segments, whole_turns)]


CHARACTERS = CharacterWording()
THREE = VisualSpec("three", Discrete(8, 4), (3,), 8, True)
FOUR = VisualSpec("four", Discrete(8, 4), (2, 2), 8, False)
PICTURE = ArrayPicture(np.zeros((8, 8, 3), dtype=np.uint8), "black")

DRAWINGS = {
    "raster": Drawing(),
    "random": Drawing(order="random"),
    "masked": Drawing(masked=Masking()),
    "mostly masked": Drawing(masked=Masking(share=0.7)),
    "noised": Drawing(noised=True),
    "marks": Drawing(learn_marks=True),
    "masked with marks": Drawing(masked=Masking(), learn_marks=True),
}

VIEWS = (("given",), ("learned",), AS_BOTH)
segments = st.one_of(
    st.builds(Text, st.text("abc", max_size=4), st.booleans()),
    st.builds(Image, st.just(PICTURE), st.just(True)),
    st.builds(Image, st.just(PICTURE), views=st.sampled_from(VIEWS)),
    st.builds(Text, st.text("abc", max_size=4), role=st.just("assistant")),
    st.builds(Image, st.just(PICTURE), role=st.just("assistant")),
)
samples = st.builds(
    Sample, st.text("xyz", min_size=1, max_size=3), st.lists(segments, max_size=6).map(tuple), st.sampled_from("uv")
)
options = st.fixed_dictionaries(
    {
        "drawing": st.sampled_from(list(DRAWINGS.values())),
        "causal_given": st.booleans(),
        "same_tokens": st.booleans(),
        "drop": st.sets(st.sampled_from(["text", "image"])).map(frozenset),
        "step": st.integers(0, 3),
    }
)
