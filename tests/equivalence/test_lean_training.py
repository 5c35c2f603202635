"""The lean path of training gives what transformers' own forward and backward passes give."""

from __future__ import annotations

import pytest
import torch

import tiny
from bothways.backbones import lean_training
from bothways.backbones.backbone import Reads
from bothways.model.unified import UnifiedModel

SAMPLES = [tiny.sample(pattern) for pattern in tiny.PATTERNS]
LAYOUTS = [{}, {"order": "random"}, {"causal_given": True}]
# In fp32 both are exact up to the order of sums; in bf16 each of them is as far from fp32 as this.
CLOSE = {torch.float32: 1e-5, torch.bfloat16: 0.03}


def passes(model: UnifiedModel, dtype: torch.dtype) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
    """Hidden states where there is no padding, and the gradients of the sum of all losses."""
    batch = tiny.batch_of(model, SAMPLES)
    model.zero_grad()
    with torch.autocast("cpu", torch.bfloat16, enabled=dtype == torch.bfloat16):
        hidden = model.hidden(batch)[~batch.is_padding]
        sum(losses.sum() for _, losses in model.losses(batch).values()).backward()
    return hidden.detach(), {name: weight.grad.clone() for name, weight in model.named_parameters()}


@pytest.mark.parametrize("rows", [1, 4, 64])
@pytest.mark.parametrize("layout", LAYOUTS, ids=str)
@pytest.mark.parametrize("family", ["llama", "mistral", f"llama{tiny.BRANCHED}"])
@pytest.mark.parametrize("dtype", list(CLOSE), ids=["fp32", "bf16"])
def test_hidden_states_and_gradients_are_those_of_transformers(dtype, family, layout, rows, monkeypatch):
    monkeypatch.setattr(lean_training, "ROWS", rows)
    slow_hidden, slow = passes(tiny.backbone_model(family, "eager", loudness=4.0, **layout), dtype)
    hidden, grads = passes(tiny.backbone_model(family, "auto", loudness=4.0, **layout), dtype)
    assert (hidden - slow_hidden).norm() < CLOSE[dtype] * slow_hidden.norm()
    assert grads.keys() == slow.keys()
    for name, grad in grads.items():
        assert (grad - slow[name]).norm() <= 2 * CLOSE[dtype] * slow[name].norm(), name
        assert slow[name].norm() > 0 or name.startswith("nothing_"), name


def test_only_networks_that_the_lean_path_repeats_take_it(monkeypatch):
    taken = set()
    for family, path in [(family, "auto") for family in tiny.FAMILIES] + [("llama", path) for path in tiny.PATHS]:
        monkeypatch.setattr(lean_training, "run", lambda lm, x, *_, name=(family, path): taken.add(name) or x)
        model = tiny.backbone_model(family, path)
        model.hidden(tiny.batch_of(model, SAMPLES))
    assert taken == {("llama", "auto"), ("mistral", "auto")}


def test_a_row_of_padding_alone_changes_nothing():
    model = tiny.backbone_model("llama", "auto")
    batch = tiny.batch_of(model, SAMPLES[:2])
    x, more = model.embed(batch), lambda vector, value: torch.cat([vector, torch.full_like(vector[:1], value)])
    reads = Reads.within(more(batch.doc, -1), more(batch.block, 0), more(batch.private, False))
    hidden = model.backbone.run(more(x, 1.0), reads, more(batch.position, 0))
    assert torch.allclose(hidden[:2], model.hidden(batch), atol=1e-6)
    assert not hidden[2].any()
