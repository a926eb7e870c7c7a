"""Compiled solid textures: noise, and the colour of a primitive at a point.

Every detail fades out before it gets smaller than a few pixels, so nothing shimmers from frame to
frame. Textures live in object space, so they stay on the object from every side.
"""

import contextlib
import hashlib
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numba

from gen.composer.kernel_types import (
    CHECKER,
    COBBLES,
    DOTS,
    ELLIPSOID,
    FOLIAGE,
    FRUSTUM,
    GLOW,
    GRAIN,
    MASONRY,
    PANES,
    PLAIN,
    STRIPES,
    TERRAIN,
    VEINS,
    WEAVE,
)


def _sources_digest() -> str:
    """Digest of the files that hold compiled code."""
    digest = hashlib.sha256()
    for name in ("kernel_types.py", "textures.py", "intersection.py", "tracer.py"):
        with contextlib.suppress(OSError):  # imported from a zip file: the time stamp has to do
            digest.update((Path(__file__).parent / name).read_bytes())
    return digest.hexdigest()[:12]


_DIGEST = _sources_digest()


_OPTIONS: dict[str, Any] = {"nogil": True, "error_model": "numpy", "_nrt": False}
jit = numba.njit(**_OPTIONS)
"""Compile without the GIL, so that bands of one frame run on threads; and without reference counts.

Kernels make no arrays of their own, but each call that handed the scene on would count its ten arrays
up and down: half of the time, and threads wait for each other's counts.
"""


def cached_jit(function: Callable[..., Any]) -> Any:
    """`jit` for the entry point, whose machine code holds all it calls: cached on disk if possible.

    numba looks only at the time stamp of the file a function stands in, and would go on running old
    code after an edit to a kernel it calls in another file. A name with the digest of all of them
    gives every version of the kernels its own cache entry.
    """
    function.__qualname__ += f"_{_DIGEST}"
    try:
        return numba.njit(cache=True, **_OPTIONS)(function)
    except RuntimeError:  # neither the package folder nor the user's cache folder can be written
        return jit(function)


@jit
def _hash(x, y, z):
    """A number in [0, 1) for an integer lattice point."""
    h = (x * 374761393 + y * 668265263 + z * 2147483647) & 0xFFFFFFFF
    h = ((h ^ (h >> 13)) * 1274126177) & 0xFFFFFFFF
    return ((h ^ (h >> 16)) & 0xFFFFFF) / 16777216.0


@jit
def smoothstep(low, high, x):
    x = min(1.0, max(0.0, (x - low) / (high - low)))
    return x * x * (3.0 - 2.0 * x)


@jit
def value_noise(x, y, z):
    """Smooth noise in [0, 1] with features one unit across."""
    xi, yi, zi = math.floor(x), math.floor(y), math.floor(z)
    fx, fy, fz = x - xi, y - yi, z - zi
    fx, fy, fz = fx * fx * (3 - 2 * fx), fy * fy * (3 - 2 * fy), fz * fz * (3 - 2 * fz)
    total = 0.0
    for corner in range(8):
        i, j, k = corner & 1, (corner >> 1) & 1, corner >> 2
        weight = (fx if i else 1 - fx) * (fy if j else 1 - fy) * (fz if k else 1 - fz)
        total += weight * _hash(xi + i, yi + j, zi + k)
    return total


@jit
def _visible(frequency, footprint):
    """How much of a detail survives: 1 when it spans many pixels, 0 when it is about to alias."""
    return smoothstep(2.0, 4.5, 1.0 / (frequency * footprint))


@jit
def _fractal(x, y, z, frequency, octaves, footprint):
    """Octaves of noise in about [-1, 1], each faded out before it gets smaller than a few pixels."""
    total, amplitude = 0.0, 0.62
    for octave in range(octaves):
        visible = _visible(frequency, footprint)
        if visible <= 0.0:
            break
        shift = 17.3 * octave
        noise = value_noise(x * frequency + shift, y * frequency - shift, z * frequency + shift)
        total += visible * amplitude * (2.0 * noise - 1.0)
        frequency *= 2.1
        amplitude *= 0.72
    return total


