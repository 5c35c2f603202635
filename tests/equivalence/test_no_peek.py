"""No position peeks: what changes at one position changes exactly the hidden states that the block rule lets read it.

The relation is taken through as many layers as the model has; a mask that is wrong, bent (a bool in an additive mask, a
window, a soft cap in the wrong place) or bypassed shows as a state that moves and should not, or should and does not.
"""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import tiny
from bothways.backbones.backbone import Reads
from bothways.core.sample import Image, Sample, Text
from bothways.data.worlds import WorldSource
from bothways.layout.batch import collate
from bothways.layout.rule import reads
from bothways.layout.sequence import Content, Sequence
from bothways.model.unified import UnifiedModel
from bothways.worlds import WORLDS
from layouts import VIEWS

MAX_CHARACTERS = 12  # of a text: every token of a sample is changed once
LAYOUTS = {
    "raster": {},
    "random order": {"order": "random"},
    "causal pictures": {"causal_given": True},
    "patches read": tiny.READS_PATCHES,
    "marks learned": {"learn_marks": True, "order": "random"},
    "mixed order": {"order": "mixed"},
    "random order, all of it": {"order": "random", "learn_marks": True, "causal_given": True, **tiny.READS_PATCHES},
}


@lru_cache
def loud_model(family: str = "llama", path: str = "sdpa", layout: str = "raster") -> UnifiedModel:
    return tiny.backbone_model(family, path, **LAYOUTS[layout])


@torch.inference_mode()
def influence(
    model: UnifiedModel, sample: Sample, drop: frozenset[str] = frozenset()
) -> tuple[Sequence, np.ndarray, np.ndarray]:
    """The sequence, the positions that hold something, and bool (S, S): does hidden state q move when content k does?"""
    sequence = model.lay_out(sample, drop)
    holds = np.flatnonzero((sequence.ids >= 0) | (sequence.content == Content.CLEAN))
    rows = 1 + len(holds)
    batch = model.attach(collate([sequence] * rows, [sample] * rows))
    for row, k in enumerate(holds, start=1):
        if sequence.ids[k] >= 0:
            batch.ids[row, k] = (batch.ids[row, k] + 7) % model.wording.vocab_size
            continue
        tokens = batch.learned_tokens if batch.drawn[row, k] else batch.given_tokens
        at = batch.picture[row, k], batch.place[row, k]
        tokens[at] = (tokens[at] + 1) % 32 if tokens.dtype == torch.long else tokens[at] + 1
    hidden = model.hidden(batch)
    moved = np.zeros((len(sequence), len(sequence)), dtype=bool)
    moved[:, holds] = (hidden[1:] - hidden[0]).abs().amax(-1).numpy().T > 1e-6
    return sequence, holds, moved


def through_layers(sequence: Sequence, num_layers: int) -> np.ndarray:
    """bool (S, S): may something at k reach the hidden state at q through that many layers?"""
    once = reads(sequence)
    reach = once
    for _ in range(num_layers - 1):
        reach = reach @ once
    return reach


def assert_exactly_the_permitted_states_move(model: UnifiedModel, sample: Sample, drop: frozenset[str] = frozenset()) -> None:
    sequence, holds, moved = influence(model, sample, drop)
    permitted = through_layers(sequence, model.config.backbone.shape.num_layers)
    wrong = [(q, k) for k in holds for q in range(len(sequence)) if moved[q, k] != permitted[q, k]]
    assert wrong == [], f"{sample.id}: (q, k) {wrong[:5]} of {moved.sum()}"


@pytest.mark.parametrize(("family", "path"), tiny.BACKBONES)
@pytest.mark.parametrize("pattern", tiny.PATTERNS)
def test_exactly_the_states_move_that_may_read_what_changed(family, path, pattern):
    assert_exactly_the_permitted_states_move(loud_model(family, path), tiny.sample(pattern))


@pytest.mark.parametrize("layout", [name for name in LAYOUTS if name != "raster"])
@pytest.mark.parametrize("pattern", tiny.PATTERNS)
def test_the_same_holds_for_every_way_of_laying_out(layout, pattern):
    assert_exactly_the_permitted_states_move(loud_model(layout=layout), tiny.sample(pattern))


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("pattern", tiny.PATTERNS)
def test_no_position_sees_what_it_must_predict(layout, pattern):
    sequence, _, moved = influence(loud_model(layout=layout), tiny.sample(pattern))
    predictors = np.flatnonzero(sequence.predicts >= 0)
    assert len(predictors)
    for q in predictors:
        # Neither the token that it predicts nor any predicted after it.
        later = sequence.predicts[predictors[predictors >= q]]
        assert not moved[q, later].any(), (q, later[moved[q, later]])


