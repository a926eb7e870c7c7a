"""Gauss-Newton's equations of the bundle adjustment of parts, assembled and solved by their structure.

A track hangs on the poses of one part, so the matrix is one block per part, joined by the depths of tracks
alone: the parts are eliminated one by one (Schur's complement, Triggs et al. 2000, section 6.1). A pose in a
frame is a blend of control poses: products are summed over the tracks of a frame before they are blended.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.linalg import cho_factor, cho_solve
from scipy.sparse import csr_array

from recon.fourd.parts import Parts, Problem, seen_at

FLOOR = 1e-9
"""Of the greatest entry of the diagonal, added to it: what nothing tells does not move."""


@dataclass(frozen=True)
class Weights:
    """Of all that is asked for, against a miss of one pixel in one frame."""

    huber: float
    """Pixels beyond which a miss counts linearly."""
    smooth: float
    """Of a part's acceleration, pixels per frame²."""
    continuous: float
    """Relative difference of depth between neighbours that weighs as much as a pixel."""
    contact: float
    """The same, of the mean of the feet that were sown together from the depth of contact."""
    flat: float
    """The same, of each track."""


@dataclass(frozen=True, repr=False)
class Equations:
    """Of half of the cost; unknown are relative depths [P] and, by parts, small turns and shifts of the
    control poses [K, 6 C]."""

    depths: np.ndarray  # [P, P]
    poses: np.ndarray  # [K, 6 C, 6 C]
    mixed: np.ndarray  # [P, 6 C] each track with the poses of its part
    by_depths: np.ndarray  # [P] gradient
    by_poses: np.ndarray  # [K, 6 C]
    labels: np.ndarray  # [P]

    def step(self, damping: float) -> np.ndarray:
        """[P + K 6 C] of Levenberg and Marquardt.

        Raises:
            LinAlgError: Not positive, by rounding; damp more.
        """
        diagonal = np.concatenate([np.diag(self.depths), np.diagonal(self.poses, 0, 1, 2).ravel()])
        floor = FLOOR * diagonal.max()
        S, right = _damped(self.depths, damping, floor), -self.by_depths
        parts = []
        for k, (block, by_pose) in enumerate(zip(self.poses, self.by_poses, strict=True)):
            own = np.flatnonzero(self.labels == k)
            factor = cho_factor(_damped(block, damping, floor), overwrite_a=True, check_finite=False)
            solved = cho_solve(factor, np.concatenate([self.mixed[own], by_pose[None]]).T, check_finite=False)
            S[np.ix_(own, own)] -= self.mixed[own] @ solved[:, :-1]
            right[own] += self.mixed[own] @ solved[:, -1]
            parts.append((own, solved))
        depths = cho_solve(cho_factor(S, overwrite_a=True, check_finite=False), right, check_finite=False)
        twists = [-solved[:, -1] - solved[:, :-1] @ depths[own] for own, solved in parts]
        return np.concatenate([depths, *twists])


def _damped(matrix: np.ndarray, damping: float, floor: float) -> np.ndarray:
    out = matrix.copy()
    out[np.diag_indices_from(out)] *= 1 + damping
    out[np.diag_indices_from(out)] += floor
    return out


def equations(problem: Problem, parts: Parts, weights: Weights) -> Equations:
    """At the present state."""
    tracks, size = len(problem.sown), 6 * parts.quats.shape[1]
    depths, by_depths = _held(problem, parts, weights)
    poses, by_poses = np.zeros((len(parts), size, size)), np.zeros((len(parts), size))
    mixed, diagonal = np.zeros((tracks, size)), np.zeros(tracks)
    rest, splines = parts.rest(problem), parts.splines(problem.times)
    motions = zip(*parts.poses(problem.times), strict=True)
    even_motions = zip(*parts.poses(problem.even), strict=True)
    even_splines = parts.splines(problem.even)
    for k, (motion, even_motion) in enumerate(zip(motions, even_motions, strict=True)):
        own = np.flatnonzero(parts.labels == k)
        if len(own) == 0:
            continue
        seen = _seen(problem, parts, own, rest[own], *motion, splines, weights.huber)
        poses[k], by_poses[k], mixed[own], diagonal[own], gradient = seen
        by_depths[own] += gradient
        scale = pixels_per_unit(problem, parts, own) * weights.smooth * np.sqrt(share(problem, own))
        jerks, by_jerks = _smooth(scale, corners(rest[own]), *even_motion, even_splines)
        poses[k] += jerks
        by_poses[k] += by_jerks
    depths[np.diag_indices_from(depths)] += diagonal
    return Equations(depths, poses, mixed, by_depths, by_poses, parts.labels)


