"""`patches` x `diffusion` by catalogue alone: its noise is named by seed, step, sample and place; it is trained, stopped,
resumed, loaded, examined and drawn like any other corner."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor

import bothways
import tiny
import unified_training
from bothways.bench.fast import bench_fast, ways_of
from bothways.core.errors import ConfigError
from bothways.core.rundir import RunDir
from bothways.evaluate.answers import read_answers
from bothways.evaluate.scores import read_scores
from bothways.evaluate.tokens import LEAST_ROOM
from bothways.layout.batch import Batch
from bothways.layout.sequence import Duty
from bothways.model.store import load
from bothways.model.unified import UnifiedModel
from bothways.recipes import assemble
from bothways.recipes.examine import evaluate_run
from bothways.recipes.recipe import Recipe, load_recipe
from bothways.train.step import StepTotals, backward, step_counts, step_loss
from bothways.train.trainer import Trainer
from unified_training import OneBatch

STEPS = 6
HEAD = {"kind": "diffusion", "width": 16, "num_blocks": 2}
CORNER = {"given": tiny.PATCHES, "learned": tiny.PATCHES, "head": HEAD}
FINE = tiny.PATCHES | {"patch_px": 8}  # a head narrower than its tokens cannot tell their noise
FORMS = {"ddpm": "noise_squared_error", "flow": "velocity_squared_error"}


def recipe(**changes) -> Recipe:
    corner = {f"model__{key}": value for key, value in CORNER.items()} | {
        "train__steps": STEPS,
        "train__milestones": (STEPS // 2,),
        "exam__num_pictures": 4,
        "exam__num_drawings": 4,
        "exam__num_open_drawings": 3,
        "exam__guidance": 1.5,
        "exam__guidance_ramp": "linear",
        "exam__temperature": 1.0,
        "exam__sampling_steps": 3,
        "exam__max_text_tokens": 3,
    }
    return unified_training.recipe(**corner | changes)


def loud(**changes) -> UnifiedModel:
    """A model whose head does not predict zero."""
    made = tiny.model(**CORNER | changes)
    for name, weight in made.head.named_parameters():
        if "zero_" in name:
            weight.data.normal_(0.0, 0.2, generator=torch.Generator().manual_seed(0))
    return made


def image_losses(of: UnifiedModel, batch: Batch, step: int) -> Tensor:
    of.before_step(step)
    return of.losses(batch)[Duty.IMAGE][1].detach()


DRAWINGS = [tiny.sample("drawing", "a"), tiny.sample("editing"), tiny.sample("interleaved"), tiny.sample("drawing", "b")]


@pytest.mark.parametrize("form", FORMS)
def test_a_samples_noise_is_the_same_alone_and_in_a_batch_and_another_each_step(form: str):
    of = loud(head=HEAD | {"form": form}).train()
    together = image_losses(of, tiny.batch_of(of, DRAWINGS), 3)
    alone = torch.cat([image_losses(of, tiny.batch_of(of, [sample]), 3) for sample in DRAWINGS])
    torch.testing.assert_close(together, alone, rtol=1e-4, atol=1e-5)
    assert (image_losses(of, tiny.batch_of(of, DRAWINGS), 4) - together).abs().min() > 1e-5
    assert torch.equal(image_losses(of, tiny.batch_of(of, DRAWINGS), 3), together)
    a, b = together[:9], together[-9:]
    assert (a - b).abs().min() > 1e-4, "one picture, two samples"


def test_a_tokens_noise_goes_by_its_place_and_not_by_its_turn():
    """With a head that predicts zero the loss is the noise's own size, so it can be compared place by place."""
    raster, random = (tiny.model(**CORNER, order=order).train() for order in ("raster", "random"))
    found = []
    for of in (raster, random):
        batch = tiny.batch_of(of, DRAWINGS[:1])
        at = (batch.duty[0] == int(Duty.IMAGE)).nonzero()[:, 0]
        places = batch.place[0][batch.predicts[0][at]]
        found.append(image_losses(of, batch, 1)[places.argsort()])
        assert (places.diff() == 1).all() == (of is raster)
    torch.testing.assert_close(*found)


