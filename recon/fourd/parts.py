"""Parts that move rigidly before cameras that are known, and tracks on them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import torch
from scipy.spatial.transform import Rotation

from recon.flow import homogeneous
from recon.fourd.contact import Contact
from recon.fourd.motion import Bases
from recon.fourd.tracks import Tracks

MOST_FEET = 10
"""Feet sown together that speak for a frame: more of them err alike."""


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

    def select(self, tracks: np.ndarray) -> Problem:
        """Of some tracks only, by index, with the edges between them."""
        renamed = np.full(len(self.sown), -1)
        renamed[tracks] = np.arange(len(tracks))
        edges = renamed[self.edges]
        return replace(
            self,
            **{name: getattr(self, name)[tracks] for name in ("xy", "seen", "sown", "origins", "rays")},
            edges=edges[(edges >= 0).all(1)],
            contact=self.contact.select(tracks),
        )

    @cached_property
    def standing(self) -> list[tuple[np.ndarray, np.ndarray, np.ndarray, float]]:
        """Tracks sown together, the logarithms of the depths at which they stand, the shares of each in the
        mean of those that are feet (zeros where none is), and the weight of that mean: in all as many as
        tracks."""
        contact, known = self.contact, np.isfinite(self.contact.depths)
        groups = [np.flatnonzero((self.sown == frame) & known) for frame in np.unique(self.sown[known])]
        feet = [contact.feet[group] for group in groups]
        speak = np.array([min(MOST_FEET, own.sum()) for own in feet])
        weights = speak * (known.sum() / max(1, speak.sum()))
        return [
            (group, np.log(contact.depths[group]), own / max(1, own.sum()), weight)
            for group, own, weight in zip(groups, feet, weights, strict=True)
        ]

    @cached_property
    def even(self) -> np.ndarray:
        """[E] seconds, from frame to frame."""
        return np.arange(self.times[0], self.times[-1] + 0.5 * self.frame, self.frame)

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


def on_one_side(quats: np.ndarray) -> np.ndarray:
    """Control quaternions [..., C, 4] with the signs that put each beside the one before: these blend."""
    opposite = (quats[..., 1:, :] * quats[..., :-1, :]).sum(-1, keepdims=True) < 0
    signs = np.cumprod(np.where(opposite, -1.0, 1.0), axis=-2)
    return np.concatenate([quats[..., :1, :], signs * quats[..., 1:, :]], -2)


def used(parts: Parts) -> Parts:
    """Without parts that have no tracks."""
    kept, labels = np.unique(parts.labels, return_inverse=True)
    return replace(parts, labels=labels, quats=parts.quats[kept], translations=parts.translations[kept])


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
    turned = on_one_side(turned.reshape(parts.quats.shape))
    turned *= np.where(turned[:, :1, :1] < 0, -1, 1)
    return replace(parts, quats=turned, translations=moved)


def misses(problem: Problem, parts: Parts) -> np.ndarray:
    """[P, K] pixels by which each track misses as a member of each part, root mean square."""
    turns, shifts = parts.poses(problem.times)
    places, all_of, columns = problem.places(parts.log_depths), np.arange(len(parts.labels)), []
    for k in range(len(parts)):
        turn, shift = turns[k, problem.sown], shifts[k, problem.sown]
        rest = np.einsum("pji,pj->pi", turn, places - shift)
        shown = seen_at(problem, all_of, rest, turns[k], shifts[k])
        squared = np.minimum((shown.misses**2).sum(-1), 400.0)
        total = np.bincount(shown.tracks, squared, len(places))
        columns.append(np.sqrt(total / problem.seen.sum(1)))
    return np.stack(columns, 1)


@dataclass(frozen=True, repr=False)
class Shown:
    """Tracks of one part where the frames that see them should show them."""

    tracks: np.ndarray  # [n] among those of the part
    frames: np.ndarray  # [n]
    local: np.ndarray  # [n, 3] in the camera
    misses: np.ndarray  # [n, 2] pixels from where they were seen


def seen_at(
    problem: Problem,
    own: np.ndarray,  # [p] tracks
    rest: np.ndarray,  # [p, 3] in the frame of the part
    turns: np.ndarray,  # [F, 3, 3]
    shifts: np.ndarray,  # [F, 3]
) -> Shown:
    """Tracks as members of one part."""
    p, f = np.nonzero(problem.seen[own])
    view, K = problem.camera_from_world, problem.K
    to_camera = view[:, :3, :3] @ turns
    origin = np.einsum("fij,fj->fi", view[:, :3, :3], shifts) + view[:, :3, 3]
    local = np.einsum("nij,nj->ni", to_camera[f], rest[p]) + origin[f]
    z = np.maximum(local[:, 2], 1e-3)
    x = local[:, 0] / z * K[f, 0, 0] + K[f, 0, 2]
    y = local[:, 1] / z * K[f, 1, 1] + K[f, 1, 2]
    return Shown(p, f, local, np.stack([x, y], 1) - problem.xy[own[p], f])
