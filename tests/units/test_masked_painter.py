"""Masked painters: latents drawn from tokens, a few at a time, outside of every model."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from scipy.stats import truncnorm

import tiny
from bothways.core.errors import ConfigError
from bothways.core.randomness import rng
from bothways.core.spec import Continuous, VisualSpec
from bothways.diffusion.denoiser import draw, row_noise
from bothways.layout.order import places
from bothways.recipes.recipe import TokenizerRecipe, load_recipe
from bothways.recipes.tokenizers import train_tokenizer
from bothways.vision.configs import SemanticConfig
from bothways.vision.hiding import hidden_share
from bothways.vision.masked_painter import MARK, MaskedPainter, cells_of
from bothways.vision.painter import load_painter, save_painter
from bothways.vision.painter_configs import DirectPainterConfig, MaskedPainterConfig
from bothways.vision.painting_config import PaintingConfig
from bothways.vision.tokenizer import to_unit
from bothways.vision.training_configs import PaintLatentsConfig

TOWER = SemanticConfig(size_px=48, patch_px=16, width=12, num_layers=2, num_heads=2)
LATENTS = {"kind": "kl", "size_px": 48, "channels": [8, 8, 8, 8], "latent_channels": 4}  # 3 x 3 of them
SHAPE = {"latents": LATENTS, "width": 16, "num_layers": 1, "num_heads": 2, "denoiser": {"width": 16, "num_blocks": 1}}
QUICK = {"num_iterations": 3, "sampler": "ddim", "sampling_steps": 4}
TOLD = torch.randn(3, 9, 12, generator=torch.Generator().manual_seed(0))
PIXELS = to_unit(np.stack([tiny.picture(number).array for number in range(3)]))


def painter(**painting) -> MaskedPainter:
    """A small one whose denoiser is not silent, as a fresh one's is."""
    made = MaskedPainterConfig.parse(SHAPE | {"painting": QUICK | painting}).build(TOWER.spec).eval()
    loud = torch.Generator().manual_seed(1)
    for weight in made.parameters():
        if weight.requires_grad:
            weight.data += 0.1 * torch.randn(weight.shape, generator=loud)
    return made


