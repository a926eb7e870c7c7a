"""How far away what moves is when it stays where it is: a flag, leaves, a hand of somebody who sits.

Such a thing hangs or is held, so that the ground beneath it says nothing. But a moving camera sees its points
from many sides, as it sees still ones: their places come out alike, only that each point waves about its own.
What travels gives places behind the camera or all over. What passes by evenly, against the camera, gives such
places too (a nearer point that stands still looks the same), but then it crosses the picture.
"""

from __future__ import annotations

import numpy as np

from recon.fourd.contact import Contact
from recon.fourd.sorting import stands, still_points
from recon.fourd.tracks import Tracks

LONG = 0.4
"""Share of the frames through which a track must be followed to tell."""
FEWEST = 20
"""Such tracks."""
ALIKE = 0.15
"""Relative distance of the quartiles of the depths from their median, at most."""
CROSSES, SWINGS = 0.3, 0.15
"""Shares of the thing's height within which the median track stays in the picture, and misses its place."""
NEARER = 0.9
"""The places must be nearer than this share of the depth of contact, which is too far for what hangs."""


def staying(
    tracks: Tracks,
    moving: np.ndarray,  # [F, H, W] bool, what moves
    contact: Contact,
    K: np.ndarray,  # [F, 3, 3] pixels of the masks
    camera_from_world: np.ndarray,  # [F, 4, 4]
) -> Contact | None:
    """Depths of all tracks, of a board that faces the camera where the thing is; None for what travels, or
    stands on the ground."""
    long = np.flatnonzero(tracks.seen.sum(1) >= LONG * len(moving))
    if len(long) < FEWEST or stands(camera_from_world):
        return None
    own = tracks.select(long)
    tall = np.median([np.ptp(np.flatnonzero(mask.any(1))) for mask in moving if mask.any()])
    seen = np.where(own.seen[..., None], own.xy, np.nan)
    extents = np.linalg.norm(np.nanmax(seen, axis=1) - np.nanmin(seen, axis=1), axis=-1)
    misses, places = still_points(own, K, camera_from_world)
    views = camera_from_world[own.sown]
    depths = np.einsum("pj,pj->p", views[:, 2, :3], places) + views[:, 2, 3]
    low, middle, high = np.quantile(depths, [0.25, 0.5, 0.75])
    alike = middle > 0 and (1 - ALIKE) * middle < low and high < (1 + ALIKE) * middle
    stays = np.median(extents) < CROSSES * tall and np.median(misses) < SWINGS * tall
    if not alike or not stays or middle > NEARER * np.median(contact.depths[long]):
        return None
    place = np.median(places[(depths > low) & (depths < high)], axis=0)
    z = camera_from_world[:, 2, :3] @ place + camera_from_world[:, 2, 3]
    return Contact(z[tracks.sown], np.ones(len(tracks), bool)) if (z > 0).all() else None
