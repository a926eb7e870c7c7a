"""Cameras of hard clips: ours against pycolmap's defaults, on clips with known truth and on given ones.

    python scripts/bench/cameras.py                                  # drawn clips; about half an hour
    python scripts/bench/cameras.py --clips FOLDER --only "orbit"    # and the videos of a folder
    python scripts/bench/cameras.py --work /tmp/clips --no-defaults  # keeps the drawn frames for next time

"right" is every frame of ten in nine placed, rotations right to 0.5° (median over pairs) and centres to 5 %
of the path, and the focal length to 25 %; a still or turning camera is right when it is named as such.
"WRONG GOOD" marks a clip called good whose rotations are off by more than 2° or centres by more than 5 %.
"masks" is the overlap (intersection over union) of what was taken to move with what does.
pycolmap's defaults have one camera for all frames, sequential matching and the incremental mapper.
"""

from __future__ import annotations

import json
import multiprocessing
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import cv2
import numpy as np
import tyro
from PIL import Image
from rich.console import Console
from rich.table import Table

from recon.cameras import place_cameras
from recon.errors import ReconError
from recon.events import ignore
from recon.mask_files import margin
from recon.scene import SceneFolder
from recon.splitting import split
from recon.truth import pose_error, read_truth
from recon.types import Cameras
from suites.camera_clips import FLAVOURS, MOVES, draw_clips

ROTATION, ATE, FOCAL, PLACED = 0.5, 5.0, 25.0, 0.9
WRONG_ROTATION, WRONG_ATE = 2.0, 5.0
DEFAULTS_SECONDS = 120.0
"""After this long pycolmap's defaults are stopped."""


@dataclass
class Row:
    """A solver on a clip."""

    clip: str
    solver: str
    verdict: str
    placed: int
    frames: int
    seconds: float
    error: dict[str, float | None] | None
    kind: str = ""
    won: str = ""
    reason: str = ""
    mask_iou: float | None = None
    """Of what moves, mean over the frames whose true masks are known."""

    @property
    def no_parallax(self) -> bool:
        """Has the clip no path whose shape could be right?"""
        return self.error is not None and self.error["ate_percent"] is None

    @property
    def right(self) -> bool | None:
        """None without truth."""
        if self.clip.startswith(("pan", "static")):
            return self.won in ("turning", "still") and self.placed == self.frames
        if self.error is None:
            return False if self.placed == 0 else None
        return (
            self.placed >= PLACED * self.frames
            and (self.error["rotation_deg"] or 0) <= ROTATION
            and (self.error["ate_percent"] or 0) <= ATE
            and (self.error["focal_percent"] or 0) <= FOCAL
        )

    @property
    def wrong_good(self) -> bool:
        """Called good, and it is not."""
        if self.verdict != "good" or self.error is None:
            return False
        ate = self.error["ate_percent"]
        return (self.error["rotation_deg"] or 0) > WRONG_ROTATION or ate is None or ate > WRONG_ATE


def ours(name: str, source: Path, truth: Path | None, work: Path, masks: Path | None) -> Row:
    """Our stage, as `splatreel reconstruct` runs it. `masks`: white where it moves, named after frames."""
    scene = split(source, work / "scene", long_side=640)
    frames = scene.frames()
    began = time.perf_counter()
    try:
        placed = place_cameras(scene, force=True, on_event=ignore)
    except ReconError as error:
        placed, problem = {}, str(error)
    else:
        problem = ""
    seconds = time.perf_counter() - began
    report = json.loads(scene.report_path.read_text())["shots"][0]
    cameras = placed[0][0] if 0 in placed else None
    error = _error(cameras, truth, scene) if cameras is not None else None
    tried = [attempt["name"] for attempt in report.get("attempts", [])]
    return Row(
        name,
        "splatreel",
        report["verdict"] if cameras is not None else "failed",
        0 if cameras is None else len(cameras),
        frames.shots[0].frames,
        seconds,
        error,
        report.get("probe", {}).get("kind", ""),
        " > ".join(tried),
        problem or report.get("reason", ""),
        mask_overlap(scene, masks) if masks is not None and cameras is not None else None,
    )


def mask_overlap(scene: SceneFolder, truth: Path) -> float:
    """Mean intersection over union with the true masks, without the margin that the solver adds."""
    frames = scene.frames()
    found, disc, scores = scene.root / "cameras" / "shot_000_masks", margin(frames.width, frames.height), []
    for path in sorted(truth.glob("*.png")):
        with Image.open(path) as picture:
            moving = np.asarray(picture.convert("L").resize((frames.width, frames.height))) > 0
        mask = np.zeros_like(moving)
        if found.is_dir():
            with Image.open(found / f"{path.stem}.png.png") as picture:
                mask = cv2.erode((np.asarray(picture.convert("L")) < 128).astype(np.uint8), disc) > 0
        scores.append(float((mask & moving).sum() / max(1, (mask | moving).sum())))
    return float(np.mean(scores))


def defaults(name: str, source: Path, truth: Path | None, work: Path, masks: Path | None) -> Row:
    """pycolmap as it comes; the model with most frames."""
    scene = split(source, work / "scene", long_side=640)
    result = work / "defaults.npz"
    result.unlink(missing_ok=True)
    began = time.perf_counter()
    # In a process of its own: pycolmap can abort it.
    child = multiprocessing.get_context("spawn").Process(
        target=run_defaults, args=(scene.frames_folder, work / "defaults", result)
    )
    child.start()
    child.join(DEFAULTS_SECONDS)
    child.kill()
    seconds = time.perf_counter() - began
    frames = scene.frames()
    if not result.exists():
        return Row(name, "pycolmap", "", 0, len(frames), seconds, None)
    with np.load(result) as found:
        poses, numbers, K = found["world_from_camera"], found["numbers"], found["K"]
    cameras = Cameras(numbers, poses, np.tile(K, (len(numbers), 1, 1)), frames.width, frames.height)
    return Row(name, "pycolmap", "", len(numbers), len(frames), seconds, _error(cameras, truth, scene))


