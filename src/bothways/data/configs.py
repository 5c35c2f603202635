"""What a run is trained on. No torch here."""

from __future__ import annotations

from bothways.core.config import Config


class SourceConfig(Config):
    """One source of samples in the mixture."""

    samples_per_step: int  # rows that each step takes from this source
    num_pictures: int = 0  # distinct pictures in the pool, repeated in epochs; 0 = a fresh picture every time
    pool: str = "shared"  # sources with the same pool name see the same pictures; other names, disjoint ones


class MixtureConfig(Config):
    """The sources of a run, e.g. `watch/vqa`, `watch/caption`, `watch/draw`, `watch/text`."""

    sources: dict[str, SourceConfig] = {}
    drop_condition: float = 0.1  # share of drawing samples whose request is replaced by `nothing` (for guidance)
    seed: int = 0  # names the shuffles, wordings and dropouts
