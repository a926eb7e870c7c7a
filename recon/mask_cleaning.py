"""From how far each pixel disagrees with a still scene to a clean mask: over gaps, space and time."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from recon.frame_flow import Flow, edge_aware, pixel_grid, sample

SMOOTH = 9
"""Pixels; radius of the edge-aware smoothing."""
DOUBT = 0.1
"""Weight of "stands still" where nothing is known, beside what is known around."""
EVIDENCE = 0.4
"""Share of a blob that must be known to have moved."""
SEGMENTED, CERTAIN, BEYOND, ITERATIONS = 240, 0.05, 0.1, 3
"""Long side in pixels at which colours are told apart; shares of it from the outline inwards, from which a
mask is certain, and outwards, up to which it may be wrong; and rounds of learning the colours."""
SMALLEST = 0.003
"""Share of the frame; smaller blobs, and holes, are taken for noise."""
GAP, AT_ENDS = 8, 4
"""Frames, at most, from one in which a pixel moves to the next one, for it to move in between; and from one
to an end of the clip, beyond which it is taken to move: a swing begins slowly."""
NEVER = 255
"""Frames."""


def likely(errors: list[np.ndarray], picture: np.ndarray) -> np.ndarray:
    """[h, w] uint8, 255 where a frame surely moves: the median over its gaps, smoothed up to edges.

    Args:
        errors: Per gap [h, w], how far pixels disagree with a still scene; 1 is the threshold, NaN unknown.
        picture: [h, w] uint8 the frame.
    """
    if not errors:
        return np.zeros(picture.shape, np.uint8)
    known = np.isfinite(errors).sum(0) >= min(2, len(errors))
    moved = np.where(known, np.clip(median(np.array(errors, np.float32)) - 0.5, 0, 1), 0)
    weight = np.where(known, 1, DOUBT).astype(np.float32)
    smooth = np.clip(edge_aware(moved.astype(np.float32), weight, picture, SMOOTH), 0, 1)
    # A blob is as good as what is known in it: most of what is unknown is just hard to see.
    count, labels = _blobs(smooth > 0.5)
    evidence = np.bincount(labels.ravel(), (moved > 0.5).ravel(), count) / np.bincount(labels.ravel())
    evidence[0] = 1.0
    return np.where(evidence[labels] < EVIDENCE, 0, 255 * smooth).astype(np.uint8)


def with_hysteresis(error: np.ndarray) -> np.ndarray:
    """[h, w] errors, where 1 is the threshold and NaN unknown: what is above 1 but connected to nothing
    above 2 falls to 0.5 (Canny 1986)."""
    weak = np.nan_to_num(error) > 1
    count, labels = _blobs(weak)
    strongest = np.zeros(count)
    np.maximum.at(strongest, labels.ravel(), np.nan_to_num(error).ravel())
    return np.where(weak & (strongest[labels] < 2), 0.5, error)


def median(values: np.ndarray) -> np.ndarray:
    """[h, w] median over the first axis of [N, h, w] of what is not NaN; 0 where all is."""
    count = np.isfinite(values).sum(0)
    ordered = np.sort(values, axis=0)  # NaN comes last

    def at(k: np.ndarray) -> np.ndarray:
        return np.take_along_axis(ordered, np.clip(k, 0, len(values) - 1)[None], 0)[0]

    return np.where(count > 0, (at((count - 1) // 2) + at(count // 2)) / 2, 0)


def packed(flow: Flow) -> np.ndarray:
    """[h / 2, w / 2, 2] float16 pixels of the full size, NaN where not trusted: enough to look along."""
    return np.where(flow.ok[..., None], flow.shift, np.nan)[::2, ::2].astype(np.float16)


def settled(
    soft: list[np.ndarray],  # per frame [h, w] uint8, as `likely` gives it
    links: dict[tuple[int, int], np.ndarray],  # by pair of frames, as `packed` gives it
    i: int,
    gap: int,
) -> np.ndarray:
    """[h, w] bool: the median of frame i and its neighbours along the flow, without specks."""
    height, width = soft[i].shape
    votes = [soft[i].astype(np.float32)]
    for j in (i - gap, i + gap):
        if (i, j) in links:
            shift = links[i, j].astype(np.float32).repeat(2, 0).repeat(2, 1)[:height, :width]
            there = sample(soft[j], pixel_grid(height, width) + np.nan_to_num(shift))
            votes.append(np.where(np.isfinite(shift[..., 0]), there, votes[0]))
    middle = _middle(*votes) if len(votes) == 3 else np.mean(votes, axis=0)
    return without_specks(middle > 127)


def _middle(a: np.ndarray, b: np.ndarray, c: np.ndarray) -> np.ndarray:
    """The median of three, a fiftieth of the time of numpy's."""
    return np.maximum(np.minimum(a, b), np.minimum(np.maximum(a, b), c))


