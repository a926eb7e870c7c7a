"""The suite of scenes that move: a small one from the clip to the table, and the laws of its parts."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from recon import FitConfig
from recon.errors import ReconError
from recon.raster.core_step import NAMES
from suites.fourd import scenes, suite
from suites.fourd.baselines import Paths
from tests.recon import synthetic


def test_a_path_through_no_coefficients_rests() -> None:
    """And a coefficient of degree 1 is a velocity: metres over the length of the clip."""
    gaussians = synthetic.ball()
    count = len(gaussians)
    more = {"centres": torch.full((count,), 0.5), "log_widths": torch.full((count,), 20.0)}
    params = {name: getattr(gaussians, name) for name in NAMES}
    resting = Paths({**params, **more, "paths": torch.zeros(count, 3, 3)}, 2.0)
    assert torch.allclose(resting.at(1.7).means, gaussians.means)
    assert torch.allclose(
        resting.at(1.7).logit_opacities.sigmoid(), gaussians.logit_opacities.sigmoid(), atol=1e-5
    )
    paths = torch.zeros(count, 1, 3)
    paths[:, 0] = torch.tensor([1.0, 0.0, -2.0])
    moving = Paths({**params, **more, "paths": paths}, 2.0)
    went = moving.at(1.5).means - moving.at(0.5).means
    assert torch.allclose(went, 0.5 * paths[:, 0], atol=1e-6)


def test_a_small_suite_ends_in_scores(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(scenes, "WIDTH", 240)
    monkeypatch.setattr(scenes, "HEIGHT", 136)
    monkeypatch.setitem(scenes.RECIPES, "rigid", replace(scenes.RIGID, frames=13))
    config = FitConfig(steps=200, budget=6000, long_side=240, sh_degree=0, dense=False)
    monkeypatch.setattr(suite, "config_for", lambda preset: config)
    (row,) = suite.run(("rigid",), cameras="true", preset="preview", out=tmp_path, baselines=True)["rigid"]
    assert row.moving > row.static_moving + 1.0
    assert 0 < row.drift < 20
    assert 0 < row.lifetime <= 1
    table = capsys.readouterr().out
    assert all(f"rigid, {way}" in table for way in ("static", "per frame", "cubic", "linear"))
    # What is there is found again, with the time it took.
    again = suite.run(("rigid",), cameras="true", preset="preview", out=tmp_path)["rigid"]
    assert json.dumps(again[0].__dict__) == json.dumps(row.__dict__)
    assert np.isfinite(row.seconds)


def test_a_scene_that_is_not_in_the_suite(tmp_path: Path) -> None:
    with pytest.raises(ReconError, match="found no scene 'robot' in the suite, expected some of: rigid"):
        suite.run(("robot",), out=tmp_path)
