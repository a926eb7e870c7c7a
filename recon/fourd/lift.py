"""From tracks in the picture to shared motions in the world.

One camera cannot see how far away a moving thing is: a nearer, smaller and slower one looks the same. What
settles it: things stand on the ground (`contact`), neighbours have neighbouring depths, and nothing
jerks. Rigid parts get their shape from their own turns, as in structure from motion.

All points of a part share one motion, so that a part is known where nobody sees it (Shape of Motion,
Wang et al. 2024, section 3; there the depth comes from a network).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from operator import itemgetter

import numpy as np
from scipy.cluster.vq import kmeans2
from scipy.spatial import KDTree
from threadpoolctl import threadpool_limits

from recon.flow import homogeneous
from recon.fourd.bundle import adjust, cost_of
from recon.fourd.contact import Contact
from recon.fourd.motion import Bases
from recon.fourd.parts import Parts, Problem, in_one_rest, misses, seen_at, subdivided, used
from recon.fourd.reversal import bulges, unreversed
from recon.fourd.tracks import Tracks

MOST_TRACKS = 700
"""Fitted together; more are left out at random."""
MOST_PARTS = 10
FEWEST = 25
"""Tracks that a part needs to be one of its own."""
GOOD_ENOUGH, QUANTILE = 1.5, 0.75
"""Pixels; a part is whole when this share of its tracks misses less: on outlines some are lost."""
WORTH = 0.95
"""A split must bring the misses of the part's tracks below this share."""
FINER, SHORTEST_KNOT = 0.9, 1.4
"""Control poses come twice as close when that brings the misses below this share, but not closer than so many
frames."""
TRIES = 3
"""Of splitting, which is by chance: the one that explains most is kept."""
LEAST_RELIEF = 0.1
"""Taken for found, of what contact expects."""
PATIENCE = 2
"""Splits in vain after which no more are tried."""
NEIGHBOURS = 4
COMMON, SOON, DRIFT = 5, 8, 4.0
"""Frames in which neighbours are seen together, at least, within so many from where they were sown; and by
how many pixels their distance may change there: an arm that swings before a body is not next to it."""


@dataclass(frozen=True, repr=False)
class Lifted:
    """Tracks with their places in the world and the motions that carry them."""

    tracks: Tracks
    points: np.ndarray
    """[P, 3] world, each where it was in the frame in which it was sown."""
    depths: np.ndarray
    """[P] there, along the optical axis, world units."""
    labels: np.ndarray
    """[P] the basis of each."""
    bases: Bases
    misses: np.ndarray
    """[P] pixels, root mean square over the frames where each was seen."""

    def __repr__(self) -> str:
        return f"Lifted({self.tracks!r}, {self.bases!r}, {np.median(self.misses):.2f} px)"


@threadpool_limits.wrap(limits=1, user_api="blas")  # a busy core makes a second thread cost a second a step
def lift(
    tracks: Tracks,
    K: np.ndarray,  # [F, 3, 3] pixels of the tracks
    camera_from_world: np.ndarray,  # [F, 4, 4]
    times: np.ndarray,  # [F] seconds
    contact: Contact,
    *,
    spacing: float,
    seed: int = 0,
    most: int = MOST_PARTS,
) -> Lifted:
    """Fit shared motions to tracks; as many as they need, and as fine in time.

    Args:
        spacing: Seconds between control poses, at most.
    """
    rng = np.random.default_rng(seed)
    if len(tracks) > MOST_TRACKS:
        chosen = np.sort(rng.permutation(len(tracks))[:MOST_TRACKS])
        tracks, contact = tracks.select(chosen), contact.select(chosen)
    edges = _neighbours(tracks)
    problem = Problem.of(tracks, K, camera_from_world, times, edges, contact)
    first = adjust(problem, _first_parts(problem, spacing))
    turned = unreversed(problem, first)
    # As long as all is one part its limbs can feign a turn: which begin is right shows when they are split.
    begins = [first, turned] if bulges(problem, turned) > bulges(problem, first) else [first]
    tries = [[_in_parts(problem, begin, most, rng) for _ in range(TRIES)] for begin in begins]
    parts = _finished(problem, min((_likeliest(problem, ends) for ends in tries), key=itemgetter(0))[1])
    off = _own_misses(problem, parts)
    return Lifted(
        *(tracks, problem.places(parts.log_depths), np.exp(parts.log_depths)),
        *(parts.labels, in_one_rest(parts, problem).bases, off),
    )


