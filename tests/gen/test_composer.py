"""The composed scene: exact cameras, steady textures, the same frames every time."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from gen import CAMERA_MOVES, GenerateError, GenerateRequest
from gen.composer import compose as composer
from gen.composer import lighting
from gen.composer.builders import BUILDERS
from gen.composer.camera_paths import MOVES, camera_path
from gen.composer.layout import place_objects
from gen.composer.lighting import ground_material
from gen.composer.material_words import MATERIALS
from gen.composer.nouns import OBJECTS
from gen.composer.prompt import read_prompt
from gen.composer.scene import ball, to_arrays
from gen.composer.style import Style
from gen.composer.vocabulary import COLOR_WORDS, COLORS, GROUND_WORDS, LIGHT_WORDS, MATERIAL_WORDS
from gen.types import MOVES_IN_PLACE

PROMPT = "a red brick house with two pine trees and a small blue car"


def composition(prompt: str = PROMPT, **fields) -> composer.Composition:
    fields = {"frames": 29, "width": 240, "height": 136, **fields}
    request = GenerateRequest(prompt, Path("unused.mp4"), **fields)
    return composer.compose(request, read_prompt(prompt))


def render(scene: composer.Composition, frame: int, threads: int = 2):
    with ThreadPoolExecutor(threads) as pool:
        return composer.render_frame(scene, frame, pool)


def test_a_part_that_is_not_in_the_picture_changes_nothing():
    """Law: textures belong to parts, whatever order the bounding tree puts them in."""
    scene = composition()
    pose = scene.path.world_from_camera[0]
    behind = pose[:3, 3] - 20.0 * pose[:3, 2] * [1, 1, 0]
    parts = [part for item in scene.objects for part in item.parts]
    ground = ground_material("grass", None, None)
    more = [*parts, ball((float(behind[0]), float(behind[1]), 0.5), 0.5, parts[0].material)]
    pictures = [render(replace(scene, scene=to_arrays(ground, some)), 0)[0] for some in (parts, more)]
    assert np.ptp(pictures[0]) > 50
    assert np.array_equal(pictures[0], pictures[1])


def test_depth_and_cameras_carry_one_frame_onto_another():
    """Law: a surface point has the same colour wherever the sidecar's cameras say it is seen."""
    scene = composition(width=480, height=270)
    path = scene.path
    (rgb_a, depth_a), (rgb_b, depth_b) = render(scene, 10), render(scene, 14)
    height, width = depth_a.shape
    v, u = np.mgrid[:height, :width] + 0.5
    rays = np.stack([(u - path.cx) / path.focal[10], (v - path.cy) / path.focal[10], np.ones_like(u)], -1)
    seen = np.isfinite(depth_a)
    points = (rays * np.where(seen, depth_a, 1.0)[..., None]) @ path.world_from_camera[10, :3, :3].T
    local = points + path.world_from_camera[10, :3, 3] - path.world_from_camera[14, :3, 3]
    local = local @ path.world_from_camera[14, :3, :3]
    x = local[..., 0] / local[..., 2] * path.focal[14] + path.cx - 0.5
    y = local[..., 1] / local[..., 2] * path.focal[14] + path.cy - 0.5
    inside = seen & (x > 0) & (x < width - 1) & (y > 0) & (y < height - 1)
    xi, yi = np.clip(x, 0, width - 2).astype(int), np.clip(y, 0, height - 2).astype(int)
    fx, fy = (x - xi)[..., None], (y - yi)[..., None]
    b = rgb_b.astype(float)
    warped = (b[yi, xi] * (1 - fx) + b[yi, xi + 1] * fx) * (1 - fy)
    warped += (b[yi + 1, xi] * (1 - fx) + b[yi + 1, xi + 1] * fx) * fy
    nearest = depth_b[
        np.round(np.clip(y, 0, height - 1)).astype(int), np.round(np.clip(x, 0, width - 1)).astype(int)
    ]
    visible = inside & (np.abs(nearest - local[..., 2]) < 0.03 * local[..., 2])
    assert visible.mean() > 0.6
    error = np.abs(warped - rgb_a)[visible].mean()
    unmoved = np.abs(b - rgb_a)[visible].mean()
    assert error < 3.5
    assert error < 0.25 * unmoved


