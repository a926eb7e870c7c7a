"""Looking on while a scene trains: what is told, to whom, and at which price."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import threading
import time
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

import aiohttp
import numpy as np
import pytest
import torch

import viewer
from recon.config import FitConfig
from recon.scene import SNAPSHOT, WATCHED, SceneFolder
from recon.snapshot import ROW, Snapshots, to_splat
from recon.training import fit_shot
from recon.types import Gaussians
from tests.recon import synthetic
from viewer.training_files import LogTail, TrainingFiles

Messages = list[dict[str, Any]]
T = TypeVar("T")


def finished(coroutine: Coroutine[Any, Any, T]) -> T:
    """What comes of it, in a thread of its own: here the browser of other tests leaves a loop running."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, coroutine).result()


def listen(url: str, until: Callable[[Messages], bool], seconds: float = 30) -> Messages:
    """Messages of the live feed until they satisfy a condition."""

    async def run() -> Messages:
        heard: Messages = []
        async with aiohttp.ClientSession() as session, session.ws_connect(url + "api/live") as socket:
            while not until(heard):
                heard.append(json.loads(await asyncio.wait_for(socket.receive_str(), seconds)))
        return heard

    return finished(run())


def of_type(messages: Messages, *types: str) -> Messages:
    return [message for message in messages if message["type"] in types]


def row(step: int, **more: Any) -> str:
    numbers = {"step": step, "total": 100, "loss": 0.5 / step, "gaussians": 7, "seconds": step / 10}
    return json.dumps({"event": "TrainStep", "width": 1, "height": 1, **numbers, **more}) + "\n"


def test_splat_rows_hold_the_gaussians() -> None:
    n = 50
    generator = torch.Generator().manual_seed(0)

    def normal(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, generator=generator)

    gaussians = Gaussians(normal(n, 3), normal(n, 4), normal(n, 3), normal(n), 0.3 * normal(n, 4, 3))
    rows = to_splat(gaussians)
    assert rows.itemsize == 32
    np.testing.assert_array_equal(rows["mean"], gaussians.means.numpy())
    np.testing.assert_allclose(rows["scale"], gaussians.log_scales.exp().numpy(), rtol=1e-6)
    np.testing.assert_allclose(
        rows["rgba"][:, 3] / 255, gaussians.logit_opacities.sigmoid().numpy(), atol=0.003
    )
    colour = np.clip(0.5 + 0.28209479 * gaussians.sh[:, 0].numpy(), 0, 1)
    np.testing.assert_allclose(rows["rgba"][:, :3] / 255, colour, atol=0.003)
    unit = gaussians.quats.numpy() / np.linalg.norm(gaussians.quats.numpy(), axis=1, keepdims=True)
    np.testing.assert_allclose((rows["quat"].astype(float) - 128) / 128, unit, atol=0.008)


def test_nothing_is_written_while_nobody_looks(tmp_path: Path) -> None:
    gaussians = Gaussians(
        torch.zeros(3, 3), torch.ones(3, 4), torch.zeros(3, 3), torch.zeros(3), torch.zeros(3, 1, 3)
    )
    folder = tmp_path / "shots" / "000"
    folder.mkdir(parents=True)
    watched = folder.parent / WATCHED
    with Snapshots(folder) as look:
        look(gaussians)
        assert not (folder / SNAPSHOT).exists()
        watched.touch()
        long_ago = time.time() - 60
        os.utime(watched, (long_ago, long_ago))  # somebody who has gone
        look.due = 0
        look(gaussians)
        assert not (folder / SNAPSHOT).exists()
        watched.touch()
        look.due = 0
        look(gaussians)
        assert (folder / SNAPSHOT).stat().st_size == 3 * 32
        assert look.due > time.perf_counter(), "not again at once"
    assert not (folder / SNAPSHOT).exists(), "a finished training leaves none"


