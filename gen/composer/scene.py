"""Primitives with materials, and their arrays and bounding-volume tree for the ray tracer.

World: metres, right-handed, +z up, the ground is z = 0. An object faces -y until it is placed.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np

from gen.composer.bounding_tree import bounding_tree, joined
from gen.composer.kernel_types import ELLIPSOID, FRUSTUM, GROUND, TAPERED_BOX, SceneArrays
from gen.composer.materials import Material

Vec3 = tuple[float, float, float]

JointKind = Literal["wheel", "limb", "rotor"]


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
class Joint:
    """What a part turns about while its object moves."""

    kind: JointKind
    pivot: Vec3
    """Metres."""
    axis: Vec3
    """Unit vector."""
    gain: float = 1.0
    """Of a wheel: radians per metre. Of a limb: +1 or -1, one side against the other. Of a rotor: turns."""


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
    joint: Joint | None = None
    """None: it moves only with its whole object."""

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
                joint=_placed_joint(part.joint, turn, np.array([x, y, 0.0]), scale),
            )
        )
    return result


def _placed_joint(joint: Joint | None, turn: np.ndarray, offset: np.ndarray, scale: float) -> Joint | None:
    if joint is None:
        return None
    pivot, axis = turn @ (scale * np.asarray(joint.pivot)) + offset, turn @ np.asarray(joint.axis)
    gain = joint.gain / scale if joint.kind == "wheel" else joint.gain
    return Joint(joint.kind, tuple(pivot.tolist()), tuple(axis.tolist()), gain)


def jointed(parts: Iterable[Primitive], joint: Joint) -> list[Primitive]:
    """The parts with a joint."""
    return [replace(part, joint=joint) for part in parts]


def carried(part: Primitive, parent_from_part: np.ndarray) -> Primitive:
    """A part moved by a rigid transform [4, 4]."""
    turn, shift = parent_from_part[:3, :3], parent_from_part[:3, 3]
    center = turn @ np.asarray(part.center) + shift
    return replace(part, center=tuple(center.tolist()), rotation=turn @ part.rotation)


def axis_rotation(axis: Sequence[float], angle: float) -> np.ndarray:
    """Rotation about a unit axis by `angle` radians, right-handed, [3, 3] (Rodrigues)."""
    x, y, z = axis
    cross = np.array([[0.0, -z, y], [z, 0.0, -x], [-y, x, 0.0]])
    return np.eye(3) + math.sin(angle) * cross + (1.0 - math.cos(angle)) * cross @ cross


def about(pivot: Sequence[float], rotation: np.ndarray) -> np.ndarray:
    """A rotation [3, 3] about a point in metres, as a rigid transform [4, 4]."""
    transform = np.eye(4)
    transform[:3, :3] = rotation
    transform[:3, 3] = np.asarray(pivot) - rotation @ np.asarray(pivot)
    return transform


def extent(parts: Sequence[Primitive]) -> tuple[float, float]:
    """(radius around the z axis, height) of an object's parts, metres."""
    points = np.concatenate([part.corners() for part in parts])
    return float(np.hypot(points[:, 0], points[:, 1]).max()), float(points[:, 2].max())


def to_arrays(ground: Material, parts: Sequence[Primitive]) -> SceneArrays:
    """Arrays for the ray tracer. The ground comes first; the parts follow in tree order."""
    plane = Primitive(GROUND, (0.0, 0.0, 0.0), (1.0, 1.0, 1.0), ground)
    order, bounds, links = bounding_tree(np.array([_bounds(part) for part in parts]))
    return _arrays([0, *(1 + i for i in order)], [plane, *(parts[i] for i in order)], bounds, links)


def with_movers(still: SceneArrays, parts: Sequence[Primitive]) -> SceneArrays:
    """Arrays of the still parts and of those that move, where they are now.

    Parts keep their identities: movers are numbered on from the still parts, in the order given.
    """
    if not parts:
        return still
    count = len(still.kind)
    order, bounds, links = bounding_tree(np.array([_bounds(part) for part in parts]))
    more = _arrays([count + i for i in order], [parts[i] for i in order], bounds, links)
    both = [np.concatenate(pair) for pair in zip(still[:-2], more[:-2], strict=True)]
    return SceneArrays._make([*both, *joined(still.node_bounds, still.node_links, bounds, links, count)])


def _arrays(
    identities: list[int], parts: list[Primitive], node_bounds: np.ndarray, node_links: np.ndarray
) -> SceneArrays:
    """Arrays of parts in the order of their tree."""
    return SceneArrays(
        identity=np.array(identities, np.int64),
        kind=np.array([p.kind for p in parts], np.int64),
        object_from_world=np.array([_object_from_world(p) for p in parts]),
        half_size=np.array([p.half_size for p in parts], np.float64),
        taper=np.array([p.taper for p in parts], np.float64),
        pattern=np.array([p.material.pattern for p in parts], np.int64),
        colors=np.array([p.material.linear_colors() for p in parts]),
        pattern_args=np.array([p.material.pattern_args() for p in parts], np.float64),
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
