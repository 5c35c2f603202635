"""`Claim`: one sentence that is said of several comparisons together, fixed with the study; claims.py judges it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Literal

from bothways.core.config import Config
from bothways.core.errors import ConfigError, unknown

if TYPE_CHECKING:
    from bothways.study.study import Comparison, Study

Kind = Literal["all", "some", "best placebo", "rises", "falls"]
TRENDS: tuple[Kind, ...] = ("rises", "falls")
LEAST_PLACES = 3  # a line goes through any two


class Claim(Config):
    """What is said only where its parts together bear it out.

    all           every part is supported, each at 5 %, since all must hold: "mutual", "in all architectures"
    some          a part is supported after Holm's correction for having asked them all: "in one direction"
    best placebo  the smallest of the gains is supported, over the control that is hardest to beat: "the content helps"
    rises, falls  the gain follows the dial; that is seen over the places that were tried or not, and never refuted
    """

    name: str
    sentence: str  # what is true where it holds
    kind: Kind
    over: tuple[str, ...]  # comparisons; of all and some, claims named before it too
    alone: str | None = None  # best placebo: comparison with the skill alone, which may not be the better of the two


def check_claims(study: Study) -> None:
    """Raises: ConfigError when a claim's name is taken, or its parts do not exist or do not go together."""
    comparisons = {comparison.name: comparison for comparison in study.comparisons}
    known = list(comparisons)
    for claim in study.claims:
        if claim.name in known:
            raise ConfigError(
                f"Study `{study.name}` has two comparisons or claims named `{claim.name}`; give each its own name."
            )
        for part in (*claim.over, *([] if claim.alone is None else [claim.alone])):
            if part not in known:
                raise ConfigError(unknown(f"comparison or earlier claim in claim `{claim.name}`:", part, known))
        _check_number(claim)
        if claim.kind not in ("all", "some"):
            _check_alike(claim, comparisons)
        if claim.kind in TRENDS:
            _check_places(claim, study)
        known.append(claim.name)


def without(claims: Sequence[Claim], names: Sequence[str]) -> tuple[tuple[Claim, ...], tuple[Claim, ...]]:
    """The claims all of whose parts are among the comparisons of these names, and the others."""
    known, kept, left = list(names), [], []
    for claim in claims:
        whole = {*claim.over, *([] if claim.alone is None else [claim.alone])} <= set(known)
        (kept if whole else left).append(claim)
        known += [claim.name] if whole else []
    return tuple(kept), tuple(left)


def _check_number(claim: Claim) -> None:
    least = {"best placebo": 1, "rises": LEAST_PLACES, "falls": LEAST_PLACES}.get(claim.kind, 2)
    if len(set(claim.over)) < max(least, len(claim.over)):
        raise ConfigError(
            f"Claim `{claim.name}` ({claim.kind}) is over {list(claim.over)}; give it {least} or more parts, each once."
        )
    if claim.alone is not None and (claim.kind != "best placebo" or claim.alone in claim.over):
        raise ConfigError(
            f"Claim `{claim.name}` has alone: {claim.alone}; that is for a best placebo, and no placebo itself: take it out."
        )


def _check_alike(claim: Claim, comparisons: Mapping[str, Comparison]) -> None:
    """Gains that are put in an order are gains on one measure; over placebos, of one arm."""
    parts = [*claim.over, *([] if claim.alone is None else [claim.alone])]
    strange = [part for part in parts if part not in comparisons]
    if strange:
        raise ConfigError(f"Claim `{claim.name}` ({claim.kind}) is over the claim `{strange[0]}`; name comparisons.")
    some = [comparisons[part] for part in parts]
    alike = {"measure": {one.primary if one.reaches is None else f"{one.primary} at {one.reaches:g}" for one in some}}
    if claim.kind in TRENDS and any(one.reaches is not None for one in some):
        raise ConfigError(
            f"Claim `{claim.name}` says that a gain {claim.kind}, and its comparisons ask when a level is reached; a trend is "
            "of values at the end of a run: take reaches out."
        )
    if claim.kind == "best placebo":
        alike["treatment"] = {one.treatment for one in some}
    for what, found in alike.items():
        if len(found) > 1:
            raise ConfigError(
                f"Claim `{claim.name}` ({claim.kind}) is over more than one {what} ({', '.join(sorted(found))}); give each a "
                "claim of its own."
            )


def _check_places(claim: Claim, study: Study) -> None:
    if study.dial is None:
        raise ConfigError(
            f"Claim `{claim.name}` says that a gain {claim.kind}, and the study has no dial; set it: name and at."
        )
    at = study.dial.at
    if at and len({at.get(part) for part in claim.over}) < LEAST_PLACES:
        raise ConfigError(
            f"Claim `{claim.name}` ({claim.kind}) has fewer than {LEAST_PLACES} places on the dial; a trend needs more."
        )
