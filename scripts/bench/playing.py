"""What playing costs the page: a clip of 4 seconds against the same scene frozen, and whether it draws right.

    python scripts/bench/playing.py
    python scripts/bench/playing.py --still 50000 --moving 10000 --rounds 3 --seconds 8

Needs Chromium and nothing else running. Both scenes play along the same path of cameras, in turn, with all
pixels; on a machine without a graphics card the browser draws in software, and only the ratio means
something. Then pictures of the page at five times are compared with our rasterizer's.
"""

from __future__ import annotations

import base64
import io
import json
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
import tyro
from PIL import Image
from playwright.sync_api import Page, sync_playwright

import viewer
from gen.composer.camera_paths import look_at
from recon.fourd.motion import FOREVER, Bases, Lifetimes, Moving, Splats4D, at_rest
from recon.fourd.splat4d import read_splats, write_splats
from recon.gaussians import SH_DC
from recon.losses import psnr
from recon.raster import render
from recon.types import Gaussians

WIDTH, HEIGHT, FOCAL = 640, 360, 560.0
FPS, SECONDS = 24, 4.0
BASES, SPACING = 8, 0.2
FLAGS = (
    "--headless=new --no-sandbox --use-angle=swiftshader --enable-unsafe-swiftshader --ignore-gpu-blocklist"
)
FLAGS += " --no-first-run --disable-background-networking --disable-component-update"


def cameras() -> np.ndarray:
    """world_from_camera [F, 4, 4], OpenCV axes, on an arc of 20° around the scene; z is up."""
    angles = np.radians(np.linspace(-10, 10, round(FPS * SECONDS) + 1))
    eyes = np.stack([2.2 * np.sin(angles), -2.2 * np.cos(angles), np.full(len(angles), 0.6)], 1)
    return look_at(eyes, np.zeros(3))


def scene(still: int, moving: int) -> Splats4D:
    """A checkered floor before a checkered wall, and a ball whose parts swing and turn, each its own way;
    a fifth of it lives for a while only."""
    g = torch.Generator().manual_seed(0)

    def gaussians(means: torch.Tensor, rgb: torch.Tensor, spacing: float, degree: int) -> Gaussians:
        n = len(means)
        sh = 0.05 * torch.randn(n, (degree + 1) ** 2, 3, generator=g)
        sh[:, 0] = (rgb - 0.5) / SH_DC
        sizes = np.log(0.7 * spacing) + 0.3 * torch.randn(n, 3, generator=g)
        logits = torch.rand(n, generator=g) * 5 - 1
        return Gaussians(means, torch.randn(n, 4, generator=g), sizes, logits, sh)

    at = torch.rand(still, 3, generator=g) * 3 - 1.5
    wall = torch.arange(still) % 2 == 0
    at[wall, 1], at[~wall, 2] = 1.5, -0.5
    at[wall, 2] += 1.0
    checks = (at * 3).floor().sum(1) % 2
    grey = torch.where(checks[:, None] > 0, 0.8, 0.3).expand(-1, 3)
    background = gaussians(at, grey, 3 * (still / 2) ** -0.5, 1)

    way = torch.nn.functional.normalize(torch.randn(moving, 3, generator=g), dim=1)
    points = 0.4 * way * torch.rand(moving, 1, generator=g) ** (1 / 3)
    control = Bases.count_for(SECONDS, SPACING)
    turns = torch.cat([torch.ones(BASES, control, 1), 0.2 * torch.randn(BASES, control, 3, generator=g)], 2)
    bases = Bases(turns, 0.15 * torch.randn(BASES, control, 3, generator=g), 0.0, SPACING)
    # Neighbours on the ball follow much the same motions.
    towards = torch.nn.functional.normalize(torch.randn(BASES, 3, generator=g), dim=1)
    best = (way @ towards.T * 3).softmax(1).topk(4, dim=1)
    shares = torch.zeros(moving, BASES).scatter(1, best.indices, best.values)
    shares = shares / shares.sum(1, keepdim=True)
    times = torch.rand(moving, generator=g) * SECONDS
    radii = torch.where(torch.arange(moving) % 5 == 0, 0.5, FOREVER)
    lives = Lifetimes(times, radii, torch.full((moving,), 0.1))
    rest = gaussians(at_rest(points, shares, bases, times), 0.5 + 0.4 * way, 0.65 * moving ** (-1 / 3), 0)
    return Splats4D(background, Moving(rest, shares, bases, lives))


