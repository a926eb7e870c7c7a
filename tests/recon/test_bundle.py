"""The equations of parts that move, and turns that are seen the wrong way round."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial.transform import Rotation
from threadpoolctl import threadpool_limits

from recon.fourd.bundle import WEIGHTS, adjust, cost_of
from recon.fourd.contact import Contact
from recon.fourd.motion import Bases
from recon.fourd.normal_equations import corners, equations, pixels_per_unit, share
from recon.fourd.parts import Parts, Problem, seen_at
from recon.fourd.reversal import bulges, mirrored, unreversed
from recon.fourd.tracks import Tracks
from tests.recon.test_fourd import FPS, FRAMES, TIMES, Box, seen_faces, true_tracks

SPACING = 3 / FPS


@pytest.fixture(autouse=True)
def _one_thread():
    """As `lift` has it: a second one waits for seconds where the other core is busy."""
    with threadpool_limits(limits=1, user_api="blas"):
        yield


def short_lived(box: Box) -> tuple[Tracks, np.ndarray]:
    """Tracks sown in all frames and lost after a few, and their depths there [P]."""
    tracks = true_tracks(box, noise=0.2)
    own = seen_faces(box)
    sown = np.random.default_rng(3).integers(0, FRAMES, len(tracks))
    seen = np.abs(np.arange(FRAMES) - sown[:, None]) <= 5
    places = np.stack([box.points(float(TIMES[f]))[p] for p, f in zip(own, sown, strict=True)])
    view = box.cameras.camera_from_world[sown]
    depths = np.einsum("pj,pj->p", view[:, 2, :3], places) + view[:, 2, 3]
    return Tracks(tracks.xy, seen, sown), depths


def problem_of(box: Box, tracks: Tracks, depths: np.ndarray) -> Problem:
    edges = np.stack([np.arange(len(tracks) - 1), np.arange(1, len(tracks))], 1)
    contact = Contact(depths, np.arange(len(tracks)) % 3 == 0)
    return Problem.of(tracks, box.cameras.K, box.cameras.camera_from_world, TIMES, edges, contact)


def true_parts(box: Box, problem: Problem, depths: np.ndarray, parts: int = 1) -> Parts:
    """All as the box moves, nearly."""
    control = Bases.count_for(TIMES[-1] - TIMES[0], SPACING)
    when = TIMES[0] + SPACING * (np.arange(control) - 1)
    poses = [box.pose(float(np.clip(t, TIMES[0], TIMES[-1]))) for t in when]
    quats = Rotation.from_matrix(np.stack([turn for turn, _ in poses])).as_quat(scalar_first=True)
    places = np.stack([place for _, place in poses])
    labels = np.arange(len(depths)) % parts
    every = np.tile(quats, (parts, 1, 1)), np.tile(places, (parts, 1, 1))
    return Parts(labels, np.log(depths), *every, float(TIMES[0]), SPACING)


def residuals(problem: Problem, parts: Parts, scales: list[float], spreads: list[np.ndarray]) -> np.ndarray:
    """All whose squares the cost is, without Huber's loss."""
    out, rest = [], parts.rest(problem)
    turns, shifts = parts.poses(problem.times)
    even_turns, even_shifts = parts.poses(problem.even)
    for k in range(len(parts)):
        own = np.flatnonzero(parts.labels == k)
        out.append(seen_at(problem, own, rest[own], turns[k], shifts[k]).misses.ravel())
        way = np.einsum("eij,cj->eci", even_turns[k], spreads[k]) + even_shifts[k][:, None]
        out.append(scales[k] * np.diff(way, 2, axis=0).ravel())
    a, b = problem.edges.T
    out.append((parts.log_depths[a] - parts.log_depths[b]) / WEIGHTS.continuous)
    for group, log_depth, feet, weight in problem.standing:
        off = parts.log_depths[group] - log_depth
        out += [np.sqrt(weight) * np.atleast_1d(feet @ off) / WEIGHTS.contact, off / WEIGHTS.flat]
    return np.concatenate(out)


def test_equations_are_those_of_finite_differences():
    box = Box()
    tracks, depths = short_lived(box)
    tracks, depths = tracks.select(np.arange(0, 250, 12)), depths[::12]
    problem = problem_of(box, tracks, depths)
    parts = true_parts(box, problem, depths * np.linspace(0.99, 1.01, len(depths)), parts=2)
    # Small turns of control poses add up exactly only where these agree.
    parts = replace(parts, quats=np.repeat(parts.quats[:, 3:4], parts.quats.shape[1], axis=1))
    owns = [np.flatnonzero(parts.labels == k) for k in range(2)]
    loose = replace(WEIGHTS, huber=1e9)
    scales = [
        pixels_per_unit(problem, parts, own) * loose.smooth * np.sqrt(share(problem, own)) for own in owns
    ]
    spreads = [corners(parts.rest(problem)[own]) for own in owns]
    found = equations(problem, parts, loose)
    size, step = len(depths) + parts.quats[..., 0].size * 6, 1e-6
    columns = [
        (
            residuals(problem, parts.moved(step * unit), scales, spreads)
            - residuals(problem, parts.moved(-step * unit), scales, spreads)
        )
        / (2 * step)
        for unit in np.eye(size)
    ]
    J, r = np.stack(columns, 1), residuals(problem, parts, scales, spreads)
    H = np.zeros((size, size))
    H[: len(depths), : len(depths)] = found.depths
    for k, own in enumerate(owns):
        block = len(depths) + np.arange(found.poses.shape[1]) + k * found.poses.shape[1]
        H[np.ix_(block, block)] = found.poses[k]
        H[np.ix_(own, block)] = found.mixed[own]
        H[np.ix_(block, own)] = found.mixed[own].T
    gradient = np.concatenate([found.by_depths, found.by_poses.ravel()])
    assert np.abs(H - J.T @ J).max() < 1e-5 * np.abs(H).max()
    assert np.abs(gradient - J.T @ r).max() < 1e-5 * np.abs(gradient).max()
    # Parts eliminated one by one give the step of the whole system.
    diagonal = np.diag(H)
    whole = H + np.diag(1e-3 * diagonal + 1e-9 * diagonal.max())
    assert np.allclose(found.step(1e-3), -np.linalg.solve(whole, gradient), rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("frame", [0, FRAMES // 2])
def test_a_turn_seen_the_wrong_way_round_is_put_right(frame: int):
    """From the start, and in the second half only; from so far away that perspective tells little."""
    box = Box()
    poses, K = box.cameras.world_from_camera.copy(), box.cameras.K.copy()
    poses[:, :3, 3] *= 4
    K[:, :2, :2] *= 4
    box.cameras = replace(box.cameras, world_from_camera=poses, K=K)
    tracks, depths = short_lived(box)
    problem = problem_of(box, tracks, depths)
    right = adjust(problem, true_parts(box, problem, depths))
    wrong = adjust(problem, mirrored(problem, right, frame))
    assert cost_of(problem, wrong) > 1.3 * cost_of(problem, right)  # small steps do not find back
    assert bulges(problem, wrong) < bulges(problem, right) - 0.2
    found = unreversed(problem, wrong)
    assert cost_of(problem, found) < 1.02 * cost_of(problem, right)
    assert unreversed(problem, right) is right
