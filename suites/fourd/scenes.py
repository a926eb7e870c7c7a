"""Clips of scenes that move, with everything about them exactly known.

The built-in generator draws them: frames, views nobody trained on, what moves, depth, and points followed
through the clip. A seed changes looks, places, and the way and phase of the motion.
"""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path

import numpy as np
from PIL import Image

from gen import GenerateRequest
from gen.composer.camera_paths import look_at
from gen.composer.compose import Composition, Part, compose, render_frame
from gen.composer.prompt import read_prompt
from gen.composer.scene import about, carried, with_movers, yaw_rotation
from gen.composer.truth import frame_truth
from suites.camera_clips import BEARING, PROMPT, Clip, as_generated, sidecar_of
from suites.fourd.movers import FPS, Mover, flag, kiosk, walker
from suites.fourd.tracks import Filmed, TrueTracks, follow

WIDTH, HEIGHT, FRAMES, LONG = 480, 270, 29, 113
BEFORE_HOUSE = 4.9
"""Metres from the middle of the scene to the middle of the motion, towards the camera."""
TILT = 12.0
"""Degrees by which the camera looks down."""


@dataclass(frozen=True)
class Recipe:
    """What is filmed, and how."""

    mover: Callable[[int, int], Mover]
    """Of frames and seed."""
    away: float
    """Metres from the camera to the middle of the motion."""
    move: str = "orbit"
    amount: float = 10.0
    """Degrees of the orbit; share of `away` for the other moves."""
    frames: int = FRAMES
    aside: tuple[float, float] = (5.0, 10.0)
    """Degrees that held-out views are turned to both sides: at every instant, at every second one."""
    dims: bool = False
    """Whether the light fades by a fifth."""
    of: str = ""
    """The scene whose frames these are, made as if a video model had generated them."""


RIGID = Recipe(kiosk, 5.9)
WALKER = Recipe(walker, 4.4)
RECIPES: dict[str, Recipe] = {
    "rigid": RIGID,
    "big": replace(RIGID, away=4.6),
    "low parallax": replace(RIGID, move="sideways", amount=0.05, aside=(3.0, 1.5)),
    "forward": replace(RIGID, move="forward", amount=0.15),
    "fixed": replace(RIGID, move="fixed", aside=(3.0, 1.5)),
    "walker": WALKER,
    "cloth": Recipe(flag, 5.0),
    "enters": Recipe(partial(kiosk, reach=7.5), 5.9, dims=True),
    "rigid AI-ised": replace(RIGID, of="rigid"),
    "walker AI-ised": replace(WALKER, of="walker"),
    "long walk": Recipe(partial(walker, radius=1.6, toward=0.0), 5.4, amount=28.0, frames=LONG),
}
SCENES = tuple(RECIPES)


@dataclass(frozen=True, repr=False)
class HeldOut:
    """A view that is not in the clip."""

    frame: int
    """Of the clip, at the same instant."""
    K: np.ndarray
    """[3, 3] px."""
    world_from_camera: np.ndarray
    """[4, 4], OpenCV axes, in the world of the sidecar."""
    image: np.ndarray
    """[H, W, 3] uint8."""
    mask: np.ndarray
    """[H, W] bool, what moves."""
    degrees: float
    """Away from the clip's camera, around the middle of the motion."""


@dataclass(frozen=True, repr=False)
class MovingScene(Clip):
    """A clip on disk, and all of its truth."""

    @property
    def masks(self) -> Path:
        """The folder of masks, `00000.png` …, white where something moves."""
        return self.folder / "masks"

    @cached_property
    def depth(self) -> np.ndarray:
        """[F, H, W] float16 metres along the optical axis at the centres of pixels, inf for the sky."""
        with np.load(self.folder / "depth.npz") as file:
            return file["depth"]

    def moving(self) -> np.ndarray:
        """[F, H, W] bool, what moves."""
        return np.stack([_read(path) > 127 for path in sorted(self.masks.glob("*.png"))])

    def held_out(self) -> list[HeldOut]:
        """The views that are not in the clip."""
        rows = json.loads((self.folder / "heldout.json").read_text())
        views = []
        for row in rows:
            image, mask = (
                _read(self.folder / "heldout" / f"{row['name']}{end}.png") for end in ("", "_mask")
            )
            K, pose = np.array(row["K"]), np.array(row["world_from_camera"])
            views.append(HeldOut(row["frame"], K, pose, image, mask > 127, row["degrees"]))
        return views

    def tracks(self) -> TrueTracks:
        """Points followed through the clip."""
        with np.load(self.folder / "tracks.npz") as file:
            return TrueTracks(file["xyz"], file["visible"], file["part"], float(file["height"]))


def draw_scenes(
    folder: Path, names: tuple[str, ...] = SCENES, seed: int = 0, workers: int = 1
) -> Iterator[MovingScene]:
    """Draw what is not there yet into `folder/seed0/rigid` …, on `workers` threads; each when it is ready."""
    for name in names:
        scene = MovingScene(name, folder / f"seed{seed}" / name.replace(" ", "_"))
        if not scene.folder.exists():
            unready = replace(scene, folder=scene.folder.with_name(scene.folder.name + ".part"))
            shutil.rmtree(unready.folder, ignore_errors=True)
            original = RECIPES[name].of
            if original:
                (clean,) = draw_scenes(folder, (original,), seed, workers)
                _generate(clean, unready, seed)
            else:
                _draw(unready, RECIPES[name], seed, workers)
            unready.folder.rename(scene.folder)
        yield scene


