"""Nothing between samples and answers assumes two axes: sound waves are heard and played by the model made for pictures."""

from __future__ import annotations

from pathlib import Path

import numpy as np

import tiny
from bothways.core.rundir import RunDir
from bothways.core.sample import Image, Text
from bothways.data.configs import MixtureConfig
from bothways.data.stream import MixtureStream
from bothways.generate.engine import fill
from bothways.train.config import TrainConfig
from bothways.train.log import read_log
from bothways.train.trainer import Trainer
from waves import Wave, WaveSource

WAVES = {"kind": "waves:WaveConfig"}


def test_a_modality_with_one_axis_is_trained_end_to_end_by_one_tokenizer_file(tmp_path: Path):
    model = tiny.model(given=WAVES, learned=WAVES, order="random")
    assert model.learned.spec.grid == (8,)
    stream = MixtureStream(
        {"waves/hear": (WaveSource("hear"), 8), "waves/play": (WaveSource("play"), 8)},
        model.lay_out,
        model.attach,
        MixtureConfig(),
    )
    config = TrainConfig(steps=60, lr=1e-2, weight_decay=0.0, threads=1, checkpoint_every_s=1000.0)
    Trainer(model, stream, config, RunDir.create(tmp_path / "run", config.to_dict())).fit()
    terms = [line["terms"] for line in read_log(tmp_path / "run" / "log.jsonl")]
    for name in ("waves/hear:text", "waves/play:image"):
        first, last = (np.mean([line[name] for line in part]) for part in (terms[:3], terms[-3:]))
        assert last < 0.6 * first, (name, first, last)
    heard, played = fill(model, [WaveSource(kind).sample(100).prompt() for kind in ("hear", "play")])
    assert isinstance(heard.segments[-1], Text) and heard.segments[-1].content.strip() in ("1", "2", "3")
    assert isinstance(played.segments[-1], Image)
    wave = played.segments[-1].content.pixels(48)
    assert wave.shape == Wave(1).pixels(48).shape and wave.dtype == np.uint8 and wave.std() > 20
