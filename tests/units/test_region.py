"""Regions: how people say them, which tokens they hold, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bothways.core.errors import DataError
from bothways.core.region import REGIONS, Region, region_of

percents = st.tuples(*[st.integers(0, 100)] * 4).filter(lambda r: r[0] < r[2] and r[1] < r[3])


def slowly(percent: tuple[int, int, int, int], rows: int, columns: int) -> list[int]:
    """Cell by cell, its four borders."""
    left, top, right, bottom = percent
    return [
        row * columns + column
        for row in range(rows)
        for column in range(columns)
        if left * columns <= 100 * column
        and 100 * (column + 1) <= right * columns
        and top * rows <= 100 * row
        and 100 * (row + 1) <= bottom * rows
    ]


@given(percents, st.integers(1, 9), st.integers(1, 9))
def test_the_cells_that_lie_wholly_inside_are_kept(told, rows, columns):
    region = Region(*(percent / 100 for percent in told))
    expected = slowly(told, rows, columns)
    if not expected or len(expected) == rows * columns:
        with pytest.raises(DataError, match="make it smaller" if expected else "make the region larger"):
            region.places((rows, columns))
        return
    assert region.places((rows, columns)).tolist() == expected


@pytest.mark.parametrize("cells", range(1, 40))
def test_borders_in_pixels_meet_those_of_the_cells_for_any_number_of_them(cells):
    side_px = 7 * cells
    for begin in range(cells):
        region = region_of((7 * begin, 0, 7 * (begin + 1), side_px), side_px, side_px)
        if cells > 1:
            assert region.places((cells, cells)).tolist() == (np.arange(cells) * cells + begin).tolist()


def test_names_and_numbers_say_the_same():
    assert region_of("top-half", 64, 48) == REGIONS["top-half"] == region_of("0,0,64,24", 64, 48) == region_of("0,0,1,.5", 9, 9)
    assert region_of((32, 0, 64, 48), 64, 48) == REGIONS["right-half"] == region_of(REGIONS["right-half"], 1, 1)
    halves = {name: REGIONS[name].places((2, 2)).tolist() for name in REGIONS}
    assert halves == {"top-half": [0, 1], "bottom-half": [2, 3], "left-half": [0, 2], "right-half": [1, 3]}


@pytest.mark.parametrize(
    ("told", "words"),
    [
        ("tophalf", "Did you mean `top-half`"),
        ("", "Unknown region"),
        ("1,2,3", "expected left,top,right,bottom"),
        ("1,2,3,x", "expected left,top,right,bottom"),
        ((1, 2, 3), "expected left,top,right,bottom"),
        (None, "expected left,top,right,bottom"),
        ("0,0,65,10", "the picture is 64 x 48 px"),
        ("0,0,10,49", "the picture is 64 x 48 px"),
        ("-1,0,10,10", "the picture is 64 x 48 px"),
        ("20,0,10,10", "0 <= left < right <= 64"),
        ("10,10,10,20", "0 <= left < right <= 64"),
        ("0.5,0,0.2,1", "left must be before right"),
        ("-0.5,0,0.2,1", "between 0 and 1"),
        ("nan,0,0.5,0.5", "Found the region nan"),
        ("0,0,inf,5", "the picture is 64 x 48 px"),
    ],
)
def test_a_region_that_cannot_be_is_refused(told, words):
    with pytest.raises(DataError, match=words):
        region_of(told, 64, 48)


def test_a_region_of_anything_but_a_picture_is_refused():
    with pytest.raises(DataError, match="these tokens have 1 axes instead of 2"):
        Region(0, 0, 0.5, 1).places((8,))
