"""Laws of the small parts: worlds, lenses, judgement, comparison with the truth, files."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy.spatial.transform import Rotation

from recon.camera_files import read_solution, read_transforms, save_solution, seen_by, write_transforms
from recon.colmap_files import quaternion_of, read_colmap, rotation_of, write_colmap
from recon.errors import FormatError
from recon.judge import judge
from recon.known_cameras import KnownCameras, read_known
from recon.scene import SceneFolder
from recon.truth import align, pose_error
from recon.types import Cameras, Frames, Points, Shot
from recon.undistort import Lens, undistort_images, undistort_points
from recon.world import Similarity, estimate_up, find_world, into_world, level_up, seen_depths
from tests.recon import textured_room

LENS = textured_room.lens()


def project(cameras: Cameras, points: Points) -> np.ndarray:
    """[sum of track lengths, 2] pixels where the tracks say that a point was seen."""
    xyz = np.repeat(points.xyz, [len(track) for track in points.tracks], axis=0)
    camera = np.searchsorted(cameras.numbers, np.concatenate(points.tracks)[:, 0].astype(int))
    pose = cameras.camera_from_world[camera]
    local = np.einsum("nij,nj->ni", pose[:, :3, :3], xyz) + pose[:, :3, 3]
    image = np.einsum("nij,nj->ni", cameras.K[camera], local)
    return image[:, :2] / image[:, 2:]


@pytest.fixture
def solved() -> tuple[Cameras, Points]:
    """Cameras of an arc with 60 points between them, seen by all, and exact tracks."""
    poses = textured_room.arc(10, 40)
    numbers = np.arange(10) + 3
    cameras = Cameras(numbers, poses, np.tile(LENS.K, (10, 1, 1)), 320, 240)
    rng = np.random.default_rng(0)
    xyz = rng.uniform([-0.6, -0.4, 1.5], [0.6, 0.6, 2.5], (60, 3))
    rgb = rng.integers(0, 256, (60, 3)).astype(np.uint8)
    blank = tuple(np.stack([numbers, 0 * numbers, 0 * numbers], 1).astype(np.float32) for _ in xyz)
    points = Points(xyz, rgb, np.full(60, 0.3, np.float32), blank)
    pixels = project(cameras, points).reshape(60, 10, 2)
    tracks = tuple(
        np.concatenate([track[:, :1], xy], 1).astype(np.float32)
        for track, xy in zip(blank, pixels, strict=True)
    )
    return cameras, replace(points, tracks=tracks)


def random_similarity(seed: int) -> Similarity:
    rng = np.random.default_rng(seed)
    rotation = rotation_of(rng.normal(size=4))
    return Similarity(float(np.exp(rng.normal())), rotation, rng.normal(size=3))


# -- worlds ----------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(4))
def test_world_does_not_depend_on_the_solvers_world(solved: tuple[Cameras, Points], seed: int) -> None:
    cameras, points = solved
    moved = into_world(cameras, points, random_similarity(seed))
    found = [into_world(c, p, find_world(c.world_from_camera, c.numbers, p)) for c, p in (solved, moved)]
    np.testing.assert_allclose(found[0][0].world_from_camera, found[1][0].world_from_camera, atol=1e-7)
    np.testing.assert_allclose(found[0][1].xyz, found[1][1].xyz, atol=1e-7)


def test_world_is_as_documented(solved: tuple[Cameras, Points]) -> None:
    cameras, points = into_world(*solved, random_similarity(7))
    ours = into_world(cameras, points, find_world(cameras.world_from_camera, cameras.numbers, points))
    poses = ours[0].world_from_camera
    np.testing.assert_allclose(poses[:, 1, 0], 0, atol=1e-3)  # these cameras are level
    assert (poses[:, 1, 1] > 0.9).all()  # their down is +y
    np.testing.assert_allclose(np.median(seen_depths(poses, ours[0].numbers, ours[1])), 1)
    np.testing.assert_allclose(np.median(ours[1].xyz, axis=0), 0, atol=1e-12)
    np.testing.assert_allclose(np.linalg.det(poses[:, :3, :3]), 1)
    np.testing.assert_allclose(project(*ours), project(*solved), atol=1e-6)


def test_up_of_cameras_that_do_not_turn() -> None:
    """Right vectors that are all the same leave pitch open: the cameras' own up is taken."""
    poses = np.tile(np.eye(4), (5, 1, 1))
    poses[:, 0, 3] = np.arange(5)
    np.testing.assert_allclose(estimate_up(poses), [0, -1, 0], atol=1e-9)


