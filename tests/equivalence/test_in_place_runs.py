"""The systems that predict pictures in place: what is held out is measured the same for every model, and the recipes are
trained, stopped, loaded, examined and drawn like any other."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

import bothways
import tiny
from bothways.bench.fast import ways_of
from bothways.core.errors import ConfigError
from bothways.core.rundir import RunDir
from bothways.core.sample import AS_BOTH, Image, Sample, Text
from bothways.evaluate.scores import read_scores
from bothways.layout.batch import collate
from bothways.layout.sequence import Duty
from bothways.model.unified import UnifiedModel
from bothways.recipes import assemble
from bothways.recipes.examine import evaluate_run
from bothways.recipes.recipe import Recipe, load_recipe
from bothways.train.log import read_log
from bothways.train.step import StepTotals, backward, step_counts, step_loss
from bothways.train.trainer import Trainer
from unified_training import OneBatch

PATCHES = {"given": tiny.PATCHES, "learned": tiny.PATCHES}
CORNERS = {"masked": {"head": {"kind": "masked"}}, "denoise": {"head": {"kind": "denoise"}, **PATCHES}}
SYSTEMS = {"show-o": "nats", "transfusion": "velocity_squared_error"}
DRAWINGS = [tiny.sample("drawing", "a"), tiny.sample("editing"), tiny.sample("interleaved"), tiny.sample("drawing", "b")]


def model(kind: str, **changes) -> UnifiedModel:
    """A model whose head does not predict zero."""
    made = tiny.model(**CORNERS[kind] | changes)
    for name, weight in made.head.named_parameters():
        if "zero_" in name:
            weight.data.normal_(0.0, 0.2, generator=torch.Generator().manual_seed(0))
    return made


def image_losses(of: UnifiedModel, samples: list[Sample], step: int) -> torch.Tensor:
    of.before_step(step)
    return of.losses(tiny.batch_of(of, samples))[Duty.IMAGE][1].detach()


def test_a_samples_noise_is_the_same_alone_and_in_a_batch_and_another_each_step():
    of = model("denoise").train()
    together = image_losses(of, DRAWINGS, 3)
    torch.testing.assert_close(together, torch.cat([image_losses(of, [one], 3) for one in DRAWINGS]), rtol=1e-4, atol=1e-5)
    assert (image_losses(of, DRAWINGS, 4) - together).abs().min() > 1e-5
    assert (together[:9] - together[-9:]).abs().min() > 1e-5, "one picture, two samples"


@pytest.mark.parametrize("kind", CORNERS)
def test_a_step_cut_into_micro_batches_has_the_loss_and_gradients_of_the_whole(kind: str):
    of, found = model(kind).train(), []
    for pieces in (1, 3):
        of.zero_grad(set_to_none=True)
        of.before_step(7)
        batches = tiny.stream(of, {"reading": 2, "drawing": 4, "editing": 3}, pieces).batches(7)
        counts, totals = step_counts(batches), StepTotals()
        for batch in batches:
            terms = of.terms(batch)
            backward(step_loss(terms, counts, {}))
            totals.add(terms)
        found.append((totals.means(), {name: p.grad.clone() for name, p in of.named_parameters() if p.grad is not None}))
    (whole, gradients), (parts, accumulated) = found
    assert parts == pytest.approx(whole, rel=1e-4)
    for name, gradient in gradients.items():
        torch.testing.assert_close(accumulated[name], gradient, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("kind", CORNERS)
def test_held_out_pictures_are_covered_alike_for_every_model_in_every_batch_and_at_any_step(kind: str):
    one, other = model(kind).eval(), model(kind, seed=9).eval()
    one.before_step(5)
    together = one.held_out(DRAWINGS)
    for sample, found in zip(DRAWINGS, together, strict=True):
        [alone] = one.held_out([sample])
        assert alone.image.mean == pytest.approx(found.image.mean, rel=1e-4) and alone.image.count == found.image.count
        assert found.image.count == 9 * sum(isinstance(s, Image) and s.learn for s in sample.segments)
        assert alone.text.mean == pytest.approx(found.text.mean, rel=1e-4)
    with torch.no_grad():  # heads that say nothing leave what hangs on no model
        for head in (one.head, other.head):
            [weight, bias] = head.parameters()
            weight.zero_()
            bias.zero_()
    blank = one.held_out(DRAWINGS)
    assert [found.image for found in blank] == [found.image for found in other.held_out(DRAWINGS)]
    if kind == "masked":
        assert blank[0].image.total == pytest.approx(9 * np.log(32), rel=1e-5), "nats of the whole picture"


def test_the_held_out_likelihood_is_a_mean_over_how_many_tokens_are_hidden():
    of, sample, means = model("masked").eval(), DRAWINGS[0], []
    for eighth in range(8):
        sequence = of.lay_out(sample, share=(eighth + 0.5) / 8)
        batch = of.attach(collate([sequence], [sample]))
        [losses] = [losses for duty, (_, losses) in of.losses(batch).items() if duty is Duty.IMAGE]
        assert len(losses) == max(1, round((eighth + 0.5) / 8 * 9))
        means.append(losses.mean().item())
    assert of.held_out([sample])[0].image.total == pytest.approx(9 * np.mean(means), rel=1e-5)


# Whole runs -----------------------------------------------------------------------------------------------------------


def small(name: str, **changes) -> Recipe:
    """The recipe, tiny, on ten pictures."""
    sources = {"watch/vqa": 3, "watch/caption": 1, "watch/draw": 4}
    values = {f"data.sources.{source}.samples_per_step": number for source, number in sources.items()}
    values |= {f"data.sources.{source}.num_pictures": 10 for source in sources}
    values |= {"model.backbone.size": "tiny", "train.dtype": "float32", "train.threads": 1, "data.drop_condition": 0.0}
    values |= {"exam.num_pictures": 2, "exam.num_pictures_between": 2, "exam.num_drawings": 2, "exam.max_text_tokens": 2}
    dotted = {key.replace("__", "."): value for key, value in changes.items()}
    return load_recipe(name, values | dotted, kind="model")


@pytest.fixture(scope="module", params=SYSTEMS)
def run(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    steps = {"exam.draw_steps": 3} if request.param == "show-o" else {"exam.sampling_steps": 3}
    chosen = small(request.param, train__steps=4, train__milestones=0, **steps)
    out = tmp_path_factory.mktemp("runs") / request.param
    assemble.train(chosen, out)
    return out


def test_a_run_is_examined_and_its_pictures_are_measured(run: Path):
    name, unit = evaluate_run(run), SYSTEMS[run.name]
    scores = read_scores(run)[name].scores
    if unit == "nats":
        assert scores["nll/image_tokens/nats_per_token"].value == pytest.approx(np.log(512), rel=0.2)
    else:
        assert 0 < scores[f"tokens/image/{unit}"].chance < 2 and "tokens/image/skill" in scores
    assert "drawing/gate/accuracy" in scores


def test_it_draws_edits_and_inpaints_the_same_bytes_for_a_seed(run: Path):
    model, again = bothways.load(run), bothways.load(run)
    drawn = model.draw("draw a red watch.", temperature=1.0)
    assert again.draw("draw a red watch.", temperature=1.0).tobytes() == drawn.tobytes()
    assert model.draw("draw a red watch.", seed=1, temperature=1.0).tobytes() != drawn.tobytes()
    edited = model.edit(drawn, "make it blue.")
    assert again.edit(drawn, "make it blue.").tobytes() == edited.tobytes() and edited.size == drawn.size
    kept = model.draw("draw a red watch.", keep="top-half", image=drawn)
    assert again.draw("draw a red watch.", keep="top-half", image=drawn).tobytes() == kept.tobytes()
    assert isinstance(model.answer(drawn, "what is the weather?"), str)


def test_what_a_picture_in_place_cannot_have_is_refused_before_anything_is_made():
    with pytest.raises(ConfigError, match="order `random` means nothing where tokens are predicted in place"):
        small("show-o", model__order="random")
    with pytest.raises(ConfigError, match="order `random` means nothing where tokens are predicted in place"):
        small("transfusion", exam__order="random")
    with pytest.raises(ConfigError, match="takes noise off all tokens of a picture at once; leave it at 0"):
        small("transfusion", exam__draw_steps=4)
    with pytest.raises(ConfigError, match="Found draw_steps 65; a picture of 64 tokens is drawn in 1 to 64 steps"):
        small("show-o", exam__draw_steps=65)
    with pytest.raises(ConfigError, match="`denoise` needs continuous tokens and `vq` makes discrete ones"):
        small("show-o", model__head={"kind": "denoise"})


def test_fast_ways_are_compared_by_the_steps_of_a_picture_or_of_its_sampler():
    masked, noised = (ways_of(load_recipe(name, kind="model")) for name in SYSTEMS)
    assert [way["draw_steps"] for way in masked.values()] == [0, 16, 32, 8, 4]
    assert list(noised) == ["euler 100, all tokens at once", "euler 25, all tokens at once"]


@pytest.mark.parametrize("name", SYSTEMS)
def test_one_batch_is_learned_by_heart_in_200_steps(name: str, tmp_path: Path):
    chosen = small(name, train__steps=200, train__milestones=0, train__weight_decay=0.0, train__checkpoint_every_s=1000.0)
    of = assemble.build_model(chosen)
    (batch,) = assemble.stream_of(chosen, chosen.world.build(), of).batches(0)
    of.before_step = lambda step: None  # times and noise stay those of the first step
    Trainer(of, OneBatch(batch), chosen.train, RunDir.create(tmp_path / "run", chosen.to_dict())).fit()
    log = [line["terms"] for line in read_log(tmp_path / "run" / "log.jsonl")]
    assert log[-1]["watch/vqa:text"] < 0.2
    assert log[-1]["watch/draw:image"] < log[0]["watch/draw:image"] / 2


def test_an_edit_is_trained_in_place():
    edit = Sample("edit", (Image(tiny.picture(0), views=AS_BOTH), Text("red"), Image(tiny.picture(1), learn=True)))
    for kind in CORNERS:
        of = model(kind).train()
        rows, losses = of.losses(tiny.batch_of(of, [edit]))[Duty.IMAGE]
        assert losses.isfinite().all() and 1 <= len(losses) <= 9 and set(rows.tolist()) == {0}
