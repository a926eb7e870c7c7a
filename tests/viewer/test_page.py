"""The page in a real browser (software GL)."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from viewer_page import OpenPage, capture, picture, state, wait
from viewer_scene import (
    CENTRE,
    FOCAL,
    FRAMES,
    HEIGHT,
    WIDTH,
    Splats,
    camera_poses,
    psnr,
    render,
    write_ply,
)

import viewer
from viewer import routes

if TYPE_CHECKING:
    from playwright.sync_api import Page


@pytest.fixture(scope="module")
def url(scene: Path) -> Iterator[str]:
    with viewer.serve(scene) as url:
        yield url


@pytest.fixture(scope="module")
def shared_page(open_page: OpenPage, url: str) -> Iterator[Page]:
    with open_page(url, device_scale_factor=0.5) as page:  # a quarter of the pixels: software GL is slow
        yield page


@pytest.fixture
def page(shared_page: Page) -> Page:
    """A page that stands at camera 0 of the whole scene, orbiting; shared, as opening one takes seconds."""
    if state(shared_page)["splats"] != "scene":
        shared_page.evaluate("splatreel.show('scene')")
    if state(shared_page)["mode"] == "fly":
        shared_page.keyboard.press("f")
    shared_page.evaluate("splatreel.setCamera(0)")
    return shared_page


def test_first_picture_is_a_training_view_and_then_nothing_is_drawn(open_page: OpenPage, url: str) -> None:
    with open_page(url) as page:
        page.wait_for_timeout(600)
        before = state(page)
        assert before["gaussians"] == 3600
        assert before["cameras"] == FRAMES
        assert before["standing"] == 0
        assert page.locator("#verdict").inner_text() == "Good cameras"
        assert "6 of 6" in page.locator("#facts").inner_text()
        shot = picture(page.screenshot())
        x, y, w, h = (int(before["frameRect"][key]) for key in ("x", "y", "width", "height"))
        assert shot[y : y + h, x : x + w].std() > 0.1, "blank canvas"
        page.wait_for_timeout(700)
        assert state(page)["frames"] == before["frames"], "a still scene draws frames"


def test_the_script_comes_compressed_with_brotli(page: Page) -> None:
    asked = "fetch('viewer.js').then(async r => [r.headers.get('content-encoding'), await r.text()])"
    encoding, text = page.evaluate(asked)
    assert encoding == "br"
    assert text == (routes.PAGE / "viewer.js").read_text(encoding="utf-8"), "the .br is of another build"


@pytest.mark.parametrize("camera", [0, FRAMES - 1])
def test_render_equals_reference(page: Page, splats: Splats, camera: int) -> None:
    assert psnr(capture(page, camera), render(splats, camera_poses()[camera])) >= 40


def test_render_equals_our_rasterizer(page: Page, splats: Splats) -> None:
    import torch

    from recon.raster import render as rasterize
    from recon.types import Gaussians

    parts = (splats.means, splats.quats, splats.log_scales, splats.logits, splats.sh)
    gaussians = Gaussians(*(torch.from_numpy(part) for part in parts))
    K = torch.tensor([[FOCAL, 0, CENTRE[0]], [0, FOCAL, CENTRE[1]], [0, 0, 1]])
    camera_from_world = torch.tensor(np.linalg.inv(camera_poses()[1]), dtype=torch.float32)
    image = rasterize(gaussians, camera_from_world, K, WIDTH, HEIGHT).image.clamp(0, 1).numpy()
    assert psnr(capture(page, 1), image) >= 40


def test_thumbnail_and_arrow_keys_stand_exactly_at_the_training_pose(page: Page) -> None:
    for act, camera in (
        (lambda: page.locator(".thumb").nth(4).click(), 4),
        (lambda: page.keyboard.press("ArrowLeft"), 3),
    ):
        act()
        wait(page, f"s.standing === {camera} && !s.flying")
        found = np.reshape(state(page)["worldFromCamera"], (4, 4))
        np.testing.assert_allclose(found, camera_poses()[camera], atol=1e-7)
    assert "not trained on" in page.locator("#where").inner_text()


def test_click_on_a_frustum_goes_there(page: Page) -> None:
    page.mouse.move(550, 200)
    page.mouse.wheel(0, 1500)  # back, so that the cameras come into view
    wait(page, "s.standing === null && !s.moving")
    found = None
    for y in range(70, 340, 20):
        for x in range(310, 850, 24):
            page.mouse.move(x, y)
            if page.locator("#tip").is_visible():
                found = page.locator("#tip").inner_text()
                page.mouse.click(x, y)
                break
        if found:
            break
    assert found, "no frustum under the pointer"
    camera = int(found.split(",")[0].removeprefix("Frame "))
    wait(page, f"s.standing === {camera} && !s.flying")


def test_orbit_fly_and_keys_move(page: Page) -> None:

    def centre() -> np.ndarray:
        return np.reshape(state(page)["worldFromCamera"], (4, 4))[:3, 3]

    start = centre()
    page.mouse.move(550, 200)
    page.mouse.down()
    page.mouse.move(650, 210, steps=4)
    page.mouse.up()
    wait(page, "!s.moving")
    orbited = centre()
    assert np.linalg.norm(orbited - start) > 0.3
    page.keyboard.press("f")
    assert state(page)["mode"] == "fly"
    page.mouse.down()
    page.mouse.move(550, 200, steps=4)
    page.mouse.up()
    wait(page, "!s.moving")
    np.testing.assert_allclose(centre(), orbited, atol=1e-6)  # flying, a drag only looks around
    page.keyboard.down("w")
    page.keyboard.up("w")
    wait(page, "!s.moving")
    assert np.linalg.norm(centre() - orbited) > 0.005
    page.keyboard.press("r")
    wait(page, "s.standing === 0 && !s.flying")
    np.testing.assert_allclose(centre(), start, atol=1e-7)


def test_double_click_focuses(page: Page) -> None:
    rect = state(page)["frameRect"]
    page.mouse.dblclick(rect["x"] + 0.28 * rect["width"], rect["y"] + 0.6 * rect["height"])  # the ball
    wait(page, "s.standing === null && !s.flying")
    pose = np.reshape(state(page)["worldFromCamera"], (4, 4))
    ball = np.array([-0.35, 0.1, 0.0]) - pose[:3, 3]
    off = np.linalg.norm(np.cross(ball, pose[:3, 2]))
    assert off < 0.3, "the view's axis goes through the ball"


def test_chunks_switch(page: Page) -> None:
    page.get_by_role("radio", name="Chunk 0").check()
    wait(page, "s.splats === 'chunk-000' && s.gaussians === 1800")
    assert page.locator(".thumb").count() == FRAMES, "the time line goes through all chunks"
    page.get_by_role("radio", name="Whole scene").check()
    wait(page, "s.splats === 'scene'")


def test_source_frame_overlay_lies_on_the_render(page: Page) -> None:
    page.keyboard.press("b")  # black, as the frames were made on
    page.wait_for_timeout(300)
    rect = {key: round(value) for key, value in state(page)["frameRect"].items()}
    inner: Any = {
        "x": rect["x"] + 4,
        "y": rect["y"] + 4,
        "width": rect["width"] - 8,
        "height": rect["height"] - 8,
    }
    rendered = picture(page.screenshot(clip=inner))
    page.keyboard.press("o")
    page.wait_for_timeout(300)
    source = picture(page.screenshot(clip=inner))
    assert not np.array_equal(rendered, source)
    assert psnr(rendered, source) > 24  # the same picture: enlarged pixels against splats


@pytest.mark.parametrize("form", ["light", "phone", "touch"])
def test_layouts(open_page: OpenPage, url: str, form: str) -> None:
    more = {"color_scheme": "light"} if form == "light" else {"has_touch": form == "touch"}
    with open_page(url, size=(1200, 700) if form == "light" else (390, 760), **more) as page:
        rect = state(page)["frameRect"]
        for panel in ("#strip",) if form != "light" else ("#strip", "#panel", "#tools"):
            box = page.locator(panel).bounding_box()
            assert box
            apart_x = rect["x"] + rect["width"] <= box["x"] or box["x"] + box["width"] <= rect["x"]
            apart_y = rect["y"] + rect["height"] <= box["y"] or box["y"] + box["height"] <= rect["y"]
            assert apart_x or apart_y, f"{panel} covers the frame"
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        for button in page.locator("button").all():
            assert button.get_attribute("aria-label") or button.inner_text() or not button.is_visible()


def test_help_opens_and_closes_by_keyboard(page: Page) -> None:
    page.keyboard.press("?")
    assert page.get_by_role("dialog").is_visible()
    page.keyboard.press("Escape")
    assert not page.get_by_role("dialog").is_visible()


def test_bare_file_is_framed(open_page: OpenPage, tmp_path: Path, splats: Splats) -> None:
    write_ply(tmp_path / "thing.ply", splats)
    viewer.export_spz(tmp_path / "thing.ply", tmp_path / "thing.spz")
    with viewer.serve(tmp_path) as url, open_page(url) as page:
        for name in ("thing.ply", "thing.spz"):
            page.evaluate("name => splatreel.show(name)", name)
            assert state(page)["gaussians"] == 3600
            page.wait_for_timeout(300)
            assert picture(page.screenshot())[80:440, 320:850].std() > 0.08
        assert not page.locator("#strip").is_visible()


def test_truncated_and_vanished_files_are_said_in_words(
    open_page: OpenPage, tmp_path: Path, scene: Path
) -> None:
    copy = shutil.copytree(scene, tmp_path / "copy")
    whole = (copy / "scene.ply").read_bytes()
    (copy / "scene.ply").write_bytes(whole[: len(whole) // 2])
    with viewer.serve(copy) as url, open_page(url, errors=True) as page:
        box = page.get_by_role("alert")
        assert box.is_visible()
        assert "cut short" in box.inner_text()
        assert "scene.ply" in box.inner_text()
        assert page.get_by_role("button", name="Try again").is_visible()
        (copy / "scene.ply").write_bytes(whole)
        # At once: the page hears of the new file, too, and the button goes.
        page.locator("#error-retry").evaluate("button => button.click()")
        wait(page, "s.gaussians === 3600 && !s.error")
    with viewer.serve(copy) as url, open_page(url, errors=True) as page:
        box = page.get_by_role("alert")
        (copy / "chunks/000/splat.ply").unlink()
        page.get_by_role("radio", name="Chunk 0").click()
        wait(page, "s.error")
        assert "not there any more" in box.inner_text()
        assert state(page)["splats"] == "scene", "what was on show stays"


def test_no_webgl_is_said_in_words(browser, url: str) -> None:
    page = browser.new_page()
    page.add_init_script("HTMLCanvasElement.prototype.getContext = () => null")
    page.goto(url)
    assert "WebGL 2" in page.get_by_role("alert").inner_text()
    page.close()


def test_exported_page_needs_no_server(
    open_page: OpenPage, tmp_path: Path, scene: Path, splats: Splats
) -> None:
    out = tmp_path / "shared.html"
    assert viewer.export_html(scene, out) == out.stat().st_size < 6e6
    with open_page(out.as_uri(), offline=True) as page:
        assert state(page)["gaussians"] == 3600
        assert state(page)["cameras"] == FRAMES
        assert psnr(capture(page, 2), render(splats, camera_poses()[2])) >= 30  # through SPZ
        page.keyboard.press("ArrowRight")
        wait(page, "s.standing === 1 && !s.flying")
        assert page.evaluate("document.querySelector('.thumb img').naturalWidth") > 0
