"""Runs a grid: cells that are recipes, each trained on both tasks and examined on each world, into one page.

    OUT/cache/              tokens of the pools' and the exams' pictures, shared by all cells
    OUT/<world>-<cell>/     one run folder a cell and world
    OUT/grid.md, OUT/grid.json, OUT/grid-<world>.png    what is finished so far, written anew after every cell

Run again with the same `out` it goes on: a cell that is finished is not trained again, one that failed is tried again.
"""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console

from bothways.core.disk import writing
from bothways.core.errors import BothwaysError
from bothways.study.job import Job


@dataclass
class Grid:
    """Jobs by (world, cell), and why those failed that did."""

    out: Path
    jobs: dict[tuple[str, str], Job]
    failed: dict[tuple[str, str], BothwaysError] = field(default_factory=dict)

    @property
    def worlds(self) -> list[str]:
        return list(dict.fromkeys(world for world, _ in self.jobs))

    def finished(self, world: str) -> list[Job]:
        """The cells of a world that can be shown, in the grid's order."""
        return [job for key, job in self.jobs.items() if key[0] == world and job.is_done and key not in self.failed]

    @property
    def missing(self) -> dict[tuple[str, str], str]:
        """(world, cell) -> why it cannot be shown."""
        keys = [key for key, job in self.jobs.items() if key in self.failed or not job.is_done]
        return {key: str(self.failed[key]).splitlines()[0] if key in self.failed else "not trained yet" for key in keys}


def run(grid: Grid, console: Console | None = None, workers: int | None = None) -> Path:
    """Trains and examines every cell that is not finished, and returns the path of grid.md.

    A cell that fails is noted in `grid.failed` and on the page; the others go on. `workers`: runs at once; default: as many as
    there are cores for the threads of one. Raises: RunError when the disk refuses.
    """
    from bothways.study.grid_page import write_grid
    from bothways.study.run import cores
    from bothways.study.side_by_side import ended

    with writing(grid.out):
        grid.out.mkdir(parents=True, exist_ok=True)
    _prepare(grid, console)
    page = write_grid(grid)
    todo = {job.folder: key for key, job in grid.jobs.items() if not job.is_done and key not in grid.failed}
    jobs = [grid.jobs[key] for key in todo.values()]
    threads = max((job.recipe.train.threads or cores() for job in jobs), default=1)
    with closing(ended([[job] for job in jobs], workers or max(1, cores() // threads), console)) as one_by_one:
        for job, failure in one_by_one:
            if failure is not None:
                grid.failed[todo[job.folder]] = failure
            page = write_grid(grid)
    return page


def _prepare(grid: Grid, console: Console | None) -> None:
    """Encodes the pictures of the cells to come. Notes cells whose parts are missing, or whose run is another recipe's."""
    from bothways.study.run import prepare

    for key, job in grid.jobs.items():
        try:
            job.refuse_other()
            if not job.is_done:
                prepare([job], console)
        except BothwaysError as error:
            grid.failed[key] = error