def test_a_training_is_seen_from_start_to_end(tmp_path: Path, scene: Path) -> None:
    """With the page there first: steps, scores, splats near the truth, then the finished scene."""
    folder = tmp_path / "scene"
    views = synthetic.views()
    config = FitConfig(steps=3000, budget=900, long_side=96, sh_degree=1, held_out_every=8)
    thread = threading.Thread(
        target=fit_shot, args=(views, synthetic.sparse_points(), config, folder / "shots/000"), daemon=True
    )
    snapshots: list[np.ndarray] = []

    with viewer.serve(folder, watch=True) as url:

        def until(heard: Messages) -> bool:
            if heard and not thread.ident:
                thread.start()
            if heard and heard[-1]["type"] == "splats" and not snapshots:
                path = folder / "shots/000" / SNAPSHOT
                snapshots.append(np.frombuffer(path.read_bytes(), ROW))
                assert heard[-1]["gaussians"] == len(snapshots[0])
                assert heard[-1]["url"].startswith("live/000.splat?v=")
            return bool(snapshots) and len(of_type(heard, "step")) > 20 and len(of_type(heard, "score")) > 0

        heard = listen(url, until)
        thread.join()
        assert heard[0] == {"type": "history", "steps": [], "scores": []}
        steps = [message["step"] for message in of_type(heard, "step")]
        assert steps == sorted(steps)
        assert of_type(heard, "step")[-1]["total"] == 3000
        assert {"type": "state", "stage": "training", "note": ""} in heard
        shutil.copytree(scene, folder, dirs_exist_ok=True)
        finished = listen(url, lambda heard: bool(of_type(heard, "history")))
        assert len(of_type(finished, "history")[0]["steps"]) >= len(steps)
    inside = np.abs(snapshots[0]["mean"]).max(-1) < 20
    assert 100 < len(snapshots[0]) <= 900
    assert inside.mean() > 0.9
    assert not list(folder.glob("shots/**/.watched")), "no trace is left"
    assert not list(folder.glob("shots/**/live.splat"))


def test_looking_on_leaves_a_new_folder_to_the_scene(tmp_path: Path) -> None:
    """`reconstruct --view` into an empty folder: the page is there before the scene."""
    folder = tmp_path / "scene"
    folder.mkdir()
    with viewer.serve(folder, watch=True) as url:
        listen(url, lambda heard: len(heard) > 1)
        SceneFolder.create(folder)  # refuses a folder that holds other things


def test_pages_hear_of_a_scene_made_anew(tmp_path: Path, scene: Path) -> None:
    folder = shutil.copytree(scene, tmp_path / "scene")

    with viewer.serve(folder) as url:

        def until(heard: Messages) -> bool:
            if len(heard) == 1:
                (folder / "metrics.json").write_text("{}")
            return bool(of_type(heard, "scene"))

        assert listen(url, until)

        def gone(heard: Messages) -> bool:
            if len(heard) == 1:
                shutil.rmtree(folder)
            return any(message.get("stage") == "gone" for message in heard)

        assert listen(url, gone)


def test_a_log_is_followed_through_half_lines_and_new_starts(tmp_path: Path) -> None:
    path = tmp_path / "train.jsonl"
    tail = LogTail(path, 0)
    assert tail.read() == ([], False)
    path.write_text(row(10) + row(20)[:15])
    assert [message["step"] for message in tail.read()[0]] == [10]
    path.write_text(row(10) + row(20) + "nonsense\n" + '{"event": "TrainStep"}\n')
    assert [message["step"] for message in tail.read()[0]] == [20]
    assert tail.read() == ([], False)
    other = tmp_path / "other"
    other.write_text(row(5))
    os.replace(other, path)  # as a resumed training does
    messages, anew = tail.read()
    assert ([message["step"] for message in messages], anew) == ([5], True)


def test_history_is_thinned_and_ends_now(tmp_path: Path) -> None:
    folder = tmp_path / "shots" / "000"
    folder.mkdir(parents=True)
    (folder / "train.jsonl").write_text("".join(row(i) for i in range(1, 2224)))
    files = TrainingFiles(tmp_path)
    files.news()
    steps = files.history()[0]["steps"]
    assert len(steps) <= 501
    assert steps[-1]["step"] == 2223


@pytest.mark.parametrize(
    ("headers", "status"),
    [({"Origin": "http://evil.example"}, 403), ({"Host": "evil.example"}, 403), ({}, 101)],
)
def test_foreign_pages_are_refused(scene: Path, headers: dict[str, str], status: int) -> None:
    async def connect(url: str) -> int:
        async with aiohttp.ClientSession() as session:
            try:
                async with session.ws_connect(url + "api/live", headers=headers):
                    return 101
            except aiohttp.WSServerHandshakeError as error:
                return error.status

    with viewer.serve(scene) as url:
        assert finished(connect(url)) == status


def test_long_messages_are_refused_and_many_pages_too(scene: Path) -> None:
    async def talk(url: str) -> tuple[int | None, int | None]:
        async with aiohttp.ClientSession() as session:
            async with session.ws_connect(url + "api/live") as socket:
                await socket.send_str("x" * 5000)
                while (await socket.receive()).type == aiohttp.WSMsgType.TEXT:
                    pass
                too_long = socket.close_code
            pages = [await session.ws_connect(url + "api/live") for _ in range(16)]
            for page in pages:
                await page.receive()
            async with session.ws_connect(url + "api/live") as one_more:
                await one_more.receive()
                return too_long, one_more.close_code

    with viewer.serve(scene) as url:
        assert finished(talk(url)) == (1009, 1013)
        begun = time.monotonic()
    assert time.monotonic() - begun < 3, "open pages do not hold up the end"
