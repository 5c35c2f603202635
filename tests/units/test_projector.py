"""Projectors of any depth and width, and the width at which one holds as many weights as the backbone."""

from __future__ import annotations

import pytest
import torch

import tiny
from bothways.core.errors import ConfigError
from bothways.core.spec import Discrete, VisualSpec
from bothways.model.config import ProjectorConfig
from bothways.model.initial import initialise
from bothways.model.projector import Projector, matching_width

SPEC = VisualSpec("example", Discrete(64, 8), (3, 3), 48, True)


@pytest.mark.parametrize("depth", [2, 3, 5])
def test_the_matching_width_holds_as_many_weights_as_asked_for(depth: int):
    config = ProjectorConfig(depth=depth)
    found = matching_width(config, SPEC, 128, 1_000_000)
    content = Projector(config.with_changes({"width": found}), SPEC, 128).content
    assert sum(p.numel() for p in content.parameters()) == pytest.approx(1_000_000, rel=0.01)
    assert [type(layer).__name__ for layer in content] == ["Linear", "GELU"] * (depth - 1) + ["Linear"]


@pytest.mark.parametrize("depth", [2, 3, 5])
@pytest.mark.parametrize("width", [None, 512])
def test_content_leaves_at_unit_size_whatever_the_depth(depth: int, width: int | None):
    projector = torch.nn.ModuleDict({"p": Projector(ProjectorConfig(depth=depth, width=width), SPEC, 128)})
    initialise(projector, 0)
    codes = torch.nn.functional.normalize(torch.randn(500, 8, generator=torch.Generator().manual_seed(0)), dim=1)
    with torch.no_grad():
        size = projector["p"].content(projector["p"].scale * codes).std()
    assert 0.5 < float(size) < 1.6


def test_an_mlp_has_at_least_two_layers_and_every_weight_of_a_deep_one_learns():
    with pytest.raises(ConfigError, match="depth"):
        ProjectorConfig.parse({"depth": 1})
    model = tiny.model(projector={"depth": 3, "width": 20})
    batch = tiny.batch_of(model, [tiny.sample("reading"), tiny.sample("drawing")])
    sum(losses.sum() for _, losses in model.losses(batch).values()).backward()
    assert all(p.grad.abs().max() > 0 for p in model.given_projector.content.parameters())
