"""The training loop: it learns, keeps its promises about budget and resume, and its parts obey their laws."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from recon import mcmc, schedule
from recon.config import FitConfig, config_for
from recon.descent import Descent, adam_rates, background_at, descend_torch
from recon.errors import TrainError
from recon.events import Checkpointed, Event, Notice, TrainStep
from recon.fitting import fit, is_flat
from recon.losses import l1_ssim, psnr, ssim_map
from recon.optimizer import Optimizer
from recon.raster import core
from recon.raster.core_step import AdamRates, CoreStep
from recon.training import TrainLog, _later, fit_shot
from recon.types import Cameras, Points
from recon.viewing_arc import viewing_arc
from recon.views import held_out
from tests.recon import synthetic

CONFIG = FitConfig(steps=160, budget=900, long_side=96, sh_degree=1, held_out_every=8)


class Killed(BaseException):
    """Stands for a signal: not an Exception, so nothing may catch it."""


def test_learns_the_scene(tmp_path: Path) -> None:
    """From sparse points to clearly more than the start, on held-out views too, within the budget."""
    views = synthetic.views()
    before = fit_shot(views, synthetic.sparse_points(), replace(CONFIG, steps=1), tmp_path / "a")
    after = fit_shot(views, synthetic.sparse_points(), replace(CONFIG, steps=400), tmp_path / "b")
    assert len(after.splats.still) == CONFIG.budget
    for split in ("train", "heldout"):
        gain = [s.psnr for s in after.scores if s.split == split]
        start = [s.psnr for s in before.scores if s.split == split]
        assert sum(gain) / len(gain) > sum(start) / len(start) + 8
        assert sum(gain) / len(gain) > 24
    assert {s.number for s in after.scores if s.split == "heldout"} == {4, 12}


@pytest.mark.parametrize("kill_at", [37, 118])
def test_killed_and_resumed_equals_straight(tmp_path: Path, monkeypatch, kill_at: int) -> None:
    """Bitwise, whichever step the kill falls on and whatever the checkpoint's age; the log has no repeats."""
    views, points = synthetic.views(), synthetic.sparse_points()
    monkeypatch.setattr("recon.checkpoint.CHECKPOINT_SECONDS", 0.02)
    straight = fit_shot(views, points, CONFIG, tmp_path / "straight")
    checkpoints: list[int] = []

    def kill(event: Event) -> None:
        if isinstance(event, Checkpointed):
            checkpoints.append(event.step)
        if isinstance(event, TrainStep) and event.step >= kill_at and checkpoints:
            raise Killed

    with pytest.raises(Killed):
        fit_shot(views, points, CONFIG, tmp_path / "killed", on_event=kill)
    steps: list[int] = []
    resumed = fit_shot(
        views,
        points,
        CONFIG,
        tmp_path / "killed",
        on_event=lambda e: steps.append(e.step) if isinstance(e, TrainStep) else None,
    )
    assert steps[0] == checkpoints[-1] + 1
    for name, tensor in straight.splats.still.tensors().items():
        assert torch.equal(tensor, resumed.splats.still.tensors()[name]), name
    assert straight.scores == resumed.scores
    lines = [json.loads(line) for line in (tmp_path / "killed/train.jsonl").read_text().splitlines()]
    logged = [line["step"] for line in lines if line["event"] == "TrainStep"]
    assert logged == list(range(10, CONFIG.steps + 1, 10))


def test_finished_run_is_not_trained_again(tmp_path: Path) -> None:
    """The checkpoint of the last step gives the same result without a step; other settings start anew."""
    views, points = synthetic.views(), synthetic.sparse_points()
    config = replace(CONFIG, steps=20)
    first = fit_shot(views, points, config, tmp_path)
    steps: list[Event] = []
    again = fit_shot(views, points, config, tmp_path, on_event=steps.append)
    assert not [e for e in steps if isinstance(e, TrainStep)]
    assert torch.equal(first.splats.still.means, again.splats.still.means)
    steps.clear()
    fit_shot(views, points, replace(config, seed=1), tmp_path, on_event=steps.append)
    assert len([e for e in steps if isinstance(e, TrainStep)]) == 20


