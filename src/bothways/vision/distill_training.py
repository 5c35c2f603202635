"""How the shipped `semantic` tower is trained: a student that sees part of a picture predicts what its teacher makes of all.

The teacher is the exponential mean of the student, and what is kept. Terms: `masked`, at hidden patches predict the mean of
the teacher's last states (data2vec: Baevski et al. 2022, arXiv 2202.03555; patches of a vision tower as in iBOT, Zhou et al.
2021, arXiv 2111.07832); `pixels`, the hidden patches themselves (MAE: He et al. 2021, arXiv 2111.06377); `same`, tell by one
pooled vector which of the step's pictures the half-hidden one is (MoCo v3's loss, Chen et al. 2021, arXiv 2104.02057, with the
teacher's view whole); `spread`, hold the variance of each channel up and channels apart (VICReg: Bardes et al. 2022, arXiv
2105.04906), on the tokens that will be used. No label and no text is seen.

Against collapse to what the place alone says (most patches are ground) targets are centred *by place* and scaled by channel
with running means, so a target is what sets this picture apart from others at this place; `spread` is taken about the same
means. That is DINO's centring (Caron et al. 2021, arXiv 2104.14294), by place.

Which invariance would kill which attribute, and hence is not asked for: random crops and shifts (of patch size) the corners
and what stands there, for a crop without the icon would have to equal one with it; flips and rotations hands, corners and
relations of place; colour jitter and grey the colour; strong blur the thin hands. What is left as augmentation: patches
hidden, small noise, slightly brighter or darker.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor, nn

from bothways.core.randomness import seed_of
from bothways.core.sample import AbstractPicture
from bothways.core.tally import Tally
from bothways.vision.objective import AbstractObjective, batches_of, pixels_of
from bothways.vision.pooling import Pooling
from bothways.vision.semantic import SemanticTokenizer
from bothways.vision.training_configs import DistillConfig

TERMS = ("masked", "pixels", "same", "spread")


@dataclass(frozen=True)
class ViewBatch:
    """Whole pictures for the teacher, altered ones for the student, and which patches the student does not see."""

    whole: Float[Tensor, "B 3 P P"]
    view: Float[Tensor, "B 3 P P"]
    hidden: Bool[Tensor, "B N"]

    @property
    def counts(self) -> dict[str, int]:
        return dict.fromkeys(TERMS, len(self.whole))

    @property
    def num_samples(self) -> int:
        return len(self.whole)

    def to(self, device: torch.device | str) -> ViewBatch:
        return ViewBatch(self.whole.to(device), self.view.to(device), self.hidden.to(device))


class DistillTraining(AbstractObjective):
    """`tokenizer` is the teacher; gradients reach the student and the heads alone."""

    def __init__(self, tokenizer: SemanticTokenizer, config: DistillConfig):
        super().__init__()
        self.config, self.tokenizer = config, tokenizer.requires_grad_(False)
        self.student = copy.deepcopy(tokenizer.network).requires_grad_(True)
        spec, width = tokenizer.spec, tokenizer.spec.dim
        patch = spec.size_px // spec.grid[0]
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed_of(config.seed, "distill"))
            self.hidden_patch = nn.Parameter(torch.zeros(3, patch, patch))
            self.predictor = nn.Sequential(
                nn.LayerNorm(width), nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width)
            )
            self.painter = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, 3 * patch * patch))
            self.pool = Pooling(width, config.dim)
            self.guess = nn.Sequential(nn.Linear(config.dim, 2 * config.dim), nn.GELU(), nn.Linear(2 * config.dim, config.dim))
        self.teacher_pool = copy.deepcopy(self.pool).requires_grad_(False)
        self.register_buffer("center", torch.zeros(spec.num_tokens, width))
        self.register_buffer("scale", torch.ones(width))
        self._step = 0

    def batch(self, pictures: list[AbstractPicture], draws: np.random.Generator) -> ViewBatch:
        whole, config = pixels_of(pictures, self.tokenizer.spec.size_px), self.config
        num, places = len(whole), self.tokenizer.spec.num_tokens
        rank = draws.random((num, places), dtype=np.float32).argsort(1).argsort(1)
        gain = 1 + config.brightness * (2 * draws.random((num, 1, 1, 1), dtype=np.float32) - 1)
        noise = config.noise * draws.standard_normal(whole.shape, dtype=np.float32)
        view = (whole + 1) * torch.from_numpy(gain) - 1 + torch.from_numpy(noise)
        return ViewBatch(whole, view, torch.from_numpy(rank < round(config.mask_share * places)))

    def before_step(self, step: int) -> None:
        self._step = step

    def terms(self, batch: ViewBatch) -> dict[str, Tally]:
        """Sums over pictures: `masked` (smooth absolute error), `pixels` (squared), `same` (nats), `spread` (VICReg's two)."""
        target, known = self._taught(batch.whole)
        states = self.tokenizer.states(self._masked(batch), self.student)
        error = F.smooth_l1_loss(self.predictor(states[-1]).float(), target, reduction="none").mean(-1)
        masked = (error * batch.hidden).sum(1) / batch.hidden.sum(1)
        blank = (self.painter(states[-1]).float() - patches_of(batch.whole, self.hidden_patch.shape[-1])).square().mean(-1)
        pixels = (blank * batch.hidden).sum(1) / batch.hidden.sum(1)
        logits = F.normalize(self.guess(self.pool(states[-1])).float(), dim=-1) @ known.T / self.config.temperature
        same = F.cross_entropy(logits, torch.arange(len(logits)), reduction="sum")
        n = len(batch.whole)
        spread = n * spread_of(states[self.tokenizer.config.layer].float())
        return {
            "masked": Tally(masked.sum(), n),
            "pixels": Tally(pixels.sum(), n),
            "same": Tally(same, n),
            "spread": Tally(spread, n),
        }

    @torch.no_grad()
    def after_step(self, step: int) -> None:
        """The teacher follows the student."""
        config = self.config
        part = min(1.0, step / config.decay_steps)
        decay = config.decay_start + part * (config.decay_end - config.decay_start)
        for teacher, student in ((self.tokenizer.network, self.student), (self.teacher_pool, self.pool)):
            torch._foreach_lerp_(list(teacher.parameters()), list(student.parameters()), 1 - decay)

    def finish(self, pictures: list[AbstractPicture]) -> None:
        self.tokenizer.measure(batches_of(pictures, self.tokenizer.spec.size_px))

    @torch.no_grad()
    def _taught(self, whole: Float[Tensor, "B 3 P P"]) -> tuple[Float[Tensor, "B N D"], Float[Tensor, "B E"]]:
        """What the teacher makes of whole pictures: centred and scaled targets by patch, and one vector each."""
        states = self.tokenizer.states(whole)
        known = self.teacher_pool(states[-1])
        target = torch.stack([F.layer_norm(s.float(), s.shape[-1:]) for s in states[-self.config.top_layers :]]).mean(0)
        if self.training:
            weight = 1.0 if self._step == 0 else 1 - self.config.center_decay
            self.center.lerp_(target.mean(0), weight)
            self.scale.lerp_((target - self.center).square().mean((0, 1)).sqrt(), weight)
        return (target - self.center) / self.scale.clamp_min(1e-4), known

    def _masked(self, batch: ViewBatch) -> Float[Tensor, "B 3 P P"]:
        side, patch = self.tokenizer.spec.grid[0], self.hidden_patch.shape[-1]
        hidden = batch.hidden.unflatten(1, (side, side))[:, None]
        hidden = hidden.repeat_interleave(patch, 2).repeat_interleave(patch, 3)
        return torch.where(hidden, self.hidden_patch.tile(1, side, side), batch.view)


def patches_of(pixels: Float[Tensor, "B 3 P P"], patch_px: int) -> Float[Tensor, "B N D"]:
    """Pixels by patch, raster order, scaled so that their variance on the worlds' pictures is near 1."""
    return F.unfold(pixels, patch_px, stride=patch_px).transpose(1, 2) / 0.7


def spread_of(tokens: Float[Tensor, "B N D"]) -> Tensor:
    """VICReg's variance and covariance terms of tokens about the mean of their place; 0 when channels are spread and apart."""
    about = (tokens - tokens.mean(0)).flatten(0, 1)
    covariance = about.T @ about / len(about)
    variance = covariance.diagonal()
    low = F.relu(1 - (variance + 1e-4).sqrt()).mean()
    scaled = covariance / (variance[:, None] * variance + 1e-8).sqrt()
    apart = (scaled.square().sum() - scaled.diagonal().square().sum()) / len(variance)
    return low + 0.1 * apart
