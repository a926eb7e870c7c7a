"""Points of what moves, followed to half a pixel: chained flow drifts by two over a clip.

Each point is looked for as the patch around it looked where it was sown, turned and stretched as its surface
is by now (affine, inverse compositional: Baker and Matthews 2004, "Lucas-Kanade 20 years on"), and brighter
or darker as a whole. When it looks too different it goes on from the frame before.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from recon.fourd.tracks import SHORTEST, Tracks
from recon.frame_flow import grey

HALF = 6
"""Pixels from the middle of a patch to its sides."""
BLUR, CENTRED = 0.7, 0.6
"""Standard deviations: of the frames' blur in pixels, and of the weights of a patch in halves of it."""
ROUNDS, SETTLED = 12, 0.01
"""Of search, at most, and pixels below which none moves any more."""
STIFF = 0.5
"""What is added to the squared gradients (8-bit grey) for a patch to bend, against noise."""
ALIKE, ALIKE_ANEW = 0.8, 0.9
"""Correlation with the patch where it was sown, or where it is started anew, from which it is the same."""
OFF_CHAIN = 2.0
"""Pixels from where the flow leads, beyond which it is something else."""
BENT = (0.4, 2.0)
"""By how much a patch may shrink and stretch."""
ANEW = 5
"""Times that a patch may be started anew."""


@dataclass(frozen=True, repr=False)
class _Frame:
    look: np.ndarray  # [H, W] float32
    right: np.ndarray  # [H, W] its derivative along x
    down: np.ndarray  # [H, W] along y
    moving: np.ndarray  # [H, W] float32, 1 where something moves

    @classmethod
    def of(cls, image: np.ndarray, moving: np.ndarray) -> _Frame:
        look = cv2.GaussianBlur(grey(image), (0, 0), BLUR).astype(np.float32)
        right, down = (cv2.Sobel(look, cv2.CV_32F, x, 1 - x, ksize=3) / 8 for x in (1, 0))
        wide = cv2.dilate(moving.astype(np.uint8), np.ones((3, 3), np.uint8))
        return cls(look, right, down, wide.astype(np.float32))


