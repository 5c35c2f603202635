"""Runs a study: pictures are rendered and encoded once, every arm is trained and examined by the same code, one report.

    OUT/cache/           tokens of the pools' and the exam's pictures
    OUT/<arm>-<seed>/    one run folder an arm and seed
    OUT/report.html, OUT/report.json

A study that was interrupted goes on where it stopped when it is run again with the same `out`.
"""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from pathlib import Path

import torch
from rich.console import Console
from rich.progress import track

from bothways.core.disk import read_json, write_json, writing
from bothways.core.sample import AbstractPicture
from bothways.recipes.assemble import pool_pictures
from bothways.recipes.examine import exam_items
from bothways.recipes.recipe import Recipe
from bothways.study.job import Job
from bothways.study.ledger import ArmLedger, Ledger
from bothways.study.plan import Plan, plan_of
from bothways.study.report import write_report
from bothways.study.side_by_side import run_all
from bothways.study.study import Study
from bothways.vision.cache import EncodingCache


def run(study: Study, out: Path, console: Console | None = None, workers: int | None = None) -> Path:
    """Plans, trains, examines and reports; returns the path of report.html.

    `workers`: runs at once; default: as many as there are cores for the threads of one. Raises: BothwaysError of all kinds.
    """
    planned = plan_of(study)
    with writing(out):
        out.mkdir(parents=True, exist_ok=True)
    recipes = [recipe for by_seed in planned.configs.values() for recipe in by_seed.values()]
    shared = prepare(recipes, out / "cache", console)
    jobs = jobs_of(planned, out)
    threads = jobs[0].recipe.train.threads or cores()
    run_all(jobs, workers or max(1, cores() // threads), console)
    runs = {arm.name: [job.folder for job in jobs if job.arm == arm.name] for arm in study.arms}
    arms = {arm.name: _added([job.cost for job in jobs if job.arm == arm.name]) for arm in study.arms}
    machine = f"{cores()} cores, {platform.machine()}, torch {torch.__version__}"
    return write_report(study, runs, out, Ledger(shared=shared, arms=arms, machine=machine), plan=planned)


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0))


def jobs_of(planned: Plan, out: Path) -> list[Job]:
    """Every run of the study, arm by arm and seed by seed."""
    return [
        Job(arm.name, planned.configs[arm.name][seed], out / f"{arm.name}-{seed}", out / "cache", arm.reads, arm.draws)
        for arm in planned.study.arms
        for seed in planned.study.seeds
    ]


def prepare(recipes: Sequence[Recipe], cache: Path, console: Console | None) -> dict[str, float]:
    """Renders and encodes every picture of every recipe once; returns the seconds that took so far, earlier calls included."""
    pictures = {picture.key: picture for recipe in recipes for picture in _pictures(recipe)}
    tokenizers = {one.encodes_as.digest(): one.encodes_as for r in recipes for one in (r.model.given, r.model.learned)}
    sides = [EncodingCache(tokenizer.build(), cache) for tokenizer in tokenizers.values()]
    for side in sides:
        counted = track(pictures.values(), "rendering and encoding", console=console) if console else pictures.values()
        side.fill(counted)
    spent = cache / "seconds.json"
    before = read_json(spent) if spent.exists() else {}
    seconds = {kind: before.get(kind, 0.0) + sum(side.seconds[kind] for side in sides) for kind in ("render", "encode")}
    with writing(cache):
        cache.mkdir(parents=True, exist_ok=True)
    write_json(spent, seconds)
    return seconds


def _pictures(recipe: Recipe) -> list[AbstractPicture]:
    world = recipe.world.build()
    asked = exam_items(recipe.exam, world)
    return pool_pictures(recipe, world) + [item.truth for item in asked if item.truth is not None]


def _added(costs: list[ArmLedger]) -> ArmLedger:
    """The sum over an arm's runs; parameters of one."""
    kinds = {kind for cost in costs for kind in cost.seconds}
    return ArmLedger(
        seconds={kind: sum(cost.seconds.get(kind, 0.0) for cost in costs) for kind in kinds},
        parameters=costs[0].parameters,
        steps=sum(cost.steps or 0 for cost in costs),
        samples=sum(cost.samples or 0 for cost in costs),
        tokens=sum(cost.tokens or 0 for cost in costs),
    )
