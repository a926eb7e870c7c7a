"""What a scene folder tells about the work going on in it: stage, curves, splats so far.

Files are the only link between a training and those who look on, so it does not matter in which process
either of them runs, or which was there first.
"""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

from recon.scene import SNAPSHOT
from viewer.cameras import read_json
from viewer.splat_file import SPLAT_ROW

AT_WORK = 20.0
"""Seconds after its last sign during which a training counts as going on."""
MOST_ROWS = 500
"""Of the history that a page is sent when it connects."""
STAGES = (
    ("frames", "cutting the video into frames"),
    ("cameras", "placing the cameras"),
    ("train", "preparing the training"),
)


class LogTail:
    """New rows of a train.jsonl, which may be cut short and written anew at any time."""

    def __init__(self, path: Path, shot: int) -> None:
        self.path, self.shot = path, shot
        self.offset, self.inode = 0, -1
        self._last = (0, 0.0)

    def read(self) -> tuple[list[dict[str, Any]], bool]:
        """Messages for the new rows; True when the file is another one than before."""
        try:
            with self.path.open("rb") as stream:
                stat = self.path.stat()
                anew = stat.st_ino != self.inode or stat.st_size < self.offset
                if anew:
                    self.offset, self.inode, self._last = 0, stat.st_ino, (0, 0.0)
                stream.seek(self.offset)
                data = stream.read()
        except OSError:
            return [], False
        whole = data.rfind(b"\n") + 1  # half a line waits for its end
        self.offset += whole
        messages = [self._message(line) for line in data[:whole].splitlines()]
        return [message for message in messages if message], anew

    def _message(self, line: bytes) -> dict[str, Any] | None:
        try:
            row = json.loads(line)
            if row["event"] == "TrainStep":
                before, self._last = self._last, (row["step"], row["seconds"])
                speed = (row["step"] - before[0]) / max(1e-6, row["seconds"] - before[1])
                keys = ("step", "total", "loss", "gaussians", "seconds")
                return {"type": "step", "shot": self.shot, "steps_per_second": speed} | {
                    key: row[key] for key in keys
                }
            if row["event"] == "Evaluated":
                return {"type": "score", "shot": self.shot} | {
                    key: row[key] for key in ("step", "split", "psnr", "ssim")
                }
        except (ValueError, KeyError, TypeError):
            pass
        return None


class TrainingFiles:
    """Reads a scene folder again and again; `news` says what is new in words for the page."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.logs: dict[int, LogTail] = {}
        self.rows: list[dict[str, Any]] = []
        """Steps and scores so far, in order."""
        self.state: dict[str, Any] = {"type": "state", "stage": "idle", "note": ""}
        self.snapshot: dict[str, Any] | None = None
        self._scene: tuple[Any, ...] | None = None
        self._snapshot_key: tuple[int, int, int] | None = None

    def history(self) -> list[dict[str, Any]]:
        """What a page that has just come needs to know."""
        steps = [row for row in self.rows if row["type"] == "step"]
        scores = [row for row in self.rows if row["type"] == "score"]
        thin = steps[:: max(1, -(-len(steps) // MOST_ROWS))]
        thin += steps[-1:] if steps and thin[-1] is not steps[-1] else []
        past = {"type": "history", "steps": thin, "scores": scores[-MOST_ROWS:]}
        return [past, self.state] + ([self.snapshot] if self.snapshot else [])

    def news(self) -> list[dict[str, Any]]:
        """Messages about what has changed since the last time."""
        shots = sorted(int(path.name) for path in self.root.glob("shots/[0-9]*") if path.name.isdigit())
        logs, snapshots = self._log_news(shots), self._snapshot_news(shots)
        return [*logs, *snapshots, *self._scene_news(), *self._state_news(shots)]

    def snapshot_path(self, shot: int) -> Path:
        """Where the splats so far of a shot lie."""
        return self._shot_folder(shot) / SNAPSHOT

    def _shot_folder(self, shot: int) -> Path:
        return self.root / "shots" / f"{shot:03d}"

    def _log_path(self, shot: int) -> Path:
        return self._shot_folder(shot) / "train.jsonl"

    def _log_news(self, shots: list[int]) -> list[dict[str, Any]]:
        messages: list[dict[str, Any]] = []
        for shot in shots:
            known = shot in self.logs
            tail = self.logs.setdefault(shot, LogTail(self._log_path(shot), shot))
            new, anew = tail.read()
            if anew and known:  # trained anew: what was told before did not happen
                self.rows = [row for row in self.rows if row["shot"] != shot]
            self.rows += new
            messages += new
        return messages

    def _snapshot_news(self, shots: list[int]) -> list[dict[str, Any]]:
        newest = max(((*_stamp(self.snapshot_path(shot)), shot) for shot in shots), default=(0, 0, 0))
        if newest[0] == 0:
            self.snapshot = self._snapshot_key = None
        if newest[0] == 0 or newest == self._snapshot_key:
            return []
        self._snapshot_key = newest
        version, size, shot = newest
        step = next(
            (row["step"] for row in reversed(self.rows) if row["shot"] == shot and row["type"] == "step"), 0
        )
        url = f"live/{shot:03d}.splat?v={version}"
        numbers = {"bytes": size, "gaussians": size // SPLAT_ROW}
        self.snapshot = {"type": "splats", "shot": shot, "step": step, "url": url} | numbers
        return [self.snapshot]

    def _scene_news(self) -> list[dict[str, Any]]:
        names = ("scene.json", "scene.ply", "metrics.json", "cameras/report.json")
        before, self._scene = self._scene, tuple(_stamp(self.root / name) for name in names)
        return [{"type": "scene"}] if before is not None and before != self._scene else []

    def _state_news(self, shots: list[int]) -> list[dict[str, Any]]:
        stage, note = self._stage(shots)
        state = {"type": "state", "stage": stage, "note": note}
        if state == self.state:
            return []
        self.state = state
        return [state]

    def _stage(self, shots: list[int]) -> tuple[str, str]:
        """Name of what goes on, and the same in words."""
        if not self.root.exists():
            return "gone", f"waiting for {self.root.name}"
        signs = [path for shot in shots for path in (self._log_path(shot), self.snapshot_path(shot))]
        last = max((_stamp(path)[0] for path in signs), default=0)
        # The stage's stamp is written when it is done.
        if last > _stamp(self.root / "scene.json")[0] and time.time() - last / 1e9 < AT_WORK:
            return "training", ""
        info = read_json(self.root / "scene.json")
        done = info.get("stages") if isinstance(info, dict) else None
        for stage, note in STAGES if not (self.root / "scene.ply").exists() else ():
            if not isinstance(done, dict) or stage not in done:
                return stage, note
        return "done", ""


def _stamp(path: Path) -> tuple[int, int]:
    """When a file was modified, nanoseconds since the epoch, and its size; zeros when it is not there."""
    try:
        stat = path.stat()
        return stat.st_mtime_ns, stat.st_size
    except OSError:
        return 0, 0
