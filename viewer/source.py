"""What is being looked at: a scene folder, a splat file, or a folder of splat files.

`open_source(path)` gives one object with two jobs: `manifest()`, the JSON that tells the page everything,
and `file(relative)`, the only way from a URL to a file.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from viewer import ply
from viewer.cameras import cameras_of_chunk, read_json, refined_cameras
from viewer.errors import ViewerError

if TYPE_CHECKING:
    from recon.scene import SceneFolder

SPLAT_SUFFIXES = (".ply", ".spz", ".splat", ".ksplat", ".sog")
SCENE_FILES = re.compile(
    r"scene\.(ply|spz)|(chunks|shots)/\d{3,6}/splat\.(ply|spz)|chunks/\d{3,6}/images/[\w-]+\.(png|jpe?g|webp)",
    re.IGNORECASE | re.ASCII,
)
"""Every file of a scene folder that the page may ask for."""
RANK = {"good": 0, "unsure": 1, "failed": 2}


@dataclass(frozen=True)
class Source:
    """Something the page can show."""

    root: Path
    """Resolved folder that all served files lie in."""
    name: str
    names: tuple[str, ...] | None
    """File names to show, or None when `root` is a scene folder."""

    def file(self, relative: str) -> Path | None:
        """The file behind a relative URL; None when it is not one of this source's files."""
        allowed = SCENE_FILES.fullmatch(relative) if self.names is None else relative in self.names
        if not allowed or "\0" in relative:
            return None
        try:
            path = (self.root / relative).resolve(strict=True)
        except (OSError, RuntimeError):  # missing, or a loop of links
            return None
        # A link that leaves the folder is not followed, whatever its name.
        return path if path.is_relative_to(self.root) and path.is_file() else None

    def manifest(self) -> dict[str, Any]:
        """Everything the page needs to know, as JSON-able values."""
        if self.names is not None:
            splats = [self._splat(name, name, name) for name in self.names]
            return {"name": self.name, "splats": [s for s in splats if s], "cameras": [], "notes": []}
        return self._scene_manifest()

    def _splat(self, relative: str, key: str, label: str, **more: Any) -> dict[str, Any] | None:
        path = self.file(relative)
        if path is None:
            return None
        size = {"bytes": path.stat().st_size, "gaussians": ply.count(path)}
        form = path.suffix.lower()[1:]
        return {"id": key, "label": label, "url": f"files/{quote(relative)}", "format": form} | size | more

    def _scene_manifest(self) -> dict[str, Any]:
        scene = _open_scene(self.root)
        splats, cameras, notes = [], {}, []
        metrics = read_json(scene.metrics_path)
        metrics = metrics if isinstance(metrics, dict) else {}
        shots = [int(shot["index"]) for shot in scene.info.get("shots", [])]
        # Shots are separate worlds: with several, the whole-scene splats are those of the main one.
        main = scene.info.get("main_shot", shots[0] if shots else 0)
        whole = {"shot": main if len(shots) > 1 else None, "metrics": metrics}
        splats += [self._splat(f"scene.{s}", "scene", "Whole scene", **whole) for s in ("ply", "spz")][:1]
        for shot in shots if len(shots) > 1 else []:
            relative = f"shots/{shot:03d}/splat.ply"
            splats.append(self._splat(relative, f"shot-{shot}", f"Shot {shot + 1}", shot=shot))
        for chunk in scene.chunks():
            folder = f"chunks/{chunk.name}"
            found, note = cameras_of_chunk(self.root, folder, chunk.index, chunk.shot, chunk.first)
            notes += [note] if note else []
            for camera in found:  # neighbouring chunks share frames: one camera, several chunks
                key = (camera["shot"], camera["frame"])
                cameras.setdefault(key, camera)
                if cameras[key] is not camera:
                    cameras[key]["chunks"].append(chunk.index)
            own = read_json(self.root / folder / "metrics.json")
            last = chunk.first + chunk.frames - 1
            more: dict[str, Any] = {
                "chunk": chunk.index,
                "shot": chunk.shot,
                "first": chunk.first,
                "last": last,
            }
            more["metrics"] = own if isinstance(own, dict) else {}
            splats.append(
                self._splat(f"{folder}/splat.ply", f"chunk-{chunk.name}", f"Chunk {chunk.index}", **more)
            )
        for shot in shots:
            # The splats were fitted to these poses, not to those of the chunk folders.
            for frame, camera in refined_cameras(
                self.root / f"shots/{shot:03d}/refined_cameras.json"
            ).items():
                if (shot, frame) in cameras:
                    cameras[shot, frame] |= camera
        views = {view.get("frame"): view for view in _list_of_dicts(metrics.get("views"))}
        for camera in cameras.values():
            image = camera.pop("image")
            if self.file(image):
                camera |= {"image": f"files/{quote(image)}", "thumb": f"thumbs/{quote(image)}"}
            scores = views.get(camera["frame"], {})
            camera |= {key: scores[key] for key in ("split", "psnr", "ssim") if key in scores}
        verdict, reason = self._verdict(scene, metrics)
        return {
            "name": self.name,
            "fps": scene.info.get("fps"),
            "verdict": verdict,
            "reason": reason,
            "splats": [splat for splat in splats if splat],
            "cameras": [cameras[key] for key in sorted(cameras)],
            "metrics": metrics,
            "notes": notes,
        }

    def _verdict(self, scene: SceneFolder, metrics: dict[str, Any]) -> tuple[str | None, str]:
        """The scene's own verdict, else the worst of its shots'."""
        if metrics.get("verdict") in RANK:
            return metrics["verdict"], str(metrics.get("reason") or "")
        report = read_json(scene.report_path)
        shots = _list_of_dicts(report.get("shots")) if isinstance(report, dict) else []
        shots = [shot for shot in shots if shot.get("verdict") in RANK]
        if not shots:
            return None, ""
        worst = max(shots, key=lambda shot: RANK[shot["verdict"]])
        return worst["verdict"], str(worst.get("reason") or "")


def open_source(path: str | Path) -> Source:
    """A scene folder, a .ply / .spz / .splat / .ksplat / .sog file, or a folder that holds such files."""
    path = Path(path)
    kinds = ", ".join(SPLAT_SUFFIXES)
    if not path.exists():
        raise ViewerError(f"there is nothing at {path}; expected a scene folder or a splat file ({kinds})")
    root = path.resolve()
    if path.is_file():
        if root.name == "scene.json":
            return open_source(root.parent)
        if path.suffix.lower() not in SPLAT_SUFFIXES:
            raise ViewerError(f"{path} is no splat file; expected a scene folder or one of {kinds}")
        return Source(root.parent, path.stem, (root.name,))
    if (root / "scene.json").exists():
        _open_scene(root)
        source = Source(root, root.name, None)
        if not source.manifest()["splats"]:
            raise ViewerError(
                f"{path} has no trained splats yet (scene.ply, chunks/…/splat.ply); "
                f"run `splatreel reconstruct` on its video with --out {path}"
            )
        return source
    names = sorted(p.name for p in root.iterdir() if p.suffix.lower() in SPLAT_SUFFIXES and p.is_file())
    if not names:
        raise ViewerError(f"{path} has neither scene.json nor a splat file in it ({kinds})")
    return Source(root, root.name, tuple(names))


def _open_scene(root: Path) -> SceneFolder:
    from recon.errors import ReconError
    from recon.scene import SceneFolder

    try:
        return SceneFolder.open(root)
    except (ReconError, OSError) as error:
        raise ViewerError(str(error)) from error


def _list_of_dicts(value: Any) -> list[dict[str, Any]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []
