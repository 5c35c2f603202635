"""Inference-time scaling: operations counted, drawings chosen among, what is asked for read back, the page."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

import continuous
import tiny
from bothways.backbones.product import Product
from bothways.core.errors import ConfigError
from bothways.core.sample import Image
from bothways.data.worlds import exam
from bothways.evaluate.choosers import kept, pools, told_apart
from bothways.evaluate.compute import Cost, cost_of, flops_of
from bothways.evaluate.readback import read_back, scored, whole_of
from bothways.generate import choose
from bothways.generate.choose import candidates, varies
from bothways.generate.engine import fill, run
from bothways.heads.choose import How
from bothways.model.encodings import encodings_for
from bothways.model.unified import UnifiedModel
from bothways.recipes import assemble
from bothways.recipes.scaling import scaling_of
from bothways.recipes.ways import temperatures_of, ways_of
from bothways.study.scaling_page import write_scaling
from bothways.vision.configs import SemanticConfig
from bothways.vision.painter import exchange_painter, save_painter
from bothways.vision.painter_configs import DirectPainterConfig, MaskedPainterConfig
from bothways.worlds.shapes.config import ShapesConfig
from bothways.worlds.watch.config import WatchConfig
from grey import REQUESTS, model
from unified_training import recipe


def test_operations_are_two_for_each_multiplication_whatever_does_the_product():
    x, weight = torch.randn(5, 7), torch.randn(11, 7)
    assert flops_of(lambda: x @ weight.T) == 2 * 5 * 7 * 11
    assert flops_of(lambda: Product(weight, 5)(x)) == 2 * 5 * 7 * 11
    assert flops_of(lambda: Product(weight, 5).added(x, torch.randn(5, 11))) == 2 * 5 * 7 * 11
    with torch.inference_mode():
        assert flops_of(lambda: nn.functional.linear(x[None], weight)) == 2 * 5 * 7 * 11
        convolution = nn.Conv2d(3, 4, 3, padding=1)
        assert flops_of(lambda: convolution(torch.randn(2, 3, 6, 6))) == 2 * (2 * 36) * (3 * 9) * 4


def test_a_drawing_costs_about_two_operations_a_weight_and_token_read_and_guidance_twice_that():
    of, how = model(), How()
    weights = sum(p.numel() for name, p in of.backbone.named_parameters() if "layers" in name and p.ndim > 1)
    plain = flops_of(lambda: fill(of, REQUESTS, how))
    read = len(REQUESTS) * (len(of.lay_out(REQUESTS[0])) + 8)  # the prompt up to the opening mark, then all tokens but the last
    assert 1.0 < plain / (2 * weights * read) < 1.5, "beside the backbone the head, and attention"
    assert 1.7 < flops_of(lambda: fill(of, REQUESTS, How(guidance=2.0))) / plain < 2.1


def test_costs_add_up():
    cost = cost_of(lambda: torch.randn(4, 4) @ torch.randn(4, 4))
    assert cost.flops == 128 and cost.seconds > 0
    assert 3 * Cost(2.0, 1.0) + Cost(1.0, 0.5) == Cost(7.0, 3.5)


VALUES = np.array([[0.1, 0.9, 0.4, 0.4], [1.0, 0.0, 0.5, 0.2]])


def test_what_is_kept_is_the_best_by_score_in_disjoint_groups_and_their_mean_where_nobody_chooses():
    scores = np.array([[1.0, 2.0, 5.0, 4.0], [0.0, 1.0, 3.0, 3.0]])
    assert kept(VALUES, scores, 2).tolist() == pytest.approx([(0.9 + 0.4) / 2, (0.0 + 0.5) / 2])
    assert kept(VALUES, scores, 4).tolist() == [0.4, 0.5]
    assert kept(VALUES, VALUES, 4).tolist() == [0.9, 1.0], "the oracle keeps the best there is"
    assert kept(VALUES, None, 1).tolist() == pytest.approx(VALUES.mean(1).tolist())
    assert kept(VALUES, scores, 3).tolist() == [0.4, 0.5], "what does not fill a group is left out"


def test_scores_tell_drawings_apart_always_never_or_by_chance():
    unequal = 5 + 6  # of the first request two are alike
    assert told_apart(VALUES, VALUES) == (1.0, unequal)
    assert told_apart(VALUES, -VALUES) == (0.0, unequal)
    assert told_apart(VALUES, np.zeros_like(VALUES)) == (0.5, unequal)
    assert np.isnan(told_apart(np.ones((2, 3)), VALUES[:, :3])[0])


def test_values_come_request_by_request():
    table = pools({"a": 1.0, "a#1": 2.0, "b": 3.0}, [["a", "a#1"], ["b", "b#1"]])
    assert table[0].tolist() == [1.0, 2.0] and table[1, 0] == 3.0 and np.isnan(table[1, 1])


@pytest.mark.parametrize("config", [WatchConfig(), ShapesConfig()], ids=["watch", "shapes"])
def test_true_pictures_hold_all_that_was_asked_for_and_those_of_others_about_what_chance_says(config):
    world = config.build()
    items = exam(world, "validation", 12, 0, ("drawing",))
    pictures = [item.truth.pixels(64) for item in items]
    found = scored(read_back(world, items, pictures, pictures))
    right, whole = found["drawing/asked/accuracy"], whole_of(found)
    assert np.mean(right.values) == right.ceiling > 0.95 and np.mean(whole.values) == whole.ceiling
    wrong = scored(read_back(world, items, pictures[1:] + pictures[:1], pictures))["drawing/asked/accuracy"]
    assert np.mean(wrong.values) < right.chance + 0.2 < np.mean(right.values), "chance is the best constant, with hindsight"


def test_only_settings_that_the_model_has_are_turned():
    axes = {way.axis for way in ways_of(model(), How())}
    assert axes == {"own settings", "guidance", "temperature"}
    free = model(order="random")
    assert [way.value for way in ways_of(free, How()) if way.axis == "draw_steps"] == [1, 2, 4, 8]
    assert temperatures_of(model(), How()) == [0.5, 1.0] and temperatures_of(free, How()) == [0.0, 0.5, 1.0]


@pytest.mark.parametrize("own", ["draw_steps", "sampling_steps"])
def test_pictures_predicted_in_place_have_the_steps_of_their_head(own: str):
    of = model(head="masked") if own == "draw_steps" else continuous.model(form="flow", in_place=True)
    assert {way.axis for way in ways_of(of, How())} == {"own settings", own, "guidance", "temperature"}


PAINTER = {
    "latents": {"kind": "kl", "size_px": 48, "channels": [8, 8, 8, 8], "latent_channels": 4},  # 3 x 3 of them
    "width": 16,
    "num_layers": 1,
    "num_heads": 2,
    "denoiser": {"width": 16, "num_blocks": 1},
    "painting": {"num_iterations": 3, "sampler": "ddim", "sampling_steps": 2},
}
HEAD = {"head": {"kind": "regression"}, "target": {"side": "ema"}}


@dataclass(frozen=True)
class Painted:
    """The parts of a model that predicts input embeddings, whose own painter paints at once, and the file of one that draws."""

    parts: dict
    drawing: Path

    def model(self) -> UnifiedModel:
        """Its tokenizers are its own, so that their painter may be exchanged."""
        config = tiny.config(**self.parts)
        return UnifiedModel(config, tiny.WORDING, encodings_for(config)).eval()


@pytest.fixture(scope="module")
def embeds(tmp_path_factory: pytest.TempPathFactory) -> Painted:
    folder, tokenizer = tmp_path_factory.mktemp("painters"), SemanticConfig.parse(tiny.SEMANTIC).build()
    at_once = DirectPainterConfig(channels=(8,), num_res_blocks=(0,)).build(tokenizer.spec)
    save_painter(at_once, folder / "at once.safetensors", tokenizer)
    drawing, loud = MaskedPainterConfig.parse(PAINTER).build(tokenizer.spec), torch.Generator().manual_seed(1)
    for weight in drawing.parameters():  # a fresh denoiser is silent
        weight.data += 0.1 * torch.randn(weight.shape, generator=loud)
    save_painter(drawing, folder / "drawing.safetensors", tokenizer)
    semantic = tiny.SEMANTIC | {"painter": str(folder / "at once.safetensors")}
    return Painted(HEAD | {"given": semantic, "learned": semantic}, folder / "drawing.safetensors")


def test_a_head_that_draws_one_picture_alone_is_painted_n_times_by_a_painter_that_draws(embeds: Painted, monkeypatch):
    of, prompts, runs = embeds.model(), [tiny.sample("drawing").prompt()], []
    assert not varies(of, How())
    exchange_painter(of.learned, embeds.drawing)
    monkeypatch.setattr(choose, "run", lambda *told: runs.append(told) or run(*told))
    [drawn] = candidates(of, prompts, How(), 3)
    pictures = {one.sample.segments[-1].content.array.tobytes() for one in drawn}
    assert len(pictures) == 3 and len(runs) == 1, "its tokens are the same whatever the seed, and drawn once"
    [usual] = fill(of, prompts, How())
    assert usual.segments[-1].content.key == drawn[0].sample.segments[-1].content.key, "the first is the usual one"
    assert varies(of, How()) and temperatures_of(of, How()) == [0.0]
    ways = [(way.axis, way.value) for way in ways_of(of, How()) if way.axis not in ("guidance", "painter_guidance")]
    assert ways == [("own settings", 0), *(("painter_iterations", steps) for steps in (1, 2, 4, 8))]


def test_a_run_that_predicts_embeddings_is_scaled_by_its_painter_at_what_that_costs(embeds: Painted, tmp_path: Path):
    path = tmp_path / "embeds"
    assemble.train(recipe(train__steps=2, train__milestones=0, model=embeds.parts), path)
    found = scaling_of(path, ("guidance", "painter_iterations", "best_of"), num=8, most=2, painter=embeds.drawing)
    one, *pairs = [row for row in found["rows"] if row["axis"] == "best_of"]
    flops = {row["chooser"]: row["flops"] for row in pairs}
    assert set(flops) == {"reads them itself", "world's reader"}, "a regression has no likelihood of a drawing"
    assert one["flops"] < flops["world's reader"] < 2 * one["flops"], "what is drawn once is paid for once"
    assert flops["world's reader"] < flops["reads them itself"]
    steps = [row["flops"] for row in found["rows"] if row["axis"] == "painter_iterations"]
    assert len(steps) == 4 and sorted(steps) == steps and steps[0] < steps[-1]
    assert "iterations of the painter" in write_scaling(path).read_text()


def test_a_painter_for_tokens_that_are_not_painted_is_refused(tiny_run: Path, embeds: Painted, tmp_path: Path):
    run = Path(shutil.copytree(tiny_run, tmp_path / "run"))
    with pytest.raises(ConfigError, match="are decoded by their own tokenizer"):
        scaling_of(run, num=8, most=1, painter=embeds.drawing)


def test_a_run_is_measured_into_a_file_a_page_and_a_plot_that_need_nothing_else(tiny_run: Path, tmp_path: Path):
    run, told = Path(shutil.copytree(tiny_run, tmp_path / "run")), []
    found = scaling_of(run, num=8, most=2, progress=told.append)
    chosen = [row for row in found["rows"] if row["axis"] == "best_of"]
    assert {row["chooser"] for row in chosen} == {"random", "own likelihood", "reads them itself", "world's reader"}
    one, *pairs = [row for row in chosen if row["temperature"] == 1.0]
    flops = {row["chooser"]: row["flops"] for row in pairs}
    assert one["flops"] < flops["own likelihood"] < flops["world's reader"] == 2 * one["flops"] < flops["reads them itself"]
    best = {row["chooser"]: row["asked"] for row in pairs}
    assert best["world's reader"] >= max(best.values()) and best["world's reader"] >= one["asked"]
    for row in pairs:
        assert row["gain"] == pytest.approx(row["asked"] - one["asked"]) and row["gain_low"] <= row["gain"] <= row["gain_high"]
    assert told[0] == "own settings 0" and told[-1] == "best of 2 at temperature 1"
    assert json.loads((run / "scaling.json").read_text()) == json.loads(json.dumps(found))
    page, plot = write_scaling(run).read_text(), (run / "scaling.svg").read_text()
    for text in (page, plot):
        assert text.count("<svg") >= 8 and "http" not in text.replace("http://www.w3.org", "") and "<script" not in text


def test_nothing_is_chosen_where_every_drawing_is_the_same_and_the_page_says_so(tiny_run: Path, tmp_path: Path):
    run = Path(shutil.copytree(tiny_run, tmp_path / "run"))
    found = scaling_of(run, ("guidance", "best_of"), num=8, most=1)
    assert not found["choosing"] and {row["axis"] for row in found["rows"]} == {"own settings", "guidance"}
    assert "Nothing to choose among" in write_scaling(run).read_text()
    assert "one at random" not in (run / "scaling.svg").read_text(), "the legend names what is drawn"
    guided = [row for row in found["rows"] if row["axis"] == "guidance"]
    again = scaling_of(run, ("temperature",), num=8)
    assert [row for row in again["rows"] if row["axis"] == "guidance"] == guided, "what is not measured again is kept"
    other = scaling_of(run, ("temperature",), num=9)
    assert all(row["axis"] != "guidance" for row in other["rows"]), "of other requests nothing is"
    with pytest.raises(ConfigError, match="Did you mean `guidance`"):
        scaling_of(run, ("guidence",))


def test_what_this_model_cannot_turn_is_refused_and_nothing_is_written(tiny_run: Path, tmp_path: Path):
    run = Path(shutil.copytree(tiny_run, tmp_path / "run"))
    for what, most in ((("sampling_steps", "draw_steps"), 2), (("best_of",), 1)):
        with pytest.raises(ConfigError, match=r"Nothing of .* can be turned .*ask for some of guidance, temperature"):
            scaling_of(run, what, num=8, most=most)
    assert not (run / "scaling.json").exists()


def test_a_picture_that_was_drawn_is_the_last_of_a_sample():
    from bothways.recipes.scaling import picture_of

    [sample] = fill(model(), REQUESTS[:1], How())
    assert isinstance(sample.segments[-1], Image)
    assert np.array_equal(picture_of(sample, 3), sample.segments[-1].content.array)
