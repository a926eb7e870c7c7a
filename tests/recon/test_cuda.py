"""gsplat on a real GPU does what the CPU core does. Skips, visibly, where there is none."""

from __future__ import annotations

from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from torch import Tensor

from recon import schedule
from recon.config import FitConfig
from recon.descent import FrameGradients, adam_rates, background_at, descend_torch, selective_adam
from recon.events import Event
from recon.fitting import fit
from recon.fourd.fit import fit_moving
from recon.fourd.splat4d import read_splats, write_splats
from recon.gaussians import gaussians_from_points
from recon.mask_files import margin
from recon.optimizer import Optimizer
from recon.pictures import write_orbit, write_side_by_side
from recon.raster import rasterize, render
from recon.raster.core_step import AdamRates
from recon.training import fit_shot
from recon.types import Points
from recon.views import Views
from tests.recon import synthetic
from tests.recon.test_fourd import FRAMES, TIMES, Box, training
from tests.recon.test_fourd import WIDTH as BOX_WIDTH
from tests.recon.test_raster import HEIGHT, NAMES, WIDTH, random_scene

pytestmark = pytest.mark.skipif(
    not torch.cuda.is_available() or find_spec("gsplat") is None, reason="needs a CUDA GPU and gsplat"
)


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize(("seed", "degree"), [(0, 3), (1, 2), (2, 1), (3, 0)])
def test_gsplat_equals_the_core(monkeypatch, seed: int, degree: int, packed: bool) -> None:
    """Picture, alpha and depth, and all gradients that gsplat has. Gaussians at the near plane, where fast
    exponentials differ most, are left out."""
    monkeypatch.setattr("recon.raster.gsplat_backend.PACKED_FROM", 0 if packed else 1_000_000)
    scene, K = random_scene(seed)
    for name in NAMES[:5]:
        scene[name] = scene[name][14:]
    found = {}
    for device in ("cpu", "cuda"):
        inputs = {n: v.float().to(device).requires_grad_() for n, v in scene.items()}
        out = rasterize(
            *(inputs[name] for name in NAMES[:6]),
            *(K.float().to(device), WIDTH, HEIGHT),
            sh_degree=degree,
            background=inputs["background"],
            with_depth=True,
        )
        assert out.depth is not None
        weight = torch.linspace(0.1, 1, WIDTH, device=device)
        (out.image.mul(weight[:, None]).sum() + (out.alpha * weight).sum()).backward()
        grads = {name: i.grad.cpu() for name, i in inputs.items() if i.grad is not None}
        solid = torch.where(out.alpha > 0.05, out.depth, 0)
        found[device] = [t.detach().cpu() for t in (out.image, out.alpha, solid)], grads, out.visible.cpu()
    (ours, our_grads, we_see), (theirs, their_grads, they_see) = found["cpu"], found["cuda"]
    for name, a, b in zip(("image", "alpha", "depth"), ours, theirs, strict=True):
        assert (a - b).abs().max() < 0.01, name  # an alpha at 1/255 may fall on either side
        assert (a - b).abs().mean() < 2e-4, name
    for grads in (our_grads, their_grads):
        grads["camera_from_world"] = twist(grads["camera_from_world"], scene["camera_from_world"].float())
    for name in NAMES:
        error = (our_grads[name] - their_grads[name]).norm() / our_grads[name].norm()
        assert error < 0.01, f"{name}: {error:.1e}"
    # At the edges of the picture, and where opacity is next to nothing, they differ.
    assert (we_see == they_see).float().mean() > 0.95


def twist(gradient: Tensor, pose: Tensor) -> Tensor:
    """[6] by small turns and shifts of a pose [4, 4]: gsplat inverts the matrix where the core transposes its
    rotation, so only the gradients along rigid motions agree."""
    ways = torch.zeros(6, 4, 4)
    for i, (a, b) in enumerate(((2, 1), (0, 2), (1, 0))):
        ways[i, a, b], ways[i, b, a] = 1, -1
        ways[3 + i, i, 3] = 1
    return (ways @ pose * gradient).sum((1, 2))


def test_fused_adam_equals_the_plain_one() -> None:
    """On rows that are visible; the others stay as they are, with their moments."""
    g = torch.Generator().manual_seed(0)
    start = [torch.rand(50, 3, generator=g) for _ in range(4)]
    visible = torch.rand(50, generator=g) < 0.5
    rates = AdamRates({}, 0.9, 0.999, 0.0, 0.0)
    results = []
    for device in ("cpu", "cuda"):
        parameter, gradient, first, second = (t.clone().to(device) for t in start)
        selective_adam(parameter, gradient, first, second, visible.to(device), rates, 0.01)
        results.append([t.cpu() for t in (parameter, first, second)])
    for ours, theirs, before in zip(*results, (start[0], start[2], start[3]), strict=True):
        assert torch.allclose(ours, theirs, atol=1e-6)
        assert torch.equal(theirs[~visible], before[~visible])


