"""A small study over the paper world, and folders of runs whose students know what the test says. For tests of studies."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import yaml
from paper_world import EVERY_VALUE, PaperWorld, Student

from bothways.core.config import Config
from bothways.data.worlds import exam
from bothways.evaluate.exam import cut
from bothways.evaluate.harness import answer
from bothways.evaluate.mark import mark
from bothways.study.study import Arm, Comparison, Study

ARMS = ("understanding", "drawing", "unified")


class SourceConfig(Config):
    samples_per_step: int
    num_pictures: int = 0


class DataConfig(Config):
    sources: dict[str, SourceConfig]
    seed: int = 0


class TrainConfig(Config):
    steps: int = 400
    lr: float = 0.001
    seed: int = 0


class ModelConfig(Config):
    width: int = 128
    seed: int = 0


class SmallRecipe(Config):
    model: ModelConfig = ModelConfig()
    data: DataConfig
    train: TrainConfig = TrainConfig()


class Greedy(Config):
    temperature: float = 0.0


def small_recipe() -> SmallRecipe:
    sources = {"watch/vqa": {"samples_per_step": 48}, "watch/draw": {"samples_per_step": 40}}
    return SmallRecipe.parse({"data": {"sources": sources}})


def small_study(**more) -> Study:
    values = {
        "name": "both-ways",
        "title": "Does learning to draw help a model to read?",
        "question": "Does learning to draw help a model to read, and the reverse?",
        "claim": "A unified model reads and draws better than one trained on either task alone.",
        "expectation": "No difference that one seed could show.",
        "base": "vq-vq",
        "arms": (
            Arm(
                name="understanding",
                about="reads only",
                changes={"data.sources.watch/draw.samples_per_step": 0},
                draws=False,
            ),
            Arm(name="drawing", about="draws only", changes={"data.sources.watch/vqa.samples_per_step": 0}, reads=False),
            Arm(name="unified", about="does both"),
        ),
        "comparisons": (
            Comparison(
                name="reading",
                question="Does learning to draw help to read?",
                treatment="unified",
                control="understanding",
                primary="reading/hands/skill",
                seed_sd=0.1,
                seed_sd_source="pilot, 5 seeds",
            ),
            Comparison(
                name="drawing",
                question="Does learning to read help to draw?",
                treatment="unified",
                control="drawing",
                primary="drawing/hands/skill",
            ),
        ),
        "held_fixed": ("the same initial weights", "the same samples at the same step"),
        "controls": ("The unified arm does about twice the operations.",),
    }
    return Study.parse(values | more)


def fake_run(
    folder: Path,
    right: Mapping[str, float],
    arm: str = "unified",
    seed: int = 0,
    steps: tuple[int, ...] = (),
    num: int = 60,
    num_edits: int = 0,
) -> Path:
    """A marked run folder: final exam, checkpoint exams at `steps`, config.yaml, provenance.json and log.jsonl."""
    world = PaperWorld()
    reading, drawing = ("question", "caption"), ("drawing", "edit")
    kinds = {"understanding": reading, "drawing": drawing}.get(arm, reading + drawing)
    items = cut(exam(world, num_pictures=num, kinds=kinds), num, num_edits=num_edits)
    for step in (*steps, None):
        share = 1.0 if step is None else step / (max(steps) * 1.2)
        student = Student(world, items, {name: right.get(name, 0.5) * share for name in EVERY_VALUE}, EVERY_VALUE, seed)
        how = {"how": Greedy(), "fill": student.fill, "rebuild": student.rebuild, "generate": step is None}
        name = "final" if step is None else f"step-{step:06d}"
        answer(student, world, items if step is None else cut(items, 20), folder / "answers" / name, **how)
    recipe = small_recipe().with_changes({"model.seed": seed, "data.seed": seed, "train.seed": seed})
    (folder / "config.yaml").write_text(yaml.safe_dump(recipe.to_dict()))
    (folder / "provenance.json").write_text(json.dumps([{"command": ["bothways", "quickstart"], "bothways": "0.1.0"}]))
    lines = [
        {"step": step, "samples": 88 * step, "loss": 5.0 / step, "terms": {"watch/vqa:text": 1 / step}}
        for step in (1, 100, 400)
    ]
    (folder / "log.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    mark(folder)
    return folder
