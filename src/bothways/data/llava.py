"""LLaVA's conversation format: pictures in a folder, `samples.json` beside it, and what each picture shows.

    images/000000.png ...
    samples.json    [{"id", "image": "images/000000.png", "task": "vqa" | "caption" | "draw",
                      "conversations": [{"from": "human" | "gpt", "value": text}, ...]}, ...]
    scenes.jsonl    a line a picture: {"image": ..., and the world's facts}

`<image>` stands in the human turn where the picture is given, and in the gpt turn where it is to be drawn; a
sample of text alone (task `text`) has neither mark nor `image`.
Source: LLaVA's data format; P1 puts the mark of a picture to be drawn at the end of the answer (seeds 1.1).
"""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from PIL import Image as Pil

from bothways.core.disk import TEMPORARY, write_atomic, writing
from bothways.core.errors import DataError
from bothways.core.sample import Image, Sample, Text
from bothways.data.worlds import WorldSource
from bothways.worlds.world import AbstractWorld

IMAGE_MARK = "<image>"
_KINDS = ("draw", "vqa", "caption")


def make_data(world: AbstractWorld, out: Path, num_images: int, size_px: int, seed: int, kinds: Sequence[str] = _KINDS) -> None:
    """Writes a folder of `num_images` pictures of the train split, with one sample a picture of each of `kinds`.

    The kind `text` (a scene told in words, no picture) is for data sets that hide an attribute from a task.

    The folder appears whole or not at all. Raises: DataError for zero images or a place that is taken; ConfigError for a
    size that the world cannot render; RunError when the disk refuses.
    """
    out = Path(out)
    if num_images < 1:
        raise DataError(f"Asked for {num_images} images; a data set needs at least one.")
    if out.is_file():
        raise DataError(f"{out} is a file; give the name of a new folder.")
    if out.is_dir() and any(out.iterdir()):
        raise DataError(f"The folder {out} already holds files; give a new one, or empty it.")
    world.render(world.scene("train", 0), size_px)  # refuses a bad size before anything is written
    with writing(out):
        out.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=TEMPORARY, dir=out.parent))
        try:
            _write(world, temporary, num_images, size_px, seed, kinds)
            temporary.chmod(0o755)  # mkdtemp makes folders that only their owner can read
            temporary.rename(out)
        except BaseException:
            shutil.rmtree(temporary, ignore_errors=True)
            raise


def _write(world: AbstractWorld, folder: Path, num_images: int, size_px: int, seed: int, kinds: Sequence[str]) -> None:
    (folder / "images").mkdir()
    sources = [WorldSource(world, kind, num_pictures=num_images, pool="make-data", seed=seed) for kind in kinds]
    pictures = WorldSource(world, "draw", num_pictures=num_images, pool="make-data", seed=seed)
    samples, scenes = [], []
    for index in range(num_images):
        name = f"images/{index:06d}.png"
        picture = pictures.picture(index)
        Pil.fromarray(picture.pixels(size_px)).save(folder / name)
        facts = {key: value for key, value in world.facts(picture.scene).items() if key != "rgb"}
        scenes.append({"image": name, **facts})
        for source in sources:
            samples.append(_record(source.about(index), f"{index:06d}-{source.kind}", name, source.kind))
    write_atomic(folder / "samples.json", _json_lines(samples))
    write_atomic(folder / "scenes.jsonl", "".join(json.dumps(scene) + "\n" for scene in scenes))


def _record(sample: Sample, record_id: str, image: str, task: str) -> dict[str, Any]:
    shown = {"image": image} if any(isinstance(segment, Image) for segment in sample.segments) else {}
    return {"id": record_id, **shown, "task": task, "conversations": list(_turns(sample))}


def _turns(sample: Sample) -> Iterator[dict[str, str]]:
    """One turn a change of speaker; a picture is its mark, on a line of its own before text of the same turn."""
    turns: list[tuple[str, list[str]]] = []
    for segment in sample.segments:
        speaker = "gpt" if segment.learn else "human"
        value = IMAGE_MARK if isinstance(segment, Image) else _content(segment)
        if not turns or turns[-1][0] != speaker:
            turns.append((speaker, []))
        turns[-1][1].append(value)
    return ({"from": speaker, "value": "\n".join(values)} for speaker, values in turns)


def _content(text: Text) -> str:
    return text.content or ""


def _json_lines(records: Iterable[dict[str, Any]]) -> str:
    """A JSON list with a record a line, so that it can be read, searched and compared."""
    return "[\n" + ",\n".join(json.dumps(record) for record in records) + "\n]\n"