def test_ends_when_the_held_out_score_is_flat(tmp_path: Path, monkeypatch) -> None:
    """Training stops early, says so, and a second call goes on from there: with nothing to do."""
    monkeypatch.setattr("recon.fitting.FLAT_DB", 100.0)
    events: list[Event] = []
    views, config = synthetic.views(), replace(CONFIG, steps=60)
    first = fit_shot(views, synthetic.sparse_points(), config, tmp_path, on_event=events.append)
    last = [e for e in events if isinstance(e, TrainStep)][-1].step
    assert last == 42  # evaluated at 30, 36, 42
    assert any(isinstance(e, Notice) and "after 42 of 60 steps" in e.text for e in events)
    events.clear()
    again = fit_shot(views, synthetic.sparse_points(), config, tmp_path, on_event=events.append)
    assert not [e for e in events if isinstance(e, TrainStep)]
    assert torch.equal(first.splats.still.means, again.splats.still.means)


def test_flat_means_no_gain_for_a_while() -> None:
    """A late gain, however it came, keeps the training going."""
    assert not is_flat([30.0, 30.0])
    assert is_flat([30.0, 29.9, 30.001])
    assert not is_flat([30.0, 29.9, 30.2])
    assert not is_flat([])


def test_smaller_images_get_fewer_gaussians() -> None:
    """In proportion to their pixels, never more than asked for."""
    config = FitConfig(budget=40_000, long_side=480)
    assert schedule.budget_for(config, (480, 270)) == schedule.budget_for(config, (270, 480)) == 40_000
    assert schedule.budget_for(config, (480, 480)) == 40_000
    assert schedule.budget_for(config, (240, 135)) == 10_000


@pytest.mark.parametrize("degrees", [8.0, 60.0])
def test_what_a_scene_was_seen_from_decides_its_gloss(degrees: float) -> None:
    """The arc of an orbit is measured whatever its radius, and more of it allows a higher degree."""
    angles = np.radians(np.linspace(-degrees / 2, degrees / 2, 7))
    poses = np.tile(np.eye(4), (7, 1, 1))
    poses[:, :3, :3] = Rotation.from_euler("y", -angles[:, None]).as_matrix()
    poses[:, :3, 3] = 3 * np.stack([np.sin(angles), 0 * angles, -np.cos(angles)], 1)
    K = np.tile(np.array([[300.0, 0, 160], [0, 300, 90], [0, 0, 1]]), (7, 1, 1))
    xyz = np.random.default_rng(0).normal(0, 0.05, (50, 3))
    points = Points(xyz, np.zeros((50, 3), np.uint8), np.zeros(50, np.float32))
    cameras = Cameras(np.arange(7), poses, K, 320, 180)
    arc = viewing_arc(cameras, points)
    assert arc == pytest.approx(degrees, rel=0.05)
    config = FitConfig()
    assert schedule.sh_degree_for(config, arc) == {8.0: 0, 60.0: 2}[degrees]
    assert schedule.sh_degree_for(replace(config, sh_degree=1), 360.0) == 1
    assert viewing_arc(cameras, Points(xyz[:0], points.rgb[:0], points.error[:0])) == 0


def test_one_log_for_what_stands_and_what_moves(tmp_path: Path) -> None:
    """Steps go on counting, and a second session of the motion keeps the rows of the still scene."""
    path = tmp_path / "train.jsonl"
    with TrainLog(path) as log:
        for step in range(10, 101, 10):
            log(TrainStep(step, 100, 0.1, 5, 8, 8, step / 10))
        for step in range(10, 41, 10):
            _later(log, 100, 10.0, TrainStep(step, 60, 0.1, 5, 8, 8, step / 10))
    with TrainLog(path) as log:
        for step in range(30, 61, 10):
            _later(log, 100, 10.0, TrainStep(step, 60, 0.1, 5, 8, 8, step / 10))
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    assert [row["step"] for row in rows] == list(range(10, 161, 10))
    assert [row["seconds"] for row in rows] == list(range(1, 17))
    assert rows[-1]["total"] == 160


