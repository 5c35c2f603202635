"""Error accumulation: what is drawn freely and after true tokens, ranks with ties, a reader of unfinished pictures."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
import yaml

import continuous
import tiny
from bothways.core.errors import ConfigError, DataError
from bothways.core.sample import Image, Sample
from bothways.evaluate.probes.reader import fit_reader, read_by_position
from bothways.evaluate.probes.retrieval import METRICS, curve, distances, metric_of, ranks, within
from bothways.generate.drawn import drawn
from bothways.generate.engine import fill
from bothways.heads.choose import How
from bothways.heads.draws import Draws
from bothways.layout.batch import collate
from bothways.layout.order import places
from bothways.layout.sequence import Duty
from bothways.recipes import assemble
from bothways.recipes.accumulation import accumulation_of
from bothways.study.accumulation_page import write_accumulation
from bothways.vision.probe import labels_of
from grey import CODES, REQUESTS, SIDE, model, picture_of, tokens_of
from unified_training import recipe

NUM = SIDE * SIDE
TRUE = torch.randint(CODES, (2, NUM), generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("order", ["raster", "random"])
def test_what_is_drawn_freely_is_what_the_pictures_are_made_of_and_is_told_in_its_order(order: str):
    of, how = model(order=order), How(temperature=4.0, seed=2, guidance=2.0)
    found = drawn(of, REQUESTS, how, batch_size=1)
    assert found.predicted.tolist() == [tokens_of(sample.segments[-1].content) for sample in fill(of, REQUESTS, how)]
    assert found.order.tolist() == [places(NUM, order, 2, sample.id, 1, 0).tolist() for sample in REQUESTS]


@pytest.mark.parametrize("order", ["raster", "random"])
def test_teacher_forced_tokens_are_the_predictions_of_one_pass_over_the_true_picture(order: str):
    of = model(order=order)
    found = drawn(of, REQUESTS, How(), TRUE)
    for at, request in enumerate(REQUESTS):  # the slow, obvious way: no engine at all
        whole = Sample(request.id, (request.segments[0], Image(picture_of(TRUE[at].numpy()), learn=True)))
        sequence = of.lay_out(whole)
        with torch.inference_mode():
            hidden = of.hidden(of.attach(collate([sequence], [whole])))[0]
        asks = [index for index, duty in enumerate(sequence.duty) if duty == Duty.IMAGE]
        where = [int(sequence.place[sequence.predicts[index]]) for index in asks]
        assert found.order[at].tolist() == where
        assert found.predicted[at][where].tolist() == of.head.logits(hidden[asks]).argmax(-1).tolist()
    assert found.predicted.tolist() != drawn(of, REQUESTS, How()).predicted.tolist()


IMAGES = torch.rand(2, NUM, continuous.DIM, generator=torch.Generator().manual_seed(5)) * 2 - 1


@pytest.mark.parametrize("order", ["raster", "random"])
def test_teacher_forced_embeddings_are_the_predictions_of_one_pass_over_the_true_picture(order: str):
    of = continuous.model(order=order, embeds=True)
    forced, free = drawn(of, REQUESTS, How(), of.target.of(IMAGES)), drawn(of, REQUESTS, How())
    for at, request in enumerate(REQUESTS):  # the slow, obvious way: no engine at all
        whole = Sample(request.id, (request.segments[0], Image(continuous.Tokens(IMAGES[at].numpy()), learn=True)))
        sequence = of.lay_out(whole)
        with torch.inference_mode():
            hidden = of.hidden(continuous.attached(of, collate([sequence], [whole])))[0]
        asks = [index for index, duty in enumerate(sequence.duty) if duty == Duty.IMAGE]
        where = [int(sequence.place[sequence.predicts[index]]) for index in asks]
        assert forced.order[at].tolist() == where
        torch.testing.assert_close(forced.predicted[at][where], of.head.predicted(hidden[asks]), rtol=1e-4, atol=1e-4)
    first = forced.order[:, :1, None].expand(-1, -1, forced.predicted.shape[2])
    same = torch.isclose(forced.predicted, free.predicted, atol=1e-5)
    assert same.gather(1, first).all(), "before the first token there is no difference yet"
    assert not same.all(2).gather(1, forced.order[:, 1:]).any(), "behind it there is"


def test_a_head_that_is_always_right_draws_the_true_picture_freely_and_ranks_it_first_from_the_first_token(monkeypatch):
    of = continuous.model(embeds=True)
    truth = of.target.of(IMAGES)
    # A cosine sees no length, so neither may the rank.
    monkeypatch.setattr(of.head, "sample", lambda hidden, unguided, place, *_: (3 * truth[:, place[0]], torch.ones(2)))
    free, forced = drawn(of, REQUESTS, How()), drawn(of, REQUESTS, How(), truth)
    assert torch.equal(free.predicted, 3 * truth) and torch.equal(forced.predicted, free.predicted)
    candidates = torch.cat([of.target.of(IMAGES.flip(1)), truth, 2.9 * truth.flip(0)])
    for way in (free, forced):
        apart = distances(way.predicted, way.order, candidates, metric_of(of.head.unit))
        rows = curve(within(apart), torch.tensor([2, 3]), range(1, NUM + 1), ["a", "b"])
        assert all(row["median"] == 1.5 and row["first"] == 0.5 for row in rows), "level with its own picture in another size"


@pytest.mark.parametrize("embeds", [False, True])
def test_what_a_regression_is_ranked_by_is_what_it_learns_by(embeds: bool):
    of = continuous.model(embeds=embeds)
    truth, order = of.target.of(IMAGES), torch.arange(NUM).expand(2, -1)
    hidden = torch.randn(2 * NUM, of.backbone.width, generator=torch.Generator().manual_seed(3))
    apart = distances(of.head.predicted(hidden).unflatten(0, (2, NUM)), order, truth, metric_of(of.head.unit))
    place, picture = order.flatten(), torch.arange(2).repeat_interleave(NUM)
    draws = Draws(0, [("a",), ("b",)], picture, place, NUM)
    loss = of.head.loss(hidden, truth.flatten(0, 1), place, draws).view(2, NUM)
    torch.testing.assert_close(apart[[0, 1], [0, 1]].float(), loss, rtol=1e-5, atol=1e-6)
    assert metric_of("nats") == "squared_distance", "a likelihood of codes is no distance between them"


def test_several_tokens_a_step_read_the_true_tokens_of_the_steps_before_and_not_each_other():
    of, how = model(order="random"), How(draw_steps=4)
    found = drawn(of, REQUESTS, how, TRUE)
    changed = TRUE.clone()
    last = found.order[0, -4:]  # the last step draws four
    changed[0, last[:3]] = (changed[0, last[:3]] + 1) % CODES
    assert torch.equal(drawn(of, REQUESTS, how, changed).predicted[0, last], found.predicted[0, last])


def test_ranks_are_those_of_sorting_and_equal_distances_share_their_places():
    apart = torch.tensor([[[3.0, 1.0], [1.0, 1.0], [2.0, 1.0], [3.0, 5.0]]], dtype=torch.double)
    for truth, rank, first in ((0, [3.5, 2.0], [0, 1 / 3]), (1, [1.0, 2.0], [1, 1 / 3]), (3, [3.5, 4.0], [0, 0])):
        found, share = ranks(apart, torch.tensor([truth]))
        assert found[0].tolist() == rank and share[0].tolist() == pytest.approx(first)


@pytest.mark.parametrize("metric", METRICS)
def test_true_tokens_find_their_picture_and_others_rank_it_as_chance_does(metric: str):
    vectors, noise = torch.randn(2, 60, NUM, 4, generator=torch.Generator().manual_seed(0))
    order = torch.stack([torch.randperm(NUM, generator=torch.Generator().manual_seed(m)) for m in range(60)])
    truth, names = torch.arange(60), [str(m) for m in range(60)]
    right = curve(within(distances(vectors, order, vectors, metric)), truth, [1, NUM], names, way="true")
    assert [(row["median"], row["first"], row["position"]) for row in right] == [(1, 1, 1), (1, 1, NUM)]
    [wrong] = curve(within(distances(noise, order, vectors, metric)), truth, [NUM], names)
    assert wrong["low"] < 30.5 < wrong["high"] and wrong["first"] < 0.15 and wrong["n"] == 60


def test_a_window_holds_the_last_tokens_drawn_alone():
    apart = torch.rand(2, 5, NUM, generator=torch.Generator().manual_seed(0), dtype=torch.double)
    windowed = within(apart, 3)
    for n in range(NUM):
        torch.testing.assert_close(windowed[..., n], apart[..., max(0, n - 2) : n + 1].sum(-1))


def test_the_reader_reads_what_is_drawn_so_far_and_nothing_else():
    kinds = torch.randint(2, (500,), generator=torch.Generator().manual_seed(0))
    vectors = torch.randn(500, NUM, 4, generator=torch.Generator().manual_seed(1))
    vectors[:, 5, 0] = 6.0 * kinds - 3  # what is to be known lies in one token
    labels = labels_of(kinds.tolist())
    reader = fit_reader(vectors[:400], {"kind": labels[:400]}, "raster", steps=300)
    order = torch.arange(NUM).expand(100, -1)

    told = {"kind": labels[400:]}, {"kind": range(100)}, [5, 6, NUM], [str(item) for item in range(100)]

    def found(order: torch.Tensor) -> dict:
        rows = read_by_position(reader, {"kind": labels[:400]}, {"true": vectors[400:]}, order, *told)
        return {row["position"]: row for row in rows}

    forwards = found(order)
    assert forwards[5]["skill"] < 0.3 < 0.9 < forwards[6]["skill"]
    assert found(order.flip(1))[5]["skill"] > 0.9, "whatever the order, the token has to be among those drawn"
    assert forwards[NUM]["n"] == 100 and forwards[NUM]["se"] >= 0


def test_a_run_is_measured_into_a_file_a_page_and_a_plot_that_need_nothing_else(tiny_run: Path, tmp_path: Path):
    run = Path(shutil.copytree(tiny_run, tmp_path / "run"))
    found = accumulation_of(run, num=20, num_fit=200, reader_steps=20)
    assert set(found["requests"]) == {"drawing", "open_drawing"}
    full = found["requests"]["drawing"]
    assert {row["way"] for row in full["rank"]} == {"free", "forced"}
    assert {row["reach"] for row in full["rank"]} == {"prefix", "window"}
    assert {row["way"] for row in full["reader"]} == {row["way"] for row in full["pixels"]} == {"true", "free", "forced"}
    assert all(row["n"] < 20 for row in found["requests"]["open_drawing"]["reader"] if row["attribute"] == "weather")
    assert json.loads((run / "accumulation.json").read_text()) == json.loads(json.dumps(found))
    page, plot = write_accumulation(run).read_text(), (run / "accumulation.svg").read_text()
    for text in (page, plot):
        assert text.count("<svg") >= 8 and "http" not in text.replace("http://www.w3.org", "") and "<script" not in text


def test_a_run_that_predicts_embeddings_is_measured_in_them_and_painted_through_its_read_out(tmp_path: Path):
    out = tmp_path / "embeds"
    parts = {"given": tiny.PATCHES, "learned": tiny.PATCHES, "head": {"kind": "regression"}, "target": {"side": "ema"}}
    assemble.train(recipe(train__steps=2, train__milestones=0, model=parts), out)
    found = accumulation_of(out, num=20, num_fit=200, reader_steps=20)
    assert (found["space"], found["metric"]) == ("embeddings", "one_minus_cosine")
    ways = {row["way"]: row for row in found["requests"]["drawing"]["pixels"] if row["measure"] == "asked"}
    assert ways["true"]["ceiling"] == 1.0 > ways["true"]["value"], "after two steps nothing is read out as it was"
    assert "The head predicts input embeddings" in write_accumulation(out).read_text()


def test_drawings_that_are_no_tokens_in_an_order_are_refused_before_anything_is_loaded(tiny_run: Path, tmp_path: Path):
    run = Path(shutil.copytree(tiny_run, tmp_path / "run"))
    shutil.rmtree(run / "checkpoints")
    held = yaml.safe_load((run / "config.yaml").read_text())
    (run / "config.yaml").write_text(yaml.safe_dump(held | {"model": held["model"] | {"head": {"kind": "masked"}}}))
    with pytest.raises(ConfigError, match="in place"):
        accumulation_of(run, num=20, num_fit=200, reader_steps=20)


def test_a_run_that_does_not_draw_is_refused(tmp_path: Path):
    out = tmp_path / "reads"
    assemble.train(recipe(train__steps=1, train__milestones=0, **{"data__sources__watch/draw__samples_per_step": 0}), out)
    with pytest.raises(DataError, match="not trained to draw"):
        accumulation_of(out)
