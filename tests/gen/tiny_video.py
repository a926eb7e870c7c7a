"""Tiny pipelines of video models."""

from __future__ import annotations

from typing import Any

from diffusers import (
    AutoencoderKLCogVideoX,
    AutoencoderKLLTX2Video,
    AutoencoderKLLTXVideo,
    AutoencoderKLTemporalDecoder,
    AutoencoderKLWan,
    CogVideoXDDIMScheduler,
    CogVideoXImageToVideoPipeline,
    CogVideoXPipeline,
    CogVideoXTransformer3DModel,
    EulerDiscreteScheduler,
    FlowMatchEulerDiscreteScheduler,
    LattePipeline,
    LatteTransformer3DModel,
    LTXConditionPipeline,
    LTXVideoTransformer3DModel,
    SanaWMPipeline,
    SanaWMTransformer3DModel,
    StableVideoDiffusionPipeline,
    UNetSpatioTemporalConditionModel,
    UniPCMultistepScheduler,
    WanAnimatePipeline,
    WanAnimateTransformer3DModel,
    WanImageToVideoPipeline,
    WanPipeline,
    WanTransformer3DModel,
    WanVACEPipeline,
    WanVACETransformer3DModel,
)
from tiny_stable_diffusion import sd_scheduler, sd_vae
from tiny_text import clip_vision, gemma_tokenizer, liven, t5_text
from transformers import (
    Gemma2Config,
    Gemma2ForCausalLM,
)


def wan(transformer: Any, pipeline: type, **others: Any) -> Any:
    """A pipeline of the Wan family around a transformer."""
    vae = AutoencoderKLWan(
        base_dim=3,
        z_dim=16,
        dim_mult=[1, 1, 1, 1],
        num_res_blocks=1,
        temperal_downsample=[False, True, True],
    )
    scheduler = UniPCMultistepScheduler(
        prediction_type="flow_prediction", use_flow_sigmas=True, flow_shift=3.0
    )
    return pipeline(
        **t5_text(multilingual=True), vae=liven(vae), scheduler=scheduler, transformer=transformer, **others
    )


def wan_transformer(kind: type = WanTransformer3DModel, seed: int = 0, **settings: Any) -> Any:
    return liven(
        kind(
            **{
                "patch_size": (1, 2, 2),
                "num_attention_heads": 2,
                "attention_head_dim": 12,
                "in_channels": 16,
                "out_channels": 16,
                "text_dim": 32,
                "freq_dim": 256,
                "ffn_dim": 32,
                "num_layers": 2,
                "cross_attn_norm": True,
                "qk_norm": "rms_norm_across_heads",
                "rope_max_seq_len": 32,
                **settings,
            }
        ),
        seed,
    )


def wan_text() -> Any:
    return wan(wan_transformer(), WanPipeline)


def wan_text_two_experts() -> Any:
    return wan(wan_transformer(), WanPipeline, transformer_2=wan_transformer(seed=1), boundary_ratio=0.875)


def wan_text_and_image() -> Any:
    """Wan 2.2 5B: one transformer for words and for pictures, told by a time step for each token."""
    return wan(wan_transformer(), WanPipeline, expand_timesteps=True)


def wan_image_two_experts() -> Any:
    first, second = (wan_transformer(in_channels=36, seed=seed) for seed in (0, 1))
    return wan(first, WanImageToVideoPipeline, transformer_2=second, boundary_ratio=0.9)


def wan_first_last() -> Any:
    """With embeddings for the tokens of two pictures."""
    encoder, processor = clip_vision(4, 32, 4)
    transformer = wan_transformer(in_channels=36, image_dim=4, pos_embed_seq_len=2 * 65)
    return wan(transformer, WanImageToVideoPipeline, image_encoder=encoder, image_processor=processor)


def wan_vace() -> Any:
    transformer = wan_transformer(
        WanVACETransformer3DModel, num_layers=3, vace_layers=[0, 2], vace_in_channels=96
    )
    return wan(transformer, WanVACEPipeline)


def wan_animate() -> Any:
    encoder, processor = clip_vision(4, 4, 1)
    transformer = wan_transformer(
        WanAnimateTransformer3DModel,
        in_channels=36,
        latent_channels=16,
        image_dim=4,
        motion_encoder_channel_sizes={"4": 16, "8": 16, "16": 16},
        motion_encoder_size=16,
        motion_style_dim=8,
        motion_dim=4,
        motion_encoder_dim=16,
        face_encoder_hidden_dim=16,
        face_encoder_num_heads=2,
        inject_face_latents_blocks=2,
    )
    liven(transformer.motion_encoder, gain=1.0)
    return wan(transformer, WanAnimatePipeline, image_encoder=encoder, image_processor=processor)


# LTX, SANA-WM


def ltx() -> Any:
    transformer = LTXVideoTransformer3DModel(
        in_channels=8,
        out_channels=8,
        patch_size=1,
        patch_size_t=1,
        num_attention_heads=4,
        attention_head_dim=8,
        cross_attention_dim=32,
        num_layers=1,
        caption_channels=32,
    )
    four, five = (8,) * 4, (1,) * 5
    vae = AutoencoderKLLTXVideo(
        in_channels=3,
        out_channels=3,
        latent_channels=8,
        block_out_channels=four,
        decoder_block_out_channels=four,
        layers_per_block=five,
        decoder_layers_per_block=five,
        spatio_temporal_scaling=(True, True, False, False),
        decoder_spatio_temporal_scaling=(True, True, False, False),
        decoder_inject_noise=(False,) * 5,
        upsample_residual=(False,) * 4,
        upsample_factor=(1,) * 4,
        timestep_conditioning=False,
        patch_size=1,
        patch_size_t=1,
        encoder_causal=True,
        decoder_causal=False,
    )
    return LTXConditionPipeline(
        **t5_text(),
        transformer=liven(transformer),
        vae=liven(vae),
        scheduler=FlowMatchEulerDiscreteScheduler(),
    )


