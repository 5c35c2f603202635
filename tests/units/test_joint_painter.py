"""A painter in the model: it learns beside the backbone from what the head predicts, and a gate says who hears of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

import bothways
import tiny
import unified_training
from bothways.core.errors import ConfigError, RunError
from bothways.core.randomness import rng
from bothways.core.rundir import RunDir
from bothways.core.sample import Image, Sample, Text
from bothways.generate.engine import Engine, run
from bothways.generate.model import Model
from bothways.heads.choose import How
from bothways.layout.batch import Batch
from bothways.layout.sequence import Duty
from bothways.model.store import keep_parts, rebuild
from bothways.model.unified import UnifiedModel
from bothways.recipes import assemble
from bothways.recipes.recipe import load_recipe
from bothways.train.config import TrainConfig
from bothways.train.step import step_counts
from bothways.train.trainer import Trainer
from bothways.vision.hiding import hidden_share, mean_hidden, num_hidden
from bothways.vision.kl_config import KLConfig
from bothways.vision.painter_configs import HidingConfig
from bothways.vision.tokenizer import to_uint8

LATENTS = {"kind": "kl", "size_px": tiny.SIZE_PX, "channels": [8, 8, 8, 8], "latent_channels": 4}  # 3 x 3 of them
SHAPE = {
    "latents": LATENTS,
    "width": 16,
    "num_layers": 1,
    "num_heads": 2,
    "denoiser": {"width": 16, "num_blocks": 1},
    "painting": {"num_iterations": 3, "sampler": "ddim", "sampling_steps": 4},
}
SIDES = {"given": tiny.SEMANTIC, "learned": tiny.SEMANTIC, "head": {"kind": "regression"}}
RAMP = {"kind": "ramp", "first": 0.0, "last": 1.0, "steps": 10}
STEPS = 5


def model(pixels: Any = 0.0, loud: bool = True, **changes: Any) -> UnifiedModel:
    """`pixels`: the painter's gate. `loud`: its denoiser is not silent, as a fresh one's is, so its gradient goes somewhere."""
    made = tiny.model(**SIDES, **({"painter": {"masked": SHAPE, "gate": pixels}} | changes))
    if loud and made.painter is not None:
        generator = torch.Generator().manual_seed(1)
        for weight in made.painter.parameters():
            weight.data += 0.1 * torch.randn(weight.shape, generator=generator)
    return made


def painter_loss(of: UnifiedModel, batch: Batch) -> torch.Tensor:
    return of.terms(batch)["drawing:painter"].total


def gradients(gate: Any, step: int = 0, **changes: Any) -> dict[str, torch.Tensor]:
    """Of the painter's loss alone."""
    of = model(gate, **changes)
    of.before_step(step)
    painter_loss(of, tiny.batch_of(of, [tiny.sample("drawing")])).backward()
    return {name: p.grad for name, p in of.named_parameters() if p.grad is not None}


def trained(path: Path, of: UnifiedModel, **changes: Any) -> dict[str, torch.Tensor]:
    settings = {"steps": STEPS, "lr": 3e-3, "threads": 1, "clip": 0.3, "clip_apart": ["painter"], "muon": {}}
    stream = tiny.stream(of, {"reading": 2, "drawing": 2, "editing": 2})
    fitted = Trainer(of, stream, TrainConfig.parse(settings | changes), RunDir.create(path, {})).fit()
    return load_file(fitted.checkpoint / "model.safetensors")


@pytest.mark.parametrize("target", [None, {"side": "ema"}, {"side": "live"}])
def test_behind_a_closed_gate_all_else_is_bit_for_bit_that_of_a_run_without_a_painter(tmp_path: Path, target: Any):
    alone = trained(tmp_path / "alone", model(painter=None, target=target), clip_apart=[])
    start = {name: weight.clone() for name, weight in model(target=target).state_dict().items()}
    closed = trained(tmp_path / "closed", model(target=target))
    assert {name.split(".")[0] for name in closed.keys() - alone.keys()} == {"painter"}
    assert all(torch.equal(alone[name], closed[name]) for name in alone)
    assert not torch.equal(closed["painter.masked.told.weight"], start["painter.masked.told.weight"]), "it learns outside"
    opened = trained(tmp_path / "open", model(1.0, target=target))
    changed = {name.split(".")[0] for name in alone if not torch.equal(alone[name], opened[name])}
    assert {"backbone", "head", "given_projector"} <= changed