@lru_cache
def said(world: str) -> tuple[list[str], list[Image]]:
    """Short texts, and pictures of scenes, of a world."""
    config = WORLDS.load(world).parse({"kind": world})
    samples = [WorldSource(config.build(), kind).sample(cursor) for kind in ("vqa", "draw") for cursor in range(4)]
    segments = [segment for sample in samples for segment in sample.segments]
    texts = [s.content[:MAX_CHARACTERS] for s in segments if isinstance(s, Text)]
    return texts, [s for s in segments if isinstance(s, Image)]


@st.composite
def samples_of(draw: st.DrawFn, world: str) -> Sample:
    """Up to five segments of any kinds in any order, each given or learned, with at least one to be learned."""
    texts, pictures = said(world)
    text = st.builds(Text, st.sampled_from(texts), st.booleans(), st.sampled_from([None, "assistant"]))
    learned = st.builds(lambda found: Image(found.content, learn=True), st.sampled_from(pictures))
    as_views = lambda found, views, role: Image(found.content, role=role, views=views)  # noqa: E731
    role = st.sampled_from([None, "assistant"])
    given = st.builds(as_views, st.sampled_from(pictures), st.sampled_from(VIEWS), role)
    segments = draw(st.lists(st.one_of(text, learned, given), min_size=1, max_size=4))
    segments.insert(draw(st.integers(0, len(segments))), Image(draw(st.sampled_from(pictures)).content, learn=True))
    return Sample(draw(st.text("xyz", min_size=1, max_size=3)), tuple(segments), world)


@pytest.mark.parametrize("world", WORLDS)
@pytest.mark.parametrize("layout", LAYOUTS)
@given(data=st.data())
@settings(max_examples=12)
def test_no_sample_of_any_world_peeks_however_it_is_laid_out(layout, world, data):
    sample, drop = data.draw(samples_of(world)), data.draw(st.sets(st.sampled_from(["text", "image"])).map(frozenset))
    model = loud_model(layout=layout)
    assert_exactly_the_permitted_states_move(model, sample, drop)
    sequence, _, moved = influence(model, sample, drop)
    predictors = np.flatnonzero(sequence.predicts >= 0)
    for q in predictors:
        later = sequence.predicts[predictors[predictors >= q]]
        assert not moved[q, later].any(), (q, later[moved[q, later]])


@lru_cache
def edit_of(world: str, cursor: int) -> Sample:
    """An edit as a source makes it, its instruction cut short."""
    sample = WorldSource(WORLDS.load(world).parse({"kind": world}).build(), "edit").sample(cursor)
    given, instruction, edited = sample.segments
    return replace(sample, segments=(given, replace(instruction, content=instruction.content[:MAX_CHARACTERS]), edited))


@pytest.mark.parametrize("world", WORLDS)
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("drop", [(), ("text",), ("image",), ("text", "image")], ids=str)
def test_an_edit_reads_the_picture_and_the_instruction_and_no_token_that_it_must_predict(layout, world, drop):
    sample, model = edit_of(world, len(drop)), loud_model(layout=layout)
    assert_exactly_the_permitted_states_move(model, sample, frozenset(drop))
    sequence, holds, moved = influence(model, sample, frozenset(drop))
    predictors = np.flatnonzero(sequence.predicts >= 0)
    assert len(predictors) >= len(sequence.images[-1].places)
    views = [span for span in sequence.images if span.segment == 0]
    assert len(views) == (0 if "image" in drop else 1 if model.config.same_tokens else 2)
    for q in predictors:
        assert not moved[q, sequence.predicts[predictors[predictors >= q]]].any()
        for span in views:  # the whole picture before is there for every token of the one after
            assert moved[q, span.start : span.start + span.num_tokens].all()
        assert drop or (sequence.ids[holds[holds < q]] >= 0).sum() >= MAX_CHARACTERS // 2


def test_the_relation_is_the_same_through_any_number_of_layers():
    for layout in LAYOUTS:
        for pattern in tiny.PATTERNS:
            once = reads(loud_model(layout=layout).lay_out(tiny.sample(pattern)))
            assert (once @ once == once).all(), (layout, pattern)


def test_the_test_would_notice_a_mask_that_lets_everything_through(monkeypatch):
    monkeypatch.setattr(Reads, "allowed", lambda self: torch.ones(*self.block.shape, self.key_block.shape[1], dtype=torch.bool))
    with pytest.raises(AssertionError, match="reading"):
        assert_exactly_the_permitted_states_move(loud_model(), tiny.sample("reading"))


def test_the_models_block_rule_is_the_layouts():
    model = loud_model()
    samples = [tiny.sample(pattern) for pattern in tiny.PATTERNS]
    batch = tiny.batch_of(model, samples)
    allowed = Reads.within(batch.doc, batch.block, batch.private).allowed()
    for row, sample in enumerate(samples):
        expected = reads(model.lay_out(sample))
        assert (allowed[row, : len(expected), : len(expected)].numpy() == expected).all()
