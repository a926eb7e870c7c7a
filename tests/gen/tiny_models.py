"""Tiny models of random weights, with the classes and the folders of the real ones, made offline.

Every weight is drawn anew with the spread that keeps signals alive: layers that training starts at zero, as
those that take in a ControlNet's pictures, would otherwise hide a condition that is lost on the way.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from diffusers.utils import logging as diffusers_logging
from tiny_stable_diffusion import (
    controlnet,
    motion_adapter,
    motion_unet,
    sparse_controlnet,
    stable_diffusion,
    stable_diffusion_xl,
)
from tiny_video import (
    cogvideox_image,
    cogvideox_text,
    cogvideox_transformer,
    latte,
    ltx,
    sana_wm,
    stable_video_diffusion,
    wan_animate,
    wan_first_last,
    wan_image_two_experts,
    wan_text,
    wan_text_and_image,
    wan_text_two_experts,
    wan_vace,
)
from transformers.utils import logging

from gen.models.catalogue import CATALOGUE
from gen.models.spec import Lora, ModelSpec

logging.disable_progress_bar()
diffusers_logging.disable_progress_bar()
diffusers_logging.set_verbosity_error()

ATTENTION = ("to_q", "to_k", "to_v", "to_out.0")


class TinyModels:
    """A folder of models, as $SPLATREEL_MODELS names it, each made when it is first needed."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def spec(self, name: str) -> ModelSpec:
        """The catalogue's entry of a model, after making it, its parts and its LoRAs."""
        spec = next(spec for spec in CATALOGUE if spec.name == name)
        self.folder(spec.repo)
        for part in spec.parts:
            self.folder(part.repo)
        for lora in (*spec.loras, *spec.camera_loras.values()):
            self.lora(lora, spec)
        return spec

    def folder(self, repo: str) -> Path:
        """A model's or a part's folder."""
        name = repo.split("/")[-1]
        folder = self.root / name
        if not folder.exists():
            BUILDERS[name]().save_pretrained(folder, safe_serialization=True)
        return folder

    def lora(self, lora: Lora, spec: ModelSpec) -> Path:
        """A LoRA's folder; each changes its model in another way."""
        folder = self.root / lora.repo.split("/")[-1]
        name = lora.file or "pytorch_lora_weights.safetensors"
        if not (folder / name).exists():
            seed = 1 + sum((lora.repo + name).encode())
            folder.mkdir(exist_ok=True)
            if "AnimateDiffPipeline" in spec.pipelines.values():
                save_lora(motion_unet(), folder / name, "unet.", "motion_modules", seed)
            else:
                save_lora(cogvideox_transformer(8, True), folder / name, "transformer.", "attn1", seed)
        return folder


def save_lora(
    network: torch.nn.Module, file: Path, prefix: str, among: str, seed: int, rank: int = 2
) -> None:
    """A LoRA for the attention layers of a network whose names hold `among`."""
    from safetensors.torch import save_file

    generator = torch.Generator().manual_seed(seed)
    weights = {}
    for name, value in network.named_parameters():
        layer = name.removesuffix(".weight")
        if layer.endswith(ATTENTION) and among in name and value.ndim == 2:
            rows, columns = value.shape
            weights[f"{prefix}{layer}.lora_A.weight"] = torch.randn((rank, columns), generator=generator)
            weights[f"{prefix}{layer}.lora_B.weight"] = torch.randn((rows, rank), generator=generator)
    assert weights
    save_file(weights, file)


BUILDERS: dict[str, Callable[[], Any]] = {
    "Wan2.1-T2V-1.3B-Diffusers": wan_text,
    "Wan2.2-T2V-A14B-Diffusers": wan_text_two_experts,
    "Wan2.2-TI2V-5B-Diffusers": wan_text_and_image,
    "Wan2.2-I2V-A14B-Diffusers": wan_image_two_experts,
    "Wan2.1-FLF2V-14B-720P-diffusers": wan_first_last,
    "Wan2.1-VACE-1.3B-diffusers": wan_vace,
    "Wan2.2-Animate-14B-Diffusers": wan_animate,
    "LTX-Video-0.9.5": ltx,
    "SANA-WM_bidirectional-diffusers": sana_wm,
    "CogVideoX-2b": cogvideox_text,
    "CogVideoX-5b-I2V": cogvideox_image,
    "stable-video-diffusion-img2vid-xt": stable_video_diffusion,
    "stable-diffusion-v1-5": stable_diffusion,
    "stable-diffusion-xl-base-1.0": stable_diffusion_xl,
    "animatediff-motion-adapter-v1-5-2": motion_adapter,
    "animatediff-motion-adapter-v1-5-3": lambda: motion_adapter(1),
    "AnimateLCM": lambda: motion_adapter(2),
    "animatediff-sparsectrl-rgb": sparse_controlnet,
    "control_v11f1p_sd15_depth": controlnet,
    "control_v11p_sd15_canny": lambda: controlnet(1),
    "control_v11p_sd15_openpose": lambda: controlnet(2),
    "control_v11p_sd15_seg": lambda: controlnet(3),
    "Latte-1": latte,
}
