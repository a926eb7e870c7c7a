"""A video becomes a scene: split, place cameras, train. Every stage continues where it stopped."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Literal

from recon.camera_axes import Axes
from recon.cameras import place_cameras
from recon.config import FitConfig
from recon.events import Listener, ignore
from recon.scene import SceneFolder
from recon.splitting import split
from recon.training import train

Stage = Literal["frames", "cameras", "train"]
STAGES: tuple[Stage, ...] = ("frames", "cameras", "train")
FRAMES_LONG_SIDE = 960
"""Long side of the frames on disk when nothing else is asked for; training may use less."""


def reconstruct(
    source: Path,
    out: Path,
    config: FitConfig | None = None,
    *,
    fps: float | None = None,
    start: float | None = None,
    end: float | None = None,
    long_side: int = FRAMES_LONG_SIDE,
    cameras: Path | None = None,
    camera_axes: Axes | None = None,
    refine_cameras: bool = False,
    masks: Path | None = None,
    solver: str | None = None,
    device: str = "auto",
    force: Stage | None = None,
    on_event: Listener = ignore,
) -> SceneFolder:
    """Reconstruct a video file, GIF or folder of images into the scene folder `out`.

    Args:
        source: Anything ffmpeg decodes, or a folder of images.
        out: New, empty, or the scene folder of an earlier run, which is continued.
        config: Training settings; `config_for("standard")` when None.
        fps, start, end: Which frames to take (frames per second, seconds).
        long_side: Long side of the frames on disk in pixels; frames are never enlarged.
        cameras: Known cameras (see `recon.known_cameras.FORMATS`) instead of solving.
        camera_axes: How to read their poses; None for what the format says.
        refine_cameras: Take them as a first guess only; otherwise training leaves them as they are, too.
        masks: Folder of masks, black where something moves; found by optical flow when None.
        solver: Name or folder of a learned solver's weights instead of COLMAP's mappers (docs/plugins.md).
        device: "auto", "cpu" or "cuda".
        force: Redo this stage and those after it.

    Raises:
        ReconError: One of its subclasses, with what was found, expected, and what to do next.
    """
    config = config or FitConfig()
    if cameras is not None and not refine_cameras:
        config = replace(config, refine_poses=False)
    if config.depth_model:
        from recon.plugins import depth_weights

        depth_weights(config.depth_model)  # a name that is none is told now, not after the training
    redo = STAGES[STAGES.index(force) :] if force else ()
    scene = split(
        source,
        out,
        fps=fps,
        start=start,
        end=end,
        long_side=long_side,
        force="frames" in redo,
        on_event=on_event,
    )
    placed = place_cameras(
        scene,
        cameras_file=cameras,
        axes=camera_axes,
        refine=refine_cameras,
        masks=masks,
        solver=solver,
        seed=config.seed,
        force="cameras" in redo,
        on_event=on_event,
    )
    train(scene, placed, config, device=device, force="train" in redo, on_event=on_event)
    return scene
