"""What a run is trained on. No torch here."""

from __future__ import annotations

from pydantic import Field

from bothways.core.config import Config


class SourceConfig(Config):
    """One source of samples in the mixture."""

    samples_per_step: int = Field(ge=0)  # rows that each step takes from this source
    num_pictures: int = Field(0, ge=0)  # distinct pictures in the pool, repeated in epochs; 0 = a fresh picture every time
    pool: str = "shared"  # sources with the same pool name see the same pictures; other names, disjoint ones


class MixtureConfig(Config):
    """The sources of a run, e.g. `watch/vqa`, `watch/caption`, `watch/draw`, `watch/text`."""

    sources: dict[str, SourceConfig] = {}
    drop_condition: float = Field(0.1, ge=0, le=1)  # share of drawing samples whose request becomes `nothing` (for guidance)
    seed: int = 0  # names the shuffles, wordings and dropouts
