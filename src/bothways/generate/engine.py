"""The engine: rows, each in its own phase, and one step function that serves all of them with one backbone call.

Batch generation starts all rows at once; rows that are done leave. What a row gets does not depend on its neighbours:
padding has its own document, positions are explicit, and every draw comes from a generator named by (seed, sample, segment).
The slow, obvious way, one pass over the whole sequence for every token, is the reference in tests/equivalence/test_engine.py.
"""

from __future__ import annotations

import functools
import math
import sys
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from bothways.core.errors import ConfigError, DataError
from bothways.core.sample import ArrayPicture, Image, OpenTurn, Sample, Text
from bothways.generate.entering import Entering, apart
from bothways.generate.in_place import draw_in_place
from bothways.generate.memory import Memory
from bothways.generate.row import Chunk, Row, Token, Value
from bothways.heads.choose import How, pick
from bothways.layout.build import pieces
from bothways.layout.order import Drawing, check_draw_steps
from bothways.model.unified import UnifiedModel

Feed = Callable[[Row, list[Value]], list[Value]]  # (row, what it has just produced) -> what it goes on with


@torch.inference_mode()
def fill(
    model: UnifiedModel,
    samples: list[Sample],
    how: How = How(),
    batch_size: int = 64,
    progress: Callable[[int], None] = lambda done: None,
) -> list[Sample]:
    """The samples with every empty learned segment filled, in order.

    Raises: DataError when a sample does not fit the model's context.
    """
    filled: list[Sample] = []
    for start in range(0, len(samples), batch_size):
        some = samples[start : start + batch_size]
        filled += run(Engine(model, how), some).results()
        progress(len(some))
    return filled


@torch.inference_mode()
def run(engine: Engine, samples: list[Sample]) -> Engine:
    """The engine with these samples written and drawn; what came out is in its rows, and `results` makes pictures of it."""
    engine.add(samples)
    while engine.active:
        engine.step()
    return engine


