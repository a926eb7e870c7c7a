"""The moving part of a shot: from its masks and its trained still scene to Gaussians that move."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import cv2
import numpy as np

from recon.config import FitConfig
from recon.errors import TrainError
from recon.events import Listener, Notice, ignore
from recon.fourd.contact import Contact, contact_depths
from recon.fourd.fit import fit_moving, moving_budget
from recon.fourd.learned_depth import learned_depths
from recon.fourd.lift import lift
from recon.fourd.motion import Splats4D
from recon.fourd.patches import without_drift
from recon.fourd.seeds import moving_gaussians
from recon.fourd.sorting import likeness, moving_only, with_lost_parts, without_rim
from recon.fourd.staying import staying
from recon.fourd.tracks import SHORTEST, Tracks, follow
from recon.frame_flow import flows_along, grey
from recon.gaussians import scaled_intrinsics
from recon.mask_cleaning import closed_in_time
from recon.mask_files import margin
from recon.plugins.interfaces import DepthGuess
from recon.types import Gaussians, Points
from recon.views import Views

STEPS = 0.6
"""Times those of the still scene."""
KNOTS = 3
"""Frames between the control poses of a motion."""
STEP = 5
"""Pixels between points that are followed, in frames where they are sown."""
FEWEST_TRACKS, LONG = 40, 9
"""Tracks from which a motion can be told, and frames through which so many must go (half of those of a short
clip). A drawn walker in frames as video models make them was followed for six at a time: it stood anywhere,
and hid 0.9 dB of what stands still; all that come out well have 160 and more."""


def add_motion(
    views: Views,
    still: Gaussians,
    points: Points,
    config: FitConfig,
    folder: Path,
    *,
    key: str = "",
    device: str = "cpu",
    look: Callable[[Gaussians], None] = lambda gaussians: None,
    on_event: Listener = ignore,
) -> tuple[Splats4D, float]:
    """The still scene with what moves in it, and the seconds of training; without it when too little can be
    followed."""
    movers = find_movers(views, still, points, config, device=device, on_event=on_event)
    if movers is None:
        return Splats4D(still), 0.0
    own = movers.settings(config)
    start = partial(movers.first_splats, still, own, on_event=on_event)
    try:
        found = fit_moving(views, start, own, folder, key=key, device=device, look=look, on_event=on_event)
    except (np.linalg.LinAlgError, ValueError) as error:  # the still scene is there, and worth having
        on_event(Notice(f"what moves could not be fitted ({error}); it is left out", warning=True))
        return Splats4D(still), 0.0
    return found.splats, found.seconds


@dataclass(frozen=True, repr=False)
class Movers:
    """What moves in the training views, followed but not in space yet."""

    views: Views
    points: Points
    """Of the still scene."""
    K: np.ndarray
    """[F, 3, 3] pixels of the views."""
    masks: np.ndarray
    """[F, H, W] bool."""
    tracks: Tracks

    def settings(self, config: FitConfig) -> FitConfig:
        """With the steps and the budget of what moves."""
        budget = moving_budget(config, self.views, float(self.masks.mean()))
        return replace(config, steps=max(1, round(STEPS * config.steps)), budget=budget)

    def first_splats(self, still: Gaussians, config: FitConfig, *, on_event: Listener = ignore) -> Splats4D:
        """The still scene with Gaussians that go where the tracks go.

        Args:
            config: As `settings` gives it.

        Raises:
            ValueError, LinAlgError: No motion explains the tracks.
        """
        tracks, views, moving = self.tracks, self.views, self.masks
        camera_from_world, times = views.cameras.camera_from_world[views.train], views.seconds[views.train]
        contact = self._depths(config, on_event)
        spacing = KNOTS * float(np.median(np.diff(views.seconds)))
        lifted = lift(tracks, self.K, camera_from_world, times, contact, spacing=spacing, seed=config.seed)
        parts = len(lifted.bases)
        on_event(
            Notice(
                f"{100 * moving.mean():.0f} % of the picture moves: {len(tracks):,} points followed, "
                f"{parts} {'motion' if parts == 1 else 'motions'} ({np.median(lifted.misses):.1f} px)"
            )
        )
        return Splats4D(
            still, moving_gaussians(lifted, views, views.train, moving, times, budget=config.budget)
        )

    def _depths(self, config: FitConfig, on_event: Listener) -> Contact:
        """Where the tracks are: by a learned model when there is one, else by where what moves stays, or
        stands."""
        tracks, views = self.tracks, self.views
        camera_from_world = views.cameras.camera_from_world[views.train]
        at = tracks.xy[np.arange(len(tracks)), tracks.sown]
        where = at, tracks.sown, self.masks, self.points, self.K, camera_from_world
        if config.depth_model:
            found = learned_depths(self._guessed(config.depth_model, on_event), *where)
            if np.isfinite(found.depths).any():
                return found
            words = "the learned depth does not fit the still scene; what moves is put where it stands"
            on_event(Notice(words, warning=True))
        contact = contact_depths(*where, config.seed)
        return staying(tracks, self.masks, contact, self.K, camera_from_world) or contact

    def _guessed(self, model: str, on_event: Listener) -> DepthGuess:
        from recon.plugins import depth_solver

        frames = np.stack([self.views.level(0)[i] for i in self.views.train])
        try:
            return depth_solver(model, on_event).depth(frames)
        except RuntimeError as error:  # out of memory
            raise TrainError(
                f"the model of depth failed ({' '.join(str(error).split())[:160]}); "
                "run again without --depth, or with fewer frames (--fps)"
            ) from error


def find_movers(
    views: Views,
    still: Gaussians,
    points: Points,
    config: FitConfig,
    *,
    device: str = "cpu",
    on_event: Listener = ignore,
) -> Movers | None:
    """What moves, by the masks of the views; None when nothing does, or too little of it can be followed."""
    train = views.train
    moving = moving_masks(views, train)
    if len(train) < SHORTEST or not moving.any():
        if config.motion == "on":
            on_event(Notice("nothing was found that moves; the scene stands still", warning=True))
        return None
    images = [views.level(0)[i] for i in train]
    moving = _exact(moving, still, views, images, device)
    width, height = views.size
    cameras = views.cameras
    K = scaled_intrinsics(cameras.K[train], cameras.width, cameras.height, width, height)
    camera_from_world = cameras.camera_from_world[train]
    found = follow(images, moving, step=STEP, seconds=views.seconds[train])
    tracks, moving = moving_only(found, moving, points, K, camera_from_world)
    tracks = without_drift(tracks, images, moving)
    problem = too_little(tracks, anyway=config.motion == "on")
    if problem:
        words = f"{problem}; it is left out: use a sharper or slower clip, or --masks"
        on_event(Notice(words, warning=True))
        return None
    return Movers(views, points, K, moving, tracks)


def _exact(
    moving: np.ndarray,  # [F, H, W] bool
    still: Gaussians,
    views: Views,
    images: list[np.ndarray],  # [H, W, 3] uint8
    device: str,
) -> np.ndarray:
    """[F, H, W] bool: the masks with the outline that the still scene tells, and without gaps."""
    likenesses = [likeness(still, views, frame, device) for frame in views.train]
    flows = flows_along([grey(image) for image in images])
    closed = closed_in_time(without_rim(moving, likenesses), flows)
    return with_lost_parts(closed, likenesses, moving)


def too_little(tracks: Tracks, *, anyway: bool) -> str:
    """Why these tracks tell no motion, "" when they do; `anyway` lets tracks pass that are short."""
    if len(tracks) < FEWEST_TRACKS:
        return f"only {len(tracks)} points of what moves could be followed, expected {FEWEST_TRACKS}"
    lives = tracks.seen.sum(1)
    wanted = min(LONG, tracks.seen.shape[1] // 2)
    if (lives >= wanted).sum() >= FEWEST_TRACKS or anyway:
        return ""
    return (
        f"points of what moves could be followed for {np.median(lives):.0f} frames at a time, expected "
        f"{wanted} (--motion on keeps it)"
    )


def moving_masks(views: Views, frames: list[int]) -> np.ndarray:
    """[F, H, W] bool: what moves, without the margin by which masks on disk are wider."""
    width, height = views.size
    disc = margin(width, height)
    radius, masks = len(disc) // 2, []
    for frame in frames:
        mask = views.masks[0][frame]
        ignored = np.zeros((height, width), np.uint8) if mask is None else (mask < 128).astype(np.uint8)
        # What lies beyond the border moves on.
        padded = np.pad(ignored, radius, mode="edge")
        eroded = cv2.erode(padded, disc, borderType=cv2.BORDER_REPLICATE)
        masks.append(eroded[radius:-radius, radius:-radius] > 0)
    return np.stack(masks)
