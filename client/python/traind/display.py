"""What a person sees while something goes on: a job in a notebook or a terminal, bars of progress, warnings."""

from __future__ import annotations

import importlib
import math
import shutil
import sys
import time
import warnings as _warnings
from typing import Any, Iterable, Optional

from traind import events
from traind._pages import job_html
from traind._progress import History, blocks, job_line, printable

INTERVAL = 0.25  # Seconds: a live display changes at most four times in one.


def in_notebook() -> bool:
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    return type(shell).__name__ == "ZMQInteractiveShell"


def wanted(progress: Optional[bool]) -> bool:
    """None: where somebody looks."""
    return (in_notebook() or sys.stderr.isatty()) if progress is None else progress


def warn(texts: Iterable[str]) -> None:
    """What the server allows but a person should know; said of the line outside this package that asked."""
    level, frame = 1, sys._getframe()
    while frame.f_back is not None and str(frame.f_globals.get("__name__", "")).partition(".")[0] == "traind":
        level, frame = level + 1, frame.f_back
    for text in texts:
        _warnings.warn(text, stacklevel=level)


class Bar:
    """Progress of one thing after the other, on the error stream; with shown=False nothing."""

    def __init__(self, shown: bool) -> None:
        self._shown = shown
        self._terminal = sys.stderr.isatty() or in_notebook()
        self._last, self._what = 0.0, ""

    def __enter__(self) -> "Bar":
        return self

    def __exit__(self, *exception: Any) -> None:
        self.close()

    def update(self, what: str, done: int, total: int, unit: str = "") -> None:
        now = time.monotonic()
        if not self._shown or (what == self._what and done < total and now - self._last < INTERVAL):
            return
        if not self._terminal:
            if what != self._what or done == total:
                print(f"{printable(what)}: {done:,} of {total:,} {unit}", file=sys.stderr)
            self._what = what
            return
        if what != self._what:
            self.close()
        self._last, self._what = now, what
        share = done / total if total else 0.0
        line = f"{printable(what)} {share:4.0%} {blocks(share, 20)} {done:,} of {total:,} {unit}"
        _rewrite(line)

    def close(self) -> None:
        if self._shown and self._terminal and self._what:
            sys.stderr.write("\n")
            sys.stderr.flush()
        self._what = ""


def _rewrite(line: str) -> None:
    width = shutil.get_terminal_size().columns - 1
    sys.stderr.write("\r" + line[:width].ljust(width))
    sys.stderr.flush()


class Live:
    """A job while it is waited for."""

    def __init__(self, job: Any, history: History, progress: Optional[bool]) -> None:
        self._job, self._history = job, history
        self._shown = wanted(progress)
        self._notebook = in_notebook()
        self._handle: Any = None
        self._last = -math.inf

    def show(self, event: events.Event) -> None:
        if not self._shown:
            return
        if not self._notebook and not sys.stderr.isatty():
            if event.kind in ("state", "evaluation", "test", "checkpoint"):
                print(f"{self._job.name} step {event.step}  {printable(str(event))}", file=sys.stderr)
            return
        now = time.monotonic()
        if now - self._last >= INTERVAL:
            self._last = now
            self._draw()

    def _draw(self) -> None:
        if not self._notebook:
            _rewrite(job_line(self._job, self._history, shutil.get_terminal_size().columns))
            return
        page = job_html(self._job, self._history)
        if self._handle is None:
            self._handle = _display(page)
        else:
            self._handle.update({"text/html": page}, raw=True)

    def close(self) -> None:
        """Shows how it ended."""
        if self._shown and (self._notebook or sys.stderr.isatty()):
            self._draw()
            if not self._notebook:
                sys.stderr.write("\n")

    def detach(self) -> None:
        if self._shown:
            self.close()
            print(f'detached: {self._job.name} goes on; client.job("{self._job.id}") comes back to it', file=sys.stderr)


def _display(page: str) -> Any:
    """Shows a page in a notebook; its handle changes it later."""
    show_page: Any = importlib.import_module("IPython.display").display
    return show_page({"text/html": page}, raw=True, display_id=True)


def show(job: Any, history: History) -> None:
    """A job as it is now."""
    if in_notebook():
        _display(job_html(job, history))
    else:
        print(job_line(job, history))
