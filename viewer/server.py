"""The local server behind `splatreel view`.

It binds to this computer only unless told otherwise; a wider `--host` needs the token in the printed URL.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import secrets
import socket
import threading
import webbrowser
from collections.abc import Iterator
from pathlib import Path

from viewer.errors import ViewerError
from viewer.routes import PAGE, application
from viewer.source import SEQUENCE_FPS, open_source

LOOPBACK = ("127.0.0.1", "localhost", "::1")


@contextlib.contextmanager
def serve(
    *paths: str | Path,
    port: int = 0,
    host: str = "127.0.0.1",
    fps: float = SEQUENCE_FPS,
    watch: bool = False,
) -> Iterator[str]:
    """Serve a scene, splat files or several of them from a thread, during the `with` block; yields the URL.

    `watch` accepts a scene that is still to come. `fps` is that of a folder of numbered splat files.
    """
    source = open_source(*paths, fps=fps, waiting=watch)
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

        runner = web.AppRunner(application(source, token), access_log=None, shutdown_timeout=1.0)
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


def view(
    *paths: str | Path,
    port: int = 0,
    open_browser: bool = True,
    host: str = "127.0.0.1",
    fps: float = SEQUENCE_FPS,
    watch: bool = False,
) -> None:
    """Serve (see `serve`) and show it in the browser, until Ctrl-C."""
    with serve(*paths, port=port, host=host, fps=fps, watch=watch) as url:
        print(f"{', '.join(map(str, paths))} is shown at {url}")
        if open_browser:
            show_in_browser(url)
        until_interrupted()
    print("stopped")


def show_in_browser(url: str) -> None:
    """In a thread: some systems block here until their browser is closed."""
    threading.Thread(target=webbrowser.open, args=(url,), daemon=True).start()


def until_interrupted() -> None:
    """Wait for Ctrl-C."""
    print("Ctrl-C to stop", flush=True)
    with contextlib.suppress(KeyboardInterrupt):
        threading.Event().wait()


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
