"""The `kl` tokenizer: tokens, standardisation, folders of diffusers, bad input, training."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from diffusers import AutoencoderKL
from safetensors.torch import save_file

from bothways.core.errors import ConfigError
from bothways.core.randomness import rng
from bothways.vision.kl import KLTokenizer
from bothways.vision.kl_config import KLConfig
from bothways.vision.training_configs import KLTrainingConfig
from bothways.worlds import WORLDS

SMALL = {"channels": (8, 16), "norm_groups": 4, "latent_channels": 4, "size_px": 32}


def tokenizer(**changes) -> KLTokenizer:
    return KLConfig(**SMALL | changes).build()


def pictures(num: int = 6, size_px: int = 32) -> torch.Tensor:
    return torch.rand(num, 3, size_px, size_px, generator=torch.Generator().manual_seed(0)) * 2 - 1


def folder(path: Path, **constants) -> tuple[Path, AutoencoderKL]:
    torch.manual_seed(0)
    made = AutoencoderKL(
        down_block_types=("DownEncoderBlock2D",) * 2,
        up_block_types=("UpDecoderBlock2D",) * 2,
        block_out_channels=(8, 16),
        norm_num_groups=4,
        **constants,
    ).eval()
    made.save_pretrained(path)
    return path, made


@torch.no_grad()
def test_tokens_have_mean_0_and_variance_1_on_the_pictures_that_were_measured():
    made = tokenizer()
    made.measure(pictures().split(2))
    channels = made.encode(pictures()).flatten(0, 1)
    assert channels.mean(0).abs().max() < 1e-4
    assert (channels.std(0, unbiased=False) - 1).abs().max() < 1e-3


@torch.no_grad()
def test_folding_latents_into_tokens_and_back_changes_no_pixel():
    plain, folded = tokenizer(), tokenizer(patchify=2)
    tokens = folded.encode(pictures())
    assert tokens.shape == (6, 16, 16) and plain.encode(pictures()).shape == (6, 64, 4)
    torch.testing.assert_close(folded.decode(tokens), plain.decode(plain.encode(pictures())))


@torch.no_grad()
@pytest.mark.parametrize(
    "constants",
    [
        {},
        {"scaling_factor": 0.5, "shift_factor": 0.1},
        {"latents_mean": [0.1, 0.2, 0.3, 0.4], "latents_std": [1.0, 2.0, 3.0, 4.0]},
    ],
)
def test_a_folder_of_diffusers_encodes_and_decodes_as_diffusers_does(tmp_path: Path, constants: dict):
    path, theirs = folder(tmp_path, **constants)
    ours = KLConfig(weights=str(path), size_px=32).build()
    latents = theirs.encode(pictures()).latent_dist.mode()
    tokens = ours.encode(pictures())
    mean = torch.tensor(constants.get("latents_mean", [constants.get("shift_factor", 0.0)] * 4)).view(4, 1, 1)
    std = torch.tensor(constants.get("latents_std", [1.0] * 4)).view(4, 1, 1) / constants.get("scaling_factor", 0.18215)
    torch.testing.assert_close(tokens.transpose(1, 2).unflatten(2, (16, 16)), (latents - mean) / std)
    torch.testing.assert_close(ours.decode(tokens), theirs.decode(latents).sample.clamp(-1, 1), rtol=1e-4, atol=1e-5)


def test_a_size_that_does_not_fit_is_refused_and_sizes_that_fit_are_named():
    with pytest.raises(ConfigError, match=r"66 px is not a multiple.* 64, 68, 72"):
        _ = KLConfig(**SMALL | {"size_px": 66}).spec


def test_a_folder_that_is_no_autoencoder_is_refused(tmp_path: Path):
    with pytest.raises(ConfigError, match="missing"):
        KLConfig(weights=str(tmp_path)).build()
    (tmp_path / "config.json").write_text(json.dumps({"_class_name": "UNet2DModel"}))
    with pytest.raises(ConfigError, match="UNet2DModel"):
        KLConfig(weights=str(tmp_path)).build()


@pytest.mark.parametrize("change", ["absent", "extra", "shape"])
def test_a_folder_whose_weights_do_not_fit_is_refused(tmp_path: Path, change: str):
    path, made = folder(tmp_path)
    saved = made.state_dict()
    bias = saved.pop("encoder.conv_in.bias")
    more = {
        "absent": {},
        "extra": {"other": bias, "encoder.conv_in.bias": bias.clone()},
        "shape": {"encoder.conv_in.bias": bias[:3]},
    }
    save_file({**saved, **more[change]}, path / "diffusion_pytorch_model.safetensors")
    with pytest.raises(ConfigError, match=r"do not fit|cannot be loaded"):
        KLConfig(weights=str(path), size_px=32).build()


def test_a_few_steps_of_training_lower_the_loss_and_what_is_published_is_standardised(tmp_path: Path):
    objective = KLTrainingConfig().build(tokenizer(size_px=64))
    world = WORLDS.load("watch")().build()
    shown = [world.picture("train", index) for index in range(6)]
    optimizer = torch.optim.Adam(objective.parameters(), 3e-3)
    batch, losses = objective.batch(shown, rng(0, "noise")), []
    for _ in range(12):
        loss = sum(tally.total for tally in objective.terms(batch).values())
        losses.append(loss.item())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert losses[-1] < 0.8 * losses[0]
    objective.finish(shown)
    published = objective.publish(tmp_path / "kl.safetensors")
    assert (published.encode(batch.pixels).flatten(0, 1).std(0) - 1).abs().max() < 0.05
