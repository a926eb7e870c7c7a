"""Parameters and their Adam state, changed together: the only place where Gaussians move or multiply."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from recon import mcmc, schedule
from recon.config import FitConfig
from recon.types import Gaussians


class Optimizer:
    """Gaussians under Adam (Kingma and Ba 2015), one parameter group per tensor."""

    def __init__(self, gaussians: Gaussians, device: str) -> None:
        tensors = {name: t.detach().to(device).contiguous() for name, t in gaussians.tensors().items()}
        self.params = {name: t.clone().requires_grad_() for name, t in tensors.items()}
        groups = [{"params": [p], "name": name, "lr": 0.0} for name, p in self.params.items()]
        self.adam = torch.optim.Adam(groups, eps=1e-15, betas=(0.9, 0.999), fused=True)

    @property
    def gaussians(self) -> Gaussians:
        """The parameters as Gaussians; gradients flow to them."""
        return Gaussians(**self.params)

    def step(self, config: FitConfig, step: int) -> None:
        """One Adam step and the exploration noise of MCMC; `step` counts from 0."""
        lr = schedule.means_lr(config, step)
        for group in self.adam.param_groups:
            name = group["name"]
            group["lr"] = lr if name == "means" else schedule.LEARNING_RATES[name]
        # SH above degree 0 move 20 times slower (3DGS). Adam is linear in its step size, so going back
        # 19/20 of the way is the same as a smaller step.
        sh = self.params["sh"]
        before = sh.detach()[:, 1:].clone() if sh.shape[1] > 1 else None
        self.adam.step()
        self.adam.zero_grad(set_to_none=True)
        if before is not None:
            sh.data[:, 1:] = torch.lerp(before, sh.data[:, 1:], 1 / 20)
        noise = mcmc.position_noise(
            self.params["quats"].detach(),
            self.params["log_scales"].detach(),
            self.params["logit_opacities"].detach(),
            lr,
            schedule.generator(config, "noise", step),
        )
        self.params["means"].data += noise

    def refine(self, config: FitConfig, step: int, start: int) -> None:
        """Move dead Gaussians to living ones and grow towards the budget (3DGS-MCMC, section 3.2)."""
        opacities = self.params["logit_opacities"].detach().sigmoid()
        dead = opacities <= mcmc.DEAD_OPACITY
        if not bool((~dead).any()):
            return
        generator = schedule.generator(config, "refine", step)
        grow = max(0, schedule.wanted_gaussians(config, step, start) - len(opacities))
        dead_index = torch.nonzero(dead)[:, 0]
        sources = mcmc.sample_alive(torch.where(dead, 0, opacities), len(dead_index) + grow, generator)
        copies = torch.bincount(sources, minlength=len(opacities)) + 1
        opacity, scale = mcmc.split_opacity_and_scale(
            opacities[sources], self.params["log_scales"].detach()[sources].exp(), copies[sources]
        )
        for name, value in (
            ("logit_opacities", torch.logit(opacity.clamp(mcmc.DEAD_OPACITY, 1 - 1e-6))),
            ("log_scales", scale.log()),
        ):
            self.params[name].data[sources] = value
        for value in self.params.values():
            value.data[dead_index] = value.data[sources[: len(dead_index)]]
        for value in self._moments():
            value[sources] = 0
            value[dead_index] = 0
        self._append(sources[len(dead_index) :])

    def _moments(self) -> list[Tensor]:
        states = [self.adam.state[p] for p in self.params.values() if p in self.adam.state]
        return [state[key] for state in states for key in ("exp_avg", "exp_avg_sq")]

    def _append(self, sources: Tensor) -> None:
        """Copies of some Gaussians at the end, with empty moments."""
        if len(sources) == 0:
            return
        for group in self.adam.param_groups:
            old = self.params[group["name"]]
            new = torch.cat([old.detach(), old.detach()[sources]]).requires_grad_()
            state = self.adam.state.pop(old, None)
            if state:
                for key in ("exp_avg", "exp_avg_sq"):
                    state[key] = torch.cat([state[key], torch.zeros_like(new[len(old) :])])
                self.adam.state[new] = state
            self.params[group["name"]] = new
            group["params"] = [new]

    def state(self) -> dict[str, Any]:
        """Tensors and numbers only, so that it loads with `weights_only=True`."""
        return {
            "gaussians": {name: p.detach().cpu() for name, p in self.params.items()},
            "adam": self.adam.state_dict(),
        }

    @classmethod
    def restored(cls, state: dict[str, Any], device: str) -> Optimizer:
        """From `state()`."""
        optimizer = cls(Gaussians(**state["gaussians"]), device)
        optimizer.adam.load_state_dict(state["adam"])
        return optimizer
