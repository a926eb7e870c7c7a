"""The adjustment of all cameras to arrays of observations, on points and cameras that are known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from recon.events import ignore
from recon.joint_adjustment import FIRST_TOLERANCE, MOST, _placed, _Seen
from recon.solver_process import progress, run_job

FOCAL, NOISE, FRAMES, POINTS, WRONG = 560.0, 0.25, 12, 160, 0.3


def observations(seed: int, count: int = POINTS) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """An orbit of 8° about things 3 to 9 away, and which points [P] are matched to something else in each
    frame; the focal length is 8 % too long."""
    rng = np.random.default_rng(seed)
    angles = np.radians(np.linspace(-4, 4, FRAMES))
    poses = np.tile(np.eye(4), (FRAMES, 1, 1))
    poses[:, :3, :3] = Rotation.from_rotvec(np.outer(angles, [0, 1.0, 0])).as_matrix()
    poses[:, :3, 3] = np.array([0, 0, 5.0]) - poses[:, :3, :3] @ [0, 0, 5.0]
    depth = rng.uniform(3, 9, count)
    points = np.stack([rng.uniform(-0.35, 0.35, count), rng.uniform(-0.2, 0.2, count), np.ones(count)], 1)
    points *= depth[:, None]
    local = np.einsum("fij,pj->fpi", poses[:, :3, :3], points) + poses[:, None, :3, 3]
    xy = FOCAL * local[..., :2] / local[..., 2:] + rng.normal(0, 0.1, (FRAMES, count, 2))
    wrong = rng.random(count) < WRONG
    xy[:, wrong] += rng.normal(0, 12, (FRAMES, int(wrong.sum()), 2))
    frame, point = np.meshgrid(np.arange(FRAMES), np.arange(count), indexing="ij")
    arrays = {
        "camera_from_world": poses,
        "focal": np.array(1.08 * FOCAL),
        "points": points * [1, 1, 1.08],
        "point": point.ravel(),
        "frame": frame.ravel(),
        "xy": xy.reshape(-1, 2),
    }
    return arrays, wrong


def adjusted(arrays: dict[str, np.ndarray], tolerance: float, work: Path) -> dict[str, np.ndarray]:
    """In a child process, as the solver does."""
    np.savez(work / "given.npz", **arrays)  # type: ignore[arg-type]
    files = {"arrays": str(work / "given.npz"), "result": str(work / "found.npz")}
    job = {"kind": "adjust", **files, "noise": NOISE, "focal_free": True, "tolerance": tolerance}
    run_job(job, work, progress(ignore))
    return dict(np.load(work / "found.npz"))


@pytest.mark.parametrize("seed", [0, 1])
def test_what_does_not_fit_is_left_out_the_second_time(tmp_path: Path, seed: int) -> None:
    """The focal length is right then, and points that were matched wrongly are lost; one round keeps all."""
    arrays, wrong = observations(seed)
    once, twice = (adjusted(arrays, tolerance, tmp_path) for tolerance in (FIRST_TOLERANCE, 1e-7))
    assert np.isfinite(once["points"]).all()
    lost = ~np.isfinite(twice["points"]).all(1)
    assert lost[wrong].mean() > 0.8
    assert lost[~wrong].mean() < 0.02
    assert float(twice["focal"]) == pytest.approx(FOCAL, rel=0.04)


def test_points_that_are_seen_seldom_are_placed_before_the_cameras_of_the_others(tmp_path: Path) -> None:
    arrays, wrong = observations(0, MOST + 300)
    seldom = np.arange(MOST + 300) >= MOST
    seen = ~(seldom[arrays["point"]] & (arrays["frame"] % 3 > 0))  # in a third of the frames
    rows = {name: arrays[name][seen] for name in ("point", "frame", "xy")}
    found = adjusted({**arrays, **rows}, FIRST_TOLERANCE, tmp_path)
    scene = found["camera_from_world"], float(found["focal"]), found["points"]
    observed = _Seen(rows["point"], rows["frame"], rows["xy"])
    misses = observed.misses(scene)
    right = ~wrong[rows["point"]]
    for own in (seldom, ~seldom):
        assert np.median(misses[own[rows["point"]] & right]) < 0.2  # pixels; noise is 0.1 in x and y
    # A step more, from somewhere else, ends in the same places: each is where it fits best.
    start = scene[0], scene[1], np.where(seldom[:, None], scene[2] * 1.05, np.nan)
    again = _placed(start, observed.select(seldom[rows["point"]]), NOISE)
    places = seldom & ~wrong
    assert np.allclose(again[places], scene[2][places], rtol=1e-3)
