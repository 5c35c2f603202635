"""LoRA on any backbone: peft's layers, with initial weights drawn by name and only the adapters to be saved.

A layer W x becomes W x + (alpha / rank) B A dropout(x); W stays, B begins at zero. The lean paths are not taken then, because
they read W alone (`lean_weights.fits`). Dropout uses torch's global generator, which the trainer seeds by (seed, step): a
resumed run draws the same, another number of micro-batches or samples in a step does not.
Source: Hu et al. 2021 (arXiv:2106.09685).
"""

from __future__ import annotations

import hashlib

import torch
from torch import nn

from bothways.backbones.branch import unsplit
from bothways.backbones.configs import LoraConfig
from bothways.core.errors import ConfigError
from bothways.core.randomness import seed_of

ALL = "linear"
_NOT_BY_ALL = "lm_head"


class Adapter:
    """The adapters that were put on a backbone."""

    def __init__(self, backbone: nn.Module, config: LoraConfig, seed: int):
        """Freezes the backbone and puts adapters on the layers that `config.targets` names; `seed` names their weights.

        Raises: ConfigError for a target that no layer's name ends with.
        """
        from peft import LoraConfig as PeftConfig
        from peft import inject_adapter_in_model

        targets = _layers(backbone, config.targets)
        before = {id(parameter) for parameter in backbone.parameters()}
        backbone.requires_grad_(False)
        wanted = PeftConfig(r=config.rank, lora_alpha=config.alpha, lora_dropout=config.dropout, target_modules=targets)
        with torch.random.fork_rng(devices=[]):  # peft draws weights too, which are replaced
            inject_adapter_in_model(wanted, backbone)
        self._backbone = backbone
        self._began = {name: checksum_of(p) for name, p in backbone.named_parameters() if id(p) in before}
        for name, parameter in backbone.named_parameters():
            if id(parameter) not in before:
                parameter.requires_grad_(True)
                _initialise(name, parameter, seed)

    def rebuilt(self) -> dict[str, str]:
        """The backbone's own weights that are as they were built and not trained: name -> checksum."""
        frozen = {name: p for name, p in self._backbone.named_parameters() if name in self._began and not p.requires_grad}
        return {name: found for name, p in frozen.items() if (found := checksum_of(p)) == self._began[name]}


def checksum_of(tensor: torch.Tensor) -> str:
    """Of the numbers themselves; about a second a gigabyte. Nothing on the meta device, where a model has none."""
    if tensor.is_meta:
        return ""
    data = tensor.detach().cpu().contiguous().flatten().view(torch.uint8)
    return hashlib.blake2b(data.numpy(), digest_size=16).hexdigest()


@torch.no_grad()
def _initialise(name: str, parameter: nn.Parameter, seed: int) -> None:
    """A even in +-1 / sqrt(fan-in), as peft's own, and alike on both sides of a branch; B zero, so a model with fresh adapters
    is the model without."""
    if parameter.is_meta:
        return
    if ".lora_B." in name:
        parameter.zero_()
        return
    generator = torch.Generator().manual_seed(seed_of(seed, "lora", unsplit(name)))
    parameter.copy_((2 * torch.rand(parameter.shape, generator=generator) - 1) * parameter.shape[1] ** -0.5)


def _layers(backbone: nn.Module, targets: tuple[str, ...]) -> list[str]:
    """Full names of the linear layers that the targets name."""
    linear = [name for name, module in backbone.named_modules() if isinstance(module, nn.Linear)]
    found = []
    for target in targets:
        fitting = [name for name in linear if _fits(unsplit(name), target)]
        if not fitting:
            kinds = ", ".join(dict.fromkeys(unsplit(name).rpartition(".")[2] for name in linear))
            raise ConfigError(
                f"No linear layer of the backbone has a name that ends with the LoRA target `{target}`; its layers are "
                f"{kinds}, and `{ALL}` means all of them but {_NOT_BY_ALL}."
            )
        found += fitting
    if not found:
        raise ConfigError(f"model.backbone.lora.targets is empty; name layers, or `{ALL}` for all but {_NOT_BY_ALL}.")
    return list(dict.fromkeys(found))


def _fits(name: str, target: str) -> bool:
    if target == ALL:
        return not f".{name}".endswith(f".{_NOT_BY_ALL}")
    return bool(target) and f".{name}".endswith(f".{target}")
