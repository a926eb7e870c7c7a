"""Turns the right way round: seen from far away, a thing that turns looks like its mirror image that turns
the other way (Necker 1832; for affine cameras the two cannot be told apart, Koenderink and van Doorn 1991).

What tells is perspective, and that things bulge towards the camera. A fit that has begun the wrong way does
not find the way back by small steps, and in a long one the two take turns.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from scipy.spatial.transform import Rotation

from recon.fourd.bundle import adjust, cost_of
from recon.fourd.parts import Parts, Problem, centred, on_one_side

EVERY = 6
"""Frames from one instant to the next from which on the mirror image is tried."""
STEPS = 12
"""In which it is adjusted."""
WORTH = 0.97
"""It must bring the cost of a part below this share."""
ROUNDS = 3
"""Turns back and forth, at most."""
FEWEST = 25
"""Tracks of a part that can tell."""


def unreversed(problem: Problem, parts: Parts) -> Parts:
    """Each part with its mirror image from some instants on, where that fits its tracks better; the parts
    that were given when none does."""
    log_depths, quats, translations = (a.copy() for a in (parts.log_depths, parts.quats, parts.translations))
    found = False
    for k in range(len(parts)):
        own = np.flatnonzero(parts.labels == k)
        if len(own) < FEWEST:
            continue
        alone = replace(
            parts,
            labels=np.zeros(len(own), int),
            log_depths=log_depths[own],
            quats=quats[k : k + 1],
            translations=translations[k : k + 1],
        )
        turned = _turned_round(problem.select(own), alone)
        if turned is not None:
            log_depths[own], quats[k], translations[k] = turned.log_depths, turned.quats, turned.translations
            found = True
    return replace(parts, log_depths=log_depths, quats=quats, translations=translations) if found else parts


def _turned_round(problem: Problem, part: Parts) -> Parts | None:
    """The best of its mirror images, if one is worth it."""
    part, found = adjust(problem, part, steps=STEPS), None
    cost = cost_of(problem, part)
    for _ in range(ROUNDS):
        frames = range(0, problem.seen.shape[1], EVERY)
        tried = [adjust(problem, mirrored(problem, part, frame), steps=STEPS) for frame in frames]
        costs = [cost_of(problem, one) for one in tried]
        if min(costs) > WORTH * cost:
            break
        part = found = tried[int(np.argmin(costs))]
        cost = min(costs)
    return found


def bulges(problem: Problem, parts: Parts) -> float:
    """How much of the relief that contact expects is found, among tracks sown together: about 1 in a good
    fit, less where the near and the far side are exchanged."""
    found, expected = parts.log_depths.copy(), np.log(problem.contact.depths)
    for sown in np.unique(problem.sown):
        own = problem.sown == sown
        found[own] -= found[own].mean()
        expected[own] -= expected[own].mean()
    return float(found @ expected / max(expected @ expected, 1e-12))


def mirrored(problem: Problem, part: Parts, frame: int) -> Parts:
    """A part that from a frame on turns the other way before the camera, with the near and the far side of
    the tracks that were sown then exchanged."""
    part = centred(part, problem)
    control = part.start + part.spacing * (np.arange(part.quats.shape[1]) - 1)  # where poses weigh most
    nearest = np.abs(problem.times[:, None] - control).argmin(0)
    late = (control > problem.times[frame])[1:, None, None]
    turns = Rotation.from_quat(part.quats[0], scalar_first=True).as_matrix()
    view = problem.camera_from_world[nearest[1:], :3, :3]
    across = view.swapaxes(1, 2) @ np.diag([-1.0, -1.0, 1.0]) @ view  # keeps turns about the line of sight
    steps = turns[1:] @ turns[:-1].swapaxes(1, 2)
    steps = np.where(late, across @ steps @ across, steps)
    out = [turns[0]]
    for step in steps:
        out.append(step @ out[-1])
    quats = on_one_side(Rotation.from_matrix(np.stack(out)).as_quat(scalar_first=True))
    log_depths = part.log_depths.copy()
    for sown in np.unique(problem.sown[problem.sown >= frame]):
        own = problem.sown == sown
        log_depths[own] = 2 * np.median(log_depths[own]) - log_depths[own]
    return replace(part, quats=quats[None], log_depths=log_depths)
