"""How far the work is, for whoever looks."""

from __future__ import annotations

import importlib
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Union

Look = Callable[[str, int, int], object]

# Work that takes less shows nothing of itself.
_LONG = 0.7
_SHOWN_EVERY = 0.2


@contextmanager
def watcher(progress: Union[bool, Look, None]) -> Iterator[Look | None]:
    """What is to be called while the work goes on."""
    if callable(progress):
        yield progress
    elif progress or (progress is None and _in_notebook()):
        bar = _Bar()
        try:
            yield bar
        finally:
            bar.finish()
    else:
        yield None


def _in_notebook() -> bool:
    ipython: Any = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    return shell is not None and type(shell).__name__ == "ZMQInteractiveShell"


def _display() -> Any:
    # Loaded already where this is asked for, and without types of its own.
    return importlib.import_module("IPython.display")


class _Bar:
    """A bar in a notebook, a line elsewhere."""

    def __init__(self) -> None:
        self._begun = self._last = time.monotonic()
        self._handle: Any = None
        self._shown = False

    def __call__(self, stage: str, done: int, rows: int) -> None:
        now = time.monotonic()
        if now - self._begun < _LONG or now - self._last < _SHOWN_EVERY or not rows:
            return
        self._last, self._shown = now, True
        text = f"{stage}: {min(done, rows):,} of {rows:,}"
        if not _in_notebook():
            print(f"\r{text}", end="", file=sys.stderr, flush=True)
            return
        shown = _display()
        bar = shown.HTML(f'<progress max="{rows}" value="{min(done, rows)}" aria-label="{text}"></progress> {text}')
        if self._handle is None:
            self._handle = shown.display(bar, display_id=True)
        else:
            self._handle.update(bar)

    def finish(self) -> None:
        if self._handle is not None:
            self._handle.update(_display().HTML(""))
        elif self._shown:
            print("\r\033[K", end="", file=sys.stderr, flush=True)
