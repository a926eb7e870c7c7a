"""The `splatreel` command as a user types it, in processes of its own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from gen.commands import WORKFLOWS
from recon.splat_ply import read_splat_ply

ROOT = Path(__file__).parents[2]
QUICK = ("--preset", "preview", "--long-side", "240", "--steps", "200", "--budget", "6000")


def splatreel(
    *arguments: object, cwd: Path = ROOT, env: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(ROOT / "splatreel.py"), *map(str, arguments)]
    environment = {**os.environ, **(env or {})}
    return subprocess.run(command, capture_output=True, text=True, cwd=cwd, env=environment, timeout=400)


def test_help_into_a_pipe_that_closes_says_nothing():
    """`splatreel reconstruct --help | head`."""
    command = [sys.executable, "-u", str(ROOT / "splatreel.py"), "reconstruct", "--help"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout
        assert process.stderr
        process.stdout.close()
        assert process.stderr.read() == ""
    assert process.returncode == 141


@pytest.fixture(scope="module")
def clip(tmp_path_factory) -> Path:
    """A generated clip of one chunk."""
    path = tmp_path_factory.mktemp("clip") / "boxes.mp4"
    done = splatreel(
        *("generate", "a big wooden box, a red ball and a rock in the desert", "--out", path),
        *("--width", 320, "--height", 180),
    )
    assert done.returncode == 0, done.stderr
    assert "words used:" in done.stdout
    return path


@pytest.fixture(scope="module")
def scene(clip: Path, tmp_path_factory) -> Path:
    """The clip, reconstructed without a break."""
    path = tmp_path_factory.mktemp("straight") / "scene"
    done = splatreel("reconstruct", clip, "--out", path, *QUICK)
    assert done.returncode == 0, done.stderr + done.stdout
    assert f"splatreel view {path}" in done.stdout
    return path


def test_help_is_instant_and_light() -> None:
    """No stage's libraries are loaded to say what the commands are."""
    check = "import splatreel, sys; print([m for m in ('torch', 'numpy', 'cv2', 'av') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, cwd=ROOT, check=True)
    assert done.stdout.strip() == "[]"
    listing = splatreel("--help").stdout
    for name in ("make", "generate", "split", "reconstruct", "evaluate", "view", "export"):
        assert name in listing
    assert "splatreel reconstruct clip.mp4" in splatreel("reconstruct", "--help").stdout
    workflows = splatreel("generate", "--help").stdout
    for name in WORKFLOWS:
        assert name in workflows
        assert f"splatreel generate {name}" in splatreel("generate", name, "--help").stdout


def test_models_are_listed_with_what_is_here(tmp_path: Path) -> None:
    folder = tmp_path / "wan-2.1-1.3b"
    folder.mkdir()
    (folder / "model_index.json").write_text("{}")
    table = splatreel("models", env={"SPLATREEL_MODELS": str(tmp_path), "COLUMNS": "200"}).stdout
    here = {
        line.split("│")[1].strip(): line.split("│")[5].strip() for line in table.splitlines() if "│" in line
    }
    assert here["wan-2.1-1.3b"] == "yes"
    assert here["vace-1.3b"] == "no"
    assert "hf download" in table


def test_scene_folder_is_complete(scene: Path) -> None:
    """Everything the design promises is there, the numbers are good, and pycolmap reads the chunk."""
    metrics = json.loads((scene / "metrics.json").read_text())
    assert (metrics["frames"], metrics["placed"], metrics["verdict"]) == (29, 29, "good")
    assert metrics["heldout"]["psnr"] > 20
    assert metrics["truth"]["ate_percent"] < 2  # 320x180 is small for this; the demo has the real bar
    assert set(metrics["seconds"]) == {"frames", "cameras", "train", "total"}
    for name in (
        "scene.json",
        "scene.ply",
        "cameras/report.json",
        "shots/000/orbit.mp4",
        "shots/000/train.jsonl",
    ):
        assert (scene / name).stat().st_size > 0, name
    assert len(list((scene / "shots/000/renders").glob("*.png"))) == 3
    chunk = scene / "chunks/000"
    assert len(list((chunk / "images").iterdir())) == 29
    transforms = json.loads((chunk / "transforms.json").read_text())
    assert len(transforms["frames"]) == 29
    assert len(read_splat_ply(chunk / "splat.ply")) == metrics["gaussians"]
    read = "import pycolmap, sys; r = pycolmap.Reconstruction(sys.argv[1]); "
    read += "print(r.num_reg_images(), len(r.points3D))"
    out = subprocess.run(
        [sys.executable, "-c", read, str(chunk / "sparse/0")], capture_output=True, text=True, check=True
    )
    images, points = map(int, out.stdout.split())
    assert images == 29
    assert points > 100


def test_running_again_does_nothing(scene: Path, clip: Path) -> None:
    """And says so."""
    before = (scene / "scene.ply").stat().st_mtime_ns
    done = splatreel("reconstruct", clip, "--out", scene, *QUICK)
    assert done.returncode == 0
    assert done.stdout.count("done before") == 3
    assert (scene / "scene.ply").stat().st_mtime_ns == before


