"""`Model`: a trained run to ask, to have a picture described, drawn, or edited. What `bothways.load` returns.

Every method is a prompt: a `Sample` whose learned segments are empty, handed to the engine, which returns it filled. So
equal inputs give equal outputs, byte for byte, on one machine and thread count.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

from bothways.core.errors import DataError
from bothways.core.region import AnyRegion, region_of
from bothways.core.rundir import RunDir
from bothways.core.sample import AS_BOTH, Image, OpenTurn, Sample, Text
from bothways.data.llava import IMAGE_MARK
from bothways.data.pixels import picture_from
from bothways.generate.chat import Chat
from bothways.generate.choose import CAPTION_PROMPT, best_of
from bothways.generate.engine import fill
from bothways.heads.choose import OF_DRAWINGS, How
from bothways.model.store import load as load_weights
from bothways.model.unified import UnifiedModel

if TYPE_CHECKING:
    from PIL.Image import Image as PilImage


def load(path: Path | str, step: int | None = None) -> Model:
    """The model that was trained in the run folder `path`: its newest valid checkpoint, or that of `step`.

    Raises: RunError when there is no run, no such checkpoint or no model; ConfigError when a part of the model is missing.
    """
    run = RunDir.open(path)
    unified, found = load_weights(run, step)
    exam = run.config().get("exam") or {}
    how = How(**{name: exam[name] for name in OF_DRAWINGS if name in exam})
    return Model(unified, run.path, found, how)


class Model:
    """A trained unified model. An `image` is a path, a Pillow image or a uint8 array (height, width, 3); it is scaled to the
    square that the model reads."""

    def __init__(self, unified: UnifiedModel, path: Path, step: int, how_to_draw: How = How()):
        """`how_to_draw`: settings of drawings where `draw` or `edit` gets none."""
        self.unified, self.path, self.step, self.how_to_draw = unified, path, step, how_to_draw

    def __repr__(self) -> str:
        return f"<bothways model {self.path} at step {self.step}>"

    @property
    def size_px(self) -> int:
        """Side of the pictures that it draws, pixels."""
        return self.unified.learned.spec.size_px

    def answer(self, image: Any, question: str) -> str:
        """The likeliest answer to a question about an image. Raises: DataError for an unusable image or question."""
        given = Image(picture_from(image)), Text(_said(question, "question"))
        return _text(self.generate(Sample("answer", (*given, Text(None, learn=True)))))

    def caption(self, image: Any, prompt: str = CAPTION_PROMPT) -> str:
        """What the image shows, in words. Raises: DataError for an unusable image."""
        return self.answer(image, prompt)

    def draw(
        self,
        prompt: str,
        seed: int = 0,
        guidance: float | None = None,
        temperature: float | None = None,
        top_k: int = 0,
        sampler: str | None = None,
        sampling_steps: int | None = None,
        draw_steps: int | None = None,
        order: str | None = None,
        dtype: str | None = None,
        keep: AnyRegion | None = None,
        image: Any = None,
        best_of: int = 1,
    ) -> PilImage:
        """A picture of what the prompt says, as an RGB Pillow image of `size_px`.

        `seed` names the draws; at temperature 0 it changes nothing but a random order. `guidance` above 1 pulls towards the
        prompt. `sampler` and `sampling_steps` are for heads that draw in steps. `draw_steps`: several tokens a step (0: one),
        not for models trained in raster order. `order`: raster or random. `dtype`: float32, or bfloat16, which is faster.
        None: as in the run's own exam. `keep`: the part of `image` that is kept, as left, top, right, bottom in pixels of it
        or in shares of its sides, or by name (`top-half`); what is kept are the tokens that lie wholly inside, not the pixels:
        where a tokenizer spreads something over the whole picture (the colour of the disc, say), a prompt that asks for
        something else shows in the kept part too. `best_of`: draws so many and gives the one of which the model, reading it,
        finds the prompt likeliest (generate/choose.py).
        Raises: DataError for a prompt that is empty or too long or a region that holds no token, ConfigError for values out of
        range, or the best of several at temperature 0 in raster order, which would all be the same.
        """
        how = self._how(
            seed,
            guidance=guidance,
            temperature=temperature,
            top_k=top_k,
            sampler=sampler,
            sampling_steps=sampling_steps,
            draw_steps=draw_steps,
            order=order,
            dtype=dtype,
        )
        return self._drawn(Sample("draw", (Text(_said(prompt, "prompt")), _to_draw(image, keep))), how, best_of)

    def edit(self, image: Any, instruction: str, seed: int = 0, **settings: Any) -> PilImage:
        """The image with the change that the instruction asks for, drawn anew as an RGB Pillow image of `size_px`.

        `settings`: those of `draw`, guidance, temperature, top_k, sampler, sampling_steps, draw_steps, order and dtype; None:
        as in the run's own exam. `guidance` above 1 pulls towards the instruction, away from what would become of this image
        without one. Raises: DataError for an unusable image, an instruction that is empty, too long or names another image
        (`<image>`); ConfigError for values out of range.
        """
        if image is None:
            raise DataError("An edit needs the image that is to be edited; give it as `image`.")
        given = Image(picture_from(image), views=AS_BOTH), Text(_instruction(instruction))
        return self._drawn(Sample("edit", (*given, Image(None, learn=True))), self._how(seed, **settings))

    def _how(self, seed: int, **settings: Any) -> How:
        """As set, and where that is None as in the run's own exam."""
        return replace(self.how_to_draw, seed=seed, **{name: value for name, value in settings.items() if value is not None})

    def _drawn(self, sample: Sample, how: How, num: int = 1) -> PilImage:
        from PIL import Image as Pil

        [filled] = best_of(self.unified, [sample], how, num)
        return Pil.fromarray(filled.segments[-1].content.pixels(self.size_px))

    def chat(
        self,
        seed: int = 0,
        text_temperature: float = 0.0,
        max_text_tokens: int = 64,
        max_images: int = 1,
        **settings: Any,
    ) -> Chat:
        """A conversation in which the model decides by itself what to answer with: `chat.say("draw a red watch.").pictures`.

        `max_text_tokens` and `max_images` of one reply; `text_temperature` 0 says the likeliest. `settings`: those of `draw`,
        for the pictures; None: as in the run's own exam. Raises: ConfigError for a model that was not trained with
        `model.learn_marks=true`, or values out of range; DataError for limits out of range.
        """
        how = self._how(seed, text_temperature=text_temperature, **settings)
        return Chat(self.unified, how, OpenTurn(max_text_tokens, max_images))

    @overload
    def generate(self, samples: Sample, how: How = ..., batch_size: int = ...) -> Sample: ...

    @overload
    def generate(self, samples: Sequence[Sample], how: How = ..., batch_size: int = ...) -> list[Sample]: ...

    def generate(self, samples, how=How(), batch_size=64):
        """The sample, or samples, with every empty learned segment filled: texts as str, images as `ArrayPicture`; an
        `OpenTurn` by the texts and images that the model chose to give.

        `batch_size`: samples generated at once; it changes no result. Raises: DataError when one exceeds the context.
        """
        if isinstance(samples, Sample):
            return fill(self.unified, [samples], how)[0]
        return fill(self.unified, list(samples), how, batch_size)


def _said(text: str, what: str) -> str:
    if not isinstance(text, str) or not text.strip():
        raise DataError(f"The {what} is empty; say in words what you want.")
    return text


def _instruction(text: str) -> str:
    text = _said(text, "instruction")
    if IMAGE_MARK in text:
        raise DataError(
            f"Found {IMAGE_MARK} in the instruction, which would name a second picture, and one is given, the one to be "
            "edited; say in words what to change."
        )
    return text


def _to_draw(image: Any, keep: AnyRegion | None) -> Image:
    if (image is None) != (keep is None):
        raise DataError("To keep a part of a picture give both `image` and `keep`, or neither.")
    if image is None:
        return Image(None, learn=True)
    picture = picture_from(image)
    height, width = picture.array.shape[:2]
    return Image(picture, learn=True, keep=region_of(keep, width, height))


def _text(sample: Sample) -> str:
    return sample.segments[-1].content.strip()
