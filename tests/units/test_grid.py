"""The grid: nine cells, each trained and examined once, one page of what is finished, and a failure that stops nothing."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
import yaml
from PIL import Image

import tiny
from bothways.core.errors import ConfigError
from bothways.studies.grid import CELLS, grid
from bothways.study.contact_sheet import contact_sheet
from bothways.study.grid import Grid, run
from bothways.study.run import machine

CELL = {
    "base": "vq-vq",
    "model": {"given": tiny.VQ, "learned": tiny.VQ, "backbone": {"kind": "transformers", "size": "tiny", "attention": "sdpa"}},
    "data": {
        "sources": {
            "watch/vqa": {"samples_per_step": 2, "num_pictures": 6},
            "watch/caption": {"samples_per_step": 1, "num_pictures": 6},
            "watch/draw": {"samples_per_step": 2, "num_pictures": 6},
        }
    },
    "train": {"steps": 2, "milestones": 0, "dtype": "float32", "threads": 1},
    "exam": {"num_pictures": 3, "num_drawings": 2, "num_pictures_between": 2, "max_text_tokens": 4},
}


def cell(folder: Path, name: str, **model) -> str:
    """A recipe file of that name at a tiny size."""
    path = folder / f"{name}.yaml"
    path.write_text(yaml.safe_dump(CELL | {"model": CELL["model"] | model}))
    return str(path)


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> Grid:
    """A cell that works, on two worlds, and on one of them a cell whose painter is missing."""
    folder = tmp_path_factory.mktemp("grid")
    painted = {"learned": tiny.SEMANTIC | {"painter": str(folder / "nowhere.safetensors")}, "head": {"kind": "regression"}}
    cells = [cell(folder, "vq-vq"), cell(folder, "vq-painted", projector={"shared": False}, **painted)]
    jobs = grid(folder / "out", cells, ("watch",)).jobs | grid(folder / "out", cells[:1], ("shapes",)).jobs
    found = Grid(folder / "out", jobs)
    run(found, workers=2)
    return found


def test_every_pair_of_the_three_tokenizers_is_a_cell_on_both_worlds(tmp_path: Path) -> None:
    found = grid(tmp_path)
    assert len(CELLS) == len(set(CELLS)) == 9 and len(found.jobs) == 18
    for (world, name), job in found.jobs.items():
        model = job.recipe.model
        weights = [side.weights.removeprefix("asset:") for side in (model.given, model.learned)]
        assert name == "-".join(weights) and job.recipe.world.kind == world
        assert model.learned.spec.can_draw and (model.given == model.learned) == model.projector.shared
        assert {source.partition("/")[0] for source in job.recipe.data.sources} == {world}


def test_a_cell_named_twice_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"`vq-vq` on the world watch twice"):
        grid(tmp_path, ["vq-vq", "vq-vq"])


def test_a_cell_that_fails_is_told_and_the_others_go_on(finished: Grid) -> None:
    assert set(finished.failed) == {("watch", "vq-painted")} and len(finished.jobs) == 3
    assert "nowhere.safetensors" in str(finished.failed["watch", "vq-painted"])
    page = (finished.out / "grid.md").read_text()
    assert page.count("- vq-painted: ") == 1 and page.count("| **vq-vq** |") >= 6


def test_the_page_holds_both_skills_with_chance_ceiling_and_cost(finished: Grid) -> None:
    held = json.loads((finished.out / "grid.json").read_text())
    scores = held["cells"]["watch"]["vq-vq"]["scores"]
    rows = [line.split(" | ") for line in (finished.out / "grid.md").read_text().splitlines() if line.startswith("| ")]
    watch = rows[: next(n for n, row in enumerate(rows) if "trained parameters" in row)]
    heads = [row for row in watch if "weather" in row]
    assert len(heads) == 2 and "hour" in heads[0] and "weather and both corners" in heads[1]
    drawn = watch[watch.index(heads[1]) :]
    column = heads[1].index("weather and both corners")
    told = {row[0].strip("| *"): row[column] for row in drawn}
    gate = scores["drawing/gate_full/accuracy"]
    assert told["n"] == str(gate["n"]) and told["chance"] == f"{gate['chance']:.3f}"
    assert told["ceiling, vq drawn"] == f"{gate['ceiling']:.3f}" and told["vq-vq"].startswith(f"{gate['value']:.3f} ± ")
    assert f"{held['cells']['watch']['vq-vq']['cost']['parameters']:,}" in (finished.out / "grid.md").read_text()


@pytest.mark.parametrize(("number", "told"), [(1, "1 core, "), (2, "2 cores, ")])
def test_a_report_says_how_many_cores_it_had(number: int, told: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.sched_getaffinity", lambda _: set(range(number)))
    assert machine().startswith(told)


def test_a_world_shows_its_own_levels(finished: Grid) -> None:
    shapes = (finished.out / "grid.md").read_text().partition("## World shapes")[2]
    for column in ("ground", "counts: mean", "relations: mean", "object: mean, skill", "shapes placed: kind, color, place"):
        assert f"| {column} |" in shapes


def test_the_contact_sheet_shows_the_real_picture_and_every_cell(finished: Grid) -> None:
    sheet = Image.open(io.BytesIO((finished.out / "grid-watch.png").read_bytes()))
    one = finished.jobs["watch", "vq-vq"].folder
    wider = Image.open(io.BytesIO(contact_sheet({"vq-vq": one, "again": one, "and-again": one}) or b""))
    assert wider.width > sheet.width and wider.height <= sheet.height
    assert (finished.out / "grid-shapes.png").stat().st_size < 300_000
    assert contact_sheet({}) is None


def test_a_finished_cell_is_not_trained_again_and_another_recipe_is_not_mixed_in(finished: Grid, tmp_path: Path) -> None:
    ledger = finished.jobs["watch", "vq-vq"].folder / "ledger.json"
    before = ledger.stat().st_mtime_ns
    again = grid(finished.out, [cell(tmp_path, "vq-vq")], ("watch",))
    run(again)
    assert ledger.stat().st_mtime_ns == before and not again.failed and not again.missing
    other = grid(finished.out, [cell(tmp_path, "vq-vq")], ("watch",), {"train.lr": 0.5})
    run(other)
    assert "another config (train.lr is" in other.missing["watch", "vq-vq"] and ledger.stat().st_mtime_ns == before
