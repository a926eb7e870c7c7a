"""Fixtures that all tests share."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def shared_clips() -> Path:
    """Real clips beside the checkout; they are not part of the project."""
    clips = Path(__file__).parents[2] / "shared" / "clips"
    if not clips.is_dir():
        pytest.skip(f"no real clips at {clips}")
    return clips
