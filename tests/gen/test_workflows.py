"""Every workflow from its request to a video and its sidecar, with tiny models."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pictures import moving, still
from PIL import Image

from gen.clips import read_clip
from gen.encode import write_mp4
from gen.errors import GenerateError
from gen.events import FrameRendered, ModelLoading, StepDone, VideoReused, VideoWritten
from gen.generate import generate
from gen.models.catalogue import CATALOGUE
from gen.poses.files import write_npz, write_openpose
from gen.poses.mannequin import perform
from gen.requests import (
    AnimateRequest,
    CameraRequest,
    ChainRequest,
    ConnectRequest,
    ExtendRequest,
    FirstLastRequest,
    ImageRequest,
    LoopRequest,
    PoseRequest,
    Request,
    RestyleRequest,
    StructureRequest,
    TextRequest,
    TravelRequest,
)
from gen.video_request import Memory, Sampling

CPU = Memory(device="cpu")
WORDS = "a red ball"


@dataclass(frozen=True)
class Inputs:
    """Files that requests name."""

    folder: Path

    def picture(self, seed: int) -> Path:
        path = self.folder / f"picture{seed}.png"
        Image.fromarray(still(64, 64, seed)).save(path)
        return path

    def video(self, seed: int, frames: int = 12) -> Path:
        path = self.folder / f"video{seed}.mp4"
        write_mp4(path, moving(frames, 64, 64, seed), width=64, height=64, fps=8)
        return path

    def openpose(self) -> Path:
        path = self.folder / "openpose"
        path.mkdir(exist_ok=True)
        write_openpose(perform("wave", frames=9, width=64, height=96).poses, path)
        return path

    def joints(self) -> Path:
        path = self.folder / "joints.npz"
        write_npz(perform("walk", frames=9, width=64, height=96).poses, path)
        return path


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Inputs:
    return Inputs(tmp_path_factory.mktemp("inputs"))


@dataclass(frozen=True)
class Workflow:
    """A request, the frames that come of it, and a request that has to look different."""

    kind: type
    model: str
    given: Callable[[Inputs], dict[str, Any]]
    frames: int
    other: Callable[[Inputs], dict[str, Any]]
    task: str
    needs: tuple[str, ...] = ()
    """Further models."""
    side: int = 32
    steps: int = 2
    more: dict[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.kind.__name__.removesuffix('Request').lower()}-{self.model}"

    def request(self, inputs: Inputs, out: Path, **changes: Any) -> Request:
        shared: dict[str, Any] = {"model": self.model, "width": self.side, "height": self.side, "memory": CPU}
        shared |= {"seed": 3, "sampling": Sampling(steps=self.steps), "out": out}
        return self.kind(**{**shared, **self.more, **self.given(inputs), **changes})


WORKFLOWS = (
    Workflow(
        *(TextRequest, "wan-2.1-1.3b", lambda of: {"prompt": WORDS, "frames": 9}, 9),
        *(lambda of: {"prompt": "two green houses"}, "text"),
    ),
    Workflow(
        *(ImageRequest, "svd-xt", lambda of: {"image": of.picture(0), "frames": 4}, 4),
        *(lambda of: {"motion": 20}, "image"),
    ),
    Workflow(
        *(ImageRequest, "wan-2.2-5b", lambda of: {"image": of.picture(0), "frames": 5}, 5),
        *(lambda of: {"image": of.picture(1)}, "image"),
    ),
    Workflow(
        *(ChainRequest, "svd-xt", lambda of: {"prompt": WORDS, "image_model": "sd-1.5", "frames": 4}, 4),
        *(lambda of: {"prompt": "two green houses"}, "image", ("sd-1.5",)),
    ),
    Workflow(
        FirstLastRequest,
        "wan-2.1-flf-14b",
        lambda of: {"first": of.picture(0), "last": of.picture(1), "frames": 9},
        *(9, lambda of: {"last": of.picture(2)}, "first_last"),
    ),
    Workflow(
        RestyleRequest,
        "animatediff",
        lambda of: {"video": of.video(0), "prompt": WORDS, "frames": 4},
        *(4, lambda of: {"strength": 0.3}, "restyle"),
        steps=4,
    ),
    Workflow(
        StructureRequest,
        "animatediff",
        lambda of: {"video": of.video(0), "kind": "edges", "prompt": WORDS, "frames": 4},
        *(4, lambda of: {"video": of.video(1)}, "edges"),
    ),
    Workflow(
        StructureRequest,
        "vace-1.3b",
        lambda of: {"video": of.video(0), "ready": True, "prompt": WORDS, "frames": 9},
        *(9, lambda of: {"style": of.picture(1)}, "depth"),
    ),
    Workflow(
        PoseRequest,
        "animatediff",
        lambda of: {"poses": of.openpose(), "prompt": WORDS, "frames": 4},
        *(4, lambda of: {"poses": of.joints()}, "pose"),
    ),
    Workflow(
        AnimateRequest,
        "wan-animate-14b",
        lambda of: {"image": of.picture(0), "driving": of.joints()},
        *(9, lambda of: {"face": of.video(1)}, "animate"),
    ),
    Workflow(
        AnimateRequest,
        "vace-1.3b",
        lambda of: {"image": of.picture(0), "driving": of.video(0), "kind": "segmentation", "frames": 9},
        *(9, lambda of: {"driving": of.video(1)}, "segmentation"),
    ),
    Workflow(
        ExtendRequest,
        "vace-1.3b",
        lambda of: {"video": of.video(0), "frames": 17},
        *(12 + 17 - 9, lambda of: {"direction": "backward"}, "fill"),
    ),
    Workflow(
        LoopRequest,
        "ltx-0.9.5",
        lambda of: {"video": of.video(0), "frames": 25},
        *(12 + 25 - 18, lambda of: {"prompt": WORDS}, "fill"),
    ),
    Workflow(
        ConnectRequest,
        "ltx-0.9.5",
        lambda of: {"before": of.video(0), "after": of.video(1), "frames": 25},
        *(2 * 12 + 25 - 18, lambda of: {"after": of.video(2)}, "fill"),
    ),
    Workflow(
        CameraRequest,
        "sana-wm",
        lambda of: {"prompt": WORDS, "image": of.picture(0), "frames": 9},
        *(9, lambda of: {"camera": "dolly-in"}, "camera"),
        side=64,
    ),
    Workflow(
        TravelRequest,
        "animatediff",
        lambda of: {"prompts": {0: WORDS, 5: "two green houses"}, "frames": 6},
        *(6, lambda of: {"camera": "zoom-in"}, "travel"),
    ),
)


def made_files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=str)
def test_a_workflow(tiny, inputs, tmp_path, workflow):
    spec = tiny.spec(workflow.model)
    for name in workflow.needs:
        tiny.spec(name)
    out, events = tmp_path / "clip.mp4", []
    request = workflow.request(inputs, out)
    video = generate(request, on_event=events.append)

    frames = read_clip(out).frames
    assert len(frames) == workflow.frames == video.frames
    assert frames.shape[1:3] == (workflow.side, workflow.side) == (video.height, video.width)
    kinds = [type(event) for event in events]
    assert {ModelLoading, StepDone, FrameRendered, VideoWritten} <= set(kinds)
    assert kinds[-1] is VideoWritten
    assert not [name for name in made_files(tmp_path) if name.startswith(".")]

    sidecar = json.loads((tmp_path / "clip.json").read_text(encoding="utf-8"))
    assert sidecar["workflow"] == workflow.kind.__name__.removesuffix("Request")
    assert sidecar["seed"] == 3
    model = sidecar["model"]
    assert (model["name"], model["repo"], model["licence"]) == (spec.name, spec.repo, spec.licence)
    assert model["pipeline"] == spec.pipelines[request.task]
    assert request.task == workflow.task
    assert "revision" in model
    assert sidecar["settings"]["sampling"]["steps"] == workflow.steps
    for name, value in workflow.given(inputs).items():
        if name not in ("prompt", "prompts"):
            assert sidecar["settings"][name] == (str(value) if isinstance(value, Path) else value)
    said = workflow.given(inputs)
    assert sidecar["prompt"] == (
        said.get("prompt") or {str(k): v for k, v in said.get("prompts", {}).items()} or ""
    )
    assert set(sidecar["versions"]) >= {"diffusers", "torch"}

    events.clear()
    again = generate(request, on_event=events.append)
    assert again.reused
    assert [type(event) for event in events] == [VideoReused]

    other = workflow.request(inputs, tmp_path / "other.mp4", **workflow.other(inputs))
    generate(other)
    changed = read_clip(tmp_path / "other.mp4").frames
    assert changed.shape != frames.shape or not np.array_equal(changed, frames)


def test_a_longer_video_holds_the_one_that_was_given(tiny, inputs, tmp_path):
    tiny.spec("vace-1.3b")
    shared = {
        "model": "vace-1.3b",
        "frames": 13,
        "width": 64,
        "height": 64,
        "memory": CPU,
        "keep": 9,
        "png": True,
    }
    given = read_clip(inputs.video(0)).frames
    for direction, where in (("forward", slice(0, 12)), ("backward", slice(4, 16))):
        out = tmp_path / f"{direction}.mp4"
        generate(
            ExtendRequest(
                video=inputs.video(0), direction=direction, out=out, sampling=Sampling(steps=1), **shared
            )
        )
        frames = read_clip(tmp_path / f"{direction}_frames").frames
        assert len(frames) == 16
        assert np.array_equal(frames[where], given)


def test_a_loop_leads_back_to_its_beginning(tiny, inputs, tmp_path):
    tiny.spec("ltx-0.9.5")
    out = tmp_path / "loop.mp4"
    request = LoopRequest(
        video=inputs.video(0),
        model="ltx-0.9.5",
        frames=25,
        width=64,
        height=64,
        out=out,
        png=True,
        memory=CPU,
    )
    generate(replace(request, sampling=Sampling(steps=1)))
    frames = read_clip(tmp_path / "loop_frames").frames
    assert np.array_equal(frames[:12], read_clip(inputs.video(0)).frames)
    assert len(frames) == 12 + 7


def test_cameras_of_the_sidecar_are_followed_again(tiny, inputs, tmp_path):
    tiny.spec("sana-wm")
    workflow = next(workflow for workflow in WORKFLOWS if workflow.kind is CameraRequest)
    first = generate(workflow.request(inputs, tmp_path / "first.mp4"))
    cameras = first.sidecar["cameras"]
    assert len(cameras["world_from_camera"]) == 9
    assert cameras["intended"]
    again = generate(workflow.request(inputs, tmp_path / "again.mp4", poses=first.sidecar_path))
    np.testing.assert_allclose(
        again.sidecar["cameras"]["world_from_camera"], cameras["world_from_camera"], atol=1e-6
    )
    assert np.array_equal(read_clip(again.path).frames, read_clip(first.path).frames)


def test_a_clip_has_one_path():
    with pytest.raises(GenerateError, match="a camera were asked for, but a clip has one path"):
        CameraRequest(prompt=WORDS, poses=Path("clip.json"), camera="orbit-left", out=Path("out.mp4"))


def test_a_video_for_reconstruction_goes_to_the_model_with_cameras(tiny, inputs, tmp_path):
    tiny.spec("sana-wm")
    shared = {"width": 64, "height": 64, "frames": 9, "sampling": Sampling(steps=1), "memory": CPU}
    request = ImageRequest(
        image=inputs.picture(0), prompt=WORDS, for_reconstruction=True, out=tmp_path / "clip.mp4", **shared
    )
    video = generate(request)
    assert video.sidecar["model"]["name"] == "sana-wm"
    assert video.sidecar["cameras"]["intended"]
    assert "static scene" in video.sidecar["caption"]
    assert "moving objects" in video.sidecar["negative_prompt"]


def test_a_caption_is_made_once_for_a_video_and_its_maker_named(tiny, inputs, tmp_path, monkeypatch):
    tiny.spec("sana-wm")
    answers = iter([("a ball of red wool", "apache-2.0"), ("another ball", "apache-2.0")])
    monkeypatch.setattr("gen.recaption._ask", lambda *question: next(answers))
    shared = {"width": 64, "height": 64, "frames": 9, "sampling": Sampling(steps=1), "memory": CPU}
    request = ImageRequest(
        image=inputs.picture(0),
        prompt=WORDS,
        recaption="some-model",
        for_reconstruction=True,
        out=tmp_path / "clip.mp4",
        **shared,
    )
    video = generate(request)
    assert video.sidecar["prompt"] == WORDS
    assert video.sidecar["caption"].startswith("a ball of red wool, static scene")
    assert video.sidecar["caption_by"] == {"model": "some-model", "licence": "apache-2.0"}
    assert generate(request).reused
    assert next(answers)[0] == "another ball"  # nobody asked for it


def test_everything_that_decides_the_frames_makes_another_request(tiny, inputs, tmp_path):
    tiny.spec("wan-2.1-1.3b")
    workflow, out = WORKFLOWS[0], tmp_path / "clip.mp4"
    hashes = set()
    for changes in (
        {},
        {"seed": 4},
        {"frames": 5},
        {"width": 48},
        {"sampling": Sampling(steps=1)},
        {"sampling": Sampling(steps=2, guidance=3.0)},
        {"sampling": Sampling(steps=2, negative="blur")},
        {"camera": "orbit-left"},
    ):
        video = generate(workflow.request(inputs, out, **changes))
        assert not video.reused
        hashes.add(video.sidecar["request_hash"])
    assert len(hashes) == 8
    assert "orbits to the left" in video.sidecar["caption"]
    # Where it runs and what is kept does not count.
    slow = replace(CPU, tiling=False)
    assert generate(workflow.request(inputs, out, camera="orbit-left", memory=slow)).reused


def test_the_guidance_of_a_second_expert_is_recorded_where_it_counted(tiny, inputs, tmp_path):
    tiny.spec("wan-2.2-a14b")
    workflow = replace(WORKFLOWS[0], model="wan-2.2-a14b")
    plain = generate(workflow.request(inputs, tmp_path / "plain.mp4"))
    asked = workflow.request(inputs, tmp_path / "asked.mp4", sampling=Sampling(steps=2, guidance=5.0))
    # Both experts follow a guidance that was asked for.
    used = [video.sidecar["settings"]["sampling"] for video in (plain, generate(asked))]
    assert [said["guidance"] for said in used] == [4.0, 5.0]
    assert [said.get("guidance_scale_2") for said in used] == [3.0, None]


def test_another_file_under_the_same_name_is_another_request(tiny, tmp_path):
    tiny.spec("wan-2.2-5b")
    own = Inputs(tmp_path)
    workflow = next(w for w in WORKFLOWS if str(w) == "image-wan-2.2-5b")
    request = workflow.request(own, tmp_path / "clip.mp4")
    generate(request)
    Image.fromarray(still(64, 64, seed=9)).save(tmp_path / "picture0.png")
    assert not generate(request).reused


@pytest.mark.parametrize("stopped_by", [KeyboardInterrupt, RuntimeError])
@pytest.mark.parametrize("during", [StepDone, FrameRendered])
def test_what_is_stopped_leaves_nothing_half_done(tiny, inputs, tmp_path, stopped_by, during):
    tiny.spec("wan-2.1-1.3b")

    def stop(event: object) -> None:
        if isinstance(event, during):
            raise stopped_by

    request = WORKFLOWS[0].request(inputs, tmp_path / "clip.mp4")
    with pytest.raises(stopped_by):
        generate(request, on_event=stop)
    assert made_files(tmp_path) == []
    generate(request)
    before = {name: (tmp_path / name).read_bytes() for name in made_files(tmp_path)}
    with pytest.raises(stopped_by):
        generate(replace(request, seed=8), on_event=stop)
    assert {name: (tmp_path / name).read_bytes() for name in made_files(tmp_path)} == before


def test_a_size_that_cannot_be_made_is_moved_and_said(tiny, inputs, tmp_path):
    tiny.spec("wan-2.1-1.3b")
    request = WORKFLOWS[0].request(inputs, tmp_path / "clip.mp4", width=40, frames=8)
    video = generate(request)
    assert (video.width, video.height, video.frames) == (32, 32, 9)
    notes = " ".join(video.sidecar["notes"])
    assert "32x32, not 40x32" in notes
    assert "9 frames are made, not 8" in notes


@pytest.mark.parametrize(
    ("request_of", "says"),
    [
        (lambda of: ImageRequest(image=of.picture(0), prompt=WORDS, model="svd-xt"), "takes no prompt"),
        (lambda of: ImageRequest(image=of.picture(0), model="wan-2.2-5b", motion=9), "takes no motion"),
        (
            lambda of: ImageRequest(image=of.picture(0), model="svd-xt", camera="orbit-left"),
            "follows neither",
        ),
        (lambda of: ImageRequest(image=of.picture(0), model="svd-xt", recaption="rules"), "takes no words"),
        (
            lambda of: ImageRequest(image=of.picture(0), model="wan-2.2-5b", recaption="rules"),
            "no prompt to make it of",
        ),
        (
            lambda of: ImageRequest(image=of.picture(0), for_reconstruction=True, model="sana-wm", motion=60),
            "sana-wm.*takes no motion",
        ),
        (
            lambda of: AnimateRequest(
                image=of.picture(0), driving=of.joints(), face=of.video(0), model="vace-1.3b"
            ),
            "takes no face video",
        ),
        (lambda of: TextRequest(prompt=WORDS, model="wan-2.1-1.3b", arc_degrees=30), "follows no angles"),
        (lambda of: TextRequest(prompt=WORDS, model="wan-2.1-1.3bb"), "did you mean"),
        (lambda of: RestyleRequest(video=of.video(0, 3), prompt=WORDS, model="wan-2.1-1.3b"), "3 frames"),
        (lambda of: ImageRequest(image=of.folder / "none.png", model="svd-xt"), "is not there"),
        (lambda of: TravelRequest(prompts={0: "a", 99: "b"}, model="animatediff", frames=8), "frame 99"),
        (
            lambda of: ConnectRequest(before=of.video(0), after=of.video(1), model="svd-xt"),
            "fill was asked for",
        ),
        (lambda of: ExtendRequest(video=of.video(0), model="vace-1.3b", keep=13), "keep 12"),
    ],
)
def test_what_cannot_be_done_is_said_and_leaves_nothing(tiny, tmp_path, request_of, says):
    for name in ("svd-xt", "wan-2.2-5b", "wan-2.1-1.3b", "vace-1.3b", "animatediff"):
        tiny.spec(name)
    (tmp_path / "inputs").mkdir()
    out = tmp_path / "out" / "clip.mp4"
    with pytest.raises(GenerateError, match=says):
        generate(replace(request_of(Inputs(tmp_path / "inputs")), out=out, memory=CPU))
    assert not out.parent.exists() or made_files(out.parent) == []


def test_every_workflow_is_tested():
    tested = {workflow.kind for workflow in WORKFLOWS}
    assert tested == set(Request.__args__)
    assert {workflow.model for workflow in WORKFLOWS} <= {spec.name for spec in CATALOGUE}