def run_defaults(images: Path, work: Path, result: Path) -> None:
    """Child process: features, sequential matches and the incremental mapper with default options."""
    import shutil

    import pycolmap

    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    database = work / "database.db"
    pycolmap.set_random_seed(0)
    pycolmap.extract_features(database, images, camera_mode=pycolmap.CameraMode.SINGLE)
    pycolmap.match_sequential(database)
    models = pycolmap.incremental_mapping(database, images, work)
    if not models:
        return
    model = max(models.values(), key=lambda model: model.num_reg_images())
    shots = sorted((model.images[i] for i in model.reg_image_ids()), key=lambda image: image.name)
    poses = np.tile(np.eye(4), (len(shots), 1, 1))
    poses[:, :3] = [image.cam_from_world().matrix() for image in shots]
    numbers = np.array([int(Path(image.name).stem) for image in shots], np.int64)
    K = model.cameras[shots[0].camera_id].calibration_matrix()
    np.savez(result, world_from_camera=np.linalg.inv(poses), numbers=numbers, K=K)


def _error(cameras: Cameras, truth: Path | None, scene: SceneFolder) -> dict[str, float | None] | None:
    if truth is None or len(cameras) < 2:
        return None
    return pose_error(cameras, read_truth(truth, scene.frames(), scene.info["source"].get("fps")))


def videos_of(folder: Path) -> list[tuple[str, Path, Path | None, Path | None]]:
    """(name, video, pose file and folder `NAME_masks` beside it or None) of every video in a folder and the
    folders in it."""
    found = []
    for video in sorted(folder.rglob("*.mp4")):
        beside = [video.with_suffix(".txt"), video.with_name(f"{video.stem}_masks")]
        poses, masks = (path if path.exists() else None for path in beside)
        found.append((str(video.relative_to(folder)), video, poses, masks))
    return found


def table_of(rows: list[Row]) -> Table:
    """For the terminal and, by copy and paste, for docs/benchmarks.md."""
    table = Table(box=None)
    for name in (
        "clip",
        "solver",
        "verdict",
        "placed",
        "rotation °",
        "ATE %",
        "focal %",
        "masks",
        "s",
        "right",
        "by",
    ):
        table.add_column(name, justify="left" if name in ("clip", "solver", "verdict", "by") else "right")
    for row in rows:
        errors = row.error or {}
        numbers = [
            "-" if errors.get(key) is None else f"{errors[key]:.2f}"
            for key in ("rotation_deg", "ate_percent", "focal_percent")
        ]
        right = "WRONG GOOD" if row.wrong_good else {True: "yes", False: "no", None: ""}[row.right]
        who = " ".join((row.won, row.kind)) if row.solver == "splatreel" else ""
        table.add_row(
            *(row.clip, row.solver, row.verdict, f"{row.placed}/{row.frames}"),
            *numbers,
            "" if row.mask_iou is None else f"{row.mask_iou:.2f}",
            *(f"{row.seconds:.0f}", right, who),
        )
    return table


def main(
    only: Annotated[str, tyro.conf.arg(help="Clips whose name has this in it.")] = "",
    clips: Annotated[Path | None, tyro.conf.arg(help="A folder of videos to take as well.")] = None,
    work: Annotated[Path | None, tyro.conf.arg(help="Keeps drawn frames and scenes here.")] = None,
    drawn: Annotated[bool, tyro.conf.arg(help="The clips with known truth.")] = True,
    defaults: Annotated[bool, tyro.conf.arg(help="pycolmap's defaults beside ours.")] = True,
    save: Annotated[Path | None, tyro.conf.arg(help="Write the rows there as JSON lines.")] = None,
) -> None:
    """Print one table of camera errors, verdicts and times."""
    console = Console(width=150, highlight=False)
    with tempfile.TemporaryDirectory() as temporary:
        base = work or Path(temporary)
        rows: list[Row] = []

        def take(name: str, source: Path, truth: Path | None, masks: Path | None) -> None:
            place = base / "scenes" / name.replace("/", "_").replace(" ", "_")
            place.mkdir(parents=True, exist_ok=True)
            for solver in (ours, globals()["defaults"]) if defaults else (ours,):
                row = solver(name, source, truth, place, masks)
                rows.append(row)
                if save:
                    with save.open("a") as file:
                        file.write(json.dumps(row.__dict__) + "\n")
                console.print(f"{row.clip}: {row.solver} {row.verdict} {row.seconds:.0f} s {row.reason}")

        if drawn:
            moves = tuple(m for m in MOVES if any(only in f"{m}, {f}" for f in FLAVOURS))
            for clip in draw_clips(base / "drawn", moves, FLAVOURS):
                if only in clip.name:
                    masks = clip.folder / "masks"
                    take(clip.name, clip.frames, clip.truth, masks if masks.exists() else None)
        for name, video, truth, masks in videos_of(clips) if clips else []:
            if only in name:
                take(name, video, truth, masks)
        console.print(table_of(rows))
        for solver in dict.fromkeys(row.solver for row in rows):
            judged = [row for row in rows if row.solver == solver and row.right is not None]
            right = sum(bool(row.right) for row in judged)
            wrong = sum(row.wrong_good for row in judged)
            console.print(f"{solver}: {right} of {len(judged)} right, {wrong} wrongly called good")


if __name__ == "__main__":
    tyro.cli(main)
