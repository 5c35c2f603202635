"""Noise on learned tokens that re-enter: in training alone, on pictures to be drawn alone, and named like all draws."""

from __future__ import annotations

import pytest
import torch

import tiny
from bothways.core.errors import ConfigError
from bothways.layout.sequence import Duty

CORNER = {"given": tiny.PATCHES, "learned": tiny.PATCHES, "head": {"kind": "regression", "objective": "mse"}}
SAMPLES = [tiny.sample("drawing", "a"), tiny.sample("editing"), tiny.sample("interleaved"), tiny.sample("drawing", "b")]


def test_it_lies_on_the_tokens_of_pictures_to_be_drawn_and_nowhere_else():
    of = tiny.model(**CORNER, feedback_noise=0.5).train()
    of.before_step(1)
    batch = tiny.batch_of(of, SAMPLES)
    noisy = of.embed(batch)
    clean = of.eval().embed(batch)
    row, at = (batch.duty == int(Duty.IMAGE)).nonzero().unbind(1)
    target = torch.zeros(batch.ids.shape, dtype=torch.bool)
    target[row, batch.predicts[row, at]] = True
    moved = (noisy - clean).abs().amax(-1) > 1e-6
    assert torch.equal(moved, target)


def test_a_sample_has_the_same_noise_alone_and_in_a_batch_and_another_each_step():
    of = tiny.model(**CORNER, feedback_noise=0.5).train()

    def losses(samples, step):
        of.before_step(step)
        return of.losses(tiny.batch_of(of, samples))[Duty.IMAGE][1].detach()

    together = losses(SAMPLES, 3)
    torch.testing.assert_close(together, torch.cat([losses([one], 3) for one in SAMPLES]), rtol=1e-4, atol=1e-5)
    assert not torch.allclose(losses(SAMPLES, 4), together)


def test_held_out_losses_do_not_know_of_it():
    one, other = tiny.model(**CORNER, feedback_noise=0.5).eval(), tiny.model(**CORNER).eval()
    assert one.held_out(SAMPLES) == other.held_out(SAMPLES)


def test_codes_refuse_it():
    with pytest.raises(ConfigError, match=r"feedback_noise 0\.5, and `vq` tokens are codes"):
        tiny.model(feedback_noise=0.5)
