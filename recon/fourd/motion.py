"""How Gaussians move: a few rigid motions that they share, and a lifetime each.

A basis is a rigid motion over time, a uniform cubic B-spline through control poses. A Gaussian follows a
blend of bases (linear blend skinning; Shape of Motion, Wang et al. 2024, has the bases free at every frame,
splines follow SplineGS, Park et al. 2025) and lives for a time with a flat top (SharpTimeGS, 2026). Nothing
in it is a network, so that a page can play it.

Times are seconds of the shot.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from recon.raster.twin import rotation_matrices
from recon.types import Gaussians

FOREVER = 1e4
"""Seconds of the half-life of what is always there."""


@dataclass(frozen=True, repr=False)
class Bases:
    """Rigid motions, each a uniform cubic B-spline of poses `world_from_object`."""

    quats: Tensor  # [K, C, 4] wxyz of the control poses, not necessarily unit
    translations: Tensor  # [K, C, 3] of the control poses, world units
    start: float
    """Seconds; the first four control poses shape the motion from here on."""
    spacing: float
    """Seconds between control poses."""

    def __post_init__(self) -> None:
        k, c = self.quats.shape[:2]
        if self.quats.shape != (k, c, 4) or self.translations.shape != (k, c, 3) or c < 4:
            found = f"{list(self.quats.shape)} and {list(self.translations.shape)}"
            raise ValueError(f"expected control poses [K, C >= 4, 4] and [K, C, 3], found {found}")

    def __len__(self) -> int:
        return len(self.quats)

    def __repr__(self) -> str:
        return f"Bases({len(self)} of {self.quats.shape[1]} control poses every {self.spacing:.3f} s)"

    @property
    def seconds(self) -> float:
        """From the first to the last moment."""
        return self.spacing * (self.quats.shape[1] - 3)

    @staticmethod
    def count_for(seconds: float, spacing: float) -> int:
        """Control poses for a motion that lasts so long."""
        return max(1, math.ceil(seconds / spacing - 1e-6)) + 3

    @classmethod
    def resting(cls, count: int, start: float, seconds: float, spacing: float) -> Bases:
        """`count` bases that do not move."""
        control = cls.count_for(seconds, spacing)
        quats = torch.zeros(count, control, 4)
        quats[..., 0] = 1
        return cls(quats, torch.zeros(count, control, 3), start, spacing)

    def spline_weights(self, times: Tensor) -> Tensor:
        """[T, C] shares of the control poses at times [T]; constant beyond both ends."""
        control = self.quats.shape[1]
        x = ((times - self.start) / self.spacing).clamp(0, control - 3)
        first = x.floor().clamp(max=control - 4)
        u = (x - first)[:, None]
        cubic = torch.cat(
            [
                (1 - u) ** 3,
                3 * u**3 - 6 * u**2 + 4,
                -3 * u**3 + 3 * u**2 + 3 * u + 1,
                u**3,
            ],
            1,
        )
        weights = torch.zeros(len(times), control, dtype=cubic.dtype, device=times.device)
        return weights.scatter(1, first.long()[:, None] + torch.arange(4, device=times.device), cubic / 6)

    def at(self, times: Tensor) -> tuple[Tensor, Tensor]:
        """Unit quaternions [T, K, 4] and translations [T, K, 3] at times [T]."""
        weights = self.spline_weights(times)
        quats = torch.einsum("tc,kcd->tkd", weights, self.quats)
        translations = torch.einsum("tc,kcd->tkd", weights, self.translations)
        return torch.nn.functional.normalize(quats, dim=-1), translations


@dataclass(frozen=True, repr=False)
class Lifetimes:
    """When Gaussians are there: opacity times exp(-(max(|t - centre| - radius, 0) / sigma)²)."""

    centres: Tensor  # [N] seconds
    radii: Tensor  # [N] seconds of full opacity before and after the centre, >= 0
    sigmas: Tensor  # [N] seconds of the fall-off, > 0

    def at(self, time: float) -> Tensor:
        """[N] shares of the opacity, 0..1."""
        outside = ((time - self.centres).abs() - self.radii).clamp_min(0)
        return torch.exp(-((outside / self.sigmas) ** 2))


@dataclass(frozen=True, repr=False)
class Moving:
    """Gaussians that move. Their own means and rotations are those of the objects' rest, which the bases
    carry into the world; their colours are of degree 0, as nothing turns the lobes of the others along."""

    gaussians: Gaussians
    weights: Tensor  # [N, K] shares of the bases, rows sum to 1
    bases: Bases
    lifetimes: Lifetimes

    def __len__(self) -> int:
        return len(self.gaussians)

    def __repr__(self) -> str:
        return f"Moving({len(self)} Gaussians, {self.bases!r})"

    def at(self, time: float) -> Gaussians:
        """The Gaussians in the world at one time; differentiable in everything."""
        rest = self.gaussians
        means, quats = skinned(rest.means, rest.quats, self.weights, self.bases, time)
        share = self.lifetimes.at(time)
        opacities = (rest.logit_opacities.sigmoid() * share).clamp(1e-7, 1 - 1e-6)
        return Gaussians(means, quats, rest.log_scales, torch.logit(opacities), rest.sh)

    def select(self, index: Tensor) -> Moving:
        """A subset by index or mask."""
        lives = self.lifetimes
        return Moving(
            self.gaussians.select(index),
            self.weights[index],
            self.bases,
            Lifetimes(lives.centres[index], lives.radii[index], lives.sigmas[index]),
        )


def skinned(
    means: Tensor,  # [N, 3] at rest
    quats: Tensor,  # [N, 4] wxyz at rest
    weights: Tensor,  # [N, K] rows sum to 1
    bases: Bases,
    time: float,
) -> tuple[Tensor, Tensor]:
    """Means [N, 3] and rotations [N, 4] in the world at a time: linear blend skinning.

    Products of dense matrices instead of gathers: their gradients are sums in a fixed order.
    """
    turns, shifts = (
        t[0] for t in bases.at(torch.tensor([time], dtype=means.dtype, device=means.device))
    )  # [K, 4], [K, 3]
    matrices = torch.cat([rotation_matrices(turns), shifts[..., None]], 2)  # [K, 3, 4]
    blended = (weights @ matrices.flatten(1)).view(-1, 3, 4)
    moved = torch.einsum("nij,nj->ni", blended[..., :3], means) + blended[..., 3]
    # Quaternions of opposite sign are the same turn: each is taken on the side of the main basis.
    signs = torch.where(turns.detach() @ turns.detach().T < 0, -1.0, 1.0).to(turns)
    side = signs[weights.detach().argmax(1)]
    turn = torch.nn.functional.normalize((weights * side) @ turns, dim=-1)
    return moved, quaternion_product(turn, quats)


def at_rest(
    points: Tensor,  # [N, 3] world
    weights: Tensor,  # [N, K]
    bases: Bases,
    times: Tensor,  # [N] seconds at which the points are there
) -> Tensor:
    """[N, 3] the rest positions of points in the world: the inverse of `skinned`."""
    rotation, shift = _blended(weights, bases, times)
    return torch.linalg.solve(rotation, (points - shift)[..., None])[..., 0]


def skinned_each(
    means: Tensor,  # [N, 3] at rest
    weights: Tensor,  # [N, K]
    bases: Bases,
    times: Tensor,  # [N] seconds, one for each
) -> Tensor:
    """[N, 3] in the world, each at a time of its own."""
    rotation, shift = _blended(weights, bases, times)
    return torch.einsum("nij,nj->ni", rotation, means) + shift


def blended_turns(weights: Tensor, bases: Bases, times: Tensor) -> Tensor:
    """[N, 4] unit quaternions that turn each Gaussian, at a time of its own."""
    turns, _ = bases.at(times)  # [N, K, 4]
    main = turns.gather(1, weights.argmax(1)[:, None, None].expand(-1, 1, 4))
    sides = torch.where((turns * main).sum(-1) < 0, -1.0, 1.0).to(turns)
    return torch.nn.functional.normalize(torch.einsum("nk,nki->ni", weights * sides, turns), dim=-1)


def _blended(weights: Tensor, bases: Bases, times: Tensor) -> tuple[Tensor, Tensor]:
    """Blends of the bases' matrices [N, 3, 3] (no rotations any more) and shifts [N, 3]."""
    turns, shifts = bases.at(times)  # [N, K, 4], [N, K, 3]
    rotation = torch.einsum("nk,nkij->nij", weights, rotation_matrices(turns))
    return rotation, torch.einsum("nk,nki->ni", weights, shifts)


