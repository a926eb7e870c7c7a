"""Deforum's settings files: of its web-UI extension and of its original notebook."""

import json

import pytest

from gen.errors import GenerateError
from gen.keyframes.deforum_settings import DEFAULT_SCHEDULES, read_settings, settings_from

EXTENSION = {
    "W": 768,
    "H": 432,
    "seed": 1857777177,
    "sampler": "Euler a",
    "steps": 21,
    "batch_name": "Deforum_{timestring}",
    "seed_behavior": "ladder",
    "seed_iter_N": 2,
    "use_init": False,
    "strength": 0.8,
    "init_image": "https://example.com/pic.png",
    "use_mask": False,
    "animation_mode": "3D",
    "max_frames": 240,
    "border": "replicate",
    "angle": "0: (0)",
    "zoom": "0: (1.0025+0.002*sin(1.25*3.14*t/30))",
    "translation_x": "0: (2*cos(2*3.14*t/60)), 120: (0)",
    "translation_z": "0: (1.75)",
    "rotation_3d_y": "0: (0), 60: (0.8), 120: (0)",
    "enable_perspective_flip": False,
    "noise_schedule": "0: (0.065)",
    "strength_schedule": "0: (0.65), 40: (0.5)",
    "contrast_schedule": "0: (1.0)",
    "cfg_scale_schedule": "0: (7), 100: (9)",
    "enable_steps_scheduling": False,
    "steps_schedule": "0: (99)",
    "fov_schedule": "0: (70)",
    "near_schedule": "0: (200)",
    "far_schedule": "0: (10000)",
    "seed_schedule": '0:(s), 1:(-1), "max_f-2":(-1), "max_f-1":(s)',
    "amount_schedule": "0: (0.1)",
    "color_coherence": "LAB",
    "diffusion_cadence": "4",
    "noise_type": "perlin",
    "perlin_octaves": 4,
    "use_depth_warping": True,
    "midas_weight": 0.2,
    "padding_mode": "border",
    "video_init_path": "https://example.com/video.mp4",
    "hybrid_motion": "None",
    "parseq_manifest": None,
    "cn_1_enabled": False,
    "fps": 15,
    "prompts": {
        "0": "tiny cute swamp bunny, highly detailed",
        "max_f/2": "anthropomorphic clean cat --neg frog",
    },
    "animation_prompts_positive": "sharp focus",
    "animation_prompts_negative": "nsfw",
}
NOTEBOOK = {
    "W": 512,
    "H": 512,
    "seed": -1,
    "sampler": "klms",
    "steps": 50,
    "scale": 11,
    "ddim_eta": 0.0,
    "n_batch": 1,
    "batch_name": "StableFun",
    "seed_behavior": "fixed",
    "use_init": True,
    "init_image": "start.png",
    "animation_mode": "2D",
    "max_frames": 1000,
    "border": "wrap",
    "angle": "0:(0)",
    "zoom": "0:(1.04)",
    "translation_x": "0:(10*sin(2*3.14*t/10))",
    "flip_2d_perspective": True,
    "perspective_flip_theta": "0:(0)",
    "perspective_flip_phi": "0:(t%15)",
    "noise_schedule": "0:(0.02)",
    "strength_schedule": "0:(0.65)",
    "contrast_schedule": "0:(1.0)",
    "color_coherence": "Match Frame 0 HSV",
    "diffusion_cadence": "1",
    "near_plane": 200,
    "far_plane": 10000,
    "fov": 40,
    "sampling_mode": "bicubic",
    "video_init_path": "/content/video_in.mp4",
    "extract_nth_frame": 1,
    "prompts": {"0": "a beautiful apple", "20": "a beautiful banana"},
}


def test_a_file_of_the_extension(tmp_path):
    path = tmp_path / "settings.txt"
    path.write_text(json.dumps(EXTENSION), encoding="utf-8-sig")
    settings = settings_from(read_settings(path))
    assert (settings.mode, settings.frames, settings.width, settings.height) == ("3D", 240, 768, 432)
    assert (settings.fps, settings.seed, settings.cadence) == (15, 1857777177, 4)
    assert (settings.seed_behavior, settings.seed_every, settings.coherence) == ("ladder", 2, "LAB")
    assert settings.image is None  # use_init is off
    assert settings.video is None  # 3D mode does not read it
    assert settings.schedules["strength"] == "0: (0.65), 40: (0.5)"  # not that of the first picture
    assert settings.schedules["steps"] == "21"  # their schedule is switched off
    assert settings.schedules["cfg"] == "0: (7), 100: (9)"
    assert settings.schedules["translation_y"] == DEFAULT_SCHEDULES["translation_y"]
    assert settings.prompts == {
        "0": "tiny cute swamp bunny, highly detailed, sharp focus --neg nsfw",
        "max_f/2": "anthropomorphic clean cat, sharp focus --neg frog, nsfw",
    }
    assert settings.unused == ("amount_schedule", "midas_weight", "perlin_octaves", "sampler")


def test_a_file_of_the_notebook(tmp_path):
    path = tmp_path / "settings.txt"
    path.write_text(json.dumps(NOTEBOOK))
    settings = settings_from(read_settings(path))
    assert (settings.mode, settings.frames, settings.border, settings.cadence) == ("2D", 1000, "wrap", 1)
    assert (settings.coherence, settings.seed, settings.flips) == ("HSV", -1, True)
    assert str(settings.image) == "start.png"
    assert settings.schedules["cfg"] == "11"
    assert settings.schedules["fov"] == "40"
    assert settings.schedules["steps"] == "50"
    assert settings.schedules["perspective_flip_phi"] == "0:(t%15)"
    assert settings.unused == ("ddim_eta", "sampler", "sampling_mode")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"animation_mode": "Interpolation"}, '"animation_mode" is "Interpolation".*2d, 3d, video input'),
        ({"use_mask": True}, r'switch on masks \("use_mask": true\).*set it to "false"'),
        ({"hybrid_motion": "Optical Flow"}, 'switch on hybrid video.*set it to "None"'),
        ({"parseq_manifest": "https://x"}, 'switch on Parseq.*set it to ""'),
        ({"cn_1_enabled": True}, "switch on ControlNet"),
        ({"color_coherence": "Pink"}, '"color_coherence" is "Pink".*lab, hsv, rgb'),
        ({"max_frames": "many"}, '"max_frames" is "many"'),
        ({"W": [1]}, r'"W" is \[1\]'),
        ({"prompts": "{oops"}, "prompts cannot be read"),
    ],
)
def test_what_cannot_be_done_is_a_sentence(change, message):
    with pytest.raises(GenerateError, match=message):
        settings_from(EXTENSION | change)


@pytest.mark.parametrize("content", ["{", "[1]", '{"lens": 3}'])
def test_other_files_are_refused(tmp_path, content):
    path = tmp_path / "x.txt"
    path.write_text(content)
    with pytest.raises(GenerateError, match="JSON text file that Deforum writes"):
        read_settings(path)
    with pytest.raises(GenerateError, match="No such file"):
        read_settings(tmp_path / "none.txt")