def filmed(recipe: Recipe, seed: int) -> tuple[Filmed, Mover]:
    """The composition of a scene, its cameras among it, and what moves there."""
    size = {"width": WIDTH, "height": HEIGHT, "fps": FPS, "frames": recipe.frames, "seed": seed}
    around = GenerateRequest(PROMPT, Path("clip.mp4"), camera="orbit", arc_degrees=348.0, **size)
    made = compose(around, read_prompt(PROMPT))
    mover = recipe.mover(recipe.frames, seed)
    world_from_stage = np.eye(4)
    world_from_stage[:3, :3] = yaw_rotation(math.radians(BEARING))
    world_from_stage[:3, 3] = world_from_stage[:3, :3] @ (0.0, -BEFORE_HOUSE, 0.0)
    target = (world_from_stage @ (0.0, 0.0, mover.middle, 1.0))[:3]
    path = replace(
        made.path, world_from_camera=_poses(recipe, target), target=tuple(target.tolist()), move=recipe.move
    )
    whole = Filmed(**{name: getattr(made, name) for name in Composition.__dataclass_fields__})
    still = [carried(part, world_from_stage) for part in mover.still]
    return replace(
        whole,
        path=path,
        scene=with_movers(made.scene, still),
        moving=tuple(Part(number, primitive) for number, primitive in mover.primitives),
        world_from_parts=world_from_stage @ mover.stage_from_part,
    ), mover


def _poses(recipe: Recipe, target: np.ndarray) -> np.ndarray:
    """[F, 4, 4] world-from-camera of a recipe's move, looking at `target` [3] in mid-path."""
    share = np.linspace(-0.5, 0.5, recipe.frames)
    swing = recipe.amount * share if recipe.move == "orbit" else np.zeros(recipe.frames)
    bearing, tilt = np.radians(BEARING + swing), math.radians(TILT)
    out = np.stack([np.sin(bearing), -np.cos(bearing), np.full(recipe.frames, math.tan(tilt))], 1)
    poses = look_at(target + recipe.away * math.cos(tilt) * out, target)
    if recipe.move in ("sideways", "forward"):
        direction = poses[0, :3, 0 if recipe.move == "sideways" else 2].copy()
        poses[:, :3, 3] += recipe.amount * recipe.away * share[:, None] * direction
    return poses


def _draw(scene: MovingScene, recipe: Recipe, seed: int, workers: int) -> None:
    whole, mover = filmed(recipe, seed)
    poses = whole.path.world_from_camera
    for name in ("frames", "masks", "heldout"):
        (scene.folder / name).mkdir(parents=True)
    with ThreadPoolExecutor(workers) as pool:
        depths, rows = [], []
        for frame in range(recipe.frames):
            truth = frame_truth(whole, frame)
            depths.append(truth.depth.astype(np.float16))
            _write(scene.frames / f"{frame:05d}.png", _picture(whole, recipe, frame, pool))
            _write(scene.masks / f"{frame:05d}.png", truth.moving)
        every = 4 if recipe.frames == FRAMES else 8
        for frame in range(0, recipe.frames, every):
            near, far = recipe.aside
            for degrees in (-near, near) if frame % (2 * every) else (-far, -near, near, far):
                turned = poses.copy()
                turned[frame] = about(whole.path.target, yaw_rotation(math.radians(degrees))) @ poses[frame]
                other = replace(whole, path=replace(whole.path, world_from_camera=turned))
                name = f"{frame:05d}_{degrees:+05.1f}"
                _write(scene.folder / "heldout" / f"{name}.png", _picture(other, recipe, frame, pool))
                _write(scene.folder / "heldout" / f"{name}_mask.png", frame_truth(other, frame).moving)
                row = {"name": name, "frame": frame, "degrees": degrees, "K": _intrinsics(whole).tolist()}
                rows.append({**row, "world_from_camera": turned[frame].tolist()})
    np.savez_compressed(scene.folder / "depth.npz", depth=np.stack(depths))
    tracks = follow(whole, mover.height, np.random.default_rng(seed))
    np.savez_compressed(scene.folder / "tracks.npz", **vars(tracks))
    sidecar = sidecar_of(whole.path, WIDTH, HEIGHT)
    scene.truth.write_text(json.dumps({**sidecar, "seed": seed}))
    (scene.folder / "heldout.json").write_text(json.dumps(rows))


def _generate(clean: MovingScene, scene: MovingScene, seed: int) -> None:
    """The same truth with frames as video models make them."""
    shutil.copytree(clean.folder, scene.folder)
    rng = np.random.default_rng(seed)
    for path in sorted(scene.frames.glob("*.png")):
        _write(path, as_generated(_read(path), rng))


def _picture(whole: Composition, recipe: Recipe, frame: int, pool: ThreadPoolExecutor) -> np.ndarray:
    image = render_frame(whole, frame, pool)[0]
    gain = 1 - 0.1 * (1 - math.cos(math.pi * frame / (recipe.frames - 1))) if recipe.dims else 1.0
    return (image * gain + 0.5).astype(np.uint8)


def _intrinsics(whole: Composition) -> np.ndarray:
    path = whole.path
    return np.array([[path.focal[0], 0.0, path.cx], [0.0, path.focal[0], path.cy], [0.0, 0.0, 1.0]])


def _write(path: Path, image: np.ndarray) -> None:
    image = np.where(image, np.uint8(255), np.uint8(0)) if image.dtype == bool else image
    Image.fromarray(image).save(path, compress_level=1)


def _read(path: Path) -> np.ndarray:
    with Image.open(path) as picture:
        return np.asarray(picture)
