"""Error accumulation: what is drawn freely and after true tokens, ranks with ties, a reader of unfinished pictures."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
import yaml

from bothways.core.errors import ConfigError, DataError
from bothways.core.sample import Image, Sample
from bothways.evaluate.probes.reader import fit_reader, read_by_position
from bothways.evaluate.probes.retrieval import curve, distances, ranks, within
from bothways.generate.drawn import Drawn, drawn
from bothways.generate.engine import fill
from bothways.heads.choose import How
from bothways.layout.batch import collate
from bothways.layout.order import places
from bothways.layout.sequence import Duty
from bothways.recipes import assemble
from bothways.recipes.accumulation import accumulation_of
from bothways.study.accumulation_page import write_accumulation
from bothways.vision.probe import labels_of
from grey import CODES, REQUESTS, SIDE, PixelTokenizer, model, picture_of, tokens_of
from unified_training import recipe

NUM = SIDE * SIDE
TRUE = torch.randint(CODES, (2, NUM), generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("order", ["raster", "random"])
def test_what_is_drawn_freely_is_what_the_pictures_are_made_of_and_is_told_in_its_order(order: str):
    of, how = model(order=order), How(temperature=4.0, seed=2, guidance=2.0)
    found = drawn(of, REQUESTS, how, batch_size=1)
    assert found.tokens.tolist() == [tokens_of(sample.segments[-1].content) for sample in fill(of, REQUESTS, how)]
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
        assert found.tokens[at][where].tolist() == of.head.logits(hidden[asks]).argmax(-1).tolist()
    assert found.tokens.tolist() != drawn(of, REQUESTS, How()).tokens.tolist()


def test_several_tokens_a_step_read_the_true_tokens_of_the_steps_before_and_not_each_other():
    of, how = model(order="random"), How(draw_steps=4)
    found = drawn(of, REQUESTS, how, TRUE)
    changed = TRUE.clone()
    last = found.order[0, -4:]  # the last step draws four
    changed[0, last[:3]] = (changed[0, last[:3]] + 1) % CODES
    assert torch.equal(drawn(of, REQUESTS, how, changed).tokens[0, last], found.tokens[0, last])


def test_ranks_are_those_of_sorting_and_equal_distances_share_their_places():
    apart = torch.tensor([[[3.0, 1.0], [1.0, 1.0], [2.0, 1.0], [3.0, 5.0]]], dtype=torch.double)
    for truth, rank, first in ((0, [3.5, 2.0], [0, 1 / 3]), (1, [1.0, 2.0], [1, 1 / 3]), (3, [3.5, 4.0], [0, 0])):
        found, share = ranks(apart, torch.tensor([truth]))
        assert found[0].tolist() == rank and share[0].tolist() == pytest.approx(first)


def test_true_tokens_find_their_picture_and_others_rank_it_as_chance_does():
    vectors, noise = torch.randn(2, 60, NUM, 4, generator=torch.Generator().manual_seed(0))
    order = torch.stack([torch.randperm(NUM, generator=torch.Generator().manual_seed(m)) for m in range(60)])
    truth, names = torch.arange(60), [str(m) for m in range(60)]
    right = curve(within(distances(vectors, order, vectors)), truth, [1, NUM], names, way="true")
    assert [(row["median"], row["first"], row["position"]) for row in right] == [(1, 1, 1), (1, 1, NUM)]
    [wrong] = curve(within(distances(noise, order, vectors)), truth, [NUM], names)
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

    class Same(PixelTokenizer):
        def vectors(self, tokens):
            return tokens

    ways = {"true": Drawn(vectors[400:], order), "backwards": Drawn(vectors[400:], order.flip(1))}
    asked = {"kind": range(100)}
    names = [str(item) for item in range(100)]
    told = {"kind": labels[:400]}, Same(), ways, {"kind": labels[400:]}, asked, [5, 6, NUM], names
    found = {(row["way"], row["position"]): row for row in read_by_position(reader, *told)}
    assert found["true", 5]["skill"] < 0.3 < 0.9 < found["true", 6]["skill"]
    assert found["backwards", 5]["skill"] > 0.9, "whatever the order, the token has to be among those drawn"
    assert found["true", NUM]["n"] == 100 and found["true", NUM]["se"] >= 0


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


def test_drawings_that_are_no_tokens_in_an_order_are_refused_before_anything_is_loaded(tiny_run: Path, tmp_path: Path):
    run = Path(shutil.copytree(tiny_run, tmp_path / "run"))
    shutil.rmtree(run / "checkpoints")
    held = yaml.safe_load((run / "config.yaml").read_text())
    regression = {"given": {"kind": "patches"}, "learned": {"kind": "patches"}, "head": {"kind": "regression"}, "target": {}}
    for parts, sentence in (({"head": {"kind": "masked"}}, "in place"), (regression, "input-embedding space")):
        (run / "config.yaml").write_text(yaml.safe_dump(held | {"model": held["model"] | parts}))
        with pytest.raises(ConfigError, match=sentence):
            accumulation_of(run, num=20, num_fit=200, reader_steps=20)


def test_a_run_that_does_not_draw_is_refused(tmp_path: Path):
    out = tmp_path / "reads"
    assemble.train(recipe(train__steps=1, train__milestones=0, **{"data__sources__watch/draw__samples_per_step": 0}), out)
    with pytest.raises(DataError, match="not trained to draw"):
        accumulation_of(out)
