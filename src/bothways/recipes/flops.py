"""Floating-point operations of training, from a model's layers and the layout of its samples: no clock and no counter, so that
a study knows them before it runs (evaluate/compute.py counts what is drawn, while it runs).

A product and a sum are two operations. Counted are matrix products, forward and backward, and those of Muon; norms, softmax,
rotary positions and all else that is elementwise are not, nor does torch's FlopCounterMode count them. It is what the model
needs, whatever computes it: no padding, no scores that a path computes again in backward, no lengths that a path rounds up.
Attention takes the square of each sequence's own length, because every path computes all of it and hides what the block rule
forbids. So the count is a property of recipe and layout, and not of batches, machines or paths: in a step of vq-vq torch counts
5 % more on the lean path, and 26 % more on `matmul`, which computes padding too.

Gradients are counted where autograd needs them: frozen weights get none, and hand them on where something before them is
trained. A layer of the backbone that is trained in part is taken to hand them on as a whole.

Source: Chowdhery et al. 2022 (PaLM, arXiv 2204.02311, appendix B): 6 a weight and token, and 12 for each layer, channel and
pair of tokens of attention over the whole square, nothing for what is computed twice. Deviations: heads and projectors are
counted by the positions that they work on; frozen weights; Muon; encoding, apart.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import astuple, dataclass

import torch
from torch import nn

from bothways.backbones.branch import is_split
from bothways.core.spec import Discrete
from bothways.evaluate.compute import flops_of
from bothways.heads.head import AbstractHead, Pass
from bothways.model.config import is_closed
from bothways.model.painter import JointPainter
from bothways.model.target import EmbeddingTarget
from bothways.model.unified import UnifiedModel
from bothways.recipes.seen import Seen
from bothways.train.config import TrainConfig
from bothways.train.optim import muon_matrices
from bothways.vision.tokenizer import AbstractTokenizer

NEWTON_SCHULZ_STEPS = 5  # of torch.optim.Muon
UNITS = {
    "backbone": "tokens",
    "upper layers": "sharing",
    "drawing layers": "drawing",
    "attention": "reads",
    "text head": "text",
    "image head": "image",
    "given projector": "given",
    "learned projector": "drawn",
    "source projector": "edited",
    "times of noise": "noised",
    "embedding target": "image",
    "painter": "image",
}
"""Part -> the number of `Seen` that it works on."""


@dataclass(frozen=True)
class Work:
    """Operations of one part, by what they are for."""

    frozen: float = 0  # forward, where no weight is trained
    forward: float = 0  # forward, where weights are trained
    through: float = 0  # gradients of what comes in
    weights: float = 0  # gradients of weights

    @property
    def total(self) -> float:
        return sum(astuple(self))

    def __add__(self, other: Work) -> Work:
        return Work(*(one + more for one, more in zip(astuple(self), astuple(other), strict=True)))

    def __mul__(self, times: float) -> Work:
        return Work(*(times * one for one in astuple(self)))


def total(parts: Iterable[Work]) -> float:
    return sum(work.total for work in parts)


def training(model: UnifiedModel, seen: Seen) -> dict[str, Work]:
    """Part -> operations, forward and backward, of training on what is seen. The model may lie on the meta device."""
    return {part: price * getattr(seen, UNITS[part]) for part, price in prices(model).items()}


def prices(model: UnifiedModel) -> dict[str, Work]:
    """Part -> operations of one of the units that it works on (`UNITS`)."""
    backbone, head = model.backbone, model.head
    table = [weight for one in backbone.modules() if isinstance(one, nn.Embedding) for weight in one.parameters()]
    of_backbone, of_head = _ids(backbone.parameters()), _ids(head.parameters())
    of_head |= _ids(model.painter.parameters()) if model.painter is not None else set()
    entering = [*table, *(p for p in model.parameters() if id(p) not in of_backbone | of_head)]
    to_text = _ids(backbone.text_head.parameters()) - _ids(table)
    before_heads = [p for p in model.parameters() if id(p) not in of_head | to_text]
    layers = _backbone(backbone.blocks, 4.0 * backbone.attention_width, _trains(entering))
    hidden = _trains(before_heads)
    found = layers | {
        "text head": _chain([backbone.text_head], hidden),
        "image head": _passes(head.passes(), hidden and not model.config.gate_is_closed),
        "given projector": _chain([model.given_projector], False) + Work(frozen=vectors_cost(model.given)),
        "learned projector": _chain([model.learned_projector], False) + Work(frozen=vectors_cost(model.learned)),
    }
    if model.source_projector is not None:
        beside = _chain([model.source_projector], False)
        found["source projector"] = beside + Work(frozen=vectors_cost(model.learned))
    if model.config.drawing.noised:
        found["times of noise"] = _chain([model.in_place], False)
    if isinstance(model.target, EmbeddingTarget):
        found["embedding target"] = _target(model.target)
    if model.painter is not None:
        found["painter"] = _painter(model.painter, head, hidden)
    return found


def _painter(painter: JointPainter, head: AbstractHead, hidden: bool) -> Work:
    """Of one token that is predicted: what the head predicts for it once more, and its part of a picture's way through the
    painter. `hidden`: the hidden state wants a gradient."""
    told = _passes(head.passes(), hidden)
    is_open = not is_closed(painter.config.gate)
    reached, shape = is_open and (hidden or _trains(head.parameters())), painter.masked.config
    length = painter.spec.num_tokens + painter.masked.num
    squares = 4.0 * shape.width * length**2 * shape.num_layers
    trained = _trains(painter.parameters())
    attention = Work(
        forward=squares if trained else 0, frozen=0 if trained else squares, through=2 * squares if trained or reached else 0
    )
    picture = _passes(painter.passes(), reached) + attention
    return (told if is_open else Work(frozen=told.frozen + told.forward)) + picture * (1 / painter.spec.num_tokens)


def _target(target: EmbeddingTarget) -> Work:
    """Of one token that is predicted: its embedding, and the sums of products that its read-out follows from. What is looked at
    every so many steps is left out."""
    width, others = target.features.shape[0] - 1, target.features.shape[1]
    sums = target.moments.sums
    beside = Work(frozen=2.0 * (width * others + sums.shape[0] * sums.shape[1]))
    embedded = _chain([target.source], False)
    return beside + (embedded if target.learns else Work(frozen=embedded.frozen + embedded.forward))


def _backbone(blocks: Iterable[nn.Module], squares: float, reached: bool) -> dict[str, Work]:
    """Of one position through all layers, apart where there is a branch, and of one pair that attends in all of them: `squares`
    a layer for its two products, each with two gradients. `reached`: what comes in wants a gradient."""
    found = {"backbone": Work(), "attention": Work()}
    for block in blocks:
        own = _trains(block.parameters())
        reached = reached or own
        for part, layers in _sides(block).items():
            found[part] = found.get(part, Work()) + sum((_product(one, reached) for one in layers), Work())
        frozen, forward = (0.0, squares) if own else (squares, 0.0)
        found["attention"] += Work(frozen, forward, through=2 * squares if reached else 0)
    return found


def _sides(block: nn.Module) -> dict[str, list[nn.Linear]]:
    """Part -> the products that its positions go through in this layer."""
    linear = {name: one for name, one in block.named_modules() if isinstance(one, nn.Linear)}
    if not is_split(block):
        return {"backbone": list(linear.values())}
    sides = {"upper layers": ".shared", "drawing layers": ".drawing"}
    return {part: [one for name, one in linear.items() if side in name] for part, side in sides.items()}


def _passes(passes: Iterable[Pass], hidden: bool) -> Work:
    """Of one token that is predicted, or picture that is painted. `hidden`: what it is told wants a gradient."""
    work, behind = Work(), hidden
    for one in passes:
        work += _chain(one.layers, behind if one.behind_hidden else False) * one.times
        behind = behind or any(_trains(layer.parameters()) for layer in one.layers)
    return work


def _chain(layers: Iterable[nn.Module], reached: bool) -> Work:
    """Of one row through layers that stand one behind the other. `reached`: what comes in wants a gradient."""
    work = Work()
    for one in (inner for layer in layers for inner in layer.modules()):
        if isinstance(one, nn.Linear):
            work += _product(one, reached)
        reached = reached or _trains(one.parameters(recurse=False))
    return work


def _product(layer: nn.Linear, reached: bool) -> Work:
    once, own = 2.0 * layer.in_features * layer.out_features, layer.weight.requires_grad
    return Work(
        frozen=0 if own else once, forward=once if own else 0, through=once if reached else 0, weights=once if own else 0
    )


def _trains(parameters: Iterable[nn.Parameter]) -> bool:
    return any(parameter.requires_grad for parameter in parameters)


def _ids(parameters: Iterable[nn.Parameter]) -> set[int]:
    return {id(parameter) for parameter in parameters}


def update(model: UnifiedModel, config: TrainConfig) -> float:
    """Operations of one step of the optimizer: Muon's, which makes every singular value of a matrix one; AdamW's are
    elementwise.

    Source: Jordan et al. 2024 (see train/optim.py). With m the shorter side and n the longer: X X^T, its square, and its
    product with X.
    """
    sides = [sorted(matrix.shape) for matrix in muon_matrices(model, config).values()]
    return float(sum(NEWTON_SCHULZ_STEPS * (4 * m * m * n + 2 * m**3) for m, n in sides))


def encoding_cost(tokenizer: AbstractTokenizer) -> float:
    """Operations of encoding one picture. The frozen networks are transformers' and diffusers', so they are counted as they
    run."""
    return _counted(lambda: tokenizer.encode(_picture(tokenizer)))


def decoding_cost(tokenizer: AbstractTokenizer) -> float:
    """Operations of decoding one picture's tokens; none where a tokenizer cannot."""
    if not tokenizer.spec.can_draw:
        return 0.0
    with torch.inference_mode():
        tokens = tokenizer.encode(_picture(tokenizer))
    return _counted(lambda: tokenizer.decode(tokens))


def painting_cost(model: UnifiedModel) -> float:
    """Operations of making one picture of what the head has drawn. A painter in the model is run, a fresh one of its shape."""
    if model.painter is None:
        return decoding_cost(model.learned)
    spec = model.painter.spec
    painter = model.painter.config.masked.build(spec, model.encodings.latents.tokenizer)
    return _counted(lambda: painter(torch.zeros(1, spec.num_tokens, spec.dim)))


def vectors_cost(tokenizer: AbstractTokenizer) -> float:
    """Operations of turning one token into the vector that is read: none, unless a wrapper maps it."""
    spec = tokenizer.spec
    tokens = torch.zeros(1, 1, dtype=torch.long) if isinstance(spec.tokens, Discrete) else torch.zeros(1, 1, spec.dim)
    return _counted(lambda: tokenizer.vectors(tokens))


def _picture(tokenizer: AbstractTokenizer) -> torch.Tensor:
    spec = tokenizer.spec
    return torch.zeros(1, 3, *[spec.size_px] * len(spec.grid))


@torch.inference_mode()
def _counted(run: Callable[[], object]) -> float:
    return float(flops_of(run))
