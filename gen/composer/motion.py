"""How objects move: driving, walking, bouncing, spinning and rolling as rigid motions over time.

A motion belongs to an object in its own frame (standing at the origin, facing -y). Nothing is bent:
every part is carried by a rigid transform, so the tracks of its points are exact.
"""

import math
from dataclasses import dataclass

import numpy as np

from gen.composer.scene import Joint, Primitive, about, axis_rotation, yaw_rotation

SPEEDS = {"drive": 1.7, "walk": 0.9, "run": 2.0, "roll": 1.3}
"""Metres per second."""
SPIN_SPEED = math.radians(110.0)
"""Per second."""
STRIDE = 1.1
"""Metres walked per swing of the legs and back."""
SWING = math.radians(28.0)
GRAVITY = 9.81


@dataclass(frozen=True)
class Motion:
    """The way of one object over a clip."""

    kind: str
    """drive, walk, run, roll, bounce or spin."""
    forward: float
    """Radians: the direction it moves in at mid-clip, 0 towards +x of its own frame."""
    turn_radius: float
    """Metres: what travels goes along a circle, so that it stays near however long the clip is."""
    middle: float
    """Seconds: half of the clip."""
    radius: float
    """Of the ball that rolls, metres."""
    bounce_height: float = 0.0
    """Metres."""
    phase: float = 0.0
    """Part of a bounce that is over when the clip begins."""
    has_limbs: bool = False
    has_rotor: bool = False

    @property
    def speed(self) -> float:
        """Along the path, metres per second; 0 for what stays in place."""
        return SPEEDS.get(self.kind, 0.0)

    def object_from_rest(self, seconds: float) -> np.ndarray:
        """Where the object is at a time, relative to where it is placed: rigid, [4, 4]."""
        transform = np.eye(4)
        way = self.speed * (seconds - self.middle)
        if self.speed:
            turn = way / self.turn_radius
            forward, left = _heading(self.forward), _heading(self.forward + math.pi / 2)
            at = math.sin(turn) * forward + (1.0 - math.cos(turn)) * left
            transform[:3, :3] = yaw_rotation(turn)
            transform[:3, 3] = self.turn_radius * at - self._middle_of_path()
            if self.kind == "roll":
                axis = _heading(self.forward + math.pi / 2)
                transform = transform @ about(
                    (0.0, 0.0, self.radius), axis_rotation(axis.tolist(), way / self.radius)
                )
            elif self.kind in ("walk", "run"):
                lift = 0.03 if self.has_limbs else 0.13  # what has no legs hops
                transform[2, 3] += lift * abs(math.sin(2 * math.pi * way / STRIDE))
        elif self.kind == "bounce":
            done = (seconds / (2.0 * math.sqrt(2.0 * self.bounce_height / GRAVITY)) + self.phase) % 1.0
            transform[2, 3] = 4.0 * self.bounce_height * done * (1.0 - done)
        elif self.kind == "spin" and not self.has_rotor:
            transform[:3, :3] = yaw_rotation(SPIN_SPEED * (seconds - self.middle))
        return transform

    def rest_from_joint(self, joint: Joint, seconds: float) -> np.ndarray:
        """How a joint is turned at a time, in the object's frame at rest: rigid, [4, 4]."""
        way = self.speed * (seconds - self.middle)
        angle = 0.0
        if joint.kind == "wheel" and self.kind == "drive":
            aside = float(np.dot(joint.pivot, _heading(self.forward + math.pi / 2)))
            angle = joint.gain * way * (1.0 - aside / self.turn_radius)  # the outer wheels roll further
        elif joint.kind == "limb" and self.kind in ("walk", "run"):
            amplitude = SWING * (1.3 if self.kind == "run" else 1.0)
            angle = joint.gain * amplitude * math.sin(2 * math.pi * way / STRIDE)
        elif joint.kind == "rotor" and self.kind == "spin":
            angle = joint.gain * SPIN_SPEED * seconds
        return about(joint.pivot, axis_rotation(joint.axis, angle))

    def moves(self, part: Primitive) -> bool:
        """Whether a part of the object moves: of a windmill, only the sails do."""
        return not self.has_rotor or (part.joint is not None and part.joint.kind == "rotor")

    def object_from_part(self, part: Primitive, seconds: float) -> np.ndarray:
        """Where a part is at a time, relative to where it is at rest: rigid, [4, 4]."""
        whole = self.object_from_rest(seconds)
        return whole if part.joint is None else whole @ self.rest_from_joint(part.joint, seconds)

    def reach(self) -> float:
        """How far from where it is placed the object's origin gets, metres."""
        way = 2.0 * self.speed * self.middle
        half_turn = min(math.pi, 0.5 * way / self.turn_radius)
        return self.turn_radius * (math.sin(half_turn) if half_turn < math.pi / 2 else 1.0) if way else 0.0

    def _middle_of_path(self) -> np.ndarray:
        """Centre of the circle around the path, relative to the path's middle, [3] metres."""
        half_turn = min(math.pi, self.speed * self.middle / self.turn_radius)
        inward = 1.0 - math.cos(half_turn) if half_turn < math.pi / 2 else 1.0
        return self.turn_radius * inward * _heading(self.forward + math.pi / 2)


def motion_of(
    kind: str, name: str, parts: list[Primitive], size: tuple[float, float], seconds: float, phase: float
) -> Motion:
    """The motion `kind` of an object.

    `name` is its own kind, `size` its radius and height in metres; `seconds` is the clip's length and
    `phase` 0 to 1 keeps several objects from moving as one.
    """
    radius, height = size
    joints = {part.joint.kind for part in parts if part.joint is not None}
    return Motion(
        kind=kind,
        forward=0.0 if name in FACING_X else -math.pi / 2,
        turn_radius=max(2.0, 2.2 * radius),
        middle=0.5 * seconds,
        radius=0.5 * height,
        bounce_height=min(1.2, max(0.35, 0.8 * height)),
        phase=phase,
        has_limbs="limb" in joints,
        has_rotor=kind == "spin" and "rotor" in joints,
    )


FACING_X = ("car", "truck", "bus")
"""Objects whose front is towards +x."""


def _heading(angle: float) -> np.ndarray:
    return np.array([math.cos(angle), math.sin(angle), 0.0])
