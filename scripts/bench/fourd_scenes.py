"""Clips of scenes that move, with everything about them exactly known, for `fourd.py`.

The built-in generator draws them: frames, the views nobody trained on, what moves, depth, and points followed
through the clip. A seed changes looks, places and the phase of the motion.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
from camera_clips import as_generated
from PIL import Image

from gen import GenerateRequest
from gen.composer import materials
from gen.composer.camera_paths import CameraPath, look_at
from gen.composer.compose import Composition, Part, compose, render_frame
from gen.composer.prompt import read_prompt
from gen.composer.scene import about, box, extent, tilt_rotation, yaw_rotation
from gen.composer.truth import frame_truth, tracks
from gen.sidecar import FORMAT, VERSION

WIDTH, HEIGHT, FPS, FRAMES, LONG = 480, 270, 24.0, 29, 113
RIGID = "a bookshelf walks in front of a house, a pine tree and a well on grass"
WALKER = "a woman walks in front of a house, a pine tree and a well on grass"
POINTS = 800
"""Followed, half of them on what moves."""


@dataclass(frozen=True)
class Recipe:
    """What is filmed, and how."""

    prompt: str
    way: str
    """How it moves: "slide", "pass", "wave", or "own" for the generator's own walk."""
    move: str = "orbit"
    amount: float = 10.0
    """Degrees of the orbit; share of the distance for the other moves."""
    away: float = 2.9
    """Distance of the camera in heights of what moves."""
    frames: int = FRAMES
    look: str = ""
    """ "generated" or "dimming" frames."""


SCENES: dict[str, Recipe] = {
    "rigid": Recipe(RIGID, "slide"),
    "big": Recipe(RIGID, "slide", away=2.2),
    "low parallax": Recipe(RIGID, "slide", "sideways", 0.05),
    "forward": Recipe(RIGID, "slide", "forward", 0.15),
    "fixed": Recipe(RIGID, "slide", "fixed"),
    "walker": Recipe(WALKER, "own", away=2.1),
    "cloth": Recipe(WALKER, "wave", away=2.6),
    "enters": Recipe(RIGID, "pass", look="dimming"),
    "rigid AI-ised": Recipe(RIGID, "slide", look="generated"),
    "walker AI-ised": Recipe(WALKER, "own", away=2.1, look="generated"),
    "long walk": Recipe(WALKER, "own", amount=30.0, away=2.6, frames=LONG),
}


@dataclass(frozen=True, repr=False)
class HeldOut:
    """A view that is not in the clip."""

    frame: int
    """Of the clip, at the same instant."""
    degrees: float
    """Away from the clip's camera, around what moves."""
    world_from_camera: np.ndarray
    """[4, 4], OpenCV axes, in the world of the sidecar."""
    image: np.ndarray
    """[H, W, 3] uint8."""
    mask: np.ndarray
    """[H, W] bool, what moves."""


@dataclass(frozen=True, repr=False)
class MovingScene:
    """A clip on disk, and its truth."""

    name: str
    folder: Path
    """`frames/00000.png` … and `masks/` (white: it moves), `heldout/`, `cameras.json` (a sidecar)."""

    @property
    def frames(self) -> Path:
        """The folder of images."""
        return self.folder / "frames"

    @property
    def truth(self) -> Path:
        """True cameras."""
        return self.folder / "cameras.json"

    @cached_property
    def tracks(self) -> dict[str, np.ndarray]:
        """The fields of `gen.composer.truth.Tracks`."""
        with np.load(self.folder / "tracks.npz") as file:
            return dict(file)

    @cached_property
    def depth(self) -> np.ndarray:
        """[F, H, W] float16 metres, inf for the sky."""
        with np.load(self.folder / "depth.npz") as file:
            return file["depth"]

    def masks(self) -> np.ndarray:
        """[F, H, W] bool, what moves."""
        return np.stack([_read(path) > 127 for path in sorted((self.folder / "masks").glob("*.png"))])

    def held_out(self) -> list[HeldOut]:
        """The views that are not in the clip."""
        rows = json.loads((self.folder / "heldout.json").read_text())
        return [
            HeldOut(
                row["frame"],
                row["degrees"],
                np.array(row["world_from_camera"]),
                _read(self.folder / "heldout" / f"{row['name']}.png"),
                _read(self.folder / "heldout" / f"{row['name']}_mask.png") > 127,
            )
            for row in rows
        ]


@dataclass(frozen=True)
class _Filmed(Composition):
    """A composition in which something moves as it is told."""

    way: Callable[[Part, float], np.ndarray] | None = None
    """World from a part at its share of the clip, [4, 4]; None for the composition's own motion."""

    def world_from_part(self, part: Part, frame: int) -> np.ndarray:
        if self.way is None:
            return super().world_from_part(part, frame)
        return self.way(part, frame / max(1, len(self.path.world_from_camera) - 1))