def test_a_step_on_the_gpu_is_the_step_on_the_cpu() -> None:
    """The same parameters after it, and the same gradients of the pose."""
    views, config = synthetic.views(), FitConfig(steps=100, budget=900, sh_degree=1)
    truth = synthetic.ball(sh_degree=1)
    after = {}
    for device in ("cpu", "cuda"):
        optimizer = Optimizer(replace(truth, sh=0.7 * truth.sh), device)
        gradients = FrameGradients()
        loss = descend_torch(
            optimizer,
            views.view(3, device=device),
            config,
            replace(adam_rates(config, 60, len(truth)), noise=0.0),
            1,
            background_at(config, 60),
            schedule.generator(config, "noise", 60),
            gradients,
        )
        after[device] = loss, optimizer.gaussians.tensors(), gradients.camera[:12]
    (loss, ours, pose), (their_loss, theirs, their_pose) = after["cpu"], after["cuda"]
    assert abs(loss - their_loss) < 1e-4
    assert (pose - their_pose).norm() < 0.02 * pose.norm()
    for name, tensor in ours.items():
        moved = (tensor - theirs[name].cpu()).abs()
        # Adam's first step is the sign of the gradient: it turns over where that is nearly zero.
        assert (moved > 1e-5 * tensor.abs().max()).float().mean() < 0.05, name


def test_training_learns_on_the_gpu(tmp_path: Path) -> None:
    """As much as on the CPU, to half a decibel, with density control; what was trained there goes
    on where it stopped."""
    views, points = synthetic.views(), synthetic.sparse_points()
    config = FitConfig(steps=300, budget=900, long_side=96, sh_degree=1)
    scores = {}
    for device in ("cpu", "cuda"):
        found = fit(views, gaussians_from_points(points, 1), config, tmp_path / device, device=device)
        scores[device] = [s.psnr for s in found.scores if s.split == "train"]
    mean = {device: sum(values) / len(values) for device, values in scores.items()}
    assert abs(mean["cuda"] - mean["cpu"]) < 0.5
    again = fit(views, lambda: pytest.fail("began anew"), config, tmp_path / "cuda", device="cuda")
    assert len(again.gaussians) == 900
    assert again.gaussians.means.is_cuda


def test_a_whole_shot_with_what_moves_trains_on_the_gpu(tmp_path: Path, monkeypatch) -> None:
    """The stage, and the files of its result."""
    monkeypatch.setattr("recon.fourd.shot.FEWEST_TRACKS", 20)  # the pictures are small
    box = Box()
    images = [box.picture(f)[0] for f in range(FRAMES)]
    moving = [(box.picture(f, floor=False)[1] > 0.5).astype(np.uint8) for f in range(FRAMES)]
    disc = margin(BOX_WIDTH, images[0].shape[0])
    masks = [255 - 255 * cv2.dilate(mask, disc) for mask in moving]
    views = Views(images, box.cameras, 0, masks, TIMES)
    points = Points(box.floor, np.full((1500, 3), 110, np.uint8), np.zeros(1500, np.float32))
    config = FitConfig(steps=200, budget=2500, sh_degree=0, long_side=BOX_WIDTH)
    events: list[Event] = []
    found = fit_shot(views, points, config, tmp_path, device="cuda", on_event=events.append)
    assert found.splats.moving is not None
    write_splats(tmp_path / "splat.ply", found.splats)
    back = read_splats(tmp_path / "splat.ply")
    assert back.moving is not None
    assert torch.allclose(back.at(0.3).means, found.splats.at(0.3).means.cpu(), atol=0.02)
    write_side_by_side(tmp_path / "renders", found.splats, views, "cuda")
    write_orbit(tmp_path / "orbit.mp4", found.splats, found.cameras, (BOX_WIDTH, 96), TIMES)
    assert (tmp_path / "orbit.mp4").stat().st_size > 1000
    assert {type(e).__name__ for e in events} >= {"TrainStep", "Evaluated"}


def test_what_moves_is_fitted_as_on_the_cpu(tmp_path: Path) -> None:
    """Colours and motions, to a seventh of what is left."""
    box = Box()
    views, start = training(box, [box.picture(f)[0] for f in range(FRAMES)])
    config = FitConfig(steps=150, budget=900, sh_degree=0, long_side=BOX_WIDTH)
    left = {}
    for device in ("cpu", "cuda"):
        splats = fit_moving(views, lambda: start, config, tmp_path / device, device=device).splats.to("cpu")
        view = views.view(1)
        with torch.no_grad():
            shown = render(splats.at(view.seconds), view.camera_from_world, view.K, *views.size)
        left[device] = float((shown.image - view.image).abs().mean())
    assert abs(left["cuda"] / left["cpu"] - 1) < 0.15
