"""Random order put to use: several tokens a step, the rest of a picture, exams under names of their own; what is refused."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Pil

import bothways
from bothways.core.errors import ConfigError, DataError
from conftest import changes

CONFIG, DATA, USAGE = ConfigError.exit_code, DataError.exit_code, 2


def refused(found: tuple[int, str, str], code: int, *words: str) -> None:
    """One sentence on standard error, holding all the words; nothing else anywhere."""
    exit_code, out, err = found
    assert exit_code == code and "Traceback" not in err and not out, err
    for word in words:
        assert word in " ".join(err.split()), err


@pytest.fixture(scope="module")
def model(in_random_order: Path) -> bothways.Model:
    return bothways.load(in_random_order)


def pixels(drawn: Pil.Image) -> np.ndarray:
    return np.asarray(drawn).astype(int)


def lines_of(run: Path, exam: str) -> list[dict]:
    return [json.loads(line) for line in (run / "answers" / exam / "answers.jsonl").read_text().splitlines()]


def test_as_many_steps_as_tokens_draw_what_one_token_at_a_time_draws_and_fewer_something_else(model) -> None:
    one = model.draw("draw a red watch.", temperature=1.0, guidance=2.0, seed=5)
    same = model.draw("draw a red watch.", temperature=1.0, guidance=2.0, seed=5, draw_steps=9)
    assert one.tobytes() == same.tobytes()
    fewer = [model.draw("draw a red watch.", temperature=1.0, guidance=2.0, seed=5, draw_steps=n).tobytes() for n in (1, 3)]
    assert len({one.tobytes(), *fewer}) == 3


def test_the_order_of_drawing_is_a_choice(model) -> None:
    drawn = {order: model.draw("draw a watch.", temperature=1.0, order=order).tobytes() for order in (None, "raster", "random")}
    assert drawn[None] == drawn["random"] != drawn["raster"]


def test_at_temperature_0_another_seed_is_another_random_order_and_the_command_claims_nothing_else(
    in_random_order, trained, model, tmp_path, told
) -> None:
    drawn = [model.draw("draw a watch.", seed=seed).tobytes() for seed in range(4)]
    assert len(set(drawn)) > 1
    words = ("--prompt", "draw a watch.", "--out", tmp_path / "a.png", "--seed", 1)
    assert "every seed gives the same" not in told("draw", in_random_order, *words)[2]
    for run, more in ((trained, ()), (in_random_order, ("--order", "raster"))):
        assert "every seed gives the same" in told("draw", run, *words, *more)[2]


def test_the_command_draws_the_rest_of_a_picture_as_python_does(in_random_order, model, picture, tmp_path, told) -> None:
    out = tmp_path / "rest.png"
    words = ("--prompt", "draw a watch.", "--image", picture, "--keep", "0,0,48,32", "--draw-steps", 2, "--out", out)
    code, said, _ = told("draw", in_random_order, *words)
    assert code == 0 and str(out) in said
    region = bothways.Region(0, 0, 1, 2 / 3)
    for keep in ((0, 0, 48, 32), "0,0,1,0.67", region):
        drawn = model.draw("draw a watch.", keep=keep, image=picture, draw_steps=2)
        assert drawn.tobytes() == Pil.open(out).tobytes(), keep
    assert (pixels(drawn) != pixels(model.draw("draw a watch.", draw_steps=2))).any(), "what is kept shows"


def test_a_prompt_of_which_a_part_is_kept_comes_back_filled(model, picture) -> None:
    given = bothways.Image(
        bothways.ArrayPicture(np.asarray(Pil.open(picture)), "given"), learn=True, keep=bothways.Region(0, 0, 0.5, 1)
    )
    asked = bothways.Sample("mine", (bothways.Text("draw."), given, bothways.Text(None, learn=True)))
    filled = model.generate(asked, bothways.How(max_text_tokens=4))
    assert filled.segments[1].keep is None and filled.segments[1].content is not given.content
    assert filled.prompt() == asked.prompt()


def test_a_curve_of_steps_is_one_command_a_point_under_a_name_of_its_own(in_random_order, tmp_path, told) -> None:
    run = Path(shutil.copytree(in_random_order, tmp_path / "run"))
    names = {
        "final": (),
        "3-steps": ("--draw-steps", 3),
        "9-steps": ("--draw-steps", 9),
        "raster-order": ("--order", "raster"),
        "validation-random-order-2-steps": ("--order", "random", "--draw-steps", 2, "--split", "validation"),
    }
    for name, words in names.items():
        code, out, _ = told("evaluate", run, *words)
        assert code == 0 and f"· {name} ·" in out
    lines = {name: lines_of(run, name) for name in names}
    assert [line["id"] for line in lines["3-steps"]] == [line["id"] for line in lines["final"]], "paired, item by item"
    asked = json.loads((run / "answers/3-steps/exam.json").read_text())["how"]["image"]
    assert (asked["draw_steps"], asked["order"]) == (3, None)
    drawn = [[(run / "answers" / name / line["image"]).read_bytes() for line in lines[name]] for name in ("final", "9-steps")]
    assert drawn[0] == drawn[1]


def test_with_steps_or_an_order_an_exam_is_about_drawings_alone(copied, told) -> None:
    assert told("evaluate", copied, "--order", "random")[0] == 0
    lines = lines_of(copied, "random-order")
    assert {line["kind"] for line in lines} == {"drawing", "reconstruction"}


def test_drawings_follow_the_steps_and_the_order_of_the_runs_exam(in_random_order, tmp_path) -> None:
    run = Path(shutil.copytree(in_random_order, tmp_path / "run"))
    config = run / "config.yaml"
    config.write_text(config.read_text().replace("draw_steps: 0", "draw_steps: 2"))
    loaded = bothways.load(run)
    assert loaded.how_to_draw.draw_steps == 2
    one, other = (loaded.draw("draw a watch.", draw_steps=steps).tobytes() for steps in (None, 2))
    assert one == other


# What is refused ------------------------------------------------------------------------------------------------------


def drawing(told, run: Path, tmp_path: Path, *words: object) -> tuple[int, str, str]:
    return told("draw", run, "--prompt", "a watch", "--out", tmp_path / "a.png", *words)


def test_a_part_without_a_picture_and_a_picture_without_a_part(in_random_order, picture, tmp_path, told, model) -> None:
    refused(drawing(told, in_random_order, tmp_path, "--keep", "top-half"), DATA, "Found --keep without --image")
    refused(drawing(told, in_random_order, tmp_path, "--image", picture), DATA, "Found --image without --keep")
    with pytest.raises(DataError, match="give both"):
        model.draw("a watch", keep="top-half")


@pytest.mark.parametrize(
    ("region", "words"),
    [
        ("0,0,49,10", ("the picture is 48 x 48 px", "right <= 48")),
        ("-3,0,40,10", ("left,top,right,bottom",)),
        ("0,0,15,15", ("No whole token", "3 x 3 tokens", "larger")),
        ("17,17,40,40", ("No whole token",)),
        ("0,0,48,48", ("holds every token", "smaller")),
        ("0,0,1,1", ("holds every token",)),
        ("topp-half", ("Did you mean `top-half`",)),
        ("1,2,3", ("expected left,top,right,bottom",)),
    ],
)
def test_a_region_that_holds_nothing_or_everything_or_lies_outside(
    region, words, in_random_order, picture, tmp_path, told
) -> None:
    refused(drawing(told, in_random_order, tmp_path, f"--keep={region}", "--image", picture), DATA, *words)


def test_steps_that_cannot_be(in_random_order, trained, tmp_path, told) -> None:
    for steps in (10, 1000):
        told_of = (f"draw_steps {steps}", "9 tokens", "1 to 9 steps")
        refused(drawing(told, in_random_order, tmp_path, "--draw-steps", steps), CONFIG, *told_of)
        refused(told("evaluate", in_random_order, "--draw-steps", steps), CONFIG, *told_of)
    for steps in (0, -1):
        refused(drawing(told, in_random_order, tmp_path, "--draw-steps", steps), USAGE, "greater than or equal to 1")
    for found in (drawing(told, trained, tmp_path, "--draw-steps", 3), told("evaluate", trained, "--draw-steps", 3)):
        refused(found, CONFIG, "trained in raster order", "model.order=random")
    refused(told("inspect", "vq-vq", "--draw-steps", 3), CONFIG, "trained in raster order")
    out = tmp_path / "run"
    refused(told("train", "vq-vq", "--out", out, *changes(**{"exam.draw_steps": 3})), CONFIG, "trained in raster order")
    refused(told("train", "vq-vq", "--out", out, *changes(**{"model.order": "randon"})), CONFIG, "order", "random")
    assert not out.exists()


def test_a_model_trained_in_raster_order_goes_on_from_the_top_and_refuses_other_parts(trained, picture, tmp_path, told) -> None:
    assert drawing(told, trained, tmp_path, "--keep", "0,0,48,16", "--image", picture)[0] == 0
    for region in ("left-half", "0,16,48,32", "16,0,48,16"):
        found = drawing(told, trained, tmp_path, "--keep", "0,0,32,48" if region == "left-half" else region, "--image", picture)
        refused(found, CONFIG, "trained in raster order", "top", "model.order=random")
