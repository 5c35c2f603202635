"""The unified model: a Batch goes in, hidden states come out, heads turn them into losses or tokens.

Nothing here knows a task. Which positions predict what was decided by the layout (`duty`, `predicts`); who may read whom is
in `doc`, `block` and `private`; where an image token lies is `place`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from bothways.backbones.backbone import Reads
from bothways.core.errors import ConfigError
from bothways.core.ramp import value_at
from bothways.core.sample import AbstractPicture, Image, Sample
from bothways.core.spec import Discrete
from bothways.core.tally import Tally
from bothways.heads.draws import Draws
from bothways.layout.batch import Batch, collate
from bothways.layout.sequence import Duty, Sequence
from bothways.layout.wording import Wording
from bothways.model.collapse import Findings
from bothways.model.config import ModelConfig
from bothways.model.encodings import Encodings, encodings_for
from bothways.model.freeze import freeze
from bothways.model.gate import gated
from bothways.model.held_out import HeldOut, by_sample, over_passes
from bothways.model.in_place import InPlace
from bothways.model.initial import initialise
from bothways.model.lay_out import lay_out
from bothways.model.painter import TERM, JointPainter, attach_latents
from bothways.model.projector import ContentProjector, Places, Projector
from bothways.model.tallies import by_source
from bothways.model.target import EmbeddingTarget, Target, TokenTarget, embedding_spec
from bothways.vision.tokenizer import AbstractTokenizer, painted, some_at_a_time


class UnifiedModel(nn.Module):
    """One model that reads pictures and draws them.

    `given` and `learned` are frozen tokenizers (one object when their configs are equal); everything else is trained.
    """

    def __init__(self, config: ModelConfig, wording: Wording, encodings: Encodings | None = None):
        """`encodings`: tokenizers with what they have encoded already, from `encodings_for`; arms of a study share them."""
        super().__init__()
        self.config = config
        self.wording = wording
        # Kept out of the module's own weights: tokenizers are frozen, shipped or saved beside the model, and named by its
        # config.
        self._encodings = (encodings or encodings_for(config),)
        _check(config, self.given.spec, self.learned.spec)
        self.backbone = config.backbone.build(wording.vocab_size)
        width = self.backbone.width
        self.given_projector = Projector(config.projector, self.given.spec, width)
        shared = config.projector.shared
        self.learned_projector = self.given_projector if shared else Projector(config.projector, self.learned.spec, width)
        self.next_place = Places(self.learned.spec.grid, width)
        aligned = config.aligned_source
        self.source_projector = ContentProjector(config.projector, self.learned.spec, width) if aligned else None
        self.nothing_text = nn.Parameter(torch.empty(width))
        self.nothing_image = nn.Parameter(torch.empty(width))
        self.in_place = InPlace(config.drawing, width)
        learned = self.learned.spec
        predicted = embedding_spec(learned, width) if config.target else learned
        self.head = config.head.build(predicted, width)
        initialise(self, config.seed)
        latents = self.encodings.latents
        self.painter = JointPainter(config.painter, predicted, latents.tokenizer) if config.painter else None
        self._step = 0
        config.backbone.split(self.backbone)
        self._adapter = config.backbone.adapt(self.backbone, config.seed)
        freeze(self, config.frozen)
        self.target: Target = TokenTarget()
        if config.target:
            self.target = EmbeddingTarget(config.target, config.head, self.given_projector, learned, width)

    def before_step(self, step: int) -> None:
        """Names the noise of the losses that follow, in training mode."""
        self._step = step
        self.target.before_step(step)

    def after_step(self, step: int) -> None:
        """What follows the weights: moving averages and statistics of the target."""
        self.target.after_step(step)

    def look(self) -> Findings | None:
        """What there is to see of the step behind, for the log."""
        return self.target.look()

    @property
    def encodings(self) -> Encodings:
        """The frozen tokenizers and the tokens of the pictures seen so far."""
        return self._encodings[0]

    @property
    def given(self) -> AbstractTokenizer:
        return self.encodings.given.tokenizer

    @property
    def learned(self) -> AbstractTokenizer:
        return self.encodings.learned.tokenizer

    def rebuilt(self) -> dict[str, str]:
        """The weights that config and seed alone give back, which a checkpoint leaves out: name -> checksum."""
        return {f"backbone.{name}": found for name, found in self._adapter.rebuilt().items()} if self._adapter else {}

    def attach(self, batch: Batch) -> Batch:
        """The batch with the tokens of its pictures."""
        device = self.nothing_text.device
        given, learned = self.encodings.given, self.encodings.learned
        for learn, name, cache in ((False, "given_tokens", given), (True, "learned_tokens", learned)):
            pictures = batch.pictures(learn)
            if pictures:
                setattr(batch, name, cache.tokens(pictures).to(device))
        if batch.edited and self.source_projector is not None:
            batch.edited_tokens = learned.tokens(batch.edited).to(device)
        if self.painter is not None and self.training:
            attach_latents(batch, self.encodings.latents)
        return batch

    def lay_out(
        self,
        sample: Sample,
        drop: frozenset[str] = frozenset(),
        step: int = 0,
        seed: int = 0,
        share: float | None = None,
    ) -> Sequence:
        """The sequence of a sample under this model's wording and tokenizers. `share` of a masked picture's tokens that is
        hidden; None: as in training. Raises: DataError when it is too long."""
        return lay_out(self.config, self.wording, self.given.spec, self.learned.spec, sample, drop, step, seed, share)

    def embed_drawn(
        self,
        predicted: Int[Tensor, "N"] | Float[Tensor, "N C"],
        place: Int[Tensor, "N"],
        next_place: Int[Tensor, "N"],
    ) -> Float[Tensor, "N D"]:
        """Embeddings of what the head produced, which re-enters as true tokens do: through the learned side's projector (the
        given side's too, where it is shared), or as it is; `next_place` is -1 where no image token is predicted next."""
        x = self._entering(predicted, place)
        ahead = next_place >= 0
        return torch.where(ahead[:, None], x + self.next_place(next_place.clamp_min(0)), x)

    def _entering(self, predicted: Int[Tensor, "N"] | Float[Tensor, "N C"], place: Int[Tensor, "N"]) -> Float[Tensor, "N D"]:
        return self.target.entering(predicted, place, self.learned_projector, self.learned)

    def embed_hidden(self, place: Int[Tensor, "N"]) -> Float[Tensor, "N D"]:
        """Embeddings of image tokens whose values are kept from the model."""
        return self.in_place.hidden_embedding + self.learned_projector.places(place)

    def embed_noised(
        self, noisy: Float[Tensor, "N C"], time: Float[Tensor, "N"], place: Int[Tensor, "N"]
    ) -> Float[Tensor, "N D"]:
        """Embeddings of image tokens with noise on them; `time` in [0, 1000]."""
        return self.embed_drawn(noisy, place, torch.full_like(place, -1)) + self.in_place.time(time)

    def drawn_embedder(self) -> Callable[[Tensor, Tensor, Tensor], Tensor]:
        """`embed_drawn` for many calls under unchanged weights: where tokens are discrete, three tables and two sums."""
        if not isinstance(self.learned.spec.tokens, Discrete):
            return self.embed_drawn
        every = torch.arange(self.learned.spec.tokens.vocab, device=self.nothing_text.device)
        projector = self.learned_projector
        codes = projector.content(projector.scale * self.learned.vectors(every[:, None])[:, 0])
        places, ahead = projector.places.table(), self.next_place.table()
        ahead = torch.cat([ahead, torch.zeros_like(ahead[:1])])  # -1, no place, finds the last row
        return lambda tokens, place, next_place: (
            codes.index_select(0, tokens) + places.index_select(0, place) + ahead[next_place]
        )

    def embed_source(self, tokens: Int[Tensor, "N"] | Float[Tensor, "N C"]) -> Float[Tensor, "N D"]:
        """What is added where the token at the same place of an edit is predicted: a token of the picture to be edited.

        So what stays as it is needs no search among the tokens read before; over random order a nano model has not learned that
        search after 900 steps (LOG.md). Source: InstructPix2Pix (arXiv 2211.09800, section 3.2) joins the picture to be edited
        to the noise by channels; here it is joined to the position that predicts, the noise being in the head.
        """
        return self.source_projector(self.learned.vectors(tokens[:, None])[:, 0])

    def embed(self, batch: Batch, produced: Int[Tensor, "N"] | Float[Tensor, "N C"] | None = None) -> Float[Tensor, "B S D"]:
        """Input embeddings: text, image tokens at their places (as they are, hidden or noised), `nothing` tokens, and where an
        image token is predicted its place, and in an edit what the picture to be edited has there. `produced`: the image tokens
        that belong to no picture yet, row after row."""
        shape = batch.content.shape
        x = self.backbone.embed(batch.ids.clamp_min(0)).flatten(0, 1)
        for kind, vector in (("nothing_text", self.nothing_text), ("nothing_image", self.nothing_image)):
            at = batch.at(kind)
            x = x.index_copy(0, at, vector.expand(len(at), -1))
        for kind, tokenizer, projector, tokens in (
            ("given", self.given, self.given_projector, batch.given_tokens),
            ("drawn", self.learned, self.learned_projector, batch.learned_tokens),
        ):
            at = batch.at(kind)
            if len(at):
                picture, place = batch.picture.flatten()[at], batch.place.flatten()[at]
                vectors = tokenizer.vectors(tokens)[picture, place]
                if kind == "drawn" and self.training and self.config.feedback_noise:
                    vectors = self._as_fed_back(batch, vectors, picture, place)
                x = x.index_copy(0, at, projector(vectors, place))
        if produced is not None:
            at = ((batch.place >= 0) & (batch.picture < 0)).flatten().nonzero()[:, 0]
            x = x.index_copy(0, at, self._entering(produced, batch.place.flatten()[at]))
        at = batch.at("hidden")
        if len(at):
            x = x.index_copy(0, at, self.embed_hidden(batch.place.flatten()[at]))
        at = batch.at("noised")
        if len(at):
            picture, place = batch.picture.flatten()[at], batch.place.flatten()[at]
            noisy, time = self.head.corrupt(batch.learned_tokens[picture, place], self._draws(batch, picture, place))
            x = x.index_copy(0, at, self.embed_noised(noisy, time, place))
        at = batch.at("ahead")
        if len(at):
            x = x.index_add(0, at, self.next_place(batch.next_place.flatten()[at]))
        if batch.edited_tokens is not None:
            at = batch.at("edited")
            ahead, here = batch.next_place.flatten()[at], batch.place.flatten()[at]
            tokens = batch.edited_tokens[batch.source.flatten()[at], torch.where(ahead >= 0, ahead, here)]
            x = x.index_add(0, at, self.embed_source(tokens).to(x.dtype))
        return x.view(*shape, -1)

    def _as_fed_back(
        self, batch: Batch, vectors: Float[Tensor, "N C"], picture: Int[Tensor, "N"], place: Int[Tensor, "N"]
    ) -> Float[Tensor, "N C"]:
        """Tokens of pictures to be drawn under noise; those of given pictures that enter as drawn tokens stay as they are.

        Generation feeds back what was predicted, which is never quite right; a model that has only seen true tokens takes the
        first error for truth. Ours: none of the papers says how it deals with that.
        """
        is_target = torch.zeros(len(batch.learned_tokens), dtype=torch.bool, device=vectors.device)
        is_target[batch.targets()[1]] = True
        noise = self._draws(batch, picture, place).normal("feedback", vectors.shape[1])
        return vectors + self.config.feedback_noise * noise * is_target[picture][:, None]

    def hidden(self, batch: Batch) -> Float[Tensor, "B S D"]:
        """Hidden states of a whole batch, without a cache."""
        reads = Reads.within(batch.doc, batch.block, batch.private, batch.drawing)
        return self.backbone.run(self.embed(batch), reads, batch.position)

    def losses(self, batch: Batch) -> dict[Duty, tuple[Int[Tensor, "N"], Float[Tensor, "N"]]]:
        """For each duty: the rows of its predictors, and their losses, unreduced: nats, of image tokens in the head's unit."""
        return self._losses(batch, self.hidden(batch).flatten(0, 1))

    def _losses(self, batch: Batch, hidden: Float[Tensor, "BS D"]) -> dict[Duty, tuple[Int[Tensor, "N"], Float[Tensor, "N"]]]:
        length = batch.ids.shape[1]
        found = {}
        for duty in (Duty.TEXT, Duty.MARK, Duty.IMAGE):
            at, predicted = _predictors(batch, duty)
            if not len(at):
                continue
            if duty is Duty.IMAGE:
                picture, place = batch.picture.flatten()[predicted], batch.place.flatten()[predicted]
                tokens = batch.learned_tokens[picture, place]
                target = self.target.of(tokens)
                if self.training:
                    self.head.observe(target)
                    self.target.observe(target, tokens, self.head, hidden[at])
                measure = self.head.loss if self.training else self.head.measured
                openness = value_at(self.config.gate, self._step)
                losses = measure(gated(hidden[at], openness), target, place, self._draws(batch, picture, place))
            else:
                logits = self.backbone.text_logits(hidden[at])
                losses = F.cross_entropy(logits.float(), batch.ids.flatten()[predicted], reduction="none")
            found[duty] = at // length, losses
        return found

    def _painter_losses(self, batch: Batch, hidden: Float[Tensor, "BS D"]) -> tuple[Int[Tensor, "P"], Float[Tensor, "P"]]:
        """Of each picture that is to be drawn: its row in the batch, and the loss of the painter, which is told what the head
        predicts for it."""
        at, at_tokens = _predictors(batch, Duty.IMAGE)
        predicted = gated(self.head.predicted(hidden[at]), value_at(self.config.painter.gate, self._step))
        return self.painter.losses(batch, predicted, at_tokens, self.config.seed, self._step)

    def _draws(self, batch: Batch, picture: Int[Tensor, "N"], place: Int[Tensor, "N"]) -> Draws:
        """Noise by sample and segment: in training a new one each step, else always the same and for every model."""
        seed, *when = (self.config.seed, "step", self._step) if self.training else (0, "held out")
        names = [("noise", *when, *name) for name in batch.names]
        return Draws(seed, names, picture, place, self.learned.spec.num_tokens, batch.share)

    @torch.inference_mode()
    def held_out(self, samples: list[Sample]) -> list[HeldOut]:
        """Losses of the learned segments of each sample, teacher-forced. The model is to be in eval mode. Of a picture that is
        predicted in place it is the mean over several passes, each with another share of it kept from the model."""
        shares = self.head.shares if any(sample.learns_image for sample in samples) else (None,)
        passes = [self._held_out(samples, share) for share in shares]
        if len(passes) == 1:
            return passes[0]
        return [over_passes(found, self._num_drawn(sample)) for sample, *found in zip(samples, *passes, strict=True)]

    def _num_drawn(self, sample: Sample) -> int:
        """Image tokens that a sample learns."""
        return self.learned.spec.num_tokens * sum(isinstance(s, Image) and s.learn for s in sample.segments)

    def _held_out(self, samples: list[Sample], share: float | None) -> list[HeldOut]:
        batch = self.attach(collate([self.lay_out(sample, share=share) for sample in samples], samples))
        return by_sample(self.losses(replace(batch.to(self.nothing_text.device), share=share)), len(samples))

    @torch.inference_mode()
    def blind(self, pictures: list[AbstractPicture]) -> list[float]:
        """Mean loss of each picture's tokens under the best prediction that is the same for all of these pictures, place by
        place, in the head's unit; for heads whose loss is no likelihood."""
        return self.head.blind(self.target.of(self.encodings.learned.tokens(pictures).to(self.nothing_text.device))).tolist()

    @property
    def paints(self) -> AbstractTokenizer | JointPainter:
        """What makes pixels of what is drawn: the painter that learned beside the backbone, else the learned tokenizer."""
        return self.learned if self.painter is None else self.painter

    def paint(self, predicted: Int[Tensor, "B N"] | Float[Tensor, "B N C"]) -> list[np.ndarray]:
        """Pictures, uint8, channels last, of what the head has drawn, in raster order."""
        if self.painter is not None:
            return some_at_a_time(self.painter, predicted)
        return painted(self.learned, self.target.tokens(predicted))

    def repaint(self, tokens: Int[Tensor, "B N"] | Float[Tensor, "B N C"]) -> list[np.ndarray]:
        """Pictures of true tokens, the best that can be made of any."""
        if self.painter is not None:
            return self.paint(self.target.of(tokens.to(self.nothing_text.device)))
        return painted(self.learned, tokens)

    def terms(self, batch: Batch) -> dict[str, Tally]:
        """The loss of each (source, duty) as a sum and a count, e.g. `watch/vqa:text`, for the trainer; and of a painter."""
        hidden = self.hidden(batch).flatten(0, 1)
        found = {duty.name.lower(): some for duty, some in self._losses(batch, hidden).items()}
        if batch.latents is not None:
            found[TERM] = self._painter_losses(batch, hidden)
        return by_source(batch, found)


def _predictors(batch: Batch, duty: Duty) -> tuple[Int[Tensor, "N"], Int[Tensor, "N"]]:
    """Positions that have the duty, and those that they predict; both count through all rows."""
    at = batch.at(duty.name.lower())
    return at, at - at % batch.ids.shape[1] + batch.predicts.flatten()[at]


def _check(config: ModelConfig, given, learned) -> None:
    """Raises: ConfigError when parts do not fit each other; asked once, at construction."""
    config.head.check(learned)
    if config.feedback_noise and isinstance(learned.tokens, Discrete):
        raise ConfigError(
            f"Found feedback_noise {config.feedback_noise:g}, and `{learned.kind}` tokens are codes, on which no noise can be "
            "put; set it to 0, or learn continuous tokens."
        )
    if config.projector.shared and (given.dim, given.grid, given.kind) != (learned.dim, learned.grid, learned.kind):
        raise ConfigError(
            f"A shared projector needs the same tokens on both sides; found given {given.kind} {given.grid} x {given.dim} and "
            f"learned {learned.kind} {learned.grid} x {learned.dim}. Set model.projector.shared=false."
        )