def test_the_gate_scales_what_head_backbone_and_projector_hear_of_it_and_not_what_the_painter_does():
    assert {name.split(".")[0] for name in gradients(0.0)} == {"painter"}
    assert {name.split(".")[0] for name in gradients(RAMP, 0)} == {"painter"}
    whole = gradients(1.0)
    assert {"head", "backbone", "given_projector"} <= {name.split(".")[0] for name in whole}
    assert whole["head.prediction.weight"].abs().max() > 0
    for gate, step, share in ((0.25, 0, 0.25), (RAMP, 3, 0.3)):
        scaled, opened = gradients(gate, step), gradients(1.0, step)  # another step has other draws
        assert scaled.keys() == opened.keys()
        for name in scaled:
            factor = 1.0 if name.startswith("painter.") else share
            torch.testing.assert_close(scaled[name], factor * opened[name], rtol=1e-5, atol=1e-8)


def test_the_gates_of_semantics_and_of_pixels_are_two_switches():
    """Image losses stopped, the painter's let through: the backbone hears of pixels and not of semantics."""
    found = {}
    for pixels in (0.0, 1.0):
        of = model(pixels, gate=0.0)
        of.before_step(0)
        terms = of.terms(tiny.batch_of(of, [tiny.sample("drawing")]))
        sum(tally.total for tally in terms.values()).backward()
        found[pixels] = {name.split(".")[0] for name, p in of.named_parameters() if p.grad is not None}
    assert "backbone" in found[1.0] and found[0.0] == {"head", "painter"}


@pytest.mark.parametrize(("order", "target"), [("raster", None), ("random", None), ("random", {"side": "ema"})])
def test_its_loss_is_that_of_each_hidden_latent_under_what_the_head_predicts_for_the_whole_picture(order: str, target: Any):
    """The slow way: a picture, a latent and a time at a time, told the predictions place by place."""
    of = model(order=order, target=target)
    of.before_step(7)
    batch = tiny.batch_of(
        of, [tiny.sample("drawing"), tiny.sample("reading"), tiny.sample("editing"), tiny.sample("drawing", "b")]
    )
    of.terms(batch)  # the length of predictions is a mean over what was seen so far, this batch included
    counts = (of.head.norm_sum.clone(), of.head.norm_count.clone())
    terms = of.terms(batch)
    of.head.norm_sum, of.head.norm_count = 2 * counts[0], 2 * counts[1]
    hidden, painter = of.hidden(batch), of.painter
    found: dict[str, float] = {}
    for index, (row, name) in enumerate(zip(*batch_targets(batch), strict=True)):
        told = torch.zeros(9, painter.spec.dim)
        for position in range(batch.ids.shape[1]):
            if batch.duty[row, position] == Duty.IMAGE:
                place = batch.place[row, batch.predicts[row, position]]
                told[place] = of.head.predicted(hidden[row, position][None])[0]
        found.setdefault(batch.sources[row], 0.0)
        found[batch.sources[row]] += picture_loss(painter, told, batch.latents[index], ("painter", 7, *name))
    for source, total in found.items():
        assert float(terms[f"{source}:painter"].total.detach()) == pytest.approx(total, rel=1e-4)
    assert terms["drawing:painter"].count == 2 and terms["editing:painter"].count == 1


def batch_targets(batch: Batch) -> tuple[list[int], list[tuple[str, int]]]:
    """Rows of the batch in which a picture is to be drawn, and its name: each sample here has one."""
    rows = [row for row in range(len(batch)) if (batch.duty[row] == Duty.IMAGE).any()]
    segments = {"drawing": 1, "editing": 2}
    return rows, [(batch.sample_ids[row], segments[batch.sources[row]]) for row in rows]


def picture_loss(painter: Any, told: torch.Tensor, latents: torch.Tensor, name: tuple) -> float:
    config, masked, num = painter.config, painter.masked, len(latents)
    times = masked.config.denoiser.draws_per_token
    ranks = rng(0, *name, "hidden").random(num, dtype=np.float32).argsort().argsort()
    share = hidden_share(rng(0, *name, "share hidden").random(dtype=np.float32), 1.0, 0.25, 0.7)
    dropped = rng(0, *name, "dropped").random(dtype=np.float32) < config.drop_share
    time = rng(0, *name, "time").random((num, times), dtype=np.float32)
    noise = rng(0, *name, "noise").standard_normal((num, times, masked.dim), dtype=np.float32)
    is_hidden = torch.tensor(ranks < np.ceil(share * num))
    states = masked.states(told[None], torch.tensor([bool(dropped)]), latents[None], is_hidden[None])[0]
    losses = []
    for place in is_hidden.nonzero()[:, 0].tolist():
        for draw in range(times):
            at = masked.form.time(torch.tensor([(draw + time[place, draw]) / times]))
            added, latent = torch.from_numpy(noise[place, draw])[None], latents[place][None]
            output = masked.network(masked.form.noisy(latent, added, at), at, masked.network.condition(states[place][None]))
            losses.append(float(masked.form.loss(output, latent, added, at).detach()))
    return float(np.mean(losses))