def _seen(
    problem: Problem,
    parts: Parts,
    own: np.ndarray,  # [p] tracks
    rest: np.ndarray,  # [p, 3]
    turns: np.ndarray,  # [F, 3, 3]
    shifts: np.ndarray,  # [F, 3]
    splines: np.ndarray,  # [F, C]
    huber: float,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Of the pixels of one part: poses [6 C, 6 C] and their gradient [6 C], poses with depths [p, 6 C], and
    of depths the diagonal [p] and the gradient [p]."""
    shown = seen_at(problem, own, rest, turns, shifts)
    size_of = np.linalg.norm(shown.misses, axis=-1)
    weight = np.where(size_of < huber, 1.0, huber / np.maximum(size_of, 1e-9)) * (shown.local[:, 2] > 1e-3)
    w = np.sqrt(weight)[:, None]
    p, f, r = shown.tracks, shown.frames, w * shown.misses
    # d(pixel) / d(world point)
    K, z = problem.K[f], np.maximum(shown.local[:, 2], 1e-3)
    A = np.zeros((len(p), 2, 3))
    A[:, 0, 0], A[:, 1, 1] = K[:, 0, 0] / z, K[:, 1, 1] / z
    A[:, 0, 2] = -K[:, 0, 0] * shown.local[:, 0] / z**2
    A[:, 1, 2] = -K[:, 1, 1] * shown.local[:, 1] / z**2
    A = w[..., None] * (A @ problem.camera_from_world[f, :3, :3])
    sown, group = np.unique(problem.sown[own], return_inverse=True)
    home = problem.sown[own][p]
    carry = A @ turns[f] @ turns[home].swapaxes(1, 2)  # of a shift where it was sown
    rays = problem.rays[own] * np.exp(parts.log_depths[own])[:, None]
    by_depth = np.einsum("nij,nj->ni", carry, rays[p])
    # A pixel moves with the poses in its frame and against those where it was sown: [n, 2, 12].
    there, here = (np.einsum("nij,nj->ni", turns[frame], rest[p]) for frame in (home, f))
    J = np.concatenate([_by_pose(A, here), -_by_pose(carry, there)], 2)
    frames, pairs = len(turns), len(sown) * len(turns)
    to = csr_array((np.ones(len(p)), (group[p] * frames + f, np.arange(len(p)))), (pairs, len(p)))
    products = (to @ np.einsum("nia,nib->nab", J, J).reshape(len(p), -1)).reshape(len(sown), frames, 12, 12)
    gradients = (to @ np.einsum("nia,ni->na", J, r)).reshape(len(sown), frames, 12)
    here, there = splines, splines[sown]
    size = 6 * splines.shape[1]
    poses = _blended(here, products[..., :6, :6].sum(0)) + _blended(there, products[..., 6:, 6:].sum(1))
    cross = np.tensordot(np.tensordot(here, products[..., :6, 6:], (0, 1)), there, (1, 0))  # [C, 6, 6, C]
    cross = cross.transpose(0, 1, 3, 2).reshape(size, size)
    gradient = here.T @ gradients[..., :6].sum(0) + there.T @ gradients[..., 6:].sum(1)
    mixed = np.zeros((len(own), frames, 12))
    mixed[p, f] = np.einsum("ni,nia->na", by_depth, J)
    by_both = here.T @ mixed[..., :6] + there[group][:, :, None] * mixed[..., 6:].sum(1)[:, None]
    return (
        poses + cross + cross.T,
        gradient.ravel(),
        by_both.reshape(len(own), size),
        np.bincount(p, (by_depth**2).sum(1), len(own)),
        np.bincount(p, (by_depth * r).sum(1), len(own)),
    )


def _blended(splines: np.ndarray, products: np.ndarray) -> np.ndarray:
    """[6 C, 6 C] of control poses, from products [T, 6, 6] of poses that are blends of them by [T, C]."""
    control = splines.shape[1]
    pairs = (splines[:, :, None] * splines[:, None]).reshape(len(splines), -1)
    blocks = (pairs.T @ products.reshape(len(splines), 36)).reshape(control, control, 6, 6)
    return blocks.swapaxes(1, 2).reshape(6 * control, 6 * control)


def _by_pose(A: np.ndarray, turned: np.ndarray) -> np.ndarray:
    """[n, i, 6] derivatives by a small turn and a shift, of what changes by A [n, i, 3] with places turned
    [n, 3]."""
    return np.concatenate([np.cross(turned[:, None], A), A], 2)


def _smooth(
    scale: float,
    corners: np.ndarray,  # [6, 3]
    turns: np.ndarray,  # [E, 3, 3]
    shifts: np.ndarray,  # [E, 3]
    splines: np.ndarray,  # [E, C]
) -> tuple[np.ndarray, np.ndarray]:
    """Of the accelerations of corners: poses [6 C, 6 C] and their gradient. Corners lie opposite each other,
    so that turns and shifts do not mix."""
    control, half = splines.shape[1], np.einsum("eij,cj->eci", turns, corners[:3])
    across = np.cross(half[:, :, None], np.eye(3))  # [E, 3, 3, 3] by a small turn
    J = np.diff(splines[:, None, None, :, None] * across[:, :, :, None], 2, axis=0).reshape(-1, 3 * control)
    bends = np.diff(splines, 2, axis=0)
    H, g = np.zeros((control, 6, control, 6)), np.zeros((control, 6))
    H[:, :3, :, :3] = (2 * scale**2 * J.T @ J).reshape(control, 3, control, 3)
    g[:, :3] = (2 * scale**2 * J.T @ np.diff(half, 2, axis=0).ravel()).reshape(control, 3)
    for axis in range(3, 6):
        H[:, axis, :, axis] = len(corners) * scale**2 * bends.T @ bends
    g[:, 3:] = len(corners) * scale**2 * bends.T @ np.diff(shifts, 2, axis=0)
    return H.reshape(6 * control, 6 * control), g.ravel()


def _held(problem: Problem, parts: Parts, weights: Weights) -> tuple[np.ndarray, np.ndarray]:
    """Of neighbours and contact: depths [P, P] and their gradient [P]."""
    tracks = len(problem.sown)
    H, g = np.zeros((tracks, tracks)), np.zeros(tracks)
    a, b = problem.edges.T
    weight = 1 / weights.continuous**2
    difference = weight * (parts.log_depths[a] - parts.log_depths[b])
    for one, other, pull in ((a, b, difference), (b, a, -difference)):
        np.add.at(H, (one, one), weight)
        np.add.at(H, (one, other), -weight)
        np.add.at(g, one, pull)
    for group, log_depth, feet, weight in problem.standing:
        off, stiff = parts.log_depths[group] - log_depth, weight / weights.contact**2
        H[np.ix_(group, group)] += stiff * np.outer(feet, feet)
        H[group, group] += 1 / weights.flat**2
        g[group] += stiff * (feet @ off) * feet + off / weights.flat**2
    return H, g


def corners(rest: np.ndarray) -> np.ndarray:
    """[6, 3] places around the middle of rest points [p, 3]."""
    spread = max(1e-4, float(rest.std(0).mean())) if len(rest) else 1e-4
    return spread * np.concatenate([np.eye(3), -np.eye(3)])


def pixels_per_unit(problem: Problem, parts: Parts, own: np.ndarray) -> float:
    """Where a part's tracks [p] are."""
    return float(problem.K[0, 0, 0] / np.exp(np.median(parts.log_depths[own])))


def share(problem: Problem, own: np.ndarray) -> float:
    """Weight of what is asked of a whole part, of tracks [p]: as much as they weigh in a frame."""
    return problem.seen[own].sum() / problem.seen.shape[1] / 6
