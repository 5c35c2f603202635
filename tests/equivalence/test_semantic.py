"""The semantic tokenizer: our tokens are the tower's own hidden states, standardised; its training reaches what it should."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import save_file

import tiny
from bothways.core.errors import ConfigError
from bothways.core.spec import CannotDraw, Continuous
from bothways.recipes.recipe import TokenizerRecipe, load_recipe
from bothways.recipes.tokenizers import train_tokenizer
from bothways.train.log import read_log
from bothways.vision.cache import identity
from bothways.vision.caption_training import CaptionTraining, pair_loss
from bothways.vision.configs import SemanticConfig
from bothways.vision.distill_training import DistillTraining, spread_of
from bothways.vision.leak import collapse, leak
from bothways.vision.painter import save_painter
from bothways.vision.painter_configs import DirectPainterConfig
from bothways.vision.tokenizer import to_unit
from bothways.vision.training_configs import CaptionConfig, DistillConfig
from bothways.worlds.watch.config import WatchConfig

SMALL = {"kind": "semantic", "size_px": 48, "patch_px": 16, "width": 32, "num_heads": 2, "num_layers": 3}
PIXELS = to_unit(np.stack([tiny.picture(number).pixels(48) for number in range(6)]))
FAMILIES = ("siglip", "clip", "dinov2")
WORLD = WatchConfig(speech={"names_all": 1.0}).build()
PICTURES = [WORLD.picture("train", index) for index in range(6)]


def small(**changes) -> SemanticConfig:
    return SemanticConfig.parse(SMALL | changes)


@pytest.fixture
def folder(request: pytest.FixtureRequest, tmp_path):
    """A pretrained folder of a family, as transformers saves it."""
    tower = small(family=request.param, seed=3).build().network
    tower.save_pretrained(tmp_path / "tower")
    return tmp_path / "tower"


@torch.inference_mode()
@pytest.mark.parametrize("family", FAMILIES)
def test_tokens_are_the_second_to_last_hidden_state_of_transformers_own_tower_without_the_class_token(family: str):
    ours = small(family=family).build()
    raw, mean, std = (PIXELS + 1) / 2, ours.config.tower["mean"], ours.config.tower["std"]
    wanted = torch.stack([(raw[:, c] - mean[c]) / std[c] for c in range(3)], 1)
    theirs = ours.network(wanted, output_hidden_states=True)
    assert ours.spec.grid == (3, 3) and ours.spec.tokens == Continuous(32)
    torch.testing.assert_close(ours.encode(PIXELS), theirs.hidden_states[-2][:, -9:], rtol=0, atol=1e-5)
    last = small(family=family, layer=-1).build()
    norm = {"siglip": "post_layernorm", "clip": "post_layernorm", "dinov2": "layernorm"}[family]
    if family != "clip":  # whose own last step normalises the class token alone
        torch.testing.assert_close(
            getattr(last.network, norm)(last.encode(PIXELS)), theirs.last_hidden_state[:, -9:], rtol=0, atol=1e-5
        )


@torch.inference_mode()
@pytest.mark.parametrize("folder", FAMILIES, indirect=True)
def test_a_pretrained_folder_gives_its_own_shape_and_its_raw_states(folder, request: pytest.FixtureRequest):
    family = request.node.callspec.params["folder"]
    made = SemanticConfig(family=family, weights=str(folder), size_px=48)
    assert made.spec.grid == (3, 3) and made.spec.dim == 32, "from config.json, not from the config's own fields"
    torch.testing.assert_close(made.build().encode(PIXELS), small(family=family, seed=3).build().encode(PIXELS))
    larger = SemanticConfig(family=family, weights=str(folder), size_px=64).build()
    assert larger.encode(torch.zeros(1, 3, 64, 64)).shape == (1, 16, 32), "positions are interpolated"
    told = {"image_mean": [0.1, 0.2, 0.3], "image_std": [1.0, 1.0, 1.0]}
    (folder / "preprocessor_config.json").write_text(json.dumps(told))
    assert made.tower["mean"] == (0.1, 0.2, 0.3)
    other = next(name for name in FAMILIES if name != family)
    with pytest.raises(ConfigError, match=f"the config says family `{other}`"):
        SemanticConfig(family=other, weights=str(folder), size_px=48).build()


def test_shapes_that_cannot_be_are_refused_in_one_sentence(tmp_path):
    with pytest.raises(ConfigError, match="layer -5 does not exist"):
        small(layer=-5)
    with pytest.raises(ConfigError, match="50 px cannot be cut"):
        small(size_px=50).build()
    with pytest.raises(ConfigError, match=r"Cannot read .*config\.json"):
        _ = SemanticConfig(weights=str(tmp_path)).spec
    save_file(small(width=64).build().weights(), tmp_path / "wide.safetensors")
    with pytest.raises(ConfigError, match=r"made for another tokenizer: .* set family"):
        small(weights=str(tmp_path / "wide.safetensors")).build()
    with pytest.raises(ConfigError, match="`quantise` trains vq tokenizers"):
        TokenizerRecipe.parse({"tokenizer": SMALL, "training": {"kind": "quantise"}})


def test_without_a_painter_it_says_what_to_set():
    made = small().build()
    with pytest.raises(CannotDraw, match="set `painter`"):
        made.decode(made.encode(PIXELS))


@torch.inference_mode()
def test_measured_constants_standardise_every_channel_and_are_kept_with_the_weights(tmp_path):
    made = small().build()
    raw = made.encode(PIXELS)
    made.measure([PIXELS[:2], PIXELS[2:]])
    tokens = made.encode(PIXELS).flatten(0, 1)
    torch.testing.assert_close(tokens.mean(0), torch.zeros(32), rtol=0, atol=1e-4)
    torch.testing.assert_close(tokens.std(0, correction=0), torch.ones(32), rtol=0, atol=1e-4)
    torch.testing.assert_close(made.encode(PIXELS) * made.std + made.mean, raw, rtol=0, atol=1e-4)
    save_file({name: t.half() for name, t in made.weights().items()}, tmp_path / "kept.safetensors")
    one, two = (small(weights=str(tmp_path / "kept.safetensors")).build() for _ in range(2))
    assert torch.equal(one.encode(PIXELS), two.encode(PIXELS)) and identity(one) == identity(two)
    save_file({name: t.half() for name, t in one.weights().items()}, tmp_path / "again.safetensors")
    assert (tmp_path / "kept.safetensors").read_bytes() == (tmp_path / "again.safetensors").read_bytes()
    torch.testing.assert_close(one.encode(PIXELS), made.encode(PIXELS), rtol=0, atol=0.05)


def distilling(**settings) -> DistillTraining:
    return DistillTraining(small().build(), DistillConfig(**settings)).train()


def test_distillation_sends_gradients_to_student_and_heads_alone():
    module = distilling()
    terms = module.terms(module.batch(PICTURES, np.random.default_rng(0)))
    sum(term.total for term in terms.values()).backward()
    taught = [name for name, p in module.named_parameters() if p.grad is not None and p.grad.abs().max() > 0]
    assert {name.split(".")[0] for name in taught} == {"student", "hidden_patch", "predictor", "painter", "pool", "guess"}
    silent = [n for n, p in module.named_parameters() if p.requires_grad and p.ndim > 1 and n not in taught]
    assert silent == []
    assert all(not p.requires_grad for p in [*module.tokenizer.parameters(), *module.teacher_pool.parameters()])


def test_the_teacher_is_the_exponential_mean_of_its_student():
    module = distilling(decay_start=0.5, decay_end=0.9, decay_steps=10)
    teacher, student = (dict(of.named_parameters()) for of in (module.tokenizer.network, module.student))
    name = "encoder.layers.0.mlp.fc1.weight"
    assert torch.equal(teacher[name], student[name])
    expected = teacher[name].clone()
    for step, decay in ((0, 0.5), (5, 0.7), (20, 0.9)):
        with torch.no_grad():
            student[name] += 1.0
        module.after_step(step)
        expected = decay * expected + (1 - decay) * student[name].detach()
        torch.testing.assert_close(teacher[name], expected)


def test_hidden_patches_are_hidden_and_the_student_sees_the_rest():
    module = distilling(mask_share=0.5, brightness=0.0, noise=0.0)
    batch = module.batch(PICTURES, np.random.default_rng(1))
    assert batch.hidden.sum(1).tolist() == [4] * 6 and len({tuple(row.tolist()) for row in batch.hidden}) > 1
    torch.testing.assert_close(batch.view, batch.whole)
    seen = F.unfold(module._masked(batch), 16, stride=16).transpose(1, 2)
    whole = F.unfold(batch.whole, 16, stride=16).transpose(1, 2)
    assert (seen[batch.hidden] == 0).all(), "the hidden patch starts grey"
    assert torch.equal(seen[~batch.hidden], whole[~batch.hidden])
    again = module.batch(PICTURES, np.random.default_rng(1))
    assert torch.equal(again.hidden, batch.hidden) and torch.equal(again.view, batch.view)


def test_targets_are_centred_by_place_so_that_ground_alone_teaches_nothing():
    module = distilling()
    target, _ = module._taught(PIXELS)
    torch.testing.assert_close(target.mean(0), torch.zeros(9, 32), rtol=0, atol=1e-4)
    assert 0.8 < float(target.square().mean()) < 1.2


def test_spread_is_small_for_independent_channels_and_large_for_collapsed_ones():
    generator = torch.Generator().manual_seed(0)
    free = torch.randn(200, 9, 8, generator=generator)
    assert float(spread_of(free)) < 0.05
    assert float(spread_of(free[..., :1].expand(-1, -1, 8))) > 0.5
    assert float(spread_of(torch.randn(9, 8, generator=generator).expand(200, 9, 8))) > 0.9, "place alone is collapse"


def test_the_sigmoid_loss_is_that_of_every_pair_and_its_gradients_reach_both_sides():
    seen, told = (F.normalize(torch.randn(4, 5, generator=torch.Generator().manual_seed(s)), dim=-1) for s in (0, 1))
    expected = 0.0
    for i in range(4):
        for j in range(4):
            logit = 3.0 * float(seen[i] @ told[j]) - 1.0
            expected += float(np.log1p(np.exp(-logit if i == j else logit)))
    assert float(pair_loss(seen, told, torch.tensor(3.0), torch.tensor(-1.0))) == pytest.approx(expected, rel=1e-4)
    module = CaptionTraining(small().build(), CaptionConfig())
    module.terms(module.batch(PICTURES, np.random.default_rng(0)))["pairs"].total.backward()
    unread = ("tokenizer.network.post_layernorm",)  # the pool has a norm of its own
    silent = [n for n, p in module.named_parameters() if not n.startswith(unread) and (p.grad is None or not p.grad.any())]
    assert [name for name in silent if "k_proj.bias" not in name and "embed" not in name] == []
    assert module.log_scale.grad is not None and module.bias.grad is not None


def test_captions_name_everything_and_padding_is_read_by_nobody():
    module = CaptionTraining(small().build(), CaptionConfig()).eval()
    batch = module.batch(PICTURES, np.random.default_rng(0))
    texts = [module._wording.decode(ids[real].tolist()) for ids, real in zip(batch.ids, batch.real, strict=True)]
    for text, picture in zip(texts, PICTURES, strict=True):
        facts = WORLD.facts(picture.scene)
        heard = WORLD.hear(text)
        assert {name: facts[name] for name in heard} == heard and set(heard) == set(WORLD.attributes)
    with torch.no_grad():
        alone = module.text(batch.ids[:1][:, batch.real[0]], batch.real[:1][:, batch.real[0]])
        torch.testing.assert_close(module.text(batch.ids, batch.real)[:1], alone, rtol=0, atol=1e-5)


@pytest.mark.parametrize("training", [{"kind": "distill"}, {"kind": "caption"}])
def test_a_recipe_trains_a_tower_that_is_saved_with_its_card_and_comes_back(tmp_path, training: dict):
    recipe = TokenizerRecipe.parse(
        {
            "worlds": {"all": {"kind": "watch", "speech": {"names_all": 1.0}}},
            "tokenizer": SMALL,
            "training": training,
            "samples_per_step": 8,
            "num_held_out": 24,
            "train": {"steps": 12, "lr": 3e-3, "warmup_share": 0.1, "threads": 1},
        }
    )
    fitted = train_tokenizer(recipe, tmp_path / "run")
    losses = [line["loss"] for line in read_log(tmp_path / "run" / "log.jsonl")]
    assert fitted.samples == 96 and np.mean(losses[-3:]) < np.mean(losses[:2])
    kept = small(weights=str(tmp_path / "run" / "tokenizer.safetensors")).build()
    assert identity(kept) != identity(small().build())
    assert 0.3 < float(kept.encode(PIXELS).std()) < 4.0  # random pictures, measured on watches
    card = json.loads((tmp_path / "run" / "tokenizer.json").read_text())
    held_out = card["held_out"]["all"]
    assert {"chance", "linear", "attentive", "untrained_few_labels", "shuffled_labels"} <= set(held_out["probes"]["weather"])
    assert held_out["probes"]["hour_angle"]["unit"] == "mean cosine"
    assert held_out["collapse"]["effective_rank"] > 1 and "explained_in_patches" in held_out["leak"]
    assert card["recipe"]["tokenizer"]["seed"] == 0 and card["trained"]["pictures"] == 96


def test_tokens_are_found_again_whatever_the_threads_and_with_or_without_a_painter(tmp_path):
    tower = small().build()
    save_painter(DirectPainterConfig(channels=(8,), num_res_blocks=(0,)).build(tower.spec), tmp_path / "p.safetensors", tower)
    painted = small(painter=str(tmp_path / "p.safetensors"))
    assert identity(painted.build()) == identity(tower) and painted.encodes_as == tower.config
    before, threads = identity(load_recipe("semantic-vq").model.given.build()), torch.get_num_threads()
    try:
        torch.set_num_threads(threads % 2 + 1)
        assert identity(load_recipe("semantic-vq").model.given.build()) == before
    finally:
        torch.set_num_threads(threads)


def test_the_leak_is_what_earlier_tokens_say_of_later_ones_beyond_place():
    generator = torch.Generator().manual_seed(0)
    own = torch.randn(400, 9, 4, generator=generator)
    place = 3 * torch.randn(9, 4, generator=generator)
    for tokens, low, high in (
        (own + place, -0.3, 0.05),  # nothing but place in common
        (own[:, :1] + 0.1 * own + place, 0.9, 1.0),  # all tokens of a picture alike
    ):
        found = leak(tokens, num_places=4)
        assert low < found["explained"] <= high and found["of_others"] < 0.05
    assert collapse(own + place)["share_of_place"] > 0.7
    assert collapse(own)["effective_rank"] > 3.9 > collapse(own[..., :1].expand(-1, -1, 4))["effective_rank"]


@pytest.mark.parametrize("name", ["semantic-tokenizer", "captioned-tokenizer"])
def test_a_shipped_recipe_has_three_seeds_by_command_and_sees_what_it_may(name: str):
    made = [load_recipe(name, {"tokenizer.seed": seed, "training.seed": seed, "train.seed": seed}) for seed in range(3)]
    assert len({identity(recipe.tokenizer.build()) for recipe in made}) == 3
    assert made[0].tokenizer.spec.grid == (8, 8) and made[0].tokenizer.size_px == 64
    assert (made[0].training.kind == "caption") == (name == "captioned-tokenizer")
