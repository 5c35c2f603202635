"""Diffusion inside the backbone: its loss takes the noise that the backbone was given, and with an exact backbone it draws
exactly. What is exact is known in closed form for pictures whose tokens are jointly Gaussian."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from bothways.core.randomness import rng
from bothways.core.spec import Continuous, VisualSpec
from bothways.heads.choose import How
from bothways.heads.configs import DenoiseConfig
from bothways.heads.denoise import DenoiseHead
from bothways.heads.draws import Draws
from bothways.heads.noise_head import HELD_OUT_SHARES

N, DIM, ROWS = 2, 2, 3000
SPEC = VisualSpec("two", Continuous(DIM), (N,), N, True)
MEAN = torch.tensor([0.5, -1.0, 0.0, 0.8])
ROOT = torch.tensor([[0.8, 0, 0, 0], [0.3, 0.5, 0, 0], [0.6, 0, 0.4, 0], [-0.2, 0.5, 0, 0.3]])
COVARIANCE = ROOT @ ROOT.T
FORMS = {"flow": ("heun", 30), "ddpm": ("ddim", 60)}


def exact_head(form: str) -> DenoiseHead:
    """Hidden states are its outputs."""
    head = DenoiseHead(DenoiseConfig(form=form), SPEC, 2 * DIM)
    with torch.no_grad():
        head.zero_prediction.weight.copy_(torch.eye(2 * DIM)[: head.form.num_outputs(DIM)])
    return head


def states(head: DenoiseHead, mean: torch.Tensor, noisy: torch.Tensor, time: float) -> torch.Tensor:
    """What the best backbone says of pictures of that mean: the expectation of what is predicted."""
    mix = head.form.mix(torch.tensor([time]))
    token, noise = mix.token.double(), mix.noise.double()
    x, mean, covariance = noisy.flatten(1).double(), mean.double(), COVARIANCE.double()
    gain = token * covariance @ torch.linalg.inv(token**2 * covariance + noise**2 * torch.eye(4))
    clean = mean + (x - token * mean) @ gain.T
    found = mix.predicted_token * clean + mix.predicted_noise * (x - token * clean) / noise
    return torch.cat([found.view(-1, N, DIM), torch.zeros(len(x), N, DIM)], -1).float()


def drawn(form: str, how: How, look: Callable, rows: int = ROWS, known: torch.Tensor | None = None) -> torch.Tensor:
    sampler, steps = FORMS[form]
    how = How(sampler=sampler, sampling_steps=steps, temperature=how.temperature, guidance=how.guidance)
    known = torch.zeros(rows, N, dtype=torch.bool) if known is None else known
    kept = torch.ones(rows, N, DIM)
    return exact_head(form).draw(look, kept, known, how, [rng(0, "exact", row) for row in range(rows)]).flatten(1)


@pytest.mark.parametrize("temperature", [1.0, 0.5])
@pytest.mark.parametrize("form", FORMS)
@torch.no_grad()
def test_with_an_exact_backbone_pictures_have_the_mean_and_the_covariance_of_all_their_tokens(form: str, temperature: float):
    head = exact_head(form)
    found = drawn(form, How(temperature=temperature), lambda noisy, time: (states(head, MEAN, noisy, time), None))
    assert (found.mean(0) - MEAN).abs().max() < 0.06
    assert (torch.cov(found.T) - temperature**2 * COVARIANCE).abs().max() < 0.08


@pytest.mark.parametrize("form", FORMS)
@torch.no_grad()
def test_guidance_goes_on_along_the_line_from_what_was_not_asked_to_what_was(form: str):
    head = exact_head(form)

    def look(noisy: torch.Tensor, time: float) -> tuple[torch.Tensor, torch.Tensor]:
        return states(head, MEAN, noisy, time), states(head, 0 * MEAN, noisy, time)

    found = drawn(form, How(temperature=1.0, guidance=2.0), look)
    assert (found.mean(0) - 2 * MEAN).abs().max() < 0.1
    assert (torch.cov(found.T) - COVARIANCE).abs().max() < 0.08


@torch.no_grad()
def test_what_is_kept_pulls_the_rest_towards_what_goes_with_it():
    """The first token is kept at (1, 1); both channels of the second go with those of the first."""
    head = exact_head("flow")
    known = torch.tensor([[True, False]]).repeat(ROWS, 1)
    found = drawn("flow", How(temperature=1.0), lambda noisy, time: (states(head, MEAN, noisy, time), None), known=known)
    assert (found[:, :2] == 1).all()
    on_the_first = COVARIANCE[2:, :2] @ torch.linalg.inv(COVARIANCE[:2, :2])
    wanted = on_the_first @ (1 - MEAN[:2])
    moved = found[:, 2:].mean(0) - MEAN[2:]
    assert ((moved / wanted > 0.3) & (moved / wanted < 1)).all(), "less than all the way, which resampling would mend"


@pytest.mark.parametrize("form", FORMS)
@torch.no_grad()
def test_the_loss_takes_the_noise_and_the_time_that_the_backbone_was_given(form: str):
    head = exact_head(form)
    target, place = torch.randn(8, DIM, generator=torch.Generator().manual_seed(0)), torch.arange(N).repeat(4)
    draws = Draws(0, [("picture", number) for number in range(4)], torch.arange(4).repeat_interleave(N), place, N)
    noisy, time = head.corrupt(target, draws)
    assert time.view(4, N).std(1).max() == 0 and len(set(time.tolist())) == 4, "one time a picture"
    mix = head.form.mix(time)
    noise = (noisy - mix.token[:, None] * target) / mix.noise[:, None]
    wanted = mix.predicted_token * target + mix.predicted_noise * noise
    told = torch.cat([wanted, torch.full_like(wanted, -1.0)], 1)
    assert head.measured(told, target, place, draws).max() < 1e-4
    assert head.measured(told + 1, target, place, draws).mean() == pytest.approx(1.0, abs=1e-2)
    fixed = Draws(0, draws.pictures, draws.picture, place, N, share=HELD_OUT_SHARES[3])
    assert set(head.corrupt(target, fixed)[1].tolist()) == set(head.form.time(torch.tensor([HELD_OUT_SHARES[3]])).tolist())
