"""A look at a shot before anything is solved: how much does the picture move, and could turning explain it?

Dense optical flow (DIS, Kroeger et al. 2016) of small frames over several gaps; the motion between two
frames of a camera that only turns, or zooms, is one homography whatever the scene looks like.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from functools import cache
from typing import Literal

import cv2
import numpy as np
from PIL import Image

from recon.frame_flow import sample, textured
from recon.judge import ADVICE_MOVE
from recon.types import Frames, Shot

Kind = Literal["moving", "turning", "still", "blank"]

SIZE = 320
"""Long side of the frames that are compared, pixels."""
STEP = 8
"""Pixels between the places looked at."""
MAX_ROUND_TRIP = 1.0
"""Pixels by which forward and backward flow may disagree."""
ENOUGH_SEEN = 0.25
"""Share of the places whose flow can be trusted; over too wide a gap, or without texture, few can."""
FARTHEST = 24.0
"""Pixels of median flow beyond which a gap is too wide."""
STILL = 1.0
"""Pixels: less, in the median over every gap, is no more than pictures of a generator tremble."""
TURNING = 0.93
"""Share of the trusted places that one homography must explain over the widest of these gaps,
where parallax is largest beside the trembling of the pictures. Drawn and trembling pans have 0.99, a
half orbit of photographs 0.87, other moving cameras 0.4 to 0.75."""
FITS, FITS_SLOPE = 0.75, 0.04
"""Pixels from the homography, and what is added per pixel of flow (a lens bends a little)."""


@dataclass(frozen=True)
class Probe:
    """What the pictures say of the camera's movement."""

    kind: Kind
    """"turning" includes zooming, and a camera before one flat surface: pictures do not tell them apart.
    "blank" has no gap whose flow can be trusted."""
    gaps: tuple[int, ...]
    """Frames between the pictures of a pair, those with flow to be trusted."""
    flow_px: tuple[float, ...]
    """Median length of the flow over each gap, in pixels of frames with a long side of `SIZE`."""
    homography: tuple[float, ...]
    """Share of each gap's trusted places that one homography explains, 0..1."""

    def to_json(self) -> dict[str, object]:
        """For cameras/report.json."""
        return asdict(self)

    def no_parallax(self) -> str:
        """For the user: what the pictures of a still or turning camera show, and what to do."""
        if self.kind == "still":
            words = f"the camera stands still (the picture moves {max(self.flow_px):.1f} of {SIZE} pixels)"
        else:
            words = (
                "the camera only turns or zooms, or shows one flat surface "
                f"({100 * self.homography[-1]:.0f} % of the picture moves as a plane would)"
            )
        return f"{words}, so nothing tells depth: {ADVICE_MOVE}, or give the cameras with --cameras FILE"


def probe(frames: Frames, shot: Shot) -> Probe:
    """Look at a shot of two or more frames (about half a second)."""
    last = shot.frames - 1
    # Most frames are in pairs of several gaps; decoding one costs about as much as its flow.
    grey = cache(lambda number: _grey(frames, shot.first + number))
    rows = []
    for gap in sorted({gap for gap in (1, 2, 4, 8, 16, 32, last) if gap <= last}):
        starts = sorted({0, (last - gap) // 2, last - gap})
        pairs = [_compare(grey(start), grey(start + gap)) for start in starts]
        seen, flow, homography = np.median(pairs, axis=0)
        if seen >= ENOUGH_SEEN and flow <= FARTHEST:
            rows.append((gap, round(float(flow), 3), round(float(homography), 3)))
    if not rows:
        return Probe("blank", (), (), ())
    gaps, flows, shares = zip(*rows, strict=True)
    kind: Kind = "moving"
    if max(flows) < STILL:
        kind = "still"
    elif shares[-1] > TURNING:
        kind = "turning"
    return Probe(kind, gaps, flows, shares)


def _compare(a: np.ndarray, b: np.ndarray) -> tuple[float, float, float]:
    """Share of trusted places, median flow in pixels, share that fits one homography; [H, W] uint8."""
    dis = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    forth = dis.calc(a, b, np.zeros((*a.shape, 2), np.float32))
    back = dis.calc(b, a, np.zeros((*a.shape, 2), np.float32))
    height, width = a.shape
    y, x = (axis.ravel() for axis in np.mgrid[STEP // 2 : height : STEP, STEP // 2 : width : STEP])
    here = np.stack([x, y], 1).astype(np.float32)  # [P, 2]
    flow = forth[y, x]
    there = here + flow
    home = sample(back, there[None])
    inside = ((there >= 0) & (there <= [width - 1, height - 1])).all(axis=1)
    # Flow in a patch of one colour is a guess, also when it comes back home.
    trusted = (
        inside & textured(a)[y, x] & (np.linalg.norm(flow + home.reshape(-1, 2), axis=1) < MAX_ROUND_TRIP)
    )
    if trusted.sum() < 16:
        return 0.0, 0.0, 0.0
    length = float(np.median(np.linalg.norm(flow[trusted], axis=1)))
    _, fits = cv2.findHomography(here[trusted], there[trusted], cv2.RANSAC, FITS + FITS_SLOPE * length)
    return float(trusted.mean()), length, 0.0 if fits is None else float(fits.mean())


def _grey(frames: Frames, number: int) -> np.ndarray:
    with Image.open(frames.path(number)) as picture:
        picture.thumbnail((SIZE, SIZE), Image.Resampling.BOX)
        return np.asarray(picture.convert("L"))
