"""Edits: what they keep, what they refuse, and that export applies them."""

from __future__ import annotations

import copy
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from viewer_scene import Splats, write_ply

import viewer
from viewer import ply
from viewer.edits import Edits, edits_from_json, load_edits

CROP = {
    "shape": "box",
    "centre": [0.38, 0.2, 0.1],
    "size": [0.5, 0.6, 0.5],
    "rotation": [0.0, 0.0, 0.0, 1.0],
    "keep": "inside",
}
FULL: dict[str, Any] = {
    **{"format": "splatreel-edits", "version": 1, "crop": CROP, "min_opacity": 0.4, "max_extent": 0.04},
    **{"up": [0.0, -1.0, 0.0], "metres_per_unit": 2.5, "background": "#102030"},
    "path": {
        "seconds": 4.0,
        "loop": True,
        "keyframes": [{"world_from_camera": np.eye(4).ravel().tolist(), "focal": 0.9}] * 2,
    },
}


def test_round_trip() -> None:
    assert edits_from_json(FULL).to_json() == edits_from_json(edits_from_json(FULL).to_json()).to_json()
    assert edits_from_json(Edits().to_json()) == Edits()


def turned(crop: dict[str, Any], angle: float) -> dict[str, Any]:
    """About the y axis."""
    return crop | {"rotation": [0.0, float(np.sin(angle / 2)), 0.0, float(np.cos(angle / 2))]}


@pytest.mark.parametrize("shape", ["box", "sphere"])
def test_crops_obey_their_laws(tmp_path: Path, splats: Splats, shape: str) -> None:
    """Inside and outside part the scene; turning a crop by what its shape repeats after changes nothing."""
    write_ply(tmp_path / "a.ply", splats)
    whole = ply.read(tmp_path / "a.ply")

    def keeps(**crop: Any) -> np.ndarray:
        return edits_from_json(
            FULL | {"crop": CROP | {"shape": shape} | crop, "min_opacity": 0, "max_extent": None}
        ).keeps(whole)

    inside = keeps()
    assert 0.05 < inside.mean() < 0.6
    np.testing.assert_array_equal(inside, ~keeps(keep="outside"))
    np.testing.assert_array_equal(inside, keeps(**turned({}, np.pi)))
    assert (
        keeps(**turned({"size": [0.1, 0.6, 1.4]}, np.pi / 2)) == keeps(size=[1.4, 0.6, 0.1])
    ).mean() > 0.999
    assert not (keeps(**turned({"size": [0.1, 0.6, 1.4]}, 0.4)) == keeps(size=[0.1, 0.6, 1.4])).all()
    assert keeps(size=[0.25, 0.3, 0.25]).sum() < inside.sum()
    by_hand = (np.abs(whole.means - CROP["centre"]) <= np.array(CROP["size"]) / 2).all(-1)
    if shape == "box":
        np.testing.assert_array_equal(inside, by_hand)
    else:
        assert not (inside & ~by_hand).any()


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"format": "other"}, "format"),
        ({"extra": 1}, "unknown extra"),
        ({"min_opacity": 2}, "min_opacity is 2; expected a number from 0 to 1"),
        ({"min_opacity": True}, "min_opacity"),
        ({"min_opacity": float("nan")}, "min_opacity"),
        ({"max_extent": 0}, "max_extent"),
        ({"up": [0, 0, 0]}, "up has length"),
        ({"background": "red; url(x)"}, "#rrggbb"),
        ({"crop": CROP | {"size": [1, -1, 1]}}, "above 0"),
        ({"crop": CROP | {"shape": "cone"}}, "box or sphere"),
        ({"crop": CROP | {"centre": [1, 2]}}, "expected 3 numbers"),
        ({"crop": {key: value for key, value in CROP.items() if key != "rotation"}}, "rotation"),
        ({"path": FULL["path"] | {"keyframes": []}}, "1 to 200"),
        ({"path": FULL["path"] | {"loop": "yes"}}, "true or false"),
        (
            {"path": FULL["path"] | {"keyframes": [{"world_from_camera": [0.0] * 16, "focal": 1}]}},
            "no rotation",
        ),
    ],
)
def test_wrong_values_are_one_sentence(change: dict[str, Any], says: str) -> None:
    with pytest.raises(viewer.ViewerError, match=says) as caught:
        edits_from_json(copy.deepcopy(FULL) | change)
    assert "\n" not in str(caught.value)


def test_export_applies_stored_edits(tmp_path: Path, scene: Path) -> None:
    folder = shutil.copytree(scene, tmp_path / "scene")
    (folder / "edits.json").write_text(json.dumps(FULL))
    whole = ply.read(folder / "scene.ply")
    keep = load_edits(folder / "edits.json").keeps(whole)
    said: list[str] = []
    viewer.export(folder, tmp_path / "cut.ply", on_note=said.append)
    cut = ply.read(tmp_path / "cut.ply")
    np.testing.assert_array_equal(cut.means, whole.means[keep])
    np.testing.assert_array_equal(cut.sh, whole.sh[keep])
    assert f"{(~keep).sum():,} of 3,600" in said[0]
    assert viewer.export(folder, tmp_path / "cut.spz") < viewer.export(
        folder, tmp_path / "all.spz", edits=False
    )
    viewer.export(folder, tmp_path / "all.ply", edits=False)
    assert (tmp_path / "all.ply").read_bytes() == (folder / "scene.ply").read_bytes()


def test_edits_that_leave_nothing_or_are_broken_stop_the_export(tmp_path: Path, scene: Path) -> None:
    folder = shutil.copytree(scene, tmp_path / "scene")
    for text, says in (
        (json.dumps(FULL | {"crop": CROP | {"centre": [99.0, 0.0, 0.0]}}), "leaves out all"),
        ("{", "cannot be used"),
    ):
        (folder / "edits.json").write_text(text)
        with pytest.raises(viewer.ViewerError, match=says):
            viewer.export(folder, tmp_path / "cut.ply")
    assert not (tmp_path / "cut.ply").exists()
