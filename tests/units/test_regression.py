"""The regression head: directions are learned, lengths made up, what is left open comes out as a mean."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from bothways.core.errors import ConfigError
from bothways.core.spec import Continuous, VisualSpec
from bothways.heads.choose import How
from bothways.heads.configs import RegressionConfig
from bothways.heads.draws import Draws
from bothways.heads.regression import RegressionHead
from bothways.vision.configs import VQConfig

WIDTH, DIM, NUM = 8, 5, 40
SPEC = VisualSpec("example", Continuous(DIM), (2, 2), 64, True)
GENERATOR = torch.Generator().manual_seed(0)
HIDDEN, TARGET = torch.randn(NUM, WIDTH, generator=GENERATOR), 3.0 * torch.randn(NUM, DIM, generator=GENERATOR)
PLACE = torch.zeros(NUM, dtype=torch.long)
REVEALED = torch.ones(NUM)
DRAWS = Draws(0, [("none are needed",)], PLACE, PLACE, 4)


def head(objective: str = "cosine") -> RegressionHead:
    return RegressionConfig(objective=objective).build(SPEC, WIDTH)


def drawn(by: RegressionHead, guidance: float = 1.0) -> torch.Tensor:
    unguided = None if guidance == 1.0 else HIDDEN.flip(0)
    return by.sample(HIDDEN, unguided, PLACE, REVEALED, How(guidance=guidance), ())[0]


@pytest.mark.parametrize("guidance", [1.0, 3.0])
def test_under_the_cosine_every_token_has_the_mean_norm_of_the_targets_seen(guidance: float):
    by = head()
    assert drawn(by, guidance).norm(dim=-1).tolist() == pytest.approx([DIM**0.5] * NUM)
    for part in TARGET.split(7):
        by.observe(part)
    assert by.mean_norm.item() == pytest.approx(TARGET.norm(dim=-1).mean().item())
    assert drawn(by, guidance).norm(dim=-1).tolist() == pytest.approx([by.mean_norm.item()] * NUM)


def test_lengths_count_under_squared_error_and_do_not_under_the_cosine():
    for objective, counts in (("cosine", False), ("mse", True)):
        by = head(objective)
        once, twice = (by.loss(HIDDEN, factor * TARGET, PLACE, DRAWS) for factor in (1.0, 2.0))
        assert (once - twice).abs().max().item() > 0.1 if counts else torch.allclose(once, twice, atol=1e-6)


def test_guidance_goes_on_along_the_line_from_the_unguided_to_the_guided_prediction():
    by = head("mse")
    plain, from_ = by.prediction(HIDDEN), by.prediction(HIDDEN.flip(0))
    torch.testing.assert_close(drawn(by, 3.0), from_ + 3.0 * (plain - from_))
    by = head()
    plain, from_ = (F.normalize(by.prediction(h), dim=-1) for h in (HIDDEN, HIDDEN.flip(0)))
    torch.testing.assert_close(F.normalize(drawn(by, 3.0), dim=-1), F.normalize(from_ + 3.0 * (plain - from_), dim=-1))


@pytest.mark.parametrize("objective", ["cosine", "mse"])
def test_no_constant_has_a_smaller_error_than_the_blind_one(objective: str):
    by = head(objective)
    pictures = TARGET.view(10, 4, DIM) + torch.tensor([2.0, 0, 0, 0, 1])
    least = by.blind(pictures).mean().item()
    for step in range(50):
        other = torch.randn(4, DIM, generator=torch.Generator().manual_seed(step)) + pictures.mean(0)
        assert by._error(other.expand_as(pictures), pictures).mean().item() > least


def test_a_temperature_is_refused_and_so_are_discrete_tokens_naming_the_heads_that_fit():
    with pytest.raises(ConfigError, match=r"temperature 0.7 for drawings.*set the temperature to 0"):
        head().sample(HIDDEN, None, PLACE, REVEALED, How(temperature=0.7), ())
    with pytest.raises(ConfigError, match=r"`regression` needs continuous tokens and `vq` makes discrete ones; .*categorical"):
        RegressionConfig().build(VQConfig().spec, WIDTH)
