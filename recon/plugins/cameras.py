"""Cameras and depth of a clip in one pass by Depth Anything 3 (Lin et al. 2025), and how they join the solve.

Of the package `depth-anything-3` only the network is used: its own interface wants torchvision,
open3d, moviepy and an old numpy, none of which the network needs.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np

from recon.errors import CameraSolveError
from recon.events import Listener, Notice, ignore
from recon.known_cameras import KnownCameras
from recon.plugins.interfaces import CameraGuess, CameraSolver, DepthGuess
from recon.plugins.pictures import (
    best_device,
    check_frames,
    network_size,
    read_frames,
    to_frame_size,
    to_network,
)
from recon.plugins.weights import ModelInfo, PluginError, Weights, find_weights, loaded, need
from recon.types import Frames, Shot
from recon.undistort import Lens

MODELS = (
    ModelInfo("cameras", "depth-anything/DA3-SMALL", "Apache-2.0", 2),
    ModelInfo("cameras", "depth-anything/DA3-BASE", "Apache-2.0", 4),
    ModelInfo("cameras", "depth-anything/DA3-LARGE-1.1", "CC-BY-NC-4.0", 8),
    ModelInfo("cameras", "depth-anything/DA3-LARGE", "CC-BY-NC-4.0", 8),
    ModelInfo("cameras", "depth-anything/DA3-GIANT-1.1", "CC-BY-NC-4.0", 16),
)
DEFAULT = MODELS[1].repo
"""The best of those that may be used for anything."""
INSTALL = (
    "pip install --no-deps depth-anything-3 && "
    "pip install addict einops huggingface_hub 'omegaconf>=2.3' safetensors"
)
LONG_SIDE = 504
PATCH = 14
FRAMES_AT_MOST = 100
"""Every frame attends to every other one; 100 are what 24 GB should hold (not measured)."""
UNSTEADY_FOCAL = 0.1
"""Relative spread (90 %) of the focal lengths beyond which one lens for the clip is doubtful."""


class DepthAnything3:
    """A transformer that sees all frames at once; cameras and depth are of one world."""

    def __init__(
        self,
        name_or_folder: str | Path = DEFAULT,
        *,
        long_side: int = LONG_SIDE,
        device: str | None = None,
        on_event: Listener = ignore,
    ) -> None:
        """Load the model.

        Args:
            name_or_folder: A model in the hub's cache, or a folder with config.json and model.safetensors.
            long_side: Pixels that the network sees.
            device: Of torch; None takes CUDA when there is one.

        Raises:
            PluginError: A package or the weights are missing, or the model gives no cameras.
        """
        import torch

        os.environ.setdefault("DA3_LOG_LEVEL", "WARN")  # it prints on stdout
        configs = need("depth_anything_3.cfg", INSTALL)
        names = need("depth_anything_3.registry", INSTALL).MODEL_REGISTRY
        need("depth_anything_3.model.da3", INSTALL)
        files = need("safetensors.torch", INSTALL)
        weights = find_weights(name_or_folder, MODELS)
        config = loaded(weights, lambda: _network_config(weights, configs, names))
        if config.get("cam_dec") is None:
            raise PluginError(
                f"{weights.name} is no network that gives cameras; take a model such as {DEFAULT}"
            )

        def load() -> Any:
            # Saved inside a wrapper that calls it `model`, and without the second names of shared tensors.
            holder = torch.nn.Module()
            holder.model = configs.create_object(config)
            missing, _ = files.load_model(holder, weights.folder / "model.safetensors", strict=False)
            if missing:
                raise ValueError(f"{len(missing)} tensors such as {sorted(missing)[0]} are missing")
            return holder.model

        self._device = device or best_device()
        self._network: Any = loaded(weights, load).to(self._device).eval()
        self._long_side = long_side
        weights.announce("cameras", on_event)

    def cameras(
        self,
        frames: np.ndarray,  # [F, H, W, 3] uint8
    ) -> CameraGuess:
        """Cameras of the frames, all together."""
        answer, (width, height) = self._run(frames)
        camera_from_world = np.tile(np.eye(4), (len(frames), 1, 1))
        camera_from_world[:, :3] = answer["extrinsics"][0, :, :3].double().cpu().numpy()
        K = answer["intrinsics"][0].double().cpu().numpy()
        K = K * np.array([frames.shape[2] / width, frames.shape[1] / height, 1.0])[:, None]
        world_from_camera = np.linalg.inv(camera_from_world)
        # The network's quaternions have the digits of their float type.
        u, _, vt = np.linalg.svd(world_from_camera[:, :3, :3])
        world_from_camera[:, :3, :3] = u @ vt
        return CameraGuess(world_from_camera, K)

    def depth(
        self,
        frames: np.ndarray,  # [F, H, W, 3] uint8
    ) -> DepthGuess:
        """Depth of the frames, all together; in the units of `cameras` of the same frames."""
        answer, _ = self._run(frames)
        height, width = frames.shape[1:3]
        inverse = to_frame_size(1 / answer["depth"][0].clamp(min=1e-6), width, height)
        # The network's confidence is 1 + exp(…): 1 is none at all.
        confidence = to_frame_size(1 - 1 / answer["depth_conf"][0].clamp(min=1), width, height)
        return DepthGuess(inverse, confidence, "scene")

    def _run(self, frames: np.ndarray) -> tuple[Any, tuple[int, int]]:
        """The network's answer ([1, F, …] each), and the (width, height) it saw."""
        import torch

        check_frames(frames)
        size = network_size(frames.shape[2], frames.shape[1], self._long_side, PATCH)
        images = to_network(frames, size)[None].to(self._device)
        fast = self._device.startswith("cuda")
        with torch.inference_mode(), torch.autocast(self._device.split(":")[0], torch.bfloat16, enabled=fast):
            return self._network(images), size


