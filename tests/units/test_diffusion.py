"""The diffusion head: what it is at first, what its losses are, what it draws, and what it refuses."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from diffusers import DDPMScheduler
from torch import Tensor

from bothways.core.errors import ConfigError
from bothways.core.randomness import rng
from bothways.core.spec import Continuous, VisualSpec
from bothways.diffusion.configs import USUAL_STEPS
from bothways.diffusion.ddpm import DDPM
from bothways.diffusion.form import AbstractForm
from bothways.diffusion.samplers import SAMPLERS
from bothways.heads.choose import How
from bothways.heads.configs import DiffusionConfig
from bothways.heads.diffusion import DiffusionHead
from bothways.heads.draws import Draws
from bothways.heads.gaussian import blind_error
from bothways.heads.noise_head import NUM_HELD_OUT_TIMES
from bothways.model.initial import initialise
from bothways.vision.configs import VQConfig

WIDTH, DIM, NUM = 8, 4, 30
SPEC = VisualSpec("example", Continuous(DIM), (5, 6), 64, True)
FORMS = ("ddpm", "flow")
HIDDEN = torch.randn(NUM, WIDTH, generator=torch.Generator().manual_seed(0))
TARGET = torch.randn(NUM, DIM, generator=torch.Generator().manual_seed(1))
PLACE = torch.arange(NUM)
REVEALED = (PLACE + 1) / NUM


def head(form: str = "ddpm", loudness: float = 0.0, **changes) -> DiffusionHead:
    """As a model begins with it, but with zero weights of `loudness`."""
    made = DiffusionConfig(form=form, **{"width": 16, "num_blocks": 2} | changes).build(SPEC, WIDTH)
    initialise(made, 0)
    generator = torch.Generator().manual_seed(5)
    for name, weight in made.named_parameters():
        if "zero_" in name:
            assert not weight.any(), name
            weight.data.add_(loudness * torch.randn(weight.shape, generator=generator))
    return made


def draws(step: int = 0) -> Draws:
    return Draws(0, [("step", step)], torch.zeros(NUM, dtype=torch.long), PLACE, NUM)


def rngs(seed: int = 0) -> list[np.random.Generator]:
    return [rng(seed, row) for row in range(NUM)]


@pytest.mark.parametrize("form", FORMS)
def test_at_first_it_predicts_zero_whatever_it_sees(form: str):
    made = head(form)
    output = made.network(TARGET, torch.full((NUM,), 300.0), made.network.condition(HIDDEN))
    assert output.shape == (NUM, DIM * (2 if form == "ddpm" else 1)) and not output.any()
    blocks = made.network.blocks
    assert torch.equal(blocks[0](HIDDEN.repeat(1, 2), HIDDEN.repeat(1, 2)), HIDDEN.repeat(1, 2)), "a block is the identity"


@pytest.mark.parametrize("form", FORMS)
def test_a_loss_is_the_mean_over_draws_whose_times_are_spread_over_the_whole(form: str):
    made = head(form, 0.3, draws_per_token=4)
    found = made.loss(HIDDEN, TARGET, PLACE, draws())
    share = (torch.arange(4) + draws().uniform("time", 4)) / 4
    assert torch.equal((share * 4).floor(), torch.arange(4.0).expand(NUM, 4)), "one in each quarter"
    noise = draws().normal("noise", 4, DIM)
    expected = torch.zeros(NUM)
    for k in range(4):
        time = made.form.time(share[:, k])
        noisy = made.form.noisy(TARGET, noise[:, k], time)
        output = made.network(noisy, time, made.network.condition(HIDDEN))
        expected += made.form.loss(output, TARGET, noise[:, k], time) / 4
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("form", FORMS)
def test_held_out_tokens_are_measured_at_fixed_times_by_the_squared_error_alone(form: str):
    made = head(form, 0.3)
    found = made.measured(HIDDEN, TARGET, PLACE, draws())
    noise = draws().normal("noise", NUM_HELD_OUT_TIMES, DIM)
    expected = torch.zeros(NUM)
    for k in range(NUM_HELD_OUT_TIMES):
        share = torch.full((NUM,), (k + 0.5) / NUM_HELD_OUT_TIMES)
        output = made.network(
            made.form.noisy(TARGET, noise[:, k], made.form.time(share)), made.form.time(share), made.network.condition(HIDDEN)
        )
        wanted = noise[:, k] if form == "ddpm" else noise[:, k] - TARGET
        expected += (output[:, :DIM] - wanted).square().mean(-1) / NUM_HELD_OUT_TIMES
    torch.testing.assert_close(found, expected)
    assert made.unit == ("noise_squared_error" if form == "ddpm" else "velocity_squared_error")


def test_the_noise_of_ddpm_is_put_on_as_diffusers_does_it():
    form, noise = DDPM(), torch.randn(NUM, DIM, generator=torch.Generator().manual_seed(2))
    time = torch.arange(NUM) * 33
    scheduler = DDPMScheduler(num_train_timesteps=1000, beta_schedule="squaredcos_cap_v2")
    torch.testing.assert_close(
        form.noisy(TARGET, noise, time.float()), scheduler.add_noise(TARGET, noise, time), rtol=1e-4, atol=1e-5
    )
    ends = form.time(torch.tensor([0.0, 1 - 2**-24, 1.0]))
    assert ends.tolist() == [0.0, 999.0, 999.0], "a share that rounds up to 1 is still a time"


def normal_kl(mean: Tensor, variance: Tensor, of_mean: Tensor, of_variance: Tensor) -> Tensor:
    one, other = (torch.distributions.Normal(m, v.sqrt()) for m, v in ((mean, variance), (of_mean, of_variance)))
    return torch.distributions.kl_divergence(one, other)


def test_the_variational_term_is_the_divergence_of_the_learned_step_and_teaches_the_variance_alone():
    form, generator = DDPM(), torch.Generator().manual_seed(3)
    noise = torch.randn(NUM, DIM, generator=generator)
    found, above = (torch.randn(NUM, DIM, generator=generator, requires_grad=True) for _ in range(2))
    time = torch.tensor([1, 5, 60, 400, 900, 990] * 5)
    ours = form.loss(torch.cat([found, above], 1), TARGET, noise, time.float()) - (found - noise).square().mean(-1)
    now, earlier = (torch.tensor(form.alpha_bar)[at][:, None] for at in (time, time - 1))
    alpha = now / earlier
    noisy = now.sqrt() * TARGET + (1 - now).sqrt() * noise

    def mean(token: Tensor) -> Tensor:  # equation 7 of Ho et al.
        return (earlier.sqrt() * (1 - alpha) * token + alpha.sqrt() * (1 - earlier) * noisy) / (1 - now)

    token = (noisy - (1 - now).sqrt() * found) / now.sqrt()
    true = ((1 - earlier) / (1 - now) * (1 - alpha)).expand(-1, DIM)
    learned = torch.exp((above + 1) / 2 * (1 - alpha).log() + (1 - above) / 2 * true.log())
    expected = normal_kl(mean(TARGET), true, mean(token), learned).mean(-1) / math.log(2)
    torch.testing.assert_close(ours.double(), expected, rtol=2e-3, atol=1e-4)
    ours.sum().backward()
    assert above.grad.abs().min() > 0 and found.grad.abs().max() < 1e-5


def test_at_time_zero_the_variational_term_is_the_density_of_the_token():
    form, generator = DDPM(), torch.Generator().manual_seed(3)
    noise, found, above = (torch.randn(NUM, DIM, generator=generator) for _ in range(3))
    ours = form.loss(torch.cat([found, above], 1), TARGET, noise, torch.zeros(NUM)) - (found - noise).square().mean(-1)
    first, second = form.alpha_bar[:2]
    noisy = first**0.5 * TARGET + (1 - first) ** 0.5 * noise
    token = (noisy - (1 - first) ** 0.5 * found) / first**0.5
    least = math.log((1 - first) / (1 - second) * (1 - second / first))
    learned = torch.exp((above + 1) / 2 * math.log(1 - first) + (1 - above) / 2 * least)
    expected = -torch.distributions.Normal(token, learned.sqrt()).log_prob(TARGET).mean(-1) / math.log(2)
    torch.testing.assert_close(ours, expected, rtol=2e-3, atol=2e-3)


def everyone() -> list[tuple[str, str]]:
    return [(form, sampler) for form, known in SAMPLERS.items() for sampler in known]


@pytest.mark.parametrize(("form", "sampler"), everyone())
def test_a_seed_names_what_is_drawn_and_temperature_0_draws_the_same_for_all(form: str, sampler: str):
    made, how = head(form, 0.1), How(temperature=1.0, sampler=sampler, sampling_steps=5)

    def tokens(seed: int, **changes) -> Tensor:
        return made.sample(HIDDEN, None, PLACE, REVEALED, How(**vars(how) | changes), rngs(seed))[0]

    assert torch.equal(tokens(0), tokens(0)) and (tokens(0) - tokens(1)).abs().max() > 0.1
    assert torch.equal(tokens(0, temperature=0.0), tokens(1, temperature=0.0))
    assert tokens(0).shape == (NUM, DIM) and tokens(0).isfinite().all()


@pytest.mark.parametrize("ramp", ["constant", "linear"])
@pytest.mark.parametrize("form", FORMS)
def test_guidance_1_changes_nothing_and_more_of_it_extrapolates_the_prediction_by_the_share_revealed(form: str, ramp: str):
    """One step from the same noise is linear in the prediction, so tokens lie on the line as predictions do."""
    made = head(form, 0.1)
    chosen = {"temperature": 1.0, "sampler": {"ddpm": "ddim", "flow": "euler"}[form], "sampling_steps": 1}

    def tokens(state: Tensor, other: Tensor | None, guidance: float) -> Tensor:
        how = How(**chosen, guidance=guidance, guidance_ramp=ramp)
        return made.sample(state, other, PLACE, REVEALED, how, rngs())[0]

    own, plain = tokens(HIDDEN, None, 1.0), tokens(HIDDEN.flip(0), None, 1.0)
    torch.testing.assert_close(tokens(HIDDEN, HIDDEN.flip(0), 1.0), own, rtol=1e-4, atol=1e-3)
    scale = (1 + 2 * REVEALED)[:, None] if ramp == "linear" else 3.0
    expected = plain + scale * (own - plain)
    assert (expected - own).abs().max() > 0.01
    torch.testing.assert_close(tokens(HIDDEN, HIDDEN.flip(0), 3.0), expected, rtol=1e-4, atol=1e-3)


def monte_carlo(form: AbstractForm, tokens: Tensor, num: int = 20_000) -> Tensor:
    """Held-out error of the denoiser that knows mean and covariance of the one place that there is."""
    flat = tokens.flatten(0, 1)
    mean, deviation = flat.mean(0), flat - flat.mean(0)
    covariance = deviation.T @ deviation / len(flat)
    shares = (torch.arange(NUM_HELD_OUT_TIMES) + 0.5) / NUM_HELD_OUT_TIMES
    total = torch.zeros(len(tokens))
    for share in shares:
        mix = form.mix(form.time(share[None]))
        a, s = mix.token.item(), mix.noise.item()
        noise = torch.randn(num, *tokens.shape, generator=torch.Generator().manual_seed(4))
        noisy = a * tokens + s * noise - a * mean
        predicted = mix.predicted_token, mix.predicted_noise
        cross = predicted[0] * a * covariance + predicted[1] * s * torch.eye(DIM)
        gain = cross @ torch.linalg.inv(a**2 * covariance + s**2 * torch.eye(DIM))
        best = noisy @ gain.T + predicted[0] * mean
        wanted = predicted[0] * tokens + predicted[1] * noise
        total += (best - wanted).square().mean((0, 2, 3)) / len(shares)
    return total


@pytest.mark.parametrize("form", FORMS)
def test_the_blind_error_is_that_of_the_best_linear_denoiser(form: str):
    made = head(form)
    mixing = torch.randn(DIM, DIM, generator=torch.Generator().manual_seed(6))
    pictures = torch.randn(40, 1, DIM, generator=torch.Generator().manual_seed(7)) @ mixing + 0.5
    torch.testing.assert_close(made.blind(pictures), monte_carlo(made.form, pictures), rtol=0.02, atol=0.01)


@pytest.mark.parametrize("form", FORMS)
def test_who_knows_less_has_a_larger_blind_error_and_who_knows_all_has_none(form: str):
    made = head(form)
    narrow = torch.randn(50, 3, DIM, generator=torch.Generator().manual_seed(6)) * torch.tensor([0.0, 0.3, 1.5])[:, None]
    errors = [made.blind(narrow[:, place : place + 1]).mean().item() for place in range(3)]
    assert errors[0] == pytest.approx(0.0, abs=1e-9) and 0.05 < errors[1] < errors[2]
    assert made.blind(narrow).mean() == pytest.approx(np.mean(errors), rel=0.03), "each place has its own variance"
    tied = narrow[:, :, :1].expand(-1, -1, DIM)
    assert made.blind(tied).mean() < 0.8 * made.blind(narrow).mean(), "channels that go together are told from noise"


def test_a_head_that_looks_at_nothing_cannot_beat_the_blind_error_by_much_and_one_that_knows_does():
    """Trained for a few seconds on Gaussian tokens, with and without a hidden state that tells the token."""
    tokens = 0.8 * torch.randn(200, 1, DIM, generator=torch.Generator().manual_seed(8)) + 0.3
    place, found = torch.zeros(200, dtype=torch.long), {}
    for knows in (False, True):
        made = DiffusionConfig(form="flow", width=48, num_blocks=2).build(SPEC, DIM)
        initialise(made, 0)
        hidden = tokens[:, 0] * knows
        optimizer = torch.optim.Adam(made.parameters(), 3e-3)
        for step in range(400):
            optimizer.zero_grad()
            noise = Draws(0, [("step", step)], place, torch.arange(200), 200)
            made.loss(hidden, tokens[:, 0], place, noise).mean().backward()
            optimizer.step()
        with torch.no_grad():
            fixed = Draws(0, [("held out",)], place, torch.arange(200), 200)
            found[knows] = made.measured(hidden, tokens[:, 0], place, fixed).mean().item()
    blind = made.blind(tokens).mean().item()
    assert found[False] == pytest.approx(blind, rel=0.06)
    assert found[True] < 0.3 * blind


def test_blind_errors_do_not_hang_on_the_scale_of_a_place_that_never_changes():
    still = torch.full((10, 2, DIM), 3.0)
    mix = DDPM().mix(torch.tensor([100.0, 700.0]))
    assert blind_error(still, mix).tolist() == [0.0] * 10


@pytest.mark.parametrize(
    ("how", "form", "said"),
    [
        ({"sampler": "euler"}, "ddpm", r"`euler` does not fit .*`ddpm`; those that do: ancestral, ddim, dpmpp_2m"),
        ({"sampler": "ddim"}, "flow", r"`ddim` does not fit .*`flow`; those that do: euler, heun"),
        ({"sampler": "ancestrall"}, "ddpm", r"Unknown sampler `ancestrall`. Did you mean `ancestral`"),
        ({"sampling_steps": 0}, "ddpm", r"sampling_steps 0; `ancestral` takes 1 to 996"),
        ({"sampler": "heun", "sampling_steps": 5000}, "flow", r"sampling_steps 5000; `heun` takes 1 to 996"),
        ({"eta": 0.5}, "ddpm", r"eta 0.5, which only the sampler `ddim` has"),
    ],
)
def test_samplers_and_steps_that_do_not_fit_are_refused_with_those_that_do(how: dict, form: str, said: str):
    with pytest.raises(ConfigError, match=said):
        DiffusionConfig(form=form).check_how(How(**how))


def test_ranges_and_ramps_are_checked_where_they_are_said():
    with pytest.raises(ConfigError, match=r"eta 1.5; expected 0"):
        How(eta=1.5)
    with pytest.raises(ConfigError, match=r"Unknown guidance ramp `linar`. Did you mean `linear`"):
        How(guidance_ramp="linar")
    with pytest.raises(ConfigError, match=r"`diffusion` needs continuous tokens and `vq` makes discrete ones; .* categorical"):
        DiffusionConfig().build(VQConfig().spec, WIDTH)


def test_every_sampler_has_a_usual_number_of_steps_and_every_form_a_usual_sampler():
    for form, sampler in everyone():
        config = DiffusionConfig(form=form)
        assert config.num_steps_of(How(sampler=sampler)) == USUAL_STEPS[sampler]
        assert config.sampler_of(How()) == next(iter(SAMPLERS[form]))


@pytest.mark.parametrize("size", [0.05, 1.0, 5.4])
def test_tokens_far_from_unit_size_are_refused_and_their_size_is_named(size: float):
    tokens = size * TARGET[None] / TARGET.square().mean().sqrt()
    if size == 1.0:
        return head().check_targets(tokens)
    with pytest.raises(ConfigError, match=rf"`example` tokens .* root mean square of {size:g}, .* about 1 \(0.33 to 3\)"):
        head().check_targets(tokens)


def test_in_bf16_autocast_losses_and_gradients_are_those_of_fp32_to_its_precision():
    made = head("ddpm", 0.1)
    exact = made.loss(HIDDEN, TARGET, PLACE, draws())
    with torch.autocast("cpu", torch.bfloat16):
        rough = made.loss(HIDDEN, TARGET, PLACE, draws())
    assert rough.dtype == torch.float32 and not torch.equal(rough, exact)
    torch.testing.assert_close(rough, exact, rtol=0.03, atol=0.03)
    rough.mean().backward()
    assert all(p.grad.isfinite().all() for p in made.parameters())
