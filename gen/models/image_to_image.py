"""An image model that draws pictures of a prompt, or draws over given ones."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import numpy as np

from gen.errors import GenerateError
from gen.events import Event, ignore
from gen.models.find import find_model
from gen.models.job import Job
from gen.models.loading import load
from gen.models.running import call, pictures_of, run
from gen.video_request import Memory


class Redraw(Protocol):
    """An image model: draws over a frame [H, W, 3] uint8 and returns one of the same size."""

    def __call__(
        self,
        frame: np.ndarray,
        prompt: str,
        negative: str,
        strength: float,
        steps: int,
        guidance: float,
        seed: int,
        /,
    ) -> np.ndarray: ...


def image_to_image(
    model: str | Path,
    memory: Memory | None = None,
    on_event: Callable[[Event], None] = ignore,
) -> Redraw:
    """Load an image model that draws over frames, one after another.

    `strength` is 0 for a frame as it is to 1 for one drawn anew. Raises `GenerateError` for a model that is
    not here or draws no pictures.
    """
    from PIL import Image

    spec = find_model(str(model), "redraw")
    pipeline = load(spec, "redraw", memory or Memory(), on_event)
    pipeline.set_progress_bar_config(disable=True)

    def redraw(
        frame: np.ndarray,
        prompt: str,
        negative: str,
        strength: float,
        steps: int,
        guidance: float,
        seed: int,
        /,
    ) -> np.ndarray:
        if strength <= 0:
            return frame
        # diffusers runs int(strength * steps) of the steps, and fails at none.
        while int(steps * strength) < 1:
            steps = max(steps + 1, int(1 / strength))
        arguments = {
            "image": Image.fromarray(frame),
            "prompt": prompt,
            "negative_prompt": negative or None,
            "strength": float(strength),
            "num_inference_steps": int(steps),
            "guidance_scale": float(guidance),
            "output_type": "np",
        }
        drawn = pictures_of(call(pipeline, arguments, spec, int(seed) % 2**63), spec)[0]
        if drawn.shape != frame.shape:
            raise GenerateError(
                f"The model {spec.name} drew {drawn.shape[1]}x{drawn.shape[0]} pixels over a frame of "
                f"{frame.shape[1]}x{frame.shape[0]}: choose a size whose sides are multiples of "
                f"{spec.multiple}."
            )
        return drawn

    return redraw


def draw_picture(
    model: str,
    prompt: str,
    *,
    width: int,
    height: int,
    seed: int,
    steps: int | None = None,
    memory: Memory,
    on_event: Callable[[Event], None],
) -> np.ndarray:  # [height, width, 3]
    """A picture of a prompt by an image model, uint8 sRGB, fitted to a size."""
    from gen.clips import fit_picture

    spec = find_model(model, "picture")
    # An image model draws well in about as many pixels as it was made for.
    scale = (spec.width * spec.height / (width * height)) ** 0.5
    w, h = spec.size(round(width * scale), round(height * scale))
    job = Job(task="picture", width=w, height=h, frames=1, fps=1, seed=seed, prompt=prompt, steps=steps)
    return fit_picture(run(spec, job, memory, on_event).frames[0], width, height)
