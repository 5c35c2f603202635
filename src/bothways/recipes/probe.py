"""Probes of a run: its model, its untrained twin, its world's scenes and its own training batches, into probes.json."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from bothways.core.disk import read_json, write_json
from bothways.core.errors import ConfigError, unknown
from bothways.core.rundir import RunDir
from bothways.evaluate.probes.gradients import cosines
from bothways.evaluate.probes.linear import by_attribute, classification, probe
from bothways.evaluate.probes.maps import pca, tsne
from bothways.evaluate.probes.similarity import similarities
from bothways.evaluate.probes.states import SIDES, States, states_of
from bothways.model.store import load, rebuild
from bothways.model.unified import UnifiedModel
from bothways.recipes.assemble import settings_of, stream_of
from bothways.recipes.examine import recipe_of
from bothways.recipes.labels import FIT_PER_TEST, labels
from bothways.recipes.recipe import Recipe
from bothways.train.weights import Weights

WHAT = ("linear", "maps", "cka", "gradients")
FILE = "probes.json"
NUM_ON_MAP, NUM_STEPS = 300, 6


def probe_run(path: Path | str, what: tuple[str, ...] = WHAT, step: int | None = None, num: int = 200) -> dict[str, Any]:
    """Measures `what` and writes it into the run's probes.json, beside what was measured before; returns the whole.

    `num`: validation scenes on which linear probes are scored; four times as many training scenes are fitted.
    Raises: ConfigError for an unknown probe; RunError where there is no run or checkpoint; DataError for too few scenes.
    """
    for name in what:
        if name not in WHAT:
            raise ConfigError(unknown("probe", name, WHAT))
    run = RunDir.open(path)
    recipe = recipe_of(run)
    model, at = load(run, step)
    found: dict[str, Any] = {"step": at, "num_fitted": num * FIT_PER_TEST, "num_scored": num}
    if "gradients" in what:
        found["gradients"] = _gradients(recipe, model)
    if set(what) - {"gradients"}:
        found |= _of_states(recipe, model, rebuild(run, model.encodings).eval(), what, num)
    file = run.path / FILE
    before = read_json(file) if file.exists() else {}
    whole = (before if before.get("step") == at else {}) | found
    write_json(file, whole)
    return whole


def _of_states(recipe: Recipe, model: UnifiedModel, untrained: UnifiedModel, what: tuple[str, ...], num: int) -> dict[str, Any]:
    world = recipe.world.build()
    num_fit = num * FIT_PER_TEST
    pictures = [world.picture("train", index) for index in range(num_fit)]
    pictures += [world.picture("validation", index) for index in range(num)]
    taught, asked = labels(world, num_fit, num)
    both = {name: type(it)(it.kind, torch.cat([it.targets, asked[name].targets])) for name, it in taught.items()}
    states = {side: states_of(model, pictures, side) for side in SIDES}
    raw = {side: states_of(untrained, pictures, side) for side in SIDES}
    found: dict[str, Any] = {}
    if "linear" in what:
        probed = {side: probe(states[side], raw[side], both, num_fit) for side in SIDES}
        found["linear"] = [row for side, one in probed.items() for row in by_attribute(one, side)]
        found["classification"] = [row for side, one in probed.items() for row in classification(one, side)]
    if "cka" in what:
        last = {side: _last(states[side], NUM_ON_MAP) for side in SIDES}
        rawest = tuple(_last(raw[side], NUM_ON_MAP) for side in SIDES)
        found["cka"] = similarities(last["given"], last["learned"], rawest)
    if "maps" in what:
        shown = pictures[-NUM_ON_MAP:]
        facts = [world.facts(picture.scene) for picture in shown]
        found["maps"] = {
            "labels": {name: [fact[name] for fact in facts] for name in world.attributes if name in facts[0]},
            "points": [row for side in SIDES for row in _maps(_last(states[side], NUM_ON_MAP), side)],
        }
    return found


def _maps(states: States, side: str) -> list[dict[str, Any]]:
    rows = []
    for stage, at in states.items():
        flat = at.flatten(1)
        plane, shares = pca(flat)
        rows.append({"side": side, "stage": stage, "how": "PCA", "shares": shares, "points": _rounded(plane)})
        rows.append({"side": side, "stage": stage, "how": "t-SNE", "shares": [], "points": _rounded(tsne(flat))})
    return rows


def _gradients(recipe: Recipe, model: UnifiedModel) -> list[dict[str, Any]]:
    stream = stream_of(recipe, recipe.world.build(), model)
    batches = (batch for step in range(NUM_STEPS) for batch in stream.batches(recipe.train.steps + step))
    # A cosine hears only of the proportions of terms within a loss, so a weight that followed a share counts as at first.
    return cosines(model, batches, Weights(settings_of(recipe)).at(recipe.train.steps))


def _last(states: States, num: int) -> States:
    return {stage: at[-num:] for stage, at in states.items()}


def _rounded(points: torch.Tensor) -> list[list[float]]:
    return [[round(x, 3) for x in point] for point in points.tolist()]
