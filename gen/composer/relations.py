"""Where one object goes relative to another: on it, under it, and around it as the camera sees it."""

import itertools
import math
from collections.abc import Iterable

import numpy as np

from gen.composer import materials
from gen.composer.camera_paths import MIDDLE_BEARING
from gen.composer.intersection import cast_rays
from gen.composer.placed_object import PlacedObject
from gen.composer.scene import to_arrays, yaw_rotation

SCALES = (1.0, 0.85, 0.72, 0.6, 0.5, 0.4, 0.32)
"""Sizes tried, one after the other, until an object fits on or under another one."""
GRID = 41
"""Points across an anchor at which its height is measured."""
FLAT = 0.05
"""Metres by which a place to stand may be uneven."""

ANGLES: dict[str, tuple[float, ...]] = {
    "front": (0.0, 20.0, -20.0, 40.0, -40.0),
    "behind": (180.0, 160.0, 200.0, 140.0, 220.0),
    "left": (-90.0, -110.0, -70.0, -130.0, -50.0),
    "right": (90.0, 110.0, 70.0, 130.0, 50.0),
    "beside": (90.0, -90.0, 110.0, -110.0, 70.0, -70.0, 130.0, -130.0, 50.0, -50.0),
}
"""Directions from the anchor that are tried, degrees from where the camera stands towards its right."""
PEEKING = (150.0, 210.0, 140.0, 220.0, 130.0, 230.0)
"""The same behind something taller, where the object could not be seen in the middle."""

SEATS = ((-1.12, 0.0), (1.12, 0.0), (-0.38, 0.82), (0.38, -0.82), (0.38, 0.82), (-0.38, -0.82))
"""Of chairs at a table, in its own frame, metres."""


def flat_top(
    anchor: PlacedObject, done: list[PlacedObject], radius: float, aim: tuple[float, float]
) -> tuple[float, float, float] | None:
    """The flat place (x, y, z in metres) on an object that is next to a point, or None."""
    x, y, top = _heights(anchor, done, downwards=True)
    low, high = _over_disc(top, x[0], 0.72 * radius)
    stands = (low > 0.05) & (high - low < FLAT)
    if not stands.any():
        return None
    at = _nearest(x, y, stands, aim)
    return float(x[at]), float(y[at]), float(high[at])


def summit(anchor: PlacedObject, done: list[PlacedObject]) -> tuple[float, float, float]:
    """The highest point of an object, metres."""
    x, y, top = _heights(anchor, done, downwards=True)
    at = np.unravel_index(top.argmax(), top.shape)
    return float(x[at]), float(y[at]), float(top[at])


def room_below(
    anchor: PlacedObject, done: list[PlacedObject], radius: float, height: float
) -> tuple[float, float] | None:
    """The place on the ground (x, y in metres) under an object with room for another one, or None."""
    x, y, bottom = _heights(anchor, done, downwards=False)
    low, _ = _over_disc(bottom, x[0], 0.8 * radius)
    fits = np.isfinite(bottom) & (low > height + 0.02)
    if not fits.any():
        return None
    at = _nearest(x, y, fits, anchor.position)
    return float(x[at]), float(y[at])


def seat_at_table(table: PlacedObject, number: int) -> tuple[float, float, float]:
    """(x, y, yaw) of the n-th chair at a table, which it faces."""
    scale = table.radius / 0.95
    seat = yaw_rotation(table.yaw) @ (*SEATS[number % len(SEATS)], 0.0)
    seat = scale * (1.0 + 0.8 * (number // len(SEATS))) * seat
    to_table = math.atan2(-seat[1], -seat[0])
    return table.position[0] + seat[0], table.position[1] + seat[1], to_table + math.pi / 2


def spot_around(
    anchor: PlacedObject,
    relation: str,
    done: Iterable[PlacedObject],
    radius: float,
    height: float,
    number: int,
) -> tuple[float, float]:
    """A free place (x, y in metres) on one side of an object, as near to it as others allow."""
    others = [item for item in done if item is not anchor and item.base == 0.0]
    angles = PEEKING if relation == "behind" and anchor.height > 1.3 * height else ANGLES[relation]
    if relation == "beside" and number % 2:
        angles = tuple(-angle for angle in angles)
    x, y = anchor.position
    for gap in itertools.count(0.12, 0.25):
        reach = 0.88 * (anchor.radius + radius) + gap
        for angle in angles:
            bearing = math.radians(MIDDLE_BEARING + angle)
            at = (x + reach * math.sin(bearing), y - reach * math.cos(bearing))
            if all(math.dist(at, o.position) > 0.88 * (o.radius + radius) + 0.08 for o in others):
                return at
    raise AssertionError("the world has an edge")


def _heights(
    anchor: PlacedObject, done: list[PlacedObject], *, downwards: bool
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """x, y and a height over a grid [GRID, GRID] on an object and what is by it, metres.

    The height is that of the first surface from above (0: the ground) or from below (inf: the sky).
    """
    span = np.linspace(-anchor.radius, anchor.radius, GRID)
    x, y = np.meshgrid(anchor.position[0] + span, anchor.position[1] + span)
    near = [o for o in done if math.dist(o.position, anchor.position) < o.radius + anchor.radius]
    parts = [part for item in {id(o): o for o in (anchor, *near)}.values() for part in item.parts]
    arrays = to_arrays(materials.paint((0.5, 0.5, 0.5)), parts)
    origins = np.stack([x, y, np.full_like(x, 100.0 if downwards else -2.0)], axis=-1).reshape(-1, 3)
    directions = np.tile((0.0, 0.0, -1.0 if downwards else 1.0), (len(origins), 1))
    distance, _ = cast_rays(arrays, origins, directions)
    height = (100.0 - distance if downwards else distance - 2.0).reshape(x.shape)
    return x, y, height


def _over_disc(heights: np.ndarray, line: np.ndarray, radius: float) -> tuple[np.ndarray, np.ndarray]:
    """The least and the greatest of `heights` [G, G] within a disc around each point."""
    reach = int(radius / (line[1] - line[0]))
    padded = np.pad(heights, reach, mode="edge")
    offsets = [
        (i, j)
        for i in range(-reach, reach + 1)
        for j in range(-reach, reach + 1)
        if i * i + j * j <= reach * reach
    ]
    low, high = heights.copy(), heights.copy()
    for i, j in offsets:
        shifted = padded[reach + i :, reach + j :][: len(heights), : len(heights)]
        low, high = np.minimum(low, shifted), np.maximum(high, shifted)
    return low, high


def _nearest(x: np.ndarray, y: np.ndarray, allowed: np.ndarray, aim: tuple[float, float]) -> tuple[int, int]:
    """Row and column of the allowed grid point next to a point in metres."""
    away = np.where(allowed, np.hypot(x - aim[0], y - aim[1]), np.inf)
    row, column = divmod(int(away.argmin()), away.shape[1])
    return row, column
