"""Primitives with materials, and their arrays and bounding-volume tree for the ray tracer.

World: metres, right-handed, +z up, the ground is z = 0. An object faces -y until it is placed.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from gen.composer.kernel_types import ELLIPSOID, FRUSTUM, GROUND, TAPERED_BOX, SceneArrays
from gen.composer.materials import Material

Vec3 = tuple[float, float, float]

LEAF_SIZE = 2
"""Primitives per leaf of the bounding-volume tree."""


def yaw_rotation(yaw: float) -> np.ndarray:
    """Rotation about +z by `yaw` radians, [3, 3]."""
    c, s = math.cos(yaw), math.sin(yaw)
    return np.array([[c, -s, 0.0], [s, c, 0.0], [0.0, 0.0, 1.0]])


def tilt_rotation(angle: float) -> np.ndarray:
    """Rotation about +y by `angle` radians, [3, 3]: turns +z towards +x."""
    c, s = math.cos(angle), math.sin(angle)
    return np.array([[c, 0.0, s], [0.0, 1.0, 0.0], [-s, 0.0, c]])


def roll_rotation(angle: float) -> np.ndarray:
    """Rotation about +x by `angle` radians, [3, 3]: turns +z towards -y."""
    c, s = math.cos(angle), math.sin(angle)
    return np.array([[1.0, 0.0, 0.0], [0.0, c, -s], [0.0, s, c]])


@dataclass(frozen=True)
class Primitive:
    """One solid shape."""

    kind: int
    """ELLIPSOID, TAPERED_BOX, FRUSTUM or GROUND."""
    center: Vec3
    """Metres."""
    half_size: Vec3
    """Half extents along its own axes, metres."""
    material: Material
    taper: tuple[float, float] = (1.0, 1.0)
    """Size of the top over the size of the base, along x and y. A gable roof is (1, 0)."""
    rotation: np.ndarray = field(default_factory=lambda: np.eye(3))
    """Parent from own axes, [3, 3]."""

    def corners(self) -> np.ndarray:
        """The eight corners of its box in the parent frame, [8, 3] metres."""
        unit = np.array([(x, y, z) for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)], float)
        top = unit[:, 2] > 0
        largest = np.maximum(1.0, self.taper)
        unit[:, :2] *= np.where(top[:, None], self.taper, 1.0) if self.kind != ELLIPSOID else largest
        return unit * self.half_size @ self.rotation.T + self.center


def box(
    center: Vec3,
    half_size: Vec3,
    material: Material,
    taper: tuple[float, float] = (1.0, 1.0),
    rotation: np.ndarray | None = None,
) -> Primitive:
    """A box, or with a taper a wedge, a pyramid or a trapezoid."""
    turned = np.eye(3) if rotation is None else rotation
    return Primitive(TAPERED_BOX, center, half_size, material, taper, turned)


def ball(center: Vec3, half_size: float | Vec3, material: Material) -> Primitive:
    """A sphere, or an ellipsoid."""
    size = half_size if isinstance(half_size, tuple) else (half_size, half_size, half_size)
    return Primitive(ELLIPSOID, center, size, material)


def tube(
    center: Vec3,
    radius: float,
    half_height: float,
    material: Material,
    top: float = 1.0,
    rotation: np.ndarray | None = None,
) -> Primitive:
    """A cylinder (top = 1), a cone (top = 0) or anything between, along its own z."""
    turned = np.eye(3) if rotation is None else rotation
    return Primitive(FRUSTUM, center, (radius, radius, half_height), material, (top, top), turned)


def placed(parts: Iterable[Primitive], x: float, y: float, yaw: float, scale: float) -> list[Primitive]:
    """The parts of one object, scaled, turned by `yaw` radians and moved to (x, y) on the ground."""
    turn = yaw_rotation(yaw)
    result = []
    for part in parts:
        center = turn @ (scale * np.asarray(part.center)) + (x, y, 0.0)
        result.append(
            replace(
                part,
                center=tuple(center.tolist()),
                half_size=tuple(scale * s for s in part.half_size),
                rotation=turn @ part.rotation,
                material=part.material.scaled(scale),
            )
        )
    return result


def extent(parts: Sequence[Primitive]) -> tuple[float, float]:
    """(radius around the z axis, height) of an object's parts, metres."""
    points = np.concatenate([part.corners() for part in parts])
    return float(np.hypot(points[:, 0], points[:, 1]).max()), float(points[:, 2].max())