def test_damaged_checkpoint_and_log(tmp_path: Path) -> None:
    """A checkpoint that is no checkpoint is an error that says so; a torn log line is dropped."""
    views, points = synthetic.views(), synthetic.sparse_points()
    (tmp_path / "checkpoint.pt").write_bytes(b"not a checkpoint")
    with pytest.raises(TrainError, match=r"checkpoint.pt is damaged .* delete it"):
        fit_shot(views, points, CONFIG, tmp_path)
    (tmp_path / "train.jsonl").write_text('{"event": "TrainStep", "step": 10}\n{"event": "TrainSt')
    with TrainLog(tmp_path / "train.jsonl") as log:
        log(TrainStep(20, 100, 0.1, 5, 8, 8, 1.0))
    assert [json.loads(line)["step"] for line in (tmp_path / "train.jsonl").read_text().splitlines()] == [
        10,
        20,
    ]


def test_nan_stops_with_a_sentence(tmp_path: Path, monkeypatch) -> None:
    """A loss that is no number is not trained on."""
    monkeypatch.setattr(Descent, "step", lambda *_: float("nan"))
    with pytest.raises(TrainError, match=r"the loss is nan at step 1; .*--seed 1"):
        fit(synthetic.views(), synthetic.ball(200), CONFIG, tmp_path)


def test_broken_gaussians_are_replaced() -> None:
    """A Gaussian that is no number is invisible to the core, and density control gives its place away."""
    start = synthetic.ball(200)
    start.logit_opacities[3] = start.means[5, 1] = start.sh[7, 0, 0] = float("nan")
    optimizer = Optimizer(start, "cpu")
    assert math.isfinite(Descent(CONFIG, "cpu").step(optimizer, synthetic.views().view(0), 0))
    optimizer.refine(CONFIG, 50, len(start))
    assert all(bool(p.isfinite().all()) for p in optimizer.params.values())


@pytest.mark.parametrize("sh_degree", [0, 1, 3])
def test_core_step_equals_autograd(sh_degree: int) -> None:
    """Five steps in the core end where autograd and a plain Adam end, unseen Gaussians untouched."""
    views, start = synthetic.views(), synthetic.ball(300, sh_degree=sh_degree)
    start.quats[:] = torch.randn(len(start), 4, generator=torch.Generator().manual_seed(1))
    # Of round ones the rotation has no gradient, and Adam would make steps of its rounding errors.
    start.log_scales[:] += torch.tensor([0.5, 0.0, -0.5])
    start.means[:20] += 50  # seen by no view
    config = replace(CONFIG, steps=20, sh_degree=sh_degree, opacity_weight=0.5, scale_weight=0.5)
    fast, plain = Optimizer(start, "cpu"), Optimizer(start, "cpu")
    core_step = CoreStep()
    for step in range(5):
        view = views.view(step)
        rates = replace(adam_rates(config, step, len(start)), noise=0.0)
        background = background_at(config, step)
        loss = core_step(
            *(fast.params, fast.first, fast.second, view.image, view.camera_from_world, view.K),
            sh_degree=sh_degree,
            background=background,
            ssim_weight=config.ssim_weight,
            rates=rates,
        )
        expected = descend_torch(
            plain, view, config, rates, sh_degree, background, schedule.generator(config, "noise", step)
        )
        assert loss == pytest.approx(expected, rel=1e-4)
    for name, before in start.tensors().items():
        moved = plain.params[name] - before
        assert (fast.params[name] - plain.params[name]).norm() < 2e-3 * moved.norm(), name
        assert torch.equal(fast.params[name][:20], before[:20])


