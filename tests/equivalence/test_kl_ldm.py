"""Weights in the layout of LDM (MAR's KL-16) give what a plain restatement of that layout's forward pass gives."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from torch import Tensor

from bothways.core.errors import ConfigError
from bothways.vision.kl_config import KLConfig
from bothways.vision.ldm_layout import from_ldm

CHANNELS, BLOCKS, LATENT, GROUPS = (8, 8, 16), 2, 4, 4
CONFIG = KLConfig(
    size_px=16,
    unshuffle=1,
    channels=CHANNELS,
    num_res_blocks=BLOCKS,
    latent_channels=LATENT,
    norm_groups=GROUPS,
    attention=True,
    scaling_factor=0.2325,
)


class Layout:
    """The slow reference: one pass over the layout, which makes each weight where it is first needed."""

    def __init__(self):
        self.saved: dict[str, Tensor] = {}
        self.draws = torch.Generator().manual_seed(0)

    def weight(self, name: str, *shape: int) -> Tensor:
        if name not in self.saved:
            self.saved[name] = torch.randn(shape, generator=self.draws) * 0.2
        return self.saved[name]

    def conv(self, name: str, x: Tensor, out: int, side: int = 3, **how) -> Tensor:
        weight = self.weight(f"{name}.weight", out, x.shape[1], side, side)
        return F.conv2d(x, weight, self.weight(f"{name}.bias", out), **({"padding": side // 2} | how))

    def norm(self, name: str, x: Tensor) -> Tensor:
        count = x.shape[1]
        return F.group_norm(x, GROUPS, 1 + self.weight(f"{name}.weight", count), self.weight(f"{name}.bias", count), 1e-6)

    def block(self, name: str, x: Tensor, out: int) -> Tensor:
        h = self.conv(f"{name}.conv1", F.silu(self.norm(f"{name}.norm1", x)), out)
        h = self.conv(f"{name}.conv2", F.silu(self.norm(f"{name}.norm2", h)), out)
        return h + (x if x.shape[1] == out else self.conv(f"{name}.nin_shortcut", x, out, 1))

    def attend(self, name: str, x: Tensor) -> Tensor:
        count, h = x.shape[1], self.norm(f"{name}.norm", x)
        q, k, v = (self.conv(f"{name}.{part}", h, count, 1).flatten(2) for part in "qkv")
        shares = (q.transpose(1, 2) @ k / count**0.5).softmax(-1)
        return x + self.conv(f"{name}.proj_out", (v @ shares.transpose(1, 2)).view_as(x), count, 1)

    def middle(self, side: str, x: Tensor) -> Tensor:
        x = self.block(f"{side}.mid.block_1", x, x.shape[1])
        return self.block(f"{side}.mid.block_2", self.attend(f"{side}.mid.attn_1", x), x.shape[1])

    def encode(self, x: Tensor) -> Tensor:
        x = self.conv("encoder.conv_in", x, CHANNELS[0])
        for level, out in enumerate(CHANNELS):
            for index in range(BLOCKS):
                x = self.block(f"encoder.down.{level}.block.{index}", x, out)
                if level == len(CHANNELS) - 1:
                    x = self.attend(f"encoder.down.{level}.attn.{index}", x)
            if level < len(CHANNELS) - 1:
                x = self.conv(f"encoder.down.{level}.downsample.conv", F.pad(x, (0, 1, 0, 1)), out, stride=2, padding=0)
        x = F.silu(self.norm("encoder.norm_out", self.middle("encoder", x)))
        moments = self.conv("quant_conv", self.conv("encoder.conv_out", x, 2 * LATENT), 2 * LATENT, 1)
        return moments[:, :LATENT]

    def decode(self, z: Tensor) -> Tensor:
        x = self.conv("decoder.conv_in", self.conv("post_quant_conv", z, LATENT, 1), CHANNELS[-1])
        x = self.middle("decoder", x)
        for level in reversed(range(len(CHANNELS))):
            for index in range(BLOCKS + 1):
                x = self.block(f"decoder.up.{level}.block.{index}", x, CHANNELS[level])
                if level == len(CHANNELS) - 1:
                    x = self.attend(f"decoder.up.{level}.attn.{index}", x)
            if level:
                x = self.conv(f"decoder.up.{level}.upsample.conv", F.interpolate(x, scale_factor=2.0), CHANNELS[level])
        return self.conv("decoder.conv_out", F.silu(self.norm("decoder.norm_out", x)), 3)


def layout(path: Path) -> tuple[Layout, Tensor, Tensor, Tensor]:
    """The reference, pictures, its latents and its pixels; its weights lie in `path`."""
    made, pixels = Layout(), torch.rand(2, 3, 16, 16, generator=torch.Generator().manual_seed(1)) * 2 - 1
    latents = made.encode(pixels)
    painted = made.decode(latents)
    is_norm = {name for name in made.saved if "norm" in name and name.endswith("weight")}
    save_file({name: tensor + (name in is_norm) for name, tensor in made.saved.items()}, path)
    return made, pixels, latents, painted


@torch.no_grad()
def test_a_file_in_the_layout_encodes_and_decodes_as_the_layout_does(tmp_path: Path):
    path = tmp_path / "kl16.safetensors"
    _, pixels, latents, painted = layout(path)
    ours = CONFIG.with_changes({"weights": str(path)}).build()
    tokens = ours.encode(pixels)
    torch.testing.assert_close(tokens, (latents * 0.2325).flatten(2).transpose(1, 2), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(ours.decode(tokens), painted.clamp(-1, 1), rtol=1e-3, atol=1e-4)
    assert painted.abs().median() < 1, "pixels that are clipped compare nothing"


def test_every_name_of_the_layout_is_a_name_of_diffusers_and_no_two_meet(tmp_path: Path):
    made = layout(tmp_path / "kl16.safetensors")[0]
    assert set(from_ldm(made.saved)) == set(CONFIG.build().network.state_dict())


def test_a_file_in_the_layout_whose_shapes_do_not_fit_is_refused(tmp_path: Path):
    path = tmp_path / "kl16.safetensors"
    layout(path)
    with pytest.raises(ConfigError, match=r"another kl tokenizer: .*size mismatch"):
        CONFIG.with_changes({"weights": str(path), "latent_channels": 8}).build()
