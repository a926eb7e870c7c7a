"""The models that splatreel knows. The first that does a task and is on the machine is taken by default.

Numbers are those of the model cards and of diffusers' documentation. A licence is stated where it could be
read; "see the model card" means what it says.
"""

from __future__ import annotations

from dataclasses import replace

from gen.models.adapters import (
    animatediff,
    ltx_condition,
    plain,
    sana_video,
    sana_wm,
    stable_video_diffusion,
    vace,
    wan_animate,
)
from gen.models.spec import FrameRule, Lora, ModelSpec, Part, Task

APACHE = "Apache-2.0"
BY_4, BY_8 = FrameRule(4, 1, 5, 1001), FrameRule(8, 1, 9, 1001)

WAN_1_3B = ModelSpec(
    name="wan-2.1-1.3b",
    repo="Wan-AI/Wan2.1-T2V-1.3B-Diffusers",
    pipelines={"text": "WanPipeline", "restyle": "WanVideoToVideoPipeline"},
    adapter=plain,
    width=832,
    height=480,
    frames=81,
    fps=16,
    rule=BY_4,
    licence=APACHE,
    float32_parts=("vae",),
    memory_gb=8.2,
    note="Small and quick.",
)
WAN_14B = replace(
    WAN_1_3B, name="wan-2.1-14b", repo="Wan-AI/Wan2.1-T2V-14B-Diffusers", memory_gb=None, note=""
)
WAN_A14B = replace(
    WAN_14B,
    name="wan-2.2-a14b",
    repo="Wan-AI/Wan2.2-T2V-A14B-Diffusers",
    pipelines={"text": "WanPipeline"},
    steps=40,
    guidance=4.0,
    more_guidance={"guidance_scale_2": 3.0},
    note="Two experts of 14 B, one after the other.",
)
WAN_I2V_A14B = replace(
    WAN_A14B,
    name="wan-2.2-i2v-a14b",
    repo="Wan-AI/Wan2.2-I2V-A14B-Diffusers",
    pipelines={"image": "WanImageToVideoPipeline", "first_last": "WanImageToVideoPipeline"},
    guidance=3.5,
    more_guidance={},
)
WAN_5B = replace(
    WAN_1_3B,
    name="wan-2.2-5b",
    repo="Wan-AI/Wan2.2-TI2V-5B-Diffusers",
    pipelines={"text": "WanPipeline", "image": "WanImageToVideoPipeline"},
    width=1280,
    height=704,
    frames=121,
    fps=24,
    multiple=32,
    memory_gb=None,
    note="Words or a picture; made for one consumer GPU.",
)
WAN_FLF_14B = replace(
    WAN_14B,
    name="wan-2.1-flf-14b",
    repo="Wan-AI/Wan2.1-FLF2V-14B-720P-diffusers",
    # It has embeddings for two pictures and fails on one.
    pipelines={"first_last": "WanImageToVideoPipeline"},
    width=1280,
    height=720,
)
VACE_TASKS: dict[Task, str] = dict.fromkeys(
    ("fill", "first_last", "depth", "edges", "pose", "segmentation", "animate", "text"), "WanVACEPipeline"
)
VACE_1_3B = replace(
    WAN_1_3B,
    name="vace-1.3b",
    repo="Wan-AI/Wan2.1-VACE-1.3B-diffusers",
    pipelines=VACE_TASKS,
    adapter=vace,
    memory_gb=None,
    note="Control frames, a picture for the looks, timelines with gaps.",
)
VACE_14B = replace(VACE_1_3B, name="vace-14b", repo="Wan-AI/Wan2.1-VACE-14B-diffusers")
WAN_ANIMATE = replace(
    WAN_14B,
    name="wan-animate-14b",
    repo="Wan-AI/Wan2.2-Animate-14B-Diffusers",
    pipelines={"animate": "WanAnimatePipeline"},
    adapter=wan_animate,
    width=1280,
    height=720,
    frames=77,
    fps=30,
    steps=20,
    guidance=1.0,
    note="A photo follows skeletons and a face.",
)
SANA_WM = ModelSpec(
    name="sana-wm",
    repo="Efficient-Large-Model/SANA-WM_bidirectional-diffusers",
    pipelines={"camera": "SanaWMPipeline"},
    adapter=sana_wm,
    width=1280,
    height=704,
    frames=161,
    fps=16,
    rule=BY_8,
    multiple=32,
    steps=60,
    licence=APACHE,
    follows_cameras=True,
    note="Exact cameras: the best for reconstruction.",
)
SANA_VIDEO = ModelSpec(
    name="sana-video-2b",
    repo="Efficient-Large-Model/SANA-Video_2B_480p_diffusers",
    pipelines={"text": "SanaVideoPipeline", "image": "SanaImageToVideoPipeline"},
    adapter=sana_video,
    width=832,
    height=480,
    frames=81,
    fps=16,
    rule=BY_4,
    multiple=32,
    guidance=6.0,
    float32_parts=("vae",),
    rename={"num_frames": "frames"},
)
LTX = ModelSpec(
    name="ltx-0.9.5",
    repo="Lightricks/LTX-Video-0.9.5",
    pipelines=dict.fromkeys(("text", "image", "first_last", "fill"), "LTXConditionPipeline"),
    adapter=ltx_condition,
    width=704,
    height=512,
    frames=161,
    fps=25,
    rule=BY_8,
    multiple=32,
    guidance=3.0,
    folder_classes=("LTXPipeline",),
    # Its decoder was trained to take the last bit of noise away.
    arguments={"decode_timestep": 0.05, "decode_noise_scale": 0.025},
    note="Quick; pictures and clips at any place of the video.",
)
LTX_2 = ModelSpec(
    name="ltx-2",
    repo="Lightricks/LTX-2",
    pipelines={"text": "LTX2Pipeline", "image": "LTX2ImageToVideoPipeline"},
    adapter=plain,
    width=768,
    height=512,
    frames=121,
    fps=24,
    rule=BY_8,
    multiple=32,
    steps=30,
    guidance=3.0,
    licence="LTX-2 Community License",
    camera_loras={
        move: Lora(f"Lightricks/LTX-2-19b-LoRA-Camera-Control-{name}", licence="LTX-2 Community License")
        for move, name in {
            "dolly-in": "Dolly-In",
            "dolly-out": "Dolly-Out",
            "truck-left": "Dolly-Left",
            "truck-right": "Dolly-Right",
            "crane-up": "Jib-Up",
            "crane-down": "Jib-Down",
            "static": "Static",
        }.items()
    },
    note="Its sound is left out.",
)
COGVIDEOX_5B = ModelSpec(
    name="cogvideox-5b",
    repo="zai-org/CogVideoX-5b",
    pipelines={"text": "CogVideoXPipeline", "restyle": "CogVideoXVideoToVideoPipeline"},
    adapter=plain,
    width=720,
    height=480,
    frames=49,
    fps=8,
    rule=BY_8,
    guidance=6.0,
    memory_gb=19.0,
    fixed_size=True,
)
COGVIDEOX_2B = replace(
    COGVIDEOX_5B, name="cogvideox-2b", repo="zai-org/CogVideoX-2b", dtype="float16", memory_gb=None
)
COGVIDEOX_I2V = replace(
    COGVIDEOX_5B,
    name="cogvideox-5b-i2v",
    repo="zai-org/CogVideoX-5b-I2V",
    pipelines={"image": "CogVideoXImageToVideoPipeline"},
    # Trained with alpha 1 at rank 256, which the file does not say.
    camera_loras={
        "orbit-left": Lora("wenqsun/DimensionX", "orbit_left_lora_weights.safetensors", 1 / 256),
        "crane-up": Lora("wenqsun/DimensionX", "orbit_up_lora_weights.safetensors", 1 / 256),
    },
    note="With DimensionX for orbits.",
)
COGVIDEOX_1_5 = replace(
    COGVIDEOX_5B, name="cogvideox-1.5-5b", repo="zai-org/CogVideoX1.5-5B", width=1360, height=768, frames=81,
    fps=16, memory_gb=None, fixed_size=False,
)  # fmt: skip
COGVIDEOX_1_5_I2V = replace(
    COGVIDEOX_1_5,
    name="cogvideox-1.5-5b-i2v",
    repo="zai-org/CogVideoX1.5-5B-I2V",
    pipelines={"image": "CogVideoXImageToVideoPipeline"},
)
HUNYUAN = ModelSpec(
    name="hunyuan-1.5",
    repo="hunyuanvideo-community/HunyuanVideo-1.5-480p_t2v",
    pipelines={"text": "HunyuanVideo15Pipeline"},
    adapter=plain,
    width=832,
    height=480,
    frames=121,
    fps=24,
    rule=BY_4,
    guidance=None,
)
HUNYUAN_I2V = replace(
    HUNYUAN,
    name="hunyuan-1.5-i2v",
    repo="hunyuanvideo-community/HunyuanVideo-1.5-480p_i2v",
    pipelines={"image": "HunyuanVideo15ImageToVideoPipeline"},
)
SKYREELS = ModelSpec(
    name="skyreels-v2-14b",
    repo="Skywork/SkyReels-V2-T2V-14B-720P-Diffusers",
    pipelines={"text": "SkyReelsV2Pipeline"},
    adapter=plain,
    scheduler=("UniPCMultistepScheduler", {"flow_shift": 8.0}),
    width=1280,
    height=720,
    frames=97,
    fps=24,
    rule=BY_4,
    guidance=6.0,
    float32_parts=("vae",),
)
SKYREELS_I2V = replace(
    SKYREELS,
    name="skyreels-v2-i2v-14b",
    repo="Skywork/SkyReels-V2-I2V-14B-720P-Diffusers",
    pipelines=dict.fromkeys(("image", "first_last"), "SkyReelsV2ImageToVideoPipeline"),
    scheduler=("UniPCMultistepScheduler", {"flow_shift": 5.0}),
    guidance=5.0,
)
ALLEGRO = ModelSpec(
    name="allegro",
    repo="rhymes-ai/Allegro",
    pipelines={"text": "AllegroPipeline"},
    adapter=plain,
    width=1280,
    height=720,
    frames=88,
    fps=15,
    rule=FrameRule(4, 0, 8, 88),
    multiple=8,
    steps=100,
    guidance=7.5,
    float32_parts=("vae",),
    note="A counterpart of Open-Sora-Plan.",
)
LATTE = ModelSpec(
    name="latte",
    repo="maxin-cn/Latte-1",
    pipelines={"text": "LattePipeline"},
    adapter=plain,
    width=512,
    height=512,
    frames=16,
    fps=8,
    rule=FrameRule(1, 0, 16, 16),
    multiple=8,
    guidance=7.5,
    dtype="float16",
    rename={"num_frames": "video_length"},
    note="A counterpart of Open-Sora-Plan.",
)
MOCHI = ModelSpec(
    name="mochi",
    repo="genmo/mochi-1-preview",
    pipelines={"text": "MochiPipeline"},
    adapter=plain,
    width=848,
    height=480,
    frames=85,
    fps=30,
    rule=FrameRule(6, 1, 7, 163),
    steps=64,
    guidance=4.5,
    licence=APACHE,
)
SVD_XT = ModelSpec(
    name="svd-xt",
    repo="stabilityai/stable-video-diffusion-img2vid-xt",
    pipelines={"image": "StableVideoDiffusionPipeline"},
    adapter=stable_video_diffusion,
    width=1024,
    height=576,
    frames=25,
    fps=7,
    rule=FrameRule(1, 0, 2, 25),
    multiple=8,
    steps=25,
    guidance=None,
    # Rises from the first frame to the last.
    rename={"guidance_scale": "max_guidance_scale"},
    dtype="float16",
    gated=True,
    memory_gb=8.0,
    note="A picture without a prompt; `motion` and `noise` say how much moves.",
)
SVD = replace(
    SVD_XT,
    name="svd",
    repo="stabilityai/stable-video-diffusion-img2vid",
    frames=14,
    rule=FrameRule(1, 0, 2, 14),
)
MOTION_LORAS = {
    move: Lora(f"guoyww/animatediff-motion-lora-{name}", "diffusion_pytorch_model.safetensors")
    for move, name in {
        "zoom-in": "zoom-in",
        "zoom-out": "zoom-out",
        "pan-left": "pan-left",
        "pan-right": "pan-right",
        "tilt-up": "tilt-up",
        "tilt-down": "tilt-down",
        "roll-cw": "rolling-clockwise",
        "roll-ccw": "rolling-anticlockwise",
    }.items()
}
CONTROLNETS: dict[Task, str] = {
    "pose": "lllyasviel/control_v11p_sd15_openpose",
    "depth": "lllyasviel/control_v11f1p_sd15_depth",
    "edges": "lllyasviel/control_v11p_sd15_canny",
    "segmentation": "lllyasviel/control_v11p_sd15_seg",
}
ANIMATEDIFF = ModelSpec(
    name="animatediff",
    repo="stable-diffusion-v1-5/stable-diffusion-v1-5",
    pipelines={
        "text": "AnimateDiffPipeline",
        "travel": "AnimateDiffPipeline",
        "restyle": "AnimateDiffVideoToVideoPipeline",
        **dict.fromkeys(CONTROLNETS, "AnimateDiffControlNetPipeline"),
    },
    adapter=animatediff,
    width=512,
    height=512,
    frames=16,
    fps=8,
    rule=FrameRule(1, 0, 2, 256),
    multiple=8,
    steps=25,
    guidance=7.5,
    dtype="float16",
    parts=(
        Part("motion_adapter", "MotionAdapter", "guoyww/animatediff-motion-adapter-v1-5-2"),
        *(Part("controlnet", "ControlNetModel", repo, (task,)) for task, repo in CONTROLNETS.items()),
    ),
    folder_classes=("StableDiffusionPipeline",),
    scheduler=(
        "DDIMScheduler",
        {
            "beta_schedule": "linear",
            "clip_sample": False,
            "timestep_spacing": "linspace",
            "steps_offset": 1,
        },
    ),
    camera_loras=MOTION_LORAS,
    window=16,
    note="MotionLoRAs for the camera, prompt travel, ControlNets, FreeNoise for long clips.",
)
ANIMATEDIFF_V3 = replace(
    ANIMATEDIFF,
    name="animatediff-v3",
    pipelines={
        "text": "AnimateDiffPipeline",
        "travel": "AnimateDiffPipeline",
        "restyle": "AnimateDiffVideoToVideoPipeline",
        "image": "AnimateDiffSparseControlNetPipeline",
        "first_last": "AnimateDiffSparseControlNetPipeline",
    },
    parts=(
        Part("motion_adapter", "MotionAdapter", "guoyww/animatediff-motion-adapter-v1-5-3"),
        Part(
            "controlnet",
            "SparseControlNetModel",
            "guoyww/animatediff-sparsectrl-rgb",
            ("image", "first_last"),
        ),
    ),
    camera_loras={},
    note="SparseCtrl: pictures at the first and last frame.",
)
ANIMATELCM = replace(
    ANIMATEDIFF,
    name="animatelcm",
    pipelines={"text": "AnimateDiffPipeline", "travel": "AnimateDiffPipeline"},
    parts=(Part("motion_adapter", "MotionAdapter", "wangfuyun/AnimateLCM"),),
    loras=(Lora("wangfuyun/AnimateLCM", "AnimateLCM_sd15_t2v_lora.safetensors", 0.8),),
    scheduler=("LCMScheduler", {"beta_schedule": "linear"}),
    camera_loras={},
    steps=6,
    guidance=2.0,
    note="AnimateDiff in 4 to 8 steps.",
)
SDXL = ModelSpec(
    name="sdxl",
    repo="stabilityai/stable-diffusion-xl-base-1.0",
    pipelines={"picture": "StableDiffusionXLPipeline", "redraw": "StableDiffusionXLImg2ImgPipeline"},
    adapter=plain,
    width=1024,
    height=1024,
    frames=1,
    fps=1,
    multiple=8,
    steps=30,
    dtype="float16",
    note="Pictures.",
)
SD_1_5 = replace(
    SDXL,
    name="sd-1.5",
    repo="stable-diffusion-v1-5/stable-diffusion-v1-5",
    pipelines={"picture": "StableDiffusionPipeline", "redraw": "StableDiffusionImg2ImgPipeline"},
    width=512,
    height=512,
    guidance=7.5,
)

CATALOGUE: tuple[ModelSpec, ...] = (
    WAN_1_3B,
    WAN_5B,
    WAN_14B,
    WAN_A14B,
    WAN_I2V_A14B,
    WAN_FLF_14B,
    VACE_1_3B,
    VACE_14B,
    WAN_ANIMATE,
    SANA_WM,
    SANA_VIDEO,
    LTX,
    LTX_2,
    COGVIDEOX_2B,
    COGVIDEOX_5B,
    COGVIDEOX_I2V,
    COGVIDEOX_1_5,
    COGVIDEOX_1_5_I2V,
    HUNYUAN,
    HUNYUAN_I2V,
    SKYREELS,
    SKYREELS_I2V,
    ALLEGRO,
    LATTE,
    MOCHI,
    SVD_XT,
    SVD,
    ANIMATEDIFF,
    ANIMATEDIFF_V3,
    ANIMATELCM,
    SDXL,
    SD_1_5,
)
RECONSTRUCTION_ORDER = ("sana-wm", "cogvideox-5b-i2v", "wan-2.2-i2v-a14b", "wan-2.2-5b")
"""Models for a static scene from a picture, best first: exact cameras, an orbit LoRA, camera words."""