@dataclass(repr=False)
class _Patches:
    """What p points look like, with N pixels each."""

    grey: np.ndarray  # [p, N] without its mean
    spread: np.ndarray  # [p, 1]
    weights: np.ndarray  # [p, N]
    steps: np.ndarray  # [p, 6, N] what a difference of grey says about shift and bend

    @classmethod
    def at(cls, frame: _Frame, middles: np.ndarray) -> _Patches:  # [p, 2]
        xy = middles[:, None] + OFFSETS
        look, right, down = (_sampled(of, xy) for of in (frame.look, frame.right, frame.down))
        weights = CENTRE * (
            _sampled(frame.moving, xy) + np.float32(1e-3)
        )  # beside what moves is something else
        weights /= weights.sum(1, keepdims=True)
        centred, spread = _normal(look, weights)
        x, y = OFFSETS.T
        J = np.stack([right, down, right * x, down * x, right * y, down * y], -1)  # [p, N, 6]
        # Light that changes must not look like a shift.
        known = np.stack([np.ones_like(look), centred / spread], -1)
        J -= known @ (known.swapaxes(1, 2) @ (weights[..., None] * J))
        weighted = (weights[..., None] * J).swapaxes(1, 2)
        H = weighted @ J + np.diag([1e-3] * 2 + [STIFF * HALF**2] * 4)
        return cls(centred, spread, weights, np.linalg.solve(H, weighted).astype(np.float32))

    def select(self, index: np.ndarray) -> _Patches:
        return _Patches(*(of[index] for of in (self.grey, self.spread, self.weights, self.steps)))

    def put(self, index: np.ndarray, others: _Patches) -> None:
        for mine, new in zip(vars(self).values(), vars(others).values(), strict=True):
            mine[index] = new

    def found(
        self, frame: _Frame, guess: np.ndarray, bends: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Middles [p, 2] and bends [p, 2, 2] in a frame, and the correlations [p] there."""
        middles = guess
        for _ in range(ROUNDS):
            look, spread = _normal(self._seen(frame, middles, bends), self.weights)
            off = look * (self.spread / spread) - self.grey
            step = np.einsum("pdn,pn->pd", self.steps, off)
            bent = np.eye(2, dtype=np.float32) + step[:, 2:].reshape(-1, 2, 2).swapaxes(1, 2)
            bends = bends @ np.linalg.inv(bent)
            middles = middles - np.einsum("pij,pj->pi", bends, step[:, :2])
            if np.abs(step[:, :2]).max() < SETTLED:
                break
        look, spread = _normal(self._seen(frame, middles, bends), self.weights)
        correlation = (self.weights * look * self.grey).sum(1) / (spread * self.spread)[:, 0]
        return middles, bends, correlation

    def _seen(self, frame: _Frame, middles: np.ndarray, bends: np.ndarray) -> np.ndarray:
        return _sampled(frame.look, middles[:, None] + OFFSETS @ bends.swapaxes(1, 2))


OFFSETS = np.stack(np.meshgrid(*[np.arange(-HALF, HALF + 1)] * 2), -1).reshape(-1, 2).astype(np.float32)
CENTRE = np.exp(-(OFFSETS**2).sum(1) / np.float32(2 * (CENTRED * HALF) ** 2))


def without_drift(
    tracks: Tracks,
    images: list[np.ndarray],  # per frame [H, W, 3] uint8
    moving: np.ndarray,  # [F, H, W] bool
) -> Tracks:
    """The tracks where their points are found again; those that are found in too few frames are left out."""
    frames = [_Frame.of(image, mask) for image, mask in zip(images, moving, strict=True)]
    chain = tracks.xy - np.float32(0.5)  # of the centre of the first pixel
    xy, seen = chain.copy(), np.zeros_like(tracks.seen)
    seen[np.arange(len(tracks)), tracks.sown] = True
    for home in np.unique(tracks.sown):
        own = np.flatnonzero(tracks.sown == home)
        for way in (1, -1):
            _follow(frames, int(home), way, own, chain, tracks.seen, xy, seen)
    left = np.flatnonzero(seen.sum(1) >= min(SHORTEST, len(images)))
    return Tracks(xy[left] + np.float32(0.5), seen[left], tracks.sown[left])


def _follow(
    frames: list[_Frame],
    home: int,
    way: int,
    own: np.ndarray,  # [p] tracks sown there
    chain: np.ndarray,  # [P, F, 2]
    chained: np.ndarray,  # [P, F] bool
    xy: np.ndarray,  # [P, F, 2], changed in place
    seen: np.ndarray,  # [P, F] bool, changed in place
) -> None:
    patches = _Patches.at(frames[home], chain[own, home])
    bends = np.tile(np.eye(2, dtype=np.float32), (len(own), 1, 1))
    anew, alive, f = np.zeros(len(own), int), np.ones(len(own), bool), home
    while 0 <= f + way < len(frames):
        to = f + way
        alive &= chained[own, to]
        if not alive.any():
            break
        here = np.flatnonzero(alive)
        going = xy[own[here], f] + chain[own[here], to] - chain[own[here], f]
        at, bent, alike = patches.select(here).found(frames[to], going, bends[here])
        ok = (alike > ALIKE) & _sound(at, bent, going)
        again = np.flatnonzero(~ok & (anew[here] < ANEW)) if f != home else np.zeros(0, int)
        if len(again):
            lost = here[again]
            fresh = _Patches.at(frames[f], xy[own[lost], f])
            straight = np.tile(np.eye(2, dtype=np.float32), (len(lost), 1, 1))
            at[again], bent[again], alike = fresh.found(frames[to], going[again], straight)
            ok[again] = (alike > ALIKE_ANEW) & _sound(at[again], bent[again], going[again])
            patches.put(lost[ok[again]], fresh.select(ok[again]))
            anew[lost] += 1
        bends[here], alive[here] = bent, ok
        xy[own[here[ok]], to], seen[own[here[ok]], to] = at[ok], True
        f = to


def _sound(at: np.ndarray, bends: np.ndarray, going: np.ndarray) -> np.ndarray:
    """[p] bool: is a patch about where it was going, and about as large?"""
    finite = np.isfinite(at).all(1) & np.isfinite(bends).all(axis=(1, 2))
    sizes = np.linalg.svd(np.nan_to_num(bends, posinf=0, neginf=0), compute_uv=False)
    near = np.linalg.norm(at - going, axis=1) < OFF_CHAIN
    return finite & near & (sizes[:, 1] > BENT[0]) & (sizes[:, 0] < BENT[1])


def _sampled(field: np.ndarray, xy: np.ndarray) -> np.ndarray:  # [H, W], [p, N, 2] -> [p, N]
    x, y = (np.ascontiguousarray(xy[..., axis], np.float32) for axis in (0, 1))
    return cv2.remap(field, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)


def _normal(look: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Greys [p, N] without their mean, and their spread [p, 1]."""
    centred = look - (weights * look).sum(1, keepdims=True)
    return centred, np.sqrt((weights * centred**2).sum(1, keepdims=True)) + 1e-3
