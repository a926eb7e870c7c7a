"""Edits: what a user leaves out of a scene and how it is shown, without touching the splats.

Stored as `edits.json` in the scene folder (beside a bare file: `NAME.edits.json`), written by the page and
applied by `splatreel export` and to rendered videos.
"""

from __future__ import annotations

import json
import math
import re
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from viewer.errors import ViewerError
from viewer.json_values import number_between, numbers_of, object_with, pose_of, unit_vector

if TYPE_CHECKING:
    import numpy as np

    from viewer.ply import Splats

EDITS_FILE = "edits.json"
FORMAT, VERSION = "splatreel-edits", 1
MOST_BYTES = 256 * 1024
MOST_KEYFRAMES = 200
COLOUR = re.compile(r"#[0-9a-f]{6}", re.IGNORECASE | re.ASCII)


@dataclass(frozen=True)
class Crop:
    """A box or an ellipsoid, anywhere and turned in any way."""

    shape: str
    """ "box" or "sphere"."""
    centre: tuple[float, ...]
    """[3] world."""
    size: tuple[float, ...]
    """[3] full lengths along its own axes, world units (a sphere's diameters)."""
    rotation: tuple[float, ...]
    """[4] world from crop, unit quaternion xyzw."""
    keep: str
    """ "inside" or "outside"."""

    def inside(
        self,
        points: np.ndarray,  # [N, 3] world
    ) -> np.ndarray:
        """[N] bool."""
        import numpy as np

        x, y, z, w = self.rotation
        world_from_crop = np.array(
            [
                [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
                [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
                [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
            ]
        )
        unit = (points - np.array(self.centre)) @ world_from_crop / (np.array(self.size) / 2)
        if self.shape == "sphere":
            return (unit**2).sum(-1) <= 1
        return np.abs(unit).max(-1, initial=0) <= 1


@dataclass(frozen=True)
class Edits:
    """All edits of a scene; the default changes nothing."""

    crop: Crop | None = None
    min_opacity: float = 0.0
    """Gaussians less opaque than this are left out."""
    max_extent: float | None = None
    """Gaussians whose largest standard deviation (world units) is above this are left out."""
    up: tuple[float, ...] | None = None
    """[3] unit vector that points up in the world; None: the world's own, -y."""
    metres_per_unit: float | None = None
    background: str | None = None
    """ "#rrggbb"."""
    path: dict[str, Any] | None = None
    """Camera path: seconds, loop, and keyframes of world_from_camera [16] and focal length over height."""

    def keeps(self, splats: Splats) -> np.ndarray:
        """[N] bool: the Gaussians that are shown. One is inside a crop when its centre is."""
        import numpy as np

        # As 1 / (1 + exp(-x)), without overflow.
        opacity = 0.5 * (1 + np.tanh(0.5 * splats.logit_opacities.astype(np.float64)))
        kept = opacity >= self.min_opacity
        if self.max_extent is not None:
            kept &= splats.log_scales.max(-1) <= math.log(self.max_extent)
        if self.crop:
            kept &= self.crop.inside(splats.means.astype(np.float64)) == (self.crop.keep == "inside")
        return kept

    @property
    def cuts(self) -> bool:
        """Does anything get left out?"""
        return self.crop is not None or self.min_opacity > 0 or self.max_extent is not None

    def to_json(self) -> dict[str, Any]:
        """What `edits_from_json` reads."""
        return {"format": FORMAT, "version": VERSION, **asdict(self)}


def edits_from_json(value: Any) -> Edits:
    """Checks everything; a ViewerError says which value is wrong, what was found and what was expected."""
    data = object_with(value, "edits", {"format", "version", *(field.name for field in fields(Edits))})
    if data.get("format") != FORMAT or data.get("version") != VERSION:
        found = f"{data.get('format')!r} {data.get('version')!r}"
        raise ViewerError(f"format is {found[:80]}; expected {FORMAT!r} {VERSION}")
    crop, up, background, path = (data.get(key) for key in ("crop", "up", "background", "path"))
    if background is not None and not (isinstance(background, str) and COLOUR.fullmatch(background)):
        raise ViewerError(f"background is {str(background)[:40]!r}; expected a colour as #rrggbb, or null")
    return Edits(
        None if crop is None else _crop(crop),
        number_between(data.get("min_opacity", 0), "min_opacity", 0, 1),
        _optional(data.get("max_extent"), "max_extent"),
        None if up is None else unit_vector(up, "up", 3),
        _optional(data.get("metres_per_unit"), "metres_per_unit"),
        background,
        None if path is None else _path(path),
    )


def read_edits(path: Path) -> dict[str, Any] | None:
    """Stored edits in JSON; None when there are none, or none that can be read."""
    try:
        return load_edits(path).to_json() if path.exists() else None
    except ViewerError:
        return None


def load_edits(path: Path) -> Edits:
    """Stored edits; the default when there is no such file."""
    try:
        return edits_from_json(json.loads(path.read_text()))
    except FileNotFoundError:
        return Edits()
    except (ViewerError, ValueError, OSError) as error:
        raise ViewerError(f"{path} cannot be used: {error}; delete it, or export with --no-edits") from error


def _crop(value: Any) -> Crop:
    data = object_with(value, "crop", {field.name for field in fields(Crop)})
    for key, choices in (("shape", ("box", "sphere")), ("keep", ("inside", "outside"))):
        if data.get(key) not in choices:
            raise ViewerError(f"crop.{key} is {str(data.get(key))[:40]!r}; expected {' or '.join(choices)}")
    size = numbers_of(data.get("size"), "crop.size", 3)
    if min(size) <= 0:
        raise ViewerError(f"crop.size is {size}; expected three lengths above 0")
    centre = numbers_of(data.get("centre"), "crop.centre", 3)
    return Crop(
        data["shape"], centre, size, unit_vector(data.get("rotation"), "crop.rotation", 4), data["keep"]
    )


def _path(value: Any) -> dict[str, Any]:
    data = object_with(value, "path", {"seconds", "loop", "keyframes"})
    keyframes = data.get("keyframes")
    if not isinstance(keyframes, list) or not 1 <= len(keyframes) <= MOST_KEYFRAMES:
        found = len(keyframes) if isinstance(keyframes, list) else str(keyframes)[:40]
        raise ViewerError(f"path.keyframes: found {found}, expected a list of 1 to {MOST_KEYFRAMES}")
    if not isinstance(data.get("loop"), bool):
        raise ViewerError(f"path.loop is {str(data.get('loop'))[:40]!r}; expected true or false")
    checked = []
    for i, keyframe in enumerate(keyframes):
        name = f"path.keyframes[{i}]"
        row = object_with(keyframe, name, {"world_from_camera", "focal"})
        pose = pose_of(row.get("world_from_camera"), f"{name}.world_from_camera")
        checked.append(
            {
                "world_from_camera": pose,
                "focal": number_between(row.get("focal"), f"{name}.focal", 0.01, 1000),
            }
        )
    seconds = number_between(data.get("seconds"), "path.seconds", 0.1, 3600)
    return {"seconds": seconds, "loop": data["loop"], "keyframes": checked}


def _optional(value: Any, name: str) -> float | None:
    return None if value is None else number_between(value, name, 1e-12, 1e12)
