"""The analytic ledger of operations beside torch's own counter, which sees every product that is really computed."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

import tiny
from bothways.core.sample import Sample
from bothways.evaluate.compute import flops_of
from bothways.layout.batch import Batch, collate
from bothways.model.unified import UnifiedModel
from bothways.recipes import flops
from bothways.recipes.seen import Seen, added, seen_in
from bothways.train.config import TrainConfig
from bothways.train.optim import build_optimizer

KL = {"kind": "kl", "size_px": 48, "channels": [32, 32, 32, 32], "latent_channels": 4, "num_res_blocks": 1, "weights": None}
WARPED = {"kind": "warped", "of": tiny.VQ, "rotation": 0.5}
DRAWS_KL = {"learned": KL, **tiny.SEPARATE}
MASKED = {"latents": KL, "width": 32, "num_layers": 2, "denoiser": {"width": 16, "num_blocks": 2, "draws_per_token": 3}}
PAINTED = {"given": tiny.SEMANTIC, "learned": tiny.SEMANTIC, "head": {"kind": "regression"}}
ALL_HIDDEN = {"masked": MASKED, "least_hidden": 1.0}  # how many latents are hidden is drawn otherwise
OUTSIDE = ["given_projector", "learned_projector", "next_place", "nothing_text", "nothing_image"]
# Fused attention counts as nothing on a CPU, so the counter is shown the path that is written out.
MATMUL = tiny.BACKBONE | {"attention": "matmul"}


def backbone(**changes: Any) -> dict[str, Any]:
    return {"backbone": MATMUL | changes}


MODELS: dict[str, dict[str, Any]] = {
    "vq-vq": {},
    "separate projectors": {"given": tiny.SEMANTIC, **tiny.SEPARATE},
    "regression": {"given": KL, "learned": KL, "head": {"kind": "regression"}},
    "diffusion, ddpm": DRAWS_KL | {"head": {"kind": "diffusion", "width": 16, "num_blocks": 2}},
    "diffusion, flow": DRAWS_KL | {"head": {"kind": "diffusion", "form": "flow", "draws_per_token": 3}, "order": "random"},
    "denoise": {"given": KL, "learned": KL, "head": {"kind": "denoise"}},
    "masked": {"head": {"kind": "masked"}},
    "embedding target": {"given": KL, "learned": KL, "head": {"kind": "regression"}, "target": {"side": "ema"}},
    "live embedding target": {"given": KL, "learned": KL, "head": {"kind": "regression"}, "target": {"side": "live"}},
    "painter outside": PAINTED | {"painter": ALL_HIDDEN},
    "painter through the backbone": PAINTED | {"painter": ALL_HIDDEN | {"gate": 1.0}, "target": {"side": "ema"}},
    "painter alone": PAINTED | {"painter": ALL_HIDDEN | {"gate": 0.5}, "frozen": ["all", "-painter", "-backbone.lm_head"]},
    "frozen painter": PAINTED | {"painter": ALL_HIDDEN | {"gate": 1.0}, "frozen": ["painter", "head"]},
    "causal given": {"causal_given": True},
    "learned marks": {"learn_marks": True},
    "aligned source": {"aligned_source": True},
    "warped": {"given": WARPED},
    "linear projector": {"projector": {"kind": "linear"}},
    "deep projector": {"projector": {"depth": 4, "width": 48}},
    "grouped heads": backbone(num_heads=4, num_kv_heads=2),
    "tied": backbone(tied=True),
    "lora": backbone(lora={"rank": 4, "dropout": 0.0}),
    "lora on two layers": backbone(lora={"rank": 4, "targets": ["q_proj", "down_proj"], "dropout": 0.0}),
    "branch": backbone(drawing_layers=1),
    "branch of all layers": backbone(drawing_layers=2),
    "branch, adapted": backbone(drawing_layers=1, lora={"rank": 4, "dropout": 0.0}),
    "branch alone": backbone(drawing_layers=1) | {"frozen": ["backbone", "-backbone.drawing_layers"]},
    "frozen branch": backbone(drawing_layers=1) | {"frozen": ["backbone.drawing_layers"]},
    "branch in place": backbone(drawing_layers=1) | {"head": {"kind": "masked"}},
    "frozen backbone": {"frozen": ["backbone"]},
    "frozen projector": {"frozen": ["given_projector"]},
    "frozen head": DRAWS_KL | {"head": {"kind": "diffusion"}, "frozen": ["head"]},
    "frozen below": {"frozen": [*OUTSIDE, "backbone.embed_tokens", "backbone.layers.0"]},
    "heads alone": {"frozen": [*OUTSIDE, "backbone", "-backbone.lm_head"]},
} | {family: backbone(family=family) for family in tiny.FAMILIES}


def counted(model: UnifiedModel, samples: list[Sample]) -> float:
    """Operations of one forward and backward pass, seen by torch."""
    return counted_in(model, model.attach(collate([model.lay_out(sample) for sample in samples], samples)))


def counted_in(model: UnifiedModel, batch: Batch) -> float:
    with FlopCounterMode(display=False) as counter:
        sum(tally.total / tally.count for tally in model.terms(batch).values()).backward()
    return float(counter.get_total_flops())


def seen(model: UnifiedModel, samples: list[Sample]) -> Seen:
    return added(seen_in(sample, model.lay_out(sample)) for sample in samples)


@pytest.mark.parametrize("name", MODELS)
def test_the_ledger_is_what_torch_counts_for_samples_of_every_pattern(name: str):
    model = tiny.model(**({"backbone": MATMUL} | MODELS[name])).train()
    model.before_step(1)
    for pattern in tiny.PATTERNS:
        samples = [tiny.sample(pattern)]
        found = flops.total(flops.training(model, seen(model, samples)).values())
        assert found == pytest.approx(counted(model, samples), rel=0.02), pattern


def test_a_dropped_condition_is_cheaper_by_what_torch_no_longer_counts():
    model, sample = tiny.model(backbone=MATMUL).train(), tiny.sample("editing")
    whole, short = model.lay_out(sample), model.lay_out(sample, frozenset({"text", "image"}))
    spared = [flops.total(flops.training(model, seen_in(sample, one)).values()) for one in (whole, short)]
    batches = [model.attach(collate([one], [sample])) for one in (whole, short)]
    assert spared[1] < 0.8 * spared[0]
    assert spared[0] - spared[1] == pytest.approx(counted_in(model, batches[0]) - counted_in(model, batches[1]), rel=0.02)


def test_a_path_adds_to_the_ledger_what_it_computes_for_padding_and_nothing_else():
    model, samples = tiny.model(backbone=MATMUL).train(), [tiny.sample("reading"), tiny.sample("editing")]
    alone = sum(counted(model, [sample]) for sample in samples)
    assert flops.total(flops.training(model, seen(model, samples)).values()) == pytest.approx(alone, rel=0.02)
    assert counted(model, samples) > 1.1 * alone
    assert counted(model, [samples[0], tiny.sample("reading", "again")]) == pytest.approx(2 * counted(model, samples[:1]))


@pytest.mark.parametrize("muon", [None, {}, {"parts": ["backbone", "given_projector"]}])
def test_the_operations_of_an_update_are_what_torch_counts(muon: dict | None):
    model, config = tiny.model(frozen=["backbone.layers.0"]).train(), TrainConfig.parse({"muon": muon})
    optimizer = build_optimizer(model, config)
    for weight in model.parameters():
        weight.grad = torch.ones_like(weight) if weight.requires_grad else None
    with FlopCounterMode(display=False) as counter:
        optimizer.step()
    assert flops.update(model, config) == counter.get_total_flops()
    assert bool(flops.update(model, config)) == (muon is not None)


def test_a_model_without_weights_costs_what_a_real_one_does():
    config = tiny.config(backbone=MATMUL | {"lora": {"rank": 4}, "drawing_layers": 1}, frozen=["given_projector"])
    with torch.device("meta"):
        empty = UnifiedModel(config, tiny.WORDING, tiny._encodings(config))
    assert flops.prices(empty) == flops.prices(UnifiedModel(config, tiny.WORDING, tiny._encodings(config)))


@pytest.mark.parametrize("side", [tiny.VQ, KL, tiny.SEMANTIC], ids=["vq", "kl", "semantic"])
def test_encoding_a_picture_costs_what_its_convolutions_and_linear_layers_do_and_attention(side: dict):
    """Counted by hand from the shapes that come out; attention of few tokens is a few percent on top."""
    tokenizer = tiny.config(given=side, **tiny.SEPARATE).given.build()
    seen: list[float] = []

    def note(layer, _, out: torch.Tensor) -> None:
        rows = out.numel() / layer.weight.shape[0]
        seen.append(2.0 * rows * layer.weight.numel())

    for layer in tokenizer.modules():
        if isinstance(layer, torch.nn.Linear | torch.nn.Conv2d):
            layer.register_forward_hook(note)
    whole = flops.encoding_cost(tokenizer)
    assert sum(seen) <= whole < 1.1 * sum(seen)
    if tokenizer.spec.can_draw:
        seen.clear()
        tokenizer.decode(tokenizer.encode(torch.zeros(1, 3, 48, 48)))
        assert sum(seen) <= whole + flops.decoding_cost(tokenizer) < 1.1 * sum(seen)


def test_painting_a_picture_costs_what_its_painter_does_and_its_latents_way_to_pixels():
    of = tiny.model(**PAINTED, painter=ALL_HIDDEN).eval()
    drawn = torch.zeros(1, 9, of.learned.spec.dim)
    latents = of.painter.masked.latents
    whole = flops.painting_cost(of)
    with torch.inference_mode():
        assert whole == flops_of(lambda: of.paint(drawn))
        assert whole - flops.decoding_cost(latents) == flops_of(lambda: of.painter.masked.draw(drawn)) > 0
    assert flops.painting_cost(tiny.model()) == flops.decoding_cost(tiny.model().learned)
