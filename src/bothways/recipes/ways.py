"""The ways in which a trained run can draw: what can be turned after training, and as far as its head and order have it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from bothways.generate.choose import varies
from bothways.heads.choose import How
from bothways.heads.configs import NoiseConfig, RegressionConfig
from bothways.model.config import ModelConfig

GUIDANCE, TEMPERATURE, SAMPLING_STEPS = (1.0, 1.5, 2.0, 3.0, 5.0), (0.0, 0.25, 0.5, 0.75, 1.0), (1, 2, 5, 10, 20, 50)
CHOOSING_AT = (0.0, 0.5, 1.0)  # temperatures of the drawings to be chosen among
OWN = "own settings"
WHAT = ("sampling_steps", "draw_steps", "guidance", "temperature", "best_of")


def ways_of(config: ModelConfig, num_tokens: int, how: How) -> Iterator[tuple[str, float, How]]:
    """(axis, value, settings): the run's own first, then one setting at a time, as far as the head and the order have it.
    `num_tokens` of a picture."""
    yield OWN, 0, how
    if isinstance(config.head, NoiseConfig):
        for steps in SAMPLING_STEPS:
            yield "sampling_steps", steps, replace(how, sampling_steps=steps)
    if config.order != "raster" or config.drawing.masked is not None:
        for power in range(num_tokens.bit_length()):
            yield "draw_steps", 2**power, replace(how, draw_steps=2**power)
    for guidance in GUIDANCE:
        yield "guidance", guidance, replace(how, guidance=guidance)
    if not isinstance(config.head, RegressionConfig):
        for temperature in TEMPERATURE:
            yield "temperature", temperature, replace(how, temperature=temperature)


def temperatures_of(config: ModelConfig, how: How) -> list[float]:
    """Those at which two drawings of one request differ."""
    known = (0.0,) if isinstance(config.head, RegressionConfig) else CHOOSING_AT
    return [temperature for temperature in known if varies(config, replace(how, temperature=temperature))]
