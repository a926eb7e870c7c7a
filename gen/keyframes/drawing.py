"""Films from keyframes, as Deforum makes them: each frame is the one before, moved, then redrawn.

For every frame that a model redraws: warp, match colours, contrast, noise, redraw. Between two such frames
(the cadence) both pictures are carried along and faded into each other. Every frame is a function of the plan
and of the pictures on disk, so a run that was cut off goes on and ends with the same film, bit for bit.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from gen.clips import to_uint8
from gen.errors import GenerateError
from gen.events import Event, Notice, ignore, told
from gen.keyframes.depth import Closeness, closeness_from, depth_between
from gen.keyframes.frame_store import FrameStore
from gen.keyframes.pictures import add_noise, match_colours, scale_contrast
from gen.keyframes.plan import KeyframePlan, plan_keyframes
from gen.keyframes.request import KeyframesRequest
from gen.keyframes.scene import warp_scene
from gen.keyframes.warps import focal_length, plane_motion, warp_sheet, zoomed
from gen.models.find import find_model
from gen.models.image_to_image import Redraw, image_to_image
from gen.planning import revision_here

GREY = 128
"""What a model draws over when there is no first picture."""


@dataclass
class _Layer:
    """A picture that was drawn for one frame, carried along to later ones."""

    frame: int
    picture: np.ndarray | None
    """[H, W, 3] uint8; None if it is still on disk."""
    motion: np.ndarray
    """[3, 3] or [4, 4], from its frame to the present one."""
    closeness: np.ndarray | None = None
    """[H, W], once it has been estimated."""


def generate_keyframes(
    request: KeyframesRequest,
    *,
    plan: KeyframePlan | None = None,
    redraw: Redraw | None = None,
    on_event: Callable[[Event], None] = ignore,
) -> Iterator[np.ndarray]:
    """The frames of a film, [H, W, 3] uint8 sRGB, one after another.

    They are also kept as PNG in the folder `frames_folder(request.out)`, where the same request goes on if it
    is cut off. Whoever has a plan or a model in memory gives it; otherwise the request's are loaded. Raises
    `GenerateError` for anything the user can put right.
    """
    plan = plan or plan_keyframes(request)
    commit = None if redraw is not None or plan.model is None else model_commit(plan.model)
    store = FrameStore(frames_folder(request.out), plan.fingerprint(commit))
    for note in plan.notes:
        on_event(Notice(note))
    if already := store.finished():
        on_event(Notice(f"{already} of {plan.frames} frames are there from an earlier run."))
    film = _Film(plan, store, redraw or _image_model(request, on_event))
    yield from told((film.frame(frame) for frame in range(plan.frames)), plan.frames, on_event)


def model_commit(name: str) -> str | None:
    """The commit of an image model, where it is known: a newer one makes another film."""
    return revision_here(find_model(name, "redraw"))


def frames_folder(out: Path) -> Path:
    """Where the frames of a film lie as PNG."""
    return out.with_name(f"{out.stem}_frames")


class _Film:
    """Draws the frames of a plan in order."""

    def __init__(self, plan: KeyframePlan, store: FrameStore, redraw: Redraw) -> None:
        self.plan, self.store, self.redraw = plan, store, redraw
        self._closeness: Closeness | None = None
        self.layers: list[_Layer] = []
        """The last two pictures that were drawn, the newest at the end."""
        self.path = np.eye(plan.motions.shape[1])
        self.reference: np.ndarray | None = None
        """The frame that colours are matched to: the first."""

    def frame(self, frame: int) -> np.ndarray:  # [H, W, 3]
        """The next frame: from disk, where an earlier run left it, or drawn."""
        motion = self.plan.motions[frame]
        # The first frame is where everything starts: nothing has moved yet.
        self.path = motion @ self.path if frame else self.path
        for layer in self.layers:
            layer.motion = motion @ layer.motion
        shown = self.store.shown(frame)
        if self.plan.clip is not None:
            shown = self._keep(frame, self._over_video(frame)) if shown is None else shown
        else:
            if frame == 0 or self.plan.redraws[frame]:
                picture = None if shown is not None else self._drawn(frame)
                self.layers = [*self.layers[-1:], _Layer(frame, picture, np.eye(len(motion)))]
            shown = self._keep(frame, self._blended(frame)) if shown is None else shown
        if frame == 0:
            self.reference = shown
        return shown

    def _keep(self, frame: int, picture: np.ndarray) -> np.ndarray:
        self.store.keep_shown(frame, picture)
        return picture

    def _drawn(self, frame: int) -> np.ndarray:
        """A picture that later frames are made from."""
        picture = self.store.drawn(frame)
        if picture is None:
            picture = self._redrawn_from_layers(frame) if frame else self._first()
            self.store.keep_drawn(frame, picture)
        for layer in self.layers[:-1]:
            self.store.forget_drawn(layer.frame)
        return picture

    def _first(self) -> np.ndarray:
        if self.plan.picture is not None:
            return self.plan.picture
        return self._ask_model(np.full((self.plan.height, self.plan.width, 3), GREY, np.uint8), 0)

    def _redrawn_from_layers(self, frame: int) -> np.ndarray:
        assert self.reference is not None
        return self._redrawn(self._carried(self.layers[-1], frame), self.reference, frame)

    def _over_video(self, frame: int) -> np.ndarray:
        """A frame of the video, moved by all motions so far and redrawn on its own."""
        assert self.plan.clip is not None
        source = self.plan.clip.frames[frame % len(self.plan.clip)]
        picture = self._carried(_Layer(frame, source, self.path), frame)
        if self.plan.redraws[frame]:
            follows_video = self.plan.settings.coherence == "video"
            reference = source if follows_video or self.reference is None else self.reference
            picture = self._redrawn(picture, reference, frame)
        return self._finished(picture, frame)

    def _blended(self, frame: int) -> np.ndarray:
        """The newest picture carried to a frame, faded in over the one before during the cadence."""
        picture = self._carried(self.layers[-1], frame)
        share = (frame - self.layers[-1].frame + 1) / self.plan.settings.cadence
        if len(self.layers) > 1 and share < 1:
            before = self._carried(self.layers[0], frame)
            mixed = before + np.float32(share) * (picture.astype(np.float32) - before)
            picture = to_uint8(mixed)
        return self._finished(picture, frame)

    def _finished(self, picture: np.ndarray, frame: int) -> np.ndarray:
        """What is done to a shown frame alone: the pulse, and the contrast where no model gets to see it."""
        values = self.plan.values
        if self.plan.model is None:
            picture = scale_contrast(picture, values["contrast"][frame])
        return zoomed(picture, values["pulse"][frame], self.plan.settings.border)

    def _redrawn(self, picture: np.ndarray, reference: np.ndarray, frame: int) -> np.ndarray:
        """A moved picture prepared as Deforum does, and redrawn."""
        settings, values = self.plan.settings, self.plan.values
        if settings.coherence is not None:
            space = "LAB" if settings.coherence == "video" else settings.coherence
            picture = match_colours(picture, reference, space)
        picture = scale_contrast(picture, values["contrast"][frame])
        seed = (self.plan.seed, frame)
        picture = add_noise(picture, float(values["noise"][frame]), settings.noise, seed)
        return self._ask_model(picture, frame)

    def _ask_model(self, picture: np.ndarray, frame: int) -> np.ndarray:
        plan = self.plan
        drawn = self.redraw(
            picture,
            plan.prompts[frame],
            plan.negatives[frame],
            float(plan.redraws[frame]),
            max(1, round(plan.values["steps"][frame])),
            float(plan.values["cfg"][frame]),
            plan.seeds[frame],
        )
        if drawn.shape != picture.shape or drawn.dtype != np.uint8:
            raise GenerateError(
                f'The model "{plan.model}" drew {drawn.shape[1]}x{drawn.shape[0]} pixels, but '
                f"{plan.width}x{plan.height} were asked for: choose a size that it can draw."
            )
        return drawn

    def _carried(self, layer: _Layer, frame: int) -> np.ndarray:
        """A layer's picture as it looks at a frame."""
        if layer.picture is None:
            layer.picture = self.store.drawn(layer.frame)
        if layer.picture is None:
            raise GenerateError(
                f'"{self.store.folder}" has lost the picture of frame {layer.frame}, from which the next are '
                f"made: delete the folder and start again."
            )
        plan, border = self.plan, self.plan.settings.border
        if plan.settings.mode != "3D":
            return warp_sheet(layer.picture, layer.motion, border)
        old, new = (focal_length(plan.values["fov"][at], plan.height) for at in (layer.frame, frame))
        near, far = float(plan.values["near"][layer.frame]), float(plan.values["far"][layer.frame])
        if plan.depth_model is None:
            wall = float(depth_between(np.ones(1), near, far)[0])
            return warp_sheet(
                layer.picture, plane_motion(layer.motion, wall, old, new, plan.width, plan.height), border
            )
        if layer.closeness is None:
            self._closeness = self._closeness or closeness_from(plan.depth_model)
            layer.closeness = self._closeness(layer.picture)
        depth = depth_between(layer.closeness, near, far)
        return warp_scene(layer.picture, depth, layer.motion, old, new, border)


def _image_model(request: KeyframesRequest, on_event: Callable[[Event], None]) -> Redraw:
    """The request's model, loaded when it is first asked."""
    loaded: list[Redraw] = []

    def redraw(*question: Any) -> np.ndarray:
        if not loaded:
            assert request.model is not None
            loaded.append(image_to_image(request.model, request.memory, on_event))
        return loaded[0](*question)

    return redraw
