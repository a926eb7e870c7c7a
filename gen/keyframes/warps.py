"""How a frame follows from the one before: turned, zoomed and shifted as a sheet (2D), or as what a moving
camera sees of a scene with depth (3D).

Motions are matrices that take positions in an earlier frame to positions in a later one, so the motion over
several frames is their product and a picture is resampled once, however far it has travelled. Positions are
in pixels, the centre of the top-left pixel at (0.5, 0.5).
"""

from __future__ import annotations

from typing import Literal

import numpy as np

Border = Literal["replicate", "wrap", "reflect"]

UNITS_PER_DEPTH = 200.0
"""Deforum's unit of translation in 3D: this many lead to what is at depth 1."""


def sheet_motions(
    values: dict[str, np.ndarray],  # [F] each
    width: int,
    height: int,
) -> np.ndarray:  # [F, 3, 3]
    """For every frame the matrix that takes positions in the frame before to positions in it.

    Uses angle (degrees, anticlockwise), zoom (above 1 is closer), translation_x and _y (pixels, to the right
    and down), transform_center_x and _y (the fixed point, as parts of the frame), and the turns of the sheet
    in space, perspective_flip_theta (roll, clockwise), _phi (tilt, the bottom comes nearer) and _gamma (pan,
    the left comes nearer), in degrees, around its middle; perspective_flip_fv (degrees) is the angle at which
    a ball as wide as the diagonal is seen. The sheet is shifted, turned, zoomed, then flipped.
    """
    radians = np.radians(values["angle"])
    cos, sin = values["zoom"] * np.cos(radians), values["zoom"] * np.sin(radians)
    zero, one = np.zeros_like(cos), np.ones_like(cos)
    turn = _matrices([[cos, sin, zero], [-sin, cos, zero], [zero, zero, one]])
    shift = _translations(values["translation_x"], values["translation_y"])
    x, y = values["transform_center_x"] * width, values["transform_center_y"] * height
    return _flips(values, width, height) @ _translations(x, y) @ turn @ _translations(-x, -y) @ shift


def _flips(values: dict[str, np.ndarray], width: int, height: int) -> np.ndarray:  # [F, 3, 3]
    """A sheet turned in space around its middle, seen from where it filled the frame."""
    theta, phi, gamma = (values[f"perspective_flip_{name}"] for name in ("theta", "phi", "gamma"))
    half_diagonal = 0.5 * np.hypot(width, height)
    focal = half_diagonal / np.sin(np.radians(np.clip(values["perspective_flip_fv"], 1, 170)) / 2)
    zero, one = np.zeros_like(focal), np.ones_like(focal)
    rotation = _rotations(-phi, -gamma, theta)
    # Points (x, y, 0) of the sheet, turned, then moved ahead of the camera by the focal length.
    onto_sheet = _matrices([[one, zero, zero], [zero, one, zero], [zero, zero, zero]])
    ahead = _matrices([[zero, zero, zero], [zero, zero, zero], [zero, zero, focal]])
    project = _matrices([[focal, zero, zero], [zero, focal, zero], [zero, zero, one]])
    middle = _translations(one * width / 2, one * height / 2)
    flips = middle @ project @ (rotation @ onto_sheet + ahead) @ np.linalg.inv(middle)
    return flips / flips[:, 2:, 2:]


def camera_motions(values: dict[str, np.ndarray]) -> np.ndarray:  # [F, 4, 4]
    """For every frame the matrix that takes points seen from the frame before to points seen from it.

    Camera axes are x right, y down, z forward; lengths are depths. The camera turns by rotation_3d_x (tilts
    up), _y (pans to the right) and _z (the picture turns anticlockwise), degrees, then moves along its new
    axes by translation_x (right), _y (up) and _z (forward), UNITS_PER_DEPTH to a depth.
    """
    before_from_after = np.zeros((len(values["translation_x"]), 4, 4))
    rotation = _rotations(*(values[f"rotation_3d_{axis}"] for axis in "xyz"))
    steps = np.stack([values["translation_x"], -values["translation_y"], values["translation_z"]], -1)
    before_from_after[:, :3, :3] = rotation
    before_from_after[:, :3, 3] = np.einsum("fij,fj->fi", rotation, steps) / UNITS_PER_DEPTH
    before_from_after[:, 3, 3] = 1
    return np.linalg.inv(before_from_after)