class Engine:
    """Fills samples. With guidance, every sample has a second row where what it is guided by (its given texts, else its given
    pictures) is replaced by `nothing`; it reads the same produced tokens."""

    def __init__(self, model: UnifiedModel, how: How, feed: Feed = lambda row, tokens: tokens):
        """`feed`: what a row goes on with, given what it has just produced; teacher forcing hands it the truth instead."""
        self.model, self.how, self._feed = model.eval() if model.training else model, how, feed
        self.device = model.nothing_text.device
        self.rows: list[Row] = []
        self._entering = Entering(self.model)
        self.active: list[int] = []  # indices of rows still being written, in the order of the memory

    def add(self, samples: list[Sample]) -> None:
        """Start with these samples (all at once). Raises: DataError when one does not fit, ConfigError when an image is to be
        drawn in a way that the head or the order of training does not know, or a turn is open to a model that was not taught to
        decide when to draw."""
        asked = [segment for sample in samples for segment in sample.segments if segment.to_write]
        if any(isinstance(segment, OpenTurn) for segment in asked):
            self.model.config.check_decides_to_draw()
        # Guidance is for images; without one to draw, the second set of rows would be wasted work.
        wants_image = any(isinstance(s, Image) or (isinstance(s, OpenTurn) and s.max_images) for s in asked)
        if wants_image:
            self.model.config.check_can_draw()
            self.model.head.config.check_how(self.how)
            check_draw_steps(self.how.draw_steps, self.model.learned.spec.num_tokens, self.model.config.drawing)
        for sample in samples:
            self.rows.append(self._row(sample, frozenset()))
        self.guided = self.how.guidance != 1.0 and wants_image
        self.shadows = [self._row(sample, sample.guided_by) for sample in samples] if self.guided else []
        longest = max(map(self._length, [*self.rows, *self.shadows]))
        if longest > self.model.config.max_tokens:
            raise DataError(
                f"The prompt and what is to be written may take {longest} tokens and the model's context holds "
                f"{self.model.config.max_tokens}; shorten the text or lower max_text_tokens."
            )
        self._chunks: list[Token | Chunk | None] = [row.open() for row in [*self.rows, *self.shadows]]
        self.memory = Memory(self.model.backbone, len(self._chunks), getattr(torch, self.how.dtype), self.device)
        self.active = [index for index, row in enumerate(self.rows) if row.phase != "done"]
        self._drop_done()

    def step(self) -> None:
        """One backbone call: every active row reads its chunk and produces a token, or several of a picture. Pictures that are
        predicted in place come whole, with backbone calls of their own."""
        hidden = self._run()
        half = len(self.active)
        own, shadow = hidden.chunk(2) if self.guided else (hidden, None)
        tokens = self._choose(own, shadow)
        for place, index in enumerate(self.active):
            fed = self._feed(self.rows[index], tokens[place])
            self._chunks[place] = self.rows[index].take(fed)
            if self.guided:
                self._chunks[half + place] = self.shadows[index].take(fed)
        self._drop_done()

    def results(self) -> list[Sample]:
        """The filled samples; images are decoded in one go."""
        drawn = [(row, segment) for row in self.rows for segment in row.drawn]
        pictures: dict[tuple[int, int], np.ndarray] = {}
        if drawn:
            predicted = torch.from_numpy(np.stack([row.drawn[segment] for row, segment in drawn])).to(self.device)
            found = self.model.paint(predicted)
            pictures = {(id(row), segment): picture for (row, segment), picture in zip(drawn, found, strict=True)}
        return [self._filled(row, pictures) for row in self.rows]

    def length(self, sample: Sample) -> int:
        """Positions that a sample may take in all, whatever its open turns and texts become."""
        return self._length(self._row(sample, frozenset()))

    def _row(self, sample: Sample, drop: frozenset[str]) -> Row:
        lay_out = functools.partial(
            pieces,
            wording=self.model.wording,
            given=self.model.given.spec,
            learned=self.model.learned.spec,
            drawing=self._drawing,
            causal_given=self.model.config.causal_given,
            same_tokens=self.model.config.same_tokens,
            drop=drop,
            seed=self.how.seed,
        )
        how, wording = self.how, self.model.wording
        return Row(
            sample,
            lay_out(sample),
            wording.end,
            how.max_text_tokens,
            how.seed,
            how.draw_steps,
            known=self._known(sample),
            open_id=wording.open if self.model.config.learn_marks else -1,
            lay_out=lay_out,
        )

    @functools.cached_property
    def _drawing(self) -> Drawing:
        return self.model.config.drawn_in(self.how.order)

    def _known(self, sample: Sample) -> dict[int, list[Value]]:
        """Segment -> the tokens of its picture, as the head would have predicted them, where a part of it is kept. Raises:
        ConfigError where that cannot be."""
        kept = {index: s for index, s in enumerate(sample.segments) if isinstance(s, Image) and s.keep is not None}
        spec = self.model.learned.spec
        for segment in kept.values():
            places = segment.keep.places(spec.grid)
            if self.model.config.order == "raster" and not self._drawing.in_place and places[-1] != len(places) - 1:
                raise ConfigError(
                    "The model was trained in raster order, so it can only go on where a picture's upper rows end; keep whole "
                    "rows from the top (top-half, say), or train with model.order=random."
                )
        tokens = {index: self.model.encodings.learned.tokens([s.content])[0].to(self.device) for index, s in kept.items()}
        return {index: apart(self.model.target.of(them)) for index, them in tokens.items()}

    def _length(self, row: Row) -> int:
        """Positions that a row may take in all: what is given, and what it may write."""
        written = [row.sample.segments[piece.segment] for piece in row.pieces if piece.to_write and not piece.body]
        return sum(len(run) for piece in row.pieces for run in piece.runs) + sum(map(self._most, written))

    def _most(self, segment: Text | OpenTurn) -> int:
        """Positions that a text or an open turn may take; an image takes its tokens and two marks."""
        if isinstance(segment, OpenTurn):
            return segment.max_text_tokens + 1 + segment.max_images * (self.model.learned.spec.num_tokens + 2)
        return self.how.max_text_tokens + 1

    def _run(self) -> Float[Tensor, "N D"]:
        """Hidden states of all positions that ask, row after row."""
        owners = self._owners()
        if all(isinstance(chunk, Token) for chunk in self._chunks):
            return self.memory.read(self._entering.tokens([(token,) for token in self._chunks], owners, 0))[:, -1]
        chunks = [Chunk((chunk,)) if isinstance(chunk, Token) else chunk for chunk in self._chunks]
        asks = [len(chunk.asks) for chunk in chunks]
        most = max(asks)
        alike = len({(len(c.tokens), len(c.asks)) for c in chunks}) == 1 and all(c.given is None for c in chunks)
        if alike:
            inputs = self._entering.tokens([c.tokens + c.asks for c in chunks], owners, most)
        else:
            inputs = self._entering.chunks(chunks, owners, most)
        hidden = self.memory.read(inputs)
        if most:  # those that only asked leave no trace
            self.memory.forget(most)
        # Private positions stand at the end of each row, and where there are none, what is read last asks.
        rows = [row for row, num in enumerate(asks) for _ in range(num or 1)]
        columns = [column for num in asks for column in (range(-num, 0) if num else (-1 - most,))]
        return hidden[rows, columns]

    def _owners(self) -> list[Row]:
        """The rows in the order of the memory: those still being written, then their shadows."""
        own = [self.rows[index] for index in self.active]
        return own + [self.shadows[index] for index in self.active] if self.guided else own

    def _choose(self, own: Float[Tensor, "N D"], shadow: Float[Tensor, "N D"] | None) -> list[list[Value]]:
        """What each active row is given, from the states of all positions that ask, row after row."""
        rows = [self.rows[index] for index in self.active]
        asks = [row for row in rows for _ in range(row.num_asked)]
        tokens: dict[int, list[Value]] = {id(row): [] for row in rows}
        for phase in ("text", "image"):
            at = [index for index, row in enumerate(asks) if row.phase == phase]
            if not at:
                continue
            draws = [asks[index].draws for index in at]
            hidden, unguided = (part if part is None or len(at) == len(asks) else part[at] for part in (own, shadow))
            if phase == "text":
                chosen = self._choose_text(hidden, [asks[index] for index in at])
            else:
                drawing = [row for row in rows if row.phase == "image"]
                place = [place for row in drawing for place in row.places]
                revealed = [row.revealed for row in drawing for _ in row.places]
                place, revealed = (torch.tensor(them, device=self.device) for them in (place, revealed))
                chosen, sure = self.model.head.sample(hidden, unguided, place, revealed, self.how, draws)
                for index, probability in zip(at, sure.tolist(), strict=True):
                    asks[index].nats -= math.log(max(probability, sys.float_info.min))
            for index, token in zip(at, apart(chosen), strict=True):
                tokens[id(asks[index])].append(token)
        drawing = [row for row in rows if row.phase == "in place"]
        if drawing:
            drawn = draw_in_place(self._entering, self.memory, self._owners(), self.guided, self.how)
            tokens |= {id(row): apart(whole) for row, whole in zip(drawing, drawn, strict=True)}
        return [tokens[id(row)] for row in rows]

    def _choose_text(self, hidden: Float[Tensor, "N D"], rows: list[Row]) -> Tensor:
        logits = self.model.backbone.text_logits(hidden)
        full = [at for at, row in enumerate(rows) if row.turn and not row.turn.max_images]
        if full:  # the turn goes on in text
            logits[full, self.model.wording.open] = -torch.inf
        return pick(logits, replace(self.how, temperature=self.how.of_texts), [row.draws for row in rows])

    def _drop_done(self) -> None:
        """Rows that are full leave the batch and the memory."""
        keep = [place for place, index in enumerate(self.active) if self.rows[index].phase != "done"]
        total = len(self.memory) // (2 if self.guided else 1)
        if len(keep) == total:
            return
        self.active = [self.active[place] for place in keep]
        both = keep + [place + total for place in keep] if self.guided else keep
        self._chunks = [self._chunks[place] for place in both]
        self.memory.keep(both)

    def _filled(self, row: Row, pictures: dict[tuple[int, int], np.ndarray]) -> Sample:
        segments = list(row.sample.segments)
        for segment, ids in row.written.items():
            segments[segment] = replace(segments[segment], content=self.model.wording.decode(ids))
        for segment in row.drawn:
            picture = ArrayPicture.named_by_content(pictures[id(row), segment])
            segments[segment] = replace(segments[segment], content=picture, keep=None)
        # Of an open turn remain the texts that say something, or one, where nothing came out.
        empty = {at for at in row.told if not row.written[at] and ({at - 1, at + 1} & row.drawn.keys())}
        return replace(row.sample, segments=tuple(s for at, s in enumerate(segments) if at not in empty))
