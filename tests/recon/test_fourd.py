"""Scenes that move: splines of motions, skinning, the file, tracks, and the way from tracks to Gaussians.

The truth is a small textured box that turns and slides before a camera on an arc.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Literal

import cv2
import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from recon.config import FitConfig
from recon.errors import FormatError
from recon.fourd.bundle import adjust, cost_of
from recon.fourd.contact import Contact, contact_depths
from recon.fourd.fit import BASE_RATES, fit_moving
from recon.fourd.learned_depth import learned_depths
from recon.fourd.lift import lift
from recon.fourd.motion import (
    FOREVER,
    Bases,
    Lifetimes,
    Moving,
    Splats4D,
    at_rest,
    blended_turns,
    quaternion_product,
    skinned,
    skinned_each,
)
from recon.fourd.parts import Parts, Problem, in_one_rest, subdivided
from recon.fourd.shot import too_little
from recon.fourd.sorting import in_shadow, moving_only
from recon.fourd.splat4d import read_splats, write_splats
from recon.fourd.tracks import Tracks, follow
from recon.gaussians import concatenate, isotropic
from recon.plugins.interfaces import DepthGuess
from recon.raster import render
from recon.raster.twin import rotation_matrices
from recon.splat_ply import read_splat_ply
from recon.types import Cameras, Gaussians, Points
from recon.views import Views

FRAMES, FPS, WIDTH, HEIGHT = 15, 15.0, 160, 96
TIMES = np.arange(FRAMES) / FPS


def some_motion(count: int = 40, bases: int = 3, seed: int = 0) -> Moving:
    """Gaussians on random smooth motions."""
    rng = torch.Generator().manual_seed(seed)

    def normal(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, generator=rng)

    control = Bases.count_for(1.0, 0.2)
    quats = torch.nn.functional.normalize(
        torch.tensor([1.0, 0, 0, 0]) + 0.2 * normal(bases, control, 4), dim=-1
    )
    gaussians = Gaussians(
        *(0.3 * normal(count, 3), normal(count, 4), -3 + 0.1 * normal(count, 3)),
        *(normal(count), normal(count, 1, 3)),
    )
    weights = torch.softmax(3 * normal(count, bases), 1)
    lives = Lifetimes(torch.rand(count, generator=rng), torch.full((count,), 0.2), torch.full((count,), 0.1))
    return Moving(gaussians, weights, Bases(quats, 0.5 * normal(bases, control, 3), 0.0, 0.2), lives)


def test_splines_sum_to_one_and_have_no_jumps():
    bases = some_motion().bases
    times = torch.linspace(-0.5, 1.5, 400)
    assert torch.allclose(bases.spline_weights(times).sum(1), torch.ones(400), atol=1e-6)
    _, shifts = bases.at(times)
    inside = (times > 0.01) & (times < 0.99)
    jumps = shifts.diff(n=2, dim=0).norm(dim=-1)[inside[1:-1]]
    assert jumps.max() < 0.01  # twice differentiable: second differences are of the order of the step squared
    assert torch.equal(bases.at(torch.tensor([-3.0]))[1], bases.at(torch.tensor([0.0]))[1])


def test_rest_is_the_inverse_of_motion():
    moving = some_motion()
    times = moving.lifetimes.centres
    world = skinned_each(moving.gaussians.means, moving.weights, moving.bases, times)
    assert torch.allclose(
        at_rest(world, moving.weights, moving.bases, times), moving.gaussians.means, atol=1e-4
    )
    one = float(times[7])
    means, quats = skinned(moving.gaussians.means, moving.gaussians.quats, moving.weights, moving.bases, one)
    assert torch.allclose(means[7], world[7], atol=1e-5)
    turn = blended_turns(moving.weights, moving.bases, times)
    assert torch.allclose(
        rotation_matrices(quats)[7],
        rotation_matrices(quaternion_product(turn, moving.gaussians.quats))[7],
        atol=1e-5,
    )


def test_one_basis_is_a_rigid_motion():
    moving = some_motion(bases=1)
    start = moving.gaussians.means
    for time in (0.0, 0.4, 0.9):
        assert torch.allclose(torch.pdist(moving.at(time).means), torch.pdist(start), atol=1e-4)


def test_gradients_of_motion_agree_with_finite_differences():
    moving = some_motion(count=5, bases=2)
    rest = [t.double() for t in (moving.gaussians.means, moving.gaussians.quats)]

    def moved(quats: torch.Tensor, shifts: torch.Tensor) -> torch.Tensor:
        bases = Bases(quats, shifts, 0.0, 0.2)
        return torch.cat(skinned(rest[0], rest[1], moving.weights.double(), bases, 0.37), 1)

    leaves = [t.double().requires_grad_() for t in (moving.bases.quats, moving.bases.translations)]
    assert torch.autograd.gradcheck(moved, leaves)


def test_lives_have_a_flat_top():
    lives = Lifetimes(torch.tensor([1.0]), torch.tensor([0.5]), torch.tensor([0.1]))
    shares = torch.cat([lives.at(t) for t in (0.5, 1.0, 1.5, 1.6, 2.5)])
    assert torch.allclose(shares, torch.tensor([1.0, 1.0, 1.0, 0.367879, 0.0]), atol=1e-5)


def test_file_brings_back_motion_and_opens_as_a_plain_splat(tmp_path: Path):
    moving = some_motion()
    moving = replace(moving, weights=_strong(moving.weights))
    still = some_motion(seed=5).gaussians
    splats = Splats4D(
        still, replace(moving, lifetimes=replace(moving.lifetimes, radii=torch.full((40,), FOREVER)))
    )
    write_splats(tmp_path / "a.ply", splats)
    back = read_splats(tmp_path / "a.ply")
    for time in (0.0, 0.31, 0.99):
        now, then = back.at(time), splats.at(time)
        assert torch.allclose(now.means, then.means, atol=0.02)  # weights have 8 bits
        assert torch.allclose(now.logit_opacities, then.logit_opacities, atol=1e-4)
    plain = read_splat_ply(tmp_path / "a.ply")
    assert len(plain) == 80
    assert torch.allclose(plain.means[:40], still.means)
    assert read_splats(tmp_path / "a.ply").moving is not None
    own = skinned_each(moving.gaussians.means, moving.weights, moving.bases, moving.lifetimes.centres)
    assert torch.allclose(plain.means[40:], own, atol=1e-4)  # where each really is at its own time


def _strong(weights: torch.Tensor) -> torch.Tensor:
    """In steps of 1/255, as the file has them."""
    steps = (weights * 255).round()
    steps[:, 0] += 255 - steps.sum(1)
    return steps / 255


def test_damaged_files_are_refused_in_a_sentence(tmp_path: Path):
    path = tmp_path / "a.ply"
    write_splats(path, Splats4D(some_motion(seed=5).gaussians, some_motion()))
    good = path.read_bytes()
    for bad, words in (
        (good[:-20], "cut off"),
        (good.replace(b"spacing 0.2", b"spacing 0.0"), "control poses"),
        (good[:-4] + np.float32(np.nan).tobytes(), "no numbers"),
    ):
        path.write_bytes(bad)
        with pytest.raises(FormatError, match=words):
            read_splats(path)


class Box:
    """A textured box that slides and turns on a floor (y = 0), as points, before a camera on an arc."""

    def __init__(self) -> None:
        rng = np.random.default_rng(0)
        faces = rng.uniform(-1, 1, (900, 3)) * [0.18, 0.22, 0.14]
        axis = rng.integers(0, 3, 900)
        faces[np.arange(900), axis] = (
            np.sign(faces[np.arange(900), axis]) * np.array([0.18, 0.22, 0.14])[axis]
        )
        self.rest = faces
        self.colours = rng.uniform(0.1, 0.9, (900, 3))
        self.floor = np.stack([rng.uniform(-1.2, 1.2, 1500), np.zeros(1500), rng.uniform(-1, 1.6, 1500)], 1)
        x, y = np.meshgrid(np.linspace(-3, 3, 25), np.linspace(-2.4, 2.4, 20))
        self.wall = np.stack([x.ravel(), y.ravel(), np.full(500, 2.5)], 1)
        self.floor_colours = rng.uniform(0.3, 0.6, (1500, 3))
        swing = np.radians(np.linspace(-8, 8, FRAMES))
        eye = np.stack([2.0 * np.sin(swing), np.full(FRAMES, -0.9), -2.0 * np.cos(swing)], 1)
        poses = np.tile(np.eye(4), (FRAMES, 1, 1))
        for f in range(FRAMES):
            forward = np.array([0, -0.2, 0]) - eye[f]
            forward /= np.linalg.norm(forward)
            right = np.cross([0.0, 1.0, 0.0], forward)
            right /= np.linalg.norm(right)
            poses[f, :3] = np.stack([right, np.cross(forward, right), forward, eye[f]], 1)
        K = np.array([[150.0, 0, WIDTH / 2], [0, 150.0, HEIGHT / 2], [0, 0, 1]])
        self.cameras = Cameras(np.arange(FRAMES), poses, np.tile(K, (FRAMES, 1, 1)), WIDTH, HEIGHT)

    def pose(self, time: float) -> tuple[np.ndarray, np.ndarray]:
        """Rotation and place at a time."""
        share = time / TIMES[-1]
        return Rotation.from_euler("y", 40 * (share - 0.5), degrees=True).as_matrix(), np.array(
            [0.5 * (share - 0.5), -0.22, 0.1 * np.sin(3 * share)]
        )

    def points(self, time: float) -> np.ndarray:
        """[900, 3] world."""
        turn, place = self.pose(time)
        return self.rest @ turn.T + place

    def splats(self, time: float, floor: bool = True) -> Gaussians:
        """What a camera sees at a time."""
        points = torch.tensor(self.points(time), dtype=torch.float32)
        box = isotropic(points, torch.full((900,), 0.018), torch.tensor(self.colours).float(), 0.95, 0)
        if not floor:
            return box
        ground = isotropic(
            torch.tensor(self.floor).float(),
            torch.full((1500,), 0.03),
            torch.tensor(self.floor_colours).float(),
            0.95,
            0,
        )
        wall = isotropic(
            torch.tensor(self.wall).float(), torch.full((500,), 0.25), torch.full((500, 3), 0.4), 0.95, 0
        )
        return concatenate([ground, wall, box])

    def picture(self, frame: int, floor: bool = True) -> tuple[np.ndarray, np.ndarray]:
        """Image [H, W, 3] uint8, and alpha [H, W] of everything drawn."""
        pose = torch.tensor(self.cameras.camera_from_world[frame], dtype=torch.float32)
        K = torch.tensor(self.cameras.K[frame], dtype=torch.float32)
        with torch.no_grad():
            shot = render(self.splats(float(TIMES[frame]), floor), pose, K, WIDTH, HEIGHT)
        return (shot.image.clamp(0, 1) * 255).byte().numpy(), shot.alpha.numpy()


@pytest.fixture(scope="module")
def box() -> Box:
    return Box()


@pytest.fixture(scope="module")
def clip(box: Box) -> tuple[list[np.ndarray], np.ndarray]:
    """Frames, and masks of what moves."""
    masks = np.stack([box.picture(f, floor=False)[1] > 0.5 for f in range(FRAMES)])
    return [box.picture(f)[0] for f in range(FRAMES)], masks


def seen_faces(box: Box) -> np.ndarray:
    """[250] points of the two faces that the camera sees."""
    return np.flatnonzero((box.rest[:, 2] < -0.139) | (box.rest[:, 1] < -0.219))[:250]


def true_tracks(box: Box, noise: float = 0.3, bounce: float = 0.0) -> Tracks:
    """`seen_faces`, with noise in pixels; the box may bounce so high."""
    rng = np.random.default_rng(1)
    own = seen_faces(box)
    xy = np.zeros((len(own), FRAMES, 2), np.float32)
    for f in range(FRAMES):
        points = box.points(float(TIMES[f]))[own]
        points[:, 1] -= bounce * abs(np.sin(1.5 * f))
        local = points @ box.cameras.camera_from_world[f, :3, :3].T
        pixels = (local + box.cameras.camera_from_world[f, :3, 3]) @ box.cameras.K[f].T
        xy[:, f] = pixels[:, :2] / pixels[:, 2:] + rng.normal(0, noise, (len(own), 2))
    sown = np.full(len(own), FRAMES // 2)
    return Tracks(xy, np.ones((len(own), FRAMES), bool), sown)


def test_flow_follows_what_moves(box: Box, clip: tuple[list[np.ndarray], np.ndarray]):
    images, masks = clip
    tracks = follow(images, masks)
    assert len(tracks) > 30
    assert tracks.seen.sum(1).min() >= 5
    inside = [
        masks[f, int(y), int(x)]
        for track, seen in zip(tracks.xy, tracks.seen, strict=True)
        for f, (x, y) in enumerate(track)
        if seen[f] and 0 <= x < WIDTH and 0 <= y < HEIGHT
    ]
    assert np.mean(inside) > 0.9


def test_contact_is_where_the_box_stands(box: Box, clip: tuple[list[np.ndarray], np.ndarray]):
    _, masks = clip
    tracks = true_tracks(box, 0.0)
    points = Points(box.floor, np.zeros((1500, 3), np.uint8), np.zeros(1500, np.float32))
    at = tracks.xy[np.arange(len(tracks)), tracks.sown]
    contact = contact_depths(at, tracks.sown, masks, points, box.cameras.K, box.cameras.camera_from_world)
    own = seen_faces(box)
    world = box.points(float(TIMES[FRAMES // 2]))[own]
    local = (
        world @ box.cameras.camera_from_world[FRAMES // 2, 2, :3]
        + box.cameras.camera_from_world[FRAMES // 2, 2, 3]
    )
    off = contact.depths / local - 1
    assert abs(np.median(off[contact.feet])) < 0.06  # they are known best; a pixel is 2 %
    assert abs(np.median(off)) < 0.15  # a board instead of a box


def test_a_foot_that_leaves_the_picture_stands_where_the_way_leads(
    box: Box, clip: tuple[list[np.ndarray], np.ndarray]
):
    _, masks = clip
    tracks, middle = true_tracks(box, 0.0), FRAMES // 2
    points = Points(box.floor, np.zeros((1500, 3), np.uint8), np.zeros(1500, np.float32))
    at = tracks.xy[np.arange(len(tracks)), tracks.sown]
    cut = masks.copy()
    rows, columns = np.flatnonzero(masks[middle].any(1)), masks[middle].any(0)
    cut[middle - 1 : middle + 2, rows[-1] :, columns] = True
    full, hidden = (
        contact_depths(at, tracks.sown, m, points, box.cameras.K, box.cameras.camera_from_world).depths
        for m in (masks, cut)
    )
    assert abs(np.median(hidden) / np.median(full) - 1) < 0.1  # by its own frames 0.26 too near


def test_contact_does_not_mind_a_world_that_leans(box: Box, clip: tuple[list[np.ndarray], np.ndarray]):
    """The up of a short arc is some degrees wrong."""
    _, masks = clip
    tracks = true_tracks(box, 0.0)
    at, sown = tracks.xy[np.arange(len(tracks)), tracks.sown], tracks.sown
    lean = np.eye(4)
    lean[:3, :3] = Rotation.from_euler("xz", [4, 3], degrees=True).as_matrix()
    found = []
    for turn in (np.eye(4), lean):
        floor = Points(box.floor @ turn[:3, :3].T, np.zeros((1500, 3), np.uint8), np.zeros(1500, np.float32))
        views = box.cameras.camera_from_world @ np.linalg.inv(turn)
        found.append(contact_depths(at, sown, masks, floor, box.cameras.K, views))
    feet = found[0].feet
    assert 0 < feet.sum() < len(feet)
    assert at[feet, 1].min() > np.median(at[:, 1])  # pixels: they are below
    assert np.abs(np.log(found[1].depths[feet] / found[0].depths[feet])).max() < 0.02


@pytest.mark.parametrize("scale", ["frame", "scene"])
def test_learned_depth_is_brought_to_the_scene(
    box: Box, clip: tuple[list[np.ndarray], np.ndarray], scale: Literal["frame", "scene"]
):
    """Whatever the model's units; points that it sees wrongly are no harm, and with too few there is none."""
    _, masks = clip
    rng, tracks = np.random.default_rng(0), true_tracks(box, 0.0)
    at, cameras = tracks.xy[np.arange(len(tracks)), tracks.sown], box.cameras
    inverse = np.zeros((FRAMES, HEIGHT, WIDTH), np.float32)
    for f in range(FRAMES):
        pose = torch.tensor(cameras.camera_from_world[f], dtype=torch.float32)
        K = torch.tensor(cameras.K[f], dtype=torch.float32)
        with torch.no_grad():
            shot = render(box.splats(float(TIMES[f])), pose, K, WIDTH, HEIGHT, with_depth=True)
        assert shot.depth is not None
        inverse[f] = 1 / shot.depth.clamp_min(0.1)
    a = rng.uniform(0.2, 3, FRAMES) if scale == "frame" else np.full(FRAMES, 0.3)
    b = rng.uniform(0, 0.5, FRAMES) if scale == "frame" else np.zeros(FRAMES)
    guess = DepthGuess((a[:, None, None] * inverse + b[:, None, None]).astype(np.float32), None, scale)
    xyz = np.concatenate([box.floor, box.wall])
    xyz[::7] *= 1.5  # wrong
    points = Points(xyz, np.zeros((len(xyz), 3), np.uint8), np.zeros(len(xyz), np.float32))
    rest = masks, points, cameras.K, cameras.camera_from_world
    found = learned_depths(guess, at, tracks.sown, *rest)
    own = seen_faces(box)
    view = cameras.camera_from_world[FRAMES // 2]
    true = box.points(float(TIMES[FRAMES // 2]))[own] @ view[2, :3] + view[2, 3]
    assert np.median(np.abs(np.log(found.depths / true))) < 0.05  # drawn Gaussians have a thickness
    few = replace(points, **{n: getattr(points, n)[:1] for n in ("xyz", "rgb", "error")})
    assert np.isnan(learned_depths(guess, at, tracks.sown, masks, few, *rest[2:]).depths).all()


def test_a_shadow_is_the_still_scene_but_darker():
    rng = np.random.default_rng(0)
    still = cv2.GaussianBlur(rng.random((60, 80, 3)), (0, 0), 2.0) * 0.8 + 0.1
    shade, blue, brown, thing = np.zeros((4, 60, 80), bool)
    shade[3:13, 10:70], blue[18:28, 10:70], brown[33:43, 10:70], thing[48:58, 10:70] = True, True, True, True
    seen = still.copy()
    seen[shade] *= 0.6
    seen[blue] *= (0.55, 0.6, 0.65)  # lit by the sky alone
    seen[brown] *= (0.65, 0.6, 0.55)  # something of its own, only like a shadow
    seen[thing] = rng.random((thing.sum(), 3))
    found = in_shadow(seen, still)
    assert found[shade].mean() > 0.9
    assert found[blue].mean() > 0.9
    assert found[brown].mean() < 0.05
    assert found[thing].mean() < 0.05


def test_bundle_adjustment_finds_shape_and_motion(box: Box):
    tracks = true_tracks(box)
    own = seen_faces(box)
    truth = np.stack([box.points(float(t))[own] for t in TIMES])
    place = [box.cameras.camera_from_world[FRAMES // 2, :3] @ np.append(p, 1) for p in truth[FRAMES // 2]]
    contact = Contact(np.full(len(own), np.mean([p[2] for p in place])), np.ones(len(own), bool))
    found = lift(tracks, box.cameras.K, box.cameras.camera_from_world, TIMES, contact, spacing=3 / FPS)
    assert np.median(found.misses) < 0.8
    one_hot = torch.nn.functional.one_hot(torch.tensor(found.labels), len(found.bases)).float()
    when = torch.full((len(own),), float(TIMES[FRAMES // 2]))
    rest = at_rest(torch.tensor(found.points, dtype=torch.float32), one_hot, found.bases, when)
    errors = [
        np.linalg.norm(
            skinned(rest, torch.zeros(len(own), 4) + 1, one_hot, found.bases, float(t))[0].numpy() - p, axis=1
        )
        for t, p in zip(TIMES, truth, strict=True)
    ]
    assert np.median(errors) < 0.05 * 0.44  # of its height


def test_closer_control_poses_move_the_same_way():
    bases = some_motion().bases
    parts = Parts(
        *(np.zeros(3, int), np.zeros(3), bases.quats.double().numpy(), bases.translations.double().numpy()),
        *(bases.start, bases.spacing),
    )
    times = np.linspace(0, bases.seconds, 50)
    for before, after in zip(parts.poses(times), subdivided(parts).poses(times), strict=True):
        assert np.allclose(before, after, atol=1e-9)


def test_what_bounces_gets_closer_control_poses(box: Box):
    """And what glides does not."""
    spacings = []
    for bounce in (0.0, 0.15):
        tracks = true_tracks(box, bounce=bounce)
        at = np.full(len(tracks), 2.2)
        contact = Contact(at, np.ones(len(tracks), bool))
        found = lift(tracks, box.cameras.K, box.cameras.camera_from_world, TIMES, contact, spacing=3 / FPS)
        spacings.append(found.bases.spacing * FPS)
    assert spacings[0] == pytest.approx(3)
    assert spacings[1] == pytest.approx(1.5)


def test_adjustment_never_raises_the_cost_and_rests_agree(box: Box):
    tracks = true_tracks(box)
    contact = Contact(np.full(len(tracks), 2.2), np.arange(len(tracks)) % 2 == 0)
    edges = np.zeros((0, 2), int)
    problem = Problem.of(tracks, box.cameras.K, box.cameras.camera_from_world, TIMES, edges, contact)
    control = Bases.count_for(TIMES[-1], 0.2)
    quats = np.zeros((2, control, 4))
    quats[..., 0] = 1
    labels = np.arange(len(tracks)) % 2
    parts = Parts(labels, np.log(contact.depths), quats, np.zeros((2, control, 3)), 0.0, 0.2)
    once = adjust(problem, parts, steps=4)

    costs = [cost_of(problem, p) for p in (parts, once, adjust(problem, once, steps=4))]
    assert costs[1] < costs[0]
    assert costs[2] <= costs[1] * (1 + 1e-9)
    same = in_one_rest(once, problem)
    middle = np.array([TIMES[FRAMES // 2]])
    assert np.allclose(same.poses(middle)[0], np.eye(3), atol=1e-6)
    before, after = (p.rest(problem) for p in (once, same))
    assert before.shape == after.shape
    assert np.isfinite(after).all()


def training(box: Box, images: list[np.ndarray]) -> tuple[Views, Splats4D]:
    """Views, and a start: the box with its colours forgotten."""
    views = Views(images, box.cameras, 0, seconds=TIMES)
    bases = Bases.resting(1, 0.0, float(TIMES[-1]), 3 / FPS)
    rest = box.splats(float(TIMES[FRAMES // 2]), floor=False)
    grey = Gaussians(rest.means, rest.quats, rest.log_scales, rest.logit_opacities, 0 * rest.sh)
    lives = Lifetimes(torch.zeros(900), torch.full((900,), FOREVER), torch.ones(900))
    floor = box.splats(0.0)
    still = floor.select(torch.arange(2000))
    return views, Splats4D(still, Moving(grey, torch.ones(900, 1), bases, lives))


def test_training_finds_colours_and_motion(
    box: Box, clip: tuple[list[np.ndarray], np.ndarray], tmp_path: Path
):
    views, start = training(box, clip[0])
    config = FitConfig(steps=600, budget=900, sh_degree=0, long_side=WIDTH)
    found = fit_moving(views, lambda: start, config, tmp_path).splats

    def error(splats: Splats4D) -> float:
        total = 0.0
        for i in (1, FRAMES - 2):
            view = views.view(i)
            with torch.no_grad():
                image = render(splats.at(view.seconds), view.camera_from_world, view.K, WIDTH, HEIGHT).image
            total += float((image - view.image).abs().mean())
        return total

    assert error(found) < 0.5 * error(start)
    # Motion itself was found: at the ends of the clip the box is where it is, not where it started.
    assert found.moving is not None
    ends = [found.moving.at(float(t)).means.median(0).values for t in TIMES[[0, -1]]]
    assert float(ends[1][0] - ends[0][0]) > 0.25


def test_what_moves_stays_as_far_away_as_it_was_lifted(
    box: Box, clip: tuple[list[np.ndarray], np.ndarray], tmp_path: Path
):
    """One camera sees no difference; while the way across is found."""
    views, start = training(box, clip[0])
    config = FitConfig(steps=200, budget=900, sh_degree=0, long_side=WIDTH)
    found = fit_moving(views, lambda: start, config, tmp_path).splats.moving
    assert found is not None
    assert start.moving is not None
    for f in (2, FRAMES // 2, FRAMES - 3):
        view = views.view(f)
        before, after = (
            moving.at(view.seconds).means @ view.camera_from_world[2, :3] + view.camera_from_world[2, 3]
            for moving in (start.moving, found)
        )
        assert abs(float(after.mean() / before.mean()) - 1) < 0.01


def test_a_pose_moves_only_while_it_is_looked_at(
    box: Box, clip: tuple[list[np.ndarray], np.ndarray], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """One look at the end of the clip, then fifty at its begin: momentum does not carry the last poses on."""
    views, start = training(box, clip[0])
    assert start.moving is not None
    config = FitConfig(steps=51, budget=900, sh_degree=0, long_side=WIDTH)
    monkeypatch.setattr("recon.schedule.view_at", lambda config, step, count: 0 if step else count - 1)
    found = fit_moving(views, lambda: start, config, tmp_path).splats.moving
    assert found is not None
    before, after = (moving.bases.translations[0] for moving in (start.moving, found))
    moved = (after - before).norm(dim=1)
    seen = (start.moving.bases.spline_weights(torch.tensor(TIMES[[0, -1]], dtype=torch.float32)) > 0).bool()
    assert (moved[seen[0]] > 0).all()
    one_step = 2 * BASE_RATES["translations"] * 3**0.5  # of Adam, with its correction
    assert moved[seen[1]].max() < one_step
    assert (moved[~seen.any(0)] == 0).all()


def test_a_resumed_training_ends_where_a_straight_one_ends(
    box: Box, clip: tuple[list[np.ndarray], np.ndarray], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    views, start = training(box, clip[0])
    config = FitConfig(steps=60, budget=1200, sh_degree=0, long_side=WIDTH)
    straight = fit_moving(views, lambda: start, config, tmp_path / "a").splats
    monkeypatch.setattr("recon.checkpoint.CHECKPOINT_SECONDS", 0.0)

    def stop(event: object) -> None:
        if getattr(event, "step", 0) == 40 and hasattr(event, "path"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fit_moving(views, lambda: start, config, tmp_path / "b", on_event=stop)
    again = fit_moving(views, lambda: pytest.fail("began anew"), config, tmp_path / "b").splats
    one, other = straight.at(0.4), again.at(0.4)
    for name, tensor in one.tensors().items():
        assert torch.equal(tensor, getattr(other, name)), name


def test_the_reader_in_the_documentation_reads_our_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    text = (Path(__file__).parents[2] / "docs/splat4d.md").read_text()
    splats = Splats4D(some_motion(seed=5).gaussians, some_motion())
    write_splats(tmp_path / "scene.ply", splats)
    monkeypatch.chdir(tmp_path)
    names: dict = {}
    exec(text.split("```python\n")[1].split("```")[0], names)
    then = read_splats(tmp_path / "scene.ply").at(0.7).means.numpy()
    found = np.stack([names["position"](splat, 0.7) for splat in names["splats"]])
    assert np.allclose(found, then, atol=1e-3)


def test_frames_in_which_nothing_moves_have_no_tracks(clip: tuple[list[np.ndarray], np.ndarray]):
    images, masks = clip
    empty = masks.copy()
    empty[::2] = False
    assert len(follow(images, np.zeros_like(masks))) == 0
    assert not follow(images, empty).seen[:, ::2].any()


def test_still_points_are_not_taken_for_movers(box: Box):
    rng = np.random.default_rng(2)
    xy = np.zeros((200, FRAMES, 2), np.float32)
    for f in range(FRAMES):
        local = box.floor[:200] @ box.cameras.camera_from_world[f, :3, :3].T
        pixels = (local + box.cameras.camera_from_world[f, :3, 3]) @ box.cameras.K[f].T
        xy[:, f] = pixels[:, :2] / pixels[:, 2:] + rng.normal(0, 0.3, (200, 2))
    floor = Tracks(xy, np.ones((200, FRAMES), bool), np.zeros(200, int))
    movers = true_tracks(box)
    both = Tracks(*(np.concatenate([getattr(t, n) for t in (floor, movers)]) for n in ("xy", "seen", "sown")))
    masks = np.ones((FRAMES, HEIGHT, WIDTH), bool)
    points = Points(box.floor, np.zeros((1500, 3), np.uint8), np.zeros(1500, np.float32))
    left, _ = moving_only(both, masks, points, box.cameras.K, box.cameras.camera_from_world)
    assert abs(len(left) - len(movers)) < 0.25 * len(movers)  # some are where the floor behind them is
    none, _ = moving_only(floor, masks, points, box.cameras.K, box.cameras.camera_from_world)
    assert len(none) < 10


@pytest.mark.parametrize(
    ("long", "frames", "anyway", "told"),
    [
        (40, 26, False, ""),
        (39, 26, False, "followed for 6 frames at a time, expected 9 (--motion on keeps it)"),
        (39, 26, True, ""),
        (0, 12, False, ""),  # half of a short clip
    ],
)
def test_points_that_are_lost_at_once_tell_no_motion(long: int, frames: int, anyway: bool, told: str):
    lives = np.where(np.arange(300) < long, 9, 6)
    seen = np.arange(frames) < lives[:, None]
    tracks = Tracks(np.zeros((300, frames, 2), np.float32), seen, np.zeros(300, int))
    found = too_little(tracks, anyway=anyway)
    assert found.endswith(told) if told else found == ""
    assert too_little(tracks.select(np.arange(39)), anyway=True).startswith("only 39 points")
