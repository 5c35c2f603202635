"""What the head predicts for a learned token, how a prediction re-enters the backbone, and how it becomes a token again.

`TokenTarget`: the tokenizer's own tokens; there is nothing to do. `EmbeddingTarget`: the backbone's input embedding of the
token, as the given side's projector makes it, before its place is added (a place is no part of what is to be predicted, and
the head would learn it by heart). Its sides:

    stop_gradient   the projector as it is, which gets no gradient as a target and all of it as an input
    ema             a moving average of the projector
    frozen          the projector's content stays as it was drawn, for inputs too
    live            gradients reach the projector through the target: the loss falls fastest when all embeddings become alike,
                    so this one collapses and is there to be studied

*Scale.* The head sees (embedding - mean) / std. The running mean is what all embeddings have in common: left in (`centred`
false, as in GAS) it is most of what a cosine sees. For a head that needs unit channels (diffusion) std is the channels' own
running standard deviation; for regression one number, the embeddings' root mean square: a cosine does not see it, and a
squared error then means the same whatever size the projector's outputs grow to. Both are buffers, set at the end of a step
from the statistics below for the next one, so that micro-batches of a step agree (0 and 1 before the first).

*Read-out.* An embedding becomes a token by the map that fits the true tokens to their true embeddings best: linear in the
embedding and in random features of it (Rahimi and Recht 2007), so in closed form, from sums of products that are kept in a
buffer and forgotten at the rate at which the projector may move. Not a trained layer: it needs no loss, no weight and no
learning rate, it cannot touch the training of anything else, and it is the best map of its kind at every checkpoint. Not an
inverse of the projector either (Gauss-Newton from the linear map was slow and no better); what the projector has dropped
comes from the mean, as a best guess does. What is lost is in the log (`read_out`,
the share of the tokens' variance that it explains: 0.87 from the embedding alone and 0.93 with features, of a projector in
training).

Source: UniHetero (arXiv 2512.23512) predicts in the input-embedding space; loss, target side and decoding are not
published. The EMA of 0.999 and 1 - cosine are those of GAS (Decoupled Embedding Prediction). Ours: growing decay (a short
run would keep its first projector), scale, read-out, and what counts as collapse.
"""

from __future__ import annotations

from copy import deepcopy
from dataclasses import replace
from typing import Protocol

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from bothways.core.decay import growing_decay
from bothways.core.randomness import rng
from bothways.core.spec import Continuous, VisualSpec
from bothways.heads.configs import HeadConfig
from bothways.heads.head import AbstractHead
from bothways.model.collapse import Collapse, Findings
from bothways.model.config import EmbeddingConfig
from bothways.model.moments import Moments, full_precision
from bothways.model.projector import Projector
from bothways.vision.tokenizer import AbstractTokenizer


class Target(Protocol):
    """Between the tokens of learned pictures and what the head predicts for them."""

    def of(self, tokens: Tensor) -> Tensor:
        """What the head is to predict for tokens "... N" or "... N C"."""

    def tokens(self, predicted: Tensor) -> Tensor:
        """The tokenizer's tokens that predictions stand for."""

    def vectors(self, predicted: Tensor, tokenizer: AbstractTokenizer) -> Float[Tensor, "M N D"]:
        """Predictions of M pictures as points of the space that the head predicts in."""

    def entering(
        self, predicted: Tensor, place: Int[Tensor, "N"], projector: Projector, tokenizer: AbstractTokenizer
    ) -> Float[Tensor, "N D"]:
        """Predictions as input embeddings at their places, through the learned side's projector where one is needed."""

    def observe(self, target: Tensor, tokens: Tensor, head: AbstractHead, hidden: Tensor) -> None:
        """Called once for every training batch with the targets, their tokens and the hidden states that predict them."""

    def before_step(self, step: int) -> None: ...

    def after_step(self, step: int) -> None: ...

    def look(self) -> Findings | None:
        """What the last step showed of the targets, where it was one to look at."""


class TokenTarget(nn.Module):
    """The tokenizer's tokens as they are."""

    def of(self, tokens: Tensor) -> Tensor:
        return tokens

    def tokens(self, predicted: Tensor) -> Tensor:
        return predicted

    def vectors(self, predicted: Tensor, tokenizer: AbstractTokenizer) -> Float[Tensor, "M N D"]:
        return tokenizer.vectors(predicted)

    def entering(
        self, predicted: Tensor, place: Int[Tensor, "N"], projector: Projector, tokenizer: AbstractTokenizer
    ) -> Float[Tensor, "N D"]:
        return projector(tokenizer.vectors(predicted[:, None])[:, 0], place)

    def observe(self, target: Tensor, tokens: Tensor, head: AbstractHead, hidden: Tensor) -> None:
        pass

    def before_step(self, step: int) -> None:
        pass

    def after_step(self, step: int) -> None:
        pass

    def look(self) -> None:
        return None


