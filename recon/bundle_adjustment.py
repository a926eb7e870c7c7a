"""Bundle adjustment of poses, points and one focal length.

Levenberg-Marquardt on the reduced camera system (Triggs et al. 2000, "Bundle adjustment: a modern
synthesis", section 6.1), with Cauchy's loss by reweighting. Two things make few steps enough where
parallax is small, and focal length, depths and turns can be exchanged along a long, bent valley of the cost:

- A point moves across its ray and in inverse depth (Civera et al. 2008), in which its picture hardly bends.
- A step that changes the focal length leaves the valley by more than it gains, so poses and points follow
  it back to the valley's floor before the cost is asked whether it was good. (A drawn 6° orbit with a
  mover takes 40 linear systems; without this 360 do not reach its end.)
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from scipy.spatial.transform import Rotation

DAMPING, MOST_DAMPING = 1e-9, 1e-1
"""Of Levenberg and Marquardt: shares of the diagonal. The least one keeps in place what nothing tells."""
SETTLING, SETTLED = 8, 1e-3
"""Steps at most before the focal length is let go, and the share of the cost by which one must lower it to
be followed by another."""
FOLLOWING, FOLLOWED = 4, 1e-4
"""The same for poses and points that follow a change of the focal length."""
LOCKED = 20
"""Steps at most where the focal length stays."""
STEPS, SHORTEST = 20, 0.1
"""Changes of the focal length at most, and the share of one that is tried at least."""
STILL, GAIN = 1e-3, 1e-4
"""Shares by which focal length and cost change, below which nothing follows."""
BEHIND = 1e3
"""Squares of the noise that a point behind a camera counts for, in Cauchy's logarithm."""
STRIDE = 0.1
"""Change of the logarithm of the focal length that poses and points can follow at once."""
PLACED = 10
"""Steps of points before cameras that stay."""
BATCH = 4000
"""Points that are placed at once, for the sake of memory."""


class World(NamedTuple):
    """Cameras with one focal length, and points; those that are lost are nan."""

    camera_from_world: np.ndarray  # [F, 4, 4]
    focal: float  # pixels
    points: np.ndarray  # [P, 3]


class Observed(NamedTuple):
    """Where points were seen, without distortion."""

    xy: np.ndarray  # [2, P, F] pixels from the principal point
    seen: np.ndarray  # [P, F] bool

    def select(self, points: Any) -> Observed:
        """Of some of the points only."""
        return Observed(self.xy[:, points], self.seen[points])

    def misses(self, world: World) -> np.ndarray:
        """[P, F] pixels; nan where a point is lost or not seen, infinite behind a camera."""
        z, at = _pictures(world)
        miss = np.where(z <= 0, np.inf, np.hypot(*(world.focal * at - self.xy)))
        return np.where(self.seen, miss, np.nan)

    def mean_misses(self, world: World) -> np.ndarray:
        """[P] float32 pixels, means over the frames that see a point; nan for lost points."""
        misses = self.misses(world)
        seen = ~np.isnan(misses)
        total = np.minimum(np.where(seen, misses, 0), 1e3).sum(1)
        return np.where(seen.any(1), total / np.maximum(seen.sum(1), 1), np.nan).astype(np.float32)


def adjusted(world: World, observed: Observed, *, noise: float, focal_free: bool) -> World:
    """The world with poses, points and, where it is free, the focal length where they fit best.

    The first camera stays, and so does one coordinate of the camera farthest from it, for the scale. Points
    that end behind a camera that sees them are lost, as are those that nothing sees.

    Args:
        noise: Pixels beyond which an observation pulls less than its square.
    """
    own = _usable(world, observed)
    problem = _Problem(observed.select(own), noise)
    found = world._replace(points=world.points[own])
    if focal_free:
        found = _with_focal(problem, found)
    else:
        found, _ = _settled(problem, found, LOCKED, GAIN)
    points = np.full(world.points.shape, np.nan)
    points[own] = _ahead(found, problem.observed)
    return found._replace(points=points)


