"""A module, a stream and a command line small enough to train and kill many times in a test.

The module has what real ones have and makes resuming hard: two loss terms, a buffer that moves by itself, dropout from
the global generator, a parameter that is idle at every other step and one that never takes part, and tied weights.

    python toy_training.py RUN STEPS SLEEP_S CHECKPOINT_EVERY_S MICRO_BATCHES
"""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from bothways.core.errors import BothwaysError
from bothways.core.randomness import rng, seed_of
from bothways.core.rundir import RunDir
from bothways.core.tally import Tally
from bothways.train.config import TrainConfig
from bothways.train.trainer import Trainer


@dataclass(frozen=True)
class ToyBatch:
    x: Tensor
    labels: Tensor

    @property
    def num_samples(self) -> int:
        return len(self.x)

    @property
    def counts(self) -> dict[str, int]:
        return {"text": int((self.labels >= 0).sum()), "image": self.x.numel()}


@dataclass(frozen=True)
class ToyStream:
    micro_batches: int = 1
    sleep_s: float = 0.0
    poison_at: int | None = None

    def batches(self, step: int) -> list[ToyBatch]:
        time.sleep(self.sleep_s)
        draws = rng(7, "toy", step)
        x = torch.from_numpy(draws.standard_normal((16, 6)).astype("float32"))
        labels = torch.from_numpy(draws.integers(-1, 4, 16))  # -1: nothing to learn here, so counts vary by micro-batch
        if step == self.poison_at:
            x = x / 0
        pieces = zip(x.chunk(self.micro_batches), labels.chunk(self.micro_batches), strict=True)
        return [ToyBatch(a, b) for a, b in pieces]


class Toy(nn.Module):
    def __init__(self, dropout: float = 0.1):
        super().__init__()
        self.backbone = nn.Sequential(nn.Linear(6, 16), nn.LayerNorm(16), nn.GELU(), nn.Dropout(dropout))
        self.text = nn.Linear(16, 4)
        self.image = nn.Linear(16, 6)
        self.tied = self.text.weight
        self.sometimes = nn.Parameter(torch.zeros(4))
        self.never = nn.Parameter(torch.ones(3, 3))
        self.register_buffer("average", torch.zeros(16))
        self.register_buffer("noise", torch.zeros(3))
        self._odd = False

    def before_step(self, step: int) -> None:
        self._odd = step % 2 == 1

    def after_step(self, step: int) -> None:
        self.noise += torch.randn(3, generator=torch.Generator().manual_seed(seed_of(3, "noise", step)))

    def terms(self, batch: ToyBatch) -> dict[str, Tally]:
        hidden = self.backbone(batch.x)
        with torch.no_grad():
            self.average.lerp_(hidden.float().mean(0), 0.1)
        logits = self.text(hidden) + (self.sometimes if self._odd else 0)
        text = nn.functional.cross_entropy(logits, batch.labels, ignore_index=-1, reduction="sum")
        image = (self.image(hidden) - batch.x.roll(1, 1)).square().sum()
        return {"text": Tally(text, batch.counts["text"]), "image": Tally(image, batch.counts["image"])}


def build(dropout: float = 0.1) -> Toy:
    torch.manual_seed(0)
    return Toy(dropout)


def main(run: str, steps: str, sleep_s: str, every_s: str, micro_batches: str) -> None:
    config = TrainConfig(
        steps=int(steps), lr=1e-2, threads=1, micro_batches=int(micro_batches), checkpoint_every_s=float(every_s), milestones=3
    )
    folder = RunDir.create(run, config.to_dict(), resume=(Path(run) / "config.yaml").exists())
    try:
        fitted = Trainer(build(), ToyStream(int(micro_batches), float(sleep_s)), config, folder).fit()
    except BothwaysError as error:
        print(error, file=sys.stderr)
        sys.exit(error.exit_code)
    print("resumed at", fitted.resumed_at)


if __name__ == "__main__":
    main(*sys.argv[1:])
