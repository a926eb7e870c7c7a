"""Speed of the page beside Spark's plain set-up and PlayCanvas' supersplat-viewer, on the same splats.

    python scripts/bench/viewer.py
    python scripts/bench/viewer.py --splats 20000 --rounds 3 --seconds 10

Needs Linux, Chromium, npm (the other viewers are fetched into a temporary folder) and nothing else running.
On a machine without a graphics card the browser draws in software: frame rates mean nothing then, ratios do.
What a frame costs the browser's drawing process in CPU time hardly depends on what else runs.

All pages get 640 x 360 pixels, the same cloud and the same camera, and are turned by dragging the mouse.
A frame counts when WebGL has been told to draw half of the splats at least.
"""

from __future__ import annotations

import contextlib
import functools
import http.server
import os
import statistics
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
import tyro

import viewer
from recon.splat_ply import write_splat_ply
from recon.types import Gaussians

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

SIZE = {"width": 640, "height": 360}
PACKAGES = ("three@0.187", "@sparkjsdev/spark@2.2.0", "@playcanvas/supersplat-viewer@1.36.2")
FLAGS = (
    "--headless=new --no-sandbox --use-angle=swiftshader --enable-unsafe-swiftshader --ignore-gpu-blocklist"
)
FLAGS += " --no-first-run --disable-background-networking --disable-component-update"
CAMERA = np.array([0.35, -0.28, -1.0])
"""Direction from the middle of the cloud to the eye; the page's own first view of a bare file."""
FIELD_OF_VIEW = 55.0
"""Degrees, vertical."""
COUNT = """
(() => {
  const bench = (window.bench = { frames: 0, first: null, enough: %d, canvas: null });
  let quads = 0;
  const of = WebGL2RenderingContext.prototype;
  const places = { drawElements: [1], drawElementsInstanced: [1, 4] };
  Object.assign(places, { drawArrays: [2], drawArraysInstanced: [2, 3] });
  for (const [name, [count, instances]] of Object.entries(places)) {
    const draw = of[name];
    of[name] = function (...values) {
      quads += (values[count] * (values[instances] ?? 1)) / (count === 2 ? 4 : 6);
      if (quads > bench.enough) bench.canvas = [this.drawingBufferWidth, this.drawingBufferHeight];
      return draw.apply(this, values);
    };
  }
  const tick = () => {
    if (quads > bench.enough) {
      bench.frames++;
      bench.first ??= performance.now();
    }
    quads = 0;
    requestAnimationFrame(tick);
  };
  requestAnimationFrame(tick);
})();
"""
SPARK_PAGE = """<!doctype html><style>body { margin: 0 } canvas { display: block }</style>
<script type="importmap">{"imports": {"three": "./node_modules/three/build/three.module.js",
"three/addons/": "./node_modules/three/examples/jsm/",
"@sparkjsdev/spark": "./node_modules/@sparkjsdev/spark/dist/spark.module.js"}}</script>
<script type="module">
import * as THREE from "three";
import { OrbitControls } from "three/addons/controls/OrbitControls.js";
import { SparkRenderer, SplatMesh } from "@sparkjsdev/spark";
const renderer = new THREE.WebGLRenderer({ antialias: false });
renderer.setSize(innerWidth, innerHeight);
document.body.append(renderer.domElement);
const scene = new THREE.Scene();
const camera = new THREE.PerspectiveCamera(FOV, innerWidth / innerHeight, 0.01, 100);
camera.up.set(0, -1, 0);
camera.position.set(EYE);
const controls = new OrbitControls(camera, renderer.domElement);
scene.add(new SparkRenderer({ renderer }), new SplatMesh({ url: "cloud.ply" }));
renderer.setAnimationLoop(() => { controls.update(); renderer.render(scene, camera); });
</script>
"""


@dataclass(frozen=True)
class Result:
    """One page, opened, turned and left alone."""

    first_picture: float
    """Seconds from navigation to the first frame with splats."""
    turning: float
    """Frames per second."""
    still: int
    """Frames drawn in three seconds of standing still."""
    cost: float
    """Milliseconds of CPU time of the browser's drawing process, per frame."""
    canvas: tuple[int, int]
    """Pixels of the last frame while turning."""


def cloud(count: int) -> Gaussians:
    """A ball of Gaussians, radius 1, a few pixels each, whatever their number."""
    g = torch.Generator().manual_seed(0)
    direction = torch.nn.functional.normalize(torch.randn(count, 3, generator=g), dim=1)
    means = direction * torch.rand(count, 1, generator=g) ** (1 / 3)
    size = 0.8 * count ** (-1 / 3)
    log_scales = np.log(size) - 1.5 + 0.5 * torch.randn(count, 3, generator=g)
    sh = torch.randn(count, 4, 3, generator=g) * torch.tensor([1.0, 0.2, 0.2, 0.2])[:, None]
    opacities = torch.rand(count, generator=g) * 5 - 2
    return Gaussians(means, torch.randn(count, 4, generator=g), log_scales, opacities, sh)


def turn(page: Page, seconds: float) -> None:
    """Drag to and fro."""
    x, y = SIZE["width"] / 2, SIZE["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    begun, i = time.perf_counter(), 0
    while time.perf_counter() - begun < seconds:
        i += 1
        page.mouse.move(x + 150 * np.sin(0.12 * i), y)
    page.mouse.up()


def drawing_seconds() -> float:
    """CPU time so far of the drawing process of the browser that this process has started."""
    parents: dict[int, int] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):  # it has ended
            parents[int(stat.parent.name)] = int(stat.read_text().rpartition(")")[2].split()[1])
    seconds = 0.0
    for process in parents:
        at = process
        while at in parents and at != os.getpid():
            at = parents[at]
        folder = Path(f"/proc/{process}")
        if at == os.getpid() and b"--type=gpu-process" in (folder / "cmdline").read_bytes():
            threads = (folder / "task").glob("*/schedstat")
            seconds += sum(int(thread.read_text().split()[0]) for thread in threads) / 1e9
    return seconds


