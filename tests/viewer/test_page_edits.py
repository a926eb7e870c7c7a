"""Editing in the page: crop, filters, up, measuring, undo, saving, the camera path; and access for all."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from viewer_page import OpenPage, capture, picture, state, wait
from viewer_scene import Splats, camera_poses, psnr, render

import viewer
from viewer import ply
from viewer.edits import edits_from_json

if TYPE_CHECKING:
    from playwright.sync_api import Page

SERIOUS = ("serious", "critical")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, scene: Path) -> Path:
    return shutil.copytree(scene, tmp_path_factory.mktemp("edits") / "scene")


@pytest.fixture(scope="module")
def shared_page(open_page: OpenPage, folder: Path) -> Iterator[Page]:
    with viewer.serve(folder) as url, open_page(url, size=(1200, 700), device_scale_factor=0.5) as page:
        yield page


@pytest.fixture
def page(shared_page: Page) -> Page:
    """At camera 0, nothing edited, no panel open."""
    for panel in ("edit", "path"):
        if shared_page.locator(f"#{panel}-panel").is_visible():
            shared_page.locator(f"#{panel}-close").click()
    shared_page.evaluate("splatreel.edit(null)")
    shared_page.evaluate("document.activeElement.blur()")
    shared_page.evaluate("splatreel.setCamera(0)")
    return shared_page


def kept_by_server(page: Page, folder: Path) -> int:
    return int(edits_from_json(state(page)["edits"]).keeps(ply.read(folder / "scene.ply")).sum())


@pytest.mark.parametrize("shape", ["box", "sphere"])
def test_crop_hides_what_the_server_leaves_out(page: Page, folder: Path, splats: Splats, shape: str) -> None:
    """The page, its picture and the server agree on what is inside; undo brings everything back."""
    page.keyboard.press("x")
    page.select_option("#crop-shape", shape)
    for i, value in enumerate(("0.3", "0.1", "0.0")):
        page.locator("#crop-centre input").nth(i).fill(value)
    for i, value in enumerate(("0.9", "1.2", "0.8")):
        page.locator("#crop-size input").nth(i).fill(value)
    wait(page, "s.hidden > 0")
    keep = edits_from_json(state(page)["edits"]).keeps(ply.read(folder / "scene.ply"))
    assert state(page)["hidden"] == (~keep).sum()
    assert f"{(~keep).sum():,} of 3,600" in page.locator("#hidden-count").inner_text()
    cut = Splats(*(part[keep] for part in vars(splats).values()))
    assert psnr(capture(page, 1), render(cut, camera_poses()[1])) >= 38
    page.select_option("#crop-keep", "outside")
    wait(page, f"s.hidden === {keep.sum()}")
    page.evaluate("document.activeElement.blur()")
    for _ in range(8):
        page.keyboard.press("Control+z")
    wait(page, "s.hidden === 0 && s.edits.crop === null")
    assert psnr(capture(page, 1), render(splats, camera_poses()[1])) >= 40
    page.keyboard.press("Control+Shift+z")
    wait(page, "s.edits.crop !== null")


def test_filters_and_saving(page: Page, folder: Path) -> None:
    page.keyboard.press("x")
    page.locator("#min-opacity").fill("50")
    page.locator("#max-extent").fill("95")
    wait(page, "s.hidden > 0 && s.dirty")
    assert 3600 - state(page)["hidden"] == kept_by_server(page, folder)
    page.locator("#ghosts").check()
    page.wait_for_timeout(300)
    red = capture(page, 0)
    page.locator("#ghosts").uncheck()
    page.wait_for_timeout(300)
    assert (red[..., 0] - capture(page, 0)[..., 0]).mean() > 0.002, "what is left out shows in red"
    page.locator("#edit-save").click()
    wait(page, "!s.dirty")
    stored = json.loads((folder / "edits.json").read_text())
    assert stored["min_opacity"] == 0.5
    page.reload()
    page.evaluate("splatreel.ready")
    assert state(page)["edits"]["min_opacity"] == 0.5
    assert state(page)["hidden"] > 0
    (folder / "edits.json").unlink()


def test_handles_move_the_crop(page: Page) -> None:
    page.keyboard.press("x")
    page.select_option("#crop-shape", "box")
    page.evaluate("document.activeElement.blur()")
    page.wait_for_timeout(500)
    before = state(page)
    handle = page.evaluate("splatreel.project(splatreel.state().edits.crop.centre)")
    page.mouse.move(handle["x"], handle["y"])
    page.wait_for_timeout(400)
    page.mouse.down()
    page.mouse.move(handle["x"] + 60, handle["y"] + 10, steps=4)
    page.mouse.up()
    page.wait_for_timeout(500)
    after = state(page)
    assert after["edits"]["crop"]["centre"] != before["edits"]["crop"]["centre"]
    assert after["worldFromCamera"] == before["worldFromCamera"], "the drag was the handle's"
    page.keyboard.press("Control+z")
    wait(page, f"s.edits.crop.centre[0] === {before['edits']['crop']['centre'][0]}")


def test_measuring_and_scale(page: Page) -> None:
    """Two clicks on the cube's front: its visible edge has 0.44 units, as it was built."""
    page.keyboard.press("m")
    for x in (-0.22, 0.22):
        point = page.evaluate("p => splatreel.project(p)", [0.38 + x * 0.8, 0.2, -0.12])
        page.mouse.click(point["x"], point["y"])
    page.wait_for_timeout(200)
    said = page.locator("#probe-says").inner_text()
    assert said.endswith("units")
    length = float(said.split()[0])
    assert 0.25 < length < 0.6
    page.locator("#known").fill("3")
    page.locator("#known").press("Tab")
    wait(page, "s.edits.metres_per_unit !== null")
    assert abs(state(page)["edits"]["metres_per_unit"] - 3 / length) < 0.02 * 3 / length
    assert "3.00 m" in page.locator("#probe-says").inner_text()


