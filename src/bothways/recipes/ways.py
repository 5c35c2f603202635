"""The ways in which a trained run can draw: what can be turned after training, as far as its parts have it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import NamedTuple

from bothways.generate.choose import varies
from bothways.heads.choose import How
from bothways.heads.configs import NoiseConfig, RegressionConfig
from bothways.model.unified import UnifiedModel
from bothways.vision.painter import painting_of
from bothways.vision.painting_config import PaintingConfig

GUIDANCE, TEMPERATURE, SAMPLING_STEPS = (1.0, 1.5, 2.0, 3.0, 5.0), (0.0, 0.25, 0.5, 0.75, 1.0), (1, 2, 5, 10, 20, 50)
PAINTER_GUIDANCE = (1.0, 1.5, 2.0, 3.0)
CHOOSING_AT = (0.0, 0.5, 1.0)  # temperatures of the drawings to be chosen among
OWN = "own settings"
WHAT = ("sampling_steps", "draw_steps", "guidance", "temperature", "painter_iterations", "painter_guidance", "best_of")


class Way(NamedTuple):
    """One setting on its axis, and how the tokens are drawn and painted then (None: as the painter does it itself)."""

    axis: str
    value: float
    how: How
    painting: PaintingConfig | None = None


def ways_of(model: UnifiedModel, how: How) -> Iterator[Way]:
    """The run's own settings first, then one at a time, as far as the head, the order and the painter have it."""
    config = model.config
    yield Way(OWN, 0, how)
    if isinstance(config.head, NoiseConfig):
        for steps in SAMPLING_STEPS:
            yield Way("sampling_steps", steps, replace(how, sampling_steps=steps))
    if config.order != "raster" or config.drawing.masked is not None:
        for steps in _powers(model.learned.spec.num_tokens):
            yield Way("draw_steps", steps, replace(how, draw_steps=steps))
    for guidance in GUIDANCE:
        yield Way("guidance", guidance, replace(how, guidance=guidance))
    if not isinstance(config.head, RegressionConfig):
        for temperature in TEMPERATURE:
            yield Way("temperature", temperature, replace(how, temperature=temperature))
    painting = painting_of(model.paints)
    if painting is not None:
        for steps in _powers(model.learned.painter.config.latents.spec.num_tokens):
            yield Way("painter_iterations", steps, how, painting.with_changes({"num_iterations": steps}))
        for guidance in PAINTER_GUIDANCE:
            yield Way("painter_guidance", guidance, how, painting.with_changes({"guidance": guidance}))


def temperatures_of(model: UnifiedModel, how: How) -> list[float]:
    """Those at which two drawings of one request differ."""
    known = (0.0,) if isinstance(model.config.head, RegressionConfig) else CHOOSING_AT
    return [temperature for temperature in known if varies(model, replace(how, temperature=temperature))]


def _powers(most: int) -> list[int]:
    """1, 2, 4 and so on, up to `most`."""
    return [2**power for power in range(most.bit_length())]
