"""Shared fixtures."""

from __future__ import annotations

from pathlib import Path

import pytest

CLIPS = Path(__file__).parents[2] / "shared" / "clips"


@pytest.fixture(scope="session")
def shared_clips() -> Path:
    """Real clips beside the checkout, where a developer has them."""
    if not CLIPS.is_dir():
        pytest.skip(f"no real clips at {CLIPS}")
    return CLIPS
