"""Edges, depth and segments that guide a restyling; skeletons and body parts from a video."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from gen.depth_model import load_depth_model
from gen.errors import GenerateError
from gen.poses import extraction as pose_extraction
from gen.poses.extraction import PoseWeights, body_parts, extract_poses, pose_weights, segment_people
from gen.poses.mannequin import perform
from gen.structure import depth_frames, edges, grey_depth, segmentation_frames

needs_pose_weights = pytest.mark.skipif(
    pose_weights() is None, reason="the package with the pose network's weights is not installed"
)


@pytest.fixture(scope="module")
def disc() -> np.ndarray:
    """A bright disc moves over a darker ground: [6, 96, 128, 3]."""
    y, x = np.mgrid[:96, :128]
    frames = [np.where(np.hypot(x - 40 - 6 * i, y - 48) < 25, 200, 60) for i in range(6)]
    return np.stack(frames).astype(np.uint8)[..., None].repeat(3, -1)


@pytest.mark.parametrize("soft", [False, True])
def test_edges_lie_on_the_outline(disc: np.ndarray, soft: bool) -> None:
    found = edges(disc, soft=soft)
    assert found.shape == disc.shape
    y, x = np.mgrid[:96, :128]
    for i, frame in enumerate(found):
        off = np.abs(np.hypot(x - 40 - 6 * i, y - 48) - 25)
        assert not (frame[off > 8] > 40).any()
        near = off < 3
        assert (frame[near].max(-1) > 120).sum() > 100


def test_edges_do_not_depend_on_the_exposure_of_the_clip(disc: np.ndarray) -> None:
    dark = (disc * 0.5).astype(np.uint8)
    assert np.mean(edges(disc) != edges(dark)) < 0.005


def test_depth_has_one_range_for_the_clip() -> None:
    rng = np.random.default_rng(0)
    truth = np.linspace(1, 2, 64)[None, :, None] + np.zeros((12, 64, 48))
    wandering = truth * rng.uniform(0.9, 1.1, (12, 1, 1)) + rng.uniform(-0.1, 0.1, (12, 1, 1))
    grey = grey_depth(wandering)[..., 0].astype(float)
    assert grey[:, -1].mean() > 240  # near is white
    assert grey[:, 0].mean() < 15
    naive = (wandering - wandering.min()) / np.ptp(wandering) * 255
    assert np.diff(grey, axis=0).std() < 0.1 * np.diff(naive, axis=0).std()


@pytest.fixture(scope="module")
def depth_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random depth network in the layout of Depth Anything V2."""
    torch = pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")

    torch.manual_seed(0)
    backbone = transformers.Dinov2Config(
        hidden_size=16, num_hidden_layers=2, num_attention_heads=2, mlp_ratio=2, image_size=56, patch_size=14,
        out_indices=[1, 2], apply_layernorm=True, reshape_hidden_states=False,
    )  # fmt: skip
    config = transformers.DepthAnythingConfig(
        backbone_config=backbone, reassemble_hidden_size=16, patch_size=14, reassemble_factors=[2, 1],
        neck_hidden_sizes=[8, 16], fusion_hidden_size=8, head_hidden_size=4, head_in_index=-1,
    )  # fmt: skip
    folder = tmp_path_factory.mktemp("depth")
    transformers.DepthAnythingForDepthEstimation(config).save_pretrained(folder)
    processor = transformers.DPTImageProcessor(
        size={"height": 56, "width": 56}, ensure_multiple_of=14, keep_aspect_ratio=True
    )
    processor.save_pretrained(folder)
    return folder


def test_depth_of_a_model_in_a_folder(depth_model: Path, disc: np.ndarray) -> None:
    seen: list[int] = []
    depth = depth_frames(disc[:2], depth_model, on_frame=seen.append)
    assert depth.shape == (2, 96, 128, 3)
    assert depth.dtype == np.uint8
    assert np.ptp(depth) > 200
    assert seen == [0, 1]
    assert np.array_equal(depth, depth_frames(disc[:2], depth_model))
    assert not np.array_equal(depth, depth_frames(255 - disc[:2], depth_model))


