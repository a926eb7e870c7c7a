"""Cameras that turn on one spot: rotations and a focal length from matches, and a dome of points.

Without a baseline there is no depth, so the honest scene is what the camera saw, painted on a sphere:
right from where the camera stood, flat from anywhere else.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np
from PIL import Image

from recon.focal_sweep import score_of
from recon.matches import Matches
from recon.types import Frames, Points
from recon.undistort import Lens

FOCALS = tuple(0.6 * 1.12**k for k in range(12))
"""Times the long side, tried in turn."""
FITS = 3.0
"""Pixels at a long side of 640; twice what generated frames tremble."""
TURNING = 0.9
"""Share of the matches over the widest gaps from which the camera is taken to turn only. Drawn pans have 0.98
and more, a real one behind a camel 0.93, cameras that move a little (sideways by 4 %) up to 0.74."""
FAR_APART = 0.75
"""Part of the widest gap that has matches, from which a pair of frames can tell turning from moving."""
ENOUGH_MATCHES, MOST_MATCHES = 30, 250
"""Of a pair of frames, to be looked at, and looked at of them."""
SETTLED = 1e-6
"""Change of rotations at which their averages are taken to be found."""
DOME_STEP = 10
"""Pixels between the points of the dome, at a long side of 640."""


@dataclass(frozen=True, repr=False)
class Turned:
    """The best cameras that only turn."""

    numbers: np.ndarray
    """[F] int64, global numbers of the frames that matches hold together, increasing."""
    world_from_camera: np.ndarray
    """[F, 3, 3] rotations."""
    focal: float
    """Times the long side."""
    explained: float
    """Share of the matches between frames far apart that they explain, 0..1."""
    gap: int
    """Frames between those."""

    @property
    def turns(self) -> bool:
        """Is turning all that the camera does?"""
        return self.explained >= TURNING


def fit_turning(matches: Matches, width: int, height: int) -> Turned | None:
    """Cameras at one place that explain the matches best; None when hardly anything matches."""
    size = max(width, height)
    useful = [p for p, points in enumerate(matches.first) if len(points) >= ENOUGH_MATCHES]
    if not useful:
        return None
    pairs, matches = matches.pairs[useful], _thinned(matches)
    counts = [len(matches.first[p]) for p in useful]
    starts = np.cumsum([0, *counts[:-1]])
    first, second = (
        np.concatenate([points[p] for p in useful]) for points in (matches.first, matches.second)
    )
    best: tuple[float, float, dict[int, np.ndarray], np.ndarray] | None = None
    for focal in FOCALS:
        a, b = (unit_rays(pixels, focal * size, width, height) for pixels in (first, second))
        relative = _robust_turns(a, b, starts)
        turns = _averaged(pairs, list(relative), counts)
        known = [i in turns and j in turns for i, j in pairs.tolist()]
        between = [
            turns[j].T @ turns[i] if ok else np.eye(3)
            for (i, j), ok in zip(pairs.tolist(), known, strict=True)
        ]
        turned = np.einsum("mij,mj->mi", np.repeat(between, counts, 0), a)
        error = np.where(np.repeat(known, counts), focal * 640 * np.linalg.norm(turned - b, axis=1), np.inf)
        cost = float((np.minimum(error, FITS) ** 2).mean())
        score = score_of(max(cost, 1e-4), focal)
        if best is None or score < best[0]:
            best = score, focal, turns, error
    assert best is not None
    _, focal, turns, error = best
    gaps = np.repeat(np.diff(pairs, axis=1)[:, 0], counts)
    widest = int(gaps.max())
    wide = gaps >= FAR_APART * widest
    numbers = np.array(sorted(turns), np.int64)
    rotations = np.array([turns[number] for number in numbers.tolist()])
    return Turned(numbers, rotations, focal, float((error[wide] < FITS).mean()), widest)


def _thinned(matches: Matches) -> Matches:
    """With at most MOST_MATCHES of each pair, evenly from the list."""

    def some(points: np.ndarray) -> np.ndarray:
        return points[:: max(1, -(-len(points) // MOST_MATCHES))]

    return replace(
        matches,
        first=tuple(some(points) for points in matches.first),
        second=tuple(some(points) for points in matches.second),
    )


def unit_rays(pixels: np.ndarray, focal: float, width: int, height: int) -> np.ndarray:
    """[M, 3] unit directions in the camera of pixels [M, 2]."""
    at = np.concatenate([(pixels - [width / 2, height / 2]) / focal, np.ones((len(pixels), 1))], 1)
    return at / np.linalg.norm(at, axis=1, keepdims=True)


def kabsch(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """[3, 3] rotation R with second = R first in the least squares, for vectors [M, 3] (Kabsch 1976)."""
    u, _, vt = np.linalg.svd(second.T @ first)
    return u @ np.diag([1, 1, np.linalg.det(u @ vt)]) @ vt


def _robust_turns(first: np.ndarray, second: np.ndarray, starts: np.ndarray) -> np.ndarray:
    """[P, 3, 3] for each pair of frames R with second = R first for most of its unit vectors, the rows from
    `starts` [P] on of [M, 3]: `kabsch`, reweighted."""
    lengths = np.diff([*starts, len(first)])
    products = (second[:, :, None] * first[:, None]).reshape(-1, 9)
    weight = np.ones(len(first))
    turns = np.tile(np.eye(3), (len(starts), 1, 1))
    for _ in range(8):
        sums = np.add.reduceat(products * weight[:, None], starts).reshape(-1, 3, 3)
        u, _, vt = np.linalg.svd(sums)
        u[:, :, 2] *= np.linalg.det(u @ vt)[:, None]
        turns = u @ vt
        turned = np.einsum("mij,mj->mi", np.repeat(turns, lengths, 0), first)
        miss = ((turned - second) ** 2).sum(1)
        weight = 1 / (1 + miss / (FITS / 640) ** 2) ** 2
    return turns


def _averaged(pairs: np.ndarray, relative: list[np.ndarray], counts: list[int]) -> dict[int, np.ndarray]:
    """World-from-camera rotations by frame number, of the frames that hold together with the first.

    Chordal means over the neighbours in turn (Hartley et al. 2013, "Rotation averaging").
    """
    links: dict[int, list[tuple[int, np.ndarray, int]]] = {}
    for (i, j), turn, count in zip(pairs.tolist(), relative, counts, strict=True):
        # second = R first, so world_from_i = world_from_j @ R.
        links.setdefault(i, []).append((j, turn, count))
        links.setdefault(j, []).append((i, turn.T, count))
    start = min(links)
    found = {start: np.eye(3)}
    waiting = [start]
    for at in waiting:
        for other, turn, _ in links[at]:
            if other not in found:
                found[other] = found[at] @ turn.T
                waiting.append(other)
    for _ in range(30):
        moved = 0.0
        for frame in sorted(found):
            if frame != start:
                u, _, vt = np.linalg.svd(
                    sum(count * found[other] @ turn for other, turn, count in links[frame])
                )
                moved = max(moved, float(np.abs(u @ vt - found[frame]).max()))
                found[frame] = u @ vt
        if moved < SETTLED:
            break
    return found


def dome(frames: Frames, numbers: np.ndarray, rotations: np.ndarray, lens: Lens) -> Points:
    """Points at distance 1 from cameras in one place, in the colours of the frames.

    Args:
        numbers: [F] global frame numbers.
        rotations: [F, 3, 3] world-from-camera.
    """
    step = max(1, round(DOME_STEP * max(lens.width, lens.height) / 640))
    x, y = np.meshgrid(np.arange(step / 2, lens.width, step), np.arange(step / 2, lens.height, step))
    pixels = np.stack([x.ravel(), y.ravel()], 1)
    rays = unit_rays(pixels, lens.focal, lens.width, lens.height)
    taken: set[tuple[int, ...]] = set()
    xyz, rgb, tracks = [], [], []
    size = step / lens.focal
    for number, turn in zip(numbers.tolist(), rotations, strict=True):
        at = rays @ turn.T
        cells = [tuple(cell) for cell in np.floor(at / size).astype(int).tolist()]
        fresh = [k for k, cell in enumerate(cells) if cell not in taken]
        taken.update(cells)
        if not fresh:
            continue
        with Image.open(frames.path(number)) as picture:
            image = cv2.blur(np.asarray(picture.convert("RGB")), (step, step))
        column, row = pixels[fresh].astype(int).T
        xyz.append(at[fresh])
        rgb.append(image[row, column])
        tracks += [np.array([[number, *pixels[k]]], np.float32) for k in fresh]
    points = np.concatenate(xyz)
    return Points(points, np.concatenate(rgb), np.zeros(len(points), np.float32), tuple(tracks))
