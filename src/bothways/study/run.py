"""Runs a study: what was planned is registered, pictures are encoded once, every arm is trained and examined, one report.

    OUT/registration.json     the plan by its hash, written before anything runs; OUT/amendments.json: what changed since
    OUT/runs/<hash>/          one run folder, named by the hash of its resolved config and of the exams that it sits
    OUT/runs/cache/           tokens of the pools' and the exam's pictures
    OUT/<arm>-<seed>          a link to the run of that arm and seed
    OUT/report.html, OUT/report.md, OUT/report.json, OUT/report.tex, OUT/dial.json

Studies that are given one folder of runs share what they have in common. One that was interrupted goes on where it stopped when
it is run again with the same `out`: a run is done when its ledger is written, which is last.
"""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from rich.console import Console
from rich.progress import track

from bothways.core.config import digest_of
from bothways.core.disk import read_json, write_json, writing
from bothways.core.errors import RunError
from bothways.core.sample import AbstractPicture
from bothways.recipes.assemble import pool_pictures
from bothways.recipes.examine import exam_items
from bothways.study.claim import without
from bothways.study.dial import placed
from bothways.study.job import Job
from bothways.study.ledger import Ledger, added
from bothways.study.on_ray import check_reachable, run_on
from bothways.study.plan import Plan, plan_of
from bothways.study.registration import amendments, register, registered
from bothways.study.report import Standing, write_report
from bothways.study.side_by_side import run_all
from bothways.study.stack import stacks_of, unstacked
from bothways.study.study import Study
from bothways.vision.cache import EncodingCache

SECONDS = "seconds.json"


def run(
    study: Study,
    out: Path,
    console: Console | None = None,
    workers: int | None = None,
    runs: Path | None = None,
    cluster: str | None = None,
    stack: int = 1,
) -> Path:
    """Plans, registers, trains, examines and reports; returns the path of report.html.

    `workers`: runs at once; default: as many as there are cores for the threads of one. `runs`: a folder that several studies
    share. `cluster`: run on Ray instead, see on_ray.py. `stack`: how many seeds of an arm are trained as one stacked model, see
    stack.py. Raises: BothwaysError of all kinds.
    """
    planned = plan_of(study)
    if cluster is not None:
        check_reachable(cluster)
    if runs is not None:
        with writing(runs):
            runs.mkdir(parents=True, exist_ok=True)
    register(planned, out)
    jobs = jobs_of(planned, out, runs)
    for job in jobs:
        _link(job, out)
    execute(jobs, console, workers, cluster, stack)
    return report(study, out, runs)


def execute(
    jobs: list[Job],
    console: Console | None = None,
    workers: int | None = None,
    cluster: str | None = None,
    stack: int = 1,
) -> None:
    """Encodes what the runs need, and trains and examines those that are not done. Arguments and errors as in `run`."""
    prepare(jobs, console)
    waiting = [job for job in jobs if not job.is_done]
    stacks = stacks_of(waiting, stack)
    if console is not None and (why := unstacked(waiting, stack)):
        console.print(why, highlight=False, markup=False)
    if cluster is not None:
        run_on(cluster, stacks, console)
        return
    threads = jobs[0].recipe.train.threads or cores()
    run_all(stacks, workers or max(1, cores() // threads), console)


def report(study: Study, out: Path, runs: Path | None = None) -> Path:
    """Writes the report of what is finished, and says what is not; returns its path. Arguments and errors as in `results`."""
    found = results(study, out, runs)
    return write_report(placed(found.plan, out), found.folders, out, found.ledger, plan=found.plan, standing=found.standing)


@dataclass(frozen=True)
class Results:
    """What is finished of a study: the plan of that part, its run folders by arm in the order of the seeds, what they cost, and
    where it stands beside what was registered."""

    plan: Plan
    folders: dict[str, list[Path]]
    ledger: Ledger
    standing: Standing


def results(study: Study, out: Path, runs: Path | None = None) -> Results:
    """Everything is read from files. Raises: RunError when nothing is finished, or the folder holds another study."""
    planned = plan_of(study)
    held = registered(out)
    if held is not None and held["plan"]["study"]["name"] != study.name:
        raise RunError(f"{out} holds the study `{held['plan']['study']['name']}`, not `{study.name}`.")
    jobs = jobs_of(planned, out, runs)
    for job in jobs:
        job.refuse_other()
        if job.is_done:
            _link(job, out)  # the report calls runs by these names, and people move and delete links
    shown = finished(study, [job for job in jobs if job.is_done], out)
    seconds = read_json(jobs[0].cache / SECONDS) if (jobs[0].cache / SECONDS).exists() else {}
    arms = {arm: added([job.cost for job in done]) for arm, done in shown.jobs.items()}
    folders = {arm: [out / job.title for job in done] for arm, done in shown.jobs.items()}
    changed = tuple({"when": one["when"], "changed": one["changed"]} for one in amendments(out))
    standing = Standing(shown.missing, None if held is None else held["hash"], changed)
    return Results(plan_of(shown.study), folders, Ledger(shared=seconds, arms=arms, machine=machine()), standing)


@dataclass(frozen=True)
class Shown:
    """The part of a study that can be reported: its arms and seeds, the finished runs by arm, and what is missing."""

    study: Study
    jobs: dict[str, list[Job]]
    missing: tuple[str, ...]


def finished(study: Study, done: list[Job], out: Path) -> Shown:
    """All arms over the seeds that all arms have finished; or, where there is no such seed yet, the arms that have finished the
    first one. Raises: RunError when no comparison can be made of them."""
    by_seed = {seed: {job.arm: job for job in done if job.seed == seed} for seed in study.seeds}
    whole = [seed for seed in study.seeds if len(by_seed[seed]) == len(study.arms)]
    seeds = whole or [max(study.seeds, key=lambda seed: len(by_seed[seed]))]
    arms = [arm for arm in study.arms if all(arm.name in by_seed[seed] for seed in seeds)]
    names = {arm.name for arm in arms}
    comparisons = [c for c in study.comparisons if {c.treatment, c.control} <= names]
    if not comparisons:
        raise RunError(
            f"{len(done)} of the {len(study.arms) * len(study.seeds)} runs in {out} are finished, and no two of them can be "
            "compared; run the study again to go on."
        )
    missing = [f"{arm.name} is not finished" for arm in study.arms if arm.name not in names]
    missing += [f"seed {seed} is not finished" for seed in study.seeds if seed not in seeds]
    claims, unfounded = without(study.claims, [c.name for c in comparisons])
    missing += [f"claim {claim.name} rests on what is not finished" for claim in unfounded]
    parts = {"arms": arms, "comparisons": comparisons, "claims": claims}
    changes = {name: [one.to_dict() for one in some] for name, some in parts.items()} | {"seeds": seeds}
    jobs = {arm.name: [by_seed[seed][arm.name] for seed in seeds] for arm in arms}
    return Shown(Study.parse(study.to_dict() | changes), jobs, tuple(missing))


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0))