@pytest.mark.parametrize("seed", range(3))
def test_up_of_an_orbit_that_looks_down(seed: int) -> None:
    """30° of pitch do not tilt the world once the camera has turned enough."""
    rng = np.random.default_rng(seed)
    turn = Rotation.from_euler("y", np.linspace(-40, 40, 15)[:, None], degrees=True)
    roll = Rotation.from_euler("z", rng.normal(0, 0.5, (15, 1)), degrees=True)
    poses = np.tile(np.eye(4), (15, 1, 1))
    poses[:, :3, :3] = (turn * Rotation.from_euler("x", -30, degrees=True) * roll).as_matrix()
    assert np.degrees(np.arccos(-estimate_up(poses)[1])) < 1


def leaning(count: int, roll: float, pitch: float) -> np.ndarray:
    """[F, 4, 4] cameras side by side, 1.5 above the floor, that all lean alike: nothing in them tells."""
    poses = np.tile(np.eye(4), (count, 1, 1))
    poses[:, :3, :3] = Rotation.from_euler("zx", [roll, pitch], degrees=True).as_matrix()
    poses[:, 0, 3] = np.linspace(-0.3, 0.3, count)
    return poses


def cloud(seed: int, floor: int, things: int) -> Points:
    """Points of a floor at y = 1.5, a little off it, and of things and a wall above it."""
    rng = np.random.default_rng(seed)
    ground = rng.uniform([-2, 1.5, 2], [2, 1.5, 6], (floor, 3)) + rng.normal(0, 0.01, (floor, 3))
    above = rng.uniform([-2, -1, 2], [2, 1.5, 6], (things, 3))
    wall = rng.uniform([-2, -1, 6], [2, 1.5, 6], (things, 3)) + rng.normal(0, 0.01, (things, 3))
    xyz = np.concatenate([ground, above, wall])
    return Points(xyz, np.zeros((len(xyz), 3), np.uint8), np.zeros(len(xyz), np.float32))


def degrees_from_up(up: np.ndarray) -> float:
    return float(np.degrees(np.arccos(np.clip(-up[1], -1, 1))))


@pytest.mark.parametrize(("roll", "pitch"), [(8, 0), (0, -12), (-6, 9)])
def test_up_is_that_of_the_floor_when_all_cameras_lean(roll: float, pitch: float) -> None:
    poses, points = leaning(9, roll, pitch), cloud(abs(int(roll)), 300, 300)
    assert degrees_from_up(estimate_up(poses)) > 7
    assert degrees_from_up(level_up(estimate_up(poses), poses, points)) < 0.5
    rotation = find_world(poses, np.arange(9), points).rotation
    assert degrees_from_up(rotation.T @ [0, -1, 0]) < 0.5


@pytest.mark.parametrize("seed", range(6))
def test_up_stays_the_cameras_where_there_is_no_floor(seed: int) -> None:
    """Walls and things have a nearly level plane that holds most of them, but none that stands out."""
    poses = leaning(9, 5, -5)
    up = estimate_up(poses)
    assert level_up(up, poses, cloud(seed, 0, 400)) is up
    assert level_up(up, poses, cloud(seed, 20, 30)) is up  # too few to believe


def test_up_is_not_a_ceilings_or_a_steep_slopes() -> None:
    """Only a plane beneath the cameras and within 20° of their up is a floor."""
    poses, points = leaning(9, 5, -5), cloud(0, 600, 50)
    up = estimate_up(poses)
    for turn in (180, 40):
        turned = replace(points, xyz=points.xyz @ Rotation.from_euler("z", turn, degrees=True).as_matrix().T)
        assert level_up(up, poses, turned) is up


