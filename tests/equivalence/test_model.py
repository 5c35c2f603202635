"""The unified model gives the same numbers however its samples are batched, padded or cached."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

import tiny
from bothways.backbones.backbone import Reads
from bothways.core.sample import Sample
from bothways.layout.batch import Batch
from bothways.model.unified import UnifiedModel
from tiny import backbone_model

EVERYTHING = [tiny.sample(pattern) for pattern in tiny.PATTERNS]


def alone(model: UnifiedModel, sample: Sample) -> Tensor:
    return model.hidden(tiny.batch_of(model, [sample]))[0]


@torch.inference_mode()
@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize(("family", "path"), tiny.BACKBONES)
def test_hidden_states_of_a_padded_row_are_those_of_the_row_alone(family, path, side):
    model = backbone_model(family, path)
    batch = tiny.batch_of(model, EVERYTHING, side)
    assert batch.is_padding.any()
    hidden = model.hidden(batch)
    assert hidden.isfinite().all()
    for row, sample in enumerate(EVERYTHING):
        torch.testing.assert_close(hidden[row][~batch.is_padding[row]], alone(model, sample), rtol=0, atol=1e-5)


@torch.inference_mode()
@pytest.mark.parametrize(("family", "path"), tiny.BACKBONES)
def test_with_a_cache_the_hidden_states_are_those_without(family, path):
    model = backbone_model(family, path)
    batch = tiny.batch_of(model, EVERYTHING, side="left")
    x, cache, parts = model.embed(batch), model.backbone.new_cache(len(batch)), []
    cuts = columns_where_every_row_may_be_cut(batch)
    assert len(cuts) > 10
    for start, stop in zip([0, *cuts], [*cuts, batch.ids.shape[1]], strict=True):
        now = slice(start, stop)
        keys = (vector[:, :stop] for vector in (batch.doc, batch.block, batch.private))
        reads = Reads(batch.doc[:, now], batch.block[:, now], *keys, batch.drawing[:, now])
        parts.append(model.backbone.run(x[:, now], reads, batch.position[:, now], cache))
    there = ~batch.is_padding
    torch.testing.assert_close(torch.cat(parts, 1)[there], model.hidden(batch)[there], rtol=0, atol=1e-5)


@torch.inference_mode()
@pytest.mark.parametrize(("family", "path"), tiny.BACKBONES)
def test_what_is_cropped_from_a_cache_leaves_no_trace(family, path):
    model = backbone_model(family, path, order="random")
    batch = tiny.batch_of(model, EVERYTHING, side="left")
    x, cache, whole = model.embed(batch), model.backbone.new_cache(len(batch)), batch.ids.shape[1]
    cut = columns_where_every_row_may_be_cut(batch)[-1]

    def read(x: Tensor, start: int, stop: int) -> Tensor:
        now, before = slice(start, stop), slice(0, stop)
        keys = (vector[:, before] for vector in (batch.doc, batch.block, batch.private))
        reads = Reads(batch.doc[:, now], batch.block[:, now], *keys, batch.drawing[:, now])
        return model.backbone.run(x[:, now], reads, batch.position[:, now], cache)

    first = read(x, 0, cut)
    read(x.flip(0) + 1, cut, whole)
    cache.crop(cut - whole)
    found, there = torch.cat([first, read(x, cut, whole)], 1), ~batch.is_padding
    torch.testing.assert_close(found[there], model.hidden(batch)[there], rtol=0, atol=1e-5)


def columns_where_every_row_may_be_cut(batch: Batch) -> list[int]:
    """A block is read as a whole, so no row may be cut inside one."""
    inside = (batch.block[:, 1:] == batch.block[:, :-1]) & ~batch.is_padding[:, 1:]
    return (1 + (~inside).all(0).nonzero()[:, 0]).tolist()


@torch.inference_mode()
@pytest.mark.parametrize(("family", "path"), tiny.BACKBONES)
def test_logits_are_those_of_transformers_own_forward_pass(family, path):
    """Ours goes around the model's own mask, embedding call and head; nothing may get lost on the way (soft caps, say)."""
    ids = torch.randint(0, tiny.WORDING.vocab_size, (2, 9), generator=torch.Generator().manual_seed(0))
    rows = torch.arange(9).repeat(2, 1)
    reads = Reads.within(torch.zeros_like(rows), rows, torch.zeros_like(rows, dtype=torch.bool))
    # Its own forward pass keeps a window that ours leaves away; eager attention has all that a family needs.
    theirs = backbone_model(family, "eager", window_tokens=100, loudness=3.0).backbone.lm
    backbone = backbone_model(family, path, loudness=3.0).backbone
    logits = backbone.text_logits(backbone.run(backbone.embed(ids), reads, rows))
    torch.testing.assert_close(logits, theirs(ids).logits, rtol=1e-4, atol=1e-4)


def test_losses_of_a_batch_are_the_losses_of_its_samples():
    model = tiny.model(**tiny.READS_PATCHES).eval()
    together = model.held_out(EVERYTHING)
    for sample, found in zip(EVERYTHING, together, strict=True):
        (single,) = model.held_out([sample])
        assert (found.text.count, found.image.count) == (single.text.count, single.image.count)
        assert found.text.total == pytest.approx(single.text.total, rel=1e-5)
        assert found.image.total == pytest.approx(single.image.total, rel=1e-5)


@torch.inference_mode()
def test_terms_are_the_sums_of_the_likelihoods_by_source_and_duty():
    model = tiny.model().eval()
    samples = [*EVERYTHING, *EVERYTHING[:2]]
    terms = model.terms(tiny.batch_of(model, samples))
    assert set(terms) == {
        "reading:text", "drawing:image", "several turns:text", "editing:text", "editing:image",
        "interleaved:text", "interleaved:image", "illustrated:text", "illustrated:image", "talk:text", "talk:image",
        "text alone:text",
    }  # fmt: skip
    for name, tally in terms.items():
        pattern, duty = name.split(":")
        single = [
            getattr(found, duty) for s, found in zip(samples, model.held_out(samples), strict=True) if s.source == pattern
        ]
        assert tally.count == sum(t.count for t in single)
        assert float(tally.total) == pytest.approx(sum(t.total for t in single), rel=1e-5)


def test_an_untrained_model_guesses_evenly():
    """About ln 32 nats a code and ln 512 a text token: a mean over the wrong axis would still look like a loss."""
    model = tiny.model(seed=5)
    found = model.held_out([tiny.sample("interleaved")])[0]
    assert math.log(32) - 0.2 < found.image.mean < math.log(32) + 0.7
    assert math.log(model.wording.vocab_size) - 0.4 < found.text.mean < math.log(model.wording.vocab_size) + 0.9
    assert found.image.count == 2 * 9
