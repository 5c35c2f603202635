"""Texts compared as strings: CIDEr-D and VQA accuracy."""

from __future__ import annotations

import numpy as np
import pytest

from bothways.evaluate.strings import PERFECT_CIDER_D, cider_d, measured_cider_d, vqa_accuracy

WANTED = ["A red watch shows ten past four.", "It rains above a green disc.", "The sun is at the top left."]


def test_the_reference_itself_scores_10_and_another_texts_reference_next_to_nothing():
    assert cider_d(WANTED, WANTED) == pytest.approx(PERFECT_CIDER_D)
    assert (cider_d(WANTED[1:] + WANTED[:1], WANTED) < 1).all()
    half = cider_d(["a red watch", *WANTED[1:]], WANTED)[0]
    assert 0.5 < half < 9


def test_case_and_punctuation_do_not_count_for_cider_d():
    assert cider_d([text.upper().strip(".") for text in WANTED], WANTED) == pytest.approx(PERFECT_CIDER_D)


def test_words_that_every_reference_has_weigh_nothing():
    wanted = ["watch red one two", "watch green three four", "watch blue five six"]
    assert cider_d(["watch"] * 3, wanted) == pytest.approx(np.zeros(3), abs=1e-9)


def test_chance_of_cider_d_is_one_reference_for_all_and_equal_references_give_no_measure():
    (found,) = measured_cider_d("captions/all/cider_d", list("abc"), list("abc"), WANTED, WANTED)
    assert np.mean(found.values) == pytest.approx(PERFECT_CIDER_D)
    assert found.chance == pytest.approx(cider_d([WANTED[0]] * 3, WANTED).mean(), abs=0.5) and found.chance < 5
    assert not measured_cider_d("captions/all/cider_d", list("ab"), list("ab"), ["x", "y"], ["same", "same"])


@pytest.mark.parametrize(
    ("answer", "reference", "right"),
    [
        ("The top-left.", "topleft", 1.0),
        ("a rainy one", "rainy 1", 1.0),
        ("Two", "2", 1.0),
        ("rainy day", "rainy", 0.0),
        ("", "rainy", 0.0),
    ],
)
def test_vqa_accuracy_ignores_case_punctuation_articles_and_how_small_numbers_are_written(answer, reference, right):
    assert vqa_accuracy(answer, reference) == right
