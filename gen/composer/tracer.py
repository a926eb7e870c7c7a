"""The compiled ray tracer: light and the pixels of a band of rows.

Surfaces are diffuse and the haze depends on where a point is, not on where the camera is. A point
therefore has the same colour in every frame, which is what structure from motion and splat fitting
assume of a scene.
"""

import math

import numpy as np

from gen.composer.intersection import trace
from gen.composer.kernel_types import GLOW, GOLDEN_ANGLE
from gen.composer.textures import cached_jit, jit, smoothstep, surface_color, value_noise

RAY_OFFSETS = np.array([(0, 0), (-1, -1), (1, -1), (-1, 1), (1, 1), (0, -1), (-1, 0), (1, 0), (0, 1)])
"""Rays of a pixel, in thirds of a pixel from its centre: [9, 2] over (column, row)."""

SUN_OF_RAY = np.array([8, 7, 6, 5, 4, 3, 2, 1, 0])
"""Which direction of the sun's disc each ray tests: the first five are the rim, well spread."""

OCCLUSION_RAYS = 5
"""Rays over the hemisphere for ambient occlusion."""

OCCLUSION_REACH = 1.4
"""Metres within which a surface darkens another."""


@jit
def _sky(light, dx, dy, dz, out):
    """Colour of the sky in a unit direction: a smooth gradient with faint, soft clouds."""
    up = min(1.0, max(0.0, dz) * 2.2) ** 0.8
    cloud = 0.0
    if light.clouds > 0.0 and dz > 0.0:
        cloud = value_noise(3.0 * dx + 7.0, 3.0 * dy, 9.0 * dz)
        cloud = light.clouds * smoothstep(0.45, 0.9, cloud) * min(1.0, 6.0 * dz)
    for c in range(3):
        clear = light.horizon[c] + (light.zenith[c] - light.horizon[c]) * up
        out[c] = clear + (1.0 - clear) * cloud


@jit
def _openness(scene, stack, px, py, pz, nx, ny, nz):
    """Ambient occlusion of a surface point: 1 in the open, 0.25 where everything near is blocked."""
    ox, oy, oz = px + 1e-3 * nx, py + 1e-3 * ny, pz + 1e-3 * nz
    sign = 1.0 if nz >= 0.0 else -1.0  # branchless tangent frame (Duff et al. 2017)
    a = -1.0 / (sign + nz)
    b = nx * ny * a
    total, reach = 0.0, OCCLUSION_REACH
    for k in range(OCCLUSION_RAYS):
        ring, angle = 0.94 * math.sqrt((k + 0.5) / OCCLUSION_RAYS), GOLDEN_ANGLE * k
        u, v, w = ring * math.cos(angle), ring * math.sin(angle), math.sqrt(1.0 - ring * ring)
        dx = u * (1.0 + sign * nx * nx * a) + v * b + w * nx
        dy = u * sign * b + v * (sign + ny * ny * a) + w * ny
        dz = -u * sign * nx - v * ny + w * nz
        distance = trace(scene, stack, ox, oy, oz, dx, dy, dz, reach, False)[1]
        total += (distance / reach) ** 0.7
    return 0.25 + 0.75 * total / OCCLUSION_RAYS


@jit
def _sunlight(scene, light, stack, k, px, py, pz, nx, ny, nz):
    """Light of the sun or the ceiling lamp on a point, 0 in shadow; `k` picks one point of its disc."""
    sx, sy, sz = light.sun[k, 0], light.sun[k, 1], light.sun[k, 2]
    reach, strength = 200.0, 1.0
    if light.lamp_distance > 0.0:
        sx, sy, sz = sx - px, sy - py, sz - pz
        reach = math.sqrt(sx * sx + sy * sy + sz * sz)
        sx, sy, sz = sx / reach, sy / reach, sz / reach
        strength = 1.0 / (0.5 + 0.5 * (reach / light.lamp_distance) ** 2)
    cosine = nx * sx + ny * sy + nz * sz
    if cosine <= 0.0:
        return 0.0
    ox, oy, oz = px + 1e-3 * nx, py + 1e-3 * ny, pz + 1e-3 * nz
    if trace(scene, stack, ox, oy, oz, sx, sy, sz, reach - 2e-3, True)[0] >= 0:
        return 0.0
    return strength * cosine


@jit
def _shade(light, px, py, nz, surface, openness, sun, out):
    """Light leaving a diffuse surface, seen through haze that grows away from the scene's centre."""
    up = 0.5 + 0.5 * nz
    far = math.sqrt(px * px + py * py) - light.haze[0]
    clear = math.exp(-far / light.haze[1]) if far > 0.0 else 1.0
    for c in range(3):
        sky = 0.62 * light.zenith[c] + 0.38 * light.horizon[c]
        ambient = openness * (sky * up + light.bounce[c] * (1.0 - up))
        lit = surface[c] * (sun * light.sun_color[c] + ambient)
        out[c] = lit * clear + light.horizon[c] * (1.0 - clear)


