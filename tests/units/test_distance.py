"""The distance of two tokenizers: 1 for a linear map of one another, 0 for strangers, by place, across grids."""

from __future__ import annotations

import pytest
import torch

from bothways.core.errors import DataError
from bothways.vision.distance import distance, same_places
from bothways.vision.warp import Rotation

GRID = (3, 3)


def tokens(num: int = 120, dim: int = 8, seed: int = 0) -> torch.Tensor:
    return torch.randn(num, 9, dim, generator=torch.Generator().manual_seed(seed))


def test_a_rotation_is_known_by_a_linear_map_and_not_as_it_is():
    learned = tokens()
    turned = learned @ torch.from_numpy(Rotation(8).at(1.0)).float()
    found = distance(turned, learned, GRID, GRID)
    assert found.same_place == pytest.approx(1.0, abs=1e-3) and min(found.by_place) > 0.99
    assert found.whole_picture == pytest.approx(1.0, abs=0.05)
    assert found.as_they_are < 0 < distance(learned, learned, GRID, GRID).as_they_are
    assert found.num_fitted == 90 and found.num_scored == 30


def test_strangers_are_not_known_and_the_control_never_is():
    learned = tokens(400)
    strangers = distance(tokens(400, seed=1), learned, GRID, GRID)
    assert abs(strangers.same_place) < 0.1 and abs(strangers.of_others) < 0.1
    assert abs(distance(learned, learned, GRID, GRID).of_others) < 0.1


def test_the_share_is_the_share_of_variance_place_by_place():
    learned = tokens(2000)
    noise = tokens(2000, seed=1)
    noise[:, :4] *= 0.0
    found = distance(learned + noise, learned, GRID, GRID)  # places 4 to 8: signal and noise alike
    assert all(share == pytest.approx(1.0, abs=0.01) for share in found.by_place[:4])
    assert all(share == pytest.approx(0.5, abs=0.08) for share in found.by_place[4:])


def test_what_lies_at_another_place_is_known_from_the_whole_picture_alone():
    learned = tokens(400)
    found = distance(learned.flip(1), learned, GRID, GRID)
    assert found.by_place[4] > 0.99 and max(found.by_place[:4]) < 0.15
    assert found.whole_picture > 0.99


def test_places_of_another_grid_are_those_that_lie_nearest():
    assert same_places((2, 2), (4, 4)).view(4, 4).tolist() == [[0, 0, 1, 1], [0, 0, 1, 1], [2, 2, 3, 3], [2, 2, 3, 3]]
    assert same_places((4,), (2,)).tolist() == [1, 3]
    coarse = tokens(200)[:, :4]
    fine = coarse[:, same_places((2, 2), (4, 4))]
    found = distance(coarse, fine, (2, 2), (4, 4))
    assert found.same_place > 0.99 and found.as_they_are is None
    with pytest.raises(DataError, match="1 and 2 axes"):
        same_places((4,), (2, 2))


def test_too_few_pictures_are_refused():
    with pytest.raises(DataError, match="at least 40"):
        distance(tokens(30), tokens(30), GRID, GRID)
