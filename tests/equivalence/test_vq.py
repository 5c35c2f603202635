"""The vq tokenizer: ours and transformers' agree, its training reaches every part, its encodings survive being kept."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import save_file

import tiny
from bothways.core.errors import ConfigError
from bothways.core.sample import AbstractPicture, ArrayPicture
from bothways.recipes.recipe import TokenizerRecipe
from bothways.recipes.tokenizers import train_tokenizer
from bothways.train.log import read_log
from bothways.vision.cache import EncodingCache, identity
from bothways.vision.configs import PatchConfig, VQConfig
from bothways.vision.pixel_error import edges
from bothways.vision.tokenizer import to_uint8, to_unit
from bothways.vision.training_configs import VQTrainingConfig
from bothways.vision.vq_training import PictureBatch, VQTraining

CONFIG = VQConfig.parse(tiny.VQ)
PIXELS = to_unit(np.stack([tiny.picture(number).pixels(48) for number in range(6)]))


def training(**settings) -> VQTraining:
    return VQTraining(CONFIG.build(), VQTrainingConfig(**settings))


@torch.inference_mode()
def test_our_encode_and_decode_are_those_of_transformers_own_network():
    ours = CONFIG.build()
    theirs = ours.network.eval()
    tokens = ours.encode(PIXELS)
    assert tokens.shape == (6, 9) and len(tokens.unique()) > 1
    # Its quantiser compares lengths too, so a latent is brought to unit length before; with a unit-norm codebook the
    # nearest code of the latent and of its direction are the same.
    squares = F.pixel_unshuffle(PIXELS, CONFIG.stem_px)
    assert theirs.encode(squares).image_tokens.view(6, 9).tolist() == tokens.tolist()
    painted = F.pixel_shuffle(theirs.decode(tokens), CONFIG.stem_px)
    torch.testing.assert_close(ours.decode(tokens), painted.clamp(-1, 1), rtol=0, atol=1e-4)


@torch.inference_mode()
def test_pixels_come_with_channels_first_in_memory():
    assert to_unit(np.zeros((2, 4, 4, 3), np.uint8)).is_contiguous()


def test_the_codebook_has_unit_length_also_after_weights_kept_in_fp16(tmp_path):
    made = CONFIG.build()
    save_file({name: t.half() for name, t in made.network.state_dict().items()}, tmp_path / "vq.safetensors")
    loaded = VQConfig.parse(tiny.VQ | {"weights": str(tmp_path / "vq.safetensors")}).build()
    for tokenizer in (made, loaded):
        torch.testing.assert_close(tokenizer.codebook.norm(dim=-1), torch.ones(32))
    torch.testing.assert_close(loaded.codebook, made.codebook, rtol=0, atol=1e-3)
    assert not loaded.training and not any(p.requires_grad for p in loaded.parameters())


def test_weights_that_are_missing_broken_or_foreign_are_refused_in_one_sentence(tmp_path):
    def load(name: str):
        VQConfig.parse(tiny.VQ | {"weights": str(tmp_path / name)}).build()

    (tmp_path / "broken").write_bytes(b"no tensors")
    foreign = VQConfig.parse(tiny.VQ | {"num_codes": 16}).build()
    save_file(foreign.network.state_dict(), tmp_path / "foreign")
    for name, what in (("absent", "Cannot read"), ("broken", "Cannot read"), ("foreign", "made for another tokenizer")):
        with pytest.raises(ConfigError, match=what) as caught:
            load(name)
        assert str(tmp_path / name) in str(caught.value)
    with pytest.raises(ConfigError, match="50 px is not a multiple"):
        VQConfig.parse(tiny.VQ | {"size_px": 50}).build()


def test_random_weights_are_named_by_the_config_and_leave_the_global_generator_alone():
    torch.manual_seed(1)
    expected = torch.rand(3)
    torch.manual_seed(1)
    one = CONFIG.build()
    assert torch.equal(torch.rand(3), expected)
    assert identity(one) == identity(CONFIG.build()) != identity(VQConfig.parse(tiny.VQ | {"seed": 1}).build())


def test_the_reconstruction_reaches_the_encoder_through_the_codebook():
    module = training(plain_steps=0, commitment=0.0)
    module.before_step(5)
    terms = module.terms(PictureBatch(PIXELS))
    assert float(terms["commit"].total.detach()) == 0.0
    terms["reconstruct"].total.backward()
    # A bias right before a group norm of groups of one channel has no effect, hence weights only.
    silent = [n for n, p in module.named_parameters() if p.requires_grad and p.ndim > 1 and not p.grad.abs().max() > 0]
    assert silent == []
    assert module.tokenizer.codebook.grad is None


def test_the_straight_through_gradient_is_that_of_the_codes_at_the_latents():
    module = training(plain_steps=0)
    module.before_step(5)
    tokenizer = module.tokenizer
    latents = tokenizer.latents(PIXELS).detach().requires_grad_()
    codes = tokenizer.vectors(tokenizer.nearest(latents.detach())).detach().requires_grad_()
    tokenizer.latents = lambda pixels: latents
    terms = module.terms(PictureBatch(PIXELS))
    terms["reconstruct"].total.backward()
    error = tokenizer.paint(codes) - PIXELS
    weight = 1 + 2 * edges(PIXELS)
    (weight * (error.abs() + error.square())).mean((1, 2, 3)).sum().backward()
    torch.testing.assert_close(latents.grad, codes.grad)
    distance = float((latents - codes).detach().square().sum(-1).mean(-1).sum())
    assert float(terms["commit"].total.detach()) == pytest.approx(0.25 * distance, rel=1e-5)


def test_before_quantising_starts_the_codebook_takes_no_part_and_then_is_drawn_from_latents():
    module = training(plain_steps=3)
    before = module.tokenizer.codebook.clone()
    for step in range(3):
        module.before_step(step)
        with torch.no_grad():
            terms = module.terms(PictureBatch(PIXELS))
        assert float(terms["commit"].total) == 0.0
        if step < 2:
            module.after_step(step)
            assert torch.equal(module.tokenizer.codebook, before)
    module.after_step(2)
    latents = module.tokenizer.latents(PIXELS).flatten(0, 1)
    assert ((module.tokenizer.codebook @ latents.T).amax(1) > 1 - 1e-5).all()


@torch.inference_mode()
def test_codes_that_nobody_uses_are_restarted_at_latents_and_the_others_are_not():
    module = training(plain_steps=0, restart_every_steps=10, codebook_decay=0.7)
    tokenizer, pictures = module.tokenizer, PictureBatch(PIXELS[:2])
    latents = tokenizer.latents(pictures.pixels).flatten(0, 1)
    before = tokenizer.codebook.clone()
    used = tokenizer.nearest(latents).unique()
    dead = torch.tensor([code for code in range(32) if code not in used])[: len(latents)]
    assert len(dead) > 5 and len(used) > 2
    for step in range(1, 11):
        torch.testing.assert_close(tokenizer.codebook[dead], before[dead], rtol=0, atol=1e-4)
        module.before_step(step)
        module.terms(pictures)
        module.after_step(step)
    closest = (tokenizer.codebook @ latents.T).amax(1)
    assert (closest[dead] > 1 - 1e-5).all(), "every dead code lies on a latent now"
    drift = (tokenizer.codebook[used] * before[used]).sum(-1)
    assert (drift > 0).all() and (drift < 1 - 1e-4).any(), "those in use went to theirs"
    torch.testing.assert_close(tokenizer.codebook.norm(dim=-1), torch.ones(32))


@torch.inference_mode()
def test_a_used_code_moves_to_the_mean_of_its_latents():
    module = training(plain_steps=0, codebook_decay=0.5, restart_every_steps=1000)
    for step in range(1, 25):
        module.before_step(step)
        module.terms(PictureBatch(PIXELS))
        module.after_step(step)
    latents = module.tokenizer.latents(PIXELS).flatten(0, 1)
    nearest = module.tokenizer.nearest(latents)
    for code in nearest.unique():
        mean = F.normalize(latents[nearest == code].mean(0), dim=0)
        torch.testing.assert_close(module.tokenizer.codebook[code], mean, rtol=0, atol=1e-3)


def test_a_recipe_trains_a_tokenizer_that_paints_better_and_is_saved_with_its_card(tmp_path):
    recipe = TokenizerRecipe.parse(
        {
            "tokenizer": tiny.VQ,
            "training": {"kind": "quantise", "plain_steps": 8},
            "samples_per_step": 6,
            "num_held_out": 4,
            "train": {"steps": 25, "lr": 3e-3, "weight_decay": 0.0, "warmup_share": 0.1, "threads": 1},
        }
    )
    fitted = train_tokenizer(recipe, tmp_path / "run")
    losses = [line["terms"]["reconstruct"] for line in read_log(tmp_path / "run" / "log.jsonl")]
    assert fitted.samples == 150 and len(losses) == 25
    assert np.mean(losses[-5:]) < 0.7 * np.mean(losses[:3])
    kept = VQConfig.parse(tiny.VQ | {"weights": str(tmp_path / "run" / "tokenizer.safetensors")}).build()
    assert identity(kept) != identity(CONFIG.build())
    card = (tmp_path / "run" / "tokenizer.json").read_text()
    assert all(word in card for word in ("weather", "perplexity", '"pictures": 150'))


def test_patches_come_back_exactly():
    patches = PatchConfig(size_px=48, patch_px=16).build()
    tokens = patches.encode(PIXELS)
    assert tokens.shape == (6, 9, 3 * 16 * 16)
    torch.testing.assert_close(patches.decode(tokens), PIXELS, rtol=0, atol=1e-5)
    assert (to_uint8(patches.decode(tokens)) == np.stack([tiny.picture(n).pixels(48) for n in range(6)])).all()
    # Raster order: the second token is the patch to the right of the first.
    torch.testing.assert_close(patches.encode(PIXELS.roll(-16, -1))[:, 0], tokens[:, 1])
    with pytest.raises(ConfigError, match="cannot be cut"):
        PatchConfig(size_px=48, patch_px=7).build()


def test_pixels_survive_the_way_to_floats_and_back():
    pictures = np.arange(256, dtype=np.uint8).repeat(3).reshape(1, 16, 16, 3)
    assert to_unit(pictures).amin() == -1 and to_unit(pictures).amax() == 1
    assert (to_uint8(to_unit(pictures)) == pictures).all()
    assert to_uint8(torch.full((1, 3, 2, 2), 7.0)).max() == 255


@dataclass(frozen=True)
class Counted(AbstractPicture):
    """A picture that counts how often it is rendered."""

    number: int
    renderings: Counter = field(default_factory=Counter)

    @property
    def key(self) -> str:
        return f"counted {self.number}"

    def pixels(self, size_px: int) -> np.ndarray:
        self.renderings[self.number] += 1
        return tiny.picture(self.number).pixels(size_px)


def counted(*numbers: int) -> tuple[list[AbstractPicture], Counter]:
    renderings: Counter = Counter()
    return [Counted(number, renderings) for number in numbers], renderings


def test_cached_tokens_are_those_of_encoding_and_each_picture_is_rendered_once():
    cache = EncodingCache(CONFIG.build())
    pictures, renderings = counted(3, 1, 3, 2)
    expected = cache.tokenizer.encode(PIXELS)[[3, 1, 3, 2]]
    for _ in range(2):
        assert cache.tokens(pictures).tolist() == expected.tolist()
    assert renderings == {1: 1, 2: 1, 3: 1}
    assert cache.seconds["render"] > 0 and cache.seconds["encode"] > 0


def test_continuous_tokens_are_encoded_anew_and_not_kept():
    cache = EncodingCache(PatchConfig(size_px=48, patch_px=16).build())
    pictures, renderings = counted(1, 2)
    for _ in range(2):
        torch.testing.assert_close(cache.tokens(pictures), cache.tokenizer.encode(PIXELS[1:3]))
    assert renderings == {1: 2, 2: 2}


def test_filled_encodings_are_found_by_another_process_and_only_with_the_same_weights(tmp_path):
    pictures, renderings = counted(*range(6), 1, 2)
    first = EncodingCache(CONFIG.build(), tmp_path)
    first.fill(iter(pictures[:4]))
    first.fill(iter(pictures))
    assert len(list(tmp_path.rglob("*.npz"))) == 2 and not list(tmp_path.rglob(".*.npz"))
    again = EncodingCache(CONFIG.build(), tmp_path)
    assert again.tokens(pictures[:6]).tolist() == first.tokenizer.encode(PIXELS).tolist()
    assert renderings == dict.fromkeys(range(6), 1)
    other = EncodingCache(VQConfig.parse(tiny.VQ | {"seed": 1}).build(), tmp_path)
    assert other.tokens(pictures[:6]).tolist() == other.tokenizer.encode(PIXELS).tolist()
    assert renderings == dict.fromkeys(range(6), 2)


def test_a_tokenizers_identity_changes_with_any_weight():
    tokenizer = CONFIG.build()
    before = identity(tokenizer)
    for weight in list(tokenizer.network.parameters())[::10]:
        weight.data.view(-1)[0] += 0.01
        assert identity(tokenizer) != before
        weight.data.view(-1)[0] -= 0.01


def test_pictures_of_another_size_are_resized_for_the_tokenizer():
    cache = EncodingCache(CONFIG.build())
    large = ArrayPicture(np.kron(tiny.picture(0).array, np.ones((2, 2, 1), np.uint8)), "large")
    assert cache.tokens([large]).shape == (1, 9)
