"""The stage as a whole: drawn clips with known truth, resuming, shots, crashes, hopeless clips."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
from PIL import Image

from recon import cameras as cameras_stage
from recon import ladder, solver_process
from recon.attempts import Attempt
from recon.cameras import place_cameras
from recon.colmap_files import read_colmap
from recon.errors import CameraSolveError, FormatError
from recon.events import Event, Notice, StageFinished, StageProgress, StageStarted
from recon.scene import SceneFolder
from recon.truth import pose_error, read_truth
from recon.types import Shot
from tests.recon import textured_room


@pytest.fixture(scope="module")
def bent(tmp_path_factory: pytest.TempPathFactory) -> tuple[SceneFolder, Path, list[Event]]:
    """A clip through a lens that bends lines, solved; and its true cameras."""
    folder = tmp_path_factory.mktemp("bent")
    lens, poses = textured_room.lens(k1=-0.08), textured_room.arc(8)
    scene = textured_room.clip(folder / "scene", lens, poses)
    truth = textured_room.sidecar(folder / "clip.json", lens, poses)
    events: list[Event] = []
    place_cameras(scene, on_event=events.append)
    return scene, truth, events


def result_bytes(scene: SceneFolder) -> dict[str, bytes]:
    """Everything that a trainer reads."""
    files = [path for path in (scene.root / "chunks").rglob("*") if path.is_file()]
    return {str(path.relative_to(scene.root)): path.read_bytes() for path in files}


def test_finds_the_true_cameras(bent: tuple[SceneFolder, Path, list[Event]]) -> None:
    scene, truth, events = bent
    ((cameras, points),) = place_cameras(scene).values()
    assert len(cameras) == 8
    assert cameras.verdict == "good"
    assert len(points) > 300
    error = pose_error(cameras, read_truth(truth, scene.frames()))
    assert error["ate_percent"] is not None
    assert error["ate_percent"] < 0.5
    assert (error["rotation_deg"] or 0) < 0.3
    assert (error["focal_percent"] or 0) < 3
    assert cameras.distortion[0] == pytest.approx(-0.08, abs=0.02)
    finished = [event for event in events if isinstance(event, StageFinished)]
    assert finished[0].note.startswith("8 of 8 frames placed, ")
    assert finished[0].note.endswith(" parallax: good")
    assert any(isinstance(event, StageProgress) and event.note == "placing frames" for event in events)
    report = json.loads(scene.report_path.read_text())["shots"][0]
    assert report["placed"] == report["frames"] == 8
    assert report["attempts"][0]["name"] == "default"
    assert scene.info["world"]["0"]["scale"] > 0


def test_another_program_reads_the_chunk(bent: tuple[SceneFolder, Path, list[Event]]) -> None:
    """pycolmap projects the points where the chunk says they were seen."""
    import pycolmap

    scene = bent[0]
    folder = scene.chunk_folder(scene.chunks()[0])
    model = pycolmap.Reconstruction(str(folder / "sparse" / "0"))
    assert model.num_reg_images() == 8
    distances = [
        np.linalg.norm(
            model.images[seen.image_id].project_point(point.xyz)
            - model.images[seen.image_id].points2D[seen.point2D_idx].xy
        )
        for point in model.points3D.values()
        for seen in point.track.elements
    ]
    assert len(distances) > 1000
    assert np.mean(distances) < 1
    assert {camera.model_name for camera in model.cameras.values()} == {"PINHOLE"}
    for image in model.images.values():
        with Image.open(folder / "images" / image.name) as picture:
            assert picture.size == (320, 240)


def test_same_seed_same_bytes_and_nothing_done_twice(
    bent: tuple[SceneFolder, Path, list[Event]], tmp_path: Path
) -> None:
    scene = SceneFolder.open(bent[0].root)
    before = result_bytes(scene)
    events: list[Event] = []
    place_cameras(scene, on_event=events.append)
    assert events == [StageStarted("cameras", done_before=True)]
    place_cameras(scene, force=True)
    assert result_bytes(scene) == before


@pytest.mark.parametrize("note", ["placing frames", "writing chunks"])
def test_stopped_anywhere_the_next_run_gives_the_same(
    bent: tuple[SceneFolder, Path, list[Event]], note: str
) -> None:
    """Ctrl-C reaches the caller, no solver keeps running, and the same command ends where it would have."""
    scene = SceneFolder.open(bent[0].root)
    before = result_bytes(scene)

    def stop(event: Event) -> None:
        if isinstance(event, StageProgress) and event.note == note:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        place_cameras(scene, force=True, on_event=stop)
    assert "cameras" not in SceneFolder.open(scene.root).info["stages"]
    place_cameras(SceneFolder.open(scene.root))
    assert result_bytes(scene) == before
    assert not [path for path in scene.root.rglob(".*")]


def test_known_cameras_are_kept(tmp_path: Path) -> None:
    """The sidecar's poses come out as they went in, up to the similarity of the world."""
    lens, poses = textured_room.lens(), textured_room.arc(6)
    scene = textured_room.clip(tmp_path / "scene", lens, poses)
    truth = textured_room.sidecar(tmp_path / "clip.json", lens, poses)
    ((cameras, points),) = place_cameras(scene, cameras_file=truth).values()
    assert len(points) > 100
    error = pose_error(cameras, read_truth(truth, scene.frames()))
    assert max(value for name, value in error.items() if value and name != "cameras") < 1e-6
    assert np.allclose(cameras.world_from_camera[:, 1, 0], 0, atol=1e-9)  # level cameras stay level
    assert (np.ptp(points.rgb, axis=0) > 50).all()
    # The folder it has written is itself a file of known cameras.
    folder = scene.chunk_folder(scene.chunks()[0])
    for source in (folder, folder / "sparse", folder / "transforms.json"):
        again = pose_error(cameras, read_truth(source, scene.frames()))
        assert max(value for name, value in again.items() if value and name != "cameras") < 1e-6
    assert read_colmap(folder).names[0] == "00000.png"


