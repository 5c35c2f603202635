"""The part of the reader's view around one corner: renderings into it, places in it, and how whole a part in it is."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from bothways.worlds.watch.read_disc import View

# A strip with less than this share of a rendering's energy says nothing.
_LEAST_STRIP = 0.02


class Window:
    """The part of a view around one corner, and renderings into it."""

    def __init__(self, look: View, corner: str, pale_is_ground: bool):
        self.look = look
        self.shape = look.shape
        self.bottom, self.right = corner.startswith("bottom"), corner.endswith("right")
        self._pale_is_ground = pale_is_ground
        size, cell = self.shape.size_px, look.cell_px
        largest = max(*self.shape.block_px, self.shape.icon_px(1.3))
        self.side_px = min(largest + max(self.shape.inset_px(largest, 1), self.shape.inset_px(1, 0) // 4) + 2 * cell, size)
        self.rows = self._native(self.bottom)
        self.cols = self._native(self.right)
        self.row_cells = slice(self.rows.start // cell, -(-self.rows.stop // cell))
        self.col_cells = slice(self.cols.start // cell, -(-self.cols.stop // cell))
        self._row_axis = look.axis[self.row_cells, self.rows]
        self._col_axis = look.axis[self.col_cells, self.cols]
        self._outside = look.outside[self.rows, self.cols]

    def _native(self, far: bool) -> slice:
        size = self.shape.size_px
        return slice(size - self.side_px, size) if far else slice(0, self.side_px)

    def cut(self, cells: np.ndarray) -> np.ndarray:
        """The window of a view (3, cells, cells), flat."""
        return cells[:, self.row_cells, self.col_cells].ravel()

    def view(self, canvases: np.ndarray) -> np.ndarray:
        """Views, flat, (N, 3 * rows * cols) of canvases (N, side, side, 3) in [0, 255]."""
        ink = (1 - np.moveaxis(canvases, -1, 1) / 255) * self._outside
        if self._pale_is_ground:
            # As the picture is treated (read_corners.without_pale), canvas by canvas.
            ink = ink * np.clip((ink.max(1, keepdims=True) - 0.2) / 0.1, 0, 1)
        return (self._row_axis @ ink @ self._col_axis.T).reshape(len(canvases), -1)

    def blank(self, num: int) -> tuple[np.ndarray, np.ndarray]:
        """White canvases with a margin, into which parts may stick out of the picture, and the same without the margin."""
        margin = 2 * self.look.cell_px
        framed = np.full((num, self.side_px + 2 * margin, self.side_px + 2 * margin, 3), 255, np.float32)
        return framed, framed[:, margin:-margin, margin:-margin]

    def spots(self, height: int, width: int, jitter: float) -> list[tuple[int, int]]:
        """Tops and lefts in the window, a cell apart, of a box that the world places in this corner, and one cell beyond."""
        cell, extent = self.look.cell_px, max(height, width)
        low, high = self.shape.inset_px(extent, -jitter), self.shape.inset_px(extent, jitter)
        insets = range(low - cell, high + cell + (cell if jitter else 1), cell)
        tops = [self.side_px - height - i if self.bottom else i for i in insets]
        lefts = [self.side_px - width - i if self.right else i for i in insets]
        return [(top, left) for top in tops for left in lefts]

    def box(self, top: int, left: int, height: int, width: int) -> np.ndarray:
        """bool, flat: cells whose middle lies in a box of the window."""
        cell = self.look.cell_px
        y = (np.arange(self.row_cells.start, self.row_cells.stop) + 0.5) * cell - self.rows.start
        x = (np.arange(self.col_cells.start, self.col_cells.stop) + 0.5) * cell - self.cols.start
        inside = ((y >= top) & (y < top + height))[:, None] & ((x >= left) & (x < left + width))[None, :]
        return np.broadcast_to(inside, (3, *inside.shape)).ravel()

    def strips(self, seen: np.ndarray, rendered: np.ndarray) -> np.ndarray:
        """How strongly quarters of a rendering show in the window: four level strips, then four upright ones.

        The outer strips are what half a part lacks. A strip that holds next to nothing counts as shown.
        """
        planes = (3, self.row_cells.stop - self.row_cells.start, self.col_cells.stop - self.col_cells.start)
        energy, shown = (rendered**2).reshape(planes), (seen * rendered).reshape(planes)
        shares = []
        for others in ((0, 2), (0, 1)):
            line, line_shown = energy.sum(others), shown.sum(others)
            inked = np.flatnonzero(line > 0.1 * line.max())
            bounds = np.round(np.linspace(inked[0], inked[-1] + 1, 5)).astype(int)
            for start, stop in pairwise(bounds):
                part = line[start:stop].sum()
                shares.append(line_shown[start:stop].sum() / part if part > _LEAST_STRIP * line.sum() else 1.0)
        return np.array(shares)