def machine() -> str:
    """What a report says of where it was made, e.g. "2 cores, x86_64, torch 2.13.0"."""
    number = cores()
    return f"{number} core{'' if number == 1 else 's'}, {platform.machine()}, torch {torch.__version__}"


def jobs_of(planned: Plan, out: Path, runs: Path | None = None) -> list[Job]:
    """Every run of the study, one seed of all arms before the next, the arms of the first comparisons first."""
    study, folder = planned.study, runs or out / "runs"
    compared = [arm for c in study.comparisons for arm in (c.treatment, c.control)]
    order = list(dict.fromkeys([*compared, *(arm.name for arm in study.arms)]))
    jobs = []
    for seed in study.seeds:
        for arm in map(study.arm, order):
            recipe = planned.configs[arm.name][seed]
            exams = {"reads": arm.reads, "draws": arm.draws} | ({"split": study.split} if study.pilot else {})
            address = folder / digest_of({"recipe": recipe.to_dict(), **exams})
            jobs.append(Job(arm.name, seed, recipe, address, folder / "cache", arm.reads, arm.draws, study.split))
    return jobs


def _link(job: Job, out: Path) -> None:
    """OUT/<arm>-<seed> -> the run, so that people find it. Raises: RunError where something else has that name."""
    link, target = out / job.title, os.path.relpath(job.folder, out)
    with writing(link):
        if link.is_symlink():
            link.unlink()
        elif link.exists():
            raise RunError(f"{link} is a folder of its own, where a link to a run belongs; choose another --out.")
        link.symlink_to(target, target_is_directory=True)


def prepare(jobs: Sequence[Job], console: Console | None) -> dict[str, float]:
    """Renders and encodes every picture of every run once; returns the seconds that took so far, earlier calls included."""
    cache, recipes = jobs[0].cache, [job.recipe for job in jobs]
    pictures = {picture.key: picture for job in _seeing(jobs) for picture in _pictures(job)}
    tokenizers = {one.encodes_as.digest(): one.encodes_as for r in recipes for one in r.model.tokenizers.values()}
    sides = [EncodingCache(tokenizer.build(), cache) for tokenizer in tokenizers.values()]
    for side in sides:
        counted = track(pictures.values(), "rendering and encoding", console=console) if console else pictures.values()
        side.fill(counted)
    spent = cache / SECONDS
    before = read_json(spent) if spent.exists() else {}
    seconds = {kind: before.get(kind, 0.0) + sum(side.seconds[kind] for side in sides) for kind in ("render", "encode")}
    with writing(cache):
        cache.mkdir(parents=True, exist_ok=True)
    write_json(spent, seconds)
    return seconds


def _seeing(jobs: Sequence[Job]) -> list[Job]:
    """One run of those that see the same pictures, as the trials of one arm do."""
    told = [[job.split, *(part.digest() for part in (job.recipe.world, job.recipe.data, job.recipe.exam))] for job in jobs]
    return list({digest_of(one): job for one, job in zip(told, jobs, strict=True)}.values())


def _pictures(job: Job) -> list[AbstractPicture]:
    world = job.recipe.world.build()
    asked = exam_items(job.recipe.exam, world, split=job.split)
    return pool_pictures(job.recipe, world) + [item.truth for item in asked if item.truth is not None]
