"""What the model reads at one step of drawing, as one sequence, to be printed. No torch."""

from __future__ import annotations

from dataclasses import replace

from bothways.core.sample import Image, Sample
from bothways.generate.row import Chunk, Row, sequence_of
from bothways.layout.build import Piece
from bothways.layout.sequence import Sequence, joined


def begun(sample: Sample) -> Sample | None:
    """The sample up to its first learned image, which is still to be drawn; None where it learns none."""
    for index, segment in enumerate(sample.segments):
        if isinstance(segment, Image) and segment.learn:
            return replace(sample, segments=(*sample.segments[:index], replace(segment, content=None)))
    return None


def at_step(sample: Sample, pieces: list[Piece], draw_steps: int, step: int) -> tuple[Sequence, int]:
    """The sequence of step `step` (from 0) of `draw_steps`, and how many tokens of the image are known by then.

    It holds what is in the cache, what is read, and the private positions that ask for places. `sample`: from `begun`, and
    `pieces` its layout. Values of drawn tokens do not matter, so they are not drawn.
    """
    row = Row(sample, pieces, end_id=-1, max_text_tokens=1, seed=0, draw_steps=draw_steps)
    chunk = row.open()
    parts, known = [chunk.read], 0
    for _ in range(step):
        known += row.num_asked
        chunk = row.take([0] * row.num_asked)
        assert isinstance(chunk, Chunk)
        parts.append(chunk.read)
    return joined([*parts, sequence_of(chunk.asks, asks=True)]), known
