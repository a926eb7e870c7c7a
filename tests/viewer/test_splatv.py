"""splaTV files, read back by a reader after its viewer's shader: everything is where it was, about."""

from __future__ import annotations

import json
import struct
from pathlib import Path

import numpy as np
import pytest
import torch
from viewer_motion import rasterized
from viewer_scene import C0, FRAMES, Splats, camera_poses, psnr, write_scene

import viewer
from recon.fourd.motion import FOREVER, Splats4D
from recon.fourd.splat4d import write_splats
from recon.types import Gaussians


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, splats: Splats, splats4d: Splats4D) -> Path:
    scene = write_scene(tmp_path_factory.mktemp("splatv") / "rolling", splats)
    write_splats(scene / "scene.ply", splats4d)
    return scene


class SplaTV:
    """What antimatter15's shader does with each texel of the texture."""

    def __init__(self, path: Path) -> None:
        data = path.read_bytes()
        magic, length = struct.unpack_from("<II", data)
        assert magic == 0x674B
        (self.chunk,) = json.loads(data[8 : 8 + length])
        texture = data[8 + length :]
        assert len(texture) == self.chunk["size"] == 16 * self.chunk["texwidth"] * self.chunk["texheight"]
        assert self.chunk["texwidth"] == 4096
        self.words = np.frombuffer(texture, "<u4").reshape(-1, 16)

    def half(self, word: int) -> np.ndarray:
        return np.ascontiguousarray(self.words[:, word]).view("<f2").reshape(-1, 2).astype(np.float32)

    def at(self, time: float) -> Gaussians:
        """Everything that is drawn at a time of 0..1."""
        life = self.half(15)
        dt = (time - life[:, :1]).astype(np.float32)
        share = np.exp(-((dt / life[:, 1:]) ** 2))
        linear = np.concatenate([self.half(8), self.half(9)[:, :1]], 1)
        square = np.concatenate([self.half(9)[:, 1:], self.half(10)], 1)
        cubic = np.concatenate([self.half(11), self.half(12)[:, :1]], 1)
        means = (
            np.ascontiguousarray(self.words[:, :3]).view("<f4") + linear * dt + square * dt**2 + cubic * dt**3
        )
        quats = np.concatenate([self.half(3), self.half(4)], 1)
        quats = quats + dt * np.concatenate([self.half(13), self.half(14)], 1)
        scales = np.concatenate([self.half(5), self.half(6)[:, :1]], 1)
        rgba = np.ascontiguousarray(self.words[:, 7]).view(np.uint8).reshape(-1, 4) / 255
        alpha = (rgba[:, 3:] * share)[:, 0]
        on = (share[:, 0] >= 0.02) & (rgba[:, 3] > 0)
        parts = (
            means,
            quats,
            np.log(np.maximum(scales, 1e-9)),
            np.log(alpha.clip(1e-6) / (1 - alpha).clip(1e-6)),
        )
        sh = (rgba[:, None, :3] - 0.5) / C0
        return Gaussians(
            *(torch.tensor(np.ascontiguousarray(part[on]), dtype=torch.float32) for part in (*parts, sh))
        )


def test_everything_is_where_it_was(folder: Path, tmp_path: Path, splats4d: Splats4D) -> None:
    said: list[str] = []
    size = viewer.export(folder, tmp_path / "a.splatv", on_note=said.append)
    assert size == (tmp_path / "a.splatv").stat().st_size
    assert "99 %" in said[0]
    back = SplaTV(tmp_path / "a.splatv")
    assert len(back.words) == 4096  # whole rows of 1024
    moving = splats4d.moving
    assert moving is not None
    for time in (0.0, 0.35, 0.8, 1.0):
        found, wanted = back.at(time), splats4d.at(time * moving.bases.seconds)
        lasting = torch.cat([torch.ones(len(splats4d.still)), moving.lifetimes.radii == FOREVER]).bool()
        # In the same order; those that come and go may be missing.
        nearest = torch.cdist(wanted.means[lasting], found.means).argmin(1)
        assert (found.means[nearest] - wanted.means[lasting]).norm(dim=1).max() < 5e-3
        unit = torch.nn.functional.normalize
        dots = (unit(found.quats[nearest], dim=1) * unit(wanted.quats[lasting], dim=1)).sum(1).abs()
        assert dots.min() > 0.995
        alphas = [part.logit_opacities.sigmoid() for part in (found.select(nearest), wanted.select(lasting))]
        assert (alphas[0] - alphas[1]).abs().max() < 0.01
    flat = splats4d.at(0.2)
    flat = Gaussians(flat.means, flat.quats, flat.log_scales, flat.logit_opacities, flat.sh[:, :1])
    assert psnr(rasterized(back.at(0.2 / moving.bases.seconds), 2), rasterized(flat, 2)) >= 32
    assert psnr(rasterized(back.at(0.8), 2), rasterized(flat, 2)) < 30, "the time matters"


def test_lives_keep_their_time(folder: Path, tmp_path: Path, splats4d: Splats4D) -> None:
    viewer.export(folder, tmp_path / "a.splatv")
    back = SplaTV(tmp_path / "a.splatv")
    moving = splats4d.moving
    assert moving is not None
    times = np.linspace(0, 1, 201)
    ours = torch.stack([moving.lifetimes.at(float(t) * moving.bases.seconds) for t in times]).mean(0)
    life = back.half(15)[len(splats4d.still) : len(splats4d)]
    theirs = torch.tensor(np.exp(-(((times[:, None] - life[:, 0]) / life[:, 1]) ** 2)).mean(0))
    assert ours.min() < 0.7, "some come and go"
    assert (ours - theirs).abs().max() < 0.05


def test_cameras_and_cropping(folder: Path, tmp_path: Path, splats4d: Splats4D) -> None:
    (folder / "edits.json").write_text(
        json.dumps({"format": "splatreel-edits", "version": 1, "min_opacity": 0.6})
    )
    try:
        viewer.export(folder, tmp_path / "cut.splatv")
    finally:
        (folder / "edits.json").unlink()
    cut = SplaTV(tmp_path / "cut.splatv")
    alphas = cut.words[:, 7] >> 24
    assert 0 < (alphas > 0).sum() < len(splats4d)
    assert alphas[alphas > 0].min() >= 152
    cameras = cut.chunk["cameras"]
    assert len(cameras) == FRAMES
    np.testing.assert_allclose(cameras[3]["position"], camera_poses()[3][:3, 3], atol=1e-5)
    np.testing.assert_allclose(cameras[3]["rotation"], camera_poses()[3][:3, :3], atol=1e-5)
    viewer.export(folder / "scene.ply", tmp_path / "bare.splatv")
    assert len(SplaTV(tmp_path / "bare.splatv").chunk["cameras"]) == 1
    with pytest.raises(viewer.ViewerError, match="--at"):
        viewer.export(folder, tmp_path / "b.splatv", at=0.2)