def write_scene(root: Path, splats: Splats4D) -> Path:
    """A scene folder with these splats and the path of the cameras."""
    poses = cameras()
    shot = {"index": 0, "first": 0, "frames": len(poses)}
    info = {"format": "splatreel-scene", "version": 1, "stages": {}, "fps": FPS, "width": WIDTH}
    info |= {"height": HEIGHT, "chunks": [shot | {"shot": 0}], "shots": [shot]}
    lens = {"fl_x": FOCAL, "fl_y": FOCAL, "cx": WIDTH / 2, "cy": HEIGHT / 2, "w": WIDTH, "h": HEIGHT}
    rows = [
        {"file_path": f"images/{i:05d}.png", "transform_matrix": (pose @ np.diag([1, -1, -1, 1])).tolist()}
        for i, pose in enumerate(poses)
    ]
    chunk = root / "chunks/000"
    chunk.mkdir(parents=True)
    (chunk / "transforms.json").write_text(json.dumps(lens | {"frames": rows}))
    (root / "scene.json").write_text(json.dumps(info))
    write_splats(root / "scene.ply", splats)
    return root


def frame_time(page: Page, seconds: float) -> float:
    """Milliseconds a drawn frame while the clip plays, over and over."""

    def drawn() -> int:
        return page.evaluate("splatreel.state().frames")

    page.keyboard.press(" ")
    page.wait_for_timeout(2000)  # shaders compile, workers start
    before, start = drawn(), time.perf_counter()
    page.wait_for_timeout(1000 * seconds)
    frames, took = drawn() - before, time.perf_counter() - start
    page.keyboard.press(" ")
    return 1000 * took / max(1, frames)


def rasterized(splats: Gaussians, pose: np.ndarray) -> torch.Tensor:
    """[H, W, 3] our own picture."""
    K = torch.tensor([[FOCAL, 0, WIDTH / 2], [0, FOCAL, HEIGHT / 2], [0, 0, 1]])
    camera_from_world = torch.tensor(np.linalg.inv(pose), dtype=torch.float32)
    return render(splats, camera_from_world, K, WIDTH, HEIGHT).image.clamp(0, 1)


def captured(page: Page, camera: int) -> torch.Tensor:
    """[H, W, 3] the page's."""
    page.evaluate("camera => splatreel.setCamera(camera)", camera)
    url: str = page.evaluate("camera => splatreel.capture({camera})", camera)
    picture = Image.open(io.BytesIO(base64.b64decode(url.partition(",")[2]))).convert("RGB")
    return torch.from_numpy(np.array(picture, np.float32)) / 255


def main(
    still: int = 50_000,
    moving: int = 10_000,
    rounds: int = 3,
    seconds: float = 8.0,
    pictures: Path | None = None,
    chromium: Path = Path("/usr/bin/chromium"),
) -> None:
    """Print the tables.

    Args:
        still: Gaussians that stand.
        moving: Gaussians that move.
        rounds: Both scenes play this often, in turn; medians are shown.
        seconds: Of playing, per scene and round.
        pictures: Write the page's pictures beside our rasterizer's into this folder.
        chromium: The browser.
    """
    splats = scene(still, moving)
    scenes = {"moving": splats, "frozen": Splats4D(splats.at(SECONDS / 2))}
    times: dict[str, list[float]] = {name: [] for name in scenes}
    with tempfile.TemporaryDirectory() as name, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(chromium), args=FLAGS.split())

        def opened(url: str) -> Page:
            page = browser.new_context(viewport={"width": WIDTH, "height": HEIGHT}).new_page()
            page.goto(url + "#quality=full")
            page.evaluate("splatreel.ready")
            return page

        folders = {kind: write_scene(Path(name) / kind, one) for kind, one in scenes.items()}
        for _ in range(rounds):
            for kind, folder in folders.items():
                with viewer.serve(folder) as url:
                    page = opened(url)
                    times[kind].append(frame_time(page, seconds))
                    page.context.close()
        rows = ", ".join(f"{a:.0f} and {b:.0f}" for a, b in zip(*times.values(), strict=True))
        ratio = statistics.median(times["moving"]) / statistics.median(times["frozen"])
        print(f"{still + moving:,} Gaussians, {moving:,} of them moving, {SECONDS:.0f} s at {FPS} a second")
        print(f"moving and frozen, milliseconds a frame: {rows}; ratio of the medians {ratio:.2f}")
        print("\n| time | PSNR of the page against our rasterizer |\n|---|---|")
        poses, stored = cameras(), read_splats(folders["moving"] / "scene.ply")
        with viewer.serve(folders["moving"]) as url:
            page = opened(url)
            for camera in np.linspace(0, len(poses) - 1, 5).round().astype(int).tolist():
                shown = captured(page, camera)
                now: float = page.evaluate("splatreel.state().time")
                own = rasterized(stored.at(now), poses[camera])
                print(f"| {now:.2f} s | {psnr(shown, own):.1f} dB |")
                if pictures:
                    pictures.mkdir(parents=True, exist_ok=True)
                    both = (255 * torch.cat([shown, own], 1)).round().byte()
                    Image.fromarray(both.numpy()).save(pictures / f"{camera:03d}.png")
        browser.close()


if __name__ == "__main__":
    tyro.cli(main)
