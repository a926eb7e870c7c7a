"""Bundle adjustment of parts that move rigidly before cameras that are known.

Unknown are the control poses of each part's spline and the depth of each track in the frame where it was
sown; solved by Levenberg-Marquardt with all of them in one system (Triggs et al. 2000, "Bundle
adjustment: a modern synthesis"), in float64.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from scipy.linalg import cho_factor, cho_solve
from scipy.spatial.transform import Rotation

from recon.flow import homogeneous
from recon.fourd.contact import Contact
from recon.fourd.motion import Bases
from recon.fourd.tracks import Tracks

HUBER = 1.5
"""Pixels beyond which a miss counts linearly."""
SMOOTH = 0.15
"""Weight of a part's acceleration, in pixels per frame², against a miss in pixels."""
CONTINUOUS = 0.01
"""Relative difference of depth between neighbours that weighs as much as a miss of one pixel in one frame."""
CONTACT, FLAT = 0.005, 0.03
"""The same for the distance from the depth of contact, of the mean of the feet that were sown together and of
each track."""
MOST_FEET = 10
"""Feet sown together that speak for a frame: more of them err alike."""
DAMPING = 1e-3
ENOUGH = 1e-3
"""Relative gain of a step below which the fit has ended."""


@dataclass(frozen=True, repr=False)
class Problem:
    """What stays the same during a fit."""

    xy: np.ndarray  # [P, F, 2] pixels
    seen: np.ndarray  # [P, F] bool
    sown: np.ndarray  # [P] frames
    K: np.ndarray  # [F, 3, 3]
    camera_from_world: np.ndarray  # [F, 4, 4]
    origins: np.ndarray  # [P, 3] camera centres where the tracks were sown
    rays: np.ndarray  # [P, 3] world, one unit along the optical axis
    times: np.ndarray  # [F] seconds
    frame: float  # seconds from frame to frame
    edges: np.ndarray  # [M, 2] tracks that are neighbours
    contact: Contact  # where each was sown

    @classmethod
    def of(
        cls,
        tracks: Tracks,
        K: np.ndarray,
        camera_from_world: np.ndarray,
        times: np.ndarray,
        edges: np.ndarray,
        contact: Contact,
    ) -> Problem:
        """From tracks and cameras."""
        at = tracks.xy[np.arange(len(tracks)), tracks.sown].astype(float)
        local = np.einsum("pij,pj->pi", np.linalg.inv(K)[tracks.sown], homogeneous(at))
        world_from_camera = np.linalg.inv(camera_from_world)[tracks.sown]
        frame = float(np.median(np.diff(times))) if len(times) > 1 else 1.0
        return cls(
            *(tracks.xy.astype(float), tracks.seen, tracks.sown, K, camera_from_world),
            world_from_camera[:, :3, 3],
            np.einsum("pij,pj->pi", world_from_camera[:, :3, :3], local),
            *(times, frame, edges, contact),
        )

    def places(self, log_depths: np.ndarray) -> np.ndarray:
        """[P, 3] world points where the tracks were sown."""
        return self.origins + self.rays * np.exp(log_depths)[:, None]


