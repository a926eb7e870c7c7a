"""SPZ (Niantic, version 3): quantised Gaussians in one gzip stream, about a sixth of a PLY's bytes.

Layout: a 16-byte header, then per-attribute sections over all N Gaussians: positions (24-bit fixed
point), alphas, colours, scales (one byte each), rotations (smallest three, 10 bits each) and higher
spherical harmonics. Axes are kept as they are: splatreel's world goes in and comes out unturned.
"""

from __future__ import annotations

import gzip
import struct
from pathlib import Path
from typing import TYPE_CHECKING

from viewer import ply
from viewer.errors import ViewerError
from viewer.files import write_bytes

if TYPE_CHECKING:
    import numpy as np

MAGIC = 0x5053474E
VERSION = 3
COLOUR_SCALE = 0.15
"""Stored colour = f_dc * 0.15 + 0.5: room for colours well outside 0..1."""
SH_STEPS = (8, 16)
"""Quantisation step of degree 1 and of degrees 2 and 3, in 1/128: noise that gzip need not keep."""


def encode(splats: ply.Splats) -> bytes:
    """The bytes of a .spz file."""
    import numpy as np

    n, k = len(splats), splats.sh.shape[1]
    reach = float(np.abs(splats.means).max()) if n else 1.0
    if not np.isfinite(reach) or reach >= 2**22:
        raise ViewerError(f"a Gaussian lies at {reach}; SPZ holds positions below 4 million units")
    # The largest precision at which every position still fits in 24 signed bits.
    bits = int(min(20, max(1, np.floor(np.log2((2**23 - 1) / max(reach, 1e-6))))))
    fixed = np.round(splats.means.astype(np.float64) * 2**bits).astype("<i4")
    positions = fixed.view(np.uint8).reshape(n, 3, 4)[:, :, :3]

    def to_byte(values: np.ndarray) -> np.ndarray:
        return np.clip(np.round(np.nan_to_num(values)), 0, 255).astype(np.uint8)

    alphas = to_byte(255 / (1 + np.exp(-splats.logit_opacities.astype(np.float64))))
    colours = to_byte((splats.sh[:, 0] * COLOUR_SCALE + 0.5) * 255)
    scales = to_byte((splats.log_scales + 10) * 16)
    steps = np.where(np.arange(1, k) < 4, *SH_STEPS).astype(np.float32)[None, :, None]
    higher = to_byte(np.round(splats.sh[:, 1:] * 128 / steps) * steps + 128)
    degree = int(k**0.5) - 1
    header = struct.pack("<IIIBBBB", MAGIC, VERSION, n, degree, bits, 0, 0)
    sections = (positions, alphas, colours, scales, _pack_rotations(splats.quats), higher)
    return gzip.compress(header + b"".join(part.tobytes() for part in sections), 6, mtime=0)


def _pack_rotations(
    quats: np.ndarray,  # [N, 4] wxyz
) -> np.ndarray:
    """Little-endian words [N]: the index of the largest of xyzw, then sign and magnitude of the others."""
    import numpy as np

    xyzw = np.roll(quats.astype(np.float64), -1, -1)
    norm = np.linalg.norm(xyzw, axis=-1, keepdims=True)
    xyzw = np.where(norm > 0, xyzw / np.maximum(norm, 1e-30), [0.0, 0.0, 0.0, 1.0])
    largest = np.abs(xyzw).argmax(-1)
    xyzw = xyzw * np.where(np.take_along_axis(xyzw, largest[:, None], -1) < 0, -1, 1)
    words = largest.astype(np.uint32)
    for axis in range(4):
        value = xyzw[:, axis]
        magnitude = np.minimum(511, np.round(np.abs(value) * 511 * 2**0.5)).astype(np.uint32)
        packed = (words << 10) | ((value < 0).astype(np.uint32) << 9) | magnitude
        words = np.where(largest == axis, words, packed)
    return words.astype("<u4")


def export_spz(source: str | Path, out: str | Path) -> int:
    """Write the Gaussians of a 3DGS .ply as .spz; returns the number of bytes written."""
    data, out = encode(ply.read(Path(source))), Path(out)
    write_bytes(out, data)
    return len(data)
