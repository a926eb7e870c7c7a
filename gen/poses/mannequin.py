"""A mannequin that walks, waves or turns: a photo, a skeleton sequence and a body-part sequence that belong
together, with no model. For trying out `animate`, and for tests that need the truth.

Body parts are numbered and coloured as DensePose does (Güler et al. 2018, "DensePose: dense human pose
estimation in the wild"; viridis, as MagicAnimate was trained on).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from gen.clips import to_uint8
from gen.poses.skeletons import JOINTS, Poses

Action = Literal["walk", "wave", "turn"]
VISIBLE = (1.5, 2.1)
"""Metres, width and height, that a picture shows at least; the mannequin is 1.75 m tall."""
MIDDLE = 0.95
"""Metres above the ground that lie in the middle of the picture."""
FINE = 2
"""Pictures are drawn this much larger and averaged."""
LIGHT = np.array([-0.4, 0.7, 0.6]) / np.linalg.norm([-0.4, 0.7, 0.6])
SKIN, HAIR, SHIRT, TROUSERS, SHOES = (
    (224, 178, 148),
    (62, 44, 34),
    (46, 110, 168),
    (70, 66, 78),
    (178, 52, 44),
)
EYES, WALL, FLOOR = (30, 24, 22), (196, 190, 178), (134, 112, 92)
PARTS = 24
"""DensePose's body parts; 0 is no person."""


@dataclass(frozen=True, repr=False)
class Mannequin:
    """A performance of the mannequin."""

    photo: np.ndarray
    """[H, W, 3] uint8: standing still, from the front."""
    photo_pose: Poses
    """The skeleton of the photo, one frame."""
    frames: np.ndarray
    """[F, H, W, 3] uint8: what a perfect model would make of the photo."""
    poses: Poses
    """The skeleton of every frame."""
    parts: np.ndarray
    """[F, H, W] uint8: DensePose's body part, 1..24, of every pixel; 0 is background."""


def perform(action: Action, *, frames: int = 29, width: int = 320, height: int = 480) -> Mannequin:
    """The mannequin walks on the spot, waves, or turns around once, within `frames` frames."""
    scenes = [_Scene(_body(action, i / frames), width, height) for i in range(frames)]
    still = _Scene(_body("wave", None), width, height)
    drawn = [scene.draw() for scene in scenes]
    return Mannequin(
        photo=still.draw()[0],
        photo_pose=Poses(still.joints()[None, None], width, height),
        frames=np.stack([picture for picture, _ in drawn]),
        poses=Poses(np.stack([scene.joints()[None] for scene in scenes]), width, height),
        parts=np.stack([parts for _, parts in drawn]),
    )


def part_colours(parts: np.ndarray) -> np.ndarray:
    """[..., 3] uint8 sRGB of body parts [...] uint8."""
    import cv2

    scale = np.arange(PARTS + 1) * 255 // PARTS
    table = cv2.applyColorMap(scale.astype(np.uint8)[None], cv2.COLORMAP_VIRIDIS)[0, :, ::-1]
    return table[parts]


@dataclass(frozen=True)
class _Body:
    """Joints [3] in metres, x to its left, y up, z to where it faces; and how far it has turned."""

    points: dict[str, np.ndarray]
    turned: float

    def seen(self, name: str) -> np.ndarray:
        """[3] as the camera sees it: x to the right, z towards it. Unturned it faces the camera."""
        x, y, z = self.points[name]
        c, s = np.cos(self.turned), np.sin(self.turned)
        return np.array([c * x + s * z, y, c * z - s * x])


