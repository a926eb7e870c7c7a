"""Warps: exact where they can be checked by hand, and against true depth and cameras where not."""

import numpy as np
import pytest

from gen.errors import GenerateError
from gen.keyframes.deforum_settings import DEFAULT_SCHEDULES
from gen.keyframes.depth import closeness_from, depth_between, scaled_closeness
from gen.keyframes.pictures import add_noise, match_colours, perlin_noise, scale_contrast
from gen.keyframes.scene import warp_scene
from gen.keyframes.warps import camera_motions, focal_length, plane_motion, sheet_motions, warp_sheet, zoomed

SIDE = 64
STILL = {
    name: 0.0 for name in DEFAULT_SCHEDULES if name.startswith(("angle", "translation", "rotation", "persp"))
}
STILL |= {"zoom": 1.0, "transform_center_x": 0.5, "transform_center_y": 0.5, "perspective_flip_fv": 53.0}


def values(**changes: float) -> dict[str, np.ndarray]:
    return {name: np.array([value]) for name, value in (STILL | changes).items()}


def sheet(**changes: float) -> np.ndarray:
    return sheet_motions(values(**changes), SIDE, SIDE)[0]


def camera(**changes: float) -> np.ndarray:
    return camera_motions(values(**changes))[0]


@pytest.fixture(scope="module")
def picture() -> np.ndarray:
    """Smooth and different everywhere, so that a shift of a fraction of a pixel shows."""
    y, x = np.mgrid[:SIDE, :SIDE] / SIDE
    waves = [np.sin(9 * x + 2 * y), np.cos(7 * y - x), np.sin(5 * (x + y))]
    return np.rint(127.5 + 120 * np.stack(waves, -1)).astype(np.uint8)


def difference(a: np.ndarray, b: np.ndarray, rim: int = 0) -> float:
    inside = slice(rim, SIDE - rim)
    return float(np.abs(a[inside, inside].astype(float) - b[inside, inside]).mean())


def test_a_quarter_turn_is_anticlockwise(picture):
    assert difference(warp_sheet(picture, sheet(angle=90), "replicate"), np.rot90(picture)) < 0.01


def test_shifts_go_right_and_down_and_wrap(picture):
    moved = warp_sheet(picture, sheet(translation_x=5, translation_y=-3), "wrap")
    assert np.array_equal(moved, np.roll(picture, (-3, 5), (0, 1)))


def test_a_zoom_keeps_its_fixed_point():
    motion = sheet(zoom=2, transform_center_x=0.25, transform_center_y=1.0)
    np.testing.assert_allclose(motion @ [16, 64, 1], [16, 64, 1])
    np.testing.assert_allclose(motion @ [20, 64, 1], [24, 64, 1])


def test_a_picture_moved_over_many_frames_is_resampled_once(picture):
    steps = [sheet(angle=3, zoom=1.01, translation_x=1.5)] * 12
    there = np.linalg.multi_dot(steps)
    back = warp_sheet(warp_sheet(picture, there, "replicate"), np.linalg.inv(there), "replicate")
    assert difference(back, picture, rim=20) < 1.5


@pytest.mark.parametrize("border", ["replicate", "wrap", "reflect"])
def test_standing_still_changes_nothing(picture, border):
    assert np.array_equal(warp_sheet(picture, sheet(), border), picture)
    depth = np.ones((SIDE, SIDE), np.float32)
    assert np.array_equal(warp_scene(picture, depth, camera(), 50, 50, border), picture)
    assert np.array_equal(zoomed(picture, 1.0, border), picture)


def test_borders_differ_where_the_picture_ends(picture):
    out = [warp_sheet(picture, sheet(zoom=0.5), border) for border in ("replicate", "wrap", "reflect")]
    assert np.array_equal(out[0][0, 32:40], out[0][8, 32:40])
    assert difference(out[0], out[1]) > 5
    assert difference(out[1], out[2]) > 5


def test_flips_turn_the_sheet_in_space():
    corner = sheet(perspective_flip_gamma=30) @ [SIDE, 0, 1]
    assert corner[2] != pytest.approx(1)
    roll = sheet(perspective_flip_theta=90)
    np.testing.assert_allclose(roll / roll[2, 2], sheet(angle=-90), atol=1e-9)