def test_similarity_round_trip() -> None:
    similarity = random_similarity(3)
    back = Similarity.from_json(json.loads(json.dumps(similarity.to_json())))
    xyz = np.random.default_rng(0).normal(size=(5, 3))
    np.testing.assert_array_equal(back.points(xyz), similarity.points(xyz))


# -- lenses ----------------------------------------------------------------------------------


@pytest.mark.parametrize("bends", [(0.2, -0.05, 0.001, -0.002), (-0.25, 0.05, 0, 0), (0.05, 0.0, 0.0, 0.0)])
def test_lens_undistorts_what_it_distorts(bends: tuple[float, ...]) -> None:
    lens = Lens(320, 240, LENS.K, bends)
    rays = np.random.default_rng(0).uniform([-0.5, -0.38], [0.5, 0.38], (200, 2))
    np.testing.assert_allclose(lens.undistort(lens.distort(rays)), rays, atol=1e-9)
    pinhole = lens.pinhole()
    np.testing.assert_allclose(
        undistort_points(lens.project(rays), lens, pinhole), pinhole.project(rays), atol=1e-6
    )


@pytest.mark.parametrize("k1", [-0.3, -0.05, 0.05, 0.3])
def test_pinhole_view_is_full_and_widest(k1: float) -> None:
    lens = Lens(320, 240, LENS.K, (k1, 0.0, 0.0, 0.0))
    pinhole = lens.pinhole()
    zoom = pinhole.K[0, 0] / LENS.K[0, 0]
    assert lens._is_covered(zoom)
    assert not lens._is_covered(zoom * 0.99)
    assert pinhole.K[0, 0] == pinhole.K[1, 1]


@pytest.mark.parametrize("k1", [-0.1, 0.1])
def test_undistorted_images_are_what_a_pinhole_camera_sees(tmp_path: Path, k1: float) -> None:
    """In place to a fraction of a pixel, of the same size, and without a blank border."""
    pictures, pose = textured_room.textures(finest=64), textured_room.arc()[5]
    lens = textured_room.lens(k1=k1)
    source, target, done = tmp_path / "source.png", tmp_path / "target.png", []
    Image.fromarray(textured_room.draw(pose, lens, pictures)).save(source)
    undistort_images([(source, target)], lens, lens.pinhole(), done.append)
    found = np.asarray(Image.open(target)).astype(float)
    wanted = textured_room.draw(pose, lens.pinhole(), pictures).astype(float)
    assert found.shape == wanted.shape
    assert done == [1]
    inner = np.abs(found - wanted)
    assert inner.mean() < 1.5
    for side in (inner[:2], inner[-2:], inner[:, :2], inner[:, -2:]):
        assert side.mean() < 6
    for shift in (1, -1):  # half a pixel off would already be seen
        halfway = (wanted + np.roll(wanted, shift, axis=1)) / 2
        assert np.abs(found - halfway)[:, 4:-4].mean() > 2 * inner.mean()


def test_a_lens_that_hardly_bends_is_left_alone() -> None:
    lens = Lens(320, 240, LENS.K, (0.001, 0.0, 0.0, 0.0))
    np.testing.assert_array_equal(lens.pinhole().K, LENS.K)


def test_lens_agrees_with_opencv() -> None:
    import cv2

    lens = Lens(320, 240, LENS.K, (0.1, -0.05, 0.002, -0.003))
    rays = np.random.default_rng(0).uniform(-0.5, 0.5, (50, 2))
    xyz = np.concatenate([rays, np.ones((50, 1))], 1)
    theirs = cv2.projectPoints(xyz, np.zeros(3), np.zeros(3), lens.K, np.array(lens.distortion))[0]
    np.testing.assert_allclose(lens.project(rays), np.asarray(theirs)[:, 0], atol=1e-9)


# -- judgement -------------------------------------------------------------------------------