def draw_scenes(folder: Path, names: tuple[str, ...] = tuple(SCENES), seed: int = 0) -> Iterator[MovingScene]:
    """Draw what is not there yet (about half a second a picture); each scene when it is ready."""
    for name in names:
        scene = MovingScene(name, folder / f"seed{seed}" / name.replace(" ", "_"))
        if not (scene.folder / "heldout.json").exists():
            _draw(scene, SCENES[name], seed)
        yield scene


def filmed(recipe: Recipe, seed: int) -> Composition:
    """The composition of a scene."""
    request = GenerateRequest(
        *(recipe.prompt, Path("clip.mp4")),
        **{"frames": recipe.frames, "width": WIDTH, "height": HEIGHT, "camera": "orbit", "seed": seed},
    )
    made = compose(request, read_prompt(recipe.prompt))
    mover = made.moving[0].object
    tall = extent(made.objects[mover].own_parts)[1]
    rest = made.objects[mover].world_from_part(made.moving[0].at_rest, 0.5 * (recipe.frames - 1) / FPS)
    at = np.array([rest[0, 3], rest[1, 3], 0.5 * tall])
    ahead = rest[:3, :3] @ (0.0, -1.0, 0.0)  # where a walker goes: across the picture
    poses = _poses(recipe, at, recipe.away * tall, math.atan2(ahead[1], ahead[0]) + math.radians(20))
    path = replace(made.path, world_from_camera=poses, target=tuple(at.tolist()))
    whole = _Filmed(**{name: getattr(made, name) for name in Composition.__dataclass_fields__})
    whole = replace(whole, path=path)
    phase = 2.1 * seed
    if recipe.way == "wave":
        cloth, way = _cloth(at, poses[recipe.frames // 2], phase)
        return replace(whole, moving=tuple(Part(mover, cell) for cell in cloth), way=way)
    if recipe.way == "own":
        return whole
    aside = poses[recipe.frames // 2, :3, 0]
    half = recipe.away * tall * (WIDTH / 2) / path.focal[0]
    reach = 2.4 * half if recipe.way == "pass" else 0.3 * half

    def slide(part: Part, share: float) -> np.ndarray:
        turn = np.eye(4)
        turn[:3, :3] = yaw_rotation(math.radians(50) * (share - 0.5) + 0.3 * seed - 0.2)
        turn[:3, 3] = at + (2 * share - 1) * reach * aside
        turn[2, 3] = 0.06 * tall * abs(math.sin(2 * math.pi * 1.5 * share + phase))
        return turn

    return replace(whole, way=slide)


def _poses(recipe: Recipe, at: np.ndarray, distance: float, bearing: float) -> np.ndarray:
    """[F, 4, 4] cameras `distance` metres from `at`, a little above; `bearing` radians, 0 looks along +y."""
    share = np.linspace(-0.5, 0.5, recipe.frames)
    swing = math.radians(recipe.amount) * share if recipe.move == "orbit" else np.zeros(recipe.frames)
    around = bearing + swing
    out = np.stack([np.sin(around), -np.cos(around), np.full(recipe.frames, 0.22)], 1)
    poses = look_at(at + distance * out / np.linalg.norm(out, axis=1, keepdims=True), at)
    right, forward = poses[0, :3, 0].copy(), poses[0, :3, 2].copy()
    if recipe.move in ("sideways", "forward"):
        direction = right if recipe.move == "sideways" else forward
        poses[:, :3, 3] += recipe.amount * distance * share[:, None] * direction
    return poses


def _cloth(
    at: np.ndarray, pose: np.ndarray, phase: float
) -> tuple[list, Callable[[Part, float], np.ndarray]]:
    """A patterned cloth that hangs across the view and waves, as cells that are rigid."""
    columns, rows, cell = 26, 18, 0.062
    rng = np.random.default_rng(int(10 * phase))
    yaw = math.atan2(pose[1, 0], pose[0, 0])
    cells, centres = [], {}
    palette = rng.uniform(0.15, 0.9, (6, 3))
    for i in range(columns):
        for j in range(rows):
            colour = palette[(i // 4 + 2 * (j // 3)) % 6] * rng.uniform(0.75, 1.15)
            paint = materials.paint(tuple(np.clip(colour, 0, 1).tolist()))
            part = box((0.0, 0.0, 0.0), (0.62 * cell, 0.012, 0.56 * cell), paint)
            centres[id(part)] = ((i - columns / 2) * cell, (j - rows / 2) * cell)
            cells.append(part)

    def way(part: Part, share: float) -> np.ndarray:
        u, v = centres[id(part.at_rest)]
        loose = 0.35 + 0.4 * (u / (columns * cell) + 0.5)
        angles = [a * u + b * v + c * 2 * math.pi * share + phase for a, b, c in WAVES]
        depth = loose * sum(s * math.sin(a) for s, a in zip(SWELLS, angles, strict=True))
        slope = loose * sum(s * w[0] * math.cos(a) for s, w, a in zip(SWELLS, WAVES, angles, strict=True))
        own = np.eye(4)
        own[:3, :3] = yaw_rotation(math.atan(slope))
        own[:3, 3] = u, depth, v
        world = np.eye(4)
        world[:3, :3] = yaw_rotation(yaw)
        world[:3, 3] = at
        return world @ own

    return cells, way


WAVES = (5.0, 1.0, 1.6), (8.0, -3.0, 2.3), (3.0, 4.0, 1.1)
"""Travelling sines: radians per metre across and up, and turns in the clip."""
SWELLS = 0.16, 0.06, 0.09
"""Metres."""


def _draw(scene: MovingScene, recipe: Recipe, seed: int) -> None:
    whole = filmed(recipe, seed)
    for name in ("frames", "masks", "heldout"):
        (scene.folder / name).mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        depths, poses = [], whole.path.world_from_camera
        for frame in range(recipe.frames):
            image, truth = render_frame(whole, frame, pool)[0], frame_truth(whole, frame)
            if recipe.look == "generated":
                image = as_generated(image, rng)
            image = _dimmed(image, recipe, frame)
            depths.append(truth.depth.astype(np.float16))
            _write(scene.folder / "frames" / f"{frame:05d}.png", image)
            _write(scene.folder / "masks" / f"{frame:05d}.png", truth.moving)
        rows = []
        far = 0.6 if recipe.move != "orbit" else 1.0
        for frame in range(0, recipe.frames, 4 if recipe.frames == FRAMES else 8):
            for degrees in (
                (-5.0 * far, 5.0 * far) if frame % 8 == 0 else (-10.0 * far, 10.0 * far, 5.0 * far)
            ):
                turned = poses.copy()
                around = about(whole.path.target, yaw_rotation(math.radians(degrees)))
                turned[frame] = around @ poses[frame]
                if degrees == 5.0 * far and frame % 8:  # from above
                    tilt = poses[frame, :3, :3] @ tilt_x(math.radians(-degrees)) @ poses[frame, :3, :3].T
                    turned[frame] = about(whole.path.target, tilt) @ poses[frame]
                other = replace(whole, path=replace(whole.path, world_from_camera=turned))
                name = f"{frame:05d}_{len(rows):03d}"
                image = _dimmed(render_frame(other, frame, pool)[0], recipe, frame)
                _write(scene.folder / "heldout" / f"{name}.png", image)
                _write(scene.folder / "heldout" / f"{name}_mask.png", frame_truth(other, frame).moving)
                rows.append(
                    {
                        "name": name,
                        "frame": frame,
                        "degrees": degrees,
                        "world_from_camera": turned[frame].tolist(),
                    }
                )
    np.savez_compressed(scene.folder / "depth.npz", depth=np.stack(depths))
    np.savez_compressed(scene.folder / "tracks.npz", **vars(tracks(whole, count=POINTS, seed=seed)))
    scene.truth.write_text(json.dumps(_sidecar(whole.path, recipe.frames)))
    (scene.folder / "heldout.json").write_text(json.dumps(rows))


def tilt_x(angle: float) -> np.ndarray:
    """[3, 3] rotation about x."""
    turned = tilt_rotation(angle)  # about y
    return turned[np.ix_([1, 0, 2], [1, 0, 2])].T


def _dimmed(image: np.ndarray, recipe: Recipe, frame: int) -> np.ndarray:
    if recipe.look != "dimming":
        return image
    gain = 1 - 0.2 * frame / (recipe.frames - 1)
    return (image * gain + 0.5).astype(np.uint8)


def _sidecar(path: CameraPath, frames: int) -> dict[str, object]:
    return {
        **{"format": FORMAT, "version": VERSION, "fps": FPS, "frames": frames},
        **{"width": WIDTH, "height": HEIGHT, "cameras": path.to_json()},
    }


def _write(path: Path, image: np.ndarray) -> None:
    image = np.where(image, np.uint8(255), np.uint8(0)) if image.dtype == bool else image
    Image.fromarray(image).save(path, compress_level=1)


def _read(path: Path) -> np.ndarray:
    with Image.open(path) as picture:
        return np.asarray(picture)
