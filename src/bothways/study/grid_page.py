"""`write_grid`: what is finished of a grid as Markdown, as JSON, and as one contact sheet a world."""

from __future__ import annotations

from pathlib import Path

from bothways.core.disk import read_json, write_atomic, write_json
from bothways.evaluate.scores import read_scores
from bothways.study.contact_sheet import contact_sheet
from bothways.study.grid import Grid
from bothways.study.grid_table import GridCell, tables, to_json
from bothways.study.job import Job
from bothways.study.run import machine
from bothways.vision.configs import TokenizerConfig


def write_grid(grid: Grid) -> Path:
    """Writes OUT/grid.md, OUT/grid.json and OUT/grid-<world>.png; returns the path of the first.

    Raises: RunError when a finished run's files cannot be read, or the disk refuses.
    """
    finished = {world: [_cell(job) for job in grid.finished(world)] for world in grid.worlds}
    pictures = {world: contact_sheet({cell.name: cell.run for cell in cells}) for world, cells in finished.items()}
    for world, picture in pictures.items():
        if picture is not None:
            write_atomic(grid.out / _picture(world), picture)
    spent = grid.out / "cache/seconds.json"
    shared = read_json(spent) if spent.exists() else {}
    held = {
        "machine": machine(),
        "shared_seconds": shared,
        "cells": {world: {cell.name: to_json(cell) for cell in cells} for world, cells in finished.items()},
        "missing": {f"{world}/{cell}": why for (world, cell), why in grid.missing.items()},
    }
    write_json(grid.out / "grid.json", held)
    together = ", ".join(f"{kind} {value:,.0f} s" for kind, value in shared.items()) or "nothing"
    parts = [_INTRO.format(machine=machine(), shared=together)]
    parts += [_of_world(grid, world, cells, pictures[world] is not None) for world, cells in finished.items()]
    write_atomic(grid.out / "grid.md", "\n".join(parts))
    return grid.out / "grid.md"


def _cell(job: Job) -> GridCell:
    model = job.recipe.model
    sheet = read_scores(job.folder)["final"]
    return GridCell(job.arm, _name_of(model.given), _name_of(model.learned), job.folder, sheet, job.cost)


def _name_of(tokenizer: TokenizerConfig) -> str:
    """What the grid calls a tokenizer: the name of its shipped weights, else its kind."""
    weights = tokenizer.files.get("weights", "")
    return weights.removeprefix("asset:") if weights.startswith("asset:") else tokenizer.kind


def _of_world(grid: Grid, world: str, cells: list[GridCell], has_picture: bool) -> str:
    lacking = [f"- {cell}: {why}" for (of, cell), why in grid.missing.items() if of == world]
    lines = [f"## World {world}"]
    lines += ["Missing:", "\n".join(lacking)] if lacking else []
    lines += [tables(cells)] if cells else []
    if has_picture:
        shown = "The first requests of the exam: the real picture, and what each cell drew."
        lines += ["### Drawings", f"{shown}\n\n![{shown}]({_picture(world)})"]
    return "\n\n".join(lines) + "\n"


def _picture(world: str) -> str:
    return f"grid-{world}.png"


_INTRO = """# The grid: given x learned tokenizer

Each cell is one model that reads its *given* tokens and draws its *learned* ones (`given-learned`), trained on both tasks at
the quickstart's budget with **one seed**, so a difference between two cells is no verdict. Written by `bothways grid`;
{machine}; done once for all cells: {shared}.

± is one standard error over pictures, not over seeds. *Chance* is the best constant answer or picture on these scenes.
*Ceiling* is the world's reader on what the learned tokenizer makes of the true pictures; where a cell reads through another
tokenizer, it bounds that cell's drawings alone. Skill: 0 for the best answer that ignores the picture (or request), 1 for a
perfect one.
"""
