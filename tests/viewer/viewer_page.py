"""Helpers of the browser tests."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

if TYPE_CHECKING:
    from playwright.sync_api import Page

OpenPage = Callable[..., AbstractContextManager["Page"]]
"""`with open_page(url, size=(w, h), errors=False, **context options) as page`, a fixture."""


def capture(page: Page, camera: int) -> np.ndarray:
    """[H, W, 3] in 0..1: the splats at a training camera's pose and resolution."""
    url: str = page.evaluate("camera => splatreel.capture({camera})", camera)
    return picture(base64.b64decode(url.partition(",")[2]))


def picture(png: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB")) / 255


def state(page: Page) -> dict[str, Any]:
    return page.evaluate("splatreel.state()")


def wait(page: Page, condition: str) -> None:
    """Until a condition on the state `s` holds (the page's policy forbids playwright's own waiting)."""
    for _ in range(300):
        if page.evaluate(f"(() => {{ const s = splatreel.state(); return {condition}; }})()"):
            return
        page.wait_for_timeout(50)
    raise AssertionError(f"never held: {condition}; {state(page)}")
