"""LPIPS (Zhang et al. 2018), where the `lpips` package and its backbone's weights already are on the
machine; nothing is downloaded."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor


def lpips_scorer(device: str = "cpu") -> Callable[[Tensor, Tensor], float] | None:
    """A function of two images [H, W, 3] in 0..1, or None when package or weights are missing."""
    cached = Path(torch.hub.get_dir()) / "checkpoints"
    if importlib.util.find_spec("lpips") is None or not list(cached.glob("alexnet-*.pth")):
        return None
    import lpips  # pyright: ignore[reportMissingImports]

    model = lpips.LPIPS(net="alex", verbose=False).to(device).eval()

    @torch.no_grad()
    def scorer(image: Tensor, target: Tensor) -> float:
        a, b = (x.permute(2, 0, 1)[None] * 2 - 1 for x in (image, target))
        return float(model(a, b))

    return scorer
