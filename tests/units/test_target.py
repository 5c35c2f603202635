"""Targets in the backbone's input-embedding space: their sides, their scale, how predictions re-enter and become tokens."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F

import tiny
from bothways.backbones.backbone import Reads
from bothways.core.decay import growing_decay
from bothways.core.errors import ConfigError
from bothways.core.rundir import RunDir
from bothways.core.sample import Image, Sample, Text
from bothways.generate.engine import Engine
from bothways.heads.choose import How
from bothways.layout.sequence import Duty
from bothways.model.unified import UnifiedModel
from bothways.train.config import TrainConfig
from bothways.train.log import read_log
from bothways.train.trainer import Trainer

SIDES = ("stop_gradient", "ema", "frozen", "live")
HEADS = {
    "cosine": {"kind": "regression"},
    "mse": {"kind": "regression", "objective": "mse"},
    "diffusion": {"kind": "diffusion", "width": 16, "num_blocks": 1},
}


def model(side: str = "stop_gradient", head: str = "cosine", order: str = "raster", **target: Any) -> UnifiedModel:
    settings = {"side": side, "watch_every_steps": 1, "read_out_features": 32} | target
    return tiny.model(given=tiny.PATCHES, learned=tiny.PATCHES, head=HEADS[head], target=settings, order=order)


def trained(path: Path, of: UnifiedModel, steps: int = 6, lr: float = 3e-3) -> tuple[UnifiedModel, list[dict[str, Any]], tuple]:
    config = TrainConfig(steps=steps, lr=lr, threads=1, warmup_share=0.0, schedule="constant", checkpoint_every_s=1000.0)
    fitted = Trainer(of, tiny.stream(of, {"drawing": 4, "reading": 1}), config, RunDir.create(path, {})).fit()
    return of, [line for line in read_log(path / "log.jsonl") if "look" in line], fitted.notices


def image_loss(of: UnifiedModel) -> torch.Tensor:
    """The head's loss of hidden states that hang on nothing, so that gradients come through the target alone."""
    batch = tiny.batch_of(of, [tiny.sample("drawing")])
    tokens = batch.learned_tokens[0]
    hidden = torch.ones(len(tokens), of.backbone.width)
    place = torch.arange(len(tokens))
    return of.head.loss(hidden, of.target.of(tokens), place, of._draws(batch, torch.zeros_like(place), place)).sum()


@pytest.mark.parametrize("side", SIDES)
def test_only_a_live_target_sends_gradients_into_the_projector(side: str):
    of = model(side)
    image_loss(of).backward()
    reached = any(p.grad is not None and p.grad.abs().max() > 0 for p in of.given_projector.content.parameters())
    assert reached == (side == "live")


