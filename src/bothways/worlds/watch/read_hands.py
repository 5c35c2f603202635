"""Reads the hands: the composite of disc and hands that comes nearest to the picture, one margin a hand.

First each hand's marks are ranked one by one; then combinations of the best marks, "absent" among them, are compared,
overlaps approximated; last the few that matter are drawn exactly, with the neighbours of the best. A hand is read when
leaving it out is clearly worse, and so is every other mark.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import numpy as np

from bothways.worlds.watch.config import WatchConfig
from bothways.worlds.watch.palette import HANDS
from bothways.worlds.watch.read_disc import Disc, View
from bothways.worlds.watch.render import MARKS, hand_colors, hand_mask

_NUM_BEST = {"hour": 5, "minute": 7, "second": 5}
# P1's hands are all white, so marks of one under another rank high.
_NUM_BEST_P1 = {"hour": 5, "minute": 10, "second": 14}
_NUM_EXACT = 8
# How much worse the picture must fit, as a share of what the hand visibly adds to it: without the hand and the others as
# they are, with the hand on the next mark, with anything else. The last must be below 0.3: that is what an hour hand differs
# by from a minute hand in its place, where the minute hand is missing.
_LEAST_AGAINST_ABSENT = 0.35
_LEAST_AGAINST_NEXT = 0.04
_LEAST_AGAINST_OTHER = 0.15
# A hand that shows less than this share of itself is hidden behind others.
_LEAST_VISIBLE = 0.08
# Without the hand the fit must be worse by this many variances of a cell.
_LEAST_OVER_NOISE = 12.0

Combination = tuple[int | None, ...]
"""A mark for each hand that the world draws, None = absent."""


@dataclass(frozen=True)
class HandRead:
    """`mark` None = unreadable."""

    mark: int | None
    confidence: float


class HandReader:
    """Masks of all hands for one world and one picture size."""

    def __init__(self, config: WatchConfig, look: View):
        self.hands = tuple(hand for hand in HANDS if hand in config.difficulty.hands)
        self.marks = {h: range(0, MARKS[h], config.difficulty.second_step if h == "second" else 1) for h in self.hands}
        self._look = look
        self._faithful = config.faithful_to_p1
        self.num_best = _NUM_BEST_P1 if config.faithful_to_p1 else _NUM_BEST
        self._disc_cells = look.ring(-np.inf, 0.0)
        low = int(look.shape.center - look.shape.radius) - 2
        self._box = slice(low, look.shape.size_px - low)
        self._axis = look.axis[:, self._box]
        self._inside = look.inside[self._box, self._box]
        self.masks = {hand: self._views(np.stack([self._mask(hand, m) for m in self.marks[hand]])) for hand in self.hands}

    def read(self, disc: Disc, color: str) -> dict[str, HandRead]:
        """Marks by hand; `color` names the disc's colour."""
        background = 1 - disc.softened
        directions = np.stack([1 - hand_colors(color, self._faithful)[hand] / 255 - background for hand in self.hands])
        # All hands lie in the plane of two colours; what is orthogonal to it tells nothing about them.
        plane = np.linalg.svd(directions, full_matrices=False)[2][:2]
        seen = self._views((disc.ink[:, self._box, self._box] - background[:, None, None]) * self._inside)
        fit = _Fit(self, plane @ seen, directions @ plane.T)
        return {h: _decide(fit, h, place, self.marks[h].step, disc.noise) for place, h in enumerate(self.hands)}

    def paintings(self, combinations: list[Combination], strength: np.ndarray) -> np.ndarray:
        """Views (N, 2, disc cells) of hands laid over each other in pixels: exact. `strength` (hands, 2) is their colour."""
        canvases = np.zeros((len(combinations), 2, *self._inside.shape), np.float32)
        for canvas, combination in zip(canvases, combinations, strict=True):
            for hand, mark, color in zip(self.hands, combination, strength, strict=True):
                if mark is not None:
                    canvas += self._mask(hand, mark) * (color[:, None, None] - canvas)
        return self._views(canvases)

    def _mask(self, hand: str, mark: int) -> np.ndarray:
        whole = np.zeros(self._inside.shape, np.float32)
        (rows, cols), mask = hand_mask(self._look.shape, hand, mark)
        start = self._box.start
        whole[rows.start - start : rows.stop - start, cols.start - start : cols.stop - start] = mask[..., 0]
        return whole * self._inside

    def _views(self, planes: np.ndarray) -> np.ndarray:
        """(..., box, box) to (..., disc cells)."""
        return (self._axis @ planes @ self._axis.T)[..., self._disc_cells]