def _network_config(weights: Weights, configs: Any, names: dict[str, str]) -> Any:
    """The network's parts, written out in the model's config.json or named there."""
    content = json.loads((weights.folder / "config.json").read_text())
    if "config" in content:
        return need("omegaconf", INSTALL).OmegaConf.create(content["config"])
    if content.get("model_name") not in names:
        raise PluginError(
            f"{weights.name} is the network {content.get('model_name')!r}, expected one of {', '.join(names)}"
        )
    return configs.load_config(names[content["model_name"]])


def learned_cameras(
    solver: CameraSolver | str | Path,
    frames: Frames,
    shot: Shot,
    on_event: Listener = ignore,
) -> KnownCameras:
    """Cameras of a shot by a learned solver, to be given to `recon.known_cameras.solve_with` (`refine=True`).

    Of a long shot, `FRAMES_AT_MOST` evenly spaced frames are solved. One lens is made of the frames' (the
    median of each number).

    Args:
        solver: A loaded one; or a model's name in the hub's cache or its folder, for Depth Anything 3.

    Raises:
        PluginError: The solver cannot be loaded.
        CameraSolveError: Its answer is no use.
    """
    if isinstance(solver, str | Path):
        solver = DepthAnything3(solver, on_event=on_event)
    numbers = np.asarray(shot.numbers)
    if shot.frames > FRAMES_AT_MOST:
        numbers = numbers[np.linspace(0, shot.frames - 1, FRAMES_AT_MOST).round().astype(int)]
        on_event(Notice(f"cameras: {FRAMES_AT_MOST} of the {shot.frames} frames are given to the model"))
    try:
        guess = solver.cameras(read_frames(frames, numbers))
    except (ValueError, RuntimeError) as error:  # nan from half precision, out of memory
        raise CameraSolveError(
            f"the learned solver gave no cameras ({' '.join(str(error).split())[:160]}); "
            "solve without it, or with fewer frames"
        ) from error
    focals = guess.K[:, [0, 1], [0, 1]].mean(1)
    low, high = np.quantile(focals, [0.05, 0.95])
    if high - low > UNSTEADY_FOCAL * np.median(focals):
        text = f"cameras: the model's focal length varies by {100 * (high - low) / np.median(focals):.0f} %"
        on_event(Notice(f"{text} over the clip; its median is used", warning=True))
    lens = Lens(frames.width, frames.height, np.median(guess.K, axis=0))
    return KnownCameras(numbers.astype(np.int64), guess.world_from_camera, lens)
