"""Learned solvers as plug-ins: loading, conventions, and one line when something is missing.

The models are small ones with random weights, saved as published ones are. What is tested is our side:
what goes in, and that what comes back has the shapes, units and axes that the interfaces promise.
"""

from __future__ import annotations

import importlib.util
import json
import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from recon import plugins
from recon.errors import CameraSolveError, ReconError
from recon.events import Event, Notice, ignore
from recon.judge import ENOUGH_EXPLAINED
from recon.known_cameras import solve_with
from recon.plugins import (
    CameraGuess,
    CoTracker3,
    DepthAnything2,
    DepthAnything3,
    MovingThings,
    PluginError,
    learned_cameras,
)
from recon.plugins import cameras as cameras_plugin
from recon.plugins.masks import may_move
from recon.plugins.pictures import network_size, to_network
from recon.plugins.weights import find_weights
from recon.types import Shot
from tests.recon import textured_room


def have(*names: str) -> bool:
    return all(importlib.util.find_spec(name) for name in names)


needs_transformers = pytest.mark.skipif(not have("transformers"), reason="transformers is not installed")
needs_da3 = pytest.mark.skipif(
    not have("depth_anything_3", "addict", "omegaconf", "einops", "safetensors"),
    reason="depth-anything-3 is not installed",
)
LENS, POSES = textured_room.lens(), textured_room.arc(6)


@pytest.fixture(scope="module")
def frames() -> np.ndarray:
    """[6, 240, 320, 3] uint8."""
    pictures = textured_room.textures()
    return np.stack([textured_room.draw(pose, LENS, pictures) for pose in POSES])


# -- models made up here ---------------------------------------------------------------------


def depth_anything(folder: Path, kind: str) -> Path:
    import transformers  # pyright: ignore[reportMissingImports]

    torch.manual_seed(0)
    backbone = transformers.Dinov2Config(
        hidden_size=32,
        num_hidden_layers=4,
        num_attention_heads=2,
        mlp_ratio=2,
        image_size=56,
        patch_size=14,
        out_indices=[1, 2, 3, 4],
        reshape_hidden_states=False,
        apply_layernorm=True,
    )
    config = transformers.DepthAnythingConfig(
        backbone_config=backbone,
        reassemble_hidden_size=32,
        neck_hidden_sizes=[8, 8, 16, 16],
        fusion_hidden_size=16,
        head_hidden_size=8,
        depth_estimation_type=kind,
        max_depth=20,
    )
    transformers.DepthAnythingForDepthEstimation(config).save_pretrained(folder)
    return folder


