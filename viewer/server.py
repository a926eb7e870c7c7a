"""The local server behind `splatreel view`: the page, one JSON, and the files that JSON names.

It binds to this computer only unless told otherwise; Host and Origin are checked so that no other web
page can reach it; a wider `--host` needs the token in the printed URL.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import functools
import hmac
import io
import re
import secrets
import socket
import threading
import webbrowser
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from viewer.errors import ViewerError
from viewer.source import SPLAT_SUFFIXES, Source, open_source

if TYPE_CHECKING:
    from aiohttp import web

    Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

PAGE = Path(__file__).parent / "dist"
THUMB_HEIGHT = 160
"""Pixels; twice what the page shows, for dense screens."""
LOOPBACK = ("127.0.0.1", "localhost", "::1")
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


@contextlib.contextmanager
def serve(path: str | Path, *, port: int = 0, host: str = "127.0.0.1") -> Iterator[str]:
    """Serve `path` from a thread while the `with` block runs; yields the URL."""
    source = open_source(path)
    if not (PAGE / "index.html").exists():
        raise ViewerError(
            f"the page is not built ({PAGE} is missing); run `npm ci && npm run build` in viewer/web"
        )
    sock = _bind(host, port)
    token = None if host in LOOPBACK else secrets.token_urlsafe(16)
    shown = socket.gethostname() if host in ("0.0.0.0", "::", "") else host
    shown = f"[{shown}]" if ":" in shown else shown
    url = f"http://{shown}:{sock.getsockname()[1]}/" + (f"?token={token}" if token else "")

    loop = asyncio.new_event_loop()
    stop, started = asyncio.Event(), threading.Event()
    failures: list[BaseException] = []

    async def main() -> None:
        from aiohttp import web

        runner = web.AppRunner(_application(source, token), access_log=None, shutdown_timeout=1.0)
        await runner.setup()
        await web.SockSite(runner, sock).start()
        started.set()
        await stop.wait()
        await runner.cleanup()

    def run() -> None:
        try:
            loop.run_until_complete(main())
        except BaseException as error:
            failures.append(error)
        finally:
            started.set()
            loop.close()

    thread = threading.Thread(target=run, name="splatreel-viewer", daemon=True)
    thread.start()
    started.wait()
    if failures:
        sock.close()
        raise ViewerError(f"the viewer could not start: {failures[0]}") from failures[0]
    try:
        yield url
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(5)
        sock.close()


def view(path: str | Path, *, port: int = 0, open_browser: bool = True, host: str = "127.0.0.1") -> None:
    """Serve `path` and show it in the browser, until Ctrl-C."""
    with serve(path, port=port, host=host) as url:
        print(f"{path} is shown at {url}")
        print("Ctrl-C to stop", flush=True)
        if open_browser:
            # In a thread: some systems block here until their browser is closed.
            threading.Thread(target=webbrowser.open, args=(url,), daemon=True).start()
        with contextlib.suppress(KeyboardInterrupt):
            threading.Event().wait()
    print("stopped")


def _bind(host: str, port: int) -> socket.socket:
    """A listening socket, or a sentence that says why not."""
    try:
        family, _, _, _, address = socket.getaddrinfo(host or None, port, type=socket.SOCK_STREAM)[0]
        sock = socket.socket(family, socket.SOCK_STREAM)
    except (OSError, OverflowError) as error:
        raise ViewerError(f"--host {host} --port {port} is no address of this computer ({error})") from error
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind(address)
        sock.listen(128)
    except (OSError, OverflowError) as error:
        sock.close()
        if getattr(error, "errno", None) == errno.EADDRINUSE:
            raise ViewerError(
                f"port {port} is used by another program; choose another --port, or leave it out"
            ) from error
        raise ViewerError(f"could not listen on {host}, port {port}: {error}") from error
    return sock


def _application(source: Source, token: str | None) -> web.Application:
    from aiohttp import web

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
        for name, value in HEADERS.items():
            response.headers.setdefault(name, value)
        if token and not refusal and "token" in request.query:
            response.set_cookie(COOKIE, token, httponly=True, samesite="Strict")
        return response

    async def page(request: web.Request) -> web.StreamResponse:
        name = request.match_info.get("name") or "index.html"
        if name not in PAGE_TYPES or not (PAGE / name).exists():
            raise web.HTTPNotFound
        return web.FileResponse(PAGE / name, headers={"Content-Type": PAGE_TYPES[name]})

    async def scene(_: web.Request) -> web.StreamResponse:
        try:
            return web.json_response(await asyncio.to_thread(source.manifest))
        except ViewerError as error:
            return web.json_response({"error": str(error)}, status=409)

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
    app.router.add_get("/{name}", page)
    return app


def _refusal(request: web.Request, token: str | None) -> str:
    """Why this request is not answered; "" when it is.

    Without a token, the name in Host must be this computer's own: a page elsewhere whose name was
    re-pointed to 127.0.0.1 sends its own name. The port may differ, as ssh port forwarding changes it.
    """
    host = request.headers.get("Host", "")
    origin = request.headers.get("Origin")
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
