"""What the commands promise: their names and options, what they print, and that looking for help costs no torch."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import typer

from bothways.cli.main import app

ROOT = Path(__file__).parent.parent.parent

# Names that people's scripts rely on. Adding one is a line here; removing one needs a reason in the commit.
PROMISED = {
    "quickstart": {"--out", "--seeds", "--recipe", "--world"},
    "recipes": set(),
    "study list": set(),
    "study plan": {"--seeds", "--out", "--base", "--set"},
    "study run": {"--out", "--seeds", "--runs", "--on", "--base", "--stack", "--set"},
    "study report": {"--runs"},
    "study calibrate": {"--out", "--try", "--seeds", "--base", "--set"},
    "study tune": {"--out", "--try", "--trials", "--seeds", "--base", "--set"},
    "study simulate": {"--studies"},
    "synergy": {"--out", "--seeds", "--runs", "--labels", "--set"},
    "grid": {"--out", "--worlds", "--cells", "--threads", "--set"},
    "distance": {"--num", "--set"},
    "swap": {"--part", "--out"},
    "probe": {"--what", "--step", "--num"},
    "accumulation": {"--num", "--num-fit", "--step"},
    "scaling": {"--what", "--num", "--best-of", "--painter", "--step"},
    "size": {"--set"},
    "inspect": {"--num", "--source", "--draw-steps", "--set"},
    "train": {"--out", "--resume", "--set"},
    "train-tokenizer": {"--out", "--resume", "--set"},
    "train-reader": {"--out", "--resume", "--set"},
    "evaluate": {
        "--step",
        "--split",
        "--num-pictures",
        "--num-drawings",
        "--num-edits",
        "--guidance",
        "--temperature",
        "--sampler",
        "--sampling-steps",
        "--draw-steps",
        "--order",
        "--dtype",
    },
    "mark": set(),
    "answer": {"--image", "--question", "--step"},
    "caption": {"--image", "--step"},
    "chat": {"--image", "--out", "--seed", "--guidance", "--temperature", "--max-images", "--max-text-tokens", "--step"},
    "draw": {
        "--prompt",
        "--out",
        "--seed",
        "--guidance",
        "--temperature",
        "--top-k",
        "--sampler",
        "--sampling-steps",
        "--draw-steps",
        "--order",
        "--keep",
        "--image",
        "--step",
        "--dtype",
        "--best-of",
    },
    "edit": {
        "--image",
        "--instruction",
        "--out",
        "--seed",
        "--guidance",
        "--temperature",
        "--top-k",
        "--sampler",
        "--sampling-steps",
        "--draw-steps",
        "--order",
        "--step",
        "--dtype",
    },
    "make-data": {"--out", "--images", "--size", "--seed", "--level", "--recipe"},
    "read": {"--world", "--level", "--recipe"},
    "bench train": {"--steps", "--threads", "--json"},
    "bench stack": {"--seeds", "--steps", "--threads", "--json"},
    "bench draw": {"--rounds", "--batch-size", "--size", "--recipe", "--run", "--requests", "--threads", "--json"},
}


def commands() -> dict:
    """Every command by the words that call it."""
    found = {}
    for name, command in typer.main.get_command(app).commands.items():
        inner = getattr(command, "commands", None)
        found |= {name: command} if inner is None else {f"{name} {part}": one for part, one in inner.items()}
    return found


def options_of(name: str) -> set[str]:
    found = {option for parameter in commands()[name].params for option in parameter.opts}
    return {option for option in found if option.startswith("--")} - {"--help"}


def test_the_commands_are_those_promised() -> None:
    assert set(commands()) == set(PROMISED)


@pytest.mark.parametrize("name", PROMISED)
def test_a_command_has_the_options_promised_and_a_help_of_one_screen(name: str, told) -> None:
    assert options_of(name) == PROMISED[name]
    code, out, err = told(*name.split(), "--help")
    assert code == 0 and not err
    assert "Usage: bothways" in out and len(out.splitlines()) <= 45


def test_help_recipes_and_xrays_need_neither_torch_nor_transformers() -> None:
    program = """
