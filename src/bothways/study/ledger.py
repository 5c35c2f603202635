"""What a study cost: seconds by kind of work, parameters, steps, samples, tokens, estimated floating-point operations."""

from __future__ import annotations

from pydantic import Field

from bothways.core.config import Config

KINDS = ("render", "encode", "train", "evaluate", "draw", "read")


class ArmLedger(Config):
    """One run of one arm."""

    seconds: dict[str, float] = Field({})  # kind of work (see KINDS) -> seconds
    parameters: int | None = None  # trained
    steps: int | None = None
    samples: int | None = None  # over the whole run, all sources
    tokens: int | None = None  # positions that went through the backbone in training, padding left out

    @property
    def flops(self) -> float | None:
        """Training operations: 6 a parameter and token (forward 2, backward 4); attention and tokenizers are left out.

        Source: Kaplan et al. 2020, arXiv 2001.08361, section 2.1.
        """
        return None if self.parameters is None or self.tokens is None else 6.0 * self.parameters * self.tokens


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
