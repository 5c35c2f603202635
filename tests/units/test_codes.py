"""Codes of continuous tokens by k-means, and code vectors as continuous tokens."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

import tiny
from bothways.core.errors import ConfigError
from bothways.core.randomness import rng
from bothways.core.rundir import RunDir
from bothways.heads.configs import DiffusionConfig
from bothways.model.store import keep_parts, rebuild
from bothways.recipes.recipe import TokenizerRecipe, load_recipe
from bothways.recipes.tokenizers import train_tokenizer
from bothways.vision.cache import identity
from bothways.vision.cluster_training import k_means, spread
from bothways.vision.codes_config import CodesConfig, CodeVectorsConfig
from bothways.vision.configs import PatchConfig, SemanticConfig, VQConfig
from bothways.vision.painter import save_painter
from bothways.vision.painter_configs import DirectPainterConfig
from bothways.vision.tokenizer import to_unit
from bothways.worlds.watch.config import WatchConfig

TOWER = SemanticConfig(size_px=48, patch_px=16, width=12, num_layers=2, num_heads=2)
PIXELS = to_unit(np.stack([tiny.picture(number).array for number in range(4)]))


def groups(num: int, size: int) -> tuple[np.ndarray, np.ndarray]:
    """`num` means far apart and `size` points close to each."""
    means = 20 * np.eye(num, 8, dtype=np.float32)
    points = means.repeat(size, 0) + 0.1 * rng(0, "points").standard_normal((num * size, 8), dtype=np.float32)
    return means, rng(0, "mixed").permutation(points)


def test_k_means_finds_the_groups_that_are_there_and_the_same_ones_again():
    means, points = groups(6, 40)
    found = k_means(points, 6, num_iterations=5, seed=0)
    distances = np.linalg.norm(means[:, None] - found[None], axis=-1)
    assert sorted(distances.argmin(1)) == list(range(6)) and distances.min(1).max() < 0.1
    assert (found == k_means(points, 6, num_iterations=5, seed=0)).all()


def test_the_start_is_that_of_k_means_plus_plus_written_plainly():
    points, draws = rng(0, "cloud").standard_normal((300, 5)), rng(3, "k-means++")
    chosen = [points[draws.integers(300)]]
    while len(chosen) < 20:
        squared = np.array([min(float(((point - one) ** 2).sum()) for one in chosen) for point in points])
        chosen.append(points[np.searchsorted(squared.cumsum(), draws.random() * squared.sum(), side="right")])
    np.testing.assert_array_equal(spread(points, 20, seed=3), np.stack(chosen))


def test_fewer_different_tokens_than_codes_are_refused():
    with pytest.raises(ConfigError, match=r"Found 2 different tokens, too few for 3 codes"):
        k_means(np.eye(2, 4, dtype=np.float32).repeat(9, 0), 3, num_iterations=2, seed=0)


def test_a_token_becomes_its_closest_code():
    codes = CodesConfig(of=TOWER, num_codes=40).build()
    tokens = torch.randn(3, 9, 12, generator=torch.Generator().manual_seed(0))
    assert torch.equal(codes.nearest(tokens), torch.cdist(tokens, codes.codebook).argmin(-1))
    assert torch.equal(codes.encode(PIXELS), codes.nearest(codes.of.encode(PIXELS)))


def test_without_a_painter_of_their_own_codes_are_drawn_by_the_tokenizer_that_they_code():
    codes = CodesConfig(of=PatchConfig(size_px=48, patch_px=16), num_codes=9).build()
    codes.codebook.copy_(codes.of.encode(PIXELS)[2])
    assert codes.spec.can_draw and not CodesConfig(of=TOWER).spec.can_draw
    torch.testing.assert_close(codes.decode(codes.encode(PIXELS[2:3])), PIXELS[2:3], rtol=0, atol=1e-5)


def made(folder: Path) -> CodesConfig:
    """Codes of watches, made by a recipe."""
    recipe = TokenizerRecipe.parse(
        {
            "tokenizer": {"kind": "codes", "of": TOWER.to_dict(), "num_codes": 20},
            "training": {"kind": "cluster"},
            "samples_per_step": 1024,
            "train": None,
            "num_held_out": 4,
        }
    )
    took = train_tokenizer(recipe, folder)
    assert took.steps == 0 and took.samples == 2048
    return recipe.tokenizer.with_changes({"weights": str(folder / "tokenizer.safetensors")})


@pytest.fixture(scope="module")
def codes(tmp_path_factory: pytest.TempPathFactory) -> CodesConfig:
    return made(tmp_path_factory.mktemp("codes") / "run")


def test_a_recipe_makes_codes_that_lie_closer_than_chance_in_a_file_without_the_tower(codes: CodesConfig):
    file = Path(codes.weights)
    assert file.stat().st_size < 2000
    card = json.loads(file.with_suffix(".json").read_text())
    assert card["trained"]["steps"] == 0 and card["held_out"]["all"]["codebook"]["share_used"] > 0.3
    tokenizer = codes.build()
    pictures = [WatchConfig().build().picture("validation", index).pixels(48) for index in range(20)]
    tokens = tokenizer.of.encode(to_unit(np.stack(pictures)))
    left = (tokenizer.vectors(tokenizer.nearest(tokens)) - tokens).square().mean()
    assert left < 0.7 * tokens.var(dim=(0, 1)).mean()
    assert identity(tokenizer) != identity(codes.with_changes({"weights": None}).build())


def test_codes_of_another_tower_or_of_another_number_are_refused(codes: CodesConfig):
    with pytest.raises(ConfigError, match=r"made of the tokens of a `semantic` tokenizer with other weights"):
        codes.with_changes({"of.seed": 1}).build()
    with pytest.raises(ConfigError, match=r"its codebook is \(20, 12\) and the config's \(30, 12\)"):
        codes.with_changes({"num_codes": 30}).build()
    with pytest.raises(ConfigError, match=r"makes codes already; set `of` to another"):
        CodesConfig.parse({"of": tiny.VQ})


def test_what_takes_no_steps_is_told_none_and_what_takes_steps_how_many():
    values = {"tokenizer": {"kind": "codes", "of": TOWER.to_dict()}, "training": {"kind": "cluster"}}
    with pytest.raises(ConfigError, match=r"`cluster` takes no steps; set `train: null`"):
        TokenizerRecipe.parse(values | {"train": {"steps": 5}})
    with pytest.raises(ConfigError, match=r"`quantise` is made step by step; say how in `train`"):
        TokenizerRecipe.parse({"train": None})


def test_a_run_keeps_codes_tower_and_painter_and_is_rebuilt_from_them(codes: CodesConfig, tmp_path: Path):
    tower = TOWER.build()
    (tmp_path / "files").mkdir()
    paths = {name: tmp_path / "files" / f"{name}.safetensors" for name in ("tower", "codes", "painter")}
    from safetensors.torch import save_file

    save_file({name: tensor.half().contiguous() for name, tensor in tower.weights().items()}, paths["tower"])
    paths["codes"].write_bytes(Path(codes.weights).read_bytes())
    own = codes.with_changes({"of.weights": str(paths["tower"]), "weights": str(paths["codes"])})
    tokenizer = own.build()
    save_painter(DirectPainterConfig(channels=(8,), num_res_blocks=(1,)).build(own.spec), paths["painter"], tokenizer)
    own = own.with_changes({"painter": str(paths["painter"])})
    config = tiny.config(given=own.to_dict(), learned=own.to_dict())
    run = RunDir.create(tmp_path / "run", {"kind": "model", "model": config.to_dict()})
    keep_parts(run, config, tiny.WORDING)
    before = own.build()
    for path in paths.values():
        path.unlink()
    found = rebuild(run).learned
    tokens = before.encode(PIXELS)
    assert torch.equal(found.encode(PIXELS), tokens) and torch.equal(found.decode(tokens), before.decode(tokens))


@pytest.mark.parametrize("of", [tiny.VQ, {"kind": "codes", "of": PatchConfig(size_px=48, patch_px=16).to_dict()}])
def test_code_vectors_are_standardised_and_decoded_as_the_codes_that_they_are(of: dict):
    tokenizer = CodeVectorsConfig.parse({"of": of, "dim": 6}).build()
    points = tokenizer.points
    torch.testing.assert_close(points.mean(0), torch.zeros(6), rtol=0, atol=1e-5)
    torch.testing.assert_close(points.T @ points / len(points), torch.eye(6), rtol=0, atol=1e-4)
    tokens = tokenizer.encode(PIXELS)
    noise = 0.01 * torch.randn(tokens.shape, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(tokenizer.decode(tokens + noise), tokenizer.of.decode(tokenizer.of.encode(PIXELS)))


def test_code_vectors_of_continuous_tokens_or_of_too_many_components_are_refused():
    with pytest.raises(ConfigError, match=r"takes the codes of a discrete tokenizer and `patches`"):
        CodeVectorsConfig.parse({"of": tiny.PATCHES})
    with pytest.raises(ConfigError, match=r"dim is 9 and 32 codes of 8 channels have fewer"):
        CodeVectorsConfig.parse({"of": tiny.VQ, "dim": 9})


def test_the_cells_of_pixels_and_of_meaning_differ_in_their_targets_alone():
    pixels, meaning = (load_recipe(name).to_dict() for name in ("semantic-vq", "semantic-codes"))
    differ = {key for key in pixels if pixels[key] != meaning[key]}
    assert differ == {"name", "about", "model"}
    assert {key for key in pixels["model"] if pixels["model"][key] != meaning["model"][key]} == {"learned"}
    specs = [load_recipe(name).model.learned.spec for name in ("semantic-vq", "semantic-codes")]
    assert len({(spec.tokens.vocab, spec.grid, spec.size_px) for spec in specs}) == 1


@pytest.mark.parametrize("kind", ["vq", "codes"])
def test_the_shipped_codes_can_be_learned_by_a_diffusion_head(kind: str):
    of = VQConfig(weights="asset:vq") if kind == "vq" else load_recipe("semantic-codes").model.learned
    tokenizer = CodeVectorsConfig(of=of).build()
    assert tokenizer.spec.dim == 8 and tokenizer.spec.can_draw
    pictures = [WatchConfig().build().picture("validation", index).pixels(64) for index in range(8)]
    with torch.no_grad():
        tokens = tokenizer.encode(to_unit(np.stack(pictures)))
    DiffusionConfig().build(tokenizer.spec, 16).check_targets(tokens)
