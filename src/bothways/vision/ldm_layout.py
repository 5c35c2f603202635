"""Names of an autoencoder in the layout of LDM (CompVis; MAR's KL-16 too), turned into those of diffusers.

Source: Rombach et al. 2022 (arXiv 2112.10752), whose released autoencoders have this layout; Li et al. 2024 (MAR, arXiv
2406.11838) use it with 16 channels and stride 16. The networks are the same; LDM counts the decoder's resolutions from the
finest, diffusers from the coarsest, and LDM's attention projects with 1x1 convolutions where diffusers has linear layers.
"""

from __future__ import annotations

import re

from torch import Tensor

RENAMED = (
    (r"\.mid\.block_1\.", ".mid_block.resnets.0."),
    (r"\.mid\.block_2\.", ".mid_block.resnets.1."),
    (r"\.mid\.attn_1\.", ".mid_block.attentions.0."),
    (r"\.down\.(\d+)\.", r".down_blocks.\1."),
    (r"\.(\w+_blocks\.\d+)\.block\.", r".\1.resnets."),
    (r"\.(\w+_blocks\.\d+)\.attn\.", r".\1.attentions."),
    (r"\.downsample\.", ".downsamplers.0."),
    (r"\.upsample\.", ".upsamplers.0."),
    (r"\.nin_shortcut\.", ".conv_shortcut."),
    (r"\.norm_out\.", ".conv_norm_out."),
)
IN_ATTENTION = {"norm": "group_norm", "q": "to_q", "k": "to_k", "v": "to_v", "proj_out": "to_out.0"}


def is_ldm(names: set[str]) -> bool:
    """Whether these are names of the layout: `encoder.down.0.block.0.norm1.weight` and so on."""
    return any(name.startswith("encoder.down.") for name in names)


def from_ldm(saved: dict[str, Tensor]) -> dict[str, Tensor]:
    """The same tensors under diffusers' names; projections of attention lose the two axes of length 1."""
    last = max(int(found[1]) for name in saved if (found := re.match(r"encoder\.down\.(\d+)\.", name)))
    renamed = {}
    for name, tensor in saved.items():
        new = _name(name, last)
        is_projection = ".attentions." in new and tensor.ndim == 4
        renamed[new] = tensor[:, :, 0, 0] if is_projection else tensor
    return renamed


def _name(name: str, last: int) -> str:
    name = re.sub(r"\.up\.(\d+)\.", lambda found: f".up_blocks.{last - int(found[1])}.", name)
    for old, new in RENAMED:
        name = re.sub(old, new, name)
    return re.sub(r"(\.attentions\.\d+)\.(norm|q|k|v|proj_out)\.", lambda f: f"{f[1]}.{IN_ATTENTION[f[2]]}.", name)