@pytest.mark.parametrize("moment", ["frames", "cameras", "train"])
def test_killed_and_started_again_gives_the_same_scene(
    scene: Path, clip: Path, tmp_path: Path, moment: str
) -> None:
    """SIGKILL in any stage, then the same command: byte for byte the scene of an unbroken run."""
    out = tmp_path / "scene"
    command = [
        sys.executable,
        str(ROOT / "splatreel.py"),
        "reconstruct",
        str(clip),
        "--out",
        str(out),
        *QUICK,
    ]
    signs = {
        "frames": lambda: (out / "scene.json").exists(),
        "cameras": lambda: bool(list(out.glob("cameras/*.db"))),
        "train": lambda: (
            (out / "shots/000/train.jsonl").exists() and (out / "shots/000/train.jsonl").stat().st_size > 2000
        ),
    }
    with (tmp_path / "log").open("w") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
        deadline = time.monotonic() + 120
        while not signs[moment]() and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.02)
        assert process.poll() is None, (tmp_path / "log").read_text()
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    done = splatreel("reconstruct", clip, "--out", out, *QUICK)
    assert done.returncode == 0, done.stderr + done.stdout
    assert (out / "scene.ply").read_bytes() == (scene / "scene.ply").read_bytes()


def test_export(scene: Path, tmp_path: Path) -> None:
    """One file of each kind; .ply is the scene's."""
    for name in ("a.ply", "a.spz", "a.html"):
        done = splatreel("export", scene, tmp_path / name)
        assert done.returncode == 0, done.stderr
        assert "MB" in done.stdout
    assert (tmp_path / "a.ply").read_bytes() == (scene / "scene.ply").read_bytes()
    assert (tmp_path / "a.spz").stat().st_size < 0.3 * (tmp_path / "a.ply").stat().st_size


def test_scripts_run(clip: Path, tmp_path: Path) -> None:
    """The examples a user copies; the one that needs a video model says so."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}

    def script(name: str, *arguments: object) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, str(ROOT / "scripts" / name), *map(str, arguments)]
        return subprocess.run(command, capture_output=True, text=True, env=environment, timeout=400)

    for path in (ROOT / "scripts").glob("*_to_scene.py"):
        assert len(path.read_text().splitlines()) < 40, path.name
        assert script(path.name, "--help").returncode == 0
    done = script("image_to_scene.py", tmp_path / "photo.jpg", "--out", tmp_path / "scene")
    assert done.returncode == 1
    assert "photo.jpg" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("make",), "found none of them, expected one of PROMPT, --image or --video"),
        (("make", "a house", "--video", "x.mp4"), "found PROMPT and --video, expected one"),
        (("make", "--image", "photo.jpg"), '"photo.jpg" is not there'),
        (("generate", "imag", "photo.jpg"), 'did you mean "image"'),
        (("generate", "image", "photo.jpg", "--model", "svd-x"), 'did you mean "svd-xt"'),
        (("generate", "a house", "--out", "{tmp}/a.mp4", "--steps", "9"), "composer takes no steps"),
        (("generate", "qwertz asdf", "--out", "{tmp}/a.mp4"), "qwertz"),
        (("generate", "a house", "--out", "{tmp}/a.avi"), "must end in .mp4"),
        (("reconstruct", "{tmp}/none.mp4"), "none.mp4 is not there"),
        (("reconstruct", "{tmp}/holiday", "--out", "{tmp}/s"), "has no images"),
        (("reconstruct", "{clip}", "--out", "{tmp}/holiday"), "holds 1 other file"),
        (
            ("reconstruct", "{clip}", "--out", "{tmp}/s", "--budget", "3"),
            "budget is 3, expected at least 100",
        ),
        (("evaluate", "{tmp}/holiday"), "expected a splatreel scene"),
        (("view", "{tmp}/nowhere"), "nowhere"),
        (("export", "{scene}", "{tmp}/a.docx"), "expected .html, .spz, .splatv or .ply"),
    ],
)
def test_mistakes_get_a_sentence(
    clip: Path, scene: Path, tmp_path: Path, arguments: tuple[str, ...], sentence: str
) -> None:
    """One line on stderr, a non-zero exit code, no traceback, and nothing of the user's touched."""
    (tmp_path / "holiday").mkdir()
    (tmp_path / "holiday/beach.txt").write_text("sun")
    filled = [a.format(tmp=tmp_path, clip=clip, scene=scene) for a in arguments]
    done = splatreel(*filled, cwd=tmp_path)
    assert done.returncode == 1
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert [p.name for p in (tmp_path / "holiday").iterdir()] == ["beach.txt"]


def test_grey_clip_is_refused_with_advice(tmp_path: Path) -> None:
    """Cameras cannot be found, and the sentence says what to film instead."""
    import numpy as np

    from tests.recon.clips import write_clip

    grey = [np.full((120, 160, 3), 90 + 2 * i, np.uint8) for i in range(12)]
    done = splatreel("reconstruct", write_clip(tmp_path / "grey.mp4", grey), "--out", tmp_path / "scene")
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert "texture" in done.stderr
