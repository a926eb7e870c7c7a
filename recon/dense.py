"""Dense first points: optical flow between training images, triangulated through the solved cameras.

Depth is least squares along the ray of each reference pixel over all images that follow it; a point
stays when the depth maps of other images agree (as in MVSNet's fusion, Yao et al. 2018).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.spatial import KDTree

from recon.flow import FlowImage, homogeneous, load_image, matches_of, partners_of
from recon.types import Cameras, Points

MAX_REFERENCES = 32
"""Images whose pixels become points; more images of a long shot add time, not surface."""
MAX_REPROJECTION = 1.0
"""Pixels between the flow and the triangulated point."""
MIN_PARALLAX = 8.0
"""Pixels that the matches of a point move, in all, when its depth changes by 100 %: at half a pixel
of noise its depth is good to 6 %."""
DEPTH_AGREES = 0.04
"""Relative difference of depth between two images that look at one surface."""
SAMPLES_PER_POINT = 4
"""Pixels triangulated for one point that is asked for; thinning averages them."""
NEIGHBOURS = 12
"""A point much farther from its neighbours than most points are from theirs is an outlier."""
FIRST_FACTOR, MIN_FACTOR, THINNINGS = 4.0, 0.5, 5
"""Size of a voxel by the scatter of its points: where the search for the target begins, and its bounds."""
NOISE = 0.1
"""Pixels of noise in flow that count as scatter along the ray; less than the true half pixel, because
a voxel averages."""
ENOUGH_POINTS = 1000
"""Fewer points are no help over the sparse ones."""


@dataclass(frozen=True, repr=False)
class DensePoints:
    """What came out."""

    points: Points
    """In the world of the cameras; empty when flow yields too little."""
    pairs: int
    """Image pairs that were matched."""

    def __repr__(self) -> str:
        return f"DensePoints({len(self.points)} from {self.pairs} pairs)"


@dataclass(frozen=True, repr=False)
class _DepthMap:
    pixels: np.ndarray  # [h, w, 2] the pixels looked at, every `stride`th
    depth: np.ndarray  # [h, w], NaN where unknown
    parallax: np.ndarray  # [h, w] pixels that the matches move when the depth changes by 100 %
    stride: int

    def at(self, pixels: np.ndarray) -> np.ndarray:
        """[...] depth at the nearest of its pixels, NaN outside."""
        cell = np.floor(np.nan_to_num(pixels, nan=-1.0) / self.stride).astype(int)
        h, w = self.depth.shape
        ok = np.all((cell >= 0) & (cell < (w, h)), axis=-1)
        cell = np.where(ok[..., None], cell, 0)
        return np.where(ok, self.depth[cell[..., 1], cell[..., 0]], np.nan)


def dense_points(
    images: list[np.ndarray],  # per camera [H, W, 3] uint8
    cameras: Cameras,
    sparse: Points,
    *,
    target: int,
) -> DensePoints:
    """About `target` points on the surfaces that these images show; the same for the same input.

    Give training images only. A camera that stands or only turns gives no points.
    """
    shots = [load_image(image, cameras, i) for i, image in enumerate(images)]
    step = max(1, -(-len(shots) // MAX_REFERENCES))
    references = range((len(shots) - 1) % step // 2, len(shots), step)
    partners = {i: partners_of(shots, i, sparse.xyz) for i in references}
    pairs = {(min(i, j), max(i, j)) for i, others in partners.items() for j in others}
    if not pairs:
        return DensePoints(_no_points(), 0)
    height, width = shots[0].grey.shape
    used = sum(bool(others) for others in partners.values())
    stride = int(np.clip(np.sqrt(used * height * width / (SAMPLES_PER_POINT * target)), 1, 8))
    pixels = np.stack(
        np.meshgrid(np.arange(stride // 2, width, stride), np.arange(stride // 2, height, stride)), -1
    )
    flows = matches_of(shots, pairs, sparse.xyz, pixels)
    maps: dict[int, _DepthMap] = {}
    for i, others in partners.items():
        if others:
            matches = [(shots[j], *flows[i, j]) for j in others]
            maps[i] = _DepthMap(pixels + 0.5, *_depth(shots[i], matches, pixels + 0.5), stride)
    xyz, rgb, scatter = [], [], []
    for i, depths in maps.items():
        others = [(shots[j], maps[j]) for j in sorted(maps, key=lambda j: abs(i - j))[1:7]]
        at = shots[i].unproject(depths.pixels, depths.depth)
        keep = _agreed(at, others) if others else np.isfinite(depths.depth)
        xyz.append(at[keep])
        rgb.append(shots[i].rgb[pixels[..., 1], pixels[..., 0]][keep])
        scatter.append(depths.depth[keep] * np.maximum(1 / shots[i].K[0, 0], NOISE / depths.parallax[keep]))
    points = _thinned(np.concatenate(xyz), np.concatenate(rgb), np.concatenate(scatter), target)
    return DensePoints(points if len(points) >= ENOUGH_POINTS else _no_points(), len(pairs))


def _no_points() -> Points:
    return Points(np.zeros((0, 3)), np.zeros((0, 3), np.uint8), np.zeros(0, np.float32))


def _depth(
    shot: FlowImage,
    matches: list[tuple[FlowImage, np.ndarray, np.ndarray]],  # image, positions [h, w, 2], trusted [h, w]
    pixels: np.ndarray,  # [h, w, 2]
) -> tuple[np.ndarray, np.ndarray]:
    """[h, w] depth by least squares over the matches that fit it, NaN where none is good enough; and
    [h, w] its parallax."""
    rays = homogeneous(pixels) @ np.linalg.inv(shot.K).T
    A, B, slope, trusted = [], [], [], []
    for other, goal, ok in matches:
        other_from_shot = other.camera_from_world @ np.linalg.inv(shot.camera_from_world)
        a, b = rays @ (other.K @ other_from_shot[:3, :3]).T, other.K @ other_from_shot[:3, 3]
        A.append(a[..., :2] - goal * a[..., 2:])  # A * depth = B where the point meets the match
        B.append(goal * b[2] - b[:2])
        slope.append((a[..., 2], b[2]))
        trusted.append(ok)
    fits, z = np.array(trusted), np.ones((len(A), *pixels.shape[:2]))
    AB = np.array([(a * b).sum(-1) for a, b in zip(A, B, strict=True)])
    AA = np.array([(a * a).sum(-1) for a in A])
    depth = np.full(pixels.shape[:2], np.nan)
    with np.errstate(all="ignore"):
        for _ in range(3):
            weight = fits / z**2
            depth = (weight * AB).sum(0) / (weight * AA).sum(0)
            z = np.array([a * depth + b for a, b in slope])
            miss = [a * depth[..., None] - b for a, b in zip(A, B, strict=True)]
            error = np.linalg.norm(miss, axis=-1)
            fits = np.array(trusted) & (z > 1e-3) & (error < MAX_REPROJECTION * z)
            z = np.where(z > 1e-3, z, 1.0)
        parallax = np.abs(depth) * np.sqrt((fits * AA / z**2).sum(0))
        good = (depth > 1e-3) & (parallax > MIN_PARALLAX) & (fits.sum(0) >= min(2, len(matches)))
    return np.where(good, depth, np.nan), parallax


def _agreed(at: np.ndarray, others: list[tuple[FlowImage, _DepthMap]]) -> np.ndarray:
    """[h, w] bool: another image has the points [h, w, 3] at the same depth, and none sees through them."""
    agree, through = np.zeros(at.shape[:2], int), np.zeros(at.shape[:2], int)
    with np.errstate(all="ignore"):
        for shot, depths in others:
            pixels, z = shot.project(at)
            ratio = depths.at(pixels) / z
            agree += np.abs(ratio - 1) < DEPTH_AGREES
            through += ratio > 1 + 2 * DEPTH_AGREES
    return (agree >= 1) & (through <= agree)


def _thinned(
    xyz: np.ndarray,  # [M, 3]
    rgb: np.ndarray,  # [M, 3] uint8
    scatter: np.ndarray,  # [M] how exact they are, world units
    target: int,
) -> Points:
    """About `target` means over voxels whose size follows the scatter, in steps of two."""
    octaves = np.floor(np.log2(scatter)).astype(int) if len(xyz) else np.zeros(0, int)
    clouds = [(2.0**o, xyz[octaves == o], rgb[octaves == o] / 255.0) for o in np.unique(octaves)]
    means, colours, factor = np.zeros((0, 3)), np.zeros((0, 3)), FIRST_FACTOR
    for _ in range(THINNINGS if clouds else 0):
        means, colours = _voxel_means(clouds, factor)
        if abs(len(means) / target - 1) < 0.1:
            break
        factor *= np.sqrt(len(means) / target)  # points lie on surfaces
        if factor < MIN_FACTOR:
            break
    return Points(means, (255 * colours + 0.5).astype(np.uint8), np.full(len(means), 0.5, np.float32))


def _voxel_means(
    clouds: list[tuple[float, np.ndarray, np.ndarray]],  # scatter, [M, 3] points, [M, 3] colours 0..1
    factor: float,
) -> tuple[np.ndarray, np.ndarray]:
    """Points and colours [N, 3]; where exact points are, those of larger scatter are left out."""
    import open3d

    means, colours = np.zeros((0, 3)), np.zeros((0, 3))
    for scatter, xyz, rgb in clouds:
        cloud = open3d.geometry.PointCloud(open3d.utility.Vector3dVector(xyz))
        cloud.colors = open3d.utility.Vector3dVector(rgb)
        cloud = cloud.voxel_down_sample(factor * scatter)
        if len(cloud.points) > NEIGHBOURS:
            cloud, _ = cloud.remove_statistical_outlier(nb_neighbors=NEIGHBOURS, std_ratio=2.0)
        new = np.asarray(cloud.points)
        alone = (
            KDTree(means).query(new, workers=-1)[0] > factor * scatter
            if len(means)
            else np.ones(len(new), bool)
        )
        means = np.concatenate([means, new[alone]])
        colours = np.concatenate([colours, np.asarray(cloud.colors)[alone]])
    return means, colours
