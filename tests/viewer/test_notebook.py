"""A scene as the value of a notebook cell."""

from __future__ import annotations

from pathlib import Path

import pytest

import viewer
from viewer import notebook


def test_a_cell_holds_the_whole_page(browser, scene: Path) -> None:
    cell = viewer.show(scene, height=300)
    assert "MB" in repr(cell)
    page = browser.new_context(offline=True).new_page()
    page.set_content(f"<h1>Notebook</h1>{cell._repr_html_()}")
    frame = page.frames[1]
    for _ in range(200):
        if frame.evaluate("window.splatreel ? splatreel.ready.then(() => splatreel.state().gaussians) : 0"):
            break
        page.wait_for_timeout(50)
    state = frame.evaluate("splatreel.state()")
    assert (state["gaussians"], state["cameras"], state["error"]) == (3600, 6, False)
    page.context.close()


def test_too_large_for_a_notebook(scene: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notebook, "MOST_BYTES", 1000)
    with pytest.raises(viewer.ViewerError, match="expected at most"):
        viewer.show(scene)
