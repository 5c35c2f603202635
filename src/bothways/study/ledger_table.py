"""The report's table of what each arm saw and cost: every budget, which of them was matched, operations by part, seconds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from bothways.study.budget import TOLERANCE
from bothways.study.ledger import OPTIMIZER, ArmLedger, Ledger, PartLedger
from bothways.study.plan import Plan
from bothways.study.study import Study
from bothways.study.tables import count, flops, seconds

Arms = list[ArmLedger | None]  # in the order of the study; None: nothing is known of it


@dataclass(frozen=True)
class LedgerRow:
    """`matched`: the study holds this the same in the arms that it compares."""

    name: str
    values: tuple[str, ...]
    note: str = ""
    matched: bool = False


def ledger_rows(study: Study, ledger: Ledger, plan: Plan | None) -> list[LedgerRow]:
    """What each arm saw and cost, its runs together. Rows without a number in them are left out."""
    arms: Arms = [ledger.arms.get(arm.name) for arm in study.arms]
    rows = [*_samples(study, plan), *_budgets(study, arms), *_operations(arms), *_tokenizers(arms)]
    return [row for row in rows if any(value not in ("–", "0") for value in row.values)] + _seconds(ledger, arms)


def _samples(study: Study, plan: Plan | None) -> list[LedgerRow]:
    names = [arm.name for arm in study.arms]
    matched = study.matching == "own-task samples"
    return [
        LedgerRow(f"samples of {source}", tuple(count(of.get(name, 0)) for name in names), _same(matched), matched)
        for source, of in (plan.samples if plan else {}).items()
    ]


def _budgets(study: Study, arms: Arms) -> list[LedgerRow]:
    def row(name: str, budget: str, value: Callable[[ArmLedger], str], note: str = "") -> LedgerRow:
        matched = study.matching == budget
        notes = [note, _same(matched, None if budget == "own-task samples" else TOLERANCE)]
        return LedgerRow(name, _each(arms, value), "; ".join(one for one in notes if one), matched)

    return [
        row("steps", "own-task samples", lambda arm: count(arm.steps)),
        row("samples", "", lambda arm: count(arm.samples)),
        row("image-text pairs", "image-text pairs", lambda arm: count(arm.pairs), "samples with a picture and a text"),
        row("images", "", lambda arm: count(arm.images)),
        row("tokens", "tokens", lambda arm: count(arm.tokens), "padding left out"),
        row("trained parameters", "", lambda arm: count(arm.parameters)),
        row("FLOPs of training", "FLOPs", lambda arm: flops(arm.flops), "forward, backward and optimizer; analytic"),
    ]


def _same(matched: bool, tolerance: float | None = None) -> str:
    if not matched:
        return ""
    return "matched where both arms of a comparison have it" if tolerance is None else f"matched, within {tolerance:.0%}"


def _operations(arms: Arms) -> list[LedgerRow]:
    """By part, by what they are for, and for one sample of each source."""
    known = [arm for arm in arms if arm is not None]
    parts = dict.fromkeys(name for arm in known for name in arm.parts)
    sources = dict.fromkeys(name for arm in known for name in arm.sources)
    rows = [
        LedgerRow(f"FLOPs: {name}", _each(arms, lambda arm, name=name: flops(arm.parts.get(name, PartLedger()).total)))
        for name in parts
    ]
    rows += [
        LedgerRow(f"FLOPs: {told}", _each(arms, lambda arm, use=use: flops(_for(arm, use))), "over all parts of the model")
        for use, told in (("frozen", "forward, frozen weights"), ("forward", "forward, trained weights"))
    ]
    rows.append(
        LedgerRow(
            "FLOPs: backward",
            _each(arms, lambda arm: flops(_for(arm, "through") + _for(arm, "weights"))),
            "over all parts of the model",
        )
    )
    return rows + [
        LedgerRow(f"FLOPs of one sample of {name}", _each(arms, lambda arm, name=name: flops(_of_one(arm, name))))
        for name in sources
    ]


def _for(arm: ArmLedger, use: str) -> float:
    return sum(getattr(part, use) for name, part in arm.parts.items() if name != OPTIMIZER)


def _of_one(arm: ArmLedger, name: str) -> float | None:
    source = arm.sources.get(name)
    return source.flops / source.samples if source else None


def _tokenizers(arms: Arms) -> list[LedgerRow]:
    once, again = "each picture once; arms share them, so they are no part of a budget", "had every sample been encoded anew"
    return [
        LedgerRow("FLOPs: encoding pictures", _each(arms, lambda arm: flops(arm.encoding.flops)), once),
        LedgerRow("FLOPs: encoding without a cache", _each(arms, lambda arm: flops(arm.encoding.flops_without_cache)), again),
        LedgerRow("FLOPs: decoding pictures", _each(arms, lambda arm: flops(arm.decoding.flops)), "in the last exam"),
    ]


def _seconds(ledger: Ledger, arms: Arms) -> list[LedgerRow]:
    rows = []
    for kind in ledger.kinds:
        once = ledger.shared.get(kind)
        note = f"{seconds(once)} once for all arms" if once is not None else ""
        rows.append(LedgerRow(f"seconds: {kind}", _each(arms, lambda arm, kind=kind: seconds(arm.seconds.get(kind))), note))
    totals = _each(arms, lambda arm: seconds(sum(arm.seconds.values())))
    return [*rows, LedgerRow("seconds: all", totals, f"{seconds(ledger.total_s)} together")]


def _each(arms: Arms, value: Callable[[ArmLedger], str]) -> tuple[str, ...]:
    return tuple("–" if arm is None else value(arm) for arm in arms)
