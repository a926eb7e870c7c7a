"""What cannot be done with a model is said in a sentence, and nothing that was asked for is dropped."""

from __future__ import annotations

import importlib.util
import json
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
from pictures import cameras, clip, moving, still

from gen.depth_model import load_depth_model
from gen.errors import GenerateError
from gen.events import Notice
from gen.models.find import find_model, models
from gen.models.image_to_image import image_to_image
from gen.models.job import Job
from gen.models.loading import libraries, load
from gen.models.running import run
from gen.models.spec import Lora
from gen.recaption import recaption
from gen.timeline import extend_forward
from gen.video_request import Memory

CPU = Memory(device="cpu")


def silent(event: object) -> None:
    """For runs whose events do not matter."""


def job(task, **given) -> Job:
    shared = {"task": task, "width": 32, "height": 32, "frames": 9, "fps": 8, "seed": 0, "steps": 2}
    return Job(**{**shared, **given})


def copied(tiny, name: str, target: Path) -> Path:
    return Path(shutil.copytree(tiny.folder(tiny.spec(name).repo), target))


def test_an_unknown_name_gets_the_nearest():
    with pytest.raises(GenerateError, match=r'no model "wan-2.1-1.3"(.|\n)*did you mean "wan-2.1-1.3b"'):
        find_model("wan-2.1-1.3", "text")


def test_a_model_that_cannot_do_it_names_those_that_can():
    with pytest.raises(GenerateError, match=r"does text, restyle, but camera(.|\n)*sana-wm"):
        find_model("wan-2.1-1.3b", "camera")


def test_weights_that_are_not_here(tiny):
    with pytest.raises(GenerateError, match="not on this machine: fetch it with `hf download genmo/mochi"):
        run(find_model("mochi", "text"), job("text"), CPU, silent)


def test_a_part_that_is_not_here(tiny, monkeypatch, tmp_path):
    monkeypatch.setenv("SPLATREEL_MODELS", str(tmp_path))
    copied(tiny, "sd-1.5", tmp_path / "stable-diffusion-v1-5")
    with pytest.raises(
        GenerateError, match=r"motion_adapter(.|\n)*hf download guoyww/animatediff-motion-adapter"
    ):
        run(find_model("animatediff", "text"), job("text"), CPU, silent)


def test_a_lora_that_is_not_here(tiny):
    lora = Lora("somebody/orbits", "orbit.safetensors", licence="MIT")
    with pytest.raises(GenerateError, match=r"hf download somebody/orbits` \(licence: MIT\)"):
        run(tiny.spec("animatediff"), job("text", frames=4, loras=(lora,)), CPU, silent)


def test_a_lora_of_another_model(tiny):
    tiny.spec("animatediff")
    lora = tiny.spec("cogvideox-5b-i2v").camera_loras["orbit-left"]
    with pytest.raises(GenerateError, match="made for another model"):
        run(tiny.spec("animatediff"), job("text", frames=4, loras=(lora,)), CPU, silent)
    zoom = tiny.spec("animatediff").camera_loras["zoom-in"]
    with pytest.raises(GenerateError, match="made for another model"):
        run(tiny.spec("wan-2.1-1.3b"), job("text", loras=(zoom,)), CPU, silent)


def test_another_pipeline_in_the_folder(tiny, monkeypatch, tmp_path):
    monkeypatch.setenv("SPLATREEL_MODELS", str(tmp_path))
    copied(tiny, "sd-1.5", tmp_path / "wan-2.1-1.3b")
    with pytest.raises(
        GenerateError, match=r"holds a StableDiffusionPipeline, but wan-2.1-1.3b is a WanPipeline"
    ):
        run(find_model("wan-2.1-1.3b", "text"), job("text"), CPU, silent)


def test_weights_that_are_no_safetensors(tiny, tmp_path):
    import torch

    folder = copied(tiny, "wan-2.1-1.3b", tmp_path / "pickled")
    weights = next((folder / "transformer").glob("*.safetensors"))
    weights.unlink()
    torch.save({}, folder / "transformer" / "diffusion_pytorch_model.bin")
    with pytest.raises(GenerateError, match=r"could not be loaded(.|\n)*safetensors"):
        run(find_model(str(folder), "text"), job("text"), CPU, silent)


def test_a_folder_that_holds_no_pipeline(tmp_path):
    with pytest.raises(GenerateError, match=r"has no model_index.json"):
        find_model(str(tmp_path), "text")
    with pytest.raises(GenerateError, match="is not there"):
        find_model(str(tmp_path / "missing"), "text")