def _body(action: Action, moment: float | None) -> _Body:
    """The body at a moment 0..1 of an action; None stands still."""
    turn = 2 * np.pi * (moment or 0)
    stride = np.sin(2 * turn) if action == "walk" else 0.0
    lift = np.cos(2 * turn) if action == "walk" else 0.0
    bob = 0.02 * abs(stride)
    points = {
        "hip": np.array([0, 0.95 - bob, 0.0]),
        "waist": np.array([0, 1.08 - bob, 0.0]),
        "neck": np.array([0, 1.45 - bob, 0.0]),
        "head": np.array([0, 1.63 - bob, 0.02]),
        "nose": np.array([0, 1.61 - bob, 0.13]),
    }
    for side, name in ((1, "left"), (-1, "right")):
        points[f"{name}_eye"] = points["head"] + [side * 0.035, 0.03, 0.10]
        points[f"{name}_ear"] = points["head"] + [side * 0.09, 0.0, 0.0]
        raised = action == "wave" and side < 0 and moment is not None
        upper, fore = (0.12, 0.16)
        if raised:
            upper, fore = 1.8, 2.75 + 0.4 * np.sin(2 * turn + 0.7)
        swing = -side * 0.5 * stride
        shoulder = points["neck"] + [side * 0.19, -0.03, 0]
        elbow = shoulder + 0.28 * _direction(side * upper, swing)
        wrist = elbow + 0.25 * _direction(side * fore, swing + (0 if raised else 0.25 + 0.2 * abs(stride)))
        points |= {f"{name}_shoulder": shoulder, f"{name}_elbow": elbow, f"{name}_wrist": wrist}
        points[f"{name}_hand"] = wrist + 0.4 * (wrist - elbow) * (0.8 if raised else 0.7)
        hip = points["hip"] + [side * 0.1, -0.04, 0]
        knee = hip + 0.43 * _direction(side * 0.03, side * 0.45 * stride)
        bend = 0.08 + 0.7 * max(0.0, side * lift) if action == "walk" else 0.0
        ankle = knee + 0.42 * _direction(side * 0.02, side * 0.45 * stride - bend)
        points |= {f"{name}_hip": hip, f"{name}_knee": knee, f"{name}_ankle": ankle}
        points[f"{name}_toe"] = ankle + np.array([side * 0.03, -0.04, 0.17])
    turned = {"walk": np.radians(50), "wave": 0.0, "turn": turn}[action] if moment is not None else 0.0
    return _Body(points, float(turned))


def _direction(sideways: float, forward: float) -> np.ndarray:
    """[3]: straight down, raised sideways and swung forward by angles in radians."""
    return np.array(
        [np.sin(sideways), -np.cos(sideways) * np.cos(forward), np.cos(sideways) * np.sin(forward)]
    )


@dataclass(frozen=True)
class _Limb:
    """Two spheres and what lies between them."""

    start: str
    end: str
    radii: tuple[float, float]
    colour: tuple[int, int, int]
    parts: tuple[int, int]
    """DensePose's number on the side that the mannequin turns to its front, and to its back."""


def _limbs() -> list[_Limb]:
    limbs = [
        _Limb("neck", "waist", (0.115, 0.125), SHIRT, (2, 1)),
        _Limb("waist", "hip", (0.11, 0.115), TROUSERS, (2, 1)),
        _Limb("head", "head", (0.11, 0.11), SKIN, (23, 24)),
        _Limb("head", "nose", (0.03, 0.016), SKIN, (23, 24)),
        _Limb("head", "neck", (0.06, 0.06), SKIN, (23, 24)),
    ]
    # Front and back of: upper leg, lower leg, foot, upper arm, forearm, hand.
    numbers = {
        "left": ((10, 8), (14, 12), (5, 5), (15, 17), (19, 21), (4, 4)),
        "right": ((9, 7), (13, 11), (6, 6), (16, 18), (20, 22), (3, 3)),
    }
    for side, (thigh, shank, foot, upper, fore, hand) in numbers.items():
        limbs += [
            _Limb("neck", f"{side}_shoulder", (0.09, 0.07), SHIRT, (2, 1)),
            _Limb("hip", f"{side}_hip", (0.1, 0.092), TROUSERS, (2, 1)),
            _Limb(f"{side}_hip", f"{side}_knee", (0.095, 0.062), TROUSERS, thigh),
            _Limb(f"{side}_knee", f"{side}_ankle", (0.062, 0.042), TROUSERS, shank),
            _Limb(f"{side}_ankle", f"{side}_toe", (0.05, 0.035), SHOES, foot),
            _Limb(f"{side}_shoulder", f"{side}_elbow", (0.062, 0.045), SHIRT, upper),
            _Limb(f"{side}_elbow", f"{side}_wrist", (0.043, 0.032), SKIN, fore),
            _Limb(f"{side}_wrist", f"{side}_hand", (0.034, 0.04), SKIN, hand),
        ]
    return limbs