def test_judgement_of_clear_cases(solved: tuple[Cameras, Points]) -> None:
    cameras, points = solved
    xyz, rgb, error = (np.concatenate([array] * 3) for array in (points.xyz, points.rgb, points.error))
    many = Points(xyz, rgb, error, points.tracks * 3)
    poses, numbers = cameras.world_from_camera, cameras.numbers
    assert judge(poses, numbers, many, LENS, 10).verdict == "good"
    assert judge(poses, numbers, many, LENS, 12).verdict == "unsure"
    assert judge(poses, numbers, many, LENS, 29).verdict == "failed"
    assert judge(poses[:2], numbers[:2], seen_by(many, numbers[:2]), LENS, 2).verdict == "failed"
    assert "length" in judge(poses, numbers, many, replace(LENS, K=LENS.K * [[6], [6], [1]]), 10).reason
    empty = Points(np.zeros((0, 3)), np.zeros((0, 3), np.uint8), np.zeros(0, np.float32))
    assert "only 0 points" in judge(poses, numbers, empty, LENS, 10).reason
    far = replace(many, xyz=poses[:, :3, 3].mean(0) + 40 * (many.xyz - poses[:, :3, 3].mean(0)))
    assert "parallax" in judge(poses, numbers, far, LENS, 10).reason


def test_judgement_does_not_depend_on_the_world(solved: tuple[Cameras, Points]) -> None:
    moved = into_world(*solved, random_similarity(1))
    first, second = (judge(c.world_from_camera, c.numbers, p, LENS, 10) for c, p in (solved, moved))
    assert first.parallax_deg == pytest.approx(second.parallax_deg, abs=1e-4)
    assert first.path_per_depth == pytest.approx(second.path_per_depth)


# -- truth -----------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(3))
def test_pose_error_is_blind_to_similarities(solved: tuple[Cameras, Points], seed: int) -> None:
    cameras, points = solved
    truth = KnownCameras(cameras.numbers, cameras.world_from_camera, LENS)
    moved, _ = into_world(cameras, points, random_similarity(seed))
    error = pose_error(moved, truth)
    assert (error["ate_percent"] or 0) < 1e-9
    assert (error["rotation_deg"] or 0) < 1e-9
    assert error["focal_percent"] == 0


def test_pose_error_measures_what_it_says(solved: tuple[Cameras, Points]) -> None:
    cameras, _ = solved
    truth = KnownCameras(cameras.numbers, cameras.world_from_camera, LENS)
    turned = cameras.world_from_camera.copy()
    turned[::2, :3, :3] = turned[::2, :3, :3] @ Rotation.from_euler("x", 2, degrees=True).as_matrix()
    K = cameras.K.copy()
    K[:, :2, :2] *= 1.1
    error = pose_error(replace(cameras, world_from_camera=turned, K=K), truth)
    assert error["rotation_deg"] == pytest.approx(2, abs=1e-6)  # 25 of 45 pairs
    assert error["focal_percent"] == pytest.approx(10)
    assert (error["ate_percent"] or 0) < 1e-9
    # With distortion the focal length of the lens counts, not that of the resampled images.
    assert pose_error(replace(cameras, K=K, lens_K=LENS.K), truth)["focal_percent"] == 0
    still = replace(cameras, world_from_camera=np.tile(np.eye(4), (10, 1, 1)))
    assert (
        pose_error(still, KnownCameras(still.numbers, still.world_from_camera, LENS))["ate_percent"] is None
    )


def test_align_on_degenerate_points() -> None:
    line = np.outer(np.arange(5.0), [1, 2, 3])
    moved = random_similarity(2).points(line)
    np.testing.assert_allclose(align(line, moved).points(line), moved, atol=1e-9)
    same = np.ones((4, 3))
    np.testing.assert_allclose(align(same, 2 * same).points(same), 2 * same)
    assert np.linalg.det(align(line, -line).rotation) == pytest.approx(1)


# -- files -----------------------------------------------------------------------------------


def frames_of(count: int, fps: float = 8.0, size: tuple[int, int] = (320, 240)) -> Frames:
    return Frames(
        Path("frames"), *size, fps, np.arange(count) / fps, np.ones(count, np.float32), (Shot(0, 0, count),)
    )


