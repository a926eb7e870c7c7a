"""The file of a scene that moves: a 3DGS PLY which any program opens, with motion for those that know of it.

See docs/splat4d.md. A Gaussian stands in the file where it is at its own time, so that a program that ignores
the motion shows it in a place where it really was.
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import torch

from recon.errors import FormatError
from recon.fourd.motion import (
    FOREVER,
    Bases,
    Lifetimes,
    Moving,
    Splats4D,
    at_rest,
    blended_turns,
    quaternion_product,
    skinned_each,
    together,
)
from recon.scene import replacing
from recon.splat_ply import SplatTable, gaussians_of, read_table, vertex_table, write_splat_ply
from recon.types import Gaussians

VERSION = 1
STILL = 255
"""Index of the first basis of what stands still."""
BLENDED = 4
"""Bases that a Gaussian follows, at most."""
EXTRA = [
    *((name, "<f4") for name in ("t_center", "t_radius", "t_sigma")),
    *((f"m_i{i}", "u1") for i in range(BLENDED)),
    *((f"m_w{i}", "u1") for i in range(BLENDED)),
]
TABLE = re.compile(r"splat4d bases (\d+) control (\d+) start (\S+) spacing (\S+)")


def write_splats(path: Path, splats: Splats4D) -> None:
    """A plain 3DGS PLY of what stands still; with motion when something moves."""
    if splats.moving is None:
        write_splat_ply(path, splats.still)
        return
    moving, bases = splats.moving, splats.moving.bases
    if len(bases) >= STILL:
        raise ValueError(f"expected fewer than {STILL} bases, found {len(bases)}")
    with torch.no_grad():
        plain = vertex_table(together(splats.still, _at_own_times(moving)))
    rows = np.zeros(len(plain), [*plain.dtype.descr, *EXTRA])
    for name in plain.dtype.names or ():
        rows[name] = plain[name]
    still = len(splats.still)
    rows["m_i0"][:still] = STILL
    rows["t_radius"][:still] = np.inf
    rows["t_sigma"][:still] = 1.0
    own, lives = rows[still:], moving.lifetimes
    radii = _numpy(lives.radii)
    own["t_center"], own["t_sigma"] = _numpy(lives.centres), _numpy(lives.sigmas)
    own["t_radius"] = np.where(radii >= FOREVER / 2, np.inf, radii)
    index, shares = _strongest(_numpy(moving.weights))
    for i in range(BLENDED):
        own[f"m_i{i}"], own[f"m_w{i}"] = index[:, i], shares[:, i]
    block = torch.cat([torch.nn.functional.normalize(bases.quats, dim=-1), bases.translations], -1)
    kinds = {"<f4": "float", "|u1": "uchar"}
    properties = "".join(f"property {kinds[row[1]]} {row[0]}\n" for row in rows.dtype.descr)
    count, control = bases.quats.shape[:2]
    header = (
        "ply\nformat binary_little_endian 1.0\n"
        f"comment splat4d version {VERSION}\n"
        f"comment splat4d bases {count} control {control} "
        f"start {bases.start:.9g} spacing {bases.spacing:.9g}\n"
        f"element vertex {len(rows)}\n{properties}end_header\n"
    )
    with replacing(path) as part, part.open("wb") as file:
        file.write(header.encode())
        file.write(rows.tobytes())
        file.write(_numpy(block).astype("<f4").tobytes())


def read_splats(path: Path) -> Splats4D:
    """A scene that moves, or any 3DGS PLY, in which nothing does.

    Raises:
        FormatError: The file is damaged, or is not what it says.
    """
    table = read_table(path)
    gaussians = gaussians_of(table.rows)
    found = next((m for m in map(TABLE.fullmatch, table.comments) if m), None)
    if found is None or "m_i0" not in (table.rows.dtype.names or ()):
        return Splats4D(gaussians)
    bases = _bases(path, table, found)
    on_move = torch.tensor(table.rows["m_i0"] != STILL)
    if not on_move.any():
        return Splats4D(gaussians)
    rows = table.rows[on_move.numpy()]
    weights = np.zeros((len(rows), len(bases)), np.float32)
    for i in range(BLENDED):
        share, index = rows[f"m_w{i}"].astype(np.float32), rows[f"m_i{i}"].astype(int)
        if ((index >= len(bases)) & (share > 0)).any():
            raise FormatError(
                f"{path}: a Gaussian follows basis {index.max()} of {len(bases)}; export it again"
            )
        np.add.at(weights, (np.arange(len(rows)), np.minimum(index, len(bases) - 1)), share)
    weights /= np.maximum(weights.sum(1, keepdims=True), 1e-6)
    radii = np.where(np.isfinite(rows["t_radius"]), rows["t_radius"], FOREVER)
    lives = Lifetimes(*(torch.tensor(np.array(a)) for a in (rows["t_center"], radii, rows["t_sigma"])))
    moving = gaussians.select(on_move)
    shares = torch.tensor(weights)
    means = at_rest(moving.means, shares, bases, lives.centres)
    turns = blended_turns(shares, bases, lives.centres)
    back = turns * torch.tensor([1.0, -1.0, -1.0, -1.0])
    rest = Gaussians(
        means,
        quaternion_product(back, moving.quats),
        moving.log_scales,
        moving.logit_opacities,
        moving.sh[:, :1],
    )
    return Splats4D(gaussians.select(~on_move), Moving(rest, shares, bases, lives))


def _bases(path: Path, table: SplatTable, found: re.Match[str]) -> Bases:
    count, control = int(found[1]), int(found[2])
    try:
        start, spacing = float(found[3]), float(found[4])
    except ValueError:
        spacing = start = 0.0
    if count < 1 or control < 4 or not spacing > 0:
        raise FormatError(f"{path}: found {found[0]!r}, expected motions with at least 4 control poses")
    if len(table.rest) < 28 * count * control:
        raise FormatError(f"{path} is cut off: the motions are missing; copy or export it again")
    block = np.frombuffer(table.rest, "<f4", 7 * count * control).reshape(count, control, 7)
    if not np.isfinite(block).all():
        raise FormatError(f"{path}: the motions hold values that are no numbers; export it again")
    return Bases(torch.tensor(block[..., :4]), torch.tensor(block[..., 4:]), start, spacing)


def _at_own_times(moving: Moving) -> Gaussians:
    """The Gaussians where they are at the centres of their lives, at full opacity."""
    rest, times = moving.gaussians, moving.lifetimes.centres
    means = skinned_each(rest.means, moving.weights, moving.bases, times)
    quats = quaternion_product(blended_turns(moving.weights, moving.bases, times), rest.quats)
    return Gaussians(means, quats, rest.log_scales, rest.logit_opacities, rest.sh)


def _strongest(weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Indices and shares [N, 4] uint8 of the main bases; the shares add up to 255."""
    count = weights.shape[1]
    padded = np.pad(weights, ((0, 0), (0, max(0, BLENDED - count))))
    index = np.argsort(-padded, axis=1, kind="stable")[:, :BLENDED]
    shares = np.take_along_axis(padded, index, 1)
    shares = np.round(255 * shares / shares.sum(1, keepdims=True)).astype(int)
    shares[:, 0] += 255 - shares.sum(1)
    return np.where(index < count, index, 0).astype(np.uint8), shares.astype(np.uint8)


def _numpy(tensor: torch.Tensor) -> np.ndarray:
    return tensor.detach().cpu().float().numpy()
