"""Products of a few rows with a large matrix.

On CPUs such a product takes as long as reading the matrix does. oneDNN reads it in tiles that are laid out once: at 16 rows
and 6 layers of width 256 a step's products took 2.2 ms so, 3.0 ms as matrices (in, out) and 4.2 ms as `nn.Linear` keeps them
(docs/results/speed.md). The operations are torch's own, those that its compiler puts in the place of linear layers.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor


class Product:
    """`x @ weight.T` for a weight (out, in) that does not change any more."""

    def __init__(self, weight: Float[Tensor, "O I"], num_rows: int):
        """`num_rows` is how many rows a product will mostly have; any other number works too."""
        self._tiled = weight.device.type == "cpu" and weight.dtype == torch.float32 and _has_tiles()
        if self._tiled:
            self._weight = torch.ops.mkldnn._reorder_linear_weight(weight.contiguous(), num_rows)
        else:
            self._weight = weight.T.contiguous()

    def __call__(self, x: Float[Tensor, "N I"]) -> Float[Tensor, "N O"]:
        if self._tiled:
            return torch.ops.mkldnn._linear_pointwise(x, self._weight, None, "none", [], "")
        return x @ self._weight

    def added(self, x: Float[Tensor, "N I"], to: Float[Tensor, "N O"]) -> Float[Tensor, "N O"]:
        """The product plus `to`."""
        if self._tiled:
            return torch.ops.mkldnn._linear_pointwise.binary(x, to, self._weight, None, "add")
        return torch.addmm(to, x, self._weight)


def _has_tiles() -> bool:
    names = ("_reorder_linear_weight", "_linear_pointwise")
    return torch.backends.mkldnn.is_available() and all(hasattr(torch.ops.mkldnn, name) for name in names)
