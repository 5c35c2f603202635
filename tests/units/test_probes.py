"""Probes of a run: yardsticks beside every number, states of the same picture both ways, and measures with known answers."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch

import tiny
from bothways.core.errors import ConfigError, DataError
from bothways.evaluate.probes.gradients import cosines, part_of
from bothways.evaluate.probes.linear import by_attribute, classification, probe
from bothways.evaluate.probes.maps import pca, tsne
from bothways.evaluate.probes.similarity import cka
from bothways.evaluate.probes.states import states_of
from bothways.recipes.probe import probe_run
from bothways.study.probe_page import write_probes
from bothways.vision.probe import labels_of


def normal(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def test_states_of_a_picture_lie_in_raster_order_on_both_sides_whatever_the_order_of_drawing():
    pictures = [tiny.picture(number) for number in range(3)]
    for order in ("raster", "random"):
        model = tiny.model(order=order)
        for side in ("given", "learned"):
            states = states_of(model, pictures, side)
            assert list(states) == ["tokens", "projector", "layer 1", "layer 2"]
            assert all(state.shape[:2] == (3, 9) for state in states.values())
            content = model.given_projector(states["tokens"].flatten(0, 1), torch.arange(9).repeat(3)).view(3, 9, -1)
            ahead = states["projector"] - content  # given: nothing; learned: the place to be drawn next, the last has none
            assert (ahead.abs().flatten(1).max() < 1e-5) == (side == "given")
            if side == "learned" and order == "raster":
                torch.testing.assert_close(ahead[0, :8], model.next_place.table()[1:], rtol=0, atol=1e-5)


def test_a_pictures_states_do_not_hang_on_the_pictures_beside_it():
    model = tiny.model()
    together = states_of(model, [tiny.picture(0), tiny.picture(1)], "learned")
    alone = states_of(model, [tiny.picture(1)], "learned")
    for stage, states in alone.items():
        torch.testing.assert_close(states[0], together[stage][1], rtol=0, atol=1e-5)


def test_a_probe_finds_what_is_there_and_its_yardsticks_find_nothing():
    kinds = [k % 3 for k in range(300)]
    features = normal(300, 4, 6)
    features[:, 2, :3] += 8 * torch.eye(3)[kinds]
    found = probe({"layer 1": features}, {"layer 1": normal(300, 4, 6, seed=1)}, {"kind": labels_of(kinds)}, 240)
    by_pooling = {row["pooling"]: row for row in by_attribute(found, "given")}
    for row in by_pooling.values():
        assert row["value"] > 0.9 and row["shuffled"] < 0.55 and row["untrained"] < 0.55 and row["n"] == 60
        assert row["chance"] == pytest.approx(1 / 3, abs=0.05) and row["skill"] > 0.85


def test_classification_is_the_mean_over_categories_with_an_error_over_pictures():
    kinds, sides = [k % 3 for k in range(300)], [k // 7 % 2 for k in range(300)]
    features = normal(300, 4, 6)
    features[:, 2, :3] += 8 * torch.eye(3)[kinds]
    labels = {"kind": labels_of(kinds), "side": labels_of(sides), "angle": labels_of(kinds, period=3)}
    found = probe({"layer 1": features}, {"layer 1": normal(300, 4, 6, seed=1)}, labels, 240)
    rows = {(row["pooling"], row["attribute"]): row for row in by_attribute(found, "given")}
    for row in classification(found, "given"):
        own = [rows[row["pooling"], name] for name in ("kind", "side")]
        assert row["attributes"] == ["kind", "side"] and row["n"] == 60
        for key in ("value", "chance", "shuffled", "untrained"):
            assert row[key] == pytest.approx(sum(one[key] for one in own) / 2, abs=1e-3)
        assert 0.01 < row["se"] < 0.06 and row["untrained"] < 0.6 < row["value"]


def test_cka_is_1_up_to_rotation_and_scale_and_0_for_strangers_even_with_more_channels_than_pictures():
    x = normal(60, 500)
    q, _ = torch.linalg.qr(normal(500, 500, seed=1))
    assert cka(x, 3 * x @ q + 5) == pytest.approx(1.0, abs=1e-5)
    assert abs(cka(x, normal(60, 500, seed=2))) < 0.1


def test_pca_finds_the_axis_of_most_variance():
    x = normal(200, 5)
    x[:, 3] *= 10
    points, shares = pca(x)
    assert shares[0] > 0.9 and abs(torch.corrcoef(torch.stack([points[:, 0], x[:, 3]]))[0, 1]) > 0.99


def test_tsne_keeps_groups_apart_and_repeats_itself():
    groups = torch.arange(90) % 3
    x = normal(90, 20) + 12 * torch.eye(20)[groups]
    y = tsne(x)
    assert torch.equal(y, tsne(x)) and y.isfinite().all()
    nearest = torch.cdist(y, y).fill_diagonal_(float("inf")).argmin(1)
    assert (groups[nearest] == groups).float().mean() > 0.98


def test_gradients_of_one_loss_agree_with_themselves_and_a_part_without_a_loss_has_none():
    model = tiny.model(projector={"shared": False})
    batch = tiny.batch_of(model, [tiny.sample("reading"), tiny.sample("drawing")])
    rows = {row["part"]: row for row in cosines(model, [batch, batch, batch], {})}
    assert {"given_projector", "learned_projector", "layer 1", "layer 2", "backbone, rest", "head"} <= set(rows)
    assert rows["layer 1"]["within_reading"] == pytest.approx(1.0, abs=1e-4)
    assert -1 <= rows["layer 1"]["between"] < 0.9
    assert rows["given_projector"]["within_drawing"] is None and rows["head"]["between"] is None
    assert sum(row["weights"] for row in rows.values()) == sum(p.numel() for p in model.parameters())
    with pytest.raises(DataError, match="learns texts and pictures"):
        cosines(model, [tiny.batch_of(model, [tiny.sample("reading")])] * 3, {})


def test_parts_are_called_by_what_they_are():
    assert part_of("backbone.lm.model.layers.0.mlp.up_proj.weight") == "layer 1"
    assert part_of("backbone.lm.lm_head.weight") == "backbone, rest"
    assert part_of("head.linear.weight") == "head"


def test_a_run_is_probed_into_a_file_and_a_page_that_need_nothing_else(tiny_run: Path, tmp_path: Path):
    run = Path(shutil.copytree(tiny_run, tmp_path / "run"))
    found = probe_run(run, num=25)
    assert set(found) == {"step", "num_fitted", "num_scored", "linear", "classification", "maps", "cka", "gradients"}
    assert all(0 <= row["value"] <= 1 and row["n"] == 25 and row["attributes"] for row in found["classification"])
    assert {row["side"] for row in found["linear"]} == {"given", "learned"}
    assert all({"value", "chance", "shuffled", "untrained", "n"} <= set(row) for row in found["linear"])
    assert [row["stage"] for row in found["cka"]] == ["tokens", "projector", "layer 1", "layer 2"]
    page = write_probes(run).read_text()
    assert json.loads((run / "probes.json").read_text()) == json.loads(json.dumps(found))
    assert page.count("<svg") > 20 and "http" not in page.replace("http://www.w3.org", "") and "<script" not in page
    again = probe_run(run, ("cka",), num=25)
    assert again["linear"] == found["linear"] and again["cka"] == found["cka"], "measured again the same, the rest kept"


def test_an_unknown_probe_is_refused_with_the_nearest_names(tiny_run: Path):
    with pytest.raises(ConfigError, match="Did you mean `linear`"):
        probe_run(tiny_run, ("liner",))
