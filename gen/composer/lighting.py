"""Sun, sky, ground and haze for the light and ground words."""

import math
from dataclasses import dataclass

import numpy as np

from gen.composer import materials
from gen.composer.kernel_types import GOLDEN_ANGLE, Light
from gen.composer.material_words import MATERIAL_COLORS, MATERIALS
from gen.composer.materials import Color, Material


@dataclass(frozen=True)
class Mood:
    """One light word."""

    sun_elevation: float
    """Degrees above the horizon."""
    sun_color: Color
    zenith: Color
    horizon: Color
    bounce: Color
    """Light coming up from the ground. All colours are linear RGB."""
    sun_radius: float = 2.0
    """Angular radius of the sun, degrees: the softness of shadows."""
    clouds: float = 0.5
    visibility: float = 1.0
    """How far one sees, relative to clear air."""


MOODS: dict[str, Mood] = {
    "day": Mood(38, (2.15, 1.75, 1.22), (0.20, 0.38, 0.72), (0.72, 0.80, 0.86), (0.22, 0.19, 0.12)),
    "noon": Mood(62, (2.2, 2.05, 1.75), (0.16, 0.36, 0.76), (0.66, 0.80, 0.92), (0.24, 0.22, 0.16)),
    "sunset": Mood(20, (2.7, 1.35, 0.55), (0.26, 0.30, 0.52), (0.98, 0.60, 0.34), (0.24, 0.15, 0.10)),
    "morning": Mood(24, (2.3, 1.62, 1.15), (0.30, 0.40, 0.66), (0.92, 0.78, 0.70), (0.22, 0.18, 0.14)),
    "fog": Mood(
        46, (0.55, 0.55, 0.54), (0.66, 0.70, 0.74), (0.76, 0.79, 0.81), (0.25, 0.24, 0.22), 9.0, 0.0, 0.34
    ),
    "overcast": Mood(50, (0.75, 0.75, 0.75), (0.60, 0.66, 0.74), (0.82, 0.84, 0.86), (0.25, 0.24, 0.22), 9.0),
    "night": Mood(
        42, (0.50, 0.58, 0.85), (0.05, 0.08, 0.20), (0.16, 0.21, 0.36), (0.06, 0.07, 0.11), 2.0, 0.2
    ),
}

ROOM_MOODS: dict[str, Mood] = {
    "day": Mood(90, (1.75, 1.62, 1.36), (0.52, 0.52, 0.50), (0.62, 0.58, 0.52), (0.34, 0.30, 0.25)),
    "sunset": Mood(90, (1.95, 1.40, 0.85), (0.40, 0.36, 0.36), (0.60, 0.46, 0.34), (0.32, 0.24, 0.18)),
    "night": Mood(90, (1.45, 1.10, 0.70), (0.16, 0.17, 0.24), (0.24, 0.21, 0.20), (0.16, 0.13, 0.10)),
}
"""The same indoors, where a lamp at the ceiling takes the place of the sun; other times are as by day."""
LAMP_RADIUS = 0.35
"""Metres."""

SUN_AZIMUTH = -38.0
"""Degrees from the camera's middle bearing: the sun stands at the viewer's left shoulder."""

GROUNDS: dict[str, Material] = {
    "grass": materials.terrain((0.33, 0.44, 0.15), (0.48, 0.54, 0.22), (0.56, 0.47, 0.28), 0.42),
    "desert": materials.terrain((0.80, 0.60, 0.38), (0.68, 0.47, 0.28), (0.88, 0.72, 0.48), 0.34),
    "sand": materials.terrain((0.84, 0.74, 0.54), (0.74, 0.62, 0.42), (0.90, 0.83, 0.66), 0.34),
    "snow": materials.terrain((0.90, 0.93, 0.97), (0.72, 0.79, 0.88), (0.97, 0.97, 0.96), 0.30),
    "floor": materials.tiles((0.78, 0.72, 0.62), (0.44, 0.36, 0.30)),
    "autumn": materials.terrain((0.50, 0.42, 0.16), (0.66, 0.44, 0.15), (0.46, 0.33, 0.20), 0.42),
    "street": materials.terrain((0.44, 0.44, 0.44), (0.27, 0.27, 0.29), (0.56, 0.53, 0.49), 0.75),
    "plaza": materials.cobbles((0.62, 0.57, 0.50)),
    "dirt": materials.terrain((0.52, 0.40, 0.27), (0.38, 0.28, 0.18), (0.64, 0.53, 0.38), 0.5),
    "room": materials.planks((0.60, 0.43, 0.27)).scaled(1.2),
}


def ground_material(name: str, color: Color | None, material: str | None) -> Material:
    """The ground of a prompt: its word, tinted or surfaced by the adjectives before it."""
    ground = GROUNDS[name]
    base = color or ground.base
    if material == "checkered":
        return materials.tiles(base, materials.shade(base, 0.45))
    if material is not None:
        return MATERIALS[material](color or MATERIAL_COLORS.get(material, base)).scaled(2.0)
    if color is None:
        return ground
    accent = materials.blend(base, ground.accent, 0.4)
    return materials.Material(
        ground.pattern,
        base,
        materials.shade(base, 0.7),
        accent,
        ground.frequency,
        ground.contrast,
        ground.aspect,
        ground.gap,
    )


def light(name: str, view_bearing: float, scene_radius: float) -> Light:
    """The sun and the sky for the kernels. `view_bearing`: degrees, where the camera stands in mid-path."""
    mood = MOODS[name]
    bearing = math.radians(view_bearing + SUN_AZIMUTH)
    elevation = math.radians(mood.sun_elevation)
    to_sun = np.array(
        [
            math.sin(bearing) * math.cos(elevation),
            -math.cos(bearing) * math.cos(elevation),
            math.sin(elevation),
        ]
    )
    disc = to_sun + _disc(to_sun, math.tan(math.radians(mood.sun_radius)))
    return _light(mood, disc / np.linalg.norm(disc, axis=1, keepdims=True), 0.0, scene_radius)


def room_light(name: str, lamp: np.ndarray, scene_radius: float) -> Light:
    """A round lamp with its centre at `lamp` [3] metres, shining down and around."""
    disc = lamp + _disc(np.array([0.0, 0.0, 1.0]), LAMP_RADIUS)
    return _light(ROOM_MOODS.get(name, ROOM_MOODS["day"]), disc, float(lamp[2]), scene_radius)


def _disc(normal: np.ndarray, radius: float) -> np.ndarray:
    """Offsets [9, 3] spread over a disc like the seeds of a sunflower."""
    right = np.cross(normal, (0.0, 0.0, 1.0) if abs(normal[2]) < 0.99 else (0.0, 1.0, 0.0))
    right /= np.linalg.norm(right)
    up = np.cross(right, normal)
    reach, turn = radius * np.sqrt((np.arange(9) + 0.5) / 9), GOLDEN_ANGLE * np.arange(9)
    return np.outer(reach * np.cos(turn), right) + np.outer(reach * np.sin(turn), up)


def _light(mood: Mood, sun: np.ndarray, lamp_distance: float, scene_radius: float) -> Light:
    haze = np.array([2.0 * scene_radius + 6.0, 9.0 * scene_radius + 40.0])
    return Light(
        sun=sun,
        lamp_distance=lamp_distance,
        sun_color=np.array(mood.sun_color, np.float64),
        zenith=np.array(mood.zenith),
        horizon=np.array(mood.horizon),
        bounce=np.array(mood.bounce),
        haze=mood.visibility * haze,
        clouds=mood.clouds,
    )
