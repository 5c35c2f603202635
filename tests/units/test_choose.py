"""Choosing tokens from scores: greedy, temperature, top-k, guidance, and draws that hang on their own row alone."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.stats import chisquare

from bothways.core.errors import ConfigError
from bothways.core.randomness import rng
from bothways.heads.choose import How, guided, pick

SCORES = torch.tensor([2.0, 0.5, -1.0, 1.0, 0.0, -3.0])


def draw(num: int, how: How, scores: torch.Tensor = SCORES) -> np.ndarray:
    """How often each token comes in `num` draws."""
    rngs = [rng(0, "choose", row) for row in range(num)]
    return np.bincount(pick(scores.repeat(num, 1), how, rngs).numpy(), minlength=scores.shape[-1])


def test_temperature_0_takes_the_likeliest_and_needs_no_randomness():
    assert pick(torch.stack([SCORES, -SCORES]), How(temperature=0.0), []).tolist() == [0, 5]


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.0])
def test_frequencies_are_those_of_the_softmax_at_the_temperature(temperature: float):
    expected = (SCORES.double() / temperature).softmax(-1).numpy()
    assert chisquare(draw(4000, How(temperature=temperature)), 4000 * expected).pvalue > 0.01


def test_top_k_keeps_the_k_likeliest_in_their_proportions():
    found = draw(4000, How(temperature=1.0, top_k=3))
    assert (found[[2, 4, 5]] == 0).all()
    assert chisquare(found[[0, 1, 3]], 4000 * SCORES[[0, 1, 3]].double().softmax(-1).numpy()).pvalue > 0.01
    assert draw(200, How(temperature=5.0, top_k=1))[0] == 200


@pytest.mark.parametrize("top_k", [0, 6, 100])
def test_top_k_of_nothing_or_of_all_cuts_nothing(top_k: int):
    assert (draw(300, How(temperature=1.0, top_k=top_k)) == draw(300, How(temperature=1.0))).all()


def test_an_impossible_token_is_never_drawn():
    scores = torch.tensor([-torch.inf, 0.0, -torch.inf, 0.0, -torch.inf])
    found = draw(500, How(temperature=1.0), scores)
    assert found[[0, 2, 4]].sum() == 0 and found[1] > 200 and found[3] > 200


class Fixed(np.random.Generator):
    """A generator whose every number is the same."""

    def __init__(self, number: float):
        super().__init__(np.random.PCG64(0))
        self.number = number

    def random(self) -> float:
        return self.number


def test_the_ends_of_the_unit_interval_give_the_first_and_the_last_possible_token():
    scores = torch.tensor([[-torch.inf, 1.0, 1.0, -torch.inf]])
    for number, token in ((0.0, 1), (0.49, 1), (0.51, 2), (np.nextafter(1.0, 0.0), 2)):
        assert pick(scores, How(temperature=1.0), [Fixed(number)]).tolist() == [token]


def test_a_rows_draw_is_the_same_alone_and_in_any_batch():
    how = How(temperature=1.0, top_k=4)
    scores = torch.from_numpy(rng(1, "scores").standard_normal((20, 9)))
    together = pick(scores, how, [rng(0, row) for row in range(20)])
    for row in range(20):
        assert pick(scores[row : row + 1], how, [rng(0, row)]).item() == together[row]
    assert len(together.unique()) > 3


@pytest.mark.parametrize("scale", [0.0, 0.5, 1.0, 3.0])
def test_guidance_0_is_unconditional_1_is_conditional_and_all_else_is_on_their_line(scale: float):
    conditional, unconditional = torch.randn(2, 3, 5, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    torch.testing.assert_close(guided(conditional, unconditional, scale), (1 - scale) * unconditional + scale * conditional)


def test_guidance_above_1_makes_what_the_condition_favours_likelier():
    conditional, unconditional = torch.tensor([[1.0, 0.0, 0.0]]), torch.tensor([[0.0, 0.0, 1.0]])
    chances = [guided(conditional, unconditional, scale).softmax(-1)[0, 0].item() for scale in (1.0, 2.0, 4.0)]
    assert chances == sorted(chances) and chances[0] < 0.6 < 0.9 < chances[2]


@pytest.mark.parametrize("bad", [{"temperature": -0.1}, {"top_k": -1}, {"guidance": -1.0}, {"max_text_tokens": 0}])
def test_settings_that_mean_nothing_are_refused(bad: dict):
    with pytest.raises(ConfigError, match=str(next(iter(bad.values())))):
        How(**bad)
