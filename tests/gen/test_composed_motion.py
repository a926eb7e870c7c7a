"""Where objects stand by others, how they move, and the truth that is written about it."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from gen import GenerateRequest, generate
from gen.composer import materials
from gen.composer.camera_paths import look_at
from gen.composer.compose import Composition, Part, compose, render_frame
from gen.composer.layout import place_objects
from gen.composer.prompt import read_prompt
from gen.composer.scene import about, axis_rotation, ball, box, carried, tube
from gen.composer.truth import frame_truth, tracks
from gen.types import Video

MOVING = "a car driving in front of a house, a bouncing ball, a windmill spinning, a robot walking by a tree"


def composition(prompt: str = MOVING, **fields) -> Composition:
    fields = {"frames": 13, "fps": 12.0, "width": 160, "height": 90, **fields}
    return compose(GenerateRequest(prompt, Path("unused.mp4"), **fields), read_prompt(prompt))


@pytest.fixture(scope="module")
def scene() -> Composition:
    return composition()


def placed(prompt: str, seed: int = 0):
    return place_objects(read_prompt(prompt).objects, np.random.default_rng(seed), 1.0)


def seen_from_the_camera(item, anchor) -> tuple[float, float]:
    """How far an object is to the right of another one and nearer to the camera, metres."""
    bearing = np.radians(24.0)
    offset = np.subtract(item.position, anchor.position)
    return float(offset @ (np.cos(bearing), np.sin(bearing))), float(
        offset @ (np.sin(bearing), -np.cos(bearing))
    )


@pytest.mark.parametrize("seed", range(3))
def test_relations_hold_as_the_camera_sees_them(seed):
    house, car = placed("a house with a car in front of it", seed)
    right, nearer = seen_from_the_camera(car, house)
    assert nearer > abs(right)
    house, barrel = placed("a house and a barrel behind the house", seed)
    assert seen_from_the_camera(barrel, house)[1] < 0
    bus, dog = placed("a dog to the left of a bus", seed)
    right, nearer = seen_from_the_camera(dog, bus)
    assert right < -abs(nearer)
    for anchor, item in ((house, barrel), (bus, dog)):
        assert np.hypot(*np.subtract(anchor.position, item.position)) > 0.8 * (anchor.radius + item.radius)


@pytest.mark.parametrize("anchor", ["table", "bench", "car", "box", "chair", "house", "tree", "snowman"])
def test_what_is_on_something_touches_it_from_above(anchor):
    below, *above = placed(f"a {anchor} with two cats on it")
    top = max(part.corners()[:, 2].max() for part in below.parts)
    for cat in above:
        assert cat.carrier is below
        assert 0.1 < cat.base <= top + cat.height
        assert np.hypot(*np.subtract(cat.position, below.position)) < below.radius
    assert above[0].position != above[1].position or above[0].base != above[1].base


def test_what_is_under_something_fits_there_or_says_that_it_does_not():
    table, cat = placed("a cat under a table")
    assert np.hypot(*np.subtract(cat.position, table.position)) < 0.3
    assert cat.height < 0.72 * table.height / 0.82
    _, car = placed("a car under a barrel")
    assert car.note == "There is no room under the barrel, so the car is in front of it."


def test_beside_something_on_a_table_is_on_the_table():
    table, vase, cup = placed("a table with a vase on it and a cup next to the vase")
    assert vase.carrier is cup.carrier is table
    assert cup.base == pytest.approx(vase.base, abs=0.05)
    assert np.hypot(*np.subtract(vase.position, cup.position)) > 0.7 * (vase.radius + cup.radius)


def test_what_stands_on_a_mover_rides_along():
    ride = composition("a dog on a driving car")
    dog = [part for part in ride.moving if ride.objects[part.object].request.kind == "dog"]
    car = [p for p in ride.moving if ride.objects[p.object].request.kind == "car" and p.at_rest.joint is None]
    assert len(dog) == len(ride.objects[dog[0].object].own_parts)
    carried = [
        ride.world_from_part(dog[0], f) @ np.linalg.inv(ride.world_from_part(dog[0], 0)) for f in (0, 9)
    ]
    carrier = [
        ride.world_from_part(car[0], f) @ np.linalg.inv(ride.world_from_part(car[0], 0)) for f in (0, 9)
    ]
    assert np.allclose(carried, carrier)


def test_bodies_move_rigidly_and_come_from_where_they_were(scene):
    for part in scene.moving:
        poses = np.stack([scene.world_from_part(part, frame) for frame in range(13)])
        assert np.allclose(poses[:, :3, :3] @ poses[:, :3, :3].transpose(0, 2, 1), np.eye(3))
        assert np.allclose(np.linalg.det(poses[:, :3, :3]), 1.0)
        center = np.einsum("fij,j->fi", poses[:, :3, :3], np.array(part.at_rest.center)) + poses[:, :3, 3]
        assert np.linalg.norm(np.diff(center, axis=0), axis=1).max() < 0.5  # metres in a twelfth of a second
    kinds = {scene.objects[part.object].request.kind for part in scene.moving}
    assert kinds == {"car", "ball", "windmill", "robot"}
    sails = [part for part in scene.moving if scene.objects[part.object].request.kind == "windmill"]
    assert len(sails) == 8


def test_wheels_roll_without_slipping():
    car = composition("a car driving", fps=24.0)
    wheel = next(p for p in car.moving if p.at_rest.joint is not None)
    assert wheel.at_rest.joint is not None
    rim = np.array(wheel.at_rest.joint.pivot) - (0, 0, wheel.at_rest.joint.pivot[2])
    at = [(car.world_from_part(wheel, f) @ (*rim, 1.0))[:3] for f in (6, 7)]
    hub = [(car.world_from_part(wheel, f) @ (*wheel.at_rest.joint.pivot, 1.0))[:3] for f in (6, 7)]
    assert np.linalg.norm(at[1] - at[0]) < 0.3 * np.linalg.norm(hub[1] - hub[0])


def test_a_still_pixel_is_the_same_without_the_movers(scene):
    """Law: what moves changes pixels only where it is, darkens or casts its shadow."""
    without = replace(scene, moving=())
    with ThreadPoolExecutor(2) as pool:
        (with_movers, _), (still, depth) = (render_frame(s, 4, pool) for s in (scene, without))
    truth = frame_truth(scene, 4)
    changed = (with_movers != still).any(2)
    assert changed[truth.moving].mean() > 0.95
    camera = scene.path.pinhole(4)
    edges = np.pad(truth.moving, 1)  # a pixel there is partly a mover
    edges = np.lib.stride_tricks.sliding_window_view(edges, (3, 3)).any((2, 3))
    assert not changed[~edges & np.isinf(depth)].any()
    rows, columns = np.nonzero(changed & ~edges & np.isfinite(depth))
    local = np.stack([(columns + 0.5 - camera.cx) / camera.focal, (rows + 0.5 - camera.cy) / camera.focal], 1)
    points = np.concatenate([local, np.ones((len(local), 1))], 1) * depth[rows, columns, None]
    points = points @ camera.world_from_camera[:3, :3].T + camera.world_from_camera[:3, 3]
    near = np.zeros(len(points), bool)
    sun = scene.light.sun.mean(0) / np.linalg.norm(scene.light.sun.mean(0))
    for item in scene.objects:
        if item.moves:
            offset = np.array([*item.position, 0.5 * item.height]) - points
            reach = np.hypot(item.radius, item.height) + 1.5
            near |= np.linalg.norm(offset - np.outer(np.maximum(offset @ sun, 0), sun), axis=1) < reach
    assert near.all()
    assert (~changed).mean() > 0.4


def test_a_texture_moves_with_its_part(scene):
    """Law: a part carried along with the camera, turned in any way, is the same picture in even light."""
    paints = [materials.mosaic, materials.dots, materials.camouflage, materials.fabric]
    shapes = [box, tube, ball]
    sizes = [((0.9, 0.7, 0.8),), (0.8, 0.9), ((0.9, 0.6, 0.8),)]
    parts = [
        shape((4.0 * i - 4.0, 9.0, 50.0 + 4.0 * j - 6.0), *size, paint((0.8, 0.3, 0.2)))
        for i, (shape, size) in enumerate(zip(shapes, sizes, strict=True))
        for j, paint in enumerate(paints)
    ]
    even = np.full(3, 0.6)
    light = scene.light._replace(
        sun_color=np.zeros(3), zenith=even, horizon=even, bounce=even, clouds=0.0, haze=np.array([1e9, 1.0])
    )
    poses = look_at(np.array([[0.3, -2.0, 52.0]]), np.array([0.0, 9.0, 50.0]))
    elsewhere = about((0.5, 8.0, 47.0), axis_rotation((0.6, 0.0, 0.8), 0.7))
    elsewhere[:3, 3] += (3.0, -1.0, 5.0)
    pictures = []
    for moved in (np.eye(4), elsewhere):
        there = [carried(part, moved) for part in parts]
        path = replace(scene.path, world_from_camera=moved @ poses)
        shot = replace(scene, light=light, path=path, moving=tuple(Part(0, part) for part in there))
        shot = _AtRest(**vars(shot))
        with ThreadPoolExecutor(1) as pool:
            image = render_frame(shot, 0, pool)[0].astype(int)
        pictures.append((image, frame_truth(shot, 0).moving))
    (first, seen), (second, seen_there) = pictures
    assert 0.1 < seen.mean() < 0.9
    assert (seen != seen_there).mean() < 1e-3
    inside = np.lib.stride_tricks.sliding_window_view(np.pad(seen & seen_there, 1), (3, 3)).all((2, 3))
    assert first[inside].std() > 20  # a texture
    assert (np.abs(first - second)[inside] <= 2).mean() > 0.999


class _AtRest(Composition):
    """A composition whose moving parts stay where they are."""

    def world_from_part(self, part: Part, frame: int) -> np.ndarray:
        return np.eye(4)


def test_depth_ids_and_motion_agree_with_the_picture(scene):
    with ThreadPoolExecutor(2) as pool:
        _, depth = render_frame(scene, 6, pool)
    truth = frame_truth(scene, 6)
    assert np.allclose(truth.depth, depth, rtol=1e-6)
    assert truth.ids.max() <= len(scene.objects)
    movers = {n + 1 for n, item in enumerate(scene.objects) if item.moves}
    whole = {n + 1 for n, item in enumerate(scene.objects) if item.moves and item.request.kind != "windmill"}
    assert set(np.unique(truth.ids[truth.moving])) <= movers
    assert truth.moving[np.isin(truth.ids, list(whole))].all()


def test_depth_carries_one_frame_onto_another_and_movers_along(scene):
    """Law: a still point seen in one frame has the other frame's depth, or something in front of it."""
    a, b = frame_truth(scene, 2), frame_truth(scene, 9)
    first, second = scene.path.pinhole(2), scene.path.pinhole(9)
    rows, columns = np.nonzero(np.isfinite(a.depth) & ~a.moving)
    local = np.stack([(columns + 0.5 - first.cx) / first.focal, (rows + 0.5 - first.cy) / first.focal], 1)
    local = np.concatenate([local, np.ones((len(local), 1))], 1) * a.depth[rows, columns, None]
    world = local @ first.world_from_camera[:3, :3].T + first.world_from_camera[:3, 3]
    there = (world - second.world_from_camera[:3, 3]) @ second.world_from_camera[:3, :3]
    pixel = there[:, :2] / there[:, 2:] * second.focal + (second.cx, second.cy)
    inside = ((pixel > 1) & (pixel < (159, 89))).all(1) & (there[:, 2] > 0)
    column, row = pixel[inside].astype(int).T
    found, expected = b.depth[row, column], there[inside, 2]
    assert (found < 1.06 * expected).mean() > 0.98
    assert (np.abs(found / expected - 1) < 0.03).mean() > 0.75


