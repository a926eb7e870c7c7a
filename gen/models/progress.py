"""A pipeline's progress bar as events: every pipeline has the bar, and their callbacks differ."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from gen.events import Event, StepDone


class Progress:
    """Stands in for a pipeline's `progress_bar`."""

    def __init__(self, on_event: Callable[[Event], None]) -> None:
        self._on_event = on_event

    def __call__(self, iterable: Iterable[Any] | None = None, total: int | None = None) -> Any:
        if iterable is None:
            return self._bar(total or 0)
        return self._counted(list(iterable))

    @contextmanager
    def _bar(self, total: int) -> Iterator[_Bar]:
        yield _Bar(total, self._on_event)

    def _counted(self, items: list[Any]) -> Iterator[Any]:
        bar = _Bar(len(items), self._on_event)
        for item in items:
            yield item
            bar.update()


class _Bar:
    """Turns a pipeline's ticks into events."""

    def __init__(self, total: int, on_event: Callable[[Event], None]) -> None:
        self._total, self._on_event = total, on_event
        self._done, self._started = 0, time.perf_counter()

    def update(self, steps: int = 1) -> None:
        self._done += steps
        seconds = time.perf_counter() - self._started
        left = seconds / self._done * max(0, self._total - self._done)
        self._on_event(StepDone(self._done, self._total, seconds, left))

    def set_postfix(self, *args: Any, **kwargs: Any) -> None:
        """Some pipelines name the stage they are in."""