def test_up_is_what_the_user_says(page: Page) -> None:
    page.keyboard.press("x")
    page.locator("#up-view").click()
    wait(page, "s.edits.up !== null && !s.flying")
    pose = np.reshape(state(page)["worldFromCamera"], (4, 4))
    np.testing.assert_allclose(state(page)["up"], -pose[:3, 1], atol=1e-6)
    page.locator("#up-reset").click()
    wait(page, "s.edits.up === null && s.up[1] === -1")


def test_camera_path_is_previewed_and_rendered(page: Page, folder: Path) -> None:
    page.keyboard.press("k")
    page.keyboard.press("n")
    page.evaluate("splatreel.setCamera(4)")
    page.keyboard.press("n")
    wait(page, "s.edits.path.keyframes.length === 2")
    np.testing.assert_allclose(
        state(page)["edits"]["path"]["keyframes"][1]["world_from_camera"],
        camera_poses()[4].ravel(),
        atol=1e-6,
    )
    page.locator("#path-seconds").fill("1")
    page.locator("#path-seconds").press("Tab")
    page.locator("#path-play").click()
    page.wait_for_timeout(600)
    between = np.reshape(state(page)["worldFromCamera"], (4, 4))[:3, 3]
    ends = camera_poses()[[0, 4], :3, 3]
    assert np.linalg.norm(ends - between, axis=1).max() < np.linalg.norm(ends[1] - ends[0]) * 1.2
    page.wait_for_timeout(900)
    page.locator("#video-size").select_option(index=0)
    page.locator("#video-fps").select_option("24")
    page.locator("#video-start").click()
    for _ in range(200):
        if "Written" in (said := page.locator("#video-says").inner_text()):
            break
        page.wait_for_timeout(100)
    assert "path.mp4" in said
    assert (folder / "export/path.mp4").stat().st_size > 1000
    page.locator("#path-list .remove").first.click()
    wait(page, "s.edits.path.keyframes.length === 1")
    assert page.locator("#path-play").is_disabled()


def test_typing_is_not_flying(page: Page) -> None:
    page.keyboard.press("x")
    page.select_option("#crop-shape", "box")
    before = state(page)
    field = page.locator("#crop-centre input").first
    field.focus()
    for key in ("w", "ArrowRight", "b", " "):
        page.keyboard.press(key)
    page.wait_for_timeout(300)
    after = state(page)
    assert after["worldFromCamera"] == before["worldFromCamera"]
    assert after["standing"] == before["standing"]
    assert after["edits"]["background"] is None
    assert not after["playing"]


@pytest.mark.parametrize("panel", [None, "x", "k", "?"])
@pytest.mark.parametrize("scheme", ["dark", "light"])
def test_axe_finds_no_serious_fault(
    open_page: OpenPage, folder: Path, panel: str | None, scheme: str
) -> None:
    axe = pytest.importorskip("axe_playwright_python", reason="axe-playwright-python is not installed")
    script = (Path(axe.__file__).parent / "axe.min.js").read_text()
    options = {"size": (1200, 700), "device_scale_factor": 0.5, "color_scheme": scheme, "bypass_csp": True}
    with viewer.serve(folder) as url, open_page(url, **options) as page:
        if panel:
            page.keyboard.press(panel)
        page.select_option("#compare-mode", "blend", force=True)
        page.wait_for_timeout(300)
        page.evaluate(script)
        found = page.evaluate("axe.run({resultTypes: ['violations']})")["violations"]
        faults = [(f["id"], f["nodes"][0]["html"][:120]) for f in found if f["impact"] in SERIOUS]
        assert not faults


def test_everything_is_reached_by_keyboard(page: Page) -> None:
    """Tab goes through every control of the page, in order, and comes back."""
    page.evaluate("document.querySelector('#canvas').focus()")
    seen = []
    for _ in range(60):
        page.keyboard.press("Tab")
        seen.append(page.evaluate("document.activeElement.id || document.activeElement.className"))
    for control in ("fold", "mode", "edit", "path", "play", "track", "speed", "compare-mode", "help"):
        assert control in seen, control


def test_phones_get_the_panels_too(open_page: OpenPage, folder: Path) -> None:
    with viewer.serve(folder) as url, open_page(url, size=(390, 760), has_touch=True) as page:
        page.locator("#edit").tap()
        box = page.locator("#edit-panel").bounding_box()
        assert box
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= 390
        assert box["y"] + box["height"] <= 760
        assert picture(page.screenshot()).std() > 0.05