class _Scene:
    """A body before a wall, seen from the front without perspective."""

    def __init__(self, body: _Body, width: int, height: int) -> None:
        self.body, self.width, self.height = body, width, height
        self.scale = min(height / VISIBLE[1], width / VISIBLE[0])

    def place(self, name: str) -> np.ndarray:
        """[3]: x and y in pixels (not rounded), and pixels towards the camera."""
        x, y, z = self.body.seen(name) * self.scale
        return np.array([self.width / 2 + x, self.height / 2 + MIDDLE * self.scale - y, z])

    def joints(self) -> np.ndarray:
        """[18, 3] float32 as `Poses.body`; what the head hides of the face is not found."""
        joints = np.zeros((18, 3), np.float32)
        head = self.place("head")
        for number, name in enumerate(JOINTS):
            x, y, z = self.place(name)
            hidden = name.endswith(("nose", "eye", "ear")) and z < head[2] - 0.03 * self.scale
            if not hidden:
                joints[number] = x, y, 1
        return joints

    def draw(self) -> tuple[np.ndarray, np.ndarray]:
        """The picture [H, W, 3] and the body parts [H, W], uint8."""
        import cv2

        height, width = self.height * FINE, self.width * FINE
        rows = np.linspace(0, 1, height)[:, None]
        edge = 0.5 + (MIDDLE - 0.18) * self.scale / self.height
        wall = np.array(WALL) * (1 - 0.25 * rows[..., None])
        floor = np.array(FLOOR) * (0.7 + 0.5 * rows[..., None])
        picture = np.broadcast_to(np.where(rows[..., None] < edge, wall, floor), (height, width, 3)).copy()
        parts = np.zeros((height, width), np.uint8)
        depth = np.full((height, width), -np.inf)
        for limb in _limbs():
            self._draw_limb(limb, picture, parts, depth)
        self._draw_face(picture, depth)
        small = cv2.resize(picture, (self.width, self.height), interpolation=cv2.INTER_AREA)
        return to_uint8(small), parts[::FINE, ::FINE].copy()

    def _draw_limb(self, limb: _Limb, picture: np.ndarray, parts: np.ndarray, depth: np.ndarray) -> None:
        a, b = self.place(limb.start) * FINE, self.place(limb.end) * FINE
        radii = np.array(limb.radii) * self.scale * FINE
        low = np.floor(np.minimum(a, b)[:2] - radii.max()).astype(int).clip(0)
        high = np.ceil(np.maximum(a, b)[:2] + radii.max()).astype(int) + 1
        window = np.s_[low[1] : high[1], low[0] : high[0]]
        y, x = np.mgrid[low[1] : min(high[1], depth.shape[0]), low[0] : min(high[0], depth.shape[1])]
        from_a = np.stack([x - a[0], y - a[1]], -1)
        along = b[:2] - a[:2]
        part = np.clip(from_a @ along / max(1e-6, along @ along), 0, 1)
        if np.linalg.norm(along) < 1e-3 * radii.max():  # it points at the camera: show the nearer end
            part = np.full(part.shape, float(b[2] > a[2]))
        radius = radii[0] + part * (radii[1] - radii[0])
        off = from_a - part[..., None] * along
        rise = np.sqrt(np.maximum(0, radius**2 - (off**2).sum(-1)))
        z = a[2] + part * (b[2] - a[2]) + rise
        here = (rise > 0) & (z > depth[window])
        normal = np.stack([off[..., 0], -off[..., 1], rise], -1) / radius[..., None]
        shade = 0.5 + 0.6 * np.clip(normal @ LIGHT, 0, 1)
        depth[window][here] = z[here]
        picture[window][here] = (np.array(limb.colour) * shade[..., None])[here]
        # The camera sees the front of what faces it: the side of the normal, turned back with the body.
        c, s = np.cos(self.body.turned), np.sin(self.body.turned)
        front = normal[..., 2] * c + normal[..., 0] * s > 0
        parts[window][here] = np.where(front, *limb.parts)[here]
        if limb.start == limb.end:  # the head
            hair = here & ~(front & (off[..., 1] > -0.45 * radius))
            picture[window][hair] = (np.array(HAIR) * shade[..., None])[hair]

    def _draw_face(self, picture: np.ndarray, depth: np.ndarray) -> None:
        """Eyes, so that one sees where the mannequin looks."""
        import cv2

        eyes = np.zeros(depth.shape, np.uint8)
        for name in ("left_eye", "right_eye"):
            x, y, z = self.place(name) * FINE
            column, row = round(float(x)), round(float(y))
            inside = 0 <= row < depth.shape[0] and 0 <= column < depth.shape[1]
            if inside and z > depth[row, column] - 0.03 * self.scale * FINE:
                cv2.circle(eyes, (column, row), round(0.013 * self.scale * FINE), 1, -1)
        picture[(eyes > 0) & np.isfinite(depth)] = EYES
