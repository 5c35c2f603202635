"""Runs a study: pictures are rendered and encoded once, every arm is trained and examined by the same code, one report.

    OUT/cache/           tokens of the pools' pictures
    OUT/<arm>-<seed>/    one run folder an arm and seed
    OUT/report.html, OUT/report.json

A study that was interrupted goes on where it stopped when it is run again with the same `out`.
"""

from __future__ import annotations

import os
import platform
import time
from pathlib import Path

import torch
from rich.console import Console
from rich.progress import track

from bothways.core.disk import read_json, write_json
from bothways.core.rundir import RunDir
from bothways.model.unified import Encodings, encodings_for
from bothways.recipes.assemble import pool_pictures, stream_of, tokens_per_step, train
from bothways.recipes.examine import examine
from bothways.recipes.recipe import Recipe, load_recipe
from bothways.study.ledger import ArmLedger, Ledger
from bothways.study.plan import Plan, plan
from bothways.study.report import write_report
from bothways.study.study import Study

LEDGER = "ledger.json"


def run(study: Study, out: Path, console: Console | None = None) -> Path:
    """Plans, trains, examines and reports; returns the path of report.html. Raises: BothwaysError of all kinds."""
    planned = plan(study, load_recipe(study.base, kind="model"))
    out.mkdir(parents=True, exist_ok=True)
    encodings, shared = prepare(planned, out, console)
    runs: dict[str, list[Path]] = {arm.name: [] for arm in study.arms}
    arms: dict[str, ArmLedger] = {}
    for seed in study.seeds:
        for arm in study.arms:
            folder = out / f"{arm.name}-{seed}"
            recipe = planned.configs[arm.name][seed]
            cost = _train_and_examine(recipe, folder, arm.reads, arm.draws, encodings, console)
            arms[arm.name] = _added(arms.get(arm.name), cost)
            runs[arm.name].append(folder)
    ledger = Ledger(
        shared=shared, arms=arms, machine=f"{os.cpu_count()} cores, {platform.machine()}, torch {torch.__version__}"
    )
    return write_report(study, runs, out, ledger, plan=planned)


def prepare(planned: Plan, out: Path, console: Console | None) -> tuple[Encodings, dict[str, float]]:
    """Tokenizers with every picture of every arm's pools encoded, and the seconds that took (of the first time)."""
    configs = [recipe for by_seed in planned.configs.values() for recipe in by_seed.values()]
    encodings = encodings_for(configs[0].model, out / "cache")
    pictures = {}
    for recipe in configs:
        pictures.update({picture.key: picture for picture in pool_pictures(recipe, recipe.world.build())})
    for cache in {id(c): c for c in (encodings.given, encodings.learned)}.values():
        _fill(cache, list(pictures.values()), console)
    spent = out / "cache" / "seconds.json"
    if any(encodings.learned.seconds.values()) or not spent.exists():
        write_json(spent, encodings.learned.seconds)
    return encodings, read_json(spent)


def _fill(cache, pictures: list, console: Console | None) -> None:
    if console is None:
        cache.fill(pictures)
        return
    ticks = iter(track(range(len(pictures)), "rendering and encoding pictures", console=console))
    cache.fill(pictures, lambda done: [next(ticks, None) for _ in range(done)])
    for _ in ticks:
        pass


def _train_and_examine(
    recipe: Recipe, folder: Path, reads: bool, draws: bool, encodings: Encodings, console: Console | None
) -> ArmLedger:
    """One run from its first step to its scores, or nothing where it is done already; returns what it cost."""
    spent = folder / LEDGER
    if spent.exists():
        return ArmLedger.parse(read_json(spent), where=str(spent))
    run, began = RunDir(folder), {}

    def between(model, step: int) -> None:
        start = time.perf_counter()
        examine(recipe, model, run, f"step-{step:06d}", generate=False, reads=reads, draws=draws)
        began["between"] = began.get("between", 0.0) + time.perf_counter() - start

    model, fitted = train(
        recipe,
        folder,
        resume=run.config_path.exists(),
        encodings=encodings,
        on_milestone=between,
        console=console,
        title=f"training {folder.name}",
    )
    seconds = examine(recipe, model, run, "final", reads=reads, draws=draws, console=console)
    seconds = {**seconds, "train": fitted.seconds, "evaluate": seconds.get("evaluate", 0.0) + began.get("between", 0.0)}
    cost = ArmLedger(
        seconds=seconds,
        parameters=sum(p.numel() for p in model.parameters()),
        steps=fitted.steps,
        samples=fitted.samples,
        tokens=round(tokens_per_step(stream_of(recipe, recipe.world.build(), model)) * fitted.steps),
    )
    write_json(spent, cost.to_dict())
    return cost


def _added(one: ArmLedger | None, other: ArmLedger) -> ArmLedger:
    if one is None:
        return other
    seconds = {kind: one.seconds.get(kind, 0.0) + other.seconds.get(kind, 0.0) for kind in {*one.seconds, *other.seconds}}
    return ArmLedger(
        seconds=seconds,
        parameters=one.parameters,
        steps=(one.steps or 0) + (other.steps or 0),
        samples=(one.samples or 0) + (other.samples or 0),
        tokens=None if one.tokens is None or other.tokens is None else one.tokens + other.tokens,
    )