class EmbeddingTarget(nn.Module):
    """Input embeddings, "... D", on the scale of the head."""

    def __init__(self, config: EmbeddingConfig, head: HeadConfig, projector: Projector, spec: VisualSpec, width: int):
        """`projector`: the given side's, with its initial weights; `spec`: of its tokens. Freezes its content on side
        frozen."""
        super().__init__()
        self.config, self._by_channel = config, head.needs_unit_channels
        self._projector = (projector,)  # a tuple, so that its weights stay in one place of the model alone
        self.average = deepcopy(projector.content).requires_grad_(False) if config.side == "ema" else None
        if config.side == "frozen":
            projector.content.requires_grad_(False)
        self.register_buffer("mean", torch.zeros(width))
        self.register_buffer("std", torch.ones(width))
        self.register_buffer("features", _random(width, config.read_out_features, self.mean), persistent=False)
        self.moments, self.collapse = Moments(width, config.read_out_features, spec.dim), Collapse(width)
        self._step = 0

    def of(self, tokens: Float[Tensor, "*shape C"]) -> Float[Tensor, "*shape D"]:
        learns = self.learns and torch.is_grad_enabled()
        with torch.set_grad_enabled(learns), full_precision(tokens.device):
            return (self.source(self._projector[0].scale * tokens) - self.mean) / self.std

    @property
    def source(self) -> nn.Module:
        """What makes embeddings of tokens for targets."""
        return self._projector[0].content if self.average is None else self.average

    @property
    def learns(self) -> bool:
        """Whether gradients reach the projector through targets."""
        return self.config.side == "live"

    def tokens(self, predicted: Float[Tensor, "*shape D"]) -> Float[Tensor, "*shape C"]:
        return self.moments.read_out()(self._read_from(predicted))

    def vectors(self, predicted: Float[Tensor, "M N D"], tokenizer: AbstractTokenizer) -> Float[Tensor, "M N D"]:
        return predicted

    def entering(
        self, predicted: Float[Tensor, "N D"], place: Int[Tensor, "N"], projector: Projector, tokenizer: AbstractTokenizer
    ) -> Float[Tensor, "N D"]:
        if self.config.feedback == "direct":
            return self._embedding(predicted) + projector.places(place)
        return projector(tokenizer.vectors(self.tokens(predicted)[:, None])[:, 0], place)

    @torch.no_grad()
    def observe(
        self, target: Float[Tensor, "N D"], tokens: Float[Tensor, "N C"], head: AbstractHead, hidden: Float[Tensor, "N H"]
    ) -> None:
        self.moments.add(self._read_from(target.detach()), tokens)
        if self._is_looked_at:
            predicted = head.predicted(hidden)
            if predicted is not None:
                self.collapse.predictions.add(self._embedding(predicted), predicted[:, :0])

    def before_step(self, step: int) -> None:
        self._step = step
        self.moments.forget(self.config.memory)
        self.collapse.predictions.forget(0.0)

    @torch.no_grad()
    def after_step(self, step: int) -> None:
        if self.average is not None:
            now = [weight.detach() for weight in self._projector[0].content.parameters()]
            torch._foreach_lerp_(list(self.average.parameters()), now, 1 - growing_decay(step, self.config.ema_decay))
        if not self.moments.count:
            return
        if self.config.centred or self._by_channel:
            self.mean.copy_(self.moments.mean)
        squares = self.moments.variance + (self.moments.mean - self.mean).square()
        self.std.copy_((squares if self._by_channel else squares.mean()).clamp_min(1e-12).sqrt())

    def look(self) -> Findings | None:
        return self.collapse.look(self.moments, self.config.side) if self._is_looked_at and self.moments.count else None

    @property
    def _is_looked_at(self) -> bool:
        return self._step % self.config.watch_every_steps == 0

    def _read_from(self, predicted: Float[Tensor, "*shape D"]) -> Float[Tensor, "*shape F"]:
        """What a token is read out of: the embedding, and random features of it on the head's scale."""
        bent = torch.relu(predicted @ self.features[:-1] + self.features[-1])
        return torch.cat([self._embedding(predicted), bent], -1)

    def _embedding(self, predicted: Float[Tensor, "*shape D"]) -> Float[Tensor, "*shape D"]:
        """On the scale of the backbone's inputs."""
        return predicted * self.std + self.mean


def _random(width: int, num: int, like: Tensor) -> Float[Tensor, "rows F"]:
    """Weights of random features, a bias in the last row: the same for every model, so that they need not be saved."""
    drawn = rng(0, "features of the read-out", width).standard_normal((width + 1, num), dtype=np.float32)
    drawn[:width] /= width**0.5
    return torch.from_numpy(drawn).to(like)


def embedding_spec(spec: VisualSpec, width: int) -> VisualSpec:
    """What a head has to know of the embeddings of tokens of `spec` in a backbone of that width."""
    return replace(spec, kind="embedding", tokens=Continuous(width))
