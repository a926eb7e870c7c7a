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
    data = _object(value, "edits", {"format", "version", *(field.name for field in fields(Edits))})
    if data.get("format") != FORMAT or data.get("version") != VERSION:
        found = f"{data.get('format')!r} {data.get('version')!r}"
        raise ViewerError(f"format is {found[:80]}; expected {FORMAT!r} {VERSION}")
    crop, up, background, path = (data.get(key) for key in ("crop", "up", "background", "path"))
    if background is not None and not (isinstance(background, str) and COLOUR.fullmatch(background)):
        raise ViewerError(f"background is {str(background)[:40]!r}; expected a colour as #rrggbb, or null")
    return Edits(
        None if crop is None else _crop(crop),
        _number(data.get("min_opacity", 0), "min_opacity", 0, 1),
        _optional(data.get("max_extent"), "max_extent"),
        None if up is None else _unit(up, "up", 3),
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
    data = _object(value, "crop", {field.name for field in fields(Crop)})
    for key, choices in (("shape", ("box", "sphere")), ("keep", ("inside", "outside"))):
        if data.get(key) not in choices:
            raise ViewerError(f"crop.{key} is {str(data.get(key))[:40]!r}; expected {' or '.join(choices)}")
    size = _numbers(data.get("size"), "crop.size", 3)
    if min(size) <= 0:
        raise ViewerError(f"crop.size is {size}; expected three lengths above 0")
    centre = _numbers(data.get("centre"), "crop.centre", 3)
    return Crop(data["shape"], centre, size, _unit(data.get("rotation"), "crop.rotation", 4), data["keep"])


def _path(value: Any) -> dict[str, Any]:
    data = _object(value, "path", {"seconds", "loop", "keyframes"})
    keyframes = data.get("keyframes")
    if not isinstance(keyframes, list) or not 1 <= len(keyframes) <= MOST_KEYFRAMES:
        found = len(keyframes) if isinstance(keyframes, list) else str(keyframes)[:40]
        raise ViewerError(f"path.keyframes: found {found}, expected a list of 1 to {MOST_KEYFRAMES}")
    if not isinstance(data.get("loop"), bool):
        raise ViewerError(f"path.loop is {str(data.get('loop'))[:40]!r}; expected true or false")
    checked = []
    for i, keyframe in enumerate(keyframes):
        name = f"path.keyframes[{i}]"
        row = _object(keyframe, name, {"world_from_camera", "focal"})
        pose = pose_of(row.get("world_from_camera"), f"{name}.world_from_camera")
        checked.append(
            {"world_from_camera": pose, "focal": _number(row.get("focal"), f"{name}.focal", 0.01, 1000)}
        )
    seconds = _number(data.get("seconds"), "path.seconds", 0.1, 3600)
    return {"seconds": seconds, "loop": data["loop"], "keyframes": checked}


def pose_of(value: Any, name: str) -> list[float]:
    """16 numbers, row by row, of a rigid transform."""
    import numpy as np

    numbers = _numbers(value, name, 16)
    matrix = np.array(numbers).reshape(4, 4)
    rigid = np.allclose(matrix[:3, :3] @ matrix[:3, :3].T, np.eye(3), atol=1e-3) and np.allclose(
        matrix[3], [0, 0, 0, 1], atol=1e-6
    )
    if not rigid or np.linalg.det(matrix[:3, :3]) < 0:
        raise ViewerError(f"{name} is no rotation with a position; expected world_from_camera row by row")
    return list(numbers)


def _object(value: Any, name: str, keys: set[str]) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ViewerError(f"{name}: found {type(value).__name__}, expected an object")
    unknown = sorted(str(key)[:40] for key in value.keys() - keys)
    if unknown:
        raise ViewerError(
            f"{name}: found unknown {', '.join(unknown[:5])}; expected {', '.join(sorted(keys))}"
        )
    return value


def _number(value: Any, name: str, low: float, high: float) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not low <= value <= high:
        raise ViewerError(f"{name} is {str(value)[:40]}; expected a number from {low:g} to {high:g}")
    return float(value)


def _optional(value: Any, name: str) -> float | None:
    return None if value is None else _number(value, name, 1e-12, 1e12)


def _numbers(value: Any, name: str, count: int) -> tuple[float, ...]:
    if not isinstance(value, (list, tuple)) or len(value) != count:
        raise ViewerError(f"{name}: found {str(value)[:60]}, expected {count} numbers")
    return tuple(_number(item, name, -1e12, 1e12) for item in value)


def _unit(value: Any, name: str, count: int) -> tuple[float, ...]:
    numbers = _numbers(value, name, count)
    length = math.hypot(*numbers)
    if not 0.9 < length < 1.1:
        raise ViewerError(f"{name} has length {length:.3g}; expected 1")
    return tuple(number / length for number in numbers)