def test_transforms_round_trip(solved: tuple[Cameras, Points], tmp_path: Path) -> None:
    cameras, _ = solved
    write_transforms(tmp_path / "transforms.json", cameras)
    back = read_transforms(tmp_path / "transforms.json")
    np.testing.assert_array_equal(back.world_from_camera, cameras.world_from_camera)
    np.testing.assert_array_equal(back.lenses[0].K, LENS.K)
    assert back.names[0] == "images/00003.png"
    content = json.loads((tmp_path / "transforms.json").read_text())
    # OpenGL axes: the third column points backwards, away from what the camera sees.
    looks = -np.array(content["frames"][0]["transform_matrix"])[:3, 2]
    np.testing.assert_array_equal(looks, cameras.world_from_camera[0, :3, 2])


def test_transforms_with_a_lens_for_each_frame(solved: tuple[Cameras, Points], tmp_path: Path) -> None:
    cameras, points = solved
    K = cameras.K.copy()
    K[4, 0, 0] += 5
    zooming = replace(cameras, K=K)
    write_transforms(tmp_path / "transforms.json", zooming)
    write_colmap(tmp_path / "sparse", zooming, points)
    for lenses in (
        read_transforms(tmp_path / "transforms.json").lenses,
        read_colmap(tmp_path / "sparse").lenses,
    ):
        np.testing.assert_array_equal([lens.K for lens in lenses], K)


def test_colmap_round_trip(solved: tuple[Cameras, Points], tmp_path: Path) -> None:
    cameras, points = solved
    write_colmap(tmp_path / "sparse" / "0", cameras, points)
    back = read_colmap(tmp_path)
    np.testing.assert_allclose(back.world_from_camera, cameras.world_from_camera, atol=1e-12)
    assert back.names == tuple(f"{number:05d}.png" for number in cameras.numbers)
    import pycolmap

    model = pycolmap.Reconstruction(str(tmp_path / "sparse" / "0"))
    assert model.num_points3D() == 60
    assert model.compute_num_observations() == 600
    point = model.points3D[1]
    np.testing.assert_array_equal(point.xyz, points.xyz[0])
    np.testing.assert_array_equal(point.color, points.rgb[0])
    seen = point.track.elements[0]
    np.testing.assert_array_equal(
        model.images[seen.image_id].points2D[seen.point2D_idx].xy, points.tracks[0][0, 1:]
    )
    # Only the frames of a chunk, with what they saw.
    write_colmap(tmp_path / "part", cameras.of(range(3, 6)), points)
    assert pycolmap.Reconstruction(str(tmp_path / "part")).compute_num_observations() == 180


@pytest.mark.parametrize("kind", ["binary", "text"])
def test_reads_what_colmap_writes(tmp_path: Path, kind: str) -> None:
    import pycolmap

    options = pycolmap.SyntheticDatasetOptions()
    options.num_rigs, options.num_frames_per_rig, options.num_points3D = 1, 7, 30
    model = pycolmap.synthesize_dataset(options)
    getattr(model, f"write_{kind}")(str(tmp_path))
    back = read_colmap(tmp_path)
    assert len(back.names) == 7
    for name, pose in zip(back.names, back.world_from_camera, strict=True):
        image = model.find_image_with_name(name)
        assert image is not None
        np.testing.assert_allclose(np.linalg.inv(pose)[:3], image.cam_from_world().matrix(), atol=1e-9)


def test_solution_round_trip(solved: tuple[Cameras, Points], tmp_path: Path) -> None:
    cameras, points = solved
    cameras = replace(
        cameras, distortion=(0.1, 0.0, 0.0, 0.0), lens_K=LENS.K, verdict="unsure", reason="Why."
    )
    scene, shot = SceneFolder.create(tmp_path / "scene"), Shot(0, 0, 10)
    with pytest.raises(FormatError, match="has no cameras of shot 0"):
        read_solution(scene, shot)
    save_solution(scene, shot, cameras, points, {"key": "k"})
    back, back_points, extra = read_solution(scene, shot)
    assert (back.distortion, back.verdict, back.reason) == (cameras.distortion, "unsure", "Why.")
    assert extra == {"key": "k"}
    np.testing.assert_array_equal(back.world_from_camera, cameras.world_from_camera)
    np.testing.assert_array_equal(np.concatenate(back_points.tracks), np.concatenate(points.tracks))
    (scene.root / "cameras" / "shot_000.npz").write_bytes(b"PK")
    with pytest.raises(FormatError, match="damaged"):
        read_solution(scene, shot)


