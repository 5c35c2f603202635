"""AdamW, the learning rate as a pure function of the step, and gradient clipping.

Fused AdamW on the CPU took 0.8 ms against 3.0 (foreach) and 3.7 (loop) for 1M parameters in 100 tensors on one core.
Source: Loshchilov and Hutter, Decoupled Weight Decay Regularization (arXiv:1711.05101).
"""

from __future__ import annotations

import math
from collections.abc import Iterable

import torch
from torch import Tensor, nn

from bothways.core.errors import ConfigError
from bothways.train.config import TrainConfig


def learning_rate(step: int, config: TrainConfig) -> float:
    """Learning rate of the update number `step` (0-based): linear warmup, then constant or half a cosine."""
    if step < config.warmup_steps:
        return config.lr * (step + 1) / config.warmup_steps
    if config.schedule == "constant":
        return config.lr
    progress = (step - config.warmup_steps) / max(1, config.steps - config.warmup_steps)
    height = 0.5 * (1 + math.cos(math.pi * progress))
    return config.lr * (config.final_lr_share + (1 - config.final_lr_share) * height)


def build_optimizer(module: nn.Module, config: TrainConfig) -> torch.optim.AdamW:
    """AdamW over the trainable parameters; biases, norms and other vectors do not decay.

    Raises: ConfigError when nothing is trainable.
    """
    trainable = [p for p in module.parameters() if p.requires_grad]
    if not trainable:
        raise ConfigError("No parameter of the model is trainable; unfreeze a part of it.")
    groups = [
        {"params": [p for p in trainable if p.ndim >= 2], "weight_decay": config.weight_decay},
        {"params": [p for p in trainable if p.ndim < 2], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(
        [group for group in groups if group["params"]], lr=config.lr, betas=config.betas, eps=config.eps, fused=True
    )


def clip_gradients(parameters: Iterable[nn.Parameter], limit: float) -> Tensor:
    """Scales all gradients so that their global L2 norm is at most `limit` (0 = leave them); returns the norm before.

    Parameters without a gradient are left out. A norm that is not finite leaves the gradients as they are.
    """
    gradients = [p.grad for p in parameters if p.grad is not None]
    norm = nn.utils.get_total_norm(gradients)
    if limit and limit < norm < math.inf:
        torch._foreach_mul_(gradients, limit / norm)
    return norm