@pytest.mark.parametrize("side", SIDES)
def test_the_target_is_the_embedding_that_its_side_says(side: str, tmp_path: Path):
    of = model(side)
    before = {name: p.detach().clone() for name, p in of.given_projector.content.named_parameters()}
    mean = {name: p.clone() for name, p in before.items()}
    after_step = of.after_step

    def watched(step: int) -> None:
        after_step(step)
        for name, weight in of.given_projector.content.named_parameters():
            mean[name] += (1 - growing_decay(step, 0.999)) * (weight.detach() - mean[name])

    of.after_step = watched
    trained(tmp_path / "run", of)
    now = dict(of.given_projector.content.named_parameters())
    moved = any(not torch.equal(now[name], before[name]) for name in now)
    assert moved == (side != "frozen") and of.given_projector.places.axes[0].weight.requires_grad
    weights = {"ema": mean, "frozen": before}.get(side, now)
    tokens = torch.randn(5, of.learned.spec.dim)
    expected = torch.func.functional_call(of.given_projector.content, weights, (tokens,))
    torch.testing.assert_close(of.target._embedding(of.target.of(tokens)), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("head", HEADS)
def test_targets_come_to_the_head_at_unit_size_by_channel_where_it_needs_that(head: str, tmp_path: Path):
    of, _, _ = trained(tmp_path / "run", model(head=head, memory=0.5), steps=40, lr=1e-4)
    of.eval()
    tokens = of.encodings.learned.tokens([tiny.picture(1)])[0]
    target = of.target.of(tokens)
    assert target.square().mean().item() == pytest.approx(1.0, abs=0.2) and target.mean(0).abs().max() < 0.2
    by_channel = target.std(0, correction=0)
    assert (by_channel.max() < 1.2 and by_channel.min() > 0.8) == (head == "diffusion")


def test_under_the_cosine_predictions_have_the_mean_norm_of_the_embeddings_around_their_mean(tmp_path: Path):
    of, _, _ = trained(tmp_path / "run", model(memory=0.5), steps=40, lr=1e-4)
    tokens = of.encodings.learned.tokens([tiny.picture(1)])[0]
    true = of.target._embedding(of.target.of(tokens)) - of.target.mean
    made = of.target._embedding(of.eval().head.predicted(torch.randn(9, of.backbone.width))) - of.target.mean
    assert made.norm(dim=-1).mean().item() == pytest.approx(true.norm(dim=-1).mean().item(), rel=0.1)


@pytest.mark.parametrize("feedback", ["direct", "projector"])
def test_a_prediction_that_is_right_enters_as_the_true_token_does(feedback: str, tmp_path: Path):
    of, _, _ = trained(tmp_path / "run", model(feedback=feedback), steps=20, lr=1e-4)
    of.eval()
    tokens = of.encodings.learned.tokens([tiny.picture(1)])[0]
    place = torch.arange(9)
    with torch.no_grad():
        entered = of.embed_drawn(of.target.of(tokens), place, torch.full((9,), -1))
        true = of.learned_projector(of.learned.vectors(tokens[None])[0], place)
    error = float((entered - true).square().mean() / true.var())
    assert error < (1e-9 if feedback == "direct" else 1e-2)
    back = of.target.tokens(of.target.of(tokens))
    assert (back - tokens).square().mean() < 1e-2 * tokens.var(), "and is read out as it"


@torch.inference_mode()
@pytest.mark.parametrize("order", ["raster", "random"])
@pytest.mark.parametrize("head", ["cosine", "mse"])
def test_direct_feedback_with_cache_and_batch_draws_what_the_slow_way_does(head: str, order: str):
    of = model(head=head, order=order).eval()
    samples = [Sample(text, (Text(text), Image(None, learn=True))) for text in ("a red watch", "now a blue one")]
    engine = Engine(of, How())
    engine.add(samples)
    while engine.active:
        engine.step()
    for row, sample in zip(engine.rows, samples, strict=True):
        np.testing.assert_allclose(row.drawn[1], slowly(of, sample), rtol=1e-4, atol=1e-4)


def slowly(of: UnifiedModel, sample: Sample) -> np.ndarray:
    """The whole sequence anew for every token, with what was predicted put where the true token would enter."""
    filled = Sample(sample.id, (sample.segments[0], Image(tiny.picture(9), learn=True)))
    batch, found = tiny.batch_of(of, [filled]), torch.zeros(9, of.backbone.width)
    known: list[int] = []
    start = batch.images[0][1].start
    for count in range(9):
        x = of.embed(batch)
        for at in known:
            place, ahead = batch.place[0, at], batch.next_place[0, at]
            x[0, at] = of.embed_drawn(found[place][None], place[None], ahead[None])[0]
        hidden = of.backbone.run(x, Reads.within(batch.doc, batch.block, batch.private), batch.position)[0]
        [asks] = ((batch.predicts[0] == start + count) & (batch.duty[0] == int(Duty.IMAGE))).nonzero()[:, 0].tolist()
        found[batch.place[0, start + count]] = of.head.predicted(hidden[asks][None])[0]
        known.append(start + count)
    return found.numpy()


@pytest.mark.parametrize("head", ["cosine", "mse"])
def test_a_live_target_collapses_and_a_sentence_says_so_once(head: str, tmp_path: Path):
    _, lines, notices = trained(tmp_path / "live", model("live", head), steps=80, lr=3e-3)
    named = [sentence for sentence in notices if "collapse" in sentence]
    assert len(named) == 1 and "model.target.side is live: use stop_gradient, ema or frozen" in named[0]
    first, last = lines[0]["look"], lines[-1]["look"]
    if head == "cosine":  # directions are lost, not size
        assert last["target_rank"] < 1.5 < 4 < first["target_rank"] and last["target_variance"] > first["target_variance"]
    else:
        assert last["target_variance"] < 0.05 * first["target_variance"]


@pytest.mark.parametrize("side", ["stop_gradient", "ema", "frozen"])
def test_other_sides_do_not_collapse_and_the_log_says_how_alive_targets_and_predictions_are(side: str, tmp_path: Path):
    _, lines, notices = trained(tmp_path / "run", model(side), steps=80, lr=3e-3)
    assert not [sentence for sentence in notices if "collapse" in sentence]
    names = {f"{what}_{name}" for what in ("target", "prediction") for name in ("variance", "spread", "rank")}
    assert names | {"target_variance_min", "target_variance_max", "read_out"} == set(lines[-1]["look"])
    assert 1 <= lines[-1]["look"]["prediction_rank"] <= 32 and lines[-1]["look"]["read_out"] > 0.8


def test_what_does_not_fit_is_refused_in_a_sentence():
    patches = {"given": tiny.PATCHES, "learned": tiny.PATCHES, "head": HEADS["cosine"], "target": {}}
    with pytest.raises(ConfigError, match=r"vectors, and the head `categorical` does not predict those; use.*regression"):
        tiny.config(target={})
    with pytest.raises(ConfigError, match=r"found given `vq` and learned `patches`; give both the same tokens"):
        tiny.config(**patches | {"given": tiny.VQ, "projector": {"shared": False}})
    with pytest.raises(ConfigError, match=r"set it to true, or model.target.feedback to projector"):
        tiny.config(**patches | {"projector": {"shared": False}})
    assert tiny.config(**patches | {"projector": {"shared": False}, "target": {"feedback": "projector"}}).target


def test_a_cosine_does_not_see_the_scale_of_centred_targets():
    """Why one number for all channels is enough for regression."""
    of = model()
    tokens = torch.randn(5, of.learned.spec.dim)
    of.target.mean.normal_(0, 0.1)
    raw, hidden = of.target._embedding(of.target.of(tokens)) - of.target.mean, torch.randn(5, of.backbone.width)
    of.target.std.fill_(3.0)
    expected = 1 - F.cosine_similarity(of.head.prediction(hidden), raw, dim=-1)
    torch.testing.assert_close(of.head._error(of.head.prediction(hidden), of.target.of(tokens)), expected)