def _in_parts(problem: Problem, parts: Parts, most: int, rng: np.random.Generator) -> Parts:
    """Split until all is explained, or no split explains more."""
    whole: set[int] = set()  # parts that fall apart no further
    while len(parts) < most and len(whole) < PATIENCE:
        worst = _worst(problem, parts, whole)
        if worst is None:
            break
        split = _split(problem, parts, np.flatnonzero(parts.labels == worst), rng)
        for _ in range(2):
            split = adjust(problem, split, steps=4)
            split = _assigned(problem, split)
        both = np.isin(parts.labels, worst) | np.isin(split.labels, [worst, len(parts)])
        if np.median(_own_misses(problem, split)[both]) > WORTH * np.median(
            _own_misses(problem, parts)[both]
        ):
            whole.add(worst)
        else:
            parts = split
    return parts


def _likeliest(problem: Problem, ends: list[Parts]) -> tuple[float, Parts]:
    """The end of least cost, and its cost, the higher the less all of them bulge as expected."""
    costs = [cost_of(problem, end) for end in ends]
    relief = max(LEAST_RELIEF, float(np.mean([bulges(problem, end) for end in ends])))
    return min(costs) / np.sqrt(relief), ends[int(np.argmin(costs))]


def _finished(problem: Problem, parts: Parts) -> Parts:
    """With parts the right way round, and as fine in time as needed."""
    parts = used(_assigned(problem, unreversed(problem, parts)))
    return _fine_enough(problem, adjust(problem, parts))


def _fine_enough(problem: Problem, parts: Parts) -> Parts:
    """With control poses as close as the motion needs: what hops or swings fast is flattened by wide ones."""
    while 0.5 * parts.spacing >= SHORTEST_KNOT * problem.frame:
        finer = adjust(problem, subdivided(parts))
        if np.mean(_own_misses(problem, finer)) > FINER * np.mean(_own_misses(problem, parts)):
            break
        parts = finer
    return parts


def _neighbours(tracks: Tracks) -> np.ndarray:
    """[M, 2] pairs of tracks that are near each other in the frame where both were sown, and stay so."""
    pairs = []
    for frame in np.unique(tracks.sown):
        own = np.flatnonzero(tracks.sown == frame)
        if len(own) < 2:
            continue
        at = tracks.xy[own, frame]
        near = np.asarray(KDTree(at).query(at, k=min(NEIGHBOURS + 1, len(own)))[1])
        pairs += [np.stack([own, own[near[:, column]]], 1) for column in range(1, near.shape[1])]
    if not pairs:
        return np.zeros((0, 2), int)
    pairs = np.unique(np.sort(np.concatenate(pairs), 1), axis=0)
    a, b = pairs.T
    apart = np.linalg.norm(tracks.xy[a] - tracks.xy[b], axis=2)  # [M, F]
    soon = np.abs(np.arange(tracks.seen.shape[1]) - tracks.sown[a, None]) <= SOON
    together = tracks.seen[a] & tracks.seen[b] & soon
    change = np.abs(apart - apart[np.arange(len(a)), tracks.sown[a], None]).max(1, where=together, initial=0)
    return pairs[(together.sum(1) >= min(COMMON, tracks.seen.shape[1])) & (change < DRIFT)]


