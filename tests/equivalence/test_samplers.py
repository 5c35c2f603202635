"""Samplers beside diffusers' schedulers, step by step, and beside what is known of Gaussians and of mixtures of them."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator

import numpy as np
import pytest
import torch
from diffusers import (
    DDIMScheduler,
    DDPMScheduler,
    DPMSolverMultistepScheduler,
    FlowMatchEulerDiscreteScheduler,
    FlowMatchHeunDiscreteScheduler,
)
from diffusers.schedulers import scheduling_ddpm
from torch import Tensor

from bothways.diffusion.samplers import SAMPLERS
from bothways.diffusion.samplers.ancestral import ancestral
from bothways.diffusion.samplers.ddim import ddim
from bothways.diffusion.samplers.dpmpp_2m import dpmpp_2m
from bothways.diffusion.samplers.euler import euler
from bothways.diffusion.samplers.heun import heun
from bothways.diffusion.schedule import NUM_TIMES, cosine_alpha_bar, num_usable, posterior, trailing

ALPHA_BAR = cosine_alpha_bar()
COSINE = {"num_train_timesteps": NUM_TIMES, "beta_schedule": "squaredcos_cap_v2"}
ROWS, DIM = 5, 3
WEIGHT = torch.randn(DIM, DIM, generator=torch.Generator().manual_seed(0))


def normals(rows: int = ROWS, dim: int = DIM, seed: int = 0) -> Iterator[Tensor]:
    generator = torch.Generator().manual_seed(seed)
    while True:
        yield torch.randn(rows, dim, generator=generator)


def wild(x: Tensor, time: float) -> Tensor:
    """No denoiser at all, so that nothing cancels: any smooth function of both arguments."""
    return torch.sin(x @ WEIGHT + time / 300)


def followed(predict: Callable, seen: list[Tensor]) -> Callable:
    """The same, writing down every noisy token that it is asked about."""

    def asked(x: Tensor, time: float):
        seen.append(x)
        return predict(x, time)

    return asked


def both(x: Tensor, time: int) -> tuple[Tensor, Tensor]:
    return wild(x, time), (torch.cos(x @ WEIGHT) + 1) / 2


def assert_same_path(ours: list[Tensor], theirs: list[Tensor], tolerance: float = 1e-4) -> None:
    assert len(ours) == len(theirs) > 3
    for own, other in zip(ours, theirs, strict=True):
        assert (own - other).abs().max() <= tolerance * other.abs().max().clamp_min(1)


def test_the_schedule_is_diffusers_own():
    betas = DDPMScheduler(**COSINE)
    np.testing.assert_allclose(ALPHA_BAR, betas.alphas_cumprod.double().numpy(), rtol=2e-4)
    assert num_usable(ALPHA_BAR) == 996


@pytest.mark.parametrize("num_steps", [1, 2, 7, 20, 100, 250, 996])
def test_times_are_spaced_evenly_from_the_last_usable_one(num_steps: int):
    times = trailing(ALPHA_BAR, num_steps)
    assert len(times) == len(set(times)) == num_steps and times[0] == 995 and times == sorted(times, reverse=True)
    gaps = -np.diff([*times, -1])
    assert gaps.max() - gaps.min() <= 1 and gaps.min() >= 1


@pytest.mark.parametrize("num_steps", [4, 20, 100])
def test_ancestral_takes_diffusers_steps_with_a_learned_variance(num_steps: int, monkeypatch: pytest.MonkeyPatch):
    scheduler = DDPMScheduler(**COSINE, variance_type="learned_range", clip_sample=False, timestep_spacing="trailing")
    scheduler.set_timesteps(timesteps=trailing(ALPHA_BAR, num_steps))
    draws = list(itertools.islice(normals(), num_steps))
    ours: list[Tensor] = []
    ours.append(ancestral(followed(both, ours), iter(draws), trailing(ALPHA_BAR, num_steps), ALPHA_BAR))
    # They draw in the last step too, where the least of their variances is 1e-20; ours goes to the mean.
    x, fresh, theirs = draws[0], iter([*draws[1:], torch.zeros(ROWS, DIM)]), [draws[0]]
    monkeypatch.setattr(scheduling_ddpm, "randn_tensor", lambda *_, **__: next(fresh))
    for time in scheduler.timesteps.tolist():
        found, above = both(x, time)
        x = scheduler.step(torch.cat([found, 2 * above - 1], 1), time, x).prev_sample
        theirs.append(x)
    assert_same_path(ours, theirs)


@pytest.mark.parametrize("eta", [0.0, 0.6, 1.0])
@pytest.mark.parametrize("num_steps", [10, 50])
def test_ddim_takes_diffusers_steps(num_steps: int, eta: float):
    scheduler = DDIMScheduler(**COSINE, clip_sample=False, timestep_spacing="trailing", set_alpha_to_one=True)
    scheduler.set_timesteps(num_steps)
    times, draws = scheduler.timesteps.tolist(), list(itertools.islice(normals(), num_steps))
    ours: list[Tensor] = []
    ours.append(ddim(followed(both, ours), iter(draws), times, ALPHA_BAR, eta))
    x, fresh, theirs = draws[0], iter([*draws[1:], torch.zeros(ROWS, DIM)]), [draws[0]]
    for time in times:
        x = scheduler.step(wild(x, time), time, x, eta=eta, variance_noise=next(fresh)).prev_sample
        theirs.append(x)
    assert_same_path(ours, theirs)


@pytest.mark.parametrize("num_steps", [5, 10, 40])
def test_dpmpp_2m_takes_diffusers_steps(num_steps: int):
    scheduler = DPMSolverMultistepScheduler(
        **COSINE, algorithm_type="dpmsolver++", solver_order=2, solver_type="midpoint", timestep_spacing="trailing",
        final_sigmas_type="zero", lambda_min_clipped=-5.1,
    )  # fmt: skip
    scheduler.set_timesteps(num_steps)
    times = scheduler.timesteps.tolist()
    assert times[0] == trailing(ALPHA_BAR, num_steps)[0], "they leave out the same last times"
    draw = next(normals())
    ours: list[Tensor] = []
    ours.append(dpmpp_2m(followed(both, ours), iter([draw]), times, ALPHA_BAR))
    x, theirs = draw, [draw]
    for time in scheduler.timesteps:
        x = scheduler.step(wild(x, int(time)), time, x).prev_sample
        theirs.append(x)
    assert_same_path(ours, theirs, 1e-3)


def test_euler_takes_diffusers_steps():
    scheduler = FlowMatchEulerDiscreteScheduler()
    scheduler.set_timesteps(12)
    draw = next(normals())
    ours: list[Tensor] = []
    ours.append(euler(followed(wild, ours), iter([draw]), scheduler.sigmas.tolist()))
    x, theirs = draw, [draw]
    for time, sigma in zip(scheduler.timesteps, scheduler.sigmas.tolist(), strict=False):
        x = scheduler.step(wild(x, sigma), time, x).prev_sample
        theirs.append(x)
    assert_same_path(ours, theirs)


def test_heun_takes_diffusers_steps():
    scheduler = FlowMatchHeunDiscreteScheduler()
    scheduler.set_timesteps(12)
    times = [*dict.fromkeys(scheduler.sigmas.tolist())]
    draw = next(normals())
    ours: list[Tensor] = []
    ours.append(heun(followed(wild, ours), iter([draw]), times))
    x, theirs = draw, [draw]
    for index, time in enumerate(scheduler.timesteps):
        x = scheduler.step(wild(x, times[(index + 1) // 2]), time, x).prev_sample
        theirs.append(x)
    assert_same_path(ours, theirs)


# A mixture of two Gaussians, and a single one, whose best prediction is known in closed form.
MIXTURE = {"weights": (0.3, 0.7), "means": (-1.5, 0.8), "variances": (0.04, 0.09)}
SINGLE = {"weights": (1.0,), "means": (0.7,), "variances": (0.25,)}
NUM = 40_000


def moments(of: dict) -> tuple[float, float]:
    weights, means, variances = (np.array(of[name]) for name in ("weights", "means", "variances"))
    mean = (weights * means).sum()
    return mean, (weights * (variances + means**2)).sum() - mean**2


def clean(of: dict, x: Tensor, token_share: float, noise_share: float) -> tuple[Tensor, Tensor]:
    """Mean and variance of the token, given token_share * token + noise_share * noise = x."""
    weights, means, variances = (torch.tensor(of[name], dtype=torch.double) for name in ("weights", "means", "variances"))
    noisy = token_share**2 * variances + noise_share**2
    away = x.double()[..., None] - token_share * means
    chance = (weights.log() - 0.5 * noisy.log() - 0.5 * away**2 / noisy).softmax(-1)
    each = means + token_share * variances / noisy * away
    mean = (chance * each).sum(-1)
    return mean, (chance * (variances * noise_share**2 / noisy + (each - mean[..., None]) ** 2)).sum(-1)


def best_noise(of: dict, times: list[int]) -> Callable:
    """The exact noise and the exact variance of each step, as far as the learned range goes."""

    def predict(x: Tensor, time: int) -> tuple[Tensor, Tensor]:
        now = ALPHA_BAR[time]
        mean, variance = clean(of, x, float(np.sqrt(now)), float(np.sqrt(1 - now)))
        noise = (x.double() - np.sqrt(now) * mean) / np.sqrt(1 - now)
        if time == times[-1]:
            return noise.float(), torch.zeros_like(x)
        step = posterior(now, ALPHA_BAR[times[times.index(time) + 1]])
        exact = float(step.variance) + float(step.of_token) ** 2 * variance
        share = (exact.log() - float(np.log(step.variance))) / float(np.log(step.step_variance) - np.log(step.variance))
        return noise.float(), share.clamp(max=1.0).float()

    return predict


def best_velocity(of: dict) -> Callable:
    def predict(x: Tensor, time: float) -> Tensor:
        time = max(time, 1e-6)
        mean, _ = clean(of, x, 1 - time, time)
        return ((x.double() - mean) / time).float()

    return predict


def drawn(sampler: str, of: dict, num_steps: int, temperature: float = 1.0) -> Tensor:
    noise = (temperature * draw for draw in normals(NUM, 1))
    form = next(form for form, known in SAMPLERS.items() if sampler in known)
    function = SAMPLERS[form].load(sampler)
    if form == "flow":
        return function(best_velocity(of), noise, np.linspace(1, 0, num_steps + 1).tolist())
    times = trailing(ALPHA_BAR, num_steps)
    settings = {"eta": 1.0} if sampler == "ddim" and num_steps > 500 else {}
    return function(best_noise(of, times), noise, times, ALPHA_BAR, **settings)


def assert_moments(found: Tensor, mean: float, variance: float, fourth: float, bias: float) -> None:
    """Within four standard errors of `NUM` draws, and `bias` that finite steps may cost."""
    assert abs(found.mean().item() - mean) < 4 * (variance / NUM) ** 0.5 + bias
    assert abs(found.var().item() - variance) < 4 * variance * ((fourth - 1) / NUM) ** 0.5 + bias


@pytest.mark.parametrize(
    ("sampler", "num_steps", "bias"),
    [
        ("ddim", 100, 0.005),
        ("dpmpp_2m", 20, 0.005),
        ("euler", 200, 0.005),
        ("heun", 20, 0.005),
    ],
)
def test_with_the_exact_prediction_a_gaussian_comes_out_with_its_mean_and_variance(sampler: str, num_steps: int, bias: float):
    mean, variance = moments(SINGLE)
    assert_moments(drawn(sampler, SINGLE, num_steps), mean, variance, fourth=3.0, bias=bias)


@pytest.mark.parametrize("num_steps", [4, 10, 100])
def test_with_the_exact_variance_ancestral_loses_of_a_gaussian_what_its_last_step_leaves_out_and_no_more(num_steps: int):
    """Each step of a Gaussian is a Gaussian, so any number of them is exact, but for the last, which goes to the mean."""
    mean, variance = moments(SINGLE)
    last = ALPHA_BAR[trailing(ALPHA_BAR, num_steps)[-1]]
    left_out = variance * (1 - last) / (last * variance + 1 - last)
    assert_moments(drawn("ancestral", SINGLE, num_steps), mean, variance - left_out, fourth=3.0, bias=1e-4)


@pytest.mark.parametrize("sampler", ["ancestral", "dpmpp_2m", "heun"])
@pytest.mark.parametrize("temperature", [0.5, 0.0])
def test_under_a_temperature_a_gaussian_comes_out_with_its_deviation_times_that(sampler: str, temperature: float):
    mean, variance = moments(SINGLE)
    assert_moments(drawn(sampler, SINGLE, 50, temperature), mean, variance * temperature**2, fourth=3.0, bias=0.003)


@pytest.mark.parametrize(
    ("sampler", "num_steps", "bias"),
    [
        ("ancestral", 250, 0.02),
        ("ddim", 250, 0.02),
        ("ddim", 996, 0.02),  # with fresh noise
        ("dpmpp_2m", 50, 0.02),
        ("euler", 400, 0.02),
        ("heun", 50, 0.02),
    ],
)
def test_with_the_exact_prediction_a_mixture_comes_out_with_its_moments_and_its_parts(
    sampler: str, num_steps: int, bias: float
):
    mean, variance = moments(MIXTURE)
    found = drawn(sampler, MIXTURE, num_steps)
    assert_moments(found, mean, variance, fourth=1.8, bias=bias)
    left = found[found < -0.5]
    assert len(left) / NUM == pytest.approx(0.3, abs=4 * (0.21 / NUM) ** 0.5 + bias / 2)
    assert left.mean().item() == pytest.approx(-1.5, abs=0.02) and left.std().item() == pytest.approx(0.2, abs=0.02)


def test_a_sampler_is_found_by_name_and_no_two_forms_share_one():
    names = [name for known in SAMPLERS.values() for name in known]
    assert len(set(names)) == len(names)
    assert all(callable(known.load(name)) for known in SAMPLERS.values() for name in known)