def measure(browser: Browser, url: str, count: int, seconds: float, prepare: str = "") -> Result:
    """Open a page, turn it, leave it alone."""
    context = browser.new_context(viewport=SIZE, bypass_csp=True)  # pyright: ignore[reportArgumentType]
    page = context.new_page()
    page.add_init_script(COUNT % (count / 2))

    def bench() -> dict[str, Any]:
        return page.evaluate("window.bench")

    try:
        page.goto(url)
        begun = time.perf_counter()
        while bench()["first"] is None:
            if time.perf_counter() - begun > 90:
                raise SystemExit(f"{url} drew no splats in 90 seconds")
            page.wait_for_timeout(20)
        first = bench()["first"] / 1000
        page.wait_for_timeout(3000)
        for key in prepare:
            page.keyboard.press(key)
            page.wait_for_timeout(1500)
        turn(page, 2)  # shaders compile, workers start
        before, spent, start = bench()["frames"], drawing_seconds(), time.perf_counter()
        turn(page, seconds)
        frames, took = bench()["frames"] - before, time.perf_counter() - start
        cost = 1000 * (drawing_seconds() - spent) / max(1, frames)
        canvas = tuple(bench()["canvas"])
        page.wait_for_timeout(4000)
        before = bench()["frames"]
        page.wait_for_timeout(3000)
        return Result(first, frames / took, bench()["frames"] - before, cost, canvas)
    finally:
        context.close()


@contextlib.contextmanager
def static_server(folder: Path) -> Iterator[str]:
    """Files of a folder, without a word in the terminal."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None: ...

    server = http.server.ThreadingHTTPServer(
        ("127.0.0.1", 0), functools.partial(Quiet, directory=str(folder))
    )
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/"
    finally:
        server.shutdown()


def write_others(folder: Path) -> None:
    """The pages of the other viewers, beside cloud.ply."""
    subprocess.run(
        ["npm", "install", "--silent", "--no-audit", "--no-fund", *PACKAGES], cwd=folder, check=True
    )
    eye = 2.1 * 0.965 * CAMERA / np.linalg.norm(CAMERA)  # nine tenths of a ball lie within 0.965 radii
    page = SPARK_PAGE.replace("FOV", str(FIELD_OF_VIEW)).replace("EYE", ", ".join(map(str, eye)))
    (folder / "spark.html").write_text(page)
    public = folder / "node_modules/@playcanvas/supersplat-viewer/public"
    for file in public.iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    position = f"[{-eye[0]}, {-eye[1]}, {eye[2]}]"  # it turns PLYs by half a turn about z
    camera = f'{{"initial": {{"position": {position}, "target": [0, 0, 0], "fov": {FIELD_OF_VIEW}}}}}'
    settings = f'{{"version": 2, "cameras": [{camera}], "annotations": [], "animTracks": [], '
    settings += '"tonemapping": "none", "highPrecisionRendering": false, "background": {"color": [0, 0, 0]}, '
    settings += '"postEffectSettings": {}, "startMode": "default"}'
    (folder / "settings.json").write_text(settings)


def main(
    splats: tuple[int, ...] = (20_000, 100_000),
    rounds: int = 2,
    seconds: float = 8.0,
    chromium: Path = Path("/usr/bin/chromium"),
) -> None:
    """Print the table.

    Args:
        splats: Sizes of the cloud.
        rounds: Every page is opened this often, in turn; medians are shown.
        seconds: Of turning, per page and round.
        chromium: The browser.
    """
    from playwright.sync_api import sync_playwright

    print(
        "| splats | page | first picture | turning | ratio | CPU per frame | frames in 3 s still | canvas |"
    )
    print("|---|---|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as name, sync_playwright() as playwright:
        folder = Path(name)
        write_others(folder)
        browser = playwright.chromium.launch(executable_path=str(chromium), args=FLAGS.split())
        for count in splats:
            write_splat_ply(folder / "cloud.ply", cloud(count))
            results: dict[str, list[Result]] = {}
            with viewer.serve(folder / "cloud.ply") as ours, static_server(folder) as others:
                pages = {
                    "Spark, plain": (others + "spark.html", ""),
                    "supersplat-viewer": (others + "index.html?content=cloud.ply&webgl&noui&noanim", ""),
                    "splatreel, all pixels": (ours + "#quality=full", "h"),
                    "splatreel": (ours, "h"),
                }
                for _ in range(rounds):
                    for page, (url, keys) in pages.items():
                        results.setdefault(page, []).append(measure(browser, url, count, seconds, keys))
            plain = statistics.median(result.turning for result in results["Spark, plain"])
            for page, found in results.items():
                first = statistics.median(result.first_picture for result in found)
                turning = statistics.median(result.turning for result in found)
                still = max(result.still for result in found)
                canvas = "{} x {}".format(*found[-1].canvas)
                speed = f"{turning:.2f} /s | {turning / plain:.2f}"
                cost = f"{statistics.median(result.cost for result in found):.0f} ms"
                row = (f"{count:,}", page, f"{first:.2f} s", speed, cost, str(still), canvas)
                print(f"| {' | '.join(row)} |", flush=True)
        browser.close()


if __name__ == "__main__":
    tyro.cli(main)
