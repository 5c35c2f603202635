"""Hidden states of every layer on request, for probes."""

from __future__ import annotations

import pytest
import torch

import tiny
from bothways.backbones.backbone import Reads


@pytest.mark.parametrize("family", tiny.FAMILIES)
def test_the_layers_begin_with_what_goes_in_and_end_with_what_run_gives(family: str):
    model = tiny.model(backbone=tiny.BACKBONE | {"family": family, "attention": "matmul"}).eval()
    batch = tiny.batch_of(model, [tiny.sample("reading"), tiny.sample("drawing")])
    reads = Reads.within(batch.doc, batch.block, batch.private)
    with torch.no_grad():
        x = model.embed(batch)
        states = model.backbone.layers(x, reads, batch.position)
        torch.testing.assert_close(states[-1], model.hidden(batch))
    assert len(states) == 1 + model.config.backbone.shape.num_layers
    if not family.startswith("gemma"):  # which scale what goes in
        torch.testing.assert_close(states[0], x)
    assert all(state.shape == x.shape and state.isfinite().all() for state in states)