def quaternion_product(
    a: Tensor,  # [..., 4] wxyz
    b: Tensor,  # [..., 4] wxyz
) -> Tensor:
    """[..., 4] Hamilton product: the turn b, then a."""
    aw, ax, ay, az = a.unbind(-1)
    bw, bx, by, bz = b.unbind(-1)
    return torch.stack(
        [
            aw * bw - ax * bx - ay * by - az * bz,
            aw * bx + ax * bw + ay * bz - az * by,
            aw * by - ax * bz + ay * bw + az * bx,
            aw * bz + ax * by - ay * bx + az * bw,
        ],
        -1,
    )


@dataclass(frozen=True, repr=False)
class Splats4D:
    """All Gaussians of a shot."""

    still: Gaussians
    moving: Moving | None = None

    def __len__(self) -> int:
        return len(self.still) + (len(self.moving) if self.moving else 0)

    def __repr__(self) -> str:
        return f"Splats4D({self.still!r}, {self.moving!r})"

    def to(self, device: str) -> Splats4D:
        """On another device."""

        def moved(gaussians: Gaussians) -> Gaussians:
            return Gaussians(**{name: t.to(device) for name, t in gaussians.tensors().items()})

        if self.moving is None:
            return Splats4D(moved(self.still))
        own, bases, lives = self.moving, self.moving.bases, self.moving.lifetimes
        bases = replace(bases, quats=bases.quats.to(device), translations=bases.translations.to(device))
        lives = Lifetimes(lives.centres.to(device), lives.radii.to(device), lives.sigmas.to(device))
        return Splats4D(moved(self.still), Moving(moved(own.gaussians), own.weights.to(device), bases, lives))

    def at(self, time: float) -> Gaussians:
        """Everything at one time: first what stands still, then what moves; differentiable."""
        return together(self.still, self.moving.at(time)) if self.moving else self.still


def together(still: Gaussians, moving: Gaussians) -> Gaussians:
    """Both sets, with as many spherical harmonics as the first one has."""
    missing = still.sh.shape[1] - moving.sh.shape[1]
    padded = torch.nn.functional.pad(moving.sh, (0, 0, 0, missing))
    names = ("means", "quats", "log_scales", "logit_opacities")
    joined = {name: torch.cat([getattr(still, name), getattr(moving, name)]) for name in names}
    return Gaussians(**joined, sh=torch.cat([still.sh, padded]))