def _first_parts(problem: Problem, spacing: float) -> Parts:
    """One part that does not turn and goes where the tracks go on average, at the depth of contact."""
    contact = problem.contact.depths
    known = np.isfinite(contact)
    depth = np.where(known, contact, np.median(contact[known]) if known.any() else 1.0)
    log_depths = np.log(depth)
    tracks, start, end = len(depth), float(problem.times[0]), float(problem.times[-1])
    control = Bases.count_for(end - start, spacing)
    quats = np.zeros((1, control, 4))
    quats[..., 0] = 1
    labels = np.zeros(tracks, int)
    parts = Parts(labels, log_depths, quats, np.zeros((1, control, 3)), start, spacing)
    world_from_camera = np.linalg.inv(problem.camera_from_world)
    rays = np.einsum("fij,pfj->pfi", np.linalg.inv(problem.K), homogeneous(problem.xy))
    local = rays * np.exp(log_depths)[:, None, None]
    at = np.einsum("fij,pfj->pfi", world_from_camera[:, :3, :3], local) + world_from_camera[:, :3, 3]
    shift = np.where(problem.seen[..., None], at - problem.places(log_depths)[:, None], 0)
    weight = problem.seen.sum(0)
    mean = shift.sum(0) / np.maximum(weight, 1)[:, None]
    scale = np.sqrt(weight / weight.max())[:, None]
    rows = np.concatenate([scale * parts.splines(problem.times), 0.1 * np.diff(np.eye(control), 2, axis=0)])
    goal = np.concatenate([scale * mean, np.zeros((control - 2, 3))])
    return replace(parts, translations=np.linalg.lstsq(rows, goal, rcond=None)[0][None])


def _own_misses(problem: Problem, parts: Parts) -> np.ndarray:
    """[P] pixels."""
    return misses(problem, parts)[np.arange(len(parts.labels)), parts.labels]


def _worst(problem: Problem, parts: Parts, whole: set[int]) -> int | None:
    """The part that misses most in all, if it misses too much."""
    off, worst, most = _own_misses(problem, parts), None, 0.0
    for k in set(range(len(parts))) - whole:
        own = off[parts.labels == k]
        if len(own) >= 2 * FEWEST and np.quantile(own, QUANTILE) > GOOD_ENOUGH and (own**2).sum() > most:
            worst, most = k, float((own**2).sum())
    return worst


def _split(problem: Problem, parts: Parts, worst: np.ndarray, rng: np.random.Generator) -> Parts:
    """A part, given by its tracks, in two, by how and where its tracks miss."""
    features = _ways_to_miss(problem, parts, worst)
    halves = np.asarray(kmeans2(features, 2, minit="++", rng=rng)[1])
    labels = parts.labels.copy()
    labels[worst[halves == 1]] = len(parts)
    k = parts.labels[worst[0]]
    return replace(
        parts,
        labels=labels,
        quats=np.concatenate([parts.quats, parts.quats[k : k + 1]]),
        translations=np.concatenate([parts.translations, parts.translations[k : k + 1]]),
    )


def _ways_to_miss(problem: Problem, parts: Parts, own: np.ndarray) -> np.ndarray:
    """[p, D] the misses of tracks over time, in few numbers, and where they are."""
    k = parts.labels[own[0]]
    turns, shifts = parts.poses(problem.times)
    shown = seen_at(problem, own, parts.rest(problem)[own], turns[k], shifts[k])
    seen = problem.seen[own]
    miss = np.zeros((*seen.shape, 2))
    miss[seen] = -shown.misses
    # Unseen frames say nothing: the mean of the neighbourhood in the picture stands in.
    middle = np.stack([problem.xy[i, problem.seen[i]].mean(0) for i in own])
    near = KDTree(middle).query(middle, k=min(8, len(own)))[1]
    total, count = miss[near].sum(1), seen[near].sum(1)
    smooth = total / np.maximum(count, 1)[..., None]
    flat = smooth.reshape(len(own), -1)
    spread = flat.std() * np.sqrt(flat.shape[1])
    where = (middle - middle.mean(0)) / (middle.std() + 1.0)
    return np.concatenate([flat, 0.15 * spread * where], 1)


def _assigned(problem: Problem, parts: Parts) -> Parts:
    """Each track to the part that fits it and its neighbours best."""
    table = np.minimum(misses(problem, parts), 8.0)
    total, count = table.copy(), np.ones(len(table))
    for a, b in (problem.edges.T, problem.edges.T[::-1]):
        np.add.at(total, a, table[b])
        np.add.at(count, a, 1)
    return replace(parts, labels=(table + total / count[:, None]).argmin(1))