def test_known_cameras_of_another_clip(tmp_path: Path) -> None:
    lens, poses = textured_room.lens(), textured_room.arc(6)
    scene = textured_room.clip(tmp_path / "scene", lens, poses)
    wrong = textured_room.arc(6)[::-1] + np.random.default_rng(0).normal(0, 0.3, (6, 4, 4)) * (
        np.arange(4) == 3
    )
    wrong[:, 3] = [0, 0, 0, 1]
    with pytest.raises(
        CameraSolveError, match=r"of the matched features agree with the cameras in .*clip\.json"
    ):
        place_cameras(scene, cameras_file=textured_room.sidecar(tmp_path / "clip.json", lens, wrong))
    with pytest.raises(FormatError, match="does not exist"):
        place_cameras(scene, cameras_file=tmp_path / "missing.json")


def test_a_shot_without_structure_is_left_out(tmp_path: Path) -> None:
    """Six drawn frames, then five grey ones: the first shot is kept, the second named."""
    pictures, lens = textured_room.textures(), textured_room.lens()
    images = [textured_room.draw(pose, lens, pictures) for pose in textured_room.arc(8)]
    images += [np.full((240, 320, 3), 128, np.uint8)] * 5
    scene = textured_room.folder_of(tmp_path / "scene", images, (Shot(0, 0, 8), Shot(1, 8, 5)))
    events: list[Event] = []
    placed = place_cameras(scene, on_event=events.append)
    assert list(placed) == [0]
    notices = [event.text for event in events if isinstance(event, Notice) and event.warning]
    assert notices[-1].startswith("shot 1 (frames 8 to 12) is left out: 0 of 5 frames placed")
    assert len(list((scene.root / "chunks/001/images").iterdir())) == 5
    assert not (scene.root / "chunks/001/transforms.json").exists()
    assert list(place_cameras(scene)) == [0]


@pytest.mark.parametrize(
    ("frames", "expected"), [(5, "0 of 5 frames placed; the clip needs"), (1, "1 frame")]
)
def test_a_grey_clip_gets_a_sentence(tmp_path: Path, frames: int, expected: str) -> None:
    scene = textured_room.folder_of(tmp_path / "scene", [np.full((90, 160, 3), 128, np.uint8)] * frames)
    with pytest.raises(CameraSolveError, match=expected) as caught:
        place_cameras(scene)
    assert "\n" not in str(caught.value)
    assert not scene.is_done("cameras", scene.info["stages"].get("cameras", {}).get("key", "?"))
    assert json.loads(scene.report_path.read_text())["shots"][0]["verdict"] == "failed"


