"""A run to use: the smallest model, trained for two steps by the command itself."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Pil

from bothways.cli.main import main

# 48 px, 3 x 3 tokens, random tokenizer weights: seconds on one core.
TINY = {
    "world.level": "glance",
    "model.given.size_px": 48,
    "model.given.num_codes": 32,
    "model.given.channel_multiplier": "[1, 1, 1, 1]",
    "model.given.latent_channels": 32,
    "model.given.weights": "null",
    "model.learned.size_px": 48,
    "model.learned.num_codes": 32,
    "model.learned.channel_multiplier": "[1, 1, 1, 1]",
    "model.learned.latent_channels": 32,
    "model.learned.weights": "null",
    "model.backbone.size": "tiny",
    "model.backbone.attention": "sdpa",
    "model.max_tokens": 160,
    "data.sources.watch/vqa.samples_per_step": 3,
    "data.sources.watch/caption.samples_per_step": 1,
    "data.sources.watch/draw.samples_per_step": 3,
    "train.steps": 2,
    "train.milestones": 1,
    "train.dtype": "float32",
    "exam.num_pictures": 4,
    "exam.num_drawings": 2,
    "exam.num_pictures_between": 2,
    "exam.max_text_tokens": 8,
}


def changes(**more: object) -> list[str]:
    """The tiny model as options of a command; a change to a whole part leaves nothing of the tiny one's."""
    kept = {key: value for key, value in TINY.items() if not any(key.startswith(f"{other}.") for other in more)}
    return [word for key, value in (kept | more).items() for word in ("--set", f"{key}={value}")]


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run folder; tests must not write into it."""
    out = tmp_path_factory.mktemp("runs") / "tiny"
    assert main(["train", "vq-vq", "--out", str(out), *changes()]) == 0
    return out


@pytest.fixture(scope="session")
def in_random_order(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same in random order, drawing alone; tests must not write into it."""
    out = tmp_path_factory.mktemp("runs") / "random"
    alone = {"data.sources.watch/vqa.samples_per_step": 0, "data.sources.watch/caption.samples_per_step": 0}
    assert main(["train", "vq-vq", "--out", str(out), *changes(**{"model.order": "random"}, **alone)]) == 0
    return out


@pytest.fixture(scope="session")
def editing(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that edits besides, examined on it; tests must not write into it."""
    out = tmp_path_factory.mktemp("runs") / "editing"
    source = {"data.sources.watch/edit.samples_per_step": 2, "data.sources.watch/edit.num_pictures": 6}
    exam = {"exam.num_edits": 3, "exam.num_pictures": 40, "exam.num_drawings": 1}
    unread = {"data.sources.watch/vqa.samples_per_step": 0, "data.sources.watch/caption.samples_per_step": 0}
    assert main(["train", "vq-vq", "--out", str(out), *changes(**source, **exam, **unread)]) == 0
    return out


@pytest.fixture(scope="session")
def decides(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run whose model learned when to draw, and little else; tests must not write into it."""
    out = tmp_path_factory.mktemp("runs") / "decides"
    learned = {"model.learn_marks": True, "train.steps": 200, "data.sources.watch/caption.samples_per_step": 0}
    assert main(["train", "vq-vq", "--out", str(out), *changes(**learned)]) == 0
    return out


@pytest.fixture
def copied(trained: Path, tmp_path: Path) -> Path:
    """A copy of the run, to be harmed."""
    return Path(shutil.copytree(trained, tmp_path / "copied"))


@pytest.fixture(scope="session")
def picture(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A coarse pattern as a PNG file."""
    path = tmp_path_factory.mktemp("pictures") / "picture.png"
    pattern = np.random.default_rng(0).integers(0, 256, (6, 6, 3), dtype=np.uint8)
    Pil.fromarray(np.kron(pattern, np.ones((8, 8, 1), np.uint8))).save(path)
    return path


@pytest.fixture
def told(capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """Runs a command; returns exit code, standard output and standard error."""

    def run(*words: object) -> tuple[int, str, str]:
        capsys.readouterr()
        code = main([str(word) for word in words])
        out, err = capsys.readouterr()
        return code, out, err

    return run