@jit
def _filtered_color(scene, i, px, py, pz, dx, dy, hx, hy, hz, facing, footprint, tap_color, out):
    """Texture of primitive `i` at a world point, filtered over a pixel.

    A pixel seen on the ground is long and thin: there, points along its length are averaged.
    """
    taps, length, filtered = 1, 0.0, footprint / math.sqrt(facing)
    if i == 0:
        taps = min(6, math.ceil(0.8 / facing))
        filtered = max(footprint, footprint / facing / taps)
        length = footprint / facing / math.sqrt(dx * dx + dy * dy + 1e-12)
    g, size = scene.object_from_world, scene.half_size
    out[:] = 0.0
    for tap in range(taps):
        along = ((tap + 0.5) / taps - 0.5) * length
        x, y = px + along * dx, py + along * dy
        surface_color(
            scene,
            i,
            (g[i, 0, 0] * x + g[i, 0, 1] * y + g[i, 0, 2] * pz + g[i, 0, 3]) * size[i, 0],
            (g[i, 1, 0] * x + g[i, 1, 1] * y + g[i, 1, 2] * pz + g[i, 1, 3]) * size[i, 1],
            (g[i, 2, 0] * x + g[i, 2, 1] * y + g[i, 2, 2] * pz + g[i, 2, 3]) * size[i, 2],
            hx / size[i, 0],
            hy / size[i, 1],
            hz / size[i, 2],
            filtered,
            tap_color,
        )
        for c in range(3):
            out[c] += tap_color[c] / taps


@cached_jit
def render_rows(scene, light, camera, first_row, last_row, rgb, depth, stack, colors):
    """Fill rows of `rgb` [H, W, 3] uint8 sRGB and `depth` [H, W] metres along the optical axis.

    A pixel starts with five rays, its centre and corners; where they do not all see the same
    surface in the same light it gets four more. Texture and ambient occlusion are evaluated once
    per pixel and surface: neither holds detail smaller than a pixel.

    `stack` [STACK] int64 and `colors` [3, 3] are room to work in.
    """
    m, focal = camera.world_from_camera, camera.focal
    ox, oy, oz = m[0, 3], m[1, 3], m[2, 3]
    surface, color, total = colors[0], colors[1], colors[2]
    for row in range(first_row, last_row):
        for col in range(rgb.shape[1]):
            total[:] = 0.0
            shaded, sx, sy, sz, openness = -1, 0.0, 0.0, 0.0, 1.0
            first_hit, first_sun, uniform, rays = -1, 0.0, True, 0
            for ray in range(9):
                if ray == 5 and uniform:
                    break
                rays += 1
                x = (col + 0.5 + RAY_OFFSETS[ray, 0] / 3.0 - camera.cx) / focal
                y = (row + 0.5 + RAY_OFFSETS[ray, 1] / 3.0 - camera.cy) / focal
                length = math.sqrt(x * x + y * y + 1.0)
                dx = (m[0, 0] * x + m[0, 1] * y + m[0, 2]) / length
                dy = (m[1, 0] * x + m[1, 1] * y + m[1, 2]) / length
                dz = (m[2, 0] * x + m[2, 1] * y + m[2, 2]) / length
                i, t, hx, hy, hz = trace(scene, stack, ox, oy, oz, dx, dy, dz, 1e5, False)
                if ray == 0:
                    depth[row, col] = t / length if i >= 0 else np.inf
                    first_hit = i
                uniform = uniform and i == first_hit
                if i < 0:
                    _sky(light, dx, dy, dz, color)
                else:
                    g = scene.object_from_world
                    nx = g[i, 0, 0] * hx + g[i, 1, 0] * hy + g[i, 2, 0] * hz
                    ny = g[i, 0, 1] * hx + g[i, 1, 1] * hy + g[i, 2, 1] * hz
                    nz = g[i, 0, 2] * hx + g[i, 1, 2] * hy + g[i, 2, 2] * hz
                    norm = 1.0 / math.sqrt(nx * nx + ny * ny + nz * nz)
                    nx, ny, nz = nx * norm, ny * norm, nz * norm
                    px, py, pz = ox + t * dx, oy + t * dy, oz + t * dz
                    if i != shaded or nx * sx + ny * sy + nz * sz < 0.9:
                        uniform = uniform and ray == 0
                        shaded, sx, sy, sz = i, nx, ny, nz
                        facing = max(0.06, abs(nx * dx + ny * dy + nz * dz))
                        footprint = t * length / focal
                        _filtered_color(
                            scene, i, px, py, pz, dx, dy, hx, hy, hz, facing, footprint, color, surface
                        )
                        openness = _openness(scene, stack, px, py, pz, nx, ny, nz)
                    sun = _sunlight(scene, light, stack, SUN_OF_RAY[ray], px, py, pz, nx, ny, nz)
                    first_sun = sun if ray == 0 else first_sun
                    uniform = uniform and (sun > 0.0) == (first_sun > 0.0)
                    if scene.pattern[i] == GLOW:
                        for c in range(3):
                            color[c] = surface[c]
                    else:
                        _shade(light, px, py, nz, surface, openness, sun, color)
                for c in range(3):
                    total[c] += color[c]
            for c in range(3):
                value = total[c] / rays
                value = value * (1.0 + 0.12 * value) / (1.0 + 0.62 * value) * 1.22  # soft shoulder
                value = min(1.0, max(0.0, value))
                srgb = 12.92 * value if value < 0.0031308 else 1.055 * value ** (1 / 2.4) - 0.055
                rgb[row, col, c] = int(255.0 * srgb + 0.5)