def plane_motion(
    motion: np.ndarray,  # [4, 4]
    depth: float,
    old_focal: float,
    new_focal: float,
    width: int,
    height: int,
) -> np.ndarray:  # [3, 3]
    """What a motion of the camera does to a picture that hangs at one depth in front of it."""
    rotation, translation = motion[:3, :3], motion[:3, 3]
    on_plane = rotation + np.outer(translation, [0, 0, 1 / depth])
    moved = (
        intrinsics(new_focal, width, height) @ on_plane @ np.linalg.inv(intrinsics(old_focal, width, height))
    )
    return moved / moved[2, 2]


def focal_length(fov: float, height: int) -> float:
    """In pixels, from the vertical field of view in degrees."""
    return 0.5 * height / float(np.tan(np.radians(np.clip(fov, 1, 170)) / 2))


def warp_sheet(
    picture: np.ndarray,  # [H, W, 3]
    motion: np.ndarray,  # [3, 3]
    border: Border,
) -> np.ndarray:  # [H, W, 3]
    """A picture (uint8 sRGB) after a motion of the sheet it is on."""
    if np.array_equal(motion, np.eye(3)):
        return picture
    import cv2

    height, width = picture.shape[:2]
    # OpenCV counts positions from the centre of the top-left pixel.
    half = np.array([[1, 0, 0.5], [0, 1, 0.5], [0, 0, 1]])
    matrix = np.linalg.inv(half) @ motion @ half
    return cv2.warpPerspective(
        picture, matrix, (width, height), flags=cv2.INTER_CUBIC, borderMode=border_mode(border)
    )


def zoomed(
    picture: np.ndarray,  # [H, W, 3]
    zoom: float,
    border: Border,
) -> np.ndarray:  # [H, W, 3]
    """A picture enlarged around its middle."""
    height, width = picture.shape[:2]
    x, y = width / 2 * (1 - zoom), height / 2 * (1 - zoom)
    return warp_sheet(picture, np.array([[zoom, 0, x], [0, zoom, y], [0, 0, 1.0]]), border)


def border_mode(border: Border) -> int:
    """OpenCV's number for a border."""
    import cv2

    modes = {"replicate": cv2.BORDER_REPLICATE, "wrap": cv2.BORDER_WRAP, "reflect": cv2.BORDER_REFLECT}
    return modes[border]


def intrinsics(focal: float, width: int, height: int) -> np.ndarray:  # [3, 3]
    """The matrix K of a camera that looks through the middle of the frame."""
    return np.array([[focal, 0, width / 2], [0, focal, height / 2], [0, 0, 1.0]])


def _rotations(x: np.ndarray, y: np.ndarray, z: np.ndarray) -> np.ndarray:  # [F, 3, 3]
    """Turns in degrees about z (forward), then y (down), then x (right): the product Rx Ry Rz, which turns a
    camera up, to the right and clockwise."""
    from scipy.spatial.transform import Rotation

    return Rotation.from_euler("XYZ", np.stack([x, y, z], -1), degrees=True).as_matrix()


def _translations(x: np.ndarray, y: np.ndarray) -> np.ndarray:  # [F, 3, 3]
    matrices = np.tile(np.eye(3), (len(x), 1, 1))
    matrices[:, 0, 2], matrices[:, 1, 2] = x, y
    return matrices


def _matrices(rows: list[list[np.ndarray]]) -> np.ndarray:  # [F, 3, 3]
    return np.moveaxis(np.array(rows), -1, 0)