def segmenter(folder: Path, labels: dict[int, str], winner: int) -> Path:
    """An EoMT that finds things of class `winner` everywhere."""
    import transformers  # pyright: ignore[reportMissingImports]

    torch.manual_seed(0)
    config = transformers.EomtConfig(
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        image_size=64,
        patch_size=16,
        num_blocks=1,
        num_queries=1,
        id2label=labels,
        label2id={name: i for i, name in labels.items()},
    )
    network = transformers.EomtForUniversalSegmentation(config)
    with torch.no_grad():
        network.class_predictor.bias[winner] += 20
    network.save_pretrained(folder)
    size = {"shortest_edge": 64, "longest_edge": 64}
    transformers.EomtImageProcessorPil(size=size, do_pad=True).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def da3(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from depth_anything_3.cfg import create_object, load_config  # pyright: ignore[reportMissingImports]
    from depth_anything_3.registry import MODEL_REGISTRY  # pyright: ignore[reportMissingImports]
    from safetensors.torch import save_model

    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("da3")
    holder = torch.nn.Module()
    holder.model = create_object(load_config(MODEL_REGISTRY["da3-small"]))
    save_model(holder, str(folder / "model.safetensors"))
    (folder / "config.json").write_text(json.dumps({"model_name": "da3-small"}))
    (folder / "README.md").write_text("---\nlicense: apache-2.0\n---\n# A model card\n")
    return folder


# -- what comes back -------------------------------------------------------------------------


@needs_transformers
def test_depth_of_single_frames(tmp_path: Path, frames: np.ndarray) -> None:
    events: list[Event] = []
    solver = DepthAnything2(
        depth_anything(tmp_path, "relative"), long_side=70, device="cpu", on_event=events.append
    )
    found = solver.depth(frames[:2])
    assert found.inverse_depth.shape == (2, 240, 320)
    assert found.inverse_depth.dtype == np.float32
    assert (found.scale, found.confidence) == ("frame", None)
    words = f"depth: {tmp_path} (revision local folder, licence: unknown, see its model card)"
    assert events == [Notice(words)]


@needs_transformers
def test_depth_in_metres_is_inverted(tmp_path: Path, frames: np.ndarray) -> None:
    found = DepthAnything2(depth_anything(tmp_path, "metric"), long_side=70, device="cpu").depth(frames[:1])
    assert found.scale == "metres"
    assert found.inverse_depth.min() >= 1 / 20 - 1e-4  # the made-up model sees up to 20 m


@needs_transformers
def test_masks_of_what_may_move(tmp_path: Path, frames: np.ndarray) -> None:
    labels = {0: "person", 1: "wall", 2: "person, individual"}
    for winner, name in ((0, "person"), (1, None)):
        folder = segmenter(tmp_path / labels[winner], labels, winner)
        found = MovingThings(folder, device="cpu").masks(frames[:2])
        assert found.inside.shape == (2, 240, 320)
        assert found.labels == ((name,) if name else (),) * 2
        assert found.inside.any() == (name is not None)
    with pytest.raises(PluginError, match=r"knows 2 classes \(wall, floor, …\), expected some that move"):
        MovingThings(segmenter(tmp_path / "still", {0: "wall", 1: "floor"}, 0), device="cpu")


@needs_transformers
def test_another_kind_of_model(tmp_path: Path) -> None:
    folder = segmenter(tmp_path, {0: "person", 1: "wall"}, 0)
    with pytest.raises(PluginError, match="is a model of kind 'eomt', expected 'depth_anything'"):
        DepthAnything2(folder)


@needs_da3
def test_cameras_and_depth_of_a_clip(da3: Path, frames: np.ndarray) -> None:
    events: list[Event] = []
    solver = DepthAnything3(da3, long_side=70, device="cpu", on_event=events.append)
    assert events == [Notice(f"cameras: {da3} (revision local folder, licence: apache-2.0)")]
    found = solver.cameras(frames[:4])
    assert found.world_from_camera.shape == (4, 4, 4)  # CameraGuess checks that they are rigid
    assert np.allclose(found.K[:, :2, 2], [160, 120])  # in pixels of the source
    assert (found.K[:, [0, 1], [0, 1]] > 0).all()
    depth = solver.depth(frames[:4])
    assert depth.inverse_depth.shape == (4, 240, 320)
    assert depth.scale == "scene"
    assert depth.confidence is not None
    assert 0 <= depth.confidence.min() <= depth.confidence.max() <= 1


@needs_da3
def test_a_damaged_model_is_one_line(da3: Path, tmp_path: Path) -> None:
    with pytest.raises(PluginError, match=r"cannot be loaded \(FileNotFoundError: .*hf download") as caught:
        DepthAnything3(tmp_path)
    assert "\n" not in str(caught.value)
    (tmp_path / "config.json").write_text(json.dumps({"model_name": "da3mono-large"}))
    with pytest.raises(PluginError, match="is no network that gives cameras"):
        DepthAnything3(tmp_path)
    (tmp_path / "config.json").write_text(json.dumps({"model_name": "da3-base"}))
    (tmp_path / "model.safetensors").symlink_to(da3 / "model.safetensors")
    with pytest.raises(
        PluginError, match=r"cannot be loaded \(RuntimeError: Error\(s\) in loading"
    ) as caught:
        DepthAnything3(tmp_path)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 500


class _Exact:
    """Stands in for a network: answers in Depth Anything 3's conventions, and is right."""

    def __call__(self, images: torch.Tensor) -> dict[str, torch.Tensor]:
        height, width = images.shape[-2:]
        # Any similarity of the world is as good: turned, moved, scaled.
        poses = textured_room.arc(5)[2] @ POSES
        poses[:, :3, 3] *= 3.0
        camera_from_world = torch.from_numpy(np.linalg.inv(poses)[None, :, :3])
        K = LENS.scaled(width, height).K
        depth = torch.full((1, len(POSES), height, width), 4.0)
        return {
            "extrinsics": camera_from_world.float(),
            "intrinsics": torch.from_numpy(np.tile(K, (1, len(POSES), 1, 1))).float(),
            "depth": depth,
            "depth_conf": depth / 2,
        }


def exact() -> DepthAnything3:
    solver = DepthAnything3.__new__(DepthAnything3)
    solver._network, solver._device, solver._long_side = _Exact(), "cpu", 70
    return solver


def test_conventions_of_depth_anything_3(frames: np.ndarray) -> None:
    """camera_from_world at the network's size becomes world_from_camera at ours, depth its inverse."""
    found = exact().cameras(frames)
    relative = np.linalg.inv(POSES[0]) @ POSES
    ours = np.linalg.inv(found.world_from_camera[0]) @ found.world_from_camera
    assert np.allclose(ours[:, :3, :3], relative[:, :3, :3], atol=1e-5)
    assert np.allclose(found.K, LENS.K, rtol=1e-4)
    depth = exact().depth(frames)
    assert np.allclose(depth.inverse_depth, 0.25)
    assert np.allclose(depth.confidence, 0.5)


def test_learned_cameras_join_the_solve(tmp_path: Path) -> None:
    """They are judged by the pictures, whatever their world; wrong by two degrees they are refined."""
    scene = textured_room.clip(tmp_path / "scene", LENS, POSES)
    on_disk, work = scene.frames(), tmp_path / "work"
    shot = on_disk.shots[0]
    right = learned_cameras(exact(), on_disk, shot)
    assert np.allclose(right.lens.K, LENS.K, rtol=1e-4)
    found = solve_with(right, on_disk, shot, work, source="a model", on_event=ignore)
    assert found.judgement.verdict == "good"
    assert found.judgement.points > 300

    rng = np.random.default_rng(0)
    turns = Rotation.from_rotvec(np.radians(2) * rng.normal(size=(6, 3)) / 3**0.5).as_matrix()
    poses = right.world_from_camera.copy()
    poses[:, :3, :3] = poses[:, :3, :3] @ turns
    near = replace(right, world_from_camera=poses, lens=textured_room.lens(focal=320.0))
    found = solve_with(near, on_disk, shot, work, source="a model", on_event=ignore)
    assert found.judgement.explained < ENOUGH_EXPLAINED
    found = solve_with(near, on_disk, shot, work, source="a model", refine=True, on_event=ignore)
    assert found.judgement.verdict == "good"
    solved = found.solved.world_from_camera
    relative = np.linalg.inv(solved[0]) @ solved
    truth = np.linalg.inv(POSES[0]) @ POSES
    off = Rotation.from_matrix(relative[:, :3, :3] @ truth[:, :3, :3].swapaxes(1, 2)).magnitude()
    assert np.degrees(off).max() < 0.3
    assert found.solved.lens.focal == pytest.approx(300, rel=0.02)


class _Unsteady:
    def __init__(self, spread: float) -> None:
        self.spread = spread

    def cameras(self, frames: np.ndarray) -> CameraGuess:
        K = np.tile(LENS.K, (len(frames), 1, 1))
        K[:, [0, 1], [0, 1]] *= np.linspace(1 - self.spread, 1 + self.spread, len(frames))[:, None]
        return CameraGuess(np.tile(np.eye(4), (len(frames), 1, 1)), K)


def test_long_shots_and_unsteady_lenses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scene = textured_room.folder_of(tmp_path, [np.full((24, 32, 3), 128, np.uint8)] * 9)
    monkeypatch.setattr(cameras_plugin, "FRAMES_AT_MOST", 3)
    events: list[Event] = []
    known = learned_cameras(_Unsteady(0.2), scene.frames(), Shot(0, 2, 7), events.append)
    assert known.numbers.tolist() == [2, 5, 8]
    assert [event.warning for event in events if isinstance(event, Notice)] == [False, True]
    assert known.lens.K[0, 0] == pytest.approx(LENS.K[0, 0])

    class Broken:
        def cameras(self, frames: np.ndarray) -> CameraGuess:
            return CameraGuess(np.full((len(frames), 4, 4), np.nan), np.zeros((len(frames), 3, 3)))

    with pytest.raises(CameraSolveError, match=r"gave no cameras \(expected rigid poses"):
        learned_cameras(Broken(), scene.frames(), Shot(0, 0, 9))


def test_tracks_in_our_pixels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, frames: np.ndarray) -> None:
    """Against a stand-in with CoTracker3's interface: points that drift by two pixels a frame."""

    class Predictor(torch.nn.Module):
        def __init__(self, checkpoint: str | None, offline: bool, v2: bool, window_len: int) -> None:
            super().__init__()
            assert (checkpoint, offline, v2, window_len) == (None, True, False, 60)
            self.model = torch.nn.Linear(2, 2)

        def forward(self, video: torch.Tensor, queries: torch.Tensor, backward_tracking: bool) -> Any:
            assert video.shape == (1, 6, 3, 240, 320)
            assert video.max() > 1
            assert backward_tracking
            self.asked = queries
            steps = torch.arange(6)[None, :, None] - queries[..., 0][:, None]
            xy = queries[:, None, :, 1:] + 2.0 * steps[..., None]
            return xy, torch.ones(xy.shape[:3], dtype=torch.bool)

    predictor = ModuleType("cotracker.predictor")
    predictor.CoTrackerPredictor = Predictor  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "cotracker", ModuleType("cotracker"))
    monkeypatch.setitem(sys.modules, "cotracker.predictor", predictor)
    torch.save(torch.nn.Linear(2, 2).state_dict(), tmp_path / "scaled_offline.pth")
    solver = CoTracker3(tmp_path, device="cpu")
    queries = np.array([[0, 10.5, 20.5], [3, 314.5, 100.0]])
    found = solver.tracks(frames, queries)
    assert solver._predictor.asked[0].tolist() == [[0, 10, 20], [3, 314, 99.5]]
    assert np.allclose(found.xy[0], [10.5, 20.5] + 2.0 * np.arange(6)[:, None])
    assert np.allclose(found.xy[1, 3], queries[1, 1:])
    assert found.visible[1].tolist() == [True] * 6
    assert solver.tracks(frames, np.array([[0, 312.0, 9.0]])).visible[0].tolist() == [True] * 5 + [False]
    (tmp_path / "scaled_offline.pth").unlink()
    with pytest.raises(
        PluginError, match=r"found no scaled_offline\.pth .* run: hf download facebook/cotracker3"
    ):
        CoTracker3(tmp_path, device="cpu")


