"""Time in the page: frames, chunks, sequences, comparing, and a training under way."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from viewer_page import OpenPage, picture, state, wait
from viewer_scene import FRAMES, Splats, camera_poses, psnr, write_ply

import viewer

if TYPE_CHECKING:
    from playwright.sync_api import Page


@pytest.fixture(scope="module")
def shared_page(open_page: OpenPage, tmp_path_factory: pytest.TempPathFactory, scene: Path) -> Iterator[Page]:
    folder = shutil.copytree(scene, tmp_path_factory.mktemp("time") / "scene")
    shutil.copy(folder / "chunks/000/splat.ply", folder / "chunks/001/splat.ply")
    with viewer.serve(folder) as url, open_page(url, device_scale_factor=0.5) as page:
        yield page


@pytest.fixture
def page(shared_page: Page) -> Page:
    """At frame 0 of the whole scene, nothing compared, standing still."""
    if state(shared_page)["playing"]:
        shared_page.keyboard.press(" ")
    shared_page.evaluate("splatreel.show('scene')")
    shared_page.select_option("#compare-mode", "off", force=True)
    shared_page.evaluate("document.activeElement.blur()")
    shared_page.evaluate("splatreel.setCamera(0)")
    return shared_page


def inner(page: Page) -> Any:
    rect = {key: round(value) for key, value in state(page)["frameRect"].items()}
    return {"x": rect["x"] + 4, "y": rect["y"] + 4, "width": rect["width"] - 8, "height": rect["height"] - 8}


def shot(page: Page) -> np.ndarray:
    page.wait_for_timeout(400)
    return picture(page.screenshot(clip=inner(page)))


def test_playing_moves_along_the_cameras_and_stops_at_one(page: Page) -> None:
    page.select_option("#speed", "0.25")
    page.evaluate("document.activeElement.blur()")
    page.keyboard.press(" ")
    wait(page, "s.playing && s.time > 0.1")
    on_the_way = np.reshape(state(page)["worldFromCamera"], (4, 4))[:3, 3]
    path = camera_poses()[:, :3, 3]
    nearest = np.linalg.norm(path - on_the_way, axis=1).min()
    assert nearest < 0.5 * np.linalg.norm(path[1] - path[0]) + 1e-6
    page.keyboard.press(" ")
    wait(page, "!s.playing && !s.flying && s.standing !== null")
    stopped = state(page)
    pose = np.reshape(stopped["worldFromCamera"], (4, 4))
    np.testing.assert_allclose(pose, camera_poses()[stopped["standing"]], atol=1e-7)
    page.select_option("#speed", "1")


def test_taking_the_camera_pauses(page: Page) -> None:
    page.get_by_role("button", name="Play", exact=True).click()
    wait(page, "s.playing")
    rect = state(page)["frameRect"]
    x, y = rect["x"] + rect["width"] / 2, rect["y"] + rect["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + 40, y, steps=3)
    page.mouse.up()
    wait(page, "!s.playing && s.standing === null")


def test_the_time_line_is_scrubbed_and_end_stops_without_loop(page: Page) -> None:
    box = page.locator("#track").bounding_box()
    assert box
    page.mouse.click(box["x"] + box["width"] * 3.5 / FRAMES, box["y"] + box["height"] / 2)
    wait(page, "s.standing === 3 && s.frame === 3 && !s.flying")
    assert page.locator("#track").get_attribute("aria-valuenow") == "3"
    assert "Frame 3" in (page.locator("#track").get_attribute("aria-valuetext") or "")
    page.locator("#loop").click()
    page.evaluate("document.activeElement.blur()")
    page.keyboard.press(" ")
    wait(page, f"!s.playing && s.frame === {FRAMES - 1}")
    page.locator("#loop").click()


def test_chunks_fade_into_each_other(page: Page) -> None:
    """A frame of both chunks shows both; later ones the second alone; the list follows."""
    page.evaluate("splatreel.show('chunk-000')")
    for frame, expected in ((0, "chunk-000"), (FRAMES - 1, "chunk-001"), (1, "chunk-000")):
        page.evaluate(f"splatreel.setCamera({frame})")
        wait(page, f"s.splats === '{expected}'")
        assert page.locator(f"input[value={expected}]").is_checked()
    page.evaluate("splatreel.setCamera(3)")
    wait(page, "s.layers.length === 2")
    assert all(0 < layer["opacity"] <= 1 for layer in state(page)["layers"])


@pytest.mark.parametrize("mode", ["blend", "slider", "side", "difference"])
def test_source_frame_is_compared(page: Page, mode: str) -> None:
    """The test's frames are renders of the same splats: laid over each other they agree."""
    page.keyboard.press("b")  # black, as the frames were made on
    page.select_option("#compare-mode", mode)
    wait(page, f"s.compare === '{mode}'")
    seen = shot(page)
    page.select_option("#compare-mode", "off")
    alone = shot(page)
    if mode == "difference":
        assert seen.mean() < 0.12 < alone.mean()
    elif mode == "side":
        image = page.locator("#frame-image").bounding_box()
        assert image is None, "nothing is compared any more"
        page.select_option("#compare-mode", "side")
        wait(page, "s.compare === 'side'")
        page.wait_for_timeout(300)
        image, rect = page.locator("#frame-image").bounding_box(), state(page)["frameRect"]
        assert image
        apart = image["x"] >= rect["x"] + rect["width"] or image["y"] >= rect["y"] + rect["height"]
        assert apart
        assert abs(image["width"] - rect["width"]) < 1
    else:
        assert psnr(seen, alone) > 24
        assert not np.array_equal(seen, alone)
    page.keyboard.press("b")
    page.keyboard.press("b")


