"""Where the pixels of one image are in others: DIS optical flow that starts from the solved cameras.

DIS: Kroeger et al. 2016, "Fast optical flow using dense inverse search".
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from scipy.spatial import KDTree

from recon.frame_flow import in_order, pixel_grid, sample
from recon.gaussians import scaled_intrinsics
from recon.types import Cameras

FLOW_SIZE = 640
"""Flow runs on images of at most this long side: half a pixel there is as good as the cameras are."""
FLOW_PRESET = cv2.DISOPTICAL_FLOW_PRESET_MEDIUM
OFFSETS = (1, 2, 3, 4, 6, 8, 12, 16)
"""Partners of a reference are sought this many training images before and after it."""
PARTNERS = 4
CELL = 8
"""Pixels; the rough depth that flow starts from has one value a cell."""
BEST_ANGLE, MIN_ANGLE, MAX_ANGLE = 4.0, 0.6, 16.0
"""Degrees between the rays of a reference and a partner, in the median over the sparse points: less
has no depth, more is too different to match."""
MIN_OVERLAP = 0.4
"""Share of a reference's sparse points that a partner must have in its image."""
MAX_ROUND_TRIP = 0.7
"""Pixels between a pixel and where forward and backward flow bring it."""


@dataclass(frozen=True, repr=False)
class FlowImage:
    """An image at the size at which flow runs, and its camera."""

    grey: np.ndarray  # [H, W] uint8
    rgb: np.ndarray  # [H, W, 3] uint8
    K: np.ndarray  # [3, 3] pixels of this image
    camera_from_world: np.ndarray  # [4, 4]

    def project(self, xyz: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Pixels [..., 2] and depths [...] of world points [..., 3]."""
        return project(xyz, self.K, self.camera_from_world)

    def unproject(self, pixels: np.ndarray, depth: np.ndarray) -> np.ndarray:
        """World points [..., 3] at pixels [..., 2] and depths [...]."""
        rays = homogeneous(pixels) @ np.linalg.inv(self.K).T
        at = rays * depth[..., None] - self.camera_from_world[:3, 3]
        return at @ self.camera_from_world[:3, :3]

    def inside(self, pixels: np.ndarray) -> np.ndarray:
        """[...] bool; NaN is outside."""
        return np.all((pixels >= 0) & (pixels < self.grey.shape[::-1]), axis=-1)


def load_image(
    image: np.ndarray,  # [H, W, 3] uint8
    cameras: Cameras,
    i: int,
) -> FlowImage:
    """The image of the i-th camera, shrunk to FLOW_SIZE."""
    height, width = image.shape[:2]
    factor = min(1.0, FLOW_SIZE / max(height, width))
    if factor < 1:
        size = round(width * factor), round(height * factor)
        image = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
        height, width = image.shape[:2]
    K = scaled_intrinsics(cameras.K[i], cameras.width, cameras.height, width, height)
    return FlowImage(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), image, K, cameras.camera_from_world[i])


def project(
    xyz: np.ndarray,  # [..., 3] world
    K: np.ndarray,  # [3, 3]
    camera_from_world: np.ndarray,  # [4, 4]
) -> tuple[np.ndarray, np.ndarray]:
    """Pixels [..., 2], nan behind the camera, and depths [...]."""
    at = xyz @ camera_from_world[:3, :3].T + camera_from_world[:3, 3]
    z = at[..., 2]
    return (at @ K.T)[..., :2] / np.where(z > 1e-6, z, np.nan)[..., None], z


def homogeneous(pixels: np.ndarray) -> np.ndarray:
    """[..., 3]: pixels [..., 2] with a 1."""
    return np.concatenate([pixels, np.ones_like(pixels[..., :1])], -1)


def _visible(shot: FlowImage, xyz: np.ndarray) -> np.ndarray:
    pixels, z = shot.project(xyz)
    return (z > 1e-3) & shot.inside(pixels)


def partners_of(
    shots: list[FlowImage],
    i: int,
    xyz: np.ndarray,  # [M, 3] sparse points
) -> list[int]:
    """The images from which the points in image i are seen at the most useful angles."""
    own = xyz[_visible(shots[i], xyz)]
    if len(own) < 8:
        return []

    def centre(k: int) -> np.ndarray:
        return -shots[k].camera_from_world[:3, :3].T @ shots[k].camera_from_world[:3, 3]

    found = []
    for j in sorted({i + sign * offset for offset in OFFSETS for sign in (-1, 1)}):
        if not 0 <= j < len(shots):
            continue
        both = own[_visible(shots[j], own)]
        if len(both) < MIN_OVERLAP * len(own):
            continue
        a, b = both - centre(i), both - centre(j)
        cosine = (a * b).sum(1) / (np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1))
        angle = float(np.degrees(np.median(np.arccos(np.clip(cosine, -1, 1)))))
        if MIN_ANGLE < angle < MAX_ANGLE:
            found.append((abs(np.log(angle / BEST_ANGLE)), j))
    return sorted(j for _, j in sorted(found)[:PARTNERS])


def matches_of(
    shots: list[FlowImage],
    pairs: set[tuple[int, int]],
    xyz: np.ndarray,  # [M, 3] sparse points
    pixels: np.ndarray,  # [h, w, 2] int
) -> dict[tuple[int, int], tuple[np.ndarray, np.ndarray]]:
    """For each ordered pair the positions in the second image [h, w, 2] of pixels of the first, and
    whether to trust them [h, w]."""
    depths = {i: _rough_depth(shots[i], xyz) for i in sorted({k for pair in pairs for k in pair})}
    height, width = shots[0].grey.shape
    grid = pixel_grid(height, width)
    here = (pixels[..., 1], pixels[..., 0])

    def match(pair: tuple[int, int]) -> list[tuple[tuple[int, int], tuple[np.ndarray, np.ndarray]]]:
        i, j = pair
        there = _flow(shots[i], shots[j], depths[i], grid)
        back = _flow(shots[j], shots[i], depths[j], grid)
        out = []
        for a, b, forth, home in ((i, j, there, back), (j, i, back, there)):
            goal = forth[here] + pixels
            returned = goal + sample(home, goal.astype(np.float32))
            round_trip = np.linalg.norm(returned - pixels, axis=-1)
            ok = (round_trip < MAX_ROUND_TRIP) & shots[b].inside(goal + 0.5)
            out.append(((a, b), (goal + 0.5, ok)))
        return out

    return dict(one for both in in_order(match, sorted(pairs)) for one in both)


def _rough_depth(shot: FlowImage, xyz: np.ndarray) -> np.ndarray:
    """[h, w] depth between the sparse points in cells of CELL pixels: where flow starts to look."""
    pixels, z = shot.project(xyz)
    seen = _visible(shot, xyz)
    cells = _cells(shot)
    distance, nearest = KDTree(pixels[seen]).query(cells, k=4)
    weight = 1 / (distance + CELL / 2) ** 2
    return weight.sum(-1) / (weight / z[seen][nearest]).sum(-1)


def _cells(shot: FlowImage) -> np.ndarray:
    """[h, w, 2] middles of the cells of CELL pixels."""
    height, width = shot.grey.shape
    return np.stack(np.meshgrid(np.arange(CELL / 2, width, CELL), np.arange(CELL / 2, height, CELL)), -1)


def _flow(
    first: FlowImage,
    second: FlowImage,
    depth: np.ndarray,  # [h, w] rough, of the first image
    grid: np.ndarray,  # [H, W, 2] pixel indices
) -> np.ndarray:
    """[H, W, 2]: the second image is warped by the rough depth first, so that DIS sees small motion."""
    cells = _cells(first)
    expected, _ = second.project(first.unproject(cells, depth))
    rough = np.nan_to_num(expected - cells).astype(np.float32)
    rough = cv2.resize(rough, first.grey.shape[::-1])
    warped = sample(second.grey, grid + rough)
    dis = cv2.DISOpticalFlow.create(FLOW_PRESET)
    rest = dis.calc(first.grey, warped, np.empty((0,)))
    return rest + sample(rough, grid + rest)
