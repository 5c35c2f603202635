"""No position peeks where pictures are predicted in place: their hidden tokens stay hidden, and noise is all that is seen of
noised ones.

What is changed is what enters the backbone at one position, because a token of such a picture stands at two.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from test_no_peek import edit_of, samples_of, through_layers

import tiny
from bothways.backbones.backbone import Reads
from bothways.core.sample import Image, Sample
from bothways.layout.batch import Batch, collate
from bothways.layout.sequence import Content, Duty, Sequence
from bothways.model.unified import UnifiedModel
from bothways.worlds import WORLDS

PATCHES = {"given": tiny.PATCHES, "learned": tiny.PATCHES}
LAYOUTS = {
    "masked": {"head": {"kind": "masked"}},
    "masked, marks learned": {"head": {"kind": "masked"}, "learn_marks": True, **tiny.READS_PATCHES},
    "noised": {"head": {"kind": "denoise"}, **PATCHES},
    "noised, causal pictures, marks learned": {
        "head": {"kind": "denoise"},
        "learn_marks": True,
        "causal_given": True,
        **PATCHES,
    },
}
PATHS = ("sdpa", "matmul", "auto")


@lru_cache
def loud_model(layout: str, path: str = "sdpa") -> UnifiedModel:
    made = tiny.backbone_model("llama", path, **LAYOUTS[layout])
    if hasattr(made.head, "zero_prediction"):
        made.head.zero_prediction.weight.data.normal_(generator=torch.Generator().manual_seed(0))
    return made


def run(model: UnifiedModel, batch: Batch, x: torch.Tensor) -> torch.Tensor:
    return model.backbone.run(x, Reads.within(batch.doc, batch.block, batch.private), batch.position)


@torch.inference_mode()
def assert_exactly_the_permitted_states_move(model: UnifiedModel, sample: Sample, drop: frozenset[str] = frozenset()) -> None:
    sequence = model.lay_out(sample, drop)
    rows = len(sequence) + 1
    batch = model.attach(collate([sequence] * rows, [sample] * rows))
    x = model.embed(batch)
    x[torch.arange(1, rows), torch.arange(rows - 1)] *= -1
    hidden = run(model, batch, x)
    moved = ((hidden[1:] - hidden[0]).abs().amax(-1) > 1e-6).numpy().T
    permitted = through_layers(sequence, model.config.backbone.shape.num_layers)
    wrong = np.argwhere(moved != permitted).tolist()
    assert wrong == [], f"{sample.id}: (q, k) {wrong[:5]}"


@torch.inference_mode()
def moved_by_values(model: UnifiedModel, sample: Sample, drop: frozenset[str] = frozenset()) -> tuple[Sequence, np.ndarray]:
    """bool (S, S): does state q move when the value of the learned image token at k changes, wherever that stands? Noised
    pictures have all noise and nothing else."""
    sequence = model.lay_out(sample, drop)
    at = [k for k in np.flatnonzero(sequence.predicts >= 0) if sequence.duty[k] == Duty.IMAGE]
    rows = len(at) + 1
    batch = model.attach(collate([sequence] * rows, [sample] * rows))
    batch.share = 1.0
    for row, k in enumerate(at, start=1):
        where = batch.picture[row, k], batch.place[row, k]
        tokens = batch.learned_tokens
        tokens[where] = (tokens[where] + 1) % 32 if tokens.dtype == torch.long else tokens[where] + 1
    hidden = run(model, batch, model.embed(batch))
    moved = np.zeros((len(sequence), len(sequence)), dtype=bool)
    moved[:, at] = ((hidden[1:] - hidden[0]).abs().amax(-1) > 1e-6).numpy().T
    return sequence, moved


def assert_no_position_sees_its_token(model: UnifiedModel, sample: Sample, drop: frozenset[str] = frozenset()) -> None:
    sequence, moved = moved_by_values(model, sample, drop)
    predicted = np.flatnonzero(sequence.duty == Duty.IMAGE)
    assert (sequence.predicts[predicted] == predicted).all()
    assert not moved[np.ix_(sequence.private, np.ones(len(sequence), dtype=bool))][:, ~behind(sequence)].any()
    for q in predicted:
        # No token of its own picture that is to be predicted, nor of any later one.
        assert not moved[q, predicted[sequence.block[predicted] >= sequence.block[q]]].any()


def behind(sequence: Sequence) -> np.ndarray:
    """bool (S,): image tokens of which a clean copy stands somewhere, which later positions may read."""
    copied = {span.segment for span in sequence.images if span.copy}
    found = np.zeros(len(sequence), dtype=bool)
    for span in sequence.images:
        found[span.start : span.start + span.num_tokens] |= span.segment in copied
    return found


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("layout", LAYOUTS)
def test_exactly_the_states_move_that_may_read_what_changed(layout: str, path: str):
    for pattern in tiny.PATTERNS if path == "sdpa" else ("editing", "talk"):
        assert_exactly_the_permitted_states_move(loud_model(layout, path), tiny.sample(pattern))


@pytest.mark.parametrize("layout", LAYOUTS)
def test_no_position_sees_what_it_must_predict(layout: str):
    for pattern, segments in tiny.PATTERNS.items():
        if any(isinstance(segment, Image) and segment.learn for segment in segments):
            assert_no_position_sees_its_token(loud_model(layout), tiny.sample(pattern))


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("world", WORLDS)
@given(data=st.data())
@settings(max_examples=6)
def test_no_sample_of_any_world_peeks(layout: str, world: str, data: st.DataObject):
    sample, drop = data.draw(samples_of(world)), data.draw(st.sets(st.sampled_from(["text", "image"])).map(frozenset))
    assert_exactly_the_permitted_states_move(loud_model(layout), sample, drop)
    assert_no_position_sees_its_token(loud_model(layout), sample, drop)


@pytest.mark.parametrize("world", WORLDS)
@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_token_of_an_edited_picture_reads_all_of_the_picture_before(layout: str, world: str):
    sample, model = edit_of(world, 0), loud_model(layout)
    assert_exactly_the_permitted_states_move(model, sample)
    sequence = model.lay_out(sample)
    reach = through_layers(sequence, 1)
    given = [span for span in sequence.images if span.segment == 0]
    for q in np.flatnonzero(sequence.duty == Duty.IMAGE):
        assert all(reach[q, span.start : span.start + span.num_tokens].all() for span in given)
        assert reach[q, sequence.private].all(), "and all of its own block"


def test_what_is_seen_of_a_noised_picture_is_less_the_more_noise_it_has():
    model, sample = loud_model("noised"), tiny.sample("drawing")
    sequence = model.lay_out(sample)
    batch = model.attach(collate([sequence] * 2, [sample] * 2))
    batch.learned_tokens[1] += 1
    told = []
    for share in (0.1, 0.5, 0.9, 1.0):
        batch.share = share
        x = model.embed(batch)
        told.append((x[1] - x[0])[sequence.content == Content.NOISED].abs().mean().item())
    assert told == sorted(told, reverse=True) and told[-1] == 0.0 < told[-2]
