"""What the compiled kernels read: scene, light and camera as arrays, and the codes in them."""

from typing import NamedTuple

import numpy as np

ELLIPSOID, TAPERED_BOX, FRUSTUM, GROUND = 0, 1, 2, 3
"""Shapes. In object space each fills [-1, 1]^3; `taper` is the size of the top over the base."""

PLAIN, MOTTLED, FOLIAGE, MASONRY, STRIPES, CHECKER, GRAIN, TERRAIN = range(8)
DOTS, VEINS, WEAVE, COBBLES, PANES, GLOW = range(8, 14)
"""Texture patterns. What glows is as bright as its colour, whatever falls on it."""

GOLDEN_ANGLE = 2.39996
"""Radians between neighbours of a sunflower pattern."""


class SceneArrays(NamedTuple):
    """Primitives as arrays, in bounding-volume order. Primitive 0 is the ground plane z = 0."""

    identity: np.ndarray  # [P] int64: 0 for the ground, n for the n-th part; textures follow it, not the tree
    kind: np.ndarray  # [P] int64
    object_from_world: np.ndarray  # [P, 3, 4]
    half_size: np.ndarray  # [P, 3] metres per object unit
    taper: np.ndarray  # [P, 2]
    pattern: np.ndarray  # [P] int64
    colors: np.ndarray  # [P, 3, 3] linear RGB: base, second, accent
    pattern_args: np.ndarray  # [P, 4] features per metre, course aspect, gap width, contrast
    node_bounds: np.ndarray  # [N, 6] min xyz, max xyz
    node_links: np.ndarray  # [N, 3] int64: (left, right, axis), or (-first - 1, count, 0) for a leaf


class Light(NamedTuple):
    """Sun or ceiling lamp, sky and haze. Colours are linear RGB."""

    sun: np.ndarray  # [9, 3] unit vectors towards points of the sun's disc; of a lamp, points in metres
    lamp_distance: float  # metres from which the lamp gives `sun_color`; 0: it is the sun
    sun_color: np.ndarray  # [3]
    zenith: np.ndarray  # [3]
    horizon: np.ndarray  # [3]
    bounce: np.ndarray  # [3] light coming up from the ground
    haze: np.ndarray  # [2] metres from the scene centre: where it starts, distance to 63 %
    clouds: float


class Pinhole(NamedTuple):
    """A pinhole camera."""

    world_from_camera: np.ndarray  # [4, 4]
    focal: float  # px, both axes
    cx: float
    cy: float
