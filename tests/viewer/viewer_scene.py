"""A small scene with known truth, and a plain numpy renderer with gsplat's semantics to draw it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

WIDTH, HEIGHT, FOCAL = 240, 160, 210.0
CENTRE = (117.0, 83.5)
"""Principal point: off the middle, so that a page that ignores it is found out."""
FRAMES = 6
C0 = 0.28209479177387814
C1 = 0.4886025119029199


@dataclass(frozen=True, repr=False)
class Splats:
    """Gaussians as in `recon.types.Gaussians`, in numpy."""

    means: np.ndarray  # [N, 3]
    quats: np.ndarray  # [N, 4] wxyz
    log_scales: np.ndarray  # [N, 3]
    logits: np.ndarray  # [N]
    sh: np.ndarray  # [N, 4, 3], degree 1


def make_splats(seed: int = 0) -> Splats:
    """A checkered floor, an orange ball, a blue cube and a green pole; -y is up."""
    rng = np.random.default_rng(seed)
    floor = np.stack([rng.uniform(-1.3, 1.3, 1500), np.full(1500, 0.42), rng.uniform(-1.3, 1.3, 1500)], -1)
    checks = (np.floor(floor[:, 0] * 3) + np.floor(floor[:, 2] * 3)) % 2
    direction = rng.normal(size=(900, 3))
    direction /= np.linalg.norm(direction, axis=-1, keepdims=True)
    ball = direction * 0.3 + [-0.35, 0.1, 0.0]
    cube = rng.uniform(-0.22, 0.22, (900, 3))
    face = rng.integers(0, 3, 900)
    cube[np.arange(900), face] = np.where(rng.random(900) < 0.5, -0.22, 0.22)
    shade = np.array([0.75, 1.0, 0.55])[face]
    cube += [0.38, 0.2, 0.1]
    angle, height = rng.uniform(0, 2 * np.pi, 300), rng.uniform(-0.55, 0.42, 300)
    pole = np.stack([0.05 * np.cos(angle) + 0.05, height, 0.05 * np.sin(angle) + 0.6], -1)
    light = 0.55 + 0.45 * np.clip(direction @ [-0.4, -0.8, -0.45], 0, 1)
    rgb = np.concatenate(
        [
            np.where(checks[:, None] > 0, [0.82, 0.82, 0.78], [0.28, 0.32, 0.38]),
            light[:, None] * [0.98, 0.56, 0.14],
            shade[:, None] * [0.25, 0.5, 0.95],
            np.tile([0.2, 0.7, 0.3], (300, 1)),
        ]
    )
    means = np.concatenate([floor, ball, cube, pole])
    n = len(means)
    log_scales = np.log(rng.uniform(0.012, 0.05, (n, 3)))
    log_scales[:1500, 1] = np.log(0.004)
    quats = rng.normal(size=(n, 4))
    quats[:1500] = [1, 0, 0, 0]
    sh = np.zeros((n, 4, 3))
    sh[:, 0] = (rgb - 0.5) / C0
    sh[:, 1:] = rng.normal(size=(n, 3, 3)) * 0.12
    parts = (means, quats, log_scales, rng.uniform(-1, 4, n), sh)
    return Splats(*(part.astype(np.float32) for part in parts))


def camera_poses(frames: int = FRAMES) -> np.ndarray:
    """world_from_camera [F, 4, 4], OpenCV axes, on an arc around the scene, with a little roll."""
    poses = []
    for i in range(frames):
        angle = np.radians(-35 + 70 * i / max(1, frames - 1))
        position = np.array([1.7 * np.sin(angle), -0.55 - 0.05 * i, -1.7 * np.cos(angle)])
        forward = -position / np.linalg.norm(position)
        right = np.cross([np.sin(0.06 * i), 1.0, 0.0], forward)
        right /= np.linalg.norm(right)
        pose = np.eye(4)
        pose[:3] = np.stack([right, np.cross(forward, right), forward, position], -1)
        poses.append(pose)
    return np.stack(poses)


def render(splats: Splats, world_from_camera: np.ndarray, background: float = 0.0) -> np.ndarray:
    """[H, W, 3] float: 3DGS with gsplat's constants (eps2d 0.3, alpha 1/255 .. 0.999, stop at 1e-4)."""
    camera_from_world = np.linalg.inv(world_from_camera)
    points = splats.means @ camera_from_world[:3, :3].T + camera_from_world[:3, 3]
    order = np.argsort(points[:, 2])
    order = order[points[order, 2] > 0.01]
    w, x, y, z = (splats.quats / np.linalg.norm(splats.quats, axis=-1, keepdims=True)).T
    rotation = np.stack(
        [
            np.stack([1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)], -1),
            np.stack([2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)], -1),
            np.stack([2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)], -1),
        ],
        -2,
    )
    half = camera_from_world[:3, :3] @ rotation * np.exp(splats.log_scales)[:, None, :]
    covariance = half @ half.transpose(0, 2, 1)
    view = splats.means - world_from_camera[:3, 3]
    view /= np.linalg.norm(view, axis=-1, keepdims=True)
    dx, dy, dz = view.T[:, :, None]
    sh = splats.sh
    colour = np.maximum(0.5 + C0 * sh[:, 0] + C1 * (-dy * sh[:, 1] + dz * sh[:, 2] - dx * sh[:, 3]), 0)
    opacity = 1 / (1 + np.exp(-splats.logits))
    through = np.ones((HEIGHT, WIDTH))
    image = np.zeros((HEIGHT, WIDTH, 3))
    cx, cy = CENTRE
    lim_x, lim_y = 0.15 * WIDTH / FOCAL, 0.15 * HEIGHT / FOCAL
    for i in order:
        px, py, pz = points[i]
        tx = np.clip(px / pz, -cx / FOCAL - lim_x, (WIDTH - cx) / FOCAL + lim_x)
        ty = np.clip(py / pz, -cy / FOCAL - lim_y, (HEIGHT - cy) / FOCAL + lim_y)
        jacobian = FOCAL / pz * np.array([[1, 0, -tx], [0, 1, -ty]])
        cov = jacobian @ covariance[i] @ jacobian.T + 0.3 * np.eye(2)
        u, v = FOCAL * px / pz + cx, FOCAL * py / pz + cy
        reach = 3.4 * np.sqrt(np.diag(cov))
        x0, x1 = max(0, int(u - reach[0])), min(WIDTH, int(u + reach[0]) + 2)
        y0, y1 = max(0, int(v - reach[1])), min(HEIGHT, int(v + reach[1]) + 2)
        if x0 >= x1 or y0 >= y1:
            continue
        inverse = np.linalg.inv(cov)
        ex, ey = np.meshgrid(np.arange(x0, x1) + 0.5 - u, np.arange(y0, y1) + 0.5 - v)
        sigma = 0.5 * (inverse[0, 0] * ex**2 + inverse[1, 1] * ey**2) + inverse[0, 1] * ex * ey
        alpha = np.minimum(0.999, opacity[i] * np.exp(-sigma))
        patch = through[y0:y1, x0:x1]
        alpha = np.where((alpha >= 1 / 255) & (patch * (1 - alpha) > 1e-4), alpha, 0)
        image[y0:y1, x0:x1] += (patch * alpha)[..., None] * colour[i]
        patch *= 1 - alpha
    return np.clip(image + background * through[..., None], 0, 1)