def test_what_a_metric_model_sees_is_turned_around(depth_model: Path, tmp_path: Path) -> None:
    transformers = pytest.importorskip("transformers")
    config = transformers.GLPNConfig(
        depths=[1] * 4, hidden_sizes=[8] * 4, num_attention_heads=[1] * 4, decoder_hidden_size=8
    )
    transformers.GLPNForDepthEstimation(config).save_pretrained(tmp_path)
    transformers.GLPNImageProcessor().save_pretrained(tmp_path)
    metric, relative = load_depth_model(tmp_path), load_depth_model(depth_model)
    output = np.array([[1.0, 2.0, 4.0]], np.float32)
    assert metric.nearness(output).tolist() == [[1.0, 0.5, 0.25]]
    assert relative.nearness(output).tolist() == output.tolist()


def test_segments_follow_what_moves(disc: np.ndarray) -> None:
    found = segmentation_frames(disc, segments=4)
    assert found.shape == disc.shape
    assert len(np.unique(found.reshape(-1, 3), axis=0)) <= 4
    for i in range(6):
        assert not np.array_equal(found[i, 48, 40 + 6 * i], found[i, 5, 64])
    assert np.array_equal(found, segmentation_frames(disc, segments=4))


def test_body_parts_of_a_skeleton_and_a_mask() -> None:
    show = perform("wave", frames=3, width=160, height=224)
    parts = body_parts(show.poses, show.parts > 0)
    assert ((parts > 0) == (show.parts > 0)).mean() > 0.999
    # The skeleton has no hands and feet: they belong to what they hang on.
    truth = show.parts.copy()
    for extremity, limb in ((3, 20), (4, 19), (5, 14), (6, 13)):
        truth[truth == extremity] = limb
    assert (parts == truth)[truth > 0].mean() > 0.75


@needs_pose_weights
def test_the_mannequin_is_found() -> None:
    show = perform("wave", frames=3, width=320, height=480)
    poses = extract_poses(show.frames)
    both = (poses.body[..., 2] > 0.3) & (show.poses.body[..., 2] > 0.3)
    error = np.linalg.norm(poses.body[..., :2] - show.poses.body[..., :2], axis=-1)
    assert both.mean() > 0.8
    assert np.median(error[both]) < 15
    overlap = segment_people(show.frames) & (show.parts > 0)
    assert overlap.sum() > 0.8 * (show.parts > 0).sum()


@needs_pose_weights
def test_nobody_in_the_video_is_a_sentence(disc: np.ndarray) -> None:
    with pytest.raises(GenerateError, match="nobody in the 2 frames"):
        extract_poses(np.full_like(disc[:2], 128))


def test_missing_networks_are_a_sentence(disc: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pose_extraction, "pose_weights", lambda: None)
    with pytest.raises(GenerateError, match="pip install --no-deps mediapipe"):
        extract_poses(disc)


def test_wrong_networks_are_a_sentence(disc: np.ndarray, tmp_path: Path) -> None:
    wrong = tmp_path / "pose.tflite"
    with pytest.raises(GenerateError, match="is not there"):
        extract_poses(disc, weights=PoseWeights(wrong, wrong))
    wrong.write_bytes(b"no network at all")
    with pytest.raises(GenerateError, match="cannot be read as a tflite network"):
        extract_poses(disc, weights=PoseWeights(wrong, wrong))


def test_a_missing_depth_model_is_a_sentence(disc: np.ndarray, tmp_path: Path) -> None:
    pytest.importorskip("transformers")
    with pytest.raises(GenerateError) as raised:
        depth_frames(disc[:1], tmp_path)
    assert "\n" not in str(raised.value)
    assert "could not be loaded" in str(raised.value)
