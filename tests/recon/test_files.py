"""The scene folder and the splat PLY: round trips, other programs' readers, atomic writes, bad files."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from plyfile import PlyData

from recon.errors import FormatError, SceneFolderError
from recon.scene import SceneFolder, cut_into_chunks, replacing, write_json
from recon.splat_ply import read_splat_ply, write_splat_ply
from recon.types import Gaussians, Shot


def some_gaussians(sh_terms: int = 16, count: int = 50) -> Gaussians:
    g = torch.Generator().manual_seed(0)
    shapes = ((count, 3), (count, 4), (count, 3), (count,), (count, sh_terms, 3))
    return Gaussians(*(torch.randn(*shape, generator=g) for shape in shapes))


@pytest.mark.parametrize("sh_terms", [1, 4, 9, 16])
def test_ply_round_trip(tmp_path: Path, sh_terms: int) -> None:
    """What is written is read back, rotations at length 1."""
    gaussians = some_gaussians(sh_terms)
    write_splat_ply(tmp_path / "a.ply", gaussians)
    back = read_splat_ply(tmp_path / "a.ply")
    unit = torch.nn.functional.normalize(gaussians.quats, dim=-1)
    assert torch.allclose(back.quats, unit)
    for name in ("means", "log_scales", "logit_opacities", "sh"):
        assert torch.equal(getattr(back, name), getattr(gaussians, name)), name


def test_ply_in_other_readers(tmp_path: Path) -> None:
    """plyfile and gsply see the same numbers in the 3DGS layout."""
    gaussians = some_gaussians()
    write_splat_ply(tmp_path / "a.ply", gaussians)
    vertex = PlyData.read(tmp_path / "a.ply")["vertex"]
    assert [p.name for p in vertex.properties][:9] == [
        "x",
        "y",
        "z",
        "nx",
        "ny",
        "nz",
        "f_dc_0",
        "f_dc_1",
        "f_dc_2",
    ]
    assert np.array_equal(vertex["opacity"], gaussians.logit_opacities.numpy())
    assert np.array_equal(vertex["f_rest_15"], gaussians.sh[:, 1, 1].numpy())  # green starts after 15 reds
    gsply = pytest.importorskip("gsply", reason="gsply is not installed")
    other = gsply.plyread(str(tmp_path / "a.ply"))
    assert np.allclose(other.means, gaussians.means.numpy())
    assert np.allclose(other.sh0, gaussians.sh[:, 0].numpy())
    assert np.allclose(np.asarray(other.shN).reshape(50, -1, 3), gaussians.sh[:, 1:].numpy())
    assert np.allclose(other.scales, gaussians.log_scales.numpy())


def test_bad_ply_files(tmp_path: Path) -> None:
    """Each gets a sentence with the path."""
    good = tmp_path / "good.ply"
    write_splat_ply(good, some_gaussians())
    data = good.read_bytes()
    cases = {
        "cut off: 25 of 50": data[: len(data) - 25 * 62 * 4],
        "not a PLY": b"\x89PNG" + data,
        "no 'opacity'": data.replace(b"float opacity\n", b"float opacitx\n"),
        "binary little-endian": data.replace(b"binary_little_endian", b"ascii"),
        "is uchar, expected float": data.replace(b"property float x\n", b"property uchar x\n"),
    }
    for sentence, content in cases.items():
        (tmp_path / "bad.ply").write_bytes(content)
        with pytest.raises(FormatError, match=sentence):
            read_splat_ply(tmp_path / "bad.ply")
    with pytest.raises(FormatError, match="cannot be read"):
        read_splat_ply(tmp_path / "missing.ply")


@pytest.mark.parametrize("frames", [1, 5, 28, 29, 30, 52, 53, 54, 77, 113, 300])
def test_chunk_laws(frames: int) -> None:
    """Every frame is in a chunk, chunks hold 29 (or all), start 24 apart, and only the last is moved back."""
    chunks = cut_into_chunks((Shot(0, 0, 10), Shot(1, 10, frames)))
    assert chunks[0].frames == 10
    own = chunks[1:]
    assert {n for c in own for n in c.numbers} == set(range(10, 10 + frames))
    assert {c.frames for c in own} == {min(29, frames)}
    strides = [b.first - a.first for a, b in pairwise(own)]
    assert all(stride == 24 for stride in strides[:-1])
    assert all(0 < stride <= 24 for stride in strides)
    assert [c.index for c in chunks] == list(range(len(chunks)))


def test_replacing_leaves_the_old_on_failure(tmp_path: Path) -> None:
    """Files and folders: an error in the middle, or a full disk, changes nothing."""
    file, folder = tmp_path / "a.txt", tmp_path / "folder"
    file.write_text("old")
    folder.mkdir()
    (folder / "old").touch()
    for target in (file, folder):
        with pytest.raises(RuntimeError), replacing(target) as part:
            if target is folder:
                part.mkdir()
            raise RuntimeError
    with pytest.raises(SceneFolderError, match=r"No space left.* free some space"), replacing(file) as part:
        part.write_text("half")
        raise OSError(28, "No space left on device")
    assert file.read_text() == "old"
    assert [p.name for p in folder.iterdir()] == ["old"]
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.txt", "folder"]
    with replacing(folder) as part:
        part.mkdir()
        (part / "new").touch()
    assert [p.name for p in folder.iterdir()] == ["new"]


def test_foreign_folders_are_left_alone(tmp_path: Path) -> None:
    """A folder with other things, a file, and a scene.json that is not ours are refused."""
    (tmp_path / "holiday").mkdir()
    (tmp_path / "holiday/beach.jpg").touch()
    with pytest.raises(
        SceneFolderError, match=r"holds 1 other file.*beach.jpg.*choose a new or empty folder"
    ):
        SceneFolder.create(tmp_path / "holiday")
    with pytest.raises(SceneFolderError, match="is a file"):
        SceneFolder.create(tmp_path / "holiday/beach.jpg")
    with pytest.raises(SceneFolderError, match="expected a splatreel scene"):
        SceneFolder.open(tmp_path / "holiday")
    for text in ("{", '{"format": "other"}', '{"format": "splatreel-scene", "version": 99}'):
        (tmp_path / "holiday/scene.json").write_text(text)
        with pytest.raises(SceneFolderError, match="not a splatreel scene of version 1"):
            SceneFolder.create(tmp_path / "holiday")
    assert (tmp_path / "holiday/beach.jpg").exists()


def test_stamps(tmp_path: Path) -> None:
    """A stage is done for the key it was done with, also after reopening."""
    scene = SceneFolder.create(tmp_path / "scene")
    assert not scene.is_done("frames", "a")
    scene.mark_done("frames", "a", 1.0)
    again = SceneFolder.create(tmp_path / "scene")
    assert again.is_done("frames", "a")
    assert not again.is_done("frames", "b")
    again.mark_undone("frames")
    assert not SceneFolder.open(tmp_path / "scene").is_done("frames", "a")


def test_json_has_no_nan(tmp_path: Path) -> None:
    """Browsers refuse NaN; it becomes null."""
    write_json(tmp_path / "a.json", {"x": float("nan"), "y": np.float32(1.5), "z": np.arange(2)})
    assert "null" in (tmp_path / "a.json").read_text()