def test_the_loss_of_a_picture_is_the_same_alone_in_a_batch_and_in_pieces_and_counted_before_it_is_taken():
    of = model()
    of.before_step(3)
    samples = [tiny.sample("drawing", name) for name in "abcd"]
    whole = tiny.batch_of(of, samples)
    alone = [painter_loss(of, tiny.batch_of(of, [sample])).detach() for sample in samples]
    of.head.norm_sum *= 0  # the mean norm of what was seen is that of one picture from here on
    of.head.norm_count *= 0
    torch.testing.assert_close(painter_loss(of, whole).detach(), sum(alone), rtol=1e-4, atol=1e-5)
    pieces = tiny.stream(of, {"drawing": 4}, micro_batches=2).batches(0)
    assert step_counts(pieces)["drawing:painter"] == 4 and [batch.counts["drawing:painter"] for batch in pieces] == [2, 2]
    assert "drawing:painter" not in tiny.batch_of(of.eval(), samples).counts, "held-out samples are not asked for latents"


def test_its_loss_falls_on_a_batch_that_comes_again_and_again(tmp_path: Path):
    scale = float(KLConfig.parse(LATENTS).build().encode(torch.randn(4, 3, 48, 48).clamp(-1, 1)).std())
    shape = SHAPE | {"latents": LATENTS | {"scaling_factor": 1 / scale}, "width": 32}
    of = model(loud=False, painter={"masked": shape})
    batch = tiny.batch_of(of, [tiny.sample("drawing", "a"), tiny.sample("editing")])

    def measured() -> float:
        of.train().before_step(10_000)
        with torch.no_grad():
            terms = of.terms(batch)
        return float(terms["drawing:painter"].mean + terms["editing:painter"].mean)

    before = measured()
    config = TrainConfig(steps=150, lr=1e-2, threads=1, weight_decay=0.0, clip_apart=("painter",), checkpoint_every_s=1000.0)
    Trainer(of, unified_training.OneBatch(batch), config, RunDir.create(tmp_path, {})).fit()
    assert measured() < before / 2


def test_a_drawing_is_painted_from_what_the_head_has_drawn():
    of = model().eval()
    prompt = Sample("one", (Text("Draw a red watch."), Image(None, learn=True)), "drawing")
    engine = run(Engine(of, How()), [prompt])
    [[drawn]] = [[row.drawn[segment] for segment in row.drawn] for row in engine.rows]
    [picture] = [sample.segments[1].content.array for sample in engine.results()]
    np.testing.assert_array_equal(picture, to_uint8(of.painter(torch.from_numpy(drawn)[None]))[0])
    other = of.painter(torch.from_numpy(drawn[::-1].copy())[None])
    assert not np.array_equal(picture, to_uint8(other)[0]), "place by place"


def test_the_ceiling_is_what_it_paints_of_what_should_have_been_predicted():
    of = model(target={"side": "ema"}).eval()
    tokens = of.encodings.learned.tokens([tiny.picture(0), tiny.picture(1)])
    with torch.no_grad():
        np.testing.assert_array_equal(np.stack(of.repaint(tokens)), to_uint8(of.painter(of.target.of(tokens))))


def recipe(**changes: Any) -> Any:
    sides = {"model__given": tiny.SEMANTIC, "model__learned": tiny.SEMANTIC, "model__head": {"kind": "regression"}}
    painter = {"model__painter": {"masked": SHAPE}, "train__clip_apart": ["painter"], "train__steps": STEPS}
    return unified_training.recipe(**(sides | painter | changes))


def test_a_run_comes_back_from_disk_with_its_painter_and_draws_the_same_bytes(tmp_path: Path):
    weights = {"watch/draw:painter": 0.5}
    made, _ = assemble.train(recipe(train__weights=weights, train__shares_every_steps=2), tmp_path / "run")
    loaded = bothways.load(tmp_path / "run")
    mine = Model(made.eval(), tmp_path / "run", STEPS, loaded.how_to_draw)
    assert mine.draw("draw a red watch.").tobytes() == loaded.draw("draw a red watch.").tobytes()
    log = (tmp_path / "run" / "log.jsonl").read_text()
    assert '"watch/draw:painter": 0.0' in log, "its share of the backbone's gradient"
    [checkpoint] = (tmp_path / "run" / "checkpoints").glob(f"step-*{STEPS}")
    saved = load_file(checkpoint / "model.safetensors")
    assert "painter.masked.told.weight" in saved and not any("latents" in name for name in saved), "frozen, named by the config"


