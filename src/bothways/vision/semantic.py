"""`semantic`: continuous tokens, the hidden states of a frozen vision tower of transformers.

One token a patch, no class token. As in P1 the second-to-last layer is read: the last one serves what the tower was trained
for. Deviation from P1: tokens are standardised per channel by constants measured on training pictures, which lie with the
weights. A pretrained folder has none, so its tokens are raw, as P1's are, until `measure` gives it some.

`captioned` is this class with other weights: what a tower was taught is no property of its shape.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor, nn

from bothways.core.errors import ConfigError
from bothways.core.randomness import seed_of
from bothways.core.spec import CannotDraw
from bothways.vision.configs import SemanticConfig
from bothways.vision.tokenizer import AbstractTokenizer
from bothways.vision.weights import check_size, read_weights, weights_path

NUM_CLASS_TOKENS = {"siglip": 0, "clip": 1, "dinov2": 1}


class SemanticTokenizer(AbstractTokenizer):
    """Tokens Float "B N D", standardised per channel, raster order."""

    def __init__(self, config: SemanticConfig):
        super().__init__()
        self.config = config
        self.spec = config.spec
        self.network = _pretrained(config) if config.pretrained else _fresh(config)
        self.register_buffer("mean", torch.zeros(self.spec.dim))
        self.register_buffer("std", torch.ones(self.spec.dim))
        wanted = config.tower
        self.register_buffer("pixel_mean", torch.tensor(wanted["mean"]).view(3, 1, 1), persistent=False)
        self.register_buffer("pixel_std", torch.tensor(wanted["std"]).view(3, 1, 1), persistent=False)
        if config.weights is not None and not config.pretrained:
            self.load_weights(weights_path(config.weights))
        self.painter = None
        if config.painter is not None:
            from bothways.vision.painter import load_painter

            self.painter = load_painter(weights_path(config.painter), self)

    def states(self, pixels: Float[Tensor, "B 3 P P"], network: nn.Module | None = None) -> tuple[Tensor, ...]:
        """Hidden states "B N D" of all patches: the embeddings, then one entry a layer; raw, class token left out.

        `network`: another tower of the same shape (a student in training) in place of the own one.
        """
        wanted = ((pixels + 1) / 2 - self.pixel_mean) / self.pixel_std
        more = {} if self.config.family == "dinov2" else {"interpolate_pos_encoding": self._interpolates}
        found = (network or self.network)(wanted, output_hidden_states=True, **more).hidden_states
        return tuple(state[:, NUM_CLASS_TOKENS[self.config.family] :] for state in found)

    @property
    def _interpolates(self) -> bool:
        return self.config.size_px != self.config.tower["image_size"]

    def encode(self, pixels: Float[Tensor, "B 3 P P"]) -> Float[Tensor, "B N D"]:
        return (self.states(pixels)[self.config.layer] - self.mean) / self.std

    def vectors(self, tokens: Float[Tensor, "B N D"]) -> Float[Tensor, "B N D"]:
        return tokens

    def decode(self, tokens: Float[Tensor, "B N D"]) -> Float[Tensor, "B 3 P P"]:
        if self.painter is None:
            raise CannotDraw(
                "The `semantic` tokenizer has no painter, so its tokens cannot be turned into pixels; set `painter` to the "
                "weights of one made for these tokens."
            )
        return self.painter(tokens).clamp(-1, 1)

    @torch.no_grad()
    def measure(self, pixels: Iterable[Tensor]) -> None:
        """Sets the constants so that each channel has mean 0 and variance 1 over all tokens of these batches of pictures."""
        total, squares, count = torch.zeros_like(self.mean).double(), torch.zeros_like(self.mean).double(), 0
        for some in pixels:
            raw = self.states(some)[self.config.layer].double().flatten(0, 1)
            total += raw.sum(0)
            squares += raw.square().sum(0)
            count += len(raw)
        mean = total / count
        self.mean.copy_(mean)
        self.std.copy_((squares / count - mean.square()).clamp_min(1e-12).sqrt())

    def weights(self) -> dict[str, Tensor]:
        """The tower and the constants; a painter has a file of its own."""
        return {name: tensor for name, tensor in self.state_dict().items() if not name.startswith("painter.")}

    def load_weights(self, path: Path) -> None:
        """Load every tensor or stop. Raises: ConfigError when the file is missing or made for another shape or size."""
        check_size(path.with_suffix(".json"), self.config.size_px)
        saved = read_weights(path)
        _check_shapes(path, saved, self.weights())
        self.load_state_dict(saved, strict=False)


def _check_shapes(path: Path, saved: dict[str, Tensor], wanted: dict[str, Tensor]) -> None:
    for name in sorted({*saved, *wanted}):
        found, expected = (tuple(some[name].shape) if name in some else "absent" for some in (saved, wanted))
        if found != expected:
            raise ConfigError(
                f"The weights {path} were made for another tokenizer: `{name}` is {found} there and {expected} by the config; "
                "set family, width, num_layers, num_heads, mlp_ratio and patch_px as its card says."
            )


def _fresh(config: SemanticConfig) -> nn.Module:
    # Weights are named by the config, whatever was drawn before, and leave the global generator as it was.
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed_of(config.seed, "semantic"))
        shape = {
            "hidden_size": config.width,
            "num_hidden_layers": config.num_layers,
            "num_attention_heads": config.num_heads,
            "image_size": config.size_px,
            "patch_size": config.patch_px,
            "attn_implementation": "eager",  # faster than sdpa in bf16 backward on a CPU, and no slower at 64 tokens
        }
        return _tower(config.family, shape, config.width * config.mlp_ratio, config.mlp_ratio)


def _tower(family: str, shape: dict, mlp_width: int, mlp_ratio: int) -> nn.Module:
    import transformers

    if family == "siglip":
        made = transformers.SiglipVisionConfig(**shape, intermediate_size=mlp_width, vision_use_head=False)
        return transformers.SiglipVisionModel(made)
    if family == "clip":
        return transformers.CLIPVisionModel(transformers.CLIPVisionConfig(**shape, intermediate_size=mlp_width))
    return transformers.Dinov2Model(transformers.Dinov2Config(**shape, mlp_ratio=mlp_ratio))


def _pretrained(config: SemanticConfig) -> nn.Module:
    import transformers

    names = {"siglip": "SiglipVisionModel", "clip": "CLIPVisionModel", "dinov2": "Dinov2Model"}
    loader = getattr(transformers, names[config.family])
    before, bars = transformers.logging.get_verbosity(), transformers.logging.is_progress_bar_enabled()
    transformers.logging.set_verbosity_error()  # a folder with a text tower too is no reason for a table of its weights
    transformers.logging.disable_progress_bar()
    try:
        network, told = loader.from_pretrained(config.pretrained, local_files_only=True, output_loading_info=True)
    except (OSError, ValueError, RuntimeError) as error:
        first = str(error).splitlines()[0]
        raise ConfigError(f"The folder {config.pretrained} cannot be loaded as a {config.family} tower ({first}).") from None
    finally:
        transformers.logging.set_verbosity(before)
        if bars:
            transformers.logging.enable_progress_bar()
    missing = sorted(name for name in told["missing_keys"] if not name.startswith(("head.", "post_layernorm")))
    if missing:
        raise ConfigError(f"The folder {config.pretrained} lacks weights of a {config.family} tower, first `{missing[0]}`.")
    if not -len(_layers(network)) - 1 <= config.layer <= len(_layers(network)):
        raise ConfigError(f"The tower in {config.pretrained} has {len(_layers(network))} layers and no layer {config.layer}.")
    return network.float()


def _layers(network: nn.Module) -> nn.ModuleList:
    return network.encoder.layers if hasattr(network.encoder, "layers") else network.encoder.layer
