"""`write_report`: one self-contained report.html, its words and main numbers as report.md, all numbers as report.json, and its
tables as report.tex."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from bothways.core.config import digest_of, read_yaml
from bothways.core.disk import read_json, write_atomic, write_json
from bothways.study.agreement_table import agreement_rows, why_no_agreement
from bothways.study.claims import rules_of
from bothways.study.dial import dial_plots
from bothways.study.examples import answers, edits, requests
from bothways.study.figures import curve_plots, forest_of
from bothways.study.gather import Gathered, gather, to_json
from bothways.study.latex import as_latex
from bothways.study.ledger import Ledger
from bothways.study.ledger_table import ledger_rows
from bothways.study.page import page
from bothways.study.plan import Plan
from bothways.study.plots import signed
from bothways.study.study import Comparison, Study
from bothways.study.tables import editing, everything, others, score_groups


@dataclass(frozen=True)
class Standing:
    """Where the study stands beside what was registered: what is not finished, the hash of the registered plan, and what was
    changed since then (a list of {"when", "changed": [lines]})."""

    missing: tuple[str, ...] = ()
    registered: str | None = None
    amendments: tuple[Mapping[str, Any], ...] = ()


def write_report(
    study: Study,
    arms: Mapping[str, Sequence[Path]],
    out_dir: Path,
    ledger: Ledger,
    plan: Plan | None = None,
    standing: Standing | None = None,
) -> Path:
    """Writes OUT/report.html, OUT/report.md, OUT/report.json and OUT/report.tex, and returns the path of the first.

    `arms`: arm -> its marked run folders, in the order of the study's seeds. `plan` adds what differs between the arms and
    the samples that each one saw, `standing` what was registered and what is not finished. Raises: ConfigError when arms and
    study do not fit, RunError when a run is unmarked or the disk refuses.
    """
    found = gather(study, arms)
    standing = standing or Standing()
    write_json(out_dir / "report.json", {**to_json(found, ledger), "standing": asdict(standing)})
    write_atomic(out_dir / "report.tex", as_latex(found, standing.missing))
    values = {"signed": signed, "standing": standing} | _context(found, ledger, plan, out_dir)
    for name in ("report.md", "report.html"):
        write_atomic(out_dir / name, page(name, values))
    return out_dir / "report.html"


def _context(found: Gathered, ledger: Ledger, plan: Plan | None, out_dir: Path) -> dict[str, Any]:
    study = found.study
    colours = {arm.name: f"arm{number % 5}" for number, arm in enumerate(study.arms)}
    reading, drawing = found.reading_arms(), found.drawing_arms()
    return {
        "study": study,
        "rule": study.rule,
        "num_seeds": found.num_seeds,
        "colours": colours,
        "comparisons": {c.name: c for c in study.comparisons},
        "primary": {c.name: _in_words(found, c) for c in study.comparisons},
        "claims": [(claim, one) for claim, one in zip(study.claims, found.claims, strict=True)],
        "claim_rules": rules_of(study),
        "verdicts": found.verdicts,
        "differences": plan.differences if plan else (),
        "ledger": ledger_rows(study, ledger, plan),
        "machine": ledger.machine,
        "dial": dial_plots(found),
        "forests": [(c, plot) for c in study.comparisons if (plot := forest_of(found, c))],
        "reading": score_groups(found, "reading", reading, colours),
        "reading_arms": reading,
        "reading_pictures": _num_pictures(found, reading, "reading/"),
        "drawing": score_groups(found, "drawing", drawing, colours),
        "open_drawing": score_groups(found, "open_drawing", _answering(found, drawing, "open_drawing/"), colours),
        "drawing_arms": drawing,
        "drawing_pictures": _num_pictures(found, drawing, "drawing/"),
        "open_pictures": _num_pictures(found, drawing, "open_drawing/"),
        "agreement": agreement_rows(found, drawing),
        "no_agreement": why_no_agreement(found, drawing),
        "editing": editing(found),
        "edits": edits(found, colours),
        "plots": curve_plots(found, colours),
        "requests": requests(found, colours),
        "right": answers(found, colours, right=True),
        "wrong": answers(found, colours, right=False),
        "others": others(found),
        "everything": everything(found),
        "origins": [_origin(name, run, out_dir) for name, runs in found.runs.items() for run in runs],
    }


def _in_words(found: Gathered, comparison: Comparison) -> str:
    """reading/hands/skill -> "reading skill, hands (hour, minute)"."""
    kind, level, what = comparison.primary.split("/")
    members = found.exams[comparison.treatment].levels.get(level, ())
    when = "" if comparison.reaches is None else f"log2 of the steps to {comparison.reaches:g} in "
    return f"{when}{kind} {what}, {level.replace('_', ' ')}" + (f" ({', '.join(members)})" if members else "")


def _answering(found: Gathered, arms: Sequence[str], kind: str) -> list[str]:
    """The arms, if their exam asks for anything of that kind: all arms of a study sit the same one."""
    return list(arms) if _num_pictures(found, arms, kind) else []


def _num_pictures(found: Gathered, arms: Sequence[str], kind: str) -> int:
    cells = found.cells[arms[0]].items() if arms else ()
    return max((cell.score.num_pictures for name, cell in cells if name.startswith(kind)), default=0)


def _origin(name: str, run: Path, out_dir: Path) -> tuple[str, str, str, str]:
    """Arm, folder (below the report where it can be), digest of its config, version and commit."""
    config, provenance = run / "config.yaml", run / "provenance.json"
    starts = read_json(provenance) if provenance.exists() else [{}]
    version = " ".join(str(starts[-1][key]) for key in ("bothways", "commit") if starts[-1].get(key))
    folder = run.relative_to(out_dir) if run.is_relative_to(out_dir) else Path(run.name)
    return name, str(folder), digest_of(read_yaml(config)) if config.exists() else "–", version or "–"