def test_held_out_noise_knows_neither_step_nor_model_nor_batch():
    one, other = tiny.model(**CORNER).eval(), tiny.model(**CORNER, seed=9).eval()
    one.before_step(5)
    other.before_step(70)
    first, *_ = one.held_out(DRAWINGS)
    assert first.image.mean == pytest.approx(other.held_out(DRAWINGS[:1])[0].image.mean, rel=1e-6)
    assert first.image.mean == pytest.approx(1.0, abs=0.05), "it predicts no noise, and the noise's size is 1"
    assert first.image.mean != pytest.approx(one.held_out(DRAWINGS[-1:])[0].image.mean, rel=1e-6)


def test_a_step_cut_into_micro_batches_has_the_loss_and_gradients_of_the_whole():
    of = loud().train()
    found = []
    for pieces in (1, 3):
        of.zero_grad(set_to_none=True)
        of.before_step(7)
        batches = tiny.stream(of, {"reading": 2, "drawing": 4, "editing": 3}, pieces).batches(7)
        counts, totals = step_counts(batches), StepTotals()
        for batch in batches:
            terms = of.terms(batch)
            backward(step_loss(terms, counts, {}))
            totals.add(terms)
        gradients = {name: p.grad.clone() for name, p in of.named_parameters() if p.grad is not None}
        found.append((totals.means(), gradients))
    (whole, gradients), (parts, accumulated) = found
    assert parts == pytest.approx(whole, rel=1e-5) and accumulated.keys() == gradients.keys()
    for name, gradient in gradients.items():
        assert (accumulated[name] - gradient).abs().max() <= 2e-5 * gradient.abs().max() + 1e-9, name


class Stopped(Exception):
    pass


def stop(model: torch.nn.Module, step: int) -> None:
    raise Stopped


