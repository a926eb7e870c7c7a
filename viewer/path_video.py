"""A camera path as an mp4, drawn by the rasterizer that the scene was trained with."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from viewer.edits import COLOUR, Edits, edits_from_json
from viewer.errors import ViewerError
from viewer.json_values import number_between, pose_of

if TYPE_CHECKING:
    from recon.fourd.motion import Splats4D
    from recon.types import Gaussians

MOST_FRAMES = 3000
MOST_BYTES = 4_000_000
"""Of an order: 3000 poses with all their digits."""
SIDES = (64, 3840)
"""Pixels."""


@dataclass(frozen=True)
class VideoOrder:
    """A path to render."""

    splats: str
    """Id of the splats in the manifest."""
    frames: list[list[float]]
    """world_from_camera [16] row by row, OpenCV axes, for each frame."""
    focals: list[float]
    """Focal length in pixels of the video, for each frame; the principal point is the middle."""
    width: int
    height: int
    fps: float
    background: str = "#000000"
    edits: Edits = field(default_factory=Edits)
    training_focal: float | None = None
    """Focal length in pixels at the size that was trained on; None: as that of the video."""


def order_from_json(value: Any) -> VideoOrder:
    """Checks an order of the page; a ViewerError says what is wrong with it."""
    if not isinstance(value, dict):
        raise ViewerError(f"found {type(value).__name__}, expected an object")
    frames, focals = value.get("frames"), value.get("focals")
    if not isinstance(frames, list) or not 1 <= len(frames) <= MOST_FRAMES:
        found = len(frames) if isinstance(frames, list) else type(frames).__name__
        raise ViewerError(f"frames: found {found}, expected 1 to {MOST_FRAMES} poses; shorten the path")
    if not isinstance(focals, list) or len(focals) != len(frames):
        raise ViewerError(f"focals: expected a number for each of {len(frames)} frames")
    sides = [number_between(value.get(key), key, *SIDES) for key in ("width", "height")]
    if any(side != int(side) or side % 2 for side in sides):
        raise ViewerError(f"the size is {sides[0]:g} x {sides[1]:g}; expected even numbers")
    background = value.get("background")
    if not isinstance(background, str) or not COLOUR.fullmatch(background):
        raise ViewerError(f"background is {str(background)[:40]!r}; expected a colour as #rrggbb")
    edits = value.get("edits")
    return VideoOrder(
        str(value.get("splats")),
        [pose_of(pose, f"frames[{i}]") for i, pose in enumerate(frames)],
        [number_between(focal, f"focals[{i}]", 1, 1e6) for i, focal in enumerate(focals)],
        int(sides[0]),
        int(sides[1]),
        number_between(value.get("fps"), "fps", 1, 120),
        background,
        Edits() if edits is None else edits_from_json(edits),
    )


def render_path(
    splats: Path,
    order: VideoOrder,
    out: Path,
    *,
    on_frame: Callable[[int], None] = lambda done: None,
    cancelled: threading.Event | None = None,
) -> bool:
    """Render a path through a .ply to `out` (.mp4); False when cancelled, and nothing is written then."""
    import torch

    from recon.errors import ReconError
    from recon.fourd.splat4d import read_splats
    from recon.pictures import to_uint8, write_video
    from recon.raster import rasterize

    if splats.suffix.lower() != ".ply":
        raise ViewerError(f"{splats.name} is no .ply; only .ply files can be rendered to a video")
    device = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        shown = _shown(read_splats(splats), order.edits, splats).to(device)
        clock = _clock(shown)
        background = torch.tensor(list(bytes.fromhex(order.background[1:])), device=device) / 255

        def frame(i: int):
            if cancelled and cancelled.is_set():
                raise _Cancelled
            pose = torch.tensor(order.frames[i], dtype=torch.float64).reshape(4, 4)
            camera_from_world = torch.linalg.inv(pose).float().to(device)
            focal = order.focals[i]
            K = torch.tensor(
                [[focal, 0, order.width / 2], [0, focal, order.height / 2], [0, 0, 1]], device=device
            )
            gaussians = shown.at(clock(i / order.fps))
            scales = _as_trained(gaussians, camera_from_world, focal, order.training_focal)
            shape = (
                gaussians.means,
                gaussians.quats,
                scales,
                gaussians.logit_opacities.sigmoid(),
                gaussians.sh,
            )
            with torch.no_grad():
                image = rasterize(
                    *shape, camera_from_world, K, order.width, order.height, background=background
                ).image
            on_frame(i + 1)
            return to_uint8(image)

        write_video(out, frame, len(order.frames), order.fps)
    except _Cancelled:
        return False
    except ReconError as error:
        raise ViewerError(str(error)) from error
    return True


def _as_trained(
    gaussians: Gaussians, camera_from_world: Any, focal: float, training_focal: float | None
) -> Any:
    """Scales [N, 3] with which splats cover as much of the picture as at the size they were trained at.

    The rasterizer widens by `EPS2D` px², of training pixels then and of smaller ones now; the difference is
    added to the Gaussians in 3D, isotropic, so that it only adds to the squared scales.
    """
    import torch

    from recon.raster.core import EPS2D

    scales = gaussians.log_scales.exp()
    if training_focal is None or focal <= training_focal:
        return scales
    depth = (gaussians.means @ camera_from_world[2, :3] + camera_from_world[2, 3]).clamp_min(0)
    extra = EPS2D * ((focal / training_focal) ** 2 - 1) * (depth / focal) ** 2
    return torch.sqrt(scales**2 + extra[:, None])


def _shown(splats: Splats4D, edits: Edits, path: Path) -> Splats4D:
    """The Gaussians that the edits keep, where they stand in the file."""
    import torch

    from recon.fourd.motion import Splats4D

    if not edits.cuts:
        return splats
    from viewer import ply

    keeps = torch.from_numpy(edits.keeps(ply.read(path)))
    if not bool(keeps.any()):
        raise ViewerError(f"the edits leave out all Gaussians of {path.name}; loosen the crop or the filters")
    count = len(splats.still)
    moving = splats.moving.select(keeps[count:]) if splats.moving and bool(keeps[count:].any()) else None
    return Splats4D(splats.still.select(keeps[:count]), moving)


def _clock(splats: Splats4D) -> Callable[[float], float]:
    """Seconds of the clip at seconds of the video: over and over."""
    if splats.moving is None:
        return lambda seconds: 0.0
    bases = splats.moving.bases
    return lambda seconds: bases.start + seconds % bases.seconds


class _Cancelled(Exception):
    """Asked to stop."""


class VideoJob:
    """One rendering, in a thread of its own; `state` is what the page polls."""

    def __init__(self, splats: Path, order: VideoOrder, out: Path) -> None:
        self.out = out
        self._cancelled = threading.Event()
        self._state: dict[str, Any] = {"state": "running", "done": 0, "total": len(order.frames), "error": ""}
        # While it runs the page must stay answered, and Ctrl-C must not wait for it.
        self._thread = threading.Thread(target=self._run, args=(splats, order), daemon=True)
        self._thread.start()

    @property
    def running(self) -> bool:
        """Is it still at work?"""
        return self._thread.is_alive()

    def state(self) -> dict[str, Any]:
        """running, done, failed or cancelled, and how far."""
        return {**self._state, "path": str(self.out)}

    def cancel(self) -> None:
        """Ask it to stop, which it does before the next frame."""
        self._cancelled.set()

    def _run(self, splats: Path, order: VideoOrder) -> None:
        try:
            finished = render_path(splats, order, self.out, on_frame=self._frame, cancelled=self._cancelled)
            self._state |= {"state": "done" if finished else "cancelled"}
        except ViewerError as error:
            self._state |= {"state": "failed", "error": str(error)}
        except Exception as error:  # shown on the page, as it has no terminal
            self._state |= {"state": "failed", "error": f"{type(error).__name__}: {error}"}

    def _frame(self, done: int) -> None:
        self._state |= {"done": done}


def free_name(folder: Path, stem: str) -> Path:
    """A name for a new mp4 that is not taken: path.mp4, path-2.mp4, …"""
    number = 1
    while (out := folder / (f"{stem}.mp4" if number == 1 else f"{stem}-{number}.mp4")).exists():
        number += 1
    return out


def with_training_focal(order: VideoOrder, manifest: dict[str, Any]) -> VideoOrder:
    """The order, with what the manifest says about the size that was trained on."""
    cameras = manifest.get("cameras") or []
    if not cameras:
        return order
    first = cameras[0]
    scale = manifest.get("trained_scale") or 1.0
    focal = first["fy"] * scale
    return replace(order, training_focal=focal if math.isfinite(focal) and focal > 0 else None)
