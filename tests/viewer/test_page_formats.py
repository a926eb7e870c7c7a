"""Files of other programs show the same picture as the PLY they were made from: encoders of our own, after
the formats' descriptions, so that the page's reader is not compared with itself."""

from __future__ import annotations

import io
import json
import struct
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from viewer_page import OpenPage, picture, state
from viewer_scene import C0, Splats, psnr, write_ply

import viewer

RIGHT_OF_PANELS = (slice(80, 440), slice(320, 850))


def unit(quats: np.ndarray) -> np.ndarray:
    return quats / np.linalg.norm(quats, axis=-1, keepdims=True)


def bytes_rgba(splats: Splats) -> np.ndarray:
    """[N, 4] uint8: colour seen from everywhere, opacity."""
    rgb = 0.5 + C0 * splats.sh[:, 0]
    rgba = np.concatenate([rgb, 1 / (1 + np.exp(-splats.logits[:, None]))], 1)
    return np.round(255 * rgba.clip(0, 1)).astype(np.uint8)


def write_ksplat(path: Path, splats: Splats, level: int) -> None:
    """One section of GaussianSplats3D's format. Level 0: floats; 1: 16 bits, places within buckets."""
    n, bucket, block, steps = len(splats.means), 256, 4.0, 32767
    kinds = {0: ("<f4", "<f4"), 1: ("<u2", "<f2")}
    place, other = kinds[level]
    row = np.dtype([("place", place, 3), ("scale", other, 3), ("quat", other, 4), ("rgba", "u1", 4)])
    rows = np.zeros(n, row)
    rows["place"] = np.round(splats.means * steps / (block / 2)) + steps if level else splats.means
    rows["scale"], rows["quat"] = np.exp(splats.log_scales), unit(splats.quats)
    rows["rgba"] = bytes_rgba(splats)
    full, rest = divmod(n, bucket) if level else (0, 0)
    buckets = full + (rest > 0)
    lengths = np.array([rest] if rest else [], "<u4")
    meta = lengths.tobytes() + np.zeros((buckets, 3), "<f4").tobytes()
    header = bytearray(4096)
    struct.pack_into("<BB2xIIIIHxx3f", header, 0, 0, 1, 1, 1, n, n, level, 0.0, 0.0, 0.0)
    section = bytearray(1024)
    counts = (n, n, bucket, buckets, block, 12, steps, len(meta) + rows.nbytes, full, len(lengths), 0)
    struct.pack_into("<IIIIfHxxIIIIH", section, 0, *counts)
    path.write_bytes(bytes(header) + bytes(section) + meta + rows.tobytes())


def write_sog(path: Path, splats: Splats) -> None:
    """PlayCanvas' SOG, version 2: lossless WebPs in a zip archive, a texel per splat."""
    n, width = len(splats.means), 60
    assert n % width == 0

    def texture(values: np.ndarray) -> bytes:
        rgba = np.full((n, 4), 255, np.uint8)
        rgba[:, : values.shape[1]] = values
        out = io.BytesIO()
        Image.fromarray(rgba.reshape(-1, width, 4), "RGBA").save(out, "WEBP", lossless=True, exact=True)
        return out.getvalue()

    def nearest(values: np.ndarray) -> tuple[list[float], np.ndarray]:
        codebook = np.linspace(values.min(), values.max(), 256)
        return codebook.tolist(), np.abs(values[..., None] - codebook).argmin(-1)

    logs = np.sign(splats.means) * np.log1p(np.abs(splats.means))
    least, most = logs.min(0), logs.max(0)
    steps = np.round(65535 * (logs - least) / (most - least)).astype(int)
    scales, scale_codes = nearest(splats.log_scales)
    colours, colour_codes = nearest(splats.sh[:, 0])
    quats = unit(splats.quats)
    largest = np.abs(quats).argmax(-1)
    quats = quats * np.sign(quats[np.arange(n), largest])[:, None]
    three = quats[np.arange(4) != largest[:, None]].reshape(n, 3)
    turns = np.concatenate([np.round(255 * (three / np.sqrt(2) + 0.5)), 252 + largest[:, None]], 1)
    files = {
        "means_l.webp": texture(steps & 255),
        "means_u.webp": texture(steps >> 8),
        "scales.webp": texture(scale_codes),
        "quats.webp": texture(turns),
        "sh0.webp": texture(np.concatenate([colour_codes, bytes_rgba(splats)[:, 3:]], 1)),
    }
    means = {"mins": least.tolist(), "maxs": most.tolist(), "files": ["means_l.webp", "means_u.webp"]}
    meta = {"version": 2, "count": n, "antialias": False, "means": means}
    meta |= {"scales": {"codebook": scales, "files": ["scales.webp"]}, "quats": {"files": ["quats.webp"]}}
    meta |= {"sh0": {"codebook": colours, "files": ["sh0.webp"]}}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr("meta.json", json.dumps(meta))
        for name, data in files.items():
            archive.writestr(name, data)


def test_other_formats_show_the_same_picture(open_page: OpenPage, tmp_path: Path, splats: Splats) -> None:
    long = splats.log_scales + np.array([1.5, 0, 0], np.float32)  # so that rotations show
    flat = Splats(splats.means, splats.quats, long, splats.logits, splats.sh[:, :1])
    write_ply(tmp_path / "a.ply", flat)
    write_ksplat(tmp_path / "b.ksplat", flat, level=0)
    write_ksplat(tmp_path / "c.ksplat", flat, level=1)
    write_sog(tmp_path / "d.sog", flat)
    turned = Splats(flat.means, flat.quats[:, [0, 2, 1, 3]], flat.log_scales, flat.logits, flat.sh)
    write_ply(tmp_path / "e.ply", turned)
    with viewer.serve(tmp_path) as url, open_page(url + "#quality=full") as page:

        def shown(name: str) -> np.ndarray:
            page.evaluate("name => splatreel.show(name)", name)
            assert state(page)["gaussians"] == len(flat.means)
            page.wait_for_timeout(400)
            return picture(page.screenshot())[RIGHT_OF_PANELS]

        wanted = shown("a.ply")
        assert wanted.std() > 0.08
        found = {name: psnr(shown(name), wanted) for name in ("b.ksplat", "c.ksplat", "d.sog")}
        assert min(found.values()) >= 38, found
        assert psnr(shown("e.ply"), wanted) < 33, "the picture must tell rotations apart"


@pytest.mark.parametrize("name", ["a.ksplat", "a.sog"])
def test_cut_files_are_said_in_words(open_page: OpenPage, tmp_path: Path, splats: Splats, name: str) -> None:
    path = tmp_path / name
    write_sog(path, splats) if name.endswith("sog") else write_ksplat(path, splats, level=0)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with viewer.serve(path) as url, open_page(url, errors=True) as page:
        said = page.get_by_role("alert").inner_text()
        assert name in said
