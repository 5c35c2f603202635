"""Twenty steps of a tiny vq-vq in fp32 on one thread. After a wanted change: pytest tests/golden --regenerate, reason in the
commit. It pins down everything at once: scenes, texts, tokens, layout, initial weights, losses, schedule and optimizer.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from bothways.recipes.assemble import train
from bothways.train.log import read_log
from unified_training import recipe

CURVE = Path(__file__).parent / "loss_curve.txt"
TERMS = ("watch/vqa:text", "watch/caption:text", "watch/draw:image")


def test_twenty_steps_of_training_give_the_losses_they_gave(tmp_path: Path, regenerate: bool) -> None:
    train(recipe(train__steps=20, train__checkpoint_every_s=1000.0), tmp_path / "run")
    lines = [[line["terms"][term] for term in TERMS] for line in read_log(tmp_path / "run" / "log.jsonl")]
    if regenerate:
        rows = ["".join(f"{value:20.6f}" for value in line) for line in lines]
        CURVE.write_text("\n".join(["".join(f"{term:>20}" for term in TERMS), *rows]) + "\n")
    golden = [[float(value) for value in row.split()] for row in CURVE.read_text().splitlines()[1:]]
    assert len(lines) == len(golden) == 20
    for step, (found, expected) in enumerate(zip(lines, golden, strict=True)):
        assert found == pytest.approx(expected, rel=1e-3), f"step {step}"