def test_quaternions_round_trip() -> None:
    rotation = rotation_of(np.random.default_rng(0).normal(size=(20, 4)))
    np.testing.assert_allclose(rotation_of(quaternion_of(rotation)), rotation, atol=1e-12)


def test_poses_find_their_frames(tmp_path: Path) -> None:
    """By seconds (sidecar), by order, by number; intrinsics follow the size of the frames."""
    poses = textured_room.arc(12)
    sidecar = textured_room.sidecar(tmp_path / "clip.json", LENS, poses)
    thinned = read_known(sidecar, frames_of(6, fps=4.0, size=(160, 120)))
    np.testing.assert_allclose(thinned.world_from_camera, poses[::2], atol=1e-12)
    assert thinned.lens.focal == pytest.approx(LENS.focal / 2)
    cameras = Cameras(np.arange(12), poses, np.tile(LENS.K, (12, 1, 1)), 320, 240)
    path = tmp_path / "transforms.json"
    write_transforms(path, cameras.of([0, 3, 4, 7]))  # type: ignore[arg-type]
    assert read_known(path, frames_of(12)).numbers.tolist() == [0, 3, 4, 7]
    assert read_known(path, frames_of(4)).numbers.tolist() == [0, 1, 2, 3]
    write_transforms(path, cameras)
    every_third = read_known(path, frames_of(4, fps=8 / 3), source_fps=8.0)
    np.testing.assert_allclose(every_third.world_from_camera, poses[::3], atol=1e-12)
    with pytest.raises(FormatError, match="found 12 poses, 0 of them for the 5 frames"):
        read_known(path, frames_of(5))
    with pytest.raises(FormatError, match="expected the same shape"):
        read_known(path, frames_of(12, size=(240, 320)))


@pytest.mark.parametrize(
    "text",
    ["not json", "[]", "{}", '{"frames": []}', '{"frames": [{"file_path": "a", "transform_matrix": [[1]]}]}'],
)
def test_broken_files_get_a_sentence(tmp_path: Path, text: str) -> None:
    path = tmp_path / "cameras.json"
    path.write_text(text)
    with pytest.raises(FormatError, match="expected") as caught:
        read_known(path, frames_of(3))
    assert "\n" not in str(caught.value)
    with pytest.raises(FormatError, match=r"found neither images\.bin"):
        read_known(tmp_path, frames_of(3))


def test_realestate10k_text(tmp_path: Path) -> None:
    """Poses come back, the lens follows the size of the frames, and other text gets a sentence."""
    poses = textured_room.arc(12)
    rows = [
        " ".join(
            f"{value:.9f}" for value in (33.3 * i, 0.5, 0.9, 0.5, 0.5, 0, 0, *np.linalg.inv(pose)[:3].flat)
        )
        for i, pose in enumerate(poses)
    ]
    path = tmp_path / "clip.txt"
    path.write_text("\n".join(["https://example.org/watch", *rows]) + "\n")
    known = read_known(path, frames_of(12, size=(384, 256)))
    np.testing.assert_allclose(known.world_from_camera, poses, atol=1e-7)
    np.testing.assert_allclose(known.lens.K, [[192, 0, 192], [0, 230.4, 128], [0, 0, 1]], atol=1e-9)
    for text in ("", "https://example.org/watch\n", f"{rows[0]}\n1 2 3\n", rows[0].replace("0.5", "nan")):
        path.write_text(text)
        with pytest.raises(FormatError, match="expected a RealEstate10K file"):
            read_known(path, frames_of(12))


def test_truncated_colmap_model(solved: tuple[Cameras, Points], tmp_path: Path) -> None:
    write_colmap(tmp_path / "sparse", *solved)
    images = tmp_path / "sparse" / "images.bin"
    images.write_bytes(images.read_bytes()[:100])
    with pytest.raises(FormatError, match="not a whole COLMAP model"):
        read_colmap(tmp_path / "sparse")
