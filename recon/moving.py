"""Cameras of a shot in which something may move: masks before the solve, better ones after it, and a test
whether a still scene explains what is left of the picture."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np

from recon.errors import CameraSolveError
from recon.events import Listener, Notice, StageProgress
from recon.features import FrameFeatures
from recon.fine_tracks import FineTracks, fine_tracks
from recon.followers import follower_masks, neighbours_agree
from recon.frame_flow import FrameFlows
from recon.ladder import solve_cameras
from recon.matching import find_matches
from recon.motion import MotionMasks
from recon.polish import polish, with_followed_points
from recon.rigid_flow import StaticFlow, static_flow
from recon.shot_masks import (
    AGAIN,
    UNSEEN,
    masks_before_known_cameras,
    masks_from_cameras,
    share_beyond,
    store_masks,
)
from recon.solve import Solution
from recon.track_masks import LongTracks, completed
from recon.types import Frames, Shot

CALM = 0.95
"""Share of the flow that a still scene explains, from which nothing else is looked for."""
AS_GOOD = 0.02
"""Share of the flow by which what a solution without movers explains may be less than with them."""
BELIEVED = 0.4
"""Share of the flow that a still scene must explain before these cameras to call them good."""
SOUGHT, AS_CLOSE = 2, 1.05
"""Times that long tracks are asked what moves, and times the median by which those that stood still miss
still points, beyond which other cameras are worse: what is kept out of the solve in doubt does no harm, what
is in it does."""
SURELY = 0.3
"""Times the share of the picture that must move, as which tracks that move say that nothing does."""
MOST_FRAMES = 60
"""Of a shot in which all pairs of frames are matched."""
MOST_POLISHED = 150
"""Frames of a shot whose cameras are adjusted all at once to points that are followed."""
FOLLOWED, AS_MANY = 3, 0.02
"""Times that what follows is looked for, as better cameras show it better, and the share of the matches of
neighbours by which cameras without it may agree with less: others were fitted to nothing but these."""


def solve_around_motion(
    frames: Frames,
    shot: Shot,
    work: Path,
    motion: MotionMasks,
    folder: Path,
    *,
    flows: FrameFlows,
    seed: int,
    on_event: Listener,
) -> tuple[Solution, MotionMasks, Path | None]:
    """Solve the cameras without what moves.

    Args:
        flows: Flow between these frames.

    Returns:
        The solution, the masks of what moves, and what `store_masks` gave for them in `folder`.

    Raises:
        CameraSolveError: See `recon.ladder.solve_cameras`.
    """
    masks = store_masks(motion, frames, folder)
    look = _LookAgain(frames, shot, work, folder, flows, FrameFeatures(frames), seed, on_event)
    solution = solve_cameras(
        *(frames, shot, work),
        features=look.features,
        masks=masks,
        seed=seed,
        on_event=on_event,
        meanwhile=look.follow_points,
    )
    if solution.flat:
        return solution, motion, masks
    flow = _static_flow(solution, frames, motion, flows)
    if motion.camera != "given" and (masks is not None or flow.explained < CALM):
        found = look.from_cameras(solution, motion, masks, flow)
        if found.flow.explained < BELIEVED:
            on_event(Notice("a still scene does not explain the picture; solving from frame to frame"))
            chained = look.solve(found.masks, chain=True)
            if chained is not None and not chained.flat:
                chained_flow = _static_flow(chained, frames, found.motion, flows)
                if chained_flow.explained > found.flow.explained:
                    found = look.from_cameras(chained, found.motion, found.masks, chained_flow)
                found = look.without_followers(chained, found)
        solution, motion, masks, flow = found.solution, found.motion, found.masks, found.flow
    if flow.explained >= BELIEVED:
        if motion.camera != "given":
            found = look.from_long_tracks(_Found(solution, motion, masks, flow))
            solution, motion, masks, flow = found.solution, found.motion, found.masks, found.flow
        solution = look.polished(solution, motion if masks else None)
    evidence = {**solution.evidence, "static_flow": round(flow.explained, 3)}
    found = solution.judgement
    if found.verdict == "good" and flow.explained < BELIEVED:
        reason = (
            f"a still scene explains only {100 * flow.explained:.0f} % of what the picture does, so the "
            "cameras may be wrong or much of the scene moves: use a still scene, or mask what moves (--masks)"
        )
        found = replace(found, verdict="unsure", reason=reason)
    return replace(solution, evidence=evidence, judgement=found), motion, masks


def around_known_cameras(
    solution: Solution,
    frames: Frames,
    shot: Shot,
    motion: MotionMasks,
    masks: Path | None,
    folder: Path,
    *,
    flows: FrameFlows,
    seed: int,
    on_event: Listener,
) -> tuple[Solution, MotionMasks, Path | None]:
    """What moves before cameras that stay, and more points of the still scene; as `solve_around_motion`."""
    polishes = shot.frames <= MOST_POLISHED
    if solution.flat or (motion.camera == "given" and not polishes):
        return solution, motion, masks
    on_event(StageProgress("cameras", 0, None, "following points"))
    tracks = LongTracks(frames, np.array(shot.numbers))
    motion, masks = masks_before_known_cameras(
        solution, frames, motion, masks, folder, tracks=tracks, flows=flows, on_event=on_event
    )
    if polishes:
        fine = _fine_tracks(frames, solution, tracks, motion if masks else None, seed)
        solution = with_followed_points(solution, fine)
    return solution, motion, masks


@dataclass(frozen=True)
class _Found:
    solution: Solution
    motion: MotionMasks
    masks: Path | None
    flow: StaticFlow


@dataclass(frozen=True)
class _LookAgain:
    """What moves, as seen from solved cameras, and the cameras without it."""

    frames: Frames
    shot: Shot
    work: Path
    folder: Path
    flows: FrameFlows
    features: FrameFeatures
    seed: int
    on_event: Listener

    @cached_property
    def _followed(self) -> Future[LongTracks]:
        pool = ThreadPoolExecutor(1)
        found = pool.submit(LongTracks, self.frames, np.array(self.shot.numbers))
        pool.shutdown(wait=False)
        return found

    def follow_points(self) -> None:
        """Begin with `long_tracks`, which nearly every shot needs, beside something that waits for a process
        of one thread."""
        if self.shot.frames <= MOST_POLISHED:
            _ = self._followed

    @property
    def long_tracks(self) -> LongTracks:
        """Points of the whole picture."""
        return self._followed.result()

    def polished(self, solution: Solution, motion: MotionMasks | None) -> Solution:
        """The cameras adjusted to points of the still scene that are followed finely, as long as the shot is
        not too long for it."""
        if self.shot.frames > MOST_POLISHED:
            return solution
        self.on_event(StageProgress("cameras", 0, None, "following points"))
        fine = _fine_tracks(self.frames, solution, self.long_tracks, motion, self.seed)
        return polish(solution, fine, self.shot.frames, self.on_event)

    def solve(self, masks: Path | None, chain: bool = False) -> Solution | None:
        try:
            return solve_cameras(
                *(self.frames, self.shot, self.work),
                features=self.features,
                masks=masks,
                chain=chain,
                seed=self.seed,
                on_event=self.on_event,
            )
        except CameraSolveError:
            return None  # what there is already stands

    def from_cameras(
        self, solution: Solution, motion: MotionMasks, masks: Path | None, flow: StaticFlow
    ) -> _Found:
        before = motion
        motion, masks = masks_from_cameras(
            solution, self.frames, motion, masks, self.folder, flows=self.flows, on_event=self.on_event
        )
        if motion is before:
            return _Found(solution, motion, masks, flow)
        flow = _static_flow(solution, self.frames, motion, self.flows)
        if motion.share.mean() >= AGAIN:
            words = f"{100 * motion.share.mean():.0f} % of the picture moves; solving without it"
            self.on_event(Notice(words))
            again = self.solve(masks)
            if again is not None and not again.flat and _no_less(again, solution):
                new_flow = _static_flow(again, self.frames, motion, self.flows)
                if new_flow.explained > flow.explained - AS_GOOD:
                    solution, flow = again, new_flow
        return _Found(solution, motion, masks, flow)

    def from_long_tracks(self, found: _Found) -> _Found:
        """The cameras without what moves as seen over many frames, unless points of the whole picture that
        are followed for long agree less with them."""
        tracks, before = self.long_tracks, found
        misses, tried = tracks.misses(found.solution.solved), None
        if found.masks is None and tracks.moving(misses) < UNSEEN * SURELY:
            return found
        motion = tracks.masks(misses)
        for _ in range(SOUGHT):
            known = found.motion if tried is None and found.masks is not None else tried
            if not motion.trusted or share_beyond(motion, known) < (AGAIN if known else UNSEEN):
                break
            tried = motion
            share = 100 * motion.share.mean()
            self.on_event(Notice(f"{share:.0f} % of the picture moves in the long run; solving without it"))
            again = self.solve(store_masks(motion, self.frames, self.folder))
            if again is None or again.flat or not _no_less(again, found.solution):
                break
            new, still = tracks.misses(again.solved), tracks.still(misses)
            if np.nanmedian(new[still]) > AS_CLOSE * np.nanmedian(misses[still]):
                break
            misses, motion = new, tracks.masks(new)
            flow = _static_flow(again, self.frames, tried, self.flows)
            # Masks of long tracks are too large; they stand only where there were none.
            first = tried if before.masks is None else before.motion
            found = self.from_masks(_Found(again, first, self.folder, flow))
        if found.masks is None:
            return found
        motion = completed(found.motion, motion, self.frames)
        return replace(found, motion=motion, masks=store_masks(motion, self.frames, self.folder))

    def from_masks(self, found: _Found) -> _Found:
        """With masks that are exact, which those of long tracks are not."""
        motion, masks = masks_from_cameras(
            *(found.solution, self.frames, found.motion, found.masks, self.folder),
            flows=self.flows,
            on_event=self.on_event,
        )
        return _Found(found.solution, motion, masks, found.flow)

    def without_followers(self, chained: Solution, found: _Found) -> _Found:
        """The cameras without what goes along with the camera, if matches of neighbours agree with them.

        Between neighbours the still scene has most matches; the flow is no judge here, as cameras that
        hold on to what follows explain much of it.
        """
        if self.shot.frames > MOST_FRAMES:
            return found
        try:
            _, matches = find_matches(
                *(self.frames, self.shot, self.work),
                features=self.features,
                seed=self.seed,
                pairs="all",
                on_event=self.on_event,
            )
        except CameraSolveError as error:  # what was found stands
            self.on_event(
                Notice(f"what goes along with the camera was not looked for: {error}", warning=True)
            )
            return found
        cameras, best = chained, found
        most = neighbours_agree(matches, found.solution.solved, self.frames)
        for _ in range(FOLLOWED):
            motion = follower_masks(matches, cameras.solved, self.frames)
            if not motion.trusted or motion.share.mean() < AGAIN:
                break
            share = 100 * motion.share.mean()
            self.on_event(Notice(f"{share:.0f} % of the picture goes along with the camera; solving without"))
            again = self.solve(store_masks(motion, self.frames, self.folder))
            if again is None or again.flat:
                break
            cameras = again
            agree = neighbours_agree(matches, again.solved, self.frames)
            if agree > most - AS_MANY:
                flow = _static_flow(again, self.frames, motion, self.flows)
                best, most = _Found(again, motion, self.folder, flow), max(most, agree)
        store_masks(best.motion, self.frames, self.folder)
        return best


def _fine_tracks(
    frames: Frames, solution: Solution, coarse: LongTracks, motion: MotionMasks | None, seed: int
) -> FineTracks:
    """Points of the still scene, without what moves, followed finely."""
    given = frames, solution.solved, coarse.tracks, coarse.numbers, coarse.shrink, motion
    return fine_tracks(*given, seed=seed)


def _no_less(again: Solution, before: Solution) -> bool:
    """Are as many frames placed? The verdict says little here: what moves can look like parallax."""
    return again.judgement.verdict != "failed" and again.judgement.placed >= before.judgement.placed


def _static_flow(solution: Solution, frames: Frames, motion: MotionMasks, flows: FrameFlows) -> StaticFlow:
    solved = solution.solved
    masks = motion if motion.trusted else None
    return static_flow(
        *(frames, solved.numbers, solved.world_from_camera, solved.lens, solved.points),
        masks=masks,
        flows=flows,
    )
