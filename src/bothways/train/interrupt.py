"""Ctrl-C and SIGTERM: finish the step, save, stop with one sentence. A second Ctrl-C stops at once.

Exit codes follow the shell: 128 + signal number (130 for SIGINT, 143 for SIGTERM).
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from bothways.core.errors import BothwaysError

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Interrupted(BothwaysError):
    """The user or the system asked the run to stop; everything up to here is saved."""

    def __init__(self, message: str, number: int):
        super().__init__(message)
        self.exit_code = 128 + number


class Interrupt:
    """Remembers a signal until the loop asks `requested`; inside `at_once` it interrupts immediately."""

    def __init__(self) -> None:
        self.requested: int | None = None
        self._immediate = False

    @contextmanager
    def listening(self) -> Iterator[Interrupt]:
        """Catches the signals inside the block (only in the main thread: Python allows it nowhere else)."""
        if threading.current_thread() is not threading.main_thread():
            yield self
            return
        before = {number: signal.signal(number, self._receive) for number in SIGNALS}
        try:
            yield self
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    @contextmanager
    def at_once(self) -> Iterator[None]:
        """For long work that changes nothing in the run (evaluation after a save): the first signal already stops it."""
        self._immediate = True
        try:
            self._stop_if_requested()
            yield
        finally:
            self._immediate = False

    def _receive(self, number: int, frame: FrameType | None) -> None:
        again = self.requested is not None
        self.requested = self.requested or number
        if again or self._immediate:
            raise KeyboardInterrupt

    def _stop_if_requested(self) -> None:
        if self.requested is not None:
            raise KeyboardInterrupt
