"""Training: the real trainer on the real mixture beside a bare loop.

The bare loop runs the same transformers class with the same dtype, optimizer, batch and sequence length, on embeddings and
masks that lie ready, under the attention path that is the fastest of those measured here. It computes logits where the batch
has duties, as ours does, and nothing else. Ours lays samples out, encodes (from a filled cache, as the quickstart does),
embeds, weighs and tallies the terms, clips, checks and logs. A bare step runs between every two of ours.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from bothways.backbones.backbone import Reads
from bothways.bench.measure import Bench, Case, compared, in_turn, threads
from bothways.core.errors import ConfigError
from bothways.core.rundir import RunDir
from bothways.data.stream import MixtureStream
from bothways.layout.batch import Batch
from bothways.layout.sequence import Duty
from bothways.recipes.assemble import build_model, pool_pictures, stream_of
from bothways.recipes.recipe import Recipe, load_recipe
from bothways.train.optim import build_optimizer
from bothways.train.trainer import Trainer

PATHS = ("matmul", "sdpa", "eager")
TARGET = 0.8
WARMUP_STEPS = 3


def bench_train(name: str = "vq-vq", steps: int = 30, num_pictures: int = 256, num_threads: int = 0) -> Bench:
    """Samples per second of ours and of the bare loop, over `steps` steps each.

    `num_pictures`: how many each source's pool holds here. Visual tokenizers keep the recipe's shapes and get random weights;
    what they encode is cached before anything is timed. Raises: ConfigError when the recipe makes no model.
    """
    recipe = timed_recipe(name, steps, num_pictures)
    with threads(num_threads):
        model, world = build_model(recipe), recipe.world.build()
        for cache in (model.encodings.given, model.encodings.learned):
            cache.fill(pool_pictures(recipe, world))
        stream = stream_of(recipe, world, model)
        first = stream.batches(0)[0]
        bare = BareLoop(recipe, model.wording.vocab_size, model.learned.spec.tokens.vocab)
        ready = bare.ready(first)
        paths = in_turn({path: lambda path=path: bare.step(ready, path) for path in PATHS}, len(first), rounds=5)
        fastest = min(paths, key=lambda path: paths[path].median_s)
        turns = InTurn(stream, bare, fastest, first)
        with tempfile.TemporaryDirectory() as folder:
            run = RunDir.create(Path(folder) / "run", recipe.to_dict(), resume=False)
            Trainer(model, turns, recipe.train, run).fit()
        shape = {
            "recipe": name,
            "samples": len(first),
            "length": first.ids.shape[1],
            "predicted": sum(first.counts.values()),
            "backbone": recipe.model.backbone.size,
            "dtype": recipe.train.dtype,
            "attention of ours": model.backbone.path,
            "attention of the bare loop": fastest,
        }
        cases = {"bothways": turns.ours, "of that, data": turns.data, "bare loop": turns.bare_steps}
        cases |= {f"first: bare loop, {path}": case for path, case in paths.items()}
        return compared("train", shape, cases, "bothways", "bare loop", TARGET)


@dataclass(frozen=True)
class Ready:
    """What a bare step finds prepared: embeddings, mask, positions, and where text and image tokens are predicted."""

    x: Tensor
    mask: Tensor
    position: Tensor
    text_at: Tensor
    image_at: Tensor


class BareLoop:
    """A transformers causal LM of the recipe's shape, two linear heads, and the recipe's optimizer."""

    def __init__(self, recipe: Recipe, vocab_size: int, num_codes: int):
        self.dtype = torch.bfloat16 if recipe.train.dtype == "bfloat16" else torch.float32
        self.backbone = recipe.model.backbone.build(vocab_size)
        self.head = torch.nn.Linear(self.backbone.width, num_codes)
        # Named as in the model, for the optimizer's settings name its parts.
        self.module = torch.nn.ModuleDict({"backbone": self.backbone, "head": self.head}).train()
        self.optimizer = build_optimizer(self.module, recipe.train)

    def ready(self, batch: Batch) -> Ready:
        return Ready(
            x=torch.randn(*batch.ids.shape, self.backbone.width),
            mask=Reads.within(batch.doc, batch.block, batch.private).additive(self.dtype),
            position=batch.position,
            text_at=(batch.duty.flatten() == int(Duty.TEXT)).nonzero()[:, 0],
            image_at=(batch.duty.flatten() == int(Duty.IMAGE)).nonzero()[:, 0],
        )

    def step(self, ready: Ready, path: str) -> None:
        lm = self.backbone.lm
        if lm.config._attn_implementation != path:
            lm.set_attn_implementation(path)
        with torch.autocast("cpu", torch.bfloat16, enabled=self.dtype == torch.bfloat16):
            out = lm.model(inputs_embeds=ready.x, attention_mask=ready.mask, position_ids=ready.position, use_cache=False)
            hidden = out.last_hidden_state.flatten(0, 1)
            text, image = lm.lm_head(hidden[ready.text_at]), self.head(hidden[ready.image_at])
            loss = sum(F.cross_entropy(logits.float(), _targets(logits)) for logits in (text, image) if len(logits))
        loss.backward()
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)


def _targets(logits: Tensor) -> Tensor:
    """Any targets: what they are costs nothing."""
    return torch.arange(len(logits)) % logits.shape[1]


class InTurn:
    """The trainer's stream, which makes a bare step before each batch that it hands out and keeps time between its calls."""

    def __init__(self, stream: MixtureStream, bare: BareLoop, path: str, first: Batch):
        self._stream, self._bare, self._path, self._last = stream, bare, path, first
        number = len(first)
        self.ours, self.data, self.bare_steps = Case(number), Case(number), Case(number)

    def batches(self, step: int) -> list[Batch]:
        counted = step >= WARMUP_STEPS
        if step > WARMUP_STEPS:
            self.ours.stop()
        ready = self._bare.ready(self._last)
        self.bare_steps.start()
        self._bare.step(ready, self._path)
        self.bare_steps.stop(counted)
        self.ours.start()
        self.data.start()
        batches = self._stream.batches(step)
        self.data.stop(counted)
        [self._last] = batches
        return batches


def timed_recipe(name: str, steps: int, num_pictures: int) -> Recipe:
    """The recipe with small pools, tokenizers of random weights and a few steps. Raises: ConfigError if it makes no model."""
    recipe = load_recipe(name, kind="model")
    if recipe.train.micro_batches != 1:
        raise ConfigError(f"The recipe `{name}` cuts steps into micro-batches; the bench compares whole steps.")
    changes = {f"data.sources.{source}.num_pictures": num_pictures for source in recipe.data.sources}
    for side in ("given", "learned"):
        if hasattr(getattr(recipe.model, side), "weights"):
            changes[f"model.{side}.weights"] = None
    return recipe.with_changes(changes | {"train.steps": steps + WARMUP_STEPS + 1, "train.milestones": 0})