def inputs(made: MaskedPainter) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Nothing dropped, latents, and the first five places hidden."""
    latents = torch.randn(3, made.num, made.dim, generator=torch.Generator().manual_seed(2))
    return torch.zeros(3, dtype=torch.bool), latents, (torch.arange(made.num) < 5).expand(3, -1)


def test_the_share_of_hidden_latents_is_mars_gaussian_cut_at_both_ends():
    shares = [hidden_share(u, 1.0, 0.25, 0.7) for u in np.linspace(0.001, 0.999, 50)]
    expected = truncnorm.ppf(np.linspace(0.001, 0.999, 50), (0.7 - 1.0) / 0.25, 0, loc=1.0, scale=0.25)
    np.testing.assert_allclose(shares, expected, atol=1e-6)
    assert hidden_share(0.0, 1.0, 0.25, 0.7) == pytest.approx(0.7)


def test_a_batch_hides_at_least_that_share_and_drops_the_tokens_of_some_pictures():
    training = PaintLatentsConfig.parse({"painter": SHAPE, "drop_share": 0.3}).build(TOWER.build())
    batch = training.batch([tiny.picture(number) for number in range(30)], rng(0, "draws"))
    hidden = batch.hidden.sum(1)
    assert hidden.min() >= 7 and hidden.max() == 9 and batch.counts == {"denoise": int(hidden.sum())}  # 0.7 of 9 is 6.3
    assert 2 < batch.dropped.sum() < 20
    again = training.batch([tiny.picture(number) for number in range(30)], rng(0, "draws"))
    assert torch.equal(again.hidden, batch.hidden) and torch.equal(again.noise, batch.noise)


def test_hidden_latents_and_dropped_tokens_are_not_read_and_all_others_are_by_everyone():
    made = painter()
    dropped, latents, hidden = inputs(made)
    before = made.states(TOLD, dropped, latents, hidden)
    moved = latents.clone()
    moved[:, 2] += 1.0
    assert torch.equal(made.states(TOLD, dropped, moved, hidden), before), "place 2 is hidden"
    moved[:, 7] += 1.0
    assert ((made.states(TOLD, dropped, moved, hidden) - before).abs().amax(-1) > 0).all()
    other = TOLD + torch.eye(9)[4][:, None]
    assert ((made.states(other, dropped, latents, hidden) - before).abs().amax(-1) > 0).all()
    drop = torch.tensor([False, True, False])
    assert torch.equal(made.states(other, drop, latents, hidden)[1], made.states(TOLD, drop, latents, hidden)[1])


def test_a_latent_is_told_the_token_in_whose_cell_it_lies():
    assert cells_of((3, 3), (3, 3)).tolist() == list(range(9))
    assert cells_of((4, 4), (2, 2)).tolist() == [0, 0, 1, 1, 0, 0, 1, 1, 2, 2, 3, 3, 2, 2, 3, 3]
    assert cells_of((2, 2), (4, 4)).tolist() == [5, 7, 13, 15]


def test_gradients_reach_every_weight_and_the_latents_tokenizer_is_none_of_them():
    training = PaintLatentsConfig.parse({"painter": SHAPE, "drop_share": 0.5}).build(TOWER.build())
    made = training.painter
    for weight in made.parameters():
        weight.data += 0.05 * torch.randn(weight.shape, generator=torch.Generator().manual_seed(1))
    batch = training.batch([tiny.picture(number) for number in range(8)], rng(0, "draws"))
    tally = training.terms(batch)["denoise"]
    assert tally.count == batch.counts["denoise"]
    tally.total.backward()
    assert all(weight.grad is not None and weight.grad.any() for weight in made.parameters())
    assert not any("latents" in name for name in training.state_dict())


@pytest.mark.parametrize("guidance", [1.0, 2.0])
def test_painting_is_that_of_one_picture_at_a_time_token_by_token(guidance: float):
    made = painter(num_iterations=9, guidance=guidance)
    fast, how = made.draw(TOLD), made.config.painting
    for number in range(3):
        latents, hidden = torch.zeros(1, 9, made.dim), torch.ones(1, 9, dtype=torch.bool)
        for step, place in enumerate(places(9, "random", how.seed, "painter").tolist()):
            known, plain = (
                made.states(TOLD[number : number + 1], torch.tensor([drop]), latents, hidden)[:, place]
                for drop in (False, True)
            )
            noise = row_noise([rng(how.seed, "painter", "noise", place)], made.dim, 1.0, torch.device("cpu"))
            scale = 1 + (guidance - 1) * (step + 1) / 9
            latents[:, place] = draw(made.config.denoiser, made.form, made.network, known, plain, scale, noise, how)
            hidden[:, place] = False
        torch.testing.assert_close(fast[number], latents[0], rtol=1e-4, atol=1e-4)


def test_painting_is_a_function_of_tokens_and_seed():
    made = painter()
    pixels = made(TOLD)
    assert pixels.shape == (3, 3, 48, 48) and torch.equal(made(TOLD), pixels)
    torch.testing.assert_close(made(TOLD[1:2])[0], pixels[1], rtol=0, atol=1e-5)
    assert (painter(seed=1)(TOLD) - pixels).abs().max() > 1e-3
    whole = {"num_iterations": 1, "temperature": 0.0}
    torch.testing.assert_close(painter(**whole, seed=1).draw(TOLD), painter(**whole).draw(TOLD), rtol=0, atol=1e-5)


def test_a_masked_painter_learns_to_draw_the_latents_that_its_tokens_tell():
    spec = VisualSpec("example", Continuous(4), (3, 3), 48, True)
    config = {
        "width": 32,
        "num_layers": 1,
        "denoiser": {"width": 32, "num_blocks": 1, "form": "flow"},
        "painting": {"num_iterations": 3, "sampling_steps": 10},
    }
    made = MaskedPainterConfig.parse(SHAPE | config).build(spec)
    optimizer = torch.optim.AdamW([weight for weight in made.parameters() if weight.requires_grad], 0.004)
    generator = torch.Generator().manual_seed(0)
    for _ in range(300):
        latents = torch.randn(16, 9, 4, generator=generator)
        hidden = torch.rand(16, 9, generator=generator) < 0.85
        states = made.states(latents, torch.zeros(16, dtype=torch.bool), latents, hidden)[hidden]
        share = (torch.arange(4) + torch.rand(len(states), 4, generator=generator)) / 4
        noise = torch.randn(len(states), 4, 4, generator=generator)
        loss = made.losses(states, latents[hidden], share, noise).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    told = torch.randn(20, 9, 4, generator=generator)  # the tokens tell the latents, which is more than a constant knows
    error = (made.draw(told) - told).square().mean() / told.square().mean()
    assert error < 0.3, error


def test_a_recipe_trains_a_masked_painter_that_a_tokenizer_then_draws_with(tmp_path: Path):
    recipe = TokenizerRecipe.parse(
        {
            "tokenizer": TOWER.to_dict(),
            "training": {"kind": "paint_latents", "painter": SHAPE | {"painting": QUICK}},
            "samples_per_step": 4,
            "train": {"steps": 12, "threads": 1},
            "num_held_out": 3,
        }
    )
    train_tokenizer(recipe, tmp_path / "run")
    path = tmp_path / "run" / "painter.safetensors"
    assert path.exists() and (tmp_path / "run" / "painter.json").exists()
    drawing = TOWER.with_changes({"painter": str(path)})
    tokens = drawing.build().encode(PIXELS)
    pixels = drawing.build().decode(tokens)
    assert pixels.shape == PIXELS.shape and pixels.abs().max() <= 1
    other = drawing.with_changes({"painting": QUICK | {"num_iterations": 9, "seed": 4}})
    assert (other.build().decode(tokens) - pixels).abs().max() > 0 and other.encodes_as == TOWER


def test_its_file_holds_latents_that_do_not_ship_and_knows_those_that_do(tmp_path: Path):
    tower, own = TOWER.build(), tmp_path / "kl.safetensors"
    kl = MaskedPainterConfig.parse(SHAPE).latents.with_changes({"seed": 5}).build()
    save_file({name: tensor.half().contiguous() for name, tensor in kl.weights().items()}, own)
    made = MaskedPainterConfig.parse(SHAPE | {"latents": LATENTS | {"weights": str(own)}, "painting": QUICK}).build(TOWER.spec)
    save_painter(made, tmp_path / "p.safetensors", tower)
    own.unlink()
    found = load_painter(tmp_path / "p.safetensors", tower)
    torch.testing.assert_close(found.latents.encode(PIXELS), made.latents.encode(PIXELS), rtol=0, atol=1e-5)

    tower = SemanticConfig(patch_px=16, width=12, num_layers=1, num_heads=2, layer=-1).build()
    shipped = {name: value for name, value in SHAPE.items() if name != "latents"}
    save_painter(MaskedPainterConfig.parse(shipped).build(tower.spec), tmp_path / "q.safetensors", tower)
    assert (tmp_path / "q.safetensors").stat().st_size < 200_000
    assert load_painter(tmp_path / "q.safetensors", tower).latents.spec.kind == "kl"
    with safe_open(tmp_path / "q.safetensors", "pt") as file:
        told = file.metadata()
    weights = load_file(tmp_path / "q.safetensors")
    save_file(weights | {MARK: weights[MARK] + 1}, tmp_path / "q.safetensors", metadata=told)
    with pytest.raises(ConfigError, match=r"draws latents of a `kl` tokenizer with other weights than asset:kl"):
        load_painter(tmp_path / "q.safetensors", tower)


def test_what_a_painter_cannot_do_is_refused_in_a_sentence(tmp_path: Path):
    tower = TOWER.build()
    save_painter(painter(), tmp_path / "masked.safetensors", tower)
    save_painter(DirectPainterConfig(channels=(8,), num_res_blocks=(0,)).build(TOWER.spec), tmp_path / "d.safetensors", tower)
    masked, direct = (TOWER.with_changes({"painter": str(tmp_path / f"{name}.safetensors")}) for name in ("masked", "d"))
    with pytest.raises(ConfigError, match=r"`direct` paints a picture at once, always the same; leave `painting` out"):
        direct.with_changes({"painting": {}}).build()
    with pytest.raises(ConfigError, match=r"num_iterations 10; a picture of 9 `kl` tokens is painted in 1 to 9"):
        masked.with_changes({"painting": {"num_iterations": 10}}).build()
    with pytest.raises(ConfigError, match=r"`euler` does not fit diffusion of the form `ddpm`"):
        masked.with_changes({"painting": {"sampler": "euler"}}).build()
    with pytest.raises(ConfigError, match=r"was made for a tokenizer with other weights"):
        masked.with_changes({"seed": 1}).build()
    with pytest.raises(ConfigError, match=r"`painting` says how a painter paints and there is none"):
        TOWER.with_changes({"painting": {}})
    with pytest.raises(ConfigError, match=r"draws continuous tokens of two axes that have a way to pixels; found `vq`"):
        MaskedPainterConfig.parse(SHAPE | {"latents": tiny.VQ})
    folder = MaskedPainterConfig.parse(SHAPE | {"latents": LATENTS}).model_copy()
    folder.__dict__["latents"] = folder.latents.model_copy(update={"weights": str(tmp_path)})
    with pytest.raises(ConfigError, match=r"are the folder .* which a painter's file cannot hold"):
        folder.to_file()


def test_the_shipped_recipe_hides_and_drops_as_mar_does():
    training = load_recipe("semantic-masked-painter").training
    assert (training.mask_mean, training.mask_std, training.least_hidden, training.drop_share) == (1.0, 0.25, 0.7, 0.1)
    assert PaintingConfig().guidance == 1.0
