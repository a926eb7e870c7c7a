"""splaTV (antimatter15's .splatv): a scene that moves as a texture, 64 bytes a Gaussian, for its web viewer.

Layout: two little-endian words (magic, bytes of JSON), the JSON (one chunk: the size of its texture, and
cameras), then the texture: rows of 1024 Gaussians, each 16 words. Time runs from 0 to 1 over the clip. About
a time of its own, each Gaussian moves by a cubic polynomial, turns by a linear one of its quaternion, and its
opacity follows a bell curve.

So this much is lost: motions are fitted by cubics, the flat top of a life becomes a bell with the same area,
colours are those of spherical harmonics of degree 0, 8 bits each.
"""

from __future__ import annotations

import json
import struct
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

    from recon.fourd.motion import Moving, Splats4D

MAGIC = 0x674B
ROW = 1024
"""Gaussians in a row of the texture."""
WORDS = 16
SAMPLES = 33
"""Moments at which a motion is looked at to fit it."""
ALWAYS = 1e4
"""Width of the bell of what is always there, in lengths of the clip: flat to 1e-8."""
LEAST_WIDTH = 1e-3
C0 = 0.28209479177387814
COLUMNS = ("place", "quat", "scale", "rgba", "motion", "turn", "life")


def encode(splats: Splats4D, cameras: list[dict[str, Any]]) -> tuple[bytes, float]:
    """The bytes of a .splatv, and how far its motions are from ours (world units; 99 % are nearer).

    `cameras` are those of the viewer's manifest; with none, there is one that sees the whole.
    """
    import numpy as np

    cameras = cameras or [_outside(splats.still.means.numpy())]
    still = _standing(splats)
    moving, error = _moving(splats.moving) if splats.moving else (None, 0.0)
    parts = [still] if moving is None else [still, moving]
    words = _pack({name: np.concatenate([part[name] for part in parts]) for name in COLUMNS})
    chunk = {"type": "splat", "size": words.nbytes, "texwidth": ROW * WORDS // 4, "texheight": len(words)}
    head = json.dumps(
        [chunk | {"cameras": [_camera(i, camera) for i, camera in enumerate(cameras)]}]
    ).encode()
    return struct.pack("<II", MAGIC, len(head)) + head + words.tobytes(), error


def _look(gaussians: Any) -> dict[str, np.ndarray]:
    """Scales and colours, which do not change."""
    import numpy as np

    rgb = 0.5 + C0 * gaussians.sh[:, 0]
    alpha = gaussians.logit_opacities.sigmoid()[:, None]
    rgba = np.concatenate([rgb.numpy(), alpha.numpy()], 1)
    return {
        "scale": gaussians.log_scales.exp().numpy(),
        "rgba": np.round(255 * np.nan_to_num(rgba).clip(0, 1)).astype(np.uint8),
    }


def _standing(splats: Splats4D) -> dict[str, np.ndarray]:
    import numpy as np

    still = splats.still
    n = len(still)
    life = np.tile([0.5, ALWAYS], (n, 1))
    place = {"place": still.means.numpy(), "quat": _unit(still.quats.numpy())}
    return place | _look(still) | {"motion": np.zeros((n, 9)), "turn": np.zeros((n, 4)), "life": life}


def _moving(moving: Moving) -> tuple[dict[str, np.ndarray], float]:
    """What moves, as polynomials about the middle of each life, fitted where it is to be seen."""
    import numpy as np

    bases, lives = moving.bases, moving.lifetimes
    times = np.linspace(0, 1, SAMPLES)
    seconds = bases.start + times * bases.seconds
    moments = [moving.at(float(t)) for t in seconds]
    means = np.stack([moment.means.numpy() for moment in moments], 1)  # [N, T, 3]
    quats = _one_side(np.stack([moment.quats.numpy() for moment in moments], 1))  # [N, T, 4]
    seen = np.stack([lives.at(float(t)).numpy() for t in seconds], 1)  # [N, T]
    radii = lives.radii.numpy() / bases.seconds
    # Twice the radius and the fall-off's own bell: the same area.
    widths = lives.sigmas.numpy() / bases.seconds + 2 / np.sqrt(np.pi) * radii
    always = radii > 1
    centres = np.where(always, 0.5, ((lives.centres.numpy() - bases.start) / bases.seconds).clip(0, 1))
    widths = np.where(always, ALWAYS, widths.clip(LEAST_WIDTH, ALWAYS))
    away = times - centres[:, None]
    path, turn = _polynomials(away, means, seen, 3), _polynomials(away, quats, seen, 1)
    length = np.linalg.norm(turn[:, 0], axis=-1)[:, None, None]
    turn = turn / np.maximum(length, 1e-6)  # only its direction counts
    fitted = np.einsum("ntp,npd->ntd", away[..., None] ** np.arange(4), path)
    misses = np.linalg.norm(fitted - means, axis=-1)[seen > 0.1]
    rows = {"place": path[:, 0], "quat": turn[:, 0], "motion": path[:, 1:].reshape(-1, 9), "turn": turn[:, 1]}
    rows |= _look(moving.gaussians) | {"life": np.stack([centres, widths], 1)}
    return rows, float(np.quantile(misses, 0.99)) if misses.size else 0.0


def _polynomials(
    away: np.ndarray,  # [N, T] times
    values: np.ndarray,  # [N, T, D]
    weights: np.ndarray,  # [N, T]
    degree: int,
) -> np.ndarray:
    """[N, degree + 1, D] coefficients by weighted least squares; short lives get what of them can be told."""
    import numpy as np

    powers = away[..., None] ** np.arange(degree + 1)
    weighted = powers * np.maximum(weights, 1e-6)[..., None]
    normal = np.einsum("ntp,ntq->npq", weighted, powers)
    ridge = 1e-9 * np.trace(normal, axis1=1, axis2=2)[:, None, None] * np.eye(degree + 1)
    return np.linalg.solve(normal + ridge, np.einsum("ntp,ntd->npd", weighted, values))


def _one_side(quats: np.ndarray) -> np.ndarray:
    """[N, T, 4]: of the two quaternions for a turn, the one nearer to that of the moment before."""
    import numpy as np

    dots = (quats[:, 1:] * quats[:, :-1]).sum(-1)
    signs = np.cumprod(np.where(dots < 0, -1.0, 1.0), 1)
    return np.concatenate([quats[:, :1], quats[:, 1:] * signs[..., None]], 1)


def _unit(quats: np.ndarray) -> np.ndarray:
    import numpy as np

    return quats / np.maximum(np.linalg.norm(quats, axis=-1, keepdims=True), 1e-12)


def _pack(columns: dict[str, np.ndarray]) -> np.ndarray:
    """[rows, ROW, WORDS] uint32; what fills the last row is invisible."""
    import numpy as np

    n = len(columns["place"])
    words = np.zeros((-(-n // ROW) * ROW, WORDS), "<u4")
    halves = words.view("<f2").reshape(len(words), 2 * WORDS)
    words[:n, :3] = columns["place"].astype("<f4").view("<u4")
    words[:n, 7] = columns["rgba"].view("<u4")[:, 0]
    halves[:, 31] = LEAST_WIDTH  # never zero: the shader divides by it
    for name, first in (("quat", 6), ("scale", 10), ("motion", 16), ("turn", 26), ("life", 30)):
        column = columns[name].clip(-6e4, 6e4)
        halves[:n, first : first + column.shape[1]] = column
    return words.reshape(-1, ROW, WORDS)


def _outside(
    points: np.ndarray,  # [N, 3]
) -> dict[str, Any]:
    """A level camera in front of the bulk of some points."""
    import numpy as np

    middle = np.median(points, 0) if len(points) else np.zeros(3)
    radius = np.quantile(np.linalg.norm(points - middle, axis=1), 0.9) if len(points) else 1.0
    pose = np.eye(4)
    pose[:3, 3] = middle - [0, 0, 2.1 * radius]
    lens = {"width": 1280, "height": 720, "fx": 690.0, "fy": 690.0}
    return lens | {"frame": 0, "world_from_camera": pose.ravel().tolist()}


def _camera(i: int, camera: dict[str, Any]) -> dict[str, Any]:
    import numpy as np

    pose = np.array(camera["world_from_camera"], float).reshape(4, 4)
    lens = {name: camera[name] for name in ("width", "height", "fx", "fy")}
    name = {"id": i, "img_name": str(camera["frame"])}
    return name | lens | {"position": pose[:3, 3].tolist(), "rotation": pose[:3, :3].tolist()}
