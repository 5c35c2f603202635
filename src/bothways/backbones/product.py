"""Products of a few rows with a large matrix.

On CPUs such a product takes as long as reading the matrix does. oneDNN reads it in tiles that are laid out once: at 16 rows
and 6 layers of width 256 a step's products took 1.2 ms so in fp32 and 0.65 in bf16, 2.4 and 0.9 as `nn.Linear` keeps them
(docs/results/speed.md). The operations are torch's own, those that its compiler puts in the place of linear layers.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from jaxtyping import Float
from torch import Tensor

from bothways.backbones.branch import Parts


class AbstractProduct(ABC):
    """What multiplies a few rows with a matrix."""

    @abstractmethod
    def __call__(self, x: Float[Tensor, "N I"]) -> Float[Tensor, "N O"]:
        """The product."""

    @abstractmethod
    def added(self, x: Float[Tensor, "N I"], to: Float[Tensor, "N O"]) -> Float[Tensor, "N O"]:
        """The product plus `to`, in the dtype of `to`."""


class Product(AbstractProduct):
    """`x @ weight.T` for a weight (out, in) that does not change any more, in the weight's dtype."""

    def __init__(self, weight: Float[Tensor, "O I"], num_rows: int):
        """`num_rows` is how many rows a product will mostly have; any other number works too."""
        self._dtype = weight.dtype
        self._tiled = weight.device.type == "cpu" and _has_tiles(weight.dtype)
        if self._tiled:
            self._weight = torch.ops.mkldnn._reorder_linear_weight(weight.contiguous(), num_rows)
        else:
            self._weight = weight.T.contiguous()

    def __call__(self, x: Float[Tensor, "N I"]) -> Float[Tensor, "N O"]:
        x = x.to(self._dtype)
        if self._tiled:
            return torch.ops.mkldnn._linear_pointwise.default(x, self._weight, None, "none", [], "")
        return x @ self._weight

    def added(self, x: Float[Tensor, "N I"], to: Float[Tensor, "N O"]) -> Float[Tensor, "N O"]:
        if to.dtype != self._dtype:
            return to + self(x)
        if self._tiled:
            return torch.ops.mkldnn._linear_pointwise.binary(x, to, self._weight, None, "add")
        return torch.addmm(to, x, self._weight)


class Mixed(AbstractProduct):
    """With the one matrix or the other: each position with that of its side of a branch."""

    def __init__(self, products: tuple[AbstractProduct, ...], parts: Parts):
        self._products, self._parts = products, parts

    def __call__(self, x: Float[Tensor, "N I"]) -> Float[Tensor, "N O"]:
        return self._parts.through(self._products, x)

    def added(self, x: Float[Tensor, "N I"], to: Float[Tensor, "N O"]) -> Float[Tensor, "N O"]:
        return to + self(x)


def _has_tiles(dtype: torch.dtype) -> bool:
    names = ("_reorder_linear_weight", "_linear_pointwise")
    if not torch.backends.mkldnn.is_available() or not all(hasattr(torch.ops.mkldnn, name) for name in names):
        return False
    return dtype == torch.float32 or (dtype == torch.bfloat16 and torch.ops.mkldnn._is_mkldnn_bf16_supported())
