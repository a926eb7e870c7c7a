"""What the local server answers: the page, one JSON about the scene, the files that JSON names, and orders.

Host and Origin are checked so that no other web page can reach it; with a token, every request needs it.
"""

from __future__ import annotations

import asyncio
import functools
import hmac
import io
import re
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING

from viewer.errors import ViewerError
from viewer.scene_source import SceneSource
from viewer.source import Source
from viewer.splat_file import SPLAT_SUFFIXES

if TYPE_CHECKING:
    from aiohttp import web

    Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

PAGE = Path(__file__).parent / "dist"
THUMB_HEIGHT = 160
"""Pixels; twice what the page shows, for dense screens."""
OUR_HOST = re.compile(r"(127\.0\.0\.1|localhost|\[::1\])(:\d{1,5})?", re.IGNORECASE | re.ASCII)
COOKIE = "splatreel_token"
PAGE_TYPES = {
    "index.html": "text/html; charset=utf-8",
    "viewer.js": "text/javascript; charset=utf-8",
    "viewer.css": "text/css; charset=utf-8",
    "licences.txt": "text/plain; charset=utf-8",
}
"""Files of the page. Their types are not left to the system's table, which may be wrong (Windows)."""
HEADERS = {
    "Cache-Control": "no-cache",  # always asked again, answered 304 while the file is the same
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; worker-src blob:; style-src 'self' "
        "'unsafe-inline'; img-src 'self' data: blob:; connect-src 'self' data: blob:; "
        "frame-ancestors 'self'; base-uri 'none'; form-action 'none'"
    ),
}


def application(source: Source, token: str | None) -> web.Application:
    """The server's answers; what changes something (edits, videos) is in `viewer.orders`."""
    from aiohttp import web

    from viewer.live import LiveFeed
    from viewer.orders import add_orders
    from viewer.training_files import TrainingFiles

    @web.middleware
    async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
        refusal = _refusal(request, token)
        if refusal:
            response: web.StreamResponse = web.Response(status=403, text=refusal + "\n")
        else:
            try:
                response = await handler(request)
            except web.HTTPException as error:
                response = web.Response(status=error.status, text=f"{error.reason}\n")
        if response.prepared:  # a WebSocket that has come and gone
            return response
        for name, value in HEADERS.items():
            response.headers.setdefault(name, value)
        if token and not refusal and "token" in request.query:
            response.set_cookie(COOKIE, token, httponly=True, samesite="Strict")
        return response

    async def page(request: web.Request) -> web.StreamResponse:
        name = request.match_info.get("name") or "index.html"
        if name not in PAGE_TYPES or not (PAGE / name).exists():
            raise web.HTTPNotFound
        # Where a file has a .br beside it, and the browser takes that, aiohttp sends it instead.
        response = web.FileResponse(PAGE / name, headers={"Content-Type": PAGE_TYPES[name]})
        response.enable_compression()
        return response

    async def scene(_: web.Request) -> web.StreamResponse:
        try:
            response = web.json_response(await asyncio.to_thread(source.manifest))
        except ViewerError as error:
            response = web.json_response({"error": str(error)}, status=409)
        response.enable_compression()
        return response

    async def file(request: web.Request) -> web.StreamResponse:
        path = source.file(request.match_info["path"])
        if path is None:
            raise web.HTTPNotFound
        splats = path.suffix.lower() in SPLAT_SUFFIXES
        return web.FileResponse(
            path, headers={"Content-Type": "application/octet-stream"} if splats else None
        )

    async def thumb(request: web.Request) -> web.StreamResponse:
        path = source.file(request.match_info["path"])
        data = path and await asyncio.to_thread(thumbnail, path, path.stat().st_mtime_ns)
        if not data:
            raise web.HTTPNotFound
        return web.Response(body=data, content_type="image/jpeg")

    app = web.Application(middlewares=[guard])
    app.router.add_get("/", page)
    app.router.add_get("/api/scene", scene)
    app.router.add_get("/files/{path:.+}", file)
    app.router.add_get("/thumbs/{path:.+}", thumb)
    add_orders(app, source)
    if isinstance(source, SceneSource):
        files = TrainingFiles(source.root)

        async def snapshot(request: web.Request) -> web.StreamResponse:
            path = files.snapshot_path(int(request.match_info["shot"]))
            if not path.is_file():
                raise web.HTTPNotFound
            return web.FileResponse(path, headers={"Content-Type": "application/octet-stream"})

        feed = LiveFeed(files)
        app.router.add_get("/api/live", feed.connect)
        app.router.add_get(r"/live/{shot:\d{3,6}}.splat", snapshot)
        app.on_shutdown.append(feed.close)
    app.router.add_get("/{name}", page)
    return app


def _refusal(request: web.Request, token: str | None) -> str:
    """Why this request is not answered; "" when it is.

    Without a token, the name in Host must be this computer's own: a page elsewhere whose name was
    re-pointed to 127.0.0.1 sends its own name. The port may differ, as ssh port forwarding changes it.
    """
    host = request.headers.get("Host", "")
    origin = request.headers.get("Origin")
    if origin is None and request.method not in ("GET", "HEAD"):
        return "refused: a request that changes something must say which page it comes from"
    if origin is not None and origin.partition("://")[2] != host:
        return "refused: the request comes from another web page"
    if token is None:
        return "" if OUR_HOST.fullmatch(host) else "refused: open http://127.0.0.1 or http://localhost"
    given = request.query.get("token") or request.cookies.get(COOKIE, "")
    fits = hmac.compare_digest(given.encode(), token.encode())
    return "" if fits else "refused: open the whole URL that the server printed, with its token"


@functools.lru_cache(maxsize=512)
def thumbnail(path: Path, mtime_ns: int, height: int = THUMB_HEIGHT) -> bytes | None:
    """A small JPEG of an image file; None when it cannot be read. `mtime_ns` is part of the cache key."""
    from PIL import Image

    try:
        with Image.open(path) as image:
            image.draft("RGB", (image.width, height))
            small = image.convert("RGB")
            small.thumbnail((16 * height, height))
            stream = io.BytesIO()
            small.save(stream, "JPEG", quality=82)
            return stream.getvalue()
    except (OSError, ValueError, Image.DecompressionBombError):
        return None


def page_file(name: str) -> str:
    """Text of a file of the built page, for the export."""
    try:
        return (PAGE / name).read_text(encoding="utf-8")
    except OSError as error:
        raise ViewerError(f"the page is not built ({PAGE / name} is missing)") from error
