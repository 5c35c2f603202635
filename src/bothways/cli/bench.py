"""`bothways bench train` and `bothways bench draw`: speed beside the plainest thing that does the same work."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated

import typer

from bothways.cli.terminal import RecipeArgument, page, say

if TYPE_CHECKING:
    from bothways.bench.measure import Bench

ThreadsOption = Annotated[int, typer.Option(min=0, help="CPU threads of torch.", show_default="torch's own number")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print everything as JSON instead of a table.")]


def train(
    recipe: RecipeArgument = "vq-vq",
    steps: Annotated[int, typer.Option(min=1, help="Steps of each that are timed.")] = 30,
    threads: ThreadsOption = 0,
    as_json: JsonOption = False,
) -> None:
    """Time training, data and log included, beside a bare loop on ready-made embeddings."""
    from bothways.bench.train import bench_train

    _show(bench_train(recipe, steps, num_threads=threads), "samples/s", as_json)


def draw(
    rounds: Annotated[int, typer.Option(min=1, help="Batches of each that are timed.")] = 9,
    batch_size: Annotated[int, typer.Option(min=1, help="Pictures drawn at once.")] = 8,
    size: Annotated[str, typer.Option(help="Of the backbone: nano, micro, small, base.")] = "micro",
    threads: ThreadsOption = 0,
    as_json: JsonOption = False,
) -> None:
    """Time drawing beside transformers' Janus of the same shape."""
    from bothways.bench.draw import bench_draw

    _show(bench_draw(batch_size, size, rounds=rounds, num_threads=threads), "images/s", as_json)


def _show(bench: Bench, unit: str, as_json: bool) -> None:
    if as_json:
        say(json.dumps(bench.to_dict(), indent=2))
        return
    from rich.table import Table

    table = Table("case", unit, "median s", "process s", "timings", box=None, header_style="bold", pad_edge=False)
    for case in bench.cases:
        numbers = f"{case['per_s']:.2f}", f"{case['median_s']:.4f}", f"{case['process_median_s']:.4f}", str(case["num_timings"])
        table.add_row(case["case"], *numbers)
    page().print(table)
    say(
        f"{bench.ours} is {bench.ratio:.2f} times as fast as {bench.reference} (target {bench.target:g}; "
        f"in process time {bench.process_ratio:.2f})"
    )
    for pair, ratio in bench.others.items():
        say(f"{pair}: {ratio:.2f}")
    machine = bench.machine
    packages = ", ".join(f"{name} {machine['packages'][name]}" for name in ("torch", "transformers"))
    say(", ".join(f"{name} {value}" for name, value in bench.shape.items()))
    cores = f"{machine['num_cores']} cores, {machine['num_threads']} threads"
    say(f"{machine['processor']}, {cores}, {packages}, {machine['started'][:10]}")
