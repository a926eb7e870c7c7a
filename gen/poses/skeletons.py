"""People as skeletons: the joints of a video's people, drawn the way pose-guided models were trained on.

18 joints in OpenPose's COCO order and its colours (Cao et al. 2019, "OpenPose: realtime multi-person 2D pose
estimation using part affinity fields"), hands with 21 points each.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from gen.errors import GenerateError

JOINTS = (
    *("nose", "neck", "right_shoulder", "right_elbow", "right_wrist", "left_shoulder", "left_elbow"),
    *("left_wrist", "right_hip", "right_knee", "right_ankle", "left_hip", "left_knee", "left_ankle"),
    *("right_eye", "left_eye", "right_ear", "left_ear"),
)
LIMBS = (
    *((1, 2), (1, 5), (2, 3), (3, 4), (5, 6), (6, 7), (1, 8), (8, 9), (9, 10), (1, 11), (11, 12), (12, 13)),
    *((1, 0), (0, 14), (14, 16), (0, 15), (15, 17)),
)
"""Pairs of joints, from the neck outwards, in the order in which they are drawn and coloured."""
COLOURS = np.array(
    [
        *((255, 0, 0), (255, 85, 0), (255, 170, 0), (255, 255, 0), (170, 255, 0), (85, 255, 0), (0, 255, 0)),
        *((0, 255, 85), (0, 255, 170), (0, 255, 255), (0, 170, 255), (0, 85, 255), (0, 0, 255), (85, 0, 255)),
        *((170, 0, 255), (255, 0, 255), (255, 0, 170), (255, 0, 85)),
    ]
)
LIMB_DIMNESS = 0.6
"""Limbs are drawn at this part of the brightness of joints."""
FINGERS = tuple((0 if k == 0 else 4 * f + k, 4 * f + k + 1) for f in range(5) for k in range(4))
"""Pairs of the 21 points of a hand: the wrist, then four a finger from the thumb on."""
SEEN = 0.3
"""Confidence from which a joint is drawn."""
THICKNESS = 4 / 512
"""Half the width of a limb, as a part of the picture's short side."""
TORSO = (1, 2, 5, 8, 11)


@dataclass(frozen=True, repr=False)
class Poses:
    """The joints of the people in a clip."""

    body: np.ndarray
    """[F, P, 18, 3] float32: x and y in pixels, confidence 0..1; 0 is a joint that was not found."""
    width: int
    height: int
    hands: np.ndarray | None = None
    """[F, P, 2, 21, 3] float32, left and right, as `body`; None if nobody looked for hands."""

    def __post_init__(self) -> None:
        if self.body.ndim != 4 or self.body.shape[2:] != (18, 3):
            raise ValueError(f"body is {self.body.shape}, expected [F, P, 18, 3]")
        if self.hands is not None and self.hands.shape != (*self.body.shape[:2], 2, 21, 3):
            raise ValueError(f"hands are {self.hands.shape}, expected {(*self.body.shape[:2], 2, 21, 3)}")

    def __len__(self) -> int:
        return len(self.body)

    def __repr__(self) -> str:
        return f"Poses({len(self)} frames, {self.body.shape[1]} people, {self.width}x{self.height})"

    def scaled(self, width: int, height: int) -> Poses:
        """The same in pictures of another size, scaled to cover it and cropped around the middle."""
        factor = max(width / self.width, height / self.height)
        shift = np.array([width - factor * self.width, height - factor * self.height]) / 2
        return self._placed(factor, shift, width, height)

    def _placed(self, factor: float, shift: np.ndarray, width: int, height: int) -> Poses:
        def place(points: np.ndarray) -> np.ndarray:
            xy = np.where(points[..., 2:] > 0, points[..., :2] * factor + shift, 0)
            return np.concatenate([xy, points[..., 2:]], -1).astype(np.float32)

        hands = None if self.hands is None else place(self.hands)
        return Poses(place(self.body), width, height, hands)


def draw_skeletons(poses: Poses) -> np.ndarray:
    """[F, height, width, 3] uint8: skeletons on black; joints that were not found are left out."""
    return np.stack([_draw(poses, frame) for frame in range(len(poses))])


def fill_gaps(poses: Poses, *, longest: int = 5) -> Poses:
    """Joints that are missing for at most `longest` frames, put on the straight way between their neighbours.

    Only for clips in which the order of the people does not change.
    """
    body = poses.body.copy()
    for person in range(body.shape[1]):
        for joint in range(18):
            track = body[:, person, joint]
            seen = np.flatnonzero(track[:, 2] >= SEEN)
            for a, b in pairwise(seen):
                if 1 < b - a <= longest + 1:
                    part = np.arange(1, b - a)[:, None] / (b - a)
                    track[a + 1 : b] = (1 - part) * track[a] + part * track[b]
    return replace(poses, body=body)


