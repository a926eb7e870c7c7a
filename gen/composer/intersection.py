"""Compiled intersection: the nearest thing along a ray, and rays by the thousand for exact truth."""

import math

import numpy as np

from gen.composer.kernel_types import ELLIPSOID, TAPERED_BOX, SceneArrays
from gen.composer.textures import cached_jit, jit

SURFACE_EPS = 1e-4
"""Metres; nearer hits are the surface the ray starts on."""
STACK = 128
"""Nodes that may wait while a ray walks down the tree."""


@jit
def _intersect(kind, taper_x, taper_y, ox, oy, oz, dx, dy, dz, t_max):
    """First hit of a unit shape in object space: (t or t_max, normal)."""
    best, nx, ny, nz = t_max, 0.0, 0.0, 0.0
    if kind == ELLIPSOID:
        a, b = dx * dx + dy * dy + dz * dz, ox * dx + oy * dy + oz * dz
        q = b * b - a * (ox * ox + oy * oy + oz * oz - 1.0)
        if q > 0.0:
            t = (-b - math.sqrt(q)) / a
            if SURFACE_EPS < t < best:
                best, nx, ny, nz = t, ox + t * dx, oy + t * dy, oz + t * dz
    elif kind == TAPERED_BOX:
        # Six half spaces n.x <= h; the sides lean in by the taper.
        t_in, t_out = -1e30, 1e30
        entered = -1
        for face in range(6):
            sign = 1.0 if face & 1 else -1.0
            if face < 2:
                lean, height = 0.5 * (1.0 - taper_x), 0.5 * (1.0 + taper_x)
                along, room = sign * dx + lean * dz, height - sign * ox - lean * oz
            elif face < 4:
                lean, height = 0.5 * (1.0 - taper_y), 0.5 * (1.0 + taper_y)
                along, room = sign * dy + lean * dz, height - sign * oy - lean * oz
            else:
                along, room = sign * dz, 1.0 - sign * oz
            if abs(along) < 1e-12:
                if room < 0.0:
                    return t_max, 0.0, 0.0, 0.0
            elif along < 0.0:
                if room / along > t_in:
                    t_in, entered = room / along, face
            else:
                t_out = min(t_out, room / along)
            if t_in > t_out or t_in >= best:
                return t_max, 0.0, 0.0, 0.0
        if t_in <= t_out and SURFACE_EPS < t_in < best:
            sign = 1.0 if entered & 1 else -1.0
            best, nx, ny, nz = t_in, 0.0, 0.0, 0.0
            if entered < 2:
                nx, nz = sign, 0.5 * (1.0 - taper_x)
            elif entered < 4:
                ny, nz = sign, 0.5 * (1.0 - taper_y)
            else:
                nz = sign
    else:  # FRUSTUM: radius a + b z
        a, b = 0.5 * (1.0 + taper_x), 0.5 * (taper_x - 1.0)
        radius = a + b * oz
        qa = dx * dx + dy * dy - b * b * dz * dz
        qb = ox * dx + oy * dy - radius * b * dz
        q = qb * qb - qa * (ox * ox + oy * oy - radius * radius)
        if q > 0.0 and abs(qa) > 1e-12:
            for sign in (-1.0, 1.0):
                t = (-qb + sign * math.sqrt(q)) / qa
                z = oz + t * dz
                if SURFACE_EPS < t < best and -1.0 <= z <= 1.0:
                    best, nx, ny, nz = t, ox + t * dx, oy + t * dy, -b * (a + b * z)
        if abs(dz) > 1e-12:
            for cap in (-1.0, 1.0):
                t = (cap - oz) / dz
                r = 1.0 if cap < 0.0 else taper_x
                if SURFACE_EPS < t < best and (ox + t * dx) ** 2 + (oy + t * dy) ** 2 <= r * r:
                    best, nx, ny, nz = t, 0.0, 0.0, cap
    return best, nx, ny, nz