@pytest.mark.parametrize(
    ("changes", "pixel", "seen_at"),
    [
        ({"translation_x": 20}, (32, 32), (27, 32)),  # to the right: the scene goes left by f * 20/200
        ({"translation_y": 20}, (32, 32), (32, 37)),
        ({"translation_z": 100}, (42, 22), (52, 12)),  # half way to the wall: twice the size
        ({"rotation_3d_y": 45}, (82, 32), (32, 32)),  # what was 45 degrees to the right is ahead
        ({"rotation_3d_x": 45}, (32, -18), (32, 32)),  # and what was 45 degrees up
        ({"rotation_3d_z": 90}, (42, 32), (32, 22)),  # the picture turns anticlockwise
    ],
)
def test_a_camera_moves_as_it_is_told(changes, pixel, seen_at):
    seen = plane_motion(camera(**changes), 1.0, 50, 50, SIDE, SIDE) @ [*pixel, 1]
    np.testing.assert_allclose(seen[:2] / seen[2], seen_at, atol=1e-9)


def test_turns_and_moves_of_a_camera_combine_as_in_deforum():
    """Rows of points times Rx Ry Rz, plus the move (py3d's cameras): X after Y after Z, in the new axes."""
    changes = {"rotation_3d_x": 20, "rotation_3d_y": -30, "rotation_3d_z": 40}
    changes |= {"translation_x": 30, "translation_y": 50, "translation_z": 80}
    x, y, z = (np.radians(changes[f"rotation_3d_{axis}"]) for axis in "xyz")
    about_x = np.array([[1, 0, 0], [0, np.cos(x), -np.sin(x)], [0, np.sin(x), np.cos(x)]])
    about_y = np.array([[np.cos(y), 0, np.sin(y)], [0, 1, 0], [-np.sin(y), 0, np.cos(y)]])
    about_z = np.array([[np.cos(z), -np.sin(z), 0], [np.sin(z), np.cos(z), 0], [0, 0, 1]])
    points = np.random.default_rng(0).normal(size=(5, 3))
    expected = points @ (about_x @ about_y @ about_z) + np.array([-30, 50, -80]) / 200
    motion = camera(**changes)
    np.testing.assert_allclose(points @ motion[:3, :3].T + motion[:3, 3], expected, atol=1e-12)


@pytest.mark.parametrize(
    ("changes", "larger"),
    [
        # As in Deforum: the roll is clockwise, a tilt brings the bottom nearer, a pan the left.
        ({"perspective_flip_phi": 20}, (0.5, 1.0)),
        ({"perspective_flip_gamma": 20}, (0.0, 0.5)),
    ],
)
def test_flips_turn_the_way_deforum_turns(changes, larger):
    motion = sheet(**changes)

    def size(x: float, y: float) -> float:
        """How much larger things become there."""
        spot = np.array([[x, y, 1], [x + 0.01, y, 1], [x, y + 0.01, 1]]) * [SIDE, SIDE, 1]
        seen = spot @ motion.T
        seen = seen[:, :2] / seen[:, 2:]
        return abs(np.linalg.det(seen[1:] - seen[0])) / (0.01 * SIDE) ** 2

    assert size(*larger) > 1 > size(1 - larger[0], 1 - larger[1])


def test_flips_are_seen_from_as_far_as_in_deforum():
    # A sheet that is tilted until its bottom edge is half a side nearer, from diagonal / (2 sin(fv / 2)).
    distance = np.hypot(SIDE, SIDE) / (2 * np.sin(np.radians(40 / 2)))
    bottom = sheet(perspective_flip_phi=90, perspective_flip_fv=40) @ [SIDE, SIDE, 1]
    expected = SIDE / 2 + SIDE / 2 * distance / (distance - SIDE / 2)
    assert bottom[0] / bottom[2] == pytest.approx(expected)


def test_a_flat_scene_is_a_wall(picture):
    motion = camera(translation_x=10, translation_z=25, rotation_3d_y=-6, rotation_3d_z=8)
    wall = warp_sheet(picture, plane_motion(motion, 1.5, 60, 70, SIDE, SIDE), "replicate")
    scene = warp_scene(picture, np.full((SIDE, SIDE), 1.5, np.float32), motion, 60, 70, "replicate")
    assert difference(scene, wall) < 0.1


def test_what_is_near_moves_more_and_hides_what_is_far():
    picture = np.zeros((SIDE, SIDE, 3), np.uint8)
    picture[..., 1] = 200
    depth = np.full((SIDE, SIDE), 4.0, np.float32)
    picture[20:40, 30:40], depth[20:40, 30:40] = (250, 0, 0), 1.0
    moved = warp_scene(picture, depth, camera(translation_x=40), 50, 50, "replicate")
    red = np.flatnonzero(moved[30, :, 0] > 200)
    assert (red[0], red[-1]) == (20, 29)
    # What was hidden behind the red box is filled with the background, not with the box.
    assert moved[30, 31:40, 1].min() > 150


