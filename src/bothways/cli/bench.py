"""`bothways bench train`, `draw` and `stack`: speed beside the plainest thing that does the same work."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bothways.cli.terminal import RecipeArgument, page, say
from bothways.core.errors import ConfigError

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
    recipe: Annotated[str | None, typer.Option(help="Whose fast ways to time, with random weights.")] = None,
    run: Annotated[str | None, typer.Option(help="Folder of a trained run, instead of a recipe.")] = None,
    num_requests: Annotated[int, typer.Option("--requests", min=2, help="With --run: how many to score each way on.")] = 1000,
    threads: ThreadsOption = 0,
    as_json: JsonOption = False,
) -> None:
    """Time drawing beside transformers' Janus of the same shape, or a model's fast ways beside its slowest.

    With --recipe or --run: the recipe's own way and several tokens a step beside the finest sampler one token at a time; with
    a trained run also what that costs in accuracy, on the same requests.
    """
    if recipe and run:
        raise ConfigError("Found both --recipe and --run; a run has a recipe of its own, so give one of the two.")
    if recipe or run:
        from bothways.bench.fast import bench_fast

        found = bench_fast(recipe, run and Path(run), num_requests, batch_size, rounds, threads)
    else:
        from bothways.bench.draw import bench_draw

        found = bench_draw(batch_size, size, rounds=rounds, num_threads=threads)
    _show(found, "images/s", as_json)


def stack(
    recipe: RecipeArgument = "pico",
    seeds: Annotated[int, typer.Option(min=2, help="Trained as one.")] = 4,
    steps: Annotated[int, typer.Option(min=1, help="Steps of each that are timed.")] = 20,
    threads: ThreadsOption = 0,
    as_json: JsonOption = False,
) -> None:
    """Time seeds that are trained as one stacked model beside the same seeds one after another."""
    from bothways.bench.stack import bench_stack

    _show(bench_stack(recipe, seeds, steps, num_threads=threads), "samples/s", as_json)


def _show(bench: Bench, unit: str, as_json: bool) -> None:
    if as_json:
        say(json.dumps(bench.to_dict(), indent=2))
        return
    from rich.table import Table

    scored = any("accuracy" in case for case in bench.cases)
    columns = ("all right", "difference (95 %)") if scored else ("median s", "process s", "timings")
    table = Table(box=None, header_style="bold", pad_edge=False)
    for column in ("case", unit, *columns):
        table.add_column(column, no_wrap=True)
    for case in bench.cases:
        times = f"{case['median_s']:.4f}", f"{case['process_median_s']:.4f}", str(case["num_timings"])
        table.add_row(case["case"], f"{case['per_s']:.2f}", *(_accuracy(case["accuracy"]) if scored else times))
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


def _accuracy(of: dict[str, float]) -> tuple[str, str]:
    """The share of drawings with all that was asked, and its difference from the reference's on the same requests."""
    return f"{of['value']:.3f}", f"{of['difference']:+.3f} ({of['low']:+.3f}, {of['high']:+.3f})"