def test_training_does_not_depend_on_threads(tmp_path: Path) -> None:
    """One thread and three end in bitwise the same Gaussians."""
    results = []
    for threads in (1, 3):
        core.set_threads(threads)
        fitted = fit(
            synthetic.views(), synthetic.ball(1500), replace(CONFIG, steps=12), tmp_path / str(threads)
        )
        results.append(fitted.gaussians.tensors())
    core.set_threads(0)
    for name, tensor in results[0].items():
        assert torch.equal(tensor, results[1][name]), name


def test_core_noise_is_that_of_mcmc() -> None:
    """Same spread as the torch function along every axis, none for opaque Gaussians, new each step."""
    lr, start = 1e-4, synthetic.ball(4000)
    n = len(start)
    start.quats[:] = torch.tensor([0.9, 0.1, -0.3, 0.2])
    start.log_scales[:] = torch.tensor([0.2, 0.05, 0.01]).log()
    start.logit_opacities[: n // 2], start.logit_opacities[n // 2 :] = 6.0, -5.0
    view = synthetic.views().view(0)
    still = dict.fromkeys(("means", "quats", "log_scales", "logit_opacities", "sh", "sh_rest"), 0.0)
    moved = []
    for seed in (1, 2):
        optimizer = Optimizer(start, "cpu")
        rates = AdamRates(still, 0.9, 0.999, 0.0, 0.0, noise=mcmc.NOISE_LR * lr, seed=seed)
        CoreStep()(
            *(optimizer.params, optimizer.first, optimizer.second),
            *(view.image, view.camera_from_world, view.K),
            **{"sh_degree": 0, "background": torch.zeros(3), "ssim_weight": 0.2, "rates": rates},
        )
        moved.append(optimizer.params["means"] - start.means)
    assert moved[0][: n // 2].abs().max() == 0
    assert not torch.equal(moved[0], moved[1])
    faint = moved[0][n // 2 :]
    faint = faint[faint.abs().sum(1) > 0]
    assert len(faint) > n / 8
    noise = mcmc.position_noise(
        *(start.quats, start.log_scales, start.logit_opacities, lr, torch.Generator().manual_seed(0))
    )[n // 2 :]
    expected, found = noise.T @ noise / len(noise), faint.T @ faint / len(faint)
    assert (expected - found).norm() < 0.1 * expected.norm()


def test_config_is_checked() -> None:
    """Values that cannot work are named with what was expected."""
    with pytest.raises(TrainError, match="budget is 10, expected at least 100"):
        config_for("preview", budget=10)
    assert config_for("preview", steps=None, budget=500).steps == config_for("preview").steps


# -- laws of the parts ----------------------------------------------------------------------------


@pytest.mark.parametrize("copies", [1, 2, 5, 30])
def test_split_gaussians_look_like_the_one(copies: int) -> None:
    """n copies of the new opacity composite to the old one at the centre (3DGS-MCMC, equation 9), and the
    light they add up to along a line is the same."""
    opacity, scale = torch.tensor([0.3, 0.95], dtype=torch.float64), torch.ones(2, 3, dtype=torch.float64)
    new_opacity, new_scale = mcmc.split_opacity_and_scale(opacity, scale, torch.tensor([copies, copies]))
    assert torch.allclose(1 - (1 - new_opacity) ** copies, opacity)
    x = torch.linspace(-8, 8, 4001, dtype=torch.float64)
    for old, new, width in zip(opacity, new_opacity, new_scale[:, 0], strict=True):
        one = old * torch.exp(-0.5 * x**2)
        many = 1 - (1 - new * torch.exp(-0.5 * (x / width) ** 2)) ** copies
        assert torch.trapezoid(many, x) == pytest.approx(torch.trapezoid(one, x).item(), rel=1e-3)


def test_sampling_follows_opacity() -> None:
    """Frequencies are proportional to opacity, and zeros are never drawn."""
    opacities = torch.tensor([0.1, 0.0, 0.4, 0.5])
    drawn = mcmc.sample_alive(opacities, 20_000, torch.Generator().manual_seed(0))
    counts = torch.bincount(drawn, minlength=4) / 20_000
    assert counts[1] == 0
    assert torch.allclose(counts, opacities, atol=0.02)


def test_refining_moves_the_dead_and_grows_to_plan() -> None:
    """No dead Gaussian is left, the count is the planned one, and the picture hardly changes."""
    views = synthetic.views()
    start = synthetic.ball(400)
    start.logit_opacities[:100] = -9
    optimizer = Optimizer(start, "cpu")
    from recon.raster import render

    view = views.view(0)
    with torch.no_grad():
        before = render(start, view.camera_from_world, view.K, 96, 72).image
        optimizer.refine(CONFIG, 24, schedule.wanted_gaussians(CONFIG, 24, len(start)))
        after = render(optimizer.gaussians, view.camera_from_world, view.K, 96, 72).image
    assert len(optimizer.gaussians) == 849  # half way to 900, geometrically
    assert optimizer.gaussians.logit_opacities.sigmoid().min() >= mcmc.DEAD_OPACITY * 0.999
    assert psnr(after, before) > 24


def test_noise_moves_only_the_faint() -> None:
    """Opaque Gaussians stay, faint ones move along their long axis."""
    n = 500
    quats = torch.tensor([[1.0, 0, 0, 0]]).repeat(n, 1)
    log_scales = torch.tensor([[0.1, 0.001, 0.001]]).log().repeat(n, 1)
    opacities = torch.cat([torch.full((n // 2,), 6.0), torch.full((n // 2,), -7.0)])
    noise = mcmc.position_noise(quats, log_scales, opacities, 1e-4, torch.Generator().manual_seed(0))
    assert noise[: n // 2].abs().max() == 0
    assert noise[n // 2 :, 0].std() > 1000 * noise[n // 2 :, 1].std()


def test_every_epoch_sees_every_view_once() -> None:
    """And the order depends on the step alone."""
    config = replace(CONFIG, seed=3)
    epochs = [[schedule.view_at(config, 7 * e + i, 7) for i in range(7)] for e in range(3)]
    assert all(sorted(epoch) == list(range(7)) for epoch in epochs)
    assert epochs[0] != epochs[1]


@pytest.mark.parametrize("size", [(40, 33), (16, 700), (5, 7)])
@pytest.mark.parametrize("weight", [0.0, 0.2, 1.0])
def test_fused_loss_equals_torch(size: tuple[int, int], weight: float) -> None:
    """Value, SSIM and gradient of the core's fused loss, float64 torch as oracle."""
    g = torch.Generator().manual_seed(0)
    target = torch.rand(*size, 3, generator=g, dtype=torch.float64)
    image = (target + 0.2 * torch.randn(*size, 3, generator=g, dtype=torch.float64)).requires_grad_()
    expected, expected_ssim = l1_ssim(image, target, weight)
    expected.backward()
    fast = image.detach().float().requires_grad_()
    loss, ssim = l1_ssim(fast, target.float(), weight)
    (3 * loss).backward()
    assert loss.item() == pytest.approx(expected.item(), rel=1e-5)
    assert ssim.item() == pytest.approx(expected_ssim.item(), rel=1e-4)
    assert fast.grad is not None
    assert image.grad is not None
    assert (fast.grad / 3 - image.grad).norm() <= 1e-4 * image.grad.norm()


def test_scores_of_equal_images() -> None:
    """PSNR 100 dB (its cap), SSIM 1."""
    image = torch.rand(20, 30, 3)
    assert psnr(image, image) == pytest.approx(100)
    assert ssim_map(image, image).mean() == pytest.approx(1, abs=1e-5)


def test_what_is_kept_from_training_lies_between_what_is_trained() -> None:
    for count in range(3, 40):
        for every in range(2, 10):
            kept = held_out(count, every)
            trained = set(range(count)) - set(kept)
            assert all(i - 1 in trained and i + 1 in trained for i in kept), (count, every)
    assert held_out(29, 8) == [4, 12, 20]
    assert held_out(29, 0) == []