# -- resizing ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("size", "long_side", "expected"),
    [((1920, 1080), 504, (504, 280)), ((480, 854), 504, (280, 504)), ((10, 320), 70, (70, 14))],
)
def test_network_size(size: tuple[int, int], long_side: int, expected: tuple[int, int]) -> None:
    assert network_size(*size, long_side, 14) == (expected if size[0] > 10 else (14, 70))


def test_colours_for_the_network() -> None:
    white = to_network(np.full((1, 28, 28, 3), 255, np.uint8), (14, 14))
    assert white.shape == (1, 3, 14, 14)
    assert np.allclose(white[0, :, 0, 0], (1 - np.array([0.485, 0.456, 0.406])) / [0.229, 0.224, 0.225])


# -- what is missing is said in one line ----------------------------------------------------------


@pytest.mark.parametrize(
    ("module", "load", "command"),
    [
        ("transformers", DepthAnything2, "pip install 'splatreel[models]'"),
        ("transformers", MovingThings, "pip install 'splatreel[models]'"),
        ("depth_anything_3.cfg", DepthAnything3, "pip install --no-deps depth-anything-3 && "),
        ("cotracker.predictor", CoTracker3, "pip install git+https://github.com/facebookresearch/co-tracker"),
    ],
)
def test_a_missing_package(
    module: str, load: Any, command: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    monkeypatch.setitem(sys.modules, module.partition(".")[0], None)
    with pytest.raises(PluginError) as caught:
        load(tmp_path)
    assert "the Python package" in str(caught.value)
    assert f"; run: {command}" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert isinstance(caught.value, ReconError)


def test_missing_weights(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def not_there(name: str, local_files_only: bool) -> str:
        assert local_files_only
        raise FileNotFoundError(name)

    monkeypatch.setitem(sys.modules, "huggingface_hub", SimpleNamespace(snapshot_download=not_there))  # type: ignore[arg-type]
    with pytest.raises(
        PluginError, match=r"found no weights of a/b in the hub's cache; run: hf download a/b \("
    ):
        find_weights("a/b", ())
    for path in (tmp_path / "no", "./no", "no"):
        with pytest.raises(
            PluginError, match=r"found no folder .*no, expected one with weights, or a model such"
        ):
            find_weights(path, cameras_plugin.MODELS)


def test_weights_in_the_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The licence is that of the model card, else what we know."""
    folder = tmp_path / "0123456789abcdef0123"
    folder.mkdir()
    hub = SimpleNamespace(snapshot_download=lambda name, local_files_only: str(folder))
    monkeypatch.setitem(sys.modules, "huggingface_hub", hub)  # type: ignore[arg-type]
    found = find_weights("depth-anything/DA3-BASE", cameras_plugin.MODELS)
    assert (found.revision, found.licence) == ("0123456789ab", "Apache-2.0")
    (folder / "README.md").write_text('---\ntags: [x]\nlicense: other\nlicense_name: "my terms"\n---\n')
    assert find_weights("depth-anything/DA3-BASE", cameras_plugin.MODELS).licence == "my terms"


@needs_transformers
def test_real_hub_cache_without_the_model(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(
        PluginError, match=r"found no weights of .* hf download depth-anything/Depth-Anything-V2"
    ):
        DepthAnything2()


def test_class_names_that_move() -> None:
    moving = ["person", "Person, individual", "sports ball", "minibike", "animal, animate being", "boat"]
    assert all(map(may_move, moving))
    assert not any(
        map(may_move, ["wall-other-merged", "dining table", "teddy bear", "car park", "potted plant"])
    )


def test_nothing_is_imported_before_it_is_asked_for() -> None:
    import subprocess

    script = (
        "import sys, recon.plugins\n"
        "names = 'transformers huggingface_hub depth_anything_3 cotracker safetensors torch'.split()\n"
        "assert not [name for name in names if name in sys.modules]"
    )
    root = Path(plugins.__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", script], cwd=root, capture_output=True)
    assert done.returncode == 0, done.stderr.decode()
