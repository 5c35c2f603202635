"""The public names, and a trained model used from Python."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image as Pil
from safetensors.torch import save_file

import bothways
from bothways.cli.main import main
from bothways.core.errors import RunError
from bothways.vision.configs import VQConfig
from bothways.vision.vq import VQTokenizer
from conftest import changes


@pytest.fixture(scope="module")
def model(trained: Path) -> bothways.Model:
    return bothways.load(trained)


def test_importing_the_package_loads_nothing_and_offers_the_public_names() -> None:
    program = """
import sys, bothways
assert not {"torch", "transformers", "numpy", "pydantic"} & set(sys.modules)
assert {"load", "Model", "Sample", "Text", "Image", "How", "BothwaysError"} <= set(dir(bothways))
sample = bothways.Sample("mine", (bothways.Text("draw a watch."), bothways.Image(None, learn=True)))
assert not {"torch", "transformers"} & set(sys.modules)
"""
    subprocess.run([sys.executable, "-c", program], check=True, timeout=600)
    assert all(getattr(bothways, name) for name in bothways.__all__)
    with pytest.raises(AttributeError, match=r"it offers .*load"):
        bothways.lode  # noqa: B018


def test_the_newest_checkpoint_is_loaded_or_the_one_asked_for(trained: Path, model: bothways.Model) -> None:
    first = bothways.load(str(trained), step=0)
    assert (first.step, model.step) == (0, 2)
    ours, theirs = first.unified.state_dict(), model.unified.state_dict()
    assert any((ours[name] != theirs[name]).any() for name in ours)


def test_a_path_an_array_and_a_pillow_image_of_the_same_pixels_get_the_same_answer(model, picture: Path) -> None:
    opened = Pil.open(picture)
    question = "what is the weather?"
    answers = {model.answer(image, question) for image in (picture, str(picture), opened, np.asarray(opened))}
    assert len(answers) == 1 and isinstance(answers.pop(), str)
    transparent = opened.convert("RGBA")
    assert model.caption(transparent) == model.caption(opened)


def test_drawings_are_pillow_images_that_depend_on_the_seed_alone(trained: Path, model) -> None:
    def drawn(who, seed: int) -> bytes:
        image = who.draw("draw a red watch.", seed=seed, temperature=1.0, guidance=2.0)
        assert image.mode == "RGB" and image.size == (model.size_px, model.size_px)
        return image.tobytes()

    assert drawn(model, 1) == drawn(bothways.load(trained), 1) != drawn(model, 2)


def test_drawings_are_by_default_as_in_the_runs_exam(copied: Path) -> None:
    config = copied / "config.yaml"
    held = yaml.safe_load(config.read_text())
    held["exam"] |= {"guidance": 3.0, "temperature": 0.7}
    config.write_text(yaml.safe_dump(held))
    loaded = bothways.load(copied)
    assert (loaded.how_to_draw.guidance, loaded.how_to_draw.temperature) == (3.0, 0.7)
    assert loaded.draw("x").tobytes() == loaded.draw("x", guidance=3.0, temperature=0.7).tobytes()


def test_generate_fills_one_sample_or_many_and_batches_change_nothing(model, picture: Path) -> None:
    given = bothways.Image(bothways.ArrayPicture(np.asarray(Pil.open(picture)), "picture"))
    asked = [
        bothways.Sample("a", (given, bothways.Text("what is the weather?"), bothways.Text(None, learn=True))),
        bothways.Sample("b", (bothways.Text("draw a red watch."), bothways.Image(None, learn=True))),
        bothways.Sample("c", (bothways.Text("draw."), bothways.Image(None, learn=True), bothways.Text(None, learn=True))),
    ]
    how = bothways.How(temperature=1.0, seed=3, max_text_tokens=6)
    together, alone = model.generate(asked, how), [model.generate(sample, how) for sample in asked]
    assert [type(sample) for sample in together] == [bothways.Sample] * 3
    for one, other, prompt in zip(together, alone, asked, strict=True):
        assert one.prompt() == prompt
        for mine, yours in zip(one.segments, other.segments, strict=True):
            if isinstance(mine, bothways.Text):
                assert mine == yours
            else:  # the decoder's sums may differ in the last bit with the number of pictures
                levels = [picture.content.array.astype(int) for picture in (mine, yours)]
                assert np.abs(levels[0] - levels[1]).max() <= 1
    assert model.generate(asked, how, batch_size=1)[2].segments[2] == together[2].segments[2]


@pytest.mark.parametrize(
    "image",
    [3, None, np.zeros((4, 4)), np.zeros((4, 4, 3)), np.zeros((4, 4, 4), np.uint8), np.zeros((0, 4, 3), np.uint8), "no.png"],
    ids=["number", "none", "grey", "floats", "four channels", "empty", "missing"],
)
def test_what_is_no_picture_is_refused_in_a_sentence(image, model) -> None:
    with pytest.raises(bothways.BothwaysError) as raised:
        model.answer(image, "what?")
    assert str(raised.value).endswith(".")


def test_a_run_keeps_foreign_tokenizer_weights_and_refuses_others(tmp_path: Path, picture: Path) -> None:
    weights = tmp_path / "mine.safetensors"
    _save_random_tokenizer(weights, seed=1)
    named = {"model.given.weights": weights, "model.learned.weights": weights, "train.steps": 1}
    train = ["train", "vq-vq", "--out", str(tmp_path / "run"), *changes(**named)]
    assert main(train) == 0
    out = tmp_path / "run"
    before = bothways.load(out).draw("draw a watch.")
    weights.unlink()
    loaded = bothways.load(out)
    assert loaded.draw("draw a watch.").tobytes() == before.tobytes()
    assert loaded.unified.given is loaded.unified.learned
    _save_random_tokenizer(weights, seed=2)
    assert main([*train, "--resume"]) == RunError.exit_code
    shutil.copyfile(weights, out / "parts" / "given.safetensors")
    with pytest.raises(bothways.BothwaysError, match="not those that the run"):
        bothways.load(out)


def _save_random_tokenizer(path: Path, seed: int) -> None:
    shape = VQConfig(size_px=48, num_codes=32, channel_multiplier=(1, 1, 1, 1), latent_channels=32, seed=seed)
    save_file(dict(VQTokenizer(shape).network.state_dict()), path)