@pytest.mark.parametrize("mapper", ["incremental", "global"])
def test_a_second_attempt_after_the_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mapper: Literal["incremental", "global"]
) -> None:
    """An attempt that finds nothing is reported, and the next one gets its turn."""
    hopeless = Attempt("hopeless", "asks too much", options={"mapper": {"init_min_num_inliers": 10**6}})
    locked = Attempt("locked", "true focal length", focal=300 / 320, focal_locked=True, mapper=mapper)
    monkeypatch.setattr(ladder, "attempts_for", lambda *swept: (hopeless, locked))
    scene = textured_room.clip(tmp_path / "scene", textured_room.lens(), textured_room.arc(6))
    events: list[Event] = []
    ((cameras, _),) = place_cameras(scene, on_event=events.append).values()
    assert Notice("trying again: true focal length") in events
    rows = json.loads(scene.report_path.read_text())["shots"][0]["attempts"]
    assert [(row["name"], row["placed"]) for row in rows] == [("hopeless", 0), ("locked", 6)]
    assert (cameras.verdict, cameras.reason) == ("unsure", ladder.GUESSED_FOCAL)


def test_a_native_crash_is_a_message(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scene = textured_room.folder_of(tmp_path / "scene", [np.full((90, 160, 3), 128, np.uint8)] * 3)
    abort = (sys.executable, "-c", "import os; os.abort()")
    monkeypatch.setattr(solver_process, "COMMAND", abort)
    with pytest.raises(CameraSolveError, match=r"solver stopped \(signal 6, SIGABRT\).*log\.txt"):
        place_cameras(scene)


def test_a_process_that_is_kept_solves_as_new_ones_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene = textured_room.clip(tmp_path / "scene", textured_room.lens(), textured_room.arc(8))
    started: list[Path] = []
    start = solver_process._start
    monkeypatch.setattr(solver_process, "_start", lambda log: started.append(log) or start(log))
    ((kept, _),) = place_cameras(scene).values()
    few = len(started)
    monkeypatch.setattr(cameras_stage, "kept_running", lambda work: contextlib.nullcontext())
    ((new, _),) = place_cameras(scene, force=True).values()
    assert few <= solver_process.PROCESSES < len(started) - few
    assert np.array_equal(kept.world_from_camera, new.world_from_camera)
    assert not solver_process._idle


def test_a_missing_frame_is_a_message(tmp_path: Path) -> None:
    scene = textured_room.folder_of(tmp_path / "scene", [np.full((90, 160, 3), 128, np.uint8)] * 3)
    (scene.frames_folder / "00001.png").unlink()
    with pytest.raises(
        CameraSolveError, match=r"1 frame\(s\) such as 00001\.png are missing .* --force frames"
    ) as caught:
        place_cameras(scene)
    assert "\n" not in str(caught.value)


def test_a_python_error_in_the_solver_is_a_message(tmp_path: Path) -> None:
    job = {"kind": "match"}
    with pytest.raises(CameraSolveError, match="the camera solver gave up on match: KeyError") as caught:
        solver_process.run_job(job, tmp_path, lambda *_: None)
    assert "\n" not in str(caught.value)


def test_opencv_and_pycolmap_live_together(tmp_path: Path) -> None:
    """The parent never imports pycolmap: after it, OpenCV aborts the interpreter when it writes a PNG."""
    textured_room.folder_of(tmp_path / "scene", [np.full((90, 160, 3), 128, np.uint8)] * 3)
    script = (
        "import sys; from pathlib import Path; from recon.scene import SceneFolder\n"
        "from recon.cameras import place_cameras; from recon.errors import CameraSolveError\n"
        f"scene = SceneFolder.open(Path({str(tmp_path / 'scene')!r}))\n"
        "try: place_cameras(scene)\n"
        "except CameraSolveError: pass\n"
        "assert 'pycolmap' not in sys.modules\n"
        "import cv2, numpy; assert cv2.imwrite(sys.argv[1], numpy.zeros((4, 4, 3), 'uint8'))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path / "x.png")],
        capture_output=True,
        cwd=Path(__file__).parents[2],
    )
    assert done.returncode == 0, done.stderr.decode()


def test_fox(shared_clips: Path, tmp_path: Path) -> None:
    """29 photographs of a fox against another program's solve."""
    images = [
        np.asarray(Image.open(path)) for path in sorted((shared_clips / "fox" / "frames").glob("*.jpg"))
    ]
    scene = textured_room.folder_of(tmp_path / "scene", images)
    ((cameras, _),) = place_cameras(scene).values()
    assert len(cameras) == 29
    assert cameras.verdict == "good"
    error = pose_error(cameras, read_truth(shared_clips / "fox" / "transforms.json", scene.frames()))
    assert (error["ate_percent"] or 0) < 0.3
    assert (error["rotation_deg"] or 0) < 0.5
    assert (error["focal_percent"] or 0) < 1.5
