"""What a model sees of its samples, counted from their layout: pictures, pairs, tokens, and the positions each part works on.

A source is known by the first samples that the stream takes of it, laid out as at their steps, dropped conditions included: a
segment that is dropped is one token long. So all arms that take a source count the same for a sample of it. No torch here.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import astuple, dataclass
from functools import partial

import numpy as np

from bothways.core.sample import Image, Sample, Text
from bothways.data.configs import WorldSourceConfig
from bothways.data.dropout import dropped
from bothways.data.source import Source
from bothways.layout.sequence import Content, Duty, Sequence
from bothways.layout.wording import load_wording
from bothways.model.lay_out import lay_out
from bothways.recipes.recipe import Recipe
from bothways.recipes.sources import sources_of

NUM_SAMPLES = 128  # of a source that stand for all: lengths vary by 5 %, with dropped conditions by 9, so their mean by 1


@dataclass(frozen=True)
class Seen:
    """Numbers of one sample, of many together, or means."""

    samples: float = 0
    pairs: float = 0  # samples that hold a picture and a text, whether or not one of them is dropped
    images: float = 0  # pictures in the sequences, given and learned: an edit has two
    given_images: float = 0  # views of them as given tokens
    learned_images: float = 0  # views of them as learned tokens: an edit has two of these
    tokens: float = 0  # positions that go through the backbone, padding left out
    reads: float = 0  # attention's squares: the length of each sequence times itself, whatever the block rule hides of it
    text: float = 0  # positions that predict a text token or a mark
    image: float = 0  # positions that predict an image token
    given: float = 0  # positions that hold a given token
    drawn: float = 0  # positions that hold a learned token, as it is or with noise on it
    noised: float = 0  # those with noise on them
    edited: float = 0  # positions at which a token of the picture to be edited may be seen beside
    drawing: float = 0  # positions that hold or predict a token of a picture to be drawn

    @property
    def sharing(self) -> float:
        """All other positions."""
        return self.tokens - self.drawing

    def __add__(self, other: Seen) -> Seen:
        return Seen(*(one + more for one, more in zip(astuple(self), astuple(other), strict=True)))

    def __mul__(self, times: float) -> Seen:
        return Seen(*(times * one for one in astuple(self)))


def seen_in(sample: Sample, sequence: Sequence) -> Seen:
    """The numbers of one sample as it is laid out."""
    enters, duty = np.isin(sequence.content, (Content.CLEAN, Content.NOISED)), sequence.duty
    spans = {side: [span for span in sequence.images if span.learn == side] for side in (False, True)}
    held = {side: sum(int(enters[span.start : span.start + span.num_tokens].sum()) for span in spans[side]) for side in spans}
    views = {side: len({span.segment for span in spans[side] if not span.copy}) for side in spans}
    has_text = any(isinstance(segment, Text) and segment.content for segment in sample.segments)
    return Seen(
        samples=1,
        pairs=int(has_text and any(isinstance(segment, Image) for segment in sample.segments)),
        images=len({span.segment for span in sequence.images}),
        given_images=views[False],
        learned_images=views[True],
        tokens=len(sequence),
        reads=len(sequence) ** 2,
        text=int(np.isin(duty, (Duty.TEXT, Duty.MARK)).sum()),
        image=int((duty == Duty.IMAGE).sum()),
        given=held[False],
        drawn=held[True],
        noised=int((sequence.content == Content.NOISED).sum()),
        edited=int((sequence.source >= 0).sum()),
        drawing=int(sequence.drawing.sum()),
    )


def added(some: Iterable[Seen]) -> Seen:
    return sum(some, Seen())


def seen_of(recipe: Recipe) -> dict[str, Seen]:
    """Source -> mean numbers of one sample; sources that no step takes from are left out.

    Raises: ConfigError or DataError when a source cannot be had, or a sample is longer than `model.max_tokens`.
    """
    sources = sources_of(recipe, recipe.world.build())
    taken = {name: source.samples_per_step for name, source in recipe.data.sources.items() if source.samples_per_step}
    specs = recipe.model.given.spec, recipe.model.learned.spec
    lay = partial(lay_out, recipe.model, load_wording(recipe.model.text), *specs)
    found = {}
    for name, per_step in taken.items():
        sources[name].keep(lay)
        some = [seen_in(*one) for one in _laid_out(recipe, sources[name], per_step, lay)]
        found[name] = added(some) * (1 / len(some))
    return found


def _laid_out(recipe: Recipe, source: Source, per_step: int, lay: partial) -> Iterator[tuple[Sample, Sequence]]:
    for cursor in range(NUM_SAMPLES):
        sample, step = source.sample(cursor), cursor // per_step
        yield sample, lay(sample, dropped(sample, step, recipe.data), step, recipe.data.seed)


def whole_run(recipe: Recipe, one: dict[str, Seen]) -> dict[str, Seen]:
    """Source -> numbers of all its samples, from those of one (`seen_of`)."""
    return {name: seen * (recipe.data.sources[name].samples_per_step * recipe.train.steps) for name, seen in one.items()}


def distinct_pictures(recipe: Recipe, run: dict[str, Seen]) -> dict[str, dict[str, int]]:
    """Tokenizer ("given", "learned", and "latents" of a painter) -> pool -> pictures of it that a run (`whole_run`) shows it,
    each once: what a cache encodes. Pictures that come of edits are a pool of their own, and so are one's own."""
    found: dict[str, dict[str, int]] = {name: {} for name in recipe.model.tokenizers}
    for name, seen in run.items():
        source = recipe.data.sources[name]
        of_a_world = isinstance(source, WorldSourceConfig)
        pool = source.pool if of_a_world else name
        num = min(int(seen.samples), (source.num_pictures if of_a_world else _num_own(recipe, name)) or int(seen.samples))
        of_edits = {f"{pool}, edited": seen.samples} if of_a_world and name.endswith("/edit") else {}  # one a sample, drawn
        shown = {
            "given": {pool: seen.given_images},
            "learned": of_edits | {pool: seen.learned_images - sum(of_edits.values())},
        }
        if recipe.model.painter:
            shown["latents"] = of_edits or {pool: seen.learned_images}
        for side, pools in shown.items():
            for one in (one for one, times in pools.items() if times > 0):
                found[side][one] = max(found[side].get(one, 0), num)
    return found


def _num_own(recipe: Recipe, name: str) -> int:
    source = sources_of(recipe, recipe.world.build())[name]
    return len({picture.key for picture in source.pictures()})