def test_a_known_marker_is_drawn_where_the_camera_says():
    scene = composition("a painted red ball on a white floor", seed=3)
    ball = scene.objects[0]
    center = np.array([*ball.position, 0.5 * ball.height])
    for frame in (0, 14, 28):
        rgb, _ = render(scene, frame)
        pose = scene.path.world_from_camera[frame]
        x, y, z = (center - pose[:3, 3]) @ pose[:3, :3]
        expected = np.array([x, y]) / z * scene.path.focal[frame] + (scene.path.cx, scene.path.cy)
        r, g, b = (rgb[..., c].astype(int) for c in range(3))
        rows, cols = np.nonzero((r > g + 40) & (r > b + 40))
        found = 0.5 * np.array([cols.min() + cols.max() + 1, rows.min() + rows.max() + 1])
        assert np.abs(found - expected).max() < 2.0


@pytest.mark.parametrize("move", CAMERA_MOVES)
def test_every_move_keeps_the_subject_in_view_and_those_through_space_have_parallax(move):
    rng = np.random.default_rng(0)
    subject = rng.uniform((-2, -1, 0), (2, 1, 3), (40, 3))
    path = camera_path(subject, move=move, frames=29, width=480, height=270)
    for pose, focal in zip(path.world_from_camera, path.focal, strict=True):
        assert np.allclose(pose[:3, :3] @ pose[:3, :3].T, np.eye(3))
        assert np.isclose(np.linalg.det(pose[:3, :3]), 1.0)
        assert pose[2, 1] < 0  # image down is world down
        local = (subject - pose[:3, 3]) @ pose[:3, :3]
        pixels = local[:, :2] / local[:, 2:] * focal + (path.cx, path.cy)
        assert (local[:, 2] > 0).all()
        assert (pixels > 0).all()
        assert (pixels < (480, 270)).all()
    eyes = path.world_from_camera[:, :3, 3]
    steps = np.linalg.norm(np.diff(eyes, axis=0), axis=1) / np.linalg.norm(eyes[0] - path.target)
    if move in MOVES_IN_PLACE:
        assert steps.max() == 0
        return
    assert np.degrees(steps.min()) > 0.9
    assert np.degrees(steps.max()) < 6.0


@pytest.mark.parametrize(
    ("move", "towards"),
    [
        ("pan_left", (-1, 0)),
        ("pan_right", (1, 0)),
        ("tilt_up", (0, -1)),
        ("tilt_down", (0, 1)),
        ("orbit_left", (-1, 0)),
        ("orbit_right", (1, 0)),
        ("crane_up", (0, -1)),
        ("crane_down", (0, 1)),
    ],
)
def test_moves_go_where_their_names_say(move, towards):
    """What the camera turns or moves to, in the image directions of its first frame."""
    subject = np.array([(-1.0, -1.0, 0.0), (1.0, 1.0, 2.0)])
    first, *_, last = camera_path(subject, move=move, frames=29, width=480, height=270).world_from_camera
    moved = last[:3, 2] - first[:3, 2] if move in MOVES_IN_PLACE else last[:3, 3] - first[:3, 3]
    assert (moved @ first[:3, :3])[:2] @ towards > 0


def test_a_camera_that_rolls_clockwise_lowers_its_right_side():
    subject = np.array([(-1.0, -1.0, 0.0), (1.0, 1.0, 2.0)])
    for move, sign in (("roll_cw", 1), ("roll_ccw", -1)):
        first, *_, last = camera_path(subject, move=move, frames=9, width=480, height=270).world_from_camera
        assert sign * (last[:3, 0] @ first[:3, 1]) > 0.2


@pytest.mark.parametrize("frames", [2, 9])
def test_a_camera_that_turns_far_has_the_subject_in_view_in_mid_path(frames):
    subject = np.array([(-1.0, -1.0, 0.0), (1.0, 1.0, 2.0)])
    near, far = (
        camera_path(subject, move="pan_left", frames=frames, width=480, height=270, arc_degrees=degrees)
        for degrees in (2.0, 120.0)
    )
    eyes = [np.linalg.norm(p.world_from_camera[0, :3, 3] - subject.mean(0)) for p in (near, far)]
    assert eyes[1] <= 1.05 * eyes[0]
    forward = far.world_from_camera[:, :3, 2]
    assert forward[0, :2] @ forward[-1, :2] < 0


