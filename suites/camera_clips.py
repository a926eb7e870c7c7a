"""Clips with exactly known cameras for `cameras.py`: the built-in generator's scene under hard camera moves.

Every move comes clean, with an object that moves with the camera and fills a fifth to a third of the frame,
and "AI-ised": each frame bent, brightened, blurred and compressed for itself, as video models do.
"""

from __future__ import annotations

import io
import json
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from gen import GenerateRequest
from gen.composer import things
from gen.composer.camera_paths import FIELD_OF_VIEW, CameraPath, look_at
from gen.composer.compose import Composition, compose, render_frame
from gen.composer.lighting import ground_material
from gen.composer.prompt import read_prompt
from gen.composer.scene import Primitive, extent, placed, to_arrays, yaw_rotation
from gen.composer.stage import stage
from gen.composer.style import Style
from gen.sidecar import FORMAT, VERSION

PROMPT = "a red house with a pine tree, a well and a bench on grass"
WIDTH, HEIGHT = 640, 360
FRAMES = 29
FPS = 24.0
BEARING, ELEVATION = 24.0, 14.0
"""Degrees; where the middle of every path stands."""
MOVER_DISTANCE, MOVER_SWEEP, MOVER_HEIGHT = 0.5, 0.45, 0.76
"""Of the moving object: times the camera's distance; from the middle, and height, in half-frames."""
PAN_DEGREES = 20.0
WARP_PX, GAIN, BLUR, QUALITY = 0.7, 0.06, 0.7, 80

MOVES = ("orbit 6°", "orbit 10°", "orbit 20°", "orbit 360°", "sideways 4 %", "forward 15 %", "pan", "static")
FLAVOURS = ("clean", "mover", "AI-ised")


@dataclass(frozen=True, repr=False)
class Clip:
    """Frames on disk and their truth."""

    name: str
    folder: Path
    """`00000.png`, … beside `cameras.json` (a sidecar) and, with a mover, `masks/` (white: it moves)."""

    @property
    def frames(self) -> Path:
        """The folder of images."""
        return self.folder / "frames"

    @property
    def truth(self) -> Path:
        """True cameras."""
        return self.folder / "cameras.json"


def poses_of(move: str, distance: float, target: np.ndarray) -> np.ndarray:
    """[F, 4, 4] world-from-camera of a move, `distance` metres from `target` [3] in mid-path."""
    share = np.linspace(-0.5, 0.5, FRAMES)
    arc = float(move.split()[1].rstrip("°")) if move.startswith("orbit") else 0.0
    if arc == 360:
        arc *= (FRAMES - 1) / FRAMES
    bearing, tilt = np.radians(BEARING + arc * share), np.radians(ELEVATION)
    out = np.stack([np.sin(bearing), -np.cos(bearing), np.full(FRAMES, np.tan(tilt))], 1) * np.cos(tilt)
    poses = look_at(target + distance * out, target)
    right, forward = poses[0, :3, 0].copy(), poses[0, :3, 2].copy()
    if move.startswith("sideways"):
        poses[:, :3, 3] += 0.04 * distance * share[:, None] * right
    elif move.startswith("forward"):
        poses[:, :3, 3] += 0.15 * distance * share[:, None] * forward
    elif move == "pan":
        for pose, angle in zip(poses, np.radians(PAN_DEGREES * share), strict=True):
            pose[:3, :3] = yaw_rotation(angle) @ pose[:3, :3]
    return poses


def scene_for_all() -> tuple[Composition, list[Primitive]]:
    """The scene with everything around it, whichever way the camera looks; and its parts."""
    request = GenerateRequest(
        PROMPT, Path("clip.mp4"), frames=FRAMES, width=WIDTH, height=HEIGHT, camera="orbit", arc_degrees=348.0
    )
    wanted = read_prompt(PROMPT)
    composition = compose(request, wanted)
    parts = [part for item in composition.objects for part in item.parts]
    return composition, parts + stage(
        wanted.ground, composition.objects, composition.path, np.random.default_rng(0)
    )


