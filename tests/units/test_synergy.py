"""The synergy card of studies whose truth is known: mutual, one-way, explained by a placebo, and too few seeds."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest
from studies import fake_run, small_recipe, small_study
from test_report import Balanced

from bothways.core.errors import DataError
from bothways.studies.ladder import SHORT, UNIFIED
from bothways.study.ledger import ArmLedger, Ledger
from bothways.study.plan import plan
from bothways.study.report import Standing
from bothways.study.run import Results
from bothways.study.study import Arm, Comparison
from bothways.study.synergy import Card, card_of, corrected, result_of
from bothways.study.synergy_card import costs, facts, headline, rows, write_card

CONTROLS = {"reading": ("alone", "captions", "shuffled"), "drawing": ("alone", "requests", "shuffled")}
OTHER = {"reading": "data.sources.watch/draw.samples_per_step", "drawing": "data.sources.watch/vqa.samples_per_step"}
LUCK = (0.0, 0.03, -0.02, 0.01, -0.03)  # of the controls, by seed


@pytest.fixture(scope="module")
def run_of(tmp_path_factory) -> Callable[..., Path]:
    """A run that knows the hands with some chance; equal ones are one."""
    folder = tmp_path_factory.mktemp("runs")

    @cache
    def made(right: float, seed: int, steps: tuple[int, ...]) -> Path:
        run = fake_run(
            folder / f"{right}-{seed}-{len(steps)}", {"hour": right, "minute": right}, seed=seed, steps=steps, num=36
        )
        log = run / "log.jsonl"
        shares = {"watch/vqa:text": 0.75, "watch/draw:image": 0.25 + 0.1 * seed}
        log.write_text(log.read_text() + json.dumps({"step": 400, "shares": shares}) + "\n")
        return run

    return made


@pytest.fixture(scope="module")
def carded(run_of) -> Callable[..., Card]:
    """The card of a truth: `unified`, and of each skill what each control knows (alone, the same pictures, shuffled)."""

    def card(
        reading: tuple[float, ...], drawing: tuple[float, ...], unified: float, seeds: int = 5, steps: tuple[int, ...] = ()
    ) -> Card:
        truth = {UNIFIED: unified}
        for skill, levels in (("reading", reading), ("drawing", drawing)):
            truth |= {f"{skill}-{name}": level for name, level in zip(CONTROLS[skill], levels, strict=True)}
        folders = {
            arm: [run_of(level + (LUCK[seed] if level != unified else 0.0), seed, steps) for seed in range(seeds)]
            for arm, level in truth.items()
        }
        whole = ArmLedger.parse({"steps": 400 * seeds, "samples": 1000 * seeds, "parts": {"head": {"forward": 3e9 * seeds}}})
        ledger = Ledger(arms=dict.fromkeys(truth, whole))
        return card_of(Results(plan(study(seeds), small_recipe()), folders, ledger, Standing()))

    return card


def study(seeds: int):
    pairs = [(skill, name) for skill, names in CONTROLS.items() for name in names]
    arms = [Arm(name=f"{skill}-{name}", changes={OTHER[skill]: 0} if name == "alone" else {}) for skill, name in pairs]
    comparisons = [
        Comparison(
            name=f"{skill}-{name}",
            question="?",
            treatment=UNIFIED,
            control=f"{skill}-{name}",
            primary=f"{skill}/hands/skill",
        )
        for skill, name in pairs
    ]
    return small_study(arms=(*arms, Arm(name=UNIFIED)), comparisons=tuple(comparisons), seeds=tuple(range(seeds)))


def said(card: Card) -> str:
    told = [*facts(card), *(row for one in card.directions for row in rows(one))]
    return "\n".join([*(f"{name}: {value}" for name, value in told), *map(headline, card.directions)])


def test_where_both_skills_beat_every_placebo_the_card_says_mutual(carded):
    card = carded((0.4, 0.45, 0.4), (0.4, 0.4, 0.5), 0.8)
    reading, drawing = card.directions
    assert card.result == "mutual" and (reading.skill, drawing.skill) == ("reading", "drawing")
    assert (reading.best.control, drawing.best.control) == ("captions", "shuffled"), "the placebo with the highest mean"
    for one in card.directions:
        assert one.best.label == one.alone.label == "supported" and one.p_holm < 0.05
        assert one.best.value == pytest.approx(one.both - one.best.mean) and 0 < one.best.low < one.best.value < one.best.high
        assert one.best.value < one.alone.value and all(one.best.value < other.value for other in one.placebos)
    assert "What drawing says of its pictures helps reading." in said(card)


def test_where_one_skill_alone_gains_the_card_says_which(carded):
    card = carded((0.4, 0.45, 0.4), (0.8, 0.8, 0.8), 0.8)
    assert card.result == "one direction"
    assert [one.best.label for one in card.directions] == ["supported", "no effect"]
    assert "moves drawing by less than 0.05" in said(card)


def test_what_a_placebo_explains_is_no_synergy_however_large_the_gain(carded):
    card = carded((0.4, 0.8, 0.4), (0.4, 0.4, 0.8), 0.8)
    assert card.result == "not shown"
    assert [(one.alone.label, one.best.label) for one in card.directions] == [("supported", "no effect")] * 2
    assert "There is a gain over reading alone, not shown to be more than the placebo `captions` brings." in said(card)


def test_what_beats_its_placebos_but_not_the_skill_alone_is_no_synergy(carded):
    card = carded((0.9, 0.4, 0.4), (0.9, 0.4, 0.4), 0.7)
    assert [one.best.label for one in card.directions] == ["supported"] * 2
    assert card.result == "not shown" and "Yet reading alone is better" in said(card)


@pytest.mark.parametrize("seeds", [1, 3])
def test_with_fewer_than_five_seeds_the_card_is_a_pilot(carded, seeds: int):
    card = carded((0.4, 0.45, 0.4), (0.4, 0.4, 0.5), 0.8, seeds=seeds)
    assert card.result == "pilot" and "a verdict takes 5" in said(card)
    assert {one.best.label for one in card.directions} <= {"pilot", "undecided"}


def test_one_direction_is_corrected_for_having_asked_two(carded):
    reading, drawing = carded((0.4, 0.45, 0.4), (0.8, 0.8, 0.8), 0.8).directions

    def result(p_value: float, other: float) -> str:
        values = zip((reading, drawing), (p_value, other), strict=True)
        return result_of(corrected([one.with_changes({"best": {"p_value": p}}) for one, p in values]), enough=True)

    assert result(0.02, 0.9) == "one direction" and result(0.03, 0.9) == "not shown"


def test_exchange_rates_are_told_where_there_are_curves_and_why_not_where_there_are_none(carded):
    flat = carded((0.4, 0.45, 0.4), (0.4, 0.4, 0.5), 0.8)
    for one in flat.directions:
        assert [(found.rate, found.name) for found in one.exchanges] == [(None, "hands")]
        assert "train.milestones" in one.exchanges[0].missing
    card = carded((0.4, 0.45, 0.4), (0.4, 0.4, 0.5), 0.8, steps=(100, 200, 300))
    found = {one.name: one for one in card.directions[0].exchanges}
    assert list(found) == ["hands", "hour", "minute", "battery"], "the primary level, and attributes that are no gates"
    for name in ("hands", "hour", "minute"):
        one = found[name]
        assert one.measure == f"reading/{name}/skill" and one.rate.low < one.rate.value < one.rate.high
        assert one.beyond_placebo.value < one.rate.value and one.placebo == "reading-captions"
    assert "exchange rate, hour: one drawing sample is worth +" in said(card)
    [drawn] = card.directions[1].exchanges
    assert drawn.name == "image tokens", "nothing was drawn at these checkpoints"
    assert "drawing samples; less what shuffled was worth: " in said(card) and "(by nll/image_tokens/nats)" in said(card)


def test_samples_costs_and_shares_are_those_of_one_run(carded):
    card = carded((0.4, 0.45, 0.4), (0.4, 0.4, 0.5), 0.8)
    reading, drawing = card.directions
    assert (reading.own_samples, reading.other_samples) == (48 * 400, 40 * 400)
    assert (drawing.own_samples, drawing.other_samples) == (40 * 400, 48 * 400)
    assert card.costs[-1].arm == UNIFIED and (card.costs[-1].flops, card.costs[-1].samples) == (3e9, 1000)
    assert costs(card)[-1][:3] == (UNIFIED, "3.0 × 10⁹", "1,000")
    assert card.shares == pytest.approx({"watch/vqa:text": 0.75, "watch/draw:image": 0.45})


def test_the_page_is_whole_and_the_file_holds_the_card(carded, tmp_path):
    card = carded((0.4, 0.8, 0.4), (0.4, 0.45, 0.4), 0.8)
    path, parser = write_card(card, tmp_path), Balanced()
    parser.feed(path.read_text())
    assert parser.open == parser.faults == [] and parser.loads == ["report.html"]
    assert Card.parse(json.loads((tmp_path / "card.json").read_text())) == card
    for words in ("Labels saved:", "Follows the swap:", "placebo `captions`", "not asked; --labels"):
        assert words in path.read_text() and words in (tmp_path / "card.md").read_text()
    tables = [line for line in (tmp_path / "card.md").read_text().splitlines() if line.startswith("|")]
    assert {line.count("|") for line in tables} == {3, 5}, "no cell breaks its row"


def test_a_skill_that_was_not_measured_is_missing_and_without_any_there_is_no_card(tmp_path):
    seeds = 2
    unasked = [fake_run(tmp_path / str(seed), {}, arm="understanding", seed=seed, num=10) for seed in range(seeds)]
    planned = plan(study(seeds), small_recipe())
    folders = {arm.name: unasked for arm in planned.study.arms}
    ledger = Ledger(arms={name: ArmLedger() for name in folders})
    card = card_of(Results(planned, folders, ledger, Standing()))
    assert [one.skill for one in card.directions] == ["reading"] and result_of(card.directions, enough=True) == "not shown"
    assert "missing: `drawing/hands/skill` was not measured in all arms" in said(card)
    drawing = {"comparisons": [c.to_dict() for c in planned.study.comparisons if c.name.startswith("drawing")]}
    planned = plan(planned.study.with_changes(drawing), small_recipe())
    with pytest.raises(DataError, match="there is no card"):
        card_of(Results(planned, folders, ledger, Standing()))


def test_the_short_ladder_is_what_a_card_reads():
    for skill, names in CONTROLS.items():
        of = [c for c in SHORT.comparisons if c.primary.startswith(f"{skill}/")]
        assert [c.control for c in of] == [f"{skill}-{name}" for name in names] and {c.treatment for c in of} == {UNIFIED}
