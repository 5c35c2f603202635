"""The networks of the second readers: what they cannot tell apart, and what they are blind to, whatever their weights."""

from __future__ import annotations

import pytest
import torch

from bothways.evaluate.second import SECOND_READERS
from bothways.evaluate.second.configs import ShapesReaderConfig, WatchReaderConfig
from bothways.evaluate.second.watch import MARKS
from bothways.evaluate.second.watch_network import polar_places, share_logits

PIXELS = torch.rand(3, 3, 64, 64, generator=torch.Generator().manual_seed(0)) * 2 - 1


@pytest.mark.parametrize("kind", SECOND_READERS)
def test_every_field_gets_a_logit_a_value_and_one_for_unreadable(kind):
    config = SECOND_READERS.load(kind)()
    side = config.input_px
    found = config.build()(torch.zeros(2, 3, side, side))
    fields = config.labels().fields
    assert {name: one.shape for name, one in found.items()} == {name: (2, len(v) + 1) for name, v in fields.items()}


def test_which_corner_it_is_changes_nothing_of_what_lies_there():
    corners = WatchReaderConfig().build().corners
    seen = torch.rand(2, 96, 8, 8)
    here, mirrored = corners(seen), corners(seen.flip(3))
    for name in ("weather", "battery"):
        torch.testing.assert_close(mirrored[name], here[name])
    for name in ("weather_corner", "battery_corner"):
        torch.testing.assert_close(mirrored[name], here[name][:, [1, 0, 3, 2, 4]])


def test_turning_the_watch_turns_the_hands():
    hands = WatchReaderConfig().build().hands
    rings = torch.rand(2, 36, 120)
    here, turned = hands(rings), hands(rings.roll(2 * 5, -1))  # five minutes, one hour
    for hand, marks in MARKS.items():
        torch.testing.assert_close(turned[hand][:, :marks], here[hand][:, :marks].roll(marks // 12, 1))
        torch.testing.assert_close(turned[hand][:, marks:], here[hand][:, marks:])


def test_the_first_direction_points_up_and_they_run_clockwise():
    x, y = polar_places(3)[0, -1, [0, 30, 60, 90]].T
    assert y[0] < -0.8 and x[1] > 0.8 and y[2] > 0.8 and x[3] < -0.8
    assert x[[0, 2]].abs().max() < 1e-5 and y[[1, 3]].abs().max() < 1e-5


def test_a_share_is_likeliest_at_its_middle_and_less_so_further_off():
    logits = share_logits(torch.tensor([[0.0, -9.0], [1.0, 0.0]]))
    assert logits.argmax(1).tolist() == [50, 80]
    assert (logits[0, :50].diff() > 0).all() and (logits[0, 50:].diff() < 0).all()
    assert logits.softmax(1)[0, 50] > 0.7 > 0.05 > logits.softmax(1)[1, 80]


def test_places_of_shapes_are_read_by_the_same_weights():
    """With nothing around it to see, a pattern reads the same in the middle of every place that borders on others."""
    network = ShapesReaderConfig(channels=(16, 32, 64)).build()
    cell = torch.rand(1, 3, 24, 24)
    found = network(cell.tile(1, 1, 3, 3))
    middle = network.place(network.trunk(cell.tile(1, 1, 3, 3))[..., 6:12, 6:12].flatten(1))
    torch.testing.assert_close(torch.cat([found[f"{name}@middle"] for name in network.sizes], 1), middle)