@jit
def _cells(x, y, z):
    """Cellular noise: (distance to the nearest of jittered lattice points, that point's own number)."""
    xi, yi, zi = math.floor(x), math.floor(y), math.floor(z)
    nearest, number = 9.0, 0.0
    for i in range(xi - 1, xi + 2):
        for j in range(yi - 1, yi + 2):
            for k in range(zi - 1, zi + 2):
                a, b, c = _hash(i, j, k), _hash(i + 71, j, k), _hash(i, j + 43, k)
                d = (i + a - x) ** 2 + (j + b - y) ** 2 + (k + c - z) ** 2
                if d < nearest:
                    nearest, number = d, _hash(i, j, k + 19)
    return math.sqrt(nearest), number


@jit
def _gap(x, width, blur):
    """1 inside the gap around integer x, 0 outside, box-filtered over `blur`."""
    distance = abs(x - math.floor(x + 0.5))
    coverage = min(1.0, max(0.0, (0.5 * width - distance) / blur + 0.5))
    return coverage * min(1.0, width / blur)


@jit
def _square_wave(x, blur):
    """+1 and -1 by turns over unit intervals, box-filtered; 0 once the blur hides it."""
    edge = abs(x - math.floor(x + 0.5))
    sign = 1.0 if math.floor(x) % 2 == 0 else -1.0
    return sign * min(1.0, 2.0 * edge / blur) * (1.0 - smoothstep(0.5, 1.2, blur))


