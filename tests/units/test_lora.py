"""LoRA: what is trained and saved, that a fresh adapter changes nothing, and that drawing reads adapted layers."""

import json
from functools import lru_cache

import pytest
import torch

import tiny
from bothways.backbones.lean import LeanCache
from bothways.backbones.lean_weights import fits
from bothways.core.errors import ConfigError, RunError
from bothways.generate.engine import fill
from bothways.heads.choose import How
from bothways.model.checkpoint import Progress, open_checkpoint
from bothways.model.freeze import counts
from bothways.train.checkpoint import save_checkpoint

LORA = {"rank": 4, "alpha": 8.0, "dropout": 0.0}


def backbone(**lora) -> dict:
    return tiny.BACKBONE | {"attention": "auto", "lora": LORA | lora}


def adapted(loud: bool = False, frozen: tuple[str, ...] = (), **lora):
    """A tiny model with adapters; `loud` ones are not zero any more."""
    made = tiny.model(backbone=backbone(**lora), frozen=list(frozen)).eval()
    if loud:
        torch.manual_seed(0)
        for name, weight in made.named_parameters():
            if "lora_" in name:
                weight.data.copy_(0.3 * torch.randn(weight.shape))
    return made


@lru_cache
def plain():
    return tiny.model(backbone=tiny.BACKBONE | {"attention": "auto"}).eval()


def hidden(model) -> torch.Tensor:
    batch = tiny.batch_of(model, [tiny.sample("reading"), tiny.sample("drawing")])
    with torch.no_grad():
        return model.hidden(batch)[~batch.is_padding]


def layers_with_adapters(model) -> set[str]:
    return {name.partition(".lora_A")[0].rpartition(".")[2] for name, _ in model.named_parameters() if ".lora_A." in name}


def test_fresh_adapters_change_nothing_and_no_other_initial_weight():
    made = adapted()
    torch.testing.assert_close(hidden(made), hidden(plain()), rtol=0, atol=1e-5)
    own = {name.replace(".base_layer", ""): weight for name, weight in made.named_parameters() if "lora_" not in name}
    assert all(weight.equal(own[name]) for name, weight in plain().named_parameters())


def test_adapters_are_drawn_by_name_whatever_was_drawn_before():
    torch.manual_seed(1)
    one = adapted()
    torch.manual_seed(2)
    assert all(a.equal(b) for a, b in zip(one.parameters(), adapted().parameters(), strict=True))


def test_of_the_backbone_the_adapters_alone_are_trained_and_the_rest_of_the_model_as_ever():
    made = adapted()
    trained = {name for name, weight in made.named_parameters() if weight.requires_grad}
    assert all("lora_" in name for name in trained if name.startswith("backbone."))
    assert {name for name in trained if not name.startswith("backbone.")} == {
        name for name, _ in made.named_parameters() if not name.startswith("backbone.")
    }
    assert 0 < counts(made)["backbone"]["trained"] < counts(made)["backbone"]["total"]


def test_parts_can_be_frozen_and_trained_beside_the_adapters():
    made = adapted(frozen=("head", "-backbone.lm_head"))
    assert made.backbone.lm.lm_head.weight.requires_grad and not any(p.requires_grad for p in made.head.parameters())
    assert "backbone.lm.lm_head.weight" not in made.rebuilt(), "what is trained is saved"


def test_targets_are_ends_of_layer_names():
    assert layers_with_adapters(adapted()) == {"q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"}
    assert layers_with_adapters(adapted(targets=["q_proj", "mlp.down_proj"])) == {"q_proj", "down_proj"}
    assert layers_with_adapters(adapted(targets=["lm_head"])) == {"lm_head"}


@pytest.mark.parametrize("targets", [["query"], ["proj"], ["q_proj", "wo"], [""], []])
def test_targets_that_fit_no_layer_are_refused_with_the_layers_there_are(targets):
    with pytest.raises(ConfigError, match=r"q_proj, k_proj|is empty"):
        adapted(targets=targets)


@pytest.mark.parametrize("family", ["llama", "qwen2", "gemma3_text"])
def test_every_family_takes_adapters(family):
    made = tiny.model(backbone=backbone() | {"family": family})
    assert layers_with_adapters(made) >= {"q_proj", "down_proj"} and hidden(made).isfinite().all()


def test_lean_paths_are_not_taken_and_drawing_reads_the_adapted_layers():
    made = adapted(loud=True)
    assert fits(plain().backbone.lm) and not fits(made.backbone.lm)
    with torch.inference_mode():
        assert not isinstance(made.backbone.new_cache(1), LeanCache)
    assert (hidden(made) - hidden(plain())).abs().max() > 0.01
    merged = tiny.model(backbone=tiny.BACKBONE | {"attention": "auto"}).eval()
    weights = dict(merged.named_parameters())
    for name, module in made.named_modules():
        if hasattr(module, "get_delta_weight"):
            weights[f"{name}.weight"].data.add_(module.get_delta_weight("default"))
    torch.testing.assert_close(hidden(made), hidden(merged), rtol=1e-4, atol=1e-4)
    prompts = [tiny.sample(pattern).prompt() for pattern in ("reading", "drawing", "editing")]
    how = How(max_text_tokens=8)
    both = [fill(model, prompts, how) for model in (made, merged)]
    for one, other in zip(*both, strict=True):
        for a, b in zip(one.segments, other.segments, strict=True):
            same = a.content == b.content if isinstance(a.content, str | None) else (a.content.array == b.content.array).all()
            assert same, "the merged model, on the lean path, answers alike"


def test_a_checkpoint_holds_the_adapters_and_what_is_trained_but_not_what_stands_under_them(tmp_path):
    made = adapted(loud=True)
    saved = open_checkpoint(save_checkpoint(tmp_path, Progress(3), made))
    held = saved.weights()
    assert held and not any(name.startswith("backbone.") and "lora_" not in name for name in held)
    again = adapted()
    saved.load_into(again)
    assert all(a.equal(b) for a, b in zip(made.parameters(), again.parameters(), strict=True))


def test_weights_under_the_adapters_that_were_changed_are_saved_and_others_than_they_were_are_refused(tmp_path):
    changed = adapted()
    changed.backbone.lm.model.norm.weight.data.mul_(2)
    saved = open_checkpoint(save_checkpoint(tmp_path / "changed", Progress(1), changed))
    assert [name for name in saved.weights() if name.startswith("backbone.") and "lora_" not in name] == [
        "backbone.lm.model.norm.weight"
    ]
    path = save_checkpoint(tmp_path / "whole", Progress(1), adapted())
    assert json.loads((path / "state.json").read_text())["left_out"]
    with pytest.raises(RunError, match="adapters of weights that are not those"):
        open_checkpoint(path).load_into(changed)
