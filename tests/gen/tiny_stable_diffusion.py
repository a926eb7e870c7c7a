"""Tiny pipelines of Stable Diffusion, and what AnimateDiff adds to it."""

from __future__ import annotations

from functools import cache
from typing import Any

import torch
from diffusers import (
    AnimateDiffPipeline,
    AutoencoderKL,
    ControlNetModel,
    DDIMScheduler,
    EulerDiscreteScheduler,
    MotionAdapter,
    SparseControlNetModel,
    StableDiffusionPipeline,
    StableDiffusionXLPipeline,
    UNet2DConditionModel,
)
from tiny_text import clip_text, liven

CHANNELS = (8, 8)


def sd_vae(latents: int = 4) -> Any:
    return liven(
        AutoencoderKL(
            block_out_channels=CHANNELS,
            down_block_types=("DownEncoderBlock2D",) * 2,
            up_block_types=("UpDecoderBlock2D",) * 2,
            latent_channels=latents,
            norm_num_groups=2,
        )
    )


def sd_unet() -> Any:
    return liven(
        UNet2DConditionModel(
            block_out_channels=CHANNELS,
            layers_per_block=2,
            sample_size=16,
            down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"),
            up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
            cross_attention_dim=8,
            norm_num_groups=2,
            attention_head_dim=4,
        )
    )


def sd_scheduler() -> Any:
    return DDIMScheduler(beta_start=0.00085, beta_end=0.012, clip_sample=False, steps_offset=1)


def stable_diffusion() -> Any:
    return StableDiffusionPipeline(
        **clip_text(),
        unet=sd_unet(),
        vae=sd_vae(),
        scheduler=sd_scheduler(),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )


def stable_diffusion_xl() -> Any:
    second = clip_text(projected=True, seed=1)
    unet = UNet2DConditionModel(
        block_out_channels=CHANNELS,
        layers_per_block=1,
        sample_size=16,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        cross_attention_dim=16,
        norm_num_groups=2,
        attention_head_dim=(2, 4),
        use_linear_projection=True,
        addition_embed_type="text_time",
        addition_time_embed_dim=8,
        transformer_layers_per_block=(1, 1),
        projection_class_embeddings_input_dim=6 * 8 + 8,
    )
    return StableDiffusionXLPipeline(
        **clip_text(),
        text_encoder_2=second["text_encoder"],
        tokenizer_2=second["tokenizer"],
        unet=liven(unet),
        vae=sd_vae(),
        scheduler=EulerDiscreteScheduler(),
    )


def motion_adapter(seed: int = 0) -> Any:
    adapter = MotionAdapter(
        block_out_channels=CHANNELS,
        motion_layers_per_block=2,
        motion_norm_num_groups=2,
        motion_num_attention_heads=4,
    )
    return liven(adapter, seed)


@cache
def motion_unet() -> torch.nn.Module:
    """The network that AnimateDiff makes of a picture model and a motion adapter."""
    return AnimateDiffPipeline(**stable_diffusion_parts(), motion_adapter=motion_adapter()).unet


def stable_diffusion_parts() -> dict[str, Any]:
    names = ("text_encoder", "tokenizer", "unet", "vae", "scheduler")
    pipeline = stable_diffusion()
    return {name: getattr(pipeline, name) for name in names}


def controlnet(seed: int = 0) -> Any:
    network = ControlNetModel(
        block_out_channels=CHANNELS,
        layers_per_block=2,
        down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"),
        cross_attention_dim=8,
        conditioning_embedding_out_channels=CHANNELS,  # one for each time that the VAE halves the picture
        norm_num_groups=1,
        attention_head_dim=4,
    )
    return liven(network, seed)


def sparse_controlnet() -> Any:
    network = SparseControlNetModel(
        block_out_channels=CHANNELS,
        layers_per_block=2,
        conditioning_channels=4,
        down_block_types=("CrossAttnDownBlockMotion", "DownBlockMotion"),
        cross_attention_dim=8,
        conditioning_embedding_out_channels=CHANNELS,
        norm_num_groups=1,
        use_simplified_condition_embedding=True,  # as the one for pictures, which takes their latents
        attention_head_dim=4,
        motion_num_attention_heads=4,
    )
    return liven(network)