@dataclass(frozen=True, repr=False)
class Parts:
    """Rigid parts that move, and the tracks on them."""

    labels: np.ndarray  # [P] the part of each track
    log_depths: np.ndarray  # [P] where it was sown
    quats: np.ndarray  # [K, C, 4] wxyz, unit
    translations: np.ndarray  # [K, C, 3]
    start: float
    spacing: float

    def __len__(self) -> int:
        return len(self.quats)

    @property
    def bases(self) -> Bases:
        """Their motions."""
        quats, shifts = (torch.tensor(a, dtype=torch.float32) for a in (self.quats, self.translations))
        return Bases(quats, shifts, self.start, self.spacing)

    def splines(self, times: np.ndarray) -> np.ndarray:
        """[T, C] shares of the control poses."""
        bases = Bases(torch.tensor(self.quats), torch.tensor(self.translations), self.start, self.spacing)
        return bases.spline_weights(torch.tensor(times, dtype=torch.float64)).numpy()

    def poses(self, times: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Rotations [K, T, 3, 3] and translations [K, T, 3]."""
        weights = self.splines(times)
        quats = np.einsum("tc,kcd->ktd", weights, self.quats)
        turns = Rotation.from_quat(quats.reshape(-1, 4), scalar_first=True).as_matrix()
        return turns.reshape(*quats.shape[:2], 3, 3), np.einsum("tc,kcd->ktd", weights, self.translations)

    def moved(self, step: np.ndarray) -> Parts:
        """After a step [P + K C 6]: relative depths, then small turns and shifts of the control poses."""
        tracks = len(self.labels)
        twists = step[tracks:].reshape(*self.quats.shape[:2], 6)
        turns = Rotation.from_rotvec(twists[..., :3].reshape(-1, 3))
        quats = turns * Rotation.from_quat(self.quats.reshape(-1, 4), scalar_first=True)
        turned = quats.as_quat(scalar_first=True).reshape(self.quats.shape)
        turned *= np.where((turned * self.quats).sum(-1, keepdims=True) < 0, -1, 1)  # the same side
        return replace(
            self,
            log_depths=self.log_depths + step[:tracks],
            quats=turned,
            translations=self.translations + twists[..., 3:],
        )

    def rest(self, problem: Problem) -> np.ndarray:
        """[P, 3] the tracks in the frames of their parts."""
        turns, shifts = self.poses(problem.times)
        turn, shift = turns[self.labels, problem.sown], shifts[self.labels, problem.sown]
        return np.einsum("pji,pj->pi", turn, problem.places(self.log_depths) - shift)


def subdivided(parts: Parts) -> Parts:
    """The same motions with control poses twice as close: midpoints, and the old ones drawn towards their
    neighbours by an eighth (Lane and Riesenfeld 1980)."""

    def finer(control: np.ndarray) -> np.ndarray:  # [K, C, D] -> [K, 2 C - 3, D]
        out = np.empty((len(control), 2 * control.shape[1] - 3, control.shape[2]))
        out[:, ::2] = 0.5 * (control[:, :-1] + control[:, 1:])
        out[:, 1::2] = (control[:, :-2] + 6 * control[:, 1:-1] + control[:, 2:]) / 8
        return out

    quats, translations = finer(parts.quats), finer(parts.translations)
    return replace(parts, quats=quats, translations=translations, spacing=0.5 * parts.spacing)


def centred(parts: Parts, problem: Problem) -> Parts:
    """The same motions with the origin of each part in its middle, about which small turns then turn."""
    rest = parts.rest(problem)
    shifts = parts.translations.copy()
    for k in range(len(parts)):
        own = parts.labels == k
        if own.any():
            turns = Rotation.from_quat(parts.quats[k], scalar_first=True).as_matrix()
            shifts[k] += turns @ rest[own].mean(0)
    return replace(parts, translations=shifts)


def in_one_rest(parts: Parts, problem: Problem) -> Parts:
    """The same motions, with rests that fit together: all parts are as in the middle of the shot, about the
    middle of all tracks. Blends of two motions are between the two only then."""
    when = np.array([problem.times[len(problem.times) // 2]])
    turns, shifts = (a[:, 0] for a in parts.poses(when))
    rest = parts.rest(problem)
    there = np.einsum("pij,pj->pi", turns[parts.labels], rest) + shifts[parts.labels]
    back = turns.swapaxes(1, 2)
    origin = np.einsum("kij,kj->ki", back, there.mean(0) - shifts)
    own = Rotation.from_quat(parts.quats.reshape(-1, 4), scalar_first=True)
    matrices = own.as_matrix().reshape(*parts.quats.shape[:2], 3, 3)
    moved = parts.translations + np.einsum("kcij,kj->kci", matrices, origin)
    turned = Rotation.from_matrix((matrices @ back[:, None]).reshape(-1, 3, 3)).as_quat(scalar_first=True)
    turned = turned.reshape(parts.quats.shape)
    for c in range(1, turned.shape[1]):  # neighbours on the same side
        turned[:, c] *= np.where((turned[:, c] * turned[:, c - 1]).sum(-1, keepdims=True) < 0, -1, 1)
    turned *= np.where(turned[:, :1, :1] < 0, -1, 1)
    return replace(parts, quats=turned, translations=moved)


def misses(problem: Problem, parts: Parts) -> np.ndarray:
    """[P, K] pixels by which each track misses as a member of each part, root mean square."""
    turns, shifts = parts.poses(problem.times)
    places = problem.places(parts.log_depths)
    columns = []
    for k in range(len(parts)):
        turn, shift = turns[k, problem.sown], shifts[k, problem.sown]
        rest = np.einsum("pji,pj->pi", turn, places - shift)
        at, _, _ = seen_at(problem, rest, turns[k], shifts[k])
        squared = np.minimum(((at - problem.xy) ** 2).sum(-1), 400.0) * problem.seen
        columns.append(np.sqrt(squared.sum(1) / problem.seen.sum(1)))
    return np.stack(columns, 1)


def adjust(problem: Problem, parts: Parts, *, steps: int = 30) -> Parts:
    """Levenberg-Marquardt until it gains no more, at most `steps` times."""
    given, parts = parts, centred(parts, problem)
    damping, cost = DAMPING, _cost(problem, parts)
    for _ in range(steps):
        H, g = _normal_equations(problem, parts)
        for _ in range(6):
            damped = H.copy()
            damped[np.diag_indices_from(damped)] *= 1 + damping
            damped[np.diag_indices_from(damped)] += 1e-9 * np.diag(H).max()
            try:
                step = -cho_solve(cho_factor(damped, overwrite_a=True, check_finite=False), g)
            except np.linalg.LinAlgError:  # not positive by rounding
                damping *= 5
                continue
            step[: len(problem.sown)] = step[: len(problem.sown)].clip(-0.2, 0.2)
            tried = parts.moved(step)
            new = _cost(problem, tried)
            if new < cost:
                break
            damping *= 5
        else:
            break
        gain, parts, cost = (cost - new) / cost, tried, new
        damping = max(damping / 5, 1e-7)
        if gain < ENOUGH:
            break
    return parts if cost <= _cost(problem, given) else given  # blends of poses about a middle differ a little


def seen_at(
    problem: Problem, rest: np.ndarray, turns: np.ndarray, shifts: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Pixels [p, F, 2] of rest points [p, 3] of one part, their places in the cameras [p, F, 3], and the
    points turned as the part is, [p, F, 3]."""
    turned = np.einsum("fij,pj->pfi", turns, rest)
    view = problem.camera_from_world
    local = np.einsum("fij,pfj->pfi", view[:, :3, :3], turned + shifts) + view[:, :3, 3]
    z = np.maximum(local[..., 2], 1e-3)
    K = problem.K
    x = local[..., 0] / z * K[:, 0, 0] + K[:, 0, 2]
    y = local[..., 1] / z * K[:, 1, 1] + K[:, 1, 2]
    return np.stack([x, y], -1), local, turned


def _even(problem: Problem) -> np.ndarray:
    return np.arange(problem.times[0], problem.times[-1] + 0.5 * problem.frame, problem.frame)


def _corners(rest: np.ndarray) -> np.ndarray:
    """[6, 3] places around the middle of rest points [p, 3]."""
    spread = max(1e-4, float(rest.std(0).mean())) if len(rest) else 1e-4
    return spread * np.concatenate([np.eye(3), -np.eye(3)])


def _pixels_per_unit(problem: Problem, parts: Parts, own: np.ndarray) -> float:
    return float(problem.K[0, 0, 0] / np.exp(np.median(parts.log_depths[own])))


def _cost(problem: Problem, parts: Parts) -> float:
    total, rest = 0.0, parts.rest(problem)
    turns, shifts = parts.poses(problem.times)
    even_turns, even_shifts = parts.poses(_even(problem))
    for k in range(len(parts)):
        own = np.flatnonzero(parts.labels == k)
        if len(own) == 0:
            continue
        at, _, _ = seen_at(problem, rest[own], turns[k], shifts[k])
        miss = np.linalg.norm(at - problem.xy[own], axis=-1)[problem.seen[own]]
        total += np.where(miss < HUBER, miss**2, HUBER * (2 * miss - HUBER)).sum()
        way = np.einsum("eij,cj->eci", even_turns[k], _corners(rest[own])) + even_shifts[k][:, None]
        jerk = np.diff(way, 2, axis=0) * _pixels_per_unit(problem, parts, own)
        total += SMOOTH**2 * _share(problem, own) * (jerk**2).sum()
    a, b = problem.edges.T
    total += ((parts.log_depths[a] - parts.log_depths[b]) ** 2).sum() / CONTINUOUS**2
    for group, log_depth, feet, weight in _contacts(problem):
        off = parts.log_depths[group] - log_depth
        total += weight * (feet @ off / CONTACT) ** 2 + (off**2).sum() / FLAT**2
    return float(total)


def _share(problem: Problem, own: np.ndarray) -> float:
    """Weight of what is asked of a whole part: as much as its tracks weigh in a frame."""
    return problem.seen[own].sum() / problem.seen.shape[1] / 6


def _contacts(problem: Problem) -> list[tuple[np.ndarray, np.ndarray, np.ndarray, float]]:
    """Tracks sown together, the logarithms of the depths at which they stand, the shares of each in the mean
    of those that are feet (zeros where none is), and the weight of that mean: in all as many as tracks."""
    contact, known = problem.contact, np.isfinite(problem.contact.depths)
    groups = [np.flatnonzero((problem.sown == frame) & known) for frame in np.unique(problem.sown[known])]
    feet = [contact.feet[group] for group in groups]
    speak = np.array([min(MOST_FEET, own.sum()) for own in feet])
    weights = speak * (known.sum() / max(1, speak.sum()))
    return [
        (group, np.log(contact.depths[group]), own / max(1, own.sum()), weight)
        for group, own, weight in zip(groups, feet, weights, strict=True)
    ]


def _cross(v: np.ndarray) -> np.ndarray:
    """[..., 3, 3] the matrix of w -> w × v, that is of -v ×."""
    out = np.zeros((*v.shape, 3))
    out[..., 0, 1], out[..., 0, 2], out[..., 1, 2] = v[..., 2], -v[..., 1], v[..., 0]
    out[..., 1, 0], out[..., 2, 0], out[..., 2, 1] = -v[..., 2], v[..., 1], -v[..., 0]
    return out


def _normal_equations(problem: Problem, parts: Parts) -> tuple[np.ndarray, np.ndarray]:
    """Gauss-Newton's matrix and gradient, of half of the cost."""
    tracks, control = len(problem.sown), parts.quats.shape[1]
    size = tracks + len(parts) * control * 6
    H, g = np.zeros((size, size)), np.zeros(size)
    rest = parts.rest(problem)
    turns, shifts = parts.poses(problem.times)
    splines = parts.splines(problem.times)
    even = _even(problem)
    even_turns, even_shifts = parts.poses(even)
    even_splines = parts.splines(even)
    for k in range(len(parts)):
        own = np.flatnonzero(parts.labels == k)
        if len(own) == 0:
            continue
        block = slice(tracks + k * control * 6, tracks + (k + 1) * control * 6)
        at, local, turned = seen_at(problem, rest[own], turns[k], shifts[k])
        residual = at - problem.xy[own]
        size_of = np.linalg.norm(residual, axis=-1)
        weight = np.where(size_of < HUBER, 1.0, HUBER / np.maximum(size_of, 1e-9)) * problem.seen[own]
        weight *= local[..., 2] > 1e-3
        p, f = np.nonzero(weight)
        w, r = np.sqrt(weight[p, f])[:, None], residual[p, f]
        # d(pixel) / d(world point)
        K, where = problem.K[f], local[p, f]
        z = where[:, 2]
        A = np.zeros((len(p), 2, 3))
        A[:, 0, 0], A[:, 1, 1] = K[:, 0, 0] / z, K[:, 1, 1] / z
        A[:, 0, 2] = -K[:, 0, 0] * where[:, 0] / z**2
        A[:, 1, 2] = -K[:, 1, 1] * where[:, 1] / z**2
        A = w[..., None] * (A @ problem.camera_from_world[f, :3, :3])
        home = problem.sown[own][p]
        carry = A @ turns[k, f] @ turns[k, home].swapaxes(1, 2)  # of a shift where it was sown
        to_depth = (
            np.einsum("nij,nj->ni", carry, problem.rays[own][p]) * np.exp(parts.log_depths[own][p])[:, None]
        )
        here = np.concatenate([A @ _cross(turned[p, f]), A], 2)  # [n, 2, 6]
        there = np.concatenate([carry @ _cross(turned[p, home]), carry], 2)
        J = np.einsum("nc,nid->nicd", splines[f], here) - np.einsum("nc,nid->nicd", splines[home], there)
        J = J.reshape(len(p), 2, -1)
        flat = J.reshape(-1, J.shape[2])
        wr = w * r
        H[block, block] += flat.T @ flat
        g[block] += flat.T @ wr.ravel()
        diagonal = np.bincount(p, (to_depth**2).sum(1), len(own))
        H[own, own] += diagonal
        g[own] += np.bincount(p, (to_depth * wr).sum(1), len(own))
        mixed = np.zeros((len(own), flat.shape[1]))
        np.add.at(mixed, p, np.einsum("ni,nic->nc", to_depth, J))
        H[own, block] += mixed
        H[block, own] += mixed.T
        # Accelerations.
        corners = _corners(rest[own])
        spun = np.einsum("eij,cj->eci", even_turns[k], corners)
        scale = _pixels_per_unit(problem, parts, own) * SMOOTH * np.sqrt(_share(problem, own))
        jerk = scale * np.diff(spun + even_shifts[k][:, None], 2, axis=0)
        both = np.concatenate([_cross(spun), np.broadcast_to(np.eye(3), (*spun.shape[:2], 3, 3))], -1)
        way = np.einsum("et,ecid->ecitd", even_splines, both)
        J = scale * np.diff(way, 2, axis=0).reshape(*jerk.shape, -1)
        flat = J.reshape(-1, J.shape[-1])
        H[block, block] += flat.T @ flat
        g[block] += flat.T @ jerk.ravel()
    if len(problem.edges):
        a, b = problem.edges.T
        weight = 1 / CONTINUOUS**2
        difference = weight * (parts.log_depths[a] - parts.log_depths[b])
        np.add.at(H, (a, a), weight)
        np.add.at(H, (b, b), weight)
        np.add.at(H, (a, b), -weight)
        np.add.at(H, (b, a), -weight)
        np.add.at(g, a, difference)
        np.add.at(g, b, -difference)
    for group, log_depth, feet, weight in _contacts(problem):
        off, stiff = parts.log_depths[group] - log_depth, weight / CONTACT**2
        H[np.ix_(group, group)] += stiff * np.outer(feet, feet)
        H[group, group] += 1 / FLAT**2
        g[group] += stiff * (feet @ off) * feet + off / FLAT**2
    return H, g
