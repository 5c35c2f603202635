"""An upper branch: positions that draw go through their own copies of the backbone's top layers.

For the claim that a shared backbone hurts. Which positions draw is in the layout (`Sequence.drawing`): those that hold a token
of a picture to be drawn, its clean copy too, and those that predict one, so the opening mark where the first token is predicted
there. Given pictures, texts and all other marks go through the layers that everybody shares. Below the branch, and behind it in
the last norm, all are treated alike.

In a layer of the branch each position uses the norms, projections and MLP of its side, and all attend to each other by the
block rule, to keys and values of whichever side made them. So a position goes through as many layers as before, at the same
price; and where nothing has been drawn, reading is computed without the copies, which could then be dropped as GAS drops them.
Image losses reach the shared upper layers through the keys and values of what a drawing position reads (the request, say) and
through nothing else. The copies are made when all weights are there, so at first the model is the one without a branch.

Source: GAS (Decoupled Embedding Prediction, 2026): upper generation layers of their own, copied from the language model (from
14 of 28 on), with the vision head on them, dropped after training. What they read of other positions we did not find; that all
attend together is ours, after Mixture-of-Transformers (Liang et al. 2024, arXiv 2411.04996), where positions have weights by
modality, in every layer.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Sequence

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from bothways.core.errors import ConfigError

SIDES = ("shared", "drawing")


class Branch:
    """Which positions draw in the call of the backbone that is under way; all layers of a branch ask it."""

    def __init__(self):
        self.follow(None)

    def follow(self, drawing: Bool[Tensor, "B Q"] | None) -> None:
        """For the call that comes next. None: no position draws."""
        self._drawing, self._parts = drawing, None

    def through(self, sides: Sequence[Callable[[Tensor], Tensor]], x: Float[Tensor, "B Q *C"]) -> Float[Tensor, "B Q *O"]:
        """Each position through its own side. Both sides run, if only on no positions, so both are in the graph.

        Raises: ConfigError where a family hands its layers something else than rows of positions."""
        if self._drawing is None:
            return sides[0](x)
        if x.shape[:2] != self._drawing.shape:
            raise ConfigError(
                f"A layer of this backbone is handed {tuple(x.shape)}, and a branch needs rows and positions first; set "
                "model.backbone.drawing_layers to 0, or choose another family."
            )
        if self._parts is None:  # the first layer of the branch that asks
            self._parts = Parts.of(self._drawing.flatten())
        return self._parts.through(sides, x.flatten(0, 1)).unflatten(0, x.shape[:2])


class Parts:
    """Positions in two parts: those that go through the shared layers, those that draw, and the way back to their order."""

    def __init__(self, shared: Int[Tensor, "M"], drawing: Int[Tensor, "K"]):
        self._rows, self._back = (shared, drawing), torch.cat([shared, drawing]).argsort()

    @classmethod
    def of(cls, drawing: Bool[Tensor, "N"]) -> Parts:
        return cls((~drawing).nonzero()[:, 0], drawing.nonzero()[:, 0])

    def through(self, sides: Sequence[Callable[[Tensor], Tensor]], x: Float[Tensor, "N *C"]) -> Float[Tensor, "N *O"]:
        found = [side(x.index_select(0, rows)) for side, rows in zip(sides, self._rows, strict=True)]
        return torch.cat(found).index_select(0, self._back)


class Split(nn.Module):
    """A layer with weights (a projection, a norm) as two that begin equal: each position goes through that of its side."""

    def __init__(self, layer: nn.Module, branch: Branch):
        super().__init__()
        self.shared, self.drawing, self._branch = layer, copy.deepcopy(layer), branch

    def forward(self, x: Float[Tensor, "B Q *C"]) -> Float[Tensor, "B Q *O"]:
        return self._branch.through((self.shared, self.drawing), x)


def split(blocks: Iterable[nn.Module], branch: Branch) -> None:
    """Gives the positions that draw their own copies of these layers of a backbone, which have their weights already.

    Raises: ConfigError for layers that hold weights elsewhere than in linear layers and norms.
    """
    for parent in [module for block in blocks for module in block.modules()]:
        for name, child in parent.named_children():
            if next(child.parameters(recurse=False), None) is None:
                continue
            if not isinstance(child, nn.Linear) and not type(child).__name__.endswith("Norm"):
                raise ConfigError(
                    f"The layers of this backbone hold weights in a `{type(child).__name__}`, of which positions that draw "
                    "cannot have a copy; set model.backbone.drawing_layers to 0, or choose another family."
                )
            setattr(parent, name, Split(child, branch))


def side_of(layer: nn.Module, side: str) -> nn.Module:
    """The layer of that side: the same one for both where it is shared."""
    return getattr(layer, side) if isinstance(layer, Split) else layer


def is_split(block: nn.Module) -> bool:
    """Whether a layer of a backbone belongs to the branch."""
    return any(isinstance(module, Split) for module in block.modules())


def unsplit(name: str) -> str:
    """A weight's name in the backbone without a branch; both sides of a layer have the same."""
    return ".".join(word for word in name.split(".") if word not in SIDES)
