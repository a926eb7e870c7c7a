"""Bundle adjustment of parts that move rigidly before cameras that are known.

Unknown are the control poses of each part's spline and the depth of each track in the frame where it was
sown; solved by Levenberg-Marquardt with all of them in one system (Triggs et al. 2000, "Bundle
adjustment: a modern synthesis"), in float64.
"""

from __future__ import annotations

import numpy as np

from recon.fourd.normal_equations import Weights, corners, equations, pixels_per_unit, share
from recon.fourd.parts import Parts, Problem, centred, seen_at

WEIGHTS = Weights(huber=1.5, smooth=0.15, continuous=0.01, contact=0.005, flat=0.03)
DAMPING = 1e-3
ENOUGH, TWICE = 1e-3, 2
"""Relative gain of a step below which the fit has ended, and how many such steps: one may have been short for
it came after one too long."""


def adjust(problem: Problem, parts: Parts, *, steps: int = 30) -> Parts:
    """Levenberg-Marquardt until it gains no more, at most `steps` times."""
    given, parts = parts, centred(parts, problem)
    damping, cost, small = DAMPING, cost_of(problem, parts), 0
    for _ in range(steps):
        system = equations(problem, parts, WEIGHTS)
        for _ in range(6):
            try:
                step = system.step(damping)
            except np.linalg.LinAlgError:  # not positive by rounding
                damping *= 5
                continue
            step[: len(problem.sown)] = step[: len(problem.sown)].clip(-0.2, 0.2)
            tried = parts.moved(step)
            new = cost_of(problem, tried)
            if new < cost:
                break
            damping *= 5
        else:
            break
        gain, parts, cost = (cost - new) / cost, tried, new
        damping = max(damping / 5, 1e-7)
        small = small + 1 if gain < ENOUGH else 0
        if small == TWICE:
            break
    # Blends of poses about a middle differ a little.
    return parts if cost <= cost_of(problem, given) else given


def cost_of(problem: Problem, parts: Parts) -> float:
    """What `adjust` makes small: squared pixels, and the same of what parts and depths are held to."""
    total, rest, huber = 0.0, parts.rest(problem), WEIGHTS.huber
    turns, shifts = parts.poses(problem.times)
    even_turns, even_shifts = parts.poses(problem.even)
    for k in range(len(parts)):
        own = np.flatnonzero(parts.labels == k)
        if len(own) == 0:
            continue
        miss = np.linalg.norm(seen_at(problem, own, rest[own], turns[k], shifts[k]).misses, axis=-1)
        total += np.where(miss < huber, miss**2, huber * (2 * miss - huber)).sum()
        way = np.einsum("eij,cj->eci", even_turns[k], corners(rest[own])) + even_shifts[k][:, None]
        jerk = np.diff(way, 2, axis=0) * pixels_per_unit(problem, parts, own)
        total += WEIGHTS.smooth**2 * share(problem, own) * (jerk**2).sum()
    a, b = problem.edges.T
    total += ((parts.log_depths[a] - parts.log_depths[b]) ** 2).sum() / WEIGHTS.continuous**2
    for group, log_depth, feet, weight in problem.standing:
        off = parts.log_depths[group] - log_depth
        total += weight * (feet @ off / WEIGHTS.contact) ** 2 + (off**2).sum() / WEIGHTS.flat**2
    return float(total)
