"""Drawing: the engine beside transformers' `JanusForConditionalGeneration.generate` at the same shape.

Both draw 8 pictures of 64 tokens with guidance (16 rows) from prompts of one length, greedily, with random weights, each in
fp32 and in bf16: ours with products in bf16 as in training, Janus wholly in bf16. To codes: up to the last token. To pixels:
decoded by the same network too. The target is against Janus in whichever of the two it draws faster.
"""

from __future__ import annotations

import copy
import logging
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

import torch
from torch import Tensor

from bothways.backbones.configs import CausalLMConfig
from bothways.bench.measure import Bench, compared, in_turn, threads
from bothways.core.sample import Image, Sample, Text
from bothways.generate.engine import Engine, run
from bothways.heads.choose import How
from bothways.layout.wording import load_wording
from bothways.model.config import ModelConfig
from bothways.model.unified import UnifiedModel
from bothways.vision.configs import VQConfig

SIDE = 8  # of the grid of tokens
TARGET = 3.0
DTYPES = ("float32", "bfloat16")


def bench_draw(batch_size: int = 8, size: str = "micro", guidance: float = 5.0, rounds: int = 9, num_threads: int = 0) -> Bench:
    """Images per second of ours and of Janus. `size` is the backbone's dial; `num_threads` 0 leaves torch's own number."""
    backbone, vq = CausalLMConfig(size=size), VQConfig(weights=None)
    wording = load_wording("asset:text")
    model = UnifiedModel(ModelConfig(given=vq, learned=vq, backbone=backbone), wording).eval()
    request = (Text("draw a green watch that shows ten past four"), Image(None, learn=True))
    samples = [Sample(f"bench/{row}", request) for row in range(batch_size)]
    prompt_tokens = len(model.lay_out(samples[0]))
    janus = _janus(backbone, vq, wording.vocab_size, guidance)
    prompts = _prompts(batch_size, prompt_tokens, wording.vocab_size)
    jobs: dict[str, Callable[[], object]] = {}
    for dtype in DTYPES:
        how, theirs = How(guidance=guidance, dtype=dtype), copy.deepcopy(janus).to(getattr(torch, dtype))
        jobs[f"bothways {dtype}, to codes"] = partial(_drawn, model, samples, how)
        jobs[f"janus {dtype}, to codes"] = partial(_janus_codes, theirs, prompts)
        jobs[f"bothways {dtype}, to pixels"] = partial(_painted, model, samples, how)
        jobs[f"janus {dtype}, to pixels"] = partial(_janus_pixels, theirs, prompts)
    with threads(num_threads), _quiet():
        cases = in_turn(jobs, batch_size, rounds)
        shape = {
            "pictures": batch_size,
            "rows": 2 * batch_size,
            "tokens": SIDE * SIDE,
            "prompt_tokens": prompt_tokens,
            "width": backbone.shape.width,
            "layers": backbone.shape.num_layers,
            "heads": backbone.shape.num_heads,
            "mlp_width": backbone.shape.mlp_width,
            "codes": vq.num_codes,
        }
        ours, reference = (
            min((f"{who} {dtype}, to codes" for dtype in DTYPES), key=lambda case: cases[case].median_s)
            for who in ("bothways", "janus")
        )
        alike = [(f"bothways {dtype}, to codes", f"janus {dtype}, to codes") for dtype in DTYPES]
        return compared("draw", shape, cases, ours, reference, TARGET, alike)


def _drawn(model: UnifiedModel, samples: list[Sample], how: How) -> Engine:
    return run(Engine(model, how), samples)


def _painted(model: UnifiedModel, samples: list[Sample], how: How) -> list[Sample]:
    return _drawn(model, samples, how).results()


@torch.inference_mode()
def _janus_codes(janus: torch.nn.Module, prompts: Tensor) -> Tensor:
    return janus.generate(prompts, attention_mask=torch.ones_like(prompts), generation_mode="image")


@torch.inference_mode()
def _janus_pixels(janus: torch.nn.Module, prompts: Tensor) -> Tensor:
    return janus.decode_image_tokens(_janus_codes(janus, prompts))


BOS, PAD, EOS, BOI = 1, 0, 2, 3


def _prompts(rows: int, length: int, vocab_size: int) -> Tensor:
    ids = torch.randint(4, vocab_size, (rows, length), generator=torch.Generator().manual_seed(0))
    ids[:, 0], ids[:, -1] = BOS, BOI
    return ids


def _janus(backbone: CausalLMConfig, vq: VQConfig, vocab_size: int, guidance: float) -> torch.nn.Module:
    """A random Janus whose language model has our backbone's shape and whose picture tokenizer has our vq's."""
    from transformers import JanusConfig, JanusForConditionalGeneration

    shape = backbone.shape
    config = JanusConfig(
        text_config={
            "model_type": "llama",
            "vocab_size": vocab_size,
            "hidden_size": shape.width,
            "num_hidden_layers": shape.num_layers,
            "num_attention_heads": shape.num_heads,
            "num_key_value_heads": shape.num_kv_heads,
            "head_dim": shape.head_width,
            "intermediate_size": shape.mlp_width,
            "max_position_embeddings": backbone.max_positions,
            "pad_token_id": PAD,
            "bos_token_id": BOS,
            "eos_token_id": EOS,
        },
        # Never run here, as it reads pictures; but Janus takes the grid of the drawn ones from its patches.
        vision_config={
            "hidden_size": 32,
            "num_hidden_layers": 1,
            "num_attention_heads": 2,
            "image_size": vq.size_px,
            "patch_size": vq.size_px // SIDE,
            "projection_dim": shape.width,
        },
        vq_config={
            "embed_dim": vq.code_dim,
            "num_embeddings": vq.num_codes,
            "latent_channels": vq.latent_channels,
            "base_channels": vq.base_channels,
            "channel_multiplier": list(vq.channel_multiplier),
            "num_res_blocks": vq.num_res_blocks,
            "in_channels": 3 * vq.stem_px**2,
            "out_channels": 3 * vq.stem_px**2,
            "projection_dim": shape.width,
            "image_token_embed_dim": shape.width,
        },
    )
    with _quiet():
        janus = JanusForConditionalGeneration(config).eval()
    janus.model.vision_model.config.num_image_tokens = SIDE * SIDE  # it draws 576 otherwise
    settings = janus.generation_config
    settings.pad_token_id, settings.bos_token_id, settings.eos_token_id = PAD, BOS, EOS
    settings.guidance_scale, settings.do_sample = guidance, False
    settings.generation_kwargs = {"boi_token_id": BOI}
    return janus


@contextmanager
def _quiet() -> Iterator[None]:
    """Transformers warns about generation settings that mean nothing here."""
    log = logging.getLogger("transformers")
    level = log.level
    log.setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
    log.setLevel(level)
