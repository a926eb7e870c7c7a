"""A listener that shows the stages on the terminal: a line per stage, a bar while one runs."""

from __future__ import annotations

import time

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeRemainingColumn,
)

from recon.events import Event, Notice, StageFinished, StageProgress, StageStarted, TrainStep

PLAIN_SECONDS = 30.0
"""Without a terminal (a log file, CI) progress is a line at most this often."""


class Terminal:
    """Use as a context manager and pass as `on_event`."""

    def __init__(self, console: Console | None = None) -> None:
        self.console = console or Console(highlight=False)
        self.bar = Progress(
            SpinnerColumn(),
            TextColumn("{task.description:<9}"),
            BarColumn(bar_width=28),
            MofNCompleteColumn(),
            TimeRemainingColumn(compact=True),
            TextColumn("{task.fields[note]}"),
            console=self.console,
            transient=True,
            disable=not self.console.is_terminal,
        )
        self.task = None
        self.said = 0.0

    def __enter__(self) -> Terminal:
        self.bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.bar.stop()

    def __call__(self, event: Event) -> None:
        match event:
            case StageStarted(stage, done_before=True):
                self._line("[green]✓[/]", stage, "[dim]done before, nothing to do[/]")
            case StageStarted(stage):
                self._clear()
                self.task = self.bar.add_task(stage, total=None, note="")
                self.said = time.monotonic()
            case StageProgress(stage, done, total, note):
                self._progress(stage, done, total, note)
            case TrainStep():
                size = f"{event.width}×{event.height}"
                note = f"loss {event.loss:.4f}  {event.gaussians:,} Gaussians  {size}"
                self._progress("training", event.step, event.total, note)
            case StageFinished(stage, seconds, note):
                self._clear()
                self._line("[green]✓[/]", stage, f"{note}  [dim]{seconds:.1f} s[/]")
            case Notice(text, warning):
                self._line("[yellow]![/]" if warning else "[blue]·[/]", "", text)

    def _progress(self, stage: str, done: int, total: int | None, note: str) -> None:
        if self.task is None:
            self.task = self.bar.add_task(stage, total=total, note=note)
        self.bar.update(self.task, completed=done, total=total, note=note)
        if not self.console.is_terminal and time.monotonic() - self.said > PLAIN_SECONDS:
            self.said = time.monotonic()
            self._line(" ", stage, f"{done}/{total or '?'}  {note}")

    def _clear(self) -> None:
        if self.task is not None:
            self.bar.remove_task(self.task)
            self.task = None

    def _line(self, sign: str, stage: str, text: str) -> None:
        self.console.print(f"{sign} {stage:<9} {text}" if stage else f"{sign} {text}", soft_wrap=True)