@pytest.fixture(scope="module", params=FORMS)
def run(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("diffusion") / "run"
    assemble.train(restless(request.param), path)
    return path


def restless(form: str) -> Recipe:
    return recipe(
        model__head=HEAD | {"form": form},
        model__order="random",
        train__dtype="bfloat16",
        train__micro_batches=2,
        data__drop_condition=0.3,
    )


def form_of(run: Path) -> str:
    return RunDir.open(run).config()["model"]["head"]["form"]


def test_a_resumed_run_ends_with_the_bits_of_an_uninterrupted_one(run: Path, tmp_path: Path):
    with pytest.raises(Stopped):
        assemble.train(restless(form_of(run)), tmp_path / "run", on_milestone=stop)
    assemble.train(restless(form_of(run)), tmp_path / "run", resume=True)
    name = f"checkpoints/step-{STEPS:06d}/model.safetensors"
    assert (tmp_path / "run" / name).read_bytes() == (run / name).read_bytes()


def test_its_exam_holds_token_errors_in_its_own_unit_beside_what_a_blind_denoiser_has(run: Path):
    name, unit = evaluate_run(run), FORMS[form_of(run)]
    scores = read_scores(run)[name]
    error = scores[f"tokens/image/{unit}"]
    assert error.n == 4 and error.unit == unit and 0 < error.chance < error.value, "after six steps it knows nothing"
    assert ("tokens/image/skill" in scores.scores) == (error.chance >= LEAST_ROOM), "too little room says nothing"
    if error.chance >= LEAST_ROOM:
        assert error.skill == pytest.approx(scores["tokens/image/skill"].value)
    assert not any(name.startswith("nll/image_tokens") for name in scores.scores) and "nll/answers/nats" in scores
    assert scores["drawing/hour/accuracy"].n == 4 and 0 < scores["open_drawing/color/accuracy"].n <= 3
    told, lines = read_answers(RunDir.open(run).answers_dir(name))
    assert told.how["image"]["sampling_steps"] == 3 and told.how["image"]["guidance_ramp"] == "linear"
    again, _ = load(RunDir.open(run))
    assert again.eval().held_out([tiny.sample("drawing")]) == again.held_out([tiny.sample("drawing")])
    assert all(line.error is None or line.blind_error is not None for line in lines)


def test_it_draws_the_same_bytes_for_a_seed_and_refuses_samplers_that_do_not_fit(run: Path):
    model = bothways.load(run)
    assert model.how_to_draw.temperature == 1.0 and model.how_to_draw.sampling_steps == 3
    drawn = model.draw("draw a red watch.")
    assert drawn.size == (tiny.SIZE_PX, tiny.SIZE_PX) and model.draw("draw a red watch.").tobytes() == drawn.tobytes()
    assert model.draw("draw a red watch.", seed=1).tobytes() != drawn.tobytes()
    assert bothways.load(run).draw("draw a red watch.").tobytes() == drawn.tobytes()
    fitting, other = {"ddpm": ("ddim", "heun"), "flow": ("heun", "ddim")}[form_of(run)]
    assert model.draw("draw a red watch.", sampler=fitting, sampling_steps=4).tobytes() != drawn.tobytes()
    with pytest.raises(ConfigError, match=f"`{other}` does not fit .* those that do: .*{fitting}"):
        model.draw("draw a red watch.", sampler=other)
    with pytest.raises(ConfigError, match="sampling_steps 5000"):
        model.draw("draw a red watch.", sampling_steps=5000)
    assert isinstance(model.answer(drawn, "what is the weather?"), str)


def test_what_cannot_work_is_refused_before_a_folder_is_made(tmp_path: Path):
    with pytest.raises(ConfigError, match=r"`euler` does not fit .* those that do: ancestral, ddim, dpmpp_2m"):
        recipe(exam__sampler="euler")
    with pytest.raises(ConfigError, match=r"Found sampler ddim for drawings, and the head `categorical`"):
        recipe(model__given=tiny.VQ, model__learned=tiny.VQ, model__head={"kind": "categorical"}, exam__sampler="ddim")
    with pytest.raises(ConfigError, match=r"`diffusion` needs continuous tokens and `vq` makes discrete ones; .*categorical"):
        assemble.train(recipe(model__given=tiny.VQ, model__learned=tiny.VQ), tmp_path / "run")
    raw = tiny.PATCHES | {"mean": 0.0, "std": 0.1}
    with pytest.raises(ConfigError, match=r"`patches` tokens of the first step have a root mean square of \d\.\d+, .* about 1"):
        assemble.train(recipe(model__given=raw, model__learned=raw), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_fast_ways_are_scored_beside_the_reference_on_the_same_requests(run: Path):
    found = bench_fast(run=run, num_requests=3, batch_size=2, rounds=1)
    finest = {"ddpm": "ancestral", "flow": "euler"}[form_of(run)]
    assert found.reference == f"{finest} 100, one token at a time" and found.ours.endswith(" 3, one token at a time")
    told = [case["accuracy"] for case in found.cases]
    assert len(told) == 4 and told[0]["difference"] == 0.0 and all(one["num_requests"] == 3 for one in told)
    with pytest.raises(ConfigError, match="`vq-vq` draws one token a step and no faster"):
        ways_of(load_recipe("vq-vq", kind="model"))
    curve = ways_of(load_recipe("unifluid", {"exam.draw_steps": 16}, kind="model"))
    assert list(curve)[1].endswith("16 steps a picture") and [way["draw_steps"] for way in curve.values()] == [
        0,
        16,
        0,
        32,
        8,
        4,
    ]


@pytest.mark.parametrize("form", FORMS)
def test_one_batch_again_and_again_halves_the_held_out_error_of_its_own_samples_in_200_steps(form: str, tmp_path: Path):
    chosen = recipe(
        model__given=FINE, model__learned=FINE, model__head={"kind": "diffusion", "form": form, "width": 256, "num_blocks": 1},
        train__steps=200, train__lr=3e-3, train__weight_decay=0.0, train__checkpoint_every_s=1000.0, train__milestones=0,
        data__drop_condition=0.0,
    )  # fmt: skip
    of = assemble.build_model(chosen)
    stream = assemble.stream_of(chosen, chosen.world.build(), of)
    (batch,) = stream.batches(0)
    samples = [sample for sample in stream.samples(0) if sample.source == "watch/draw"]

    def error() -> float:
        return sum(found.image.mean for found in of.eval().held_out(samples)) / len(samples)

    before = error()
    Trainer(of, OneBatch(batch), chosen.train, RunDir.create(tmp_path / "run", chosen.to_dict())).fit()
    assert error() < before / 2
