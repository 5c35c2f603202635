"""`bothways answer`, `caption`, `draw` and `edit`: a trained run put to use."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bothways.cli.terminal import (
    DrawStepsOption,
    DtypeOption,
    GuidanceOption,
    OrderOption,
    RunArgument,
    SamplerOption,
    SamplingStepsOption,
    StepOption,
    TemperatureOption,
    notice,
    say,
)

ImageOption = Annotated[Path, typer.Option(help="A picture file; it is scaled to the model's square.")]


def answer(
    run: RunArgument,
    image: ImageOption,
    question: Annotated[str, typer.Option(help="What to ask about the picture.")],
    step: StepOption = None,
) -> None:
    """Ask a question about a picture."""
    say(_load(run, step, image).answer(image, question))


def caption(run: RunArgument, image: ImageOption, step: StepOption = None) -> None:
    """Have a picture described."""
    say(_load(run, step, image).caption(image))


def draw(
    run: RunArgument,
    prompt: Annotated[str, typer.Option(help="What the picture should show.")],
    out: Annotated[Path, typer.Option(help="PNG file to write.")],
    seed: Annotated[int, typer.Option(help="Names the draws.")] = 0,
    guidance: GuidanceOption = None,
    temperature: TemperatureOption = None,
    top_k: Annotated[int, typer.Option(min=0, help="From the k likeliest; 0 = all.")] = 0,
    sampler: SamplerOption = None,
    sampling_steps: SamplingStepsOption = None,
    draw_steps: DrawStepsOption = None,
    order: OrderOption = None,
    dtype: DtypeOption = None,
    keep: Annotated[
        str | None,
        typer.Option(metavar="REGION", help="Part of --image to keep: left,top,right,bottom (px or shares), or top-half etc."),
    ] = None,
    image: Annotated[Path | None, typer.Option(help="With --keep: the picture of which a part is kept.")] = None,
    best_of: Annotated[int, typer.Option(min=1, metavar="N", help="Of N, the one it reads best.", show_default=False)] = 1,
    step: StepOption = None,
) -> None:
    """Draw a picture of what a prompt says, or the rest of a picture.

    --keep keeps the tokens that lie wholly inside the region, and the rest is drawn to fit (after raster training only from the
    top). --best-of keeps the one of N of which it finds the prompt likeliest. Settings not given are those of the run's exam.
    """
    from bothways.core.errors import DataError
    from bothways.core.region import region_of
    from bothways.data.pixels import open_picture

    _check_png(out)
    if (keep is None) != (image is None):
        missing, there = ("--image", "--keep") if image is None else ("--keep", "--image")
        raise DataError(f"Found {there} without {missing}; give both to keep a part of a picture, or neither.")
    if image is not None:
        height, width = open_picture(image).shape[:2]
        region_of(keep, width, height)  # said before torch is loaded
    model = _load(run, step)
    drawn = model.draw(
        prompt,
        seed=seed,
        guidance=guidance,
        temperature=temperature,
        top_k=top_k,
        sampler=sampler,
        sampling_steps=sampling_steps,
        draw_steps=draw_steps,
        order=None if order is None else order.value,
        dtype=None if dtype is None else dtype.value,
        keep=keep,
        image=image,
        best_of=best_of,
    )
    _tell(drawn, out, model, seed, order, temperature)


def edit(
    run: RunArgument,
    instruction: Annotated[str, typer.Option(help="What to change.")],
    out: Annotated[Path, typer.Option(help="PNG file to write.")],
    image: Annotated[Path | None, typer.Option(help="The picture to be edited; it is scaled to the model's square.")] = None,
    seed: Annotated[int, typer.Option(help="Names the draws.")] = 0,
    guidance: GuidanceOption = None,
    temperature: TemperatureOption = None,
    top_k: Annotated[int, typer.Option(min=0, help="From the k likeliest; 0 = all.")] = 0,
    sampler: SamplerOption = None,
    sampling_steps: SamplingStepsOption = None,
    draw_steps: DrawStepsOption = None,
    order: OrderOption = None,
    dtype: DtypeOption = None,
    step: StepOption = None,
) -> None:
    """Draw a picture anew, with a change that an instruction asks for.

    The whole picture is drawn: what should stay is what the model keeps of it. Settings that are not given are those of the
    run's own exam.
    """
    from bothways.core.errors import DataError

    _check_png(out)
    if image is None:
        raise DataError("An edit needs the picture that is to be edited; give it as --image FILE.")
    model = _load(run, step, image)
    drawn = model.edit(
        image,
        instruction,
        seed=seed,
        guidance=guidance,
        temperature=temperature,
        top_k=top_k,
        sampler=sampler,
        sampling_steps=sampling_steps,
        draw_steps=draw_steps,
        order=None if order is None else order.value,
        dtype=None if dtype is None else dtype.value,
    )
    _tell(drawn, out, model, seed, order, temperature)


def _check_png(out: Path) -> None:
    from bothways.core.errors import DataError

    if out.suffix.lower() != ".png":
        raise DataError(f"Found --out {out}; drawings are written as PNG, so give a name that ends in .png.")
    if out.is_dir():
        raise DataError(f"{out} is a folder; give the name of a PNG file.")


def _tell(drawn, out: Path, model, seed: int, order: str | None, temperature: float | None) -> None:
    """Saves what was drawn and says where."""
    save_png(drawn, out)
    in_raster = model.unified.config.drawn_in(order or model.how_to_draw.order).order == "raster"
    if seed and in_raster and not (model.how_to_draw.temperature if temperature is None else temperature):
        notice("At temperature 0 every seed gives the same picture; add --temperature 1 for variety.")
    say(f"{out}: {drawn.width} x {drawn.height} px, step {model.step} of {model.path}")


def _load(run: str, step: int | None, image: Path | None = None):
    """The model; what can be refused without it is refused before torch is loaded."""
    from bothways.core.rundir import RunDir
    from bothways.data.pixels import open_picture

    RunDir.open(run)
    if image is not None:
        open_picture(image)
    from bothways.generate.model import load

    return load(run, step)


def save_png(drawn, out: Path) -> None:
    """Writes a Pillow image, whole or not at all."""
    import io

    from bothways.core.disk import write_atomic

    data = io.BytesIO()
    drawn.save(data, format="PNG")
    write_atomic(out, data.getvalue())