def test_a_local_folder_does_what_its_class_does(tiny, tmp_path):
    folder = copied(tiny, "sd-1.5", tmp_path / "my-finetune")
    assert find_model(str(folder), "redraw").pipelines["redraw"] == "StableDiffusionImg2ImgPipeline"
    assert find_model(str(folder), "travel").pipelines["travel"] == "AnimateDiffPipeline"
    tiny.spec("animatediff")
    mine = run(find_model(str(folder), "text"), job("text", frames=4), CPU, silent).frames
    assert np.array_equal(mine, run(tiny.spec("animatediff"), job("text", frames=4), CPU, silent).frames)
    first_last = copied(tiny, "wan-2.1-flf-14b", tmp_path / "first-last")
    assert set(find_model(str(first_last), "first_last").pipelines.values()) == {"WanImageToVideoPipeline"}


def test_a_model_counts_as_here_only_with_its_parts(tiny, monkeypatch, tmp_path):
    monkeypatch.setenv("SPLATREEL_MODELS", str(tmp_path))
    shutil.copytree(
        tiny.folder("stable-diffusion-v1-5/stable-diffusion-v1-5"), tmp_path / "stable-diffusion-v1-5"
    )
    assert find_model(None, "restyle").name == "wan-2.1-1.3b"
    adapter = "animatediff-motion-adapter-v1-5-2"
    shutil.copytree(tiny.folder(f"guoyww/{adapter}"), tmp_path / adapter)
    assert find_model(None, "restyle").name == "animatediff"
    here = {row.name for row in models() if row.here is not None}
    assert "sd-1.5" in here
    assert "wan-2.1-1.3b" not in here


@pytest.mark.parametrize(
    ("model", "asked", "ignored"),
    [
        ("svd-xt", job("image", image=still(), prompt="a ball"), "prompt"),
        ("svd-xt", job("image", image=still(), negative="blur"), "negative prompt"),
        ("wan-2.1-1.3b", job("text", motion=20), "motion bucket id"),
        (
            "wan-2.2-5b",
            job("image", image=still(), last=still(seed=1), control_scale=1),
            "conditioning scale",
        ),
        ("wan-2.1-1.3b", job("text", cameras=cameras("static", 9)), "c2w"),
        ("animatediff", job("depth", control=moving(9), reference=still()), "reference images"),
        ("vace-1.3b", job("pose", control=moving(9), image=still(), last=still()), "last image"),
        ("cogvideox-2b", job("restyle", video=moving(9), strength=1, image=still()), "image"),
    ],
)
def test_what_a_pipeline_does_not_take_is_not_dropped(tiny, model, asked, ignored):
    with pytest.raises(GenerateError, match=f"takes no {ignored} .*would be ignored"):
        run(tiny.spec(model), asked, CPU, silent)


def test_more_frames_than_sparse_control_can_make(tiny):
    with pytest.raises(GenerateError, match="at most 32 for image"):
        run(tiny.spec("animatediff-v3"), job("image", image=still(), frames=33), CPU, silent)


def test_a_strength_that_changes_nothing(tiny):
    with pytest.raises(
        GenerateError, match=r"2 steps with a strength of 0.3 change nothing: ask for at least 4"
    ):
        run(tiny.spec("wan-2.1-1.3b"), job("restyle", video=moving(9), strength=0.3), CPU, silent)


def test_kept_frames_that_fill_no_latent_frames(tiny):
    timeline = extend_forward(clip(12), total=25, keep=12)
    with pytest.raises(
        GenerateError, match=r"12 frames are to be kept, but this model is guided by 8k.1: keep 9"
    ):
        run(tiny.spec("ltx-0.9.5"), job("fill", frames=25, timeline=timeline), CPU, silent)


def test_a_size_that_a_model_cannot_make(tiny):
    with pytest.raises(GenerateError, match=r"does not accept this(.|\n)*divisible by 16"):
        run(tiny.spec("wan-2.1-1.3b"), job("text", width=40), CPU, silent)


def test_numbers_that_are_none(tiny, tmp_path):
    from safetensors.torch import load_file, save_file

    folder = copied(tiny, "ltx-0.9.5", tmp_path / "broken")
    file = folder / "vae" / "diffusion_pytorch_model.safetensors"
    weights = load_file(file)
    name = next(name for name in weights if name.startswith("decoder") and name.endswith("bias"))
    save_file({**weights, name: weights[name] * float("nan")}, file)
    with pytest.raises(GenerateError, match="gave no numbers"):
        run(find_model(str(folder), "text"), job("text"), CPU, silent)


def test_a_package_that_is_not_here(tiny, monkeypatch):
    from diffusers.pipelines.wan import pipeline_wan_vace

    monkeypatch.delattr(pipeline_wan_vace, "ftfy")
    with pytest.raises(GenerateError, match=r"needs the package ftfy(.|\n)*pip install ftfy"):
        run(tiny.spec("vace-1.3b"), job("text"), CPU, silent)


