"""The `splatreel` command: a prompt, an image or any video becomes a Gaussian splat scene in a browser.

Nothing but wiring. The stages are functions: `gen.generate`, `recon.split`, `recon.reconstruct`,
`recon.evaluate`, `viewer.view`; the scripts in `scripts/` call them from Python.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Literal

import tyro

__version__ = "0.1.0"

Preset = Literal["preview", "standard", "best"]
Stage = Literal["frames", "cameras", "train"]
Positional = tyro.conf.Positional
Out = Annotated[Path, tyro.conf.arg(metavar="PATH")]
Number = Annotated[float | None, tyro.conf.arg(metavar="NUMBER")]
Count = Annotated[int | None, tyro.conf.arg(metavar="INT")]
CameraAxes = Literal["opencv", "opengl", "unity", "opencv-inverse", "opengl-inverse"] | None
File = Annotated[Path | None, tyro.conf.arg(metavar="PATH")]


def make(
    prompt: Positional[str] = "",
    /,
    *,
    image: File = None,
    video: File = None,
    out: Out = Path("scene"),
    preset: Preset = "standard",
    frames: int = 29,
    seed: int = 0,
    view: bool = False,
) -> None:
    """Everything in one go: generate (from a prompt), split, place cameras, train.

    For example:

      splatreel make "a red brick house with three pine trees and a small blue car" --out house
      splatreel make --video clip.mp4 --out scene --preset preview --view

    Args:
        prompt: What to show, in English or Chinese.
        image: Start from a picture instead (needs a video model).
        video: Start from a video, GIF or folder of images instead.
        out: Scene folder; the same command continues what was interrupted.
        preset: preview (under a minute of training), standard, or best (long).
        frames: Frames to generate.
        seed: Another seed gives another layout of the same words.
        view: Open a browser that shows the scene while it is made, and the result.
    """
    given = [name for name, value in (("PROMPT", prompt), ("--image", image), ("--video", video)) if value]
    if len(given) != 1:
        found = " and ".join(given) if given else "none of them"
        raise UsageError(
            f'found {found}, expected one of PROMPT, --image or --video; try splatreel make "a red house"'
        )
    if video is None:
        video = out.with_name(f"{out.name}.mp4")
        given = [prompt] if image is None else ["image", str(image), "--for-reconstruction"]
        count = ["--frames", str(frames)] if image is None else []
        generate(*given, "--out", str(video), "--seed", str(seed), *count)
    reconstruct(video, out=out, preset=preset, seed=seed, view=view)


def generate(*workflow: str) -> None:
    """Make a video from words, a picture, poses, sound or another video (see its own --help).

    For example:

      splatreel generate "a snowman and two pine trees in the snow" --out snowman.mp4
      splatreel generate image photo.jpg --for-reconstruction

    Args:
        workflow: text, image, chain, camera, extend, loop and others, and what they take.
    """
    from gen.commands import parse
    from gen.generate import generate as generate_video
    from recon.terminal import Terminal

    request = parse(list(workflow))
    with Terminal() as terminal:
        generate_video(request, on_event=_generator_events(terminal))


def models() -> None:
    """List the video and image models: what they do, licence, memory, and how to fetch them."""
    from gen.models.table import print_models

    print_models()


def split(
    source: Positional[Path],
    /,
    *,
    out: Out = Path("scene"),
    fps: Number = None,
    start: Number = None,
    end: Number = None,
    long_side: Count = None,
) -> None:
    """Cut a video into frames, shots and folders of 29 frames.

    For example:

      splatreel split clip.mp4 --out scene
      splatreel split phone.mov --out scene --fps 5 --start 2 --end 12

    Args:
        source: A video, GIF or folder of images.
        out: Scene folder.
        fps: Frames per second to keep; all of them when left out (long videos are thinned).
        start: Seconds.
        end: Seconds.
        long_side: Long side of the frames on disk in pixels [960].
    """
    from recon.pipeline import FRAMES_LONG_SIDE
    from recon.splitting import split as split_video
    from recon.terminal import Terminal

    with Terminal() as terminal:
        split_video(
            source,
            out,
            fps=fps,
            start=start,
            end=end,
            long_side=long_side or FRAMES_LONG_SIDE,
            on_event=terminal,
        )


def reconstruct(
    source: Positional[Path],
    /,
    *,
    out: Out = Path("scene"),
    preset: Preset = "standard",
    fps: Number = None,
    start: Number = None,
    end: Number = None,
    long_side: Count = None,
    steps: Count = None,
    budget: Count = None,
    cameras: File = None,
    camera_axes: CameraAxes = None,
    refine_cameras: bool = False,
    masks: File = None,
    solver: Annotated[str | None, tyro.conf.arg(metavar="MODEL")] = None,
    depth: Annotated[str | None, tyro.conf.arg(metavar="MODEL")] = None,
    motion: Literal["auto", "on", "off"] = "auto",
    device: Literal["auto", "cpu", "cuda"] = "auto",
    seed: int = 0,
    force: Stage | None = None,
    view: bool = False,
) -> None:
    """Turn a video into a Gaussian splat scene: frames, cameras, training, pictures, scores.

    For example:

      splatreel reconstruct clip.mp4 --out scene
      splatreel reconstruct photos/ --out scene --preset preview --view
      splatreel reconstruct clip.mp4 --out scene --long-side 720 --budget 100000
      splatreel reconstruct clip.mp4 --out scene --cameras transforms.json --masks masks/

    Args:
        source: A video, GIF or folder of images.
        out: Scene folder; the same command continues what was interrupted.
        preset: preview (under a minute of training), standard, or best (long).
        fps: Frames per second to keep; all of them when left out (long videos are thinned).
        start: Seconds.
        end: Seconds.
        long_side: Pixels, for the frames on disk and for training [960 and the preset's].
        steps: Training steps [the preset's].
        budget: Most Gaussians [the preset's].
        cameras: Known cameras: the .json beside a generated video, a transforms.json, a COLMAP folder
            or a RealEstate10K .txt.
        camera_axes: How to read their poses; what the format says when left out.
        refine_cameras: Take the known cameras as a first guess and let the pictures move them.
        masks: Folder with a mask for each frame, black where something moves [found by optical flow].
        solver: A learned solver for the cameras: name or folder of its weights, see docs/plugins.md.
        depth: A learned model of depth for what moves, likewise [where it stands on the ground tells].
        motion: Fit what moves, too, so that the scene plays (auto, on); off leaves it out.
        device: Where to train; cuda needs `pip install 'splatreel[cuda]'`.
        seed: Of every random choice.
        force: Redo this stage and those after it.
        view: Open a browser that shows the scene while it is made, and the result.
    """
    from recon.config import config_for
    from recon.pipeline import FRAMES_LONG_SIDE
    from recon.pipeline import reconstruct as reconstruct_video
    from recon.terminal import Terminal

    numbers = {"steps": steps, "budget": budget, "long_side": long_side, "seed": seed}
    config = config_for(preset, **numbers, motion=motion, depth_model=depth)
    with _live_page(out, view) as url:
        with Terminal() as terminal:
            reconstruct_video(
                source,
                out,
                config,
                fps=fps,
                start=start,
                end=end,
                long_side=long_side or FRAMES_LONG_SIDE,
                cameras=cameras,
                camera_axes=camera_axes,
                refine_cameras=refine_cameras,
                masks=masks,
                solver=solver,
                device=device,
                force=force,
                on_event=terminal,
            )
        evaluate(out)
        if url:
            from viewer import until_interrupted

            print(f"\nShown at {url}")
            until_interrupted()
        else:
            print(f"\nLook at it:  splatreel view {out}")


def evaluate(
    scene: Annotated[Path | None, tyro.conf.Positional] = None,
    /,
    *,
    truth: File = None,
    suite: Literal["none", "fourd"] = "none",
    only: tuple[str, ...] = (),
    seeds: tuple[int, ...] = (0,),
    preset: Preset = "preview",
    out: Out = Path("suite"),
    baselines: bool = False,
) -> None:
    """Score a scene: PSNR and SSIM of its renders, and pose error where the true cameras are known. Or score
    splatreel itself on a suite of drawn clips with exact truth.

    For example:

      splatreel evaluate scene
      splatreel evaluate scene --truth clip.json
      splatreel evaluate --suite fourd --only rigid walker --seeds 0 1 2

    Args:
        scene: Scene folder; none with --suite.
        truth: True cameras: a .json beside a generated video (found by itself), a transforms.json or COLMAP.
        suite: fourd: scenes that move, seen from where and when nobody filmed; half a minute each to draw.
        only: Of the suite, the scenes of these names.
        seeds: Of the looks and the motion in the suite.
        preset: Of the training in the suite.
        out: Where clips and scenes of the suite go; what is there is not made again.
        baselines: Train other ways to move in the suite, too, and compare.
    """
    from recon.errors import ReconError

    if suite == "fourd":
        _evaluate_fourd(scene, only, seeds, preset, out, baselines)
        return
    if scene is None:
        raise ReconError("found neither a scene nor a suite; give a scene folder, or --suite fourd")
    from recon.evaluation import evaluate as evaluate_scene
    from recon.summary import print_summary

    print_summary(scene, evaluate_scene(scene, truth=truth))


def _evaluate_fourd(
    scene: Path | None,
    only: tuple[str, ...],
    seeds: tuple[int, ...],
    preset: Preset,
    out: Path,
    baselines: bool,
) -> None:
    from recon.errors import ReconError
    from recon.terminal import Terminal
    from suites.fourd.scenes import SCENES
    from suites.fourd.suite import run

    if scene is not None:
        raise ReconError(f"found a scene ({scene}) and --suite fourd; give one of them")
    with Terminal() as on_event:
        run(only or SCENES, seeds, preset=preset, out=out, baselines=baselines, on_event=on_event)


def view(
    paths: Positional[tuple[Path, ...]],
    /,
    *,
    watch: bool = False,
    fps: float = 24.0,
    port: int = 0,
    host: str = "127.0.0.1",
    browser: bool = True,
) -> None:
    """Show a scene, splat files (.ply, .spz, .splat, .ksplat, .sog) or several of them in a browser.

    For example:

      splatreel view scene
      splatreel view scene --watch          (while it trains)
      splatreel view preview best           (side by side)
      splatreel view model.ply --port 8000 --no-browser

    Args:
        paths: Scene folder, splat file, or folder of splat files; numbered ones play as a sequence.
        watch: Wait for a scene that is still to come or has no splats yet.
        fps: Of a sequence of numbered splat files.
        port: A free one when 0.
        host: Other than 127.0.0.1 lets other machines in, with the token in the printed URL.
        browser: Open the page by itself.
    """
    from viewer import view as view_scene

    view_scene(*paths, port=port, host=host, open_browser=browser, fps=fps, watch=watch)


def export(
    scene: Positional[Path], out: Positional[Path], /, *, at: Number = None, edits: bool = True
) -> None:
    """Write a scene as one file for others: .ply, .spz (small), .splatv (moves), .html (needs no server).

    For example:

      splatreel export scene share.html
      splatreel export scene model.spz
      splatreel export scene moving.splatv
      splatreel export scene instant.ply --at 0.5
      splatreel export scene frames/

    Args:
        scene: Scene folder, or a .ply.
        out: The file to write; its ending says the format. A folder: a .ply for each frame of what moves.
        at: Freeze what moves at this time, seconds of the clip.
        edits: Apply the crop and filters that were saved in the viewer.
    """
    from viewer import export as export_scene

    size = export_scene(scene, out, edits=edits, at=at, on_note=print)
    print(f"{out}: {size / 1e6:.1f} MB")


@contextlib.contextmanager
def _live_page(scene: Path, wanted: bool) -> Iterator[str | None]:
    """The viewer beside the work that it shows; None when it is not wanted or cannot run."""
    if not wanted:
        yield None
        return
    from viewer import ViewerError, serve, show_in_browser

    with contextlib.ExitStack() as stack:
        try:
            url = stack.enter_context(serve(scene, watch=True))
            print(f"Shown at {url} while it is made")
            show_in_browser(url)
        except ViewerError as error:
            print(f"splatreel: going on without the page: {error}", file=sys.stderr)
            url = None
        yield url


class UsageError(Exception):
    """The command line does not say what to do."""


def _generator_events(terminal):
    """A listener for gen's events that speaks to recon's terminal."""
    from gen.events import (
        FrameRendered,
        ModelLoading,
        ModelReady,
        Notice,
        PromptRead,
        RendererReady,
        StepDone,
        VideoReused,
        VideoWritten,
    )
    from recon import events as shown

    drawing = False

    def draw() -> None:
        nonlocal drawing
        if not drawing:
            terminal(shown.StageStarted("video"))
        drawing = True

    def listen(event: object) -> None:
        match event:
            case PromptRead(used, ignored, objects, notes):
                text = "The built-in composer draws what it has words for (not a video model)."
                terminal(shown.Notice(text))
                things = f"; objects: {', '.join(objects)}" if objects else ""
                terminal(shown.Notice(f"words used: {', '.join(used)}{things}"))
                if ignored:
                    text = f"words ignored, not in its list: {', '.join(ignored)}"
                    terminal(shown.Notice(text, warning=True))
                for note in notes:
                    terminal(shown.Notice(note))
                draw()
            case Notice(text, warning):
                terminal(shown.Notice(text, warning=warning))
            case ModelLoading(name, folder):
                terminal(shown.StageStarted("model"))
                terminal(shown.StageProgress("model", 0, None, f"loading {name} from {folder}"))
            case ModelReady(name, device, seconds):
                terminal(shown.StageFinished("model", seconds, f"{name} on {device}"))
            case StepDone(step, steps, _, left):
                draw()
                terminal(shown.StageProgress("video", step, steps, f"denoising, {left:.0f} s left"))
            case RendererReady(seconds) if seconds > 2:
                terminal(shown.Notice(f"ray tracer compiled in {seconds:.0f} s (once on this machine)"))
            case FrameRendered(frame, frames, _):
                draw()
                terminal(shown.StageProgress("video", frame + 1, frames))
            case VideoWritten(path, seconds):
                terminal(shown.StageFinished("video", seconds, f"{path}, {_files_beside(path)}"))
            case VideoReused(path):
                terminal(shown.StageFinished("video", 0.0, f"{path} is there from an earlier run"))

    return listen


def _files_beside(path: Path) -> str:
    sheet = path.with_name(f"{path.stem}.sheet.png")
    return f"{path.with_suffix('.json').name}" + (f" and {sheet.name}" if sheet.exists() else "")


COMMANDS = {f.__name__: f for f in (make, generate, models, split, reconstruct, evaluate, view, export)}


def main(args: list[str] | None = None) -> int:
    """Entry point of the `splatreel` command."""
    args = sys.argv[1:] if args is None else args
    try:
        if args[:1] == ["generate"]:
            generate(*args[1:])  # has subcommands of its own
            return 0
        tyro.extras.subcommand_cli_from_dict(
            COMMANDS, prog="splatreel", description=__doc__.split("\n")[0] if __doc__ else None, args=args
        )
    except KeyboardInterrupt:
        print("\nstopped; the same command continues where it was", file=sys.stderr)
        return 130
    except BrokenPipeError:  # of `splatreel --help | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # nothing is left to flush into
        return 141
    except Exception as error:
        if not _is_ours(error):
            raise
        print(f"splatreel: {error}", file=sys.stderr)
        return 1
    return 0


def _is_ours(error: Exception) -> bool:
    """Is it a mistake of the input, to be told in one line, rather than one of ours?"""
    names = {
        cls.__name__
        for cls in type(error).__mro__
        if cls.__module__.split(".")[0] in ("gen", "recon", "viewer")
    }
    return isinstance(error, UsageError) or bool(names & {"GenerateError", "ReconError", "ViewerError"})


if __name__ == "__main__":
    sys.exit(main())