import sys
from bothways.cli.main import main
import bothways, bothways.study.plan, bothways.study.study, bothways.recipes.recipe
import bothways.core.config, bothways.core.rundir, bothways.core.sample, bothways.core.tally, bothways.core.spec
import bothways.layout.build, bothways.layout.wording, bothways.layout.order, bothways.layout.xray
for words in (["--help"], ["train", "--help"], ["recipes"], ["inspect", "vq-vq"], ["evaluate", "nowhere"]):
    main(words)
loaded = {"torch", "transformers", "scipy", "matplotlib"} & set(sys.modules)
main(["study", "list"])  # statistics are scipy's; a plan builds its models without weights to count operations
print("loaded:", *sorted(loaded | {"torch", "transformers", "matplotlib"} & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "loaded:"


def test_recipes_are_listed_as_corners_of_one_space(told, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    code, out, _ = told("recipes")
    assert code == 0
    assert max(map(len, out.splitlines())) <= 100
    rows = {line.split()[0]: re.split(r"  +", line.strip()) for line in out.split("\n\n")[0].splitlines()}
    assert rows["model"][1:] == ["reads", "draws", "proj.", "target", "head", "order"]
    assert rows["vq-vq"][1:] == ["vq", "vq", "one", "tokens", "categorical", "raster"]
    assert rows["unihetero"][1:] == ["semantic", "semantic", "one", "emb., ema", "cosine", "raster"]
    assert rows["unifluid"][1:] == ["semantic", "kl", "two", "tokens", "diffusion", "random"]


def test_inspect_shows_samples_of_every_source_with_their_duties(told) -> None:
    code, out, _ = told("inspect", "vq-vq", "--num", 2)
    assert code == 0
    for source in ("watch/vqa", "watch/caption", "watch/draw"):
        assert len(re.findall(rf"^{source}  ", out, re.MULTILINE)) == 2
    assert "64 of them learned" in out and "duty" in out and "^ start, $ end of turn" in out


def test_inspect_follows_changes_of_the_recipe(told) -> None:
    raster = told("inspect", "vq-vq", "--source", "watch/draw")[1]
    shuffled = told("inspect", "vq-vq", "--source", "watch/draw", "--set", "model.order=random")[1]
    assert "0  1  2  3" in raster and "0  1  2  3" not in shuffled


def test_inspect_shows_a_step_that_asks_for_several_places(told) -> None:
    code, out, _ = told("inspect", "vq-vq", "--set", "model.order=random", "--draw-steps", 8)
    assert code == 0 and "step 5 of 8: 19 of 64 known, 10 asked for" in out and "asking)" in out
    assert "watch/draw" in out and "watch/vqa" not in out


def test_train_says_where_the_run_is_and_examines_at_milestones(trained: Path) -> None:
    assert (trained / "DONE").is_file()
    assert (trained / "answers" / "step-000002" / "answers.jsonl").is_file()


def test_evaluate_prints_both_skills_against_chance_and_ceiling_and_mark_repeats_it(copied: Path, told) -> None:
    code, out, _ = told("evaluate", copied)
    assert code == 0
    assert re.search(r"reading +accuracy +chance +ceiling +skill", out)
    assert re.search(r"drawing +accuracy +chance +ceiling", out)
    assert re.search(r"weather +\d\.\d\d ± \d\.\d\d", out) and "Held-out nats" in out
    assert all(len(line) <= 80 or str(copied) in line for line in out.splitlines()) and "…" not in out
    scores = (copied / "scores.json").read_bytes()
    (copied / "scores.json").unlink()
    code, again, _ = told("mark", copied)
    assert code == 0 and again == out
    assert (copied / "scores.json").read_bytes() == scores


def test_evaluate_can_ask_less_and_on_held_out_combinations(copied: Path, told) -> None:
    code, _, _ = told("evaluate", copied, "--split", "composition", "--num-pictures", 1, "--num-drawings", 0)
    assert code == 0
    lines = [json.loads(line) for line in (copied / "answers/composition/answers.jsonl").read_text().splitlines()]
    assert len({line["picture"] for line in lines}) == 1 and {line["kind"] for line in lines} == {"question", "caption"}


def test_answer_and_caption_print_one_line_of_text(trained: Path, picture: Path, told) -> None:
    code, first, _ = told("answer", trained, "--image", picture, "--question", "what is the weather?")
    assert code == 0 and first.endswith("\n")
    assert told("answer", trained, "--image", picture, "--question", "what is the weather?")[1] == first
    assert told("caption", trained, "--image", picture)[0] == 0


def test_the_same_seed_draws_the_same_bytes_and_another_seed_others(trained: Path, tmp_path: Path, told) -> None:
    def drawn(name: str, *words: object) -> bytes:
        out = tmp_path / name
        assert told("draw", trained, "--prompt", "draw a red watch.", "--out", out, "--temperature", 1, *words)[0] == 0
        return out.read_bytes()

    first = drawn("a.png", "--seed", 7)
    assert first == drawn("deep/er/b.png", "--seed", 7) != drawn("c.png", "--seed", 8)
    assert first != drawn("d.png", "--seed", 7, "--guidance", 4) != drawn("e.png", "--seed", 7, "--top-k", 2)


def test_a_seed_that_changes_nothing_is_said_so(trained: Path, tmp_path: Path, told) -> None:
    _, _, err = told("draw", trained, "--prompt", "x", "--out", tmp_path / "a.png", "--seed", 3, "--temperature", 0)
    assert "temperature 0" in err


def test_make_data_writes_pictures_that_read_understands(tmp_path: Path, told) -> None:
    out = tmp_path / "data"
    assert told("make-data", "watch", "--out", out, "--images", 3, "--size", 96, "--seed", 5)[0] == 0
    scenes = [json.loads(line) for line in (out / "scenes.jsonl").read_text().splitlines()]
    code, lines, _ = told("read", *(out / scene["image"] for scene in scenes))
    assert code == 0
    for line, scene in zip(map(json.loads, lines.splitlines()), scenes, strict=True):
        assert list(line) == [*scene, "rgb"]  # the disc's colour as it is, besides its name
        assert line["weather"] == scene["weather"] and line["image"].endswith(scene["image"])


def test_pictures_can_be_made_and_read_in_the_world_of_a_recipe_or_run(trained: Path, tmp_path: Path, told) -> None:
    world = ["--recipe", trained / "config.yaml"]
    assert told("make-data", "watch", "--out", tmp_path / "data", "--images", 1, "--size", 128, *world)[0] == 0
    scene = json.loads((tmp_path / "data/scenes.jsonl").read_text())
    code, line, _ = told("read", tmp_path / "data" / scene["image"], *world)
    assert code == 0 and json.loads(line)["second"] is None is scene["second"]
    code, _, err = told("read", tmp_path / "data" / scene["image"], *world, "--level", "all")
    assert code == 2 and "leave one of them out" in err


def test_version_is_printed(told) -> None:
    assert told("--version")[1].startswith("bothways 0.")


def commands_in(path: Path) -> list[list[str]]:
    """The commands of the code blocks in a Markdown file that begin with `bothways` or `make`."""
    found, inside = [], False
    for line in path.read_text().splitlines():
        if line.lstrip().startswith("```"):
            inside = not inside
        words = line.strip().removeprefix("$ ")
        if inside and re.match(r"(bothways|make)( |$)", words):
            found.append(shlex.split(words, comments=True))
    return found


PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_commands_in_the_documents_exist(page: Path) -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for program, *words in commands_in(page):
        if program == "make":
            assert next(word for word in words if "=" not in word) in targets, f"{page.name}: make {words}"
            continue
        called = [word for word in words if not word.startswith("-")]
        if not called:
            continue
        name = " ".join(called[:2]) if called[0] in ("bench", "study") else "".join(called[:1])
        assert name in PROMISED, f"{page.name}: bothways {name}"
        used = {word.partition("=")[0] for word in words if word.startswith("--")} - {"--debug", "--help", "--version"}
        assert used <= options_of(name), f"{page.name}: bothways {name} has no {used - options_of(name)}"


def test_the_readme_gives_the_two_commands_of_set_up() -> None:
    found = [" ".join(words) for words in commands_in(ROOT / "README.md")]
    assert "make quickstart" in found and "make test" in found
