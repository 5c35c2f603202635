"""Backbones from configs: which families there are, which are refused and why, and the size dial."""

from __future__ import annotations

import pytest
import torch
from jaxtyping import TypeCheckError

import tiny
from bothways.backbones.attention import choose
from bothways.backbones.backbone import Reads
from bothways.backbones.configs import SIZES, CausalLMConfig
from bothways.core.errors import ConfigError


@pytest.mark.parametrize("family", tiny.FAMILIES)
def test_every_tested_family_is_built_at_the_width_and_depth_that_is_asked_for(family: str):
    backbone = CausalLMConfig(family=family, width=48, num_layers=3, num_heads=4).build(100)
    assert backbone.width == 48 and len(backbone.lm.model.layers) == 3
    assert backbone.embed(torch.tensor([5])).shape == (1, 48)


@pytest.mark.parametrize(
    ("family", "reason"),
    [
        ("lama", "Did you mean `llama`"),
        ("gpt2", "lm_head"),  # learned positions inside, which nobody could set from outside
        ("falcon", "cannot be a backbone"),
        ("cohere", "logit_scale"),  # scales its logits outside of lm_head
        ("gpt_oss", "sinks"),  # keys that no position holds
    ],
)
@pytest.mark.filterwarnings("ignore")
def test_a_family_that_would_lose_something_is_refused_with_the_reason(family: str, reason: str):
    with pytest.raises(ConfigError, match=reason) as caught:
        CausalLMConfig(family=family, size="tiny").build(100)
    assert f"`{family}`" in str(caught.value) and "llama" in str(caught.value)


def test_a_family_without_an_attention_path_says_so_and_auto_takes_another():
    with pytest.raises(ConfigError, match="`gemma2` has no sdpa"):
        CausalLMConfig(family="gemma2", size="tiny", attention="sdpa").build(100)
    backbone = CausalLMConfig(family="gemma2", size="tiny").build(100)
    rows = torch.arange(4)[None]
    backbone.run(backbone.embed(rows), Reads.within(rows * 0, rows, rows > 9), rows)
    assert backbone.lm.config._attn_implementation == "matmul"


def test_auto_takes_the_path_that_was_measured_fastest():
    assert choose(torch.bfloat16, "cpu") == "matmul"
    assert choose(torch.float32, "cpu") == choose(torch.bfloat16, "cuda") == "sdpa"
    assert choose(torch.float32, "cpu", has_sdpa=False) == "matmul"


def test_an_unknown_size_is_answered_with_the_nearest():
    with pytest.raises(ConfigError, match="Did you mean `nano`"):
        _ = CausalLMConfig(size="nanoo").build(100)


def test_sizes_grow_and_nano_is_about_a_million_parameters():
    widths = [shape.width for shape in SIZES.values()]
    assert widths == sorted(widths)
    assert all(CausalLMConfig(size=size).shape.head_width % 2 == 0 for size in SIZES)
    nano = CausalLMConfig(size="nano").build(512)
    assert 0.7e6 < sum(p.numel() for p in nano.parameters()) < 1.3e6


@pytest.mark.parametrize(
    ("size", "family", "tied", "published"),
    [("gemma-2-2b", "gemma2", True, 2_614_341_888), ("llama-2-7b", "llama", False, 6_738_415_616)],
)
def test_published_sizes_have_the_published_number_of_weights(size: str, family: str, tied: bool, published: int):
    with torch.device("meta"):
        backbone = CausalLMConfig(size=size, family=family, tied=tied).build(512)
    assert sum(p.numel() for p in backbone.parameters()) == published


def test_another_width_leaves_the_dials_heads_and_mlp_behind():
    shape = CausalLMConfig(size="gemma-2-2b", width=256).shape
    assert (shape.num_kv_heads, shape.head_width, shape.mlp_width) == (8, 32, 688)


def test_fewer_key_heads_and_a_tied_table_read_and_cache_as_any_other():
    torch.manual_seed(0)
    backbone = CausalLMConfig(size="tiny", num_heads=4, num_kv_heads=2, tied=True).build(100)
    rows = torch.arange(6)[None]
    x, none = backbone.embed(rows), rows > 9
    with torch.no_grad():
        whole = backbone.run(x, Reads.within(rows * 0, rows, none), rows)
        cache = backbone.new_cache(1)
        steps = [
            backbone.run(x[:, i : i + 1], Reads(q * 0, q, k * 0, k, k > 9), q, cache)
            for i in range(6)
            for q, k in [(rows[:, i : i + 1], rows[:, : i + 1])]
        ]
    torch.testing.assert_close(torch.cat(steps, 1), whole, rtol=1e-4, atol=1e-5)
    assert backbone.lm.lm_head.weight is backbone.lm.get_input_embeddings().weight


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [({"num_kv_heads": 3}, "3 heads of keys and values for 2"), ({"num_heads": 3}, "32 wide with 3 heads")],
)
def test_heads_that_do_not_fit_are_refused(changes: dict, sentence: str):
    with pytest.raises(ConfigError, match=sentence):
        CausalLMConfig(size="tiny", **changes)


def test_a_text_table_smaller_than_the_tokenizer_is_refused():
    with pytest.raises(ConfigError, match="has 512 entries and the backbone's text table 100 rows"):
        CausalLMConfig(size="tiny", vocab_size=100).build(512)


def test_shapes_are_checked_in_tests():
    """Were the import hook lost, wrong shapes would broadcast in silence again."""
    backbone = CausalLMConfig(size="tiny").build(100)
    rows = torch.arange(4)[None]
    reads = Reads.within(rows * 0, rows, rows > 9)
    with pytest.raises(TypeCheckError):
        backbone.run(backbone.embed(rows)[0], reads, rows)
    with pytest.raises(TypeCheckError):
        backbone.run(backbone.embed(rows), reads, rows.float())
