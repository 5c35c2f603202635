"""Painters: pixels from continuous tokens, kept as one file that knows whose tokens it paints."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

import tiny
from bothways.core.errors import ConfigError
from bothways.core.randomness import rng
from bothways.core.spec import CannotDraw, Continuous, VisualSpec
from bothways.recipes.recipe import TokenizerRecipe
from bothways.recipes.tokenizers import train_tokenizer
from bothways.vision.configs import SemanticConfig
from bothways.vision.painter import load_painter, save_painter
from bothways.vision.painter_configs import DirectPainterConfig
from bothways.vision.tokenizer import to_uint8, to_unit
from bothways.vision.training_configs import PaintConfig
from bothways.worlds.watch.config import WatchConfig

SMALL = DirectPainterConfig(channels=(16, 8), num_res_blocks=(1, 0))
TOWER = SemanticConfig(size_px=48, patch_px=16, width=12, num_layers=2, num_heads=2)


def painted(tmp_path: Path, tower: SemanticConfig = TOWER) -> SemanticConfig:
    tokenizer = tower.build()
    save_painter(SMALL.build(tokenizer.spec), tmp_path / "painter.safetensors", tokenizer)
    return tower.with_changes({"painter": str(tmp_path / "painter.safetensors")})


def test_a_painter_reaches_the_size_of_its_pictures_and_treats_each_alone():
    spec = VisualSpec("example", Continuous(6), (4, 4), 48, True)
    painter = DirectPainterConfig(channels=(16, 8), num_res_blocks=(1, 1)).build(spec)
    tokens = torch.randn(3, 16, 6, generator=torch.Generator().manual_seed(0))
    pixels = painter(tokens)
    assert pixels.shape == (3, 3, 48, 48)
    torch.testing.assert_close(painter(tokens[1:2])[0], pixels[1], rtol=0, atol=1e-5)


def test_a_painter_of_the_default_shape_has_between_one_and_two_million_parameters():
    painter = DirectPainterConfig().build(VisualSpec("example", Continuous(96), (8, 8), 64, True))
    assert 1e6 < sum(weight.numel() for weight in painter.parameters()) < 2e6


@pytest.mark.parametrize(
    "spec",
    [
        VisualSpec("example", Continuous(6), (16,), 48, True),
        VisualSpec("example", Continuous(6), (4, 4), 50, True),
    ],
)
def test_tokens_that_cannot_be_painted_are_refused(spec: VisualSpec):
    with pytest.raises(ConfigError, match="A painter with 2 sizes turns tokens on a square grid"):
        SMALL.build(spec)


def test_a_semantic_tokenizer_draws_with_a_painter_and_cannot_without_one(tmp_path: Path):
    pixels = torch.from_numpy(rng(0, "pixels").uniform(-1, 1, (2, 3, 48, 48)).astype("float32"))
    bare, drawing = TOWER.build(), painted(tmp_path).build()
    assert not bare.spec.can_draw and drawing.spec.can_draw
    with pytest.raises(CannotDraw):
        bare.decode(bare.encode(pixels))
    assert drawing.decode(drawing.encode(pixels)).shape == pixels.shape


def test_a_painter_of_another_tokenizers_tokens_is_refused(tmp_path: Path):
    config = painted(tmp_path)
    with pytest.raises(ConfigError, match="was made for a tokenizer with other weights, so it would paint noise"):
        config.with_changes({"seed": 1}).build()
    weights = tiny.config().learned.build()  # a file of something else
    with pytest.raises(ConfigError, match="holds no painter"):
        load_painter(Path(__file__).parents[2] / "src/bothways/assets/vq.safetensors", weights)


def test_training_a_painter_leaves_its_file_and_a_card_and_learns_to_paint(tmp_path: Path):
    recipe = TokenizerRecipe(
        worlds={"all": WatchConfig()},
        tokenizer=TOWER,
        training=PaintConfig(painter=DirectPainterConfig(channels=(32, 16), num_res_blocks=(1, 1))),
        samples_per_step=8,
        train={"steps": 40, "lr": 0.003, "threads": 1},
        num_held_out=4,
    )
    train_tokenizer(recipe, tmp_path / "run")
    drawing = TOWER.with_changes({"painter": str(tmp_path / "run" / "painter.safetensors")}).build()
    assert (tmp_path / "run" / "painter.json").exists() and not (tmp_path / "run" / "tokenizer.safetensors").exists()
    picture = WatchConfig().build().picture("validation", 0).pixels(48)
    tokens = drawing.encode(to_unit(picture[None]))
    trained, untrained = (
        abs(to_uint8(painter(tokens))[0].astype(float) - picture).mean()
        for painter in (drawing.painter, SMALL.build(drawing.spec))
    )
    assert trained < 0.7 * untrained, (trained, untrained)
