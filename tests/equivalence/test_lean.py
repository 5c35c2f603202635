"""A cache changes nothing: chunks read one after the other give the hidden states of the whole, and so does the lean path.

Rows have their own lengths and cuts, so every chunk but the longest is padded on the left.
"""

from __future__ import annotations

from functools import lru_cache
from itertools import pairwise

import numpy as np
import pytest
import torch

import tiny
from bothways.backbones.backbone import Reads
from bothways.backbones.lean import LeanCache
from bothways.layout.batch import collate
from bothways.layout.sequence import Sequence
from bothways.model.unified import UnifiedModel

SAMPLES = [tiny.sample(pattern) for pattern in tiny.PATTERNS]
ROUNDING = 4e-5  # of fp32 at this loudness: transformers' own states lie up to 2e-5 from those in fp64


@lru_cache
def loud_model(family: str = "llama", path: str = "auto", **layout) -> UnifiedModel:
    return tiny.backbone_model(family, path, loudness=8.0, **layout)


def cuts_of(sequence: Sequence, number: int, name: int) -> list[int]:
    """`number` chunks, cut anywhere between two blocks (a block is read at once); some may be empty."""
    borders = 1 + np.flatnonzero(np.diff(sequence.block))
    inner = np.random.default_rng(name).choice(borders, number - 1)
    return [0, *sorted(inner.tolist()), len(sequence)]


@torch.inference_mode()
def in_chunks(model: UnifiedModel, cache, number: int, rows: list[int]) -> list[torch.Tensor]:
    """Hidden states (S, D) of `rows` of SAMPLES, read in `number` chunks; row `rows[1]` leaves before the last one."""
    sequences = [model.lay_out(SAMPLES[row]) for row in rows]
    batch = model.attach(collate(sequences, [SAMPLES[row] for row in rows]))
    x = model.embed(batch)
    cuts = [cuts_of(sequence, number, row) for sequence, row in zip(sequences, rows, strict=True)]
    seen = torch.zeros((3, len(rows), 0), dtype=torch.long)
    found: list[list[torch.Tensor]] = [[] for _ in rows]
    there = list(range(len(rows)))
    for chunk, ends in enumerate(zip(*(pairwise(cut) for cut in cuts), strict=True)):
        if chunk == number - 1:
            there.remove(1)
            seen = seen[:, there]
            cache.batch_select_indices(torch.tensor(there))
        ends = [ends[row] for row in there]
        longest = max(1, *(end - start for start, end in ends))
        doc, block, private, position, drawing = (torch.full((len(there), longest), value) for value in (-1, 0, 0, 0, 0))
        vectors = {"doc": doc, "block": block, "private": private, "position": position, "drawing": drawing}
        values = torch.zeros(len(there), longest, x.shape[-1])
        for line, (row, (start, end)) in enumerate(zip(there, ends, strict=True)):
            lies = slice(longest - (end - start), longest)
            values[line, lies] = x[row, start:end]
            for whole, vector in vectors.items():
                vector[line, lies] = getattr(batch, whole)[row, start:end].long()
        seen = torch.cat([seen, torch.stack([doc, block, private])], 2)
        reads = Reads(doc, block, seen[0], seen[1], seen[2].bool(), drawing.bool())
        hidden = model.backbone.run(values, reads, position, cache)
        for line, (row, (start, end)) in enumerate(zip(there, ends, strict=True)):
            found[row].append(hidden[line, longest - (end - start) :])
    return [torch.cat(parts) for parts in found]


@torch.inference_mode()
def assert_chunks_equal_the_whole(model: UnifiedModel, cache, number: int, rows: list[int]) -> None:
    for row, hidden in zip(rows, in_chunks(model, cache, number, rows), strict=True):
        whole = model.hidden(tiny.batch_of(model, [SAMPLES[row]]))[0]
        assert whole.std() > 0.1
        assert (hidden - whole[: len(hidden)]).abs().max() < ROUNDING * whole.abs().max(), SAMPLES[row].id


ROWS = list(range(len(SAMPLES)))


@pytest.mark.parametrize("layout", [{}, {"order": "random"}, {"order": "mixed"}, {"causal_given": True}], ids=str)
@pytest.mark.parametrize("number", [2, 7])
@pytest.mark.parametrize("family", ["llama", f"llama{tiny.BRANCHED}"])
def test_the_lean_path_gives_the_hidden_states_of_transformers_without_a_cache(family, number, layout):
    model = loud_model(family, **layout)
    plain = loud_model(family, "sdpa", **layout)
    with torch.inference_mode():
        cache = model.backbone.new_cache(len(ROWS))
    assert isinstance(cache, LeanCache)
    for row, hidden in zip(ROWS, in_chunks(model, cache, number, ROWS), strict=True):
        with torch.inference_mode():
            whole = plain.hidden(tiny.batch_of(plain, [SAMPLES[row]]))[0]
        assert (hidden - whole[: len(hidden)]).abs().max() < ROUNDING * whole.abs().max(), SAMPLES[row].id


@pytest.mark.parametrize("family", [*tiny.FAMILIES, f"llama{tiny.BRANCHED}", f"qwen3{tiny.BRANCHED}"])
@pytest.mark.parametrize("path", ["auto", "eager"])
def test_reading_in_chunks_gives_the_hidden_states_of_the_whole(family, path):
    model = loud_model(family, path)
    with torch.inference_mode():
        cache = model.backbone.new_cache(len(ROWS))
    assert_chunks_equal_the_whole(model, cache, 4, ROWS)


def test_only_networks_that_the_lean_path_repeats_take_it():
    taken = {}
    for family in tiny.FAMILIES:
        with torch.inference_mode():
            taken[family] = isinstance(loud_model(family).backbone.new_cache(1), LeanCache)
    assert taken == {family: family in ("llama", "mistral") for family in tiny.FAMILIES}


def test_training_and_autocast_take_the_path_of_transformers():
    backbone = loud_model().backbone
    assert not isinstance(backbone.new_cache(1), LeanCache)
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
        assert not isinstance(backbone.new_cache(1), LeanCache)


def test_a_cache_made_after_a_change_of_weights_knows_the_new_weights():
    model = tiny.backbone_model("llama", "auto", loudness=8.0)
    with torch.inference_mode():
        before = in_chunks(model, model.backbone.new_cache(2), 3, [0, 1])[0]
        for weight in model.backbone.lm.model.layers.parameters():
            weight.mul_(1.1)
        after = in_chunks(model, model.backbone.new_cache(2), 3, [0, 1])[0]
    assert (before - after).abs().max() > 1e-2
    with torch.inference_mode():
        assert_chunks_equal_the_whole(model, model.backbone.new_cache(2), 3, [0, 1])