@jit
def surface_color(scene, i, x, y, z, nx, ny, nz, footprint, out):
    """Colour of primitive `i` at metric object-space point x, y, z; `footprint` = metres per pixel."""
    colors, args, pattern = scene.colors[i], scene.pattern_args[i], scene.pattern[i]
    frequency, contrast = args[0], args[3]
    # Neighbouring objects of one kind should not wear the same texture.
    part = scene.identity[i]
    sx, sy, sz = x + 3.7 * (part % 101), y + 1.9 * (part % 89), z

    # Surface coordinates: height v, and u along the wall.
    if scene.kind[i] == FRUSTUM and abs(nz) < 0.9:
        u, v = math.atan2(y, x) * scene.half_size[i, 0], z
    elif abs(nz) >= max(abs(nx), abs(ny)) and scene.kind[i] != ELLIPSOID:
        u, v = x, y
    else:
        u, v = (y if abs(nx) > abs(ny) else x), z

    second, accent, shade = 0.0, 0.0, 1.0
    if pattern in (MASONRY, PANES):
        row = v * frequency
        row_index = math.floor(row)
        column = u * frequency / args[1] + (0.5 * (row_index % 2) if pattern == MASONRY else 0.0)
        blur = footprint * frequency + 1e-6
        column_blur = blur / args[1]
        second = max(_gap(row, args[2], blur), _gap(column, args[2] / args[1], column_blur))
        brick = _hash(math.floor(column), int(row_index), part % 7)
        visible = _visible(frequency / args[1], footprint)
        accent = visible * brick
        grain = _fractal(sx, sy, sz, 2.3 * frequency, 2, footprint)
        coarse = _fractal(sx, sy, sz, 0.8, 2, footprint)
        shade = 1.0 + contrast * (0.45 * visible * (brick - 0.5) + 0.5 * grain + 0.3 * coarse)
    elif pattern == FOLIAGE:
        visible = _visible(frequency, footprint)
        distance, number = _cells(sx * frequency, sy * frequency, sz * frequency)
        patches = _fractal(sx, sy, sz, 0.4 * frequency, 2, footprint)
        leaf = _fractal(sx, sy, sz, 2.2 * frequency, 2, footprint)
        second = 0.45 + 0.55 * patches + visible * 0.55 * (number - 0.5) + 0.3 * leaf
        shade = 1.0 + contrast * visible * (0.42 - 0.85 * distance)
    elif pattern == STRIPES:
        second = 0.5 - 0.5 * _square_wave(v * frequency, footprint * frequency + 1e-6)
        shade = 1.0 + contrast * _fractal(sx, sy, sz, 1.7, 5, footprint)
    elif pattern == CHECKER:
        blur = footprint * frequency + 1e-6
        second = 0.5 - 0.5 * _square_wave(u * frequency, blur) * _square_wave(v * frequency, blur)
        # No two tiles alike: a plain checkerboard matches itself one square further on.
        tile = _hash(math.floor(u * frequency), math.floor(v * frequency), 5)
        mottle = 1.4 * _fractal(sx, sy, sz, 1.1, 6, footprint)
        shade = 1.0 + contrast * (mottle + 0.9 * _visible(frequency, footprint) * (tile - 0.5))
    elif pattern == GRAIN:
        warp = _fractal(sx, sy, 0.25 * sz, 1.3, 2, footprint)
        rings = math.sqrt(sx * sx + sy * sy) * frequency + 2.0 * warp
        second = 0.5 + 0.45 * math.sin(6.2832 * rings) * _visible(1.3 * frequency, footprint)
        second += 0.4 * _fractal(sx, sy, 0.3 * sz, 2.0 * frequency, 3, footprint)
        shade = 1.0 + contrast * _fractal(sx, sy, sz, 1.1, 3, footprint)
    elif pattern == DOTS:
        blur = footprint * frequency + 1e-6
        row = math.floor(v * frequency)
        du = u * frequency + 0.5 * (row % 2)
        du, dv = du - math.floor(du) - 0.5, v * frequency - row - 0.5
        edge = (0.32 - math.sqrt(du * du + dv * dv)) / blur
        second = min(1.0, max(0.0, edge + 0.5)) * (1.0 - smoothstep(0.5, 1.2, blur))
        second += 0.32 * smoothstep(0.5, 1.2, blur)
        shade = 1.0 + contrast * _fractal(sx, sy, sz, 1.7, 5, footprint)
    elif pattern == VEINS:
        warp = _fractal(sx, sy, sz, 0.8 * frequency, 4, footprint)
        lines = abs(math.sin(3.0 * frequency * (0.5 * sx + 0.3 * sy + 0.4 * sz) + 5.0 * warp))
        second = _visible(frequency, footprint) * smoothstep(0.22, 0.0, lines)
        accent = 0.5 + 0.8 * _fractal(sx + 5.0, sy, sz, 0.7 * frequency, 3, footprint)
        shade = 1.0 + contrast * _fractal(sx, sy, sz, 2.0 * frequency, 4, footprint)
    elif pattern == WEAVE:
        blur = footprint * frequency + 1e-6
        over = _square_wave(u * frequency, blur) * _square_wave(v * frequency, blur)
        warp, weft = _hash(math.floor(u * frequency), 3, 7), _hash(5, math.floor(v * frequency), 11)
        second = 0.5 + 0.16 * over + 0.75 * _visible(frequency, footprint) * (warp + weft - 1.0)
        shade = 1.0 + contrast * _fractal(sx, sy, sz, 2.1, 5, footprint)
    elif pattern == COBBLES:
        visible = _visible(frequency, footprint)
        distance, number = _cells(sx * frequency, sy * frequency, sz * frequency)
        second = visible * smoothstep(0.42, 0.75, distance) + 0.32 * (1.0 - visible)
        accent = 0.5 + visible * (number - 0.5)
        grain = _fractal(sx, sy, sz, 2.3 * frequency, 2, footprint)
        coarse = _fractal(sx, sy, sz, 0.12 * frequency, 4, footprint)
        shade = 1.0 + contrast * (0.5 * visible * (number - 0.5) + 0.5 * grain + 0.8 * coarse)
    elif pattern == GLOW:
        shade = 1.0 + contrast * _fractal(sx, sy, sz, frequency, 3, footprint)
    elif pattern == TERRAIN:
        broad = _fractal(sx + 40.0, sy, 0.3, 0.16 * frequency, 3, footprint)
        fine = _fractal(sx, sy, 0.7, 1.3 * frequency, 5, footprint)
        second = 0.5 + 0.5 * broad + 0.5 * fine
        bare = _fractal(sx - 9.0, sy + 5.0, 0.9, 0.42 * frequency, 4, footprint)
        accent = smoothstep(0.16, 0.62, bare)
        shade = 1.0 + contrast * (0.8 * fine + 0.35 * bare)
    else:
        noise = _fractal(sx, sy, sz, frequency, 5, footprint)
        second = 0.0 if pattern == PLAIN else 0.5 + 0.75 * noise
        shade = 1.0 + contrast * noise
    second, accent = min(1.0, max(0.0, second)), min(1.0, max(0.0, accent))
    for c in range(3):
        base = colors[0, c] + (colors[2, c] - colors[0, c]) * accent
        out[c] = max(0.0, (base + (colors[1, c] - base) * second) * shade)
