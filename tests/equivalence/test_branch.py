"""An upper branch begins as the model without one, and then is what positions that draw go through, and nobody else."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import pytest
import torch

import tiny
from bothways.core.errors import ConfigError
from bothways.layout.rule import reads
from bothways.layout.sequence import Content, Duty
from bothways.model.unified import UnifiedModel

SAMPLES = [tiny.sample(pattern) for pattern in tiny.PATTERNS]
PATHS = [*((family, path) for family, path in tiny.BACKBONES if not family.endswith(tiny.BRANCHED))]
KL = {"kind": "kl", "size_px": 48, "channels": [32, 32, 32, 32], "latent_channels": 4, "num_res_blocks": 1, "weights": None}
LAYOUTS = {
    "raster": {},
    "random order": {"order": "random"},
    "marks learned": {"learn_marks": True, **tiny.READS_PATCHES},
    "masked": {"head": {"kind": "masked"}},
    "denoise": {"given": KL, "learned": KL, "head": {"kind": "denoise"}},
}


def model(drawing_layers: int, family: str = "llama", path: str = "auto", **changes) -> UnifiedModel:
    backbone = tiny.BACKBONE | {"family": family, "attention": path, "drawing_layers": drawing_layers}
    return tiny.model(backbone=backbone | changes.pop("backbone", {}), **changes).eval()


def hidden(of: UnifiedModel) -> torch.Tensor:
    batch = tiny.batch_of(of, SAMPLES)
    with torch.no_grad():
        return of.hidden(batch)[~batch.is_padding]


@lru_cache
def plain(family: str, path: str) -> torch.Tensor:
    return hidden(model(0, family, path))


def with_branch(family: str) -> bool:
    try:
        return model(1, family).config.backbone.drawing_layers == 1
    except ConfigError:
        return False


@pytest.mark.parametrize(("family", "path"), PATHS)
def test_a_fresh_branch_is_the_model_without_one_on_every_path(family: str, path: str):
    if not with_branch(family):
        assert family == "gemma3_text", "the one family that is refused"
        return
    for drawing_layers in (1, 2):
        torch.testing.assert_close(hidden(model(drawing_layers, family, path)), plain(family, path), rtol=0, atol=1e-5)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_fresh_branch_has_the_losses_of_the_model_without_one_in_every_layout(layout: str):
    branched, without = (model(number, **LAYOUTS[layout]) for number in (2, 0))
    losses = [of.losses(tiny.batch_of(of, SAMPLES)) for of in (branched, without)]
    assert losses[0].keys() == losses[1].keys() >= {Duty.TEXT, Duty.IMAGE}
    for duty, (_, found) in losses[0].items():
        torch.testing.assert_close(found, losses[1][duty][1], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("lora", [None, {"rank": 4, "dropout": 0.0}], ids=["whole", "adapted"])
def test_copies_begin_equal_and_all_other_weights_are_those_of_the_model_without_one(lora: dict | None):
    own = dict(model(1, backbone={"lora": lora}).named_parameters())
    copies = {name: weight for name, weight in own.items() if ".drawing." in name}
    rest = {name.replace(".shared.", "."): weight for name, weight in own.items() if name not in copies}
    without = dict(model(0, backbone={"lora": lora}).named_parameters())
    assert rest.keys() == without.keys() and all(weight.equal(without[name]) for name, weight in rest.items())
    assert len(copies) == sum(name.startswith("backbone.lm.model.layers.1.") for name in without)
    for name, weight in copies.items():
        source = own[name.replace(".drawing.", ".shared.")]
        assert weight.equal(source) and weight is not source


@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_positions_that_draw_are_those_that_hold_or_predict_a_token_of_a_picture_to_be_drawn(layout: str):
    of = model(1, **LAYOUTS[layout])
    for sample in SAMPLES:
        sequence = of.lay_out(sample)
        expected = sequence.duty == Duty.IMAGE
        for span in sequence.images:
            expected[span.start : span.start + span.num_tokens] |= sample.segments[span.segment].learn
        assert sequence.drawing.tolist() == expected.tolist(), sample.id
        assert sequence.drawing[np.isin(sequence.content, (Content.HIDDEN, Content.NOISED))].all()


@pytest.mark.parametrize("path", ["auto", *tiny.PATHS])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_copies_move_the_states_of_positions_that_draw_and_of_those_that_read_them(layout: str, path: str):
    of = model(1, path=path, **LAYOUTS[layout])
    for sample in SAMPLES:
        sequence, batch = of.lay_out(sample), tiny.batch_of(of, [sample])
        with torch.no_grad():
            before = of.hidden(batch)[0]
            moved = (tiny.apart(of).hidden(batch)[0] - before).abs().amax(-1).numpy() > 1e-6
        of = model(1, path=path, **LAYOUTS[layout])
        permitted = sequence.drawing | (reads(sequence) & sequence.drawing).any(1)
        assert moved.tolist() == permitted.tolist(), sample.id


def touched(pattern: str, duty: Duty) -> dict[str, float]:
    """Largest gradient of one sample's losses of that duty, of each weight in the top layer."""
    of = model(1)
    of.losses(tiny.batch_of(of, [tiny.sample(pattern)]))[duty][1].sum().backward()
    top = "backbone.lm.model.layers.1."
    return {
        name.removeprefix(top).removesuffix(".weight"): 0.0 if weight.grad is None else float(weight.grad.abs().max())
        for name, weight in of.named_parameters()
        if name.startswith(top)
    }


def test_reading_trains_no_copy_and_drawing_no_shared_layer_but_through_the_keys_and_values_of_the_request():
    reading, drawing = touched("reading", Duty.TEXT), touched("drawing", Duty.IMAGE)
    assert {name for name, most in reading.items() if most > 0} == {name for name in reading if name.endswith(".shared")}
    read = {f"{name}.shared" for name in ("input_layernorm", "self_attn.k_proj", "self_attn.v_proj")}
    copies = {name for name in drawing if name.endswith(".drawing")}
    assert {name for name, most in drawing.items() if most > 0} == copies | read
