"""Fixtures: one synthetic scene and one browser for all viewer tests."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from viewer_page import OpenPage
from viewer_scene import Splats, make_splats, write_scene

if TYPE_CHECKING:
    from playwright.sync_api import Browser

    from recon.fourd.motion import Splats4D

CHROMIUM = Path("/usr/bin/chromium")
FLAGS = [
    "--headless=new",
    "--no-sandbox",
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-quic",
    "--ignore-gpu-blocklist",
    "--disable-component-update",
]


@pytest.fixture(scope="session")
def splats() -> Splats:
    return make_splats()


@pytest.fixture(scope="session")
def splats4d(splats: Splats) -> Splats4D:
    from viewer_motion import make_splats4d

    return make_splats4d(splats)


@pytest.fixture(scope="session")
def scene(tmp_path_factory: pytest.TempPathFactory, splats: Splats) -> Path:
    """A scene folder (two chunks, six cameras); the name has a space on purpose. Not to be changed."""
    return write_scene(tmp_path_factory.mktemp("viewer") / "ball & cube", splats)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    if not CHROMIUM.exists():
        pytest.skip(f"no browser at {CHROMIUM}")
    with api.sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=str(CHROMIUM), args=FLAGS)
        yield launched
        launched.close()


@pytest.fixture(scope="session")
def open_page(browser: Browser) -> OpenPage:
    """`with open_page(url) as page`: a ready page in a fresh profile; console errors fail the test."""

    @contextmanager
    def opened(url: str, *, size: tuple[int, int] = (920, 480), errors: bool = False, **more: Any):
        context = browser.new_context(viewport={"width": size[0], "height": size[1]}, **more)
        page, said = context.new_page(), []
        page.on("console", lambda m: said.append(m.text) if m.type in ("error", "warning") else None)
        page.on("pageerror", lambda error: said.append(str(error)))
        try:
            page.goto(url)
            page.evaluate("splatreel.ready")
            yield page
            assert errors or not said, said
        finally:
            context.close()

    return opened
