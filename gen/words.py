"""The words a video model gets: the prompt, its caption, and what a camera move needs said."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from gen.errors import GenerateError
from gen.models.camera import Direction, direct
from gen.models.spec import ModelSpec, Task
from gen.planning import Extent, pipeline_takes
from gen.recaption import Recaption, recaption


@dataclass(frozen=True)
class Words:
    """What is said to a model, and how it moves the camera."""

    prompt: str
    negative: str | None
    caption: Recaption | None = None
    direction: Direction | None = None

    @property
    def notes(self) -> tuple[str, ...]:
        """What the user should know of it."""
        said = [self.caption.note] if self.caption else []
        return tuple(said + ([self.direction.sentence] if self.direction else []))

    def to_json(self) -> dict[str, Any]:
        """For the sidecar."""
        content: dict[str, Any] = {"caption": self.prompt, "negative_prompt": self.negative}
        if self.caption:
            content["caption_by"] = {"model": self.caption.by, "licence": self.caption.licence}
        if self.direction:
            content["camera_move"] = {"move": self.direction.move, "by": self.direction.by}
        return content


def words_for(
    spec: ModelSpec,
    task: Task,
    size: Extent,
    *,
    prompt: str,
    negative: str | None = None,
    camera: str | None = None,
    caption_model: str | None = None,
    for_reconstruction: bool = False,
    seed: int = 0,
) -> Words:
    """All words for a model; `caption_model` is `rules` or a language model that makes a caption.

    Raises `GenerateError` for words that the model cannot follow.
    """
    takes = pipeline_takes(spec, task, "prompt")
    if caption_model and not (takes and prompt):
        reason = "there is no prompt to make it of" if takes else f"{spec.name} takes no words"
        raise GenerateError(
            f"A caption ({caption_model}) was asked for, but {reason}, so it would be ignored: leave "
            f"recaption out, or {'give a prompt' if takes else 'choose another model'}."
        )
    direction = None
    if camera is not None:
        direction = direct(spec, camera, frames=size.frames, width=size.width, height=size.height)
        if direction.words and not takes:
            raise GenerateError(
                f"The camera move is {camera}, but {spec.name} follows neither cameras nor words: leave the "
                f"move out, or choose another model."
            )
    caption = None
    if prompt and takes and (caption_model or for_reconstruction):
        caption = recaption(prompt, caption_model, for_reconstruction=for_reconstruction, seed=seed)
        prompt = caption.text
        if negative is None and pipeline_takes(spec, task, "negative_prompt"):
            negative = caption.negative
    if direction and direction.words:
        prompt = f"{prompt} {direction.words}".strip()
    return Words(prompt, negative, caption, direction)
