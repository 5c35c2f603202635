"""The bare loop of `bothways bench train` trains by the recipe's own optimizer; what cannot be stacked is not timed."""

from __future__ import annotations

import pytest
import torch

from bothways.bench.stack import bench_stack
from bothways.bench.train import BareLoop
from bothways.core.errors import ConfigError
from bothways.recipes.recipe import load_recipe


def test_the_bare_loop_has_the_recipes_optimizers_on_the_same_matrices() -> None:
    bare = BareLoop(load_recipe("vq-vq"), vocab_size=32, num_codes=16)
    kinds = {
        type(part): sum(p.numel() for group in part.param_groups for p in group["params"]) for part in bare.optimizer.parts
    }
    matrices = sum(p.numel() for p in bare.backbone.lm.model.layers.parameters() if p.ndim == 2)
    assert kinds[torch.optim.Muon] == matrices > 0
    assert sum(kinds.values()) == sum(p.numel() for p in bare.module.parameters())


def test_a_recipe_that_cannot_be_stacked_is_refused_before_anything_is_built() -> None:
    with pytest.raises(ConfigError, match="the head `diffusion`"):
        bench_stack("unifluid")