def test_the_divider_follows_pointer_and_keys(page: Page) -> None:
    page.select_option("#compare-mode", "slider")
    page.wait_for_timeout(400)
    divider = page.locator("#divider")
    box, rect = divider.bounding_box(), state(page)["frameRect"]
    assert box
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.mouse.down()
    page.mouse.move(rect["x"] + 0.25 * rect["width"], box["y"] + 20, steps=4)
    page.mouse.up()
    page.wait_for_timeout(300)
    assert abs(int(divider.get_attribute("aria-valuenow") or 0) - 25) <= 1
    divider.press("ArrowRight")
    page.wait_for_timeout(300)
    assert int(divider.get_attribute("aria-valuenow") or 0) in (26, 27, 28)
    assert state(page)["standing"] == 0, "the keys were the divider's"


def test_two_scenes_are_set_against_each_other(
    open_page: OpenPage, tmp_path: Path, scene: Path, splats: Splats
) -> None:
    """Same camera on both sides; the left one is the first."""
    red = splats.sh.copy()
    red[:, 0] = [2.0, -1.5, -1.5]
    write_ply(tmp_path / "red.ply", replace(splats, sh=red))
    more = {"device_scale_factor": 0.5, "color_scheme": "dark"}
    with viewer.serve(scene, tmp_path / "red.ply") as url, open_page(url, **more) as page:
        wait(page, "s.compare === 'slider'")
        page.wait_for_timeout(2500)
        seen = shot(page)
        x = round(divider_share(page) * seen.shape[1])
        green = seen[..., 1].mean(0)
        assert green[x + 4 :].mean() < 0.5 * green[: x - 4].mean()


def divider_share(page: Page) -> float:
    """Where the divider lies in the frame, 0..1."""
    box, rect = page.locator("#divider").bounding_box(), state(page)["frameRect"]
    assert box
    return (box["x"] + box["width"] / 2 - rect["x"]) / rect["width"]


def test_numbered_files_play_as_a_sequence(open_page: OpenPage, tmp_path: Path, splats: Splats) -> None:
    """In the order of their numbers, with the camera free; also from an exported page."""
    for i in (1, 2, 10):
        keep = slice(0, 3600 - 100 * i)
        parts = [getattr(splats, name)[keep] for name in ("means", "quats", "log_scales", "logits", "sh")]
        write_ply(tmp_path / "frames" / f"frame_{i}.ply", Splats(*parts))
    out = tmp_path / "sequence.html"
    viewer.export_html(tmp_path / "frames", out)
    with viewer.serve(tmp_path / "frames", fps=5) as url:
        for address in (url, out.as_uri()):
            with open_page(address, device_scale_factor=0.5) as page:
                assert state(page)["gaussians"] == 3500
                page.keyboard.press("ArrowRight")
                wait(page, "s.frame === 1 && s.gaussians === 3400")
                page.keyboard.press("End")
                wait(page, "s.frame === 2 && s.gaussians === 2600")
                before = state(page)["worldFromCamera"]
                page.keyboard.press(" ")
                wait(page, "s.playing && s.frame === 1 && s.gaussians === 3400")
                assert state(page)["worldFromCamera"] == before


def test_a_training_appears_and_then_its_result(
    open_page: OpenPage, tmp_path: Path, scene: Path, splats: Splats
) -> None:
    """What another process writes: log rows and snapshots, then the scene; the server goes and comes back."""
    folder = tmp_path / "scene"
    live = folder / "shots" / "000"
    with viewer.serve(folder, watch=True) as url:
        port = int(url.rsplit(":", 1)[1].strip("/"))
        with open_page(url, device_scale_factor=0.5, errors=True) as page:
            assert "first splats" in page.locator("#loader").inner_text()
            live.mkdir(parents=True)
            row = {"event": "TrainStep", "step": 40, "total": 90, "loss": 0.2, "gaussians": 5, "seconds": 2.0}
            score = {"event": "Evaluated", "step": 45, "split": "heldout", "psnr": 27.5, "ssim": 0.9}
            (live / "train.jsonl").write_text(json.dumps(row) + "\n" + json.dumps(score) + "\n")
            write_snapshot(live / "live.splat", splats)
            wait(page, "s.gaussians === 3600 && s.splats.startsWith('live:')")
            panel = page.locator("#training")
            assert "step 40 of 90" in panel.inner_text()
            assert "27.5 dB" in panel.inner_text()
            assert page.get_by_role("img", name="Loss").is_visible()
            assert (folder / "shots/.watched").exists(), "the trainer is told that somebody looks"
            (live / "live.splat").unlink()
            shutil.copytree(scene, folder, dirs_exist_ok=True)
            wait(page, "s.splats === 'scene' && s.cameras === 6")
            viewer_goes_and_comes(page, folder, port)


def viewer_goes_and_comes(page: Page, folder: Path, port: int) -> None:
    """The page connects again by itself (here to a second server; the first keeps its port)."""
    page.evaluate("WebSocket.prototype.close.call(splatreel.socket())")
    page.wait_for_timeout(1500)
    (folder / "metrics.json").write_text('{"frames": 6, "placed": 5}')
    for _ in range(100):
        if "5 of 6" in page.locator("#facts").inner_text():
            return
        page.wait_for_timeout(100)
    raise AssertionError(f"the page on port {port} did not come back")


def write_snapshot(path: Path, splats: Splats) -> None:
    """As recon.snapshot does."""
    import torch

    from recon.snapshot import to_splat
    from recon.types import Gaussians

    parts = (splats.means, splats.quats, splats.log_scales, splats.logits, splats.sh)
    to_splat(Gaussians(*(torch.from_numpy(part) for part in parts))).tofile(path)
