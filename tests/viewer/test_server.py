"""The server without a browser: what it gives, and above all what it refuses."""

from __future__ import annotations

import http.client
import json
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import numpy as np
import pytest
from viewer_scene import CENTRE, FOCAL, FRAMES, Splats, camera_poses, write_ply

import viewer


@pytest.fixture(scope="module")
def url(scene: Path) -> Iterator[str]:
    with viewer.serve(scene) as url:
        yield url


def get(url: str, path: str, **headers: str) -> tuple[int, bytes, dict[str, str]]:
    """A request with the path as it is: no client-side tidying of `..`."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=10)
    connection.putrequest("GET", path, skip_host="Host" in headers)
    for name, value in headers.items():
        connection.putheader(name, value)
    connection.endheaders()
    response = connection.getresponse()
    found = response.status, response.read(), {k.lower(): v for k, v in response.getheaders()}
    connection.close()
    return found


def manifest(url: str) -> dict[str, Any]:
    return json.loads(get(url, "/api/scene")[1])


def test_manifest_tells_everything(url: str) -> None:
    found = manifest(url)
    assert found["verdict"] == "good"
    assert "parallax" in found["reason"]
    assert [s["id"] for s in found["splats"]] == ["scene", "chunk-000"]  # chunk 1 has no splats
    assert found["splats"][0]["gaussians"] == 3600
    assert [c["frame"] for c in found["cameras"]] == list(range(FRAMES))
    assert [c["chunks"] for c in found["cameras"]] == [[0], [0], [0, 1], [0, 1], [1], [1]]
    poses = np.reshape([c["world_from_camera"] for c in found["cameras"]], (-1, 4, 4))
    np.testing.assert_allclose(poses, camera_poses(), atol=1e-12)
    first = found["cameras"][0]
    assert (first["fx"], first["cx"], first["cy"]) == (FOCAL, *CENTRE)
    assert found["cameras"][3]["split"] == "heldout"
    assert found["cameras"][3]["psnr"] == 26.0
    for splat in found["splats"]:
        status, body, headers = get(url, "/" + splat["url"])
        assert (status, len(body)) == (200, splat["bytes"])
        assert headers["cache-control"] == "no-cache"
    assert get(url, "/" + first["image"])[2]["content-type"] == "image/png"
    assert get(url, "/" + first["thumb"])[1][:2] == b"\xff\xd8"


def test_page_ranges_and_etags(url: str) -> None:
    status, body, headers = get(url, "/")
    assert status == 200
    assert b"<canvas" in body
    assert "default-src 'none'" in headers["content-security-policy"]
    assert get(url, "/viewer.js")[2]["content-type"].startswith("text/javascript")
    assert get(url, "/licences.txt")[0] == 200
    assert len(get(url, "/files/scene.ply", Range="bytes=0-99")[1]) == 100
    etag = get(url, "/files/scene.ply")[2]["etag"]
    assert get(url, "/files/scene.ply", **{"If-None-Match": etag})[0] == 304


@pytest.mark.parametrize(
    "path",
    [
        "/files/../scene.json",
        "/files/scene.json",
        "/files/metrics.json",
        "/files/chunks/000/images/../../../scene.json",
        "/files/chunks/000/images/..%2f..%2f..%2fscene.json",
        "/files/%2e%2e/%2e%2e/etc/passwd",
        "/files//etc/passwd",
        "/files/chunks/000/images/%00.png",
        "/files/chunks/000/images/99999.png",
        "/thumbs/../../etc/passwd",
        "/server.py",
        "/../server.py",
        "/dist/index.html",
    ],
)
def test_only_named_files_are_given(url: str, path: str) -> None:
    status, body, _ = get(url, path)
    assert status in (400, 404)
    assert b"splatreel-scene" not in body
    assert b"root:" not in body


def test_links_out_of_the_scene_are_refused(tmp_path: Path, scene: Path) -> None:
    copy = shutil.copytree(scene, tmp_path / "copy")
    (tmp_path / "secret.png").write_text("secret")
    os.symlink(tmp_path / "secret.png", copy / "chunks/000/images/77777.png")
    with viewer.serve(copy) as url:
        assert get(url, "/files/chunks/000/images/77777.png")[0] == 404


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"Host": "localhost:1234"}, 200),  # through ssh -L 1234:localhost:…
        ({"Host": "[::1]:1234"}, 200),
        ({"Host": "evil.example"}, 403),
        ({"Host": "127.0.0.1.evil.example:80"}, 403),
        ({"Host": "evil.example:80@127.0.0.1"}, 403),
        ({"Host": ""}, 403),
        ({"Host": "[::1"}, 403),
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Host": "127.0.0.1:99", "Origin": "http://127.0.0.1:99"}, 200),
    ],
)
def test_host_and_origin_are_checked(url: str, headers: dict[str, str], status: int) -> None:
    assert get(url, "/api/scene", **headers)[0] == status


def test_other_hosts_need_the_token(scene: Path) -> None:
    with viewer.serve(scene, host="0.0.0.0") as url:
        parts = urlsplit(url)
        here = f"http://127.0.0.1:{parts.port}"
        assert parts.query.startswith("token=")
        assert len(parts.query) > 20
        assert get(here, "/api/scene")[0] == 403
        assert get(here, "/api/scene?token=wrong")[0] == 403
        status, _, headers = get(here, f"/?{parts.query}")
        assert status == 200
        cookie = headers["set-cookie"]
        assert "HttpOnly" in cookie
        assert "SameSite=Strict" in cookie
        assert get(here, "/api/scene", Cookie=cookie.split(";")[0])[0] == 200


def test_port_in_use_is_one_sentence(scene: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with (
            pytest.raises(viewer.ViewerError, match=f"port {port} is used") as caught,
            viewer.serve(scene, port=port),
        ):
            pass
    assert "\n" not in str(caught.value)


def test_port_is_free_again_after_serving(scene: Path) -> None:
    with viewer.serve(scene) as url:
        port = urlsplit(url).port or 0
    with viewer.serve(scene, port=port) as url:
        assert manifest(url)["name"] == scene.name


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda p: p / "nothing", "nothing at"),
        (lambda p: (p / "film.mp4").write_bytes(b"x") and p / "film.mp4", "no splat file"),
        (lambda p: p, "neither scene.json nor a splat file"),
        (lambda p: (p / "scene.json").write_text("{") and p, "not a splatreel scene"),
        (
            lambda p: (
                (p / "scene.json").write_text('{"format": "splatreel-scene", "version": 1, "stages": {}}')
                and p
            ),
            "no trained splats yet",
        ),
    ],
)
def test_bad_paths_are_one_sentence(tmp_path: Path, make: Any, says: str) -> None:
    with pytest.raises(viewer.ViewerError, match=says) as caught, viewer.serve(make(tmp_path)):
        pass
    assert "\n" not in str(caught.value)


def test_broken_side_files_do_not_matter(tmp_path: Path, scene: Path) -> None:
    copy = shutil.copytree(scene, tmp_path / "copy")
    (copy / "metrics.json").write_text('{"verdict": ')
    (copy / "cameras/report.json").write_text("[]")
    (copy / "chunks/000/transforms.json").write_text("not json")
    rows = json.loads((copy / "chunks/001/transforms.json").read_text())
    rows["frames"][0]["transform_matrix"] = [[1, 2], None]
    (copy / "chunks/001/transforms.json").write_text(json.dumps(rows))
    with viewer.serve(copy) as url:
        found = manifest(url)
    assert found["verdict"] is None
    assert len(found["cameras"]) == 3
    assert len(found["notes"]) == 2


def test_cameras_stand_where_training_left_them(tmp_path: Path, scene: Path) -> None:
    copy = shutil.copytree(scene, tmp_path / "copy")
    moved = camera_poses()[2]
    moved[:3, 3] += 0.25
    K = [[FOCAL + 3, 0, 1.0], [0, FOCAL + 4, 2.0], [0, 0, 1]]
    rows = [
        {"number": 2, "world_from_camera": moved.tolist(), "K": K},
        {"number": 3, "world_from_camera": "?", "K": K},
        {"number": 99, "world_from_camera": moved.tolist(), "K": K},
    ]
    (copy / "shots/000").mkdir(parents=True)
    (copy / "shots/000/refined_cameras.json").write_text(json.dumps({"frames": rows}))
    with viewer.serve(copy) as url:
        cameras = manifest(url)["cameras"]
    assert len(cameras) == FRAMES
    np.testing.assert_allclose(np.reshape(cameras[2]["world_from_camera"], (4, 4)), moved)
    assert [cameras[2][name] for name in ("fx", "fy", "cx", "cy")] == [FOCAL + 3, FOCAL + 4, 1.0, 2.0]
    np.testing.assert_allclose(np.reshape(cameras[3]["world_from_camera"], (4, 4)), camera_poses()[3])


def test_frames_numbered_within_the_chunk_are_understood(tmp_path: Path, scene: Path) -> None:
    copy = shutil.copytree(scene, tmp_path / "copy")
    path = copy / "chunks/001/transforms.json"
    data = json.loads(path.read_text())
    for i, row in enumerate(data["frames"]):
        row["file_path"] = f"images/{i:05d}.png"
    path.write_text(json.dumps(data))
    with viewer.serve(copy) as url:
        assert [c["frame"] for c in manifest(url)["cameras"]] == list(range(FRAMES))


def test_bare_files_and_names_that_need_quoting(tmp_path: Path, splats: Splats) -> None:
    name = "a b#ü%.ply"
    write_ply(tmp_path / name, splats)
    (tmp_path / "notes.txt").write_text("private")
    for path in (tmp_path / name, tmp_path):
        with viewer.serve(path) as url:
            found = manifest(url)
            assert found["splats"][0]["url"] == f"files/{quote(name)}"
            assert get(url, "/" + found["splats"][0]["url"])[0] == 200
            assert get(url, "/files/notes.txt")[0] == 404


def test_several_sources_keep_to_themselves(tmp_path: Path, scene: Path, splats: Splats) -> None:
    """Each source's files under its number, the cameras and what goes with them of the first scene."""
    folder = shutil.copytree(scene, tmp_path / "scene")
    info = json.loads((folder / "scene.json").read_text())
    (folder / "scene.json").write_text(json.dumps(info | {"training": {"long_side": 120}}))
    write_ply(tmp_path / "other" / "thing.ply", splats)
    with viewer.serve(tmp_path / "other" / "thing.ply", folder) as url:
        found = manifest(url)
        ids = [entry["id"] for entry in found["splats"]]
        assert ids == ["0/thing.ply", "1/scene", "1/chunk-000"]
        assert (found["kind"], found["compare"]) == ("several", "1/scene")
        assert found["trained_scale"] == 0.5
        assert len(found["cameras"]) == FRAMES
        for path in [entry["url"] for entry in found["splats"]] + [found["cameras"][0]["image"]]:
            assert get(url, "/" + path)[0] == 200, path
        for path in ("files/thing.ply", "files/1/thing.ply", "files/0/scene.ply", "files/2/scene.ply"):
            assert get(url, "/" + path)[0] == 404, path


def test_import_is_cheap() -> None:
    code = "import sys, viewer; print([m for m in ('aiohttp', 'numpy', 'torch', 'PIL') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