def test_latents_that_do_not_ship_are_kept_with_the_run_and_others_are_refused(tmp_path: Path):
    own = tmp_path / "kl.safetensors"
    for seed in (5, 6):
        kl = KLConfig.parse(LATENTS | {"seed": seed}).build()
        save_file({name: tensor.half().contiguous() for name, tensor in kl.weights().items()}, tmp_path / f"{seed}.safetensors")
    (tmp_path / "5.safetensors").rename(own)
    masked = SHAPE | {"latents": LATENTS | {"weights": str(own)}}
    config = tiny.config(**SIDES, painter={"masked": masked})
    folder = RunDir.create(tmp_path / "run", {"kind": "model", "model": config.to_dict()})
    keep_parts(folder, config, tiny.WORDING)
    (tmp_path / "6.safetensors").rename(own)
    with pytest.raises(RunError, match=r"weights of the `latents` tokenizer are not those"):
        keep_parts(folder, config, tiny.WORDING)
    own.unlink()
    kl, pixels = KLConfig.parse(LATENTS | {"seed": 5}).build(), torch.zeros(1, 3, 48, 48)
    torch.testing.assert_close(rebuild(folder).painter.masked.latents.encode(pixels), kl.encode(pixels), rtol=0, atol=1e-2)


@pytest.mark.parametrize("least", [0.0001, 0.7, 1.0])
def test_the_mean_number_of_hidden_latents_is_that_of_many_draws(least: float):
    config = HidingConfig(least_hidden=least)
    many = num_hidden(config, np.random.default_rng(0).random(20_000), 64)
    assert mean_hidden(config, 64) == pytest.approx(many.mean(), rel=0.005)


def test_what_it_cannot_paint_is_refused_in_a_sentence(tmp_path: Path):
    painter = {"masked": SHAPE}
    with pytest.raises(ConfigError, match=r"`vq` tokens have; leave it out, or learn `semantic` tokens"):
        tiny.config(painter=painter)
    with pytest.raises(ConfigError, match=r"`kl` tokens have; leave it out"):
        tiny.config(given=LATENTS, learned=LATENTS, head={"kind": "diffusion"}, painter=painter)
    with pytest.raises(ConfigError, match=r"head `diffusion` draws its tokens from a distribution; use the head `regression`"):
        tiny.config(**(SIDES | {"head": {"kind": "diffusion"}}), painter=painter)
    with pytest.raises(ConfigError, match=r"Found model.painter.gate from 0 to 2; a gate is between 0 and 1"):
        tiny.config(**SIDES, painter=painter | {"gate": RAMP | {"last": 2.0}})
    with pytest.raises(ConfigError, match=r"painter of 64 px latents takes tokens .* of that size; found `semantic` .* 48 px"):
        tiny.model(**SIDES, painter={})
    with pytest.raises(ConfigError, match=r"gate of model.painter is closed, .* set train.clip_apart to \[head, painter\]"):
        recipe(train__clip_apart=["head"])
    assert recipe(train__clip_apart=[], model__painter={"masked": SHAPE, "gate": 0.1}).model.painter.gate == 0.1
    with pytest.raises(ConfigError, match=r"term in train.weights: .*watch/draw:painter"):
        assemble.settings_of(recipe(model__painter=None, train__clip_apart=[], train__weights={"watch/draw:painter": 1.0}))
    drawing_alone = {"watch/vqa": {"samples_per_step": 0}, "watch/caption": {"samples_per_step": 0}}
    stopped = {"model__gate": 0.0, "data__sources": drawing_alone}
    with pytest.raises(
        ConfigError, match=r"gate is closed and the only losses are of images \(watch/draw:image, watch/draw:paint"
    ):
        assemble.train(recipe(**stopped), tmp_path / "closed")
    opened = recipe(**stopped, model__painter={"masked": SHAPE, "gate": 1.0}, train__steps=1)
    assemble.train(opened, tmp_path / "open")


def test_the_recipe_draws_outside_of_the_backbone_unless_told_otherwise():
    shipped = load_recipe("unihetero-joint")
    assert shipped.model.painter.gate == 0.0 and shipped.train.clip_apart == ("painter",)
    assert load_recipe("unihetero-joint", {"model.painter.gate": 1.0}).model.painter.gate == 1.0
    assert shipped.model.with_changes({"painter": None}) == load_recipe("unihetero").model
