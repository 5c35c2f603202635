"""Batches as a pure function of the step: every source has its own cursor, a step takes a fixed number from each.

A unified arm takes B_u understanding and B_g drawing samples; a single-task arm takes the same B_u or B_g at the same cursor
and nothing else. So step t of both arms holds the same own-task samples and the same condition dropout.
"""

from __future__ import annotations

from collections.abc import Callable

from bothways.core.errors import ConfigError
from bothways.core.sample import AbstractPicture, Image, Sample
from bothways.data.configs import MixtureConfig
from bothways.data.dropout import dropped
from bothways.data.source import Source
from bothways.layout.batch import Batch, collate
from bothways.layout.sequence import Sequence


class MixtureStream:
    """`batches(step)` for the trainer."""

    def __init__(
        self,
        sources: dict[str, tuple[Source, int]],
        build: Callable[[Sample, frozenset[str], int], Sequence],
        attach: Callable[[Batch], Batch],
        config: MixtureConfig,
        micro_batches: int = 1,
    ):
        """`sources`: name -> (source, samples per step). `build(sample, drop, step)` lays out; `attach` adds tokens.

        Raises: ConfigError when no source takes a sample.
        """
        if not sources or not any(number for _, number in sources.values()):
            raise ConfigError("The mixture is empty: no source takes any sample per step; set data.sources.*.samples_per_step.")
        self.sources, self.build, self.attach, self.config = sources, build, attach, config
        self.micro_batches = micro_batches

    def samples(self, step: int) -> list[Sample]:
        """The samples of a step, source after source."""
        return [source.sample(step * number + index) for source, number in self.sources.values() for index in range(number)]

    def batches(self, step: int) -> list[Batch]:
        """The micro-batches of a step; samples are dealt in turn, so each holds every source where it can."""
        samples = self.samples(step)
        dealt = [samples[start :: self.micro_batches] for start in range(self.micro_batches)]
        return [self.attach(self._batch(some, step)) for some in dealt if some]

    def _batch(self, samples: list[Sample], step: int) -> Batch:
        return collate([self.build(sample, dropped(sample, step, self.config), step) for sample in samples], samples)


def pictures_of(samples: list[Sample]) -> list[AbstractPicture]:
    """Every picture that the samples hold, in order."""
    return [s.content for sample in samples for s in sample.segments if isinstance(s, Image) and s.content is not None]
