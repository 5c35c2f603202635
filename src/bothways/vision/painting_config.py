"""How a painter paints that draws in steps. No torch here."""

from __future__ import annotations

from pydantic import Field

from bothways.core.config import Config


class PaintingConfig(Config):
    """What may be chosen anew for every picture, without training: cost against quality, and which of many draws."""

    num_iterations: int = Field(8, gt=0)  # steps in which a picture's tokens appear, few at first, on a cosine; MAR: 64 to 256
    sampler: str | None = None  # of the denoiser; null: the usual one of its form
    sampling_steps: int | None = Field(None, gt=0)  # a token; null: the sampler's usual number
    eta: float = Field(0.0, ge=0, le=1)  # fresh noise of the sampler ddim: 0 none, 1 as much as ancestral
    temperature: float = Field(1.0, ge=0)  # scales all noise; 0 takes none
    guidance: float = Field(1.0, ge=0)  # 1 = none; g: away from what is painted without the condition, linear over the picture
    seed: int = 0  # names order and noise, the same for every picture, so that painting is a function of the tokens
