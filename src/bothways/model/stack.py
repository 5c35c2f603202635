"""Several models of one config but for their seeds, as one: each tensor of weights has one more dimension, the models.

torch's vmap takes the model's own code over weights and batches at once, so a step starts as many operations as that of one
model, each of them larger. That is meant for GPUs, which the operations of a small model leave idle; what it does on a CPU is
in docs/results/speed.md.

Each model stays a model: its weights are the slices of the stacked ones, so what is done to it (an update, a checkpoint, an
exam) is done to the stack. Attention runs as a product, a softmax and a product, which is what vmap knows on every device.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call, stack_module_state, vmap

from bothways.core.errors import ConfigError
from bothways.core.tally import Tally
from bothways.layout.alike import alike
from bothways.layout.batch import Batch
from bothways.model.unified import UnifiedModel


class Stack:
    """`models`: whose weights become slices of the stack's; on one device, in training mode and of one config but for
    `model.seed`. Raises: ConfigError when they are not, or have a part that cannot be stacked."""

    def __init__(self, models: Sequence[UnifiedModel]):
        self.models, first = list(models), models[0]
        _check(models)
        self._weights, self._buffers = stack_module_state(self.models)
        for index, model in enumerate(models):
            for name, tensor in [*model.named_parameters(), *model.named_buffers()]:
                tensor.data = (self._weights if name in self._weights else self._buffers)[name].data[index]
        stacked = first.config.with_changes({"backbone": first.config.backbone.stacked().to_dict()})
        with torch.device("meta"):
            self._alone = _Totals(UnifiedModel(stacked, first.wording, first.encodings))  # its weights are never its own

    def before_step(self, step: int) -> None:
        self._alone.model.before_step(step)

    def terms(self, batches: Sequence[Batch]) -> list[dict[str, Tally]]:
        """`UnifiedModel.terms` of each model on its own batch. Raises: DataError where batches are too different."""
        common, fields = alike(batches)

        def totals(weights: dict[str, Tensor], buffers: dict[str, Tensor], fields: dict[str, Any]) -> dict[str, Tensor]:
            inside = {f"model.{name}": tensor for name, tensor in (weights | buffers).items()}
            return functional_call(self._alone, inside, (replace(common, **fields),), strict=True)

        device = self.models[0].nothing_text.device
        found = vmap(totals)(self._weights, self._buffers, _on(device, fields))
        each = {name: total.unbind() for name, total in found.items()}
        return [
            {name: Tally(totals[index], batch.counts[name]) for name, totals in each.items() if batch.counts.get(name)}
            for index, batch in enumerate(batches)
        ]

    def hand_out(self) -> None:
        """Gives each model its part of the gradients that the stack has collected, and forgets them. A part of the model that
        in a step some models use and others do not has a gradient of zero in the latter, and not none."""
        parameters = [dict(model.named_parameters()) for model in self.models]
        for name, weight in self._weights.items():
            gradients = [None] * len(parameters) if weight.grad is None else weight.grad.unbind()
            for own, gradient in zip(parameters, gradients, strict=True):
                own[name].grad = gradient
            weight.grad = None

    def gradients(self, part: Tensor, prefix: str) -> list[list[Tensor | None]]:
        """Gradients of `part` to the trained weights whose name begins so, model by model, in the models' order of weights; the
        graph is kept."""
        chosen = [w for name, w in self._weights.items() if name.startswith(prefix) and w.requires_grad]
        found = torch.autograd.grad(part, chosen, retain_graph=True, allow_unused=True)
        return [[None if g is None else g[index] for g in found] for index in range(len(self.models))]


class _Totals(nn.Module):
    """The terms of a batch as sums alone, which is what vmap can hand back."""

    def __init__(self, model: UnifiedModel):
        super().__init__()
        self.model = model

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        return {name: tally.total for name, tally in self.model.terms(batch).items()}


def _check(models: Sequence[UnifiedModel]) -> None:
    if obstacle := models[0].config.unstackable:
        raise ConfigError(f"These models cannot be trained as one because of {obstacle}; train them one after another.")
    if any(model.config.with_changes({"seed": 0}) != models[0].config.with_changes({"seed": 0}) for model in models):
        raise ConfigError("These models differ in more than model.seed, so they cannot be trained as one.")


def _on(device: torch.device, fields: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _on(device, it) if isinstance(it, Mapping) else it.to(device) for name, it in fields.items()}
