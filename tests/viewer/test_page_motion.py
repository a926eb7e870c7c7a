"""Scenes that move, in the page: the same picture as our rasterizer's at any time, playing, and files
made of them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from viewer_motion import rasterized
from viewer_page import OpenPage, capture, picture, state, wait
from viewer_scene import FRAMES, Splats, psnr, write_scene

import viewer
from recon.fourd.motion import Splats4D
from recon.fourd.splat4d import read_splats, write_splats
from recon.splat_ply import read_splat_ply

if TYPE_CHECKING:
    from playwright.sync_api import Page


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, splats: Splats, splats4d: Splats4D) -> Path:
    scene = write_scene(tmp_path_factory.mktemp("motion") / "rolling", splats)
    write_splats(scene / "scene.ply", splats4d)
    return scene


@pytest.fixture(scope="module")
def page(open_page: OpenPage, folder: Path) -> Iterator[Page]:
    with viewer.serve(folder) as url, open_page(url, device_scale_factor=0.5) as page:
        yield page


@pytest.mark.parametrize("camera", [0, 1, 2, 4, FRAMES - 1])
def test_render_equals_our_rasterizer_at_five_times(page: Page, splats4d: Splats4D, camera: int) -> None:
    page.evaluate("camera => splatreel.setCamera(camera)", camera)
    now = splats4d.at(state(page)["time"])
    shown = capture(page, camera)
    assert psnr(shown, rasterized(now, camera)) >= 36
    other = splats4d.at(0.5 - state(page)["time"])
    assert psnr(shown, rasterized(other, camera)) < 30  # the time matters


def test_what_moves_can_be_switched_off(page: Page, splats4d: Splats4D) -> None:
    page.evaluate("splatreel.setCamera(2)")
    page.keyboard.press("g")
    assert page.locator("#moving").get_attribute("aria-pressed") == "false"
    assert psnr(capture(page, 2), rasterized(splats4d.still, 2)) >= 36
    page.locator("#moving").click()
    page.evaluate("document.activeElement.blur()")
    assert psnr(capture(page, 2), rasterized(splats4d.still, 2)) < 30


def test_tracks_follow_what_moves(page: Page, splats4d: Splats4D) -> None:
    page.evaluate("splatreel.setCamera(0)")
    assert state(page)["tracks"] == {"lines": 0, "dots": []}, "off until asked for"
    plain = picture(page.screenshot())
    page.keyboard.press("t")
    assert page.locator("#tracks").get_attribute("aria-pressed") == "true"
    for camera in (1, 4):
        page.evaluate("camera => splatreel.setCamera(camera)", camera)
        now = state(page)
        dots = torch.tensor(now["tracks"]["dots"])
        assert now["tracks"]["lines"] == 160
        assert 100 < len(dots) <= 160, "those whose life is over have no dot"
        moving = splats4d.at(now["time"]).means[len(splats4d.still) :]
        assert torch.cdist(dots, moving).amin(1).max() < 1e-3
        assert torch.cdist(dots, moving).amin(0).median() < 0.1, "all over the ball"
        other = splats4d.at(0.5 - now["time"]).means[len(splats4d.still) :]
        assert torch.cdist(dots, other).amin(1).max() > 1e-2
    page.evaluate("splatreel.setCamera(0)")
    changed = np.abs(picture(page.screenshot()) - plain).max(-1) > 0.2
    assert changed.mean() > 0.002, "no lines"
    assert psnr(capture(page, 0), rasterized(splats4d.at(state(page)["time"]), 0)) >= 36, (
        "part of the picture"
    )
    page.evaluate("splatreel.edit({min_opacity: 0.999})")
    wait(page, "!s.moving && s.tracks.lines === 0")
    page.evaluate("splatreel.edit(null)")
    page.locator("#tracks").press("Enter")
    wait(page, "!s.moving && s.tracks.lines === 0")
    page.evaluate("document.activeElement.blur()")


def test_it_plays_on_while_the_user_looks_around(page: Page) -> None:
    page.evaluate("splatreel.setCamera(0)")
    page.select_option("#speed", "0.25")
    page.evaluate("document.activeElement.blur()")
    page.keyboard.press(" ")
    wait(page, "s.playing && s.time > 0.02")
    page.mouse.move(500, 200)
    page.mouse.down()
    page.mouse.move(560, 210, steps=4)
    page.mouse.up()
    before = state(page)["time"]
    wait(page, f"s.playing && s.standing === null && Math.abs(s.time - {before}) > 0.01")
    page.keyboard.press(" ")
    wait(page, "!s.playing")
    assert state(page)["standing"] is None, "pausing took the view away"
    page.select_option("#speed", "1")
    page.evaluate("document.activeElement.blur()")


def test_a_bare_file_has_a_time_line(open_page: OpenPage, folder: Path) -> None:
    with viewer.serve(folder / "scene.ply") as url, open_page(url) as page:
        page.keyboard.press(" ")
        wait(page, "s.playing && s.time > 0")


def test_exported_page_moves_without_a_server(
    open_page: OpenPage, folder: Path, tmp_path: Path, splats4d: Splats4D
) -> None:
    out = tmp_path / "share.html"
    viewer.export(folder, out)
    with open_page(out.as_uri(), offline=True) as page:
        page.evaluate("splatreel.setCamera(4)")
        assert psnr(capture(page, 4), rasterized(splats4d.at(state(page)["time"]), 4)) >= 36
        page.keyboard.press("t")
        wait(page, "s.tracks.lines > 0")


def test_instants_and_sequences(folder: Path, tmp_path: Path, splats4d: Splats4D) -> None:
    viewer.export(folder, tmp_path / "now.ply", at=0.3)
    frozen = read_splat_ply(tmp_path / "now.ply")
    assert torch.allclose(frozen.means, splats4d.at(0.3).means, atol=1e-3)
    viewer.export(folder, tmp_path / "small.spz", at=0.3)
    viewer.export(folder, tmp_path / "frames")
    files = sorted((tmp_path / "frames").glob("*.ply"))
    fps = json.loads((folder / "scene.json").read_text())["fps"]
    assert len(files) == round(0.5 * fps) + 1
    assert torch.allclose(read_splat_ply(files[2]).means, splats4d.at(2 / fps).means, atol=1e-3)
    with pytest.raises(viewer.ViewerError, match="not empty"):
        viewer.export(folder, tmp_path / "frames")


def test_cropping_keeps_the_motion(folder: Path, tmp_path: Path, splats4d: Splats4D) -> None:
    from viewer import ply

    keep = np.arange(len(splats4d)) % 2 == 0
    (tmp_path / "half.ply").write_bytes(ply.select(folder / "scene.ply", keep))
    half = read_splats(tmp_path / "half.ply")
    assert len(half) == keep.sum()
    assert torch.allclose(half.at(0.1).means, splats4d.at(0.1).means[::2], atol=1e-3)
