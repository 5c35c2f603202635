"""What a study cost: seconds by kind of work, and by arm, source and part of the model samples, pictures, tokens, operations.

Seconds are measured; everything else follows from recipe and layout (recipes/seen.py, recipes/flops.py).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from pydantic import Field

from bothways.core.config import Config

if TYPE_CHECKING:
    from bothways.recipes.spending import Spending

KINDS = ("render", "encode", "train", "evaluate", "draw", "read")
OPTIMIZER = "optimizer"  # stands among the parts; what it does is no gradient
COUNTS = ("steps", "samples", "pairs", "images", "tokens")  # of an `ArmLedger`; they add up over runs


class SourceLedger(Config):
    """All samples of one source."""

    samples: int
    pairs: int  # samples that hold a picture and a text
    images: int  # pictures in their sequences
    tokens: int  # positions that went through the backbone, padding left out
    flops: float  # of training on them, without the optimizer's


class PartLedger(Config):
    """Floating-point operations of one part of the model, by what they are for."""

    frozen: float = 0.0  # forward, where no weight is trained
    forward: float = 0.0  # forward, where weights are trained
    through: float = 0.0  # gradients of what comes in
    weights: float = 0.0  # gradients of weights; of the optimizer its own products

    @property
    def total(self) -> float:
        return self.frozen + self.forward + self.through + self.weights


class EncodingLedger(Config):
    """What the frozen tokenizers did for training, and would have done without a cache."""

    pictures: int = 0  # encoded, each once a tokenizer
    flops: float = 0.0
    flops_without_cache: float = 0.0


class DecodingLedger(Config):
    """What the learned tokenizer made of tokens in the last exam, reconstructions too."""

    pictures: int = 0
    flops: float = 0.0


class ArmLedger(Config):
    """One run of one arm, or the sum over several."""

    seconds: dict[str, float] = Field({})  # kind of work (see KINDS) -> seconds
    parameters: int | None = None  # trained
    steps: int | None = None
    samples: int | None = None  # over the whole run, all sources
    pairs: int | None = None  # samples that hold a picture and a text
    images: int | None = None  # pictures in their sequences
    tokens: int | None = None  # positions that went through the backbone in training, padding left out
    sources: dict[str, SourceLedger] = Field({})
    parts: dict[str, PartLedger] = Field({})
    encoding: EncodingLedger = EncodingLedger()  # shared by all arms of a study, which encode a picture once together
    decoding: DecodingLedger = DecodingLedger()  # in the last exam, at most

    @property
    def flops(self) -> float | None:
        """Training, forward and backward and the optimizer's; encoding and exams left out. None where it was not counted."""
        return sum(part.total for part in self.parts.values()) if self.parts else None


class Ledger(Config):
    """`shared`: seconds of work done once for all arms. `arms`: arm -> sum over its runs (parameters of one)."""

    shared: dict[str, float] = Field({})
    arms: dict[str, ArmLedger] = Field({})
    machine: str = ""  # e.g. "2 cores, x86_64"

    @property
    def kinds(self) -> list[str]:
        """All kinds of work that took time, the usual ones first."""
        seen = {kind for one in (self.shared, *(arm.seconds for arm in self.arms.values())) for kind in one}
        return [kind for kind in KINDS if kind in seen] + sorted(seen - set(KINDS))

    @property
    def total_s(self) -> float:
        return sum(self.shared.values()) + sum(sum(arm.seconds.values()) for arm in self.arms.values())


def added(costs: Sequence[ArmLedger]) -> ArmLedger:
    """The sum over an arm's runs; parameters of one."""
    return ArmLedger(
        seconds=_by_key(cost.seconds for cost in costs),
        parameters=costs[0].parameters,
        **{name: sum(getattr(cost, name) or 0 for cost in costs) or None for name in COUNTS},
        sources=_records([cost.sources for cost in costs]),
        parts=_records([cost.parts for cost in costs]),
        encoding=_by_key(cost.encoding.to_dict() for cost in costs),
        decoding=_by_key(cost.decoding.to_dict() for cost in costs),
    )


def _records(some: Sequence[Mapping[str, Config]]) -> dict[str, dict[str, float]]:
    names = dict.fromkeys(name for one in some for name in one)
    return {name: _by_key(one[name].to_dict() for one in some if name in one) for name in names}


def _by_key(some: Iterable[Mapping[str, float]]) -> dict[str, float]:
    found: dict[str, float] = {}
    for one in some:
        for key, value in one.items():
            found[key] = found.get(key, 0) + value
    return found


def counted(spent: Spending) -> dict[str, Any]:
    """The fields of an `ArmLedger` that follow from recipe and layout, of one run."""
    sources = {
        name: {
            "samples": round(seen.samples),
            "pairs": round(seen.pairs),
            "images": round(seen.images),
            "tokens": round(seen.tokens),
            "flops": sum(work.total for work in spent.sources[name].values()),
        }
        for name, seen in spent.seen.items()
    }
    parts = {name: asdict(work) for name, work in spent.parts.items()}
    if spent.optimizer:
        parts[OPTIMIZER] = {"weights": spent.optimizer}
    totals = {name: sum(source[name] for source in sources.values()) for name in ("pairs", "images", "tokens")}
    apart = {"encoding": asdict(spent.encoding), "decoding": asdict(spent.decoding)}
    return {**totals, "sources": sources, "parts": parts, **apart}
