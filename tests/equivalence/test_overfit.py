"""A model that sees one batch again and again learns it by heart: every part between samples and optimizer is alive."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from bothways.core.rundir import RunDir
from bothways.recipes.assemble import build_model, stream_of
from bothways.train.log import read_log
from bothways.train.trainer import Trainer
from unified_training import OneBatch, recipe


def test_one_batch_is_learned_by_heart_in_200_steps(tmp_path: Path) -> None:
    chosen = recipe(
        train__steps=200, train__lr=1e-2, train__weight_decay=0.0, train__checkpoint_every_s=1000.0,
        data__drop_condition=0.0,
    )  # fmt: skip
    model = build_model(chosen)
    (batch,) = stream_of(chosen, chosen.world.build(), model).batches(0)
    run = RunDir.create(tmp_path / "run", chosen.to_dict())
    Trainer(model, OneBatch(batch), chosen.train, run).fit()
    log = [line["terms"] for line in read_log(tmp_path / "run" / "log.jsonl")]
    first, last = log[0], log[-1]
    assert first["watch/vqa:text"] > np.log(512) - 0.5 and first["watch/draw:image"] > np.log(32) - 0.3
    assert last["watch/vqa:text"] < 0.2
    assert last["watch/draw:image"] < first["watch/draw:image"] / 2
