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
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from bothways.backbones.backbone import Reads
from bothways.core.errors import ConfigError, DataError
from bothways.core.sample import ArrayPicture, Image, OpenTurn, Sample, Text
from bothways.generate.in_place import draw_in_place
from bothways.generate.row import Chunk, Row, Token, Value, sequence_of
from bothways.heads.choose import How, pick
from bothways.layout.batch import collate, padding
from bothways.layout.build import pieces
from bothways.layout.order import Drawing, check_draw_steps
from bothways.layout.sequence import joined
from bothways.model.unified import UnifiedModel
from bothways.vision.tokenizer import to_uint8

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


@dataclass
class Slots:
    """What the cache holds, a column a slot: document (padding: -1), block and privacy of every cached position."""

    doc: Tensor
    block: Tensor
    private: Tensor

    def append(self, doc: Tensor, block: Tensor, private: Tensor) -> None:
        self.doc = torch.cat([self.doc, doc], 1)
        self.block = torch.cat([self.block, block], 1)
        self.private = torch.cat([self.private, private], 1)

    def keep(self, rows: Tensor) -> None:
        self.doc, self.block, self.private = self.doc[rows], self.block[rows], self.private[rows]

    def drop(self, num: int) -> None:
        """Forget the last `num` slots."""
        self.doc, self.block, self.private = self.doc[:, :-num], self.block[:, :-num], self.private[:, :-num]


