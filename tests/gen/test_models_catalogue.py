"""What the catalogue says of models is so in diffusers, and what a job goes by reaches the pipelines."""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np
import pytest
from pictures import cameras, clip, moving, still

from gen.models.camera import CAMERA_WORDS
from gen.models.catalogue import CATALOGUE, RECONSTRUCTION_ORDER
from gen.models.job import Job
from gen.models.running import call_arguments
from gen.models.spec import ModelSpec, Task
from gen.timeline import Timeline, connect

TASKS = [(spec, task) for spec in CATALOGUE for task in spec.tasks]


def names(value: object) -> str:
    return value.name if isinstance(value, ModelSpec) else str(value)


def pipeline_class(spec: ModelSpec, task: Task) -> Any:
    diffusers = pytest.importorskip("diffusers")
    return getattr(diffusers, spec.pipelines[task])


def full_job(spec: ModelSpec, task: Task, **changes: Any) -> Job:
    """All that a task goes by."""
    frames = max(spec.rule.fit(25), 25) if task == "fill" else spec.rule.fit(9)
    first, last = {"image": still()}, {"last": still(seed=1)}
    control = {"control": moving(frames)}
    given: dict[Task, dict[str, Any]] = {
        "image": first,
        "first_last": {**first, **last},
        "restyle": {"video": moving(frames), "strength": 0.5},
        "animate": {**first, **control},
        "fill": {"timeline": transition(frames, 1)},
        "camera": {**first, "cameras": cameras("orbit-left", frames)},
        **dict.fromkeys(("depth", "edges", "pose", "segmentation"), control),
    }
    shared = {"task": task, "width": 32, "height": 32, "frames": frames, "fps": 8, "seed": 0}
    return Job(**{**shared, **given.get(task, {}), **changes})


def transition(frames: int, seed: int) -> Timeline | None:
    """None if the frames are too few for one."""
    return connect(clip(9), clip(9, seed=seed), total=frames, keep=9) if frames > 18 else None


def same(one: Any, other: Any) -> bool:
    """Are two arguments of a call the same?"""
    if isinstance(one, list):
        return len(one) == len(other) and all(map(same, one, other))
    if hasattr(one, "frame_index"):
        return same(list(vars(one).values()), list(vars(other).values()))
    if one is None or other is None:
        return one is other
    return np.array_equal(np.asarray(one), np.asarray(other))


@pytest.mark.parametrize(("spec", "task"), TASKS, ids=names)
def test_a_pipeline_takes_what_a_task_needs(spec, task):
    kind = pipeline_class(spec, task)
    takes = inspect.signature(kind.__call__).parameters
    arguments = call_arguments(spec, kind, full_job(spec, task))
    assert set(arguments) <= set(takes)
    needed = {name for name, value in takes.items() if value.default is inspect.Parameter.empty}
    assert needed - {"self", "kwargs"} <= set(arguments)
    assert not {"num_frames", "frames", "video_length"} & (set(takes) - set(arguments)), "its own length"
    for group in (spec.arguments, spec.more_guidance):
        assert set(group) <= set(takes)


@pytest.mark.parametrize(("spec", "task"), TASKS, ids=names)
def test_everything_a_task_goes_by_reaches_the_pipeline(spec, task):
    kind, job = pipeline_class(spec, task), full_job(spec, task)
    arguments = call_arguments(spec, kind, job)
    others: dict[str, Any] = {
        "image": still(seed=5),
        "last": still(seed=5),
        "video": moving(job.frames, seed=5),
        "strength": 0.7,
        "control": moving(job.frames, seed=5),
        "timeline": transition(job.frames, 5),
        "cameras": cameras("dolly-in", job.frames),
    }
    for what, value in others.items():
        if getattr(job, what) is None:
            continue
        changed = call_arguments(spec, kind, full_job(spec, task, **{what: value}))
        assert any(not same(arguments[name], changed.get(name)) for name in arguments), what


@pytest.mark.parametrize("spec", CATALOGUE, ids=names)
def test_numbers_that_a_model_was_made_for_are_numbers_it_can_make(spec):
    assert spec.rule.allows(spec.frames) or spec.frames == 1
    assert spec.size(spec.width, spec.height) == (spec.width, spec.height)


@pytest.mark.parametrize("spec", CATALOGUE, ids=names)
def test_what_a_model_needs_is_in_diffusers(spec):
    diffusers = pytest.importorskip("diffusers")
    for part in spec.parts:
        assert hasattr(diffusers, part.model_class)
        assert not set(part.tasks) - set(spec.tasks)
    for name in spec.folder_classes:
        assert hasattr(diffusers, name)
    if spec.scheduler:
        name, settings = spec.scheduler
        assert set(settings) <= set(inspect.signature(getattr(diffusers, name)).parameters)
    assert set(spec.camera_loras) <= set(CAMERA_WORDS)


def test_names_are_different_and_those_that_are_used_exist():
    known = [spec.name for spec in CATALOGUE]
    assert len(set(known)) == len(known)
    assert set(RECONSTRUCTION_ORDER) <= set(known)


def test_a_mask_keeps_what_a_timeline_keeps():
    spec = next(spec for spec in CATALOGUE if spec.name == "vace-1.3b")
    job = full_job(spec, "fill")
    assert job.timeline is not None
    arguments = call_arguments(spec, pipeline_class(spec, "fill"), job)
    for keep, frame, picture, mask in zip(
        job.timeline.keep, job.timeline.frames, arguments["video"], arguments["mask"], strict=True
    ):
        assert np.array_equal(np.asarray(picture), frame)
        assert (np.asarray(mask) == (0 if keep else 255)).all()


def test_guides_stand_at_their_frames():
    spec = next(spec for spec in CATALOGUE if spec.name == "ltx-0.9.5")
    job = full_job(spec, "fill")
    assert job.timeline is not None
    before, after = call_arguments(spec, pipeline_class(spec, "fill"), job)["conditions"]
    for guide, where in ((before, slice(0, 9)), (after, slice(job.frames - 9, job.frames))):
        assert guide.frame_index == where.start
        assert np.array_equal(np.stack([np.asarray(p) for p in guide.video]), job.timeline.frames[where])


def test_a_guidance_that_is_asked_for_holds_for_both_experts():
    spec = next(spec for spec in CATALOGUE if spec.name == "wan-2.2-a14b")
    kind = pipeline_class(spec, "text")
    own = call_arguments(spec, kind, full_job(spec, "text"))
    assert (own["guidance_scale"], own["guidance_scale_2"]) == (4.0, 3.0)
    asked = call_arguments(spec, kind, full_job(spec, "text", guidance=6.0))
    assert asked["guidance_scale"] == 6.0
    assert "guidance_scale_2" not in asked
