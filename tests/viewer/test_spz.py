"""SPZ by round trip through another program's reader: nothing is turned, swapped or flipped."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from viewer_scene import Splats, make_splats, write_ply

import viewer
from viewer import ply


def random_splats(degree: int, seed: int = 1) -> Splats:
    rng = np.random.default_rng(seed)
    base = make_splats(seed)
    n = 200
    sh = rng.uniform(-0.6, 0.6, (n, (degree + 1) ** 2, 3)).astype(np.float32)
    quats = rng.normal(size=(n, 4)).astype(np.float32)
    quats[:4] = np.eye(4) * [[-2], [1], [1], [3]]  # unnormalised, and each axis the largest
    return Splats(base.means[:n] * 30, quats, base.log_scales[:n], base.logits[:n], sh)


@pytest.mark.parametrize("degree", [0, 1, 2, 3])
def test_round_trip(tmp_path: Path, degree: int) -> None:
    gsply = pytest.importorskip("gsply", reason="gsply (a reader to compare with) is not installed")
    splats = random_splats(degree)
    write_ply(tmp_path / "a.ply", splats)
    size = viewer.export_spz(tmp_path / "a.ply", tmp_path / "a.spz")
    assert size == (tmp_path / "a.spz").stat().st_size < 0.6 * (tmp_path / "a.ply").stat().st_size
    back = gsply.read_spz(str(tmp_path / "a.spz"))
    np.testing.assert_allclose(back.means, splats.means, atol=1e-4)
    np.testing.assert_allclose(back.scales, splats.log_scales, atol=1 / 32 + 1e-5)
    np.testing.assert_allclose(back.sh0, splats.sh[:, 0], atol=0.02)
    found, wanted = (1 / (1 + np.exp(-x)) for x in (back.opacities, splats.logits))
    np.testing.assert_allclose(found, wanted, atol=0.003)
    unit = splats.quats / np.linalg.norm(splats.quats, axis=-1, keepdims=True)
    np.testing.assert_allclose(np.abs(np.sum(back.quats * unit, -1)), 1, atol=2e-5)
    if degree:
        np.testing.assert_allclose(back.shN, splats.sh[:, 1:], atol=8.1 / 128)
        np.testing.assert_allclose(back.shN[:, :3], splats.sh[:, 1:4], atol=4.1 / 128)


def test_ply_reader_keeps_every_value(tmp_path: Path) -> None:
    splats = random_splats(3)
    write_ply(tmp_path / "a.ply", splats)
    back = ply.read(tmp_path / "a.ply")
    for name in ("means", "quats", "log_scales", "sh"):
        np.testing.assert_array_equal(getattr(back, name), getattr(splats, name))
    np.testing.assert_array_equal(back.logit_opacities, splats.logits)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda data: data[:-7], "cut short"),
        (lambda data: b"hello", "not a PLY"),
        (lambda data: data.replace(b"opacity", b"opaciti"), "lacks"),
        (lambda data: data.replace(b"binary_little_endian", b"ascii"), "ascii"),
        (lambda data: data.replace(b"vertex 200", b"vertex 999999999999"), "cut short"),
        (lambda data: data.replace(b"property float x", b"property list uchar int x"), "plain numbers"),
    ],
)
def test_bad_plys_are_one_sentence(tmp_path: Path, change, says: str) -> None:
    write_ply(tmp_path / "a.ply", random_splats(1))
    (tmp_path / "a.ply").write_bytes(change((tmp_path / "a.ply").read_bytes()))
    (tmp_path / "a.spz").write_text("old")
    with pytest.raises(viewer.ViewerError, match=says) as caught:
        viewer.export_spz(tmp_path / "a.ply", tmp_path / "a.spz")
    assert "\n" not in str(caught.value)
    assert (tmp_path / "a.spz").read_text() == "old"
