"""Tiny models of random weights, with the classes and the folders of the real ones, made offline.

Every weight is drawn anew with the spread that keeps signals alive: layers that training starts at zero, as
those that take in a ControlNet's pictures, would otherwise hide a condition that is lost on the way.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import torch
from diffusers import (
    AnimateDiffPipeline,
    AutoencoderKL,
    AutoencoderKLCogVideoX,
    AutoencoderKLLTX2Video,
    AutoencoderKLLTXVideo,
    AutoencoderKLTemporalDecoder,
    AutoencoderKLWan,
    CogVideoXDDIMScheduler,
    CogVideoXImageToVideoPipeline,
    CogVideoXPipeline,
    CogVideoXTransformer3DModel,
    ControlNetModel,
    DDIMScheduler,
    EulerDiscreteScheduler,
    FlowMatchEulerDiscreteScheduler,
    LattePipeline,
    LatteTransformer3DModel,
    LTXConditionPipeline,
    LTXVideoTransformer3DModel,
    MotionAdapter,
    SanaWMPipeline,
    SanaWMTransformer3DModel,
    SparseControlNetModel,
    StableDiffusionPipeline,
    StableDiffusionXLPipeline,
    StableVideoDiffusionPipeline,
    UNet2DConditionModel,
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
from diffusers.utils import logging as diffusers_logging
from transformers import (
    CLIPImageProcessor,
    CLIPTextConfig,
    CLIPTextModel,
    CLIPTextModelWithProjection,
    CLIPTokenizer,
    CLIPVisionConfig,
    CLIPVisionModel,
    CLIPVisionModelWithProjection,
    Gemma2Config,
    Gemma2ForCausalLM,
    GemmaTokenizer,
    T5Config,
    T5EncoderModel,
    T5TokenizerFast,
    UMT5Config,
    UMT5EncoderModel,
)
from transformers.utils import logging

from gen.models.catalogue import CATALOGUE
from gen.models.spec import Lora, ModelSpec

logging.disable_progress_bar()
diffusers_logging.disable_progress_bar()
diffusers_logging.set_verbosity_error()
ATTENTION = ("to_q", "to_k", "to_v", "to_out.0")
CHANNELS = (8, 8)


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


def liven(network: torch.nn.Module, seed: int = 0, gain: float | None = None) -> Any:
    """Draw all weights so that what goes in comes out at about its size; `gain` is for layers that divide."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, value in network.named_parameters():
            if value.ndim >= 2:
                spread = gain or value[0].numel() ** -0.5
                value.copy_(torch.randn(value.shape, generator=generator) * spread)
            elif not name.endswith("weight"):  # Those of one dimension are norms, which stay at 1.
                value.copy_(torch.randn(value.shape, generator=generator) * 0.1)
    return network.eval()


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


def clip_tokenizer() -> CLIPTokenizer:
    """One token for each byte: any text in any script."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    symbols = [chr(byte) for byte in printable] + [chr(256 + n) for n in range(256 - len(printable))]
    tokens = [*symbols, *(symbol + "</w>" for symbol in symbols), "<|startoftext|>", "<|endoftext|>"]
    tokenizer = CLIPTokenizer(vocab={token: number for number, token in enumerate(tokens)}, merges=[])
    tokenizer.model_max_length = 77
    return tokenizer


def t5_tokenizer(longest: int = 64) -> T5TokenizerFast:
    """One token for each printable ASCII character."""
    vocabulary = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), ("▁", -2.0)]
    vocabulary += [(chr(code), -3.0) for code in range(33, 127)]
    vocabulary += [(f"<extra_id_{n}>", 0.0) for n in range(99, -1, -1)]
    tokenizer = T5TokenizerFast(vocab=vocabulary)
    tokenizer.model_max_length = longest
    return tokenizer


def gemma_tokenizer() -> GemmaTokenizer:
    """Printable ASCII, and bytes for the rest."""
    tokens = ["<pad>", "<eos>", "<bos>", "<unk>", "<mask>", *(f"<0x{byte:02X}>" for byte in range(256)), "▁"]
    tokens += [chr(code) for code in range(33, 127)]
    return GemmaTokenizer(vocab={token: number for number, token in enumerate(tokens)}, merges=[])


def clip_text(projected: bool = False, seed: int = 0) -> dict[str, Any]:
    """A text encoder and its tokenizer."""
    tokenizer = clip_tokenizer()
    config = CLIPTextConfig(
        vocab_size=len(tokenizer),
        hidden_size=8,
        intermediate_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        max_position_embeddings=77,
        bos_token_id=512,
        eos_token_id=513,
        pad_token_id=513,
        projection_dim=8,
    )
    network = (CLIPTextModelWithProjection if projected else CLIPTextModel)(config)
    return {"text_encoder": liven(network, seed), "tokenizer": tokenizer}


def t5_text(longest: int = 64, multilingual: bool = False) -> dict[str, Any]:
    tokenizer = t5_tokenizer(longest)
    settings = dict(
        vocab_size=len(tokenizer),
        d_model=32,
        d_kv=8,
        d_ff=37,
        num_layers=1,
        num_heads=4,
        dropout_rate=0.0,
        pad_token_id=0,
        eos_token_id=1,
        decoder_start_token_id=0,
        feed_forward_proj="gated-gelu",
    )
    network = (
        UMT5EncoderModel(UMT5Config(**settings)) if multilingual else T5EncoderModel(T5Config(**settings))
    )
    return {"text_encoder": liven(network), "tokenizer": tokenizer}


def clip_vision(
    width: int, size: int, patch: int, heads: int = 2, projected: bool = False
) -> tuple[Any, CLIPImageProcessor]:
    config = CLIPVisionConfig(
        hidden_size=width,
        projection_dim=width,
        num_hidden_layers=2,
        num_attention_heads=heads,
        image_size=size,
        intermediate_size=16,
        patch_size=patch,
    )
    network = (CLIPVisionModelWithProjection if projected else CLIPVisionModel)(config)
    processor = CLIPImageProcessor(crop_size={"height": size, "width": size}, size={"shortest_edge": size})
    return liven(network), processor


# Wan


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


# Stable Diffusion and AnimateDiff


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


# Others


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
