"""What will be measured of a model, before there is one: an exam answered as its references say, and marked.

So no list of names has to be kept beside the measures. No pictures are made: what a drawing shows is what was asked for.
"""

from __future__ import annotations

from collections.abc import Collection

from bothways.data.worlds import ExamItem, exam
from bothways.evaluate import MEASURES
from bothways.evaluate.answers import Line, rebuilt_id
from bothways.evaluate.exam import sheet, text_of
from bothways.evaluate.paper import Paper
from bothways.worlds.world import AbstractWorld

NUM_SCENES = 48  # not every scene of every world can be asked for everything
PICTURES = ("drawing", "open_drawing", "edit")
_KNOWN: dict[tuple[str, frozenset[str]], frozenset[str]] = {}  # arms and studies ask about the same few worlds


def measurable(world: AbstractWorld, kinds: Collection[str]) -> frozenset[str]:
    """Names of measures (`reading/hands/skill`) of an exam in this world that asks for items of these kinds, by a head with
    a likelihood. One without measures `tokens/image/...` in place of nats of image tokens."""
    key = world.config.digest(), frozenset(kinds)
    if key not in _KNOWN:
        paper = _perfect(world, exam(world, num_pictures=NUM_SCENES, kinds=kinds))
        _KNOWN[key] = frozenset(one.name for kind in MEASURES for one in MEASURES.load(kind)(paper))
    return _KNOWN[key]


def _perfect(world: AbstractWorld, items: Collection[ExamItem]) -> Paper:
    lines = [_line(item) for item in items]
    readings = {item.id: item.requested or item.scene for item in items if item.kind in PICTURES}
    readings |= {rebuilt_id(item.id): item.scene if item.kind == "drawing" else item.requested for item in items}
    asked = sheet(world, items, split="test", size_px=0, how={}, num_entropy_scenes=NUM_SCENES)
    return Paper(asked, tuple(lines), world, readings)


def _line(item: ExamItem) -> Line:
    reference = text_of(item.sample, learned=True)
    return Line(
        id=item.id,
        kind=item.kind,
        picture=item.picture,
        attribute=item.attribute,
        tier=item.tier,
        reference=reference,
        answer=reference,
        scene=item.scene,
        requested=item.requested,
        image="as asked" if item.kind in PICTURES else None,
        nll=None if item.kind == "open_drawing" else 1.0,
        num_tokens=1,
    )