class _Fit:
    """The best combination for one picture, and how much worse others are.

    `seen` (2, cells): the picture's difference from the disc; `strength` (hands, 2): that of each hand.
    """

    def __init__(self, reader: HandReader, seen: np.ndarray, strength: np.ndarray):
        self._reader, self._seen, self._strength = reader, seen, strength
        self._paintings: dict[Combination, np.ndarray] = {}
        self.errors: dict[Combination, float] = {}
        candidates = self._candidates()
        self._draw(self._promising(candidates))
        self.best = self._descend(candidates)

    def swapped(self, place: int, mark: int | None) -> Combination:
        """The best combination with another mark for one hand."""
        return (*self.best[:place], mark, *self.best[place + 1 :])

    def visible(self, place: int) -> tuple[float, float]:
        """What a hand of the best combination adds to the picture, |difference|^2, and that as a share of the whole hand."""
        shown = np.sum((self._paintings[self.best] - self._paintings[self.swapped(place, None)]) ** 2)
        alone = tuple(mark if i == place else None for i, mark in enumerate(self.best))
        self._draw([alone])
        return float(shown), float(shown / np.sum(self._paintings[alone] ** 2))

    def _candidates(self) -> list[list[int | None]]:
        """For each hand its best marks, judged alone, and None. The minute hand may lie under the second: that mark is in."""
        ranked = []
        # How much of each colour a cell holds: a white hand is not mistaken for a bit of a yellow one.
        colors, which = np.unique(self._strength, axis=0, return_inverse=True)
        shares = np.linalg.pinv(colors.T, rcond=0.1) @ self._seen
        for hand, color in zip(self._reader.hands, which.ravel(), strict=True):
            masks, marks = self._reader.masks[hand], self._reader.marks[hand]
            gain = 2 * masks @ shares[color] - np.sum(masks**2, axis=-1)
            ranked.append([marks[i] for i in np.argsort(-gain)[: self._reader.num_best[hand]]])
        on_top = {marks[0] for hand, marks in zip(self._reader.hands, ranked, strict=True) if hand == "second"}
        for hand, marks in zip(self._reader.hands, ranked, strict=True):
            marks += [mark for mark in on_top if hand == "minute" and mark not in marks]
        return [[*marks, None] for marks in ranked]

    def _promising(self, candidates: list[list[int | None]]) -> list[Combination]:
        """The best combinations, with softened masks laid over each other (nearly right) on every other cell."""
        model = np.zeros((1, 2, self._seen[:, ::2].shape[1]), np.float32)
        for hand, marks, color in zip(self._reader.hands, candidates, self._strength, strict=True):
            index = {mark: i for i, mark in enumerate(self._reader.marks[hand])}
            masks = [self._reader.masks[hand][index[m], ::2] if m is not None else np.zeros_like(model[0, 0]) for m in marks]
            over = np.stack(masks)[None, :, None]
            model = (model[:, None] + over * (color[None, None, :, None] - model[:, None])).reshape(-1, *model.shape[1:])
        errors = np.sum((model - self._seen[:, ::2]) ** 2, axis=(1, 2))
        combinations = list(product(*candidates))
        return [combinations[i] for i in np.argsort(errors)[:_NUM_EXACT]]

    def _descend(self, candidates: list[list[int | None]]) -> Combination:
        """From the best so far to better ones that differ in one hand, until there is none."""
        while True:
            self.best = min(self.errors, key=self.errors.__getitem__)
            others = [(place, mark) for place, marks in enumerate(candidates) for mark in self._near(place, marks)]
            self._draw([self.swapped(place, mark) for place, mark in others])
            if min(self.errors.values()) == self.errors[self.best]:
                return self.best

    def _near(self, place: int, candidates: list[int | None]) -> list[int | None]:
        hand, mark = self._reader.hands[place], self.best[place]
        step = self._reader.marks[hand].step
        beside = [] if mark is None else [(mark + step) % MARKS[hand], (mark - step) % MARKS[hand]]
        return [*beside, *candidates[:3], None]

    def _draw(self, combinations: list[Combination]) -> None:
        new = [combination for combination in dict.fromkeys(combinations) if combination not in self.errors]
        if new:
            paintings = self._reader.paintings(new, self._strength)
            self._paintings |= dict(zip(new, paintings, strict=True))
            self.errors |= dict(zip(new, np.sum((paintings - self._seen) ** 2, axis=(1, 2)).tolist(), strict=True))


def _decide(fit: _Fit, hand: str, place: int, step: int, noise: float) -> HandRead:
    mark = fit.best[place]
    if mark is None:
        return HandRead(None, 0.0)
    least = fit.errors[fit.best]
    visible, share = fit.visible(place)
    worse = {"absent": np.inf, "next": np.inf, "other": np.inf}
    for combination, error in fit.errors.items():
        if combination[place] != mark:
            kind = "absent" if combination == fit.swapped(place, None) else _kind(combination[place], mark, hand, step)
            worse[kind] = min(worse[kind], (error - least) / visible)
    wanted = {"absent": _LEAST_AGAINST_ABSENT, "next": _LEAST_AGAINST_NEXT, "other": _LEAST_AGAINST_OTHER}
    certainty = min(worse[kind] / wanted[kind] for kind in wanted)
    readable = certainty >= 1 and share >= _LEAST_VISIBLE and worse["absent"] * visible >= _LEAST_OVER_NOISE * noise**2
    # At the threshold it is as likely as not; twice over it is as good as certain.
    confidence = float(np.clip(1 - 0.5 / max(certainty, 0.5) ** 2, 0, 1)) if readable else 0.0
    return HandRead(mark if readable else None, confidence)


def _kind(other: int | None, mark: int, hand: str, step: int) -> str:
    apart = (other - mark) % MARKS[hand] if other is not None else step + 1
    return "next" if min(apart, MARKS[hand] - apart) <= step and hand != "hour" else "other"