def write_ply(path: Path, splats: Splats) -> None:
    """The 3DGS layout, written by hand so that the tests do not lean on what they test."""
    rest = splats.sh[:, 1:].transpose(0, 2, 1).reshape(len(splats.means), -1)
    names = ["x", "y", "z", "nx", "ny", "nz", "f_dc_0", "f_dc_1", "f_dc_2"]
    names += [f"f_rest_{i}" for i in range(rest.shape[1])]
    names += ["opacity", "scale_0", "scale_1", "scale_2", "rot_0", "rot_1", "rot_2", "rot_3"]
    columns = [splats.means, np.zeros_like(splats.means), splats.sh[:, 0], rest]
    columns += [splats.logits[:, None], splats.log_scales, splats.quats]
    header = f"ply\nformat binary_little_endian 1.0\nelement vertex {len(splats.means)}\n"
    header += "".join(f"property float {name}\n" for name in names) + "end_header\n"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(header.encode() + np.concatenate(columns, 1).astype("<f4").tobytes())


def write_scene(root: Path, splats: Splats) -> Path:
    """A scene folder of two chunks (frames 0-3 and 2-5) as `recon` writes it."""
    root.mkdir(parents=True)
    poses = camera_poses()
    chunks = [
        {"index": 0, "first": 0, "frames": 4, "shot": 0},
        {"index": 1, "first": 2, "frames": 4, "shot": 0},
    ]
    info = {"format": "splatreel-scene", "version": 1, "stages": {}, "fps": 12.0, "width": WIDTH}
    info |= {"height": HEIGHT, "chunks": chunks, "shots": [{"index": 0, "first": 0, "frames": FRAMES}]}
    (root / "scene.json").write_text(json.dumps(info))
    write_ply(root / "scene.ply", splats)
    images = [Image.fromarray((render(splats, pose) * 255 + 0.5).astype(np.uint8)) for pose in poses]
    for chunk in chunks:
        folder = root / "chunks" / f"{chunk['index']:03d}"
        (folder / "images").mkdir(parents=True)
        rows = []
        for number in range(chunk["first"], chunk["first"] + chunk["frames"]):
            images[number].save(folder / "images" / f"{number:05d}.png")
            opengl = poses[number] @ np.diag([1, -1, -1, 1])
            rows.append({"file_path": f"images/{number:05d}.png", "transform_matrix": opengl.tolist()})
        lens = {"fl_x": FOCAL, "fl_y": FOCAL, "cx": CENTRE[0], "cy": CENTRE[1], "w": WIDTH, "h": HEIGHT}
        (folder / "transforms.json").write_text(json.dumps(lens | {"frames": rows}))
    half = Splats(*(part[::2] for part in vars(splats).values()))
    write_ply(root / "chunks/000/splat.ply", half)
    (root / "cameras").mkdir()
    reason = "All 6 frames were placed with 4.1 degrees of parallax."
    shots = [{"shot": 0, "verdict": "good", "reason": reason, "placed": FRAMES, "frames": FRAMES}]
    (root / "cameras/report.json").write_text(json.dumps({"shots": shots}))
    views = [
        {"frame": i, "split": "heldout" if i == 3 else "train", "psnr": psnr, "ssim": 0.9}
        for i, psnr in enumerate((28.4, 28.9, 22.1, 26.0, 28.7, 28.1))
    ]
    metrics = {"frames": FRAMES, "placed": FRAMES, "verdict": "good", "reason": reason}
    metrics |= {"gaussians": len(splats.means), "train": {"psnr": 28.3, "ssim": 0.91}, "views": views}
    metrics |= {"heldout": {"psnr": 26.0, "ssim": 0.873}}
    (root / "metrics.json").write_text(json.dumps(metrics))
    return root


def psnr(a: np.ndarray, b: np.ndarray) -> float:
    """dB between two pictures in 0..1."""
    return float(-10 * np.log10(max(1e-12, np.mean((a - b) ** 2))))
