"""Poses, colours and masks in training: wrong cameras become right, the world stays, masks hide."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from recon.alignment import aligned
from recon.config import FitConfig
from recon.descent import Descent, FrameGradients, adam_rates, background_at, descend_torch
from recon.errors import FormatError
from recon.known_cameras import KnownCameras
from recon.losses import psnr
from recon.optimizer import Optimizer
from recon.pose_refinement import PoseRefinement, apply_twists, gauge_directions, twists_between
from recon.raster import render
from recon.refinement import refined, write_refined
from recon.training import fit_shot
from recon.truth import pose_error
from recon.types import Cameras
from recon.undistort import Lens
from recon.views import View, Views
from tests.recon import synthetic

CONFIG = FitConfig(steps=160, budget=900, long_side=96, sh_degree=1, held_out_every=8, dense=False)


def disturbed(cameras: Cameras, degrees: float = 1.0, shift: float = 0.01) -> Cameras:
    rng = np.random.default_rng(3)
    twists = rng.normal(size=(len(cameras), 6)) / np.sqrt(3)
    twists *= [np.radians(degrees)] * 3 + [shift] * 3
    return replace(cameras, world_from_camera=np.linalg.inv(apply_twists(twists, cameras.camera_from_world)))


def rotation_error(cameras: Cameras) -> float:
    truth = synthetic.arc()
    lens = Lens(truth.width, truth.height, truth.K[0])
    return (
        pose_error(cameras, KnownCameras(truth.numbers, truth.world_from_camera, lens))["rotation_deg"] or 0
    )


def held_out(scores: object, split: str) -> float:
    return float(np.mean([score.psnr for score in scores if score.split == split]))  # type: ignore[attr-defined]


def test_wrong_cameras_become_better_and_so_do_the_pictures(tmp_path: Path) -> None:
    views = synthetic.views()
    wrong = views.with_cameras(disturbed(views.cameras))
    config = replace(CONFIG, steps=700)
    fixed = fit_shot(wrong, synthetic.sparse_points(), replace(config, refine_poses=False), tmp_path / "a")
    found = fit_shot(wrong, synthetic.sparse_points(), config, tmp_path / "b")
    assert rotation_error(found.cameras) < 0.65 * rotation_error(wrong.cameras)
    assert held_out(found.scores, "heldout_aligned") > held_out(fixed.scores, "heldout_aligned") + 2
    assert np.array_equal(fixed.cameras.world_from_camera, wrong.cameras.world_from_camera)


def test_right_cameras_cost_nothing(tmp_path: Path) -> None:
    views, points = synthetic.views(), synthetic.sparse_points()
    config = replace(CONFIG, steps=400)
    fixed = fit_shot(views, points, replace(config, refine_poses=False), tmp_path / "a")
    found = fit_shot(views, points, config, tmp_path / "b")
    assert held_out(found.scores, "heldout") > held_out(fixed.scores, "heldout") - 0.3
    assert rotation_error(found.cameras) < 0.5  # a pixel is 0.64° wide


def test_the_world_stays_where_it_is() -> None:
    """No step turns, shifts or scales all cameras alike."""
    cameras = synthetic.arc()
    train = [i for i in range(len(cameras)) if i != 4]
    refinement = PoseRefinement(CONFIG, cameras, train)
    rng = np.random.default_rng(0)
    before = refinement.poses[train].copy()
    for _ in range(3):
        refinement.step(2, torch.tensor(rng.normal(size=16), dtype=torch.float32), torch.eye(3), 120)
    moves = twists_between(before, refinement.poses[train]).ravel()
    assert np.abs(moves).max() > 0
    assert np.abs(gauge_directions(before).T @ moves).max() < 1e-3 * np.linalg.norm(moves)


def test_twists_there_and_back() -> None:
    rng = np.random.default_rng(1)
    twists = 0.3 * rng.normal(size=(5, 6))
    poses = synthetic.arc(5).camera_from_world
    assert np.allclose(twists_between(poses, apply_twists(twists, poses)), twists)


def test_an_aligned_view_is_back_in_its_place() -> None:
    views = synthetic.views()
    wrong = views.with_cameras(disturbed(views.cameras, 1.0, 0.01))
    truth = synthetic.ball()
    view = aligned(truth, wrong, 4)
    miss = twists_between(views.cameras.camera_from_world[4][None], view.camera_from_world.numpy()[None])[0]
    assert np.degrees(np.linalg.norm(miss[:3])) < 0.1
    image = render(truth, view.camera_from_world, view.K, *views.size).image
    assert psnr(image, view.image) > 40


@pytest.mark.parametrize("backend", ["core", "torch"])
def test_masked_pixels_have_no_influence(backend: str) -> None:
    """Other colours under the mask give bitwise the same parameters, from either backend."""
    views = synthetic.views()
    config = replace(CONFIG, refine_poses=False)
    mask = torch.ones(synthetic.HEIGHT, synthetic.WIDTH)
    mask[20:50, 30:60] = 0
    results = []
    for colour in (0.0, 1.0):
        optimizer = Optimizer(synthetic.ball(200, sh_degree=1), "cpu")
        descent = Descent(config, "cpu")
        for step in range(4):
            view = views.view(step)
            image = view.image.clone()
            image[mask == 0] = colour
            view = replace(view, image=image, mask=mask)
            if backend == "core":
                descent.step(optimizer, view, step)
            else:
                torch_step(optimizer, view, config, step)
        results.append({name: tensor.clone() for name, tensor in optimizer.params.items()})
    for name, tensor in results[0].items():
        assert torch.equal(tensor, results[1][name]), name


def torch_step(optimizer: Optimizer, view: View, config: FitConfig, step: int) -> None:
    rates = replace(adam_rates(config, step, len(optimizer.gaussians)), noise=0.0)
    generator = torch.Generator().manual_seed(step)
    descend_torch(optimizer, view, config, rates, 1, background_at(config, step), generator)


def test_gradients_of_camera_and_colours_agree_with_autograd() -> None:
    views, config = synthetic.views(), CONFIG
    colour = torch.eye(3, 4) + 0.05 * torch.randn(3, 4, generator=torch.Generator().manual_seed(0))
    mask = torch.ones(synthetic.HEIGHT, synthetic.WIDTH)
    mask[:, :20] = 0
    view = replace(views.view(3), mask=mask, colour=colour)
    found = []
    for core in (True, False):
        optimizer, gradients = Optimizer(synthetic.ball(200, sh_degree=1), "cpu"), FrameGradients()
        optimizer.params["means"] += 0.01
        if core:
            Descent(config, "cpu").step(optimizer, view, 50, gradients)
        else:
            rates = replace(adam_rates(config, 50, len(optimizer.gaussians)), noise=0.0)
            degree = 0
            generator = torch.Generator().manual_seed(0)
            descend_torch(
                optimizer, view, config, rates, degree, background_at(config, 50), generator, gradients
            )
        found.append(gradients)
    core_step, autograd = found
    scale = autograd.camera[:12].abs().max()
    assert (core_step.camera[:12] - autograd.camera[:12]).abs().max() < 1e-3 * scale
    assert torch.allclose(core_step.colour, autograd.colour, rtol=1e-3, atol=1e-6)


def test_refined_cameras_on_disk(tmp_path: Path) -> None:
    cameras = synthetic.arc()
    moved = disturbed(cameras)
    write_refined(tmp_path / "refined.json", moved)
    assert np.array_equal(
        refined(tmp_path / "refined.json", cameras).world_from_camera, moved.world_from_camera
    )
    assert refined(tmp_path / "none.json", cameras) is cameras
    (tmp_path / "refined.json").write_text("{}")
    with pytest.raises(FormatError, match="--force train"):
        refined(tmp_path / "refined.json", cameras)


def test_a_mask_of_another_size_is_a_message(tmp_path: Path) -> None:
    from PIL import Image

    from recon.errors import TrainError

    cameras = synthetic.arc(3)
    Image.new("RGB", (cameras.width, cameras.height)).save(tmp_path / "a.png")
    Image.new("L", (8, 8), 255).save(tmp_path / "mask.png")
    with pytest.raises(TrainError, match=r"mask\.png has \(8, 8\) pixels"):
        Views.load(
            lambda number: tmp_path / "a.png",
            cameras,
            long_side=96,
            held_out_every=0,
            mask_of=lambda number: tmp_path / "mask.png",
        )
