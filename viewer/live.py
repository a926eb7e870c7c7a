"""Tells the pages what happens in the scene folder: one WebSocket per page, one watcher for all."""

from __future__ import annotations

import asyncio
import contextlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from recon.scene import WATCHED
from viewer.training_files import TrainingFiles

if TYPE_CHECKING:
    from aiohttp import web

EVERY = 0.5
"""Seconds between two looks at the files."""
MOST_PAGES = 16
MOST_BYTES = 1024
"""A page has nothing to say; longer messages are refused."""
HEARTBEAT = 20.0
TRY_LATER = 1013  # RFC 6455


class LiveFeed:
    """Watches while a page is connected, and touches `WATCHED` so that a training writes snapshots."""

    def __init__(self, files: TrainingFiles) -> None:
        self.files = files
        self.pages: set[web.WebSocketResponse] = set()
        self._watcher: asyncio.Task[None] | None = None
        self._turn = asyncio.Lock()
        """One thing at a time is told, so that a page misses nothing between history and news."""

    async def connect(self, request: web.Request) -> web.WebSocketResponse:
        """Serve one page until it goes."""
        from aiohttp import WSMsgType, web

        page = web.WebSocketResponse(heartbeat=HEARTBEAT, max_msg_size=MOST_BYTES, compress=False)
        await page.prepare(request)
        if len(self.pages) >= MOST_PAGES:
            await page.close(code=TRY_LATER, message=b"too many pages are open")
            return page
        try:
            async with self._turn:
                if not self._watcher:
                    await asyncio.to_thread(self._look)  # what is there already is history, not news
                    self._watcher = asyncio.create_task(self._watch())
                for message in self.files.history():
                    await page.send_str(json.dumps(message))
                self.pages.add(page)
            async for message in page:
                if message.type in (WSMsgType.ERROR, WSMsgType.CLOSE):
                    break
        finally:
            self.pages.discard(page)
        return page

    async def close(self, _: web.Application) -> None:
        """Say goodbye to all pages; they come back when there is a server again."""
        if self._watcher:
            self._watcher.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._watcher
        self._look_away()
        await asyncio.gather(*(page.close(code=1001) for page in list(self.pages)))

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(EVERY)
            async with self._turn:
                if not self.pages:
                    self._watcher = None
                    self._look_away()
                    return
                for message in await asyncio.to_thread(self._look):
                    await self._tell(json.dumps(message))

    async def _tell(self, text: str) -> None:
        for page in list(self.pages):
            try:
                await page.send_str(text)
            except (ConnectionError, RuntimeError):  # it went in this moment
                self.pages.discard(page)

    def _look(self) -> list[dict[str, Any]]:
        if self.files.state["stage"] == "done":
            self._look_away()
        else:
            with contextlib.suppress(OSError):  # before there are shots, there is nothing to be told
                self._watched.touch()
        return self.files.news()

    def _look_away(self) -> None:
        with contextlib.suppress(OSError):
            self._watched.unlink(missing_ok=True)

    @property
    def _watched(self) -> Path:
        return self.files.root / "shots" / WATCHED
