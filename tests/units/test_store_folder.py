"""A run keeps the pretrained folder of its visual tokenizer, and is rebuilt from that copy."""

from __future__ import annotations

import shutil
from pathlib import Path

import torch

import tiny
from bothways.core.rundir import RunDir
from bothways.model.store import keep_parts, rebuild
from bothways.vision.configs import SemanticConfig


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