def test_a_gpu_that_is_not_here(tiny):
    import torch

    if torch.cuda.is_available():
        pytest.skip("there is a GPU")
    with pytest.raises(GenerateError, match="device is cuda, but PyTorch finds none"):
        load(tiny.spec("wan-2.1-1.3b"), "text", Memory(device="cuda"), silent)
    events = []
    load(tiny.spec("wan-2.1-1.3b"), "text", Memory(offload="group"), events.append)
    told = " ".join(event.text for event in events if isinstance(event, Notice))
    assert "no GPU, so the model runs on the CPU" in told
    assert "offloading (group) changes nothing" in told


def test_too_little_memory(tiny, monkeypatch):
    monkeypatch.setattr("gen.models.loading.free_memory", lambda device: 1e4)
    with pytest.raises(GenerateError, match=r"needs about .* GB of memory, but 0.0 GB are free"):
        load(tiny.spec("wan-2.1-1.3b"), "text", CPU, silent)


@pytest.mark.parametrize(("quantise", "package"), [("nf4", "bitsandbytes"), ("int8", "torchao")])
def test_a_package_for_quantising_that_is_not_here(tiny, quantise, package):
    if importlib.util.find_spec(package) is not None:
        pytest.skip(f"{package} is installed")
    with pytest.raises(GenerateError, match=f"pip install {package}"):
        load(tiny.spec("wan-2.1-1.3b"), "text", Memory(device="cpu", quantise=quantise), silent)


def test_a_gguf_file(tiny, tmp_path):
    spec, file = tiny.spec("wan-2.1-1.3b"), tmp_path / "wan.gguf"
    with pytest.raises(GenerateError, match="is not there"):
        load(spec, "text", Memory(device="cpu", gguf=file), silent)
    file.write_bytes(b"no weights")
    with pytest.raises(GenerateError, match="quantised already"):
        load(spec, "text", Memory(device="cpu", gguf=file, quantise="nf4"), silent)
    here = importlib.util.find_spec("gguf") is not None
    with pytest.raises(GenerateError, match="could not be read as a Wan" if here else "pip install gguf"):
        load(spec, "text", Memory(device="cpu", gguf=file), silent)


def test_redrawing(tiny):
    tiny.spec("sd-1.5")
    redraw = image_to_image("sd-1.5", CPU)
    frame = still()
    drawn = redraw(frame, "a red ball", "blur", 0.6, 4, 5.0, 3)
    assert drawn.shape == frame.shape
    assert np.array_equal(drawn, redraw(frame, "a red ball", "blur", 0.6, 4, 5.0, 3))
    for other in (
        redraw(still(seed=1), "a red ball", "blur", 0.6, 4, 5.0, 3),
        redraw(frame, "two houses", "blur", 0.6, 4, 5.0, 3),
        redraw(frame, "a red ball", "red", 0.6, 4, 5.0, 3),
        redraw(frame, "a red ball", "blur", 0.9, 4, 5.0, 3),
        redraw(frame, "a red ball", "blur", 0.6, 4, 2.0, 3),
        redraw(frame, "a red ball", "blur", 0.6, 4, 5.0, 4),
    ):
        assert not np.array_equal(other, drawn)
    assert np.array_equal(redraw(frame, "a red ball", "", 0.0, 4, 5.0, 3), frame)
    assert redraw(frame, "a red ball", "", 1 / 49, 4, 5.0, 3).shape == frame.shape  # 49 * (1 / 49) < 1
    with pytest.raises(GenerateError, match="multiples of 8"):
        redraw(still(36, 36)[:35, :35], "a red ball", "", 0.6, 4, 5.0, 3)


def test_a_folder_of_an_unknown_pipeline(tiny, tmp_path):
    (tmp_path / "model_index.json").write_text(json.dumps({"_class_name": "TomorrowPipeline"}))
    with pytest.raises(GenerateError, match=r"holds a TomorrowPipeline, which diffusers .* does not have"):
        find_model(str(tmp_path), "text")
    (tmp_path / "model_index.json").write_text(json.dumps({"_class_name": "LTXImageToVideoPipeline"}))
    assert find_model(str(tmp_path), "image").pipelines == {"image": "LTXImageToVideoPipeline"}


@pytest.mark.parametrize(
    "needs_packages", [libraries, lambda: load_depth_model("any"), lambda: recaption("a ball", "any")]
)
def test_packages_that_are_missing_are_installed_from_a_checkout(needs_packages, monkeypatch):
    """The package is in no index."""
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(GenerateError, match=r"transformers, which is not installed: .*'\.\[gen\]'"):
        needs_packages()