@jit
def trace(scene, stack, ox, oy, oz, dx, dy, dz, t_max, any_hit):
    """Nearest hit along a ray (any hit if `any_hit`): (primitive or -1, t, object-space normal)."""
    index, best, nx, ny, nz = -1, t_max, 0.0, 0.0, 0.0
    if dz < -1e-9 and SURFACE_EPS < -oz / dz < best:
        index, best, nz = 0, -oz / dz, 1.0
        if any_hit:
            return index, best, nx, ny, nz
    inv_x = 1.0 / dx if abs(dx) > 1e-12 else 1e12
    inv_y = 1.0 / dy if abs(dy) > 1e-12 else 1e12
    inv_z = 1.0 / dz if abs(dz) > 1e-12 else 1e12
    # One row view per visit would cost an atomic reference count; index the arrays directly.
    m, bounds, links = scene.object_from_world, scene.node_bounds, scene.node_links
    stack[0], depth = 0, 1
    while depth > 0:
        depth -= 1
        node = stack[depth]
        x0, x1 = (bounds[node, 0] - ox) * inv_x, (bounds[node, 3] - ox) * inv_x
        y0, y1 = (bounds[node, 1] - oy) * inv_y, (bounds[node, 4] - oy) * inv_y
        z0, z1 = (bounds[node, 2] - oz) * inv_z, (bounds[node, 5] - oz) * inv_z
        enter = max(min(x0, x1), min(y0, y1), min(z0, z1))
        leave = min(max(x0, x1), max(y0, y1), max(z0, z1))
        if leave < max(enter, 0.0) or enter > best:
            continue
        left, right = links[node, 0], links[node, 1]
        if left >= 0:
            # The child on the near side of the split comes off the stack first.
            axis = links[node, 2]
            along = dx if axis == 0 else (dy if axis == 1 else dz)
            stack[depth] = right if along > 0.0 else left
            stack[depth + 1] = left if along > 0.0 else right
            depth += 2
            continue
        for i in range(-left - 1, -left - 1 + right):
            t, hx, hy, hz = _intersect(
                scene.kind[i],
                scene.taper[i, 0],
                scene.taper[i, 1],
                m[i, 0, 0] * ox + m[i, 0, 1] * oy + m[i, 0, 2] * oz + m[i, 0, 3],
                m[i, 1, 0] * ox + m[i, 1, 1] * oy + m[i, 1, 2] * oz + m[i, 1, 3],
                m[i, 2, 0] * ox + m[i, 2, 1] * oy + m[i, 2, 2] * oz + m[i, 2, 3],
                m[i, 0, 0] * dx + m[i, 0, 1] * dy + m[i, 0, 2] * dz,
                m[i, 1, 0] * dx + m[i, 1, 1] * dy + m[i, 1, 2] * dz,
                m[i, 2, 0] * dx + m[i, 2, 1] * dy + m[i, 2, 2] * dz,
                best,
            )
            if t < best:
                index, best, nx, ny, nz = i, t, hx, hy, hz
                if any_hit:
                    return index, best, nx, ny, nz
    return index, best, nx, ny, nz


@cached_jit
def _cast(scene, origins, directions, reach, distance, primitive, stack):
    """Fill `distance` and `primitive` [N] for rays [N, 3]: metres to the nearest hit, and which it is."""
    for i in range(len(origins)):
        ox, oy, oz = origins[i, 0], origins[i, 1], origins[i, 2]
        dx, dy, dz = directions[i, 0], directions[i, 1], directions[i, 2]
        primitive[i], distance[i] = trace(scene, stack, ox, oy, oz, dx, dy, dz, reach, False)[:2]


def cast_rays(
    scene: SceneArrays,
    origins: np.ndarray,  # [N, 3] metres
    directions: np.ndarray,  # [N, 3]; a hit's distance counts in their lengths
    reach: float = 1e5,
) -> tuple[np.ndarray, np.ndarray]:
    """The nearest hits: (distance [N], inf where there is none; primitive [N], -1 where there is none)."""
    distance, primitive = np.empty(len(origins)), np.empty(len(origins), np.int64)
    stack = np.empty(STACK, np.int64)
    _cast(
        scene,
        np.ascontiguousarray(origins, np.float64),
        np.ascontiguousarray(directions, np.float64),
        reach,
        distance,
        primitive,
        stack,
    )
    return np.where(primitive < 0, np.inf, distance), primitive