def test_true_depth_and_cameras_give_the_true_picture():
    from concurrent.futures import ThreadPoolExecutor
    from pathlib import Path

    from gen import GenerateRequest
    from gen.composer.compose import compose, render_frame
    from gen.composer.prompt import read_prompt

    request = GenerateRequest("a red house and a tree", Path("x.mp4"), frames=29, width=320, height=180)
    composition = compose(request, read_prompt(request.prompt))
    cameras = composition.path.to_json()
    with ThreadPoolExecutor(2) as pool:
        (first, metres), (later, _) = (render_frame(composition, frame, pool)[:2] for frame in (0, 3))
    pose = np.array(cameras["world_from_camera"])
    focal = cameras["intrinsics"]["fx"]
    motion = np.linalg.inv(pose[3]) @ pose[0]
    depth = np.where(np.isfinite(metres), metres, 1e4).astype(np.float32)

    def psnr(picture: np.ndarray) -> float:
        return float(10 * np.log10(255**2 / np.mean((picture.astype(float) - later) ** 2)))

    flat = plane_motion(motion, float(np.median(depth)), focal, focal, 320, 180)
    assert psnr(warp_scene(first, depth, motion, focal, focal, "replicate")) > 4 + max(
        psnr(first), psnr(warp_sheet(first, flat, "replicate"))
    )


def test_depths_lie_between_near_and_far():
    closeness = scaled_closeness(np.linspace(3, 9, SIDE * SIDE).reshape(SIDE, SIDE))
    assert (closeness.min(), closeness.max()) == (0, 1)
    depth = depth_between(closeness, 200, 1000)
    assert (depth.min(), depth.max()) == (pytest.approx(1), pytest.approx(5))
    assert depth[0, 0] > depth[-1, -1]
    assert scaled_closeness(np.full((4, 4), 7.0)).min() == 1


def test_field_of_view():
    assert focal_length(90, 100) == pytest.approx(50)


@pytest.mark.parametrize("space", ["LAB", "HSV", "RGB"])
def test_colours_are_matched(picture, space):
    assert difference(match_colours(picture, picture, space), picture) < 1.5
    pale = (picture // 2 + 100).astype(np.uint8)
    matched = match_colours(pale, picture, space)
    assert difference(matched, picture) < 0.4 * difference(pale, picture)
    assert np.abs(matched.mean((0, 1)) - picture.mean((0, 1))).max() < 12


def test_contrast_and_noise(picture):
    assert scale_contrast(picture, 1.0) is picture
    assert np.array_equal(scale_contrast(picture, 2.0), np.minimum(picture.astype(int) * 2, 255))
    grey = np.full_like(picture, 128)
    assert add_noise(grey, 0.0, "perlin", (1, 2)) is grey
    for kind in ("perlin", "gaussian"):
        noisy = add_noise(grey, 0.1, kind, (1, 2))
        assert noisy.astype(float).std() == pytest.approx(12.75, rel=0.05)
        assert np.array_equal(noisy, add_noise(grey, 0.1, kind, (1, 2)))
        assert not np.array_equal(noisy, add_noise(grey, 0.1, kind, (1, 3)))


def test_perlin_noise_is_cloudy():
    noise = perlin_noise(128, 192, np.random.default_rng(0))
    assert noise.shape == (128, 192)
    assert abs(noise.mean()) < 0.2
    assert np.abs(np.diff(noise, axis=1)).mean() < 0.3  # gaussian noise has 1.13


def test_a_depth_model_is_loaded_from_a_folder(tmp_path, picture):
    transformers = pytest.importorskip("transformers")
    import torch

    torch.manual_seed(0)
    backbone = transformers.Dinov2Config(
        hidden_size=12,
        num_hidden_layers=2,
        num_attention_heads=2,
        image_size=28,
        patch_size=14,
        out_features=["stage1", "stage2"],
        apply_layernorm=True,
        reshape_hidden_states=False,
    )
    config = transformers.DepthAnythingConfig(
        backbone_config=backbone,
        reassemble_hidden_size=12,
        reassemble_factors=[2, 1],
        neck_hidden_sizes=[8, 8],
        fusion_hidden_size=8,
        head_hidden_size=4,
        patch_size=14,
    )
    transformers.DepthAnythingForDepthEstimation(config).save_pretrained(tmp_path)
    processor = transformers.DPTImageProcessor(size={"height": 28, "width": 28}, ensure_multiple_of=14)
    processor.save_pretrained(tmp_path)
    closeness = closeness_from(str(tmp_path))
    found = closeness(picture)
    assert found.shape == (SIDE, SIDE)
    assert (found.min(), found.max()) == (0, 1)
    assert np.array_equal(found, closeness(picture))
    assert not np.array_equal(found, closeness(np.rot90(picture).copy()))


def test_a_missing_depth_model_is_a_sentence():
    pytest.importorskip("transformers")
    with pytest.raises(GenerateError, match=r'depth model "/nowhere" could not be loaded.*hf download'):
        closeness_from("/nowhere")
