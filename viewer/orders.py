"""What the page may ask the server to do: store edits, render a video. Bodies are checked, files confined."""

from __future__ import annotations

import asyncio
import json
import secrets
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from viewer import edits as stored
from viewer import path_video
from viewer.errors import ViewerError
from viewer.files import write_bytes

if TYPE_CHECKING:
    from aiohttp import web

    from viewer.source import Source


def add_orders(app: web.Application, source: Source) -> None:
    """Routes for edits and videos."""
    from aiohttp import web

    jobs: dict[str, path_video.VideoJob] = {}

    async def save_edits(request: web.Request) -> web.Response:
        edits = stored.edits_from_json(await _body(request, stored.MOST_BYTES))
        path = _edits_file(request)
        await asyncio.to_thread(write_bytes, path, (json.dumps(edits.to_json(), indent=1) + "\n").encode())
        return web.json_response({"saved": str(path)})

    async def forget_edits(request: web.Request) -> web.Response:
        path = _edits_file(request)
        path.unlink(missing_ok=True)
        return web.json_response({"removed": str(path)})

    def _edits_file(request: web.Request) -> Path:
        path = source.edits_file(request.query.get("splats", ""))
        if path is None:
            raise ViewerError("these splats are none of this page; reload it")
        return path

    async def start_video(request: web.Request) -> web.Response:
        order = path_video.order_from_json(await _body(request, path_video.MOST_BYTES))
        if any(job.running for job in jobs.values()):
            raise ViewerError("a video is being rendered already; wait for it or cancel it")
        manifest = await asyncio.to_thread(source.manifest)
        entry = next((entry for entry in manifest["splats"] if entry["id"] == order.splats), None)
        path = source.file(unquote(entry["url"]).removeprefix("files/")) if entry else None
        if path is None:
            raise ViewerError("these splats are not there any more; reload the page")
        if path.suffix.lower() != ".ply":
            raise ViewerError(f"{path.name} is no .ply; only .ply files can be rendered to a video")
        order = path_video.with_training_focal(order, manifest)
        out = path_video.free_name(_writable(source.export_folder()), "path")
        name = secrets.token_urlsafe(8)
        jobs[name] = path_video.VideoJob(path, order, out)
        return web.json_response({"id": name}, status=202)

    async def video_state(request: web.Request) -> web.Response:
        name = request.match_info["id"]
        return web.json_response(_job(name).state() | {"url": f"videos/{name}.mp4"})

    async def cancel_video(request: web.Request) -> web.Response:
        _job(request.match_info["id"]).cancel()
        return web.json_response({})

    async def video(request: web.Request) -> web.StreamResponse:
        job = _job(request.match_info["id"])
        if job.running or not job.out.is_file():
            raise web.HTTPNotFound
        return web.FileResponse(job.out, headers={"Content-Type": "video/mp4"})

    def _job(name: str) -> path_video.VideoJob:
        if name not in jobs:
            raise web.HTTPNotFound
        return jobs[name]

    async def stop(_: web.Application) -> None:
        for job in jobs.values():
            job.cancel()

    app.router.add_put("/api/edits", _in_words(save_edits))
    app.router.add_delete("/api/edits", _in_words(forget_edits))
    app.router.add_post("/api/videos", _in_words(start_video))
    app.router.add_get("/api/videos/{id}", video_state)
    app.router.add_delete("/api/videos/{id}", cancel_video)
    app.router.add_get("/videos/{id}.mp4", video)
    app.on_shutdown.append(stop)


def _in_words(handler: Callable[..., Any]) -> Callable[..., Any]:
    """What is wrong with an order goes back to the page as a sentence."""

    async def handle(request: web.Request) -> web.StreamResponse:
        from aiohttp import web

        try:
            return await handler(request)
        except ViewerError as error:
            return web.json_response({"error": str(error)}, status=400)

    return handle


async def _body(request: web.Request, most: int) -> Any:
    """JSON of a limited size."""
    if request.content_type != "application/json":
        raise ViewerError(f"the body is {request.content_type}; expected application/json")
    data = bytearray()
    async for part in request.content.iter_chunked(1 << 16):
        data += part
        if len(data) > most:
            raise ViewerError(f"the body has more than {most} bytes")
    try:
        return json.loads(data)
    except (ValueError, RecursionError) as error:
        raise ViewerError(f"the body is no JSON ({error})") from error


def _writable(folder: Path) -> Path:
    """`folder` if files can be written there, else one that goes with the machine's temporary files."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return folder
    except OSError:
        return Path(tempfile.mkdtemp(prefix="splatreel-"))