class Engine:
    """Fills samples. With guidance, every sample has a second row where what it is guided by (its given texts, else its given
    pictures) is replaced by `nothing`; it reads the same produced tokens."""

    def __init__(self, model: UnifiedModel, how: How, feed: Feed = lambda row, tokens: tokens):
        """`feed`: what a row goes on with, given what it has just produced; teacher forcing hands it the truth instead."""
        self.model, self.how, self._feed = model.eval() if model.training else model, how, feed
        self.device = model.nothing_text.device
        self.rows: list[Row] = []
        self._sources: dict[tuple[int, int], Tensor] = {}
        self.active: list[int] = []  # indices of rows still being written, in the order of the cache

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
        empty = torch.zeros((len(self.rows) + len(self.shadows), 0), dtype=torch.long, device=self.device)
        self._slots = Slots(empty, empty, empty.bool())
        longest = max(map(self._length, [*self.rows, *self.shadows]))
        if longest > self.model.config.max_tokens:
            raise DataError(
                f"The prompt and what is to be written may take {longest} tokens and the model's context holds "
                f"{self.model.config.max_tokens}; shorten the text or lower max_text_tokens."
            )
        self._chunks: list[Token | Chunk | None] = [row.open() for row in [*self.rows, *self.shadows]]
        self._cache = self.model.backbone.new_cache(len(self._chunks), getattr(torch, self.how.dtype))
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
            tokens = self.model.target.tokens(predicted)
            pixels = np.concatenate([to_uint8(self.model.learned.decode(part)) for part in tokens.split(32)])
            pictures = {(id(row), segment): picture for (row, segment), picture in zip(drawn, pixels, strict=True)}
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
        if all(isinstance(chunk, Token) for chunk in self._chunks):
            return self._through(*self._embed_tokens([(token,) for token in self._chunks], 0))[:, -1]
        chunks = [Chunk((chunk,)) if isinstance(chunk, Token) else chunk for chunk in self._chunks]
        asks = [len(chunk.asks) for chunk in chunks]
        most = max(asks)
        alike = len({(len(c.tokens), len(c.asks)) for c in chunks}) == 1 and all(c.given is None for c in chunks)
        inputs = self._embed_tokens([c.tokens + c.asks for c in chunks], most) if alike else self._embed_chunks(chunks, most)
        hidden = self._through(*inputs)
        if most:  # those that only asked leave no trace
            self._forget(most)
        # Private positions stand at the end of each row, and where there are none, what is read last asks.
        rows = [row for row, num in enumerate(asks) for _ in range(num or 1)]
        columns = [column for num in asks for column in (range(-num, 0) if num else (-1 - most,))]
        return hidden[rows, columns]

    def _forget(self, num: int) -> None:
        """What was read last, `num` positions of every row, leaves the cache."""
        self._slots.drop(num)
        self._cache.crop(-num)

    def _through(
        self, x: Float[Tensor, "R Q D"], doc: Tensor, block: Tensor, private: Tensor, position: Tensor
    ) -> Float[Tensor, "R Q D"]:
        self._slots.append(doc, block, private)
        reads = Reads(doc, block, self._slots.doc, self._slots.block, self._slots.private)
        return self.model.backbone.run(x, reads, position, self._cache)

    @functools.cached_property
    def _embed_drawn(self) -> Callable[[Tensor, Tensor, Tensor], Tensor]:
        return self.model.drawn_embedder()

    def _embed_tokens(self, rows: list[tuple[Token, ...]], num_asks: int) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
        """The usual step: every row reads as many tokens, all of them produced, so there is nothing to pad and no picture to
        look up. The last `num_asks` of each are private."""
        tokens, shape = [token for row in rows for token in row], (len(rows), len(rows[0]))
        place, next_place, _, block, position = self._stacked([token[1:] for token in tokens]).unbind(1)
        images = [at for at, token in enumerate(tokens) if token.place >= 0]
        if len(images) == len(tokens):
            x = self._embed_drawn(self._values(tokens), place, next_place)
        elif not images:
            x = self.model.backbone.embed(self._values(tokens))
        else:
            at, drawn = torch.tensor(images, device=self.device), [tokens[index] for index in images]
            x = self.model.backbone.embed(torch.tensor([0 if t.place >= 0 else t.value for t in tokens]).to(self.device))
            x = x.index_copy(0, at, self._embed_drawn(self._values(drawn), place[at], next_place[at]))
        if num_asks and len(images) < len(tokens):  # an opening mark that was held back
            marks = ((place < 0) & (next_place >= 0)).nonzero()[:, 0]
            x = x.index_add(0, marks, self.model.next_place(next_place[marks]))
        x = self._with_sources(x, tokens, shape[1])
        private = (torch.arange(shape[1], device=self.device) >= shape[1] - num_asks).expand(shape)
        return (
            x.view(*shape, -1),
            torch.zeros(shape, dtype=torch.long, device=self.device),
            block.view(shape),
            private,
            position.view(shape),
        )

    def _with_sources(self, x: Float[Tensor, "N D"], tokens: list[Token], per_row: int) -> Float[Tensor, "N D"]:
        """In edits, what the picture to be edited has at the place that a token asks for is added."""
        edits = [at for at, token in enumerate(tokens) if token.source >= 0]
        if not edits or self.model.source_projector is None:
            return x
        owners = self._owners()
        seen = [self._source(owners[at // per_row], tokens[at].source)[tokens[at].next_place] for at in edits]
        return x.index_add(0, torch.tensor(edits, device=self.device), torch.stack(seen))

    def _source(self, row: Row, segment: int) -> Float[Tensor, "P D"]:
        """The embedded tokens of the picture of that segment, which is being edited."""
        key = id(row), segment
        if key not in self._sources:
            tokens = self.model.encodings.learned.tokens([row.sample.segments[segment].content])[0]
            self._sources[key] = self.model.embed_source(tokens.to(self.device))
        return self._sources[key]

    def _embed_chunks(self, chunks: list[Chunk], most: int) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
        """Any chunks: what is read, padded on the left to one length, then what asks, padded on the left to `most`."""
        sequences = [chunk.read for chunk in chunks]
        if most:
            sequences = [
                joined([read, padding(most - len(chunk.asks)), sequence_of(chunk.asks, asks=True)])
                for read, chunk in zip(sequences, chunks, strict=True)
            ]
        samples = [row.sample for row in self._owners()]
        batch = self.model.attach(collate(sequences, samples, side="left")).to(self.device)
        produced = [value for chunk in chunks for value in chunk.loose]
        x = self.model.embed(batch, self._stacked(produced) if produced else None)
        return x, batch.doc, batch.block, batch.private, batch.position

    def _values(self, tokens: list[Token]) -> Tensor:
        return self._stacked([token.value for token in tokens])

    def _stacked(self, values: list[Any]) -> Tensor:
        """Long "R" or "R 5", or Float "R C" of continuous image tokens."""
        return torch.from_numpy(np.array(values)).to(self.device)

    def _owners(self) -> list[Row]:
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
        if any(row.phase == "in place" for row in rows):
            tokens |= self._draw_in_place()
        return [tokens[id(row)] for row in rows]

    def _draw_in_place(self) -> dict[int, list[Value]]:
        """Of every row that is at a picture to be drawn in place, its tokens in raster order."""
        owners = self._owners()
        at = [place for place, row in enumerate(owners) if row.phase == "in place"]
        rows = [owners[place] for place in at][: len(at) // (2 if self.guided else 1)]
        num = self.model.learned.spec.num_tokens
        blocks = [row.block if row.phase == "in place" else padding(num) for row in owners]
        batch = collate(blocks, [row.sample for row in owners]).to(self.device)
        sources = self._sources_of([owners[place] for place in at])

        def run(x: Float[Tensor, "R N D"], predicted: Bool[Tensor, "R N"]) -> tuple[Tensor, Tensor | None]:
            """The backbone over the blocks of these rows and their shadows, of which the cache keeps nothing."""
            whole = x.new_zeros(len(owners), num, x.shape[-1])
            whole[at] = torch.cat([x, x]) if self.guided else x
            if sources is not None:
                whole[at] += sources * (torch.cat([predicted, predicted]) if self.guided else predicted)[..., None]
            hidden = self._through(whole, batch.doc, batch.block, batch.private, batch.position)[at]
            self._forget(num)
            return hidden.chunk(2) if self.guided else (hidden, None)

        drawn = draw_in_place(self.model, rows, run, self._embed_drawn, self.how)
        return {id(row): apart(tokens) for row, tokens in zip(rows, drawn, strict=True)}

    def _sources_of(self, rows: list[Row]) -> Float[Tensor, "R N D"] | None:
        """What the pictures that these rows edit have at each place; zeros for a row that edits none, None where all do not."""
        edited = [int(row.block.source.max()) for row in rows]
        if self.model.source_projector is None or max(edited) < 0:
            return None
        found = [None if at < 0 else self._source(row, at) for row, at in zip(rows, edited, strict=True)]
        nothing = torch.zeros_like(next(source for source in found if source is not None))
        return torch.stack([nothing if source is None else source for source in found])

    def _choose_text(self, hidden: Float[Tensor, "N D"], rows: list[Row]) -> Tensor:
        logits = self.model.backbone.text_logits(hidden)
        full = [at for at, row in enumerate(rows) if row.turn and not row.turn.max_images]
        if full:  # the turn goes on in text
            logits[full, self.model.wording.open] = -torch.inf
        return pick(logits, replace(self.how, temperature=self.how.of_texts), [row.draws for row in rows])

    def _drop_done(self) -> None:
        """Rows that are full leave the batch and the cache."""
        keep = [place for place, index in enumerate(self.active) if self.rows[index].phase != "done"]
        total = len(self._slots.doc) // (2 if self.guided else 1)
        if len(keep) == total:
            return
        self.active = [self.active[place] for place in keep]
        both = keep + [place + total for place in keep] if self.guided else keep
        self._chunks = [self._chunks[place] for place in both]
        rows = torch.tensor(both, dtype=torch.long, device=self.device)
        self._slots.keep(rows)
        if both:
            self._cache.batch_select_indices(rows)

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


def apart(tokens: Tensor) -> list[Value]:
    """The tokens "N" or "N C" one by one."""
    return tokens.tolist() if tokens.ndim == 1 else list(tokens.cpu().numpy())
