"""What a look at the pictures says of the camera, on drawn shots whose camera is known."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from recon.probe import probe
from tests.recon import textured_room

FRAMES = 9


def path_of(kind: str) -> np.ndarray:
    """[F, 4, 4] cameras; sideways by 4 % and forwards by 15 % of the room's depth."""
    if kind.startswith("arc"):
        return textured_room.arc(FRAMES, float(kind[3:]))
    poses = np.tile(np.eye(4), (FRAMES, 1, 1))
    poses[:, 1, 3] = -0.3
    share = np.linspace(0, 1, FRAMES)
    if kind == "sideways":
        poses[:, 0, 3] = 0.1 * share
    elif kind == "forwards":
        poses[:, 2, 3] = 0.35 * share
    elif kind == "pan":
        c, s = np.cos(0.25 * share), np.sin(0.25 * share)
        poses[:, 0, 0], poses[:, 0, 2], poses[:, 2, 0], poses[:, 2, 2] = c, s, -s, c
    return poses


def tremble(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """As a generator would draw it: bent by some 0.35 px, brighter or darker."""
    height, width = image.shape[:2]
    bend = cv2.resize(rng.normal(size=(6, 8, 2)).astype(np.float32), (width, height)) * 0.35
    grid = np.stack(np.meshgrid(np.arange(width), np.arange(height)), -1).astype(np.float32) + bend
    bent = cv2.remap(image, grid[..., 0], grid[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101)
    return np.clip(bent * (1 + rng.uniform(-0.06, 0.06)), 0, 255).astype(np.uint8)


@pytest.mark.parametrize("trembles", [False, True])
@pytest.mark.parametrize(
    ("camera", "expected"),
    [
        ("arc6", "moving"),
        ("arc20", "moving"),
        ("sideways", "moving"),
        ("forwards", "moving"),
        ("pan", "turning"),
        ("tripod", "still"),
    ],
)
def test_names_the_movement(tmp_path: Path, camera: str, expected: str, trembles: bool) -> None:
    rng, pictures = np.random.default_rng(0), textured_room.textures()
    images = [textured_room.draw(pose, textured_room.lens(), pictures) for pose in path_of(camera)]
    if trembles:
        images = [tremble(image, rng) for image in images]
    frames = textured_room.folder_of(tmp_path / "scene", images).frames()
    found = probe(frames, frames.shots[0])
    assert found.kind == expected, found
    assert probe(frames, frames.shots[0]) == found


def test_grey_frames_say_nothing(tmp_path: Path) -> None:
    frames = textured_room.folder_of(tmp_path / "s", [np.full((90, 160, 3), 128, np.uint8)] * 2).frames()
    assert probe(frames, frames.shots[0]).kind == "blank"
