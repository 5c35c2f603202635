"""What may be said of several comparisons together: in all, in some, over the best placebo; and what claims are refused."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from studies import small_study
from test_verdict import difference

from bothways.core.errors import ConfigError
from bothways.core.randomness import rng
from bothways.evaluate.crossed import crossed
from bothways.studies import STUDIES
from bothways.study.claim import Claim, without
from bothways.study.claims import Part, corrected, in_some, outcomes_of, rules_of
from bothways.study.simulate import LEAST, TRUTHS, Truth
from bothways.study.study import Study
from bothways.study.verdict import decide, verdict

GAIN, LITTLE, NONE, WORSE, OPEN = (0.10, 0.03), (0.06, 0.055), (0.0, 0.03), (-0.2, 0.05), (0.0, 0.2)  # value, half interval


def study_of(num: int, *claims: Claim) -> Study:
    """Comparisons part-0, part-1, ... of `unified` with controls of its own."""
    arms = [{"name": "unified"}, *({"name": f"control-{at}"} for at in range(num))]
    comparisons = [
        {
            "name": f"part-{at}",
            "question": "?",
            "treatment": "unified",
            "control": f"control-{at}",
            "primary": "reading/hands/skill",
        }
        for at in range(num)
    ]
    return small_study(arms=arms, comparisons=comparisons, claims=[one.to_dict() for one in claims], seeds=range(5))


def claim(kind: str, *over: str, name: str = "claim", **more) -> Claim:
    return Claim.parse({"name": name, "sentence": "It helps.", "kind": kind, "over": over or ("part-0", "part-1"), **more})


def judged(study: Study, *seen: tuple[float, float], seeds: int = 5):
    pairs = zip(study.comparisons, seen, strict=True)
    verdicts = [verdict(study, one, difference(*found, seeds=seeds)) for one, found in pairs]
    return outcomes_of(study, verdicts, {}, seeds)


def test_of_all_it_is_said_where_every_part_is_supported_without_a_correction():
    study = study_of(2, claim("all"))
    [found] = judged(study, GAIN, LITTLE)
    assert (found.label, found.headline) == ("supported", "supported in all 2") and found.sentence.startswith("It helps. ")
    assert found.parts[1].p_value < 0.05 < 2 * found.parts[1].p_value and found.p_value == found.parts[1].p_value
    for other in (NONE, OPEN):
        [found] = judged(study, GAIN, other)
        assert (found.label, found.headline) == ("undecided", "not shown in all")
        assert found.sentence.startswith("Not shown: “It helps.”") and "part-0: supported" in found.sentence
    [found] = judged(study, GAIN, WORSE)
    assert found.label == "refuted" and "went part-1" in found.sentence


def test_of_some_it_is_said_where_a_part_is_supported_after_the_correction():
    study = study_of(2, claim("some"))
    [found] = judged(study, GAIN, OPEN)
    assert (found.label, found.headline) == ("supported", "supported in 1 of 2") and "supported in part-0." in found.sentence
    [found] = judged(study, LITTLE, OPEN)
    assert found.parts[0].label == "supported" and found.parts[0].p_holm == pytest.approx(2 * found.parts[0].p_value)
    assert (found.label, found.headline) == ("undecided", "not shown in any"), "5 % were asked of each, not of both together"
    [found] = judged(study, NONE, WORSE)
    assert (found.label, found.headline) == ("no effect", "in none")


def test_the_content_helps_is_said_of_the_smallest_gain_alone_and_not_where_the_skill_alone_is_as_good():
    study = study_of(3, claim("best placebo", "part-1", "part-2", alone="part-0"))
    [found] = judged(study, (0.3, 0.05), (0.2, 0.05), (0.1, 0.05))
    assert found.label == "supported" and "The best of 2 placebos is part-2." in found.sentence
    [found] = judged(study, (0.3, 0.05), (0.2, 0.05), NONE)
    assert found.label == "no effect" and found.sentence.startswith("Not shown")
    [found] = judged(study, (-0.01, 0.05), (0.2, 0.05), (0.1, 0.05))
    assert (found.label, found.headline) == ("undecided", "not shown: alone is no worse")


def test_mutual_rests_on_two_claims_and_one_direction_is_corrected_for_having_asked_two():
    study = study_of(
        4,
        claim("best placebo", "part-0", "part-1", name="reading"),
        claim("best placebo", "part-2", "part-3", name="drawing"),
        claim("all", "reading", "drawing", name="mutual"),
        claim("some", "reading", "drawing", name="one"),
    )

    def labels(*seen: tuple[float, float]) -> list[str]:
        return [one.label for one in judged(study, *seen)]

    assert labels(GAIN, GAIN, GAIN, LITTLE) == ["supported"] * 4
    assert labels(GAIN, GAIN, GAIN, NONE) == ["supported", "no effect", "undecided", "supported"]
    assert labels(GAIN, LITTLE, GAIN, NONE) == ["supported", "no effect", "undecided", "undecided"]


def test_with_too_few_seeds_and_without_a_measure_nothing_is_claimed():
    study = study_of(2, claim("all"), claim("some", name="some"), claim("best placebo", name="best"))
    for found in judged(study, GAIN, GAIN, seeds=3):
        assert (found.label, found.headline) == ("undecided", "undecided at this budget") and "at least 5" in found.sentence
    unmeasured = [verdict(study, one, None) for one in study.comparisons]
    assert {one.label for one in outcomes_of(study, unmeasured, {}, 5)} == {"undecided"}


def test_rules_are_told_of_the_kinds_that_a_study_has():
    assert len(rules_of(study_of(2, claim("all"), claim("some", name="some")))) == 2
    assert rules_of(study_of(2)) == []


@pytest.mark.parametrize(
    ("claims", "sentence"),
    [
        ([claim("all", "part-0", "part-7")], "Unknown comparison or earlier claim in claim `claim`: `part-7`"),
        ([claim("all", "part-0", "later"), claim("all", name="later")], "earlier claim in claim `claim`: `later`"),
        ([claim("all", name="part-0")], "two comparisons or claims named `part-0`"),
        ([claim("all", "part-0")], "2 or more parts"),
        ([claim("some", "part-0", "part-0")], "2 or more parts, each once"),
        ([claim("all", alone="part-2")], "that is for a best placebo"),
        ([claim("best placebo", alone="part-1")], "no placebo itself"),
        ([claim("all"), claim("best placebo", "claim", name="best")], "over the claim `claim`; name comparisons"),
        ([claim("falls", "part-0", "part-1", "part-2")], "no dial"),
    ],
)
def test_claims_that_say_nothing_are_refused(claims: list[Claim], sentence: str):
    with pytest.raises(ConfigError, match=sentence):
        study_of(3, *claims)


def test_a_trend_needs_three_places_and_one_measure():
    study = study_of(3)
    trend = claim("falls", "part-0", "part-1", "part-2").to_dict()

    def with_places(at: list[float], **more) -> Study:
        dial = {"name": "width", "at": {f"part-{place}": value for place, value in enumerate(at)}}
        return Study.parse(study.to_dict() | {"dial": dial, "claims": [trend]} | more)

    assert with_places([0, 1, 2]).claims
    with pytest.raises(ConfigError, match="fewer than 3 places"):
        with_places([0, 1, 1])
    other = [one.to_dict() | {"primary": f"reading/{name}/skill"} for one, name in zip(study.comparisons, "abc", strict=True)]
    with pytest.raises(ConfigError, match=r"more than one measure \(reading/a/skill"):
        with_places([0, 1, 2], comparisons=other)


def test_claims_about_what_is_not_finished_are_left_out_with_those_that_rest_on_them():
    study = STUDIES.load("ladder-short")
    kept, left = without(study.claims, [one.name for one in study.comparisons if not one.name.startswith("drawing")])
    assert [one.name for one in kept] == ["reading-helped"]
    assert [one.name for one in left] == ["drawing-helped", "mutual", "one-direction"]


def test_a_half_finished_study_says_which_claims_have_to_wait():
    from bothways.study.run import finished

    study = STUDIES.load("ladder-short")
    done = [SimpleNamespace(arm=arm.name, seed=0) for arm in study.arms if not arm.name.startswith("drawing")]
    shown = finished(study, done, Path("out"))
    assert [one.name for one in shown.study.claims] == ["reading-helped"]
    assert "drawing-alone is not finished" in shown.missing and "claim mutual rests on what is not finished" in shown.missing


def test_the_ladder_claims_what_its_card_does_over_every_control_but_the_skill_alone():
    study = STUDIES.load("ladder")
    for skill in ("reading", "drawing"):
        [found] = [one for one in study.claims if one.name == f"{skill}-helped"]
        of = [one.name for one in study.comparisons if one.primary.startswith(skill)]
        assert found.kind == "best placebo" and [found.alone, *found.over] == of


@pytest.mark.parametrize("truth", TRUTHS, ids=lambda truth: truth.name)
def test_where_nothing_helps_some_is_said_in_at_most_one_study_of_twenty(truth: Truth):
    studies, parts = 500, 4
    tables = truth.draw(0.0, (studies * parts, 5, 60), rng(0, "some", truth.name))
    found = crossed(tables)
    (low, high), (near_low, near_high) = found.interval(), found.interval(0.9)
    ends = zip(found.value, low, high, near_low, near_high, strict=True)
    supported = np.array([decide(v, (a, b), (c, d), LEAST) == "supported" for v, a, b, c, d in ends])
    said = corrected_some(supported.reshape(studies, parts), found.p_value.reshape(studies, parts))
    uncorrected = supported.reshape(studies, parts).any(1).mean()
    assert said.mean() <= 0.05 and said.mean() < uncorrected


def corrected_some(supported: np.ndarray, p_values: np.ndarray) -> np.ndarray:
    def one(row: tuple[np.ndarray, np.ndarray]) -> bool:
        parts = corrected([Part(name="", label="supported", gain=0, p_value=float(p)) for p in row[1]])
        return any(in_some(list(row[0]), [part.p_holm for part in parts]))

    return np.array([one(row) for row in zip(supported, p_values, strict=True)])