def worse_with(world: World, observed: Observed, noise: float, change: float) -> float:
    """The logarithm by which the cost of an adjusted world grows when its focal length is `change` times as
    long and poses and points have followed; little or less where nothing tells the focal length."""
    own = _usable(world, observed)
    problem, found = _Problem(observed.select(own), noise), world._replace(points=world.points[own])
    before = problem.cost(found)
    steps = math.ceil(abs(math.log(change)) / STRIDE)
    for _ in range(steps):
        there = found._replace(focal=found.focal * change ** (1 / steps))
        found, _ = _settled(problem, there, FOLLOWING, SETTLED)
    _, cost = _settled(problem, found, LOCKED, GAIN)
    return math.log(cost / before)


def placed(world: World, observed: Observed, noise: float) -> np.ndarray:
    """[P, 3] the points where they fit best before cameras that stay, each for itself: Gauss-Newton steps,
    nan for those that come to lie behind a camera that sees them, or nowhere."""
    points = np.full(world.points.shape, np.nan)
    own = _usable(world, observed)
    still = np.zeros(6 * len(world.camera_from_world) + 1)
    for few in np.array_split(own, -(-len(own) // BATCH) or 1):
        seen, found = observed.select(few), world._replace(points=world.points[few])
        for _ in range(PLACED):
            J, residual, *_ = _of_points(seen, noise, found, _axes(found)[1])
            lower = _cholesky(_products(J), 1e-6)
            half = _forward(lower, np.einsum("iapf,apf->ip", J, residual)[:, :, None])
            found = _moved(found, still, -_backward(lower, half[:, :, 0]).T)
        points[few] = _ahead(found, seen)
    return points


def _usable(world: World, observed: Observed) -> np.ndarray:
    """Numbers of the points that are somewhere and seen."""
    return np.flatnonzero(np.isfinite(world.points).all(1) & observed.seen.any(1))


class _Problem(NamedTuple):
    """What stays the same during an adjustment."""

    observed: Observed
    noise: float

    def cost(self, world: World) -> float:
        """Cauchy's loss of all observations, in squares of the noise."""
        z, at = _pictures(world)
        square = ((world.focal * at - self.observed.xy) ** 2).sum(0) / self.noise**2
        return float(
            np.log1p(np.where(z > 0, square, BEHIND), where=self.observed.seen, out=np.zeros(z.shape)).sum()
        )


def _with_focal(problem: _Problem, world: World) -> World:
    """Along the valley: one change of the focal length after another, each followed by all else."""
    world, cost = _settled(problem, world, SETTLING, SETTLED)
    for _ in range(STEPS):
        cameras, points = _step(problem, world, DAMPING, focal_free=True)
        share = 1.0
        while True:
            tried, new = _settled(
                problem, _moved(world, share * cameras, share * points), FOLLOWING, FOLLOWED
            )
            if new < cost or share < SHORTEST:
                break
            share /= 2
        if not new < cost:
            break
        change, gain = abs(tried.focal / world.focal - 1), 1 - new / cost
        world, cost = tried, new
        if change < STILL and gain < GAIN:
            break
    return world


def _settled(problem: _Problem, world: World, most: int, enough: float) -> tuple[World, float]:
    """The best poses and points with the focal length as it is, after so many steps at most; their cost."""
    cost, damping = problem.cost(world), DAMPING
    for _ in range(most):
        while True:
            tried = _moved(world, *_step(problem, world, damping, focal_free=False))
            new = problem.cost(tried)
            if new < cost or damping > MOST_DAMPING:
                break
            damping *= 100
        if not new < cost:
            break
        gain, world, cost = 1 - new / cost, tried, new
        damping = max(damping / 100, DAMPING)
        if gain < enough:
            break
    return world, cost


def _pictures(world: World) -> tuple[np.ndarray, np.ndarray]:
    """Depths [P, F] of the points before the cameras and places [2, P, F] at a focal length of one."""
    poses = world.camera_from_world
    local = [world.points @ poses[:, i, :3].T + poses[:, i, 3] for i in range(3)]
    with np.errstate(divide="ignore", invalid="ignore"):
        return local[2], np.stack([local[0] / local[2], local[1] / local[2]])


def _ahead(world: World, observed: Observed) -> np.ndarray:
    """[P, 3] the points, lost where they lie behind a camera that sees them."""
    z, _ = _pictures(world)
    ahead = np.all((z > 0) | ~observed.seen, axis=1, keepdims=True)
    return np.where(ahead, world.points, np.nan)


def _moved(world: World, cameras: np.ndarray, points: np.ndarray) -> World:
    """After a step: [6 F + 1] shifts and turns of each camera (x of all, y of all, …) and the logarithm of
    the focal length; [P, 3] moves of the points along `_axes`."""
    twists = cameras[:-1].reshape(6, -1).T
    poses = world.camera_from_world.copy()
    poses[:, :3] = Rotation.from_rotvec(twists[:, 3:]).as_matrix() @ poses[:, :3]
    poses[:, :3, 3] += twists[:, :3]
    origin, axes = _axes(world)
    ray = world.points - origin + np.einsum("pij,pj->pi", axes[:, :, :2], points[:, :2])
    nearer = np.maximum(1 + points[:, 2:], 0.1)  # never behind the middle camera
    return World(poses, world.focal * float(np.exp(cameras[-1])), origin + ray / nearer)


def _axes(world: World) -> tuple[np.ndarray, np.ndarray]:
    """The centre of the middle camera [3], and for each point [P, 3, 3] what a step of one is in the world:
    twice across its ray from there, and in the logarithm of the inverse distance."""
    middle = world.camera_from_world[len(world.camera_from_world) // 2]
    origin = -middle[:3, :3].T @ middle[:3, 3]
    ray = world.points - origin
    far = np.linalg.norm(ray, axis=1, keepdims=True)
    side = np.cross(ray, np.where(np.abs(ray[:, :1]) < 0.7 * far, [1.0, 0, 0], [0, 1.0, 0]))
    side *= far / np.linalg.norm(side, axis=1, keepdims=True)
    return origin, np.stack([side, np.cross(ray, side) / far, -ray], 2)


def _step(
    problem: _Problem, world: World, damping: float, *, focal_free: bool
) -> tuple[np.ndarray, np.ndarray]:
    """A step of Levenberg and Marquardt, as `_moved` takes it."""
    _, axes = _axes(world)
    J, residual, *rest = _of_points(problem.observed, problem.noise, world, axes)
    K = _of_cameras(*rest)
    matrix, gradient = _cameras_alone(K, residual)
    diagonal = np.diag(matrix).copy()
    lower = _cholesky(_products(J), damping)
    mixed = _forward(lower, _mixed(J, K))
    half = _forward(lower, np.einsum("iapf,apf->ip", J, residual)[:, :, None])[:, :, 0]
    flat = mixed.reshape(-1, mixed.shape[2])
    matrix -= flat.T @ flat
    gradient -= flat.T @ half.ravel()
    matrix[np.diag_indices_from(matrix)] += (damping + 1e-12) * diagonal
    free = np.flatnonzero(_free(world, focal_free) & (diagonal > 0))
    cameras = np.zeros(len(gradient))
    cameras[free] = -np.linalg.solve(matrix[np.ix_(free, free)], gradient[free])
    return cameras, -_backward(lower, half + mixed @ cameras).T


def _mixed(J: np.ndarray, K: np.ndarray) -> np.ndarray:
    """[3, P, 6 F + 1] what points and cameras share of Gauss-Newton's matrix."""
    _, _, points, frames = J.shape
    mixed = np.empty((3, points, 6 * frames + 1))
    for i in range(3):
        for j in range(6):
            mixed[i, :, j * frames : (j + 1) * frames] = J[i, 0] * K[j, 0] + J[i, 1] * K[j, 1]
        mixed[i, :, -1] = np.einsum("apf,apf->p", J[i], K[6])
    return mixed


def _of_points(
    observed: Observed,
    noise: float,
    world: World,
    axes: np.ndarray,  # [P, 3, 3]
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Weighted derivatives of the pixels by points [3, 2, P, F], and the pixels missed [2, P, F]; places
    [2, P, F], the focal length times the weights and that over the depths, both [P, F]."""
    z, at = _pictures(world)
    counts = observed.seen & (z > 0)
    at = np.where(counts, at, 0.0)
    residual = world.focal * at - observed.xy
    weight = counts / np.sqrt(1 + (residual**2).sum(0) / noise**2)
    scale = weight * world.focal
    near = scale / np.where(counts, z, 1.0)
    poses = world.camera_from_world
    J = np.empty((3, 2, *z.shape))
    for k in range(3):
        local = [axes[:, :, k] @ poses[:, i, :3].T for i in range(3)]
        for i in range(2):
            J[k, i] = near * (local[i] - local[2] * at[i])
    return J, weight * residual, at, scale, near


def _of_cameras(at: np.ndarray, scale: np.ndarray, near: np.ndarray) -> np.ndarray:
    """The same by cameras, [7, 2, P, F]: shifts and turns as in `_moved`, and focal length. A turn w moves
    a place X before the camera by w × X."""
    x, y = at
    K = np.zeros((7, *at.shape))
    K[0, 0], K[1, 1] = near, near
    np.multiply(at, -near, out=K[2])
    K[3, 0], K[3, 1] = -scale * x * y, -scale * (1 + y * y)
    K[4, 0], K[4, 1] = scale * (1 + x * x), scale * x * y
    K[5, 0], K[5, 1] = -scale * y, scale * x
    np.multiply(at, scale, out=K[6])
    return K


def _cameras_alone(K: np.ndarray, residual: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Gauss-Newton's matrix [6 F + 1, 6 F + 1] and gradient [6 F + 1] of the cameras, points as they are."""
    frames = residual.shape[2]
    size = 6 * frames + 1
    matrix, gradient = np.zeros((size, size)), np.zeros(size)
    rows = [slice(i * frames, (i + 1) * frames) for i in range(6)]
    for i in range(6):
        gradient[rows[i]] = np.einsum("apf,apf->f", K[i], residual)
        for j in range(i + 1):
            own = np.diag(np.einsum("apf,apf->f", K[i], K[j]))
            matrix[rows[i], rows[j]] = matrix[rows[j], rows[i]] = own
        matrix[rows[i], -1] = matrix[-1, rows[i]] = np.einsum("apf,apf->f", K[i], K[6])
    matrix[-1, -1] = np.vdot(K[6], K[6])
    gradient[-1] = np.vdot(K[6], residual)
    return matrix, gradient


def _free(world: World, focal_free: bool) -> np.ndarray:
    """[6 F + 1] bool, what may change of the cameras: all but the seven that only move and scale all."""
    poses = world.camera_from_world
    frames = len(poses)
    free = np.ones(6 * frames + 1, bool)
    free[: 6 * frames : frames] = False
    centres = -np.einsum("fji,fj->fi", poses[:, :3, :3], poses[:, :3, 3])
    farthest = int(np.linalg.norm(centres - centres[0], axis=1).argmax())
    apart = poses[farthest, :3, :3] @ (centres[farthest] - centres[0])
    free[int(np.abs(apart).argmax()) * frames + farthest] = False
    free[-1] = focal_free
    return free


_Lower = dict[tuple[int, int], np.ndarray]
"""Entries [P] of the lower triangles of the points' own 3 × 3 matrices, by row and column."""


def _products(J: np.ndarray) -> _Lower:
    return {(i, j): np.einsum("apf,apf->p", J[i], J[j]) for i in range(3) for j in range(i + 1)}


def _cholesky(matrix: _Lower, damping: float) -> _Lower:
    least = 1e-12 * (matrix[0, 0] + matrix[1, 1] + matrix[2, 2]) + 1e-30
    out: _Lower = {}
    for i in range(3):
        for j in range(i):
            out[i, j] = (matrix[i, j] - sum(out[i, k] * out[j, k] for k in range(j))) / out[j, j]
        rest = matrix[i, i] * (1 + damping) - sum(out[i, k] ** 2 for k in range(i))
        out[i, i] = np.sqrt(np.maximum(rest, least))
    return out


def _forward(lower: _Lower, right: np.ndarray) -> np.ndarray:
    """lower⁻¹ right, of [3, P, C]."""
    out = np.empty_like(right)
    for i in range(3):
        rest = right[i] - sum(lower[i, k][:, None] * out[k] for k in range(i))
        np.divide(rest, lower[i, i][:, None], out=out[i])
    return out


def _backward(lower: _Lower, right: np.ndarray) -> np.ndarray:
    """(lowerᵀ)⁻¹ right, of [3, P]."""
    out = np.empty_like(right)
    for i in (2, 1, 0):
        out[i] = (right[i] - sum(lower[k, i] * out[k] for k in range(i + 1, 3))) / lower[i, i]
    return out