def sana_wm() -> Any:
    tokenizer = gemma_tokenizer()
    text_encoder = Gemma2ForCausalLM(
        Gemma2Config(
            vocab_size=len(tokenizer),
            hidden_size=16,
            intermediate_size=32,
            num_hidden_layers=1,
            num_attention_heads=2,
            num_key_value_heads=2,
            head_dim=8,
            max_position_embeddings=4096,
            attn_implementation="eager",
        )
    )
    vae = AutoencoderKLLTX2Video(
        latent_channels=8,
        block_out_channels=(8, 16, 32, 64),
        decoder_block_out_channels=(8, 16, 32),
        layers_per_block=(1,) * 5,
        decoder_layers_per_block=(1,) * 4,
        # Left out, it would be computed as 64 for a decoder of three stages.
        spatial_compression_ratio=32,
        temporal_compression_ratio=8,
    )
    transformer = SanaWMTransformer3DModel(
        in_channels=8,
        num_layers=2,
        hidden_size=32,
        num_attention_heads=2,
        softmax_every_n=2,
        linear_head_dim=16,
        caption_channels=16,
        chunk_plucker_channels=48,
        chunk_plucker_post_attn_blocks=2,
        image_size=64,
        mixed_precision="fp32",
    )
    return SanaWMPipeline(
        tokenizer=tokenizer,
        text_encoder=liven(text_encoder),
        vae=liven(vae),
        transformer=liven(transformer),
        scheduler=FlowMatchEulerDiscreteScheduler(),
    )


# CogVideoX


def cogvideox_transformer(channels: int, learned: bool) -> Any:
    return liven(
        CogVideoXTransformer3DModel(
            num_attention_heads=2,
            attention_head_dim=16,
            in_channels=channels,
            out_channels=4,
            time_embed_dim=2,
            text_embed_dim=32,
            num_layers=1,
            sample_width=2,
            sample_height=2,
            sample_frames=9,
            patch_size=2,
            temporal_compression_ratio=4,
            max_text_seq_length=226,
            use_rotary_positional_embeddings=True,
            use_learned_positional_embeddings=learned,
        )
    )


def cogvideox(pipeline: type, transformer: Any) -> Any:
    vae = AutoencoderKLCogVideoX(
        down_block_types=("CogVideoXDownBlock3D",) * 4,
        up_block_types=("CogVideoXUpBlock3D",) * 4,
        block_out_channels=(8, 8, 8, 8),
        latent_channels=4,
        layers_per_block=1,
        norm_num_groups=2,
        temporal_compression_ratio=4,
    )
    return pipeline(
        **t5_text(226), transformer=transformer, vae=liven(vae), scheduler=CogVideoXDDIMScheduler()
    )


def cogvideox_text() -> Any:
    return cogvideox(CogVideoXPipeline, cogvideox_transformer(4, False))


def cogvideox_image() -> Any:
    return cogvideox(CogVideoXImageToVideoPipeline, cogvideox_transformer(8, True))


def stable_video_diffusion() -> Any:
    unet = UNetSpatioTemporalConditionModel(
        block_out_channels=(32, 64),
        layers_per_block=1,
        sample_size=32,
        down_block_types=("CrossAttnDownBlockSpatioTemporal", "DownBlockSpatioTemporal"),
        up_block_types=("UpBlockSpatioTemporal", "CrossAttnUpBlockSpatioTemporal"),
        cross_attention_dim=32,
        num_attention_heads=4,
        projection_class_embeddings_input_dim=96,
        addition_time_embed_dim=32,
    )
    scheduler = EulerDiscreteScheduler(
        beta_start=0.00085,
        beta_end=0.012,
        beta_schedule="scaled_linear",
        prediction_type="v_prediction",
        sigma_max=700.0,
        sigma_min=0.002,
        steps_offset=1,
        timestep_spacing="leading",
        timestep_type="continuous",
        use_karras_sigmas=True,
    )
    vae = AutoencoderKLTemporalDecoder(
        block_out_channels=(32, 64),
        down_block_types=("DownEncoderBlock2D",) * 2,
        latent_channels=4,
        layers_per_block=1,
    )
    # The pipeline scales pictures to 224 whatever the encoder says.
    encoder, processor = clip_vision(32, 224, 56, heads=4, projected=True)
    return StableVideoDiffusionPipeline(
        unet=liven(unet),
        vae=liven(vae),
        scheduler=scheduler,
        image_encoder=encoder,
        feature_extractor=processor,
    )


def latte() -> Any:
    transformer = LatteTransformer3DModel(
        video_length=4,
        sample_size=8,
        num_layers=1,
        patch_size=2,
        attention_head_dim=8,
        num_attention_heads=3,
        caption_channels=32,
        in_channels=4,
        cross_attention_dim=24,
        out_channels=8,
        attention_bias=True,
        activation_fn="gelu-approximate",
        num_embeds_ada_norm=1000,
        norm_type="ada_norm_single",
        norm_elementwise_affine=False,
        norm_eps=1e-6,
    )
    return LattePipeline(
        **t5_text(120), transformer=liven(transformer), vae=sd_vae(), scheduler=sd_scheduler()
    )