def retarget(
    driving: Poses,
    reference: Poses,
    *,
    proportions: bool = False,
) -> Poses:
    """The driving motion at the size and place of the first person on a photo (`reference`, one frame).

    Models that animate a photo want the first skeleton to lie on the person. The scale is the median ratio
    of the limbs' lengths, of the driving clip at their longest (a limb that points at the camera looks
    short); the place is that of the torso in the first frame. `proportions` also gives every limb the length
    that it has on the photo. Only the first person is kept.
    Raises `GenerateError` if the two have too few joints in common.
    """
    moves, still = driving.body[:, 0], reference.body[0, 0]
    lengths = np.stack([_lengths(joints) for joints in moves])
    known = np.isfinite(lengths).any(0) & np.isfinite(_lengths(still))
    first = next((i for i, joints in enumerate(moves) if _common_torso(joints, still).size), None)
    if known.sum() < 3 or first is None:
        raise GenerateError(
            f"The driving skeleton and that of the photo have {known.sum()} limbs in common, but 3 and a "
            f"shoulder or hip are needed to fit one to the other: use a photo that shows the whole person."
        )
    longest = np.full(len(LIMBS), np.nan)
    longest[known] = np.nanpercentile(lengths[:, known], 90, axis=0)
    ratios = _lengths(still) / np.maximum(longest, 1e-6)
    factor = float(np.median(ratios[known]))
    torso = _common_torso(moves[first], still)
    shift = still[torso, :2].mean(0) - factor * moves[first, torso, :2].mean(0)
    one = Poses(driving.body[:, :1], driving.width, driving.height, _first_hands(driving))
    placed = one._placed(factor, shift, reference.width, reference.height)
    if not proportions:
        return placed
    stretch = np.where(known, np.clip(ratios / factor, 0.5, 2), 1)
    return _stretched(placed, stretch)


def _stretched(poses: Poses, stretch: np.ndarray) -> Poses:
    """Limbs longer by factors [17], from the neck outwards; what hangs on a limb moves with it."""
    old = poses.body[:, 0]
    new = old.copy()
    for (parent, child), factor in zip(LIMBS, stretch, strict=True):
        both = (old[:, parent, 2] > 0) & (old[:, child, 2] > 0)
        along = factor * (old[both, child, :2] - old[both, parent, :2])
        new[both, child, :2] = new[both, parent, :2] + along
    hands = poses.hands
    if hands is not None:
        wrists = [7, 4]
        moved = (new - old)[:, wrists, None, :2] * (hands[:, 0, :, :, 2:] > 0)
        hands = np.concatenate([hands[:, 0, :, :, :2] + moved, hands[:, 0, :, :, 2:]], -1)[:, None]
    return replace(poses, body=new[:, None], hands=hands)


def _lengths(joints: np.ndarray) -> np.ndarray:
    """[17] pixels; NaN where an end is missing."""
    a, b = (joints[[limb[end] for limb in LIMBS]] for end in (0, 1))
    length = np.linalg.norm(a[:, :2] - b[:, :2], axis=-1)
    return np.where((a[:, 2] >= SEEN) & (b[:, 2] >= SEEN) & (length > 1e-3), length, np.nan)


def _common_torso(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.array([joint for joint in TORSO if min(a[joint, 2], b[joint, 2]) >= SEEN], int)


def _first_hands(poses: Poses) -> np.ndarray | None:
    return None if poses.hands is None else poses.hands[:, :1]


def _draw(poses: Poses, frame: int) -> np.ndarray:
    import cv2

    picture = np.zeros((poses.height, poses.width, 3), np.uint8)
    thick = max(1.0, THICKNESS * min(poses.width, poses.height))
    for person in poses.body[frame]:
        for number, (a, b) in enumerate(LIMBS):
            if min(person[a, 2], person[b, 2]) >= SEEN:
                _draw_limb(picture, person[a, :2], person[b, :2], thick, COLOURS[number] * LIMB_DIMNESS)
        for number, (x, y, confidence) in enumerate(person):
            if confidence >= SEEN:
                centre = round(float(x)), round(float(y))
                cv2.circle(picture, centre, round(thick), COLOURS[number].tolist(), -1, cv2.LINE_AA)
    if poses.hands is not None:
        for hand in poses.hands[frame].reshape(-1, 21, 3):
            _draw_hand(picture, hand, thick)
    return picture


def _draw_limb(picture: np.ndarray, a: np.ndarray, b: np.ndarray, thick: float, colour: np.ndarray) -> None:
    """An ellipse from joint to joint."""
    import cv2

    middle, half = (a + b) / 2, (b - a) / 2
    turn = np.arctan2(half[1], half[0])
    angle = np.linspace(0, 2 * np.pi, 48, endpoint=False)
    x, y = np.linalg.norm(half) * np.cos(angle), thick * np.sin(angle)
    outline = (
        np.stack([x * np.cos(turn) - y * np.sin(turn), x * np.sin(turn) + y * np.cos(turn)], -1) + middle
    )
    # Sixteenths of a pixel, so that a slow motion does not jump.
    cv2.fillConvexPoly(picture, np.rint(outline * 16).astype(np.int32), colour.tolist(), cv2.LINE_AA, shift=4)


def _draw_hand(picture: np.ndarray, hand: np.ndarray, thick: float) -> None:
    import colorsys

    import cv2

    at = np.rint(hand[:, :2] * 16).astype(int).tolist()
    for number, (a, b) in enumerate(FINGERS):
        if min(hand[a, 2], hand[b, 2]) >= SEEN:
            colour = [255 * c for c in colorsys.hsv_to_rgb(number / len(FINGERS), 1, 1)]
            cv2.line(picture, at[a], at[b], colour, max(1, round(thick / 2)), cv2.LINE_AA, shift=4)
    for place, confidence in zip(at, hand[:, 2], strict=True):
        if confidence >= SEEN:
            cv2.circle(picture, place, round(thick / 2 * 16), (0, 0, 255), -1, cv2.LINE_AA, shift=4)