def test_tracks_follow_their_objects(scene):
    """Law: a visible point lies where the ids of its object are, at the depth of the picture."""
    followed = tracks(scene, count=300)
    assert followed.points.shape == (13, 300, 3)
    assert 0.3 < followed.moving.mean() < 0.6
    speed = np.linalg.norm(np.diff(followed.points, axis=0), axis=2).max(0)
    assert (speed[followed.moving] > 0).all()
    assert (speed[~followed.moving] == 0).all()
    for frame in (0, 5, 12):
        truth, seen = frame_truth(scene, frame), followed.visible[frame]
        assert seen.mean() > 0.3
        column, row = followed.pixels[frame, seen].astype(int).T
        assert (truth.ids[row, column] == followed.ids[seen]).mean() > 0.9
        assert (truth.moving[row, column] == followed.moving[seen]).mean() > 0.9
        camera = scene.path.pinhole(frame)
        depth = (followed.points[frame, seen] - camera.world_from_camera[:3, 3]) @ camera.world_from_camera[
            :3, 2
        ]
        assert (np.abs(truth.depth[row, column] / depth - 1) < 0.05).mean() > 0.85


def test_a_ball_bounces_under_gravity():
    ball = composition("a bouncing ball", frames=49, fps=24.0)
    height = np.array([ball.world_from_part(ball.moving[0], frame)[2, 3] for frame in range(49)])
    falling = np.diff(height, 2)[(height[:-2] > 0.15) & (height[2:] > 0.15) & (height[1:-1] > 0.15)]
    assert np.allclose(falling * 24**2, -9.81)
    assert height.min() >= 0
    assert height.min() < 0.08


def test_truth_is_written_beside_the_video_and_named_in_the_sidecar(tmp_path):
    request = GenerateRequest(
        "a red ball bouncing on a table", tmp_path / "clip.mp4", frames=3, width=96, height=64, truth=True
    )
    video: Video = generate(request)
    folder = tmp_path / video.sidecar["files"]["truth"]
    assert sorted(p.name for p in folder.iterdir()) == ["00000.npz", "00001.npz", "00002.npz", "tracks.npz"]
    with np.load(folder / "00001.npz") as frame:
        assert (frame["depth"].shape, frame["depth"].dtype) == ((64, 96), np.float32)
        ball = 1 + [o["kind"] for o in video.sidecar["objects"]].index("ball")
        assert (frame["ids"][frame["moving"]] == ball).all()
        assert frame["moving"].any()
    with np.load(folder / "tracks.npz") as followed:
        assert followed["points"].shape[::2] == (3, 3)
    assert not [p for p in tmp_path.iterdir() if p.name.startswith(".")]
    assert generate(request).reused
