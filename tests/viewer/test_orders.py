"""What the page may ask of the server: store edits, render a video; and what is refused."""

from __future__ import annotations

import http.client
import json
import shutil
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import pytest
from test_edits import FULL
from viewer_scene import FOCAL, HEIGHT, WIDTH, Splats, camera_poses, psnr, write_ply

import viewer


@pytest.fixture
def served(tmp_path: Path, scene: Path) -> Iterator[tuple[str, Path]]:
    folder = shutil.copytree(scene, tmp_path / "scene")
    with viewer.serve(folder) as url:
        yield url, folder


def send(url: str, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, dict[str, Any]]:
    """As the page does, unless `headers` say otherwise."""
    parts = urlsplit(url)
    origin = f"http://{parts.hostname}:{parts.port}"
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=20)
    head = {"Origin": origin, "Content-Type": "application/json"} | headers
    connection.request(method, path, data, {key: value for key, value in head.items() if value})
    response = connection.getresponse()
    text = response.read()
    connection.close()
    try:
        return response.status, json.loads(text)
    except ValueError:
        return response.status, {"text": text.decode("utf-8", "replace")}


def order(**change: Any) -> dict[str, Any]:
    poses = camera_poses()
    return {
        "splats": "scene",
        "frames": [pose.ravel().tolist() for pose in poses],
        "focals": [FOCAL] * len(poses),
        "width": WIDTH,
        "height": HEIGHT,
        "fps": 24,
        "background": "#000000",
        "edits": None,
    } | change


def finished(url: str, job: str) -> dict[str, Any]:
    for _ in range(600):
        state = send(url, "GET", f"/api/videos/{job}")[1]
        if state["state"] != "running":
            return state
        time.sleep(0.05)
    raise AssertionError("still running")


def test_edits_are_stored_shown_and_forgotten(served: tuple[str, Path]) -> None:
    url, folder = served
    assert send(url, "PUT", "/api/edits?splats=scene", FULL) == (200, {"saved": str(folder / "edits.json")})
    found = send(url, "GET", "/api/scene")[1]
    assert found["editable"] is True
    assert found["edits"]["crop"] == FULL["crop"]
    assert send(url, "DELETE", "/api/edits?splats=scene")[0] == 200
    assert not (folder / "edits.json").exists()


def test_edits_of_a_bare_file_lie_beside_it(tmp_path: Path, splats: Splats) -> None:
    write_ply(tmp_path / "a.ply", splats)
    with viewer.serve(tmp_path / "a.ply") as url:
        assert send(url, "PUT", "/api/edits?splats=a.ply", FULL)[0] == 200
        status, said = send(url, "PUT", "/api/edits?splats=../b.ply", FULL)
    assert (tmp_path / "a.ply.edits.json").exists()
    assert status == 400
    assert "none of this page" in said["error"]


@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        (FULL | {"min_opacity": 3}, {}, 400),
        (b"{", {}, 400),
        (b"[" * 100_000, {}, 400),
        (FULL, {"Content-Type": "text/plain"}, 400),  # what a form of another page could send
        (b'"' + b"x" * 300_000 + b'"', {}, 400),
        (FULL, {"Origin": "http://evil.example"}, 403),
        (FULL, {"Origin": ""}, 403),
        (FULL, {"Host": "evil.example"}, 403),
    ],
)
def test_bad_orders_change_nothing(
    served: tuple[str, Path], body: Any, headers: dict[str, str], status: int
) -> None:
    url, folder = served
    found, said = send(url, "PUT", "/api/edits?splats=scene", body, **headers)
    assert found == status
    assert "\n" not in said.get("error", "")
    assert not (folder / "edits.json").exists()


def test_video_is_what_the_rasterizer_draws(served: tuple[str, Path], splats: Splats) -> None:
    import av
    import torch

    from recon.raster import render
    from recon.types import Gaussians

    url, folder = served
    status, said = send(url, "POST", "/api/videos", order(focals=[FOCAL * 0.8] * 6, background="#203040"))
    assert status == 202, said
    state = finished(url, said["id"])
    assert (state["state"], state["done"]) == ("done", 6), state
    assert state["path"] == str(folder / "export" / "path.mp4")
    assert send(url, "GET", f"/{state['url']}")[0] == 200
    with av.open(str(state["path"])) as video:
        frames = [frame.to_ndarray(format="rgb24") / 255 for frame in video.decode(video=0)]
    assert len(frames) == 6
    parts = (splats.means, splats.quats, splats.log_scales, splats.logits, splats.sh)
    gaussians = Gaussians(*(torch.from_numpy(part) for part in parts))
    K = torch.tensor([[FOCAL * 0.8, 0, WIDTH / 2], [0, FOCAL * 0.8, HEIGHT / 2], [0, 0, 1]])
    for i in (0, 5):
        camera_from_world = torch.tensor(np.linalg.inv(camera_poses()[i]), dtype=torch.float32)
        background = torch.tensor([0x20, 0x30, 0x40]) / 255
        image = render(gaussians, camera_from_world, K, WIDTH, HEIGHT, background=background).image
        assert psnr(frames[i], image.clamp(0, 1).numpy()) > 33  # through H.264


def test_larger_videos_have_splats_as_large_as_at_training(served: tuple[str, Path], splats: Splats) -> None:
    """Four times the size, scaled down, looks like the training size, also where splats are below a pixel."""
    import av
    from PIL import Image

    url, folder = served
    write_ply(folder / "scene.ply", replace(splats, log_scales=splats.log_scales - 3))
    pictures = []
    for k in (1, 4):
        big = order(width=WIDTH * k, height=HEIGHT * k, focals=[FOCAL * k], frames=order()["frames"][:1])
        state = finished(url, send(url, "POST", "/api/videos", big)[1]["id"])
        with av.open(str(state["path"])) as video:
            frame = next(video.decode(video=0)).to_ndarray(format="rgb24")
        pictures.append(
            np.asarray(Image.fromarray(frame).resize((WIDTH, HEIGHT), Image.Resampling.BOX)) / 255
        )
    assert psnr(*pictures) > 29  # without: 21


def test_videos_respect_edits_and_can_be_cancelled(served: tuple[str, Path]) -> None:
    url, folder = served
    away = FULL | {"crop": FULL["crop"] | {"centre": [50.0, 0.0, 0.0]}}
    state = finished(url, send(url, "POST", "/api/videos", order(edits=away))[1]["id"])
    assert state["state"] == "failed"
    assert "leave out all" in state["error"]
    many = order()["frames"] * 400
    job = send(url, "POST", "/api/videos", order(frames=many, focals=[FOCAL] * len(many)))[1]["id"]
    status, said = send(url, "POST", "/api/videos", order())
    assert status == 400
    assert "already" in said["error"]
    assert send(url, "DELETE", f"/api/videos/{job}")[0] == 200
    assert finished(url, job)["state"] == "cancelled"
    assert not list((folder / "export").glob("*.mp4"))


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"frames": [], "focals": []}, "expected 1 to 3000"),
        ({"focals": [1.0]}, "for each of 6 frames"),
        ({"width": 241}, "even numbers"),
        ({"height": 10}, "from 64 to 3840"),
        ({"fps": 0}, "from 1 to 120"),
        ({"background": "black"}, "#rrggbb"),
        ({"splats": "../../x"}, "not there any more"),
        ({"frames": [[1.0] * 16] * 6}, "no rotation"),
    ],
)
def test_bad_videos_are_one_sentence(served: tuple[str, Path], change: dict[str, Any], says: str) -> None:
    status, said = send(served[0], "POST", "/api/videos", order(**change))
    assert status == 400
    assert says in said["error"]
