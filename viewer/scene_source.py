"""A scene folder as the page sees it: its splats, cameras, frames, scores, shots and edits."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from viewer.cameras import cameras_of_chunk, read_json, refined_cameras
from viewer.edits import EDITS_FILE, read_edits
from viewer.errors import ViewerError
from viewer.splat_file import splat_entry

if TYPE_CHECKING:
    from recon.scene import SceneFolder

SCENE_FILES = re.compile(
    r"scene\.(ply|spz)|(chunks|shots)/\d{3,6}/splat\.(ply|spz)|chunks/\d{3,6}/images/[\w-]+\.(png|jpe?g|webp)",
    re.IGNORECASE | re.ASCII,
)
"""Every file of a scene folder that the page may ask for."""
RANK = {"good": 0, "unsure": 1, "failed": 2}


@dataclass(frozen=True)
class SceneSource:
    """A scene folder, which may be in the making."""

    root: Path
    """Resolved; need not exist while it is waited for."""

    @property
    def name(self) -> str:
        return self.root.name

    def file(self, relative: str) -> Path | None:
        """The file behind a relative URL; None when it is not one that the page may ask for."""
        return confined(self.root, relative) if SCENE_FILES.fullmatch(relative) else None

    def edits_file(self, splats: str = "") -> Path:
        """Where the edits are stored: one file for the whole scene."""
        return self.root / EDITS_FILE

    def export_folder(self) -> Path:
        return self.root / "export"

    def manifest(self) -> dict[str, Any]:
        """Everything the page needs to know, as JSON-able values."""
        base = {"name": self.name, "kind": "scene", "live": True}
        if not (self.root / "scene.json").exists():
            return base | {"splats": [], "cameras": [], "notes": []}
        scene = open_scene(self.root)
        metrics = read_json(scene.metrics_path)
        metrics = metrics if isinstance(metrics, dict) else {}
        report = read_json(scene.report_path)
        verdicts = {
            shot.get("shot"): shot
            for shot in (_list_of_dicts(report.get("shots")) if isinstance(report, dict) else [])
        }
        cameras, notes = self._cameras(scene, metrics)
        return base | {
            "fps": scene.info.get("fps"),
            **self._verdict(metrics, list(verdicts.values())),
            "splats": self._splats(scene, metrics),
            "cameras": cameras,
            "metrics": metrics,
            "notes": notes,
            "shots": [
                {key: shot[key] for key in ("index", "first", "frames") if key in shot}
                | {key: verdicts.get(shot.get("index"), {}).get(key) for key in ("verdict", "reason")}
                for shot in _list_of_dicts(scene.info.get("shots"))
            ],
            "trained_scale": self._trained_scale(scene, cameras),
            "edits": read_edits(self.edits_file()),
            "editable": os.access(self.root, os.W_OK),
        }

    def _splats(self, scene: SceneFolder, metrics: dict[str, Any]) -> list[dict[str, Any]]:
        splats: list[dict[str, Any]] = []

        def add(relative: str, key: str, label: str, **more: Any) -> bool:
            path = self.file(relative)
            if path:
                splats.append(splat_entry(path, relative, key, label, **more))
            return path is not None

        shots = [int(shot["index"]) for shot in scene.info.get("shots", [])]
        # Shots are separate worlds: with several, the whole-scene splats are those of the main one.
        main = scene.info.get("main_shot", shots[0] if shots else 0)
        whole = {"shot": main if len(shots) > 1 else None, "metrics": metrics}
        if not add("scene.ply", "scene", "Whole scene", **whole):
            add("scene.spz", "scene", "Whole scene", **whole)
        for shot in shots if len(shots) > 1 else []:
            add(f"shots/{shot:03d}/splat.ply", f"shot-{shot}", f"Shot {shot + 1}", shot=shot)
        for chunk in scene.chunks():
            folder = f"chunks/{chunk.name}"
            own = read_json(self.root / folder / "metrics.json")
            more = {"chunk": chunk.index, "shot": chunk.shot, "first": chunk.first}
            more |= {
                "last": chunk.first + chunk.frames - 1,
                "metrics": own if isinstance(own, dict) else {},
            }
            add(f"{folder}/splat.ply", f"chunk-{chunk.name}", f"Chunk {chunk.index}", **more)
        return splats

    def _cameras(self, scene: SceneFolder, metrics: dict[str, Any]) -> tuple[list[dict[str, Any]], list[str]]:
        """Cameras in order of time, and sentences about those that could not be read."""
        cameras: dict[tuple[int, int], dict[str, Any]] = {}
        notes = []
        for chunk in scene.chunks():
            folder = f"chunks/{chunk.name}"
            found, note = cameras_of_chunk(self.root, folder, chunk.index, chunk.shot, chunk.first)
            notes += [note] if note else []
            for camera in found:  # neighbouring chunks share frames: one camera, several chunks
                key = (camera["shot"], camera["frame"])
                cameras.setdefault(key, camera)
                if cameras[key] is not camera:
                    cameras[key]["chunks"].append(chunk.index)
        for shot in _list_of_dicts(scene.info.get("shots")):
            # The splats were fitted to these poses, not to those of the chunk folders.
            path = self.root / f"shots/{int(shot['index']):03d}/refined_cameras.json"
            for frame, camera in refined_cameras(path).items():
                if (shot["index"], frame) in cameras:
                    cameras[shot["index"], frame] |= camera
        views = {view.get("frame"): view for view in _list_of_dicts(metrics.get("views"))}
        times = {i: row.get("seconds") for i, row in enumerate(_list_of_dicts(scene.info.get("frames")))}
        for camera in cameras.values():
            image, frame = camera.pop("image"), camera["frame"]
            if self.file(image):
                camera |= {"image": f"files/{quote(image)}", "thumb": f"thumbs/{quote(image)}"}
            scores = views.get(frame, {})
            camera |= {key: scores[key] for key in ("split", "psnr", "ssim") if key in scores}
            if isinstance(times.get(frame), (int, float)):
                camera["time"] = times[frame]
        return [cameras[key] for key in sorted(cameras)], notes

    @staticmethod
    def _trained_scale(scene: SceneFolder, cameras: list[dict[str, Any]]) -> float:
        """Size of the pictures at training over that of the frames the cameras are for, at most 1."""
        side = (scene.info.get("training") or {}).get("long_side")
        if not cameras or not isinstance(side, int):
            return 1.0
        return min(1.0, side / max(cameras[0]["width"], cameras[0]["height"]))

    def _verdict(self, metrics: dict[str, Any], shots: list[dict[str, Any]]) -> dict[str, Any]:
        """The scene's own verdict, else the worst of its shots'."""
        judged = [shot for shot in shots if shot.get("verdict") in RANK]
        worst = max(judged, key=lambda shot: RANK[shot["verdict"]], default={})
        told = metrics if metrics.get("verdict") in RANK else worst
        return {"verdict": told.get("verdict"), "reason": str(told.get("reason") or "")}


def open_scene(root: Path) -> SceneFolder:
    """The scene folder, or a ViewerError that says what is wrong with it."""
    from recon.errors import ReconError
    from recon.scene import SceneFolder

    try:
        return SceneFolder.open(root)
    except (ReconError, OSError) as error:
        raise ViewerError(str(error)) from error


def confined(root: Path, relative: str) -> Path | None:
    """A file below `root`; None when it is not there, or reached by a link that leaves the folder."""
    if "\0" in relative:
        return None
    try:
        path = (root / relative).resolve(strict=True)
    except (OSError, RuntimeError):  # missing, or a loop of links
        return None
    return path if path.is_relative_to(root) and path.is_file() else None


def _list_of_dicts(value: Any) -> list[dict[str, Any]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []
