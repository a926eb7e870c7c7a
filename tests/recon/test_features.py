"""Features of frames and their matches, on drawn pictures."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from recon import features, matching
from recon.events import ignore
from recon.features import FrameFeatures, sift
from recon.matching import find_matches
from tests.recon import textured_room

BLOBS = np.array([[40.5, 30.25], [120.0, 44.75], [201.3, 90.6], [88.8, 101.1], [160.4, 150.9]])


def blobs(scale: float) -> np.ndarray:
    """[H, W, 3] uint8: round spots with their middles at BLOBS, times the scale."""
    height, width = round(180 * scale), round(240 * scale)
    x, y = np.meshgrid(np.arange(width) + 0.5, np.arange(height) + 0.5)
    picture = np.full((height, width), 0.25)
    for cx, cy in BLOBS * scale:
        picture += 0.6 * np.exp(-((x - cx) ** 2 + (y - cy) ** 2) / (2 * (2.5 * scale) ** 2))
    return np.repeat(np.round(255 * picture.clip(0, 1)).astype(np.uint8)[..., None], 3, 2)


@pytest.mark.parametrize("scale", [1.0, 4.0])  # the larger one is shrunk before it is looked at
def test_a_spot_is_found_in_its_middle(tmp_path: Path, scale: float) -> None:
    """To a tenth of a pixel of the picture that is looked at; its first pixel's centre is at (0.5, 0.5)."""
    Image.fromarray(blobs(scale)).save(tmp_path / "spots.png")
    found = sift(tmp_path / "spots.png")
    looked_at = min(1.0, features.IMAGE_SIZE / (240 * scale))
    for middle in BLOBS * scale:
        nearest = np.linalg.norm(found.places[:, :2] - middle, axis=1).argmin()
        assert found.places[nearest, :2] == pytest.approx(middle, abs=0.1 / looked_at)
        # A spot of standard deviation s has its largest answer at s: scales are pixels of the frame.
        assert found.places[nearest, 2] == pytest.approx(2.5 * scale, rel=0.25)


def test_a_blank_picture_has_none(tmp_path: Path) -> None:
    Image.fromarray(np.full((90, 160, 3), 128, np.uint8)).save(tmp_path / "grey.png")
    found = sift(tmp_path / "grey.png")
    assert found.places.shape == (0, 4)
    assert found.descriptors.shape == (0, 128)


def test_masks_leave_the_others_as_they_are(tmp_path: Path) -> None:
    """And a frame is looked at once, whatever masks it gets."""
    images = [
        textured_room.draw(pose, textured_room.lens(), textured_room.textures())
        for pose in textured_room.arc(2)
    ]
    frames = textured_room.folder_of(tmp_path / "scene", images).frames()
    remembered = FrameFeatures(frames)
    whole, _ = remembered.of([0, 1])
    mask = np.full((240, 320), 255, np.uint8)
    mask[:, :150] = 0
    Image.fromarray(mask).save(tmp_path / "mask.png")
    left = whole.outside(tmp_path / "mask.png")
    keep = whole.places[:, 0] >= 150
    assert 0 < keep.sum() < len(keep)
    assert np.array_equal(left.places, whole.places[keep])
    assert np.array_equal(left.descriptors, whole.descriptors[keep])
    looked: list[int] = []
    again = remembered.of([1, 0], looked.append)
    assert again[1] is whole
    assert looked == []


def test_matches_do_not_depend_on_the_number_of_processes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene = textured_room.clip(tmp_path / "scene", textured_room.lens(), textured_room.arc(5, 10.0))
    (shot,) = scene.frames().shots
    remembered, found = FrameFeatures(scene.frames()), []
    for processes in (1, 3):
        monkeypatch.setattr(matching, "PROCESSES", processes)
        work = tmp_path / str(processes)
        work.mkdir()
        database, matches = find_matches(
            scene.frames(), shot, work, features=remembered, seed=0, on_event=ignore
        )
        assert [path.name for path in work.iterdir() if path.name != "log.txt"] == [database.name]
        found.append(matches)
    assert sum(map(len, found[0].first)) > 1000
    assert np.array_equal(found[0].pairs, found[1].pairs)
    for one, other in ((found[0].first, found[1].first), (found[0].second, found[1].second)):
        assert all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))


def test_matches_follow_the_picture(tmp_path: Path) -> None:
    """A picture moved by whole pixels: all matches say so."""
    picture = textured_room.draw(textured_room.arc(1)[0], textured_room.lens(), textured_room.textures())
    moved = cv2.copyMakeBorder(picture, 0, 0, 12, 0, cv2.BORDER_REFLECT)[:, :320]
    scene = textured_room.folder_of(tmp_path / "scene", [picture, moved])
    (shot,) = scene.frames().shots
    _, matches = find_matches(scene.frames(), shot, tmp_path, seed=0, on_event=ignore)
    assert matches.pairs.tolist() == [[0, 1]]
    shift = matches.second[0] - matches.first[0]
    assert np.abs(np.median(shift, 0) - [12, 0]).max() < 0.01
    assert (np.linalg.norm(shift - [12, 0], axis=1) < 0.5).mean() > 0.95
