"""A unified model small enough to train, kill and train again in a test: reading, captions and drawings of the watch world.

python unified_training.py RUN SLEEP_S
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

import tiny
from bothways.core.config import merge, unflatten
from bothways.layout.batch import Batch
from bothways.recipes import assemble
from bothways.recipes.recipe import Recipe

STEPS = 24  # as in test_resume


def recipe(**changes: Any) -> Recipe:
    """Few samples, ten pictures; `changes` are dotted keys with __ for the dots."""
    values = {
        "name": "tiny",
        "model": {"given": tiny.VQ, "learned": tiny.VQ, "backbone": tiny.BACKBONE, "max_tokens": 256},
        "data": {
            "sources": {
                "watch/vqa": {"samples_per_step": 3, "num_pictures": 10},
                "watch/caption": {"samples_per_step": 1, "num_pictures": 10},
                "watch/draw": {"samples_per_step": 4, "num_pictures": 10},
            }
        },
        "train": {"steps": STEPS, "lr": 3e-3, "threads": 1, "checkpoint_every_s": 0.0, "weights": {"watch/caption:text": 0.25}},
    }
    dotted = {key.replace("__", "."): value for key, value in changes.items()}
    return Recipe.parse(merge(values, unflatten(dotted)), where="recipe tiny")


def restless() -> Recipe:
    """What could remember something between steps, all of it at once: bf16, random order, dropped conditions, pieces."""
    return recipe(
        train__dtype="bfloat16",
        train__micro_batches=2,
        train__milestones=tuple(range(STEPS)),
        train__clip=0.5,
        model__order="random",
        model__backbone__drawing_layers=1,
        data__drop_condition=0.3,
    )


class OneBatch:
    """A stream of one batch, again and again."""

    def __init__(self, batch: Batch):
        self.batch = batch

    def batches(self, step: int) -> list[Batch]:
        return [self.batch]


def train(run: Path, sleep_s: float = 0.0) -> None:
    """Trains or goes on; `sleep_s` after every step leaves time to be killed."""
    resume = (run / "config.yaml").exists()
    assemble.train(restless(), run, resume=resume, on_milestone=lambda model, step: time.sleep(sleep_s))


if __name__ == "__main__":
    train(Path(sys.argv[1]), float(sys.argv[2]))
