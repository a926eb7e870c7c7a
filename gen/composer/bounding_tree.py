"""The tree of boxes that rays walk down, and how a small tree of movers joins that of the still parts."""

import math

import numpy as np

LEAF_SIZE = 2
"""Primitives per leaf."""


def bounding_tree(boxes: np.ndarray) -> tuple[list[int], np.ndarray, np.ndarray]:
    """Bounding-volume tree over boxes [P, 6]: (order of the boxes, node bounds [N, 6], links [N, 3]).

    Nodes split where the surface-area heuristic is least. A link is (left, right, axis), or for a
    leaf (-first - 1, count, 0), `first` counting the ground plane as primitive 0.
    """
    order: list[int] = []
    bounds: list[np.ndarray] = []
    links: list[tuple[int, int, int]] = []

    def build(members: np.ndarray) -> int:
        node = len(bounds)
        bounds.append(np.concatenate([boxes[members, :3].min(0), boxes[members, 3:].max(0)]))
        links.append((0, 0, 0))
        if len(members) <= LEAF_SIZE:
            links[node] = (-(len(order) + 1) - 1, len(members), 0)
            order.extend(members.tolist())
            return node
        axis, members, left_count = _best_split(boxes, members)
        links[node] = (build(members[:left_count]), build(members[left_count:]), axis)
        return node

    build(np.arange(len(boxes)))
    return order, np.array(bounds), np.array(links, np.int64)


def _best_split(boxes: np.ndarray, members: np.ndarray) -> tuple[int, np.ndarray, int]:
    """(axis, members in order along it, how many go left) of least surface area times members."""
    best_cost, best = math.inf, (0, members, len(members) // 2)
    counts = np.arange(1, len(members))
    for axis in range(3):
        ordered = members[np.argsort(boxes[members, axis] + boxes[members, axis + 3], kind="stable")]
        left = _running_areas(boxes[ordered])[:-1]
        right = _running_areas(boxes[ordered[::-1]])[::-1][1:]
        cost = left * counts + right * counts[::-1]
        if cost.min() < best_cost:
            best_cost, best = cost.min(), (axis, ordered, int(cost.argmin()) + 1)
    return best


def _running_areas(boxes: np.ndarray) -> np.ndarray:
    """Half the surface area of the union of the first n boxes, for n = 1 … len(boxes)."""
    low, high = np.minimum.accumulate(boxes[:, :3]), np.maximum.accumulate(boxes[:, 3:])
    x, y, z = (high - low).T
    return x * y + y * z + z * x


def joined(
    bounds: np.ndarray,  # [N, 6]
    links: np.ndarray,  # [N, 3]
    more_bounds: np.ndarray,  # [M, 6]
    more_links: np.ndarray,  # [M, 3]
    primitives: int,
) -> tuple[np.ndarray, np.ndarray]:
    """One tree of two: a new root over both. `primitives` of the first, the ground among them, come first."""
    root = np.concatenate(
        [np.minimum(bounds[0, :3], more_bounds[0, :3]), np.maximum(bounds[0, 3:], more_bounds[0, 3:])]
    )

    def shifted(links: np.ndarray, nodes: int, firsts: int) -> np.ndarray:
        leaf = links[:, 0] < 0
        moved = links.copy()
        moved[~leaf, :2] += nodes
        moved[leaf, 0] -= firsts
        return moved

    both = [
        [(1, 1 + len(bounds), 0)],
        shifted(links, 1, 0),
        shifted(more_links, 1 + len(bounds), primitives - 1),
    ]
    return np.concatenate([root[None], bounds, more_bounds]), np.concatenate(both).astype(np.int64)
