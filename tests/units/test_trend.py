"""Whether a gain follows the dial, on tables whose truth is known and on run folders."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from studies import fake_run, small_study

from bothways.core.randomness import rng
from bothways.evaluate.crossed import crossed
from bothways.study.compare import compare, table_of
from bothways.study.gather import gather
from bothways.study.simulate import TRUTHS, Truth
from bothways.study.study import Dial, Study
from bothways.study.trend import along

PLACES = (0.0, 0.25, 0.5, 1.0)


def test_the_change_is_that_of_the_least_squares_line_from_end_to_end():
    tables = [rng(0, "line", place).normal(size=(5, 20)) for place in range(4)]
    found = along(PLACES, tables)
    slope, _ = np.polyfit(PLACES, [table.mean() for table in tables], 1)
    assert found.value == pytest.approx(slope * 1.0)
    assert along([10 * place for place in PLACES], tables).value == pytest.approx(found.value), "in units of the gain"
    assert found.p_value == pytest.approx(along(PLACES, [-table for table in tables]).p_value)


def test_what_is_the_same_at_all_places_cancels():
    shared = rng(0, "shared").normal(size=(5, 1)) + rng(1, "shared").normal(size=(1, 20))
    found = along(PLACES, [0.3 * place + shared for place in PLACES])
    low, high = found.interval()
    assert found.value == pytest.approx(0.3) and high - low == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize("truth", TRUTHS, ids=lambda truth: truth.name)
def test_its_interval_covers_the_true_change(truth: Truth):
    studies = 600
    tables = [truth.draw(0.2 * place, (studies, 5, 60), rng(0, "trend", truth.name, place)) for place in PLACES]
    held = []
    for one in range(studies):
        low, high = along(PLACES, [table[one] for table in tables]).interval()
        held.append(low <= 0.2 <= high)
    assert 0.92 <= np.mean(held) <= 0.985


def dialled(kind: str, num: int = 4) -> Study:
    settings = [f"s{at}" for at in range(num)]
    arms = [{"name": f"{arm}-{name}"} for name in settings for arm in ("unified", "understanding")]
    comparisons = [
        {
            "name": name,
            "question": "?",
            "treatment": f"unified-{name}",
            "control": f"understanding-{name}",
            "primary": "reading/hour/skill",
        }
        for name in settings
    ]
    claims = [{"name": "follows", "sentence": "It follows.", "kind": kind, "over": settings}]
    dial = Dial(name="rotation", at=dict(zip(settings, PLACES, strict=True)))
    return small_study(arms=arms, comparisons=comparisons, claims=claims, dial=dial.to_dict(), seeds=range(5))


@pytest.fixture(scope="module")
def runs(tmp_path_factory) -> dict[str, list[Path]]:
    """Reading gains less and less: 0.4, 0.3, 0.2 and nothing. The runs without drawing are alike at every setting."""
    folder = tmp_path_factory.mktemp("runs")
    right = {f"unified-s{at}": 0.9 - 0.4 * place for at, place in enumerate(PLACES)}
    found = {
        arm: [fake_run(folder / f"{arm}-{seed}", {"hour": one}, seed=seed, num=24) for seed in range(5)]
        for arm, one in right.items()
    }
    alone = [fake_run(folder / f"alone-{seed}", {"hour": 0.5}, seed=seed, num=24) for seed in range(5)]
    return found | {f"understanding-s{at}": alone for at in range(4)}


def test_a_gain_that_falls_along_the_dial_is_seen_to_fall_and_not_to_rise_which_refutes_nothing(runs):
    [falls] = gather(dialled("falls"), runs).claims
    assert (falls.label, falls.headline) == ("supported", "trend seen") and falls.p_value < 0.05
    assert falls.sentence.startswith("It follows. The trend is seen over rotation from 0 to 1, 4 settings")
    [rises] = gather(dialled("rises"), runs).claims
    assert (rises.label, rises.headline) == ("undecided", "trend not seen")
    assert "refutes nothing beyond these settings" in rises.sentence and "−0." in rises.sentence


def test_a_trend_over_what_was_not_measured_or_with_few_seeds_is_undecided(runs):
    study = dialled("falls")
    unmeasured = Study.parse(
        study.to_dict() | {"comparisons": [c.to_dict() | {"primary": "reading/hou/skill"} for c in study.comparisons]}
    )
    assert gather(unmeasured, runs).claims[0].headline == "undecided: not measured"
    few = gather(study, {arm: some[:2] for arm, some in runs.items()})
    assert few.claims[0].headline == "undecided at this budget"


def test_a_table_of_differences_is_what_a_comparison_judges(runs):
    pair = (runs["unified-s0"], runs["understanding-s0"])
    pictures, table = table_of(*pair, "reading/hour/skill")
    found = compare(*pair)["reading/hour/skill"]
    assert pictures == sorted(pictures) and table.shape == (5, len(pictures))
    assert (found.low, found.high) == pytest.approx(crossed(table).interval())
