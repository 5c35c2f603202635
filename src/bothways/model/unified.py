"""The unified model: a Batch goes in, hidden states come out, heads turn them into losses or tokens.

Nothing here knows a task. Which positions predict what was decided by the layout (`duty`, `predicts`); who may read whom is
in `doc`, `block` and `private`; where an image token lies is `place`.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from bothways.backbones.backbone import Reads
from bothways.core.errors import ConfigError
from bothways.core.tally import Tally
from bothways.layout.batch import Batch
from bothways.layout.sequence import Content, Duty
from bothways.layout.wording import Wording
from bothways.model.config import ModelConfig
from bothways.model.initial import initialise
from bothways.model.projector import Places, Projector


class UnifiedModel(nn.Module):
    """One model that reads pictures and draws them.

    `given` and `learned` are frozen tokenizers (the same object when their configs are equal); everything else is trained.
    """

    def __init__(self, config: ModelConfig, wording: Wording):
        super().__init__()
        self.config = config
        self.wording = wording
        given = config.given.build()
        learned = given if config.learned == config.given else config.learned.build()
        # Kept out of the module's own weights: they are frozen, shipped or saved beside the model, and named by its config.
        self._tokenizers = (given, learned)
        _check(config, self.given.spec, self.learned.spec)
        self.backbone = config.backbone.build(wording.vocab_size)
        width = self.backbone.width
        self.given_projector = Projector(config.projector, self.given.spec, width)
        shared = config.projector.shared
        self.learned_projector = self.given_projector if shared else Projector(config.projector, self.learned.spec, width)
        self.next_place = Places(self.learned.spec.grid, width)
        self.nothing_text = nn.Parameter(torch.empty(width))
        self.nothing_image = nn.Parameter(torch.empty(width))
        self.head = config.head.build(self.learned.spec, width)
        initialise(self, config.seed)

    @property
    def given(self):
        return self._tokenizers[0]

    @property
    def learned(self):
        return self._tokenizers[1]

    def embed(self, batch: Batch) -> Float[Tensor, "B S D"]:
        """Input embeddings: text, image tokens at their places, `nothing` tokens, and the next place where one is predicted."""
        content, shape = batch.content.flatten(), batch.content.shape
        x = self.backbone.embed(batch.ids.clamp_min(0)).flatten(0, 1)
        for kind, vector in ((Content.NOTHING_TEXT, self.nothing_text), (Content.NOTHING_IMAGE, self.nothing_image)):
            x = torch.where((content == int(kind))[:, None], vector, x)
        seen = (content == int(Content.CLEAN)) & (batch.picture.flatten() >= 0)
        for tokenizer, projector, tokens, drawn in (
            (self.given, self.given_projector, batch.given_tokens, False),
            (self.learned, self.learned_projector, batch.learned_tokens, True),
        ):
            at = (seen & (batch.drawn.flatten() == drawn)).nonzero()[:, 0]
            if len(at):
                picture, place = batch.picture.flatten()[at], batch.place.flatten()[at]
                x = x.index_copy(0, at, projector(tokenizer.vectors(tokens)[picture, place], place))
        at = (batch.next_place.flatten() >= 0).nonzero()[:, 0]
        if len(at):
            x = x.index_add(0, at, self.next_place(batch.next_place.flatten()[at]))
        return x.view(*shape, -1)

    def hidden(self, batch: Batch) -> Float[Tensor, "B S D"]:
        """Hidden states of a whole batch, without a cache."""
        reads = Reads.within(batch.doc, batch.block, batch.private)
        return self.backbone.run(self.embed(batch), reads, batch.position)

    def losses(self, batch: Batch) -> dict[Duty, tuple[Int[Tensor, "N"], Float[Tensor, "N"]]]:
        """For each duty: the rows of its predictors, and their losses in nats, unreduced."""
        hidden = self.hidden(batch).flatten(0, 1)
        length = batch.ids.shape[1]
        found = {}
        for duty in (Duty.TEXT, Duty.MARK, Duty.IMAGE):
            at = (batch.duty.flatten() == int(duty)).nonzero()[:, 0]
            if not len(at):
                continue
            predicted = at - at % length + batch.predicts.flatten()[at]
            if duty is Duty.IMAGE:
                picture, place = batch.picture.flatten()[predicted], batch.place.flatten()[predicted]
                losses = self.head.loss(hidden[at], batch.learned_tokens[picture, place], place, ())
            else:
                logits = self.backbone.text_logits(hidden[at])
                losses = F.cross_entropy(logits.float(), batch.ids.flatten()[predicted], reduction="none")
            found[duty] = at // length, losses
        return found

    def terms(self, batch: Batch) -> dict[str, Tally]:
        """The loss of each (source, duty) as a sum and a count, e.g. `watch/vqa:text`, for the trainer."""
        names = sorted(set(batch.sources))
        source = torch.tensor([names.index(name) for name in batch.sources], device=batch.ids.device)
        tallies = {}
        for duty, (rows, losses) in self.losses(batch).items():
            totals = losses.new_zeros(len(names)).index_add(0, source[rows], losses)
            for index, name in enumerate(names):
                key = f"{name}:{duty.name.lower()}"
                if batch.counts.get(key):
                    tallies[key] = Tally(totals[index], batch.counts[key])
        return tallies


def _check(config: ModelConfig, given, learned) -> None:
    """Raises: ConfigError when parts do not fit each other; asked once, at construction."""
    config.head.check(learned)
    if not learned.can_draw:
        raise ConfigError(f"`{learned.kind}` tokens cannot be drawn; choose another `learned` tokenizer.")
    if config.projector.shared and (given.dim, given.grid, given.kind) != (learned.dim, learned.grid, learned.kind):
        raise ConfigError(
            f"A shared projector needs the same tokens on both sides; found given {given.kind} {given.grid} x {given.dim} and "
            f"learned {learned.kind} {learned.grid} x {learned.dim}. Set model.projector.shared=false."
        )
