"""Noise by name: a token's draws hang on its picture and place, and on nothing that stands beside it."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.stats import kstest

from bothways.core.randomness import rng
from bothways.heads.draws import Draws

NAMES = [("noise", "step", 3, f"sample {number}", 1) for number in range(4)]
NUM_TOKENS = 6
PICTURE, PLACE = torch.tensor([0, 0, 2, 3, 1]), torch.tensor([5, 0, 2, 2, 1])


def draws(rows: slice | list[int] = slice(None), names: list = NAMES, seed: int = 0) -> Draws:
    return Draws(seed, names, PICTURE[rows], PLACE[rows], NUM_TOKENS)


def test_a_position_has_the_part_of_its_place_in_the_block_that_its_pictures_generator_draws():
    found = draws().normal("noise", 2, 3)
    assert found.shape == (5, 2, 3) and found.dtype == torch.float32
    for row, (picture, place) in enumerate(zip(PICTURE.tolist(), PLACE.tolist(), strict=True)):
        block = rng(0, *NAMES[picture], "noise").standard_normal((NUM_TOKENS, 2, 3), dtype=np.float32)
        assert (found[row].numpy() == block[place]).all()


@pytest.mark.parametrize("rows", [[3], [4, 0], [2, 3, 0, 1, 4]])
def test_draws_are_the_same_alone_in_any_order_and_beside_anything(rows: list[int]):
    whole = draws().uniform("time", 4)
    assert torch.equal(draws(rows).uniform("time", 4), whole[rows])
    own = Draws(0, [NAMES[2]], torch.tensor([0]), torch.tensor([2]), NUM_TOKENS)
    assert torch.equal(own.uniform("time", 4)[0], whole[2])


def test_a_share_is_a_pictures_own_the_same_at_all_its_places_unless_it_is_set():
    found = draws().shares("time")
    assert found.shape == (5,) and found[0] == found[1] and len(set(found.tolist())) == 4
    assert ((found >= 0) & (found < 1)).all() and torch.equal(draws([3, 0]).shares("time"), found[[3, 0]])
    assert not torch.isin(draws(seed=1).shares("time"), found).any()
    assert Draws(0, NAMES, PICTURE, PLACE, NUM_TOKENS, share=0.25).shares("time").tolist() == [0.25] * 5


def test_other_streams_seeds_and_names_have_other_draws():
    found = draws().normal("noise", 5)
    others = [(*name[:2], 4, *name[3:]) for name in NAMES]
    for other in (draws().normal("other", 5), draws(seed=1).normal("noise", 5), draws(names=others).normal("noise", 5)):
        assert (other - found).abs().min() > 1e-6


def test_they_are_standard_normal_and_uniform():
    many = Draws(0, [("many",)], torch.zeros(2000, dtype=torch.long), torch.arange(2000), 2000)
    assert kstest(many.normal("noise", 3).flatten().numpy(), "norm").pvalue > 0.01
    assert kstest(many.uniform("time", 3).flatten().numpy(), "uniform").pvalue > 0.01
