"""Parameters and their Adam moments, kept together; where Gaussians are moved and multiplied."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from recon import mcmc, schedule
from recon.config import FitConfig
from recon.raster.core_step import NAMES
from recon.types import Gaussians


class Optimizer:
    """Gaussians and the two moments that Adam keeps of each parameter; with `more` tensors [N, ...] that
    each Gaussian has of its own, which go where it goes."""

    def __init__(self, gaussians: Gaussians, device: str, **more: Tensor) -> None:
        everything = {**gaussians.tensors(), **more}
        self.params = {name: t.detach().to(device).clone().contiguous() for name, t in everything.items()}
        self.first = {name: torch.zeros_like(p) for name, p in self.params.items()}
        self.second = {name: torch.zeros_like(p) for name, p in self.params.items()}

    @property
    def gaussians(self) -> Gaussians:
        """The parameters as Gaussians."""
        return Gaussians(**{name: self.params[name] for name in NAMES})

    def refine(self, config: FitConfig, step: int, wanted: int) -> None:
        """Move dead Gaussians to living ones and grow to `wanted` (3DGS-MCMC, section 3.2)."""
        opacities = self.params["logit_opacities"].sigmoid()
        # What is no number any more is dead, too.
        broken = ~torch.stack([p.flatten(1).isfinite().all(1) for p in self._columns()]).all(0)
        dead = ~(opacities > mcmc.DEAD_OPACITY) | broken
        if bool(dead.all()):
            return
        generator = schedule.generator(config, "refine", step)
        grow = max(0, wanted - len(opacities))
        dead_index = torch.nonzero(dead)[:, 0]
        if len(dead_index) + grow == 0:
            return
        sources = mcmc.sample_alive(torch.where(dead, 0, opacities), len(dead_index) + grow, generator)
        copies = torch.bincount(sources, minlength=len(opacities)) + 1
        opacity, scale = mcmc.split_opacity_and_scale(
            opacities[sources], self.params["log_scales"][sources].exp(), copies[sources]
        )
        for name, value in (
            ("logit_opacities", torch.logit(opacity.clamp(mcmc.DEAD_OPACITY, 1 - 1e-6))),
            ("log_scales", scale.log()),
        ):
            self.params[name][sources] = value
        for value in self.params.values():
            value[dead_index] = value[sources[: len(dead_index)]]
        for moments in (self.first, self.second):
            for value in moments.values():
                value[sources] = 0
                value[dead_index] = 0
        self.append(sources[len(dead_index) :])

    def _columns(self) -> list[Tensor]:
        return [p[:, None] if p.ndim == 1 else p for p in self.params.values()]

    def keep(self, rows: Tensor) -> None:
        """Forget the other Gaussians; `rows` are indices or a mask."""
        for tensors in (self.params, self.first, self.second):
            tensors.update({name: t[rows] for name, t in tensors.items()})

    def append(self, sources: Tensor) -> None:
        """Copies of some Gaussians at the end, with empty moments."""
        if len(sources) == 0:
            return
        for name, old in self.params.items():
            self.params[name] = torch.cat([old, old[sources]])
            for moments in (self.first, self.second):
                empty = torch.zeros_like(self.params[name][len(old) :])
                moments[name] = torch.cat([moments[name], empty])

    def state(self) -> dict[str, Any]:
        """Tensors only, so that it loads with `weights_only=True`."""
        parts = {"gaussians": self.params, "first": self.first, "second": self.second}
        return {part: {name: t.cpu() for name, t in tensors.items()} for part, tensors in parts.items()}

    @classmethod
    def restored(cls, state: dict[str, Any], device: str) -> Optimizer:
        """From `state()`."""
        more = dict(state["gaussians"])
        gaussians = Gaussians(**{name: more.pop(name) for name in NAMES})
        optimizer = cls(gaussians, device, **more)
        optimizer.first = {name: t.to(device) for name, t in state["first"].items()}
        optimizer.second = {name: t.to(device) for name, t in state["second"].items()}
        return optimizer