def draw_clips(folder: Path, moves: tuple[str, ...], flavours: tuple[str, ...]) -> Iterator[Clip]:
    """Draw what is not there yet (a second a frame at most); each clip when it is ready."""
    composition, parts = scene_for_all()
    ground = ground_material(read_prompt(PROMPT).ground, None, read_prompt(PROMPT).ground_material)
    composition = replace(composition, scene=to_arrays(ground, parts))
    target = np.array(composition.path.target)
    distance = float(np.linalg.norm(composition.path.world_from_camera[0, :3, 3] - target))
    walker = things.robot(Style(np.random.default_rng(3), material="wood"))
    tall = extent(walker)[1]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for move in moves:
            path = replace(composition.path, world_from_camera=poses_of(move, distance, target))
            still = replace(composition, path=path)
            clean: list[tuple[np.ndarray, np.ndarray]] = []
            for flavour in flavours:
                clip = Clip(f"{move}, {flavour}", folder / f"{move} {flavour}".replace(" ", "_"))
                if not clip.truth.exists():
                    clean = clean or [render_frame(still, i, pool) for i in range(FRAMES)]
                    images, masks = [image for image, _ in clean], []
                    if flavour == "AI-ised":
                        rng = np.random.default_rng(5)
                        images = [as_generated(image, rng) for image in images]
                    elif flavour == "mover":
                        images = []
                        for i, (_, depth) in enumerate(clean):
                            moved = _mover(
                                walker, tall, path.world_from_camera[i], distance, i / (FRAMES - 1)
                            )
                            shot = replace(still, scene=to_arrays(ground, parts + moved))
                            image, nearer = render_frame(shot, i, pool)
                            images.append(image)
                            masks.append(nearer < depth - 1e-6)
                    _write(clip, images, masks, path)
                yield clip


def _mover(
    parts: list[Primitive], tall: float, pose: np.ndarray, distance: float, share: float
) -> list[Primitive]:
    """A robot that walks across the picture, standing on the ground; `share` of the clip is over."""
    away = MOVER_DISTANCE * distance
    half = away * np.tan(np.radians(FIELD_OF_VIEW / 2))
    at = pose[:3, 3] + away * pose[:3, 2] + MOVER_SWEEP * half * (2 * share - 1) * pose[:3, 0]
    bearing = float(np.arctan2(pose[1, 2], pose[0, 2])) + np.pi / 2 + 0.4 * np.sin(6 * share)
    moved = placed(parts, float(at[0]), float(at[1]), bearing, MOVER_HEIGHT * 2 * half / tall)
    return [
        replace(part, center=(*part.center[:2], part.center[2] + 0.02 * np.sin(25 * share))) for part in moved
    ]


def as_generated(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """[H, W, 3] uint8, bent by WARP_PX (RMS) of smooth flow, brighter or darker, blurred, compressed."""
    height, width = image.shape[:2]
    bend = cv2.resize(
        rng.normal(size=(5, 8, 2)).astype(np.float32), (width, height), interpolation=cv2.INTER_CUBIC
    )
    bend *= WARP_PX / np.sqrt((bend**2).sum(-1).mean())
    grid = np.stack(np.meshgrid(np.arange(width), np.arange(height)), -1).astype(np.float32) + bend
    image = cv2.remap(image, grid[..., 0], grid[..., 1], cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT_101)
    image = cv2.GaussianBlur(image, (0, 0), BLUR)
    image = np.clip(image * (1 + rng.uniform(-GAIN, GAIN)), 0, 255).astype(np.uint8)
    packed = io.BytesIO()
    Image.fromarray(image).save(packed, "jpeg", quality=QUALITY)
    return np.array(Image.open(packed))


def _write(clip: Clip, images: list[np.ndarray], masks: list[np.ndarray], path: CameraPath) -> None:
    for name, pictures in (("frames", images), ("masks", masks)):
        if pictures:
            (clip.folder / name).mkdir(parents=True, exist_ok=True)
        for i, picture in enumerate(pictures):
            Image.fromarray(picture).save(clip.folder / name / f"{i:05d}.png", compress_level=1)
    clip.truth.write_text(json.dumps(sidecar_of(path, WIDTH, HEIGHT)))


def sidecar_of(path: CameraPath, width: int, height: int) -> dict[str, object]:
    """What the generator would write beside a clip of these cameras at FPS."""
    return {
        **{"format": FORMAT, "version": VERSION, "fps": FPS, "frames": len(path.world_from_camera)},
        **{"width": width, "height": height, "cameras": path.to_json()},
    }
