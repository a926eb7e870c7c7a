"""One object of the scene: its parts, where it stands and how it moves."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from gen.composer.motion import Motion
from gen.composer.scene import Primitive, carried, yaw_rotation
from gen.composer.scene_request import ObjectRequest


@dataclass(frozen=True)
class PlacedObject:
    """One object on the ground or on another object."""

    request: ObjectRequest
    own_parts: list[Primitive]
    """At rest, in its own frame: standing at the origin, facing -y."""
    position: tuple[float, float]
    """Metres; of what travels, the middle of its way."""
    yaw: float
    """Radians; 0 faces -y."""
    radius: float
    """Of the circle around its footprint and its way, metres."""
    height: float
    """Metres above its base, with the height of its bounces."""
    base: float = 0.0
    """Metres above the ground."""
    motion: Motion | None = None
    carrier: PlacedObject | None = None
    """What it stands on."""
    note: str | None = None
    """What had to be changed to place it, as a sentence."""

    @cached_property
    def parts(self) -> list[Primitive]:
        """At rest, in the world."""
        return [carried(part, self._world_from_rest()) for part in self.own_parts]

    @property
    def moves(self) -> bool:
        """Whether any part of it moves."""
        return self.motion is not None or (self.carrier is not None and self.carrier.moves)

    def part_moves(self, part: Primitive) -> bool:
        """Whether one of its `own_parts` moves."""
        rides = self.carrier is not None and self.carrier.moves
        return rides or (self.motion is not None and self.motion.moves(part))

    def world_from_part(self, part: Primitive, seconds: float) -> np.ndarray:
        """Where one of `own_parts` is at a time: world from the object's own frame, rigid, [4, 4]."""
        own = np.eye(4) if self.motion is None else self.motion.object_from_part(part, seconds)
        return self._world_from_base(seconds) @ own

    def _world_from_base(self, seconds: float) -> np.ndarray:
        """World from the frame in which it moves: that of its carrier moves along."""
        rest = self._world_from_rest()
        if self.carrier is None or not self.carrier.moves:
            return rest
        motion = self.carrier.motion
        moved = np.eye(4) if motion is None else motion.object_from_rest(seconds)
        carrier_rest = self.carrier._world_from_rest()
        return self.carrier._world_from_base(seconds) @ moved @ np.linalg.inv(carrier_rest) @ rest

    def _world_from_rest(self) -> np.ndarray:
        transform = np.eye(4)
        transform[:3, :3] = yaw_rotation(self.yaw)
        transform[:3, 3] = (*self.position, self.base)
        return transform

    def describe(self) -> dict[str, object]:
        """For the sidecar."""
        return {
            "kind": self.request.kind,
            "color": self.request.color,
            "material": self.request.material,
            "position": [round(v, 4) for v in self.position],
            "base": round(self.base, 4),
            "yaw_degrees": round(math.degrees(self.yaw), 2),
            "radius": round(self.radius, 4),
            "height": round(self.height, 4),
            "motion": self.request.motion,
            "relation": self.request.relation,
        }