def closed_in_time(
    masks: np.ndarray,  # [F, h, w] bool
    flows: Sequence[tuple[Flow, Flow]],  # from each frame to the next one and back
) -> np.ndarray:
    """[F, h, w] bool: the masks, closed along the flow: what moved before and will move again only stands for
    a moment, like a foot on the ground, or goes along with the camera for a while."""
    since = _ages(masks, [back for _, back in flows])
    until = _ages(masks[::-1], [forth for forth, _ in reversed(flows)])[::-1]
    away = (before.astype(int) + after for before, after in zip(since, until, strict=True))
    return np.stack(
        [without_specks(mask | (frames <= GAP)) for mask, frames in zip(masks, away, strict=True)]
    )


def _ages(masks: np.ndarray, flows: Sequence[Flow]) -> list[np.ndarray]:
    """[h, w] uint8 for each mask: frames since a pixel was last masked, along the flow from each mask but the
    first to the one before; in the first one as many as leave AT_ENDS of GAP, NEVER where it cannot be
    followed."""
    out: list[np.ndarray] = []
    for i, mask in enumerate(masks):
        age = np.full(mask.shape, NEVER if i else GAP - AT_ENDS, np.uint8)
        if i:
            flow = flows[i - 1]
            at = (pixel_grid(*age.shape) + flow.shift).round()  # a mean of ages means nothing
            age = np.where(flow.ok, np.minimum(sample(out[-1], at), NEVER - 1) + 1, age).astype(np.uint8)
        age[mask] = 0
        out.append(age)
    return out


def by_colour(mask: np.ndarray, picture: np.ndarray) -> np.ndarray:
    """[h, w] bool: a rough mask with the outline that the colours of the picture [h, w, 3] uint8 have.

    GrabCut (Rother et al. 2004); the mask itself where it is too small or too large to learn colours from.
    """
    height, width = mask.shape
    factor = min(1.0, SEGMENTED / max(height, width))
    size = max(1, round(width * factor)), max(1, round(height * factor))
    small = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
    rough = cv2.resize(mask.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST)

    def disc(share: float) -> np.ndarray:
        side = 2 * max(1, round(share * max(size))) + 1
        return cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side))

    sure, reach = cv2.erode(rough, disc(CERTAIN)), cv2.dilate(rough, disc(BEYOND))
    labels = np.where(reach > 0, cv2.GC_PR_BGD, cv2.GC_BGD).astype(np.uint8)
    labels[rough > 0], labels[sure > 0] = cv2.GC_PR_FGD, cv2.GC_FGD
    if min(sure.sum(), (reach == 0).sum()) < SMALLEST * rough.size:
        return mask
    cv2.setRNGSeed(0)  # of this thread; its first colours are chosen at random
    model = np.zeros((1, 65)), np.zeros((1, 65))
    cv2.grabCut(small, labels, None, *model, ITERATIONS, cv2.GC_INIT_WITH_MASK)  # type: ignore[call-overload]
    inside = np.isin(labels, (cv2.GC_FGD, cv2.GC_PR_FGD)).astype(np.float32)
    return without_specks(cv2.resize(inside, (width, height), interpolation=cv2.INTER_LINEAR) > 0.5)


def without_specks(moving: np.ndarray) -> np.ndarray:
    """[h, w] bool without blobs and holes below SMALLEST."""
    pixels = cv2.morphologyEx(moving.astype(np.uint8), cv2.MORPH_OPEN, np.ones((3, 3), np.uint8))
    for value in (1, 0):
        _, labels, stats, _ = cv2.connectedComponentsWithStats((pixels == value).astype(np.uint8))
        small = stats[:, cv2.CC_STAT_AREA] < SMALLEST * pixels.size
        small[0] = False
        pixels[small[labels]] = 1 - value
    return pixels > 0


def _blobs(mask: np.ndarray) -> tuple[int, np.ndarray]:
    """How many connected parts [h, w] bool has, with the rest as part 0; and [h, w] the part of a pixel."""
    count, labels = cv2.connectedComponents(mask.astype(np.uint8))
    return count, np.asarray(labels, np.int64)