def test_a_zoom_writes_a_focal_length_per_frame_and_other_moves_one():
    subject = np.array([(-1.0, -1.0, 0.0), (1.0, 1.0, 2.0)])
    zoom, arc = (
        camera_path(subject, move=m, frames=9, width=480, height=270).to_json() for m in ("zoom_in", "arc")
    )
    focals = zoom["intrinsics"]["fx"]
    assert len(focals) == 9
    assert focals == sorted(focals)
    assert isinstance(arc["intrinsics"]["fx"], float)


def test_names_of_moves_take_hyphens():
    assert GenerateRequest("a ball", Path("a.mp4"), camera="orbit-left").camera == "orbit_left"
    with pytest.raises(GenerateError, match="must be one of arc, "):
        GenerateRequest("a ball", Path("a.mp4"), camera="barrel-roll")


def test_lists_of_moves_and_objects_agree():
    assert tuple(MOVES) == CAMERA_MOVES
    assert set(MATERIAL_WORDS) == set(MATERIALS)
    assert set(GROUND_WORDS) == set(lighting.GROUNDS)
    assert set(LIGHT_WORDS) == set(lighting.MOODS)
    assert set(COLORS) == set(COLOR_WORDS)
    assert set(BUILDERS) == set(OBJECTS)


def test_a_longer_clip_swings_further_up_to_a_full_turn():
    subject = np.array([(-1.0, -1.0, 0.0), (1.0, 1.0, 2.0)])
    arcs = [
        camera_path(subject, move="arc", frames=n, width=480, height=270).arc_degrees
        for n in (15, 29, 90, 500)
    ]
    assert arcs == sorted(arcs)
    assert arcs[1] == pytest.approx(67.2)
    assert 350 < arcs[-1] < 360


def test_frames_do_not_depend_on_threads_or_bands(monkeypatch):
    one, depth_one = render(composition(), 5, threads=1)
    monkeypatch.setattr(composer, "BAND_ROWS", 7)
    other, depth_other = render(composition(), 5, threads=3)
    assert np.array_equal(one, other)
    assert np.array_equal(depth_one, depth_other)


def test_another_seed_is_another_layout():
    first, again, other = composition(), composition(), composition(seed=1)
    assert [o.position for o in first.objects] == [o.position for o in again.objects]
    assert [o.position for o in first.objects] != [o.position for o in other.objects]


@pytest.mark.parametrize("seed", range(5))
def test_objects_stand_apart_and_every_kind_can_be_built(seed):
    requests = read_prompt("two houses, 3 rocks, a car, a tower, four trees and a bench").objects
    placed = place_objects(requests, np.random.default_rng(seed))
    assert len(placed) == 12
    for i, a in enumerate(placed):
        for b in placed[:i]:
            assert np.hypot(*np.subtract(a.position, b.position)) > 0.8 * (a.radius + b.radius)


@pytest.mark.parametrize("kind", sorted(OBJECTS))
def test_every_object_stands_on_the_ground_and_is_textured(kind):
    (item,) = place_objects(read_prompt(kind).objects, np.random.default_rng(0))
    points = np.concatenate([part.corners() for part in item.parts])
    assert -0.3 < points[:, 2].min() < 0.15
    assert 0.3 < item.height < 8
    arrays = to_arrays(item.parts[0].material, item.parts)
    assert np.isfinite(arrays.object_from_world).all()
    assert sorted(arrays.kind[1:]) == sorted(part.kind for part in item.parts)


def test_the_default_clip_has_detail_to_track_everywhere():
    """A grid of 5 x 8 cells: nearly all hold contrast well above coding noise."""
    rgb, _ = render(composition(), 14)
    grey = rgb.mean(2)
    cells = grey[:135, :240].reshape(5, 27, 8, 30).transpose(0, 2, 1, 3).reshape(40, -1)
    assert (cells.std(1) > 3).mean() > 0.9
    assert 60 < grey.mean() < 190


@pytest.mark.parametrize("kind", sorted(OBJECTS))
def test_no_object_passes_over_a_colour_or_a_material(kind):
    """Law: a word that is reported as used has changed what is drawn."""

    def looks(**wanted) -> np.ndarray:
        parts = BUILDERS[kind](Style(np.random.default_rng(0), **wanted))
        return np.array([(*p.material.linear_colors().ravel(), *p.material.pattern_args()) for p in parts])

    for wanted in ({"color": COLORS["purple"]}, {"material": "mosaic"}, {"material": "rust"}):
        assert not np.array_equal(looks(), looks(**wanted)), wanted
