"""Runs of one config but for their seeds, trained as one, step by step. Each leaves the folder of a run that trained alone.

Data, draws, loss terms, clipping, learning rate, moving averages, log and checkpoints are each trainer's own, by the trainer's
own methods; the forward and backward passes and Muon's update are one for all (model/stack.py, muon.py). Results are those of
training alone up to the order of sums in fp32. `seconds` of a run are its share of the time that all took together.

All save at the same steps. A process killed while they do leaves the newest at different steps, so they go on from the newest
that all of them have.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

import torch

from bothways.core.errors import RunError
from bothways.model.checkpoint import checkpoints_in, open_checkpoint, step_of
from bothways.model.stack import Stack
from bothways.train.interrupt import Interrupt
from bothways.train.muon import step_together
from bothways.train.step import backward
from bothways.train.trainer import Fitted, OpenStep, Trainer


def fit_together(trainers: Sequence[Trainer], stack: Stack, interrupt: Interrupt) -> list[Fitted]:
    """Trains all to the last step. `trainers` are of the models of `stack`, in its order, have the same settings but for seeds,
    and share `interrupt`. Raises: as `Trainer.fit`, for the first run that something happens to; all of them stop."""
    step = common_step([trainer.folder.checkpoints for trainer in trainers])
    with interrupt.listening(), ExitStack() as opened:
        for trainer in trainers:
            opened.enter_context(trainer.opened(step))
        while not trainers[0].is_finished:
            make_step(trainers, stack)
            if any(trainer.is_due() for trainer in trainers):
                for trainer in trainers:
                    trainer.save()
            for trainer in trainers:
                trainer.go_on()
    return [trainer.fitted() for trainer in trainers]


def common_step(folders: Sequence[Path]) -> int:
    """The newest step of which all folders hold a valid checkpoint; 0, the beginning, where there is none."""
    shared = set.intersection(*({step_of(path) for path in checkpoints_in(folder)} for folder in folders))
    valid = (step for step in sorted(shared, reverse=True) if all(_is_valid(folder, step) for folder in folders))
    return next(valid, 0)


def _is_valid(folder: Path, step: int) -> bool:
    try:
        [path] = (path for path in checkpoints_in(folder) if step_of(path) == step)
        open_checkpoint(path)
    except RunError:
        return False
    return True


def make_step(trainers: Sequence[Trainer], stack: Stack) -> None:
    """One step of all."""
    began = time.monotonic()
    steps = [trainer.open_step() for trainer in trainers]
    stack.before_step(steps[0].number)
    for batches in zip(*(step.batches for step in steps), strict=True):
        with trainers[0].arithmetic():
            found = stack.terms(batches)
        parts = [step.parts(terms) for step, terms in zip(steps, found, strict=True)]
        if steps[0].shares:
            _share(steps, stack, parts, trainers[0].config.shares_of)
        backward({f"{index} {name}": part for index, own in enumerate(parts) for name, part in own.items()})
    stack.hand_out()
    for trainer, step in zip(trainers, steps, strict=True):
        trainer.check(step)
    for parts in zip(*(trainer.optimizer.parts for trainer in trainers), strict=True):
        if isinstance(parts[0], torch.optim.Muon):
            step_together(parts)
        else:
            for part in parts:
                part.step()
    seconds = (time.monotonic() - began) / len(trainers)
    for trainer, step in zip(trainers, steps, strict=True):
        trainer.close_step(step, seconds)


def _share(steps: Sequence[OpenStep], stack: Stack, parts: Sequence[dict[str, torch.Tensor]], of: str) -> None:
    """Tells each run its terms' gradients; no term of a run has a gradient in another's weights, so the sum serves all."""
    for name in dict.fromkeys(name for own in parts for name in own):
        terms = [own[name] for own in parts if name in own and own[name].requires_grad]
        if not terms:
            continue
        for step, own, gradients in zip(steps, parts, stack.gradients(torch.stack(terms).sum(), of), strict=True):
            if name in own:
                step.shares.take(name, gradients)
