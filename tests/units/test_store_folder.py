"""A run keeps the pretrained folder and the painter of its visual tokenizer, and is rebuilt from those copies."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch

import tiny
from bothways.core.errors import RunError
from bothways.core.rundir import RunDir
from bothways.model.encodings import encodings_for
from bothways.model.store import keep_parts, rebuild
from bothways.vision.configs import SemanticConfig
from bothways.vision.painter import save_painter
from bothways.vision.painter_configs import DirectPainterConfig
from bothways.vision.tokenizer import to_unit


def test_a_run_reads_with_its_own_copy_of_a_pretrained_tower(tmp_path: Path):
    small = SemanticConfig(size_px=48, patch_px=16, width=32, num_heads=2, num_layers=2, seed=5)
    small.build().network.save_pretrained(tmp_path / "tower")
    tower = {"kind": "semantic", "weights": str(tmp_path / "tower"), "size_px": 48}
    config = tiny.config(given=tower, projector={"shared": False})
    run = RunDir.create(tmp_path / "run", {"kind": "model", "model": config.to_dict()})
    keep_parts(run, config, tiny.WORDING)
    shutil.rmtree(tmp_path / "tower")
    found = rebuild(run)
    pixels = torch.zeros(1, 3, 48, 48)
    torch.testing.assert_close(found.given.encode(pixels), small.build().encode(pixels))


@pytest.mark.parametrize("shared", [True, False])
def test_a_run_draws_with_its_own_copy_of_a_painter_and_refuses_to_go_on_with_another(tmp_path: Path, shared: bool):
    tower = SemanticConfig(size_px=48, patch_px=16, width=12, num_heads=2, num_layers=2)
    painters = [DirectPainterConfig(channels=(8,), num_res_blocks=(1,), seed=seed).build(tower.spec) for seed in (0, 1)]
    save_painter(painters[0], tmp_path / "painter.safetensors", tower.build())
    side = tower.with_changes({"painter": str(tmp_path / "painter.safetensors")}).to_dict()
    given = side if shared else tiny.PATCHES
    config = tiny.config(given=given, learned=side, projector={"shared": shared}, head={"kind": "regression"})
    run = RunDir.create(tmp_path / "run", {"kind": "model", "model": config.to_dict()})
    keep_parts(run, config, tiny.WORDING)
    save_painter(painters[1], tmp_path / "painter.safetensors", tower.build())
    with pytest.raises(RunError, match=r"weights of the `.*-painter` tokenizer are not those"):
        keep_parts(run, config, tiny.WORDING)
    (tmp_path / "painter.safetensors").unlink()
    found = rebuild(run)
    assert (found.given is found.learned) == shared
    weight = found.learned.painter.state_dict()["layers.0.weight"]
    torch.testing.assert_close(weight, painters[0].state_dict()["layers.0.weight"].half().float())


def test_semantic_tokens_are_encoded_once_and_read_alike_each_time(tmp_path: Path):
    tower = {"kind": "semantic", "size_px": 48, "patch_px": 16, "width": 12, "num_heads": 2, "num_layers": 2}
    pictures = [tiny.picture(number) for number in range(3)]
    cache = encodings_for(tiny.config(given=tower, projector={"shared": False}), tmp_path).given
    first = cache.tokens(pictures)
    cache.fill([*pictures, tiny.picture(3)])
    again = encodings_for(tiny.config(given=tower, projector={"shared": False}), tmp_path).given
    again._encode = lambda fresh: pytest.fail("encoded again") if fresh else {}
    assert torch.equal(cache.tokens(pictures), first) and again.tokens([tiny.picture(3)]).dtype == torch.float32
    torch.testing.assert_close(first[1], cache.tokenizer.encode(to_unit(pictures[1].array[None]))[0], rtol=0, atol=5e-3)