def to_arrays(ground: Material, parts: Sequence[Primitive]) -> SceneArrays:
    """Arrays for the ray tracer. The ground comes first; the parts follow in tree order."""
    boxes = np.array([_bounds(part) for part in parts])
    order, node_bounds, node_links = _bounding_tree(boxes)
    plane = Primitive(GROUND, (0.0, 0.0, 0.0), (1.0, 1.0, 1.0), ground)
    ordered = [plane, *(parts[i] for i in order)]
    return SceneArrays(
        kind=np.array([p.kind for p in ordered], np.int64),
        identity=np.array([0, *(1 + i for i in order)], np.int64),
        object_from_world=np.array([_object_from_world(p) for p in ordered]),
        half_size=np.array([p.half_size for p in ordered], np.float64),
        taper=np.array([p.taper for p in ordered], np.float64),
        pattern=np.array([p.material.pattern for p in ordered], np.int64),
        colors=np.array([p.material.linear_colors() for p in ordered]),
        pattern_args=np.array([p.material.pattern_args() for p in ordered], np.float64),
        node_bounds=node_bounds,
        node_links=node_links,
    )


def _object_from_world(part: Primitive) -> np.ndarray:
    """World metres to unit object space, [3, 4]."""
    linear = part.rotation.T / np.array(part.half_size).reshape(3, 1)
    return np.concatenate([linear, -(linear @ np.array(part.center)).reshape(3, 1)], axis=1)


def _bounds(part: Primitive) -> np.ndarray:
    """Axis-aligned bounds, [6]: min xyz, max xyz."""
    if part.kind == ELLIPSOID:
        reach = np.linalg.norm(part.rotation * part.half_size, axis=1)
        return np.concatenate([part.center - reach, part.center + reach])
    corners = part.corners()
    return np.concatenate([corners.min(0), corners.max(0)])


def _bounding_tree(boxes: np.ndarray) -> tuple[list[int], np.ndarray, np.ndarray]:
    """Bounding-volume tree over boxes [P, 6]: (order of the boxes, node bounds [N, 6], links [N, 3]).

    Nodes split where the surface-area heuristic is least. A link is (left, right, axis), or for a
    leaf (-first - 1, count, 0), `first` counting the ground plane as primitive 0.
    """
    order: list[int] = []
    bounds: list[np.ndarray] = []
    links: list[tuple[int, int, int]] = []

    def build(members: np.ndarray) -> int:
        node = len(bounds)
        bounds.append(np.concatenate([boxes[members, :3].min(0), boxes[members, 3:].max(0)]))
        links.append((0, 0, 0))
        if len(members) <= LEAF_SIZE:
            links[node] = (-(len(order) + 1) - 1, len(members), 0)
            order.extend(members.tolist())
            return node
        axis, members, left_count = _best_split(boxes, members)
        links[node] = (build(members[:left_count]), build(members[left_count:]), axis)
        return node

    build(np.arange(len(boxes)))
    return order, np.array(bounds), np.array(links, np.int64)


def _best_split(boxes: np.ndarray, members: np.ndarray) -> tuple[int, np.ndarray, int]:
    """(axis, members in order along it, how many go left) of least surface area times members."""
    best_cost, best = math.inf, (0, members, len(members) // 2)
    counts = np.arange(1, len(members))
    for axis in range(3):
        ordered = members[np.argsort(boxes[members, axis] + boxes[members, axis + 3], kind="stable")]
        left = _running_areas(boxes[ordered])[:-1]
        right = _running_areas(boxes[ordered[::-1]])[::-1][1:]
        cost = left * counts + right * counts[::-1]
        if cost.min() < best_cost:
            best_cost, best = cost.min(), (axis, ordered, int(cost.argmin()) + 1)
    return best


def _running_areas(boxes: np.ndarray) -> np.ndarray:
    """Half the surface area of the union of the first n boxes, for n = 1 … len(boxes)."""
    low, high = np.minimum.accumulate(boxes[:, :3]), np.maximum.accumulate(boxes[:, 3:])
    x, y, z = (high - low).T
    return x * y + y * z + z * x
